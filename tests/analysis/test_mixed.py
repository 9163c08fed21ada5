"""The random intercept against lme4 and lmerTest (R), closed forms, its own likelihood written out, and simulation."""

from __future__ import annotations

import numpy as np
import pytest

from mlspatial.analysis.mixed import RATIOS, random_intercept
from mlspatial.analysis.regression import linear, mixed
from mlspatial.analysis.statistics import mixed_model
from mlspatial.core.errors import UserError

UNEQUAL = (1, 2, 3, 5, 8, 2, 1, 1, 4)


def draw(
    rng: np.random.Generator, sizes: tuple[int, ...], *, tasks: int = 2, sd: float = 0.03, noise: float = 0.01
) -> tuple[np.ndarray, np.ndarray, list[str], list[int]]:
    """(y, design, task, group) of trainings with so many checkpoints each: slope .05, levels .3 and .4."""
    rows = []
    for group, size in enumerate(sizes):
        start, b = rng.normal(0, sd), group % tasks
        rows += [(0.3 + 0.1 * b + start + 0.05 * x + rng.normal(0, noise), x, b, group) for x in rng.normal(size=size)]
    y, x, b, group = map(np.array, zip(*rows, strict=True))
    design = np.column_stack([x, *(b == task for task in range(tasks))])
    return y, design.astype(float), ["ab"[task] for task in b], group.tolist()


# lmer(y ~ x + task - 1 + (1 | group)), REML, with lmerTest: estimates, errors, degrees of freedom, SDs; lme4 1.1-31
LME4 = [
    ((0, (10,) * 12, 2, 0.03, 0.01), [0.04910687020, 0.3016287359, 0.3882137262],
     [0.0009451706829, 0.01413002446, 0.01412877909], [107.0964025, 10.00751830, 10.00399234],
     (0.03445771792, 0.01007100994)),
    ((1, UNEQUAL, 1, 0.02, 0.03), [0.04638079742, 0.2927227787], [0.007020067891, 0.005805361947], [25, 25],
     (0, 0.02931022482)),
    ((3, UNEQUAL, 2, 0.05, 0.03), [0.04974883425, 0.3206096374, 0.3704377046],
     [0.007167795660, 0.02652316275, 0.02975978429], [20.95792364, 6.541472266, 6.714358020],
     (0.05464801676, 0.03244448841)),
    ((4, (2,) * 5, 2, 0.03, 0.03), [0.04633687232, 0.2881976883, 0.4132054931],
     [0.01379780791, 0.01998228046, 0.02330201878], [5.262150050, 3.624975960, 3.094081439],
     (0.01371165866, 0.04143521478)),
]  # fmt: skip


@pytest.mark.parametrize(("data", "weights", "errors", "df", "sds"), LME4, ids=["many", "singular", "unequal", "few"])
def test_it_is_lme4_s(
    data: tuple[int, tuple[int, ...], int, float, float], weights: list[float], errors: list[float], df: list[float],
    sds: tuple[float, float],
) -> None:  # fmt: skip
    seed, sizes, tasks, sd, noise = data
    y, design, _, group = draw(np.random.default_rng(seed), sizes, tasks=tasks, sd=sd, noise=noise)
    found = random_intercept(y, design, group)
    assert found.weights == pytest.approx(weights, rel=2e-8)
    assert found.errors == pytest.approx(errors, rel=2e-7)
    assert found.df == pytest.approx(df, rel=1e-6)
    assert (found.group_sd, found.residual_sd) == pytest.approx(sds, rel=2e-7, abs=1e-9)


def test_no_ratio_is_likelier_and_the_covariance_is_that_of_the_definition(rng: np.random.Generator) -> None:
    """-2 log of the restricted likelihood and (X' V^-1 X)^-1 with V as a matrix."""
    for sizes in (UNEQUAL, (3,) * 6, (1, 1, 1, 6, 2)):
        y, design, _, group = draw(rng, sizes, sd=0.04, noise=0.03)
        z = np.equal.outer(group, sorted(set(group))).astype(float)

        def deviance(
            ratio: float, y: np.ndarray = y, x: np.ndarray = design, z: np.ndarray = z
        ) -> tuple[float, np.ndarray]:
            v = np.eye(len(y)) + ratio * z @ z.T
            inverse = np.linalg.inv(v)
            inner = x.T @ inverse @ x
            left = y - x @ np.linalg.solve(inner, x.T @ inverse @ y)
            variance = left @ inverse @ left / (len(y) - x.shape[1])
            logs = np.linalg.slogdet(v)[1] + np.linalg.slogdet(inner)[1]
            return (len(y) - x.shape[1]) * np.log(variance) + logs, variance * np.linalg.inv(inner)

        found = random_intercept(y, design, group)
        ratio = (found.group_sd / found.residual_sd) ** 2
        best, covariance = deviance(ratio)
        near = [ratio * (1 + step) for step in (-1e-3, 1e-3)]
        assert all(best <= deviance(other)[0] + 1e-10 for other in (*RATIOS[:200], *near))
        assert found.covariance == pytest.approx(covariance, rel=1e-9)


