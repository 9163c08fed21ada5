"""Brain-Score's reverse predictivity: how well the neuroids of a region predict a layer's units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlspatial.analysis import reverse_pls
from mlspatial.analysis.pls import COMPONENTS
from mlspatial.analysis.reverse_pls import ReversePLS
from mlspatial.analysis.splits import Split
from mlspatial.analysis.versions import versions
from mlspatial.analysis.yardsticks import score_of_correlations
from mlspatial.benchmarks.base import Layer, Way, digests, units_table
from mlspatial.benchmarks.brainscore.chosen import CHOSEN, ByRawFeatures
from mlspatial.core.errors import UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.models.sinks import Product

KIND = "reverse_pls"
MOST_UNITS = 20_000  # of a layer, of which every one is written down


@dataclass(frozen=True, eq=False)
class Reverse(ByRawFeatures):
    """stimuli: in the order of the package's stimulus set, which its splits are drawn in here; responses: (n, neuroids)
    float64, the predictors; folds: (train, test) indices; ceilings: (splits, neuroids) split-half consistencies of the
    neuroids; components: of pls."""

    identifier: str
    region: str
    version: str
    stimuli: Stimuli
    responses: np.ndarray
    folds: tuple[Split, ...]
    ceilings: np.ndarray
    components: int = COMPONENTS

    takes: ClassVar[str] = "reverse predictivity takes"

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return (KIND,)

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return versions("reverse_pls", "pls", "gram", "yardsticks")

    @cached_property
    def own(self) -> str:
        return f"{KIND}{self.components}"

    def check(self, metric: str, way: Way) -> None:
        super().check(metric, way)
        if self.responses.shape[1] < self.components:
            raise UserError(
                f"benchmark {self.identifier}: {self.responses.shape[1]} neuroids predict with at most as many "
                f"components, not with {self.components}"
            )

    @cached_property
    def _kept(self) -> str:
        folds = [[np.asarray(side).tolist() for side in fold] for fold in self.folds]
        made_of = [digests("<f8", self.responses), folds, self.components, reverse_pls.VERSION]
        return f"{KIND}-{content_id(made_of)}"

    def needs(self, metric: str) -> dict[str, Product | None]:
        return {self._kept: (lambda _n: self._product(), ReversePLS.correlations)}

    def _product(self) -> ReversePLS:
        return ReversePLS(self.responses, self.folds, self.components)

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        return [self.score(np.asarray(layer.arrays[self._kept], np.float64))]

    def score_features(self, features: np.ndarray) -> Score:
        """Of (n stimuli, units) that are in memory."""
        product = self._product()
        product.add(features)
        product.rewind()
        product.add(features)
        return self.score(product.correlations())

    def score(self, correlations: np.ndarray) -> Score:
        """Of (splits, units) correlations: median over units, mean over splits; the error of the ceiled score is that
        of the raw one, as the package has it."""
        found = score_of_correlations(correlations, self.ceilings, name=self.own, version=reverse_pls.VERSION)
        return replace(found, told=found.error, selection=CHOSEN)

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        """A row a unit of the layer and split, of layers of up to 20,000 units; wider ones have none."""
        units = score.values.shape[1]
        if units > MOST_UNITS:
            return None
        return units_table(score.values, [*map(str, range(units))], np.full(units, np.nan, np.float32), {})
