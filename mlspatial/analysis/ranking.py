"""Which models explain responses better: intervals, tests of every pair, against zero and the ceiling, groups.

A model is one network, or several that differ in nothing but their seed. Everything is paired: all models see the same
draws of stimuli and units (analysis.bootstrap). Three things can be new in a replication, and each has an error of its
own: other images, other neurons of the same kind, and, where there are several seeds, other networks of the same kind.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlspatial.analysis import bootstrap
from mlspatial.analysis.bootstrap import Recorded, Replicates, Statistic, draw, reliabilities, replicates
from mlspatial.analysis.contrasts import holm
from mlspatial.analysis.statistics import LEVEL
from mlspatial.core.errors import UserError

VERSION = "1"
ALPHA = 0.05
NAN = float("nan")

Predicted = np.ndarray | Callable[[], np.ndarray]  # (n, units), or what reads it


@dataclass(frozen=True)
class Estimate:
    """A score, or a difference of two, with its standard errors.

    error, df: over images, neurons and, where there are several, networks together, or over recordings; images,
    neurons, networks: standard errors over each of them alone, NaN where it cannot be known, with df degrees of freedom
    of Student's t beside each.
    """

    value: float
    error: float
    df: float
    images: tuple[float, float] = (NAN, NAN)
    neurons: tuple[float, float] = (NAN, NAN)
    networks: tuple[float, float] = (NAN, NAN)

    def half(self, level: float = LEVEL) -> float:
        """Half of the interval of Student's t."""
        return half_width(self.error, self.df, level)

    def beyond(self) -> float:
        """One-sided p of 'not above zero'."""
        return _tail(self.value, self.error, self.df)

    def apart(self) -> float:
        """Two-sided p of 'zero'."""
        return min(1.0, 2 * _tail(abs(self.value), self.error, self.df))


@dataclass(frozen=True)
class Standing:
    """Of one model. scores: one a network; p_zero: one-sided, of no correlation; ceiling: the score less the lower
    bound of the noise ceiling, None without one, p_ceiling: two-sided, of no difference there; both after Holm over the
    models; letters: models that share one cannot be told apart."""

    name: str
    estimate: Estimate
    scores: tuple[float, ...]
    p_zero: float
    ceiling: Estimate | None
    p_ceiling: float
    letters: str


@dataclass(frozen=True)
class Pair:
    """The first model less the second; p: two-sided, of this test alone; p_holm, p_fdr: after Holm 1979, and after
    Benjamini and Hochberg 1995, over all pairs."""

    first: str
    second: str
    estimate: Estimate
    p: float
    p_holm: float
    p_fdr: float


@dataclass(frozen=True)
class Ranking:
    """models: the best first; pairs: of every two, in that order; lower, upper: of the noise ceiling, NaN without.

    lower is the reliability, which is the correlation of the recorded means with those of another recording of the
    same; upper its root, what a model without error would reach. stimuli, units, recordings: how many there are;
    statistic: over units.
    """

    models: tuple[Standing, ...]
    pairs: tuple[Pair, ...]
    lower: float
    upper: float
    stimuli: int
    units: int
    recordings: int = 1
    statistic: str = "mean"
    resamples: int = bootstrap.RESAMPLES
    notes: tuple[str, ...] = field(default=())


def rank(
    models: Mapping[str, Sequence[Predicted]],
    responses: np.ndarray,
    *,
    folds: np.ndarray | None = None,
    noise: np.ndarray | None = None,
    reliability: np.ndarray | None = None,
    seed: int = 0,
    resamples: int = bootstrap.RESAMPLES,
    statistic: Statistic = "mean",
    alpha: float = ALPHA,
) -> Ranking:
    """Rank models by how well their cross-validated predictions correlate with responses.

    models: name -> predictions of its networks, (n, units) each, rows and columns as in responses; folds: (n,) in which
    fold a stimulus was predicted; noise: (n, units) variances of the mean responses, for a ceiling that is drawn anew
    with the stimuli, or reliability: (units,) for one that is not; seed: of the draws; statistic: over units. The mean
    keeps its level of 5 % with few units too, the median is what Brain-Score prints and errs to the safe side.
    A model whose predictions do not vary is left out, and `notes` names it.
    Raises UserError for too few models, units or stimuli.
    Source: Schuett et al. 2023, eLife 12:e82566, for variance, degrees of freedom and tests.
    """
    if not models:
        raise UserError("there is no model to rank")
    n, units = np.shape(responses)
    draws = draw(n, units, np.random.default_rng(seed), resamples)
    recorded = Recorded(responses, folds, draws)
    found: dict[str, list[Replicates]] = {}
    for name, networks in models.items():
        read = (one() if callable(one) else one for one in networks)
        found[name] = [recorded.replicates(predicted, statistic) for predicted in read]
    still = [name for name, of in found.items() if not all(math.isfinite(one.value) for one in of)]
    notes = (f"Left out, as predictions do not vary: {', '.join(still)}.",) if still else ()
    found = {name: of for name, of in found.items() if name not in still}
    bound, upper = _ceiling(responses, noise, reliability, draws, statistic)
    return _ranked(
        {name: of_networks([(1.0, of)]) for name, of in found.items()},
        {(a, b): of_networks([(1.0, found[a]), (-1.0, found[b])]) for a, b in itertools.combinations(found, 2)},
        {} if bound is None else {name: of_networks([(1.0, of)], bound) for name, of in found.items()},
        {name: tuple(one.value for one in of) for name, of in found.items()},
        alpha,
        lower=NAN if bound is None else bound.value, upper=upper, stimuli=n, units=units, statistic=statistic,
        resamples=resamples, notes=notes,
    )  # fmt: skip


