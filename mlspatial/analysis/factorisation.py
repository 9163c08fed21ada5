"""Whether a population keeps what a factor does to it apart from what others do (factorisation), or ignores it.

Lindsey and Issa 2024 (eLife 13:RP91685) define for a scene parameter a, with all others held,

    factorisation (PCA)        = 1 - var(a | subspace of the others) / var(a),
    factorisation (covariance) = 1 - tr(C_a C_o) / (|C_a| |C_o|),
    invariance                 = 1 - var(a) / var(all),

where the subspace of the others is that of the first principal components which hold 90 % of the variance that the
others make (their figure 1B), C are covariances, and |C| Frobenius norms. How variances are taken is settled here:
deviations are those of the mean response to a level from the mean of all levels in the same context (in a sweep: of an
image from its scene's mean), var(a) is their mean squared length, over levels and contexts and summed over units, C_a
their mean outer product. Each other parameter has the same weight however many images it has: C_o is the sum of their
covariances, and var(all) that of all variances, the parameter's own included, so that invariance is from 0 to 1. What
makes contexts differ (object, scene) is one more of the others if it is asked for.

The debiased numbers are those of mean curves over contexts (what a factor does in any context), from products of
different contexts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlspatial.analysis.estimates import Estimate, estimates, jackknifed
from mlspatial.analysis.gram import centred
from mlspatial.analysis.marginals import (
    ROUNDING,
    Marginals,
    leading,
    marginals,
    unbiased_traces,
    unbiased_variances,
)
from mlspatial.core.crossing import Crossing
from mlspatial.core.errors import BadValue

VERSION = "3"
SHARE = 0.9  # of the variance of the others, that their subspace holds
MOST = 1024  # rows of an eigendecomposition, which takes 0.4 s and is done for each factor and context left out


@dataclass(frozen=True)
class Factorisation:
    """Of one factor. pca, covariance, invariance: as published, with jackknife errors over contexts; debiased,
    debiased_invariance: the covariance variant and the invariance of mean curves, from products of different contexts
    (may leave 0 to 1 by chance); variance: its var(a), other_variance: of the others together, in squared units of
    response; components: principal components in the others' subspace; contexts: of which the PCA variant is.

    NaN: factorisation of a factor without variance or without others that have some, invariance of a population without
    variance, debiased with fewer than 4 contexts (invariance: 2), its error with fewer than 5 (3).
    """

    factor: str
    pca: Estimate
    covariance: Estimate
    invariance: Estimate
    debiased: Estimate
    debiased_invariance: Estimate
    variance: float
    other_variance: float
    components: int
    contexts: int


def factorisation(
    gram: np.ndarray,
    crossings: Sequence[Crossing],
    *,
    share: float = SHARE,
    context: bool = False,
    most: int = MOST,
) -> list[Factorisation]:
    """Factorisation and invariance of every factor of the crossings.

    gram: (rows, rows) inner products of responses about any one origin, float64; crossings: sweeps of different factors
    that share their contexts, or one crossing of several factors; share: of the others' variance in their subspace;
    context: whether what differs between contexts is one of the others (not in the debiased numbers); most: where the
    others have more levels times contexts than this the PCA variant is that of as many contexts, evenly spread, as fit;
    all others are of all contexts. Raises as marginals; BadValue for a share not in (0, 1].
    """
    if not 0 < share <= 1:
        raise BadValue("share", share, "expected a share of the variance, above 0 and at most 1")
    means = marginals(gram, crossings)
    return factorisation_of(means, share=share, context=context, most=most)


def factorisation_of(
    means: Marginals, *, share: float = SHARE, context: bool = False, most: int = MOST, errors: bool = True
) -> list[Factorisation]:
    """The same from inner products of mean responses that are at hand. errors: of the PCA variant too, which takes its
    eigendecompositions for each context left out; else they are NaN."""
    number, contexts, draws = len(means.factors), means.contexts, means.independent
    every, clusters = np.arange(contexts), np.array(means.clusters or range(contexts))

    def published(kept: np.ndarray) -> np.ndarray:
        products, variances = _products(means, kept, context)
        return np.stack([_cosine_variant(products, variances, means), _invariance(variances, means)], axis=1)[:number]

    def debiased(kept: np.ndarray) -> np.ndarray:
        return np.stack([_debiased(draws, kept), _invariance(unbiased_variances(draws, kept), means)], axis=1)

    plain, plain_error = jackknifed(published, contexts, 1, clusters)
    fair, fair_error = jackknifed(debiased, draws.contexts, 2)
    columns = [estimates(plain[:, i], plain_error[:, i], draws.contexts) for i in range(2)]
    columns += [estimates(fair[:, i], fair_error[:, i], draws.contexts) for i in range(2)]
    _, variances = _products(means, every, context)
    found = []
    for f, name in enumerate(means.names):
        rows = sum(len(factor) for factor in means.factors) - len(means.factors[f]) + context
        fitting = max(1, min(contexts, most // max(rows, 1)))
        some = np.arange(fitting) * contexts // fitting
        _, of_some = np.unique(clusters[some], return_inverse=True)

        def pca(kept: np.ndarray, f: int = f, some: np.ndarray = some) -> np.ndarray:
            return np.array(_pca_variant(means, f, some[kept], share, context))

        value, error = jackknifed(pca, fitting, 1 if errors else fitting, of_some)
        found.append(
            Factorisation(
                name,
                estimates(value[:1], error[:1], int(of_some.max()) + 1)[0],
                columns[0][f],
                columns[1][f],
                columns[2][f],
                columns[3][f],
                float(variances[f]),
                float(variances.sum() - variances[f]),
                int(value[1]),
                fitting,
            )
        )
    return found


def _products(means: Marginals, kept: np.ndarray, context: bool) -> tuple[np.ndarray, np.ndarray]:
    """tr(C_f C_g) (sources, sources) and var(f) (sources,): the factors, and what differs between contexts."""
    levels = np.array([len(factor) for factor in means.factors])
    images = levels * len(kept)
    products = means.squared[:, :, kept][:, :, :, kept].sum(axis=(2, 3)) / np.outer(images, images)
    variances = np.einsum("fcc->f", means.own[:, kept][:, :, kept]) / len(kept)
    if not context:
        return products, variances
    across, among = _with_context(means, kept)
    shared = [np.square(across[rows].reshape(-1, means.contexts, len(kept))[:, kept]).sum() for rows in means.slices]
    column = np.array(shared) / (images * len(kept))
    corner = np.square(among).sum() / len(kept) ** 2
    return np.block([[products, column[:, None]], [column, corner]]), np.append(variances, np.trace(among) / len(kept))


def _with_context(means: Marginals, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the kept contexts' means from their mean: inner products with all deviations (m, k), and their own (k, k)."""
    across = means.with_context[:, kept]
    return across - across.mean(axis=1, keepdims=True), centred(means.of_context[np.ix_(kept, kept)])


