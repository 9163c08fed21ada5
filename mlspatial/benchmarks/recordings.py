"""Your own recordings: a folder and a small YAML make a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mlspatial.analysis.pls import COMPONENTS
from mlspatial.benchmarks import neurons, voxels
from mlspatial.benchmarks.ids import in_doubt, some
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.picture_files import BACKGROUNDS, read_pictures
from mlspatial.benchmarks.response_files import read_responses
from mlspatial.benchmarks.response_tables import TABLES, read_labels
from mlspatial.benchmarks.responses import Responses
from mlspatial.benchmarks.voxels import FmriBenchmark
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.names import data_folders

KEYS = (
    *("name", "region", "folder", "stimuli", "responses", "axes", "neuroids"),
    *("degrees", "background"),
    *("metric", "components", "splits", "strata", "ceiling", "subject"),
)
#: Keys whose values are text as they stand there: YAML would make 34 of 0042, a truth of NO, a number of 1_000
TEXT = ("name", "region", "folder", "stimuli", "responses", "splits", "strata", "subject", "background")
FEWEST_GSN = 10  # stimuli of which a fifth are held out
NOT_FMRI = ("components", "splits", "strata")  # of RSA on the halves of the stimuli


def load_benchmark(path: Path) -> NeuralBenchmark | FmriBenchmark:
    """Read a YAML file; docs/recordings.md has its keys. Metrics crsa and versa make it one of voxels.

    folder is looked for beside the YAML, in MLSPATIAL_DATA and in data/. Raises UserError with the key at fault.
    """
    settings = _settings(path)
    folder = _find_folder(path, settings.get("folder", "."))
    degrees = _number(path, settings, "degrees", 8.0)
    stimuli = read_pictures(folder / settings["stimuli"], degrees, settings.get("background", ""))
    what = f"benchmark {path.stem}"
    strata = settings.get("strata", "")
    beside = strata.endswith(TABLES)
    file = folder / settings["responses"]
    responses = read_responses(
        file,
        axes=settings.get("axes"),
        label="" if beside else strata,
        neuroids=settings.get("neuroids", ()),
        region=settings["region"],
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
            identifier=settings.get("name", path.stem),
            subject=settings.get("subject", ""),
            region=settings["region"],
            stimuli=stimuli,
            responses=_means(responses).astype(np.float32),
            trials=responses.trials.astype(np.float32) if repeated else None,
            metric=settings["metric"],
            noise_ceiling=ceiling,
        )
    return NeuralBenchmark(
        identifier=settings.get("name", path.stem),
        region=settings["region"],
        stimuli=stimuli,
        responses=_means(responses),
        trials=responses.trials if repeated else None,
        metric=settings.get("metric", "pls"),
        ceiling=settings.get("ceiling", "split_half" if repeated else "none"),
        components=int(_number(path, settings, "components", COMPONENTS)),
        strata=read_labels(folder / strata, stimuli.ids) if beside else responses.labels,
        splits=settings.get("splits", "brainscore"),
        neuroids=responses.neuroids,
    )


def _settings(path: Path) -> Mapping[str, Any]:
    """The checked keys of a YAML file."""
    try:
        text = path.read_text()
        settings, plain = yaml.safe_load(text), yaml.load(text, yaml.BaseLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from error
    if not isinstance(settings, dict):
        raise UserError(f"{path}: must be a list of `key: value` lines with {', '.join(KEYS)}")
    for key in TEXT:
        if key in settings:
            settings[key] = plain[key]
            if not isinstance(plain[key], str) or not plain[key]:
                raise BadValue(f"{path}: {key}", settings[key], "must be a text; write one or leave the line out")
    for key in settings:
        if key not in KEYS:
            raise UserError(f"{path}: {UnknownName('key', key, KEYS)}")
    for key in ("region", "stimuli", "responses"):
        if key not in settings:
            raise UserError(f"{path}: {key} is missing")
    metric = settings.get("metric", "pls")
    if metric not in (names := (*neurons.own_metrics(), *voxels.METRICS)):
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
    ceiling = settings.get("ceiling", "none")
    if isinstance(ceiling, bool) or not isinstance(ceiling, str | int | float):
        known = ", ".join(voxels.CEILINGS if scans else neurons.CEILINGS)
        raise BadValue(f"{path}: ceiling", ceiling, f"must be one of {known} or a number")
    return settings


def _number(path: Path, settings: Mapping[str, Any], key: str, default: float) -> float:
    value = settings.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise BadValue(f"{path}: {key}", value, "must be a number above 0")
    return value


def _means(responses: Responses) -> np.ndarray:
    """(stimuli, neuroids) mean over the trials that are there; NaN where none is."""
    present = np.isfinite(responses.trials)
    with np.errstate(invalid="ignore"):
        return np.where(present, responses.trials, 0.0).sum(axis=2) / present.sum(axis=2)


def _find_folder(path: Path, folder: str) -> Path:
    places = [place / folder for place in (path.parent, *data_folders())]
    for place in places:
        if place.is_dir():
            return place
    raise UserError(
        f"benchmark {path.stem}: folder {folder} is not in {' or '.join(str(p.parent) for p in places)}; "
        "put the recordings there or set MLSPATIAL_DATA"
    )
