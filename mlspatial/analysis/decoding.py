"""How well a layer tells each latent linearly: ridge regression for numbers and angles, a linear SVC for categories.

One Gram matrix serves all splits, latents, alphas and classes. The features are used as they are, neither standardised
nor scaled (Xie et al. 2025): only the mean of the training stimuli is taken off, by ridge regression, as its intercept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch

from mlspatial.analysis.device import exact, exact_device
from mlspatial.analysis.gram import block
from mlspatial.analysis.jackknife import blocks
from mlspatial.analysis.pls import pearson
from mlspatial.analysis.ridge import Array, RidgeFold, check_rows, inner_products
from mlspatial.analysis.splits import Split, check_classes
from mlspatial.analysis.svc import CATEGORY_C, Svc, fit_svc, predict_logistic
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError
from mlspatial.core.latents import Latent

Measure = Literal["pearson_r", "r2", "mae", "accuracy", "angular_error_deg"]

#: Xie et al. 2025, the authors' published experiment settings
ALPHAS = (1e-4, 1e-3, 1e-2, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 100.0, 1000.0)
CLASSIFIERS = ("svc", "logistic")
VERSION = "1"
CONSTANT = 1e-6  # of a latent's unit (radians for angles): a smaller range is rounding, not variation


@dataclass(frozen=True)
class Decoding:
    """One number: how well one latent was decoded from the test stimuli of one split.

    measure, value, chance:
      pearson_r          r of prediction and truth, chance 0; of a circular latent the mean r of its sine and cosine;
                         NaN where either is constant over the test stimuli
      r2                 1 - squared error / variance of the test stimuli, chance 0; below 0 where worse than the mean
      mae                mean absolute error in the latent's unit; chance: that of the training stimuli's median
      angular_error_deg  mean absolute error the short way round; chance: that of the best whole degree in training
      accuracy           share of test stimuli put into their class; chance: the share of the largest of all classes
    alpha: the ridge penalty chosen within the training stimuli; of sine and cosine, the geometric mean of theirs; None
    for categories. fold: number of the split. left_out: (blocks,) value without the test stimuli of each block of
    jackknife.blocks; nothing is fitted anew.
    """

    latent: str
    fold: int
    measure: Measure
    value: float
    chance: float
    alpha: float | None
    n_train: int
    n_test: int
    left_out: np.ndarray = field(default_factory=lambda: np.empty(0), compare=False, repr=False)


def decode(
    features: Array,
    values: Mapping[str, np.ndarray],
    latents: Sequence[Latent],
    splits: Sequence[Split],
    *,
    is_gram: bool = False,
    alphas: Sequence[float] = ALPHAS,
    c: float = CATEGORY_C,
    classifier: str = "svc",
    device: str = "cpu",
) -> list[Decoding]:
    """Decode every latent in every split.

    features: (n stimuli, p), or with is_gram the (n, n) uncentred inner products of their features; NumPy or torch;
    values: latent name -> (n,) values, categories as codes or names; latents: which ones and of what kind (linear;
    circular, with its range as period, decoded as sine and cosine; category); splits: (train, test) indices, see
    analysis.splits; alphas: candidates, chosen per target by leave-one-out squared error within the training stimuli;
    c, classifier: weight of the linear SVC's violations (or the inverse penalty of a multinomial logistic regression).
    Returns the records by latent, split and measure.
    Raises UserError for features that are not finite, values that are not, splits that are no split or too few stimuli
    for the classes; BadValue for a latent that does not vary; UnknownName for a latent without values; StimulusMismatch
    when features and values differ in number.
    """
    device = exact_device(device)
    targets = check(len(features), values, latents, splits, classifier)
    gram = _gram(features, is_gram, device)
    records: dict[str, list[Decoding]] = {name: [] for name in targets}
    fitted: dict[str, tuple[torch.Tensor, Svc]] = {}  # of the split before: most of its training stimuli are the same
    for fold, (train, test) in enumerate(splits):
        known = torch.as_tensor(train, device=gram.device)
        within, across = block(gram, known, known), block(gram, torch.as_tensor(test, device=gram.device), known)
        numbers = [target for target in targets.values() if target.latent.kind != "category"]
        if numbers:
            wide = is_gram or 2 * features.shape[1] >= len(train)
            ridge = (
                RidgeFold.from_gram(within, across, device=device)
                if wide
                else RidgeFold.from_features(features[train], features[test], device=device)
            )
            for target, predicted, alpha in _regress(ridge, numbers, train, alphas):
                scores = target.score(predicted, train, test)
                without = [target.values(predicted[kept], test[kept]) for kept in _kept(test, len(features))]
                found = _records(target.latent.name, fold, scores, without, alpha, train, test)
                records[target.latent.name] += found
        for name, target in targets.items():
            if target.latent.kind != "category":
                continue
            labels = target.truth[train]
            if classifier == "logistic":
                guessed = predict_logistic(within, across, labels, c=c)
            else:
                start = None
                if name in fitted and np.array_equal(fitted[name][1].classes, np.unique(labels)):
                    start = fitted[name][1].decide(block(gram, known, fitted[name][0]))
                machine = fit_svc(within, labels, c=c, start=start, device=device)
                fitted[name] = (known, machine)
                guessed = machine.predict(across)
            scores, without = _classified(guessed, target.truth, target.truth, test)
            records[name] += _records(name, fold, scores, without, None, train, test)
    return [record for found in records.values() for record in found]


def predictions(
    features: np.ndarray,
    shown: np.ndarray,
    values: Mapping[str, np.ndarray],
    latents: Sequence[Latent],
    train: np.ndarray,
    alphas: Sequence[float] = ALPHAS,
) -> dict[str, np.ndarray]:
    """latent -> (m, 1), of angles (m, 2) sine and cosine: what read-outs as `decode` fits them say of other responses.

    features: (n, p), of which the rows `train` are fitted to; shown: (m, p) of the same units; values, latents: as of
    `decode`, no categories; alphas: candidates.
    """
    targets = [_target(latent, values, len(features)) for latent in latents]
    ridge = RidgeFold.from_features(features[train], shown)
    return {target.latent.name: said for target, said, _ in _regress(ridge, targets, train, alphas)} if targets else {}


def judge(
    predicted: Mapping[str, np.ndarray],
    values: Mapping[str, np.ndarray],
    latents: Sequence[Latent],
    splits: Sequence[Split],
) -> list[Decoding]:
    """Somebody else's predictions of the latents, scored as `decode` scores those of its read-outs.

    predicted: latent -> (n, 1) numbers in its unit, (n, 2) sine and cosine of an angle, or (n,) classes, written as
    those of values; values, latents: as of `decode`; splits: (stimuli that chance is of, stimuli to test), which may be
    the same. Nothing is fitted: alpha is None and n_train 0.
    """
    found: list[Decoding] = []
    for latent in latents:
        said = np.asarray(predicted[latent.name])
        target = _target(latent, values, len(said))
        for fold, (known, test) in enumerate(splits):
            if latent.kind == "category":
                counted = target.truth[np.union1d(known, test)]
                scores, without = _classified(said[test], target.truth, counted, test)
            else:
                scores = target.score(said[test], known, test)
                without = [target.values(said[test[kept]], test[kept]) for kept in _kept(test, len(said))]
            found += _records(latent.name, fold, scores, without, None, known[:0], test)
    return found


@dataclass(frozen=True)
class _Target:
    """truth: (n,) values; columns: (n, 1 or 2) what ridge regression predicts of it."""

    latent: Latent
    truth: np.ndarray
    columns: np.ndarray

    def score(self, predicted: np.ndarray, train: np.ndarray, test: np.ndarray) -> dict[Measure, tuple[float, float]]:
        """measure -> (value, chance). predicted: (n test, 1 or 2)."""
        chances: dict[Measure, float] = {"pearson_r": 0.0, "r2": 0.0}
        if self.latent.kind == "circular":
            angles = self._angles
            constants = np.deg2rad(np.arange(-180.0, 180.0))[:, None]
            best = constants[_angular_errors(constants, angles[train]).mean(axis=1).argmin()]
            chances["angular_error_deg"] = float(_angular_errors(best, angles[test]).mean())
        else:
            chances["mae"] = float(np.abs(self.truth[test] - np.median(self.truth[train])).mean())
        return {measure: (value, chances[measure]) for measure, value in self.values(predicted, test).items()}

    def values(self, predicted: np.ndarray, test: np.ndarray) -> dict[Measure, float]:
        """measure -> value."""
        r = float(pearson(predicted, self.columns[test]).mean())
        if self.latent.kind == "circular":
            errors = _angular_errors(np.arctan2(predicted[:, 0], predicted[:, 1]), self._angles[test])
            return {"pearson_r": r, "angular_error_deg": float(errors.mean())}
        truth = self.truth[test]
        errors = np.abs(truth - predicted[:, 0])
        spread = ((truth - truth.mean()) ** 2).sum()
        r2 = float(1.0 - (errors**2).sum() / spread) if spread > 0 else np.nan
        return {"pearson_r": r, "r2": r2, "mae": float(errors.mean())}

    @property
    def _angles(self) -> np.ndarray:
        return np.arctan2(self.columns[:, 0], self.columns[:, 1])


def check(
    n: int, values: Mapping[str, np.ndarray], latents: Sequence[Latent], splits: Sequence[Split], classifier: str
) -> dict[str, _Target]:
    """Raise what `decode` would, before there are features of the n stimuli; returns what is decoded."""
    if classifier not in CLASSIFIERS:
        raise BadValue("classifier", classifier, f"must be one of {', '.join(CLASSIFIERS)}")
    targets = {latent.name: _target(latent, values, n) for latent in latents}
    _check_splits(splits, n)
    for target in targets.values():
        if target.latent.kind == "category":
            check_classes(target.latent.name, target.truth, splits)
    return targets


def _target(latent: Latent, values: Mapping[str, np.ndarray], n: int) -> _Target:
    if latent.name not in values:
        raise UnknownName("latent", latent.name, values)
    truth = np.asarray(values[latent.name])
    if truth.shape != (n,):
        raise StimulusMismatch(f"{latent.name} has shape {truth.shape}, the features are of {n} stimuli")
    if latent.kind == "category":
        if len(np.unique(truth)) < 2:
            raise _constant(latent, truth[0])
        return _Target(latent, truth, np.empty((n, 0)))
    truth = truth.astype(np.float64)
    if not np.isfinite(truth).all():
        row = int(np.flatnonzero(~np.isfinite(truth))[0])
        raise UserError(f"latent {latent.name} is {truth[row]} for stimulus {row}; choose other latents or stimuli")
    columns = truth[:, None]
    if latent.kind == "circular":
        angle = 2 * np.pi * truth / latent.period
        columns = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    if np.ptp(columns, axis=0).max() <= CONSTANT:
        raise _constant(latent, truth[0])
    return _Target(latent, truth, columns)


def _constant(latent: Latent, value: object) -> BadValue:
    return BadValue(
        "latents",
        latent.name,
        f"does not vary over these stimuli (it is {value}), so it cannot be decoded; "
        "leave it out or decode from a dataset in which it varies (x and y: translation=full)",
    )


def _gram(features: Array, is_gram: bool, device: str) -> torch.Tensor:
    if not is_gram:
        return inner_products(features, device=device)
    gram = exact(torch.as_tensor(features)).to(device, torch.float64)
    if gram.shape != (len(gram), len(gram)):
        raise StimulusMismatch(f"a Gram matrix is square, this one is {tuple(gram.shape)}")
    check_rows(gram.abs().sum(dim=1))
    return gram


def _check_splits(splits: Sequence[Split], n: int) -> None:
    for number, (train, test) in enumerate(splits):
        both = np.concatenate([train, test])
        if not len(test) or len(np.unique(both)) != len(both) or both.min() < 0 or both.max() >= n:
            raise UserError(f"split {number} is no split of {n} stimuli: an index is repeated, missing or out of range")


def _regress(
    ridge: RidgeFold, targets: Sequence[_Target], train: np.ndarray, alphas: Sequence[float]
) -> Iterator[tuple[_Target, np.ndarray, float]]:
    """All columns of all latents at once; then per latent (n test, columns) predictions and alpha."""
    fit = ridge.fit(np.concatenate([target.columns[train] for target in targets], axis=1), alphas)
    predicted, chosen = fit.predictions.cpu().numpy(), fit.alpha.cpu().numpy()
    ends = np.cumsum([target.columns.shape[1] for target in targets])
    for target, end in zip(targets, ends, strict=True):
        part = slice(end - target.columns.shape[1], end)
        yield target, predicted[:, part], float(np.exp(np.log(chosen[part]).mean()))


def _records(
    name: str,
    fold: int,
    scores: Mapping[Measure, tuple[float, float]],
    without: Sequence[Mapping[Measure, float]],
    alpha: float | None,
    train: np.ndarray,
    test: np.ndarray,
) -> list[Decoding]:
    left = {measure: np.array([values[measure] for values in without]) for measure in scores}
    return [
        Decoding(name, fold, measure, value, chance, alpha, len(train), len(test), left[measure])
        for measure, (value, chance) in scores.items()
    ]


def _classified(
    guessed: np.ndarray, truth: np.ndarray, counted: np.ndarray, test: np.ndarray
) -> tuple[dict[Measure, tuple[float, float]], list[dict[Measure, float]]]:
    """(accuracy and its chance, accuracy without each block). guessed: (n test,); truth: (n,); counted: classes of all
    stimuli that chance is of."""
    right = guessed == truth[test]
    chance = float(np.unique(counted, return_counts=True)[1].max() / len(counted))
    without: list[dict[Measure, float]] = [{"accuracy": float(right[kept].mean())} for kept in _kept(test, len(truth))]
    return {"accuracy": (float(np.mean(right)), chance)}, without


def _kept(test: np.ndarray, n: int) -> list[np.ndarray]:
    """For every block the places in test of stimuli of other ones; all of them where no other one is tested."""
    own = blocks(n)[test]
    kept = [np.flatnonzero(own != b) for b in range(int(blocks(n).max()) + 1)]
    return [part if len(part) else np.arange(len(test)) for part in kept]


def _angular_errors(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Absolute differences in degrees, the short way round. Angles in radians."""
    return np.rad2deg(np.abs((first - second + np.pi) % (2 * np.pi) - np.pi))
