"""Statistics over networks against scipy, statsmodels and closed forms."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlspatial.analysis.statistics import (
    bootstrap,
    bootstrap_difference,
    compare_means,
    mixed_model,
    partial_correlation,
    pearson,
)
from mlspatial.core.errors import BadValue, UserError


def test_pearson_has_scipys_r_p_and_interval(rng: np.random.Generator) -> None:
    x = rng.normal(size=20)
    y = 0.5 * x + rng.normal(size=20)
    expected = stats.pearsonr(x, y)
    found = pearson(x, y, level=0.9)
    interval = expected.confidence_interval(0.9)
    assert found.r == pytest.approx(expected.statistic) and found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high)) and found.n == 20
    perfect = pearson(np.arange(5), 3.0 - np.arange(5))
    assert perfect.r == pytest.approx(-1) and perfect.p < 1e-12


def test_partial_correlation_is_that_of_a_regression(rng: np.random.Generator) -> None:
    import statsmodels.api as sm

    task = np.repeat(["a", "b", "c"], 12)
    shift = {"a": 0.0, "b": 5.0, "c": -3.0}
    offset = np.array([shift[name] for name in task])
    x = rng.normal(size=36) + offset
    y = rng.normal(size=36) + 0.4 * x - 2 * offset
    dummies = np.column_stack([task == "b", task == "c"]).astype(float)
    fit = sm.OLS(y, sm.add_constant(np.column_stack([dummies, x]))).fit()
    found = partial_correlation(x, y, list(task))
    assert found.p == pytest.approx(fit.pvalues[-1])
    t = fit.tvalues[-1]
    assert found.r == pytest.approx(t / np.sqrt(t**2 + fit.df_resid))
    left = [sm.OLS(values, sm.add_constant(dummies)).fit().resid for values in (x, y)]
    assert found.r == pytest.approx(stats.pearsonr(*left).statistic)
    assert pearson(x, y).r < 0 < found.r  # the tasks hide it
    z = rng.normal(size=36)
    r = {pair: stats.pearsonr(*pair_values).statistic for pair, pair_values in
         {"xy": (x, y), "xz": (x, z), "yz": (y, z)}.items()}  # fmt: skip
    closed = (r["xy"] - r["xz"] * r["yz"]) / np.sqrt((1 - r["xz"] ** 2) * (1 - r["yz"] ** 2))
    assert partial_correlation(x, y, z).r == pytest.approx(closed)


def test_the_bootstrap_of_one_condition_is_scipys(rng: np.random.Generator) -> None:
    values = rng.normal(size=12)
    found = bootstrap({"a": values}, lambda means: means["a"], rng, resamples=20_000)
    expected = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, random_state=rng)
    assert found.estimate == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx(tuple(expected.confidence_interval), abs=0.02)


def test_the_bootstrap_draws_seeds_within_conditions(rng: np.random.Generator) -> None:
    """Conditions far apart add nothing to the interval; its width is the closed form's, with n and not n - 1."""
    first = {"a": rng.normal(size=40), "b": 100 + rng.normal(size=30)}
    second = {"c": rng.normal(size=50)}
    found = bootstrap_difference(first, second, rng, resamples=20_000)
    mean = (first["a"].mean() + first["b"].mean()) / 2 - second["c"].mean()
    variance = (first["a"].var() / 40 + first["b"].var() / 30) / 4 + second["c"].var() / 50
    assert found.estimate == pytest.approx(mean)
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(variance), rel=0.03)
    again = bootstrap_difference(first, second, np.random.default_rng(5))
    assert again == bootstrap_difference(first, second, np.random.default_rng(5))
    single = bootstrap_difference({"a": np.array([0.3])}, second, rng)
    assert single.estimate == pytest.approx(0.3 - second["c"].mean()) and np.isnan(single.low)


def test_one_condition_a_side_is_welch_and_schuirmann(rng: np.random.Generator) -> None:
    from statsmodels.stats.weightstats import CompareMeans, ttost_ind

    first, second = rng.normal(0.40, 0.01, size=8), rng.normal(0.41, 0.02, size=6)
    found = compare_means({"a": first}, {"b": second}, margin=0.02)
    expected = stats.ttest_ind(first, second, equal_var=False)
    assert (found.t, found.p, found.df) == pytest.approx((expected.statistic, expected.pvalue, expected.df))
    assert found.p_equivalent == pytest.approx(ttost_ind(first, second, -0.02, 0.02, usevar="unequal")[0])
    interval = CompareMeans.from_data(first, second).tconfint_diff(alpha=0.1, usevar="unequal")
    assert (found.low, found.high) == pytest.approx(interval)
    assert (found.p_equivalent < 0.05) == (found.low > -0.02 and found.high < 0.02)
    assert (found.n_first, found.n_second) == (8, 6)


def test_several_conditions_make_a_contrast(rng: np.random.Generator) -> None:
    """Equal sizes and variances: the contrast is the t test of a linear model on the seeds' means."""
    base = rng.normal(size=6)
    base = (base - base.mean()) / base.std(ddof=1)
    found = compare_means({"a": 1 + base, "b": 3 + base}, {"c": base}, margin=0.5)
    assert found.difference == pytest.approx(2.0)
    error = np.sqrt(1 / 6 / 4 + 1 / 6 / 4 + 1 / 6)
    df = (1 / 24 + 1 / 24 + 1 / 6) ** 2 / ((2 / 24**2 + 1 / 36) / 5)
    assert found.t == pytest.approx(2 / error) and found.df == pytest.approx(df)
    assert found.p == pytest.approx(2 * stats.t.sf(2 / error, df))


