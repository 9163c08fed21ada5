"""Inner products between the mean responses to each level of each factor in each context.

All that is asked about the subspaces of factors is in them: in place of images there are levels times contexts for each
factor. In a sweep (a crossing of one factor) they are the images themselves. What is debiased here uses each context in
one place of a product only: the mean of products of responses in different contexts has no contribution of what varies
between contexts, which for what holds of any context is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.analysis.estimates import parts
from mlspatial.analysis.gram import square
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

VERSION = "1"
ROUNDING = 1e-12  # of the mean squared response: less variance is none
PARTS = 4  # of the contexts, which products of two covariances need
CONTEXT = "context"


@dataclass(frozen=True)
class Marginals:
    """factors: of all crossings, in order; contexts: their number; gram: inner products of all mean responses, (m, m)
    float64, m = sum over factors of levels times contexts, a factor's levels outside and its contexts inside, then of
    the mean of each context over all its images; energy: mean squared length of a mean response."""

    factors: tuple[Factor, ...]
    contexts: int
    gram: np.ndarray
    energy: float

    @classmethod
    def of(cls, gram: np.ndarray, crossings: Sequence[Crossing]) -> Marginals:
        """From inner products of the mean responses that mean_weights makes."""
        factors = tuple(factor for crossing in crossings for factor in crossing.factors)
        return cls(factors, crossings[0].contexts, gram, float(np.diag(gram).mean()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(factor.name for factor in self.factors)

    def within(self, kept: np.ndarray, *, context: bool = False) -> Deviations:
        """Of every level in every kept context from the mean of all levels in the same context; context: after the
        factors also the mean of every context from that of all kept. kept: (k,) numbers of contexts."""
        indices, first = [], 0
        for factor in self.factors:
            of_factor = np.arange(first, first + len(factor) * self.contexts).reshape(len(factor), self.contexts)
            indices.append(of_factor[:, kept])
            first += of_factor.size
        if context:
            indices.append(first + kept[:, None])
        return _centred(self.gram, indices, self.energy)

    def curves(self, groups: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """[f][g] (groups, levels of f, groups, levels of g) inner products of mean curves, each the mean response to a
        level over a group of contexts, about the mean of the curve. groups: numbers of contexts."""
        weights = np.zeros((len(groups), self.contexts))
        for row, group in zip(weights, groups, strict=True):
            row[group] = 1 / len(group)
        found, starts = [], np.cumsum([0, *(len(factor) * self.contexts for factor in self.factors)])
        half = []
        for first, factor in zip(starts[:-1], self.factors, strict=True):
            rows = self.gram[first : first + len(factor) * self.contexts, : starts[-1]]
            mean = np.einsum("pc,lcm->plm", weights, rows.reshape(len(factor), self.contexts, -1), optimize=True)
            half.append(mean - mean.mean(axis=1, keepdims=True))
        for rows in half:
            line = []
            for first, factor in zip(starts[:-1], self.factors, strict=True):
                columns = rows[..., first : first + len(factor) * self.contexts]
                columns = columns.reshape(*rows.shape[:2], len(factor), self.contexts)
                mean = np.einsum("qc,plmc->plqm", weights, columns, optimize=True)
                line.append(mean - mean.mean(axis=3, keepdims=True))
            found.append(line)
        return found


@dataclass(frozen=True)
class Deviations:
    """gram: (m, m) inner products of centred mean responses; slices: the rows of each factor (then of the context);
    energy: as in Marginals."""

    gram: np.ndarray
    slices: tuple[slice, ...]
    energy: float

    def block(self, first: int, second: int) -> np.ndarray:
        """Of two factors, each row divided by the square root of their number, so that the squared Frobenius norm is
        the trace of the product of the two covariances, (rows of the first, rows of the second)."""
        found = self.gram[self.slices[first], self.slices[second]]
        return found / np.sqrt(found.shape[0] * found.shape[1])

    def variances(self) -> np.ndarray:
        """(factors,) mean squared deviation, summed over units."""
        diagonal = np.diag(self.gram)
        return np.array([diagonal[rows].mean() for rows in self.slices])


def marginals(gram: np.ndarray, crossings: Sequence[Crossing]) -> Marginals:
    """Mean responses to the levels of all factors in each context.

    gram: (rows, rows) inner products of responses about any one origin; crossings: sweeps of different factors that
    share their contexts (the n-th of one is the n-th of all), or one crossing of several factors.
    Time: as many reads of the Gram as there are factors, and one.
    Raises UserError without a crossing, BadValue for a factor in two of them or other contexts, StimulusMismatch for
    rows beyond the Gram.
    """
    gram = square(gram)
    weights = mean_weights(crossings, len(gram))
    return Marginals.of(weights @ (weights @ gram).T, crossings)


def mean_weights(crossings: Sequence[Crossing], rows: int) -> csr_array:
    """(m, rows) weights of responses in the mean responses that Marginals.gram is of, in its order.

    Raises as marginals.
    """
    from scipy.sparse import csr_array, vstack

    if not crossings:
        raise UserError("there is no crossing; name at least one")
    names = [factor.name for crossing in crossings for factor in crossing.factors]
    for name in names:
        if names.count(name) > 1 or name == CONTEXT:
            raise BadValue("factor", name, "each factor is varied in one crossing, and none is named context")
    contexts = crossings[0].contexts
    chosen, every = (
        [],
        np.concatenate(
            [crossing.rows.reshape(-1, crossing.contexts) for crossing in crossings if crossing.contexts == contexts]
        ),
    )
    for crossing in crossings:
        if crossing.contexts != contexts:
            raise BadValue("contexts", crossing.contexts, f"crossing {crossing.name} shares its {contexts} contexts")
        if crossing.rows.min() < 0 or crossing.rows.max() >= rows:
            raise StimulusMismatch(f"crossing {crossing.name} asks for row {crossing.rows.max()} of {rows}")
        for axis in range(len(crossing.factors)):
            of_axis = np.moveaxis(crossing.rows, (axis, -1), (0, 1))
            chosen.append(of_axis.reshape(of_axis.shape[0] * contexts, -1))
    chosen.append(every.T)
    return vstack(
        [
            csr_array(
                (np.full(some.size, 1 / some.shape[1]), some.ravel(), np.arange(0, some.size + 1, some.shape[1])),
                shape=(len(some), rows),
            )
            for some in chosen
        ]
    ).tocsr()


def unbiased_traces(curves: list[list[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """tr(C_f C_g) (factors, factors) and (tr C_f)^2 (factors,) of the covariances of mean curves over their levels.

    curves: of Marginals.curves with four groups without a common context. Each of the four factors of a product is of
    another group, in all 24 orders, so that neither has the contribution of what varies between contexts.
    """
    number = len(curves)
    products, squares = np.zeros((number, number)), np.zeros(number)
    orders = list(permutations(range(PARTS)))
    for p, q, r, s in orders:
        for f in range(number):
            for g in range(number):
                cell = curves[f][g]
                products[f, g] += np.vdot(cell[p, :, q], cell[r, :, s]) / (cell.shape[1] * cell.shape[3])
            own = curves[f][f]
            squares[f] += np.trace(own[p, :, q]) * np.trace(own[r, :, s]) / own.shape[1] ** 2
    return products / len(orders), squares / len(orders)


def unbiased_variances(deviations: Deviations, kept: int) -> np.ndarray:
    """(factors,) variance of mean curves over levels, the mean over two different contexts of products; NaN of one."""
    found = np.full(len(deviations.slices), np.nan)
    for i, rows in enumerate(deviations.slices) if kept > 1 else ():
        own = deviations.gram[rows, rows]
        levels = len(own) // kept
        of_level = np.einsum("lcld->lcd", own.reshape(levels, kept, levels, kept)).sum(0)
        found[i] = (of_level.sum() - np.trace(of_level)) / (kept * (kept - 1) * levels)
    return found


def quarters(kept: np.ndarray) -> list[np.ndarray] | None:
    """Four parts of the contexts, or None where there are fewer."""
    return parts(kept, PARTS) if len(kept) >= PARTS else None


def leading(values: np.ndarray, share: float) -> int:
    """How many of the largest eigenvalues hold that share of their sum. values: (n,), descending."""
    held = np.cumsum(values.clip(min=0.0))
    return int(min(np.searchsorted(held, share * held[-1] * (1 - 1e-12)) + 1, len(values)))


def _centred(gram: np.ndarray, indices: list[np.ndarray], energy: float) -> Deviations:
    flat = np.concatenate([index.ravel() for index in indices])
    slices, first = [], 0
    for index in indices:
        slices.append(slice(first, first + index.size))
        first += index.size
    found = gram[np.ix_(flat, flat)]
    for _ in range(2):
        for index, rows in zip(indices, slices, strict=True):
            block = found[rows].reshape(*index.shape, -1)
            found[rows] = (block - block.mean(axis=0)).reshape(index.size, -1)
        found = found.T.copy()
    return Deviations(found, tuple(slices), energy)
