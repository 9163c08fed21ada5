"""Published constants, as numbers: splits, components, halvings, sizes, degrees, least numbers of things, penalties."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from mlspatial.analysis.versa import VARIANTS, versa
from mlspatial.benchmarks import BENCHMARKS, FMRI_BENCHMARKS, FmriBenchmark, find_benchmark
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.pictures import objects_on_noise, textures
from mlspatial.benchmarks.recordings import load_benchmark
from mlspatial.benchmarks.simulated import gabor_energy, layer_rates
from mlspatial.benchmarks.voxels import FmriBenchmark as Voxels
from mlspatial.core.errors import BadValue, UserError
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli
from mlspatial.verify.fields.recovery import network


def made(n: int, neuroids: int = 3, repeats: int = 4, **facts: Any) -> NeuralBenchmark:
    rng = np.random.default_rng(0)
    trials = rng.normal(size=(n, neuroids, 1)) + rng.normal(size=(n, neuroids, repeats))
    stimuli = Stimuli(tuple(f"s{i}" for i in range(n)), rng.integers(0, 255, (n, 8, 8, 3), dtype=np.uint8))
    return NeuralBenchmark("mine", "IT", stimuli, trials.mean(axis=2), trials, **facts)


def brain(n: int = 8, voxels: int = 11, **facts: Any) -> FmriBenchmark:
    rng = np.random.default_rng(0)
    stimuli = Stimuli(tuple(f"s{i}" for i in range(n)), rng.integers(0, 255, (n, 8, 8, 3), dtype=np.uint8))
    return Voxels("mine", "anna", "OTC", stimuli, rng.normal(size=(n, voxels)).astype(np.float32), **facts)


# Brain-Score ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "train", "test"), [(135, 121, 14), (3200, 2880, 320)])
def test_ten_splits_of_ninety_and_ten(n: int, train: int, test: int) -> None:
    """scikit-learn's, drawn from seed 1; with labels both sides keep their shares."""
    labels = np.arange(n) % 5
    plain, kept = made(n), made(n, strata=labels)
    drawn = list(ShuffleSplit(10, train_size=0.9, random_state=1).split(np.zeros(n)))
    stratified = list(StratifiedShuffleSplit(10, train_size=0.9, random_state=1).split(np.zeros(n), labels))
    for benchmark, expected in ((plain, drawn), (kept, stratified)):
        assert len(benchmark.folds) == 10
        for found, wanted in zip(benchmark.folds, expected, strict=True):
            assert [len(side) for side in found] == [train, test]
            assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_twenty_five_components_take_twenty_six_training_stimuli() -> None:
    assert made(29).measure().name == "pls25" and min(len(train) for train, _ in made(29).folds) == 26
    with pytest.raises(UserError, match=r"25 training stimuli are too few for 25 components; .* below 25"):
        made(28)
    assert made(28, components=24).measure().name == "pls24"  # as it advises
    assert made(28, metric="ridge").metric == "ridge"  # has no components


def test_ten_halvings_corrected_after_spearman_and_brown() -> None:
    """By hand from the halves that NumPy's generator of seed 1 draws; the ceiling is the mean of the medians."""
    benchmark = made(40, neuroids=4, repeats=5)
    rng, expected = np.random.default_rng(1), []
    assert benchmark.trials is not None
    for _ in range(10):
        order = rng.permutation(5)
        first, second = (benchmark.trials[:, :, part].mean(axis=2) for part in (order[:2], order[2:]))
        r = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(first.T, second.T, strict=True)])
        expected.append(2 * r / (1 + r))
    found = benchmark.ceilings_of(benchmark.measure())
    assert np.asarray(found).shape == (10, 4) and np.asarray(found) == pytest.approx(np.array(expected))
    assert benchmark.ceilings == pytest.approx(np.mean(expected, axis=0))
    features = np.random.default_rng(3).normal(size=(40, 60))
    assert benchmark.score(features).ceiling == pytest.approx(np.median(expected, axis=1).mean())


def test_two_repeats_make_a_ceiling_and_one_none() -> None:
    two = made(40, repeats=2)
    assert two.trials is not None and two.trials.shape == (40, 3, 2)
    r = np.array([np.corrcoef(pair.T)[0, 1] for pair in two.trials.transpose(1, 0, 2)])
    assert two.ceilings == pytest.approx(2 * r / (1 + r))
    lone = replace(made(40, repeats=2))
    assert lone.trials is not None
    lone.trials[:, :, 1] = np.nan
    with pytest.raises(UserError, match="needs neuroids with at least two repeats, there are none; set ceiling: none"):
        _ = lone.ceilings
    lone.trials[7, 2, 1] = 0.0  # of one neuroid and stimulus
    assert replace(lone, ceiling="repeats").ceilings.shape == (3,)


