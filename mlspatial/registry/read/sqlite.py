"""Long rows of runs from SQLite: a row of a database costs Python a tuple and a text for each of its columns, so that
SQLite puts the texts of a run together, Arrow takes them apart, and only numbers come one by one."""

from __future__ import annotations

import itertools
import math
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.registry.read.rows import INFO, TIMES, WORDS, chunks, joined, rows_table
from mlspatial.registry.tables import KINDS, reading

if TYPE_CHECKING:
    import numpy as np
    import pyarrow

MARK = "\x1f"  # between texts of a run; a run with this in one of them is read row by row


def long_rows(file: Path, ids: Sequence[str]) -> pyarrow.Table:
    """The rows of `rows.rows_table` of these runs, of one state of the database. Raises sqlite3.Error."""
    tables = [rows_table(())]
    with reading(file) as connection:
        for part in chunks(ids):
            tables += [*_facts(connection, part), *_metrics(connection, part)]
            tables += [table for kind in KINDS for table in _texts(connection, kind, part)]
    return joined(tables)


def _ask(connection: sqlite3.Connection, statement: str, ids: Sequence[str]) -> sqlite3.Cursor:
    return connection.execute(statement.replace("CHOSEN", f"({', '.join('?' * len(ids))})"), ids)


def _facts(connection: sqlite3.Connection, ids: Sequence[str]) -> list[pyarrow.Table]:
    import pyarrow as pa

    columns = "run_uuid, CAST(experiment_id AS TEXT), status, artifact_uri, start_time, end_time"
    found = _ask(connection, f"SELECT {columns} FROM runs WHERE run_uuid IN CHOSEN", ids).fetchall()
    if not found:  # gone since they were asked for
        return []
    runs, *facts = zip(*found, strict=True)
    no_text, no_number = pa.nulls(len(runs), pa.string()), pa.nulls(len(runs), pa.float64())
    tables = []
    for key, column in zip((*INFO, *TIMES), facts, strict=True):
        is_time = key in TIMES
        text = (no_text if is_time else pa.array(column, pa.string())).dictionary_encode()
        number = pa.array(column, pa.float64()) if is_time else no_number
        kind = "times" if is_time else "info"
        tables.append(_table(runs, [1] * len(runs), kind, [key] * len(runs), text, number))
    return tables


def _texts(connection: sqlite3.Connection, kind: str, ids: Sequence[str]) -> list[pyarrow.Table]:
    """Tags or params. kind: the name of the table, too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    together = f"count(*), count(value), group_concat(key, '{MARK}'), group_concat(value, '{MARK}')"
    found = _ask(connection, f"SELECT run_uuid, {together} FROM {kind} WHERE run_uuid IN CHOSEN GROUP BY run_uuid", ids)
    whole, others = [], []
    for run, number, texts, keys, values in found:
        if number == texts == keys.count(MARK) + 1 == values.count(MARK) + 1:
            whole.append((run, number, keys, values))
        else:  # NULL, which SQLite leaves out, or a MARK
            others.append(run)
    tables = []
    if whole:
        runs, counts, keys, values = zip(*whole, strict=True)
        text = pc.split_pattern(pa.array(values, pa.string()), MARK).flatten().dictionary_encode()
        tables.append(_table(runs, counts, kind, keys, text, pa.nulls(len(text), pa.float64())))
    if others:
        rows = _ask(connection, f"SELECT run_uuid, key, value FROM {kind} WHERE run_uuid IN CHOSEN", others)
        tables.append(rows_table((run, kind, key, value, None) for run, key, value in rows))
    return tables


def _metrics(connection: sqlite3.Connection, ids: Sequence[str]) -> list[pyarrow.Table]:
    """Last values. SQLite writes no number so that it can be read back exactly on every machine: they come as numbers,
    each with its row's, which says whose it is whatever the order in which rows come."""
    import numpy as np
    import pyarrow as pa

    together = f"count(*), group_concat(key, '{MARK}'), group_concat(rowid)"
    where = "FROM latest_metrics WHERE run_uuid IN CHOSEN"
    found = _ask(connection, f"SELECT run_uuid, {together} {where} GROUP BY run_uuid", ids).fetchall()
    numbers = _ask(connection, f"SELECT rowid * 2 + is_nan, value {where}", ids)
    read = np.fromiter(itertools.chain.from_iterable(numbers), np.float64).reshape(-1, 2)
    read = read[read[:, 0].argsort(kind="stable")]
    marks, values = read[:, 0].astype(np.int64), read[:, 1]
    values[marks % 2 == 1] = np.nan
    whole = [row for row in found if row[2].count(MARK) + 1 == row[1]]
    tables = []
    if whole:
        runs, counts, keys, rows = zip(*whole, strict=True)
        places = np.searchsorted(marks >> 1, np.array(",".join(rows).split(","), dtype=np.int64))
        nothing = pa.nulls(len(places), pa.string()).dictionary_encode()
        tables.append(_table(runs, counts, "metrics", keys, nothing, pa.array(values[places])))
    if others := [row[0] for row in found if row[2].count(MARK) + 1 != row[1]]:
        rest = _ask(connection, f"SELECT run_uuid, key, value, is_nan {where}", others)
        tables.append(rows_table((run, "metrics", key, None, math.nan if nan else n) for run, key, n, nan in rest))
    return tables


def _table(
    runs: Sequence[str],
    counts: Sequence[int],
    kind: str,
    keys: Sequence[str],
    text: pyarrow.DictionaryArray,
    number: pyarrow.Array,
) -> pyarrow.Table:
    """counts: rows of each run; keys: those of each run with MARK between; text, number: of all rows."""
    import numpy as np
    import pyarrow as pa

    codes: dict[str, int] = {}
    same: dict[str, np.ndarray] = {}  # most runs of an entry have the same keys
    for one in keys:
        if one not in same:
            same[one] = np.array([codes.setdefault(key, len(codes)) for key in one.split(MARK)], np.int32)
    places = np.concatenate([same[one] for one in keys])
    columns = (
        _words(runs, np.repeat(np.arange(len(runs)), counts)),
        _words([kind], np.zeros(len(places), np.int32)),
        _words(list(codes), places),
        text,
    )
    return pa.table({**dict(zip(WORDS, columns, strict=True)), "number": number})


def _words(words: Sequence[str], codes: np.ndarray) -> pyarrow.DictionaryArray:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words, pa.string()))
