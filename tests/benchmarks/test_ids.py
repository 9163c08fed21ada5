"""Ids stay the text of the file, whatever they look like, in every format; what is no neuroid does not count."""

from __future__ import annotations

import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from PIL import Image
from scipy.stats import pearsonr

from mlspatial.benchmarks.base import Way
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.recordings import load_benchmark
from mlspatial.benchmarks.response_files import read_responses
from mlspatial.benchmarks.response_tables import read_labels
from mlspatial.core.errors import BadValue, UserError
from tests.conftest import case

IDS = (
    *("0042", "42", "042", "4.2e1", "1e5", "100000", "007", "7.0", "NA", "nan", "NaN", "None", "null", "True"),
    *("12345e6789012345", "1234567890123456", "1234567890123456789", "0x10", "-inf", "Ünal", "図1", "a b", "2024-1-2"),
)  # fmt: skip
UNITS = ("0042", "1e5", "42", "NA", "None", "True", "nan")  # in the order of texts
LABELS = ("007", "7", "NA", "nan", "False", "1e5")
VALUES = np.random.default_rng(1).normal(size=(len(IDS), len(UNITS), 2))


def long_form() -> pd.DataFrame:
    """Rows in no order, ids as files' names have them."""
    rows = [
        (f"{IDS[i]}.png", UNITS[u], r, LABELS[i % len(LABELS)], VALUES[i, u, r]) for i, u, r in np.ndindex(VALUES.shape)
    ]
    table = pd.DataFrame(rows, columns=["stimulus_id", "neuroid_id", "repeat", "kind", "response"])
    return table.sample(frac=1.0, random_state=0)


def wide_form() -> pd.DataFrame:
    rows = [(IDS[i], r, LABELS[i % len(LABELS)], *VALUES[i, :, r]) for i in range(len(IDS)) for r in range(2)]
    table = pd.DataFrame(rows, columns=["image_id", "repeat", "kind", *UNITS])
    return table.sample(frac=1.0, random_state=0)


def assembly(encode: Any) -> xr.DataArray:
    stimulus, repeat = np.divmod(np.random.default_rng(2).permutation(2 * len(IDS)), 2)
    coordinates: dict[str, Any] = {
        "stimulus_id": ("presentation", encode([IDS[i] for i in stimulus])),
        "kind": ("presentation", encode([LABELS[i % len(LABELS)] for i in stimulus])),
        "repetition": ("presentation", repeat),
        "neuroid_id": ("neuroid", encode(UNITS)),
    }
    return xr.DataArray(VALUES[stimulus, :, repeat], coords=coordinates, dims=["presentation", "neuroid"])


def as_bytes(names: Any) -> np.ndarray:
    """Padded with blanks, as MATLAB pads its character arrays."""
    encoded = [name.encode() for name in names]
    return np.array([name.ljust(max(map(len, encoded))) for name in encoded])


@pytest.mark.parametrize(
    "kind", ["long.csv", "long.tsv", "long.parquet", "wide.csv", "wide.tsv", "wide.parquet", "text.nc", "bytes.nc"]
)
def test_ids_stay_text(tmp_path: Path, kind: str) -> None:
    form, ending = kind.split(".")
    if ending == "nc":
        assembly(np.array if form == "text" else as_bytes).to_netcdf(tmp_path / kind)
    else:
        table = long_form() if form == "long" else wide_form()
        if ending == "parquet":
            table.to_parquet(tmp_path / kind)
        else:
            table.to_csv(tmp_path / kind, index=False, sep="\t" if ending == "tsv" else ",")
    found = read_responses(tmp_path / kind, label="kind").aligned(IDS, "x")
    assert found.stimuli == IDS and found.neuroids == UNITS
    assert np.array_equal(found.trials, VALUES)
    assert found.labels is not None and found.labels.tolist() == [LABELS[i % len(LABELS)] for i in range(len(IDS))]


