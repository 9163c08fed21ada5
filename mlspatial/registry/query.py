"""Which runs are asked for, and what of a run is read: what every way to read the tracking store has in common."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from mlspatial.core.errors import BadValue
from mlspatial.core.names import ENTRY, STUDY

if TYPE_CHECKING:
    import pyarrow

CHUNK = 2000  # run ids in one condition

Stamp = tuple[
    int, str
]  # end in milliseconds since 1970 (0: not ended) and tag of studies: a finished run changes no more
Logged = tuple[str, str, int, float, int]  # run_id, metric, step, value, time in ms
Row = tuple[str, str, str, str | None, float | None]  # run_id, kind (info, times, tags, ...), key, text, number


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

    def like(self, entry: str, study: str) -> bool:
        """Whether the filter takes a run with these tags."""
        pattern = re.escape(self.study).replace("_", ".")  # LIKE takes any character for _
        return entry == (self.entry or entry) and bool(re.search(pattern, study))

    def takes(self, study: str) -> bool:
        return not self.study or self.study in study.split(",")


class Source(Protocol):
    """A tracking store that is read."""

    def sync(self, query: Query, known: Mapping[str, Stamp]) -> tuple[set[str], pyarrow.Table]:
        """(ids of the runs that fit now, rows of those whose stamp is not the known one)."""

    def histories(self, run_ids: Sequence[str], metrics: Sequence[str]) -> list[Logged]:
        """Everything that was logged of some metrics."""

    def versions(self) -> list[dict[str, Any]]:
        """Ready model versions: uri, name, version, run_id, created (ms) and their tags."""


def rows_table(rows: Iterable[Row]) -> pyarrow.Table:
    """Long rows as an Arrow table: run_id, kind, key, text (dictionaries) and number."""
    columns = list(zip(*rows, strict=True)) or [()] * 5
    return columns_table(*columns)


def columns_table(
    run: Sequence[str], kind: Sequence[str], key: Sequence[str], text: Sequence[Any], number: Sequence[Any]
) -> pyarrow.Table:
    """The table of `rows_table` from its columns."""
    import pyarrow as pa

    words = {"run_id": run, "kind": kind, "key": key, "text": text}
    arrays = {name: pa.array(column, pa.string()).dictionary_encode() for name, column in words.items()}
    return pa.table({**arrays, "number": pa.array(number, pa.float64(), from_pandas=False)})


def joined(tables: Sequence[pyarrow.Table]) -> pyarrow.Table:
    """Tables one below the other; columns that some lack are null there."""
    import pyarrow as pa

    tables = [table.replace_schema_metadata(None) for table in tables]
    return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()


def chunks(items: Sequence[str], size: int = CHUNK) -> Iterator[Sequence[str]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def info_rows(run: str, experiment: str, status: str, uri: str, start: int | None, end: int | None) -> Iterator[Row]:
    for key, text in (("experiment_id", experiment), ("status", status), ("artifact_uri", uri)):
        yield run, "info", key, text, None
    for key, number in (("start_time", start), ("end_time", end)):
        yield run, "times", key, None, number


def version_facts(name: str, version: Any, source: str, run: str | None, created: int) -> dict[str, Any]:
    return {"name": name, "version": str(version), "uri": source, "run_id": run or "", "created": created}
