"""What a Brain-Score benchmark asks of a network, without Brain-Score: stimuli, recordings, splits, ceiling, score."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlspatial.analysis.pls import COMPONENTS, cross_validated_pls
from mlspatial.core.errors import StimulusMismatch, UserError
from mlspatial.core.score import FORMULAS
from mlspatial.models.stimuli import Stimuli

VERSION = "1"  # of the read-out and i2n
NEURAL_FORMULA = "r^2/c"  # benchmark_helpers/neural_common.py, explained_variance
BEHAVIOUR_FORMULA = "r/sqrt(c)"  # benchmarks/rajalingham2018, ceil_score; mean over the repeats' ratios
READOUT_C = 1e-3  # brain_transformation/behavior.py, ProbabilitiesClassifier
CAP = 5.0  # metrics/i1i2, dprimes
NAN = math.nan


@dataclass(frozen=True)
class BrainScore:
    """A score as Brain-Score gives it. Nothing is clipped.

    raw: correlation; ceiling: same unit; ceiled: the package's own final value, joined by `formula`; error: standard
    error of raw over splits (i2n: standard deviation of the ceiled value over its repeats, as the package has it); n:
    splits or repeats; version: of the benchmark and of the package. r2_over_c, r_over_c_squared: the ceiled value under
    the formula for neural benchmarks since December 2025 and under the one before. Behaviour (i2n) has always had
    r/sqrt(c), so there both are the ceiled value. engine: fast or reference.
    """

    raw: float
    ceiling: float
    ceiled: float
    error: float
    n: int
    metric: str
    version: str
    formula: str
    r2_over_c: float
    r_over_c_squared: float
    engine: str = "fast"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def neural_score(
    raw: float, ceiling: float, error: float, n: int, metric: str, version: str, engine: str
) -> BrainScore:
    """A neural score with both formulas; NaN where the ceiling is not above 0."""
    both = {name: FORMULAS[name](raw, ceiling) if ceiling > 0 else NAN for name in ("r^2/c", "(r/c)^2")}
    today, before = both["r^2/c"], both["(r/c)^2"]
    return BrainScore(raw, ceiling, today, error, n, metric, version, NEURAL_FORMULA, today, before, engine)


def best_layer(scores: Mapping[str, BrainScore]) -> str:
    """The layer of the highest ceiled score, the first on a tie; layers without a score are passed over.

    Raises UserError when none has a score. Source: brain_transformation/neural.py, LayerSelection.
    """
    found = {layer: score.ceiled for layer, score in scores.items() if not math.isnan(score.ceiled)}
    if not found:
        raise UserError(f"no layer of {', '.join(scores)} has a score; look at the network's activations")
    return max(found, key=lambda layer: found[layer])  # max keeps the first of equals


@dataclass(frozen=True)
class NeuralTarget:
    """One region's recordings, ready for the fast engine.

    identifier: as the user types it; name: as the package writes it; responses: (n stimuli, neuroids) float64 in the
    assembly's order, which is that of the stimuli; strata: (n,) what the splits are stratified by, or None; folds:
    (train, test) indices, the package's own; ceilings: (splits, neuroids) split-half consistencies; ceiling: their
    median over neuroids, mean over splits; components: of the PLS regression.
    """

    identifier: str
    name: str
    region: str
    version: str
    stimuli: Stimuli
    responses: np.ndarray
    strata: np.ndarray | None
    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    ceiling: float
    ceilings: np.ndarray
    components: int = COMPONENTS

    @property
    def metric(self) -> str:
        return f"pls{self.components}"

    def score(self, gram: np.ndarray, *, device: str = "cpu") -> BrainScore:
        """Score of a layer. gram: (n, n) inner products of its features, any origin, in the order of the stimuli."""
        r = cross_validated_pls(gram, self.responses, self.folds, components=self.components, device=device)
        return self.from_correlations(r)

    def from_correlations(self, r: np.ndarray) -> BrainScore:
        """The benchmark's score of cross-validated correlations, (splits, neuroids): median, mean, ceiling."""
        medians = np.nanmedian(r, axis=1)
        error = float(medians.std() / np.sqrt(len(medians)))  # xarray's: no Bessel correction
        return neural_score(float(medians.mean()), self.ceiling, error, len(medians), self.metric, self.version, "fast")


@dataclass(frozen=True)
class BehaviourTarget:
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

    @property
    def ceiling(self) -> float:
        return float(self.ceilings.mean())

    def score(self, features: np.ndarray) -> BrainScore:
        """Score of a read-out layer. features: (n, p) float32, in the order of the stimuli.

        Raises StimulusMismatch for another number of rows, UserError when the read-out cannot tell images apart.
        """
        if len(features) != len(self.stimuli):
            raise StimulusMismatch(f"{len(features)} rows of features for {len(self.stimuli)} stimuli")
        return self.from_probabilities(probabilities(features, self.labels, self.choices))

    def from_probabilities(self, chosen: np.ndarray) -> BrainScore:
        """The benchmark's score of choice probabilities, (n, k), columns as choices."""
        network = normalised_dprime(chosen, self.labels, self.choices)
        r = np.array([_correlation(network, human) for human in self.humans])
        ceiled = r / np.sqrt(self.ceilings)
        value = float(ceiled.mean())
        return BrainScore(
            float(r.mean()), self.ceiling, value, float(ceiled.std()), len(r), self.metric, self.version,
            BEHAVIOUR_FORMULA, value, value, "fast",
        )  # fmt: skip


Target = NeuralTarget | BehaviourTarget


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
    return float((a * b).sum() / length) if length > 0 else NAN
