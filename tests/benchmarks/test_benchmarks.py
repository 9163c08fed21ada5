"""Local recordings from a YAML, simulated populations, the real V4 session."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import f_oneway, pearsonr
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import ShuffleSplit

from mlspatial.analysis.ceiling import repeat_reliability, split_half, split_half_shown
from mlspatial.analysis.gram import centred, pack
from mlspatial.analysis.rsa import condensed, similarity_matrix
from mlspatial.analysis.yardsticks import METRICS
from mlspatial.benchmarks import BENCHMARKS, find_benchmark
from mlspatial.benchmarks.base import Layer, Way
from mlspatial.benchmarks.neurons import NeuralBenchmark, Neurons
from mlspatial.benchmarks.pictures import shapes_on_noise
from mlspatial.benchmarks.recordings import load_benchmark
from mlspatial.benchmarks.simulated import gabor_energy
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli
from tests.conftest import recordings

N = 60


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A lab's folder: 60 pictures, 5 neurons, 4 repeats, and a YAML."""
    images = shapes_on_noise(N, 32, seed=9)
    (tmp_path / "pictures").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "pictures" / f"im{i:03d}.png")
    rng = np.random.default_rng(4)
    signal = images.reshape(N, -1).astype(float) @ rng.normal(size=(32 * 32 * 3, 5)) / 5000
    np.save(tmp_path / "spikes.npy", (signal[:, :, None] + 0.2 * rng.normal(size=(N, 5, 4))).transpose(1, 0, 2))
    (tmp_path / "mine.yaml").write_text(
        "region: IT\nstimuli: pictures\nresponses: spikes.npy\naxes: [neuroid, stimulus, repeat]\ncomponents: 5\n"
    )
    return tmp_path


def test_a_benchmark_from_yaml(lab: Path) -> None:
    benchmark = find_benchmark(str(lab / "mine.yaml"))
    assert benchmark.identifier == "mine" and benchmark.region == "IT" and benchmark.responses.shape == (N, 5)
    pixels = benchmark.stimuli.images.reshape(N, -1).astype(float)
    score = benchmark.score(pixels)
    noise = benchmark.score(np.random.default_rng(0).normal(size=(N, 50)))
    assert score.raw > 0.5 > abs(noise.raw) and 0.8 < score.ceiling <= 1.0 and score.n == 10
    assert score.ceiled == pytest.approx(score.raw**2 / score.ceiling)


def test_the_order_of_the_stimuli_matters(lab: Path) -> None:
    benchmark = load_benchmark(lab / "mine.yaml")
    pixels = benchmark.stimuli.images.reshape(N, -1).astype(float)
    assert benchmark.score(pixels[::-1]).raw < benchmark.score(pixels).raw - 0.3


def test_version_changes_with_whatever_decides_a_score(lab: Path) -> None:
    before = load_benchmark(lab / "mine.yaml").version
    assert load_benchmark(lab / "mine.yaml").version == before
    responses = np.load(lab / "spikes.npy")
    responses[0, 0, 0] += 1e-6
    np.save(lab / "spikes.npy", responses)
    changed = load_benchmark(lab / "mine.yaml").version
    (lab / "mine.yaml").write_text((lab / "mine.yaml").read_text().replace("components: 5", "components: 6"))
    assert len({before, changed, load_benchmark(lab / "mine.yaml").version}) == 3


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("region: IT", "regoin: IT", UserError, "unknown key 'regoin'; did you mean region"),
        ("region: IT\n", "", UserError, "region is missing"),
        ("components: 5", "metric: plz", BadValue, "metric=plz: must be one of cka, pls, ridge"),
        ("components: 5", "ceiling: high", BadValue, "ceiling=high"),
        ("components: 5", "components: 60", UserError, "54 training stimuli are too few for 60 components"),
        ("spikes.npy", "spices.npy", UserError, "spices.npy: cannot be read"),
        ("stimuli: pictures", "stimuli: mine.yaml", UserError, "neither a folder nor a zip"),
        ("[neuroid, stimulus, repeat]", "[neuroid, stimulus]", UserError, "has 3 axes, axes names 2"),
        ("[neuroid, stimulus, repeat]", "[neuron, stimulus, repeat]", BadValue, "must list stimulus and neuroid"),
        ("[neuroid, stimulus, repeat]", "[stimulus, neuroid, repeat]", UserError, "5 stimuli have responses, 60 have"),
    ],
)
def test_mistakes_in_a_yaml(lab: Path, old: str, new: str, error: type[Exception], words: str) -> None:
    path = lab / "mine.yaml"
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(error, match=words.replace("[", r"\[")):
        benchmark = load_benchmark(path)
        benchmark.score(benchmark.stimuli.images.reshape(N, -1))


