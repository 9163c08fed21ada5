"""Voxels of one region of one person: stimuli, responses, a noise ceiling; classical and voxel-encoding RSA.

Layers are chosen on one half of the stimuli and reported on the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from scipy.spatial.distance import squareform

from mlspatial.analysis import gsn, rsa, versa
from mlspatial.analysis.projection import johnson_lindenstrauss_dimension
from mlspatial.analysis.versions import versions
from mlspatial.benchmarks.base import Benchmark, Layer, Way, demand_responses, digests
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.files import whole
from mlspatial.core.hashing import content_id
from mlspatial.core.names import cache_folder
from mlspatial.core.progress import bar
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import torch

    from mlspatial.models.sinks import Product

#: metric -> what it reads of a layer beside its inner products; the modules of analysis that it comes out of
METRICS = {"crsa": ("pattern", ("versa", "rsa", "gsn")), "versa": ("projection", ("versa", "ridge", "rsa", "gsn"))}
CEILINGS = ("gsn", "none")
RUNS = 5  # of GSN, whose ceilings are averaged; Conwell et al. 2024
SEED = 20240611  # of the runs
PROJECTION_SEED = 0  # Conwell et al. 2024: random_state=0
HALVES = "chosen on even stimuli, reported on odd ones"
CEILING_VERSION = int(gsn.VERSION)  # of what is kept


@dataclass(frozen=True, eq=False)
class FmriBenchmark(Benchmark):
    """responses: (n stimuli, voxels) float32, mean over repeats; trials: (n, voxels, repeats) float32, NaN = missing,
    or None; ncsnr: (voxels,) noise-ceiling SNR, by default from the trials (NaN without them).

    subject: whose brain; region: "OTC", "FFA-1", ...; metric: a name in METRICS, the benchmark's own; noise_ceiling: a
    name in CEILINGS or a number above 0 and up to 1, the highest similarity; recipe: of simulated responses, which
    then stands for them in `version`. Raises UserError for responses that cannot be scored, BadValue for a setting.
    """

    identifier: str
    subject: str
    region: str
    stimuli: Stimuli
    responses: np.ndarray
    trials: np.ndarray | None = None
    ncsnr: np.ndarray | None = None
    metric: str = "versa"
    noise_ceiling: str | float = "gsn"
    recipe: str = ""

    takes: ClassVar[str] = "fMRI takes"
    metrics: ClassVar[tuple[str, ...]] = tuple(METRICS)
    options: ClassVar[frozenset[str]] = frozenset({"variant", "layers"})
    fixed: ClassVar[str] = "fMRI layers are always chosen on one half of the stimuli"
    geometries: ClassVar[tuple[str, ...]] = tuple(METRICS)

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return "gram", METRICS[metric][0]

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return versions(*METRICS[metric][1])

    def __post_init__(self) -> None:
        what = f"benchmark {self.identifier}"
        if self.metric not in METRICS:
            raise BadValue(f"{what}: metric", self.metric, f"must be one of {', '.join(METRICS)}")
        number = self.noise_ceiling
        if number not in CEILINGS if isinstance(number, str) else not 0 < number <= 1:
            raise BadValue(f"{what}: ceiling", number, f"must be one of {', '.join(CEILINGS)} or above 0 and up to 1")
        if self.responses.ndim != 2 or len(self.responses) != len(self.stimuli):
            raise UserError(f"{what}: responses of shape {self.responses.shape} for {len(self.stimuli)} stimuli")
        n, voxels = self.responses.shape
        if self.trials is not None and (self.trials.ndim != 3 or self.trials.shape[:2] != (n, voxels)):
            raise UserError(f"{what}: trials of shape {self.trials.shape} for responses of shape {(n, voxels)}")
        if voxels <= versa.FEWEST:
            raise UserError(f"{what}: has {voxels} voxels, a region needs more than {versa.FEWEST}")
        if n < 8:
            raise UserError(f"{what}: {n} stimuli are too few to halve and compare; needs 8")
        demand_responses(what, self.responses, self.stimuli, "voxel", [*map(str, range(voxels))])
        if self.ncsnr is None:
            object.__setattr__(self, "ncsnr", self._ncsnr())
        elif self.ncsnr.shape != (voxels,):
            raise UserError(f"{what}: ncsnr of shape {self.ncsnr.shape} for {voxels} voxels")

    @property
    def train(self) -> np.ndarray:
        """Even rows of the list of stimuli, on which layers are chosen."""
        return versa.halves(len(self.stimuli))[0]

    @property
    def test(self) -> np.ndarray:
        """Odd rows of the list of stimuli, on which the chosen layer is reported."""
        return versa.halves(len(self.stimuli))[1]

    @cached_property
    def version(self) -> str:
        """Hash of everything that decides a score but the network."""
        return content_id(
            [
                self.subject,
                self.region,
                self._voxels,
                self.stimuli.degrees,
                self.metric,
                self.noise_ceiling,
                CEILING_VERSION,
            ]
        )

    @cached_property
    def _voxels(self) -> str:
        """Hash of the responses and what they are of, which alone decides the noise ceiling."""
        made_of = [] if self.recipe else digests("<f4", self.responses, self.trials)
        return content_id([self.stimuli.id, self.recipe, made_of])

    @cached_property
    def own(self) -> str:
        return self.metric

    def needs(self, metric: str) -> dict[str, Product | None]:
        return {self._projection if kind == "projection" else kind: None for kind in self.reads(metric)}

    def check(self, metric: str, way: Way) -> None:
        self.find_ceilings(way.device)

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        """choice is the score of the half that layers are chosen on, train in tables; voxel_r: mean correlation of
        predicted and measured responses (veRSA only); effective_dimensionality: of the layer."""
        if metric == "crsa":
            found = self.crsa(np.asarray(layer.arrays["pattern"]))
        else:
            found = self.versa(np.array(layer.arrays[self._projection]), way.variant, device=way.device)
        runs = self.ceiling_runs
        known = np.isfinite(self.ceiling)
        ceiling, formula = (self.ceiling, "(r/c)^2") if known else (1.0, "none")  # explainable variance
        more = {"train": found.train, "voxel_r": found.voxels, "variant": way.variant}
        score = Score(
            *(found.test, ceiling, float("nan"), len(self.test), metric, versa.VERSION, formula),
            ceiling_error=float(np.std(runs) / np.sqrt(len(runs))) if len(runs) > 1 else np.nan,
            values=found.predicted,
            choice=found.train,
            selection=HALVES,
            more=more | {"effective_dimensionality": versa.effective_dimensionality(layer.gram)},
        )
        return [score]

    def commit(self, scores: Sequence[Score], way: Way) -> int:
        halves = [versa.HalfScores(score.chosen_by, score.raw) for score in scores]
        return versa.choose_layer(halves, versa.VARIANTS[way.variant])

    def matrix(self, layer: Layer, metric: str, score: Score) -> np.ndarray | None:
        """Of the test half: of the network's own patterns, or of predicted voxels."""
        if metric == "versa":
            return rsa.condensed(rsa.similarity_matrix(score.values)).astype(np.float32)
        patterns = squareform(np.asarray(layer.arrays["pattern"], np.float64))
        return squareform(patterns[np.ix_(self.test, self.test)], checks=False).astype(np.float32)

    @property
    def _projection(self) -> str:
        """The kind of arrays of sparse random projections: of as many dimensions as keep distances of all stimuli."""
        return f"projection-{johnson_lindenstrauss_dimension(len(self.stimuli))}-{PROJECTION_SEED}"

    @property
    def ceiling(self) -> float:
        """The similarity that the true matrix reaches with the measured one; NaN where there is no way to know.

        GSN over all stimuli, mean of RUNS runs, kept in MLSPATIAL_CACHE for all metrics.
        """
        return float(np.mean(self.ceiling_runs)) if len(self.ceiling_runs) else float("nan")

    @cached_property
    def ceiling_runs(self) -> tuple[float, ...]:
        """The ceilings of single runs; empty where there is none. Stimuli that lack a trial have no say."""
        return self.find_ceilings("cpu")

    def find_ceilings(self, device: str) -> tuple[float, ...]:
        """`ceiling_runs`, with those that are not kept yet computed on a device."""
        if self.noise_ceiling == "none":
            return ()
        if not isinstance(self.noise_ceiling, str):
            return (float(self.noise_ceiling),)
        if self.trials is None or self.trials.shape[2] < 2:
            return ()
        file = cache_folder("fmri") / f"ceiling-{self._voxels}-{CEILING_VERSION}.json"
        found = _kept_runs(file)
        if len(found) < RUNS:
            model = gsn.Gsn(self._whole_trials().astype(np.float64), device=device)
            with bar(f"noise ceiling of {self.identifier}", RUNS, "run", initial=len(found)) as shown:
                for run in range(len(found), RUNS):
                    found.append(model.ceiling(np.random.default_rng([SEED, run])).ceiling)
                    with whole(file) as partial:  # runs of thousands of voxels take long
                        partial.write_text(json.dumps({"benchmark": self.identifier, "seed": SEED, "runs": found}))
                    shown.update(1)
        return tuple(found)

    def crsa(self, patterns: np.ndarray) -> versa.HalfScores:
        """Classical RSA on both halves; see analysis.versa.crsa.

        patterns: Pearson correlations between the layer's patterns, (n, n), or their upper triangle by rows.
        """
        if patterns.ndim == 1:
            patterns = squareform(np.asarray(patterns, np.float64), checks=False)
            np.fill_diagonal(patterns, 1.0)
        return versa.crsa(patterns, self.responses, self.train, self.test)

    def versa(
        self, features: np.ndarray | torch.Tensor, variant: versa.Variant | str = "paper", *, device: str = "cpu"
    ) -> versa.HalfScores:
        """Voxel-encoding RSA on both halves; see analysis.versa.versa.

        features: (n, p), sparse random projections of a layer; variant: or its name in analysis.versa.VARIANTS.
        """
        if isinstance(variant, str):
            if variant not in versa.VARIANTS:
                raise UnknownName("variant of veRSA", variant, versa.VARIANTS)
            variant = versa.VARIANTS[variant]
        return versa.versa(features, self.responses, self.train, self.test, variant=variant, device=device)

    def _whole_trials(self) -> np.ndarray:
        """The trials of stimuli of which no voxel lacks one."""
        assert self.trials is not None
        whole = np.isfinite(self.trials).all(axis=(1, 2))
        return self.trials if whole.all() else self.trials[whole]

    def _ncsnr(self) -> np.ndarray:
        voxels = self.responses.shape[1]
        if self.trials is None or self.trials.shape[2] < 2 or len(self._whole_trials()) < 2:
            return np.full(voxels, np.nan, np.float32)
        return gsn.ncsnr(self._whole_trials()).astype(np.float32)


def _kept_runs(file: Path) -> list[float]:
    """The ceilings of the first runs, as many as were kept; none where the file is missing or damaged."""
    try:
        facts = json.loads(file.read_text())
        found = [float(value) for value in facts["runs"]] if facts["seed"] == SEED else []
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return found[:RUNS] if np.isfinite(found).all() else []