@pytest.mark.parametrize(("value", "fits"), [(0.0, False), (1e-9, True), (1.0, True), (1.0 + 1e-9, False)])
def test_a_number_as_ceiling_is_above_0_and_up_to_1(value: float, fits: bool) -> None:
    for build in (lambda: made(40, ceiling=value), lambda: brain(noise_ceiling=value)):
        if fits:
            assert build()
        else:
            with pytest.raises(BadValue, match=r"above 0 and up to 1"):
                build()


# Simulated populations ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "layer", "stimuli", "sites", "trials"),
    [
        ("simulated_freemanziemba_v1", "layer1.0.relu", 135, 102, 20),
        ("simulated_freemanziemba_v2", "layer2.0.relu", 135, 103, 20),
        ("simulated_majajhong_v4", "layer3.0.relu", 3200, 88, 46),
        ("simulated_majajhong_it", "layer4.0.relu", 3200, 168, 46),
        ("simulated_v4", "layer3.0.relu", 500, 64, 10),
        ("simulated_it", "layer4.0.relu", 500, 64, 10),
    ],
)
def test_sizes_of_simulated_populations(name: str, layer: str, stimuli: int, sites: int, trials: int) -> None:
    """Freeman and Ziemba 2013 and Majaj and Hong 2015, as the public benchmarks have them."""
    defaults = {key: value.default for key, value in inspect.signature(BENCHMARKS[name]).parameters.items()}
    wanted = {"layer": layer, "stimuli": stimuli, "neuroids": sites, "trials": trials, "network": "random0", "seed": 0}
    assert {key: defaults[key] for key in wanted} == wanted and defaults["size"] == 64
    if "majajhong" not in name:  # of which no few can be made; test_simulated has them
        found = find_benchmark(f"{name}:stimuli=30,neuroids=3,trials=2,size=32")
        assert found.stimuli.degrees == (4.0 if "freemanziemba" in name else 8.0)
        assert found.region == name.split("_")[-1].upper()


def test_simulated_v1_has_500_stimuli_64_cells_10_repeats_and_5_spikes() -> None:
    found = find_benchmark("simulated_v1")
    assert found.trials is not None and found.trials.shape == (500, 64, 10) and found.stimuli.degrees == 8.0
    assert found.stimuli.images.shape == (500, 64, 64, 3)
    assert found.trials.mean() == pytest.approx(5.0, abs=0.02)  # 320,000 counts: .004 of standard error
    rates = gabor_energy(found.stimuli.images.mean(axis=3) / 255.0, 64, seed=2)
    assert found.trials.var(axis=2, ddof=1).mean() == pytest.approx(5 * rates.mean(), rel=0.02)  # Poisson's


def test_objects_and_textures_are_as_many_as_published() -> None:
    _, _, objects = objects_on_noise(640, 32)
    assert len(set(objects.tolist())) == 64 and np.unique(objects, return_counts=True)[1].tolist() == [10] * 64
    names, _, kinds = textures(30, 32)
    assert len({name.split("-")[1] for name in names}) == 15
    assert np.unique(kinds, return_counts=True)[1].tolist() == [15, 15]  # texture and noise
    draw: Callable[[int, int], Any]
    for draw, n in ((objects_on_noise, 576), (objects_on_noise, 641), (textures, 15), (textures, 31)):
        with pytest.raises(BadValue, match="must be a multiple of"):
            draw(n, 32)


def test_a_tenth_of_the_mean_rate_is_spontaneous(rng: np.random.Generator) -> None:
    module, spec = network(0)
    stimuli = Stimuli(tuple(map(str, range(200))), rng.integers(0, 255, (200, 32, 32, 3), dtype=np.uint8))
    rates = layer_rates(module, spec, "second", stimuli, 6, seed=1)
    assert rates.min(axis=0) / rates.mean(axis=0) == pytest.approx(0.1, abs=1e-3)


