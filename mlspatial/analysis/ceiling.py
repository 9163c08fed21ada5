"""How well the best possible model could do, from repeated presentations."""

from __future__ import annotations

import numpy as np

from mlspatial.analysis.pls import pearson
from mlspatial.core.errors import UserError

HALVINGS = 10  # Brain-Score, InternalConsistency
HALVING_SEED = 1


def split_half(trials: np.ndarray, *, halvings: int = HALVINGS, seed: int = HALVING_SEED) -> np.ndarray:
    """Split-half consistency of every neuroid, Spearman-Brown corrected, mean over random halvings.

    trials: (n stimuli, neuroids, repeats), NaN where a repeat is missing. The repeats are halved at random, each half
    averaged, the halves correlated over the stimuli that both have. Returns (neuroids,).
    Raises UserError for fewer than two repeats. Source: Brain-Score's internal consistency; Spearman-Brown 2r/(1+r).
    """
    repeats = trials.shape[2]
    if repeats < 2:
        raise UserError(f"a ceiling needs at least two repeats, the responses have {repeats}; set ceiling: none")
    rng = np.random.default_rng(seed)
    corrected = []
    for _ in range(halvings):
        order = rng.permutation(repeats)
        first, second = _mean(trials[:, :, order[: repeats // 2]]), _mean(trials[:, :, order[repeats // 2 :]])
        r = _pearson_over_shared(first, second)
        corrected.append(2 * r / (1 + r))
    return np.mean(corrected, axis=0)


def _mean(half: np.ndarray) -> np.ndarray:
    """Mean over repeats that are there; NaN where none is."""
    present = ~np.isnan(half)
    counts = present.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(present, half, 0.0).sum(axis=2) / counts


def _pearson_over_shared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Pearson r of each column over the rows in which both are finite."""
    shared = np.isfinite(first) & np.isfinite(second)
    if shared.all():
        return pearson(first, second)
    columns = range(first.shape[1])
    return np.array([pearson(first[shared[:, c], c, None], second[shared[:, c], c, None])[0] for c in columns])
