"""Choices of people between two objects: a read-out of one layer makes the same choices. They come from Brain-Score."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from mlspatial.analysis import i2n
from mlspatial.benchmarks.base import Benchmark, Layer, Way
from mlspatial.core.errors import StimulusMismatch
from mlspatial.core.score import BEHAVIOUR, Score
from mlspatial.models.lazy import LazyModel
from mlspatial.models.stimuli import Stimuli


@dataclass(frozen=True)
class Behaviour(Benchmark):
    """Human choices between two objects, image by image (i2n).

    stimuli: in the order of the stimulus set, which is the order that the read-out is fitted in; labels: (n,) object
    of each image; choices: (k,) objects in alphabetical order; humans: (repeats, n, k) normalised d' of the first half
    of the trials, rows as stimuli, columns as choices, NaN where nothing is known; ceilings: (repeats,) correlation of
    the two halves; readout: the layer that is read when nobody names one, empty: the last of the candidates.
    """

    identifier: str
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
        return {"brainscore_targets": i2n.VERSION}

    @cached_property
    def own(self) -> str:
        return self.metric

    @property
    def ceiling(self) -> float:
        return float(self.ceilings.mean())

    def layers(self, asked: tuple[str, ...], model: LazyModel) -> tuple[str, ...]:
        """The read-out layer, else the last of the candidates."""
        from mlspatial.models.layers import candidate_layers

        module, spec = model.structure
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
        return self.from_probabilities(i2n.probabilities(features, self.labels, self.choices))

    def from_probabilities(self, chosen: np.ndarray) -> Score:
        """The benchmark's score of choice probabilities, (n, k), columns as choices."""
        network = i2n.normalised_dprime(chosen, self.labels, self.choices)
        r = np.array([i2n.correlation(network, human) for human in self.humans])
        ceiled = r / np.sqrt(self.ceilings)  # benchmarks/rajalingham2018, ceil_score
        value = float(ceiled.mean())
        return Score(
            raw=float(r.mean()),
            ceiling=self.ceiling,
            error=float(ceiled.std()),
            told=float(ceiled.std()),
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
