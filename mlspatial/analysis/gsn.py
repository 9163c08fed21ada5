"""Noise ceiling of a similarity matrix: generative modelling of signal and noise (GSN).

Responses are taken as signal plus noise, both multivariate normal over voxels. Their covariances are estimated from
repeated trials; pairs of matrices, one of pure signal and one of measurements, are then drawn from the model, and the
ceiling is the median of their correlations. Source: Prince, Kurzawski and Kay 2023 (bioRxiv, "GSN"); steps and
constants as its authors' software has them (2024): shrinkage, alternating nearest covariances, scaling to the
split-half reliability. Unlike there, every covariance is factorised once, and all draws share the factors.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from mlspatial.analysis.device import exact_device
from mlspatial.core.errors import BadValue, UserError

VERSION = "3"  # ceilings are kept under it (benchmarks.voxels)
LEVELS = np.linspace(0.0, 1.0, 51)  # shares of the off-diagonal covariance that are kept
HELD_OUT = 5  # a fifth of the stimuli chooses the share
SCALES = np.arange(0.0, 2.05, 0.1)  # of the signal covariance, tried against the split-half reliability
SIMULATIONS, CONDITIONS = 50, 50  # draws of the model, and stimuli in each
SPLITS = 50  # most splits of the trials
SAME = 0.999  # correlation of successive estimates at which the alternation ends
MOST_ROUNDS = 100
LARGE = 2000  # voxels, from which on covariances are decomposed in float32: half the time; ceilings move by 1e-6, and
# by no more under another order of summation, as nothing is subtracted from a product but one of its own size


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
    trials = np.asarray(trials, np.float64)  # the signal is a difference of variances
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
    return Gsn(trials, averaged=averaged, simulations=simulations, conditions=conditions).ceiling(rng)


class Gsn:
    """Ceilings of the same responses by several runs, which share what does not depend on chance.

    The parameters are those of `rsa_ceiling`, which is one run; device: where covariances are decomposed. Memory: 7
    matrices of voxels x voxels of 64 bits. Raises UserError and BadValue as it does.
    """

    def __init__(
        self,
        trials: np.ndarray,
        *,
        averaged: int | None = None,
        simulations: int = SIMULATIONS,
        conditions: int = CONDITIONS,
        device: str = "cpu",
    ) -> None:
        _check(trials)
        n, voxels, repeats = trials.shape
        if voxels < 3 or n < 2 * HELD_OUT:
            raise UserError(f"gsn: {n} stimuli and {voxels} voxels are too few; needs {2 * HELD_OUT} and 3")
        self.averaged = repeats if averaged is None else averaged
        if self.averaged < 1:
            raise BadValue("averaged", averaged, "must be 1 or more")
        self.simulations, self.conditions, self.device = simulations, conditions, exact_device(device)
        self.trials = np.asarray(trials, np.float64)
        self._means = self.trials.mean(axis=2)
        self._factors: tuple[tuple[float, float], np.ndarray, np.ndarray] | None = None

    def ceiling(self, rng: np.random.Generator) -> GsnCeiling:
        """One run. rng: of the stimuli that choose the shares that are kept, of halves and of draws."""
        repeats = self.trials.shape[2]
        within = (self.trials - self._means[..., None]).transpose(0, 2, 1)
        kept_noise = _share(within, rng, repeats - 1)
        kept_data = _share(self._means[:, None], rng, 0)
        signal, noise = self._model(within, kept_noise, kept_data)
        found = _reliability(self.trials, rng)
        scale = _scale(signal, noise, found, repeats // 2, self.simulations, self.conditions, rng)
        shape = (self.simulations, self.conditions, -1)
        pure = np.sqrt(scale) * _draws(signal, shape, rng) + self._means.mean(axis=0)
        measured = pure + _draws(noise, shape, rng) / np.sqrt(self.averaged)
        values = np.array([_alike(*pair) for pair in zip(pure, measured, strict=True)])
        low, median, high = np.percentile(values, [2.5, 50.0, 97.5])
        return GsnCeiling(
            float(median), float(low), float(high), values, found, float(scale), kept_data, kept_noise,
            ncsnr(self.trials),
        )  # fmt: skip

    def _model(self, within: np.ndarray, kept_noise: float, kept_data: float) -> tuple[np.ndarray, np.ndarray]:
        """Factors of the signal's and the noise's covariance; those of the last pair of shares are remembered."""
        if self._factors is None or self._factors[0] != (kept_noise, kept_data):
            self._factors = None
            n, _, repeats = self.trials.shape
            noise = _shrunken(within, kept_noise, repeats - 1)
            data = _shrunken(self._means[:, None], kept_data, 0)
            self._factors = ((kept_noise, kept_data), *_alternate(data, noise, n, repeats, self.device))
        return self._factors[1:]


def _check(trials: np.ndarray) -> None:
    if trials.ndim != 3 or trials.shape[2] < 2:
        raise UserError(f"gsn: responses of shape {trials.shape} must be (stimuli, voxels, 2 or more repeats)")
    if not np.isfinite(trials).all():
        raise UserError("gsn: responses are not finite; leave out stimuli or voxels that lack trials")


def _share(groups: np.ndarray, rng: np.random.Generator, freedom: int) -> float:
    """The share of the off-diagonal covariance under which a held-out fifth of the stimuli is likeliest.

    groups: (n, rows, voxels) deviations; freedom: of each group of rows, 0 when rows are single means. In units of the
    diagonal all shares have the same eigenvectors, so one decomposition serves all of them: of the rows' inner products
    where they are fewer than the voxels, as whatever is orthogonal to all rows has the eigenvalue 0.
    """
    n, voxels = len(groups), groups.shape[2]
    order = rng.permutation(n)
    out, rest = order[: n // HELD_OUT], order[n // HELD_OUT :]
    mean = groups[rest].mean(axis=(0, 1)) if freedom == 0 else np.zeros(voxels)
    rows = (groups[rest] - mean).reshape(-1, voxels) / np.sqrt(_degrees(len(rest), freedom))
    sd = np.sqrt(np.maximum(np.square(rows).sum(axis=0), np.finfo(float).tiny))
    rows /= sd
    tested = ((groups[out] - mean) / sd).reshape(-1, voxels)
    if len(rows) < voxels:
        values, left = eigh(rows @ rows.T)
        kept = values > max(values[-1], 0.0) * voxels * np.finfo(float).eps
        values = values[kept]
        projected = (tested @ rows.T) @ (left[:, kept] / np.sqrt(values))
    else:
        values, vectors = eigh(rows.T @ rows)
        projected = tested @ vectors
    power = np.square(projected).mean(axis=0)
    others = voxels - len(values)  # directions without variance, and what the tested rows have there together
    beyond = np.square(tested).sum(axis=1).mean() - power.sum() if others else 0.0
    spectra = (1 - LEVELS)[:, None] + LEVELS[:, None] * np.maximum(values, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        costs = np.where(spectra > 1e-10, np.log(spectra) + power / spectra, np.inf).sum(axis=1)
        if others:
            rest_of_it = others * np.log(1 - LEVELS) + beyond / (1 - LEVELS)
            costs += np.where(LEVELS < 1 - 1e-10, rest_of_it, np.inf)
    return float(LEVELS[int(np.argmin(costs))])


def _degrees(groups: int, freedom: int) -> int:
    return groups * freedom if freedom else groups - 1


def _shrunken(groups: np.ndarray, share: float, freedom: int) -> np.ndarray:
    """The covariance of which a share of the off-diagonal part is kept. groups, freedom: as in `_share`."""
    rows = (groups - (groups.mean(axis=(0, 1)) if freedom == 0 else 0.0)).reshape(-1, groups.shape[2])
    whole = rows.T @ rows
    whole /= _degrees(len(groups), freedom)
    diagonal = np.diag(whole).copy()
    whole *= share
    np.fill_diagonal(whole, diagonal)
    return whole


def _alternate(
    data: np.ndarray, noise: np.ndarray, n: int, repeats: int, device: str = "cpu"
) -> tuple[np.ndarray, np.ndarray]:
    """Factors of the covariances of signal and noise, without negative variances, that together explain data best."""
    total = n * repeats**2 * (repeats - 1) + n - 1
    now = noise
    before: tuple[np.ndarray, np.ndarray] | None = None  # in float32: only to see how much they change
    for _ in range(MOST_ROUNDS):
        roots = []
        signal = now / -repeats
        signal += data
        before = before or (signal.astype(np.float32), noise.astype(np.float32))
        signal, root = _nearest(signal, device)
        roots.append(root)
        now = data - signal
        now *= (n - 1) * repeats / total
        now += (n * (repeats - 1) * repeats**2 / total) * noise
        now, root = _nearest(now, device)
        roots.append(root)
        if _same(signal, before[0]) and _same(now, before[1]):
            break
        before = signal.astype(np.float32), now.astype(np.float32)
        del signal
    return roots[0](), roots[1]()


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two symmetric matrices correlate by more than SAME, the diagonal counted."""
    if not a.any() or not b.any():
        return not a.any() and not b.any()
    rows = zip(a, b, strict=True)  # row by row: no copies of the size of either
    means = a.mean(dtype=np.float64), b.mean(dtype=np.float64)
    found = np.zeros((2, 2))
    for row in rows:
        found += (pair := np.stack(row).astype(np.float64) - np.array(means)[:, None]) @ pair.T
    return bool(found[0, 1] > SAME * np.sqrt(found[0, 0] * found[1, 1]))


