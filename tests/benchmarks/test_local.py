"""Recordings in npy, NetCDF, csv and Parquet: aligned by name, with trials missing, and every mistake said."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from PIL import Image

from mlspatial.benchmarks.find import benchmark_names
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.pictures import shapes_on_noise
from mlspatial.benchmarks.recordings import load_benchmark
from mlspatial.benchmarks.response_files import read_responses
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

N, NEUROIDS, REPEATS = 40, 4, 3
IDS = [f"im{i:03d}" for i in range(N)]
UNITS = [f"unit{i}" for i in range(NEUROIDS)]
COMMON = "region: IT\nstimuli: pictures\ncomponents: 4\n"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    (folder / "pictures").mkdir()
    for name, image in zip(IDS, shapes_on_noise(N, 16, seed=9), strict=True):
        Image.fromarray(image).save(folder / "pictures" / f"{name}.png")
    return folder


@pytest.fixture
def lab(tmp_path: Path, pictures: Path) -> Path:
    (tmp_path / "pictures").symlink_to(pictures / "pictures")
    return tmp_path


@pytest.fixture(scope="module")
def trials() -> np.ndarray:
    """(stimuli, neuroids, repeats) with some trials missing."""
    rng = np.random.default_rng(4)
    values = rng.normal(size=(N, NEUROIDS, 1)) + 0.3 * rng.normal(size=(N, NEUROIDS, REPEATS))
    values[3, 1, 0] = values[7, :, 2] = np.nan
    return values


def long_form(trials: np.ndarray) -> pd.DataFrame:
    """Rows in no order, as a database gives them; ids with endings, as Brain-IO's file names have them."""
    rows = [
        (f"{IDS[s]}.png", UNITS[u], r, trials[s, u, r])
        for s, u, r in np.ndindex(trials.shape)
        if np.isfinite(trials[s, u, r])
    ]
    table = pd.DataFrame(rows, columns=["stimulus_id", "neuroid_id", "repeat", "response"])
    return table.sample(frac=1.0, random_state=0)


def wide_form(trials: np.ndarray) -> pd.DataFrame:
    rows = [(IDS[s], r, *trials[s, :, r]) for s in range(N) for r in range(REPEATS)]
    return pd.DataFrame(rows, columns=["stimulus_id", "repeat", *UNITS]).sample(frac=1.0, random_state=1)


def assembly(trials: np.ndarray) -> xr.DataArray:
    """Presentations by neuroids with Brain-IO's coordinates, in no order, and its one time bin."""
    where = np.random.default_rng(2).permutation(N * REPEATS)
    stimulus, repeat = np.divmod(where, REPEATS)
    coordinates: dict[str, Any] = {
        "stimulus_id": ("presentation", np.array(IDS)[stimulus]),
        "repetition": ("presentation", repeat),
        "object_name": ("presentation", np.array(["car", "face"])[stimulus % 2]),
        "neuroid_id": ("neuroid", UNITS),
        "time_bin_start": ("time_bin", [70]),
    }
    values = trials.transpose(0, 2, 1).reshape(-1, NEUROIDS)[where]
    return xr.DataArray(values[..., None], coords=coordinates, dims=["presentation", "neuroid", "time_bin"])


def write(lab: Path, kind: str, trials: np.ndarray) -> str:
    """A file of responses; returns the YAML's lines for it."""
    if kind == "npy":
        np.save(lab / "r.npy", trials.transpose(1, 0, 2))
        return "responses: r.npy\naxes: [neuroid, stimulus, repeat]\n"
    if kind == "long.csv":
        long_form(trials).to_csv(lab / kind, index=False)
    elif kind == "long.parquet":
        long_form(trials).to_parquet(lab / kind)
    elif kind == "wide.tsv":
        wide_form(trials).to_csv(lab / kind, index=False, sep="\t")
    elif kind == "wide.parquet":
        wide_form(trials).astype({"stimulus_id": "category"}).to_parquet(lab / kind)
    elif kind == "assembly.nc":
        assembly(trials).to_netcdf(lab / kind)
    else:
        turned = np.random.default_rng(3).permutation(N)
        named = xr.DataArray(
            trials[turned],
            coords={"stimulus": np.array(IDS)[turned], "neuroid": UNITS},
            dims=["stimulus", "neuroid", "repeat"],
            name="spikes",
        )
        named.transpose("repeat", "stimulus", "neuroid").to_netcdf(lab / kind)
    return f"responses: {kind}\n"


