"""Datasets that come from a store while they are read: what is here, what is fetched next, who waits for what.

A folder of the cache fills piece by piece (data/pieces.py). Below COMING lies what is not whole: a shard's bytes as far
as they came, a mark for each piece that is on the disk, and locks, so that of several processes one fetches a piece
and all see it. A shard moves to its place when its hash is the manifest's, and manifest.json comes last: a folder with
it is a dataset like any other. Readers ask `opened`, which waits; a folder that no store fills is read as it is.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from mlspatial.core.errors import DatasetError, Unreachable
from mlspatial.core.files import whole
from mlspatial.core.hashing import file_sha256
from mlspatial.core.manifest import MANIFEST, Manifest
from mlspatial.core.progress import bar, say
from mlspatial.core.stopping import stop_waits
from mlspatial.data.pieces import Index, Piece, write

COMING = ".arriving"
THREADS = 4  # that fetch
LOOK_SECONDS = 0.2  # between two looks at what other processes fetch, and at a wish to stop
SHOWN_BYTES = 1 << 20  # what is waited for in silence
Key = tuple[str, int]  # a shard's file, and the number of its piece: 0 of its columns, 1 + row group of images

_arrivals: dict[Path, Arrival] = {}
_registering = threading.Lock()
_waiting = threading.local()


class Arrival:
    """A dataset on its way into a folder. Made by `arrival`.

    get(name): the bytes of a piece, or UserError; at: the address that they come from; advice: for a store that does
    not hold what it should.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, index: Index, get: Callable[[str], bytes], at: str, advice: str
    ) -> None:
        self.folder, self.manifest, self.index, self.at = folder, manifest, index, at
        self._get, self._advice = get, advice
        self._shards = {shard.file: shard for shards in manifest.splits.values() for shard in shards}
        self._changed = threading.Condition()
        self._here: set[Key] = set()
        self._urgent: deque[Key] = deque()
        self._ahead: list[Iterator[Key]] = []
        self._elsewhere: deque[Key] = deque()  # other processes are at these
        self._at_work: set[Key] = set()
        self._failed: dict[Key, BaseException] = {}
        self._tries = 0  # that have failed; what an earlier one meets after its end counts no more
        self._wrong: dict[str, int] = {}  # how often a shard came whole and was not what the manifest says
        self._touched: set[str] = set()
        self._threads = 0
        self._told = False

    # what readers ask

    def opened(self, file: str, groups: Sequence[int] | None, **options: Any) -> pq.ParquetFile:
        """See the function of this name."""
        while True:
            if groups is None:
                self.whole([file])
            else:
                self.need([(file, 0), *((file, 1 + number) for number in groups)])
            with suppress(FileNotFoundError):  # it came to its place after the question, or was refused
                return pq.ParquetFile(self._path(file), **options)
            self._here -= {(file, number) for number in range(self._pieces(file))}

    def need(self, keys: Iterable[Key], show: bool = False) -> None:
        """Wait until these pieces are here. Raises DatasetError, Unreachable, or what else met whoever fetched them."""
        asked = list(dict.fromkeys(keys))
        self._touched |= {file for file, _ in asked}
        missing = [key for key in asked if not self._is_here(key)]
        if not missing:
            return
        self.demand_room(missing)
        total = sum(self._piece(key).size for key in missing)
        shown = bar(f"fetch {self.manifest.name}", total >> 10, "KiB") if show and total > SHOWN_BYTES else None
        try:
            with self._changed:
                for key in missing:  # a store that was away may be back
                    if isinstance(self._failed.get(key), Unreachable):
                        del self._failed[key]
                while missing := self._rest(missing):
                    if failed := next((self._failed[key] for key in missing if key in self._failed), None):
                        self._tries += 1
                        self._failed.clear()  # it is told; whoever asks again has mended something
                        self._urgent.clear()
                        raise failed
                    if stop_waits() or _is_abandoned():
                        raise DatasetError(f"dataset {self.manifest.name}: stopped while it was fetched")
                    self._urgent = deque(key for key in dict.fromkeys([*self._urgent, *missing]))
                    self._begin()
                    self._changed.wait(LOOK_SECONDS)
                    if shown is not None:
                        left = sum(self._piece(key).size for key in missing if key not in self._here)
                        shown.update(((total - left) >> 10) - shown.n)
        finally:
            if shown is not None:
                shown.close()

    def whole(self, files: Iterable[str]) -> None:
        """Wait until these shards are here as the manifest says. Raises as `need`."""
        for file in (files := list(files)):
            self._touched.add(file)
        while missing := [file for file in files if not (self.folder / file).is_file()]:
            self.need(((file, number) for file in missing for number in range(self._pieces(file))), show=True)
            for file in missing:
                self._complete(file)
        self._finish()

    def settle(self) -> None:
        """The same of the shards that this process has read from."""
        self.whole(sorted(self._touched))

    def expect(self, keys: Iterable[Key]) -> None:
        """Fetch these pieces in this order in the background, after what somebody waits for. The newest wish counts
        first."""
        with self._changed:
            self._ahead.append(iter(keys))
            self._begin()
            self._changed.notify_all()

    def demand_room(self, keys: Iterable[Key]) -> None:
        """Raise DatasetError where the disk has no room for these pieces."""
        needed = sum(self._piece(key).size for key in keys if not self._is_here(key))
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise self._no_room(f"needs {needed / 2**20:,.0f} MiB, {free / 2**20:,.0f} MiB are free")

    def look_again(self) -> None:
        """Forget what was here: the folder may have been cleaned since."""
        with self._changed:
            self._here.clear()
            self._wrong.clear()
            self._told &= any(self._path(file).is_file() for file in self._shards)

    # where things lie

    def _coming(self, file: str) -> Path:
        return self.folder / COMING / file

    def _data(self, file: str) -> Path:
        return self._coming(file) / "data"

    def _mark(self, key: Key) -> Path:
        return self._coming(key[0]) / f"{key[1]:05d}.here"

    def _path(self, file: str) -> Path:
        return self.folder / file if (self.folder / file).is_file() else self._data(file)

    def _piece(self, key: Key) -> Piece:
        return self.index.shards[key[0]].pieces[key[1]]

    def _pieces(self, file: str) -> int:
        return len(self.index.shards[file].pieces)

    def _is_here(self, key: Key) -> bool:
        if key not in self._here and self._on_disk(key):
            self._here.add(key)
        return key in self._here

    def _on_disk(self, key: Key) -> bool:
        if (self.folder / key[0]).is_file() or not self._piece(key).size:
            return True
        return self._mark(key).is_file() and self._data(key[0]).is_file()

    def _rest(self, keys: list[Key]) -> list[Key]:
        return [key for key in keys if not self._is_here(key)]

    # what fetches

    def _begin(self) -> None:
        """Have threads at work; called with the lock held."""
        if not self._told and not (self.folder / MANIFEST).is_file():
            self._told = True
            size = sum(cut.size for cut in self.index.shards.values())
            say(f"dataset {self.manifest.name}: {size / 2**20:,.1f} MiB in {self.at}; what is read of it is fetched "
                f"into {self.folder}")  # fmt: skip
        while self._threads < THREADS:
            self._threads += 1
            threading.Thread(target=self._work, name="arrival", daemon=True).start()

    def _next(self) -> Key | None:
        """The piece to be fetched now; None when nothing is wanted any more, and the thread is no longer counted."""
        with self._changed:
            while True:
                while self._urgent:
                    if self._is_wanted(key := self._urgent.popleft()):
                        return self._taken(key)
                while self._ahead:
                    if (found := next(self._ahead[-1], None)) is None:
                        self._ahead.pop()
                    elif self._is_wanted(found):
                        return self._taken(found)
                while self._elsewhere:
                    if self._is_wanted(key := self._elsewhere.popleft()):
                        return self._taken(key)
                self._threads -= 1
                return None

    def _is_wanted(self, key: Key) -> bool:
        return key not in self._at_work and key not in self._failed and not self._is_here(key)

    def _taken(self, key: Key) -> Key:
        self._at_work.add(key)
        return key

    def _work(self) -> None:
        while (key := self._next()) is not None:
            problem, done, of = None, False, self._tries
            try:
                done = self._bring(key)
                if done:
                    self._complete(key[0], at_once=True)
            except BaseException as error:  # handed to whoever waits for it
                problem = error
            with self._changed:
                self._at_work.discard(key)
                if problem is not None and of == self._tries:
                    self._failed[key] = problem
                elif problem is None and not done:
                    self._elsewhere.append(key)
                self._changed.notify_all()
            if not done and problem is None:
                time.sleep(LOOK_SECONDS)

    def _bring(self, key: Key) -> bool:
        """Have a piece on the disk; False where another process is at it."""
        if self._on_disk(key):
            return True
        place, piece = self._coming(key[0]), self._piece(key)
        try:
            place.mkdir(parents=True, exist_ok=True)
            with FileLock(place / f"{key[1]:05d}.lock").acquire(timeout=0):
                if not self._on_disk(key):
                    data = self._fetched(piece)
                    if not self._data(key[0]).is_file():
                        for mark in place.glob("*.here"):  # of bytes that are gone
                            mark.unlink(missing_ok=True)
                    write(self._data(key[0]), self.index.shards[key[0]].size, piece, data)
                    self._mark(key).touch()
        except Timeout:
            return False
        except FileNotFoundError:  # another process has put the shard into its place
            return self._on_disk(key)
        except OSError as error:
            raise self._no_room(f"cannot be written to ({error.strerror or error})") from error
        return True

    def _fetched(self, piece: Piece) -> bytes:
        for _ in range(2):
            if piece.holds(data := self._get(piece.name)):
                return data
        raise DatasetError(
            f"dataset {self.manifest.name}: {piece.name} in {self.at} has not the bytes that were published (fetched "
            f"twice); {self._advice}"
        )

    def _complete(self, file: str, at_once: bool = False) -> None:
        """Put a shard into its place when all of it is here and is what the manifest says. at_once: leave that to
        another process where one is at it. Raises DatasetError where it is not, for the second time."""
        final = self.folder / file
        keys = [(file, number) for number in range(self._pieces(file))]
        if final.is_file() or not all(self._on_disk(key) for key in keys):
            return
        try:
            with FileLock(self._coming(file) / "whole.lock").acquire(timeout=0 if at_once else -1):
                if final.is_file():
                    return
                if file_sha256(self._data(file)) == self._shards[file].sha256:
                    final.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(self._data(file), final)
                else:
                    self._refuse(file, keys)
                    return
        except (Timeout, FileNotFoundError):  # another process is at it, or was
            return
        shutil.rmtree(self._coming(file), ignore_errors=True)
        self._finish()

    def _refuse(self, file: str, keys: list[Key]) -> None:
        for key in keys:
            self._mark(key).unlink(missing_ok=True)
        self._data(file).unlink(missing_ok=True)
        with self._changed:
            self._here -= set(keys)
            self._wrong[file] = self._wrong.get(file, 0) + 1
            again = self._wrong[file] < 2
        if not again:
            raise DatasetError(
                f"dataset {self.manifest.name}: {file} in {self.at} has not the hash that the manifest says (fetched "
                f"twice); {self._advice}"
            )

    def _finish(self) -> None:
        """Make the folder a dataset when the last shard is in its place."""
        if not (self.folder / MANIFEST).is_file() and all((self.folder / file).is_file() for file in self._shards):
            with whole(self.folder / MANIFEST) as partial:
                shutil.copyfile(self.folder / COMING / MANIFEST, partial)

    def _no_room(self, what: str) -> DatasetError:
        return DatasetError(
            f"dataset {self.manifest.name}: {self.folder} {what}; make room there (`mlspatial clean` says what can go) "
            "or set MLSPATIAL_CACHE to a larger disk"
        )