def test_missing_trials_of_a_csv_stay_missing(tmp_path: Path) -> None:
    words = ("", "NA", "nan", "NaN", "null", "N/A")
    rows = [f"s{i},{word},{i}.5" for i, word in enumerate(words)]
    (tmp_path / "r.csv").write_text("\n".join(["stimulus_id,NA,NA.1", *rows]))
    found = read_responses(tmp_path / "r.csv")
    assert found.neuroids == ("NA", "NA.1") and np.isnan(found.trials[:, 0]).all()
    assert found.trials[:, 1, 0].tolist() == [i + 0.5 for i in range(len(words))]


def test_strata_stay_text(tmp_path: Path) -> None:
    labels = [LABELS[i % len(LABELS)] for i in range(len(IDS))]
    pd.DataFrame({"stimulus_id": IDS, "label": labels}).to_csv(tmp_path / "l.csv", index=False)
    assert read_labels(tmp_path / "l.csv", IDS[::-1]).tolist() == labels[::-1]
    (tmp_path / "l.csv").write_text("stimulus_id,label\na,x\nb,\n")
    with pytest.raises(UserError, match="1 of 2 rows have no label"):
        read_labels(tmp_path / "l.csv", ("a", "b"))
    (tmp_path / "l.csv").write_text("stimulus_id,label\na,x\na,y\n")
    with pytest.raises(UserError, match="stimulus a has the strata x and y; give it one"):
        read_labels(tmp_path / "l.csv", ("a",))


def test_numbers_of_a_netcdf_file_are_written_without_a_fraction(tmp_path: Path) -> None:
    """MATLAB's numbers are all floating."""
    coordinates = {"stimulus_id": ("presentation", [3.0, 10.0, 3.0]), "neuroid_id": ("neuroid", [7, 12])}
    array = xr.DataArray(np.arange(6.0).reshape(3, 2), coords=coordinates, dims=["presentation", "neuroid"])
    array.to_netcdf(tmp_path / "r.nc")
    found = read_responses(tmp_path / "r.nc")
    assert found.stimuli == ("3", "10") and found.neuroids == ("7", "12") and found.trials.shape == (2, 2, 2)


def test_letters_that_have_two_forms_are_one(tmp_path: Path) -> None:
    """Files on macOS are named with the accent apart, tables with it on the letter."""
    apart, whole = unicodedata.normalize("NFD", "Ünal"), unicodedata.normalize("NFC", "Ünal")
    assert apart != whole
    (tmp_path / "r.csv").write_text(f"stimulus_id,a\n{apart},1\nb,2\n", encoding="utf-8-sig")
    assert read_responses(tmp_path / "r.csv").stimuli == (whole, "b")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("stimulus_id,a\nx,1\n,2\n", "1 of 2 rows have no stimulus id; fill them"),
        ("stimulus_id,neuroid,response\nx,a,1\nx,,2\n", "1 of 2 rows have no name of a neuroid"),
        ("stimulus_id,a,a\nx,1,2\n", "column a is there twice; keep one"),
        ("stimulus_id,a\none/x.png,1\ntwo/x.png,2\n", "stimuli one/x.png and two/x.png are both x; give each"),
        ("stimulus_id,a\nx.png,1\nx.jpg,2\n", "stimuli x.png and x.jpg are both x"),
        ("stimulus_id,unit,rate\nx,1,2\n", "column unit names neuroids, .* there must be a column response"),
        ("stimulus_id,a,\nx,1,5\n", "column 3 has no name"),
    ],
)
def test_ids_that_lack_or_clash_are_refused(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "r.csv").write_text(text)
    with pytest.raises(UserError, match=words):
        read_responses(tmp_path / "r.csv")


def test_ids_that_lack_in_parquet_and_netcdf(tmp_path: Path) -> None:
    pd.DataFrame({"stimulus_id": ["nan", None, "None"], "a": [1.0, 2.0, 3.0]}).to_parquet(tmp_path / "r.parquet")
    with pytest.raises(UserError, match="1 of 3 rows have no stimulus id"):
        read_responses(tmp_path / "r.parquet")
    coordinates = {"stimulus_id": ("presentation", [1.0, np.nan])}
    xr.DataArray(np.ones((2, 2)), coords=coordinates, dims=["presentation", "neuroid"]).to_netcdf(tmp_path / "r.nc")
    with pytest.raises(UserError, match="1 of 2 rows have no stimulus id"):
        read_responses(tmp_path / "r.nc")
    coordinates = {"stimulus_id": ("presentation", np.array([b"\xff", b"a"]))}
    xr.DataArray(np.ones((2, 2)), coords=coordinates, dims=["presentation", "neuroid"]).to_netcdf(tmp_path / "r.nc")
    with pytest.raises(UserError, match="is not text in utf-8"):
        read_responses(tmp_path / "r.nc")


