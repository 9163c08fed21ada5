"""Records from the tables of MLflow's own SQLite database, by Python's sqlite3 alone: MLflow takes seconds to load."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlspatial.core.names import CFG, ENTRY, SPEC
from mlspatial.registry.filters import Condition
from mlspatial.registry.record import RunRecord

WAIT_SECONDS = 1.0  # for a database that others hold, deaf to Ctrl-C; `patiently` goes on from there
READY = 2  # MLflow's number of a logged model that is whole
ACTIVE = "SELECT experiment_id FROM experiments WHERE lifecycle_stage = 'active'"
#: attribute in a filter -> column
OF_RUNS = {"run_id": "run_uuid", "status": "status", "start_time": "start_time"}
OF_VERSIONS = {"name": "name", "run_id": "run_id", "version": "version", "source_path": "source"}
CHUNK = 5000  # ids in one statement


@dataclass(frozen=True)
class Version:
    """A READY version of a registered model, by the names that MLflow's has."""

    name: str
    version: str
    source: str
    run_id: str
    tags: dict[str, str] = field(repr=False)
    status: str = "READY"


@dataclass(frozen=True)
class Logged:
    """A logged network that is READY, by the names that MLflow's has."""

    model_id: str
    artifact_location: str
    source_run_id: str
    creation_timestamp: int
    tags: dict[str, str] = field(repr=False)
    status: str = "READY"


@contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection that sees one state of a database, whatever others write meanwhile."""
    address = f"{file.resolve().as_uri()}?mode=rw"  # which makes no new one
    with closing(sqlite3.connect(address, timeout=WAIT_SECONDS, uri=True)) as connection:
        connection.execute("PRAGMA case_sensitive_like = true")  # as MLflow does
        connection.execute("BEGIN")
        yield connection


class Tables:
    """The tables of a database. Raises sqlite3.Error where they are not as expected, or another process holds it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def runs(
        self, asked: Sequence[Condition], limit: int | None = None, *, everywhere: bool = False
    ) -> list[RunRecord]:
        """Runs that are not deleted, of active experiments, newest first. everywhere: also those that are."""
        where, values = _where(asked, OF_RUNS, ("tags", "params"), "runs.run_uuid = {0}.run_uuid")
        if not everywhere:
            where += [f"lifecycle_stage = 'active' AND experiment_id IN ({ACTIVE})"]
        columns = "run_uuid, status, start_time, end_time, experiment_id, artifact_uri"
        with reading(self._file) as connection:
            found = connection.execute(
                f"SELECT {columns} FROM runs WHERE {' AND '.join(where) or '1'}"
                f" ORDER BY start_time IS NULL, start_time DESC, run_uuid LIMIT {-1 if limit is None else limit}",
                values,
            ).fetchall()
            ids = [run for run, *_ in found]
            tags, params = (_by_run(connection, f"SELECT run_uuid, key, value FROM {one}", ids) for one in KINDS)
            numbers = "SELECT run_uuid, key, CASE WHEN is_nan THEN NULL ELSE value END FROM latest_metrics"
            metrics = _by_run(connection, numbers, ids)
        return [
            RunRecord(
                id=run,
                entry=tags[run].get(ENTRY, ""),
                spec=tags[run].get(SPEC, ""),
                status=status,
                name=tags[run].get("mlflow.runName", ""),
                start=start,
                experiment=str(experiment),
                cfg={key.removeprefix(CFG): value for key, value in params[run].items() if key.startswith(CFG)},
                tags=tags[run],
                metrics={key: math.nan if number is None else number for key, number in metrics[run].items()},
                artifacts=place or "",
                end=end or 0,
            )
            for run, status, start, end, experiment, place in found
        ]

    def versions(self, asked: Sequence[Condition]) -> list[Version]:
        """READY versions of registered models, as they were registered."""
        same = "model_versions.name = {0}.name AND model_versions.version = {0}.version"
        where, values = _where(asked, OF_VERSIONS, ("tags",), same, "model_version_")
        where += ["status = 'READY' AND current_stage != 'Deleted_Internal'"]
        with reading(self._file) as connection:
            found = connection.execute(
                f"SELECT name, version, source, run_id FROM model_versions WHERE {' AND '.join(where)}"
                " ORDER BY creation_time, name, version DESC",
                values,
            ).fetchall()
            names = list(dict.fromkeys(name for name, *_ in found))
            tags: dict[tuple[str, int], dict[str, str]] = {}
            statement = "SELECT name, version, key, value FROM model_version_tags"
            for name, number, key, value in _rows(connection, statement, "name", names):
                tags.setdefault((name, number), {})[key] = value
        return [
            Version(name, str(number), source, run or "", tags.get((name, number), {}))
            for name, number, source, run in found
        ]

    def alias(self, name: str, alias: str) -> str:
        """The number of the version that has an alias; "" where none has."""
        with reading(self._file) as connection:
            statement = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"
            found = connection.execute(statement, (name, alias)).fetchone()
        return str(found[0]) if found else ""

    def logged(self, key: str, value: str, experiment: str = "") -> list[Logged]:
        """READY logged networks by model_id or source_run_id, newest first; experiment: only of this one."""
        only, values = (" AND experiment_id = ?", [value, int(experiment)]) if experiment else ("", [value])
        with reading(self._file) as connection:
            found = connection.execute(
                "SELECT model_id, artifact_location, source_run_id, creation_timestamp_ms FROM logged_models"
                f" WHERE {key} = ? AND status = {READY} AND lifecycle_stage = 'active'{only}"
                " ORDER BY creation_timestamp_ms DESC, model_id",
                values,
            ).fetchall()
            tags: dict[str, dict[str, str]] = {}
            statement = "SELECT model_id, tag_key, tag_value FROM logged_model_tags"
            for model, name, text in _rows(connection, statement, "model_id", [model for model, *_ in found]):
                tags.setdefault(model, {})[name] = text
        return [Logged(model, place, run or "", made, tags.get(model, {})) for model, place, run, made in found]


KINDS = ("tags", "params")  # tables of what runs say


def _where(
    asked: Sequence[Condition], columns: dict[str, str], tables: tuple[str, ...], same: str, prefix: str = ""
) -> tuple[list[str], list[Any]]:
    """(conditions in SQL, their values). columns: of attributes; tables: of keys and values; same: what ties a row of
    theirs to one that is asked for."""
    where: list[str] = []
    values: list[Any] = []
    for one in asked:
        marks = f"({', '.join('?' * len(one.values))})" if one.how == "IN" else "?"
        if one.kind in tables:
            table = prefix + one.kind
            tied = f"{same.format(table)} AND {table}.key = ? AND {table}.value {one.how} {marks}"
            where.append(f"EXISTS (SELECT 1 FROM {table} WHERE {tied})")
            values += [one.key, *one.values]
        elif one.kind == "attributes" and one.key in columns:
            where.append(f"{columns[one.key]} {one.how} {marks}")
            values += one.values
        else:
            raise sqlite3.NotSupportedError(f"{one.kind}.{one.key}")
    return where, values


def _rows(connection: sqlite3.Connection, statement: str, column: str, chosen: Sequence[str]) -> Iterable[Any]:
    for first in range(0, len(chosen), CHUNK):
        part = chosen[first : first + CHUNK]
        yield from connection.execute(f"{statement} WHERE {column} IN ({', '.join('?' * len(part))})", part)


def _by_run(connection: sqlite3.Connection, statement: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {run: {} for run in ids}
    for run, key, value in _rows(connection, statement, "run_uuid", ids):
        found[run][key] = value
    return found
