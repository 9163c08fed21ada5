"""Recordings for Brain-Score's further kinds, made up in the layouts of the real ones: over time, with a training and a
test set, of several subjects, of voxels, of similarities. The package's own loaders read them (see assemblies)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from tests.benchmarks.assemblies import Store, _recordings, _stimulus_set, pictures, responses

BINS = 6  # of 10 ms that are scored
PLUGINS = ("majajhong2015", "allen2022_fmri", "papale2025", "gifford2022", "bracci2019", "coggan2024_fMRI", "li2026")
TIME = {"time_bin_start": ("time_bin", [0]), "time_bin_end": ("time_bin", [1])}
DIMS = ("presentation", "neuroid", "time_bin")
_done = False


def install_more(store: Store) -> None:
    """Once a process, after `assemblies.install`."""
    global _done
    if _done:
        return
    for plugin in PLUGINS:
        importlib.import_module(f"brainscore_vision.data.{plugin}")
    rng = np.random.default_rng(11)
    _over_time(store, rng)
    _fixed_split(store, "Allen2022_fmri_4subj", rng, train=40, test=15, repeats=3, reliable="nc_testset", scale=100)
    _fixed_split(store, "Papale2025", rng, train=60, test=12, repeats=5, reliable="reliability", scale=1)
    _electrodes(store, rng)
    _animals(store, rng)
    _voxels(store, rng)
    _similarities(store, rng)
    _done = True


def _over_time(store: Store, rng: np.random.Generator) -> None:
    """As MajajHong2015.public, in bins of 20 ms that begin every 10: the package averages them into bins of 10 ms."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuronRecordingAssembly
    from brainscore_vision import stimulus_set_registry

    shape, stimuli = store.shape, stimulus_set_registry["hvm-public"]
    table = stimuli()
    names, n = table["stimulus_id"].values, len(table)
    images = np.stack([np.asarray(_read(table, name)) for name in names])
    which = np.concatenate([rng.permutation(n) for _ in range(shape.object_repeats)])
    starts = np.arange(0, 10 * (BINS + 1), 10)
    signal = responses(images, shape.v4 + shape.it, rng)[which][:, :, None] * (0.2 + np.arange(len(starts)) / 7)
    values = (signal + rng.normal(size=signal.shape)).astype(np.float32)
    numbers = np.arange(signal.shape[1])
    coordinates = {
        "stimulus_id": ("presentation", names[which]),
        "repetition": ("presentation", np.repeat(np.arange(shape.object_repeats), n)),
        "neuroid_id": ("neuroid", [f"Chabo_L_M_{i}" for i in numbers]),
        "animal": ("neuroid", np.where(numbers % 2, "Chabo", "Tito")),
        "region": ("neuroid", np.where(numbers < shape.v4, "V4", "IT")),
        "time_bin_start": ("time_bin", starts),
        "time_bin_end": ("time_bin", starts + 10),
    }
    name = "MajajHong2015.temporal.public"
    _recordings(store.home, name, "dicarlo", values, DIMS, coordinates, NeuronRecordingAssembly, stimuli)


def _read(table: Any, name: str) -> Any:
    from PIL import Image

    return Image.open(table.get_stimulus(name)).convert("RGB")


