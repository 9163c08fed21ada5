"""Recordings of Brain-Score's layout, made up: written into a store of their own and registered in its place.

The package's own loaders read them, check their SHA-1 and merge stimuli and responses as they do with the real ones.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from mlspatial.benchmarks.brainscore.reference import ReferenceResult, reference_score
from mlspatial.models.stimuli import Stimuli

BUCKET = "brainscore-storage/brainio-brainscore"
_installed: Store | None = None


@dataclass(frozen=True)
class Shape:
    """How many images, sites and presentations. The real ones: see REAL."""

    textures: int
    v1: int
    v2: int
    texture_repeats: int
    objects: int
    images_an_object: int
    v4: int
    it: int
    object_repeats: int
    choices: int
    images_a_choice: int
    trials: int  # an image and distractor
    imagenet: int = 1000


SMALL = Shape(60, 12, 13, 4, 8, 12, 26, 27, 4, 6, 12, 30)  # 25 components predict from as many sites
REAL = Shape(135, 102, 103, 20, 64, 50, 88, 168, 46, 24, 90, 6)


@dataclass(frozen=True)
class Store:
    """home: BRAINIO_HOME; imagenet: MT_IMAGENET_PATH."""

    home: Path
    imagenet: Path
    shape: Shape


class _Kept:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.parts: dict[str, list[np.ndarray]] = {}

    def add(self, layer: str, activations: Any) -> None:
        self.parts.setdefault(layer, []).append(activations.numpy().copy())


@dataclass
class Bench:
    """The store, a small network, and what was computed with it."""

    store: Store
    module: Any
    spec: Any
    layers: tuple[str, ...]
    seen: dict[str, dict[str, np.ndarray]]

    def features(self, stimuli: Stimuli) -> dict[str, np.ndarray]:
        """layer -> (n, features) float32."""
        from mlspatial.models.extract import extract

        if stimuli.id not in self.seen:
            kept = _Kept()
            extract(self.module, self.spec, stimuli, self.layers, kept)
            self.seen[stimuli.id] = {layer: np.concatenate(parts) for layer, parts in kept.parts.items()}
        return self.seen[stimuli.id]

    def reference(self, identifier: str, layers: tuple[str, ...] | None = None, **options: Any) -> ReferenceResult:
        layers = self.layers if layers is None else layers
        return reference_score(self.module, self.spec, self.spec.model_id, identifier, layers, **options)


def install(folder: Path, shape: Shape = SMALL) -> Store:
    """Make the store and register it in the package, once a process: the package reads its environment only once."""
    global _installed
    if _installed is not None:
        return _installed
    os.environ |= {
        "BRAINIO_HOME": str(folder / "brainio"),
        "RESULTCACHING_HOME": str(folder / "results"),
        "BRAINSCORE_HOME": str(folder / "screen"),
        "MT_IMAGENET_PATH": str(folder / "imagenet.hdf5"),
        "MT_MULTITHREAD": "0",
        "BS_INSTALL_DEPENDENCIES": "no",
    }
    for plugin in ("freemanziemba2013", "majajhong2015", "rajalingham2018"):  # later they would register the real ones
        importlib.import_module(f"brainscore_vision.data.{plugin}")
    rng = np.random.default_rng(7)
    _textures(folder / "brainio", shape, rng)
    _objects(folder / "brainio", shape, rng)
    _choices(folder / "brainio", shape, rng)
    _imagenet(folder / "imagenet.hdf5", shape.imagenet, rng)
    _installed = Store(folder / "brainio", folder / "imagenet.hdf5", shape)
    return _installed


def _textures(home: Path, shape: Shape, rng: np.random.Generator) -> None:
    """V1 and V2: grey textures and noise of 4 degrees, 1 ms bins; only 50-200 ms are read."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuronRecordingAssembly

    n, repeats = shape.textures, shape.texture_repeats
    kinds = np.where(np.arange(n) % 3 == 0, "noise", "texture")
    images = pictures(n, 32, rng)[..., 0]
    table = pd.DataFrame({"stimulus_id": [f"tex{i:04d}" for i in range(n)], "texture_type": kinds})
    table["texture_family"] = np.arange(n) % 5
    table = table.sample(frac=1.0, random_state=1, ignore_index=True)  # the recordings are in another order
    images = images[[int(name[3:]) for name in table.stimulus_id]]
    stimuli = _stimulus_set(home, "FreemanZiemba2013.aperture-public", table, images)
    which = np.tile(rng.permutation(n), repeats)
    signal = responses(images, shape.v1 + shape.v2, rng)[which]
    bins = np.arange(40, 201)
    noise = rng.normal(size=(len(which), signal.shape[1], len(bins))).astype(np.float32)
    values = signal[:, :, None] * (bins < 180) + 6 * noise + 3
    ids = np.arange(signal.shape[1])
    coordinates = {
        "stimulus_id": ("presentation", table.stimulus_id.values[which]),
        "repetition": ("presentation", np.repeat(np.arange(repeats), n)),
        "neuroid_id": ("neuroid", ids),
        "region": ("neuroid", np.where(ids < shape.v1, "V1", "V2")),
        "time_bin_start": ("time_bin", bins),
        "time_bin_end": ("time_bin", bins + 1),
    }
    dims = ("presentation", "neuroid", "time_bin")
    sites = rng.permutation(len(ids))
    coordinates |= {name: ("neuroid", coordinates[name][1][sites]) for name in ("neuroid_id", "region")}
    _recordings(
        home, "FreemanZiemba2013.public", "movshon", values, dims, coordinates, NeuronRecordingAssembly, stimuli
    )


