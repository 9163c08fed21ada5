"""Your own recordings: a folder and a small YAML make a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.analysis.pls import COMPONENTS
from mlspatial.analysis.yardsticks import own_metrics
from mlspatial.benchmarks import neurons, voxels
from mlspatial.benchmarks.descriptions import ceiling_of, described, find_folder, number, read_yaml, whole
from mlspatial.benchmarks.ids import in_doubt, some
from mlspatial.benchmarks.labelled import Labels, read_labels_of
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.picture_files import BACKGROUNDS, read_pictures
from mlspatial.benchmarks.readers import base as readers
from mlspatial.benchmarks.response_files import read_responses
from mlspatial.benchmarks.response_tables import TABLES, read_labels
from mlspatial.benchmarks.responses import Responses
from mlspatial.benchmarks.voxels import FmriBenchmark
from mlspatial.core.errors import BadValue, UserError

LABELS = ("latents", "factors", "contexts")  # of what the stimuli show: no score depends on them
SCORED = (
    *("name", "region", "folder", "stimuli", "responses", *readers.KEYS, "neuroids"),
    *("degrees", "background"),
    *("metric", "components", "splits", "strata", "ceiling", "subject"),
)
KEYS = (*SCORED, *LABELS)
#: Keys whose values are text as they stand there: YAML would make 34 of 0042, a truth of NO, a number of 1_000
TEXT = (
    *("name", "region", "folder", "stimuli", "responses", *readers.TEXT),
    *("splits", "strata", "subject", "background"),
)
FEWEST_GSN = 10  # stimuli of which a fifth are held out
NOT_FMRI = ("components", "splits", "strata")  # of RSA on the halves of the stimuli


def load_benchmark(path: Path) -> NeuralBenchmark | FmriBenchmark:
    """Read a YAML file; docs/recordings.md has its keys. Metrics crsa and versa make it one of voxels.

    folder is looked for beside the YAML, in MLSPATIAL_DATA and in data/. Raises UserError with the key at fault.
    """
    settings, plain = _described(path)
    return recorded(path, settings, plain)


def labelled(path: Path) -> tuple[NeuralBenchmark, Labels]:
    """The recording of a YAML whose key `latents` names a table of what its stimuli show, and that table's labels.

    Raises UserError as load_benchmark does, and for a YAML without that key or of voxels.
    """
    settings, plain = _described(path)
    if "latents" not in settings:
        raise UserError(f"{path}: has no key latents; name a table of what its stimuli show (docs/recordings.md)")
    found = recorded(path, settings, plain)
    if not isinstance(found, NeuralBenchmark):
        raise UserError(f"{path}: metric {settings['metric']} is of voxels; latents are asked of recordings of neurons")
    file = find_folder(path, settings.get("folder", ".")) / settings["latents"]
    named = (_names(path, plain, key) for key in ("factors", "contexts"))
    return found, read_labels_of(file, found.stimuli.ids, f"recording {path.name}", *named)


def _described(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    settings, plain = described(path, KEYS, (*TEXT, "latents"), ("region", "stimuli", "responses"))
    if alone := [key for key in LABELS[1:] if key in settings and "latents" not in settings]:
        raise UserError(f"{path}: {alone[0]} is of a table of latents; name one (latents: shown.csv) or leave it out")
    return settings, plain


def has_latents(path: Path) -> bool:
    """Whether a YAML describes a recording with a table of latents."""
    return "latents" in read_yaml(path, KEYS)[0]


def _names(path: Path, plain: Mapping[str, Any], key: str) -> tuple[str, ...]:
    wanted = plain.get(key, [])
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        raise BadValue(f"{path}: {key}", wanted, "must be names of columns of latents, one or a list of them")
    return tuple(names)


def recorded(
    path: Path, settings: dict[str, Any], plain: Mapping[str, Any], *, called: str = ""
) -> NeuralBenchmark | FmriBenchmark:
    """The benchmark of settings whose keys are known. plain: the same as texts; called: what it is in messages."""
    _check(path, settings, plain)
    folder = find_folder(path, settings.get("folder", "."))
    degrees = number(path, settings, "degrees", 8.0)
    stimuli = read_pictures(folder / settings["stimuli"], degrees, settings.get("background", ""))
    what = f"benchmark {called or path.stem}"
    strata = settings.get("strata", "")
    beside = strata.endswith(TABLES)
    file = folder / settings["responses"]
    responses = read_responses(
        file,
        label="" if beside else strata,
        neuroids=settings.get("neuroids", ()),
        region=settings["region"],
        folder=folder,
        **{key: settings[key] for key in readers.KEYS if key in settings},
    )
    if responses.stimuli is None and in_doubt(stimuli.ids):
        raise UserError(
            f"{what}: {file.name} names no stimuli, and {some(stimuli.ids, 3)} are in another order by their numbers; "
            "write all numbers in the pictures' names with as many digits (007), or save the responses with stimulus_id"
        )
    responses = responses.aligned(stimuli.ids, what)
    repeated = responses.trials.shape[2] > 1
    if settings.get("metric") in voxels.METRICS:
        ceiling = settings.get("ceiling", "gsn" if repeated else "none")
        if ceiling == "gsn" and (not repeated or len(stimuli) < FEWEST_GSN):
            there = "there is one" if not repeated else f"there are {len(stimuli)}"
            needs = "repeats of the stimuli" if not repeated else f"at least {FEWEST_GSN} stimuli"
            raise UserError(f"{what}: ceiling gsn needs {needs}, {there}; set ceiling: none or a number")
        return FmriBenchmark(
            identifier=called or settings.get("name", path.stem),
            subject=settings.get("subject", responses.subject),
            region=settings["region"],
            stimuli=stimuli,
            responses=_means(responses).astype(np.float32),
            trials=responses.trials.astype(np.float32) if repeated else None,
            metric=settings["metric"],
            noise_ceiling=ceiling,
        )
    return NeuralBenchmark(
        identifier=called or settings.get("name", path.stem),
        region=settings["region"],
        stimuli=stimuli,
        responses=_means(responses),
        trials=responses.trials if repeated else None,
        metric=settings.get("metric", "pls"),
        ceiling=settings.get("ceiling", "split_half" if repeated else "none"),
        components=whole(path, settings, "components", COMPONENTS),
        strata=read_labels(folder / strata, stimuli.ids) if beside else responses.labels,
        splits=settings.get("splits", "brainscore"),
        neuroids=responses.neuroids,
        facts=responses.facts,
    )


def _check(path: Path, settings: dict[str, Any], plain: Mapping[str, Any]) -> None:
    """Raises UserError for values that cannot be meant."""
    metric = settings.get("metric", "pls")
    if metric not in (names := (*own_metrics(), *voxels.METRICS)):
        raise BadValue(f"{path}: metric", metric, f"must be one of {', '.join(names)}")
    scans = metric in voxels.METRICS
    for key in NOT_FMRI if scans else ("subject",):
        if key in settings:
            raise UserError(f"{path}: {key} is not a key of metric {metric}; leave it out")
    wanted = plain.get("neuroids", [])
    settings["neuroids"] = tuple([wanted] if isinstance(wanted, str) else wanted)
    if not all(isinstance(name, str) and name for name in settings["neuroids"]):
        raise BadValue(f"{path}: neuroids", wanted, "must be names or patterns such as unit*, one or a list of them")
    if settings.get("background", BACKGROUNDS[0]) not in BACKGROUNDS:
        raise BadValue(f"{path}: background", settings["background"], f"must be one of {', '.join(BACKGROUNDS)}")
    ceiling_of(path, settings, "none", voxels.CEILINGS if scans else neurons.CEILINGS)


def _means(responses: Responses) -> np.ndarray:
    """(stimuli, neuroids) mean over the trials that are there; NaN where none is."""
    present = np.isfinite(responses.trials)
    with np.errstate(invalid="ignore"):
        return np.where(present, responses.trials, 0.0).sum(axis=2) / present.sum(axis=2)
