"""How files are written: beside their place, then moved there whole, so that nobody sees half of one."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlspatial.core.names import text_hash

ROOM = 100  # bytes of a name, of the 255 that file systems take


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write a file or a folder to, which becomes `path` when the block ends well and is removed when not.

    By then a file is on the disk: not even a power cut leaves a part of it. Processes and threads that write the same
    path do not disturb each other; the last one counts. The partial one lies in the same folder, begins with a dot and
    has the same suffix; those that killed processes of this machine have left are removed. A folder at `path` is
    replaced only if it is empty.
    """
    _sweep(path)
    partial = path.with_name(f"{_beginning(path)}{os.getpid()}-{threading.get_ident()}{path.suffix}")
    try:
        yield partial
        if not partial.is_dir():
            with partial.open("rb") as file:
                os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        _remove(partial)
        raise


def write_text(path: Path, text: str) -> Path:
    """path, with this text and nothing but this text."""
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
    return path


def write_first(path: Path, text: str) -> bool:
    """Write a file that is not there yet; whether it was this call that did. Of several that try at once, on whatever
    machines, one does, and the others find the whole file."""
    _sweep(path)
    partial = path.with_name(f"{_beginning(path)}{os.getpid()}-{threading.get_ident()}{path.suffix}")
    try:
        partial.write_text(text, encoding="utf-8")
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.link(partial, path)
        except FileExistsError:
            return False
        except OSError:  # a file system without links, where the last one counts
            if path.exists():
                return False
            partial.replace(path)
        return True
    finally:
        _remove(partial)


def write_json(path: Path, value: Any) -> Path:
    """path, with a value as JSON that people can read."""
    return write_text(path, json.dumps(value, indent=1, sort_keys=True))


def sweep(folder: Path, pids: Iterable[int]) -> None:
    """Remove what processes of this machine that have ended had begun to write below a folder."""
    for pid in pids:
        for partial in folder.rglob(f".*.{socket.gethostname()[:64]}-{pid}-*"):
            _remove(partial)


def _beginning(path: Path) -> str:
    """Of the names of partial files; a folder may be shared by machines, of which each knows its own processes only.
    Names that leave no room for that are cut, and told apart by a hash."""
    stem = path.stem if len(path.stem.encode()) <= ROOM else f"{path.stem.encode()[:ROOM].decode(errors='ignore')}-"
    return f".{stem}{text_hash(path.stem) if stem != path.stem else ''}.{socket.gethostname()[:64]}-"


def _sweep(path: Path) -> None:
    """Remove what dead processes have left of this file."""
    first = _beginning(path)
    for name in os.listdir(path.parent):
        if name.startswith(first) and name.endswith(path.suffix):
            pid = name.removeprefix(first).partition("-")[0]
            if pid.isdecimal() and _is_gone(int(pid)):
                _remove(path.with_name(name))


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
