"""Where files lie: what is local, and a project that was moved or copied.

MLflow writes absolute places into its database. They are looked at when a local database is opened: what lay below the
database's former folder and lies below its present one now is named there again.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import url2pathname

from mlspatial.core.errors import UserError
from mlspatial.core.names import ENTRY, FOLDER, TAG
from mlspatial.core.progress import say

HOMES = TAG + "homes"  # tag of the first experiment: the database's folder, then former ones where files still are
ROOT = "mlruns"  # MLflow's own folder of artifacts, in the folder where an experiment was first used
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
READY = 2  # MLflow's number of a logged model that is whole
WITHOUT_FILES = ("train", "answer")  # entries whose finished runs may hold no file of their own

#: table, column with a place, which rows surely have files
PLACES = (
    ("experiments", "artifact_location", "0"),
    ("runs", "artifact_uri", f"status = 'FINISHED' AND run_uuid IN (SELECT run_uuid FROM tags WHERE key = '{ENTRY}'"
     f" AND value NOT IN {WITHOUT_FILES})"),
    ("logged_models", "artifact_location", f"status = {READY}"),
    ("model_versions", "source", "0"),
    ("model_versions", "storage_location", "0"),
)  # fmt: skip
#: the same of datasets, which are named where they are and nowhere else
DATASETS = ("tags", "value", f"key = '{FOLDER}'"), ("datasets", "dataset_source", "1")
TABLES = {table for table, *_ in (*PLACES, *DATASETS)} | {"experiment_tags"}


def local_path(place: str) -> Path | None:
    """The folder or file that MLflow means by a local place (a path or file:...); None for a remote one."""
    if SCHEME.match(place) and not place.startswith("file:"):
        return None
    return Path(url2pathname(urlparse(place).path if place.startswith("file:") else place))  # as MLflow does


@dataclass
class _Moved:
    """What is to be written, and what was found where."""

    changes: list[tuple[str, str, str, int]] = field(default_factory=list)  # table, column, place, row
    left: dict[Path, int] = field(default_factory=dict)  # former folder -> files that are there and nowhere else
    wanted: int = 0  # rows that surely have files
    lost: int = 0  # of these, the ones whose files are neither here nor there
    there: int = 0  # rows whose files lie beside the database
    roots: list[tuple[Path, Path]] = field(default_factory=list)  # of experiments: as named, and beside the database

    @property
    def nowhere(self) -> bool:
        return bool(self.wanted) and self.wanted == self.lost and not any(_root(new).is_dir() for _, new in self.roots)


def settle(database: Path) -> bool:
    """Name the places of an SQLite database's artifacts and datasets again after it was moved with them, in one
    transaction, and say so; whether anything changed.

    Places that were elsewhere by choice stay. A copy uses its own files and leaves those of the other alone. Files that
    were left behind stay named where they are, but nothing new is written there. Raises UserError, with nothing
    written, when the files are nowhere.
    """
    home = database.resolve().parent
    with closing(sqlite3.connect(database)) as connection:
        if not _tables(connection) >= TABLES:
            return False  # of another program, or of an MLflow that will say so
        known = _homes(connection)
        if known and known[0] != home and _same(known[0] / database.name, database):
            return False  # one folder by two names
        formers = [folder for folder in known if folder != home]
        elsewhere = [root for root in _default_roots(connection) if not root.is_relative_to(home)]
        for former in dict.fromkeys(root.parents[1] for root in elsewhere if not root.is_dir()):
            found = _look(connection, [former], home)
            if found.there or found.wanted == found.lost > 0:
                formers.append(former)
        moved = _look(connection, list(dict.fromkeys(formers)), home)
        if moved.nowhere:
            raise UserError(_nowhere(database, moved.roots))
        homes = [home, *moved.left]
        if moved.changes:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                for table, column, place, row in moved.changes:
                    connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (place, row))
                _remember(connection, homes)
            say(_word(database, home, formers, moved))
        elif homes != known:
            with suppress(sqlite3.OperationalError), connection:  # of a database that is only read
                _remember(connection, homes)
            if not known and (there := sorted({str(root.parent) for root in elsewhere if root.is_dir()})):
                say(f"{database}: its artifacts are in {', '.join(there)}, not beside it, and stay there")
    return bool(moved.changes)


def _look(connection: sqlite3.Connection, formers: Sequence[Path], home: Path) -> _Moved:
    """What becomes of every place below one of the former folders."""
    moved = _Moved()
    if not formers:
        return moved
    for table, column, sure in PLACES:
        below = " OR ".join([f"instr({column}, ?) = 1"] * len(formers))
        statement = f"SELECT rowid, {column}, {sure} FROM {table} WHERE {column} LIKE 'file:%' OR {below}"
        for row, place, wanted in connection.execute(statement, list(map(str, formers))).fetchall():
            old = local_path(place)
            former = _above(old, formers)
            if old is None or former is None:
                continue
            new = home / old.relative_to(former)
            if table == "experiments":
                moved.roots.append((old, new))
                stays = old.is_dir() and not new.is_dir() and old.parent.name != ROOT  # was put there by choice
            else:
                there = new.exists()
                stays = not there and old.exists()
                moved.there += there
                moved.wanted += wanted
                moved.lost += wanted and not there and not stays
                if stays and table in ("runs", "logged_models"):
                    moved.left[former] = moved.left.get(former, 0) + 1
            if not stays and new != old:
                moved.changes.append((table, column, _named(new, place), row))
    for table, column, which in DATASETS:
        for row, text in connection.execute(f"SELECT rowid, {column} FROM {table} WHERE {which}").fetchall():
            if (changed := _dataset(text, formers, home)) is not None:
                moved.changes.append((table, column, changed, row))
    return moved


def _dataset(text: str, formers: Sequence[Path], home: Path) -> str | None:
    """The folder of a dataset (alone, or as the uri of a source) where it lies now; None where that is the same."""
    facts = None
    if text.startswith("{"):
        with suppress(ValueError):
            facts = json.loads(text)
        text = str(facts.get("uri", "")) if isinstance(facts, dict) else ""
    old = Path(text)
    former = _above(old, formers)
    if former is None or not (new := home / old.relative_to(former)).is_dir():
        return None
    return json.dumps({**facts, "uri": str(new)}) if isinstance(facts, dict) else str(new)


def _default_roots(connection: sqlite3.Connection) -> Iterator[Path]:
    """Where experiments are that nobody chose a place for: in mlruns in the folder of their first use, by number as
    MLflow does it or by name as we do."""
    for (place,) in connection.execute("SELECT artifact_location FROM experiments"):
        path = local_path(place) if place else None
        if path is not None and path.parent.name == ROOT:
            yield path


def _root(path: Path) -> Path:
    """The folder that people move: mlruns, or the one of an experiment that has its own."""
    return path.parent if path.parent.name == ROOT else path


def _above(path: Path | None, folders: Sequence[Path]) -> Path | None:
    """The innermost of some folders that holds a path."""
    holding = [folder for folder in folders if path is not None and path.is_relative_to(folder)]
    return max(holding, key=lambda folder: len(folder.parts), default=None)


def _named(path: Path, before: str) -> str:
    """A path as a place, in the form that it had; MLflow reads %, # and ? in a plain path as parts of an address."""
    return path.as_uri() if before.startswith("file:") or re.search(r"[%#?;]", str(path)) else str(path)


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _homes(connection: sqlite3.Connection) -> list[Path]:
    found = connection.execute("SELECT value FROM experiment_tags WHERE key = ?", (HOMES,)).fetchone()
    return [Path(line) for line in found[0].splitlines()] if found else []


