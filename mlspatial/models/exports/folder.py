"""The folder of an export: written whole or not at all, over nothing that is not its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeVar

from mlspatial.core.errors import BadValue
from mlspatial.core.files import whole
from mlspatial.core.hashing import file_sha256
from mlspatial.core.names import text_hash

BESIDE = ("__pycache__", ".pytest_cache")  # what running a plugin's tests leaves
Answer = TypeVar("Answer")


def hashes(folder: Path) -> dict[str, str]:
    """name -> SHA-256 of every file below a folder, by name; nothing where there is no folder."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not set(BESIDE) & set(path.parts))
    return {str(path.relative_to(folder)): file_sha256(path) for path in found}


def demand_room(out: Path, files: Collection[str]) -> None:
    """Raises BadValue where an export cannot lie at a path: a file is there, or a folder that holds others' files."""
    if out.exists() and not out.is_dir():
        raise BadValue("out", out, "is a file; name a folder")
    there = sorted(path.name + "/" * path.is_dir() for path in out.iterdir()) if out.is_dir() else []
    others = [name for name in there if name not in files and name.rstrip("/") not in BESIDE]
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        raise BadValue("out", out, f"the folder holds other files ({others[0]}{more}); name an empty or a new one")


def put(out: Path, write: Callable[[Path], Answer], force: bool = False) -> Answer:
    """Have `write` fill an empty folder, which becomes `out` when that ends well. What `write` returns.

    An earlier export there is left alone where it is the same to the byte, replaced with force. Raises BadValue where
    it is another one.
    """
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    if not hashes(out):
        for name in BESIDE:
            shutil.rmtree(out / name, ignore_errors=True)
        with whole(out) as partial:
            partial.mkdir()
            return write(partial)
    beside = out.with_name(f".{text_hash(str(out))}.new")
    shutil.rmtree(beside, ignore_errors=True)
    with whole(beside) as partial:
        partial.mkdir()
        made = write(partial)
    if hashes(beside) == hashes(out):
        shutil.rmtree(beside)
        return made
    if not force:
        shutil.rmtree(beside)
        raise BadValue("out", out, "holds another export; name another folder, or take force=true to replace it")
    former = out.with_name(f".{text_hash(str(out))}.former")
    shutil.rmtree(former, ignore_errors=True)
    out.replace(former)
    beside.replace(out)
    shutil.rmtree(former)
    return made
