"""Split-half ceilings against theory, and against Brain-Score's way with pandas and SciPy."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr
from sklearn.model_selection import ShuffleSplit

from mlspatial.analysis.ceiling import Drawing, half_means, halves, split_half, split_half_each
from mlspatial.core.errors import BadValue, UserError


def simulated_trials(repeats: int, noise: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(2)
    signal = rng.normal(size=(4000, 3, 1))
    return signal + noise * rng.normal(size=(4000, 3, repeats))


@pytest.mark.parametrize("drawing", get_args(Drawing))
@pytest.mark.parametrize("repeats", [2, 4, 10])
def test_split_half_reaches_the_reliability_of_the_mean(repeats: int, drawing: Drawing) -> None:
    """Signal variance 1, noise variance 1: the reliability of the mean of k repeats is k / (k + 1)."""
    assert split_half(simulated_trials(repeats), drawing=drawing) == pytest.approx(repeats / (repeats + 1), abs=0.03)


@pytest.mark.parametrize("holes", [False, True])
def test_recordings_in_float32_lose_nothing(holes: bool) -> None:
    """Far from 0, where sums of float32 would miss what varies."""
    trials = (simulated_trials(6) + 1000).astype(np.float32)
    if holes:
        trials[np.random.default_rng(3).random(trials.shape) < 0.2] = np.nan
    assert split_half(trials) == pytest.approx(split_half(trials.astype(np.float64)), abs=1e-12)


def test_missing_repeats_are_left_out() -> None:
    trials = simulated_trials(6)
    holes = trials.copy()
    holes[np.random.default_rng(3).random(holes.shape) < 0.2] = np.nan
    assert split_half(holes) == pytest.approx(split_half(trials), abs=0.06)
    assert (split_half(holes) < split_half(trials)).all()


def test_one_repeat_has_no_ceiling() -> None:
    with pytest.raises(UserError, match="at least two repeats"):
        split_half(simulated_trials(1))


def test_an_unknown_drawing() -> None:
    with pytest.raises(BadValue, match="must be one of permutation, brain_score"):
        halves(4, drawing="thirds")


@pytest.mark.parametrize("repeats", [5, 8])
def test_brain_score_s_halving_from_a_table_of_presentations(repeats: int) -> None:
    """Presentations with a coordinate `repetition`, some missing, in any order: grouped by pandas, halved over the
    unique values of the coordinate, correlated by SciPy, site by site."""
    rng = np.random.default_rng(4)
    trials = rng.normal(size=(40, 3, 1)) + rng.normal(size=(40, 3, repeats))
    trials[rng.random((40, repeats)).argsort(axis=1)[:, 0] == 0, :, 2] = np.nan
    table = pd.DataFrame(
        [
            {"stimulus": i, "repetition": 100 + 7 * k, **{f"site{j}": trials[i, j, k] for j in range(3)}}
            for i in range(40)
            for k in range(repeats)
        ]
    ).dropna()
    table = table.sample(frac=1.0, random_state=0)
    values = np.unique(table.repetition)
    expected = []
    for first, second in ShuffleSplit(10, train_size=0.5, random_state=1).split(np.zeros(repeats)):
        sides = [
            table[table.repetition.isin(values[side])].drop(columns="repetition").groupby("stimulus").mean()
            for side in (first, second)
        ]
        a, b = (side.loc[sides[0].index.intersection(sides[1].index)] for side in sides)
        r = np.array([pearsonr(a[site], b[site]).statistic for site in a])
        expected.append(2 * r / (1 + r))
    ours = split_half_each(trials, drawing="brain_score")
    assert len(table) < 40 * repeats
    assert ours == pytest.approx(np.array(expected), abs=1e-12)
    assert split_half(trials, drawing="brain_score") == pytest.approx(np.mean(expected, axis=0), abs=1e-12)


@pytest.mark.parametrize("drawing", get_args(Drawing))
@pytest.mark.parametrize("repeats", [2, 5, 28])
def test_halves_share_no_repeat_and_leave_none_out(repeats: int, drawing: Drawing) -> None:
    for first, second in halves(repeats, drawing=drawing):
        assert sorted([*first, *second]) == list(range(repeats)) and len(first) == repeats // 2


def test_a_stimulus_that_a_half_lacks_has_no_mean_there() -> None:
    trials = np.random.default_rng(5).normal(size=(4, 2, 6))
    trials[1, 0, 1:] = np.nan
    for first, second in half_means(trials):
        assert np.isnan(first[1, 0]) ^ np.isnan(second[1, 0])
        assert np.isfinite(np.delete(first, 1, axis=0)).all()
