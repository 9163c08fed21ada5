"""Resampling of kept predictions: stimuli and units drawn anew together, the same draws for every model, no refitting.

A score is the median (or mean) over units of the correlation between cross-validated predictions and responses. For one
draw of stimuli, in which stimulus i counts c_i times, that correlation follows from the sums of c x, c x^2, c x y, c y
and c y^2, so all draws of all units of a model are three matrix products with the matrix of counts.

Variance of scores over new stimuli and new units together: drawing both at once counts what is special to a stimulus
and a unit three times. The dual bootstrap takes that off by two more bootstraps, of stimuli alone and of units alone
(Schuett et al. 2023, eLife 12:e82566, there of conditions and subjects).

What a draw does not do is fit the regression anew: how much predictions would change with other training stimuli is
left out.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import torch

from mlspatial.core.errors import BadValue, StimulusMismatch, UserError

VERSION = "1"
RESAMPLES = 1000
CEILING_RESAMPLES = 500
FEWEST = 5  # units, or stimuli: of fewer there is little to draw from
CONSTANT = 1e-7  # of a root mean square: kept as float32, what varies less is rounding
BLOCK = 1024  # units of which all draws are held at a time
Statistic = Literal["median", "mean"]


@dataclass(frozen=True)
class Draws:
    """counts: (resamples, n) float32, how often each stimulus is drawn; units: (resamples, units) places drawn."""

    counts: np.ndarray
    units: np.ndarray


@dataclass(frozen=True)
class Replicates:
    """A statistic and what it is in every draw. value: of the data; stimuli, units, both: (resamples,), what was drawn
    anew; n_stimuli, n_units: how many there are. Those of the same draws can be subtracted, scaled and added."""

    value: float
    stimuli: np.ndarray
    units: np.ndarray
    both: np.ndarray
    n_stimuli: int
    n_units: int

    def __sub__(self, other: Replicates) -> Replicates:
        stimuli, units, both = (mine - theirs for mine, theirs in zip(self._parts, other._parts, strict=True))
        return Replicates(self.value - other.value, stimuli, units, both, self.n_stimuli, self.n_units)

    @classmethod
    def mean(cls, of: list[Replicates]) -> Replicates:
        """Of several networks on the same draws."""
        stimuli, units, both = (np.mean(part, axis=0) for part in zip(*(one._parts for one in of), strict=True))
        value = float(np.mean([one.value for one in of]))
        return cls(value, stimuli, units, both, of[0].n_stimuli, of[0].n_units)

    @property
    def _parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.stimuli, self.units, self.both

    @property
    def variance(self) -> float:
        """Over new stimuli and units together, by the dual bootstrap."""
        both, units, stimuli = (_variance(part) for part in (self.both, self.units, self.stimuli))
        return dual_variance(both, units, stimuli, self.n_units, self.n_stimuli)

    @property
    def variance_units(self) -> float:
        """Over new units, the stimuli being what they are."""
        return _variance(self.units) * self.n_units / (self.n_units - 1)

    @property
    def variance_stimuli(self) -> float:
        """Over new stimuli, the units being what they are."""
        return _variance(self.stimuli) * self.n_stimuli / (self.n_stimuli - 1)

    @property
    def df(self) -> int:
        """Degrees of freedom of Student's t, the smaller number less one: rsatoolbox's."""
        return min(self.n_units, self.n_stimuli) - 1


def _variance(values: np.ndarray) -> float:
    kept = values[np.isfinite(values)]
    return float(kept.var(ddof=1)) if len(kept) > 1 else float("nan")


def dual_variance(both: float, units: float, stimuli: float, n_units: int, n_stimuli: int) -> float:
    """The variance over new units and new stimuli from the three bootstraps' variances.

    With many of both it is 2 (units + stimuli) - both; the factors n / (n - 1) are those of few. Not below either
    single one, not above `both`. Source: Schuett et al. 2023; rsatoolbox 0.3.2, util.inference_util._dual_bootstrap.
    """
    few_units, few_stimuli = n_units / (n_units - 1), n_stimuli / (n_stimuli - 1)
    one, other = few_units * units, few_stimuli * stimuli
    found = one + other - few_units * few_stimuli * (both - units - stimuli)
    return min(max(found, one, other), both)


def draw(n: int, units: int, rng: np.random.Generator, resamples: int = RESAMPLES) -> Draws:
    """Stimuli and units with replacement, as many as there are. Raises UserError for too few of either."""
    for what, count in (("stimuli", n), ("units", units)):
        if count < FEWEST:
            raise UserError(f"{count} {what} are too few to draw from; a bootstrap needs {FEWEST}")
    if resamples < 2:
        raise BadValue("resamples", resamples, "must be at least 2")
    counts = rng.multinomial(n, np.full(n, 1 / n), size=resamples).astype(np.float32)
    return Draws(counts, rng.integers(units, size=(resamples, units)))


def within_folds(values: np.ndarray, folds: np.ndarray | None) -> np.ndarray:
    """values (n, units) less their mean over the stimuli of each fold, float64; folds: (n,) labels, None for one fold.

    The prediction of a fold is anchored at the mean of the others: where nothing can be predicted, the level of a fold
    and its prediction go against each other, and correlations over all folds would be negative.
    """
    values = np.asarray(values, np.float64)
    if folds is None:
        return values - values.mean(axis=0)
    _, place = np.unique(np.asarray(folds), return_inverse=True)
    members = np.equal.outer(np.arange(place.max() + 1), place).astype(np.float64)  # (folds, n)
    means = members @ values / members.sum(axis=1, keepdims=True)
    return np.asarray(values - means[place])


class Recorded:
    """Responses (n, units) of one benchmark, ready to be compared with any number of models on the same draws."""

    def __init__(self, responses: np.ndarray, folds: np.ndarray | None, draws: Draws) -> None:
        """folds: (n,) labels of the fold in which a stimulus was predicted. Raises StimulusMismatch for shapes that do
        not fit, UserError for values that are not finite."""
        responses = np.asarray(responses)
        shape = draws.counts.shape[1], draws.units.shape[1]
        if responses.shape != shape:
            raise StimulusMismatch(f"responses of shape {responses.shape} and draws of {shape} do not fit")
        if not np.isfinite(responses).all():
            raise UserError("responses are not finite for all stimuli; leave those units out")
        self.folds, self.draws = folds, draws
        self.n, self.units = shape
        self._counts = torch.from_numpy(np.vstack([draws.counts, np.ones((1, self.n), np.float32)]))  # the data last
        self._values = _scaled(responses, folds)
        self._sums = [_moments(self._values[:, part], self._counts) for part in self._blocks()]

    def _blocks(self) -> list[slice]:
        return [slice(start, start + BLOCK) for start in range(0, self.units, BLOCK)]

    def correlations(self, predicted: np.ndarray) -> np.ndarray:
        """(resamples + 1, units) Pearson r of predictions (n, units) in every draw of stimuli, of the data itself last;
        NaN where either is constant."""
        predicted = np.asarray(predicted)
        if predicted.shape != (self.n, self.units):
            raise StimulusMismatch(
                f"predictions of shape {predicted.shape} and responses of {(self.n, self.units)} do not fit"
            )
        values = _scaled(predicted, self.folds)
        found = np.empty((len(self._counts), self.units), np.float32)
        for part, (mean, spread) in zip(self._blocks(), self._sums, strict=True):
            x, y = values[:, part], self._values[:, part]
            own, own_spread = _moments(x, self._counts)
            shared = (self._counts @ (x * y)) / self.n - own * mean
            r = shared / (own_spread * spread).sqrt()
            found[:, part] = torch.where((own_spread > 0) & (spread > 0), r, torch.nan).clamp(-1, 1).numpy()
        return found

    def replicates(self, predicted: np.ndarray, statistic: Statistic = "median") -> Replicates:
        """The score of predictions (n, units) and what it is in every draw."""
        return replicates(self.correlations(predicted), self.draws, statistic)


def replicates(values: np.ndarray, draws: Draws, statistic: Statistic = "median") -> Replicates:
    """Of a number a unit. values: (resamples + 1, units) in every draw of stimuli, of the data itself last; or (units,)
    where stimuli have no part in it. Units that are NaN are left out."""
    if statistic not in get_args(Statistic):
        raise BadValue("statistic", statistic, f"must be one of {', '.join(get_args(Statistic))}")
    whole = bool(np.isfinite(values).all())
    function: Any = {("median", True): np.median, ("mean", True): np.mean, ("median", False): np.nanmedian,
                ("mean", False): np.nanmean}[statistic, whole]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing but NaN
        of_data = values if values.ndim == 1 else values[-1]
        value = float(function(of_data))
        units = function(of_data[draws.units], axis=1)
        if values.ndim == 1:
            stimuli, both = np.full(len(units), value), units
        else:
            stimuli = function(values[:-1], axis=1)
            both = function(np.take_along_axis(values[:-1], draws.units, axis=1), axis=1)
    stimuli, units, both = (np.asarray(part, np.float64) for part in (stimuli, units, both))
    return Replicates(value, stimuli, units, both, draws.counts.shape[1], draws.units.shape[1])


def reliabilities(responses: np.ndarray, noise: np.ndarray, draws: Draws) -> np.ndarray:
    """(resamples + 1, units) reliability of the mean responses in every draw of stimuli, of the data itself last.

    responses: (n, units) means over trials; noise: (n, units) variance of each of these means, s^2 / n_i. It is
    1 - (n - 3) / (n - 1) mean(noise) / var(responses): analysis.ceiling.repeat_reliability but for the factor, without
    which it is too low for few stimuli, as the mean of 1 / var is above 1 over the mean of var (that of F; McGraw and
    Wong 1996). Means over units would not be rid of that by having many of them.
    """
    counts = torch.from_numpy(np.vstack([draws.counts, np.ones((1, draws.counts.shape[1]), np.float32)]))
    n = counts.shape[1]
    values = np.asarray(responses, np.float64)
    values = values - values.mean(axis=0)
    scale = np.sqrt(np.square(values).mean(axis=0))
    scale[scale == 0] = 1.0
    _, spread = _moments(torch.from_numpy((values / scale).astype(np.float32)), counts)
    share = counts @ torch.from_numpy((np.asarray(noise, np.float64) / scale**2).astype(np.float32)) / n
    found = 1 - (n - 3) / (n - 1) * share / (spread * n / (n - 1))
    return torch.where(spread > 0, found, torch.nan).numpy()


def reliability_error(reliability: np.ndarray, responses: np.ndarray, noise: np.ndarray | None) -> float:
    """Standard error of the median reliability over units and stimuli drawn anew together; NaN for too few of either,
    or where units have no reliability of their own.

    reliability: (units,); responses: (n, units); noise: of these, see `noise_of_means`; None draws units alone.
    """
    n, units = responses.shape
    known = np.isfinite(reliability)
    if min(known.sum(), n) < FEWEST or np.ptp(reliability[known]) == 0:
        return float("nan")
    draws = draw(n, units, np.random.default_rng([n, units]), CEILING_RESAMPLES)
    if noise is None:
        return float(np.sqrt(replicates(reliability, draws).variance_units))
    return float(np.sqrt(replicates(reliabilities(responses, noise, draws), draws).variance))


def noise_of_means(trials: np.ndarray) -> np.ndarray:
    """(n, units) variance of each mean response, s^2 / n_i; NaN for units without two trials of any stimulus.

    trials: (n, units, repeats), NaN where missing. Where all stimuli of a unit have as many trials, s^2 is that of the
    stimulus; else it is the unit's, over all stimuli, as in analysis.ceiling.repeat_reliability.
    """
    trials = np.asarray(trials, np.float64)
    present = np.isfinite(trials)
    counts = present.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(present, trials, 0.0).sum(axis=2) / counts
        squares = (np.where(present, trials - means[..., None], 0.0) ** 2).sum(axis=2)
        own = squares / (counts - 1)
        pooled = squares.sum(axis=0) / (counts.sum(axis=0) - (counts > 0).sum(axis=0))
        equal = (counts == counts.max(axis=0)).all(axis=0) & (counts.max(axis=0) > 1)
        return np.where(equal, own, pooled) / counts


def _scaled(values: np.ndarray, folds: np.ndarray | None) -> torch.Tensor:
    """Columns within folds, of mean square 1, as float32; those that are constant but for rounding are zero."""
    centred = within_folds(values, folds)
    size = np.sqrt(np.square(centred).mean(axis=0))
    small = size <= CONSTANT * np.sqrt(np.square(np.asarray(values, np.float64)).mean(axis=0))
    return torch.from_numpy(np.where(small, 0.0, centred / np.where(small, 1.0, size)).astype(np.float32))


def _moments(values: torch.Tensor, counts: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(mean, variance with n) of columns in every draw."""
    mean = counts @ values / counts.shape[1]
    spread = counts @ values.square() / counts.shape[1] - mean.square()
    return mean, torch.where(spread > 1e-6, spread, 0.0)  # rounding of float32
