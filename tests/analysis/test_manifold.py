"""Paths and steps of known geometry, in unit space and in simulation."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.analysis.manifold import discriminability, information, path
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError
from tests.analysis.crossings import crossing_of, responses_of


def test_a_line_is_straight_and_a_circle_turns_by_its_step() -> None:
    crossing = crossing_of({"x": 9, "y": 2}, 4, shuffled=0)
    x, y, c = np.indices(crossing.rows.shape).astype(float)
    line = responses_of(crossing, np.stack([x + 3 * y, 2 * x - c, 0 * x + 5], axis=-1))
    found = path(line @ line.T, crossing, "x")
    for one in (found.turning, found.within, found.debiased):
        assert one.value == pytest.approx(0.0, abs=1e-5)
    assert found.dimension.value == pytest.approx(1.0)
    turn = np.deg2rad(20.0) * x
    circle = responses_of(crossing, np.stack([np.cos(turn), np.sin(turn), c + y], axis=-1))
    found = path(circle @ circle.T, crossing, "x")
    for one in (found.turning, found.within, found.debiased):
        assert one.value == pytest.approx(20.0, abs=1e-8)
    back = responses_of(crossing, (x % 2)[..., None])
    assert path(back @ back.T, crossing, "x").turning.value == pytest.approx(180.0)


def test_contexts_that_move_in_their_own_directions_have_their_number_of_dimensions() -> None:
    crossing = crossing_of({"x": 5}, 6)
    x, c = np.indices(crossing.rows.shape).astype(float)
    values = x[..., None] * (c[..., None] == np.arange(6))
    responses = responses_of(crossing, values)
    found = path(responses @ responses.T, crossing, "x")
    assert found.dimension.value == pytest.approx(6.0)
    assert found.within.value == pytest.approx(0.0, abs=1e-5)


def test_the_debiased_angle_is_that_of_the_path_without_what_contexts_add() -> None:
    rng = np.random.default_rng(1)
    crossing = crossing_of({"x": 6}, 16)
    turn = np.deg2rad(30.0) * np.arange(6.0)
    curve = 6 * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    plain, fair, inside = [], [], 0
    for _ in range(60):
        responses = rng.normal(size=(96, 40))
        responses[crossing.rows, :2] += curve[:, None]
        found = path(responses @ responses.T, crossing, "x")
        plain.append(found.turning.value)
        fair.append(found.debiased.value)
        inside += found.debiased.low < 30.0 < found.debiased.high
    assert np.mean(fair) == pytest.approx(30.0, abs=2.5)
    assert np.mean(plain) > 45.0 and inside >= 50
    noise = rng.normal(size=(96, 2000))
    assert path(noise @ noise.T, crossing, "x").turning.value == pytest.approx(120.0, abs=2.0)


def test_d_prime_of_two_gaussians() -> None:
    """Means 1.2 apart along one unit of SD 0.8 in contexts, others noisier: d' = 1.5, and 0.5 per unit of 3 degrees."""
    rng = np.random.default_rng(2)
    factor = Factor("x", "linear", (1.0, 4.0), "deg")
    crossing = Crossing(
        "c", (factor, Factor("y", "category", ("a", "b", "c"))), np.arange(2 * 3 * 60).reshape(2, 3, 60)
    )
    found, distances, inside = [], [], 0
    for _ in range(150):
        values = rng.normal(size=(2, 3, 60, 5)) * [0.8, 2.0, 2.0, 0.1, 0.5] + rng.normal(size=(1, 3, 1, 5))
        values[1, ..., 0] += 1.2
        responses = responses_of(crossing, values)
        (step,) = discriminability(responses @ responses.T, crossing, "x")
        found.append(step.d_prime.value)
        distances.append(step.distance.value)
        assert step.per_unit.value == pytest.approx(step.d_prime.value / 3.0, nan_ok=True)
        inside += step.distance.low < 1.44 < step.distance.high
    assert (step.low, step.high) == (1.0, 4.0)
    assert np.mean(distances) == pytest.approx(1.44, abs=3 * np.std(distances) / np.sqrt(150))
    assert np.nanmedian(found) == pytest.approx(1.5, abs=0.1)
    assert inside >= 130


def test_the_variance_along_a_difference_is_unbiased() -> None:
    """w' S w with w and S known; a plain estimate holds the noise of w too."""
    from mlspatial.analysis.manifold import _half_averaged, _projections, _variance_along

    rng = np.random.default_rng(3)
    crossing = crossing_of({"x": 2}, 12)
    scales = np.array([0.5, 1.0, 2.0, 1.5])
    w = np.array([1.0, -0.5, 0.2, 0.0])
    found = []
    for _ in range(800):
        values = rng.normal(size=(2, 12, 4)) * scales
        values[1] += w
        responses = responses_of(crossing, values)
        half = _half_averaged(responses @ responses.T, crossing, 0)
        found.append(_variance_along(_projections(half, crossing, 0)[0], np.arange(12)))
    truth = float(np.square(w * scales).sum())
    assert np.mean(found) == pytest.approx(truth, abs=4 * np.std(found) / np.sqrt(800))


