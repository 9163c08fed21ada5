"""Your own recordings: a folder and a small YAML make a benchmark."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mlspatial.analysis.pls import COMPONENTS
from mlspatial.benchmarks.neural import BENCHMARKS, CEILINGS, METRICS, NeuralBenchmark
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.names import data_folders
from mlspatial.models.stimuli import Stimuli

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
KEYS = ("name", "region", "folder", "stimuli", "responses", "axes", "degrees", "metric", "components", "ceiling")
AXES = {"stimulus", "neuroid", "repeat"}
HERE = Path(__file__).parent


def find_benchmark(name: str) -> NeuralBenchmark:
    """A benchmark by registered name, by the name of a YAML shipped beside this file, or by a YAML's path.

    Raises UnknownName, or UserError when its data are not there or do not fit together.
    """
    if name in BENCHMARKS:
        return BENCHMARKS[name]()
    path = Path(name) if name.endswith((".yaml", ".yml")) else HERE / f"{name}.yaml"
    if path.is_file():
        return load_benchmark(path)
    raise UnknownName("benchmark", name, known_benchmarks())


def known_benchmarks() -> list[str]:
    return sorted([*BENCHMARKS, *(path.stem for path in HERE.glob("*.yaml"))])


def load_benchmark(path: Path) -> NeuralBenchmark:
    """Read a YAML file: name, region, folder, stimuli (a folder or zip of pictures, in the order of their names),
    responses (npy), axes (order of stimulus, neuroid and repeat), degrees, metric, components, ceiling.

    folder is looked for beside the YAML, in MLSPATIAL_DATA and in data/. Raises UserError with the key at fault.
    """
    try:
        settings = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"{path}: cannot be read ({str(error).splitlines()[0]})") from error
    if not isinstance(settings, dict):
        raise UserError(f"{path}: must be a list of `key: value` lines with {', '.join(KEYS)}")
    for key in settings:
        if key not in KEYS:
            raise UserError(f"{path}: {UnknownName('key', key, KEYS)}")
    for key in ("region", "stimuli", "responses", "axes"):
        if key not in settings:
            raise UserError(f"{path}: {key} is missing")
    metric, ceiling = settings.get("metric", "pls"), settings.get("ceiling", "split_half")
    if metric not in METRICS:
        raise BadValue(f"{path}: metric", metric, f"must be one of {', '.join(METRICS)}")
    if ceiling not in CEILINGS:
        raise BadValue(f"{path}: ceiling", ceiling, f"must be one of {', '.join(CEILINGS)}")
    folder = _find_folder(path, settings.get("folder", "."))
    trials = _trials(folder / settings["responses"], settings["axes"])
    stimuli = _stimuli(folder / settings["stimuli"], float(settings.get("degrees", 8.0)))
    present = ~np.isnan(trials)
    with np.errstate(invalid="ignore"):
        means = np.where(present, trials, 0.0).sum(axis=2) / present.sum(axis=2)
    return NeuralBenchmark(
        identifier=str(settings.get("name", path.stem)),
        region=str(settings["region"]),
        stimuli=stimuli,
        responses=means,
        trials=trials if trials.shape[2] > 1 else None,
        metric=metric,
        ceiling=ceiling if trials.shape[2] > 1 else "none",
        components=int(settings.get("components", COMPONENTS)),
    )


def _find_folder(path: Path, folder: str) -> Path:
    places = [place / folder for place in (path.parent, *data_folders())]
    for place in places:
        if place.is_dir():
            return place
    raise UserError(
        f"benchmark {path.stem}: folder {folder} is not in {' or '.join(str(p.parent) for p in places)}; "
        "put the recordings there or set MLSPATIAL_DATA"
    )


def _trials(path: Path, axes: Any) -> np.ndarray:
    """(stimuli, neuroids, repeats) float64 from an npy file whose axes are named."""
    names = list(axes) if isinstance(axes, list) else []
    if not {"stimulus", "neuroid"} <= set(names) <= AXES or len(set(names)) != len(names):
        raise BadValue("axes", axes, "must list stimulus and neuroid, and repeat if there is one, each once")
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"responses {path}: cannot be read ({error})") from error
    if array.ndim != len(names):
        raise UserError(f"responses {path}: has {array.ndim} axes, axes names {len(names)} ({', '.join(names)})")
    if "repeat" not in names:
        array, names = array[..., None], [*names, "repeat"]
    order = [names.index(axis) for axis in ("stimulus", "neuroid", "repeat")]
    return array.transpose(order).astype(np.float64)


def _stimuli(path: Path, degrees: float) -> Stimuli:
    from PIL import Image, UnidentifiedImageError

    names, images = [], []
    for name, data in _pictures(path):
        try:
            images.append(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
        except (UnidentifiedImageError, OSError) as error:
            raise UserError(f"stimulus {name} in {path}: cannot be read ({error})") from error
        names.append(Path(name).stem)
    if not images:
        raise UserError(f"stimuli {path}: holds no pictures ({', '.join(PICTURES)})")
    sizes = {image.shape for image in images}
    if len(sizes) > 1:
        raise UserError(f"stimuli {path}: pictures differ in size ({sorted(sizes)[:3]}); bring them to one size")
    return Stimuli(tuple(names), np.stack(images), degrees)


def _pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of every picture of a folder or zip file, in the order of their names."""
    if path.is_dir():
        for file in sorted(path.iterdir()):
            if file.suffix.lower() in PICTURES:
                yield file.name, file.read_bytes()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if Path(name).suffix.lower() in PICTURES:
                    yield name, archive.read(name)
    else:
        raise UserError(f"stimuli {path}: is neither a folder nor a zip file of pictures")
