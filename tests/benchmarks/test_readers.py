"""Responses as people have them: fMRI betas in BIDS, NWB, zarr and NetCDF, written by the formats' own libraries, are
the arrays that were written; what does not fit together or is cut short ends with one line."""

from __future__ import annotations

import builtins
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from PIL import Image

from mlspatial.benchmarks import FmriBenchmark, NeuralBenchmark
from mlspatial.benchmarks.base import Layer, Way
from mlspatial.benchmarks.pictures import shapes_on_noise
from mlspatial.benchmarks.readers import READERS, Asked, Reader
from mlspatial.benchmarks.recordings import load_benchmark
from mlspatial.benchmarks.response_files import read_responses
from mlspatial.benchmarks.responses import Responses
from mlspatial.core import limits
from mlspatial.core.errors import BadValue, UserError

N, RUNS, UNITS = 30, 3, 12
IDS = [f"im{i:03d}" for i in range(N)]
SHAPE = (5, 4, 3)
INSIDE = [(1, 1, 1), (1, 2, 0), (2, 0, 2), (2, 2, 2), (3, 1, 0), (3, 3, 1), (4, 0, 0), (4, 3, 2)]
INSIDE += [(0, 1, 1), (0, 2, 2), (0, 3, 0), (2, 1, 1), (2, 3, 0)]
AFFINE = np.diag([2.0, 2.0, 2.0, 1.0])
DOCS = Path(__file__).resolve().parents[2] / "docs" / "recordings.md"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown")
    for name, image in zip(IDS, shapes_on_noise(N, 16, seed=9), strict=True):
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def lab(tmp_path: Path, pictures: Path) -> Path:
    (tmp_path / "pictures").symlink_to(pictures)
    return tmp_path


def described(name: str) -> dict[str, Any]:
    """The description in docs/recordings.md whose responses have this ending."""
    blocks = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), flags=re.S)
    (found,) = [block for block in blocks if re.search(rf"^responses: \S*{re.escape(name)}\b", block, flags=re.M)]
    return dict(yaml.safe_load(found))


def load(lab: Path, settings: dict[str, Any]) -> NeuralBenchmark | FmriBenchmark:
    (lab / "mine.yaml").write_text(yaml.safe_dump(settings))
    return load_benchmark(lab / "mine.yaml")


# ---- BIDS ----


@pytest.fixture(scope="module")
def betas() -> np.ndarray:
    """(runs, stimuli, voxels), each run in another order of the stimuli."""
    rng = np.random.default_rng(3)
    return (rng.normal(size=(1, N, len(INSIDE))) + rng.normal(size=(RUNS, N, len(INSIDE)))).astype(np.float32)


def orders() -> list[np.ndarray]:
    return [np.random.default_rng([4, run]).permutation(N) for run in range(RUNS)]


def events(run: int, order: np.ndarray) -> pd.DataFrame:
    rows = [(4.0 * i, 3.0, "stimulus", f"images/{IDS[which]}.png", "ab"[which % 2]) for i, which in enumerate(order)]
    rows.insert(7, (27.5, 0.5, "rest", "n/a", "n/a"))
    return pd.DataFrame(rows, columns=["onset", "duration", "trial_type", "stim_file", "kind"])


def volume(values: np.ndarray) -> np.ndarray:
    """(x, y, z, trials) of (trials, voxels), nan outside of the brain."""
    found = np.full((*SHAPE, len(values)), np.nan, np.float32)
    found[tuple(np.array(INSIDE).T)] = values.T
    return found


