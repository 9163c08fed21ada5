"""What trial noise leaves of a read-out of recorded units: the ceiling of its correlation with a latent.

Means over trials are a signal and noise, and so is what a read-out makes of them. Where r is the correlation of its
predictions with the latent and rho the reliability of the predictions (the share of their variance that trials repeat),
the same read-out of the units' noise-free responses has the correlation r / sqrt(rho). rho is that of two halves of the
trials under the one read-out, stepped up to all of them (Spearman 1910, Brown 1910). A fold's own is too uncertain to
be divided by, so that one rho of all folds counts, and none where it is not clearly above 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlspatial.analysis.decoding import ALPHAS, check, predictions
from mlspatial.analysis.jackknife import blocks, half_width, standard_error
from mlspatial.analysis.pls import pearson
from mlspatial.analysis.splits import Split
from mlspatial.core.errors import UserError
from mlspatial.core.latents import Latent

VERSION = "2"  # one reliability of all folds
HALVINGS = 20


def read_out_ceilings(
    trials: np.ndarray,
    values: Mapping[str, np.ndarray],
    latents: Sequence[Latent],
    splits: Sequence[Split],
    *,
    seed: int,
    halvings: int = HALVINGS,
    alphas: Sequence[float] = ALPHAS,
) -> dict[str, np.ndarray]:
    """latent -> (splits,) sqrt(rho), the r of its read-out where the noise-free one had r 1: one for all splits; not of
    categories.

    trials: (n, units, repeats), NaN where one is missing; values, latents, splits, alphas: as of `decode`, whose
    read-outs of the means over trials these are. halvings: at random; in each the units keep their trials together, and
    with them what noise they share. rho is that of the mean correlation of halves over halvings and splits. NaN where
    the 95 % interval of that mean, by a jackknife over stimuli (each left out of all splits' test stimuli; nothing is
    fitted anew), does not lie above 0, and where a read-out is constant.
    Raises UserError for a unit with fewer than two trials of a stimulus.
    """
    trials = np.asarray(trials, np.float64)
    there = np.isfinite(trials)
    counts = there.sum(axis=2)
    if counts.min() < 2:
        few = int((counts.min(axis=1) < 2).sum())
        raise UserError(f"{few} of {len(trials)} stimuli have fewer than two trials of some unit")
    numbers = [latent for latent in latents if latent.kind != "category"]
    check(len(trials), values, numbers, splits, "svc")
    means = np.nanmean(trials, axis=2)
    rng = np.random.default_rng([seed, 8])
    halves = np.stack([_halved(trials, there, rng) for _ in range(halvings)])  # (halvings, 2, n, units)
    times = counts.mean() / (counts // 2).mean()
    block = blocks(len(trials))
    number = int(block.max()) + 1
    #: latent -> of each split the correlation of halves, of all test stimuli and without each block
    agree: dict[str, list[np.ndarray]] = {latent.name: [] for latent in numbers}
    for train, test in splits:
        shown = halves[:, :, test].reshape(-1, means.shape[1])
        kept = [np.ones(len(test), bool), *(block[test] != left for left in range(number))]
        for name, predicted in predictions(means, shown, values, numbers, train, alphas).items():
            parts = predicted.reshape(halvings, 2, len(test), -1)
            agree[name].append(np.array([_agreement(parts[:, :, rows]) for rows in kept]))
    return {name: np.full(len(splits), _ceiling(np.mean(own, axis=0), times)) for name, own in agree.items()}


def _agreement(parts: np.ndarray) -> float:
    """Mean correlation of two halves. parts: (halvings, 2, stimuli, columns) what is read out of them."""
    first, second = np.moveaxis(parts, 1, 0).transpose(0, 2, 1, 3).reshape(2, parts.shape[2], -1)
    return float(pearson(first, second).mean())


def _ceiling(agreement: np.ndarray, times: float) -> float:
    """Root of the reliability. agreement: (1 + blocks,) correlation of halves, of all and without each block; times: so
    many halves are all trials."""
    half = float(agreement[0])
    sure = half_width(standard_error(agreement[1:]), len(agreement) - 1)
    return float(np.sqrt(times * half / (1 + (times - 1) * half))) if half > sure else np.nan


def _halved(trials: np.ndarray, there: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(2, n, units) means over two halves of the trials of each stimulus, at random, as many in both."""
    order = rng.random((len(trials), trials.shape[2])).argsort(axis=1)[:, None]
    drawn = np.take_along_axis(trials, np.broadcast_to(order, trials.shape), axis=2)
    present = np.take_along_axis(there, np.broadcast_to(order, trials.shape), axis=2)
    nth = present.cumsum(axis=2) - 1
    half = (present.sum(axis=2) // 2)[..., None]
    sides = [present & (nth < half), present & (nth >= half) & (nth < 2 * half)]
    return np.stack([np.where(side, drawn, 0.0).sum(axis=2) / side.sum(axis=2) for side in sides])
