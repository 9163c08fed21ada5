"""What single units do with each factor of a crossing: tuning curves, their shape, and whether they hold elsewhere.

A tuning curve is the mean response to each level over all cells of the other factors and all contexts. All numbers are
of it, of one unit each. Correlations are Pearson's, never corrected by Spearman and Brown. A circular factor of degrees
repeats after 360; where its levels are only a part of the circle its curve is treated as that of a linear one
(is_whole_circle). What a curve's shape is said by is in curves.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mlspatial.analysis.curves import (
    ROUNDING,
    circular,
    depth,
    is_whole_circle,
    monotonicity,
    preferred,
    responses_by_level,
    sparseness,
    standardised,
    width,
)
from mlspatial.analysis.estimates import of_clusters
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.errors import BadValue

VERSION = "3"

__all__ = ["Tuning", "is_whole_circle", "tuning"]


@dataclass(frozen=True)
class Tuning:
    """Of one factor; arrays are (units,) float64 unless said otherwise, NaN where undefined.

    curve, error: (levels, units) mean response and its standard error over contexts, each less its own mean over levels
    (Cousineau 2005, Morey 2008; NaN of one context);
    preferred_level: int, number of the level of the largest mean response; preferred: its value, on a whole circle the
    direction of the vector mean in [-180, 180), NaN of categories; selectivity: share of the variance of all the unit's
    responses that the curve makes; depth: (max - min) / (|max| + |min|), 0 to 1; sparseness: of the curve's part above
    0, 0 (equal to all levels) to 1 (one level only); monotonicity: Spearman correlation of curve and value, -1 to 1,
    NaN on a whole circle and for categories; width: full width at half height between the curve's minimum and maximum,
    in the factor's unit, linear interpolation, NaN where one side does not come down to it and for categories;
    circular_variance: 1 - |sum r exp(i angle)| / sum r of the part above 0, NaN where it is no whole circle;
    across: name of another factor -> mean correlation between the curves at each two of its levels; across_cells: the
    same between each two cells of all other factors, NaN without another; across_contexts: between each two contexts;
    reliability: correlation between the curves of the two halves of the contexts; floor, reliability_floor: (2, units)
    mean and 95th percentile of selectivity and reliability when the levels are shuffled in each context on its own, NaN
    without permutations; p: of selectivity, (1 + shuffled that reach it) / (1 + permutations).
    A unit whose curve has no variance has selectivity 0 (NaN if it does not respond to anything), and NaN for the rest.
    """

    factor: Factor
    curve: np.ndarray
    error: np.ndarray
    preferred_level: np.ndarray
    preferred: np.ndarray
    selectivity: np.ndarray
    depth: np.ndarray
    sparseness: np.ndarray
    monotonicity: np.ndarray
    width: np.ndarray
    circular_variance: np.ndarray
    across: dict[str, np.ndarray]
    across_cells: np.ndarray
    across_contexts: np.ndarray
    reliability: np.ndarray
    floor: np.ndarray
    reliability_floor: np.ndarray
    p: np.ndarray


def tuning(
    responses: np.ndarray, crossing: Crossing, rng: np.random.Generator | None = None, permutations: int = 0
) -> list[Tuning]:
    """Tuning of every unit to each factor of a crossing.

    responses: (rows, units), computed in float64; for many units hand over some at a time; rng: for the shuffles.
    Raises StimulusMismatch for rows beyond the responses, BadValue for permutations without a generator.
    """
    if permutations and rng is None:
        raise BadValue("rng", rng, f"{permutations} permutations need a random generator")
    values = responses_by_level(responses, crossing)
    axes = len(crossing.factors)
    cells = values.mean(axis=axes)  # (levels, ..., units)
    whole = values.reshape(-1, values.shape[-1])
    total, energy = whole.var(axis=0), np.square(whole).mean(axis=0)
    found = []
    for axis, factor in enumerate(crossing.factors):
        others = tuple(i for i in range(axes) if i != axis)
        by_context = values.mean(axis=others)  # (levels, contexts, units)
        curve = by_context.mean(axis=1)
        draws = of_clusters(by_context, crossing.clusters, 1)
        number = draws.shape[1]
        within = draws - draws.mean(axis=0)  # what a context adds to all levels is no error of the curve
        scale = np.sqrt(len(curve) / max(len(curve) - 1, 1) / number)
        error = within.std(axis=1, ddof=1) * scale if number > 1 else np.full_like(curve, np.nan)
        varies = curve.var(axis=0) > ROUNDING * energy
        with np.errstate(invalid="ignore", divide="ignore"):
            selectivity = np.where(total > ROUNDING * energy, curve.var(axis=0) / total, np.nan)
        floor, reliability_floor, p = _shuffled(draws, total, selectivity, rng, permutations)
        active = total > ROUNDING * energy
        across = {crossing.factors[i].name: _pairs(_by_other(cells, axis, (i,)), energy) for i in others}
        found.append(
            Tuning(
                factor,
                curve,
                error,
                curve.argmax(axis=0),
                np.where(varies, preferred(curve, factor), np.nan),
                selectivity,
                np.where(varies, depth(curve), np.nan),
                np.where(varies, sparseness(curve), np.nan),
                np.where(varies, monotonicity(curve, factor), np.nan),
                np.where(varies, width(curve, factor), np.nan),
                np.where(varies, circular(curve, factor)[1], np.nan),
                across,
                _pairs(_by_other(cells, axis, others), energy) if others else np.full(curve.shape[1], np.nan),
                _pairs(by_context.transpose(1, 0, 2), energy),
                _reliability(draws, energy),
                np.where(active, floor, np.nan),
                np.where(active, reliability_floor, np.nan),
                np.where(varies, p, np.nan),
            )
        )
    return found


def _by_other(cells: np.ndarray, axis: int, others: tuple[int, ...]) -> np.ndarray:
    """(cells of the others, levels, units) curves; the mean over the factors that are not named."""
    rest = tuple(i for i in range(cells.ndim - 1) if i != axis and i not in others)
    moved = np.moveaxis(cells.mean(axis=rest, keepdims=True), axis, -2)
    return moved.reshape(-1, cells.shape[axis], cells.shape[-1])


def _pairs(curves: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """(units,) mean correlation of each two of (curves, levels, units); those without variance are left out."""
    z = standardised(curves, energy)
    number = np.isfinite(z[:, 0]).sum(axis=0)
    summed = np.square(np.nan_to_num(z).sum(axis=0)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(number > 1, (summed - number) / (number * (number - 1.0)), np.nan)


def _reliability(by_context: np.ndarray, energy: np.ndarray) -> np.ndarray:
    """(units,) correlation between the curves of every second context and the others."""
    if by_context.shape[1] < 2:
        return np.full(by_context.shape[2], np.nan)
    halves = [standardised(by_context[:, start::2].mean(axis=1), energy) for start in (0, 1)]
    return (halves[0] * halves[1]).sum(axis=0)


def _shuffled(
    by_context: np.ndarray,
    total: np.ndarray,
    selectivity: np.ndarray,
    rng: np.random.Generator | None,
    permutations: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Floors of selectivity and reliability, (2, units) each, and p. by_context: (levels, contexts, units)."""
    levels, contexts, units = by_context.shape
    if not permutations or rng is None:
        return np.full((2, units), np.nan), np.full((2, units), np.nan), np.full(units, np.nan)
    shares, halves = np.empty((permutations, units)), np.empty((permutations, units))
    for i in range(permutations):
        order = rng.permuted(np.tile(np.arange(levels)[:, None], (1, contexts)), axis=0)
        some = np.take_along_axis(by_context, order[..., None], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares[i] = some.mean(axis=1).var(axis=0) / total
        halves[i] = _reliability(some, np.zeros(units))
    p = (1 + (shares >= selectivity * (1 - 1e-12)).sum(axis=0)) / (1 + permutations)
    floors = [np.stack([found.mean(axis=0), np.quantile(found, 0.95, axis=0)]) for found in (shares, halves)]
    return floors[0], floors[1], p
