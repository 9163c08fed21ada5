"""Odd-one-out triplets: which of three stimuli is the odd one, as people say and as similarities say.

Who takes the most similar pair for the pair leaves the third as the odd one. A set is three stimuli, i < j < k; several
judgements may be of one set. Source: Hebart et al. 2020 (the task, and softmax over three similarities).
"""

from __future__ import annotations

import numpy as np

from mlspatial.core.errors import StimulusMismatch

VERSION = "1"
CHANCE = 1 / 3
STEEPEST = 1e4  # largest inverse temperature, in units of one over the spread of the similarities
HALVES_SEED = 20250301
TURNS = 200  # of the search; Newton's steps end it after ten


def similarities(pairs: np.ndarray, sets: np.ndarray, n: int) -> np.ndarray:
    """(m, 3) float64: in column k the similarity of the two stimuli that remain when the k-th is the odd one.

    pairs: (n (n - 1) / 2,) of n stimuli, the upper triangle row by row; sets: (m, 3) stimuli, ascending.
    """
    if len(pairs) != n * (n - 1) // 2:
        raise StimulusMismatch(f"{len(pairs)} similarities of pairs for {n} stimuli; there are {n * (n - 1) // 2}")
    first, second, third = np.asarray(sets, np.int64).T

    def of(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        return np.asarray(pairs, np.float64)[i * n - i * (i + 1) // 2 + j - i - 1]

    return np.stack([of(second, third), of(first, third), of(first, second)], axis=1)


def answers(similar: np.ndarray) -> np.ndarray:
    """(m, 3) probability of each to be named odd by who takes the most similar pair: 1, or a share among equals."""
    best = similar == similar.max(axis=1, keepdims=True)
    return best / best.sum(axis=1, keepdims=True)


def correct(similar: np.ndarray, odd: np.ndarray) -> np.ndarray:
    """(m,) share of a right answer. odd: (m,) place (0, 1, 2) of the stimulus that a person named."""
    return answers(similar)[np.arange(len(odd)), odd]


def log_likelihood(similar: np.ndarray, odd: np.ndarray, steepness: float) -> np.ndarray:
    """(m,) log, in nats, of the probability of what a person named: softmax of steepness (one over the temperature)
    times the three similarities. ln(1/3) = -1.0986 is chance."""
    raised = steepness * (similar - similar.max(axis=1, keepdims=True))
    return raised[np.arange(len(odd)), odd] - np.log(np.exp(raised).sum(axis=1))


def fitted_steepness(similar: np.ndarray, odd: np.ndarray) -> float:
    """The inverse temperature, 0 or above, of the highest likelihood, which is concave in it.

    0 where people go against the similarities on the whole; STEEPEST over their spread where they never do.
    """
    centred = similar - similar.mean(axis=1, keepdims=True)
    spread = float(np.sqrt((centred**2).mean()))
    if not spread > 0:
        return 0.0
    scaled, rows = centred / spread, np.arange(len(odd))
    raised = scaled - scaled.max(axis=1, keepdims=True)

    def slopes(steepness: float) -> tuple[float, float]:
        weights = np.exp(steepness * raised)
        weights /= weights.sum(axis=1, keepdims=True)
        mean = (weights * scaled).sum(axis=1)
        second = (weights * scaled**2).sum(axis=1) - mean**2
        return float((scaled[rows, odd] - mean).mean()), float(second.mean())

    if slopes(0.0)[0] <= 0:
        return 0.0
    low, high, now = 0.0, STEEPEST, 1.0
    for _ in range(TURNS):
        slope, bend = slopes(now)
        low, high = (now, high) if slope > 0 else (low, now)
        step = now + slope / bend if bend > 0 else np.inf
        after = step if low < step < high else (min(4 * now, STEEPEST) if high == STEEPEST else (low + high) / 2)
        if abs(after - now) <= 1e-12 * now:
            break
        now = after
    return now / spread


def crossvalidated(similar: np.ndarray, odd: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """((m,) log likelihoods, (2,) inverse temperatures): each half of the sets is judged by the temperature of the
    other. groups: (m,) number of each judgement's set, from 0, so that one set is in one half."""
    kinds = int(groups.max()) + 1
    if kinds < 2:
        raise StimulusMismatch("one set of stimuli has no halves")
    chosen = np.zeros(kinds, bool)
    chosen[np.random.default_rng(HALVES_SEED).permutation(kinds)[: kinds // 2]] = True
    first = chosen[groups]
    found, steepness = np.empty(len(odd)), []
    for fit, test in ((first, ~first), (~first, first)):
        steepness.append(fitted_steepness(similar[fit], odd[fit]))
        found[test] = log_likelihood(similar[test], odd[test], steepness[-1])
    return found, np.array(steepness)


def counts(odd: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(sets, 3) how often each was named. groups: (m,) from 0 on."""
    sets = int(groups.max()) + 1
    return np.bincount(3 * groups + odd, minlength=3 * sets).reshape(sets, 3).astype(np.float64)


def by_others(odd: np.ndarray, groups: np.ndarray, people: np.ndarray | None = None) -> np.ndarray:
    """(m,) share of right answers of the most frequent answer of all others to the same set; NaN where nobody else has
    judged it. people: (m,) numbers of who judged, whose other judgements do not count; None: each is another's.

    Its mean is what can be reached by who knows the others' answers and nothing else, a lower bound of the ceiling.
    """
    own = np.zeros((len(odd), 3))
    if people is None:
        own[np.arange(len(odd)), odd] = 1
    else:
        _, each = np.unique(np.stack([groups, people]), axis=1, return_inverse=True)
        own = counts(odd, each.ravel())[each.ravel()]
    others = counts(odd, groups)[groups] - own
    asked = others.sum(axis=1) > 0
    found = np.full(len(odd), np.nan)
    found[asked] = correct(others[asked], odd[asked])
    return found


def by_all(odd: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(m,) how often the most frequent answer of all to the same set was given, an upper bound of the ceiling where a
    set was judged often (Hebart et al. 2020); NaN of sets with one judgement."""
    known = counts(odd, groups)
    number = known.sum(axis=1)
    return np.where(number > 1, known.max(axis=1) / np.maximum(number, 1), np.nan)[groups]


def clustered_error(values: np.ndarray, groups: np.ndarray) -> float:
    """Standard error of the mean of (m,) values, of which those of one set depend on each other; NaN of fewer than two
    sets. Values that are NaN do not count. With one judgement a set it is the usual one. groups: (m,) from 0 on."""
    known = np.isfinite(values)
    counted = values[known]
    sets = int((np.bincount(groups[known]) > 0).sum()) if known.any() else 0
    if sets < 2:
        return float("nan")
    sums = np.bincount(groups[known], weights=counted - counted.mean())
    return float(np.sqrt((sums**2).sum() * sets / (sets - 1)) / len(counted))
