"""Where decoded images come from: shards (Stream), or a copy of the split in memory (Memory) or on a device (OnDevice).

Both copies fill as images are asked for: the first epoch is read and decoded from the shards as without a copy, later
ones touch no file. All three give the same bytes.
"""

from __future__ import annotations

import io
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import pyarrow as pa

from mlspatial.core.errors import BadValue, DatasetError
from mlspatial.core.threads import in_parts
from mlspatial.data.arriving import opened
from mlspatial.data.order import POOL_GROUPS, Group
from mlspatial.data.shards import ROW_GROUP, damaged_shard

if TYPE_CHECKING:
    import torch

CACHES = ("auto", "none", "memory", "device")
LARGEST_AUTO = 4 << 30  # bytes
AUTO_SHARE = 4  # auto takes at most one in so many bytes of the memory that is available


def choose_cache(name: str, nbytes: int, world: int, device: str | None) -> str:
    """none, memory or device. nbytes: of the decoded images; world: processes that each keep their own copy.

    Raises BadValue for an unknown name, for device without a device and for memory that is not there.
    """
    if name not in CACHES:
        raise BadValue("cache", name, f"must be one of {', '.join(CACHES)}")
    if name == "device" and device is None:
        raise BadValue("cache", name, "needs a device such as cuda; use memory or none")
    available = psutil.virtual_memory().available
    if name == "auto":
        return "memory" if nbytes < LARGEST_AUTO and nbytes * world < available / AUTO_SHARE else "none"
    if name == "memory" and nbytes > available:
        raise BadValue("cache", name, f"needs {_gib(nbytes)}, {_gib(available)} are available; use none")
    return name


class Stream:
    """Reads row groups and decodes images out of them; not for several threads at once.

    It keeps the groups used last, encoded, as many as one pool of the order has: a set of up to 8,000 images is read
    from its files once.
    """

    def __init__(self, folder: Path, groups: Sequence[Group], size: int, threads: int) -> None:
        self.folder, self.groups, self.size, self.threads = folder, groups, size, threads
        self.firsts = np.array([group.first for group in groups])
        self.kept: OrderedDict[int, list[pa.Buffer]] = OrderedDict()

    def decode(self, pool: ThreadPoolExecutor, rows: np.ndarray, outs: Sequence[np.ndarray] | np.ndarray) -> None:
        """Image rows[i] into outs[i]: (size, size, 3) uint8. Raises DatasetError for what cannot be read."""
        where = (np.searchsorted(self.firsts, rows, side="right") - 1).tolist()
        # Groups in the order of their first image: where one pool of the order ends and the next begins, the new
        # groups then push out those that are done.
        images = {group: self._group(group) for group in dict.fromkeys(where)}
        encoded = [images[group][row] for group, row in zip(where, (rows - self.firsts[where]).tolist(), strict=True)]

        def decode(part: range) -> None:
            for i in part:
                try:
                    decode_into(encoded[i], outs[i])
                except DatasetError as error:
                    raise damaged_shard(
                        self.folder, self.groups[where[i]].file, f"image {rows[i]} of the split: {error}"
                    ) from error

        in_parts(pool, self.threads, len(rows), decode)

    def _group(self, index: int) -> list[pa.Buffer]:
        """The encoded images of one row group."""
        if index in self.kept:
            self.kept.move_to_end(index)
            return self.kept[index]
        group = self.groups[index]
        try:
            with opened(
                self.folder, group.file, (group.number,), memory_map=True, page_checksum_verification=True
            ) as parquet:
                images = parquet.read_row_group(group.number, columns=["image"]).column("image")
        except (OSError, pa.ArrowException) as error:
            raise damaged_shard(self.folder, group.file, f"cannot be read ({error})") from error
        last = index + 1 == len(self.groups) or self.groups[index + 1].file != group.file
        if len(images) < group.rows or (len(images) != ROW_GROUP and not last):
            raise damaged_shard(
                self.folder, group.file, f"{len(images)} images in part {group.number}; it must be {group.rows}"
            )
        buffers = [images[row].as_buffer() for row in range(group.rows)]
        while len(self.kept) >= POOL_GROUPS:
            self.kept.popitem(last=False)
        self.kept[index] = buffers
        return buffers


