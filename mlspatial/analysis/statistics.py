"""Statistics over networks: correlations, bootstrap over seeds, equivalence, and a mixed model."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlspatial.analysis.mixed import random_intercept
from mlspatial.core.errors import BadValue, UserError

VERSION = "1"
LEVEL = 0.95
RESAMPLES = 10_000
FEWEST_POINTS = 4  # Fisher's z has the standard error 1 / sqrt(n - 3)
NAN = float("nan")

Conditions = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Correlation:
    """r, its interval, the two-sided p of r = 0, and the number of points."""

    r: float
    low: float
    high: float
    p: float
    n: int


@dataclass(frozen=True)
class Interval:
    """An estimate and its bootstrap percentile interval (NaN where there is nothing to resample)."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference:
    """Mean of the first conditions less mean of the second: t test and two one-sided tests against +-margin.

    low, high: the interval of level 1 - 2 alpha that goes with the equivalence test at alpha = .05 (90 %); p:
    two-sided, of no difference; p_equivalent: the larger of the one-sided p values of "beyond the margin", so that a
    small one says that the difference lies within it.
    """

    difference: float
    low: float
    high: float
    t: float
    df: float
    p: float
    p_equivalent: float
    margin: float
    n_first: int
    n_second: int


@dataclass(frozen=True)
class MixedModel:
    """alignment ~ performance + task + (1 | group), by restricted maximum likelihood.

    slope: of performance, in alignment per unit of performance; error, df: its standard error and Satterthwaite's
    degrees of freedom; low, high: interval from Student's t; p: two-sided, of no slope; tasks: task -> mean alignment
    at performance 0; group_sd, residual_sd: standard deviations of the random intercept and of what is left; group_sd
    is NaN where intercepts cannot be told apart and this is least squares.
    """

    slope: float
    error: float
    df: float
    low: float
    high: float
    p: float
    tasks: dict[str, float]
    group_sd: float
    residual_sd: float
    n: int
    groups: int


# ---- correlation ------------------------------------------------------------------------------------------------


def pearson(x: np.ndarray, y: np.ndarray, *, level: float = LEVEL) -> Correlation:
    """Pearson's r with an interval from Fisher's z. x, y: (n,), n >= 4, neither constant. Source: Fisher 1921."""
    x, y = _paired(x, y)
    return _correlation(_r(x, y), len(x), 0, level)


def partial_correlation(
    x: np.ndarray, y: np.ndarray, given: Sequence[Hashable] | np.ndarray, *, level: float = LEVEL
) -> Correlation:
    """Correlation of what is left of x and y after a linear fit to `given`.

    x, y: (n,); given: n names of groups, or numbers (n,) or (n, k). p has n - 2 - k degrees of freedom, k the number of
    independent columns beside the constant, which makes it the p of x in a regression of y on x and given.
    Raises UserError where nothing is left: too few points, or x or y follow from `given`. Source: Fisher 1924.
    """
    x, y = _paired(x, y)
    columns = _columns(given, len(x))
    design = np.column_stack([np.ones(len(x)), columns])
    k = int(np.linalg.matrix_rank(design)) - 1
    if len(x) - 3 - k < 1:
        raise UserError(f"partial correlation: {len(x)} points are too few beside {k} columns; score more networks")
    left = [values - design @ np.linalg.lstsq(design, values, rcond=None)[0] for values in (x, y)]
    for name, rest, values in zip("xy", left, (x, y), strict=True):
        if np.linalg.norm(rest) <= 1e-10 * np.linalg.norm(values - values.mean()):
            raise UserError(f"partial correlation: {name} follows from what is given; nothing is left to correlate")
    return _correlation(_r(*left), len(x), k, level)


def _correlation(r: float, n: int, k: int, level: float) -> Correlation:
    from scipy.stats import norm, t

    df = n - 2 - k
    r = max(-1.0, min(1.0, r))
    p = 0.0 if abs(r) == 1 else float(2 * t.sf(abs(r) * math.sqrt(df / (1 - r**2)), df))
    if abs(r) == 1:
        return Correlation(r, r, r, p, n)
    half = float(norm.ppf(0.5 + level / 2)) / math.sqrt(n - 3 - k)
    z = math.atanh(r)
    return Correlation(r, math.tanh(z - half), math.tanh(z + half), p, n)


