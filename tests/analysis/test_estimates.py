"""Jackknife errors over contexts: the closed form of a mean, blocks of many contexts, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from mlspatial.analysis.estimates import estimates, half, jackknifed, parts


def test_of_a_mean_it_is_the_standard_error_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(size=(12, 2))
    found, error = jackknifed(lambda kept: values[kept].mean(axis=0), 12)
    assert found == pytest.approx(values.mean(axis=0))
    assert error == pytest.approx(values.std(axis=0, ddof=1) / np.sqrt(12))
    (first, _) = estimates(found, error, 12)
    assert (first.low, first.high) == pytest.approx((found[0] - t.ppf(0.975, 11) * error[0], 2 * found[0] - first.low))


def test_many_contexts_are_left_out_in_twenty_blocks() -> None:
    calls = []
    _, error = jackknifed(lambda kept: calls.append(kept) or float(kept.mean()), 45)
    assert len(calls) == 21 and {len(kept) for kept in calls[1:]} == {42, 43}
    assert half(1.0, 45) == pytest.approx(t.ppf(0.975, 19)) and error > 0


@pytest.mark.parametrize(("contexts", "fewest", "there"), [(1, 1, False), (2, 2, False), (3, 2, True), (2, 1, True)])
def test_without_enough_contexts_left_there_is_no_error(contexts: int, fewest: int, there: bool) -> None:
    value, error = jackknifed(lambda kept: float(kept.sum() ** 2), contexts, fewest)
    assert np.isfinite(value) and np.isfinite(error) == there
    assert np.isfinite(estimates([float(value)], [float(error)], contexts)[0].low) == there


def test_parts_take_turns() -> None:
    assert [list(part) for part in parts(np.array([0, 1, 2, 4, 5]), 2)] == [[0, 2, 4], [1, 5]]  # without 3, 4 stays
