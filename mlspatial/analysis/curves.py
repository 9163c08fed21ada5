"""The shape of tuning curves: how deep, sparse, monotonic and wide they are, and where their peak is.

Source: depth: Michelson's contrast; sparseness: Rolls and Tovee 1995 as Vinje and Gallant 2000 scale it;
circular variance: Mardia 1972, Ringach, Shapley and Hawken 2002.
"""

from __future__ import annotations

import numpy as np

from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.errors import StimulusMismatch

VERSION = "2"
ROUNDING = 1e-12  # of the mean squared response: less variance is none
CIRCLE = 360.0


def is_whole_circle(factor: Factor) -> bool:
    """Whether a factor's levels go all around: circular, three directions at least, and no gap between neighbours of
    more than 1.5 times the median gap (a value and the same plus 360 degrees are one direction)."""
    if factor.kind != "circular":
        return False
    angles = np.unique(np.round(np.mod([float(value) for value in factor.values], CIRCLE), 9) % CIRCLE)
    if len(angles) < 3:
        return False
    gaps = np.diff(np.append(angles, angles[0] + CIRCLE))
    return bool(gaps.max() <= 1.5 * np.median(gaps))


def numbers(factor: Factor) -> np.ndarray:
    """(levels,) values; of a circular factor each the shorter way on from the one before: 165, 180, -165 to 195."""
    values = np.array([float(value) for value in factor.values])
    return np.unwrap(values, period=CIRCLE) if factor.kind == "circular" else values


def depth(curve: np.ndarray) -> np.ndarray:
    """(units,) (max - min) / (|max| + |min|) of curves (levels, units); NaN of a curve of zeros."""
    high, low = curve.max(axis=0), curve.min(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (high - low) / (np.abs(high) + np.abs(low))


def sparseness(curve: np.ndarray) -> np.ndarray:
    """(units,) (1 - mean(r)^2 / mean(r^2)) / (1 - 1 / levels) of the part r of curves (levels, units) above 0.

    NaN of a curve that is nowhere above 0, and of one level. Source: Vinje and Gallant 2000.
    """
    r = curve.clip(min=0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (1 - r.mean(axis=0) ** 2 / np.square(r).mean(axis=0)) / (1 - 1 / np.float64(len(curve)))


def width(curve: np.ndarray, factor: Factor) -> np.ndarray:
    """(units,) full width at half height of curves (levels, units), in the factor's unit, by linear interpolation.

    Half height is halfway between minimum and maximum; from the maximum outwards to where the curve first comes down to
    it, around a whole circle. NaN where one side does not, and for categories.
    """
    found = np.full(curve.shape[1], np.nan)
    if factor.kind == "category" or len(curve) < 3:
        return found
    values = numbers(factor)
    circle = is_whole_circle(factor)
    if circle:
        values, first = np.unique(np.round(np.mod(values, CIRCLE), 9) % CIRCLE, return_index=True)
        curve = curve[first]
        values = np.concatenate([values - CIRCLE, values, values + CIRCLE])
        curve = np.concatenate([curve] * 3)
    order = np.argsort(values, kind="stable")
    values, curve = values[order], curve[order]
    middle = len(curve) // 3 if circle else 0
    half = (curve.max(axis=0) + curve.min(axis=0)) / 2
    peaks = curve[middle : middle + (len(curve) // 3 if circle else len(curve))].argmax(axis=0) + middle
    for unit, (peak, level) in enumerate(zip(peaks, half, strict=True)):
        line = curve[:, unit]
        if not line.max() > line.min():
            continue
        below = np.flatnonzero(line <= level)
        left, right = below[below < peak], below[below > peak]
        if len(left) and len(right):
            i, j = left[-1], right[0]
            start = np.interp(level, [line[i], line[i + 1]], [values[i], values[i + 1]])
            stop = np.interp(level, [line[j], line[j - 1]], [values[j], values[j - 1]])
            found[unit] = stop - start
    return found


def preferred(curve: np.ndarray, factor: Factor) -> np.ndarray:
    """(units,) value of the level of the largest response of curves (levels, units); on a whole circle the direction of
    the vector mean in [-180, 180), NaN without one; NaN of categories."""
    if factor.kind == "category":
        return np.full(curve.shape[1], np.nan)
    if is_whole_circle(factor):
        return circular(curve, factor)[0]
    return np.array([float(value) for value in factor.values])[curve.argmax(axis=0)]


def circular(curve: np.ndarray, factor: Factor) -> tuple[np.ndarray, np.ndarray]:
    """(units,) direction in degrees and circular variance of the part above 0; NaN where it is no whole circle."""
    if not is_whole_circle(factor):
        return np.full(curve.shape[1], np.nan), np.full(curve.shape[1], np.nan)
    angles, first = np.unique(
        np.round(np.mod([float(value) for value in factor.values], CIRCLE), 9) % CIRCLE, return_index=True
    )
    r = curve[first].clip(min=0.0)
    vector = (r * np.exp(1j * np.deg2rad(angles))[:, None]).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        length = np.abs(vector) / r.sum(axis=0)
    direction = (np.degrees(np.angle(vector)) + CIRCLE / 2) % CIRCLE - CIRCLE / 2
    return np.where(length > 1e-9, direction, np.nan), 1 - length


def monotonicity(curve: np.ndarray, factor: Factor) -> np.ndarray:
    """(units,) Spearman correlation of curves (levels, units) and values; NaN on a whole circle and of categories."""
    if factor.kind == "category" or is_whole_circle(factor) or len(curve) < 2:
        return np.full(curve.shape[1], np.nan)
    from scipy.stats import rankdata

    ranks = rankdata(curve, axis=0)
    values = rankdata(numbers(factor))[:, None]
    no_floor = np.zeros(curve.shape[1])
    return (standardised(ranks, no_floor) * standardised(values, no_floor[:1])).sum(axis=0)


def standardised(curves: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """(..., levels, units) curves of mean 0 and length 1; NaN without variance."""
    rest = curves - curves.mean(axis=-2, keepdims=True)
    lengths = np.sqrt(np.square(rest).sum(axis=-2, keepdims=True))
    some = lengths > np.sqrt(ROUNDING * energy * curves.shape[-2])
    return rest / np.where(some, lengths, np.nan)


def responses_by_level(responses: np.ndarray, crossing: Crossing) -> np.ndarray:
    """(levels of each factor, contexts, units) float64 of responses (rows, units). Raises StimulusMismatch for rows
    beyond them."""
    if crossing.rows.min() < 0 or crossing.rows.max() >= len(responses):
        raise StimulusMismatch(f"crossing {crossing.name} asks for row {crossing.rows.max()} of {len(responses)}")
    return np.asarray(responses)[crossing.rows].astype(np.float64)