def save(array: np.ndarray, path: Path, affine: np.ndarray = AFFINE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(array, affine).to_filename(path)
    return path


@pytest.fixture
def bids(lab: Path, betas: np.ndarray) -> Path:
    """As people have it: events in the dataset, betas in derivatives, two sessions of one and two runs."""
    glm = lab / "derivatives" / "glmsingle" / "sub-02"
    for run, order in enumerate(orders()):
        session, number = ("01", 1) if run == 0 else ("02", run)
        stem = f"sub-02_ses-{session}_task-view_run-{number}"
        raw = lab / "sub-02" / f"ses-{session}" / "func" / f"{stem}_events.tsv"
        raw.parent.mkdir(parents=True, exist_ok=True)
        events(run, order).to_csv(raw, sep="\t", index=False)
        save(volume(betas[run][order]), glm / f"ses-{session}" / f"{stem}_space-T1w_desc-glmsingle_betas.nii.gz")
    regions = np.zeros(SHAPE, np.int16)
    for place in INSIDE:
        regions[place] = 7
    regions[INSIDE[0]] = 9
    save(regions, glm / "sub-02_space-T1w_dseg.nii.gz")
    (glm / "sub-02_space-T1w_dseg.tsv").write_text("index\tname\n7\tOTC\n9\tFFA\n")
    mask = (regions > 0).astype(np.uint8)
    mask[INSIDE[1]] = 0
    save(mask, glm / "sub-02_space-T1w_desc-brain_mask.nii.gz")
    return lab


def test_betas_of_bids_are_joined_by_their_events(bids: Path, betas: np.ndarray) -> None:
    benchmark = load(bids, described("_betas.nii.gz"))
    assert isinstance(benchmark, FmriBenchmark) and benchmark.subject == "sub-02"
    assert benchmark.trials is not None and benchmark.trials.shape == (N, len(INSIDE) - 2, RUNS)
    found = read_responses(
        bids / described("_betas.nii.gz")["responses"],
        folder=bids,
        region="OTC",
        label="kind",
        rois=described("_betas.nii.gz")["rois"],
    )
    assert found.subject == "sub-02" and set(found.facts["roi"]) == {"OTC"} and found.stimuli is not None
    turned = found.aligned(IDS, "x")
    for voxel, place in enumerate(INSIDE[1:], 1):
        column = found.neuroids.index("-".join(map(str, place)))
        assert np.array_equal(turned.trials[:, column], betas[:, :, voxel].T)  # runs in their order
    assert turned.labels is not None and turned.labels.tolist() == ["a", "b"] * (N // 2)
    assert np.array_equal(benchmark.trials[:, 0], betas[:, :, INSIDE.index((0, 1, 1))].T)


def test_volumes_of_rests_and_whole_sessions_and_scaled_numbers(lab: Path, betas: np.ndarray) -> None:
    """A file of all runs of a session takes their events in order; a volume for every row, rests too; int16 numbers
    with a slope; uncompressed."""
    whole, scale = [], 0.25
    for run, order in enumerate(orders()[:2]):
        events(run, order).to_csv(lab / f"sub-x_ses-1_task-v_run-{run + 9}_events.tsv", sep="\t", index=False)
        whole.append(np.insert(np.round(betas[run][order] / scale), 7, 99.0, axis=0))
    image = nibabel.Nifti1Image(np.nan_to_num(volume(np.concatenate(whole))).astype(np.int16), AFFINE)
    image.header.set_slope_inter(scale, 1.0)
    image.to_filename(lab / "sub-x_ses-1_stat-effect_statmap.nii")
    found = read_responses(lab / "sub-x_ses-1_stat-effect_statmap.nii").aligned(IDS, "x")
    assert found.trials.shape == (N, len(INSIDE), 2) and found.subject == "sub-x"  # what never varies is left out
    column = found.neuroids.index("2-3-0")
    wanted = np.round(betas[:2, :, INSIDE.index((2, 3, 0))] / scale) * scale + 1.0
    assert found.trials[:, column] == pytest.approx(wanted.T)


def test_masks_by_name_are_regions(bids: Path) -> None:
    glm = bids / "derivatives/glmsingle/sub-02"
    for name, places in {"FFA": INSIDE[:6], "EBA": INSIDE[4:9]}.items():
        mask = np.zeros(SHAPE, np.uint8)
        mask[tuple(np.array(places).T)] = 1
        save(mask, glm / f"sub-02_label-{name}_mask.nii.gz")
    path = bids / described("_betas.nii.gz")["responses"]
    found = read_responses(path, folder=bids, region="EBA", rois="derivatives/glmsingle/sub-02/*_label-*_mask.nii.gz")
    assert set(found.neuroids) == {"-".join(map(str, place)) for place in INSIDE[4:9]}  # regions may overlap
    assert set(found.facts["roi"]) == {"EBA"}


def change(bids: Path, what: str) -> dict[str, Any]:
    """Spoil a dataset and say how it is described."""
    settings = described("_betas.nii.gz")
    glm, raw = bids / "derivatives/glmsingle/sub-02", bids / "sub-02"
    first = next(glm.glob("ses-01/*_betas.nii.gz"))
    (table,) = raw.glob("ses-01/func/*_events.tsv")
    if what == "cut":
        first.write_bytes(first.read_bytes()[: first.stat().st_size * 2 // 3])
    elif what == "noise":
        first.write_bytes(b"\x1f\x8b" + bytes(300))
    elif what == "head":
        image = nibabel.Nifti1Image(np.zeros((2, 2, 2, 2), np.int16), AFFINE)
        data = bytearray(image.to_bytes())
        data[40:56] = np.array([4, 32000, 32000, 32000, 32000, 1, 1, 1], "<i2").tobytes()
        (bids / "sub-02_ses-01_task-view_run-1_betas.nii").write_bytes(data)
        settings["responses"] = "sub-02_ses-01_task-view_run-1_betas.nii"
    elif what == "series":
        save(np.random.default_rng(0).normal(size=(*SHAPE, 200)).astype(np.float32), first)
    elif what == "no events":
        shutil.rmtree(raw)
    elif what == "column":
        settings["column"] = "stimulus_name"
    elif what == "order":
        pd.read_csv(table, sep="\t")[::-1].to_csv(table, sep="\t", index=False)
    elif what == "csv":
        table.write_text(table.read_text().replace("\t", ","))
    elif what == "onset":
        table.write_text(table.read_text().replace("\n4.0\t", "\nsoon\t"))
    elif what == "subjects":
        other = Path(str(first).replace("sub-02", "sub-03"))
        other.parent.mkdir(parents=True)
        shutil.copy(first, other)
        settings["responses"] = settings["responses"].replace("sub-02", "sub-*")
    elif what == "twice":
        shutil.copy(first, str(first).replace("T1w", "MNI"))
    elif what == "space":
        save(np.ones(SHAPE, np.uint8), bids / settings["mask"], AFFINE * 1.5)
    elif what == "empty":
        save(np.zeros(SHAPE, np.uint8), bids / settings["mask"])
    elif what == "probability":
        save(np.full(SHAPE, 0.3, np.float32), bids / settings["rois"])
    elif what == "region":
        settings["region"] = "PPA"
    elif what == "absent":
        settings["responses"] = "sub-02/*_beta.nii.gz"
    elif what == "window":
        settings["window"] = [0, 1]
    return settings


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("cut", r"_betas.nii.gz: cannot be read .*cut short\? copy it anew"),
        ("noise", r"_betas.nii.gz: cannot be read"),
        ("head", r"of shape \(32000, .* takes .*GiB, and .* free"),
        ("series", r"has 200 volumes, .*_events.tsv 31 rows, 30 with a stim_file; betas must have a volume a trial"),
        (
            "no events",
            r"no \*_events.tsv in .* has its entities \(sub-02, ses-01, task-view, run-1\); put it there or name",
        ),
        ("column", r"events .*: has no column stimulus_name \(columns: onset, duration"),
        ("order", r"onsets fall at row 2 \(116, then 112 s\).*sort the rows"),
        ("csv", r"events .*: has no column onset"),
        ("onset", r"row 2 has the onset 'soon', must be seconds"),
        ("subjects", r"files of 2 subjects \(02, 03\); voxels are of one, so write sub-03 into responses:"),
        ("twice", r"are of the same run; write a pattern that one fits"),
        ("space", r"mask.nii.gz: is of another space .*resample it"),
        ("empty", r"mask .*: holds no voxel"),
        ("probability", r"rois .*: holds 0.3, must be a whole number a region; threshold it"),
        ("region", r"has regions FFA, OTC, none is called PPA; write one of those as region:"),
        ("absent", r"responses .*_beta.nii.gz: cannot be read \(there is no such file\)"),
        ("window", r"window=.*: is for NWB files alone"),
    ],
)
def test_what_does_not_belong_together_is_said(bids: Path, what: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as problem:
        load(bids, change(bids, what))
    assert "\n" not in str(problem.value) and len(str(problem.value)) < 700


# ---- NWB ----


def spikes() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """(spike times of every unit, onsets, stimulus of every presentation)."""
    rng = np.random.default_rng(8)
    shown = np.concatenate([rng.permutation(N) for _ in range(RUNS)])
    onsets = 0.3 * np.arange(len(shown)) + 1.0
    rates = rng.uniform(5.0, 80.0, (N, UNITS))
    times = []
    for unit in range(UNITS):
        parts = [on + 0.3 * rng.random(rng.poisson(0.3 * rates[s, unit])) for on, s in zip(onsets, shown, strict=True)]
        times.append(np.sort(np.concatenate(parts)))
    return times, onsets, shown


def by_hand(first: float, last: float) -> np.ndarray:
    """(stimuli, units, repeats) spikes in [onset + first, onset + last)."""
    times, onsets, shown = spikes()
    found = np.full((N, UNITS, RUNS), np.nan)
    turn = dict.fromkeys(range(N), 0)
    for onset, stimulus in zip(onsets, shown.tolist(), strict=True):
        for unit, of in enumerate(times):
            found[stimulus, unit, turn[stimulus]] = ((of >= onset + first) & (of < onset + last)).sum()
        turn[stimulus] += 1
    return found


def write_nwb(path: Path, *, series: bool = False, unseen: int = -1) -> None:
    """By pynwb: units on electrodes of two areas, trials with a blank among them, and perhaps rates of cells."""
    pynwb = pytest.importorskip("pynwb")
    times, onsets, shown = spikes()
    file = pynwb.NWBFile("vision", "probe 4", datetime(2026, 1, 2, tzinfo=UTC), session_id="210325")
    file.subject = pynwb.file.Subject(subject_id="monkey-b", species="Macaca mulatta", age="P5Y", sex="M")
    for name in ("stimulus_name", "kind"):
        file.add_trial_column(name, "of the picture")
    for onset, stimulus in zip(onsets, shown.tolist(), strict=True):
        file.add_trial(onset, onset + 0.1, stimulus_name=f"{IDS[stimulus]}.png", kind="ab"[stimulus % 2])
    file.add_trial(onsets[-1] + 1.0, onsets[-1] + 1.1, stimulus_name="", kind="")
    if series:
        samples = np.arange(0.0, onsets[-1] + 2.0, 0.05)
        data = np.random.default_rng(1).normal(size=(len(samples), UNITS)) + samples[:, None]
        rates = pynwb.TimeSeries("rates", data=data, unit="Hz", timestamps=samples, conversion=2.0)
        file.create_processing_module("ecephys", "of the probe").add(rates)
    else:
        device = file.create_device("probe")
        groups = [file.create_electrode_group(a, "an array", a, device) for a in ("V4", "IT")]
        for unit in range(UNITS):
            group = groups[unit % 2]
            file.add_electrode(location=group.location, group=group)
        for unit, of in enumerate(times):
            seen = [[0.0, onsets[40]]] if unit == unseen else [[0.0, onsets[-1] + 2.0]]
            file.add_unit(spike_times=of, electrodes=[unit], obs_intervals=seen, id=100 + unit)
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)


def test_spikes_of_an_nwb_file_are_counted_in_windows(lab: Path) -> None:
    write_nwb(lab / "session.nwb")
    settings = described(".nwb")
    benchmark = load(lab, settings)
    assert isinstance(benchmark, NeuralBenchmark) and benchmark.trials is not None
    wanted = by_hand(*settings["window"])
    length = settings["window"][1] - settings["window"][0]
    assert benchmark.neuroids == tuple(str(100 + unit) for unit in range(0, UNITS, 2))  # of V4
    assert benchmark.trials == pytest.approx(wanted[:, ::2] / length)
    counts = read_responses(lab / "session.nwb", counts=True, label="kind").aligned(IDS, "x")
    assert np.array_equal(counts.trials, by_hand(0.0, 0.1)) and counts.subject == "monkey-b"  # from start to stop
    assert counts.facts["session"] == ("210325",) * UNITS and counts.facts["location"] == ("V4", "IT") * (UNITS // 2)
    assert counts.labels is not None and counts.labels.tolist() == ["a", "b"] * (N // 2)


def test_what_is_known_of_units_is_kept_with_their_scores(lab: Path) -> None:
    write_nwb(lab / "session.nwb")
    benchmark = load(lab, described(".nwb") | {"metric": "ridge"})
    features = np.random.default_rng(0).normal(size=(N, 5))
    (score,) = benchmark.scores(Layer({"gram": _packed(features)}, lambda: 5), "ridge", Way())
    table = benchmark.per_unit(score)
    assert table is not None and set(table.session) == {"210325"} and set(table.location) == {"V4"}
    assert set(table.unit) == {str(100 + unit) for unit in range(0, UNITS, 2)} and (table.group_name == "V4").all()


def _packed(features: np.ndarray) -> np.ndarray:
    from mlspatial.analysis.gram import Gram

    gram = Gram(len(features))
    import torch

    gram.add(torch.from_numpy(features - features.mean(axis=0)))
    return gram.packed()


def test_units_that_were_not_observed_have_no_response(lab: Path) -> None:
    write_nwb(lab / "session.nwb", unseen=3)
    found = read_responses(lab / "session.nwb", counts=True)
    _, onsets, shown = spikes()
    missing = np.isnan(found.trials[:, 3]).sum()
    assert missing == (onsets + 0.1 > onsets[40]).sum() == len(shown) - 40
    assert not np.isnan(found.trials[:, [0, 1, 2, 4]]).any()


def test_a_series_of_rates_is_averaged_in_windows(lab: Path) -> None:
    write_nwb(lab / "rates.nwb", series=True)
    found = read_responses(lab / "rates.nwb", window=[0.05, 0.25]).aligned(IDS, "x")
    _, onsets, shown = spikes()
    samples = np.arange(0.0, onsets[-1] + 2.0, 0.05)
    data = np.random.default_rng(1).normal(size=(len(samples), UNITS)) + samples[:, None]
    first = np.flatnonzero(shown == 4)[0]
    inside = (samples >= onsets[first] + 0.05) & (samples < onsets[first] + 0.25)
    assert found.trials[4, :, 0] == pytest.approx(2.0 * data[inside].mean(axis=0))
    named = read_responses(lab / "rates.nwb", window=[0.05, 0.25], series="rates")
    assert np.array_equal(named.aligned(IDS, "x").trials, found.trials)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"table": "epochs"}, r"table=epochs: /intervals has none of this name \(tables: trials\)"),
        (
            {"column": "pictures"},
            r"no table in /intervals has a column pictures \(trials: start_time, stop_time, stimu",
        ),
        ({"window": [70, 170, 2]}, r"window=.*must be two numbers"),
        ({"window": [0.2, 0.1]}, r"window=.*must begin before it ends"),
        ({"series": "lfp"}, r"series=lfp: no time series with data of \(time, units\) is there \(none at all\)"),
        ({"counts": "yes"}, r"counts=yes: must be true"),
        ({"region": "V1"}, r"has neuroids of IT, V4, none of region V1"),
        ({"label": "class"}, r"table trials has no column class for strata"),
        ({"mask": "m.nii"}, r"mask=m.nii: is for NIfTI files alone"),
    ],
)
def test_keys_that_an_nwb_file_cannot_meet(lab: Path, options: dict[str, Any], words: str) -> None:
    write_nwb(lab / "session.nwb")
    with pytest.raises(UserError, match=words):
        read_responses(lab / "session.nwb", **options)


