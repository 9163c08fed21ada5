"""Choices of people among a few categories: accuracy, error consistency, shape bias, confusions.

A network answers by its own ImageNet classes, or by a read-out that is fitted on a layer with images of its own, so
that a network trained on anything can be asked. A YAML with `choices` describes such a benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlspatial.analysis import choices as measures
from mlspatial.analysis import svc
from mlspatial.analysis.splits import k_folds
from mlspatial.benchmarks.base import Benchmark, Layer, Way, digests, standard_error
from mlspatial.benchmarks.categories16 import SIXTEEN
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.progress import say
from mlspatial.core.score import Score
from mlspatial.models.lazy import LazyModel
from mlspatial.models.spec import IMAGENET_UNITS
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.models.sinks import Product

VERSION = "3"
ALPHA = 0.05  # above which answers that name one of two cues are as many as chance would name
ANSWERS = ("imagenet", "readout")
READOUT_C = 1.0  # of a linear SVC, of features whose mean squared length is 1
FOLDS, FOLDS_SEED = 5, 20250102


@dataclass(frozen=True, eq=False)
class Choices(Benchmark):
    """categories: names; labels, textures: (n,) numbers of the category of each image, and of a second cue that may be
    at odds with it, or None; people: (observers, n) numbers of what each chose, -1 for no answer; observers: names.

    metric: one of `metrics`, the benchmark's own; answers: of networks: imagenet, by the mean probability of each
    category's classes, or readout, a linear SVC on a layer: fitted on the images whose cues agree and asked about the
    others, where there are two cues, else fitted on four fifths of the images and asked about the last.
    Raises UserError for choices that do not fit the images, BadValue for a setting that cannot be meant.
    """

    identifier: str
    stimuli: Stimuli
    categories: tuple[str, ...]
    labels: np.ndarray
    people: np.ndarray
    observers: tuple[str, ...]
    textures: np.ndarray | None = None
    metric: str = "error_consistency"
    answers: str = "imagenet"
    region: str = "behavior"

    takes: ClassVar[str] = "choices take"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "error_consistency", "shape_bias", "confusions")
    fixed: ClassVar[str] = "choices are of all images that a network is asked about"

    def __post_init__(self) -> None:
        what = f"benchmark {self.identifier}"
        if self.metric not in self.metrics:
            raise BadValue(f"{what}: metric", self.metric, f"must be one of {', '.join(self.metrics)}")
        if self.answers not in ANSWERS:
            raise BadValue(f"{what}: answers", self.answers, f"must be one of {', '.join(ANSWERS)}")
        if self.people.shape != (len(self.observers), len(self.stimuli)) or not len(self.observers):
            raise UserError(f"{what}: choices of shape {self.people.shape} for {len(self.observers)} observers")
        if self.metric == "shape_bias" and self.textures is None:
            raise UserError(f"{what}: metric shape_bias needs a second cue; write texture: with a pattern or column")
        lacking = [name for name in self.categories if name not in SIXTEEN]
        if self.answers == "imagenet" and lacking:
            known = ", ".join(SIXTEEN)
            raise UserError(
                f"{what}: category {lacking[0]} has no known ImageNet classes (known: {known}); set answers: readout"
            )

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return ("features", "gram")

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return {"choices": VERSION, "measures of choices": measures.VERSION, "svc": svc.VERSION}

    @cached_property
    def own(self) -> str:
        return self.metric

    @cached_property
    def version(self) -> str:
        """Hash of everything that decides a score but the network."""
        made_of = digests("<i8", self.labels, self.people, self.textures)
        settings = [self.metric, self.answers, list(self.categories), list(self.observers)]
        return content_id([self.stimuli.id, self.stimuli.degrees, *settings, made_of])

    def needs(self, metric: str) -> dict[str, Product | None]:
        return {"features" if self.answers == "imagenet" else "gram": None}

    def check(self, metric: str, way: Way) -> None:
        if metric == "shape_bias":
            self._demand_conflict()
        if self.answers == "readout":
            _ = self.folds  # raises for too few images to learn from

    def layers(self, asked: tuple[str, ...], model: LazyModel) -> tuple[str, ...]:
        """The output units of a network that answers itself, else those that are asked for."""
        if self.answers == "readout":
            return super().layers(asked, model)
        from mlspatial.models.extract import device_of
        from mlspatial.models.layers import output_layer
        from mlspatial.models.spec import grey

        module, spec = model.structure
        what, advice = f"benchmark {self.identifier}: {spec.arch}", "set answers: readout (as geirhos2019_readout)"
        if "imagenet" not in spec.head:
            own = f" ({', '.join(spec.head)})" if spec.head else ""
            raise UserError(
                f"{what} has {spec.units} output units{own}, not ImageNet's 1000 classes; {advice}, which fits a "
                "read-out on its layers"
            )
        output, layer = output_layer(module, grey(spec, device_of(module)))
        if not layer or output.shape[1:] != (IMAGENET_UNITS,):
            raise UserError(f"{what}: its output is no layer's, so that none can be read; {advice}")
        return (layer,)

    @cached_property
    def conflict(self) -> np.ndarray:
        """(n,) whether an image's two cues are at odds; nowhere without a second one."""
        return np.zeros(len(self.labels), bool) if self.textures is None else self.labels != self.textures

    def _demand_conflict(self) -> None:
        what = f"benchmark {self.identifier}: shape_bias needs images"
        if self.textures is None:
            raise UserError(f"{what} with a second cue; leave it out")
        if not self.conflict.any():
            raise UserError(f"{what} whose cues are at odds, there are none; leave it out")

    @cached_property
    def folds(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """(train, test) images of read-outs. Raises UserError where categories have too few to learn from."""
        if self.conflict.any():
            agreeing = np.flatnonzero(~self.conflict)
            if lacking := set(range(len(self.categories))) - set(self.labels[agreeing].tolist()):
                raise UserError(
                    f"benchmark {self.identifier}: no image shows {self.categories[min(lacking)]} in both cues, so no "
                    "read-out can learn it; add some, or set answers: imagenet"
                )
            return ((agreeing, np.flatnonzero(self.conflict)),)
        return tuple(k_folds(len(self.labels), seed=FOLDS_SEED, folds=FOLDS, stratify=self.labels))

    @cached_property
    def asked(self) -> np.ndarray:
        """The images that networks answer to."""
        if self.answers == "imagenet":
            return np.arange(len(self.labels))
        return np.sort(np.concatenate([test for _, test in self.folds]))

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        if self.answers == "imagenet":
            groups = [SIXTEEN[name] for name in self.categories]
            outputs = np.asarray(layer.arrays["features"])
            return [self.score(measures.by_groups(measures.softmax(outputs), groups), metric)]
        return [self.score(self.read_out(layer.gram), metric)]

    def read_out(self, gram: np.ndarray) -> np.ndarray:
        """(n,) choices of read-outs fitted on other images; -1 where no test image. gram: (n, n) inner products."""
        gram = gram / (np.trace(gram) / len(gram))
        found = np.full(len(gram), measures.NONE)
        for train, test in self.folds:
            fit = svc.fit_svc(gram[np.ix_(train, train)], self.labels[train], c=READOUT_C)
            found[test] = fit.predict(gram[np.ix_(test, train)])
        return found

    def score(self, chosen: np.ndarray, metric: str = "") -> Score:
        """Of an observer's choices, (n,): of those that networks are asked about. The ceiling is how people do: their
        mean accuracy, their shape bias taken together, or a person's agreement with the others, on average."""
        metric = metric or self.metric
        if metric == "shape_bias":
            self._demand_conflict()
        value, per_person = self._compared(chosen, self.people, metric)
        ceiling, choice = self._ceiling(metric), None
        more: dict[str, Any] = {"answers": self.answers}
        n = self._decisions(chosen) if metric == "shape_bias" else len(self.asked)
        if metric == "shape_bias":  # a layer that hardly tells what it sees has any bias at all, and must not win by it
            shown = int(np.isin(np.flatnonzero(self.conflict), self.asked).sum())
            more |= {"decisions": n, "conflicts": shown, "decisions_by_chance": 2 * shown / len(self.categories)}
            choice = n / shown
        if metric in ("accuracy", "shape_bias"):
            error = np.sqrt(value * (1 - value) / n) if n else np.nan
        else:
            error = standard_error(per_person)
        return Score(
            raw=value,
            ceiling=self._of_people(metric),
            error=float(error),
            n=n,
            metric=metric,
            version=VERSION,
            formula="r/c",
            ceiling_error=standard_error(ceiling),
            values=None if metric in ("accuracy", "shape_bias") else per_person[None],
            choice=choice,
            selection="output units" if self.answers == "imagenet" else self._chosen_by(metric),
            more=more,
        )

    @staticmethod
    def _chosen_by(metric: str) -> str:
        if metric == "shape_bias":
            return "most answers that name either cue, read out on other images"
        return "all layers, read out on other images"

    def commit(self, scores: Sequence[Score], way: Way) -> int:
        """Of shape bias the layer whose answers name a cue most often; tells where that is chance."""
        place = super().commit(scores, way)
        facts = scores[place].more
        if "decisions" in facts:
            from scipy.stats import binomtest

            share = 2 / len(self.categories)
            if binomtest(facts["decisions"], facts["conflicts"], share, alternative="greater").pvalue > ALPHA:
                say(
                    f"benchmark {self.identifier}: the network's answers name a cue in {facts['decisions']:,} of "
                    f"{facts['conflicts']:,} images, as chance does ({facts['decisions_by_chance']:,.0f}); its shape "
                    "bias says nothing"
                )
        return place

    def _compared(self, chosen: np.ndarray, others: np.ndarray, metric: str) -> tuple[float, np.ndarray]:
        """(value, with each of the others) of an observer's choices; the others do not count for some metrics."""
        rows, truth = self.asked, self.labels[self.asked]
        own, theirs = chosen[rows], others[:, rows]
        if metric == "accuracy":
            return measures.accuracy(own, truth), np.full(len(others), np.nan)
        if metric == "shape_bias":
            second = truth if self.textures is None else self.textures[rows]
            return measures.shape_bias(own, truth, second), np.full(len(others), np.nan)
        if metric == "error_consistency":
            kappas = np.array([measures.error_consistency(own == truth, one == truth) for one in theirs])
            return float(np.nanmean(kappas)) if np.isfinite(kappas).any() else float("nan"), kappas
        k = len(self.categories)
        mine, pooled = measures.confusions(own, truth, k), measures.confusions(theirs, truth, k)
        each = [measures.confusion_agreement(mine, measures.confusions(one, truth, k)) for one in theirs]
        return measures.confusion_agreement(mine, pooled), np.array(each)

    def _ceiling(self, metric: str) -> np.ndarray:
        """(people,) the same of every person, with the others."""
        if metric not in self._found:
            alone = len(self.people) == 1 and metric not in ("accuracy", "shape_bias")
            rest = [np.delete(self.people, i, axis=0) for i in range(len(self.people))]
            pairs = zip(self.people, rest, strict=True)
            found = [np.nan if alone else self._compared(one, others, metric)[0] for one, others in pairs]
            self._found[metric] = np.array(found, np.float64)
        return self._found[metric]

    def _of_people(self, metric: str) -> float:
        if metric == "shape_bias" and self.textures is not None:
            rows, people = self.asked, self.people[:, self.asked]
            cues = (np.tile(cue[rows], len(people)) for cue in (self.labels, self.textures))
            return measures.shape_bias(people.ravel(), *cues)
        found = self._ceiling(metric)
        return float(np.nanmean(found)) if np.isfinite(found).any() else float("nan")

    def _decisions(self, chosen: np.ndarray) -> int:
        """How many of the images in conflict are taken for their shape or their texture."""
        cues: Sequence[np.ndarray] = [self.labels, self.labels if self.textures is None else self.textures]
        rows = self.conflict & np.isin(np.arange(len(chosen)), self.asked)
        return int(sum((chosen == cue)[rows].sum() for cue in cues))

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        """A row a person: the agreement with them, and theirs with the others."""
        import pandas as pd

        if score.values is None:
            return None
        r, reliability = np.asarray(score.values, np.float32)[0], self._ceiling(score.metric).astype(np.float32)
        return pd.DataFrame({"unit": list(self.observers), "split": np.int16(0), "r": r, "reliability": reliability})

    @cached_property
    def _found(self) -> dict[str, np.ndarray]:
        return {}
