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
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.analysis.estimates import of_clusters
from mlspatial.analysis.gram import square
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

VERSION = "3"
ROUNDING = 1e-12  # of the mean squared response: less variance is none
FEWEST = 4  # contexts, which products of two covariances need
CONTEXT = "context"


@dataclass(frozen=True)
class Marginals:
    """factors: of all crossings, in order; contexts: their number C; gram: inner products of all mean responses about
    any one origin, (m + C, m + C) float64, m = sum over factors of levels times contexts, a factor's levels outside and
    its contexts inside, then of the mean of each context over all its images; energy: mean squared length of a mean
    response; clusters: of the contexts, as in Crossing, (): each is one."""

    factors: tuple[Factor, ...]
    contexts: int
    gram: np.ndarray
    energy: float
    clusters: tuple[int, ...] = ()

    @classmethod
    def of(cls, gram: np.ndarray, crossings: Sequence[Crossing]) -> Marginals:
        """From inner products of the mean responses that mean_weights makes."""
        factors = tuple(factor for crossing in crossings for factor in crossing.factors)
        return cls(factors, crossings[0].contexts, gram, float(np.diag(gram).mean()), crossings[0].clusters)

    @cached_property
    def independent(self) -> Marginals:
        """Of clusters in place of contexts, each the mean over its contexts: independent draws for what is debiased."""
        if len(set(self.clusters)) in (0, self.contexts):
            return self
        levels = sum(len(factor) for factor in self.factors)
        gram = self.gram.reshape(levels + 1, self.contexts, levels + 1, self.contexts)
        number = max(self.clusters) + 1
        found = of_clusters(gram, self.clusters, 1, 3).reshape((levels + 1) * number, -1)
        return Marginals(self.factors, number, found, self.energy)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(factor.name for factor in self.factors)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """Rows of each factor."""
        ends = np.cumsum([0, *(len(factor) * self.contexts for factor in self.factors)])
        return tuple(slice(int(a), int(b)) for a, b in pairwise(ends))

    @cached_property
    def _centred(self) -> np.ndarray:
        found = np.array(self.gram, np.float64)
        for some, factor in zip(self.slices, self.factors, strict=True):  # in place
            rows = found[some].reshape(len(factor), self.contexts, -1)
            rows -= rows.mean(axis=0)
            columns = found[:, some].reshape(-1, len(factor), self.contexts)
            columns -= columns.mean(axis=1, keepdims=True)
        return found

    @property
    def deviations(self) -> np.ndarray:
        """(m, m) inner products of mean responses about the mean over all levels in the same context."""
        end = self.slices[-1].stop
        return self._centred[:end, :end]

    @property
    def with_context(self) -> np.ndarray:
        """(m, C) inner products of these with the mean of each context over all its images."""
        end = self.slices[-1].stop
        return self._centred[:end, end:]

    @property
    def of_context(self) -> np.ndarray:
        """(C, C) inner products of these means, about any origin."""
        end = self.slices[-1].stop
        return self.gram[end:, end:]

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

    @cached_property
    def crossed(self) -> np.ndarray:
        """(factors, factors, contexts, contexts) as squared, of the product in contexts c, d times that in d, c."""
        number = range(len(self.factors))
        blocks = [[self.block(f, g) for g in number] for f in number]
        return np.array([[np.einsum("lcmd,ldmc->cd", block, block) for block in line] for line in blocks])

    @cached_property
    def _levels(self) -> list[slice]:
        ends = np.cumsum([0, *(len(factor) for factor in self.factors)])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    @cached_property
    def _same_context(self) -> np.ndarray:
        """(levels of all factors, contexts, levels of all factors) inner products in one context."""
        levels = self._levels[-1].stop
        return np.einsum("acbc->acb", self.deviations.reshape(levels, self.contexts, levels, self.contexts)).copy()

    def sums_over_others(self, kept: np.ndarray) -> list[list[np.ndarray]]:
        """[f][g] (levels of f, kept contexts, levels of g) sums of the inner products of f's deviations in each context
        with g's in all other kept ones."""
        weights = np.zeros(self.contexts)
        weights[kept] = 1.0
        levels = self._levels[-1].stop
        sums = (self.deviations.reshape(-1, self.contexts) @ weights).reshape(levels, self.contexts, levels)
        rest = (sums - self._same_context)[:, kept]
        return [[rest[rows][..., columns] for columns in self._levels] for rows in self._levels]

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
    contexts, chosen = crossings[0].contexts, []
    for crossing in crossings:
        if crossing.seen_in != crossings[0].seen_in:
            expected = f"crossing {crossing.name} must have the contexts of {crossings[0].name}"
            raise BadValue("contexts", crossing.contexts, expected)
        if crossing.rows.min() < 0 or crossing.rows.max() >= rows:
            raise StimulusMismatch(f"crossing {crossing.name} asks for row {crossing.rows.max()} of {rows}")
        for axis in range(len(crossing.factors)):
            of_axis = np.moveaxis(crossing.rows, (axis, -1), (0, 1))
            chosen.append(of_axis.reshape(of_axis.shape[0] * contexts, -1))
    chosen.append(np.concatenate([crossing.rows.reshape(-1, contexts) for crossing in crossings]).T)
    return vstack(
        [
            csr_array(
                (np.full(some.size, 1 / some.shape[1]), some.ravel(), np.arange(0, some.size + 1, some.shape[1])),
                shape=(len(some), rows),
            )
            for some in chosen
        ]
    ).tocsr()