def _nearest(matrix: np.ndarray, device: str = "cpu") -> tuple[np.ndarray, Callable[[], np.ndarray]]:
    """(the nearest covariance matrix C, a function that gives F with F F^T = C): negative eigenvalues become 0.

    A matrix that is one already, which a Cholesky factor tells for a fraction of the cost, is returned as it is.
    Either factor, Cholesky's or the symmetric root, is the same on every machine but for rounding, and so are
    draws made with it. matrix: (voxels, voxels) float64, symmetric, whose memory is used; F: float32.
    Source: Higham 1988.
    """
    import torch

    there = torch.from_numpy(matrix).to(device)
    lower, failed = torch.linalg.cholesky_ex(there)
    if not failed:
        single = lower.float()
        return matrix, lambda: single.cpu().numpy()
    del lower  # half a gigabyte at 8,000 voxels
    if len(there) > LARGE:
        there = there.float()
    values, vectors = torch.linalg.eigh(there)
    kept = values > max(float(values[-1]), 0.0) * torch.finfo(there.dtype).eps
    first = len(kept) - int(kept.sum())  # values ascend
    values, vectors = values[first:], vectors[:, first:]
    vectors *= values.sqrt()
    torch.matmul(vectors, vectors.T, out=there)
    torch.from_numpy(matrix).copy_(there)
    del there
    fourth = (vectors / values**0.25).float()
    return matrix, lambda: (fourth @ fourth.T).cpu().numpy()