def _r(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    return float(x @ y / math.sqrt(float(x @ x) * float(y @ y)))


def _paired(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.asarray(x, np.float64).ravel(), np.asarray(y, np.float64).ravel()
    if len(x) != len(y):
        raise UserError(f"{len(x)} and {len(y)} values cannot be correlated; hand over one of each a network")
    if len(x) < FEWEST_POINTS:
        raise UserError(f"{len(x)} points, a correlation needs {FEWEST_POINTS}; score more networks")
    for name, values in (("first", x), ("second", y)):
        if not np.isfinite(values).all():
            raise UserError(f"{int((~np.isfinite(values)).sum())} of the {name} values are not finite; leave them out")
        if np.ptp(values) == 0:
            raise UserError(f"the {name} values are all {values[0]:g}; a constant has no correlation")
    return x, y


def _columns(given: Sequence[Hashable] | np.ndarray, n: int) -> np.ndarray:
    array = np.asarray(given)
    if len(array) != n:
        raise UserError(f"{len(array)} values to hold constant for {n} points; hand over one each")
    if array.dtype.kind in "fiub":
        return array.reshape(n, -1).astype(np.float64)
    names = list(dict.fromkeys(given))
    return np.array([[float(value == name) for name in names[1:]] for value in given]).reshape(n, -1)


# ---- conditions of several seeds --------------------------------------------------------------------------------


def bootstrap(
    conditions: Conditions,
    statistic: Callable[[dict[str, np.ndarray]], np.ndarray],
    rng: np.random.Generator,
    *,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> Interval:
    """Percentile interval of a statistic of condition means; seeds are drawn anew within each condition.

    conditions: name -> (seeds,) values; statistic: name -> means (...,) to a value (...,), vectorised. Conditions are
    fixed, seeds random. The interval is NaN when a condition has a single seed, which says nothing about its spread.
    Source: Efron and Tibshirani 1993, chapter 13.
    """
    if not 0 < level < 1:
        raise BadValue("level", level, "expected a share between 0 and 1")
    if resamples < 1:
        raise BadValue("resamples", resamples, "expected at least 1")
    values = {name: _seeds(name, seeds) for name, seeds in conditions.items()}
    estimate = float(statistic({name: np.asarray(seeds.mean()) for name, seeds in values.items()}))
    if min(len(seeds) for seeds in values.values()) < 2:
        return Interval(estimate, NAN, NAN)
    drawn = {
        name: seeds[rng.integers(len(seeds), size=(resamples, len(seeds)))].mean(axis=1)
        for name, seeds in values.items()
    }
    tail = (1 - level) / 2
    low, high = np.quantile(statistic(drawn), [tail, 1 - tail])
    return Interval(estimate, float(low), float(high))


def bootstrap_difference(
    first: Conditions, second: Conditions, rng: np.random.Generator, *, resamples: int = RESAMPLES, level: float = LEVEL
) -> Interval:
    """Mean over the first conditions' means less that of the second, with its bootstrap interval over seeds."""
    sides = {f"1 {name}": seeds for name, seeds in first.items()} | {
        f"2 {name}": seeds for name, seeds in second.items()
    }

    def difference(means: dict[str, np.ndarray]) -> np.ndarray:
        side = [np.mean([value for name, value in means.items() if name.startswith(sign)], axis=0) for sign in "12"]
        return side[0] - side[1]

    return bootstrap(sides, difference, rng, resamples=resamples, level=level)


def compare_means(first: Conditions, second: Conditions, *, margin: float, alpha: float = 0.05) -> Difference:
    """Welch's t test and two one-sided tests of the mean over conditions, each condition counting the same.

    first, second: name -> (seeds,), at least two seeds each. With one condition a side these are Welch's test and
    Schuirmann's two one-sided tests with unequal variances; with more, the contrast of means with Satterthwaite's
    degrees of freedom. margin: in the scores' unit, above 0.
    Source: Welch 1947; Schuirmann 1987; Lakens 2017.
    """
    from scipy.stats import t as student

    if not margin > 0:
        raise BadValue("margin", margin, "expected a number above 0")
    parts = []
    sides = []
    for sign, side in ((1, first), (-1, second)):
        values = [_seeds(name, seeds, fewest=2) for name, seeds in side.items()]
        if not values:
            raise UserError("a comparison of means needs a condition on each side")
        sides.append(values)
        parts += [(sign / len(values), seeds) for seeds in values]
    difference = float(sum(weight * seeds.mean() for weight, seeds in parts))
    variances = np.array([weight**2 * seeds.var(ddof=1) / len(seeds) for weight, seeds in parts])
    degrees = np.array([len(seeds) - 1 for _, seeds in parts])
    error = math.sqrt(variances.sum())
    if error == 0:
        raise UserError("the values of every condition are equal, so their difference has no spread to test against")
    df = float(variances.sum() ** 2 / (variances**2 / degrees).sum())
    half = float(student.ppf(1 - alpha, df)) * error
    below = float(student.sf((difference + margin) / error, df))
    above = float(student.cdf((difference - margin) / error, df))
    return Difference(
        difference=difference,
        low=difference - half,
        high=difference + half,
        t=difference / error,
        df=df,
        p=float(2 * student.sf(abs(difference) / error, df)),
        p_equivalent=max(below, above),
        margin=margin,
        n_first=sum(map(len, sides[0])),
        n_second=sum(map(len, sides[1])),
    )


def _seeds(name: str, values: np.ndarray, *, fewest: int = 1) -> np.ndarray:
    values = np.asarray(values, np.float64).ravel()
    if len(values) < fewest:
        raise UserError(f"{name}: {len(values)} seeds, this needs {fewest}; train more")
    if not np.isfinite(values).all():
        raise UserError(f"{name}: {int((~np.isfinite(values)).sum())} of {len(values)} values are not finite")
    return values


# ---- mixed model ------------------------------------------------------------------------------------------------


def mixed_model(
    alignment: np.ndarray,
    performance: np.ndarray,
    task: Sequence[str],
    group: Sequence[Hashable],
    *,
    level: float = LEVEL,
) -> MixedModel:
    """Fit alignment ~ performance + task with a random intercept for each group (a training: a task and a seed).

    alignment, performance: (n,); task, group: n names. Intercepts are one a task. Where no group has two points, or
    the groups are told by the tasks alone, the intercepts cannot be told apart: least squares, group_sd NaN.
    Raises UserError for fewer points than parameters or fewer than two groups.
    Source: Laird and Ware 1982; see analysis.mixed.
    """
    from scipy.stats import t as student

    y, x = _paired(alignment, performance)
    names = list(dict.fromkeys(task))
    labels = np.unique([str(value) for value in group], return_inverse=True)[1]
    if len(task) != len(y) or len(labels) != len(y):
        raise UserError(f"{len(y)} points with {len(task)} tasks and {len(labels)} groups; hand over one each")
    groups = int(labels.max()) + 1
    if groups < 2 or len(y) < len(names) + 4:
        raise UserError(f"mixed model: {len(y)} points of {groups} trainings are too few for {len(names)} tasks")
    indicators = np.array([[float(value == name) for name in names] for value in task])
    design = np.column_stack([x, indicators])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise UserError("mixed model: performance does not vary within any task")
    fitted = random_intercept(y, design, labels)
    slope, error, df = (float(values[0]) for values in (fitted.weights, fitted.errors, fitted.df))
    half = float(student.ppf(0.5 + level / 2, df)) * error
    return MixedModel(
        slope=slope,
        error=error,
        df=df,
        low=slope - half,
        high=slope + half,
        p=float(2 * student.sf(abs(slope / error), df)),
        tasks={name: float(value) for name, value in zip(names, fitted.weights[1:], strict=True)},
        group_sd=fitted.group_sd,
        residual_sd=fitted.residual_sd,
        n=len(y),
        groups=groups,
    )
