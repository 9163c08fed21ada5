"""What was read of finished runs, kept in files of the cache folder: a finished run changes no more.

A file may be older than the store, damaged, of another version, or gone: what it holds is used only for runs whose
stamp the store still confirms, and everything else is read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from mlspatial.core.files import whole
from mlspatial.core.hashing import content_id
from mlspatial.core.names import cache_folder
from mlspatial.registry.read.rows import joined, of_runs
from mlspatial.registry.store import tracking_uri

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow

VERSION = 2
FACTS = b"mlspatial"  # key in a file's metadata


def folder() -> Path:
    """Of the present tracking store."""
    uri = tracking_uri()
    scheme, _, path = uri.partition(":///")
    place = f"{scheme}:{Path(path).resolve()}" if scheme == "sqlite" else uri.rstrip("/")
    return cache_folder("runs", content_id({"store": place, "version": VERSION}))


class Kept:
    """A table about finished runs, with a column run_id, as one Parquet file.

    table: None where there is no sound file; stamps: run id -> what must be unchanged for its rows to be true. words:
    columns that come as dictionaries.
    """

    table: pyarrow.Table | None
    stamps: dict[str, Any]

    def __init__(self, name: str, words: Sequence[str] = ()) -> None:
        self.path, self._words = folder() / f"{name}.parquet", words
        self._read()

    def _read(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.table, self.stamps = None, {}
        try:
            table = pq.read_table(self.path, read_dictionary=list(self._words), page_checksum_verification=True)
            stamps = json.loads(table.schema.metadata[FACTS])["runs"]
            self.stamps = {run: tuple(one) if isinstance(one, list) else one for run, one in stamps.items()}
            self.table = table.unify_dictionaries()
        except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError):
            self.stamps = {}

    def renew(self, rows: pyarrow.Table | None, stamps: Mapping[str, Any], gone: Collection[str] = ()) -> None:
        """Drop runs and add (or replace) those with these stamps, also when another process does the same meanwhile."""
        import pyarrow.parquet as pq

        if not stamps and not gone:
            return
        with FileLock(f"{self.path}.lock"):
            self._read()
            old = [] if self.table is None else [of_runs(self.table, {*gone, *stamps}, keep=False)]
            parts = old if rows is None else [*old, rows]
            if not parts:
                return
            self.table = joined(parts)
            self.stamps = {run: one for run, one in self.stamps.items() if run not in gone} | dict(stamps)
            facts = {FACTS: json.dumps({"runs": self.stamps}).encode()}
            with whole(self.path) as partial:
                described = self.table.replace_schema_metadata(facts)
                pq.write_table(described, partial, compression="zstd", write_page_checksum=True)


def kept(kind: str, runs: Mapping[str, int], read: Callable[[list[str]], Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """The tables of some finished runs one below the other, with a column run_id; runs: id -> end.

    read(ids): the tables of runs that are not kept yet; those that it leaves out are asked for again the next time.
    kind: of table, with its version.
    """
    import pandas as pd
    import pyarrow as pa

    there = Kept(kind)
    if missing := [run for run, end in runs.items() if there.stamps.get(run) != end]:
        found = read(missing)
        frames = [frame.assign(run_id=run) for run, frame in found.items() if len(frame)]
        rows = pa.Table.from_pandas(pd.concat(frames, ignore_index=True), preserve_index=False) if frames else None
        there.renew(rows, {run: runs[run] for run in found})
    return pd.DataFrame({"run_id": []}) if there.table is None else of_runs(there.table, runs).to_pandas()