def arrival(
    folder: Path, manifest: Manifest, index: Index, get: Callable[[str], bytes], at: str, advice: str
) -> Arrival:
    """What fills a folder of the cache; one a process and folder. Parameters as of Arrival. From now on readers of the
    folder wait for what they need."""
    with _registering:
        known = _arrivals.get(folder.resolve())
        if known is None or known.index != index or known.at != at:
            known = _arrivals[folder.resolve()] = Arrival(folder, manifest, index, get, at, advice)
        known._get, known._advice = get, advice
        known.look_again()
        return known


def _forked() -> None:
    """In a process that was forked: threads and locks of the parent are not there."""
    global _registering
    _registering = threading.Lock()
    for one in _arrivals.values():
        one._changed, one._threads = threading.Condition(), 0
        one._at_work.clear()
        one._ahead.clear()


os.register_at_fork(after_in_child=_forked)


def of(folder: Path) -> Arrival | None:
    """What fills a folder; None for one that is read as it is."""
    return _arrivals.get(folder.resolve()) if _arrivals else None


def wait_until(stopped: threading.Event) -> None:
    """This thread waits for no piece any longer when the event is set."""
    _waiting.stopped = stopped


def _is_abandoned() -> bool:
    stopped: threading.Event | None = getattr(_waiting, "stopped", None)
    return stopped is not None and stopped.is_set()


def opened(folder: Path, file: str, groups: Sequence[int] | None = None, **options: Any) -> pq.ParquetFile:
    """A shard of a dataset folder, waited for where it is on its way. groups: the row groups whose images are to be
    read, () for other columns alone, of which each byte is what was published while the shard may not be whole; None:
    all, and as the manifest says. options: of ParquetFile. Raises OSError, ArrowException, UserError."""
    if coming := of(folder):
        return coming.opened(file, groups, **options)
    if not (folder / file).is_file() and (folder / COMING).is_dir():
        raise DatasetError(
            f"{folder / file}: is not fetched yet; ask for the dataset by its name in this process too "
            "(registry.datasets.find_dataset), which has it fetched"
        )
    return pq.ParquetFile(folder / file, **options)


def settle(folder: Path) -> None:
    """Wait until all that was read of a folder is known to be what the manifest says. Raises DatasetError."""
    if coming := of(folder):
        coming.settle()
