"""Measured geometries: dissimilarity matrices of a region or of judgements, instead of responses.

A layer's matrix is compared with each subject's; the score is the mean over subjects. A YAML with `rdms` describes one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlspatial.analysis import rdm_ceiling, rsa
from mlspatial.analysis.rdm_ceiling import POOLINGS, noise_ceiling
from mlspatial.benchmarks.base import Benchmark, Layer, Way, digests, standard_error
from mlspatial.benchmarks.descriptions import ceiling_of, described, find_folder, number, one_of, truth
from mlspatial.benchmarks.ids import in_doubt, some
from mlspatial.benchmarks.picture_files import BACKGROUNDS, read_pictures
from mlspatial.benchmarks.rdm_files import read_rdms
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.models.sinks import Product

VERSION = "2"
PREFIX = "rdm_"
RANKED = "spearman"
CEILINGS = ("lower", "upper", "none")
DISTANCES = {"correlation": "pattern", "euclidean": "gram"}  # of a layer -> the array that it comes out of
KEYS = (
    *("name", "region", "folder", "stimuli", "rdms", "variable", "subjects", "crossvalidated"),
    *("degrees", "background", "distance", "metric", "ceiling", "pooling"),
)
TEXT = ("name", "region", "folder", "stimuli", "rdms", "variable", "background")
FEWEST = 4  # stimuli, 6 pairs


@dataclass(frozen=True, eq=False)
class Geometries(Benchmark):
    """rdms: (subjects, pairs) dissimilarities of the stimuli, upper triangle row by row; subjects: names.

    distance: of a layer: correlation, 1 - Pearson r of patterns, or euclidean, squared; metric: one of `metrics`, the
    benchmark's own; ceiling: lower (each subject with the mean of the others), upper (with the mean of all), none, or a
    number; pooling: of subjects for it, see analysis.rdm_ceiling.
    Raises UserError for matrices that do not fit the stimuli, BadValue for a setting that cannot be meant.
    """

    identifier: str
    region: str
    stimuli: Stimuli
    rdms: np.ndarray
    subjects: tuple[str, ...]
    metric: str = "rdm_spearman"
    distance: str = "correlation"
    ceiling: str | float = "lower"
    pooling: str = "mean"

    takes: ClassVar[str] = "measured geometries take"
    metrics: ClassVar[tuple[str, ...]] = tuple(PREFIX + method for method in rsa.METHODS)
    fixed: ClassVar[str] = "geometries are of all stimuli together"

    def __post_init__(self) -> None:
        what, n = f"benchmark {self.identifier}", len(self.stimuli)
        for name, value, known in (
            ("metric", self.metric, self.metrics),
            ("distance", self.distance, tuple(DISTANCES)),
            ("pooling", self.pooling, POOLINGS),
        ):
            if value not in known:
                raise BadValue(f"{what}: {name}", value, f"must be one of {', '.join(known)}")
        if not (self.ceiling in CEILINGS if isinstance(self.ceiling, str) else 0 < self.ceiling <= 1):
            expected = f"must be one of {', '.join(CEILINGS)} or a number above 0 and up to 1"
            raise BadValue(f"{what}: ceiling", self.ceiling, expected)
        if n < FEWEST:
            raise UserError(f"{what}: {n} stimuli are too few for a geometry; needs {FEWEST}")
        if self.rdms.shape != (len(self.subjects), n * (n - 1) // 2):
            raise StimulusMismatch(
                f"{what}: matrices of shape {self.rdms.shape} for {len(self.subjects)} subjects and {n} stimuli with "
                f"{n * (n - 1) // 2} pairs"
            )
        if self.ceiling in CEILINGS[:2] and len(self.subjects) < 2:
            raise UserError(
                f"{what}: ceiling {self.ceiling} is between subjects, there is one; set ceiling: none or a number"
            )

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return tuple(DISTANCES.values())

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return {"geometries": VERSION, "rsa": rsa.VERSION, "rdm_ceiling": rdm_ceiling.VERSION}

    @cached_property
    def own(self) -> str:
        return self.metric

    @cached_property
    def version(self) -> str:
        """Hash of everything that decides a score but the network."""
        settings = [self.metric, self.distance, self.ceiling, self.pooling]
        return content_id([self.region, self.stimuli.id, self.stimuli.degrees, *settings, digests("<f8", self.rdms)])

    def needs(self, metric: str) -> dict[str, Product | None]:
        return {DISTANCES[self.distance]: None}

    def rdm(self, layer: Layer) -> np.ndarray:
        """(pairs,) a layer's dissimilarities."""
        if self.distance == "correlation":
            return 1.0 - np.asarray(layer.arrays["pattern"], np.float64)
        return rsa.condensed(rsa.euclidean_rdm(layer.gram))

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        if metric.removeprefix(PREFIX) != RANKED:
            return [self.score(self.rdm(layer), metric)]
        ranks = layer.once(f"ranks {self.distance}", lambda: rsa.matrix_ranks(self.rdm(layer)))
        return [self._of_ranks(ranks, metric)]

    def score(self, rdm: np.ndarray, metric: str = "") -> Score:
        """Of a matrix of dissimilarities, (pairs,): its mean agreement with the subjects."""
        metric = metric or self.metric
        method = metric.removeprefix(PREFIX)
        if method == RANKED:
            return self._of_ranks(rsa.matrix_ranks(rdm), metric)
        return self._score(rsa.compare(rdm, self.rdms, method=method)[0], metric)

    def _of_ranks(self, ranks: np.ndarray, metric: str) -> Score:
        """By Spearman's r, which is Pearson's of ranks. ranks: (1, pairs) of a layer's dissimilarities."""
        return self._score(rsa.compare(ranks, self._ranks, method="pearson")[0], metric)

    def _score(self, found: np.ndarray, metric: str) -> Score:
        """found: (subjects,) agreements."""
        lower, upper = self.ceiling_by(metric)
        several = len(found) > 1
        if isinstance(self.ceiling, str):
            ceiling = {"lower": lower.mean(), "upper": upper.mean(), "none": 1.0}[self.ceiling]
            spread = {"lower": lower, "upper": upper}.get(self.ceiling, np.zeros(1))
        else:
            ceiling, spread = self.ceiling if metric == self.metric else np.nan, np.zeros(1)
        return Score(
            raw=float(found.mean()),
            ceiling=float(ceiling),
            error=standard_error(found),
            n=len(found),
            metric=metric,
            version=VERSION,
            formula="none" if self.ceiling == "none" else "r/c",
            ceiling_error=standard_error(spread),
            values=found[None],
            selection="all stimuli",
            more={"ceiling_lower": float(lower.mean()), "ceiling_upper": float(upper.mean())} if several else {},
        )

    def ceiling_by(self, metric: str = "") -> np.ndarray:
        """(2, subjects): agreement with the mean of the others, and of all; NaN for a single subject."""
        metric = metric or self.metric
        if metric not in self._found:
            several, method = len(self.subjects) > 1, metric.removeprefix(PREFIX)
            self._found[metric] = (
                noise_ceiling(self.rdms, method, pooling=self.pooling) if several else np.full((2, 1), np.nan)
            )
        return self._found[metric]

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        """A row a subject: its agreement, and that of the mean of the others with it."""
        import pandas as pd

        if score.values is None:
            return None
        r, reliability = np.asarray(score.values, np.float32)[0], self.ceiling_by(score.metric)[0].astype(np.float32)
        return pd.DataFrame({"unit": list(self.subjects), "split": np.int16(0), "r": r, "reliability": reliability})

    @cached_property
    def _ranks(self) -> np.ndarray:
        """(subjects, pairs), once for all layers and networks."""
        return rsa.matrix_ranks(self.rdms)

    @cached_property
    def _found(self) -> dict[str, np.ndarray]:
        return {}


