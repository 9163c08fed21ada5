"""Arrays derived from many assets: made once a machine, in files that every process maps instead of holding a copy."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlspatial.core.files import whole

FIRST = "first.npz"


@dataclass(frozen=True)
class Pools:
    """arrays: name -> the rows of all assets, end to end; first: name -> (count + 1,) where each asset's rows begin."""

    arrays: dict[str, np.ndarray]
    first: dict[str, np.ndarray]

    def counts(self, name: str) -> np.ndarray:
        return np.diff(self.first[name])


class Shelf:
    """count assets, of which make(i) gives named arrays with one row or more each, the same names for every asset.

    folder: its name has to change with whatever decides the arrays; None keeps them in memory. Any number of processes
    may fill a shelf at once; a process that is killed leaves only whole files.
    """

    def __init__(self, folder: Path | None, count: int, make: Callable[[int], dict[str, np.ndarray]]) -> None:
        self.folder, self.count, self._make = folder, count, make

    def fill(self, part: int = 0, parts: int = 1) -> None:
        """Make every parts-th asset, beginning with number `part`, unless it is there."""
        if self.folder is None or self.folder.exists():
            return
        waiting = _waiting(self.folder)
        waiting.mkdir(parents=True, exist_ok=True)
        for index in range(part, self.count, parts):
            if (file := waiting / f"{index}.npz").exists():
                continue
            arrays = self._make(index)
            try:
                with whole(file) as partial:
                    np.savez(partial, **arrays)
            except FileNotFoundError:
                if self.folder.exists():  # another process has all of them and put them together
                    return
                raise

    def load(self) -> Pools:
        """All arrays; those that are missing are made first."""
        if self.folder is None:
            return _joined([self._make(index) for index in range(self.count)])
        for _ in range(3):
            try:
                return _mapped(self.folder)
            except FileNotFoundError:
                pass
            except (OSError, ValueError, EOFError, zipfile.BadZipFile):
                shutil.rmtree(self.folder, ignore_errors=True)  # damaged: make it again
            self.fill()
            self._join(self.folder)
        return _mapped(self.folder)

    def _join(self, folder: Path) -> None:
        """Turn the waiting assets into the shelf; nothing happens when another process was faster."""
        try:
            with whole(folder) as partial:
                self._write_pools(_waiting(folder), partial)
        except (FileNotFoundError, ValueError, EOFError, zipfile.BadZipFile):
            if not folder.exists():
                shutil.rmtree(_waiting(folder), ignore_errors=True)  # a damaged part
        except OSError:
            if not folder.exists():
                raise
        if folder.exists():
            shutil.rmtree(_waiting(folder), ignore_errors=True)

    def _write_pools(self, waiting: Path, partial: Path) -> None:
        """Lay the waiting arrays end to end, one file a name, with no more than one asset in memory."""
        files = [waiting / f"{index}.npz" for index in range(self.count)]
        lengths: dict[str, list[int]] = {}
        shapes: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
        for file in files:
            with np.load(file) as arrays:
                for name in arrays.files:
                    lengths.setdefault(name, []).append(len(arrays[name]))
                    shapes[name] = arrays[name].shape[1:], arrays[name].dtype
        first = {name: _first(counts) for name, counts in lengths.items()}
        partial.mkdir(parents=True, exist_ok=True)
        for name, (shape, dtype) in shapes.items():
            pool = np.lib.format.open_memmap(
                partial / f"{name}.npy", mode="w+", dtype=dtype, shape=(int(first[name][-1]), *shape)
            )
            for index, file in enumerate(files):
                with np.load(file) as arrays:
                    pool[first[name][index] : first[name][index + 1]] = arrays[name]
            pool.flush()
            del pool
        np.savez(partial / FIRST, **first)


def _waiting(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.parts")


def _mapped(folder: Path) -> Pools:
    with np.load(folder / FIRST) as stored:
        first = dict(stored)
    # copy on write: nobody writes, and the pages stay shared between processes
    return Pools({name: np.load(folder / f"{name}.npy", mmap_mode="c") for name in first}, first)


def _joined(parts: list[dict[str, np.ndarray]]) -> Pools:
    names = list(parts[0])
    first = {name: _first([len(part[name]) for part in parts]) for name in names}
    return Pools({name: np.concatenate([part[name] for part in parts]) for name in names}, first)


def _first(counts: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
