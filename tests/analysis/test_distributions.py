"""Distances of distributions: known shifts, scipy's and a transport plan's numbers, floors that hold equal ones."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import wasserstein_distance

from mlspatial.analysis.distributions import _ways, deviation, distance, wasserstein


def test_a_shift_is_its_size_in_standard_deviations_of_the_neurons(rng: np.random.Generator) -> None:
    neurons = 3 + 2 * rng.normal(size=4000)
    found = distance(3 + 2 * 1.5 + 2 * rng.normal(size=5000), neurons, rng, draws=200)
    assert found.distance == pytest.approx(1.5, abs=0.08)
    assert found.p == pytest.approx(1 / 201) and found.floor < found.floor_95 < 0.1
    exact = distance(neurons + 0.25 * neurons.std(ddof=1), neurons, rng, draws=20)
    assert exact.distance == pytest.approx(0.25)
    scaled = distance(-7 * (neurons + 0.5), -7 * neurons, rng, draws=20)
    assert scaled.distance == pytest.approx(0.5 / neurons.std(ddof=1))


def test_the_error_is_the_spread_over_new_samples(rng: np.random.Generator) -> None:
    made = [distance(1 + rng.normal(size=60), rng.normal(size=40), rng, draws=200) for _ in range(60)]
    assert np.mean([one.error for one in made]) == pytest.approx(np.std([one.distance for one in made]), rel=0.25)


@pytest.mark.parametrize(("n", "m"), [(33, 33), (200, 33), (30, 90)])
def test_two_populations_of_one_distribution_are_within_the_floor(rng: np.random.Generator, n: int, m: int) -> None:
    """The mean is the floor's, 1 in 20 above its 95th percentile, as many p below .05; skewed numbers as well."""
    ways, floors, over, small = np.empty((4, 300))
    for i in range(300):
        neurons = rng.gamma(2, size=m)
        found = distance(rng.gamma(2, size=n), neurons, rng, draws=100)
        scale = neurons.std(ddof=1)
        ways[i], floors[i], over[i] = found.distance * scale, found.floor * scale, found.distance > found.floor_95
        small[i] = found.p <= 0.05
    assert ways.mean() == pytest.approx(floors.mean(), rel=0.1)
    assert 0.01 < over.mean() < 0.12
    assert small.mean() == pytest.approx(0.05, abs=0.035)


def test_two_distributions_of_one_mean_differ(rng: np.random.Generator) -> None:
    found = distance(np.repeat([-1.0, 1.0], 60), 0.05 * rng.normal(size=60), rng, draws=100)
    assert found.distance > 10 * found.floor_95 and found.p < 0.01


def test_vectorised_distances_are_scipy_s(rng: np.random.Generator) -> None:
    values = rng.integers(0, 9, 30).astype(float)  # many are equal
    counts = rng.multinomial(12, np.full(12, 1 / 12), 5), rng.multinomial(18, np.full(18, 1 / 18), 5)
    found = _ways(values, np.concatenate([counts[0] / 12, -counts[1] / 18], axis=1), None)
    for i, way in enumerate(found):
        parts = np.repeat(values[:12], counts[0][i]), np.repeat(values[12:], counts[1][i])
        assert way == pytest.approx(wasserstein_distance(*parts))


def test_on_a_circle_it_is_the_cheapest_transport(rng: np.random.Generator) -> None:
    """Of as many units as neurons the distance is that of the best pairing, found by linear programming."""
    for _ in range(20):
        first, second = rng.uniform(-180, 180, (2, 11))
        ways = np.abs(np.mod(first[:, None] - second + 180, 360) - 180)
        rows, columns = linear_sum_assignment(ways)
        assert wasserstein(first, second, 360.0) == pytest.approx(ways[rows, columns].mean())
    around = 170 + 20 * rng.normal(size=500)  # across the cut
    assert wasserstein(around + 30 - 360, around, 360.0) == pytest.approx(30)
    assert deviation(around - 360, 360.0) == pytest.approx(np.std(around, ddof=1), rel=1e-3)
    found = distance(around + 30, around, rng, period=360.0, draws=20)
    assert found.distance == pytest.approx(30 / deviation(around, 360.0))


def test_what_is_undefined_is_left_out_and_counted(rng: np.random.Generator) -> None:
    units, neurons = rng.normal(size=30), rng.normal(size=20)
    whole = distance(units, neurons, np.random.default_rng(1), draws=20)
    holes = distance(np.append(units, [np.nan, np.inf]), np.append(neurons, np.nan), np.random.default_rng(1), draws=20)
    assert (holes.n_units, holes.n_neurons, holes.undefined_units, holes.undefined_neurons) == (30, 20, 2, 1)
    assert (holes.distance, holes.error, holes.floor, holes.p) == (whole.distance, whole.error, whole.floor, whole.p)
    for few in (neurons[:3], np.full(20, 0.3), np.full(20, np.nan)):
        found = distance(units, few, rng)
        assert np.isnan([found.distance, found.error, found.floor, found.floor_95, found.p]).all()
    assert np.isnan(distance(units[:1], neurons, rng).distance)


def test_a_seed_decides_and_blocks_do_not(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    units, neurons = rng.normal(size=30), rng.normal(size=20)
    first, again = (distance(units, neurons, np.random.default_rng(3), draws=50) for _ in range(2))
    assert first == again
    monkeypatch.setattr("mlspatial.analysis.distributions.NUMBERS", 100)
    small = distance(units, neurons, np.random.default_rng(3), draws=50)
    assert small.distance == first.distance and small.error == pytest.approx(first.error, rel=0.5)
