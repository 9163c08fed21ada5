"""What trial noise leaves of a read-out of recorded units: the ceiling of its correlation with a latent.

Means over trials are a signal and noise, and so is what a read-out makes of them. Where r is the correlation of its
predictions with the latent and rho the reliability of the predictions (the share of their variance that trials repeat),
the same read-out of the units' noise-free responses has the correlation r / sqrt(rho). rho is that of two halves of the
trials under the one read-out, stepped up to all of them (Spearman 1910, Brown 1910).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mlspatial.analysis.decoding import ALPHAS, check, predictions
from mlspatial.analysis.pls import pearson
from mlspatial.analysis.splits import Split
from mlspatial.core.errors import UserError
from mlspatial.core.latents import Latent

VERSION = "1"
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
    """latent -> (splits,) sqrt(rho), the r of its read-out where the noise-free one had r 1; not of categories.

    trials: (n, units, repeats), NaN where one is missing; values, latents, splits, alphas: as of `decode`, whose
    read-outs of the means over trials these are. halvings: at random, of which rho is the mean; in each the units keep
    their trials together, and with them what noise they share. NaN where rho is not above 0.
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
    found = {latent.name: np.full(len(splits), np.nan) for latent in numbers}
    for fold, (train, test) in enumerate(splits):
        shown = halves[:, :, test].reshape(-1, means.shape[1])
        for name, predicted in predictions(means, shown, values, numbers, train, alphas).items():
            parts = predicted.reshape(halvings, 2, len(test), -1)
            half = float(np.mean([pearson(first, second).mean() for first, second in parts]))
            whole = times * half / (1 + (times - 1) * half)
            found[name][fold] = np.sqrt(whole) if half > 0 else np.nan
    return found


def _halved(trials: np.ndarray, there: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(2, n, units) means over two halves of the trials of each stimulus, at random, as many in both."""
    order = rng.random((len(trials), trials.shape[2])).argsort(axis=1)[:, None]
    drawn = np.take_along_axis(trials, np.broadcast_to(order, trials.shape), axis=2)
    present = np.take_along_axis(there, np.broadcast_to(order, trials.shape), axis=2)
    nth = present.cumsum(axis=2) - 1
    half = (present.sum(axis=2) // 2)[..., None]
    sides = [present & (nth < half), present & (nth >= half) & (nth < 2 * half)]
    return np.stack([np.where(side, drawn, 0.0).sum(axis=2) / side.sum(axis=2) for side in sides])