def layout(path: Path) -> h5py.File:
    """The least that a file of the format has, by h5py."""
    file = h5py.File(path, "w")
    file.attrs["nwb_version"] = "2.7.0"
    trials = file.create_group("intervals/trials")
    trials.attrs["colnames"] = ["start_time", "stop_time", "image_id"]
    columns = {"id": [0, 1], "start_time": [0.0, 1.0], "stop_time": [0.5, 1.5]}
    for name, values in columns.items():
        trials[name] = values
    trials["image_id"] = np.array([3.0, 4.0])
    units = file.create_group("units")
    units.attrs["colnames"] = ["spike_times"]
    units["id"], units["spike_times"], units["spike_times_index"] = [0, 1], [0.1, 0.2, 1.2], [2, 3]
    return file


def test_damaged_nwb_files_end_with_one_line(tmp_path: Path) -> None:
    layout(tmp_path / "good.nwb").close()
    found = read_responses(tmp_path / "good.nwb", counts=True)
    assert found.stimuli == ("3", "4") and found.trials[..., 0].tolist() == [[2, 0], [0, 1]]
    whole = (tmp_path / "good.nwb").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        (tmp_path / "cut.nwb").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UserError, match=r"cut.nwb: cannot be read .*is it whole\?"):
            read_responses(tmp_path / "cut.nwb")
    (tmp_path / "noise.nwb").write_bytes(bytes(range(256)) * 20)
    with pytest.raises(UserError, match=r"noise.nwb: cannot be read"):
        read_responses(tmp_path / "noise.nwb")
    h5py.File(tmp_path / "other.nwb", "w").close()
    with pytest.raises(UserError, match="is HDF5, but no NWB file"):
        read_responses(tmp_path / "other.nwb")
    with layout(tmp_path / "huge.nwb") as file:
        del file["intervals/trials/image_id"], file["intervals/trials/id"]
        file.create_dataset("intervals/trials/id", (1 << 45,), "i8", chunks=(64,))
        file.create_dataset("intervals/trials/image_id", (1 << 45,), "i8", chunks=(64,))
    with pytest.raises(UserError, match=r"trials/image_id: declares .*GiB"):
        read_responses(tmp_path / "huge.nwb")
    with layout(tmp_path / "index.nwb") as file:
        file["units/spike_times_index"][...] = [2, 900]
    with pytest.raises(UserError, match="spike_times_index does not fit spike_times"):
        read_responses(tmp_path / "index.nwb")
    with layout(tmp_path / "point.nwb") as file:
        file["intervals/trials/stop_time"][...] = file["intervals/trials/start_time"][...]
    with pytest.raises(UserError, match=r"presentation 1 .* does not end after it begins .*set window: \[0.07, 0.17\]"):
        read_responses(tmp_path / "point.nwb")
    assert read_responses(tmp_path / "point.nwb", window=[0.07, 0.17], counts=True).trials[0, 0, 0] == 1  # the advice
    with layout(tmp_path / "two.nwb") as file:
        file.copy("intervals/trials", "intervals/again")
    with pytest.raises(UserError, match=r"tables again, trials name stimuli; write one of those as table:"):
        read_responses(tmp_path / "two.nwb")
    assert read_responses(tmp_path / "two.nwb", table="again", counts=True).stimuli == ("3", "4")
    with layout(tmp_path / "link.nwb") as file:
        del file["units"]
        file["units"] = h5py.ExternalLink(str(tmp_path / "good.nwb"), "units")
    with pytest.raises(UserError, match="has no /units, and no time series"):
        read_responses(tmp_path / "link.nwb")


