"""What was read of finished runs, kept in files of the cache folder: a finished run changes no more.

A file may be older than the store, damaged, of another version, or gone: what it holds is used only for runs whose
stamp (end and studies) the store still confirms, and everything else is read again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from mlspatial.core.hashing import content_id
from mlspatial.core.names import ENTRY, STUDY, cache_folder
from mlspatial.registry.query import Query, Stamp, joined
from mlspatial.registry.store import tracking_uri

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

VERSION = 1
WORDS = ("run_id", "kind", "key", "text")  # columns of the rows of runs in which much repeats
FACTS = b"mlspatial"  # key in a file's metadata

Tables = Mapping[str, "pd.DataFrame"]  # run id -> its table


def folder() -> Path:
    """Of the present tracking store."""
    uri = tracking_uri()
    scheme, _, path = uri.partition(":///")
    place = f"{scheme}:{Path(path).resolve()}" if scheme == "sqlite" else uri.rstrip("/")
    return cache_folder("runs", content_id({"store": place, "version": VERSION}))


class RunCache:
    """Rows of finished runs (run_id, kind, key, text, number) as one Parquet file."""

    def __init__(self) -> None:
        self._path = folder() / "runs.parquet"
        self.rows = _read(self._path, WORDS)[0]

    def stamps(self, query: Query) -> dict[str, Stamp]:
        """run id -> stamp of the kept runs that a query's filter takes."""
        if self.rows is None:
            return {}
        entries = self._column("tags", ENTRY, "text")
        studies = self._column("tags", STUDY, "text")
        ends = self._column("times", "end_time", "number")
        found = {run: (int(ends.get(run) or 0), studies.get(run) or "", entry) for run, entry in entries.items()}
        return {run: (end, study) for run, (end, study, entry) in found.items() if query.like(entry, study)}

    def _column(self, kind: str, key: str, values: str) -> dict[str, Any]:
        import pyarrow.compute as pc

        rows = self.rows
        part = rows.filter(pc.and_(pc.equal(rows["kind"], kind), pc.equal(rows["key"], key)))
        return dict(zip(part["run_id"].to_pylist(), part[values].to_pylist(), strict=True))

    def take(self, ids: Collection[str]) -> pyarrow.Table:
        return None if self.rows is None else _of_runs(self.rows, ids)

    def renew(self, gone: Collection[str], rows: pyarrow.Table) -> None:
        """Drop runs and add (or replace) others, also when another process does the same meanwhile."""
        if not len(rows) and not gone:
            return
        fresh = set(rows["run_id"].unique().to_pylist())
        with FileLock(f"{self._path}.lock"):
            there, _ = _read(self._path, WORDS)
            parts = [] if there is None else [_of_runs(there, fresh | set(gone), keep=False)]
            self.rows = joined([*parts, rows])
            _write(self._path, self.rows, {})


def kept(kind: str, runs: Mapping[str, int], read: Callable[[list[str]], Tables]) -> pd.DataFrame:
    """The tables of some finished runs one below the other, with a column run_id; runs: id -> end.

    read(ids): the tables of runs that are not kept yet; those that it leaves out are asked for again the next time.
    kind: of table, with its version.
    """
    import pandas as pd
    import pyarrow as pa

    path = folder() / f"{kind}.parquet"
    table, known = _read(path)
    missing = [run for run, end in runs.items() if known.get(run) != end]
    if missing:
        found = read(missing)
        frames = [frame.assign(run_id=run) for run, frame in found.items() if len(frame)]
        with FileLock(f"{path}.lock"):
            there, known = _read(path)
            parts = [] if there is None else [_of_runs(there, found, keep=False)]
            if frames:
                parts.append(pa.Table.from_pandas(pd.concat(frames, ignore_index=True), preserve_index=False))
            known = {**known, **{run: runs[run] for run in found}}
            table = joined(parts) if parts else None
            if table is not None:
                _write(path, table, known)
    return pd.DataFrame({"run_id": []}) if table is None else _of_runs(table, runs).to_pandas()


def _of_runs(table: pyarrow.Table, ids: Collection[str], *, keep: bool = True) -> pyarrow.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    chosen = pc.is_in(table["run_id"], value_set=pa.array(sorted(ids), pa.string()))
    return table.filter(chosen if keep else pc.invert(chosen))


def _read(path: Path, words: Sequence[str] = ()) -> tuple[Any, dict[str, int]]:
    """(table, run id -> end of what it is known to hold); (None, {}) where there is no sound file.

    words: columns that come as dictionaries.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return None, {}
    try:
        table = pq.read_table(path, read_dictionary=list(words), page_checksum_verification=True)
        known = json.loads(table.schema.metadata[FACTS])["runs"]
        return table.unify_dictionaries(), known
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError):
        return None, {}


def _write(path: Path, table: pyarrow.Table, known: Mapping[str, int]) -> None:
    import pyarrow.parquet as pq

    partial = path.with_name(f".{path.name}.{os.getpid()}")
    facts = {FACTS: json.dumps({"runs": dict(known)}).encode()}
    pq.write_table(table.replace_schema_metadata(facts), partial, compression="zstd", write_page_checksum=True)
    partial.replace(path)
