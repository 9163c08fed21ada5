"""Inner products between the mean responses to each level of each factor in each context.

All that is asked about the subspaces of factors is in them: in place of images there are levels times contexts for each
factor. In a sweep (a crossing of one factor) they are the images themselves. What is debiased here uses each context in
one place of a product only: the mean of products of responses in different contexts has no contribution of what varies
between contexts, which for what holds of any context is noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, permutations

import numpy as np

from mlspatial.analysis.estimates import parts
from mlspatial.analysis.gram import square
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

VERSION = "1"
ROUNDING = 1e-12  # of the mean squared response: less variance is none
PARTS = 4  # of the contexts, which products of two covariances need
CONTEXT = "context"


@dataclass(frozen=True)
class Marginals:
    """Deviations of mean responses, from the mean over all levels in the same context, and the means of contexts.

    factors: of all crossings, in order; contexts: their number C; deviations: inner products of all of them, (m, m)
    float64, m = sum over factors of levels times contexts, a factor's levels outside and its contexts inside;
    with_context: (m, C) inner products with the mean of each context over all its images; of_context: (C, C) those of
    these means, about any origin; energy: mean squared length of a mean response.
    """

    factors: tuple[Factor, ...]
    contexts: int
    deviations: np.ndarray
    with_context: np.ndarray
    of_context: np.ndarray
    energy: float

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(factor.name for factor in self.factors)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Rows of each factor."""
        ends = np.cumsum([0, *(len(factor) * self.contexts for factor in self.factors)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    def block(self, f: int, g: int) -> np.ndarray:
        """(levels of f, contexts, levels of g, contexts) inner products of two factors' deviations."""
        shape = len(self.factors[f]), self.contexts, len(self.factors[g]), self.contexts
        return self.deviations[self.slices[f], self.slices[g]].reshape(shape)

    @cached_property
    def squared(self) -> np.ndarray:
        """(factors, factors, contexts, contexts) sums over both's levels of squared inner products."""
        number = range(len(self.factors))
        return np.array([[np.einsum("lcmd,lcmd->cd", b := self.block(f, g), b) for g in number] for f in number])

    @cached_property
    def own(self) -> np.ndarray:
        """(factors, contexts, contexts) inner products of deviations from the same level, mean over levels."""
        blocks = [self.block(f, f) for f in range(len(self.factors))]
        return np.array([np.einsum("lcld->cd", block) / len(block) for block in blocks])

    def curves(self, groups: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """[f][g] (groups, levels of f, groups, levels of g) inner products of mean curves, each the mean response to a
        level over a group of contexts, about the mean of the curve. groups: numbers of contexts."""
        weights = np.zeros((len(groups), self.contexts))
        for row, group in zip(weights, groups, strict=True):
            row[group] = 1 / len(group)
        found = []
        for rows, factor in zip(self.slices, self.factors, strict=True):
            mean = weights @ self.deviations[rows].reshape(len(factor), self.contexts, -1)  # (levels, groups, m)
            line = [
                mean[..., columns].reshape(*mean.shape[:2], len(other), self.contexts) @ weights.T
                for columns, other in zip(self.slices, self.factors, strict=True)
            ]
            found.append([np.ascontiguousarray(cell.transpose(1, 0, 3, 2)) for cell in line])
        return found


def marginals(gram: np.ndarray, crossings: Sequence[Crossing]) -> Marginals:
    """Mean responses to the levels of all factors in each context.

    gram: (rows, rows) inner products of responses about any one origin; crossings: sweeps of different factors that
    share their contexts (the n-th of one is the n-th of all), or one crossing of several factors.
    Time: as many reads of the Gram as there are factors, and one.
    Raises UserError without a crossing, BadValue for a factor in two of them or other contexts, StimulusMismatch for
    rows beyond the Gram.
    """
    from scipy.sparse import csr_array, vstack

    if not crossings:
        raise UserError("there is no crossing; name at least one")
    gram = square(gram)
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
        if crossing.rows.min() < 0 or crossing.rows.max() >= len(gram):
            raise StimulusMismatch(f"crossing {crossing.name} asks for row {crossing.rows.max()} of {len(gram)}")
        for axis in range(len(crossing.factors)):
            rows = np.moveaxis(crossing.rows, (axis, -1), (0, 1))
            chosen.append(rows.reshape(rows.shape[0] * contexts, -1))
    chosen.append(every.T)
    weights = vstack(
        [
            csr_array(
                (np.full(rows.size, 1 / rows.shape[1]), rows.ravel(), np.arange(0, rows.size + 1, rows.shape[1])),
                shape=(len(rows), len(gram)),
            )
            for rows in chosen
        ]
    ).tocsr()
    means = weights @ (weights @ gram).T
    factors = tuple(factor for crossing in crossings for factor in crossing.factors)
    energy, first = float(np.diag(means).mean()), 0
    for factor in factors:
        some = slice(first, first + len(factor) * contexts)  # in place
        rows = means[some].reshape(len(factor), contexts, -1)
        rows -= rows.mean(axis=0)
        columns = means[:, some].reshape(-1, len(factor), contexts)
        columns -= columns.mean(axis=1, keepdims=True)
        first += len(factor) * contexts
    return Marginals(factors, contexts, means[:first, :first], means[:first, first:], means[first:, first:], energy)


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


def unbiased_variances(means: Marginals, kept: np.ndarray) -> np.ndarray:
    """(factors,) variance of mean curves over levels, the mean over two different contexts of products; NaN of one."""
    if len(kept) < 2:
        return np.full(len(means.factors), np.nan)
    own = means.own[:, kept][:, :, kept]
    return (own.sum(axis=(1, 2)) - np.trace(own, axis1=1, axis2=2)) / (len(kept) * (len(kept) - 1))


def quarters(kept: np.ndarray) -> list[np.ndarray] | None:
    """Four parts of the contexts, or None where there are fewer."""
    return parts(kept, PARTS) if len(kept) >= PARTS else None


def leading(values: np.ndarray, share: float) -> int:
    """How many of the largest eigenvalues hold that share of their sum. values: (n,), descending."""
    held = np.cumsum(values.clip(min=0.0))
    return int(min(np.searchsorted(held, share * held[-1] * (1 - 1e-12)) + 1, len(values)))
