"""Ceilings of read-outs of noisy units, against what the same units say without noise."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.analysis.decoding import decode, predictions
from mlspatial.analysis.read_out_ceiling import read_out_ceilings
from mlspatial.analysis.splits import random_splits
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
