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
from mlspatial.analysis.marginals import (
    ROUNDING,
    Deviations,
    Marginals,
    leading,
    marginals,
    quarters,
    unbiased_traces,
    unbiased_variances,
)
from mlspatial.core.crossing import Crossing
from mlspatial.core.errors import BadValue

VERSION = "1"
SHARE = 0.9  # of the variance of the others, that their subspace holds


@dataclass(frozen=True)
class Factorisation:
    """Of one factor. pca, covariance, invariance: as published, with jackknife errors over contexts; debiased,
    debiased_invariance: the covariance variant and the invariance of mean curves, from products of different contexts
    (may leave 0 to 1 by chance); variance: its var(a), other_variance: of the others together, in squared units of
    response; components: principal components in the others' subspace.

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


def factorisation(
    gram: np.ndarray, crossings: Sequence[Crossing], *, share: float = SHARE, context: bool = False
) -> list[Factorisation]:
    """Factorisation and invariance of every factor of the crossings.

    gram: (rows, rows) inner products of responses about any one origin, float64; crossings: sweeps of different factors
    that share their contexts, or one crossing of several factors; share: of the others' variance in their subspace;
    context: whether what differs between contexts is one of the others (not in the debiased numbers).
    Time: for the PCA variant an eigendecomposition of as many rows as the others have levels times contexts, for each
    factor and each context left out. Raises as marginals; BadValue for a share not in (0, 1].
    """
    if not 0 < share <= 1:
        raise BadValue("share", share, "expected a share of the variance, above 0 and at most 1")
    means = marginals(gram, crossings)
    return factorisation_of(means, share=share, context=context)


def factorisation_of(means: Marginals, *, share: float = SHARE, context: bool = False) -> list[Factorisation]:
    """The same from inner products of mean responses that are at hand."""
    number, contexts = len(means.factors), means.contexts

    def published(kept: np.ndarray) -> np.ndarray:
        deviations = means.within(kept, context=context)
        return np.array([_published(deviations, f, share)[:3] for f in range(number)])

    def debiased(kept: np.ndarray) -> np.ndarray:
        return np.stack([_debiased(means, kept), _debiased_invariance(means, kept)], axis=1)

    whole = means.within(np.arange(contexts), context=context)
    plain, plain_error = jackknifed(published, contexts, 1)
    fair, fair_error = jackknifed(debiased, contexts, 2)
    variances = whole.variances()
    columns = [estimates(plain[:, i], plain_error[:, i], contexts) for i in range(3)]
    columns += [estimates(fair[:, i], fair_error[:, i], contexts) for i in range(2)]
    return [
        Factorisation(
            name,
            columns[0][f],
            columns[1][f],
            columns[2][f],
            columns[3][f],
            columns[4][f],
            float(variances[f]),
            float(variances.sum() - variances[f]),
            int(_published(whole, f, share)[3]),
        )
        for f, name in enumerate(means.names)
    ]


def _published(deviations: Deviations, factor: int, share: float) -> tuple[float, float, float, int]:
    """PCA variant, covariance variant, invariance, components of a factor."""
    variances = deviations.variances()
    own, total = variances[factor], variances.sum()
    limit = ROUNDING * deviations.energy
    invariance = 1 - own / total if total > limit else np.nan
    others = [g for g in range(len(variances)) if g != factor]
    if own <= limit or total - own <= limit:
        return np.nan, np.nan, invariance, 0
    across = np.concatenate([deviations.block(g, factor) for g in others])
    among = np.block([[deviations.block(g, h) for h in others] for g in others])
    values, vectors = np.linalg.eigh(among)
    values, vectors = values[::-1], vectors[:, ::-1]
    kept = leading(values, share)
    kept = min(kept, int((values > 1e-10 * values[0]).sum()))
    inside = np.square(vectors[:, :kept].T @ across).sum(axis=1) / values[:kept]
    cosine = np.square(across).sum() / np.linalg.norm(among) / np.linalg.norm(deviations.block(factor, factor))
    return 1 - inside.sum() / own, 1 - cosine, invariance, kept


def _debiased(means: Marginals, kept: np.ndarray) -> np.ndarray:
    """(factors,) covariance variant for mean curves."""
    number = len(means.factors)
    groups = quarters(kept)
    if groups is None:
        return np.full(number, np.nan)
    products, _ = unbiased_traces(means.curves(groups))
    found = np.full(number, np.nan)
    for f in range(number):
        others = np.arange(number) != f
        own, other, shared = products[f, f], products[np.ix_(others, others)].sum(), products[f, others].sum()
        limit = (ROUNDING * means.energy) ** 2
        if own > limit and other > limit:
            found[f] = 1 - shared / np.sqrt(own * other)
    return found


def _debiased_invariance(means: Marginals, kept: np.ndarray) -> np.ndarray:
    variances = unbiased_variances(means.within(kept), len(kept))
    total = variances.sum()
    return 1 - variances / total if total > ROUNDING * means.energy else np.full(len(variances), np.nan)
