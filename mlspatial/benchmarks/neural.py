"""A neural benchmark: stimuli, responses, a metric, a ceiling. Shared by local and simulated data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlspatial.analysis import pls, rsa, yardsticks
from mlspatial.analysis.ceiling import HALVINGS, split_half_each
from mlspatial.analysis.splits import Split, k_folds
from mlspatial.analysis.yardsticks import Ceilings, Metric, Regression, Representation
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.plugins import Plugins
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

VERSION = "1"  # of ceilings of ours and of what a benchmark hands to a metric
CEILINGS = ("split_half", "repeats", "none")
SHORT = {"pls": "pls{components}", "cka": "cka_debiased"}  # what a benchmark may call a yardstick
METRICS = tuple(sorted({*SHORT, *yardsticks.METRICS} - {"pls25", "cka_debiased"}))


@dataclass(frozen=True)
class Truth:
    """Where simulated responses come from: the model_id of the network, its layer, and a hash of the neuroids, which
    is the same for populations that differ in nothing but the number of trials."""

    network: str
    layer: str
    population: str


@dataclass(frozen=True)
class NeuralBenchmark:
    """responses: (n stimuli, neuroids), mean over repeats; trials: (n, neuroids, repeats) or None, NaN = missing.

    region: V1, V2, V4, IT, ...; metric: a name in METRICS; components: of pls; ceiling: a name in CEILINGS or a number
    above 0 and up to 1, in the unit that the metric's ceiling has; strata: (n,) labels whose shares both sides of a
    split keep, or None; splits: "brainscore" (10 x 90 % and 10 %) or "kfold:K"; neuroids: names, default numbers;
    recipe: of simulated responses, which then stands for them in `version`; truth: of simulated ones, where known.
    Raises UserError for responses that cannot be scored, BadValue for a setting that cannot be meant.
    """

    identifier: str
    region: str
    stimuli: Stimuli
    responses: np.ndarray
    trials: np.ndarray | None = None
    metric: str = "pls"
    ceiling: str | float = "split_half"
    components: int = pls.COMPONENTS
    strata: np.ndarray | None = None
    splits: str = "brainscore"
    neuroids: tuple[str, ...] = ()
    recipe: str = ""
    truth: Truth | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise BadValue(f"benchmark {self.identifier}: metric", self.metric, f"must be one of {', '.join(METRICS)}")
        known = self.ceiling in CEILINGS if isinstance(self.ceiling, str) else 0 < self.ceiling <= 1
        if not known:
            expected = f"must be one of {', '.join(CEILINGS)} or a number above 0 and up to 1"
            raise BadValue(f"benchmark {self.identifier}: ceiling", self.ceiling, expected)
        if len(self.responses) != len(self.stimuli):
            raise UserError(
                f"benchmark {self.identifier}: {len(self.responses)} stimuli have responses, "
                f"{len(self.stimuli)} have images"
            )
        names = self.neuroids or tuple(map(str, range(self.responses.shape[1])))
        object.__setattr__(self, "neuroids", names)
        if len(names) != self.responses.shape[1]:
            raise UserError(f"benchmark {self.identifier}: {len(names)} names for {self.responses.shape[1]} neuroids")
        missing = np.argwhere(~np.isfinite(self.responses))
        if len(missing):
            stimulus, neuroid = missing[0]
            more = f" (nor have {len(missing) - 1} more pairs)" if len(missing) > 1 else ""
            raise UserError(
                f"benchmark {self.identifier}: neuroid {names[neuroid]} has no trial of stimulus "
                f"{self.stimuli.ids[stimulus]}{more}; leave out the neuroid or the stimulus"
            )
        if still := [names[i] for i in np.flatnonzero(np.ptp(self.responses, axis=0) == 0)]:
            raise UserError(
                f"benchmark {self.identifier}: {len(still)} neuroids respond the same to all stimuli "
                f"({', '.join(still[:5])}); leave them out"
            )
        fewest = min(len(train) for train, _ in self.folds)
        if self.metric == "pls" and fewest <= self.components:
            raise UserError(
                f"benchmark {self.identifier}: {fewest} training stimuli are too few for {self.components} components; "
                f"use more stimuli or set components below {fewest}"
            )

    @cached_property
    def folds(self) -> tuple[Split, ...]:
        """(train, test) indices into the stimuli. brainscore: see analysis.pls.splits; kfold:K: K shuffled folds.

        Raises UserError for strata that cannot be kept, BadValue for unknown splits.
        """
        n = len(self.stimuli)
        kind, _, count = self.splits.partition(":")
        if kind == "kfold" and count.isdecimal():
            return tuple(k_folds(n, seed=pls.SPLIT_SEED, folds=int(count), stratify=self.strata))
        if self.splits != "brainscore":
            raise BadValue(f"benchmark {self.identifier}: splits", self.splits, "must be brainscore or kfold:K")
        return tuple(pls.splits(n, self.strata))

    @cached_property
    def version(self) -> str:
        """Hash of everything that decides a score but the network."""
        arrays = [] if self.recipe else [self.responses, *([] if self.trials is None else [self.trials])]
        digests = [hashlib.sha256(np.ascontiguousarray(a, dtype="<f8").tobytes()).hexdigest() for a in arrays]
        settings = [self.metric, self.ceiling, self.components, self.splits]
        strata = None if self.strata is None else [str(label) for label in self.strata]
        return content_id([self.stimuli.id, self.stimuli.degrees, *settings, strata, self.recipe, digests])

    def measure(self, metric: str | None = None) -> Metric:
        """The yardstick of a name in METRICS or of a registered one (pls25); without a name, the benchmark's own.

        Raises UnknownName.
        """
        name = SHORT.get(metric or self.metric, metric or self.metric).format(components=self.components)
        return yardsticks.find_metric(name)

    def score(
        self, representation: Representation | np.ndarray, metric: str | None = None, *, device: str = "cpu"
    ) -> Score:
        """How well one layer explains the responses, by the benchmark's metric or another one.

        representation: what is kept of the layer, stimuli in the benchmark's order; an array goes to score_features.
        """
        if isinstance(representation, np.ndarray):
            return self.score_features(representation, metric, device=device)
        measure = self.measure(metric)
        return measure(representation, self.responses, self.folds, self.ceilings_of(measure), device=device)

    def score_features(self, features: np.ndarray, metric: str | None = None, *, device: str = "cpu") -> Score:
        """`score` from the features themselves, (n stimuli, p)."""
        patterns = self.measure(metric).needs == "pattern"
        correlations = rsa.condensed(rsa.similarity_matrix(features)) if patterns else None
        return self.score(Representation(pls.gram_matrix(features), correlations), metric, device=device)

    def ceilings_of(self, measure: Metric) -> Ceilings:
        """What a yardstick takes as ceilings; None for ceiling "none".

        A number holds for metrics of the benchmark's own kind, others have none. Comparisons of matrices are always
        ceiled by halves of the trials. Computed once. Raises UserError when trials do not allow it.
        """
        if measure.name not in self._found:
            self._found[measure.name] = self._ceilings_of(measure)
        return self._found[measure.name]

    @property
    def ceilings(self) -> np.ndarray:
        """(neuroids,) reliability of the mean response, the square of the correlation that a perfect model reaches.

        1 without a ceiling; NaN for neuroids without repeats. Raises UserError when no neuroid has any.
        """
        found = self.ceilings_of(yardsticks.METRICS["ridge"])
        values = np.asarray(1.0 if found is None else found)
        return np.broadcast_to(values.mean(axis=0) if values.ndim == 2 else values, self.responses.shape[1])

    @cached_property
    def _found(self) -> dict[str, Ceilings]:
        return {}

    def _ceilings_of(self, measure: Metric) -> Ceilings:
        regression = isinstance(measure, Regression)
        if self.ceiling == "none":
            return None
        if not isinstance(self.ceiling, str):
            return self.ceiling if regression == isinstance(self.measure(), Regression) else None
        if self.trials is None or not (np.isfinite(self.trials).sum(axis=2) > 1).any():
            raise UserError(
                f"benchmark {self.identifier}: ceiling {self.ceiling} needs neuroids with at least two repeats, "
                "there are none; set ceiling: none or a number"
            )
        if not regression:
            return measure.ceilings(self.trials)
        return repeat_reliability(self.trials) if self.ceiling == "repeats" else _split_half(self.trials)


def repeat_reliability(trials: np.ndarray) -> np.ndarray:
    """Reliability of the mean over repeats from the variances within and between stimuli, (neuroids,).

    trials: (n stimuli, neuroids, repeats), NaN where missing; stimuli may have unequal numbers of them. 1 - 1/F of a
    one-way analysis of variance, which with equal numbers is the intraclass correlation ICC(1, k): where Spearman-
    Brown corrected split halves go without chance. NaN for neuroids without two trials of any stimulus.
    Source: Shrout and Fleiss 1979.
    """
    trials = np.asarray(trials, np.float64)
    present = np.isfinite(trials)
    counts = present.sum(axis=2)
    values = np.where(present, trials, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = values.sum(axis=2) / counts
        grand = values.sum(axis=(0, 2)) / counts.sum(axis=0)
        within = (np.where(present, trials - means[..., None], 0.0) ** 2).sum(axis=(0, 2))
        between = (counts * np.where(counts > 0, means - grand, 0.0) ** 2).sum(axis=0)
        shown = (counts > 0).sum(axis=0)
        noise = within / (counts.sum(axis=0) - shown)
        return 1 - noise / (between / (shown - 1))


def _split_half(trials: np.ndarray) -> np.ndarray:
    """(halvings, neuroids); neuroids that were not all shown the same repeats are halved without those they lack."""
    shown = np.isfinite(trials).any(axis=0)  # (neuroids, repeats)
    found = np.full((HALVINGS, len(shown)), np.nan)
    for pattern in np.unique(shown, axis=0):
        if pattern.sum() > 1:
            neuroids = np.flatnonzero((shown == pattern).all(axis=1))
            found[:, neuroids] = split_half_each(trials[:, neuroids][:, :, pattern])
    return found


#: name -> function that builds the benchmark; its arguments can be written behind the name (see find_benchmark)
BENCHMARKS: Plugins[Callable[..., NeuralBenchmark]] = Plugins("benchmark")
