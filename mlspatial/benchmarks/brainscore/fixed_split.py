"""Brain-Score's recordings with a training and a test set: ridge regression, a subject at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlspatial.analysis import fixed_split
from mlspatial.analysis.fixed_split import MATRICES, MATRICES_CHOSEN, InnerProducts, split_ridge
from mlspatial.analysis.versions import versions
from mlspatial.benchmarks.base import Layer, Way, digests, standard_error, units_table
from mlspatial.benchmarks.brainscore.chosen import CHOSEN, ByRawFeatures
from mlspatial.core import limits
from mlspatial.core.hashing import content_id
from mlspatial.core.score import OF_PARTS, Score
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.models.sinks import Product

KIND, CHOSEN_PENALTY = "fixed_split", "chosen"  # as models.costs has them


@dataclass(frozen=True, eq=False)
class FixedSplit(ByRawFeatures):
    """stimuli: the training set's, then the test set's; known: (n train, units), measured: (n test, units) float64
    responses; units: names; subjects: (units,) whose each is; ceilings: (splits, units) split-half consistencies on the
    test set; ceiling: of all units together, as the package has it; alphas: one penalty for all, or candidates of which
    every subject gets one; metric: ridge_split or ridgecv_split.
    """

    identifier: str
    region: str
    version: str
    stimuli: Stimuli
    known: np.ndarray
    measured: np.ndarray
    units: tuple[str, ...]
    subjects: np.ndarray
    ceilings: np.ndarray
    ceiling: float
    alphas: tuple[float, ...]
    metric: str

    takes: ClassVar[str] = "recordings with a training and a test set take"

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return (KIND,)

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return versions("fixed_split", "ridge", "gram")

    @cached_property
    def own(self) -> str:
        return self.metric

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of the subjects, in the package's order."""
        return tuple(np.unique(self.subjects).tolist())

    @cached_property
    def _groups(self) -> list[np.ndarray]:
        return [np.flatnonzero(self.subjects == name) for name in self.names]

    def check(self, metric: str, way: Way) -> None:
        """Raises UserError for more stimuli than fit into memory."""
        super().check(metric, way)
        demand_memory(self.identifier, len(self.stimuli), len(self.units), several=len(self.alphas) > 1)

    @cached_property
    def _kept(self) -> str:
        """The kind of array that is kept of a layer: a name for what depends on the responses, too."""
        made_of = [digests("<f8", self.known, self.measured), self.subjects.tolist(), list(self.alphas)]
        way = f"{KIND}-{CHOSEN_PENALTY}" if len(self.alphas) > 1 else KIND
        return f"{way}-{content_id([made_of, fixed_split.VERSION])}"

    def needs(self, metric: str) -> dict[str, Product | None]:
        return {self._kept: (InnerProducts, self._correlated)}

    def _correlated(self, products: InnerProducts) -> np.ndarray:
        """(subjects + units,) penalties, then correlations."""
        train, test = np.arange(len(self.known)), np.arange(len(self.known), len(self.stimuli))
        found = split_ridge(products, train, test, self.known, self.measured, self._groups, self.alphas)
        return np.concatenate([found.alphas, found.r])

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        return [self.score(np.asarray(layer.arrays[self._kept], np.float64))]

    def score_features(self, features: np.ndarray) -> Score:
        """Of (n stimuli, features) that are in memory."""
        products = InnerProducts(len(self.stimuli))
        products.add(features)
        return self.score(self._correlated(products))

    def score(self, kept: np.ndarray) -> Score:
        """Of what is kept of a layer. A subject's r is the median over its units, its ceiling the mean over splits of
        their median; each subject is ceiled, and the mean taken: brainscore_vision 2.4.2, benchmark_helpers/
        neural_common.py, TrainTestNeuralBenchmark. The package tells no error; here it is that over subjects."""
        alphas, r = kept[: len(self.names)], kept[len(self.names) :]
        raw = np.array([np.nanmedian(r[places]) for places in self._groups])
        ceilings = np.array([np.median(self.ceilings[:, places], axis=1).mean() for places in self._groups])
        ceiled = raw**2 / ceilings
        more: dict[str, Any] = {}
        for name, *values in zip(self.names, raw, ceiled, alphas, strict=True):
            more |= {f"{what} {name}": float(v) for what, v in zip(("raw", "ceiled", "alpha"), values, strict=True)}
        return Score(
            raw=float(raw.mean()),
            ceiling=self.ceiling,
            error=standard_error(raw),
            told=standard_error(ceiled),
            n=len(raw),
            metric=self.metric,
            version=fixed_split.VERSION,
            formula=OF_PARTS,
            given=float(ceiled.mean()),
            choice=float((np.sign(raw) * ceiled).mean()),  # what predicts the contrary must not be chosen
            ceiling_error=standard_error(ceilings),
            values=r[None],
            selection=CHOSEN,
            more=more,
        )

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        reliability = self.ceilings.mean(axis=0).astype(np.float32)
        return units_table(score.values, self.units, reliability, {"subject": self.subjects.tolist()})


def demand_memory(identifier: str, n: int, units: int, *, several: bool) -> None:
    """Raises UserError when the matrices of n stimuli and copies of their responses, as measured, do not fit into the
    memory that is free."""
    wanted = 8 * n * (n * (MATRICES_CHOSEN if several else MATRICES) + units * (3 if several else 1))
    advice = "close what else runs, or take a machine with more"
    limits.demand_memory(f"benchmark {identifier}", wanted, f"products of {n:,} stimuli take", advice)