def test_stimuli_without_responses_are_named(lab: Path) -> None:
    responses = np.load(lab / "spikes.npy")
    responses[:, [3, 7], :] = np.nan
    np.save(lab / "spikes.npy", responses)
    with pytest.raises(UserError, match=r"neuroid 0 has no trial of stimulus im003 \(nor have 9 more pairs\)"):
        load_benchmark(lab / "mine.yaml")


def test_neuroids_without_variance_are_named(lab: Path) -> None:
    responses = np.load(lab / "spikes.npy")
    responses[2] = 1.0
    np.save(lab / "spikes.npy", responses)
    with pytest.raises(UserError, match=r"1 neuroids respond the same to all stimuli \(2\)"):
        load_benchmark(lab / "mine.yaml")


def test_recordings_that_are_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MLSPATIAL_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"folder cowley2023_v4 is not in .* set MLSPATIAL_DATA"):
        find_benchmark("cowley2023_v4")
    with pytest.raises(UnknownName, match="did you mean simulated_v4 or simulated_v1"):
        find_benchmark("simulated_v2")


def test_stimuli_tell_each_other_apart() -> None:
    images = np.zeros((2, 4, 4, 3), np.uint8)
    assert Stimuli(("a", "b"), images).id != Stimuli(("b", "a"), images).id
    with pytest.raises(StimulusMismatch, match="not unique"):
        Stimuli(("a", "a"), images)
    with pytest.raises(StimulusMismatch, match="3 stimulus ids for 2 images"):
        Stimuli(("a", "b", "c"), images)


def test_gabor_cells_prefer_their_own_grating() -> None:
    """Energy does not depend on phase, and falls for the orthogonal orientation."""
    size = 64
    y, x = (np.mgrid[:size, :size] / size) * 2 - 1

    def grating(orientation: float, phase: float) -> np.ndarray:
        wave = np.pi * 6 * (x * np.cos(orientation) + y * np.sin(orientation)) + phase
        return 0.5 + 0.4 * np.cos(wave)

    orientations = np.linspace(0, np.pi, 12, endpoint=False)
    images = np.stack([grating(o, p) for o in orientations for p in (0, 0.9, 1.8)])
    responses = gabor_energy(images, 40, seed=2).reshape(12, 3, 40)
    by_orientation = responses.mean(axis=1)
    spread_over_phase = responses.std(axis=1).max(axis=0) / by_orientation.max(axis=0)
    assert np.median(spread_over_phase) < 0.2
    best = by_orientation.argmax(axis=0)
    orthogonal = by_orientation[(best + 6) % 12, np.arange(40)]
    assert np.median(orthogonal / by_orientation.max(axis=0)) < 0.2


#: parameters that make a population small enough to be built twice in a test
SMALL = {
    "simulated_v1": "",
    "simulated_v4": ":stimuli=100,size=32",
    "simulated_it": ":stimuli=100,size=32",
    "simulated_freemanziemba_v1": ":size=32",
    "simulated_freemanziemba_v2": ":size=32",
    "simulated_majajhong_v4": ":stimuli=640,size=32,trials=10",
    "simulated_majajhong_it": ":stimuli=640,size=32,trials=10",
}


