"""Regression against statsmodels and scipy, bootstraps against mathematics, breakpoints against known ones."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlspatial.analysis.regression import (
    bootstrap_mean,
    limit_spans,
    linear,
    mean_draws,
    mixed,
    paired_t,
    segmented,
    spearman,
    spearman_draws,
    weighted_spearman,
)
from mlspatial.core.errors import BadValue, UserError


@pytest.fixture
def table() -> pd.DataFrame:
    """10 networks of two kinds and three sizes x 4 subjects, unbalanced in kind and size."""
    rng = np.random.default_rng(7)
    rows = []
    for network in range(10):
        kind, size, own = "b" if network > 5 else "a", "SML"[network % 3], rng.normal(0, 0.05)
        for subject in "1257":
            score = 0.6 + 0.04 * (kind == "b") + own + 0.01 * int(subject) + rng.normal(0, 0.02)
            rows.append({"network": f"n{network}", "kind": kind, "size": size, "subject": subject, "score": score})
    return pd.DataFrame(rows)


def test_linear_is_that_of_statsmodels(table: pd.DataFrame) -> None:
    import statsmodels.formula.api as smf

    levels = "C(size, Treatment('S'))"
    theirs = smf.ols(f"score ~ kind * {levels} + subject", table).fit()
    factors = {name: list(table[name]) for name in ("kind", "size", "subject")}
    ours = linear(table.score.to_numpy(), factors, interactions=[("kind", "size")])
    pairs = {
        "intercept": "Intercept", "kind[b]": "kind[T.b]", "size[M]": f"{levels}[T.M]", "subject[7]": "subject[T.7]",
        "kind[b]:size[L]": f"kind[T.b]:{levels}[T.L]",
    }  # fmt: skip
    interval = theirs.conf_int()
    for mine, their in pairs.items():
        term = ours.terms[mine]
        wanted = theirs.params[their], theirs.bse[their], theirs.tvalues[their], theirs.pvalues[their]
        assert (term.estimate, term.error, term.t, term.p) == pytest.approx(wanted)
        assert (term.low, term.high) == pytest.approx(tuple(interval.loc[their]))
        assert term.df == theirs.df_resid
    assert len(ours.terms) == len(theirs.params) and ours.residual_sd**2 == pytest.approx(theirs.mse_resid)
    slope = linear(table.score.to_numpy(), {"x": np.arange(40.0)}).terms["x"]
    known = stats.linregress(np.arange(40.0), table.score)
    assert (slope.estimate, slope.error, slope.p) == pytest.approx((known.slope, known.stderr, known.pvalue))


def test_linear_says_what_it_cannot_do() -> None:
    with pytest.raises(UserError, match="4 points are too few for 4 coefficients"):
        linear(np.arange(4.0), {"a": list("wxyz")})
    with pytest.raises(UserError, match="cannot be told apart"):
        linear(np.arange(6.0), {"a": list("xxxyyy"), "b": list("uuuvvv")})
    with pytest.raises(UserError, match="a: 2 values for 3 points"):
        linear(np.arange(3.0), {"a": ["x", "y"]})
    with pytest.raises(UserError, match="1 of 6 values are not finite"):
        linear(np.array([0, 1, 2, 3, 4, np.nan]), {"a": list("xxxyyy")})


def test_mixed_is_the_t_test_of_group_means_when_balanced(table: pd.DataFrame) -> None:
    found = mixed(table.score.to_numpy(), {"kind": list(table.kind), "subject": list(table.subject)}, table.network)
    means = table.groupby(["kind", "network"]).score.mean()
    theirs = stats.ttest_ind(means["b"], means["a"])  # the random intercept is the whole error of a balanced design
    term = found.terms["kind[b]"]
    assert term.estimate == pytest.approx(means["b"].mean() - means["a"].mean(), abs=1e-6)
    assert term.t == pytest.approx(theirs.statistic, rel=1e-3)
    assert term.df == 40 - 5 - 2 and term.p == pytest.approx(2 * stats.t.sf(abs(term.t), 33))
    assert found.group_sd > found.residual_sd > 0
    with pytest.raises(UserError, match="it needs two groups"):
        mixed(table.score.to_numpy(), {"kind": list(table.kind)}, ["same"] * 40)


def test_the_bootstrap_of_a_mean_has_the_exact_distribution() -> None:
    values = np.array([0.1, 0.2, 0.6, 0.7])
    everything = [np.mean(drawn) for drawn in itertools.product(values, repeat=4)]  # all 256 resamples
    draws = mean_draws(values, np.random.default_rng(0), 40_000)
    share = [np.mean(draws <= at + 1e-12) for at in np.unique(np.round(everything, 12))]
    wanted = [np.mean(np.array(everything) <= at + 1e-12) for at in np.unique(np.round(everything, 12))]
    assert np.abs(np.array(share) - wanted).max() < 0.01
    (a, b), (c, d) = limit_spans(draws)
    intervals = [bootstrap_mean(values, np.random.default_rng([1, k])) for k in range(200)]
    assert np.mean([a <= i.low <= b and c <= i.high <= d for i in intervals]) > 0.97  # 99 % each
    assert intervals[0].estimate == pytest.approx(0.4)
    assert np.isnan(bootstrap_mean(np.array([0.5]), np.random.default_rng(0)).low)
    with pytest.raises(UserError, match="no value"):
        bootstrap_mean(np.array([]), np.random.default_rng(0))


def test_spearman_and_its_bootstrap_against_scipy() -> None:
    rng = np.random.default_rng(3)
    x = rng.integers(0, 12, 40).astype(float)  # with ties
    y = x + rng.normal(0, 5, 40)
    counts = rng.multinomial(40, np.full(40, 1 / 40), size=25)
    theirs = [stats.spearmanr(np.repeat(x, row), np.repeat(y, row)).statistic for row in counts]
    assert weighted_spearman(x, y, counts) == pytest.approx(np.array(theirs))
    found, known = spearman(x, y, np.random.default_rng(0)), stats.spearmanr(x, y)
    assert (found.r, found.p, found.n) == pytest.approx((known.statistic, known.pvalue, 40))
    draws = [stats.spearmanr(x[rows], y[rows]).statistic for rows in rng.integers(40, size=(1000, 40))]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.06)
    assert spearman_draws(x, y, np.random.default_rng(0), 30).shape == (30,)
    with pytest.raises(UserError, match="a constant has no correlation"):
        spearman(np.ones(5), np.arange(5.0), rng)


def test_the_paired_test_is_scipys() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.normal(size=(2, 9))
    theirs = stats.ttest_rel(first, second)
    interval = theirs.confidence_interval()
    found = paired_t(first, second)
    assert (found.t, found.p, found.df) == pytest.approx((theirs.statistic, theirs.pvalue, theirs.df))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high)) and found.n == 9
    with pytest.raises(UserError, match="no spread"):
        paired_t(np.array([1.0, 2.0]), np.array([0.0, 1.0]))


def test_breakpoints_that_are_known() -> None:
    x = np.arange(1.0, 101)
    exact = 0.7 - 0.001 * x - 0.02 * np.clip(x - 55.3, 0, None) + 0.018 * np.clip(x - 71.8, 0, None)
    found = segmented(x[::-1], exact[::-1])
    assert found.breaks == pytest.approx([55.3, 71.8], abs=1e-3)
    assert found.slopes == pytest.approx([-0.001, -0.021, -0.003], abs=1e-6)
    assert found(x) == pytest.approx(exact, abs=1e-6) and found.intercept == pytest.approx(0.7, abs=1e-6)
    assert found.residual < 1e-9
    one = segmented(x, np.abs(x - 40.25), breaks=1)
    assert one.breaks == pytest.approx([40.25], abs=1e-3) and one.slopes == pytest.approx([-1, 1], abs=1e-6)


def test_the_interval_of_a_breakpoint_covers_and_is_of_the_right_width() -> None:
    x = np.arange(1.0, 61)
    line = 0.02 * x - 0.05 * np.clip(x - 30.5, 0, None)
    fits = [segmented(x, line + np.random.default_rng([9, k]).normal(0, 0.02, 60), breaks=1) for k in range(60)]
    covered = np.mean([fit.low[0] <= 30.5 <= fit.high[0] for fit in fits])
    spread = np.std([fit.breaks[0] for fit in fits], ddof=1)
    assert covered > 0.85 and spread == pytest.approx(np.mean([fit.errors[0] for fit in fits]), rel=0.35)


def test_breakpoints_of_too_little() -> None:
    with pytest.raises(UserError, match="11 points are too few for 2 breakpoints"):
        segmented(np.arange(11.0), np.arange(11.0))
    with pytest.raises(BadValue, match="breaks=4"):
        segmented(np.arange(50.0), np.arange(50.0), breaks=4)
