"""Measured geometries: files of every form, subjects, ceilings, published values, mistakes."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.spatial.distance import pdist
from scipy.stats import kendalltau, spearmanr

from mlspatial.analysis.rdm_ceiling import noise_ceiling
from mlspatial.analysis.rsa import METHODS
from mlspatial.benchmarks import find_benchmark
from mlspatial.benchmarks.base import Layer, Way
from mlspatial.benchmarks.find import load_yaml
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.pictures import shapes_on_noise
from mlspatial.benchmarks.rdm_files import read_rdms
from mlspatial.benchmarks.rdms import Geometries, load_geometries
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from mlspatial.models.stimuli import Stimuli
from tests import toys
from tests.conftest import RECORDINGS, recordings
from tests.reference.make_rsatoolbox import patterns
from tests.steps.asking import run_score, table_of

N, SUBJECTS = 12, 3
IDS = [f"im{i:02d}" for i in range(N)]
ROWS = np.triu_indices(N, 1)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for name, image in zip(IDS, shapes_on_noise(N, 16, seed=9), strict=True):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{name}.png")
    return tmp_path


@pytest.fixture(scope="module")
def squares() -> np.ndarray:
    """(subjects, n, n) squared Euclidean distances that share some structure."""
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(N, 6))
    found = []
    for _ in range(SUBJECTS):
        points = shared + 0.7 * rng.normal(size=(N, 6))
        found.append(((points[:, None] - points) ** 2).sum(axis=2))
    return np.array(found)


def described(lab: Path, **lines: Any) -> Path:
    settings = {"region": "IT", "stimuli": "pictures", "metric": "rdm_pearson"} | lines
    (lab / "mine.yaml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items() if value != ""))
    return lab / "mine.yaml"


# Files ----------------------------------------------------------------------------------------------------------------


def test_every_form_of_a_file_is_the_same_matrices(lab: Path, squares: np.ndarray) -> None:
    condensed = squares[:, *ROWS]
    assert condensed[0] == pytest.approx(squares[0][np.triu(np.ones((N, N), bool), 1)])
    np.save(lab / "square.npy", squares)
    np.save(lab / "condensed.npy", condensed)
    np.save(lab / "sessions.npy", squares[:, None])  # (subjects, 1, n, n)
    savemat(lab / "numbers.mat", {"rdms": squares.transpose(1, 2, 0), "n": N})
    savemat(lab / "rows.mat", {"rdms": condensed, "n": N})
    names = [f"person {i}" for i in range(SUBJECTS)]
    structs = np.array([(s, n) for s, n in zip(squares, names, strict=True)], dtype=[("RDM", "O"), ("name", "O")])
    savemat(lab / "struct.mat", {"RDMs": structs[None], "other": squares[0]})
    long = pd.DataFrame(
        [
            (names[s], f"{IDS[i]}.png", IDS[j], squares[s, i, j])
            for s in range(SUBJECTS)
            for i, j in zip(*ROWS, strict=True)
        ],
        columns=["subject", "stimulus_1", "stimulus_2", "dissimilarity"],
    ).sample(frac=1.0, random_state=0)
    long.to_csv(lab / "long.csv", index=False)
    long.to_parquet(lab / "long.parquet")
    for file, more in (
        ("square.npy", {}), ("condensed.npy", {}), ("sessions.npy", {}), ("numbers.mat", {}), ("rows.mat", {}),
        ("struct.mat", {"variable": "RDMs"}), ("long.csv", {}), ("long.parquet", {}),
    ):  # fmt: skip
        found = load_geometries(described(lab, rdms=file, **more))
        order = np.argsort(found.subjects)  # the first rows of a long table may be anyone's
        np.testing.assert_allclose(found.rdms[order], condensed, atol=1e-12, err_msg=file)
        assert found.stimuli.ids == tuple(IDS)
    assert load_geometries(described(lab, rdms="struct.mat", variable="RDMs")).subjects == tuple(names)


def test_square_tables_are_aligned_by_name(lab: Path, squares: np.ndarray) -> None:
    """Rows and columns each in an order of their own; the corner may be empty, as pandas leaves it."""
    rows, columns = np.random.default_rng(0).permutation(N), np.random.default_rng(1).permutation(N)
    table = pd.DataFrame(squares[0][np.ix_(rows, columns)], [IDS[i] for i in rows], [f"{IDS[i]}.png" for i in columns])
    table.to_csv(lab / "one.csv")
    table.rename_axis("stimulus").to_csv(lab / "two.tsv", sep="\t")
    table.rename_axis("stimulus").to_parquet(lab / "three.parquet")
    for file in ("one.csv", "two.tsv", "three.parquet"):
        found = load_geometries(described(lab, rdms=file))
        np.testing.assert_allclose(found.rdms[0], squares[0][ROWS], err_msg=file)
        assert found.ceiling == "none" and len(found.subjects) == 1


def test_matrices_of_one_subject_are_averaged(lab: Path, squares: np.ndarray) -> None:
    names = ["IT | AB | 1", "IT | CD | 1", "IT | AB | 2"]
    structs = np.array([(s, n) for s, n in zip(squares, names, strict=True)], dtype=[("RDM", "O"), ("name", "O")])
    savemat(lab / "r.mat", {"RDMs": structs[None]})
    found = load_geometries(described(lab, rdms="r.mat", subjects='{ab: "*| AB |*", cd: "*| CD |*"}'))
    assert found.subjects == ("ab", "cd")
    np.testing.assert_allclose(found.rdms, [(squares[0] + squares[2])[ROWS] / 2, squares[1][ROWS]])
    alone = load_geometries(described(lab, rdms="r.mat", subjects='["IT | CD | 1"]'))
    np.testing.assert_allclose(alone.rdms, squares[1:2][:, *ROWS])
    with pytest.raises(UserError, match=r"subjects: ef: no matrix is called \*EF\* \(there are IT \| AB \| 1, "):
        load_geometries(described(lab, rdms="r.mat", subjects='{ef: "*EF*"}'))


def test_pictures_in_matlab_files(lab: Path, squares: np.ndarray) -> None:
    images = shapes_on_noise(N, 16, seed=9)
    structs = np.array([(image, "x") for image in images], dtype=[("image", "O"), ("category", "O")])
    savemat(lab / "shown.mat", {"stimuli": structs[None], "n": N})
    savemat(lab / "array.mat", {"stimuli": images.transpose(1, 2, 3, 0)})
    np.save(lab / "r.npy", squares)
    for file in ("shown.mat", "array.mat"):
        found = load_geometries(described(lab, rdms="r.npy", stimuli=file))
        assert np.array_equal(found.stimuli.images, images)
        assert found.stimuli.ids[:2] == ("image01", "image02")


def test_recordings_in_matlab_files(lab: Path) -> None:
    rates = np.random.default_rng(0).normal(size=(3, N, 2))
    savemat(lab / "rates.mat", {"rates": rates, "more": rates[0], "name": "x"})
    lines = {"responses": "rates.mat", "axes": "[neuroid, stimulus, repeat]", "metric": "ridge", "splits": "kfold:3"}
    found = load_yaml(described(lab, **lines))
    assert isinstance(found, NeuralBenchmark) and found.trials is not None
    np.testing.assert_array_equal(found.trials, rates.transpose(1, 0, 2))
    savemat(lab / "rates.mat", {"rates": rates, "again": rates})
    with pytest.raises(UserError, match=r"2 variables are an array of numbers with 3 axes \(rates, again\); name one"):
        load_yaml(described(lab, **lines))
    assert load_yaml(described(lab, variable="again", **lines)).version == found.version
    with pytest.raises(BadValue, match=r"variable=again: is for MATLAB files alone; rates\.npy is none"):
        np.save(lab / "rates.npy", rates)
        load_yaml(described(lab, **(lines | {"variable": "again", "responses": "rates.npy"})))


def test_files_of_version_7_3(lab: Path, squares: np.ndarray) -> None:
    """h5py sees MATLAB's axes in reverse."""
    import h5py

    with h5py.File(lab / "r.mat", "w", userblock_size=512) as file:
        file["rdms"] = squares  # in MATLAB (n, n, subjects)
    with (lab / "r.mat").open("r+b") as stream:
        stream.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    np.testing.assert_array_equal(read_rdms(lab / "r.mat").values, squares[:, *ROWS])
    with h5py.File(lab / "r.mat", "r+") as file:
        del file["rdms"]
        file["flat"], file["words"] = squares[0][ROWS], "none"  # as other programs than MATLAB write a vector
    np.testing.assert_array_equal(read_rdms(lab / "r.mat").values, squares[:1, *ROWS])
    with h5py.File(lab / "r.mat", "r+") as file:
        del file["flat"]
    with pytest.raises(UserError, match=r"no variables of numbers.*; of version 7.3 arrays of numbers alone are read"):
        read_rdms(lab / "r.mat")


