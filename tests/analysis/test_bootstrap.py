"""Draws of kept predictions against NumPy, rsatoolbox's dual bootstrap, and simulated truth."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from mlspatial.analysis.bootstrap import (
    Draws,
    Recorded,
    draw,
    dual_variance,
    noise_of_means,
    reliabilities,
    replicates,
    within_folds,
)
from mlspatial.analysis.ceiling import repeat_reliability
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

GOLDEN = json.loads((Path(__file__).parents[1] / "reference" / "rsatoolbox_dual.json").read_text())


def made(n: int = 40, units: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(predictions, responses) that share something."""
    rng = np.random.default_rng(seed)
    predicted = rng.standard_normal((n, units))
    return predicted, 0.7 * predicted + rng.standard_normal((n, units))


def test_correlations_of_draws_are_those_of_the_drawn_stimuli_themselves() -> None:
    predicted, responses = made()
    draws = draw(40, 7, np.random.default_rng(1), 30)
    found = Recorded(1e3 * responses + 50, None, draws).correlations(1e-3 * predicted - 4)  # any origin and scale
    assert draws.counts.sum(axis=1).tolist() == [40] * 30 and found.shape == (31, 7)
    for row, counts in zip(found, [*draws.counts, np.ones(40)], strict=True):
        chosen = np.repeat(np.arange(40), counts.astype(int))
        by_hand = [np.corrcoef(predicted[chosen, unit], responses[chosen, unit])[0, 1] for unit in range(7)]
        assert row == pytest.approx(by_hand, abs=2e-6)


def test_a_fold_s_level_counts_for_nothing() -> None:
    """Predictions that are the mean of the other folds, so of nothing, are told as such: elsewhere r is below -.3."""
    rng = np.random.default_rng(2)
    responses, folds = rng.standard_normal((90, 30)), np.arange(90) % 10
    predicted = np.array([responses[folds != fold].mean(axis=0) for fold in folds])
    naive = [np.corrcoef(predicted[:, unit], responses[:, unit])[0, 1] for unit in range(30)]
    assert np.mean(naive) < -0.25
    draws = draw(90, 30, rng, 5)
    assert np.isnan(Recorded(responses, folds, draws).correlations(predicted)).all()  # nothing varies within folds
    noisy = Recorded(responses, folds, draws).correlations(predicted + 1e-3 * rng.standard_normal((90, 30)))
    assert abs(noisy[-1].mean()) < 0.06
    assert within_folds(responses, folds)[folds == 3].mean(axis=0) == pytest.approx(np.zeros(30), abs=1e-12)


def test_draws_of_units_and_of_both() -> None:
    """Median and mean by hand; units that are not known are left out."""
    rng = np.random.default_rng(3)
    draws = draw(20, 6, rng, 4)
    values = rng.standard_normal((5, 6)).astype(np.float32)
    values[:, 2] = np.nan
    for name, function in (("median", np.nanmedian), ("mean", np.nanmean)):
        found = replicates(values, draws, name)  # type: ignore[arg-type]
        assert found.value == pytest.approx(function(values[-1]))
        assert found.stimuli == pytest.approx(function(values[:4], axis=1))
        for place, chosen in enumerate(draws.units):
            assert found.units[place] == pytest.approx(function(values[-1][chosen]))
            assert found.both[place] == pytest.approx(function(values[place][chosen]))
    assert (found.n_stimuli, found.n_units, found.df) == (20, 6, 5)


def test_the_correction_is_rsatoolbox_s() -> None:
    for (units, stimuli), corrected in zip(GOLDEN["numbers"], GOLDEN["corrected"], strict=True):
        found = [dual_variance(*triple, units, stimuli) for triple in GOLDEN["triples"]]
        assert found == pytest.approx(corrected, rel=1e-12)


def test_variances_of_a_whole_experiment_are_rsatoolbox_s() -> None:
    """Dissimilarity matrices of subjects against two models: a pair of conditions counts as often as both were drawn.

    Both are 4,000 draws: a variance of B draws is known to sqrt(2 / B), of which the corrected one is a sum of three.
    """
    subjects, models = np.array(GOLDEN["subjects"]), np.array(GOLDEN["models"])
    conditions, resamples = 16, 4000
    first, second = np.triu_indices(conditions, 1)
    rng = np.random.default_rng(4)
    counts = rng.multinomial(conditions, np.full(conditions, 1 / conditions), size=resamples)
    pairs = (counts[:, first] * counts[:, second]).astype(np.float32)
    pairs *= len(first) / pairs.sum(axis=1, keepdims=True)
    draws = Draws(pairs, rng.integers(len(subjects), size=(resamples, len(subjects))))
    recorded = Recorded(subjects.T, None, draws)
    found = [
        replace(recorded.replicates(np.tile(model[:, None], (1, len(subjects))), "mean"), n_stimuli=conditions)
        for model in models
    ]
    assert found[0].df == GOLDEN["df"]
    expected = [*GOLDEN["model_variances"], GOLDEN["difference_variance"]]
    for one, variance in zip([*found, found[0] - found[1]], expected, strict=True):
        assert one.variance == pytest.approx(variance, rel=4 * np.sqrt(2 * 2 / resamples) * 1.5)


