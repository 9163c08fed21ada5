"""How well the best possible model could do, from repeated presentations."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from mlspatial.analysis.pls import pearson
from mlspatial.core.errors import BadValue, UserError

VERSION = "2"
HALVINGS = 10  # Brain-Score, InternalConsistency
HALVING_SEED = 1

#: how repeats are halved: permutation, of NumPy's generator; brain_score, as it halves the values of its coordinate
#: `repetition`, which are the repeats here, in increasing order (the larger half comes second in both)
Drawing = Literal["permutation", "brain_score"]


def split_half(
    trials: np.ndarray, *, halvings: int = HALVINGS, seed: int = HALVING_SEED, drawing: Drawing = "permutation"
) -> np.ndarray:
    """Split-half consistency of every neuroid, Spearman-Brown corrected, mean over random halvings.

    trials: (n stimuli, neuroids, repeats), NaN where a repeat is missing. The repeats are halved at random, each half
    averaged, the halves correlated over the stimuli that both have. Returns (neuroids,).
    Raises UserError for fewer than two repeats. Source: Brain-Score's internal consistency; Spearman-Brown 2r/(1+r).
    """
    return split_half_each(trials, halvings=halvings, seed=seed, drawing=drawing).mean(axis=0)


def split_half_each(
    trials: np.ndarray, *, halvings: int = HALVINGS, seed: int = HALVING_SEED, drawing: Drawing = "permutation"
) -> np.ndarray:
    """What `split_half` is the mean of, (halvings, neuroids).

    Brain-Score's ceiling of a benchmark is the mean over halvings of the median over neuroids.
    """
    return np.stack(
        [
            spearman_brown(_pearson_over_shared(first, second))
            for first, second in half_means(trials, halvings=halvings, seed=seed, drawing=drawing)
        ]
    )


def half_means(
    trials: np.ndarray, *, halvings: int = HALVINGS, seed: int = HALVING_SEED, drawing: Drawing = "permutation"
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Mean responses of the two halves of the repeats, a pair of (n, neuroids) float64 for every halving; NaN where a
    half has no repeat of a stimulus. Raises UserError for fewer than two repeats."""
    trials = np.asarray(trials, np.float64)  # recordings are kept as float32
    if trials.shape[2] < 2:
        raise UserError(
            f"a ceiling needs at least two repeats, the responses have {trials.shape[2]}; set ceiling: none"
        )
    present = ~np.isnan(trials)
    filled = np.where(present, trials, 0.0)
    counts = None if present.all() else present.astype(filled.dtype)

    def mean(repeats: np.ndarray) -> np.ndarray:
        chosen = np.zeros(trials.shape[2], filled.dtype)
        chosen[repeats] = 1.0
        if counts is None:
            return filled @ chosen / len(repeats)
        with np.errstate(invalid="ignore", divide="ignore"):
            return filled @ chosen / (counts @ chosen)

    return [(mean(first), mean(second)) for first, second in halves(trials.shape[2], halvings, seed, drawing)]


def halves(
    repeats: int, halvings: int = HALVINGS, seed: int = HALVING_SEED, drawing: Drawing = "permutation"
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Random halves of the repeats, as pairs of indices. BadValue for an unknown drawing."""
    if drawing not in get_args(Drawing):
        raise BadValue("drawing", drawing, f"must be one of {', '.join(get_args(Drawing))}")
    if drawing == "brain_score":
        from sklearn.model_selection import ShuffleSplit

        # brainscore_vision 2.4.2, metric_helpers/transformations.py: train_size .5 over the unique values
        splitter = ShuffleSplit(halvings, train_size=0.5, random_state=seed)
        return [(first, second) for first, second in splitter.split(np.zeros(repeats))]
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(repeats) for _ in range(halvings)]
    return [(order[: repeats // 2], order[repeats // 2 :]) for order in orders]


def spearman_brown(r: np.ndarray) -> np.ndarray:
    """Reliability of the mean of both halves from the correlation between them: 2 r / (1 + r)."""
    return 2 * r / (1 + r)


def _pearson_over_shared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson r of each column over the rows in which both are finite."""
    shared = np.isfinite(first) & np.isfinite(second)
    if shared.all():
        return pearson(first, second)
    columns = range(first.shape[1])
    return np.array([pearson(first[shared[:, c], c, None], second[shared[:, c], c, None])[0] for c in columns])


def repeat_reliability(trials: np.ndarray) -> np.ndarray:
    """Reliability of the very means that are scored, (neuroids,): 1 - mean_i(s^2 / n_i) / var(means).

    trials: (n stimuli, neuroids, repeats), NaN where missing; stimuli may have unequal numbers n_i of them. s^2 is the
    variance within stimuli, var(means) that between the means of stimuli, each counting once as it does in a
    correlation. With equal numbers it is 1 - 1/F of a one-way analysis of variance, the intraclass correlation
    ICC(1, k): where Spearman-Brown corrected split halves go without chance. NaN for neuroids without two trials of any
    stimulus. Source: Shrout and Fleiss 1979; unequal numbers: the variance of a mean is s^2 / n_i.
    """
    trials = np.asarray(trials, np.float64)
    present = np.isfinite(trials)
    counts = present.sum(axis=2)
    values = np.where(present, trials, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = values.sum(axis=2) / counts
        within = (np.where(present, trials - means[..., None], 0.0) ** 2).sum(axis=(0, 2))
        shown = (counts > 0).sum(axis=0)
        noise = within / (counts.sum(axis=0) - shown)
        middle = np.where(counts > 0, means, 0.0).sum(axis=0) / shown
        between = (np.where(counts > 0, means - middle, 0.0) ** 2).sum(axis=0) / (shown - 1)
        share = np.where(counts > 0, 1.0 / counts, 0.0).sum(axis=0) / shown
        return 1 - noise * share / between


def split_half_shown(trials: np.ndarray) -> np.ndarray:
    """`split_half_each` of recordings as they are, (halvings, neuroids).

    A neuroid that was not shown all repeats is halved without those it lacks. One whose stimuli have unequal numbers of
    trials has no halves that Spearman and Brown speak of: it gets `repeat_reliability`, in every halving.
    """
    present = np.isfinite(trials)
    shown, counts = present.any(axis=0), present.sum(axis=2)  # (neuroids, repeats), (stimuli, neuroids)
    equal = (counts == counts.max(axis=0)).all(axis=0)
    found = np.full((HALVINGS, len(shown)), np.nan)
    found[:, ~equal] = repeat_reliability(trials[:, ~equal])
    for pattern in np.unique(shown[equal], axis=0):
        if pattern.sum() > 1:
            neuroids = np.flatnonzero(equal & (shown == pattern).all(axis=1))
            found[:, neuroids] = split_half_each(trials[:, neuroids][:, :, pattern])
    return found
