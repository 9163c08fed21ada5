"""Choices of people between two objects, image by image (i2n): a read-out of one layer makes the same choices.

The procedure is Brain-Score's, without Brain-Score; the benchmarks come from there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from mlspatial.benchmarks.base import Benchmark, Layer, Network, Way
from mlspatial.core.errors import StimulusMismatch, UserError
from mlspatial.core.score import BEHAVIOUR, Score
from mlspatial.models.stimuli import Stimuli

VERSION = "1"  # of the read-out and i2n
READOUT_C = 1e-3  # brain_transformation/behavior.py, ProbabilitiesClassifier
CAP = 5.0  # metrics/i1i2, dprimes


@dataclass(frozen=True)
class Behaviour(Benchmark):
    """Human choices between two objects, image by image (i2n), ready for the fast engine.

    stimuli: in the order of the stimulus set, which is the order that the read-out is fitted in; labels: (n,) object
    of each image; choices: (k,) objects in alphabetical order; humans: (repeats, n, k) normalised d' of the first half
    of the trials, rows as stimuli, columns as choices, NaN where nothing is known; ceilings: (repeats,) correlation of
    the two halves; readout: the layer that is read when nobody names one, empty: the last of the candidates.
    """

    identifier: str
    name: str
    version: str
    stimuli: Stimuli
    labels: np.ndarray
    choices: np.ndarray
    humans: np.ndarray
    ceilings: np.ndarray
    region: str = "behavior"
    metric: str = "i2n"
    readout: str = "avgpool"  # Xie et al. 2025

    takes: ClassVar[str] = "behaviour takes"
    fixed: ClassVar[str] = "behaviour is read from one layer"

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return ("features",)

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return {"brainscore_targets": VERSION}

    @cached_property
    def own(self) -> str:
        return self.metric

    @property
    def ceiling(self) -> float:
        return float(self.ceilings.mean())

    def layers(
        self, asked: tuple[str, ...], structure: Callable[[], Network], load: Callable[[], Network]
    ) -> tuple[str, ...]:
        """The read-out layer, else the last of the candidates."""
        from mlspatial.models.zoo import candidate_layers

        module, spec = structure()
        names = {name for name, _ in module.named_modules()}
        return (self.readout,) if self.readout in names else tuple(candidate_layers(spec, module)[-1:])

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        return [self.score(np.array(layer.arrays["features"]))]

    def score(self, features: np.ndarray) -> Score:
        """Score of a read-out layer. features: (n, p) float32, in the order of the stimuli.

        Raises StimulusMismatch for another number of rows, UserError when the read-out cannot tell images apart.
        """
        if len(features) != len(self.stimuli):
            raise StimulusMismatch(f"{len(features)} rows of features for {len(self.stimuli)} stimuli")
        return self.from_probabilities(probabilities(features, self.labels, self.choices))

    def from_probabilities(self, chosen: np.ndarray) -> Score:
        """The benchmark's score of choice probabilities, (n, k), columns as choices."""
        network = normalised_dprime(chosen, self.labels, self.choices)
        r = np.array([_correlation(network, human) for human in self.humans])
        ceiled = r / np.sqrt(self.ceilings)  # benchmarks/rajalingham2018, ceil_score
        value = float(ceiled.mean())
        return Score(
            raw=float(r.mean()),
            ceiling=self.ceiling,
            error=float(ceiled.std()),
            n=len(r),
            metric=self.metric,
            version=self.version,
            formula=BEHAVIOUR,
            given=value,
            ceiling_error=float(self.ceilings.std() / np.sqrt(len(r))),
            values=network,
            selection="the read-out layer, by hand",
            more={"depth": -1},  # no place among candidates
        )


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


def _correlation(network: np.ndarray, human: np.ndarray) -> float:
    """Pearson r over the cells that people have filled."""
    known = ~np.isnan(human)
    if np.isnan(network[known]).any():
        raise UserError("i2n: the read-out gives no d' for some images; its probabilities are 0 or not numbers")
    a, b = network[known] - network[known].mean(), human[known] - human[known].mean()
    length = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / length) if length > 0 else float("nan")