class Buffers:
    """Arrays to decode into. One is given out again when nobody holds it or a part of it any more: fresh memory costs
    a tenth of the decoding in page faults."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.arrays: list[np.ndarray] = []

    def take(self, n: int) -> np.ndarray:
        """(n, *shape[1:]) uint8, n <= shape[0], with anything in it."""
        for array in self.arrays:
            if sys.getrefcount(array) == 3:  # the list, this loop and the question; views and tensors would add theirs
                return array[:n]
        self.arrays.append(np.empty(self.shape, dtype=np.uint8))
        return self.arrays[-1][:n]


class Memory:
    """Images of a split in memory, each decoded when it is first asked for. For several threads at once."""

    def __init__(self, rows: int, size: int) -> None:
        self.images = np.empty((rows, size, size, 3), dtype=np.uint8)  # takes memory as it is written to
        self.done = np.zeros(rows, dtype=bool)
        self.lock = threading.Lock()

    def copy(self, stream: Stream, pool: ThreadPoolExecutor, rows: np.ndarray, out: np.ndarray) -> None:
        """out: (len(rows), size, size, 3) uint8."""
        with self.lock:
            missing = rows[~self.done[rows]]
            stream.decode(pool, missing, [self.images[row] for row in missing])
            self.done[missing] = True

        def gather(part: range) -> None:  # clip: the default mode would copy twice
            there = slice(part.start, part.stop)
            np.take(self.images, rows[there], axis=0, out=out[there], mode="clip")

        in_parts(pool, stream.threads, len(rows), gather)


class OnDevice:
    """Images of a split as one tensor on a device, each decoded and moved when it is first asked for."""

    def __init__(self, rows: int, size: int, device: torch.device) -> None:
        import torch

        try:
            self.images = torch.empty((rows, size, size, 3), dtype=torch.uint8, device=device)
        except RuntimeError as error:  # out of memory has no class of its own on a CPU
            need = _gib(rows * size * size * 3)
            raise BadValue("cache", "device", f"needs {need} on {device} ({error}); use memory or none") from error
        self.done = np.zeros(rows, dtype=bool)
        self.lock = threading.Lock()

    def gather(
        self, rows: np.ndarray, load: Callable[[np.ndarray], torch.Tensor], move: Callable[[np.ndarray], torch.Tensor]
    ) -> torch.Tensor:
        """(len(rows), size, size, 3) on the device. load(rows): decodes images and moves them; move: moves integers."""
        with self.lock:
            missing = rows[~self.done[rows]]
            if len(missing):
                self.images.index_copy_(0, move(missing), load(missing))
                self.done[missing] = True
            return self.images.index_select(0, move(rows))


def decode_into(encoded: bytes | pa.Buffer, out: np.ndarray) -> None:
    """Decode one JPEG or PNG of the right size into out: (size, size, 3) uint8. Raises DatasetError otherwise."""
    from PIL import Image

    data = memoryview(encoded).cast("B")  # Arrow's buffers are of signed bytes, which equal no b"\xff"
    try:
        if data[:2] == b"\xff\xd8":
            import simplejpeg

            shape = simplejpeg.decode_jpeg(data, colorspace="RGB", buffer=out).shape
        else:
            with Image.open(io.BytesIO(data)) as picture:
                if picture.size != (out.shape[1], out.shape[0]):  # before it is unpacked
                    raise ValueError(
                        f"{picture.size[0]} x {picture.size[1]} pixels instead of {out.shape[1]} x {out.shape[0]}"
                    )
                image = np.asarray(picture.convert("RGB"))
            shape = image.shape
            if shape == out.shape:
                out[:] = image
        if shape != out.shape:
            raise ValueError(f"{shape[1]} x {shape[0]} pixels instead of {out.shape[1]} x {out.shape[0]}")
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f"cannot be decoded ({error})") from error


def _gib(nbytes: float) -> str:
    return f"{nbytes / (1 << 30):.1f} GiB"
