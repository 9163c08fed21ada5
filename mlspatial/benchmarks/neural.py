"""A neural benchmark: stimuli, responses, a metric, a ceiling. Shared by local and simulated data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlspatial.analysis.ceiling import split_half
from mlspatial.analysis.pls import COMPONENTS, VERSION, cross_validated_pls, gram_matrix, splits
from mlspatial.core.errors import UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.plugins import Plugins
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

CEILINGS = ("split_half", "none")
METRICS = ("pls",)


@dataclass(frozen=True)
class NeuralBenchmark:
    """responses: (n stimuli, neuroids), mean over repeats; trials: (n, neuroids, repeats) or None, NaN = missing.

    region: V1, V2, V4, IT, ...; metric: a name in METRICS; ceiling: a name in CEILINGS.
    """

    identifier: str
    region: str
    stimuli: Stimuli
    responses: np.ndarray
    trials: np.ndarray | None = None
    metric: str = "pls"
    ceiling: str = "split_half"
    components: int = COMPONENTS

    def __post_init__(self) -> None:
        n = len(self.stimuli)
        if len(self.responses) != n:
            raise UserError(
                f"benchmark {self.identifier}: {len(self.responses)} stimuli have responses, {n} have images"
            )
        if bad := [i for i, row in zip(self.stimuli.ids, self.responses, strict=True) if not np.isfinite(row).all()]:
            raise UserError(f"benchmark {self.identifier}: {len(bad)} stimuli lack responses (first: {bad[0]})")
        if still := np.flatnonzero(np.ptp(self.responses, axis=0) == 0).tolist():
            raise UserError(
                f"benchmark {self.identifier}: neuroids {still[:5]} respond the same to all stimuli; leave them out"
            )

    @cached_property
    def version(self) -> str:
        """Hash of everything that decides a score but the network."""
        arrays = [self.responses] if self.trials is None else [self.responses, self.trials]
        digests = [content_id(np.ascontiguousarray(a).tobytes().hex()) for a in arrays]
        return content_id([self.stimuli.id, self.stimuli.degrees, self.metric, self.ceiling, self.components, digests])

    @cached_property
    def ceilings(self) -> np.ndarray:
        """(neuroids,) ceiling of the correlation with the mean response."""
        if self.ceiling == "none" or self.trials is None:
            return np.ones(self.responses.shape[1])
        return split_half(self.trials)

    def score(self, features: np.ndarray) -> Score:
        """Predictivity of the responses from one layer. features: (n stimuli, p), in the order of the stimuli."""
        folds = splits(len(self.stimuli))
        r = cross_validated_pls(gram_matrix(features), self.responses, folds, components=self.components)
        medians = np.nanmedian(r, axis=1)  # over neuroids; then mean over splits, as Brain-Score
        return Score(
            raw=float(medians.mean()),
            ceiling=float(np.nanmedian(self.ceilings)),
            error=float(medians.std(ddof=1) / np.sqrt(len(medians))),
            n=len(medians),
            metric=f"{self.metric}{self.components}",
            version=VERSION,
            formula="none" if self.ceiling == "none" else "r^2/c",
        )


#: name -> function without arguments that builds the benchmark
BENCHMARKS: Plugins[Callable[[], NeuralBenchmark]] = Plugins("benchmark")