def load(lab: Path, lines: str) -> NeuralBenchmark:
    (lab / "mine.yaml").write_text(COMMON + lines)
    return load_benchmark(lab / "mine.yaml")


FORMATS = ["npy", "long.csv", "long.parquet", "wide.tsv", "wide.parquet", "assembly.nc", "named.nc"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_trials(lab: Path, trials: np.ndarray, kind: str) -> None:
    benchmark = load(lab, write(lab, kind, trials))
    assert benchmark.stimuli.ids == tuple(IDS) and benchmark.trials is not None
    order = [benchmark.neuroids.index(name) for name in UNITS] if kind != "npy" else list(range(NEUROIDS))
    assert np.array_equal(benchmark.trials[:, order], trials, equal_nan=True)
    assert benchmark.responses[:, order] == pytest.approx(np.nanmean(trials, axis=2))


def test_without_repeats_there_is_no_ceiling(lab: Path, trials: np.ndarray) -> None:
    table = pd.DataFrame(trials[:, :, 1], columns=UNITS).assign(image_id=IDS)
    table.to_csv(lab / "means.csv", index=False)
    benchmark = load(lab, "responses: means.csv\n")
    assert benchmark.trials is None and benchmark.ceiling == "none"
    with pytest.raises(UserError, match="needs neuroids with at least two repeats"):
        load(lab, "responses: means.csv\nceiling: split_half\n").score(benchmark.responses)
    score = load(lab, "responses: means.csv\nceiling: 0.8\n").score(benchmark.responses)
    assert score.ceiling == 0.8 and score.ceiled == pytest.approx(score.raw**2 / 0.8)


def test_unnumbered_rows_are_repeats_as_they_come(lab: Path, trials: np.ndarray) -> None:
    table = long_form(trials).drop(columns="repeat")
    table.to_csv(lab / "long.csv", index=False)
    benchmark = load(lab, "responses: long.csv\n")
    order = [benchmark.neuroids.index(name) for name in UNITS]
    assert benchmark.responses[:, order] == pytest.approx(np.nanmean(trials, axis=2))


def test_text_ids_stay_text(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("stimulus_id,neuroid_id,response\n0012,007,1\n0013,007,2\n")
    read = read_responses(tmp_path / "r.csv")
    assert read.stimuli == ("0012", "0013") and read.neuroids == ("007",)


@pytest.mark.parametrize("kind", ["assembly.nc", "long.csv"])
def test_strata_from_a_coordinate_or_a_column(lab: Path, trials: np.ndarray, kind: str) -> None:
    lines = write(lab, kind, trials)
    if kind == "long.csv":
        table = pd.read_csv(lab / kind)
        table["object_name"] = [["car", "face"][int(name[2:5]) % 2] for name in table.stimulus_id]
        table.to_csv(lab / kind, index=False)
    benchmark = load(lab, f"{lines}strata: object_name\n")
    assert benchmark.strata is not None and benchmark.strata.tolist() == ["car", "face"] * (N // 2)
    assert all((benchmark.strata[test] == "car").sum() == 2 for _, test in benchmark.folds)
    assert benchmark.version != load(lab, lines).version
    with pytest.raises(UserError, match="object_nam "):
        load(lab, f"{lines}strata: object_nam\n")


def test_strata_from_a_table_of_their_own(lab: Path, trials: np.ndarray) -> None:
    labels = pd.DataFrame({"stimulus_id": IDS[::-1], "label": [f"l{i % 4}" for i in range(N)]})
    labels.to_csv(lab / "labels.csv", index=False)
    benchmark = load(lab, write(lab, "npy", trials) + "strata: labels.csv\nsplits: kfold:5\n")
    assert len(benchmark.folds) == 5 and benchmark.strata is not None
    assert all(
        np.unique(benchmark.strata[test], return_counts=True)[1].tolist() == [2] * 4 for _, test in benchmark.folds
    )
    labels.iloc[:-1].to_csv(lab / "labels.csv", index=False)
    with pytest.raises(StimulusMismatch, match=r"1 stimuli have no label \(im000\)"):
        load(lab, write(lab, "npy", trials) + "strata: labels.csv\n")


def test_pictures_in_a_zip(lab: Path, pictures: Path, trials: np.ndarray) -> None:
    with zipfile.ZipFile(lab / "all.zip", "w") as archive:
        for name in reversed(IDS):
            archive.write(pictures / "pictures" / f"{name}.png", f"set/{name}.png")
        archive.writestr(f"__MACOSX/set/._{IDS[0]}.png", b"not a picture")
    lines = write(lab, "long.csv", trials)
    folder = load(lab, lines)
    (lab / "zip.yaml").write_text(COMMON.replace("stimuli: pictures", "stimuli: all.zip") + lines)
    assert load_benchmark(lab / "zip.yaml").version == folder.version


def test_neuroids_that_saw_other_repeats_or_only_one(lab: Path, trials: np.ndarray) -> None:
    """Repeats a neuroid never had do not lower its ceiling; without any repeat it has none, and no say in it."""
    more = np.concatenate([trials, np.full((N, NEUROIDS, 3), np.nan)], axis=2)
    more[:, 2, 3:], more[:, 2, :3] = more[:, 2, :3].copy(), np.nan
    more[:, 3, 1:] = np.nan
    more[7, 3, 0] = 0.0
    np.save(lab / "more.npy", more)
    benchmark = load(lab, "responses: more.npy\naxes: [stimulus, neuroid, repeat]\n")
    few = load(lab, write(lab, "npy", trials))
    assert benchmark.ceilings[:3] == pytest.approx(few.ceilings[:3]) and np.isnan(benchmark.ceilings[3])
    assert 0.8 < benchmark.score(benchmark.responses).ceiling < 1


@pytest.mark.parametrize(
    ("lines", "error", "words"),
    [
        ("responses: r.txt\n", UserError, "r.txt: cannot be read"),
        ("responses: mine.yaml\n", UserError, r"must end in .*\.mat, \.nc"),
        ("responses: long.csv\naxes: [stimulus, neuroid]\n", BadValue, "is for MATLAB and npy files alone"),
        ("responses: long.csv\nceiling: 1.5\n", BadValue, "ceiling=1.5: must be one of split_half, repeats, none"),
        ("responses: long.csv\nceiling: true\n", BadValue, "ceiling=True"),
        ("responses: long.csv\nsplits: kfold\n", BadValue, "splits=kfold: must be brainscore or kfold:K"),
        ("responses: long.csv\nsplits: kfold:50\n", UserError, "40 stimuli are too few for 50 folds"),
        ("responses: long.csv\ndegrees: wide\n", BadValue, "degrees=wide"),
        ("responses: long.csv\ndegrees: .nan\n", BadValue, "degrees=nan: must be a number above 0"),
        ("responses: long.csv\ndegrees: .inf\n", BadValue, "degrees=inf: must be a number above 0"),
        ("responses: long.csv\ncomponents: 2.5\n", BadValue, "components=2.5: must be a whole number of at least 1"),
        ("responses: long.csv\ncomponents: true\n", BadValue, "components=True: must be a whole number"),
        ("responses: long.csv\ncomponents: 36\n", UserError, "36 training stimuli are too few for 36 components"),
    ],
)
def test_settings_that_cannot_be_meant(
    lab: Path, trials: np.ndarray, lines: str, error: type[Exception], words: str
) -> None:
    write(lab, "long.csv", trials)
    with pytest.raises(error, match=words):
        load(lab, lines)


def test_tables_that_do_not_fit_the_pictures(lab: Path, trials: np.ndarray) -> None:
    table = long_form(trials)

    def loaded(changed: pd.DataFrame) -> NeuralBenchmark:
        changed.to_csv(lab / "long.csv", index=False)
        return load(lab, "responses: long.csv\n")

    with pytest.raises(StimulusMismatch, match=r"2 stimuli have no responses \(im003, im008\)"):
        loaded(table[~table.stimulus_id.isin(["im003.png", "im008.png"])])
    with pytest.raises(StimulusMismatch, match=r"responses to 1 stimuli without a picture \(other\)"):
        loaded(table.replace({"stimulus_id": {"im003.png": "other"}}).query("stimulus_id != 'x'").pipe(_with_im003))
    with pytest.raises(UserError, match="neuroid unit2 has no trial of stimulus im005;"):
        loaded(table[(table.stimulus_id != "im005.png") | (table.neuroid_id != "unit2")])
    with pytest.raises(UserError, match=r"neuroid unit2 has no trial of stimulus im005 \(nor have 1 more pairs\)"):
        loaded(table[~table.stimulus_id.isin(["im005.png", "im006.png"]) | (table.neuroid_id != "unit2")])
    with pytest.raises(UserError, match=r"1 neuroids respond the same to all stimuli \(unit1\)"):
        loaded(table.assign(response=table.response.where(table.neuroid_id != "unit1", 2.0)))
    with pytest.raises(UserError, match="repeat 1 of stimulus im004 of neuroid unit0 is there twice"):
        loaded(pd.concat([table, table.query("stimulus_id == 'im004.png' and neuroid_id == 'unit0' and repeat == 1")]))
    with pytest.raises(UserError, match="response hold text"):
        loaded(table.assign(response="high"))
    with pytest.raises(UserError, match="is infinite; missing is nan"):
        loaded(table.assign(response=np.inf))
    with pytest.raises(UserError, match="has no column stimulus_id"):
        loaded(table.rename(columns={"stimulus_id": "picture"}))


def _with_im003(table: pd.DataFrame) -> pd.DataFrame:
    added = table[table.stimulus_id == "other"].assign(stimulus_id="im003.png")
    return pd.concat([table, added])


def test_netcdf_that_does_not_say_what_is_what(lab: Path, trials: np.ndarray) -> None:
    whole = assembly(trials)
    xr.concat([whole, whole], "time_bin").to_netcdf(lab / "bins.nc")
    with pytest.raises(UserError, match="dimension time_bin has 2 entries; average over it"):
        load(lab, "responses: bins.nc\n")
    whole.drop_vars("stimulus_id").to_netcdf(lab / "nameless.nc")
    with pytest.raises(UserError, match="presentations have no coordinate that names their stimulus"):
        load(lab, "responses: nameless.nc\n")
    xr.DataArray(trials, dims=["a", "b", "c"]).to_netcdf(lab / "odd.nc")
    with pytest.raises(UserError, match="0 variables have a dimension of stimuli"):
        load(lab, "responses: odd.nc\n")
    (lab / "broken.nc").write_text("no")
    with pytest.raises(UserError, match=r"broken\.nc: cannot be read"):
        load(lab, "responses: broken.nc\n")


def test_names_in_a_comma_list_may_have_parameters() -> None:
    text = "cowley2023_v4?, simulated_it:layer=layer4.0.relu,trials=40?,mine.yaml"
    assert benchmark_names(text) == ["cowley2023_v4?", "simulated_it:layer=layer4.0.relu,trials=40?", "mine.yaml"]


def test_an_error_that_says_nothing_is_told_by_its_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlspatial.benchmarks.descriptions import read_yaml
    from mlspatial.benchmarks.response_tables import reading

    with (
        pytest.raises(UserError, match=r"^responses a\.csv: cannot be read \(IndexError\)$"),
        reading("responses a.csv"),
    ):
        raise IndexError
    (tmp_path / "a.yaml").write_text("name: a")
    monkeypatch.setattr(yaml, "safe_load", lambda _text: (_ for _ in ()).throw(ValueError))
    with pytest.raises(UserError, match=r"a\.yaml: cannot be read \(ValueError\)$"):
        read_yaml(tmp_path / "a.yaml", ["name"])