def test_false_equivalence_is_as_rare_as_stated(rng: np.random.Generator) -> None:
    """Of true differences at the margin, 5 % are called equivalent at .05."""
    called = [
        compare_means({"a": rng.normal(1, 1, 30)}, {"b": rng.normal(0, 1, 30)}, margin=1.0).p_equivalent < 0.05
        for _ in range(600)
    ]
    assert 0.02 < np.mean(called) < 0.09


@pytest.fixture
def trainings(rng: np.random.Generator) -> pd.DataFrame:
    """12 trainings of two tasks, 10 checkpoints each; slope .05, intercepts of SD .03, noise .01."""
    rows = [
        (task, f"{task}{seed}", x, level + start + 0.05 * x + rng.normal(0, 0.01))
        for task, level in (("a", 0.3), ("b", 0.4))
        for seed in range(6)
        for start in [rng.normal(0, 0.03)]
        for x in rng.normal(size=10)
    ]
    return pd.DataFrame(rows, columns=["task", "group", "x", "y"])


def test_the_mixed_model_finds_what_was_put_in(trainings: pd.DataFrame) -> None:
    import statsmodels.formula.api as smf

    found = mixed_model(trainings.y.to_numpy(), trainings.x.to_numpy(), list(trainings.task), list(trainings.group))
    expected = smf.mixedlm("y ~ x + C(task) - 1", trainings, groups=trainings.group).fit(reml=True)
    assert found.n == 120 and found.groups == 12
    assert found.slope == pytest.approx(expected.params["x"], rel=1e-3)
    assert found.tasks["b"] == pytest.approx(expected.params["C(task)[b]"], rel=1e-3)
    assert found.low < 0.05 < found.high and found.p < 1e-6
    assert found.residual_sd == pytest.approx(0.01, rel=0.2) and found.group_sd == pytest.approx(0.03, rel=0.6)


def test_a_balanced_mixed_model_has_the_variances_of_an_anova(rng: np.random.Generator) -> None:
    """One task, x balanced within groups: REML gives the mean squares' estimators, and least squares the slope."""
    groups, repeats = 8, 6
    x = np.tile(np.arange(repeats) - 2.5, groups)
    start = np.repeat(rng.normal(0, 2, groups), repeats)
    y = 0.7 * x + start + rng.normal(0, 0.5, len(x))
    found = mixed_model(y, x, ["a"] * len(x), list(np.repeat(np.arange(groups), repeats)))
    table = y.reshape(groups, repeats)
    slope = ((x * y).sum()) / (x**2).sum()
    left = (table - table.mean(axis=1, keepdims=True)).ravel() - slope * x
    within = (left**2).sum() / (groups * (repeats - 1) - 1)
    between = repeats * table.mean(axis=1).var(ddof=1)
    assert found.slope == pytest.approx(slope, rel=1e-5)
    assert found.residual_sd**2 == pytest.approx(within, rel=1e-3)
    assert found.group_sd**2 == pytest.approx((between - within) / repeats, rel=1e-3)


def test_no_spread_between_groups_is_told_and_not_an_error(rng: np.random.Generator) -> None:
    x = rng.normal(size=40)
    y = 0.1 * x + rng.normal(0, 0.1, 40)
    group = np.tile(np.arange(4), 10)
    for number in range(4):
        y[group == number] -= y[group == number].mean() - 0.1 * x[group == number].mean()
    found = mixed_model(y, x, ["a"] * 40, list(group))
    assert found.group_sd < 0.03 and abs(found.slope - 0.1) < 0.06


def test_mistakes(rng: np.random.Generator) -> None:
    x = rng.normal(size=8)
    with pytest.raises(UserError, match="3 points, a correlation needs 4"):
        pearson(x[:3], x[:3])
    with pytest.raises(UserError, match="the second values are all 1"):
        pearson(x, np.ones(8))
    with pytest.raises(UserError, match="8 and 7 values"):
        pearson(x, x[:7])
    with pytest.raises(UserError, match="1 of the first values are not finite"):
        pearson(np.append(x[:7], np.nan), x)
    with pytest.raises(UserError, match="x follows from what is given"):
        partial_correlation(2 * x + 1, rng.normal(size=8), x)
    with pytest.raises(UserError, match="too few beside 5 columns"):
        partial_correlation(x, x**2, list("aabbcdef"))
    with pytest.raises(BadValue, match="margin=0"):
        compare_means({"a": x}, {"b": x}, margin=0)
    with pytest.raises(UserError, match="b: 1 seeds, this needs 2"):
        compare_means({"a": x}, {"b": x[:1]}, margin=1)
    with pytest.raises(UserError, match="no spread to test"):
        compare_means({"a": np.ones(3)}, {"b": np.ones(3)}, margin=1)
    with pytest.raises(BadValue, match="level=95"):
        bootstrap({"a": x}, lambda means: means["a"], rng, level=95)
    with pytest.raises(UserError, match="8 points of 1 trainings"):
        mixed_model(x, x**2, ["a"] * 8, [0] * 8)
    with pytest.raises(UserError, match="does not vary within any task"):
        mixed_model(x, np.repeat([0.0, 1.0], 4), ["a"] * 4 + ["b"] * 4, [0, 0, 1, 1, 2, 2, 3, 3])
