"""Brain-Score's recordings of one region, ready for the fast engine: its splits, ceilings and choice of a layer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlspatial.analysis.pls import COMPONENTS
from mlspatial.analysis.splits import Split
from mlspatial.analysis.versions import versions
from mlspatial.analysis.yardsticks import Ceilings, Metric, Regression, Representation
from mlspatial.benchmarks.base import Layer, Way
from mlspatial.benchmarks.neurons import Neurons
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

VERSION = "2"  # of what a neuroid's reliability is
PCA, RAW = "1,000 principal components of ImageNet images", "raw features"
WITH_IMAGENET = "layers chosen by ImageNet images take own, pls, ridge, cka; selection=raw takes it"


@dataclass(frozen=True)
class Published(Neurons):
    """identifier: as the user types it; responses: (n stimuli, neuroids) float64 in the assembly's order, which is that
    of the stimuli; strata: (n,) what the splits are stratified by, or None; folds: (train, test) indices, the package's
    own; ceilings: (splits, neuroids) split-half consistencies; components: of pls; imagenet: images whose
    components choose the layer, None to choose it by raw features.
    """

    identifier: str
    region: str
    version: str
    stimuli: Stimuli
    responses: np.ndarray
    strata: np.ndarray | None
    folds: tuple[Split, ...]
    ceilings: np.ndarray
    components: int = COMPONENTS
    imagenet: Stimuli | None = None
    metric: str = "pls"

    @classmethod
    def refusal(cls, metric: str, way: Way) -> str:
        """ImageNet images are seen beside the stimuli: of both there are the inner products alone."""
        if way.by_imagenet and cls.knows(metric) and cls.reads(cls.full_name(metric)) != ("gram",):
            return WITH_IMAGENET
        return super().refusal(metric, way)

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return super().versions(metric, way) | {"published": VERSION} | (versions("pca") if way.by_imagenet else {})

    @classmethod
    def states(cls, way: Way) -> dict[str, Any]:
        return {"by_imagenet": way.by_imagenet}

    @classmethod
    def imagenet_chooses(cls, download: bool) -> bool:
        from mlspatial.benchmarks.brainscore.load import selection_is_possible

        return selection_is_possible(download)

    @property
    def ceiling(self) -> float:
        """Their median over neuroids, mean over splits, as the package has it."""
        return float(np.nanmedian(self.ceilings, axis=1).mean())

    def ceilings_of(self, measure: Metric) -> Ceilings:
        """The package's are of per-neuroid correlations; comparisons of matrices have none."""
        return self.ceilings if isinstance(measure, Regression) else None

    @property
    def joint(self) -> int:
        return 0 if self.imagenet is None else len(self.imagenet)

    @property
    def shown(self) -> Stimuli:
        """The ImageNet images come first."""
        if self.imagenet is None:
            return self.stimuli
        images = np.concatenate([self.imagenet.images, self.stimuli.images])
        return Stimuli((*self.imagenet.ids, *self.stimuli.ids), images, self.stimuli.degrees)

    def scores(self, layer: Layer, metric: str, way: Way, *others: Neurons) -> list[Score]:
        """The error of a ceiled score of a regression is that of the raw one, as the package has it: brainscore_vision
        2.4.2, benchmark_helpers/neural_common.py, explained_variance."""
        found = super().scores(layer, metric, way, *others)
        return [replace(score, told=score.error) if score.formula == "r^2/c" else score for score in found]

    def chooser(self, layer: Layer) -> tuple[Representation | None, str]:
        """Inner products of principal component scores, as Brain-Score chooses layers by."""
        from mlspatial.analysis.pca import pca_gram

        if not self.joint:
            return None, RAW
        return Representation(pca_gram(layer.gram, self.joint, features=layer.width())), PCA