def former(database: Path) -> list[Path]:
    """Folders where this database was before, and where files of it were left behind."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(database)) as connection:
        return _homes(connection)
    return []


def _remember(connection: sqlite3.Connection, homes: Sequence[Path]) -> None:
    connection.execute("DELETE FROM experiment_tags WHERE key = ?", (HOMES,))
    connection.execute(
        "INSERT INTO experiment_tags (key, value, experiment_id) SELECT ?, ?, min(experiment_id) FROM experiments",
        (HOMES, "\n".join(map(str, homes))),
    )


def _same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False


def _word(database: Path, home: Path, formers: Sequence[Path], moved: _Moved) -> str:
    before = ", ".join(dict.fromkeys(map(str, formers)))
    copied = any((former / database.name).exists() for former in formers)
    said = f"{database}: was {'copied' if copied else 'moved'} from {before}; its places now name {home}"
    for former, number in moved.left.items():
        said += f"; the files of {number} runs and networks are left in {former}: move them to {home} too"
    if moved.lost:
        said += f"; the files of {moved.lost} runs and networks are in neither"
    return said


def _nowhere(database: Path, roots: Sequence[tuple[Path, Path]]) -> str:
    pairs = list(dict.fromkeys((_root(old), _root(new)) for old, new in roots))
    (old, new), more = pairs[0], f" (and {len(pairs) - 1} more such folders)" if len(pairs) > 1 else ""
    return (
        f"{database}: the artifacts of its runs are neither in {old} nor in {new}{more}; move them to {new}, or make "
        "that folder if they are lost, and give the same command again"
    )
