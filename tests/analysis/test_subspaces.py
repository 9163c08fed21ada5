"""Dimensions and overlaps of factors' subspaces: by construction, in unit space, and unbiased in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from mlspatial.analysis.marginals import marginals, unbiased_traces
from mlspatial.analysis.subspaces import dimensions, overlaps
from mlspatial.core.crossing import Crossing
from tests.analysis.crossings import crossing_of, responses_of


def _curve(responses: np.ndarray, crossing: Crossing, axis: int) -> np.ndarray:
    values = responses[crossing.rows]
    mean = values.mean(axis=tuple(i for i in range(values.ndim - 1) if i != axis))
    return mean - mean.mean(axis=0)


def _principal(curve: np.ndarray, share: float = 0.9) -> np.ndarray:
    """(units, k) axes of the components that hold a share."""
    _, values, axes = np.linalg.svd(curve, full_matrices=False)
    held = np.cumsum(values**2) / np.sum(values**2)
    return axes[: np.searchsorted(held, share) + 1].T


def test_they_equal_those_in_unit_space() -> None:
    rng = np.random.default_rng(0)
    crossing = crossing_of({"x": 6, "y": 5}, 8, shuffled=1)
    values = rng.normal(size=(6, 1, 1, 12)) + rng.normal(size=(1, 5, 1, 12)) + rng.normal(size=(6, 5, 8, 12))
    responses = responses_of(crossing, values + 3.0)
    means = marginals(responses @ responses.T, [crossing])
    x, y = _curve(responses, crossing, 0), _curve(responses, crossing, 1)
    for found, curve in zip(dimensions(means), (x, y), strict=True):
        eigenvalues = np.linalg.eigvalsh(curve @ curve.T)
        wanted = eigenvalues.sum() ** 2 / np.square(eigenvalues).sum()
        assert found.participation_ratio.value == pytest.approx(wanted, rel=1e-10)
        assert found.components == _principal(curve).shape[1]
    (overlap,) = overlaps(means)
    angles = subspace_angles(_principal(x), _principal(y))
    assert sorted(overlap.angles) == pytest.approx(sorted(np.degrees(angles)), abs=1e-8)
    assert overlap.mean_squared_cosine.value == pytest.approx(np.square(np.cos(angles)).mean(), abs=1e-10)
    assert (overlap.first, overlap.second) == ("x", "y")


def test_known_subspaces() -> None:
    """x on a line, y on a circle of two dimensions, z in the line of x."""
    crossing = crossing_of({"x": 5, "y": 8, "z": 4}, 5)
    x, y, z, c = np.indices(crossing.rows.shape).astype(float)
    turn = 2 * np.pi * y / 8
    responses = responses_of(crossing, np.stack([x + z, np.cos(turn), np.sin(turn), c], axis=-1))
    means = marginals(responses @ responses.T, [crossing])
    found = dimensions(means)
    assert [one.participation_ratio.value for one in found] == pytest.approx([1, 2, 1], abs=1e-9)
    assert [one.debiased.value for one in found] == pytest.approx([1, 2, 1], abs=1e-9)
    assert [one.components for one in found] == [1, 2, 1]
    assert [one.stability.value for one in found] == pytest.approx([1, 1, 1], abs=1e-9)
    xy, xz, yz = overlaps(means)
    assert xy.angles == pytest.approx((90.0,)) and xz.angles == pytest.approx((0.0,), abs=1e-5)
    for one, value in ((xy, 0.0), (xz, 1.0), (yz, 0.0)):
        got = (one.mean_squared_cosine.value, one.halves.value, one.alignment.value)
        assert got == pytest.approx((value,) * 3, abs=1e-9)


def test_traces_are_the_mean_over_four_different_contexts() -> None:
    from itertools import permutations

    rng = np.random.default_rng(5)
    crossing = crossing_of({"x": 3, "y": 2}, 6, shuffled=5)
    responses = rng.normal(size=(36, 4)) + 3.0
    means = marginals(responses @ responses.T, [crossing])
    values = responses[crossing.rows]
    curves = [values.mean(axis=1), values.mean(axis=0)]  # (levels, contexts, units)
    curves = [curve - curve.mean(axis=0) for curve in curves]
    kept = [0, 2, 3, 4, 5]
    products, squares = unbiased_traces(means, np.array(kept))

    def covariance(f: int, p: int, q: int) -> np.ndarray:
        return curves[f][:, p].T @ curves[f][:, q] / len(curves[f])

    orders = list(permutations(kept, 4))
    for f in range(2):
        traces = [np.trace(covariance(f, p, q)) * np.trace(covariance(f, r, s)) for p, q, r, s in orders]
        assert squares[f] == pytest.approx(np.mean(traces))
        for g in range(2):
            traces = [np.trace(covariance(f, p, r) @ covariance(g, s, q).T) for p, q, r, s in orders]
            assert products[f, g] == pytest.approx(np.mean(traces))


def test_traces_are_unbiased_and_the_plain_dimension_is_not() -> None:
    """A line in noise that a factor's levels share with those of the other in the same context."""
    rng = np.random.default_rng(1)
    crossing = crossing_of({"x": 6}, 8)
    line = np.arange(6.0) - 2.5
    products, plain, numerators = [], [], []
    for _ in range(400):
        responses = rng.normal(size=(48, 30)) * 1.2
        responses[crossing.rows, 0] += line[:, None]
        means = marginals(responses @ responses.T, [crossing])
        product, squares = unbiased_traces(means, np.arange(8))
        products.append(product[0, 0])
        numerators.append(squares[0])
        plain.append(np.square(means.curves([np.arange(8)])[0][0][0, :, 0] / 6).sum())
    truth = (np.square(line).sum() / 6) ** 2
    for values in (products, numerators):
        assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / np.sqrt(400))
    assert np.mean(plain) > truth + 4 * np.std(plain) / np.sqrt(400)


