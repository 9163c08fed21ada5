"""Shuffled, prefetching reader of a dataset folder: uint8 batches with their latents.

Order: each epoch permutes the row groups (250 images) of all shards, fills a pool of 32 of them at a time and
permutes the pool's images. A set of up to 8,000 images is thus shuffled perfectly, a larger one within pools whose
members change every epoch. The order depends on (seed, epoch) alone, so that reading can go on at any batch.
Decoding releases the GIL and runs in threads; see speed/loader.py.
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlspatial.core.errors import BadValue, DatasetError
from mlspatial.core.manifest import Manifest
from mlspatial.data.shards import ROW_GROUP, read_columns

POOL_GROUPS = 32
PREFETCH = 4  # batches ready ahead of the consumer


@dataclass(frozen=True)
class Batch:
    """number: position in the endless sequence; images: (b, size, size, 3) uint8; columns: name -> (b,)."""

    number: int
    images: np.ndarray
    columns: dict[str, np.ndarray]


class Loader:
    """Batches of one split of a dataset.

    columns: latents to deliver; fraction: share of the split, its first images (they are balanced, so that subsets
    are nested and balanced too). Raises DatasetError for a missing column or an unreadable shard.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        split: str,
        *,
        columns: Sequence[str],
        batch_size: int,
        seed: int = 0,
        fraction: float = 1.0,
        threads: int = 2,
    ) -> None:
        if not 0.0 < fraction <= 1.0:
            raise BadValue("fraction", fraction, "must be above 0 and at most 1")
        if batch_size < 1:
            raise BadValue("batch_size", batch_size, "must be at least 1")
        self.folder, self.manifest, self.split = folder, manifest, split
        self.batch_size, self.seed, self.threads = batch_size, seed, threads
        self.size = int(manifest.recipe["size"])
        self.rows = max(1, round(fraction * manifest.rows(split)))
        for name in columns:
            _ = manifest.schema[name]
        self.columns = {name: v[: self.rows] for name, v in read_columns(folder, manifest, split, columns).items()}
        self.groups = self._row_groups()

    def _row_groups(self) -> list[tuple[str, int, int, int]]:
        """(file, row group in it, first row of the split, rows) of everything this loader reads."""
        groups, first = [], 0
        for shard in self.manifest.shards(self.split):
            for number in range(-(-shard.rows // ROW_GROUP)):
                rows = min(ROW_GROUP, shard.rows - number * ROW_GROUP, self.rows - first)
                if rows > 0:
                    groups.append((shard.file, number, first, rows))
                    first += rows
        return groups

    def endless(self, start: int = 0) -> Iterator[Batch]:
        """Full batches for ever, from batch number `start`; epochs follow each other without a gap."""
        return self._prefetched(self._shuffled(start), start)

    def once(self) -> Iterator[Batch]:
        """Every image once, in order; the last batch may be smaller."""
        return self._prefetched(self._in_order(), 0)

    def _in_order(self) -> Iterator[list[tuple[int, bytes]]]:
        waiting: list[tuple[int, bytes]] = []
        for group in self.groups:
            waiting += self._read(group)
            while len(waiting) >= self.batch_size:
                yield waiting[: self.batch_size]
                del waiting[: self.batch_size]
        if waiting:
            yield waiting

    def _shuffled(self, start: int) -> Iterator[list[tuple[int, bytes]]]:
        epoch, skip = divmod(start * self.batch_size, self.rows)
        waiting: list[tuple[int, bytes]] = []
        while True:
            rng = np.random.default_rng([self.seed, epoch])
            order = rng.permutation(len(self.groups))
            for first in range(0, len(order), POOL_GROUPS):
                pool = [self.groups[i] for i in order[first : first + POOL_GROUPS]]
                size = sum(group[3] for group in pool)
                picks = rng.permutation(size)
                if skip >= size:
                    skip -= size
                    continue
                items = [item for group in pool for item in self._read(group)]
                waiting += [items[i] for i in picks[skip:]]
                skip = 0
                while len(waiting) >= self.batch_size:
                    yield waiting[: self.batch_size]
                    del waiting[: self.batch_size]
            epoch += 1

    def _read(self, group: tuple[str, int, int, int]) -> list[tuple[int, bytes]]:
        """(row of the split, encoded image) of one row group."""
        file, number, first, rows = group
        try:
            with pq.ParquetFile(self.folder / file, memory_map=True, page_checksum_verification=True) as parquet:
                images = parquet.read_row_group(number, columns=["image"]).column("image")
        except (OSError, pa.ArrowException) as error:
            raise DatasetError(
                f"{self.folder / file}: cannot be read ({error}); "
                f"check the set with `python -m mlspatial.data.verify {self.folder}`"
            ) from error
        return [(first + row, images[row].as_buffer()) for row in range(rows)]

    def _prefetched(self, source: Iterator[list[tuple[int, bytes]]], start: int) -> Iterator[Batch]:
        """Decode ahead in threads; ends its thread when the consumer stops early."""
        ready: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=PREFETCH)
        stopped = threading.Event()

        def put(item: Batch | BaseException | None) -> None:
            while not stopped.is_set():
                try:
                    return ready.put(item, timeout=0.1)
                except queue.Full:
                    continue

        def work() -> None:
            try:
                with ThreadPoolExecutor(self.threads) as pool:
                    for number, items in enumerate(source, start):
                        if stopped.is_set():
                            return
                        put(self._decode(pool, number, items))
                put(None)
            except BaseException as error:  # handed to the consumer, who raises it
                put(error)

        thread = threading.Thread(target=work, name="loader", daemon=True)
        thread.start()
        try:
            while (item := ready.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stopped.set()
            thread.join()

    def _decode(self, pool: ThreadPoolExecutor, number: int, items: list[tuple[int, bytes]]) -> Batch:
        images = np.empty((len(items), self.size, self.size, 3), dtype=np.uint8)
        chunk = -(-len(items) // self.threads)
        parts = [range(first, min(first + chunk, len(items))) for first in range(0, len(items), chunk)]

        def decode(part: range) -> None:
            for i in part:
                decode_into(items[i][1], images[i])

        list(pool.map(decode, parts))
        rows = np.array([row for row, _ in items])
        return Batch(number, images, {name: values[rows] for name, values in self.columns.items()})


def decode_into(encoded: bytes, out: np.ndarray) -> None:
    """Decode one JPEG or PNG of the right size into out: (size, size, 3) uint8. Raises DatasetError otherwise."""
    data = memoryview(encoded)
    try:
        if data[:2] == b"\xff\xd8":
            import simplejpeg

            simplejpeg.decode_jpeg(data, colorspace="RGB", buffer=out)
        else:
            from PIL import Image

            out[:] = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    except (ValueError, OSError) as error:
        raise DatasetError(f"an image cannot be decoded ({error}); verify the dataset") from error