def _ceiling(
    responses: np.ndarray,
    noise: np.ndarray | None,
    reliability: np.ndarray | None,
    draws: bootstrap.Draws,
    statistic: Statistic,
) -> tuple[Replicates | None, float]:
    """(lower bound, upper bound)."""
    if noise is not None and np.isfinite(noise).any():
        each = reliabilities(responses, noise, draws)
    elif reliability is not None and np.isfinite(reliability).any():
        each = np.asarray(reliability, np.float64)
    else:
        return None, NAN
    known = replicates(each, draws, statistic)
    return known, replicates(np.sqrt(np.clip(each, 0, None)), draws, statistic).value


def of_networks(sides: Sequence[tuple[float, list[Replicates]]], less: Replicates | None = None) -> Estimate:
    """A sum of conditions, each the mean over its networks, times a sign; less: something taken off that has no seeds.

    The variance over networks holds what is special to a network and an image or a neuron, which that over images and
    neurons holds too; it is counted once. The sum is not below either. Degrees of freedom: Satterthwaite 1946.
    """
    (_, first), *others = sides
    whole = Replicates.mean(first)
    for _, of in others:
        whole = whole - Replicates.mean(of)
    whole = whole if less is None else whole - less
    parts, shared = [(whole.variance, float(whole.df))], 0.0
    seeds: list[tuple[float, int]] = []
    for _, of in sides:
        if (k := len(of)) > 1:
            mean = Replicates.mean(of)
            seeds.append((float(np.var([one.value for one in of], ddof=1)) / k, k - 1))
            shared += float(np.mean([(one - mean).variance for one in of])) / (k - 1)
    parts += seeds
    between = sum(variance for variance, _ in seeds)
    total = max(whole.variance + between - shared, whole.variance, between)
    return Estimate(
        whole.value,
        math.sqrt(total),
        satterthwaite(parts),
        (math.sqrt(whole.variance_stimuli), whole.n_stimuli - 1),
        (math.sqrt(whole.variance_units), whole.n_units - 1),
        (math.sqrt(between), satterthwaite(seeds)) if seeds else (NAN, NAN),
    )


def across(rankings: Sequence[Ranking], alpha: float = ALPHA) -> Ranking:
    """Over several recordings (sessions, subjects): each model's mean over them, tested over recordings, which are what
    is drawn: Student's t of one value a recording, with one less degrees of freedom.

    Models that are not in every ranking are left out. Raises UserError for fewer than two recordings.
    """
    if len(rankings) < 2:
        raise UserError(f"{len(rankings)} recording; a test over recordings needs two")
    tables = [{model.name: model for model in ranking.models} for ranking in rankings]
    names = [name for name in tables[0] if all(name in table for table in tables)]
    scores = {name: np.array([table[name].scores for table in tables]) for name in names}  # (recordings, networks)

    def over(sides: Sequence[str], bounds: np.ndarray | None = None) -> Estimate:
        each = scores[sides[0]].mean(axis=1) - sum((scores[name].mean(axis=1) for name in sides[1:]), 0.0)
        each = each if bounds is None else each - bounds
        parts = [(float(each.var(ddof=1)) / len(each), len(each) - 1.0)]
        means = [scores[name].mean(axis=0) for name in sides]
        seeds = [(float(mean.var(ddof=1)) / len(mean), len(mean) - 1) for mean in means if len(mean) > 1]
        total = parts[0][0] + sum(variance for variance, _ in seeds)
        networks = (math.sqrt(sum(v for v, _ in seeds)), satterthwaite(seeds)) if seeds else (NAN, NAN)
        return Estimate(float(each.mean()), math.sqrt(total), satterthwaite([*parts, *seeds]), networks=networks)

    lower = np.array([ranking.lower for ranking in rankings])
    bounded = bool(np.isfinite(lower).all())
    return _ranked(
        {name: over([name]) for name in names},
        {pair: over(pair) for pair in itertools.combinations(names, 2)},
        {name: over([name], lower) for name in names} if bounded else {},
        {name: tuple(scores[name].mean(axis=0).tolist()) for name in names},
        alpha,
        lower=float(lower.mean()), upper=float(np.mean([ranking.upper for ranking in rankings])),
        stimuli=sum(ranking.stimuli for ranking in rankings), units=sum(ranking.units for ranking in rankings),
        recordings=len(rankings), statistic=rankings[0].statistic, resamples=0,
    )  # fmt: skip


