"""Reliability of differences between conditions, and how many seeds they take."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mlspatial.analysis.power import MOST_SEEDS, discriminability, power_of, seeds_for

#: Shrout and Fleiss 1979, table 2: four ratings of six targets
RATINGS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]


def named(rows: list[list[float]] | np.ndarray) -> dict[str, np.ndarray]:
    return {str(number): np.array(row, dtype=float) for number, row in enumerate(rows)}


def test_the_published_example() -> None:
    found = discriminability(named(RATINGS))
    assert (found.conditions, found.n) == (6, 24)
    assert found.reliability == pytest.approx(0.17, abs=0.005) and found.f == pytest.approx(1.79, abs=0.005)
    assert (found.low, found.high) == pytest.approx((-0.133, 0.723), abs=0.0005)  # R's package psych, ICC1


def test_analysis_of_variance_is_scipys_where_seeds_are_uneven() -> None:
    from scipy.stats import f_oneway

    groups = {"a": np.array([1.0, 2.0, 4.0]), "b": np.array([3.0, 5.0]), "c": np.array([7.0]), "none": np.array([])}
    found, other = discriminability(groups), f_oneway(groups["a"], groups["b"], groups["c"])
    assert (found.f, found.p) == pytest.approx((other.statistic, other.pvalue))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(3)
    held = 0
    for _ in range(400):
        values = rng.normal(size=(8, 1)) + rng.normal(size=(8, 4))
        found = discriminability(named(values))
        held += found.low <= 0.5 <= found.high
    assert 0.92 < held / 400 < 0.98


@pytest.mark.parametrize("d", [0.2, 0.5, 0.8, 1.5, 3.0])
def test_power_and_seeds_are_those_of_statsmodels(d: float) -> None:
    from statsmodels.stats.power import TTestIndPower

    theirs = TTestIndPower()
    assert power_of(d, 4) == pytest.approx(theirs.power(d, 4, 0.05), rel=1e-9)
    assert seeds_for(d) == math.ceil(theirs.solve_power(d, power=0.8, alpha=0.05))


def test_differences_that_take_any_or_two_or_no_number_of_seeds() -> None:
    assert seeds_for(30) == 2 and seeds_for(0) == math.inf and power_of(0, 9) == pytest.approx(0.05)
    assert seeds_for(2.8 / math.sqrt(2 * MOST_SEEDS)) == math.inf
    alike = discriminability(named([[1, 2, 3], [3, 2, 1], [2, 1, 3]]))  # means are equal
    assert alike.between == 0 and alike.reliability < 0 and alike.seeds == math.inf


@pytest.mark.parametrize("rows", [[], [[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 1.0], [2.0, 2.0]]])
def test_where_nothing_can_be_said(rows: list[list[float]]) -> None:
    found = discriminability(named(rows))
    assert math.isnan(found.reliability) and math.isnan(found.p) and math.isnan(found.seeds)
