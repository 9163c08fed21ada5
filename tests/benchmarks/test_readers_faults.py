"""Files that were once read wrongly without a word: hemispheres, nan in masks, zeros of zarr, other clocks."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest

from mlspatial.benchmarks.response_files import read_responses
from mlspatial.core.errors import BadValue, UserError

AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
SHAPE = (3, 2, 2)
TRIALS = 6


def save(array: np.ndarray, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(array, AFFINE).to_filename(path)
    return path


def betas(folder: Path, stem: str = "sub-01_task-v", seed: int = 0, **columns: list[str]) -> Path:
    """Six trials of twelve voxels, all of which vary, and their events."""
    found = np.random.default_rng(seed).normal(size=(*SHAPE, TRIALS)).astype(np.float32)
    table = {"onset": np.arange(TRIALS) * 4.0, "duration": 2.0, **(columns or {"stim_file": words()})}
    path = save(found, folder / f"{stem}_betas.nii.gz")
    pd.DataFrame(table).to_csv(folder / f"{stem}_events.tsv", sep="\t", index=False)
    return path


def words() -> list[str]:
    return [f"im{i}.png" for i in range(TRIALS)]


def mask(*places: tuple[int, int, int], outside: float = 0.0) -> np.ndarray:
    found = np.full(SHAPE, outside, np.float32)
    for place in places:
        found[place] = 1.0
    return found


def names(*places: tuple[int, int, int]) -> set[str]:
    return {"-".join(map(str, place)) for place in places}


# ---- masks ----

LEFT, RIGHT = ((0, 0, 0), (0, 1, 1)), ((2, 0, 0), (2, 1, 0))


def test_both_hemispheres_of_a_region_count(tmp_path: Path) -> None:
    path = betas(tmp_path)
    for side, places in {"L": LEFT, "R": RIGHT}.items():
        save(mask(*places), tmp_path / f"sub-01_hemi-{side}_space-T1w_label-V1_mask.nii.gz")
        save(mask((1, 0, 0)), tmp_path / f"sub-01_hemi-{side}_space-T1w_label-V2_mask.nii.gz")
    found = read_responses(path, folder=tmp_path, region="V1", rois="*_mask.nii.gz")
    assert set(found.neuroids) == names(*LEFT, *RIGHT) and set(found.facts["roi"]) == {"V1"}
    alone = read_responses(path, folder=tmp_path, region="V1", rois="*hemi-L*_mask.nii.gz")
    assert set(alone.neuroids) == names(*LEFT)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sub-01_hemi-L_atlas-old_label-V1_mask", "sub-01_hemi-R_atlas-new_label-V1_mask"),  # two atlases
        ("a/sub-01_hemi-L_label-V1_mask", "b/sub-01_hemi-L_label-V1_mask"),
        ("sub-01_label-V1_mask", "sub-01_hemi-L_label-V1_mask"),
        ("sub-01_ses-1_label-V1_mask", "sub-01_ses-2_label-V1_mask"),
    ],
)
def test_two_masks_of_one_name_are_refused(tmp_path: Path, first: str, second: str) -> None:
    path = betas(tmp_path)
    for name in (first, second):
        save(mask(*LEFT), tmp_path / f"{name}.nii.gz")
    with pytest.raises(UserError, match=r"are both of region V1 but not its two hemispheres; write a pattern"):
        read_responses(path, folder=tmp_path, region="V1", rois="**/*label-V1_mask.nii.gz")


@pytest.mark.parametrize("name", ["sub-01_label-V1_mask", "sub-01_hemi-*_label-V1_mask", "sub-01_dseg"])
def test_nan_is_outside_of_a_region(tmp_path: Path, name: str) -> None:
    path = betas(tmp_path)
    for side, places in {"L": LEFT, "R": RIGHT}.items():
        save(mask(*places, outside=np.nan), tmp_path / f"{name.replace('*', side)}.nii.gz")
    (tmp_path / "sub-01_dseg.tsv").write_text("index\tname\n1\tV1\n")
    found = read_responses(path, folder=tmp_path, region="V1", rois=f"{name}.nii.gz")
    assert set(found.neuroids) == names(*(LEFT if "*" in name else ()), *RIGHT)


def test_nan_and_infinity_are_outside_of_a_mask(tmp_path: Path) -> None:
    path, volume = betas(tmp_path), mask(*LEFT, outside=np.nan)
    volume[1, 1, 1] = np.inf
    save(volume, tmp_path / "mask.nii.gz")
    assert set(read_responses(path, folder=tmp_path, mask="mask.nii.gz").neuroids) == names(*LEFT)


# ---- events and subjects of BIDS ----

NONE = ["n/a"] * TRIALS


def test_a_column_of_events_without_a_word_is_passed_over(tmp_path: Path) -> None:
    path = betas(tmp_path, stim_file=NONE, stimulus_id=[""] * TRIALS, trial_type=words())
    found = read_responses(path, folder=tmp_path)
    assert found.stimuli is not None and sorted(found.stimuli) == [f"im{i}" for i in range(TRIALS)]


def test_the_column_is_one_of_all_runs(tmp_path: Path) -> None:
    """A run that shows no picture is no reason to take another column in it."""
    betas(tmp_path, "sub-01_run-1", stim_file=NONE, trial_type=["rest"] * TRIALS)
    betas(tmp_path, "sub-01_run-2", 1, stim_file=words(), trial_type=["picture"] * TRIALS)
    betas(tmp_path, "sub-01_run-3", 2, image=NONE)
    found = read_responses(tmp_path / "sub-01_run-*_betas.nii.gz", folder=tmp_path)
    assert found.stimuli is not None and sorted(found.stimuli) == [f"im{i}" for i in range(TRIALS)]
    assert found.trials.shape[2] == 1


@pytest.mark.parametrize("column", ["", "stim_file"])
def test_events_that_name_no_stimulus_are_refused(tmp_path: Path, column: str) -> None:
    for run in (1, 2):
        betas(tmp_path, f"sub-01_run-{run}", run, stim_file=NONE, note=words())
    asked = {"column": column} if column else {}
    with pytest.raises(UserError, match=r"no event names a stimulus, all are n/a or empty \(stim_file of .*note"):
        read_responses(tmp_path / "sub-01_run-*_betas.nii.gz", folder=tmp_path, **asked)
    assert read_responses(tmp_path / "sub-01_run-*_betas.nii.gz", folder=tmp_path, column="note").trials.shape[2] == 2


def test_the_subject_is_that_of_the_file(tmp_path: Path) -> None:
    lab = tmp_path / "sub-lab_backup" / "sub-07" / "x"
    assert read_responses(betas(lab, "sub-02_task-v"), folder=lab).subject == "sub-02"
    assert read_responses(betas(lab, "task-w"), folder=lab).subject == "sub-07"
    other = tmp_path / "sub-old_backup" / "x"
    assert read_responses(betas(other, "task-w"), folder=other).subject == ""


def test_subjects_are_named_as_they_are_written(tmp_path: Path) -> None:
    for subject in ("01", "03"):
        betas(tmp_path / f"sub-{subject}", f"sub-{subject}_task-v")
    with pytest.raises(UserError, match=r"files of 2 subjects \(01, 03\); .*write sub-03 into responses:"):
        read_responses(tmp_path / "sub-*" / "*_betas.nii.gz", folder=tmp_path)
    (tmp_path / "sub-03" / "sub-03_task-v_events.tsv").unlink()
    with pytest.raises(UserError, match=r"has its entities \(sub-03, task-v\)"):
        read_responses(tmp_path / "sub-03" / "*_betas.nii.gz", folder=tmp_path)


# ---- fill values of zarr ----

RATES = np.array([[0.0, 1.0], [2.0, 0.0], [-1.0, 3.0], [4.0, 9.0]])


def store(path: Path, fill: float | None, *, version: int = 2, kind: str = "f8", chunks: int = 4, **facts: Any) -> Any:
    """(stimuli, neuroids) rates in chunks of some stimuli."""
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    more = {"dimension_names": ["stimulus", "neuroid"]} if version == 3 else {}
    made = group.create_array("rate", shape=RATES.shape, dtype=kind, chunks=(chunks, 2), fill_value=fill, **more)
    made[...] = RATES.astype(kind)
    if version == 2:
        facts["_ARRAY_DIMENSIONS"] = ["stimulus", "neuroid"]
    made.attrs.update(facts)
    return made


def read(path: Path) -> np.ndarray:
    return read_responses(path).trials[..., 0]


@pytest.mark.parametrize("kind", ["f8", "i2"])
@pytest.mark.parametrize(
    ("fill", "facts", "missing"),
    [
        (0, {}, None),  # as zarr fills by itself
        (None, {}, None),
        (-1, {}, -1.0),
        (0, {"_FillValue": 9}, 9.0),
        (0, {"missing_value": 9}, 9.0),
        (0, {"_FillValue": 0}, 0.0),
        (-1, {"missing_value": -1}, -1.0),
        (-1, {"_FillValue": 9}, 9.0),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
def test_zeros_of_zarr_are_zeros_unless_they_are_said_to_be_missing(
    tmp_path: Path, fill: float | None, facts: dict[str, float], missing: float | None, kind: str, version: int
) -> None:
    store(tmp_path / "a.zarr", fill, version=version, kind=kind, **facts)
    if version == 3 and not facts:
        missing = None  # the fill value of format 3 says nothing of what is missing
    wanted = RATES if missing is None else np.where(missing == RATES, np.nan, RATES)
    assert np.array_equal(read(tmp_path / "a.zarr"), wanted, equal_nan=True)


@pytest.mark.parametrize(
    ("fill", "facts", "value"),
    [
        (0.0, {}, 0.0),
        (-1.0, {}, np.nan),
        (np.nan, {}, np.nan),
        (0.0, {"_FillValue": 0.0}, np.nan),
        (0.0, {"scale_factor": 2.0, "add_offset": 1.0}, 1.0),
    ],
)
def test_what_is_said_of_chunks_that_are_not_there_is_what_comes_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fill: float, facts: dict[str, float], value: float
) -> None:
    store(tmp_path / "a.zarr", fill, chunks=1, **facts)
    (tmp_path / "a.zarr" / "rate" / "3.0").unlink()
    found = read(tmp_path / "a.zarr")
    assert np.array_equal(found[3], [value, value], equal_nan=True)
    said = "missing values" if np.isnan(value) else f"{value}"
    assert f"1 of 4 chunks of rate are not in the store and count as {said};" in capsys.readouterr().err


def test_the_missing_value_that_xarray_writes_as_text_in_format_3(tmp_path: Path) -> None:
    """xarray writes _FillValue of floating numbers as base64 of a little-endian float64 there."""
    store(tmp_path / "a.zarr", 0.0, version=3, _FillValue=base64.b64encode(struct.pack("<d", 9.0)).decode())
    assert np.array_equal(read(tmp_path / "a.zarr"), np.where(RATES == 9.0, np.nan, RATES), equal_nan=True)


# ---- clocks of NWB ----


def nwb(path: Path, spikes: list[float]) -> h5py.File:
    """Two units, the first of which has the spikes (the second none), and two presentations of half a second."""
    file = h5py.File(path, "w")
    file.attrs["nwb_version"] = "2.7.0"
    trials = file.create_group("intervals/trials")
    trials.attrs["colnames"] = ["start_time", "stop_time", "image_id"]
    trials["id"], trials["image_id"] = [0, 1], np.array([3.0, 4.0])
    trials["start_time"], trials["stop_time"] = [10.0, 11.0], [10.5, 11.5]
    units = file.create_group("units")
    units.attrs["colnames"] = ["spike_times"]
    units["id"], units["spike_times_index"] = [0, 1], [len(spikes), len(spikes)]
    units["spike_times"] = np.array(spikes)
    return file


@pytest.mark.parametrize("window", [[70, 170], [-60, 0.1], [0.1, 61.0], [0.1, float("inf")], [float("nan"), 1.0]])
def test_a_window_in_milliseconds_is_refused(tmp_path: Path, window: list[float]) -> None:
    nwb(tmp_path / "a.nwb", [10.1, 80.2, 85.0, 120.0]).close()
    with pytest.raises(BadValue, match=r"window=.*must begin before it ends, within 60 s \(not milliseconds\)"):
        read_responses(tmp_path / "a.nwb", window=window)


@pytest.mark.parametrize(
    ("spikes", "words"),
    [
        ([10100.0, 10300.0, 11200.0], r"spikes: 10100 to 11200 s"),  # milliseconds
        ([0.1, 0.3, 1.2], r"spikes: 0.1 to 1.2 s"),  # from the first onset on
        ([], "they have no spikes at all"),
    ],
)
def test_spikes_of_another_clock_are_refused(tmp_path: Path, spikes: list[float], words: str) -> None:
    nwb(tmp_path / "a.nwb", spikes).close()
    with pytest.raises(
        UserError, match=rf"none of the 2 units has a spike in any window \({words}, windows: 10 to 11.5 s"
    ):
        read_responses(tmp_path / "a.nwb")


def test_one_spike_in_one_window_is_enough(tmp_path: Path) -> None:
    nwb(tmp_path / "a.nwb", [0.1, 11.2]).close()
    assert read_responses(tmp_path / "a.nwb", counts=True).trials[..., 0].tolist() == [[0, 0], [1, 0]]


# ---- series of NWB ----


def series(path: Path, kind: str | None, times: np.ndarray | None = None) -> np.ndarray:
    """A file without units, with a series of two columns at every tenth of a second; what it holds."""
    times = np.arange(0.0, 13.0, 0.1) if times is None else times
    data = np.random.default_rng(2).normal(size=(len(times), 2))
    with nwb(path, []) as file:
        del file["units"]
        group = file.create_group("processing/behavior/eye")
        group["data"], group["timestamps"] = data, times
        if kind is not None:
            group.attrs["neurodata_type"] = kind
    return data


@pytest.mark.parametrize("kind", ["SpatialSeries", "DecompositionSeries", None])
def test_positions_of_the_eye_are_no_units_unless_they_are_named(tmp_path: Path, kind: str | None) -> None:
    data = series(tmp_path / "a.nwb", kind)
    with pytest.raises(
        UserError, match=rf"eye, a {kind or 'series of no type'}; write series: processing/behavior/eye"
    ):
        read_responses(tmp_path / "a.nwb", window=[-0.05, 0.45])
    found = read_responses(tmp_path / "a.nwb", window=[-0.05, 0.45], series="processing/behavior/eye")
    assert found.trials[0, :, 0] == pytest.approx(data[100:105].mean(axis=0))


@pytest.mark.parametrize("kind", ["RoiResponseSeries", "ElectricalSeries", "TimeSeries"])
def test_a_series_of_responses_is_taken_by_itself(tmp_path: Path, kind: str) -> None:
    data = series(tmp_path / "a.nwb", kind)
    found = read_responses(tmp_path / "a.nwb", window=[-0.05, 0.45])
    assert found.trials[1, :, 0] == pytest.approx(data[110:115].mean(axis=0))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_samples_without_a_time_are_refused(tmp_path: Path, wrong: float) -> None:
    times = np.arange(0.0, 13.0, 0.1)
    times[-1] = wrong
    series(tmp_path / "a.nwb", "TimeSeries", times)
    with pytest.raises(UserError, match=rf"sample 130 of processing/behavior/eye is at the time {wrong:g} s"):
        read_responses(tmp_path / "a.nwb", window=[0.0, 0.4])