def test_a_column_of_pairs_is_a_matrix(lab: Path, squares: np.ndarray) -> None:
    """As pdist's output is after a transpose; beside a whole matrix a column may be anything."""
    savemat(lab / "r.mat", {"d": squares[0][ROWS][:, None]})
    np.save(lab / "r.npy", squares[0][ROWS][:, None])
    for name in ("r.mat", "r.npy"):
        np.testing.assert_array_equal(read_rdms(lab / name).values, squares[:1, *ROWS])
    savemat(lab / "both.mat", {"d": squares[0], "labels": np.arange(66)[:, None]})
    np.testing.assert_array_equal(read_rdms(lab / "both.mat").values, squares[:1, *ROWS])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.__setitem__((1, 2, 3), 9.0), r"matrix 1 is not symmetric \(stimuli 2 and 3: 9 and "),
        (lambda s: s.__setitem__((slice(None), *np.diag_indices(N)), 1.0), r"has 1 on its diagonal; hand over dissim"),
        (lambda s: np.multiply(s, -1, out=s), r"matrix 0: 66 distances are below 0 \(least -\d.*crossvalidated: true"),
        (lambda s: (s.__setitem__((0, 1, 2), np.nan), s.__setitem__((0, 2, 1), np.nan)), "matrix 0: 1 of 66 pairs"),
        (lambda s: s.__setitem__(2, 1 - np.eye(N)), r"matrix 2: all pairs differ by 1; leave it out"),
    ],
)  # fmt: skip
def test_what_is_no_matrix_of_dissimilarities(lab: Path, squares: np.ndarray, change: Any, words: str) -> None:
    wrong = squares.copy()
    change(wrong)
    np.save(lab / "r.npy", wrong)
    with pytest.raises(UserError, match=words):
        load_geometries(described(lab, rdms="r.npy"))


