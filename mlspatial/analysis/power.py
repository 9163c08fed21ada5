"""How well a number tells conditions apart, given how it varies over the seeds of each: what a yardstick is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

VERSION = "1"
LEVEL, ALPHA, POWER = 0.95, 0.05, 0.8
MOST_SEEDS = 1000  # a condition, that are looked for
FEWEST_CONDITIONS = 2
NAN = float("nan")


@dataclass(frozen=True)
class Discriminability:
    """conditions, n: how many, and values in all; between, within: SD over conditions (0 where seeds explain all) and
    over the seeds of one; reliability: the share of variance that is between conditions, ICC(1), with its exact 95 %
    interval low, high; f, p: of one-way analysis of variance; seeds: a condition, for two of them (drawn at random) to
    be told apart by a two-sided t test at .05 with power .8 (inf where more than MOST_SEEDS). NaN where no condition
    has two values, or nothing varies."""

    conditions: int
    n: int
    between: float
    within: float
    reliability: float
    low: float
    high: float
    f: float
    p: float
    seeds: float


def discriminability(groups: Mapping[str, np.ndarray]) -> Discriminability:
    """groups: condition -> (n,) values, one a seed, finite.

    With MS mean squares of one-way analysis of variance and n0 = (N - sum n_i^2 / N) / (k - 1) values a condition:
    between^2 = (MS_between - MS_within) / n0, ICC(1) = (F - 1) / (F + n0 - 1), its interval from F divided by the
    quantiles of F(k - 1, N - k): exact where conditions have equally many seeds, near it elsewhere. Conditions are
    taken as a sample of conditions and their seeds as having one variance.
    Source: Shrout and Fleiss 1979, ICC(1,1); Donner 1986 for unequal numbers.
    """
    from scipy.stats import f as f_distribution

    values = [np.asarray(group, dtype=float) for group in groups.values() if len(group)]
    sizes = np.array([len(group) for group in values], dtype=float)
    k, n = len(values), int(sizes.sum())
    unknown = Discriminability(k, n, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN)
    if k < FEWEST_CONDITIONS or n <= k:
        return unknown
    means, mean = np.array([group.mean() for group in values]), np.concatenate(values).mean()
    within = sum(((group - group.mean()) ** 2).sum() for group in values) / (n - k)
    between = (sizes * (means - mean) ** 2).sum() / (k - 1)
    usual = (n - (sizes**2).sum() / n) / (k - 1)
    if not within > 0:
        return unknown
    f = between / within
    low, high = (_icc(f / f_distribution.ppf(q, k - 1, n - k), usual) for q in ((1 + LEVEL) / 2, (1 - LEVEL) / 2))
    variance = max(0.0, (between - within) / usual)
    p = float(f_distribution.sf(f, k - 1, n - k))
    apart = np.sqrt(2 * variance / within)  # of two conditions, in SDs over seeds: the root of the mean square
    return Discriminability(
        k, n, float(variance**0.5), float(within**0.5), _icc(f, usual), low, high, float(f), p, seeds_for(apart)
    )


def _icc(f: float, usual: float) -> float:
    return float((f - 1) / (f + usual - 1))


def seeds_for(d: float, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """The fewest seeds a condition with which a two-sided t test finds a difference of d standard deviations."""
    low, high = 2, MOST_SEEDS
    if power_of(d, high, alpha=alpha) < power:
        return float("inf")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(d, middle, alpha=alpha) >= power else (middle + 1, high)
    return float(low)


def power_of(d: float, seeds: int, *, alpha: float = ALPHA) -> float:
    """Power of Student's two-sided t test between two conditions of as many seeds each, d standard deviations apart."""
    from scipy.stats import f, ncf

    if d == 0:
        return alpha  # scipy's noncentral F wants something to be noncentral by
    freedom = 2 * seeds - 2
    return float(ncf.sf(f.isf(alpha, 1, freedom), 1, freedom, d**2 * seeds / 2))  # t^2 is F
