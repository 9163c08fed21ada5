"""Spec: what decides a result. RunRecord: a run as the registry remembers it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlspatial.core.errors import BadValue
from mlspatial.core.hashing import content_id
from mlspatial.core.names import CFG, DATASET_ID, ENTRY, MODEL_ID, PARENTS, SPEC, STUDY


@dataclass(frozen=True)
class Spec:
    """What decides a result. inputs: ids of what goes in; cfg: every resolved parameter, logged as cfg.NAME;
    free: names in cfg that cannot change the result (workers, device, ...); version: of the procedure. Its id raises
    BadValue for a number that is not finite."""

    entry: str
    version: int
    inputs: Mapping[str, Any]
    cfg: Mapping[str, Any]
    free: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        deciding = {name: value for name, value in self.cfg.items() if name not in self.free}
        for name, value in deciding.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise BadValue(name, value, "must be a finite number")
        return content_id({"entry": self.entry, "version": self.version, "inputs": dict(self.inputs), "cfg": deciding})


@dataclass(frozen=True)
class RunRecord:
    """A run as the registry remembers it. start, end: milliseconds since 1970. metrics: last value of each. artifacts:
    the address of what it logged."""

    id: str
    entry: str
    spec: str
    status: str
    name: str
    start: int
    experiment: str
    cfg: dict[str, str]
    tags: dict[str, str] = field(repr=False)
    metrics: dict[str, float] = field(repr=False)
    artifacts: str = ""
    end: int = 0

    @property
    def dataset_id(self) -> str | None:
        return self.tags.get(DATASET_ID)

    @property
    def model_id(self) -> str | None:
        return self.tags.get(MODEL_ID)

    @property
    def parents(self) -> tuple[str, ...]:
        return _split(self.tags.get(PARENTS))

    @property
    def studies(self) -> tuple[str, ...]:
        return _split(self.tags.get(STUDY))


def record_of(run: Any) -> RunRecord:
    tags, params = run.data.tags, run.data.params
    return RunRecord(
        id=run.info.run_id,
        entry=tags.get(ENTRY, ""),
        spec=tags.get(SPEC, ""),
        status=run.info.status,
        name=tags.get("mlflow.runName", ""),
        start=run.info.start_time,
        experiment=run.info.experiment_id,
        cfg={key.removeprefix(CFG): value for key, value in params.items() if key.startswith(CFG)},
        tags=tags,
        metrics=run.data.metrics,
        artifacts=run.info.artifact_uri or "",
        end=run.info.end_time or 0,
    )


def _split(text: str | None) -> tuple[str, ...]:
    return tuple(part for part in (text or "").split(",") if part)
