"""What items are drawn by, as one hash: their code, the code of ours that it imports, and the tables beside it.

An edit of any of these files is another report. Nothing is imported to find out; a user's own item is followed into the
files of its own folder or package.
"""

from __future__ import annotations

import ast
import inspect
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from mlspatial.core.hashing import content_id, file_sha256

PACKAGE = Path(__file__).resolve().parents[1]
ROOMS = ("papers", "compare", "analysis")  # whose code decides what is drawn; the others only hand it the runs
DATA = (".csv", ".tsv", ".json", ".yaml", ".yml", ".html", ".css", ".js", ".j2", ".txt")
LARGE = 1 << 20  # bytes; of larger data size and time of change stand for the content

Thing = Callable[..., object] | Path


def sources_id(things: Iterable[Thing]) -> str:
    """things: functions, or files. One whose source is nowhere (typed into a session) is new every time."""
    files: set[Path] = set()
    nowhere = []
    for thing in things:
        path = thing if isinstance(thing, Path) else _file(thing)
        if path is None:
            nowhere.append(uuid.uuid4().hex)
        else:
            _follow(path.resolve(), files)
    beside = {data for path in files for data in _data(path.parent)}
    return content_id([sorted(map(_mark, files | beside)), nowhere])


def _file(function: Callable[..., object]) -> Path | None:
    while isinstance(function, partial):
        function = function.func
    found = inspect.unwrap(function)
    try:
        path = Path(inspect.getfile(found if hasattr(found, "__code__") else type(found)))
    except TypeError:
        return None
    return path if path.is_file() else None


def _follow(path: Path, files: set[Path]) -> None:
    """Add a file and those that it imports, of our ROOMS or of its own folder or package."""
    if path in files:
        return
    files.add(path)
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # edited since it was imported
        return
    for node in ast.walk(tree):
        for name in _imported(node):
            for found in _resolved(name, path, getattr(node, "level", 0)):
                _follow(found, files)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.module or ""
        yield from (f"{node.module or ''}.{alias.name}".lstrip(".") for alias in node.names)


def _resolved(name: str, path: Path, level: int) -> Iterator[Path]:
    """The file of a module that a file imports, and of the packages that it lies in."""
    first, *rest = name.split(".")
    if first == PACKAGE.name:
        if not rest or rest[0] not in ROOMS:
            return
        base, parts = PACKAGE, rest
    elif level:
        base, parts = path.parents[level - 1], name.split(".") if name else []
    else:
        base, parts = path.parent, name.split(".")
        while not (base / parts[0]).is_dir() and (base / "__init__.py").is_file():
            base = base.parent  # a package's own absolute name
    for part in parts:
        yield from (file.resolve() for file in (base / f"{part}.py", base / part / "__init__.py") if file.is_file())
        base = base / part


def _data(folder: Path) -> Iterator[Path]:
    for place in (folder, folder / "templates"):
        if place.is_dir():
            yield from (path for path in place.iterdir() if path.suffix in DATA and path.is_file())


def _mark(path: Path) -> list[str]:
    name = str(path.relative_to(PACKAGE)) if path.is_relative_to(PACKAGE) else path.name
    stat = path.stat()
    large = path.suffix in DATA and stat.st_size > LARGE
    return [name, f"{stat.st_size} {stat.st_mtime_ns}" if large else file_sha256(path)]
