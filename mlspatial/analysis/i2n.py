"""Choices between two objects, image by image (i2n): what a read-out of a layer chooses, set beside what people choose.

The procedure is Brain-Score's, without Brain-Score.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mlspatial.core.errors import StimulusMismatch, UserError

VERSION = "1"
READOUT_C = 1e-3  # brain_transformation/behavior.py, ProbabilitiesClassifier
CAP = 5.0  # metrics/i1i2, dprimes


def probabilities(features: np.ndarray, labels: np.ndarray, choices: Sequence[str] | np.ndarray) -> np.ndarray:
    """(n, k) probability of each object by a read-out fitted and tested on the same images, columns as choices.

    features: (n, p); float32 stays float32, as in the package. labels: (n,), numbered as they first appear.
    Source: brain_transformation/behavior.py: StandardScaler, multinomial logistic regression, newton-cg, C 1e-3.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    names = list(dict.fromkeys(labels.tolist()))
    if set(names) != set(choices):
        raise StimulusMismatch(f"the images show {sorted(names)[:5]} ..., the choices are {sorted(choices)[:5]} ...")
    numbers = {name: number for number, name in enumerate(names)}
    scaled = StandardScaler().fit_transform(features)
    classifier = LogisticRegression(solver="newton-cg", C=READOUT_C)  # multinomial for more than two objects
    found = classifier.fit(scaled, [numbers[label] for label in labels.tolist()]).predict_proba(scaled)
    return found[:, [numbers[choice] for choice in choices]]


def normalised_dprime(chosen: np.ndarray, labels: np.ndarray, choices: Sequence[str] | np.ndarray) -> np.ndarray:
    """(n, k) d' of each image against each distractor, without its mean over the object's images; NaN at the object.

    chosen: (n, k) probability of each object. Hit rate: 1 - p(distractor) / (p(distractor) + p(object)); false alarms:
    how often images of the distractor are taken for the object. Clipped at +-5.
    Source: metrics/i1i2, after Rajalingham et al. 2018.
    """
    from scipy.stats import norm

    chosen = chosen.astype(np.float64)
    column = {choice: number for number, choice in enumerate(choices)}
    truth = np.array([column[label] for label in labels.tolist()])
    rows = np.arange(len(chosen))
    with np.errstate(invalid="ignore", divide="ignore"):
        wrong = chosen / (chosen + chosen[rows, truth][:, None])
    wrong[rows, truth] = np.nan
    members = [np.flatnonzero(truth == number) for number in range(len(column))]
    taken_for = np.stack([_means(wrong[some]) for some in members])  # (object shown, object chosen)
    dprime = (norm.ppf(1 - wrong) - norm.ppf(taken_for.T[truth])).clip(-CAP, CAP)
    for some in members:
        dprime[some] -= _means(dprime[some])
    return dprime


def _means(rows: np.ndarray) -> np.ndarray:
    """Mean of each column over what is not NaN; NaN for a column of nothing."""
    known = ~np.isnan(rows)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known, rows, 0.0).sum(axis=0) / known.sum(axis=0)


def correlation(network: np.ndarray, human: np.ndarray) -> float:
    """Pearson r over the cells that people have filled."""
    known = ~np.isnan(human)
    if np.isnan(network[known]).any():
        raise UserError("i2n: the read-out gives no d' for some images; its probabilities are 0 or not numbers")
    a, b = network[known] - network[known].mean(), human[known] - human[known].mean()
    length = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / length) if length > 0 else float("nan")
