"""Brain-Score's recordings over time: one regression for all time bins, one score for each."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlspatial.analysis.pls import COMPONENTS, check, pearson, predicted_pls_many
from mlspatial.analysis.splits import Split
from mlspatial.analysis.versions import versions
from mlspatial.benchmarks.base import Layer, Way, units_table
from mlspatial.benchmarks.brainscore.chosen import CHOSEN, ByRawFeatures
from mlspatial.core.score import OF_PARTS, Score
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd

VERSION = "2"


@dataclass(frozen=True, eq=False)
class Temporal(ByRawFeatures):
    """responses: (n, neuroids, bins) float64 in the order of the stimuli; bins: their names (70-80, in ms); neuroids:
    names; folds: (train, test) indices; ceilings: (bins, splits, neuroids) split-half consistencies.

    The package stacks time bins as further stimuli, and a network answers to all of them alike. The covariances of the
    stacked regression are then those of the mean over time, and so are its predictions to rounding: it is computed
    once, for the mean, and each bin is compared with it.
    """

    identifier: str
    region: str
    version: str
    stimuli: Stimuli
    responses: np.ndarray
    bins: tuple[str, ...]
    neuroids: tuple[str, ...]
    folds: tuple[Split, ...]
    ceilings: np.ndarray
    components: int = COMPONENTS

    takes: ClassVar[str] = "recordings over time take"

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return versions("pls", "gram") | {"temporal": VERSION}

    @cached_property
    def own(self) -> str:
        return f"temporal_pls{self.components}"

    def check(self, metric: str, way: Way) -> None:
        super().check(metric, way)
        check(self.folds, self.components)

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        return [self.score(layer.gram, device=way.device)]

    def score(self, gram: np.ndarray, *, device: str = "cpu") -> Score:
        """Of (n, n) inner products of the features. A bin's value: median over neuroids, mean over splits, squared,
        over its ceiling; the score is the mean over the bins whose ceiling is above 0. All bins' values are in `more`.
        The package gives a value a bin and no score for all."""
        means = self.responses.mean(axis=2)
        (predicted,) = predicted_pls_many(gram, [means], self.folds, components=self.components, device=device)
        r = np.stack(
            [
                np.stack([pearson(part, self.responses[test, :, number]) for number in range(len(self.bins))])
                for part, (_, test) in zip(predicted, self.folds, strict=True)
            ]
        )  # (splits, bins, neuroids)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a median of nothing is NaN
            per_split = np.nanmedian(r, axis=2)
            of_bins = np.nanmedian(self.ceilings, axis=2)
        raw, ceilings = per_split.mean(axis=0), of_bins.mean(axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            ceiled = raw**2 / ceilings
        counted = ceilings > 0
        splits = per_split.mean(axis=1)
        error = float(splits.std() / np.sqrt(len(splits)))
        more: dict[str, Any] = {}
        for name, *values in zip(self.bins, raw, ceilings, ceiled, strict=True):
            more |= {f"{what} {name}": float(v) for what, v in zip(("raw", "ceiling", "ceiled"), values, strict=True)}
        return Score(
            raw=float(raw.mean()),
            ceiling=float(ceilings.mean()),
            error=error,
            told=error,
            n=len(splits),
            metric=self.own,
            version=VERSION,
            formula=OF_PARTS,
            given=float(ceiled[counted].mean()) if counted.any() else float("nan"),
            choice=float((np.sign(raw) * ceiled)[counted].mean()) if counted.any() else float("nan"),
            ceiling_error=float(of_bins.mean(axis=0).std() / np.sqrt(of_bins.shape[1])),
            values=r.transpose(0, 2, 1).reshape(len(r), -1),
            selection=CHOSEN,
            more=more,
        )

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        """A row a neuroid, time bin and split."""
        units, bins = np.repeat(self.neuroids, len(self.bins)).tolist(), np.tile(self.bins, len(self.neuroids)).tolist()
        reliability = self.ceilings.mean(axis=1).T.ravel().astype(np.float32)
        return units_table(score.values, units, reliability, {"time_bin": bins})
