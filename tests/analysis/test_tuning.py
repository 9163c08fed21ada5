"""Tuning curves of known shape, where they hold and where not; floors by shuffling."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from mlspatial.analysis.anova import unit_variance_split
from mlspatial.analysis.separability import separability
from mlspatial.analysis.tuning import is_whole_circle, tuning
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.errors import BadValue, StimulusMismatch
from tests.analysis.crossings import crossing_of, responses_of


def _grid(crossing: Crossing) -> list[np.ndarray]:
    """The value of every factor, then the context, for each image."""
    index = np.indices(crossing.rows.shape)
    return [np.array(f.values, float)[i] for f, i in zip(crossing.factors, index, strict=False)] + [index[-1]]


def test_gaussian_tuning_is_recovered() -> None:
    """Peak and full width at half height, 2 sqrt(2 ln 2) SD, whatever the scale, offset and context."""
    crossing = crossing_of({"x": tuple(np.arange(-40.0, 41.0)), "y": 2}, 4, shuffled=0)
    x, y, c = _grid(crossing)
    peaks, sds = np.array([-10.0, 0.0, 7.0]), np.array([4.0, 8.0, 5.5])
    values = np.exp(-((x[..., None] - peaks) ** 2) / (2 * sds**2)) * (1 + y + c)[..., None] * [1, 3, 0.1] + [0, 5, 2]
    found = tuning(responses_of(crossing, values), crossing)[0]
    assert found.preferred == pytest.approx(peaks)
    assert found.width == pytest.approx(2 * np.sqrt(2 * np.log(2)) * sds, rel=0.01)
    assert found.curve[:, 1].max() == pytest.approx(5 + 3 * 3.0)
    above_mean = 3 * (1 - np.exp(-np.square(np.arange(-40, 41)) / (2 * 64)).mean())  # a context adds to all levels
    assert found.error[40, 1] == pytest.approx(above_mean * np.std([1.5, 2.5, 3.5, 4.5], ddof=1) / 2 * (81 / 80) ** 0.5)
    for one in (found.across["y"], found.across_cells, found.across_contexts, found.reliability):
        assert one == pytest.approx(np.ones(3))
    assert np.isnan(found.circular_variance).all() and np.isnan(found.floor).all()


def test_shape_numbers_are_their_definitions() -> None:
    rng = np.random.default_rng(1)
    crossing = crossing_of({"x": (0.0, 1.0, 3.0, 4.0, 9.0)}, 3, shuffled=1)
    responses = rng.normal(size=(15, 20)) + 0.5
    found = tuning(responses, crossing)[0]
    curve = responses[crossing.rows].mean(axis=1)
    split = unit_variance_split(responses, crossing)
    assert found.selectivity == pytest.approx(split.share[0])
    for unit, line in enumerate(curve.T):
        assert found.monotonicity[unit] == pytest.approx(spearmanr(line, crossing.factors[0].values).statistic)
        r = np.maximum(line, 0)
        assert found.sparseness[unit] == pytest.approx((1 - (r.sum() / 5) ** 2 / ((r**2).sum() / 5)) / (1 - 1 / 5))
        assert found.depth[unit] == pytest.approx((line.max() - line.min()) / (abs(line.max()) + abs(line.min())))
    one = responses_of(crossing, np.repeat(np.eye(5)[:, None], 3, axis=1))
    assert tuning(one, crossing)[0].sparseness == pytest.approx(np.ones(5))
    rising = tuning(responses_of(crossing, _grid(crossing)[0][..., None] ** [1, 3] * [1, -1]), crossing)[0]
    assert rising.monotonicity == pytest.approx([1, -1]) and np.isnan(rising.width).all()


def test_correlations_are_those_of_pairs_of_curves() -> None:
    rng = np.random.default_rng(2)
    crossing = crossing_of({"x": 6, "y": 3, "z": 2}, 5, shuffled=2)
    values = rng.normal(size=(6, 3, 2, 5, 2)) + 2 * rng.normal(size=(6, 1, 1, 1, 2))
    found = tuning(responses_of(crossing, values), crossing)[0]

    def pairs(curves: np.ndarray) -> float:
        """curves: (number, levels)"""
        return float(np.corrcoef(curves)[np.triu_indices(len(curves), 1)].mean())

    for unit in range(2):
        one = values[..., unit]
        assert found.across["y"][unit] == pytest.approx(pairs(one.mean(axis=(2, 3)).T))
        assert found.across["z"][unit] == pytest.approx(pairs(one.mean(axis=(1, 3)).T))
        assert found.across_cells[unit] == pytest.approx(pairs(one.mean(axis=3).reshape(6, 6).T))
        assert found.across_contexts[unit] == pytest.approx(pairs(one.mean(axis=(1, 2)).T))
        halves = np.stack([one[..., 0::2].mean(axis=(1, 2, 3)), one[..., 1::2].mean(axis=(1, 2, 3))])
        assert found.reliability[unit] == pytest.approx(pairs(halves))


def test_a_whole_circle_has_a_direction_and_a_part_of_it_does_not() -> None:
    turn = np.arange(-180.0, 180.0, 15.0)
    circle = crossing_of({"rot": tuple(turn)}, 3, kind="circular", shuffled=3)
    angle = _grid(circle)[0]
    kappa, directions = np.array([2.0, 1.0]), np.array([-170.0, 40.0])
    values = np.exp(kappa * (np.cos(np.deg2rad(angle[..., None] - directions)) - 1))
    found = tuning(responses_of(circle, values), circle)[0]
    from scipy.special import iv

    assert found.preferred == pytest.approx(directions, abs=1e-6)
    assert found.circular_variance == pytest.approx(1 - iv(1, kappa) / iv(0, kappa), abs=1e-9)
    half = 2 * np.degrees(np.arccos(1 + np.log((1 + np.exp(-2 * kappa)) / 2) / kappa))
    assert found.width == pytest.approx(half, rel=0.02)  # around -170 too
    assert np.isnan(found.monotonicity).all()
    part = crossing_of({"rot": (-45.0, -30.0, -15.0, 0.0, 15.0, 30.0, 45.0)}, 3, kind="circular")
    angle = _grid(part)[0]
    peaked = tuning(responses_of(part, np.exp(-((angle[..., None] - 15) ** 2) / 200)), part)[0]
    assert peaked.preferred == pytest.approx([15.0]) and np.isnan(peaked.circular_variance).all()
    assert np.isfinite(peaked.monotonicity).all()


@pytest.mark.parametrize(
    ("kind", "values", "whole"),
    [
        ("circular", np.arange(0.0, 360.0, 30.0), True),
        ("circular", np.linspace(-180.0, 180.0, 9), True),
        ("circular", [0.0, 120.0, 240.0], True),
        ("circular", np.linspace(-45.0, 45.0, 7), False),
        ("circular", np.arange(0.0, 300.0, 30.0), False),
        ("circular", [0.0, 180.0], False),
        ("linear", np.arange(0.0, 360.0, 30.0), False),
    ],
)
def test_which_circles_are_whole(kind: str, values: list[float], whole: bool) -> None:
    assert is_whole_circle(Factor("rot", kind, tuple(float(v) for v in values), "deg")) is whole  # type: ignore[arg-type]


def test_floors_are_what_shuffled_levels_give_and_p_is_uniform_without_tuning() -> None:
    rng = np.random.default_rng(4)
    crossing = crossing_of({"x": 6}, 8, shuffled=4)
    values = rng.normal(size=(6, 8, 400))
    values[..., :20] += 2 * np.arange(6.0)[:, None, None]
    found = tuning(responses_of(crossing, values), crossing, np.random.default_rng(5), 200)[0]
    assert np.all(found.p[:20] == pytest.approx(1 / 201)) and np.all(found.selectivity[:20] > found.floor[1, :20])
    untuned = slice(20, None)
    assert np.mean(found.p[untuned] < 0.05) == pytest.approx(0.05, abs=0.035)
    assert np.mean(found.p[untuned]) == pytest.approx(0.5, abs=0.06)
    assert found.floor[0, untuned].mean() == pytest.approx(found.selectivity[untuned].mean(), rel=0.05)
    assert found.reliability_floor[0].mean() == pytest.approx(0.0, abs=0.03)
    assert np.mean(found.reliability[untuned]) == pytest.approx(0.0, abs=0.07)
    again = tuning(responses_of(crossing, values), crossing, np.random.default_rng(5), 200)[0]
    assert np.array_equal(found.floor, again.floor)


def test_separable_and_inseparable_responses() -> None:
    crossing = crossing_of({"x": 7, "y": 7}, 4, shuffled=6)
    x, y, c = _grid(crossing)
    wave, bump = np.cos(2 * np.pi * x / 7), np.exp(-((y - 3) ** 2) / 4)
    values = np.stack(
        [wave * bump * (1 + c), wave + bump, np.exp(-2 * (x - y) ** 2), 9 + bump * np.exp(-((x - 2) ** 2)), 0 * x],
        axis=-1,
    )
    (found,) = separability(responses_of(crossing, values), crossing)
    assert (found.first, found.second) == ("x", "y")
    assert found.centred[0] == pytest.approx(1.0) and found.product[0] == pytest.approx(1.0)
    assert found.crossed[0] == pytest.approx(1.0)
    assert found.additive[1] == pytest.approx(1.0) and found.centred[1] < 1.0
    assert found.centred[2] < 0.5 and found.additive[2] < 0.5 and found.product[2] < 0.6
    plane = responses_of(crossing, values)[crossing.rows][..., 2].mean(axis=2)
    squares = np.linalg.eigvalsh((plane - plane.mean()) @ (plane - plane.mean()).T)
    assert found.centred[2] == pytest.approx(squares[-1] / squares.sum())
    assert found.product[3] > 0.99  # a constant response is no sign of a product
    assert np.isnan([found.centred[4], found.additive[4], found.crossed[4]]).all()


def test_crossed_separability_does_not_fall_with_noise() -> None:
    rng = np.random.default_rng(7)
    crossing = crossing_of({"x": 8, "y": 8}, 16)
    x, y, _ = _grid(crossing)
    plane = np.cos(2 * np.pi * x / 8) * np.cos(2 * np.pi * y / 8)
    values = plane[..., None] + 1.5 * rng.normal(size=(8, 8, 16, 300))
    (found,) = separability(responses_of(crossing, values), crossing)
    assert found.centred.mean() < 0.85
    assert np.median(found.crossed) == pytest.approx(1.0, abs=0.1)


def test_what_is_undefined_is_nan() -> None:
    crossing = crossing_of({"x": 4, "y": 3}, 3)
    x, y, _ = _grid(crossing)
    found, other = tuning(responses_of(crossing, np.stack([0 * x + 0.1, y, x], axis=-1)), crossing)
    assert np.isnan([found.selectivity[0], found.depth[0], found.preferred[0], found.reliability[0]]).all()
    assert found.selectivity[1:] == pytest.approx([0.0, 1.0], abs=1e-12)
    assert np.isnan([found.monotonicity[1], found.across["y"][1], found.across_contexts[1]]).all()
    assert other.across["x"][1] == pytest.approx(1.0)
    shuffled = tuning(
        responses_of(crossing, np.stack([0 * x + 0.1, x], axis=-1)), crossing, np.random.default_rng(1), 20
    )
    assert np.isnan(shuffled[0].floor[:, 0]).all() and np.isnan(shuffled[0].reliability_floor[:, 0]).all()
    assert np.isnan(shuffled[0].p[0]) and shuffled[0].p[1] == pytest.approx(1 / 21)
    one = crossing_of({"x": 4}, 1)
    alone = tuning(np.random.default_rng(8).normal(size=(4, 2)), one)[0]
    assert np.isnan(alone.error).all() and np.isnan(alone.reliability).all() and np.isnan(alone.across_cells).all()
    kinds = Crossing("c", (Factor("kind", "category", ("cat", "dog", "bear")),), np.arange(6).reshape(3, 2))
    named = tuning(np.array([[1.0], [1.0], [5.0], [5.0], [2.0], [2.0]]), kinds)[0]
    assert named.preferred_level[0] == 1 and np.isnan([named.preferred[0], named.width[0], named.monotonicity[0]]).all()


def test_wrong_input_is_named() -> None:
    with pytest.raises(StimulusMismatch, match="row 11 of 9"):
        tuning(np.ones((9, 2)), crossing_of({"x": 4}, 3))
    with pytest.raises(BadValue, match="10 permutations need"):
        tuning(np.ones((12, 2)), crossing_of({"x": 4}, 3), permutations=10)