def test_the_debiased_dimension_is_nearer_the_truth() -> None:
    rng = np.random.default_rng(2)
    crossing = crossing_of({"x": 8}, 16)
    responses = rng.normal(size=(128, 60))
    responses[crossing.rows, 0] += 2 * np.arange(8.0)[:, None]
    (found,) = dimensions(marginals(responses @ responses.T, [crossing]))
    assert found.participation_ratio.value > 1.2
    assert found.debiased.value == pytest.approx(1.0, abs=0.08)
    assert found.debiased.low < 1.0 < found.debiased.high
    noise = rng.normal(size=(128, 60))
    (nothing,) = dimensions(marginals(noise @ noise.T, [crossing]))
    assert nothing.stability.value < 0.3 < found.stability.value


def test_what_is_undefined_is_nan() -> None:
    crossing = crossing_of({"x": 4, "y": 3}, 3)
    x = np.indices(crossing.rows.shape)[0].astype(float)
    responses = responses_of(crossing, np.stack([x, 2 * x], axis=-1))
    means = marginals(responses @ responses.T, [crossing])
    first, second = dimensions(means)
    assert np.isnan(first.debiased.value) and first.components == 1
    assert np.isnan([second.participation_ratio.value, second.stability.value]).all() and second.components == 0
    (overlap,) = overlaps(means)
    assert overlap.angles == () and np.isnan([overlap.mean_squared_cosine.value, overlap.alignment.value]).all()


@pytest.mark.parametrize("contexts", [2, 3, 5, 7])
def test_halves_are_every_second_context(contexts: int) -> None:
    rng = np.random.default_rng(3)
    crossing = crossing_of({"x": 5}, contexts, shuffled=3)
    responses = rng.normal(size=(5 * contexts, 9))
    (found,) = dimensions(marginals(responses @ responses.T, [crossing]))
    bases = []
    for start in (0, 1):
        mean = responses[crossing.rows[:, start::2]].mean(axis=1)
        bases.append(_principal(mean - mean.mean(axis=0)))
    wanted = np.square(np.cos(subspace_angles(*bases))).mean()
    assert found.stability.value == pytest.approx(wanted, abs=1e-10)