def _ranked(
    found: dict[str, Estimate],
    pairs: Mapping[tuple[str, str], Estimate],
    bounded: Mapping[str, Estimate],
    scores: Mapping[str, tuple[float, ...]],
    alpha: float,
    **facts: Any,
) -> Ranking:
    from scipy.stats import false_discovery_control

    names = sorted(found, key=lambda name: -found[name].value)
    p_zero = dict(zip(names, holm(np.array([found[name].beyond() for name in names])), strict=True))
    told = [name for name in names if name in bounded]
    p_ceiling = dict(zip(told, holm(np.array([bounded[name].apart() for name in told])), strict=True)) if told else {}
    ordered = list(itertools.combinations(names, 2))
    estimates = [pairs[pair] if pair in pairs else _turned(pairs[pair[::-1]]) for pair in ordered]
    p = np.array([estimate.apart() for estimate in estimates])
    p_holm, p_fdr = (holm(p), false_discovery_control(p)) if len(p) else (p, p)
    made = tuple(
        Pair(a, b, estimate, *map(float, values))
        for (a, b), estimate, *values in zip(ordered, estimates, p, p_holm, p_fdr, strict=True)
    )
    together = {(pair.first, pair.second) for pair in made if not pair.p_holm < alpha}
    letters = groups(names, together)
    models = tuple(
        Standing(
            name, found[name], scores[name], float(p_zero[name]), bounded.get(name), float(p_ceiling.get(name, NAN)),
            letters[name],
        )
        for name in names
    )  # fmt: skip
    return Ranking(models, made, **facts)


def _turned(estimate: Estimate) -> Estimate:
    from dataclasses import replace

    return replace(estimate, value=-estimate.value)


def groups(names: Sequence[str], together: set[tuple[str, str]]) -> dict[str, str]:
    """A compact letter display: name -> letters, such that two share one if and only if they are a pair in `together`.

    names: in their order, which letters follow. A letter is a maximal clique (Bron and Kerbosch 1973, with a pivot).
    """
    place = {name: number for number, name in enumerate(names)}
    near: dict[int, set[int]] = {number: set() for number in place.values()}
    for a, b in together:
        near[place[a]].add(place[b])
        near[place[b]].add(place[a])
    cliques: list[list[int]] = []

    def grow(clique: set[int], open_: set[int], done: set[int]) -> None:
        if not open_ and not done:
            cliques.append(sorted(clique))
            return
        pivot = max(sorted(open_ | done), key=lambda number: len(near[number] & open_))
        for number in sorted(open_ - near[pivot]):
            grow(clique | {number}, open_ & near[number], done & near[number])
            open_, done = open_ - {number}, done | {number}

    grow(set(), set(near), set())
    of: dict[str, list[str]] = {name: [] for name in names}
    for number, clique in enumerate(sorted(cliques)):
        for member in clique:
            of[names[member]].append(letter(number))
    separator = "," if len(cliques) > 26 else ""
    return {name: separator.join(found) for name, found in of.items()}


def letter(number: int) -> str:
    """a to z, then aa, ab, ..."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def satterthwaite(parts: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of variances, pairs of (variance, its degrees of freedom)."""
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / df for variance, df in parts)
    return total**2 / spread if spread > 0 else min(df for _, df in parts)


def half_width(error: float, df: float, level: float = LEVEL) -> float:
    """Half of the interval that Student's t gives."""
    from scipy.stats import t as student

    return float(student.ppf(0.5 + level / 2, df)) * error if math.isfinite(error) else NAN


def _tail(value: float, error: float, df: float) -> float:
    from scipy.stats import t as student

    if not math.isfinite(value) or not math.isfinite(error):
        return NAN
    if error == 0:
        return 0.5 if value == 0 else float(value < 0)
    return float(student.sf(value / error, df))
