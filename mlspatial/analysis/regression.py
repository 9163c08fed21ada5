"""Regression of scores on facts about networks: factors, mixed model, rank correlation, paired test, breakpoints."""

from __future__ import annotations

import itertools
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlspatial.analysis.mixed import random_intercept
from mlspatial.analysis.statistics import LEVEL, Correlation, Interval
from mlspatial.core.errors import BadValue, UserError

VERSION = "1"
RESAMPLES = 1000  # Conwell et al. 2024: mean_cl_boot of R's Hmisc
STARTS = 3  # of the refinement of breakpoints, the best ones of the grid
CANDIDATES = {1: 400, 2: 40, 3: 20}  # places of the grid that are tried, for each number of breakpoints
NAN = float("nan")

Factors = Mapping[str, Sequence[Hashable] | np.ndarray]


@dataclass(frozen=True)
class Term:
    """A coefficient, its standard error, Wald's t with df degrees of freedom, two-sided p, and interval."""

    estimate: float
    error: float
    t: float
    df: float
    p: float
    low: float
    high: float


@dataclass(frozen=True)
class Fit:
    """terms: by name, see `linear`; residual_sd: of what is left; group_sd: of a random intercept, NaN without one."""

    terms: dict[str, Term]
    n: int
    residual_sd: float
    group_sd: float = NAN


@dataclass(frozen=True)
class Paired:
    """Mean of first less second over pairs, its interval, Student's t with n - 1 degrees of freedom, two-sided p."""

    difference: float
    low: float
    high: float
    t: float
    df: int
    p: float
    n: int


