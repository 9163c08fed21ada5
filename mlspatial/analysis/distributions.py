"""How alike the properties of two populations of units are: distances of their distributions, floors, errors, tests.

Each unit has one number of a property (its selectivity, its preferred distance). The distance is Wasserstein's of order
1, the mean way by which the units of one population would have to move to be distributed as the other's, in standard
deviations of the second population, the neurons. Source: Villani 2009; on a circle Rabin, Delon and Gousseau 2011.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

VERSION = "1"
DRAWS = 500  # of halves, of the bootstrap and of the permutations
FEWEST = 4  # neurons: of fewer there are no halves
ROUNDING = 1e-12  # of the neurons' root mean square: a smaller deviation is none
NUMBERS = 1 << 21  # of draws times units that are held at a time


@dataclass(frozen=True)
class Distance:
    """Of one property. distance: in standard deviations of the neurons; error: bootstrap's, of units and neurons drawn
    anew; floor, floor_95: mean and 95th percentile of the distance between random halves of the neurons, brought to the
    numbers that are compared; p: of a permutation of units and neurons, one-sided; n_units, n_neurons: with a defined
    number; undefined_units, undefined_neurons: left out. Numbers are NaN where there are fewer than FEWEST neurons or
    2 units, or where the neurons do not differ."""

    distance: float
    error: float
    floor: float
    floor_95: float
    p: float
    n_units: int
    n_neurons: int
    undefined_units: int
    undefined_neurons: int


def distance(
    units: np.ndarray,
    neurons: np.ndarray,
    rng: np.random.Generator,
    *,
    period: float | None = None,
    draws: int = DRAWS,
) -> Distance:
    """Between one property's numbers of a layer's units and of neurons, (n,) and (m,); NaN is left out and counted.

    period: of a property on a circle (360 of degrees), whose deviation is the root mean square way around it from the
    circular mean. Halves of m neurons differ by chance more than n units and m neurons do: their distances are
    multiplied by sqrt((1 / n + 1 / m) / (1 / h + 1 / (m - h))), h = m // 2, as the deviations between two empirical
    distributions of one population go with the root of that.
    """
    own, other = (np.asarray(given, np.float64) for given in (units, neurons))
    kept, real = own[np.isfinite(own)], other[np.isfinite(other)]
    n, m = len(kept), len(real)
    counts = n, m, len(own) - n, len(other) - m
    if n < 2 or m < FEWEST or not (scale := deviation(real, period)):
        nan = float("nan")
        return Distance(nan, nan, nan, nan, nan, *counts)
    value = wasserstein(kept, real, period)
    half = m // 2
    halves = np.concatenate(
        [_ways(real, _labels(rng, rows, m, half), period) for rows in _blocks(draws, m)]
    ) * np.sqrt((1 / n + 1 / m) / (1 / half + 1 / (m - half))) / scale  # fmt: skip
    both = np.concatenate([kept, real])
    drawn, shuffled = [], []
    for rows in _blocks(draws, n + m):
        shuffled.append(_ways(both, _labels(rng, rows, n + m, n), period))
        first, second = (rng.multinomial(size, np.full(size, 1 / size), rows) for size in (n, m))
        scales = _deviations(real, second, period)
        ways = _ways(both, np.concatenate([first / n, -second / m], axis=1), period)
        with np.errstate(invalid="ignore", divide="ignore"):
            drawn.append(np.where(scales > 0, ways / scales, np.nan))
    again = np.concatenate(drawn)
    return Distance(
        value / scale,
        float(np.nanstd(again, ddof=1)),
        float(halves.mean()),
        float(np.quantile(halves, 0.95)),
        float((1 + (np.concatenate(shuffled) >= value * (1 - 1e-9)).sum()) / (1 + draws)),
        *counts,
    )


def wasserstein(first: np.ndarray, second: np.ndarray, period: float | None = None) -> float:
    """Wasserstein-1 distance of two samples, (n,) and (m,), in their own unit; period: of the circle they are on."""
    if period is None:
        from scipy.stats import wasserstein_distance

        return float(wasserstein_distance(first, second))
    weights = np.concatenate([np.full(len(first), 1 / len(first)), np.full(len(second), -1 / len(second))])
    return float(_ways(np.concatenate([first, second]), weights[None], period)[0])


def deviation(values: np.ndarray, period: float | None = None) -> float:
    """Standard deviation (n - 1) of a sample; 0 where it is rounding. On a circle that of the ways from its mean."""
    return float(_deviations(values, np.ones((1, len(values))), period)[0])


def _deviations(values: np.ndarray, counts: np.ndarray, period: float | None) -> np.ndarray:
    """(draws,) of samples in which value i is so many times: counts (draws, n), each with sum n."""
    if period is None:
        least = ROUNDING * np.sqrt(np.square(values).mean())
        mean = counts @ values / len(values)
        ways = values - mean[:, None]
    else:
        least = ROUNDING * period
        turned = np.exp(2j * np.pi * values / period)
        mean = np.angle(counts @ turned)
        ways = np.angle(turned * np.exp(-1j * mean)[:, None]) * period / (2 * np.pi)
    spread = np.sqrt((counts * np.square(ways)).sum(axis=1) / (len(values) - 1))
    return np.where(spread > least, spread, 0.0)


def _ways(values: np.ndarray, weights: np.ndarray, period: float | None) -> np.ndarray:
    """(draws,) distances of two weighted samples of the same values. weights: (draws, values), those of the first
    above 0 with sum 1, those of the second below 0 with sum -1, of a value in both their sum.

    The area between the two distribution functions; on a circle the least area over all places where it may be cut,
    which is that about the median of their difference.
    """
    places = values if period is None else np.mod(values, period)
    order = np.argsort(places, kind="stable")
    places = places[order]
    between = np.cumsum(weights[:, order], axis=1)
    if period is None:
        return np.asarray(np.abs(between[:, :-1]) @ np.diff(places))
    gaps = np.append(np.diff(places), places[0] + period - places[-1])
    rank = np.argsort(between, axis=1, kind="stable")
    heights = np.take_along_axis(between, rank, axis=1)
    middle = (np.cumsum(gaps[rank], axis=1) >= period / 2).argmax(axis=1)
    return np.asarray(np.abs(between - heights[np.arange(len(heights)), middle, None]) @ gaps)


def _labels(rng: np.random.Generator, rows: int, number: int, first: int) -> np.ndarray:
    """(rows, number) weights of random parts: so many of them are the first sample, the others the second."""
    labels = np.full((rows, number), -1.0 / (number - first))
    labels[:, :first] = 1.0 / first
    return rng.permuted(labels, axis=1)


def _blocks(draws: int, width: int) -> Iterator[int]:
    """Numbers of draws that are held at a time."""
    most = max(1, NUMBERS // width)
    for start in range(0, draws, most):
        yield min(most, draws - start)
