"""The path a population takes when one factor goes through its levels: how straight it is, how discriminable its steps.

Turning angles are in degrees between successive differences of responses: 0 on a straight line, 180 where the path
turns back, 90 between steps in independent directions, 120 between independent responses (two successive differences
share the one between them). Henaff et al. 2019 call their mean the curvature of a sequence. What contexts add at random
bends the path of their mean towards 120 degrees; the debiased one takes inner products of different contexts only.

Discriminability of two adjacent levels is that of a linear read-out along the difference w of their means, which has to
hold in a new context:

    d'^2 = (w.w)^2 / (w' S w),  S the covariance over contexts within a cell, mean of both levels' cells.

Both terms are unbiased: w.w from two different contexts, w' S w from four (one for each w, two for S), the mean over
all choices. Linear Fisher information assumes noise that is independent between units and grows with the mean response
(Poisson like): sum over units of (d mu / d value)^2 / (fano max(mu, 0) + floor).
Source: Henaff, Goris and Simoncelli 2019; Averbeck and Lee 2006 (d'); Kanitscheider et al. 2015 (bias); Seung and
Sompolinsky 1993 (Fisher information of independent units).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from mlspatial.analysis.curves import numbers
from mlspatial.analysis.estimates import Estimate, estimates, jackknifed, of_clusters
from mlspatial.analysis.gram import square
from mlspatial.analysis.jackknife import blocks, standard_error
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError

VERSION = "3"
ROUNDING = 1e-12  # of the mean squared response: a step of a smaller squared length is none
FEWEST = 4  # contexts: two of a difference and two of a variance


@dataclass(frozen=True)
class Path:
    """Of one ordered factor. turning: mean angle of the mean curve (over other factors and contexts); within: mean
    angle of the curves of single contexts; debiased: of the mean curve, from products of different contexts; dimension:
    in how many directions contexts go at one step, the mean over steps of the participation ratio of their differences
    (1: all contexts in the same direction). Angles in degrees.
    NaN: with fewer than 3 levels (dimension: 2), where a step has no length, or no debiased squared length above 0;
    debiased of one context."""

    factor: str
    turning: Estimate
    within: Estimate
    debiased: Estimate
    dimension: Estimate


@dataclass(frozen=True)
class Step:
    """Between adjacent levels of a factor. low, high: their values; distance: unbiased squared distance of their means,
    squared units of response; d_prime: its sign is that of the distance; per_unit: d' over the difference of values.
    NaN: d' and per_unit with fewer than 4 contexts (errors: 5) or where the variance along the difference is not above
    0; distance of one context (error: two)."""

    factor: str
    low: float
    high: float
    distance: Estimate
    d_prime: Estimate
    per_unit: Estimate


@dataclass(frozen=True)
class Information:
    """Linear Fisher information between adjacent levels, in 1 / unit of the factor squared. mean: of the mean curve
    over contexts (a read-out that holds in any), debiased by products of different contexts, may be below 0; within: of
    single contexts, their mean (a read-out that knows the context). NaN: mean of one context. The error is too large
    (up to 1.5 times) where there is no information."""

    factor: str
    low: float
    high: float
    mean: Estimate
    within: Estimate


def path(gram: np.ndarray, crossing: Crossing, factor: str) -> Path:
    """How straight a population's path along a factor is.

    gram: (rows, rows) inner products of responses about any one origin, float64. Of a circular factor that covers the
    whole circle the path does not close: its last level is not joined to its first.
    Raises UnknownName for the factor, BadValue for a categorical one, StimulusMismatch for rows beyond the Gram.
    """
    axis = _axis(crossing, factor)
    means, energy = _level_gram(_half_averaged(square(gram), crossing, axis), crossing, axis)
    contexts, clusters = crossing.contexts, np.array(crossing.clusters)
    # (steps, contexts, steps, contexts) inner products of differences
    steps = np.diff(np.diff(means, axis=0), axis=2)
    limit = ROUNDING * energy

    def found(kept: np.ndarray) -> np.ndarray:
        some = steps[:, kept][:, :, :, kept]
        whole = some.mean(axis=(1, 3))
        own = np.einsum("scmc->csm", some)
        draws = of_clusters(some, np.unique(clusters[kept], return_inverse=True)[1], 1, 3)
        number = draws.shape[1]
        fair = (
            (draws.sum(axis=(1, 3)) - np.einsum("scmc->sm", draws)) / (number * (number - 1))
            if number > 1
            else np.full_like(whole, np.nan)
        )
        single = [_mean_angle(one, limit) for one in own]
        ratios = [_participation(np.ascontiguousarray(some[s, :, s]), limit) for s in range(len(some))]
        return np.array(
            [
                _mean_angle(whole, limit),
                np.mean(single),
                _mean_angle(fair, limit),
                np.mean(ratios) if ratios else np.nan,
            ]
        )

    values, errors = jackknifed(found, contexts, 1, clusters)
    return Path(factor, *estimates(values, errors, int(clusters.max()) + 1))


def discriminability(gram: np.ndarray, crossing: Crossing, factor: str) -> list[Step]:
    """d' between adjacent levels of a factor, and per unit of it.

    gram: (rows, rows) inner products of responses about any one origin, float64. Time: one read of it. Contexts of a
    cluster are averaged: clusters are what a read-out has to carry over to.
    Raises as path, and BadValue for adjacent levels of the same value.
    """
    axis = _axis(crossing, factor)
    values = _values(crossing.factors[axis])
    half, clusters = _half_averaged(square(gram), crossing, axis), crossing.clusters
    means, _ = _level_gram(half, crossing, axis)
    steps = of_clusters(np.diff(np.diff(means, axis=0), axis=2), clusters, 1, 3)
    projected = of_clusters(_projections(half, crossing, axis), clusters, 1, 2)
    contexts = steps.shape[1]

    def found(kept: np.ndarray) -> np.ndarray:
        squared = np.full(len(steps), np.nan)
        if len(kept) > 1:
            own = np.einsum("scsd->scd", steps)[:, kept][:, :, kept]
            squared = (own.sum((1, 2)) - np.trace(own, axis1=1, axis2=2)) / (len(kept) * (len(kept) - 1))
        along = np.array([_variance_along(one, kept) for one in projected])
        with np.errstate(invalid="ignore", divide="ignore"):
            d_prime = np.where(along > 0, squared / np.sqrt(along.clip(min=0.0)), np.nan)
        return np.stack([squared, d_prime, d_prime / np.abs(np.diff(values))])

    value, error = jackknifed(found, contexts, 2)
    columns = [estimates(value[i], error[i], contexts) for i in range(3)]
    return [
        Step(factor, float(low), float(high), columns[0][s], columns[1][s], columns[2][s])
        for s, (low, high) in enumerate(_pairs(crossing.factors[axis]))
    ]


def information(
    responses: Iterable[np.ndarray], crossing: Crossing, factor: str, *, fano: float = 1.0, floor: float = 1e-3
) -> list[Information]:
    """Linear Fisher information about a factor under independent noise of variance fano max(mu, 0) + floor.

    responses: blocks of (rows, units), each of the next units; fano: variance over mean, in units of response; floor:
    variance at and below zero, in squared units of response, above 0. The noise of a step is that of the mean of its
    two levels. Raises as discriminability; UserError without a block.
    """
    if not fano >= 0:
        raise BadValue("fano", fano, "expected variance over mean, at least 0")
    if not floor > 0:
        raise BadValue("floor", floor, "expected a variance above 0; units without response have no other noise")
    axis = _axis(crossing, factor)
    values, contexts = _values(crossing.factors[axis]), crossing.contexts
    clusters, every = np.array(crossing.clusters), np.arange(contexts)
    number = int(clusters.max()) + 1
    block = blocks(number)[clusters]
    kept = [every] + ([every[block != b] for b in range(block.max() + 1)] if number > 1 else [])
    total: np.ndarray | None = None
    for part in responses:
        if crossing.rows.min() < 0 or crossing.rows.max() >= len(part):
            raise StimulusMismatch(f"crossing {crossing.name} asks for row {crossing.rows.max()} of {len(part)}")
        rows = np.moveaxis(crossing.rows, (axis, -1), (0, 1)).reshape(crossing.shape[axis], contexts, -1)
        curves = np.zeros((*rows.shape[:2], part.shape[1]))
        for cell in range(rows.shape[2]):
            curves += np.asarray(part)[rows[:, :, cell]]
        curves /= rows.shape[2]
        sums = np.stack([_information(curves[:, some], clusters[some], fano, floor) for some in kept])
        total = sums if total is None else total + sums
    if total is None:
        raise UserError("there are no responses; hand over at least one block of units")
    total /= np.square(np.diff(values))
    error = standard_error(total[1:]) if number > 1 else np.full(total.shape[1:], np.nan)
    mean, within = (estimates(total[0, i], error[i], number) for i in range(2))
    return [
        Information(factor, float(low), float(high), mean[s], within[s])
        for s, (low, high) in enumerate(_pairs(crossing.factors[axis]))
    ]


def _information(curves: np.ndarray, clusters: np.ndarray, fano: float, floor: float) -> np.ndarray:
    """(2, steps) debiased of the mean curve and the mean of contexts. curves: (levels, contexts, units); clusters: of
    the contexts."""
    steps, middles = np.diff(curves, axis=0), (curves[1:] + curves[:-1]) / 2
    within = (np.square(steps) / (fano * middles.clip(min=0.0) + floor)).sum(-1).mean(1)
    steps = of_clusters(steps, np.unique(clusters, return_inverse=True)[1], 1)
    if (number := steps.shape[1]) < 2:
        return np.stack([np.full_like(within, np.nan), within])
    squared = (np.square(steps.sum(1)) - np.square(steps).sum(1)) / (number * (number - 1))
    return np.stack([(squared / (fano * middles.mean(1).clip(min=0.0) + floor)).sum(-1), within])


def _axis(crossing: Crossing, name: str) -> int:
    names = [factor.name for factor in crossing.factors]
    if name not in names:
        raise UnknownName("factor", name, names)
    if crossing.factors[names.index(name)].kind == "category":
        raise BadValue("factor", name, "its levels have no order; name a linear or circular one")
    return names.index(name)


def _pairs(factor: Factor) -> Iterator[tuple[float, float]]:
    """Values of adjacent levels, as they are given."""
    return pairwise(float(value) for value in factor.values)


def _values(factor: Factor) -> np.ndarray:
    values = numbers(factor)
    if np.any(np.diff(values) == 0):
        raise BadValue("factor", factor.name, f"adjacent levels have the same value; it has {values.tolist()}")
    return values


def _levels_first(crossing: Crossing, axis: int) -> np.ndarray:
    """(levels, contexts, cells of the other factors) rows."""
    return np.moveaxis(crossing.rows, (axis, -1), (0, 1)).reshape(crossing.shape[axis], crossing.contexts, -1)


def _level_gram(half: np.ndarray, crossing: Crossing, axis: int) -> tuple[np.ndarray, float]:
    """(levels, contexts, levels, contexts) inner products of mean responses, and their mean squared length."""
    rows = _levels_first(crossing, axis)
    means = half[:, :, rows].mean(axis=-1)
    return means, float(np.einsum("lclc->", means)) / (rows.shape[0] * rows.shape[1])


def _half_averaged(gram: np.ndarray, crossing: Crossing, axis: int) -> np.ndarray:
    """(levels, contexts, rows of the Gram) inner products of mean responses with all responses."""
    if crossing.rows.min() < 0 or crossing.rows.max() >= len(gram):
        raise StimulusMismatch(f"crossing {crossing.name} asks for row {crossing.rows.max()} of {len(gram)}")
    rows = _levels_first(crossing, axis)
    found = np.empty((*rows.shape[:2], len(gram)))
    for level, context in np.ndindex(*rows.shape[:2]):
        gram[rows[level, context]].mean(axis=0, out=found[level, context])
    return found


def _projections(half: np.ndarray, crossing: Crossing, axis: int) -> np.ndarray:
    """(steps, contexts, contexts, images) of both levels' images of a step in each context (second), the inner product
    with the difference of means in each context (first)."""
    half = np.diff(half, axis=0)
    rows = _levels_first(crossing, axis)
    both = np.concatenate([rows[:-1], rows[1:]], axis=2)
    return np.stack([half[s][:, both[s]] for s in range(len(both))])


def _variance_along(projected: np.ndarray, kept: np.ndarray) -> float:
    """Unbiased w' S w of one step. projected: (contexts, contexts, images); NaN for fewer than 4 contexts.

    Of two contexts i, j of the difference and two others k, l of the images, the mean over all of
    (P_ik - P_il) (P_jk - P_jl) / 2, where P_ik is the difference in i times the image in k. The sum over four different
    contexts is that over all less those that have one twice, for which there are sums of rows and columns.
    """
    number = len(kept)
    if number < FEWEST:
        return np.nan
    p = projected[kept][:, kept]
    p = p - p.mean(axis=1, keepdims=True)  # no difference for any; less rounding
    p[np.arange(number), np.arange(number)] = 0.0
    rows, columns, square_ = p.sum(axis=1), p.sum(axis=0), np.square(p).sum()
    same = np.square(columns).sum() - square_
    turned = (p * p.transpose(1, 0, 2)).sum()
    apart = np.square(rows.sum(axis=0)).sum() - np.square(rows + columns).sum() + square_ + turned
    triples = number * (number - 1) * (number - 2)
    return float(same / triples - apart / (triples * (number - 3))) / p.shape[2]


def _mean_angle(steps: np.ndarray, limit: float) -> float:
    """Mean angle in degrees between successive steps, from their (steps, steps) inner products."""
    lengths = np.diag(steps)
    if len(steps) < 2 or not np.all(lengths > limit):
        return np.nan
    cosines = np.diagonal(steps, 1) / np.sqrt(lengths[:-1] * lengths[1:])
    return float(np.degrees(np.arccos(cosines.clip(-1.0, 1.0))).mean())


def _participation(products: np.ndarray, limit: float) -> float:
    """(sum of eigenvalues)^2 / sum of squares about the origin."""
    total = np.trace(products)
    return float(total**2 / np.square(products).sum()) if total > limit * len(products) else np.nan