@dataclass(frozen=True)
class Segments:
    """A continuous line of straight pieces.

    breaks, errors, low, high: (k,) where the slope changes, with standard errors and interval; slopes: (k + 1,) of the
    pieces, left to right; intercept: at x = 0; residual: sum of squares.
    """

    breaks: np.ndarray
    errors: np.ndarray
    low: np.ndarray
    high: np.ndarray
    slopes: np.ndarray
    intercept: float
    residual: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The line at x, any shape."""
        x = np.asarray(x, np.float64)
        changes = np.diff(self.slopes)
        bends = (change * np.clip(x - at, 0, None) for change, at in zip(changes, self.breaks, strict=True))
        return self.intercept + self.slopes[0] * x + sum(bends, np.zeros_like(x))


# ---- factors ----------------------------------------------------------------------------------------------------


def linear(
    y: np.ndarray, factors: Factors, *, interactions: Sequence[tuple[str, str]] = (), level: float = LEVEL
) -> Fit:
    """Ordinary least squares of y on factors, with Wald's t for every coefficient.

    y: (n,); factors: name -> n labels (the first one met is the reference, the others get a term `NAME[LABEL]`) or n
    numbers (a term `NAME`); interactions: pairs of names, with terms `A[x]:B[y]`. The constant is `intercept`.
    Raises UserError where there are no more points than coefficients, or coefficients that cannot be told apart.
    """
    names, design = _design(len(np.asarray(y)), factors, interactions)
    y = _finite(y)
    _determined(names, design)
    df = len(y) - design.shape[1]
    inverse = np.linalg.inv(design.T @ design)
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    variance = float(np.square(y - design @ weights).sum()) / df
    errors = np.sqrt(variance * np.diag(inverse))
    return Fit(_terms(names, weights, errors, df, level), len(y), math.sqrt(variance))


def mixed(
    y: np.ndarray,
    factors: Factors,
    group: Sequence[Hashable],
    *,
    interactions: Sequence[tuple[str, str]] = (),
    level: float = LEVEL,
) -> Fit:
    """The same with a random intercept for each group (a network scored on several subjects), by REML.

    Wald's t has n - (coefficients + 2) degrees of freedom, the two being the variances: what R's package parameters
    gives for lme4, and what the published p values follow. It is generous where the factor is a fact of the group; a
    t test of group means is exact there. A singular fit is the linear one. Source: Laird and Ware 1982; see
    analysis.mixed.
    """
    names, design = _design(len(np.asarray(y)), factors, interactions)
    y = _finite(y)
    _determined(names, design, more=2)
    groups = np.unique([str(value) for value in group], return_inverse=True)[1]
    if len(groups) != len(y) or groups.max() < 1:
        raise UserError(f"mixed model: {len(y)} points in {len(set(groups))} groups; it needs two groups or more")
    fitted = random_intercept(y, design, groups)
    terms = _terms(names, fitted.weights, fitted.errors, len(y) - design.shape[1] - 2, level)
    return Fit(terms, len(y), fitted.residual_sd, fitted.group_sd)


def _design(n: int, factors: Factors, interactions: Sequence[tuple[str, str]]) -> tuple[list[str], np.ndarray]:
    """(names, (n, terms)) with treatment coding."""
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, values in factors.items():
        if len(values) != n:
            raise UserError(f"{name}: {len(values)} values for {n} points; hand over one each")
        array = np.asarray(values)
        if array.dtype.kind in "fiu":
            parts[name] = {name: _finite(array)}
        else:
            labels = list(dict.fromkeys(values))
            parts[name] = {f"{name}[{label}]": np.array([float(v == label) for v in values]) for label in labels[1:]}
    columns = {"intercept": np.ones(n)} | {key: column for part in parts.values() for key, column in part.items()}
    for first, second in interactions:
        for (a, left), (b, right) in itertools.product(parts[first].items(), parts[second].items()):
            columns[f"{a}:{b}"] = left * right
    return list(columns), np.column_stack(list(columns.values()))


def _determined(names: list[str], design: np.ndarray, more: int = 0) -> None:
    if len(design) <= len(names) + more:
        raise UserError(f"{len(design)} points are too few for {len(names) + more} coefficients; score more networks")
    if np.linalg.matrix_rank(design) < len(names):
        raise UserError(f"the terms {', '.join(names)} cannot be told apart; leave a factor out")


def _terms(names: list[str], weights: np.ndarray, errors: np.ndarray, df: int, level: float) -> dict[str, Term]:
    from scipy.stats import t as student

    half = float(student.ppf(0.5 + level / 2, df))
    found = {}
    for name, weight, error in zip(names, map(float, weights), map(float, errors), strict=True):
        t = weight / error if error > 0 else math.copysign(math.inf, weight) if weight else NAN
        p = float(2 * student.sf(abs(t), df))
        found[name] = Term(weight, error, t, df, p, weight - half * error, weight + half * error)
    return found


# ---- means and correlations -------------------------------------------------------------------------------------


def bootstrap_mean(
    values: np.ndarray, rng: np.random.Generator, *, resamples: int = RESAMPLES, level: float = LEVEL
) -> Interval:
    """Mean and its bootstrap percentile interval, NaN for a single value. values: (n,).

    Source: Efron and Tibshirani 1993, chapter 13; as R's mean_cl_boot.
    """
    values = _finite(values)
    if not len(values):
        raise UserError("there is no value to take the mean of")
    if len(values) == 1:
        return Interval(float(values[0]), NAN, NAN)
    low, high = np.quantile(mean_draws(values, rng, resamples), [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(values.mean()), float(low), float(high))


def mean_draws(values: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """(resamples,) means of values drawn anew. values: (n,)."""
    values = _finite(values)
    return np.asarray(values[rng.integers(len(values), size=(resamples, len(values)))].mean(axis=1))


def spearman(
    x: np.ndarray, y: np.ndarray, rng: np.random.Generator, *, resamples: int = RESAMPLES, level: float = LEVEL
) -> Correlation:
    """Spearman's rank correlation with a bootstrap percentile interval over points; p from Student's t.

    x, y: (n,), n >= 4, neither constant. Resamples in which one is constant are left out. Source: Spearman 1904.
    """
    from scipy.stats import spearmanr

    x, y = _finite(x), _finite(y)
    if len(x) != len(y) or len(x) < 4:
        raise UserError(f"{len(x)} and {len(y)} values: a rank correlation needs pairs, at least 4")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        raise UserError("a constant has no correlation; score networks that differ")
    low, high = np.quantile(spearman_draws(x, y, rng, resamples), [(1 - level) / 2, (1 + level) / 2])
    r, p = spearmanr(x, y)
    return Correlation(float(r), float(low), float(high), float(p), len(x))


def spearman_draws(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """Rank correlations of pairs drawn anew, at most (resamples,). x, y: (n,)."""
    counts = rng.multinomial(len(x), np.full(len(x), 1 / len(x)), size=resamples)
    return weighted_spearman(_finite(x), _finite(y), counts)


def weighted_spearman(x: np.ndarray, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Spearman's correlation with pair i taken counts[., i] times. x, y: (n,); counts: (m, n) whole numbers.

    Returns (m,), without those rows whose x or y are then constant. Ties share their mean rank. Nothing is sorted anew:
    the rank of a value is the number of pairs below it and half of those with it.
    """
    left, right = (_midranks(values, counts) for values in (x, y))
    total = counts.sum(axis=1, keepdims=True)
    left, right = (rank - (total + 1) / 2 for rank in (left, right))
    scale = np.sqrt((counts * left**2).sum(axis=1) * (counts * right**2).sum(axis=1))
    kept = scale > 0
    return np.asarray((counts * left * right).sum(axis=1)[kept] / scale[kept])