def test_stimuli_in_the_index_of_a_parquet_file(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1.0, 2.0]}, index=pd.Index(["042", "42"], name="stimulus_id")).to_parquet(
        tmp_path / "r.parquet"
    )
    found = read_responses(tmp_path / "r.parquet")
    assert found.stimuli == ("042", "42") and found.neuroids == ("a",)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """Thirty pictures whose names look like numbers, and their responses."""
    (tmp_path / "0042").mkdir()
    rng = np.random.default_rng(0)
    names = [f"{i:03d}" for i in range(28)] + ["1e5", "NA"]
    for name in names:
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "0042" / f"{name}.png")
    table = pd.DataFrame({"stimulus_id": names, "1e5": rng.normal(size=30), "0": rng.normal(size=30)})
    table.sample(frac=1.0, random_state=0).to_csv(tmp_path / "0010", index=False)
    (tmp_path / "0010").rename(tmp_path / "0010.csv")
    return tmp_path


def test_texts_of_a_yaml_stay_text(lab: Path) -> None:
    """0042 is 34, NO a falsehood, 12:30 a number and 1_0 ten in YAML."""
    path = lab / "mine.yaml"
    lines = "stimuli: 0042\nresponses: 0010.csv\ncomponents: 4\n"
    for text in ("0042", "NO", "12:30", "1_0", "1e5", "0x1F", "2024-01-02", "null", "~"):
        path.write_text(f"name: {text}\nregion: {text}\n{lines}")
        found = load_benchmark(path)
        assert isinstance(found, NeuralBenchmark) and (found.identifier, found.region) == (text, text)
    assert found.stimuli.ids[-2:] == ("1e5", "NA") and found.neuroids == ("1e5", "0")
    for empty in ("name:", "name: [a, b]", "region:"):
        path.write_text(
            f"region: IT\n{lines}{empty}\n".replace("region: IT\n", "" if "region" in empty else "region: IT\n")
        )
        with pytest.raises(BadValue, match=f"{empty.partition(':')[0]}=.*must be a text"):
            load_benchmark(path)


def test_pictures_that_only_their_endings_tell_apart(lab: Path) -> None:
    shutil.copy(lab / "0042" / "007.png", lab / "0042" / "007.jpg")
    (lab / "mine.yaml").write_text("region: IT\nstimuli: 0042\nresponses: 0010.csv\ncomponents: 4\n")
    with pytest.raises(UserError, match="several pictures 007 but for their endings; keep one each"):
        load_benchmark(lab / "mine.yaml")


def test_an_array_without_names_and_pictures_without_zeros(lab: Path) -> None:
    """Sorted as texts, 10 comes before 2: nobody knows which order the array has. Following the advice helps."""
    lines = "region: IT\nstimuli: bare\nresponses: r.npy\naxes: [stimulus, neuroid]\ncomponents: 4\n"
    (lab / "mine.yaml").write_text(lines)
    (lab / "bare").mkdir()
    pictures = sorted((lab / "0042").iterdir())
    np.save(lab / "r.npy", np.random.default_rng(0).normal(size=(30, 3)))
    for number, picture in enumerate(pictures, 1):
        shutil.copy(picture, lab / "bare" / f"{number}.png")
    with pytest.raises(
        UserError, match=r"r.npy names no stimuli, and 1, 10, 11 and 27 more are in another order .*007"
    ):
        load_benchmark(lab / "mine.yaml")
    for picture in list((lab / "bare").iterdir()):
        picture.rename(picture.with_name(f"{int(picture.stem):03d}.png"))
    assert load_benchmark(lab / "mine.yaml").stimuli.ids == tuple(f"{i:03d}" for i in range(1, 31))