def test_mistakes_are_said(lab: Path, squares: np.ndarray) -> None:
    np.save(lab / "r.npy", squares)
    np.save(lab / "few.npy", squares[:, 1:, 1:])
    np.save(lab / "odd.npy", squares[0, 0, :11])
    np.save(lab / "one.npy", squares[0])
    names = pd.DataFrame(squares[0], IDS, [*IDS[:-1], "im99"])
    names.to_csv(lab / "names.csv")
    names.set_axis([*IDS[:-1], "im99"], axis=0).to_csv(lab / "other.csv")
    pairs = pd.DataFrame({"stimulus_1": IDS[:-1], "stimulus_2": IDS[1:], "dissimilarity": 1.0})
    pairs.to_csv(lab / "lacks.csv", index=False)
    pd.concat([pairs, pairs.assign(dissimilarity=2.0)]).to_csv(lab / "twice.csv", index=False)
    savemat(lab / "two.mat", {"a": squares[0], "b": squares[1]})
    savemat(lab / "empty.mat", {"a": np.zeros((0, 0)), "b": np.zeros((2, 5))})
    np.save(lab / "nothing.npy", np.zeros((0, 12, 12)))
    np.save(lab / "nan.npy", np.full((12, 12), np.nan))
    (lab / "cell.csv").write_text("3\n")
    (lab / "german.csv").write_text("stimulus_1;stimulus_2;dissimilarity\na;b;1\n")
    (lab / "column.csv").write_text(",a,a\na,0,1\nb,1,0\n")
    (lab / "row.csv").write_text(",a,b,c\na,0,1,2\na,0,1,2\nb,1,0,1\n")
    for lines, error, words in (
        ({"rdms": "few.npy"}, StimulusMismatch, "the matrices are of 11 stimuli, 12 have images"),
        ({"rdms": "odd.npy"}, UserError, r"11 numbers are not n \(n - 1\) / 2 pairs"),
        ({"rdms": "names.csv"}, UserError, "the first column names 12 stimuli .* name the same in both"),
        ({"rdms": "other.csv"}, StimulusMismatch, r"1 stimuli are not in the matrices \(im11\)"),
        ({"rdms": "lacks.csv"}, UserError, r"matrix 0 lacks 55 pairs \(first: im00, im02\)"),
        ({"rdms": "twice.csv"}, UserError, "the pair im00, im01 has 1 and 2; give it one"),
        ({"rdms": "two.mat"}, UserError, r"2 variables are a struct array .* \(a, b\); name one as variable:"),
        ({"rdms": "two.mat", "variable": "c"}, UserError, "has no variable c"),
        ({"rdms": "empty.mat"}, UserError, r"no variable is a struct array .*\(variables: a, b\); save one as that"),
        ({"rdms": "nothing.npy"}, UserError, "has no geometry; needs matrices of 3 stimuli"),
        ({"rdms": "nan.npy"}, UserError, "lacks|no distances|is not symmetric|66 of 66 pairs"),
        ({"rdms": "cell.csv"}, UserError, "has no rows below the names of its columns"),
        ({"rdms": "german.csv"}, UserError, "its columns have ; between them; save it with commas"),
        ({"rdms": "column.csv"}, UserError, "column a is there twice; keep one"),
        ({"rdms": "row.csv"}, UserError, "the first column names"),
        ({"rdms": "r.npy", "variable": "c"}, UserError, "is for MATLAB files alone"),
        ({"rdms": "none.npy"}, UserError, "there is no such file"),
        ({"rdms": "r.txt"}, UserError, "there is no such file"),
        ({"rdms": "r.npy", "metric": "rsa"}, BadValue, "metric=rsa: must be one of rdm_pearson, rdm_spearman"),
        ({"rdms": "r.npy", "distance": "cosine"}, BadValue, "distance=cosine: must be one of correlation, euclidean"),
        ({"rdms": "r.npy", "ceiling": "gsn"}, BadValue, "ceiling=gsn: must be one of lower, upper, none or a number"),
        ({"rdms": "r.npy", "ceiling": "1.5"}, BadValue, "ceiling=1.5: must be one of"),
        ({"rdms": "one.npy", "ceiling": "upper"}, UserError, "is between subjects, there is one; set ceiling: none"),
        ({"rdms": "r.npy", "crossvalidated": "maybe"}, BadValue, "crossvalidated=maybe: must be true or false"),
        ({"rdms": "r.npy", "responses": "r.npy"}, UserError, "unknown key 'responses'"),
        ({"rdms": "r.npy", "subjects": "3"}, BadValue, "subjects=3: must be a list of names of matrices"),
    ):
        with pytest.raises(error, match=words):
            load_yaml(described(lab, **lines))
    (lab / "pictures" / "im00.png").rename(lab / "pictures" / "im100.png")
    with pytest.raises(UserError, match=r"names no stimuli, and .* are in another order by their numbers"):
        load_yaml(described(lab, rdms="r.npy"))


