"""Brain-Score's geometries: dissimilarities of subjects' responses, and similarities over selected units."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlspatial.analysis import rsa, unit_selection
from mlspatial.analysis.unit_selection import selected_similarity
from mlspatial.analysis.versions import versions
from mlspatial.benchmarks.base import Layer, Way, standard_error
from mlspatial.benchmarks.brainscore.chosen import CHOSEN, ByRawFeatures
from mlspatial.benchmarks.rdms import Geometries
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class PublishedGeometries(ByRawFeatures, Geometries):
    """Geometries whose matrices come from subjects' responses, 1 - Pearson r; r / ceiling, Spearman's.

    package: the benchmark's version in the package. ceiling: upper, each subject with the mean of all, or the package's
    number where its matrix is of the mean of the subjects.
    """

    package: str = ""

    @property
    def version(self) -> str:
        return self.package


@dataclass(frozen=True, eq=False)
class SelectedUnits(ByRawFeatures):
    """rsms: (subjects, pairs) similarities of the stimuli, upper triangle row by row; ceilings: (subjects,) Pearson r
    of each with the mean of the others. A layer's similarities are over its most responsive units; the score is
    (r / c)^2 between 0 and 1, as the package bounds it."""

    identifier: str
    region: str
    version: str
    stimuli: Stimuli
    rsms: np.ndarray
    subjects: tuple[str, ...]
    ceilings: np.ndarray
    metric: str = "selected_rsm"

    takes: ClassVar[str] = "similarities over selected units take"

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return ("features",)

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return versions("unit_selection", "rsa")

    @cached_property
    def own(self) -> str:
        return self.metric

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        return [self.score_features(np.array(layer.arrays["features"]))]

    def score_features(self, features: np.ndarray) -> Score:
        """Of (n stimuli, units). Raises UserError when no unit is selected."""
        found = rsa.compare(rsa.condensed(selected_similarity(features)), self.rsms, method="pearson")[0]
        raw, ceiling = float(found.mean()), float(self.ceilings.mean())
        return Score(
            raw=raw,
            ceiling=ceiling,
            error=standard_error(found),
            n=len(found),
            metric=self.metric,
            version=unit_selection.VERSION,
            formula="(r/c)^2",
            given=float(np.clip((raw / ceiling) ** 2, 0.0, 1.0)),
            choice=float(np.sign(raw) * (raw / ceiling) ** 2),
            ceiling_error=standard_error(self.ceilings),
            told=2 * abs(raw) / ceiling**2 * standard_error(found),
            values=found[None],
            selection=CHOSEN,
        )

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        """A row a subject: its agreement with the layer, and with the mean of the others."""
        import pandas as pd

        r, reliability = np.asarray(score.values, np.float32)[0], self.ceilings.astype(np.float32)
        return pd.DataFrame({"unit": list(self.subjects), "split": np.int16(0), "r": r, "reliability": reliability})