NEURAL = [name for name in BENCHMARKS if name.startswith("simulated") and name != "simulated_fmri"]  # see test_fmri


@pytest.mark.parametrize("name", NEURAL)
def test_every_simulated_benchmark(name: str) -> None:
    first = find_benchmark(name + SMALL[name])
    assert first.identifier.split(":")[0] == name and inspect.getdoc(BENCHMARKS[name])
    assert first.trials is not None and first.trials.shape[:2] == first.responses.shape
    assert ((first.ceilings > 0.5) & (first.ceilings <= 1.0)).all()
    if "majajhong" not in name:  # twice takes long, and it is made as the others are
        again = find_benchmark(name + SMALL[name])
        assert again.trials is not None and np.array_equal(first.trials, again.trials)
        assert first.version == again.version


def test_reliability_is_that_of_an_analysis_of_variance(rng: np.random.Generator) -> None:
    """1 - 1/F of scipy's one-way analysis of variance; with 40 repeats as split halves say."""
    trials = rng.normal(size=(200, 3, 1)) + np.array([0.5, 1.0, 2.0])[:, None] * rng.normal(size=(200, 3, 40))
    found = repeat_reliability(trials)
    for neuroid in range(3):
        assert found[neuroid] == pytest.approx(1 - 1 / f_oneway(*trials[:, neuroid]).statistic)
    assert found == pytest.approx(split_half(trials), abs=0.02)
    assert np.isnan(repeat_reliability(trials[:, :, :1])).all()
    single = (trials + 1000).astype(np.float32)  # as recordings are kept
    assert repeat_reliability(single) == pytest.approx(repeat_reliability(single.astype(np.float64)), abs=1e-12)


def test_reliability_of_unequal_trials_is_the_share_that_can_be_explained(rng: np.random.Generator) -> None:
    """The squared correlation of the means with what they are means of: many stimuli shown once, a few ten times."""
    truth, noise = rng.normal(size=(20_000, 3)), np.array([0.5, 1.0, 2.0])
    trials = truth[:, :, None] + noise[:, None] * rng.normal(size=(20_000, 3, 10))
    trials[:16_000, :, 1:] = np.nan
    means = np.nanmean(trials, axis=2)
    explained = [np.corrcoef(a, b)[0, 1] ** 2 for a, b in zip(truth.T, means.T, strict=True)]
    for found in (repeat_reliability(trials), *split_half_shown(trials)):
        assert found == pytest.approx(np.array(explained), abs=0.02)
    assert np.median(repeat_reliability(trials)) < 0.6 < 0.8 < np.median(split_half(trials))  # of the ten alone


def test_the_ceiling_of_matrices_has_an_error_where_trials_tell_it(rng: np.random.Generator) -> None:
    stimuli = Stimuli(tuple(map(str, range(40))), shapes_on_noise(40, 16, seed=3))
    trials = rng.normal(size=(40, 6, 1)) + 0.5 * rng.normal(size=(40, 6, 4))

    def scored(ceiling: str | float) -> Score:
        found = NeuralBenchmark("mine", "V4", stimuli, trials.mean(axis=2), trials, metric="rsa", ceiling=ceiling)
        gram = centred(trials[:, :4].mean(axis=2) @ trials[:, :4].mean(axis=2).T)
        patterns = condensed(similarity_matrix(trials[:, :4].mean(axis=2)))
        layer = Layer({"gram": pack(gram, np.float64), "pattern": patterns}, lambda: 4)
        return found.scores(layer, "rsa", Way())[0]

    score = scored("split_half")
    assert score.ceiling_error == METRICS["rsa"].ceiling_error(trials) > 0
    assert score.ceiled_error == pytest.approx(
        np.hypot(score.error / score.ceiling, score.raw / score.ceiling**2 * score.ceiling_error)
    )
    assert np.isnan(scored(0.8).ceiling_error) and np.isnan(scored("none").ceiling_error)