def _draws(factor: np.ndarray, shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """(simulations, conditions, voxels) float32 of a normal distribution with the covariance F F^T."""
    draws = rng.standard_normal((shape[0] * shape[1], factor.shape[1]), np.float32) @ factor.T
    return draws.reshape(shape)


def _reliability(trials: np.ndarray, rng: np.random.Generator) -> float:
    """Median correlation between the similarity matrices of two halves of the trials."""
    pairs = _halves(trials.shape[2], rng)
    values = [_alike(*(trials[:, :, list(side)].mean(axis=2) for side in pair)) for pair in pairs]
    return float(np.median(values))


def _halves(repeats: int, rng: np.random.Generator) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pairs of disjoint halves of the trials: all there are, or SPLITS of them."""
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
    return pairs


def _scale(
    signal: np.ndarray, noise: np.ndarray, found: float, half: int, simulations: int, conditions: int,
    rng: np.random.Generator,
) -> float:  # fmt: skip
    """The scale of the signal covariance under which the model's halves agree as the data's do, within SCALES."""
    shape = (simulations, conditions, -1)
    pure = _draws(signal, shape, rng)
    halves = [_draws(noise, shape, rng) for _ in range(2)]
    upper = np.triu_indices(conditions, 1)
    sums = np.zeros(len(SCALES))
    for draw in zip(pure, *halves, strict=True):
        own, first, second = (rows - rows.mean(axis=1, keepdims=True, dtype=np.float64) for rows in draw)
        of_signal = own @ own.T
        sides = []
        for side in (first / np.sqrt(half), second / np.sqrt(half)):
            crossed, of_noise = own @ side.T, side @ side.T
            grams = [scale * of_signal + np.sqrt(scale) * (crossed + crossed.T) + of_noise for scale in SCALES]
            sides.append([_correlations(gram)[upper] for gram in grams])
        sums += [_r(*pair) for pair in zip(*sides, strict=True)]  # the same draws for all scales
    modelled = np.maximum.accumulate(sums / simulations)
    return float(np.interp(found, modelled, SCALES))


def _correlations(gram: np.ndarray) -> np.ndarray:
    """Pearson r between patterns from the inner products of centred ones; NaN for one that is all the same."""
    lengths = np.sqrt(np.diag(gram))
    with np.errstate(invalid="ignore", divide="ignore"):
        return gram / lengths / lengths[:, None]


def _alike(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson r between the upper triangles of two (conditions, voxels) sets' similarity; 0 where there is none."""
    upper = np.triu_indices(len(first), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _r(*(np.corrcoef(rows)[upper] for rows in (first, second)))


def _r(first: np.ndarray, second: np.ndarray) -> float:
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.corrcoef(first, second)[0, 1]
    return float(r) if np.isfinite(r) else 0.0
