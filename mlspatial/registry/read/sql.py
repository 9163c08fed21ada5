"""Reads the tables of MLflow's own database with a few statements: MLflow's search builds objects for 1.7 ms a run.

SQLite by Python's own module (see `registry.tables`, and `sqlite` for long rows), others by SQLAlchemy.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.names import ENTRY, STUDY
from mlspatial.registry.read.rows import (
    Logged,
    Query,
    Stamp,
    chunks,
    columns_table,
    info_rows,
    joined,
    rows_table,
    version_facts,
)
from mlspatial.registry.read.sqlite import long_rows
from mlspatial.registry.store import database
from mlspatial.registry.tables import ACTIVE, reading

if TYPE_CHECKING:
    import pyarrow


class Database:
    """Reads the tables of MLflow's own database. Raises sqlite3.Error or SQLAlchemyError where they are not as
    expected."""

    def __init__(self, uri: str) -> None:
        self._file = database()
        if self._file is None:
            from sqlalchemy import create_engine
            from sqlalchemy.pool import NullPool

            self._engine = create_engine(uri, poolclass=NullPool)

    def sync(self, query: Query, known: Mapping[str, Stamp]) -> tuple[dict[str, Stamp], pyarrow.Table]:
        """(stamps of the runs that fit now, rows of those whose stamp is not the known one)."""
        studies = f"SELECT run_uuid, value FROM tags WHERE key = '{STUDY}'"
        found = self._rows(
            f"SELECT r.run_uuid, r.end_time, s.value, e.value FROM runs r JOIN tags e ON e.run_uuid = r.run_uuid"
            f" LEFT JOIN ({studies}) s ON s.run_uuid = r.run_uuid"
            f" WHERE e.key = '{ENTRY}' AND r.lifecycle_stage = 'active' AND r.experiment_id IN ({ACTIVE})"
            + (" AND e.value = :entry" if query.entry else "")
            + (" AND r.status = :status" if query.status else ""),
            entry=query.entry,
            status=query.status,
        )
        there = {run: (end or 0, study or "", entry) for run, end, study, entry in found}
        there = {run: stamp for run, stamp in there.items() if query.takes(stamp)}
        return there, self._long([run for run, stamp in there.items() if known.get(run) != stamp])

    def _long(self, ids: Sequence[str]) -> pyarrow.Table:
        """Rows of runs, column by column: a tuple for each would take twice as long."""
        if self._file is not None:
            return long_rows(self._file, ids)
        where = "WHERE run_uuid IN :chosen"
        tables = [rows_table(())]
        for part in chunks(ids):
            facts = self._rows(
                f"SELECT run_uuid, experiment_id, status, artifact_uri, start_time, end_time FROM runs {where}", part
            )
            tables.append(rows_table(row for run, number, *rest in facts for row in info_rows(run, str(number), *rest)))
            texts = f"SELECT run_uuid, key, value, NULL, 0 FROM %s {where}"
            latest = f"SELECT run_uuid, key, NULL, value, is_nan FROM latest_metrics {where}"
            for kind, asked in {"tags": texts % "tags", "params": texts % "params", "metrics": latest}.items():
                if found := self._rows(asked, part):
                    run, key, text, numbers, is_nan = zip(*found, strict=True)
                    values = [math.nan if nan else number for number, nan in zip(numbers, is_nan, strict=True)]
                    tables.append(columns_table(run, [kind] * len(run), key, text, values))
        return joined(tables)

    def histories(self, wanted: Mapping[str, Sequence[str]]) -> list[Logged]:
        """Everything that was logged of some metrics; wanted: metric -> ids of runs."""
        statement = (
            "SELECT run_uuid, key, step, value, is_nan, timestamp FROM metrics"
            " WHERE run_uuid IN :chosen AND key IN :metrics"
        )
        alike: dict[tuple[str, ...], list[str]] = {}
        for metric, ids in wanted.items():
            alike.setdefault(tuple(ids), []).append(metric)
        found = [
            row
            for ids, names in alike.items()
            for part in chunks(ids)
            for row in self._rows(statement, part, metrics=names)
        ]
        return [(run, key, step, float("nan") if nan else value, when) for run, key, step, value, nan, when in found]

    def versions(self) -> list[dict[str, Any]]:
        """Ready model versions: uri, name, version, run_id, created (ms) and their tags."""
        tags: dict[tuple[str, int], dict[str, str]] = {}
        for name, version, key, value in self._rows("SELECT name, version, key, value FROM model_version_tags"):
            tags.setdefault((name, version), {})[key] = value
        found = self._rows(
            "SELECT name, version, source, run_id, creation_time FROM model_versions"
            " WHERE status = 'READY' AND current_stage != 'Deleted_Internal'"
        )
        return [
            {**tags.get((name, version), {}), **version_facts(name, version, source, run, created)}
            for name, version, source, run, created in found
        ]

    def _rows(self, statement: str, chosen: Sequence[Any] | None = None, **values: Any) -> list[Any]:
        values |= {} if chosen is None else {"chosen": list(chosen)}
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        if self._file is not None:
            return _from_sqlite(self._file, statement, used)
        from sqlalchemy import bindparam, text

        prepared = text(statement)
        lists: list[Any] = [bindparam(name, expanding=True) for name, value in used.items() if isinstance(value, list)]
        with self._engine.connect() as connection:
            return list(connection.execute(prepared.bindparams(*lists), used).fetchall())


def _from_sqlite(file: Path, statement: str, values: Mapping[str, Any]) -> list[Any]:
    """values: of the names in the statement; of a list one name each."""
    given: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, list):
            each = {f"{name}_{place}": one for place, one in enumerate(value)}
            statement = statement.replace(f":{name}", f"({', '.join(f':{key}' for key in each)})")
            given |= each
        else:
            given[name] = value
    with reading(file) as connection:
        return connection.execute(statement, given).fetchall()