def test_what_predicts_the_contrary_does_not_win() -> None:
    """Of r = -.3 and .2 the second; Brain-Score's number of the first is kept beside."""
    bad, good = (Score(raw, 0.8, 0.0, 10, "pls25", "1") for raw in (-0.3, 0.2))
    assert bad.ceiled == pytest.approx(-(0.3**2) / 0.8) and bad.r2_over_c == pytest.approx(0.3**2 / 0.8)
    assert bad.r_over_c_squared == pytest.approx((0.3 / 0.8) ** 2)
    assert Neurons.commit(object.__new__(NeuralBenchmark), [bad, good], Way()) == 1


def test_the_region_is_part_of_what_a_benchmark_is(lab: Path) -> None:
    first = load_benchmark(lab / "mine.yaml")
    text = (lab / "mine.yaml").read_text()
    assert f"region: {first.region}" in text
    (lab / "mine.yaml").write_text(text.replace(f"region: {first.region}", "region: V1"))
    assert load_benchmark(lab / "mine.yaml").version != first.version


def test_scores_are_those_of_scikit_learn(lab: Path) -> None:
    """Brain-Score's splits and medians around PLSRegression, on the pictures' pixels."""
    benchmark = load_benchmark(lab / "mine.yaml")
    pixels = benchmark.stimuli.images[:, ::4, ::4].reshape(N, -1).astype(float)
    medians = []
    for train, test in ShuffleSplit(10, train_size=0.9, random_state=1).split(pixels):
        model = PLSRegression(5, scale=False).fit(pixels[train], benchmark.responses[train])
        predicted = model.predict(pixels[test])
        medians.append(
            np.median([pearsonr(p, y)[0] for p, y in zip(predicted.T, benchmark.responses[test].T, strict=True)])
        )
    score = benchmark.score(pixels)
    assert score.raw == pytest.approx(np.mean(medians), abs=1e-6) and score.metric == "pls5"
    assert score.error == pytest.approx(np.std(medians) / np.sqrt(10), abs=1e-6)
    repeats = replace(benchmark, ceiling="repeats")
    assert repeats.version != benchmark.version and repeats.score(pixels).raw == score.raw
    assert benchmark.trials is not None
    assert repeats.ceilings == pytest.approx(repeat_reliability(benchmark.trials))
    assert repeats.score(pixels).ceiling == pytest.approx(score.ceiling, abs=0.05)


def test_the_simulated_population_is_predicted_by_its_own_model() -> None:
    """The noiseless rates explain all that can be explained, given a component a cell; 25 components explain most of
    it, pixels next to nothing of an energy model."""
    benchmark = find_benchmark("simulated_v1")
    images = benchmark.stimuli.images
    rates = gabor_energy(images.mean(axis=3) / 255.0, 64, seed=2)
    assert replace(benchmark, components=60).score(rates).ceiled == pytest.approx(1.0, abs=0.05)
    assert benchmark.score(rates).ceiled > 0.6
    assert benchmark.score(images.reshape(len(images), -1).astype(float)).ceiled < 0.1


def test_macaque_v4(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real recordings: pixels explain some, the ceiling is that of a good session."""
    monkeypatch.setenv("MLSPATIAL_DATA", str(recordings("cowley2023_v4").parent))
    benchmark = find_benchmark("cowley2023_v4")
    assert benchmark.responses.shape == (640, 50) and benchmark.stimuli.images.shape == (640, 112, 112, 3)
    raw = np.load(recordings("cowley2023_v4") / "responses_avg_210325.npy")
    assert benchmark.responses == pytest.approx(raw.T, abs=1e-6)
    small = benchmark.stimuli.images[:, ::8, ::8].reshape(640, -1).astype(float)
    score = benchmark.score(small)
    assert 0.1 < score.raw < score.ceiling < 0.9