def test_the_variance_along_a_difference_is_the_mean_over_four_different_contexts() -> None:
    from itertools import permutations

    from mlspatial.analysis.manifold import _half_averaged, _projections, _variance_along

    rng = np.random.default_rng(8)
    crossing = crossing_of({"x": 2, "y": 2}, 5, shuffled=8)
    responses = rng.normal(size=(20, 3)) + 2.0
    values = responses[crossing.rows]
    differences = (values[1] - values[0]).mean(axis=0)  # (contexts, units)
    images = values.reshape(4, 5, 3)
    kept = [0, 1, 3, 4]
    wanted = np.mean(
        [
            (differences[i] @ (x[k] - x[m])) * (differences[j] @ (x[k] - x[m])) / 2
            for i, j, k, m in permutations(kept)
            for x in images
        ]
    )
    half = _half_averaged(responses @ responses.T, crossing, 0)
    assert _variance_along(_projections(half, crossing, 0)[0], np.array(kept)) == pytest.approx(wanted)


def test_information_is_its_definition_and_adds_over_blocks_of_units() -> None:
    rng = np.random.default_rng(4)
    factor = Factor("x", "linear", (0.0, 2.0, 3.0), "deg")
    crossing = Crossing("c", (factor, Factor("y", "linear", (0.0, 1.0))), rng.permutation(3 * 2 * 5).reshape(3, 2, 5))
    responses = rng.normal(size=(30, 7)) + 1.0
    found = information([responses[:, :3], responses[:, 3:]], crossing, "x", fano=0.7, floor=0.2)
    curves = responses[crossing.rows].mean(axis=1)  # (levels, contexts, units)
    for s, width in enumerate((2.0, 1.0)):
        steps = (curves[s + 1] - curves[s]) / width
        middle = (curves[s + 1] + curves[s]) / 2
        mean = (
            sum(
                (steps[c] * steps[d] / (0.7 * np.maximum(middle.mean(0), 0) + 0.2)).sum()
                for c in range(5)
                for d in range(5)
                if c != d
            )
            / 20
        )
        within = (steps**2 / (0.7 * np.maximum(middle, 0) + 0.2)).sum(-1).mean()
        assert found[s].mean.value == pytest.approx(mean)
        assert found[s].within.value == pytest.approx(within)
        assert found[s].mean.error > 0


@pytest.mark.parametrize(("signal", "lowest", "highest"), [(0.0, 0.9, 1.6), (1.0, 0.8, 1.25)])
def test_information_is_unbiased_and_has_its_error(signal: float, lowest: float, highest: float) -> None:
    """d mu = signal for all 20 units over Poisson-like noise of the mean response. The error of no signal is
    too large, as that of a degenerate U-statistic is."""
    rng = np.random.default_rng(5)
    crossing = crossing_of({"x": 2}, 8)
    values, errors = [], []
    for _ in range(400):
        responses = 0.3 * rng.normal(size=(16, 20)) + 6.0
        responses[crossing.rows[1]] += signal
        (one,) = information([responses], crossing, "x")
        values.append(one.mean.value)
        errors.append(one.mean.error)
    truth = 20 * signal**2 / (6.0 + signal / 2 + 1e-3)
    assert np.mean(values) == pytest.approx(truth, abs=4 * np.std(values) / np.sqrt(400) + 2e-3 * truth)
    assert lowest < np.mean(errors) / np.std(values) < highest


def test_what_is_undefined_is_nan() -> None:
    crossing = crossing_of({"x": 4}, 3)
    flat = path(np.full((12, 12), 3.0), crossing, "x")
    assert np.isnan([flat.turning.value, flat.within.value, flat.debiased.value, flat.dimension.value]).all()
    responses = np.random.default_rng(6).normal(size=(12, 5))
    gram = responses @ responses.T
    assert np.isnan(discriminability(gram, crossing, "x")[0].d_prime.value)
    assert np.isfinite(discriminability(gram, crossing, "x")[0].distance.value)
    two = path(gram, crossing_of({"x": 2}, 6), "x")
    assert np.isnan(two.turning.value) and np.isfinite(two.dimension.value)
    one = crossing_of({"x": 4}, 1)
    alone = path(gram, one, "x")
    assert np.isfinite(alone.turning.value) and np.isnan([alone.debiased.value, alone.turning.error]).all()
    assert np.isnan(discriminability(gram, one, "x")[0].distance.value)
    assert np.isnan(information([responses], one, "x")[0].mean.value)
    assert np.isfinite(information([responses], one, "x")[0].within.value)


def test_wrong_input_is_named() -> None:
    crossing = crossing_of({"x": 4}, 3)
    with pytest.raises(UnknownName, match="factor 'z'"):
        path(np.eye(12), crossing, "z")
    with pytest.raises(BadValue, match="no order"):
        path(np.eye(12), crossing_of({"x": 4}, 3, kind="category"), "x")
    with pytest.raises(StimulusMismatch, match="row 11 of 9"):
        path(np.eye(9), crossing, "x")
    with pytest.raises(BadValue, match="same value"):
        discriminability(np.eye(6), crossing_of({"x": (1.0, 1.0)}, 3), "x")
    with pytest.raises(BadValue, match="floor=0"):
        information([np.ones((12, 2))], crossing, "x", floor=0)
    with pytest.raises(UserError, match="no responses"):
        information([], crossing, "x")
