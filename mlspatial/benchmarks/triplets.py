"""Odd-one-out triplets: people say which of three stimuli is the odd one; a network takes the pair that a layer makes
most similar. A YAML with `triplets` describes such a benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlspatial.analysis import triplets as measures
from mlspatial.benchmarks.base import Benchmark, Layer, Way, digests
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.models.sinks import Product

VERSION = "1"
SIMILARITIES = {"dot": "dot", "correlation": "pattern"}  # of a layer -> the array that has it of every pair


@dataclass(frozen=True, eq=False)
class Triplets(Benchmark):
    """sets: (m, 3) stimuli of each judgement, ascending; odd: (m,) place 0, 1 or 2 there of the one that was named;
    people: (m,) number of who judged, in `observers`, or None where nobody says.

    metric: one of `metrics`, the benchmark's own: accuracy, the share of judgements that a layer makes too, or
    log_likelihood, the mean log of their probability; similarity: of two stimuli in a layer: dot, the inner product of
    activations, or correlation, Pearson r.
    Raises UserError for judgements that do not fit the stimuli, BadValue for a setting that cannot be meant.
    """

    identifier: str
    stimuli: Stimuli
    sets: np.ndarray
    odd: np.ndarray
    people: np.ndarray | None = None
    observers: tuple[str, ...] = ()
    metric: str = "accuracy"
    similarity: str = "dot"
    region: str = "behavior"

    takes: ClassVar[str] = "triplets take"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "log_likelihood")
    fixed: ClassVar[str] = "triplets are of all stimuli together"

    def __post_init__(self) -> None:
        what, n = f"benchmark {self.identifier}", len(self.stimuli)
        for name, value, known in (
            ("metric", self.metric, self.metrics),
            ("similarity", self.similarity, tuple(SIMILARITIES)),
        ):
            if value not in known:
                raise BadValue(f"{what}: {name}", value, f"must be one of {', '.join(known)}")
        ascending = self.sets.ndim == 2 and self.sets.shape[1:] == (3,) and (np.diff(self.sets, axis=1) > 0).all()
        if not ascending or self.sets.min(initial=0) < 0 or self.sets.max(initial=0) >= n:
            raise UserError(f"{what}: triplets must be three stimuli of {n}, ascending")
        if self.odd.shape != (len(self.sets),) or not np.isin(self.odd, (0, 1, 2)).all():
            raise UserError(f"{what}: the odd one of a triplet must be its place 0, 1 or 2")
        if len(np.unique(self.groups)) < 2:
            raise UserError(f"{what}: {len(self.sets)} triplets are too few; needs two of different stimuli")

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return tuple(SIMILARITIES.values())

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return {"triplets": VERSION, "measures of triplets": measures.VERSION}

    @cached_property
    def own(self) -> str:
        return self.metric

    @cached_property
    def version(self) -> str:
        """Hash of everything that decides a score but the network."""
        made_of = digests("<i8", self.sets, self.odd, self.people)
        settings = [self.metric, self.similarity, list(self.observers)]
        return content_id([self.stimuli.id, self.stimuli.degrees, *settings, made_of])

    @cached_property
    def groups(self) -> np.ndarray:
        """(m,) number of the set of stimuli of each judgement, from 0."""
        n = len(self.stimuli)
        first, second, third = np.asarray(self.sets, np.int64).T
        return np.unique((first * n + second) * n + third, return_inverse=True)[1].ravel()

    def needs(self, metric: str) -> dict[str, Product | None]:
        return {SIMILARITIES[self.similarity]: None}

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        return [self.score(np.asarray(layer.arrays[SIMILARITIES[self.similarity]]), metric)]

    def score(self, pairs: np.ndarray, metric: str = "") -> Score:
        """Of similarities between stimuli, (pairs,): the upper triangle row by row. Errors are over sets of stimuli."""
        metric = metric or self.metric
        similar = measures.similarities(pairs, self.sets, len(self.stimuli))
        more: dict[str, Any] = {"similarity": self.similarity, "distinct": int(self.groups.max()) + 1}
        if metric == "log_likelihood":
            values, steepness = measures.crossvalidated(similar, self.odd, self.groups)
            told = ", ".join(f"{1 / one:.4g}" if one > 0 else "inf" for one in steepness)
            more |= {"temperatures": told, "chance": float(np.log(measures.CHANCE))}
            ceiling, ceiling_error, formula = 1.0, 0.0, "none"
        else:
            values = measures.correct(similar, self.odd)
            lower, upper = self.ceilings
            ceiling, ceiling_error, formula = _mean(lower), measures.clustered_error(lower, self.groups), "r/c"
            more |= {"ceiling_lower": ceiling, "ceiling_upper": _mean(upper), "chance": measures.CHANCE}
        raw = float(values.mean())
        return Score(
            raw=raw,
            ceiling=ceiling,
            error=measures.clustered_error(values, self.groups),
            n=len(self.odd),
            metric=metric,
            version=VERSION,
            formula=formula,
            ceiling_error=ceiling_error,
            choice=raw,  # without repeats there is no ceiling, and layers are to be chosen all the same
            values=None if self.people is None else self._by_person(values)[None],
            selection="all triplets",
            more={key: value for key, value in more.items() if value == value},
        )

    @cached_property
    def ceilings(self) -> tuple[np.ndarray, np.ndarray]:
        """(m,) each, NaN without repeats: whether the others' most frequent answer is right; how frequent the most
        frequent one of all is."""
        return (
            measures.by_others(self.odd, self.groups, self.people),
            measures.by_all(self.odd, self.groups),
        )

    def _by_person(self, values: np.ndarray) -> np.ndarray:
        """(observers,) mean over the judgements of each that have a value."""
        assert self.people is not None
        known = np.isfinite(values)
        sums = np.bincount(self.people[known], weights=values[known], minlength=len(self.observers))
        number = np.bincount(self.people[known], minlength=len(self.observers))
        return np.where(number > 0, sums / np.maximum(number, 1), np.nan)

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        """A row a person: the agreement with them, and for accuracy that of the others' most frequent answers."""
        import pandas as pd

        if score.values is None:
            return None
        r = np.asarray(score.values, np.float32)[0]
        others = self._by_person(self.ceilings[0]) if score.metric == "accuracy" else np.full(len(r), np.nan)
        table = {"unit": list(self.observers), "split": np.int16(0), "r": r, "reliability": others.astype(np.float32)}
        return pd.DataFrame(table)


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