def deviation_weights(crossings: Sequence[Crossing], rows: int) -> csr_array:
    """As mean_weights, but of mean responses about the mean over all levels in the same context: from responses in
    float32 what a factor does is then not lost beside what differs between contexts. Marginals.of takes either."""
    from scipy.sparse import block_diag, eye_array, kron

    contexts = crossings[0].contexts
    blocks = []
    for crossing in crossings:
        for factor in crossing.factors:
            levels = len(factor)
            about_mean = np.eye(levels) - 1 / levels
            blocks.append(kron(about_mean, eye_array(contexts)))
    return (block_diag([*blocks, eye_array(contexts)]).tocsr() @ mean_weights(crossings, rows)).tocsr()


def unbiased_traces(means: Marginals, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """tr(C_f C_g) (factors, factors) and (tr C_f)^2 (factors,) of the covariances of mean curves over their levels.

    The mean over all choices of four different contexts, one for each factor of a product, so that neither has the
    contribution of what varies between contexts; NaN for fewer than four. With Q_pq the inner products in contexts p
    and q, 0 for p = q, and R, S sums of its rows and columns, the sum of Q_pq Q_rs over four different contexts is

        (sum Q)^2 - sum (R_p + S_p)^2 + sum Q_pq^2 + sum Q_pq Q_qp.
    """
    factors, number = range(len(means.factors)), len(kept)
    products, squares = np.full((len(factors),) * 2, np.nan), np.full(len(factors), np.nan)
    if number < FEWEST:
        return products, squares
    choices = number * (number - 1) * (number - 2) * (number - 3)
    sums = means.sums_over_others(kept)
    pairs = (means.squared + means.crossed)[:, :, kept][:, :, :, kept]
    pairs = pairs.sum(axis=(2, 3)) - np.trace(pairs, axis1=2, axis2=3)
    for f in factors:
        levels = len(means.factors[f])
        for g in factors:
            whole = np.square(sums[f][g].sum(axis=1)).sum()
            once = np.square(sums[f][g] + sums[g][f].transpose(2, 1, 0)).sum()
            products[f, g] = (whole - once + pairs[f, g]) / (choices * levels * len(means.factors[g]))
        own = means.own[f][np.ix_(kept, kept)].copy()
        np.fill_diagonal(own, 0.0)
        squares[f] = (own.sum() ** 2 - 4 * np.square(own.sum(axis=0)).sum() + 2 * np.square(own).sum()) / choices
    return products, squares


def unbiased_variances(means: Marginals, kept: np.ndarray) -> np.ndarray:
    """(factors,) variance of mean curves over levels, the mean over two different contexts of products; NaN of one."""
    if len(kept) < 2:
        return np.full(len(means.factors), np.nan)
    own = means.own[:, kept][:, :, kept]
    return (own.sum(axis=(1, 2)) - np.trace(own, axis1=1, axis2=2)) / (len(kept) * (len(kept) - 1))


def leading(values: np.ndarray, share: float) -> int:
    """How many of the largest eigenvalues hold that share of their sum. values: (n,), descending."""
    held = np.cumsum(values.clip(min=0.0))
    return int(min(np.searchsorted(held, share * held[-1] * (1 - 1e-12)) + 1, len(values)))