def test_crossvalidated_distances_may_be_below_0(lab: Path, squares: np.ndarray) -> None:
    np.save(lab / "r.npy", squares - squares[:, *ROWS].mean() * (1 - np.eye(N)))
    found = load_geometries(described(lab, rdms="r.npy", crossvalidated="true"))
    assert (found.rdms < 0).any()


# Scores ---------------------------------------------------------------------------------------------------------------


def geometries(squares: np.ndarray, **facts: Any) -> Geometries:
    stimuli = Stimuli(tuple(IDS), shapes_on_noise(N, 16, seed=9))
    return Geometries("mine", "IT", stimuli, squares[:, *ROWS], tuple("abc"[: len(squares)]), **facts)


def test_a_layer_is_compared_with_every_subject(squares: np.ndarray) -> None:
    """SciPy's distances and correlations, from both arrays that a layer can be gathered as."""
    features = np.random.default_rng(4).normal(size=(N, 40))
    correlation, euclidean = pdist(features, "correlation"), pdist(features, "sqeuclidean")
    centred = features - features.mean(axis=0)
    pattern = Layer({"pattern": (1 - correlation).astype(np.float32)}, lambda: 40)
    for metric, way in (("rdm_spearman", spearmanr), ("rdm_kendall_tau_a", kendalltau)):
        found = geometries(squares, metric=metric)
        assert found.needs(metric) == {"pattern": None}
        (score,) = found.scores(pattern, metric, Way())
        expected = [way(correlation, rdm).statistic for rdm in found.rdms]  # without ties tau-b is tau-a
        assert score.raw == pytest.approx(np.mean(expected), abs=1e-6) and score.n == 3
        assert score.error == pytest.approx(np.std(expected, ddof=1) / np.sqrt(3), abs=1e-6)
        table = found.per_unit(score)
        assert table is not None and list(table.unit) == ["a", "b", "c"]
        assert table.r.to_numpy() == pytest.approx(expected, abs=1e-6)
        others = [way(found.rdms[[j for j in range(3) if j != i]].mean(axis=0), found.rdms[i])[0] for i in range(3)]
        assert table.reliability.to_numpy() == pytest.approx(others, abs=1e-6)
        assert score.ceiling == pytest.approx(np.mean(others)) == score.more["ceiling_lower"]
        assert score.ceiled == pytest.approx(score.raw / score.ceiling) and score.formula == "r/c"
    other = geometries(squares, metric="rdm_cosine", distance="euclidean", ceiling="upper")
    assert other.needs("rdm_cosine") == {"gram": None}
    from mlspatial.analysis.gram import pack

    (score,) = other.scores(Layer({"gram": pack(centred @ centred.T, np.float64)}, lambda: 40), "rdm_cosine", Way())
    cosines = [euclidean @ rdm / np.linalg.norm(euclidean) / np.linalg.norm(rdm) for rdm in other.rdms]
    assert score.raw == pytest.approx(np.mean(cosines)) and score.ceiling == score.more["ceiling_upper"]
    assert (
        geometries(squares, ceiling=0.5).score(correlation).ceiled == geometries(squares).score(correlation).raw / 0.5
    )
    assert np.isnan(geometries(squares, ceiling=0.5).score(correlation, "rdm_pearson").ceiled)  # is of another metric
    alone = geometries(squares[:1], ceiling="none").score(correlation)
    assert alone.ceiled == alone.raw and np.isnan(alone.error) and not alone.more
    assert alone.formula == "none" and geometries(squares, ceiling=0.5).score(correlation).formula == "r/c"