def _invariance(variances: np.ndarray, means: Marginals) -> np.ndarray:
    total = variances.sum()
    return 1 - variances / total if total > ROUNDING * means.energy else np.full(len(variances), np.nan)


def _cosine_variant(products: np.ndarray, variances: np.ndarray, means: Marginals) -> np.ndarray:
    limit = ROUNDING * means.energy
    found = np.full(len(variances), np.nan)
    for f in range(len(variances)):
        others = np.arange(len(variances)) != f
        if variances[f] > limit and variances[others].sum() > limit:
            own, other = products[f, f], products[np.ix_(others, others)].sum()
            found[f] = 1 - products[f, others].sum() / np.sqrt(own * other)
    return found


def _pca_variant(means: Marginals, f: int, kept: np.ndarray, share: float, context: bool) -> tuple[float, int]:
    """Of one factor, and how many components the others' subspace has."""

    def rows(g: int) -> np.ndarray:
        return (means.slices[g].start + np.arange(len(means.factors[g]))[:, None] * means.contexts + kept).ravel()

    others = [rows(g) for g in range(len(means.factors)) if g != f]
    own = rows(f)
    weights = [np.full(len(one), len(one) ** -0.5) for one in others]
    flat = np.concatenate([np.zeros(0, int), *others])
    across, among = means.deviations[np.ix_(flat, own)], means.deviations[np.ix_(flat, flat)]
    if context:
        with_context, of_context = _with_context(means, kept)
        across = np.concatenate([across, with_context[own].T])
        among = np.block([[among, with_context[flat]], [with_context[flat].T, of_context]])
        weights.append(np.full(len(kept), len(kept) ** -0.5))
    weight = np.concatenate([np.zeros(0), *weights])
    across, among = across * weight[:, None] / np.sqrt(len(own)), among * weight * weight[:, None]
    variance, limit = float(means.deviations[own, own].mean()), ROUNDING * means.energy
    if variance <= limit or np.trace(among) <= limit:
        return np.nan, 0
    values, vectors = np.linalg.eigh(among)
    values, vectors = values[::-1], vectors[:, ::-1]
    number = min(leading(values, share), int((values > 1e-10 * values[0]).sum()))
    inside = np.square(vectors[:, :number].T @ across).sum(axis=1) / values[:number]
    return 1 - float(inside.sum()) / variance, number


def _debiased(means: Marginals, kept: np.ndarray) -> np.ndarray:
    """(factors,) covariance variant for mean curves."""
    number = len(means.factors)
    products, _ = unbiased_traces(means, kept)
    found = np.full(number, np.nan)
    for f in range(number):
        others = np.arange(number) != f
        own, other, shared = products[f, f], products[np.ix_(others, others)].sum(), products[f, others].sum()
        limit = (ROUNDING * means.energy) ** 2
        if own > limit and other > limit:
            found[f] = 1 - shared / np.sqrt(own * other)
    return found