def test_units_that_answer_to_a_quarter_of_the_stimuli_are_read() -> None:
    """Units that are above 0 for 49, 50 and 51 of 200 stimuli: the first is never read."""
    import torch
    from torch import nn

    class Steps(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()
            self.unit = nn.Parameter(torch.zeros(1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            number = (x[:, 0, 0, 0] * 0.229 + 0.485) * 255  # undo what ModelSpec does by default
            return self.relu(torch.stack([number - 150.5, number - 149.5, number - 148.5], dim=1))

    images = np.zeros((200, 32, 32, 3), np.uint8)
    images[:] = np.arange(200, dtype=np.uint8)[:, None, None, None]
    stimuli = Stimuli(tuple(map(str, range(200))), images)
    spec = ModelSpec("steps", 3, {"category": (0, 3)}, ("category",), 32)
    with pytest.raises(UserError, match="2 of 3 units vary and answer to a quarter of the stimuli, a neuroid mixes 3"):
        layer_rates(Steps(), spec, "relu", stimuli, 2, seed=0)


# Voxels ---------------------------------------------------------------------------------------------------------------


def test_a_region_needs_more_than_ten_voxels_and_eight_stimuli() -> None:
    assert brain(8, 11).responses.shape == (8, 11)
    with pytest.raises(UserError, match="has 10 voxels, a region needs more than 10"):
        brain(8, 10)
    with pytest.raises(UserError, match="7 stimuli are too few to halve and compare; needs 8"):
        brain(7, 11)


def test_five_runs_make_a_ceiling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path))
    rng = np.random.default_rng(0)
    trials = (rng.normal(size=(30, 12, 1)) + rng.normal(size=(30, 12, 3))).astype(np.float32)
    found = replace(brain(30, 12), trials=trials, responses=trials.mean(axis=2), ncsnr=None)
    assert len(found.ceiling_runs) == 5 and len(set(found.ceiling_runs)) == 5
    assert found.ceiling == pytest.approx(sum(found.ceiling_runs) / 5)


def test_penalties_of_ridge_and_what_is_odd_and_even() -> None:
    """1e-1 to 1e7, a decade apart, by the text; to 1e5 by the published code. Even stimuli train, odd ones test."""
    assert VARIANTS["paper"].alphas == (0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5, 1e6, 1e7)
    assert VARIANTS["published_code"].alphas == (0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
    benchmark = brain(24, 11)
    features = np.random.default_rng(5).normal(size=(24, 30))
    even, odd = np.arange(0, 24, 2), np.arange(1, 24, 2)
    expected = versa(features, benchmark.responses, even, odd, variant=VARIANTS["paper"])
    assert benchmark.versa(features).test == expected.test
    assert benchmark.versa(features).train == expected.train != benchmark.versa(features, "published_code").train


def test_sizes_of_the_simulated_brain() -> None:
    defaults = {
        key: value.default for key, value in inspect.signature(FMRI_BENCHMARKS["simulated_fmri"]).parameters.items()
    }
    wanted = {"voxels": 200, "images": 400, "trials": 3, "noise": 1.0, "size": 48, "layer": "layer3.0.relu"}
    assert {key: defaults[key] for key in wanted} == wanted
    found = find_benchmark("simulated_fmri:voxels=11,images=8,trials=1,size=32")
    assert isinstance(found, Voxels) and found.responses.shape == (8, 11) and found.trials is None
    assert found.stimuli.degrees == 8.0
    for less in ("voxels=10", "images=7", "trials=0", "seed=-1"):
        with pytest.raises(BadValue, match=f"{less}: must be at least"):
            find_benchmark(f"simulated_fmri:{less}")


def test_pictures_of_a_lab_span_eight_degrees_unless_it_says_otherwise(tmp_path: Path) -> None:
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    rng = np.random.default_rng(0)
    for i in range(30):
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).save(tmp_path / "pictures" / f"{i:02d}.png")
    np.save(tmp_path / "r.npy", rng.normal(size=(30, 2)))
    lines = "region: IT\nstimuli: pictures\nresponses: r.npy\naxes: [stimulus, neuroid]\n"
    (tmp_path / "mine.yaml").write_text(lines)
    found = load_benchmark(tmp_path / "mine.yaml")
    assert found.stimuli.degrees == 8.0 and isinstance(found, NeuralBenchmark)
    assert (found.components, found.metric, found.splits) == (25, "pls", "brainscore")
    (tmp_path / "mine.yaml").write_text(lines + "degrees: 8.4\n")
    assert load_benchmark(tmp_path / "mine.yaml").stimuli.degrees == 8.4