def load_geometries(path: Path) -> Geometries:
    """Read a YAML file with `rdms`; docs/recordings.md has its keys. Raises UserError with the key at fault."""
    settings, plain = described(path, KEYS, TEXT, ("region", "stimuli", "rdms"))
    what, folder = f"benchmark {path.stem}", find_folder(path, settings.get("folder", "."))
    background = one_of(path, settings, "background", ("", *BACKGROUNDS))
    stimuli = read_pictures(folder / settings["stimuli"], number(path, settings, "degrees", 8.0), background)
    variable, crossvalidated = settings.get("variable", ""), truth(path, settings, "crossvalidated")
    found = read_rdms(folder / settings["rdms"], variable=variable, crossvalidated=crossvalidated)
    if found.stimuli is None and in_doubt(stimuli.ids):
        raise UserError(
            f"{what}: {settings['rdms']} names no stimuli, and {some(stimuli.ids, 3)} are in another order by their "
            "numbers; write all numbers in the pictures' names with as many digits (007), or save a table with names"
        )
    found = found.aligned(stimuli.ids, what).of_subjects(_patterns(path, plain.get("subjects", {})), what)
    several = len(found.names) > 1
    return Geometries(
        identifier=settings.get("name", path.stem),
        region=settings["region"],
        stimuli=stimuli,
        rdms=found.values,
        subjects=found.names,
        metric=one_of(path, settings, "metric", Geometries.metrics, "rdm_spearman"),
        distance=one_of(path, settings, "distance", tuple(DISTANCES)),
        ceiling=ceiling_of(path, settings, "lower" if several else "none", CEILINGS),
        pooling=one_of(path, settings, "pooling", POOLINGS),
    )


def _patterns(path: Path, given: Any) -> dict[str, str]:
    """subject -> pattern of the names of its matrices."""
    if isinstance(given, list) and all(isinstance(name, str) and name for name in given):
        return {name: name for name in given}
    if isinstance(given, Mapping) and all(isinstance(name, str) and name for name in given.values()):
        return dict(given)
    raise BadValue(f"{path}: subjects", given, "must be a list of names of matrices, or lines `subject: name*`")
