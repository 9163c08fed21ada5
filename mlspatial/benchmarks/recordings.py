"""Your own recordings: a folder and a small YAML make a benchmark."""

from __future__ import annotations

import io
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mlspatial.analysis.pls import COMPONENTS
from mlspatial.benchmarks import neurons, voxels
from mlspatial.benchmarks.ids import PICTURES, in_doubt, some, stem
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.responses import TABLES, Responses, read_labels, read_responses
from mlspatial.benchmarks.voxels import FmriBenchmark
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.names import data_folders
from mlspatial.models.stimuli import Stimuli

KEYS = (
    *("name", "region", "folder", "stimuli", "responses", "axes", "degrees"),
    *("metric", "components", "splits", "strata", "ceiling", "subject"),
)
#: Keys whose values are text as they stand there: YAML would make 34 of 0042, a truth of NO, a number of 1_000
TEXT = ("name", "region", "folder", "stimuli", "responses", "splits", "strata", "subject")
NOT_FMRI = ("components", "splits", "strata")  # of RSA on the halves of the stimuli


def load_benchmark(path: Path) -> NeuralBenchmark | FmriBenchmark:
    """Read a YAML file; docs/recordings.md has its keys. Metrics crsa and versa make it one of voxels.

    folder is looked for beside the YAML, in MLSPATIAL_DATA and in data/. Raises UserError with the key at fault.
    """
    settings = _settings(path)
    folder = _find_folder(path, settings.get("folder", "."))
    stimuli = _stimuli(folder / settings["stimuli"], _number(path, settings, "degrees", 8.0))
    what = f"benchmark {path.stem}"
    strata = settings.get("strata", "")
    beside = strata.endswith(TABLES)
    file = folder / settings["responses"]
    responses = read_responses(file, axes=settings.get("axes"), label="" if beside else strata)
    if responses.stimuli is None and in_doubt(stimuli.ids):
        raise UserError(
            f"{what}: {file.name} names no stimuli, and {some(stimuli.ids, 3)} are in another order by their numbers; "
            "write all numbers in the pictures' names with as many digits (007), or save the responses with stimulus_id"
        )
    responses = responses.aligned(stimuli.ids, what)
    repeated = responses.trials.shape[2] > 1
    if settings.get("metric") in voxels.METRICS:
        return FmriBenchmark(
            identifier=settings.get("name", path.stem),
            subject=settings.get("subject", ""),
            region=settings["region"],
            stimuli=stimuli,
            responses=_means(responses).astype(np.float32),
            trials=responses.trials.astype(np.float32) if repeated else None,
            metric=settings["metric"],
            noise_ceiling=settings.get("ceiling", "gsn" if repeated else "none"),
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


def _stimuli(path: Path, degrees: float) -> Stimuli:
    from PIL import Image, UnidentifiedImageError

    names, images = [], []
    for name, data in _pictures(path):
        try:
            images.append(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"stimulus {name} in {path}: cannot be read ({error})") from error
        names.append(stem(name))
    if not images:
        raise UserError(f"stimuli {path}: holds no pictures ({', '.join(PICTURES)})")
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UserError(
            f"stimuli {path}: there are several pictures {some(twice)} but for their endings; keep one each"
        )
    sizes = {image.shape for image in images}
    if len(sizes) > 1:
        raise UserError(f"stimuli {path}: pictures differ in size ({sorted(sizes)[:3]}); bring them to one size")
    return Stimuli(tuple(names), np.stack(images), degrees)


def _pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every picture of a folder or zip file, in the order of their names."""
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.suffix.lower() in PICTURES and not file.name.startswith("."):
                yield file.name, file.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if Path(name).suffix.lower() in PICTURES and not Path(name).name.startswith("."):
                    yield name, archive.read(name)  # macOS adds files ._NAME that are no pictures
    else:
        raise UserError(f"stimuli {path}: is neither a folder nor a zip file of pictures")