def _fixed_split(
    store: Store, name: str, rng: np.random.Generator, *, train: int, test: int, repeats: int, reliable: str, scale: int
) -> None:
    """Units of several subjects, more and less reliable ones; repetitions in the test set only."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly

    subjects, regions, units = ("subj01", "subj02", "subj05"), ("V1", "V4", "IT"), 7
    of = [(subject, region) for subject in subjects for region in regions for _ in range(units)]
    images = pictures(train + test, 40, rng)
    signal = responses(images, len(of), rng)
    sides = {"train": np.arange(train), "test": np.tile(np.arange(train, train + test), repeats)}
    for side, which in sides.items():
        labels = [f"{name[:4]}{number:04d}" for number in rng.permutation(10000)[: train + test]]
        if side == "train":
            known = labels
        table = pd.DataFrame({"stimulus_id": [known[place] for place in np.unique(which)]})
        table["stimulus_label"] = "thing"
        shuffled = table.sample(frac=1.0, random_state=3)
        stimuli = _stimulus_set(
            store.home, f"{name}_stim_{side}", shuffled.reset_index(drop=True), images[np.unique(which)][shuffled.index]
        )
        values = signal[which] + 0.7 * rng.normal(size=(len(which), len(of)))
        coordinates: Mapping[str, Any] = {
            "stimulus_id": ("presentation", [known[place] for place in which]),
            "repetition": ("presentation", np.arange(len(which)) // (train if side == "train" else test)),
            "neuroid_id": ("neuroid", np.arange(len(of))),
            "subject": ("neuroid", [subject for subject, _ in of]),
            "region": ("neuroid", [region for _, region in of]),
            reliable: ("neuroid", scale * np.where(np.arange(len(of)) % units == 3, 0.1, 0.8)),
            **TIME,
        }
        assembly = values[:, :, None].astype(np.float32)
        _recordings(store.home, f"{name}_{side}", "lab", assembly, DIMS, coordinates, NeuroidAssembly, stimuli)


def _electrodes(store: Store, rng: np.random.Generator) -> None:
    """Electrodes over 60 time bins, which become units; both sets have repetitions."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly

    images, bins, subjects = pictures(50, 40, rng), 60, np.repeat(["sub-01", "sub-02"], 3)
    starts = np.round(np.arange(-0.02, 0.64, 0.01), 2)
    signal = responses(images, len(subjects), rng)[:, :, None] * np.sin(np.arange(len(starts)) / 9)
    assert len(starts) > bins
    for side, which in {"train": np.tile(np.arange(36), 2), "test": np.tile(np.arange(36, 50), 4)}.items():
        seen = np.unique(which)
        table = pd.DataFrame({"stimulus_id": [f"eeg{place:03d}" for place in seen]})
        stimuli = _stimulus_set(store.home, f"Gifford2022_stim_{side}", table, images[seen])
        coordinates = {
            "stimulus_id": ("presentation", [f"eeg{place:03d}" for place in which]),
            "repetition": ("presentation", np.arange(len(which)) // len(seen)),
            "neuroid_id": ("neuroid", np.arange(len(subjects))),
            "subject": ("neuroid", subjects),
            "time_bin_start": ("time_bin", starts),
            "time_bin_end": ("time_bin", np.round(starts + 0.01, 2)),
        }
        values = (signal[which] + 0.5 * rng.normal(size=(len(which), *signal.shape[1:]))).astype(np.float32)
        _recordings(store.home, f"Gifford2022_{side}", "lab", values, DIMS, coordinates, NeuroidAssembly, stimuli)


def _animals(store: Store, rng: np.random.Generator) -> None:
    """Means over trials of many animals' units, with their reliability."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuronRecordingAssembly

    n, units = 60, 80
    images, order = pictures(n, 40, rng), rng.permutation(n)
    table = pd.DataFrame({"stimulus_id": [f"nsd_{place}" for place in range(n)]})
    stimuli = _stimulus_set(store.home, "Li2026_Stimuli", table, images)
    values = responses(images, units, rng)[order] + 0.3 * rng.normal(size=(n, units))
    animals = np.array(["A", "B", "C", "D"])[np.arange(units) % 4]
    coordinates = {
        "stimulus_id": ("presentation", table.stimulus_id.values[order]),
        "presentation_number": ("presentation", np.arange(n)),
        "neuroid_id": ("neuroid", np.arange(units)),
        "animal": ("neuroid", animals),
        "region": ("neuroid", np.where(np.arange(units) < 48, "IT", "V4")),
        "reliability": ("neuroid", rng.uniform(0.2, 0.9, units)),
        "reliability_window": ("neuroid", rng.uniform(0.2, 0.9, units)),
        "time_bin_start": ("time_bin", [70]),
        "time_bin_end": ("time_bin", [170]),
    }
    kind = NeuronRecordingAssembly
    _recordings(store.home, "Li2026", "lab", values[:, :, None].astype(np.float32), DIMS, coordinates, kind, stimuli)


def _voxels(store: Store, rng: np.random.Generator) -> None:
    """Bracci2019: the same number of voxels of every subject and region."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly
    from brainscore_vision import data_registry

    n, voxels, subjects, rois = 27, 20, 5, 3
    images = pictures(n, 40, rng)
    names = [f"bracci{place:02d}" for place in rng.permutation(n)]
    table = pd.DataFrame({"stimulus_id": names, "image_label": "cow", "image_group": "animal"})
    _stimulus_set(store.home, "Bracci2019", table, images)
    of = [(subject, roi, voxel) for subject in range(subjects) for roi in range(rois) for voxel in range(voxels)]
    order = rng.permutation(n)
    values = responses(images, len(of), rng)[order] + rng.normal(size=(n, len(of)))
    coordinates = {
        "stimulus_id": ("presentation", [names[place] for place in order]),
        "stimulus_name": ("presentation", [f"name{place}" for place in order]),
        "exemplar_number": ("presentation", order),
        "image_label": ("presentation", ["cow"] * n),
        "image_group": ("presentation", ["animal"] * n),
        "subject": ("neuroid", [subject for subject, _, _ in of]),
        "roi": ("neuroid", [roi for _, roi, _ in of]),
        "voxels": ("neuroid", [voxel for _, _, voxel in of]),
    }
    from brainscore_vision import stimulus_set_registry

    stimuli = stimulus_set_registry["Bracci2019"]
    _recordings(store.home, "Bracci2019", "lab", values, DIMS[:2], coordinates, NeuroidAssembly, stimuli)
    assert data_registry["Bracci2019"]


def _similarities(store: Store, rng: np.random.Generator) -> None:
    """Coggan2024: 24 stimuli, one matrix a subject and region."""
    from brainscore_core.supported_data_standards.brainio.assemblies import NeuroidAssembly

    n, subjects, regions = 24, 6, ("V1", "V2", "V4", "IT")
    images = pictures(n, 40, rng)
    table = pd.DataFrame({"stimulus_id": [f"occluded{place:02d}" for place in range(n)], "object_name": "bear"})
    stimuli = _stimulus_set(store.home, "tong.Coggan2024_fMRI", table, images)
    signal = responses(images, 15, rng)
    noisy = [signal + 0.8 * rng.normal(size=signal.shape) for _ in range(subjects * len(regions))]
    values = np.stack([np.corrcoef(one) for one in noisy], axis=2)
    coordinates = {
        "stimulus_id": ("presentation", table.stimulus_id.values),
        "object_name": ("presentation", table.object_name.values),
        "subject": ("neuroid", np.tile([f"s{number}" for number in range(subjects)], len(regions))),
        "region": ("neuroid", np.repeat(regions, subjects)),
    }
    dims = ("presentation", "presentation", "neuroid")  # as the real one has them
    _recordings(store.home, "Coggan2024_fMRI", "tong", values, dims, coordinates, NeuroidAssembly, stimuli)
