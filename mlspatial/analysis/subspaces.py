"""How many dimensions of a population each factor moves, and how much the subspaces of two factors share.

Of mean curves: the mean response to each level, over other factors and contexts, about the mean of all levels. A curve
of a levels has at most a - 1 dimensions. The participation ratio is (sum of eigenvalues)^2 / sum of their squares of
its covariance; that of a finite number of contexts is too large, and that of products of different contexts is not.
Source: Gao et al. 2017 (participation ratio); Bjorck and Golub 1973 (principal angles).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

import numpy as np

from mlspatial.analysis.estimates import Estimate, estimates, jackknifed, parts
from mlspatial.analysis.factorisation import SHARE
from mlspatial.analysis.marginals import ROUNDING, Marginals, leading, unbiased_traces
from mlspatial.core.errors import BadValue

VERSION = "3"


@dataclass(frozen=True)
class Dimension:
    """Of one factor. participation_ratio: of its mean curve, as it is; debiased: from products of four different
    contexts; components: principal components that hold 90 % of the curve's variance; stability: mean squared cosine
    between the subspaces (of 90 %) of the two halves of the contexts, 1 where they are the same.
    NaN: of a factor without variance; debiased with fewer than 4 contexts or where its denominator is not above 0,
    stability of one context; components is then 0."""

    factor: str
    participation_ratio: Estimate
    debiased: Estimate
    components: int
    stability: Estimate


@dataclass(frozen=True)
class Overlap:
    """Of the subspaces of two factors, each of the principal components that hold 90 % of a mean curve's variance.
    angles: principal angles in degrees, ascending, (the smaller number of components,); mean_squared_cosine: over
    these, 0 orthogonal, 1 one in the other; halves: the same with the two subspaces from different halves of the
    contexts, so that what a context does to both is not shared (both ways, averaged); alignment: tr(C_a C_b) /
    (|C_a| |C_b|) of the covariances of mean curves, debiased, from four different contexts.
    NaN: where a factor has no variance; halves of one context, alignment of fewer than 4."""

    first: str
    second: str
    angles: tuple[float, ...]
    mean_squared_cosine: Estimate
    halves: Estimate
    alignment: Estimate


def dimensions(means: Marginals, *, share: float = SHARE) -> list[Dimension]:
    """Of every factor. means: of marginals(); share: of a curve's variance that its subspace holds. Errors are the
    jackknife's over contexts. Raises BadValue for a share not in (0, 1]."""
    _check(share)
    means = means.independent
    number, contexts, energy = len(means.factors), means.contexts, means.energy

    def numbers(kept: np.ndarray) -> np.ndarray:
        """Participation ratio, debiased, stability."""
        found = np.full((3, number), np.nan)
        whole, halves = _curves(means, kept)
        for f in range(number):
            found[0, f] = _participation(whole[f][f][0, :, 0], energy)
            if halves is not None:
                found[2, f] = _mean_square(_cosines(halves, f, f, (0, 1), share, energy))
        products, squares = unbiased_traces(means, kept)
        found[1] = squares / np.where(np.diag(products) > (ROUNDING * energy) ** 2, np.diag(products), np.nan)
        return found

    values, errors = jackknifed(numbers, contexts, 1)
    columns = [estimates(value, error, contexts) for value, error in zip(values, errors, strict=True)]
    whole = means.curves([np.arange(contexts)])
    components = [len(_basis(whole[f][f][0, :, 0], share, energy)[0]) for f in range(number)]
    return [
        Dimension(name, columns[0][f], columns[1][f], components[f], columns[2][f])
        for f, name in enumerate(means.names)
    ]


def overlaps(means: Marginals, *, share: float = SHARE) -> list[Overlap]:
    """Of every two factors, in order. Parameters and errors as dimensions."""
    _check(share)
    means = means.independent
    contexts, energy, pairs = means.contexts, means.energy, list(combinations(range(len(means.factors)), 2))
    if not pairs:
        return []

    def numbers(kept: np.ndarray) -> np.ndarray:
        """Mean squared cosine, that of halves, alignment."""
        found = np.full((3, len(pairs)), np.nan)
        whole, halves = _curves(means, kept)
        for i, (f, g) in enumerate(pairs):
            found[0, i] = _mean_square(_cosines(whole, f, g, (0, 0), share, energy))
            if halves is not None:
                ways = [_mean_square(_cosines(halves, f, g, way, share, energy)) for way in ((0, 1), (1, 0))]
                found[1, i] = np.mean(ways)
        products, _ = unbiased_traces(means, kept)
        own = np.where(np.diag(products) > (ROUNDING * energy) ** 2, np.diag(products), np.nan)
        found[2] = [products[f, g] / np.sqrt(own[f] * own[g]) for f, g in pairs]
        return found

    values, errors = jackknifed(numbers, contexts, 1)
    columns = [estimates(value, error, contexts) for value, error in zip(values, errors, strict=True)]
    whole = means.curves([np.arange(contexts)])
    found = []
    for i, (f, g) in enumerate(pairs):
        cosines = _cosines(whole, f, g, (0, 0), share, energy)
        angles = tuple(float(angle) for angle in np.degrees(np.arccos(cosines.clip(0.0, 1.0))))
        found.append(Overlap(means.names[f], means.names[g], angles, columns[0][i], columns[1][i], columns[2][i]))
    return found


Curves: TypeAlias = list[list[np.ndarray]]


def _check(share: float) -> None:
    if not 0 < share <= 1:
        raise BadValue("share", share, "expected a share of the variance, above 0 and at most 1")


def _curves(means: Marginals, kept: np.ndarray) -> tuple[Curves, Curves | None]:
    """As Marginals.curves: of all contexts, and of every second and the others."""
    halves = parts(kept, 2)
    if not all(len(half) for half in halves):
        return means.curves([kept]), None
    curves = means.curves(halves)
    weight = np.array([len(half) for half in halves]) / len(kept)
    return [
        [np.einsum("p,q,plqm->lm", weight, weight, cell)[None, :, None] for cell in line] for line in curves
    ], curves


def _participation(own: np.ndarray, energy: float) -> float:
    """own: (levels, levels) inner products of a curve about its mean."""
    return np.trace(own) ** 2 / np.square(own).sum() if np.trace(own) > ROUNDING * energy * len(own) else np.nan


def _basis(own: np.ndarray, share: float, energy: float) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (k,), eigenvectors (levels, k) of the principal components that hold a share; none of a constant."""
    values, vectors = np.linalg.eigh(own)
    values, vectors = values[::-1], vectors[:, ::-1]
    if values.sum() <= ROUNDING * energy * len(own):
        return values[:0], vectors[:, :0]
    kept = min(leading(values, share), int((values > 1e-10 * values[0]).sum()))
    return values[:kept], vectors[:, :kept]


def _cosines(
    curves: list[list[np.ndarray]], f: int, g: int, groups: tuple[int, int], share: float, energy: float
) -> np.ndarray:
    """Cosines of the principal angles, descending, between f's subspace of one group and g's of another."""
    p, q = groups
    first, first_vectors = _basis(curves[f][f][p, :, p], share, energy)
    second, second_vectors = _basis(curves[g][g][q, :, q], share, energy)
    if not len(first) or not len(second):
        return np.zeros(0)
    across = first_vectors.T @ curves[f][g][p, :, q] @ second_vectors / np.sqrt(np.outer(first, second))
    return np.linalg.svd(across, compute_uv=False)


def _mean_square(cosines: np.ndarray) -> float:
    return float(np.square(cosines).mean()) if len(cosines) else np.nan
