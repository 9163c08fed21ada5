"""How much of the variance of a population, or of each unit, the factors of a crossing and its contexts make.

A crossing without repeats is a complete block design: the sum of squares of all its images is that of orthogonal
effects, one for each set of factors (of one: its main effect; of more: their interaction), alone and with the context.
Of a population a sum of squares is the sum over its units, which inner products between images give:

    SS(e) = tr(P_e K),  P_e = product over factors of (I - J/a) in e, J/a else.

The factors' levels are fixed, contexts are a random sample (the restricted mixed model): E MS(e) is E MS(e x context)
and what the effect itself adds, so that with C independent contexts and N cells

    component(e)           = (SS(e) - SS(e x context) / (C - 1)) / (N C)
    component(e x context) = SS(e x context) / (N (C - 1)),

the first being the mean over two different contexts of the inner product of their effects: unbiased, and below 0 by
chance. Where contexts come in clusters (objects, each in several scenes) the two are of different clusters, and what is
left of the mean squared effect in one context is that of e x context. All components together are the variance of the
response to a random cell in a new context; a network has no other noise.
Source: Fisher 1925; Cornfield and Tukey 1956 (expected mean squares).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import prod

import numpy as np

from mlspatial.analysis.estimates import half, jackknifed, of_clusters
from mlspatial.analysis.gram import square
from mlspatial.core.crossing import Crossing
from mlspatial.core.errors import BadValue, StimulusMismatch

VERSION = "2"
CONTEXT = "context"
RESIDUAL = "residual"
ROUNDING = 1e-12  # of the summed squares of all responses: a smaller total sum of squares is of a constant population


@dataclass(frozen=True)
class Share:
    """One effect. effect: its label, as "x", "x × y", "context", "x × context" or "residual" (all interactions with the
    context, pooled); factors: names of its factors, none for the context and the residual; context: whether the context
    is part of it. ss, df, ms: sum of squares over images and units, degrees of freedom and their quotient; share: of
    the total sum of squares; component: unbiased variance in squared units of response, summed over units;
    component_share: of the sum of all components, with its jackknife error over contexts and 95 % interval.
    NaN: shares of a constant population, components of one context, errors of two."""

    effect: str
    factors: tuple[str, ...]
    context: bool
    ss: float
    df: int
    ms: float
    share: float
    component: float
    component_share: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class UnitShares:
    """The same of single units: effects as in Share, df (effects,), the others (effects, units) float64."""

    effects: tuple[str, ...]
    factors: tuple[tuple[str, ...], ...]
    context: tuple[bool, ...]
    df: np.ndarray
    ss: np.ndarray
    share: np.ndarray
    component: np.ndarray
    component_share: np.ndarray


def variance_split(gram: np.ndarray, crossing: Crossing) -> list[Share]:
    """Exact analysis of variance of a population's responses: factors, interactions, context, each with the context.

    gram: (rows, rows) inner products of responses about any one origin, float64; the crossing's rows are looked up.
    Order: effects without context (main effects first), context, effects with context, residual. In the sum of all
    shares the residual must not be counted again. Time: one read of the Gram.
    Raises StimulusMismatch for rows beyond the Gram, BadValue for a factor that is named as the context.
    """
    sums = _agreeing(square(gram), crossing)
    spread = np.stack([_projected(sums, effect, crossing.shape) for effect in effect_sets(crossing)])
    return split_of(spread, float(np.trace(sums[tuple(range(len(crossing.factors)))])), crossing)


def split_of(spread: np.ndarray, energy: float, crossing: Crossing) -> list[Share]:
    """The same from what a population's responses were made into block by block.

    spread: (sets, contexts, contexts) for each set of factors (effect_sets) the inner products, over units, cells and
    two contexts each, of the responses' projections onto the set's effect; energy: sum of all squared responses.
    """
    names, labels, with_context = _effects(crossing)
    contexts, cells = crossing.contexts, crossing.cells

    clusters = np.array(crossing.clusters)

    def components_of(kept: np.ndarray) -> np.ndarray:
        some = spread[:, kept[:, None], kept]
        single = np.trace(some, axis1=1, axis2=2) / (len(kept) * cells)
        _, of_kept = np.unique(clusters[kept], return_inverse=True)
        draws = of_clusters(some, of_kept, 1, 2)
        return _components(draws.sum(axis=(1, 2)), np.trace(draws, axis1=1, axis2=2), draws.shape[1], single, cells)

    effect_ss, same = _moments(spread)
    ss, components = _sums(effect_ss, same), components_of(np.arange(contexts))
    share = _shares(ss, energy)
    shares, errors = jackknifed(
        lambda kept: _shares(components_of(kept), energy / (cells * contexts)), contexts, 2, clusters
    )
    widths = np.asarray(half(errors, int(clusters.max()) + 1))
    df = _degrees(crossing)
    with np.errstate(invalid="ignore", divide="ignore"):
        ms = ss / df
    return [
        Share(
            labels[i],
            names[i],
            with_context[i],
            float(ss[i]),
            int(df[i]),
            float(ms[i]),
            float(share[i]),
            float(components[i]),
            float(shares[i]),
            float(errors[i]),
            float(shares[i] - widths[i]),
            float(shares[i] + widths[i]),
        )
        for i in range(len(labels))
    ]


def unit_variance_split(responses: np.ndarray, crossing: Crossing) -> UnitShares:
    """The analysis of variance of every unit on its own.

    responses: (rows, units), computed in float64; for many units hand over some at a time. Memory: some three copies of
    the crossing's rows. Raises as variance_split. NaN for the shares of a constant unit.
    """
    names, labels, with_context = _effects(crossing)
    _check(len(responses), crossing)
    given = np.asarray(responses)[crossing.rows].astype(np.float64)
    energy = np.square(given).sum(axis=tuple(range(crossing.rows.ndim)))
    axis, contexts, cells = len(crossing.factors), crossing.contexts, crossing.cells

    def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(sets, units) sums of squares of each effect, and with its interaction with the last axis but one."""
        found: dict[frozenset[int], np.ndarray] = {}
        _split(values, 0, crossing.rows.ndim, 1, frozenset(), found)
        effect_ss = np.stack([found[effect] for effect in effect_sets(crossing)])
        return effect_ss, effect_ss + np.stack([found[effect | {axis}] for effect in effect_sets(crossing)])

    effect_ss, same = moments(given)
    draws = int(max(crossing.clusters)) + 1
    of_draws = (effect_ss, same) if draws == contexts else moments(of_clusters(given, crossing.clusters, axis))
    components = _components(of_draws[0] * draws, of_draws[1], draws, same / (contexts * cells), cells)
    effect_ss[0], same[0] = 0.0, same[0] - effect_ss[0]  # the grand mean is none of the effects
    ss = _sums(effect_ss, same)
    return UnitShares(
        tuple(labels),
        tuple(names),
        tuple(with_context),
        _degrees(crossing),
        ss,
        _shares(ss, energy),
        components,
        _shares(components, energy / crossing.rows.size),
    )