def test_versions_follow_what_decides_a_score(squares: np.ndarray) -> None:
    changed = squares.copy()
    changed[0, 0, 1] += 1e-9
    found = [geometries(squares), geometries(changed), geometries(squares, metric="rdm_cosine"),
             geometries(squares, distance="euclidean"), geometries(squares, ceiling="upper"),
             geometries(squares, pooling="fitting")]  # fmt: skip
    assert len({one.version for one in found}) == len(found) and geometries(squares).version == found[0].version


#: boot_noise_ceiling of rsatoolbox 0.2.0 on three layers of tests.reference (no ties), correlation distances
RSATOOLBOX = {
    "pearson": (0.780233630712985, 0.8998250302100557),
    "spearman": (0.7894718457930215, 0.9036457196270163),
    "cosine": (0.9515566158400106, 0.9783685759870782),
    "kendall_tau_a": (0.644037444037444, 0.7669515669515669),
}


@pytest.mark.parametrize("method", RSATOOLBOX)
def test_fitting_ceilings_are_rsatoolbox_s(method: str) -> None:
    rdms = np.stack([pdist(layer, "correlation") for layer in patterns()[:3]])
    assert noise_ceiling(rdms, method, pooling="fitting").mean(axis=1) == pytest.approx(RSATOOLBOX[method], abs=1e-9)


@pytest.mark.parametrize("method", ["pearson", "spearman", "cosine"])
def test_nothing_passes_the_fitting_upper_bound(method: str) -> None:
    """The best of many mixtures of the subjects is below it, and their plain mean is not the best."""
    rng = np.random.default_rng(3)
    rdms = rng.gamma(2.0, size=(4, 66)) * rng.gamma(1.0, 3.0, size=(4, 1)) + rng.gamma(2.0, size=66)
    upper = noise_ceiling(rdms, method, pooling="fitting")[1].mean()
    mixtures = rng.dirichlet(np.ones(4), 500) @ rdms
    best = METHODS[method](mixtures, rdms).mean(axis=1).max()
    plain = noise_ceiling(rdms, method)[1].mean()
    assert plain < upper and best <= upper + 1e-12


