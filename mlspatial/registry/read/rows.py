"""Which runs are asked for, and what is read of them: long rows in Arrow, and from those one row a run in pandas."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import BadValue
from mlspatial.core.names import ENTRY, STUDY

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow

CHUNK = 2000  # run ids in one condition
INFO, TIMES = ("experiment_id", "status", "artifact_uri"), ("start_time", "end_time")
WORDS = ("run_id", "kind", "key", "text")  # columns of long rows in which much repeats
#: kind of long rows -> how its columns begin in the wide table
PREFIXES = {"info": "", "times": "", "metrics": "metrics.", "params": "params.", "tags": "tags."}

Stamp = tuple[int, str, str]  # end in ms since 1970 (0: not ended), studies, entry: a finished run changes no more
Logged = tuple[str, str, int, float, int]  # run_id, metric, step, value, time in ms
Row = tuple[str, str, str, str | None, float | None]  # run_id, kind, key, text, number


@dataclass(frozen=True)
class Query:
    """Which runs. entry: "" for every entry of ours; study: "" for all; status: "" for any. Raises BadValue."""

    entry: str = ""
    study: str = ""
    status: str = "FINISHED"

    def __post_init__(self) -> None:
        for name in ("entry", "study", "status"):
            if re.search(r"['\"`\\%]", getattr(self, name)):
                raise BadValue(name, getattr(self, name), "must be without quotes, \\ and %")

    @property
    def filter(self) -> str:
        """MLflow's filter text; of studies a superset (LIKE)."""
        clauses = [f"tags.`{ENTRY}` = '{self.entry}'" if self.entry else f"tags.`{ENTRY}` LIKE '%'"]
        clauses += [f"tags.`{STUDY}` LIKE '%{self.study}%'"] if self.study else []
        clauses += [f"attributes.status = '{self.status}'"] if self.status else []
        return " and ".join(clauses)

    def like(self, stamp: Stamp) -> bool:
        """Whether the filter takes a run with this stamp."""
        pattern = re.escape(self.study).replace("_", ".")  # LIKE takes any character for _
        return stamp[2] == (self.entry or stamp[2]) and bool(re.search(pattern, stamp[1]))

    def takes(self, stamp: Stamp) -> bool:
        return not self.study or self.study in stamp[1].split(",")


def rows_table(rows: Iterable[Row]) -> pyarrow.Table:
    """Long rows as an Arrow table: run_id, kind, key, text (dictionaries) and number."""
    columns = list(zip(*rows, strict=True)) or [()] * 5
    return columns_table(*columns)


def columns_table(
    run: Sequence[str], kind: Sequence[str], key: Sequence[str], text: Sequence[Any], number: Sequence[Any]
) -> pyarrow.Table:
    """The table of `rows_table` from its columns."""
    import pyarrow as pa

    columns = zip(WORDS, (run, kind, key, text), strict=True)
    arrays = {name: pa.array(column, pa.string()).dictionary_encode() for name, column in columns}
    return pa.table({**arrays, "number": pa.array(number, pa.float64(), from_pandas=False)})


def info_rows(run: str, experiment: str, status: str, uri: str, start: int | None, end: int | None) -> Iterator[Row]:
    for key, text in zip(INFO, (experiment, status, uri), strict=True):
        yield run, "info", key, text, None
    for key, number in zip(TIMES, (start, end), strict=True):
        yield run, "times", key, None, number


def joined(tables: Sequence[pyarrow.Table]) -> pyarrow.Table:
    """Tables one below the other; columns that some lack are null there."""
    import pyarrow as pa

    tables = [table.replace_schema_metadata(None) for table in tables]
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()


def of_runs(table: pyarrow.Table, ids: Collection[str], *, keep: bool = True) -> pyarrow.Table:
    """The rows of these runs; keep=False: of the others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    chosen = pc.is_in(table["run_id"], value_set=pa.array(sorted(ids), pa.string()))
    return table.filter(chosen if keep else pc.invert(chosen))


def chunks(items: Sequence[str], size: int = CHUNK) -> Iterator[Sequence[str]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def version_facts(name: str, version: Any, source: str, run: str | None, created: int) -> dict[str, Any]:
    return {"name": name, "version": str(version), "uri": source, "run_id": run or "", "created": created}


def wide(rows: pyarrow.Table | None, metrics: Sequence[str] | None) -> pd.DataFrame:
    """Long rows as one row a run, newest first; metrics: beginnings of the names that are wanted, None for all."""
    import numpy as np
    import pandas as pd

    if rows is None or not len(rows):
        empty = ("run_id", *INFO, *TIMES, *(PREFIXES["tags"] + name for name in (ENTRY, STUDY)))
        return pd.DataFrame({name: [] for name in empty})
    (run_codes, run_ids), (kind_codes, kinds), (key_codes, keys), (text_codes, texts) = (
        _codes(rows[name]) for name in WORDS
    )
    words = np.array([*texts, None], dtype=object)  # the last for null, whose code is -1
    numbers = rows["number"].to_numpy()
    columns: dict[str, np.ndarray] = {"run_id": np.array(run_ids, dtype=object)}
    for kind, prefix in PREFIXES.items():
        if kind not in kinds:
            continue
        of_kind = kind_codes == kinds.index(kind)
        names = sorted((keys[code], code) for code in np.unique(key_codes[of_kind]))
        if kind == "metrics" and metrics is not None:
            names = [(name, code) for name, code in names if name.startswith(tuple(metrics))]
        used = np.array([code for _, code in names], dtype=np.int64)
        place = np.full(len(keys), -1)
        place[used] = np.arange(len(used))
        chosen = of_kind & (place[key_codes] >= 0)
        numeric = kind in ("metrics", "times")
        values = np.full((len(used), len(run_ids)), np.nan if numeric else None, dtype=float if numeric else object)
        values[place[key_codes[chosen]], run_codes[chosen]] = numbers[chosen] if numeric else words[text_codes[chosen]]
        columns |= {prefix + keys[code]: row for code, row in zip(used, values, strict=True)}
    table = pd.DataFrame(columns, copy=False)
    for name in TIMES:
        table[name] = pd.to_datetime(table[name], unit="ms", utc=True)
    return table.sort_values(["start_time", "run_id"], ascending=[False, True], ignore_index=True)


def _codes(column: pyarrow.ChunkedArray) -> tuple[np.ndarray, list[str]]:
    """(codes, words) of a column of dictionaries; -1 for null. Only words that occur."""
    import numpy as np

    array = column.combine_chunks()
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    there = np.unique(codes[codes >= 0])
    renamed = np.full(len(array.dictionary) + 1, -1)
    renamed[there] = np.arange(len(there))
    return renamed[codes], array.dictionary.take(there).to_pylist()