def effect_sets(crossing: Crossing) -> list[frozenset[int]]:
    """All sets of factors, the empty one first, then by size."""
    every = range(len(crossing.factors))
    return [frozenset(some) for size in range(len(every) + 1) for some in combinations(every, size)]


def _effects(crossing: Crossing) -> tuple[list[tuple[str, ...]], list[str], list[bool]]:
    """Factors, label and whether with the context, of every effect in order."""
    for factor in crossing.factors:
        if factor.name in (CONTEXT, RESIDUAL):
            raise BadValue("factor", factor.name, "this name is kept for what the factors do not decide; use another")
    sets = [tuple(crossing.factors[i].name for i in sorted(effect)) for effect in effect_sets(crossing)]
    names = [*sets[1:], *sets, ()]
    labels = [" × ".join(some) for some in sets[1:]] + [" × ".join([*some, CONTEXT]) for some in sets] + [RESIDUAL]
    return names, labels, [False] * (len(sets) - 1) + [True] * (len(sets) + 1)


def _degrees(crossing: Crossing) -> np.ndarray:
    of_sets = np.array([prod(crossing.shape[i] - 1 for i in effect) for effect in effect_sets(crossing)], np.int64)
    with_context = of_sets * (crossing.contexts - 1)
    return np.concatenate([of_sets[1:], with_context, [with_context[1:].sum()]])


def _sums(effect_ss: np.ndarray, same: np.ndarray) -> np.ndarray:
    """Sums of squares in order. effect_ss: (sets, ...) of each set's effect (the empty one's is not used); same: that
    and its interaction with the context."""
    with_context = same - effect_ss
    return np.concatenate([effect_ss[1:], with_context, with_context[1:].sum(0, keepdims=True)])