def test_ceilings_need_two_subjects(squares: np.ndarray) -> None:
    with pytest.raises(BadValue, match="subjects=1: a ceiling between subjects needs at least 2"):
        noise_ceiling(squares[:1, *ROWS], "pearson")
    with pytest.raises(BadValue, match="pooling=median: must be one of mean, fitting"):
        noise_ceiling(squares[:, *ROWS], "pearson", pooling="median")


def test_eleven_layers_and_twelve_subjects_take_less_than_a_second() -> None:
    """92 pictures, every comparison; in processor time, because others use the machine, too."""
    rng = np.random.default_rng(0)
    rdms = rng.random((12, 4186))
    images = np.zeros((92, 8, 8, 3), np.uint8)
    layers = [Layer({"pattern": rng.random(4186).astype(np.float32)}, lambda: 1) for _ in range(11)]
    for metric in Geometries.metrics:
        stimuli = Stimuli(tuple(map(str, range(92))), images)
        found = Geometries("b", "IT", stimuli, rdms, tuple(map(str, range(12))), metric=metric)
        before = time.thread_time()
        for layer in layers:
            found.scores(layer, metric, Way())
        assert time.thread_time() - before < 1.0, metric


# In score and with recorded data --------------------------------------------------------------------------------------


def test_scored_beside_recordings_of_the_same_pictures(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    toys.trained()
    stimuli = toys.images()
    (tmp_path / "pictures").mkdir()
    for name, image in zip(stimuli.ids, stimuli.images, strict=True):
        Image.fromarray(image).save(tmp_path / "pictures" / f"{name}.png")
    responses = toys.responses(stimuli, 20, 3)
    np.save(tmp_path / "r.npy", np.stack([pdist(responses[:, :, i], "correlation") for i in range(3)]))
    (tmp_path / "mine.yaml").write_text("region: IT\nstimuli: pictures\nrdms: r.npy\n")
    (run_id,) = run_score(benchmarks="mine.yaml,toy_sites", metrics="own,rdm_pearson", layers="first.1,second.1,fc")
    table = table_of(run_id)
    mine = table[table.benchmark == "mine"]
    assert set(mine.metric) == {"rdm_spearman", "rdm_pearson"} and len(mine) == 6
    assert mine.ceiling_lower.le(mine.ceiling_upper).all() and mine.raw.between(-1, 1).all()
    assert "toy_sites6_60_4 without rdm_pearson: recordings take" in capsys.readouterr().err
    best = mine[(mine.metric == "rdm_spearman") & mine.committed].iloc[0]
    assert best.ceiled == mine[mine.metric == "rdm_spearman"].ceiled.max() and bool(best.primary)
    with pytest.raises(UserError, match="measured geometries take own, rdm_pearson"):
        run_score(benchmarks="mine.yaml", metrics="pls")


def test_published_geometries_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kriegeskorte et al. 2008: monkey and human IT correlate with .49; the ceiling of the four people."""
    folder = recordings("kriegeskorte2008")
    both = read_rdms(folder / "Kriegeskorte_Neuron2008_supplementalData.mat")
    assert both.names == ("mIT_674neurons", "hITvisStim_316vx") and both.count == 92
    monkey, human = both.values
    assert np.corrcoef(monkey, human)[0, 1] == pytest.approx(0.491, abs=5e-4)
    monkeypatch.setenv("MLSPATIAL_DATA", str(RECORDINGS))
    people = find_benchmark("kriegeskorte2008")
    assert isinstance(people, Geometries) and people.subjects == ("BE", "KO", "SN", "TI")
    assert people.stimuli.images.shape == (92, 175, 175, 3)
    score = people.score(monkey)
    assert (score.more["ceiling_lower"], score.more["ceiling_upper"]) == pytest.approx((0.379, 0.661), abs=5e-4)
    assert score.ceiling == score.more["ceiling_lower"] and score.n == 4
    expected = [spearmanr(monkey, rdm).statistic for rdm in people.rdms]
    assert score.raw == pytest.approx(np.mean(expected), abs=1e-9)
    single = find_benchmark("kriegeskorte2008_monkey")
    assert isinstance(single, Geometries) and single.score(human, "rdm_pearson").raw == pytest.approx(0.491, abs=5e-4)
    judged = read_rdms(folder / "92_behavRDMs.mat")
    assert judged.values.shape == (16, 4186) and judged.names[15] == "simJudge | subject16"