def test_columns_that_are_no_neuroids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The index that pandas writes, a second number of the trial, clocks, truths, words, dates: left out and named."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"stimulus_id": [f"s{i}" for i in range(12)], "repeat": 0, "unit 1": rng.normal(size=12)})
    others = {"trial": np.arange(12), "Onset (s)": np.linspace(0, 9, 12), "reaction time": 1.0, "correct": [True] * 12,
              "who": "me", "day": pd.Timestamp("2026-01-01")}  # fmt: skip
    table.assign(**others, b=rng.normal(size=12)).to_csv(tmp_path / "r.csv")
    found = read_responses(tmp_path / "r.csv")
    assert found.neuroids == ("unit 1", "b") and found.trials.shape == (12, 2, 1)
    told = capsys.readouterr().err
    assert "stimuli in stimulus_id, repeats in repeat, 2 neuroids (unit 1 to b); left out: " in told
    reasons = ("trial (by its name)", "Onset (s) (rises from row to row)", "reaction time (by its name)")
    for reason in (*reasons, "correct (true or false)", "who (text)", "day (text)"):
        assert reason in told
    assert read_responses(tmp_path / "r.csv", neuroids=["unit*", "reaction time"]).neuroids == (
        "unit 1", "reaction time",
    )  # fmt: skip
    with pytest.raises(UserError, match=r"neuroids=z\*: there is none of this name \(names: unit 1"):
        read_responses(tmp_path / "r.csv", neuroids=["z*"])
    table.assign(b=["1.5"] * 11 + ["1,5"]).to_csv(tmp_path / "r.csv", index=False)
    with pytest.raises(UserError, match="b holds text where numbers must be"):  # a slip is no reason to leave it out
        read_responses(tmp_path / "r.csv")
    table.to_csv(tmp_path / "r.csv", index=False, sep=";")
    with pytest.raises(UserError, match="its columns have ; between them; save it with commas"):
        read_responses(tmp_path / "r.csv")


@pytest.mark.parametrize("each", ["presentation", "row"])
def test_repeats_counted_over_the_session(tmp_path: Path, each: str) -> None:
    """Numbers that no two stimuli share are counted anew for each; others stay: a missing repeat is a gap."""
    table = long_form().drop(columns="kind").sort_values(["repeat", "stimulus_id", "neuroid_id"])
    numbers = np.arange(len(table)) if each == "row" else table.groupby(["repeat", "stimulus_id"]).ngroup()
    table.assign(repeat=numbers + 100).sample(frac=1.0, random_state=2).to_csv(tmp_path / "r.csv", index=False)
    assert np.array_equal(read_responses(tmp_path / "r.csv").aligned(IDS, "x").trials, VALUES)
    gap = table[(table.stimulus_id != "42.png") | (table["repeat"] != 0)]
    gap.to_csv(tmp_path / "r.csv", index=False)
    found = read_responses(tmp_path / "r.csv").aligned(IDS, "x").trials
    assert np.isnan(found[1, :, 0]).all() and np.array_equal(found[1, :, 1], VALUES[1, :, 1])


def small(name: str, tmp_path: Path, **lines: str) -> NeuralBenchmark:
    """A case of the shared ones, with the pictures of the first where it has none of its own, and further lines."""
    folder = Path(shutil.copytree(case(f"recordings/{name}"), tmp_path / name))
    if not (folder / "pictures").is_dir():
        (folder / "pictures").symlink_to(case("recordings/npy_base") / "pictures")
    with (folder / f"{name}.yaml").open("a") as file:
        file.write("".join(f"{key}: {value}\n" for key, value in lines.items()))
    found = load_benchmark(folder / f"{name}.yaml")
    assert isinstance(found, NeuralBenchmark)
    return found


@pytest.mark.parametrize("name", ["csv_index", "csv_onset", "csv_rep_and_trial", "trial_counter", "nc_other_coord"])
def test_small_recordings_give_the_reference(name: str, tmp_path: Path) -> None:
    """The ceiling by hand: Pearson's r between halves of the trials, corrected after Spearman and Brown."""
    found, reference = small(name, tmp_path), small("npy_base", tmp_path)
    assert found.version == reference.version and found.responses.shape == (80, 20)
    features = np.random.default_rng(0).normal(size=(80, 40))
    assert found.score(features).ceiling == pytest.approx(0.903408, abs=1e-6)
    even, odd = (found.trials[:, :, half::2].mean(axis=2) for half in (0, 1))  # type: ignore[index]
    r = np.array([pearsonr(a, b)[0] for a, b in zip(even.T, odd.T, strict=True)])
    assert np.median(2 * r / (1 + r)) == pytest.approx(0.9034, abs=0.02)