def test_equal_groups_have_the_closed_form(rng: np.random.Generator) -> None:
    """A constant alone: variances from the mean squares, the mean's error from the groups' means, g - 1 df."""
    groups, repeats = 7, 4
    y = np.repeat(rng.normal(0, 2, groups), repeats) + rng.normal(5, 0.5, groups * repeats)
    found = random_intercept(y, np.ones((len(y), 1)), np.repeat(np.arange(groups), repeats))
    table = y.reshape(groups, repeats)
    within, between = table.var(axis=1, ddof=1).mean(), repeats * table.mean(axis=1).var(ddof=1)
    assert found.residual_sd**2 == pytest.approx(within, rel=1e-10)
    assert found.group_sd**2 == pytest.approx((between - within) / repeats, rel=1e-10)
    assert found.errors[0] == pytest.approx(np.sqrt(between / len(y)), rel=1e-10)
    assert found.df[0] == pytest.approx(groups - 1, rel=1e-6)


@pytest.mark.parametrize("group", [list(range(30)), [0, 1] * 15], ids=["one point a group", "groups are tasks"])
def test_what_cannot_be_told_apart_is_least_squares(rng: np.random.Generator, group: list[int]) -> None:
    x, task = rng.normal(size=30), ["a", "b"] * 15
    y = 0.1 * x + rng.normal(0, 0.2, 30)
    found = mixed_model(y, x, task, group)
    wanted = linear(y, {"task": task, "x": x}).terms["x"]
    assert np.isnan(found.group_sd)
    assert (found.slope, found.error, found.df, found.p) == pytest.approx(
        (wanted.estimate, wanted.error, 27, wanted.p)
    )  # statsmodels' MixedLM says p < .001 of such data where this says .005
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high))


def test_units_and_a_large_mean_change_nothing_else(rng: np.random.Generator) -> None:
    y, design, _, group = draw(rng, UNEQUAL, sd=0.05, noise=0.03)
    found, other = random_intercept(y, design, group), random_intercept(1e4 + 100 * y, design, group)
    assert 100 * found.errors == pytest.approx(other.errors, rel=1e-5)
    assert 100 * found.weights[0] == pytest.approx(other.weights[0], rel=1e-6)
    assert 1e4 + 100 * found.weights[1:] == pytest.approx(other.weights[1:])


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """2,000 studies of six trainings with five checkpoints, intercepts three times the noise."""
    rng = np.random.default_rng(0)
    hits, false, n = 0, 0, 2000
    for _ in range(n):
        y, design, task, group = draw(rng, (5,) * 6, sd=0.03, noise=0.01)
        found = mixed_model(y, design[:, 0], task, group)
        hits += found.low <= 0.05 <= found.high
        none = mixed_model(y - 0.05 * design[:, 0], design[:, 0], task, group)
        false += none.p < 0.05
    error = np.sqrt(0.05 * 0.95 / n)
    assert abs(hits / n - 0.95) < 4 * error and abs(false / n - 0.05) < 4 * error


def test_the_error_of_a_slope_is_the_spread_of_slopes() -> None:
    rng = np.random.default_rng(1)
    slopes, variances = [], []
    for _ in range(2000):
        y, design, _, group = draw(rng, UNEQUAL, sd=0.03, noise=0.03)
        found = random_intercept(y, design, group)
        slopes.append((found.weights[0] - 0.05) / found.errors[0])
        variances.append(slopes[-1] ** 2)
    assert np.mean(variances) == pytest.approx(1.0, abs=0.25)


def test_factors_of_groups(rng: np.random.Generator) -> None:
    """Networks of two kinds on four subjects: the same fit from both roads, t with n - (coefficients + 2) df."""
    kind = np.repeat(["a"] * 5 + ["b"] * 6, 4)
    subject, network = np.tile(["1", "2", "3", "4"], 11).tolist(), np.repeat(np.arange(11), 4)
    y = (kind == "b") * 0.1 + np.repeat(rng.normal(0, 0.1, 11), 4) + rng.normal(0, 0.05, 44)
    found = mixed(y, {"kind": kind.tolist(), "subject": subject}, network)
    design = np.column_stack([np.ones(44), kind == "b", *(np.array(subject) == one for one in "234")]).astype(float)
    wanted = random_intercept(y, design, network)
    assert found.terms["kind[b]"].error == pytest.approx(wanted.errors[1]) and found.terms["kind[b]"].df == 44 - 5 - 2
    assert found.group_sd == pytest.approx(wanted.group_sd)


def test_nothing_left_to_explain(rng: np.random.Generator) -> None:
    for scale in (1.0, 1e6, 1e-6) * 7:  # what is left of rounding depends on the numbers and on the library
        x = rng.normal(size=12)
        with pytest.raises(UserError, match="follow from the factors; nothing"):
            random_intercept(scale * (2 * x + 1), np.column_stack([np.ones(12), x]), [0, 1] * 6)
    nearly = 2 * x + 1 + 1e-4 * rng.normal(size=12)
    assert random_intercept(nearly, np.column_stack([np.ones(12), x]), [0, 1] * 6).residual_sd < 1e-3
    with pytest.raises(UserError, match="follow from factors and groups"):
        random_intercept(np.repeat([1.0, 5.0, 2.0, 7.0], 3), np.ones((12, 1)), np.repeat(np.arange(4), 3))
    with pytest.raises(UserError, match="nothing is left"):
        random_intercept(np.ones(12), np.ones((12, 1)), [0, 1] * 6)
