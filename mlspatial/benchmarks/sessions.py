"""Several sessions of recordings as one region: other stimuli, other units; scored one by one and over all units.

A network sees the stimuli of all sessions once. Regressions are made within a session; what is pooled are the units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mlspatial.analysis import yardsticks
from mlspatial.analysis.yardsticks import Ceilings, Metric, Regression, Representation, score_of_correlations
from mlspatial.benchmarks import voxels
from mlspatial.benchmarks.base import Benchmark, Layer, Way
from mlspatial.benchmarks.descriptions import checked_keys, read_yaml
from mlspatial.benchmarks.ids import some
from mlspatial.benchmarks.neurons import ONE_TO_ONE, NeuralBenchmark, Neurons
from mlspatial.benchmarks.recordings import SCORED as KEYS
from mlspatial.benchmarks.recordings import TEXT, recorded
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.predictions import Predictions, recording_of
from mlspatial.core.score import Score
from mlspatial.models.stimuli import Stimuli

if TYPE_CHECKING:
    import pandas as pd

VERSION = "3"
DRAWS, SEED = 1000, 20250103  # of the bootstrap over sessions and units
SHARED = ("name", "region")  # keys that sessions cannot have of their own


@dataclass(frozen=True, eq=False)
class Sessions(Benchmark):
    """names: of the sessions; parts: a benchmark each, of one region; stimuli: of all, in their order, each called
    SESSION/STIMULUS. Made by `of_sessions`."""

    identifier: str
    region: str
    names: tuple[str, ...]
    parts: tuple[NeuralBenchmark, ...]
    stimuli: Stimuli

    takes: ClassVar[str] = "sessions take"
    metrics: ClassVar[tuple[str, ...]] = tuple(name for name in Neurons.metrics if name != ONE_TO_ONE)
    fixed: ClassVar[str] = "layers of several sessions are chosen on all their stimuli"

    @classmethod
    def full_name(cls, metric: str) -> str:
        return yardsticks.full_name(metric)

    @classmethod
    def reads(cls, metric: str) -> tuple[str, ...]:
        return NeuralBenchmark.reads(metric)

    @classmethod
    def versions(cls, metric: str, way: Way) -> dict[str, str]:
        return NeuralBenchmark.versions(metric, way) | {"sessions": VERSION}

    @cached_property
    def own(self) -> str:
        return self.parts[0].own

    @cached_property
    def version(self) -> str:
        """Hash of everything that decides a score but the network."""
        return content_id([[name, part.version] for name, part in zip(self.names, self.parts, strict=True)])

    def check(self, metric: str, way: Way) -> None:
        for part in self.parts:
            part.check(metric, way)

    def scores(self, layer: Layer, metric: str, way: Way, *others: Any) -> list[Score]:
        whole, measure = Representation(layer.gram, layer.arrays.get("pattern")), yardsticks.find_metric(metric)
        found, first = [], 0
        for part in self.parts:
            seen = whole.part(np.arange(first, first + len(part.stimuli)))
            found += measure.many(seen, [part.responses], part.folds, [part.ceilings_of(measure)], device=way.device)
            first += len(part.stimuli)
        return [self.pooled(found, measure)]

    def pooled(self, found: Sequence[Score], measure: Metric) -> Score:
        """One score of those of the sessions. Of regressions the median over the units of all, mean over splits, its
        ceiling likewise; of comparisons of matrices the mean over sessions. Each session's own is in `more`.

        Without a ceiling for every session it is 1. error_sessions: standard deviation of the score when sessions
        are drawn anew, and units within them.
        """
        more: dict[str, Any] = {}
        for name, score in zip(self.names, found, strict=True):
            more |= {f"raw {name}": score.raw, f"ceiled {name}": score.ceiled}
        facts: dict[str, Any] = {"selection": "all stimuli of all sessions"}
        if not isinstance(measure, Regression):
            raw, ceilings = np.array([score.raw for score in found]), np.array([score.ceiling for score in found])
            spread = float(raw.std(ddof=1) / np.sqrt(len(raw)))
            formula = found[0].formula if len({score.formula for score in found}) == 1 else "none"
            facts |= {"error": spread, "n": len(raw), "values": None, "formula": formula}
            apart = np.array([part.ceiling_error(measure) for part in self.parts])
            facts["ceiling_error"] = float(np.sqrt(np.square(apart).sum()) / len(apart))
            more["error_sessions"] = spread
            facts["ceiling"] = 1.0 if formula == "none" else ceilings.mean()
            return replace(found[0], raw=raw.mean(), more=more, **facts)
        values = [np.asarray(score.values) for score in found]
        given = [part.ceilings_of(measure) for part in self.parts]
        score = score_of_correlations(
            np.concatenate(values, axis=1),
            joined(given, [part.shape[1] for part in values]),
            name=measure.name,
            version=measure.version,
            formula=measure.formula,
        )
        more["error_sessions"] = error_over_sessions(values, seed=SEED)
        if all(one is not None for one in given):
            facts["ceiling_error"] = self._ceiling_error(score.ceiling_error)
        return replace(score, more=more, **facts)

    def _ceiling_error(self, halvings: float) -> float:
        """Of the pooled ceiling, as of one session's (Neurons._told): over halvings, and over units and stimuli, which
        are others in each session, so that their errors add up by the share of the units."""
        units = np.array([len(part.neuroids) for part in self.parts])
        spread = np.array([part.ceiling_spread for part in self.parts])
        drawn = np.sqrt(((units / units.sum() * spread) ** 2).sum())
        return float(np.hypot(halvings if np.isfinite(halvings) else 0.0, drawn))

    def predictions(self, layer: Layer, name: str, metric: str, way: Way) -> tuple[Predictions, ...]:
        """Of each session, in their order; a session's benchmark is this one's name and its own."""
        whole = Representation(layer.gram, layer.arrays.get("pattern"))
        found, first = [], 0
        for session, part in zip(self.names, self.parts, strict=True):
            rows = np.arange(first, first + len(part.stimuli))
            for one in part.predicted(whole.part(rows), name, metric, way):
                found.append(replace(one, benchmark=recording_of(self.identifier, session)))
            first += len(part.stimuli)
        return tuple(found)

    def per_unit(self, score: Score) -> pd.DataFrame | None:
        """As of recordings, with the session of each unit."""
        import pandas as pd

        if score.values is None:
            return None
        tables, first = [], 0
        for name, part in zip(self.names, self.parts, strict=True):
            own = replace(score, values=score.values[:, first : first + len(part.neuroids)])
            table = part.per_unit(own)
            if table is not None:
                tables.append(table.assign(session=name))
            first += len(part.neuroids)
        return pd.concat(tables, ignore_index=True)


def joined(ceilings: Sequence[Ceilings], units: Sequence[int]) -> Ceilings:
    """(halvings, units of all) ceilings, or None where a session has none. Fewer halvings are repeated."""
    given = [one for one in ceilings if one is not None]
    if len(given) < len(ceilings):
        return None
    each = [np.atleast_2d(np.asarray(one, np.float64)) for one in given]
    rows = max(len(one) for one in each)
    if any(len(one) not in (1, rows) for one in each):
        raise UserError(
            f"sessions have ceilings of {' and '.join(str(len(one)) for one in each)} halvings; use one kind"
        )
    return np.concatenate([np.broadcast_to(one, (rows, count)) for one, count in zip(each, units, strict=True)], axis=1)


def error_over_sessions(values: Sequence[np.ndarray], *, seed: int, draws: int = DRAWS) -> float:
    """Standard deviation of the pooled score over draws of sessions, with replacement, and of units within them.

    values: (splits, units) r of each session; seed: of the draws.
    """
    rng = np.random.default_rng(seed)
    found = np.empty(draws)
    for draw in range(draws):
        chosen = [values[i] for i in rng.integers(len(values), size=len(values))]
        units = [part[:, rng.integers(part.shape[1], size=part.shape[1])] for part in chosen]
        found[draw] = np.nanmedian(np.concatenate(units, axis=1), axis=1).mean()
    return float(found.std(ddof=1))


def of_sessions(identifier: str, region: str, parts: dict[str, NeuralBenchmark]) -> Sessions:
    """A benchmark of several. Raises UserError for sessions that cannot be shown or scored together."""
    what = f"benchmark {identifier}"
    if len(parts) < 2:
        raise UserError(f"{what}: sessions: there is {len(parts)}; name at least two, or none")
    first = next(iter(parts.values()))
    for facts, words in (
        ({name: part.stimuli.images.shape[1:] for name, part in parts.items()}, "pictures of other sizes"),
        ({name: part.stimuli.degrees for name, part in parts.items()}, "other degrees"),
        ({name: part.own for name, part in parts.items()}, "another metric"),
        ({name: len(part.folds) for name, part in parts.items()}, "other numbers of splits"),
    ):
        if len(set(facts.values())) > 1:
            listed = some(f"{name}: {value}" for name, value in facts.items())
            raise UserError(f"{what}: sessions have {words} ({listed}); bring them to one")
    ids = tuple(f"{name}/{stimulus}" for name, part in parts.items() for stimulus in part.stimuli.ids)
    images = np.concatenate([part.stimuli.images for part in parts.values()])
    return Sessions(
        identifier, region, tuple(parts), tuple(parts.values()), Stimuli(ids, images, first.stimuli.degrees)
    )


def load_sessions(path: Path) -> Sessions:
    """Read a YAML file with `sessions`: name -> keys of a recording, which stand before those of the file itself.

    Raises UserError with the session and key at fault.
    """
    settings, plain = read_yaml(path, (*KEYS, "sessions"))
    sessions, texts = settings.pop("sessions"), plain.pop("sessions")
    if not isinstance(sessions, dict) or not all(isinstance(own, dict) for own in sessions.values()):
        raise BadValue(f"{path}: sessions", sessions, "must be lines `name:` with keys of a recording below each")
    parts = {}
    for own, (name, said) in zip(sessions.values(), texts.items(), strict=True):
        where = f"{path}: session {name}"
        if taken := [key for key in SHARED if key in own]:
            raise UserError(f"{where}: {taken[0]} is the same for all sessions; write it above them")
        merged, words = {**settings, **own}, {**plain, **said}
        checked_keys(where, merged, words, KEYS, TEXT, ("region", "stimuli", "responses"))
        if merged.get("metric") in voxels.METRICS:
            raise UserError(f"{where}: metric {merged['metric']} is of voxels; sessions are of neuroids")
        found = recorded(path, merged, words, called=f"{path.stem} {name}")
        assert isinstance(found, NeuralBenchmark)
        parts[name] = found
    return of_sessions(plain.get("name", path.stem), plain["region"], parts)
