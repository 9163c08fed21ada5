"""Noise ceiling of a similarity matrix: generative modelling of signal and noise (GSN).

Responses are taken as signal plus noise, both multivariate normal over voxels. Their covariances are estimated from
repeated trials; pairs of matrices, one of pure signal and one of measurements, are then drawn from the model, and the
ceiling is the median of their correlations. Source: Prince, Kurzawski and Kay 2023 (bioRxiv, "GSN"); steps and
constants as its authors' software has them (2024): shrinkage, alternating nearest covariances, scaling to the
split-half reliability. Unlike there, every covariance is factorised once, and all draws share the factors.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from mlspatial.core.errors import BadValue, UserError

LEVELS = np.linspace(0.0, 1.0, 51)  # shares of the off-diagonal covariance that are kept
HELD_OUT = 5  # a fifth of the stimuli chooses the share
SCALES = np.arange(0.0, 2.05, 0.1)  # of the signal covariance, tried against the split-half reliability
SIMULATIONS, CONDITIONS = 50, 50  # draws of the model, and stimuli in each
SPLITS = 50  # most splits of the trials
SAME = 0.999  # correlation of successive estimates at which the alternation ends
MOST_ROUNDS = 100


@dataclass(frozen=True)
class GsnCeiling:
    """ceiling: median over simulations; low, high: their central 95 %; simulations: (draws,) correlations.

    reliability: of the similarity matrices of two halves of the trials; scale: of the signal covariance in the draws;
    kept_signal, kept_noise: shares of the off-diagonal data and noise covariances that were kept; ncsnr: (voxels,).
    """

    ceiling: float
    low: float
    high: float
    simulations: np.ndarray
    reliability: float
    scale: float
    kept_signal: float
    kept_noise: float
    ncsnr: np.ndarray


def ncsnr(trials: np.ndarray) -> np.ndarray:
    """Noise-ceiling SNR of every voxel, SD of the signal over SD of the noise; 0 where no signal is seen.

    trials: (n stimuli, voxels, repeats), finite. Noise variance: within stimuli, mean over them; signal variance: that
    of the stimulus means less what noise leaves in them. Source: Allen et al. 2022 (NSD), methods.
    """
    _check(trials)
    repeats = trials.shape[2]
    noise = trials.var(axis=2, ddof=1).mean(axis=0)
    signal = trials.mean(axis=2).var(axis=0, ddof=1) - noise / repeats
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(noise > 0, np.sqrt(np.maximum(signal, 0) / noise), 0.0)


def rsa_ceiling(
    trials: np.ndarray,
    rng: np.random.Generator,
    *,
    averaged: int | None = None,
    simulations: int = SIMULATIONS,
    conditions: int = CONDITIONS,
) -> GsnCeiling:
    """The correlation that the true similarity matrix reaches with the measured one.

    trials: (n stimuli, voxels, repeats), finite, two repeats or more; averaged: repeats that the measurement averages
    (all); simulations, conditions: draws, and stimuli in each. Similarity: Pearson correlation between patterns.
    Raises UserError for too few stimuli, voxels or repeats.
    """
    _check(trials)
    n, voxels, repeats = trials.shape
    if voxels < 3 or n < 2 * HELD_OUT:
        raise UserError(f"gsn: {n} stimuli and {voxels} voxels are too few; needs {2 * HELD_OUT} and 3")
    averaged = repeats if averaged is None else averaged
    if averaged < 1:
        raise BadValue("averaged", averaged, "must be 1 or more")
    means = trials.mean(axis=2)
    within = (trials - means[..., None]).transpose(0, 2, 1)
    noise, kept_noise = _shrunken(within, rng, repeats - 1)
    data, kept_data = _shrunken(means[:, None], rng, 0)
    signal, noise = _alternate(data, noise, n, repeats)
    signal_factor, noise_factor = _factor(signal), _factor(noise)
    found = _reliability(trials, rng)
    scale = _scale(signal_factor, noise_factor, found, repeats // 2, simulations, conditions, rng)
    values = np.zeros(simulations)
    offset = means.mean(axis=0)
    for draw in range(simulations):
        pure = offset + np.sqrt(scale) * _draw(signal_factor, conditions, rng)
        measured = pure + _draw(noise_factor, conditions, rng) / np.sqrt(averaged)
        values[draw] = _alike(pure, measured)
    low, median, high = np.percentile(values, [2.5, 50.0, 97.5])
    return GsnCeiling(
        float(median), float(low), float(high), values, found, float(scale), kept_data, kept_noise, ncsnr(trials)
    )


def _check(trials: np.ndarray) -> None:
    if trials.ndim != 3 or trials.shape[2] < 2:
        raise UserError(f"gsn: responses of shape {trials.shape} must be (stimuli, voxels, 2 or more repeats)")
    if not np.isfinite(trials).all():
        raise UserError("gsn: responses are not finite; leave out stimuli or voxels that lack trials")


def _shrunken(groups: np.ndarray, rng: np.random.Generator, freedom: int) -> tuple[np.ndarray, float]:
    """(covariance with its off-diagonal part shrunken, share that is kept).

    groups: (n, rows, voxels) deviations; freedom: of each group of rows, 0 when rows are single means. The share is the
    one under which a held-out fifth of the stimuli is likeliest. In units of the diagonal all shares have the same
    eigenvectors, so one decomposition serves all of them.
    """
    n = len(groups)
    order = rng.permutation(n)
    out, rest = order[: n // HELD_OUT], order[n // HELD_OUT :]
    mean = groups[rest].mean(axis=(0, 1)) if freedom == 0 else np.zeros(groups.shape[2])
    covariance = _covariance(groups[rest] - mean, freedom)
    sd = np.sqrt(np.maximum(np.diag(covariance), np.finfo(float).tiny))
    values, vectors = eigh(covariance / sd / sd[:, None])
    tested = ((groups[out] - mean) / sd).reshape(-1, groups.shape[2])
    power = np.square(tested @ vectors).mean(axis=0)
    spectra = (1 - LEVELS)[:, None] + LEVELS[:, None] * np.maximum(values, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        costs = np.where(spectra > 1e-10, np.log(spectra) + power / spectra, np.inf).sum(axis=1)
    share = float(LEVELS[int(np.argmin(costs))])
    whole = _covariance(groups - (groups.mean(axis=(0, 1)) if freedom == 0 else 0.0), freedom)
    return share * whole + (1 - share) * np.diag(np.diag(whole)), share


def _covariance(groups: np.ndarray, freedom: int) -> np.ndarray:
    rows = groups.reshape(-1, groups.shape[2])
    degrees = len(groups) * freedom if freedom else len(groups) - 1
    return rows.T @ rows / degrees


def _alternate(data: np.ndarray, noise: np.ndarray, n: int, repeats: int) -> tuple[np.ndarray, np.ndarray]:
    """Signal and noise covariances without negative variances that together explain the data best."""
    total = n * repeats**2 * (repeats - 1) + n - 1
    first, old_signal, old_noise = noise, data - noise / repeats, noise
    for _ in range(MOST_ROUNDS):
        signal = _nearest(data - noise / repeats)
        noise = _nearest((n * (repeats - 1) * repeats**2 * first + (n - 1) * repeats * (data - signal)) / total)
        if _same(signal, old_signal) and _same(noise, old_noise):
            break
        old_signal, old_noise = signal, noise
    return signal, noise


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if not a.any() or not b.any():
        return not a.any() and not b.any()
    return bool(np.corrcoef(a.ravel(), b.ravel())[0, 1] > SAME)


def _nearest(matrix: np.ndarray) -> np.ndarray:
    """The nearest covariance matrix: negative eigenvalues become 0 (Higham 1988)."""
    values, vectors = eigh((matrix + matrix.T) / 2)
    if values[0] >= 0:
        return matrix
    kept = values > 0
    return (vectors[:, kept] * values[kept]) @ vectors[:, kept].T


def _factor(covariance: np.ndarray) -> np.ndarray:
    """(voxels, rank) F with F F^T the covariance."""
    values, vectors = eigh(covariance)
    kept = values > max(values[-1], 0.0) * len(values) * np.finfo(float).eps
    return vectors[:, kept] * np.sqrt(values[kept])


def _draw(factor: np.ndarray, rows: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal((rows, factor.shape[1])) @ factor.T


def _reliability(trials: np.ndarray, rng: np.random.Generator) -> float:
    """Median correlation between the similarity matrices of two halves of the trials; all splits where they are few."""
    repeats = trials.shape[2]
    half = repeats // 2
    pairs = [
        (first, second)
        for first in itertools.islice(itertools.combinations(range(repeats), half), 4 * SPLITS)
        for second in itertools.combinations([r for r in range(repeats) if r not in first], half)
        if first < second
    ]
    if len(pairs) > SPLITS:
        orders = [rng.permutation(repeats) for _ in range(SPLITS)]
        pairs = [(tuple(order[:half]), tuple(order[half : 2 * half])) for order in orders]
    values = [_alike(*(trials[:, :, list(side)].mean(axis=2) for side in pair)) for pair in pairs]
    return float(np.median(values))


def _scale(
    signal: np.ndarray, noise: np.ndarray, found: float, half: int, simulations: int, conditions: int,
    rng: np.random.Generator,
) -> float:  # fmt: skip
    """The scale of the signal covariance under which the model's halves agree as the data's do, within SCALES."""
    sums = np.zeros(len(SCALES))
    for _ in range(simulations):
        pure = _draw(signal, conditions, rng)
        halves = [_draw(noise, conditions, rng) / np.sqrt(half) for _ in range(2)]
        for place, scale in enumerate(SCALES):  # the same draws for all scales
            sums[place] += _alike(*(np.sqrt(scale) * pure + side for side in halves))
    modelled = np.maximum.accumulate(sums / simulations)
    return float(np.interp(found, modelled, SCALES))


def _alike(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson r between the upper triangles of two (conditions, voxels) sets' similarity; 0 where there is none."""
    upper = np.triu_indices(len(first), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sides = [np.corrcoef(rows)[upper] for rows in (first, second)]
        r = np.corrcoef(sides[0], sides[1])[0, 1]
    return float(r) if np.isfinite(r) else 0.0