def test_reliability_of_draws() -> None:
    """As analysis.ceiling has it, but for the factor (n - 3) / (n - 1); of draws as of the stimuli that were drawn."""
    rng = np.random.default_rng(5)
    signal = rng.standard_normal((50, 6)) * np.linspace(0.3, 2, 6)
    trials = signal[..., None] + rng.standard_normal((50, 6, 4))
    noise = noise_of_means(trials)
    draws = draw(50, 6, rng, 20)
    found = reliabilities(trials.mean(axis=2) + 100, noise, draws)
    assert 1 - (1 - found[-1]) * 49 / 47 == pytest.approx(repeat_reliability(trials), abs=1e-5)
    chosen = np.repeat(np.arange(50), draws.counts[3].astype(int))
    expected = 1 - 47 / 49 * noise[chosen].mean(axis=0) / trials.mean(axis=2)[chosen].var(axis=0, ddof=1)
    assert found[3] == pytest.approx(expected, abs=1e-5)
    unequal = trials.copy()
    unequal[:30, :, 2:] = np.nan
    pooled = reliabilities(np.nanmean(unequal, axis=2), noise_of_means(unequal), draws)[-1]
    assert 1 - (1 - pooled) * 49 / 47 == pytest.approx(repeat_reliability(unequal), abs=1e-5)
    assert np.isnan(noise_of_means(trials[:, :, :1])).all()


def test_reliability_is_right_on_average_with_few_stimuli() -> None:
    """20 stimuli, true reliability .5: without the factor it is .44 on average."""
    rng = np.random.default_rng(6)
    trials = rng.standard_normal((20, 20_000, 1)) + 2 * rng.standard_normal((20, 20_000, 4))
    draws = Draws(np.ones((2, 20), np.float32), np.zeros((2, 20_000), int))
    assert reliabilities(trials.mean(axis=2), noise_of_means(trials), draws)[-1].mean() == pytest.approx(0.5, abs=0.01)
    assert repeat_reliability(trials).mean() < 0.46


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_errors_are_as_large_as_they_are_told(statistic: str) -> None:
    """Of 150 experiments, how much a score varies against its error; both bootstraps alone fall short or go beyond."""
    values, told, naive = [], [], []
    for seed in range(150):
        rng = np.random.default_rng([7, seed])
        weights, latents = rng.standard_normal((25, 4)), rng.standard_normal((60, 4))
        seen = latents + np.sqrt([0.2, 0.2, 2.0, 2.0]) * rng.standard_normal((60, 4))
        responses = latents @ weights.T + 2 * rng.standard_normal((60, 25))
        found = Recorded(responses, None, draw(60, 25, rng, 200)).replicates(seen @ weights.T, statistic)  # type: ignore[arg-type]
        values.append(found.value)
        told.append(found.variance)
        naive.append(found.variance_units)
    true = np.var(values, ddof=1)
    error = norm.ppf(0.999) * np.sqrt(2 / 149)  # of a variance of 150 values
    assert true * (1 - error) < np.mean(told) < true * (1 + error) * (1.5 if statistic == "median" else 1.0)
    assert np.mean(naive) < 0.8 * true


def test_what_cannot_be_drawn_is_said() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="4 units are too few to draw from; a bootstrap needs 5"):
        draw(90, 4, rng)
    with pytest.raises(UserError, match="3 stimuli are too few"):
        draw(3, 20, rng)
    with pytest.raises(BadValue, match="resamples"):
        draw(10, 10, rng, 1)
    predicted, responses = made()
    draws = draw(40, 7, rng, 3)
    with pytest.raises(StimulusMismatch, match=r"\(39, 7\)"):
        Recorded(responses[:39], None, draws)
    with pytest.raises(StimulusMismatch, match=r"\(40, 6\)"):
        Recorded(responses, None, draws).correlations(predicted[:, :6])
    responses[3, 2] = np.nan
    with pytest.raises(UserError, match="not finite"):
        Recorded(responses, None, draws)
    with pytest.raises(BadValue, match="mode"):
        replicates(np.zeros(7), draws, "mode")  # type: ignore[arg-type]
