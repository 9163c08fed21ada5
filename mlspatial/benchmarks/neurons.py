"""Recordings of single neuroids: stimuli, responses, a metric, a ceiling, layers chosen on all stimuli or on half.

`Neurons` is what ours and Brain-Score's have in common, `NeuralBenchmark` the kind of recordings of ours, also of
simulated ones.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mlspatial.analysis import matching, pls, rsa, yardsticks
from mlspatial.analysis.bootstrap import noise_of_means, reliability_error
from mlspatial.analysis.ceiling import repeat_reliability, split_half_shown
from mlspatial.analysis.gram import centred
from mlspatial.analysis.splits import Split, halves, k_folds, partition
from mlspatial.analysis.versions import versions
from mlspatial.analysis.yardsticks import Ceilings, Metric, Regression, Representation, score_of_correlations
from mlspatial.benchmarks.base import (
    Benchmark,
    Layer,
    Truth,
    Way,
    demand_responses,
    demand_variation,
    digests,
    units_table,
)
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.predictions import Predictions
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.models.sinks import Product

VERSION = "1"  # of ceilings of ours and of what a benchmark hands to a metric
CEILINGS = ("split_half", "repeats", "none")
ONE_TO_ONE = "one_to_one"  # no product between stimuli, so no yardstick: units are matched as they come
ALL_STIMULI, OTHER_HALF = "all stimuli", "chosen on one half of the stimuli, reported on the other"
HALVES_SEED = 20250101


class Neurons(Benchmark):
    """responses: (n stimuli, neuroids); strata: (n,) labels whose shares both sides of a split keep, or None; folds:
    (train, test) indices into the stimuli; metric: one of yardsticks.own_metrics(), its own; components: of pls;
    facts: name -> what else is known of each neuroid."""

    responses: np.ndarray
    strata: np.ndarray | None
    metric: str
    components: int
    facts: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    if TYPE_CHECKING:  # fields of Brain-Score's, computed of ours

        @property
        def folds(self) -> tuple[Split, ...]: ...

    takes: ClassVar[str] = "recordings take"
    metrics: ClassVar[tuple[str, ...]] = ("pls", "ridge", "rsa", "cka", ONE_TO_ONE)
    options: ClassVar[frozenset[str]] = frozenset({"selection"})

    @classmethod
    def knows(cls, metric: str) -> bool:
        """One of `metrics`, or any other yardstick."""
        try:
            return metric in cls.metrics or bool(yardsticks.find_metric(metric))
        except UnknownName:
            return False

    @classmethod
    def full_name(cls, metric: str) -> str:
        return yardsticks.full_name(metric)

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return (ONE_TO_ONE if metric == ONE_TO_ONE else yardsticks.find_metric(metric).needs,)

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        if metric == ONE_TO_ONE:
            return versions(*yardsticks.STEPS, "matching")
        measure = yardsticks.find_metric(metric)
        named = {f"metric {metric}": measure.version} if metric in yardsticks.METRICS else {}
        return measure.versions | named

    @cached_property
    def own(self) -> str:
        return yardsticks.full_name(self.metric, self.components)

    @property
    def together(self) -> Hashable:
        """The splits, for regions that saw the same stimuli; and the kind, which chooses layers."""
        sides = (np.asarray(side).astype("<i8").tobytes() for fold in self.folds for side in fold)
        return type(self), b"".join(sides)

    def measure(self, metric: str | None = None) -> Metric:
        """The yardstick of a name, own (pls) or registered (pls25); without a name, the benchmark's own.

        Raises UnknownName.
        """
        return yardsticks.find_metric(yardsticks.full_name(metric or self.metric, self.components))

    @abstractmethod
    def ceilings_of(self, measure: Metric) -> Ceilings:
        """What a yardstick takes as ceilings; None for none. Raises UserError when trials do not allow it."""

    def needs(self, metric: str) -> dict[str, Product | None]:
        if metric != ONE_TO_ONE:
            return super().needs(metric)
        return {
            self._matched: (lambda _n: matching.OneToOne(self.responses, self.folds), matching.OneToOne.correlations)
        }

    def check(self, metric: str, way: Way) -> None:
        measure = yardsticks.METRICS["ridge"] if metric == ONE_TO_ONE else yardsticks.find_metric(metric)
        self.ceilings_of(measure)
        if isinstance(measure, Regression):
            demand_variation(f"benchmark {self.identifier}", self.responses, self.folds, self.names, self.stimuli)
        if metric.startswith("pls"):
            for folds in [folds for _, folds in self.halves] if way.selection == "half" else [self.folds]:
                pls.check(folds, int(metric.removeprefix("pls")))

    def scores(self, layer: Layer, metric: str, way: Way, *others: Neurons) -> list[Score]:
        regions = (self, *others)
        if metric == ONE_TO_ONE:
            return [region._one_to_one(layer) for region in regions]
        measure = yardsticks.find_metric(metric)
        ceilings = [region.ceilings_of(measure) for region in regions]

        def scored(seen: Representation, responses: list[np.ndarray], folds: Sequence[Split]) -> list[Score]:
            return measure.many(seen, responses, folds, ceilings, device=way.device)

        whole, responses = self._seen(layer), [region.responses for region in regions]
        if way.selection == "half":
            chosen, found = (
                scored(whole.part(rows), [values[rows] for values in responses], folds) for rows, folds in self.halves
            )
            selection = OTHER_HALF
        else:
            found = scored(whole, responses, self.folds)
            other, selection = self.chooser(layer)
            chosen = found if other is None else scored(other, responses, self.folds)
        pairs = zip(regions, found, chosen, strict=True)
        return [
            replace(region._told(score, measure), choice=by.ceiled, selection=selection) for region, score, by in pairs
        ]

    def _seen(self, layer: Layer) -> Representation:
        """What of a layer is scored."""
        gram = centred(layer.gram[self.joint :, self.joint :]) if self.joint else layer.gram
        return Representation(gram, layer.arrays.get("pattern"))

    @property
    def names(self) -> list[str]:
        """Of the neuroids, numbers where they have none."""
        return [*getattr(self, "neuroids", ())] or [*map(str, range(self.responses.shape[1]))]

    @property
    def reliability(self) -> np.ndarray:
        """(neuroids,) float32, of the mean responses; NaN where it is not known."""
        ceilings = self.ceilings_of(yardsticks.METRICS["ridge"])
        known = np.nan if ceilings is None else np.atleast_2d(np.asarray(ceilings, np.float64)).mean(axis=0)
        return np.broadcast_to(known, self.responses.shape[1]).astype(np.float32)

    @property
    def noise(self) -> np.ndarray | None:
        """(n, neuroids) variance of each mean response; None where trials do not tell the ceiling."""
        return None

    @cached_property
    def ceiling_spread(self) -> float:
        """Standard error of the ceiling, a median over neuroids, over units and stimuli drawn anew together; over units
        alone where trials are not there; NaN where neuroids have no ceilings of their own."""
        return reliability_error(self.reliability, self.responses, self.noise)

    def ceiling_error(self, measure: Metric) -> float:
        """Standard error of the ceiling of a comparison of matrices; NaN where trials do not tell it."""
        return float("nan")

    def _told(self, score: Score, measure: Metric) -> Score:
        """With the error of the ceiling; of regressions that of ceiling_spread and that over halvings."""
        if score.values is None:
            return replace(score, ceiling_error=self.ceiling_error(measure))
        halvings = score.ceiling_error if np.isfinite(score.ceiling_error) else 0.0
        return replace(score, ceiling_error=float(np.hypot(self.ceiling_spread, halvings)))

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        return None if score.values is None else units_table(score.values, self.names, self.reliability, self.facts)

    def predictions(self, layer: Layer, name: str, metric: str, way: Way) -> tuple[Predictions, ...]:
        """By the benchmark's splits where they test every stimulus once, else by ten folds; of the half of the stimuli
        that is reported where layers are chosen on the other one."""
        return self.predicted(self._seen(layer), name, metric, way)

    def predicted(self, seen: Representation, name: str, metric: str, way: Way) -> tuple[Predictions, ...]:
        """The same of what the benchmark sees of a layer."""
        measure = None if metric == ONE_TO_ONE else yardsticks.find_metric(metric)
        if not isinstance(measure, Regression) or measure.predict is None:
            return ()
        rows = self.halves[1][0] if way.selection == "half" else np.arange(len(self.stimuli))
        whole, responses = seen, self.responses[rows]
        mine = self.folds if len(rows) == len(self.stimuli) else ()
        folds = partition(mine, len(rows), None if self.strata is None else np.asarray(self.strata)[rows])
        if len(rows) < len(self.stimuli):
            whole = whole.part(rows)
        (parts,) = measure.predict(whole.gram, [responses], folds, way.device)
        predicted, place = np.empty(responses.shape, np.float32), np.empty(len(rows), np.int16)
        for number, ((_, test), part) in enumerate(zip(folds, parts, strict=True)):
            predicted[test], place[test] = part, number
        noise = None if self.noise is None else self.noise[rows].astype(np.float32)
        ids = tuple(self.stimuli.ids[row] for row in rows)
        made = Predictions(
            self.identifier, self.region, metric, name, ids, place, tuple(self.names), predicted,
            responses.astype(np.float32), noise, self.reliability,
        )  # fmt: skip
        return (made,)

    def chooser(self, layer: Layer) -> tuple[Representation | None, str]:
        """(what of a layer stands for it in the choice, None for what is scored; in words)."""
        return None, ALL_STIMULI

    @cached_property
    def halves(self) -> tuple[tuple[np.ndarray, tuple[Split, ...]], ...]:
        """(rows, splits) of each half of the stimuli, half of every stratum; the same halves for every network."""
        sides = halves(len(self.stimuli), seed=HALVES_SEED, strata=self.strata)
        return tuple(
            (rows, tuple(pls.splits(len(rows), None if self.strata is None else self.strata[rows]))) for rows in sides
        )

    def score(
        self, representation: Representation | np.ndarray, metric: str | None = None, *, device: str = "cpu"
    ) -> Score:
        """How well one layer explains the responses, by the benchmark's metric or another one.

        representation: what is kept of the layer, stimuli in the benchmark's order, or (n stimuli, p) features.
        """
        measure = self.measure(metric)
        if isinstance(representation, np.ndarray):
            patterns = measure.needs == "pattern"
            correlations = rsa.condensed(rsa.similarity_matrix(representation)) if patterns else None
            representation = Representation(pls.gram_matrix(representation), correlations)
        return measure(representation, self.responses, self.folds, self.ceilings_of(measure), device=device)

    @cached_property
    def _matched(self) -> str:
        """The kind of arrays of one-to-one mapping: a name for what depends on the responses, too."""
        folds = [[np.asarray(side).tolist() for side in fold] for fold in self.folds]
        return f"{ONE_TO_ONE}-{content_id([self.responses.tolist(), folds, matching.VERSION])}"

    def _one_to_one(self, layer: Layer) -> Score:
        measure = yardsticks.METRICS["ridge"]
        found = score_of_correlations(
            np.asarray(layer.arrays[self._matched]),
            self.ceilings_of(measure),
            name=ONE_TO_ONE,
            version=matching.VERSION,
        )
        return replace(self._told(found, measure), selection=ALL_STIMULI)


@dataclass(frozen=True)
class NeuralBenchmark(Neurons):
    """responses: (n stimuli, neuroids), mean over repeats; trials: (n, neuroids, repeats) or None, NaN = missing.

    region: V1, V2, V4, IT, ...; metric: one of yardsticks.own_metrics(); components: of pls; ceiling: of CEILINGS or a
    number above 0 and up to 1, in the unit that the metric's ceiling has; strata: (n,) labels whose shares both sides
    of a split keep, or None; splits: "brainscore" (10 x 90 % and 10 %) or "kfold:K"; neuroids: names, default numbers;
    recipe: of simulated responses, which then stands for them in `version`; truth: of simulated ones, where known;
    facts: name -> what is known of each neuroid (session, ROI), kept with its scores. Raises UserError for responses
    that cannot be scored, BadValue for a setting that cannot be meant.
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
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        what = f"benchmark {self.identifier}"
        if self.metric not in (metrics := yardsticks.own_metrics()):
            raise BadValue(f"{what}: metric", self.metric, f"must be one of {', '.join(metrics)}")
        known = self.ceiling in CEILINGS if isinstance(self.ceiling, str) else 0 < self.ceiling <= 1
        if not known:
            expected = f"must be one of {', '.join(CEILINGS)} or a number above 0 and up to 1"
            raise BadValue(f"{what}: ceiling", self.ceiling, expected)
        n, neuroids = self.responses.shape
        if n != len(self.stimuli):
            raise UserError(f"{what}: {n} stimuli have responses, {len(self.stimuli)} have images")
        names = self.neuroids or tuple(map(str, range(neuroids)))
        object.__setattr__(self, "neuroids", names)
        if len(names) != neuroids:
            raise UserError(f"{what}: {len(names)} names for {neuroids} neuroids")
        demand_responses(what, self.responses, self.stimuli, "neuroid", names)
        fewest = min(len(train) for train, _ in self.folds)
        if self.metric == "pls" and fewest <= self.components:
            raise UserError(
                f"{what}: {fewest} training stimuli are too few for {self.components} components; "
                f"use more stimuli or set components below {fewest}"
            )

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return super().versions(metric, way) | {"neural": VERSION}

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
        made_of = [] if self.recipe else digests("<f8", self.responses, self.trials)
        settings = [self.metric, self.ceiling, self.components, self.splits]
        strata = None if self.strata is None else [str(label) for label in self.strata]
        return content_id([self.region, self.stimuli.id, self.stimuli.degrees, *settings, strata, self.recipe, made_of])

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

    def ceiling_error(self, measure: Metric) -> float:
        if measure.name not in self._errors:
            trials = self.trials if isinstance(self.ceiling, str) and self.ceiling != "none" else None
            self._errors[measure.name] = float("nan") if trials is None else measure.ceiling_error(trials)
        return self._errors[measure.name]

    @cached_property
    def _found(self) -> dict[str, Ceilings]:
        return {}

    @cached_property
    def _errors(self) -> dict[str, float]:
        return {}

    @cached_property
    def noise(self) -> np.ndarray | None:
        return noise_of_means(self.trials) if self.ceiling in CEILINGS[:2] and self.trials is not None else None

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
        return repeat_reliability(self.trials) if self.ceiling == "repeats" else split_half_shown(self.trials)