def _objects(home: Path, shape: Shape, rng: np.random.Generator) -> None:
    """V4 and IT: colour pictures of objects, 8 degrees, one time bin."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuronRecordingAssembly

    n, repeats = shape.objects * shape.images_an_object, shape.object_repeats
    names = [hashlib.sha1(str(i).encode()).hexdigest() for i in range(n)]
    table = pd.DataFrame({"stimulus_id": names, "object_name": [f"object{i % shape.objects}" for i in range(n)]})
    table["variation"] = np.where(np.arange(n) % 10 == 0, 0, 3)
    table["image_id"] = names  # as sets of its age have it beside stimulus_id
    images = pictures(n, 48, rng)
    stimuli = _stimulus_set(home, "hvm-public", table, images)
    which = np.concatenate([rng.permutation(n) for _ in range(repeats)])
    signal = responses(images, shape.v4 + shape.it, rng)[which]
    values = (signal + 0.7 * rng.normal(size=signal.shape))[:, :, None]
    numbers = np.arange(signal.shape[1])
    coordinates = {
        "stimulus_id": ("presentation", table.stimulus_id.values[which]),
        "repetition": ("presentation", np.repeat(np.arange(repeats), n)),
        "neuroid_id": ("neuroid", [f"Chabo_L_M_{i}" for i in numbers]),
        "animal": ("neuroid", np.where(numbers % 2, "Chabo", "Tito")),
        "region": ("neuroid", np.where(numbers < shape.v4, "V4", "IT")),
        "time_bin_start": ("time_bin", [70]),
        "time_bin_end": ("time_bin", [170]),
    }
    dims = ("presentation", "neuroid", "time_bin")
    _recordings(home, "MajajHong2015.public", "dicarlo", values, dims, coordinates, NeuronRecordingAssembly, stimuli)


def _choices(home: Path, shape: Shape, rng: np.random.Generator) -> None:
    """Choices between the object of an image and a distractor, some pairs easier than others."""
    from brainscore_core.supported_data_standards.brainio.assemblies import BehavioralAssembly

    n = shape.choices * shape.images_a_choice
    kinds = np.array([f"thing{i:02d}" for i in rng.permutation(shape.choices)])
    labels = rng.permutation(np.repeat(kinds, shape.images_a_choice))
    images = pictures(n, 40, rng)
    for number, kind in enumerate(kinds):  # a colour for each object, so that a read-out finds something
        images[labels == kind] = images[labels == kind] // 2 + np.uint8([40 * (number % 3), 15 * number % 120, 60])
    table = pd.DataFrame({"stimulus_id": [f"{i * 7919 % 100003:05x}" for i in range(n)], "image_label": labels})
    stimuli = _stimulus_set(home, "objectome.public", table, images)
    image, distractor = np.divmod(np.tile(np.arange(n * shape.choices), shape.trials), shape.choices)
    real = kinds[distractor] != labels[image]
    image, distractor = image[real], kinds[distractor[real]]
    image, distractor = (part[order] for order in [rng.permutation(len(image))] for part in (image, distractor))
    ease = rng.random((n, shape.choices))[image, np.searchsorted(np.sort(kinds), distractor)]
    right = rng.random(len(image)) < 0.4 + 0.3 * ease + 0.3 * images.mean(axis=(1, 2, 3))[image] / 255
    chosen = np.where(right, labels[image], distractor)
    coordinates = {
        "stimulus_id": ("presentation", table.stimulus_id.values[image]),
        "sample_obj": ("presentation", labels[image]),
        "truth": ("presentation", labels[image]),
        "dist_obj": ("presentation", distractor),
        "choice": ("presentation", chosen),
    }
    _recordings(
        home, "Rajalingham2018.public", "dicarlo", chosen, ("presentation",), coordinates, BehavioralAssembly, stimuli
    )


def pictures(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """(n, size, size, 3) uint8: smooth coloured blobs."""
    coarse = rng.integers(0, 256, size=(n, 6, 6, 3), dtype=np.uint8)
    return np.stack(
        [np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)) for image in coarse]
    )


def responses(images: np.ndarray, sites: int, rng: np.random.Generator) -> np.ndarray:
    """(n, sites): rectified sums of pixels."""
    pixels = images[:, ::4, ::4].reshape(len(images), -1) / 255.0
    sums = (pixels - pixels.mean(axis=0)) @ rng.normal(size=(pixels.shape[1], sites))
    return np.maximum(sums / sums.std(axis=0) + 0.5, 0.0)


def _imagenet(path: Path, n: int, rng: np.random.Generator) -> None:
    """The file itself is empty: the pictures lie beside it, as after a first use."""
    import h5py

    h5py.File(path, "w").close()
    folder = Path(f"{path}-files")
    folder.mkdir()
    for i, image in enumerate(pictures(n, 36, rng)):
        Image.fromarray(image).save(folder / f"{50 * i}.png")


def _stimulus_set(home: Path, name: str, table: pd.DataFrame, images: np.ndarray) -> Callable[[], Any]:
    from brainscore_core.supported_data_standards.brainio.s3 import load_stimulus_set_from_s3
    from brainscore_vision import stimulus_set_registry

    table = table.assign(filename=[f"{i}.png" for i in table.stimulus_id])
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for filename, image in zip(table.filename, images, strict=True):
            data = BytesIO()
            Image.fromarray(image).save(data, "png")
            file.writestr(filename, data.getvalue())
    stem = f"stimulus_{name.replace('.', '_')}"
    csv = _store(home, f"{stem}.csv", table.to_csv(index=False).encode())
    packed = _store(home, f"{stem}.zip", archive.getvalue())
    arguments = {"csv_sha1": csv, "zip_sha1": packed, "csv_version_id": "null", "zip_version_id": "null"}
    loader = lambda: load_stimulus_set_from_s3(identifier=name, bucket=BUCKET, **arguments)  # noqa: E731
    stimulus_set_registry[name] = loader
    return loader


def _recordings(
    home: Path,
    name: str,
    laboratory: str,
    values: np.ndarray,
    dims: tuple[str, ...],
    coordinates: Mapping[str, Any],
    kind: type,
    stimuli: Callable[[], Any],
) -> None:
    import xarray as xr
    from brainscore_core.supported_data_standards.brainio.s3 import load_assembly_from_s3
    from brainscore_vision import data_registry

    array = xr.DataArray(values.astype(object) if values.dtype.kind == "U" else values, coords=coordinates, dims=dims)
    identifier = f"{laboratory}.{name}"
    path = home / "assembly.nc"
    array.to_netcdf(path)
    sha1 = _store(home, f"assy_{identifier.replace('.', '_')}.nc", path.read_bytes())
    path.unlink()
    data_registry[name] = lambda: load_assembly_from_s3(
        identifier=identifier, version_id="null", sha1=sha1, bucket=BUCKET, cls=kind, stimulus_set_loader=stimuli
    )


def _store(home: Path, name: str, data: bytes) -> str:
    sha1 = hashlib.sha1(data).hexdigest()
    (home / sha1).mkdir(parents=True)
    (home / sha1 / name).write_bytes(data)
    return sha1
