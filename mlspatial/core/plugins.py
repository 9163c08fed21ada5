"""Named extension points: one file and one registration add a task, a renderer, a benchmark, a table.

A user's own registrations are Python files (or packages) in folders that MLSPATIAL_PLUGINS names, and installed
packages with the entry point group `mlspatial.plugins`. They are run once in every process, when a name is first asked.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pkgutil
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Generic, TypeVar

from mlspatial.core.errors import UnknownName, UserError, in_one_line
from mlspatial.core.progress import say

T = TypeVar("T")

VARIABLE, GROUP = "MLSPATIAL_PLUGINS", "mlspatial.plugins"
_lock = threading.RLock()
_errors: dict[str, UserError | None] = {}  # value of the variable -> what was wrong with it
_settled: set[str] = set()


class Plugins(Generic[T]):
    """A mapping from name to object that is filled by decorators; a user's own are there when it is first asked.

    A second object under one name raises ValueError; an unknown name raises UnknownName and lists the known ones.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        def add(item: T) -> T:
            if name in self._items:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._items[name] = item
            return item

        return add

    def __getitem__(self, name: str) -> T:
        load_own()
        try:
            return self._items[name]
        except KeyError:
            raise UnknownName(self.kind, name, self._items) from None

    def __contains__(self, name: object) -> bool:
        load_own()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        load_own()
        return iter(sorted(self._items))

    def __len__(self) -> int:
        load_own()
        return len(self._items)


def import_all(package: ModuleType) -> None:
    """Import every module of a package, so that its registrations happen."""
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


def own_modules() -> dict[str, str]:
    """File, or folder of a package -> module, of what the folders of MLSPATIAL_PLUGINS hold, in the order of running.

    Raises UserError for a folder that does not exist.
    """
    found: dict[str, str] = {}
    for part in filter(None, os.environ.get(VARIABLE, "").split(os.pathsep)):
        folder = Path(part).expanduser().absolute()
        if not folder.is_dir():
            raise UserError(f"{VARIABLE}={part}: there is no such folder")
        for one in pkgutil.iter_modules([str(folder)]):
            found[str(folder / (one.name if one.ispkg else f"{one.name}.py"))] = one.name
    return found


def load_own() -> None:
    """Run a user's own files and packages, once in a process, and say which.

    The folders join Python's search path, so that files find each other. Raises UserError that names the file and its
    error, again at every call.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked not in _settled:
        with _lock:
            if asked not in _errors:
                _errors[asked] = None  # what the files themselves look up is what there is by then
                try:
                    _load()
                except UserError as error:
                    _errors[asked] = error
                _settled.add(asked)
    if (wrong := _errors[asked]) is not None:
        raise wrong


def _load() -> None:
    own = own_modules()
    installed = {f"{point.name} = {point.value}": point for point in entry_points(group=GROUP)}
    if (own or installed) and multiprocessing.parent_process() is None:
        say(f"plugins: running {', '.join([*own, *installed])}")
    sys.path += [folder for folder in dict.fromkeys(str(Path(place).parent) for place in own) if folder not in sys.path]
    for place in (*own, *installed):
        try:
            module = importlib.import_module(own[place]) if place in own else installed[place].load()
        except (Exception, SystemExit) as error:
            words = f"{type(error).__name__}: {in_one_line(error)}"
            raise UserError(f"plugin {place}: {words}; mend it or take it away") from error
        where = getattr(module, "__file__", None) or "built into Python"
        if place in own and not Path(where).resolve().is_relative_to(Path(place).parent.resolve()):
            raise UserError(f"plugin {place}: another module has this name ({where}); rename the file")
