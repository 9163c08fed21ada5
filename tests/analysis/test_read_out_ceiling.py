"""Ceilings of read-outs of noisy units, against what the same units say without noise."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.analysis.decoding import decode, predictions
from mlspatial.analysis.read_out_ceiling import read_out_ceilings
from mlspatial.analysis.splits import k_folds, random_splits
from mlspatial.core.errors import UserError
from mlspatial.core.latents import Latent

X = Latent("x", "m", "linear")
ANGLE = Latent("rot_1", "deg", "circular")
KIND = Latent("category", "", "category", categories=("a", "b"))


@pytest.mark.parametrize("repeats", [2, 5, 8])
@pytest.mark.parametrize("shared", [0.0, 1.0], ids=["own noise", "shared noise"])
def test_ceilings_tell_what_a_noise_free_read_out_would_be(
    repeats: int, shared: float, rng: np.random.Generator
) -> None:
    n, units = 600, 25
    values = {"x": rng.uniform(-1, 1, n), "rot_1": rng.uniform(-180, 180, n)}
    angle = np.deg2rad(values["rot_1"])
    causes = np.column_stack([values["x"], np.sin(angle), np.cos(angle), rng.normal(size=n)])
    signal = causes @ rng.normal(size=(4, units)) + 0.8 * rng.normal(size=(n, units))  # other things they respond to
    noise = 4.0 * rng.normal(size=(n, units, repeats)) + shared * rng.normal(size=(n, 1, repeats))
    trials = signal[:, :, None] + noise
    splits = random_splits(n, seed=0, runs=4)
    found = read_out_ceilings(trials, values, [X, ANGLE, KIND], splits, seed=0)
    assert set(found) == {"x", "rot_1"}
    means = trials.mean(axis=2)
    for latent in (X, ANGLE):
        noisy, clean = [], []
        for train, test in splits:
            truth = values[latent.name][test]
            angle = np.deg2rad(truth)
            columns = truth[:, None] if latent is X else np.column_stack([np.sin(angle), np.cos(angle)])
            for shown, into in ((means, noisy), (signal, clean)):
                said = predictions(means, shown[test], values, [latent], train)[latent.name]
                into.append(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(said.T, columns.T, strict=True)]))
        usual = [one.value for one in decode(means, values, [latent], splits) if one.measure == "pearson_r"]
        assert noisy == pytest.approx(usual, abs=1e-6)
        ceiled = np.mean(noisy) / np.mean(found[latent.name])
        assert ceiled == pytest.approx(np.mean(clean), abs=0.04) and np.mean(found[latent.name]) < 0.97


def test_missing_trials_and_too_few(rng: np.random.Generator) -> None:
    x = rng.uniform(size=200)
    trials = np.outer(x, np.ones(6))[:, :, None] + 0.2 * rng.normal(size=(200, 6, 6))
    splits = random_splits(200, seed=0, runs=2)
    whole = read_out_ceilings(trials, {"x": x}, [X], splits, seed=0)["x"]
    few = trials.copy()
    few[rng.random(few.shape) < 0.2] = np.nan
    few[:, :, :2] = trials[:, :, :2]
    assert read_out_ceilings(few, {"x": x}, [X], splits, seed=0)["x"] == pytest.approx(whole, abs=0.05)
    few[3, 2, 1:] = np.nan
    with pytest.raises(UserError, match="1 of 200 stimuli have fewer than two trials of some unit"):
        read_out_ceilings(few, {"x": x}, [X], splits, seed=0)


@pytest.mark.parametrize("repeats", [2, 4])
@pytest.mark.parametrize("kind", ["random", "folds"])
def test_noise_has_no_ceiling(repeats: int, kind: str) -> None:
    known, ceiled = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.uniform(-1, 1, 96)
        trials = rng.normal(size=(96, 5, repeats))
        splits = random_splits(96, seed=seed, runs=5) if kind == "random" else k_folds(96, seed=seed, folds=5)
        found = read_out_ceilings(trials, {"x": x}, [X], splits, seed=0, halvings=6)["x"]
        r = [one.value for one in decode(trials.mean(2), {"x": x}, [X], splits) if one.measure == "pearson_r"]
        known.append(np.isfinite(found).all())
        ceiled += (np.array(r) / found)[np.isfinite(found)].tolist()
        assert len(set(found[np.isfinite(found)])) <= 1 and np.isfinite(found).all() == np.isfinite(found).any()
    assert np.mean(known) <= 0.15  # 2.5 % of an exact test
    assert not ceiled or np.abs(ceiled).max() < 1.5


def test_weak_signals_are_not_blown_up() -> None:
    """r over its ceiling is what the same read-out of noise-free responses reaches, where there is a ceiling."""
    told, clean, known = [], [], 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        x = rng.uniform(-1, 1, 150)
        signal = np.outer(x, 0.5 * rng.normal(size=20)) + np.outer(rng.normal(size=150), 0.2 * rng.normal(size=20))
        trials = signal[:, :, None] + rng.normal(size=(150, 20, 4))
        splits = random_splits(150, seed=seed, runs=5)
        found = read_out_ceilings(trials, {"x": x}, [X], splits, seed=0, halvings=6)["x"]
        means = trials.mean(2)
        if not np.isfinite(found).all():
            continue
        known += 1
        r = [one.value for one in decode(means, {"x": x}, [X], splits) if one.measure == "pearson_r"]
        told.append(np.mean(r / found))
        said = [predictions(means, signal[test], {"x": x}, [X], train)["x"][:, 0] for train, test in splits]
        clean.append(np.mean([np.corrcoef(x[test], one)[0, 1] for (_, test), one in zip(splits, said, strict=True)]))
    assert known >= 20 and max(told) < 1.3
    assert np.mean(told) == pytest.approx(np.mean(clean), abs=0.05)