# ---- arrays with names ----


def assembly() -> tuple[xr.Dataset, np.ndarray]:
    """A dataset as labs keep it, in no order, and (stimuli, units, repeats) of it."""
    rng = np.random.default_rng(6)
    values = rng.normal(size=(N, UNITS, RUNS))
    values[4, 2, 1] = np.nan
    turned = rng.permutation(N)
    coordinates = {
        "stimulus_id": ("stimulus", np.array(IDS)[turned]),
        "neuroid_id": ("neuroid", [f"u{i}" for i in range(UNITS)]),
        "region": ("neuroid", ["V4", "IT"] * (UNITS // 2)),
        "layer": ("neuroid", ["2/3", "4", "5"] * (UNITS // 3)),
        "depth": ("neuroid", np.arange(UNITS) * 0.5),
    }
    array = xr.DataArray(values[turned], coords=coordinates, dims=["stimulus", "neuroid", "repeat"], name="rate")
    return array.to_dataset(), values


def write_zarr(data: xr.Dataset, path: Path, version: int) -> None:
    """As xarray does: by itself where it knows this zarr, else in its layout, by zarr."""
    zarr = pytest.importorskip("zarr")
    if version == 2 and zarr.__version__.startswith("2."):
        data.to_zarr(path)
        return
    if zarr.__version__.startswith("2."):
        pytest.skip("zarr 2 writes format 2 alone")
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    for name, one in data.variables.items():
        values = one.values.astype(np.int64) if one.dtype.kind == "i" else one.values
        names = {"dimension_names": one.dims} if version == 3 else {}
        made = group.create_array(str(name), shape=values.shape, dtype=values.dtype, chunks=values.shape, **names)
        made[...] = values
        if version == 2:
            made.attrs["_ARRAY_DIMENSIONS"] = list(one.dims)
        if name not in data.coords:
            made.attrs["coordinates"] = " ".join(map(str, data.coords))


@pytest.mark.parametrize("kind", ["session.zarr", "three.zarr", "session.zarr.zip", "session.nc"])
def test_named_arrays_are_read_as_they_were_written(lab: Path, kind: str) -> None:
    data, values = assembly()
    if kind.endswith(".nc"):
        data.to_netcdf(lab / kind)
    else:
        write_zarr(data, lab / kind.removesuffix(".zip"), 3 if kind.startswith("three") else 2)
    if kind.endswith(".zip"):
        shutil.make_archive(str(lab / kind.removesuffix(".zip")), "zip", lab / kind.removesuffix(".zip"))
    benchmark = load(lab, described("session.zarr") | {"responses": kind})
    assert isinstance(benchmark, NeuralBenchmark) and benchmark.trials is not None
    assert np.array_equal(benchmark.trials, values[:, ::2], equal_nan=True)
    assert benchmark.neuroids == tuple(f"u{i}" for i in range(0, UNITS, 2))
    assert benchmark.facts["layer"] == ("2/3", "5", "4") * (UNITS // 6) and benchmark.facts["depth"][1] == "1"
    features = np.random.default_rng(0).normal(size=(N, 5))
    (score,) = benchmark.scores(Layer({"gram": _packed(features)}, lambda: 5), "ridge", Way())
    table = benchmark.per_unit(score)
    assert table is not None and {"neuroid_layer", "depth"} <= set(table)  # layer is the network's


def test_damaged_stores_and_what_is_none(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zarr = pytest.importorskip("zarr")
    data, _ = assembly()
    write_zarr(data, lab / "a.zarr", 2)
    (chunk,) = (lab / "a.zarr" / "rate").glob("0*")
    chunk.write_bytes(chunk.read_bytes()[:40])
    with pytest.raises(UserError, match=r"a.zarr: cannot be read") as problem:
        read_responses(lab / "a.zarr")
    assert "\n" not in str(problem.value)
    (lab / "b.zarr").mkdir()
    with pytest.raises(UserError, match=r"b.zarr: cannot be read"):
        read_responses(lab / "b.zarr")
    with pytest.raises(UserError, match=r"c.zarr: cannot be read \(there is no such file"):
        read_responses(lab / "c.zarr")
    group = zarr.open_group(str(lab / "d.zarr"), mode="w", zarr_format=2)
    group.create_array("rate", shape=(4, 3), dtype="f8", chunks=(4, 3))
    with pytest.raises(UserError, match="array rate has no names of dimensions"):
        read_responses(lab / "d.zarr")
    group["rate"].attrs["_ARRAY_DIMENSIONS"] = ["stimulus", "neuroid"]
    read_responses(lab / "d.zarr")
    assert "1 of 1 chunks of rate are not in the store and count as 0" in capsys.readouterr().err
    huge = zarr.open_group(str(lab / "e.zarr"), mode="w", zarr_format=2)
    huge.create_array("rate", shape=(1 << 25, 1 << 25), dtype="f8", chunks=(64, 64))
    with pytest.raises(UserError, match=r"e.zarr: its arrays declare .*GiB, and"):
        read_responses(lab / "e.zarr")


def test_netcdf_files_that_are_cut_short(lab: Path) -> None:
    data, _ = assembly()
    data.to_netcdf(lab / "a.nc")
    whole = (lab / "a.nc").read_bytes()
    for share in (0.2, 0.6, 0.95):
        (lab / "b.nc").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(UserError, match=r"b.nc: cannot be read"):
            read_responses(lab / "b.nc")


@pytest.mark.parametrize(("name", "library"), [("a.zarr", "zarr"), ("a.nii.gz", "nibabel")])
def test_a_library_that_lacks_is_named(
    tmp_path: Path, name: str, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = builtins.__import__

    def without(module: str, *rest: Any, **more: Any) -> Any:
        if module.partition(".")[0] == library:
            raise ImportError(module)
        return there(module, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(UserError, match=rf"needs {library}, which is not installed; run: pip install {library}"):
        read_responses(tmp_path / name)


def test_memory_is_asked_before_betas_are_read(bids: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "free_memory", lambda: 20_000)
    with pytest.raises(UserError, match=r"90 trials of 13 voxels \(a smaller mask: .*take .* are free"):
        read_responses(bids / described("_betas.nii.gz")["responses"], folder=bids, mask="**/*_dseg.nii.gz")


def test_a_reader_of_ones_own_is_one_registration(tmp_path: Path) -> None:
    """Also what READERS are for: an ending that nobody knew."""

    def read(path: Path, asked: Asked) -> Responses:
        numbers = np.loadtxt(path)
        return Responses(numbers[..., None], None, tuple(f"u{i}" for i in range(numbers.shape[1])))

    READERS.register("mylab")(Reader((".mylab",), "mylab", read))
    try:
        (tmp_path / "a.mylab").write_text("1 2\n3 4\n5 7\n")
        assert read_responses(tmp_path / "a.mylab").trials[..., 0].tolist() == [[1, 2], [3, 4], [5, 7]]
        with pytest.raises(BadValue, match=r"axes=.*is for MATLAB and npy files alone"):
            read_responses(tmp_path / "a.mylab", axes=["stimulus", "neuroid"])
    finally:
        del READERS._items["mylab"]