def _components(summed: np.ndarray, same: np.ndarray, draws: int, single: np.ndarray, cells: int) -> np.ndarray:
    """Unbiased variances in order, (effects, ...); NaN of one draw.

    summed, same: (sets, ...) inner products of each set's projections in every two draws of contexts (clusters), and in
    the same one; single: (sets, ...) mean squared projection in one context, a cell.
    """
    if draws < 2:
        return np.full((2 * len(single), *single.shape[1:]), np.nan)
    alone = (summed - same) / (draws * (draws - 1) * cells)
    depends = single - alone
    return np.concatenate([alone[1:], depends, depends[1:].sum(0, keepdims=True)])


def _shares(values: np.ndarray, energy: np.ndarray | float) -> np.ndarray:
    """Of the sum of all but the last, which is a sum itself; NaN where that is rounding of so much summed squares."""
    total = values[:-1].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(total > ROUNDING * energy, values / total, np.nan)


def _moments(spread: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sets, contexts, contexts) inner products of effects in two contexts -> SS of the effect, and with its
    interaction with the context. That of the empty set is the grand mean's and is left out of both."""
    effect_ss = spread.sum(axis=(1, 2)) / spread.shape[1]
    same = np.trace(spread, axis1=1, axis2=2)
    same[0] -= effect_ss[0]
    effect_ss[0] = 0.0
    return effect_ss, same


def _projected(sums: dict[tuple[int, ...], np.ndarray], effect: frozenset[int], shape: tuple[int, ...]) -> np.ndarray:
    """(contexts, contexts) tr(P_e K) of an effect, by inclusion and exclusion of what is equal."""
    total = np.zeros_like(sums[()])
    for size in range(len(effect) + 1):
        for some in combinations(sorted(effect), size):
            others = prod(a for i, a in enumerate(shape) if i not in some)
            total += (-1) ** (len(effect) - size) / others * sums[some]
    return total


def _agreeing(gram: np.ndarray, crossing: Crossing) -> dict[tuple[int, ...], np.ndarray]:
    """For every set of factors (contexts, contexts) sums of the Gram over pairs of cells that agree in the set.

    The longest factor goes first: after one read what is left is smaller by the square of its levels.
    """
    _check(len(gram), crossing)
    order = sorted(range(len(crossing.factors)), key=lambda i: -crossing.shape[i])
    rows = crossing.rows.transpose(*order, len(order))
    found: dict[tuple[int, ...], np.ndarray] = {}

    def walk(part: np.ndarray, depth: int, equal: tuple[int, ...]) -> None:
        if depth == len(order):
            found[tuple(sorted(equal))] = part
            return
        levels = crossing.shape[order[depth]]
        size = len(part) // levels
        blocks = part.reshape(levels, size, levels, size)
        walk(np.einsum("apaq->pq", blocks), depth + 1, (*equal, order[depth]))
        walk(blocks.sum(axis=(0, 2)), depth + 1, equal)

    if not order:
        return {(): gram[np.ix_(rows, rows)]}
    levels, flat = rows.shape[0], rows.reshape(rows.shape[0], -1)
    size, every = flat.shape[1], flat.reshape(-1)
    same, whole = np.zeros((size, size)), np.zeros((size, size))
    in_place = np.array_equal(every, np.arange(every[0], every[0] + len(every)))
    for level, of_level in enumerate(flat):
        if in_place:
            stripe = gram[of_level[0] : of_level[0] + size, every[0] : every[0] + len(every)]
        else:
            stripe = gram[of_level[:, None], every]
        stripe = stripe.reshape(size, levels, size)
        same += stripe[:, level]
        whole += stripe.sum(axis=1)
    walk(same, 1, (order[0],))
    walk(whole, 1, ())
    return found


def _split(
    part: np.ndarray,
    axis: int,
    axes: int,
    repeats: int,
    effect: frozenset[int],
    found: dict[frozenset[int], np.ndarray],
) -> None:
    """Sums of squares (units,) of all effects, one axis after the other: its mean, and what is left of it.

    part: (1 for each axis that is done with its mean, else its levels; ..., units); repeats: images that a mean is of.
    """
    if axis == axes:
        found[effect] = repeats * np.square(part).sum(axis=tuple(range(axes)))
        return
    mean = part.mean(axis=axis, keepdims=True)
    _split(part - mean, axis + 1, axes, repeats, effect | {axis}, found)
    _split(mean, axis + 1, axes, repeats * part.shape[axis], effect, found)


def _check(rows: int, crossing: Crossing) -> None:
    if crossing.rows.min() < 0 or crossing.rows.max() >= rows:
        raise StimulusMismatch(
            f"crossing {crossing.name} asks for rows {crossing.rows.min()} to {crossing.rows.max()} of {rows}; "
            "use the responses to its own images"
        )