def test_neuroids_of_the_region_count(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of an assembly with V4 and IT: .895 is the ceiling of the ten of V4, of all twenty it was .631."""
    found = small("nc_two_regions", tmp_path)
    assert found.responses.shape == (80, 10) and np.median(found.ceilings) == pytest.approx(0.8955, abs=1e-3)
    assert "10 of 20 neuroids are of region V4 and count" in capsys.readouterr().err
    file = tmp_path / "nc_two_regions" / "r.nc"
    other = read_responses(file, region="IT")
    assert other.trials.shape == (80, 10, 4) and not set(other.neuroids) & set(found.neuroids)
    with pytest.raises(UserError, match="has neuroids of IT, V4, none of region V1; write one of those"):
        read_responses(file, region="V1")
    long = pd.DataFrame([(f"s{i}", f"u{u}", "V4" if u else "IT", i + u) for i in range(3) for u in range(3)],
                        columns=["stimulus_id", "neuroid_id", "region", "response"])  # fmt: skip
    long.to_csv(tmp_path / "r.csv", index=False)
    assert read_responses(tmp_path / "r.csv", region="V4").neuroids == ("u1", "u2")


def test_small_recordings_that_cannot_be_known(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"r\.npy names no stimuli, and 1, 10, 11 and 77 more"):
        small("npy_unpadded", tmp_path)
    with pytest.raises(UserError, match="ceiling split_half needs neuroids with at least two repeats, there are none"):
        _ = small("single_trial", tmp_path).ceilings


def test_small_recordings_with_few_trials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Shown once and ten times: .546 of the variance of the means is that of the truth. A neuroid that was shown once
    has no say in ceilings of matrices either; one that hardly ever responds correlates with nothing."""
    unbalanced = small("unbalanced", tmp_path)
    assert np.median(unbalanced.ceilings) == pytest.approx(0.546, abs=0.02)
    for metric in ("rsa", "cka"):
        with pytest.raises(UserError, match=r"share 40 of 240 stimuli .* too few for a ceiling; set ceiling: none or"):
            unbalanced.check({"cka": "cka_debiased"}.get(metric, metric), Way())
    some_missing = small("nan_some", tmp_path)
    ceilings = [some_missing.score(np.random.default_rng(0).normal(size=(80, 40)), name).ceiling for name in
                ("pls", "ridge", "rsa", "cka")]  # fmt: skip
    assert np.isfinite(ceilings).all() and min(ceilings) > 0.85
    sparse = small("sparse2", tmp_path)
    with pytest.raises(UserError, match=r"in \d+ of 10 splits no neuroid varies over the test stimuli \(im\d+, .*0, 1"):
        sparse.check("pls25", Way())


def test_netcdf_whose_names_of_stimuli_cannot_be_told(tmp_path: Path) -> None:
    values = xr.DataArray(np.zeros((3, 2)), dims=["stimulus", "neuroid"])
    names = {"file": ("stimulus", ["a", "b", "c"]), "other": ("stimulus", ["x", "y", "z"])}
    values.assign_coords(names).to_dataset(name="r").to_netcdf(tmp_path / "r.nc")
    with pytest.raises(UserError, match=r"which coordinate of stimulus names the stimuli \(file, other\)\? call it"):
        read_responses(tmp_path / "r.nc")
    kinds = {"file": ("stimulus", ["a", "b", "c"]), "kind": ("stimulus", ["x", "x", "z"]), "n": ("stimulus", [3, 2, 1])}
    values.assign_coords(kinds).to_dataset(name="r").to_netcdf(tmp_path / "r2.nc")
    assert read_responses(tmp_path / "r2.nc").stimuli == ("a", "b", "c")


def test_voxels_without_what_their_ceiling_needs(lab: Path) -> None:
    lines = "region: IT\nstimuli: few\nresponses: r.npy\nmetric: crsa\nceiling: gsn\n"
    (lab / "few").mkdir()
    for number, picture in enumerate(sorted((lab / "0042").iterdir())[:9]):
        shutil.copy(picture, lab / "few" / f"p{number}.png")
    for repeats, axes, words in (
        (1, "[stimulus, neuroid, repeat]", "needs repeats of the stimuli, there is one"),
        (2, "[stimulus, neuroid, repeat]", "needs at least 10 stimuli, there are 9"),
    ):
        (lab / "mine.yaml").write_text(f"{lines}axes: {axes}\n")
        np.save(lab / "r.npy", np.random.default_rng(0).normal(size=(9, 12, repeats)))
        with pytest.raises(UserError, match=f"benchmark mine: ceiling gsn {words}; set ceiling: none or a number"):
            load_benchmark(lab / "mine.yaml")


def test_two_benchmarks_of_one_name_are_not_one(lab: Path) -> None:
    """What is scored is told apart by its name: two of one name are refused, the same one twice is one."""
    from mlspatial.steps.scoring_plan import find

    lines = "region: IT\nstimuli: 0042\nresponses: 0010.csv\ncomponents: 4\n"
    (lab / "a.yaml").write_text(f"name: session\n{lines}")
    (lab / "b.yaml").write_text(f"name: session\nceiling: 0.5\n{lines}")
    with pytest.raises(UserError, match="two are called session; give one another `name:` in its YAML"):
        find(f"{lab}/a.yaml,{lab}/b.yaml", False)
    assert [known.name for known in find(f"{lab}/a.yaml,{lab}/a.yaml", False)[0]] == ["session"]
    (lab / "b.yaml").write_text((lab / "b.yaml").read_text().replace("session", "other"))  # as it advises
    assert [known.name for known in find(f"{lab}/a.yaml,{lab}/b.yaml", False)[0]] == ["session", "other"]


def test_small_recordings_of_which_few_stimuli_were_repeated(tmp_path: Path) -> None:
    """10 of 80 twice: the noise comes from those, and counts as often as each mean holds it."""
    found = small("few_repeats", tmp_path)
    trials = np.load(case("recordings/few_repeats") / "r.npy")
    counts = np.isfinite(trials).sum(axis=2)
    assert sorted(set(counts[:, 0])) == [1, 2] and (counts[:, 0] == 2).sum() == 10
    means = np.nanmean(trials, axis=2)
    twice = counts[:, 0] == 2
    noise = np.nanvar(trials[twice], axis=2, ddof=1).mean(axis=0)  # of one trial, a unit
    expected = 1 - (noise / counts).mean(axis=0) / means.var(axis=0, ddof=1)
    assert np.median(found.ceilings) == pytest.approx(np.median(expected), abs=1e-3)
    assert 0.7 < np.median(expected) < 0.8


@pytest.mark.parametrize("name", ["s_neg0", "s_noise"])
def test_a_negative_correlation_is_no_positive_score(name: str, tmp_path: Path) -> None:
    """Squared it would be a positive one, and over a ceiling of noise a large one."""
    score = small(name, tmp_path).score(np.random.default_rng(0).normal(size=(80, 300)))
    assert score.raw < 0 and score.ceiled == pytest.approx(-(score.raw**2) / score.ceiling)


def test_the_region_is_part_of_what_a_benchmark_is(tmp_path: Path) -> None:
    one, other = small("s_reg", tmp_path), small("npy_base", tmp_path)
    assert np.array_equal(one.responses, other.responses) and (one.region, other.region) == ("IT", "V4")
    assert one.version != other.version


def test_two_benchmarks_of_one_name_are_refused(tmp_path: Path) -> None:
    from mlspatial.steps.scoring_plan import Plan

    for name in ("twinA", "twinB"):
        small(name, tmp_path)
    both = ",".join(str(tmp_path / name / f"{name}.yaml") for name in ("twinA", "twinB"))
    with pytest.raises(UserError, match=r"session.*twin|twin.*session"):
        Plan.of(both, "own", "auto", "fast", "auto", "paper", False)