def _midranks(values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """(m, n) ranks from 1 of values (n,) that are there counts (m, n) times."""
    order = np.argsort(values, kind="stable")
    place = np.unique(values, return_inverse=True)[1]
    starts = np.searchsorted(values[order], np.unique(values))
    alike = np.add.reduceat(counts[:, order], starts, axis=1)
    return np.asarray((np.cumsum(alike, axis=1) - alike / 2 + 0.5)[:, place])


def limit_spans(
    draws: np.ndarray, *, resamples: int = RESAMPLES, level: float = LEVEL, sure: float = 0.99
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Between which values the two limits of a percentile interval of so many resamples fall, `sure` of the time.

    draws: many resampled values, better far more than `resamples`. A limit is an order statistic, so its place among
    all draws is binomial. Source: David and Nagaraja 2003, section 7.1.
    """
    from scipy.stats import norm

    tail = (1 - level) / 2
    reach = float(norm.ppf(0.5 + sure / 2)) * math.sqrt(tail * (1 - tail) / resamples)
    at = np.clip([tail - reach, tail + reach, 1 - tail - reach, 1 - tail + reach], 0, 1)
    a, b, c, d = map(float, np.quantile(draws, at))
    return (a, b), (c, d)


def paired_t(first: np.ndarray, second: np.ndarray, *, level: float = LEVEL) -> Paired:
    """Student's paired t test. first, second: (pairs,), at least two, whose differences are not all equal."""
    from scipy.stats import t as student

    first, second = _finite(first), _finite(second)
    if len(first) != len(second) or len(first) < 2:
        raise UserError(f"{len(first)} and {len(second)} values: a paired test needs two pairs or more")
    apart = first - second
    n, mean, error = len(apart), float(apart.mean()), float(apart.std(ddof=1)) / math.sqrt(len(apart))
    if error == 0:
        raise UserError("all pairs differ by the same amount, which has no spread to test against")
    half = float(student.ppf(0.5 + level / 2, n - 1)) * error
    p = float(2 * student.sf(abs(mean / error), n - 1))
    return Paired(mean, mean - half, mean + half, mean / error, n - 1, p, n)


# ---- breakpoints ------------------------------------------------------------------------------------------------


def segmented(x: np.ndarray, y: np.ndarray, *, breaks: int = 2, level: float = LEVEL) -> Segments:
    """Least squares of a continuous line with so many changes of slope, 1 to 3.

    x, y: (n,), x in any order. A grid of places within x is searched whole, and its best places are refined, so the fit
    does not hang on a start and nothing is random. Errors: of the model made linear in the breakpoints at the fit.
    Raises UserError for fewer than 4 points a piece. Source: Muggeo 2003.
    """
    from scipy.optimize import minimize
    from scipy.stats import t as student

    if breaks not in CANDIDATES:
        raise BadValue("breaks", breaks, f"expected one of {', '.join(map(str, CANDIDATES))}")
    x, y = _finite(x), _finite(y)
    if len(x) != len(y) or len(np.unique(x)) < 4 * (breaks + 1):
        raise UserError(f"{len(x)} points are too few for {breaks} breakpoints; score more networks")
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    places = np.unique(x)
    inside = places[1:-2]
    grid = inside[np.unique(np.linspace(0, len(inside) - 1, CANDIDATES[breaks]).round().astype(int))]
    apart = 2 * float(np.diff(places).max())
    tried = [at for at in itertools.combinations(grid, breaks) if breaks == 1 or np.diff(at).min() >= apart]
    found = sorted((_bent(x, y, np.array(at))[0], at) for at in tried)[:STARTS]
    total = float(np.square(y - y.mean()).sum()) or 1.0
    edges = places[1], places[-2]

    def loss(at: np.ndarray) -> float:
        outside = at[0] < edges[0] or at[-1] > edges[1] or (breaks > 1 and np.diff(at).min() <= 0)
        return math.inf if outside else _bent(x, y, at)[0] / total

    options = {"xatol": 1e-7 * float(np.ptp(x)), "fatol": 1e-15, "maxiter": 4000, "maxfev": 4000}
    fits = [minimize(loss, at, method="Nelder-Mead", options=options) for _, at in found]
    at = np.asarray(min(fits, key=lambda fit: float(fit.fun)).x, np.float64)
    residual, weights = _bent(x, y, at)
    steps = [-weight * (x > place) for weight, place in zip(weights[2:], at, strict=True)]
    design = np.column_stack([_pieces(x, at), *steps])
    df = len(x) - design.shape[1]
    spread = np.diag(np.linalg.pinv(design.T @ design))[-breaks:]
    errors = np.sqrt(residual / df * np.clip(spread, 0, None))
    half = float(student.ppf(0.5 + level / 2, df)) * errors
    slopes = weights[1] + np.concatenate([[0.0], np.cumsum(weights[2:])])
    return Segments(at, errors, at - half, at + half, slopes, float(weights[0]), residual)


def _pieces(x: np.ndarray, at: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones_like(x), x, *(np.clip(x - place, 0, None) for place in at)])


def _bent(x: np.ndarray, y: np.ndarray, at: np.ndarray) -> tuple[float, np.ndarray]:
    """(sum of squares, coefficients) of the best line with changes of slope at `at`."""
    design = _pieces(x, at)
    weights = np.linalg.lstsq(design, y, rcond=None)[0]
    return float(np.square(y - design @ weights).sum()), weights


def _finite(values: Sequence[Hashable] | np.ndarray) -> np.ndarray:
    array = np.asarray(values, np.float64).ravel()
    if not np.isfinite(array).all():
        raise UserError(f"{int((~np.isfinite(array)).sum())} of {len(array)} values are not finite; leave them out")
    return array
