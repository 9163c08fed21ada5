"""Shuffled, prefetching reader of a dataset folder: uint8 batches with their latents.

How well it shuffles: each epoch permutes the row groups (250 images) of all shards, fills a pool of 32 of them at a
time and permutes the pool's images (data/order.py). A set of up to 8,000 images is thus shuffled perfectly, a larger
one within pools whose members change every epoch. The order depends on (seed, epoch) alone: neither threads, ranks,
devices nor caches change it, and reading can go on at any batch. A dataset that is being fetched (data/arriving.py)
is read as it comes, in the same order; `arriving.settle` then waits until what was read is verified. Decoding releases
the GIL and runs in threads, a few batches ahead of the consumer; see speed/loader.py.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import numpy as np

from mlspatial.core.errors import BadValue
from mlspatial.core.manifest import Manifest
from mlspatial.data import arriving
from mlspatial.data.cache import Buffers, Memory, OnDevice, Stream, choose_cache
from mlspatial.data.order import Group, groups_of, in_order, share, shuffled
from mlspatial.data.shards import read_columns

if TYPE_CHECKING:  # torch takes seconds to import and arrays do not need it
    import torch

Images: TypeAlias = "np.ndarray | torch.Tensor"
T = TypeVar("T")
Order: TypeAlias = Callable[[], Iterator[np.ndarray]]  # rows, batch by batch, from the first batch each time
Parts: TypeAlias = Iterator[tuple[int, np.ndarray]]  # (batch number, rows of this rank)

PREFETCH = 4  # batches ready ahead of the consumer
PINNED = 3  # buffers that a copy to a GPU may still be reading while the next batch is decoded


@dataclass(frozen=True)
class Batch:
    """number: position in the endless sequence; images: (b, size, size, 3) uint8; columns: name -> (b,), int64 codes
    of categories, float32 otherwise. NumPy arrays, or tensors on the loader's device."""

    number: int
    images: Images
    columns: dict[str, Images]


class Source(Protocol):
    """What a training loop reads from. batch_size: images in a batch, of all ranks together."""

    @property
    def batch_size(self) -> int: ...

    def endless(self, start: int = 0) -> Iterator[Batch]:
        """Full batches for ever, from batch number `start`."""


class Loader:
    """Batches of one split of a dataset.

    columns: latents to deliver; batch_size: of all ranks together; fraction: share of the split, its first images
    (they are balanced, so that subsets are nested and balanced too); threads: that decode; rank, world: this process
    takes its contiguous part of every batch, one of `world` parts; device: where batches are delivered as tensors,
    None: as NumPy arrays; cache: none, memory or device (decoded images stay there, filled as they are read), auto:
    memory when all of them take less than 4 GiB and a quarter of the available memory. For CUDA, images travel
    through pinned memory while the consumer works, and a batch is for the stream that is current at next().
    Raises DatasetError for a missing column or an unreadable shard, BadValue for values that make no sense.
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
        rank: int = 0,
        world: int = 1,
        device: str | None = None,
        cache: str = "auto",
    ) -> None:
        if not 0.0 < fraction <= 1.0:
            raise BadValue("fraction", fraction, "must be above 0 and at most 1")
        if threads < 1:
            raise BadValue("threads", threads, "must be at least 1")
        if world < 1 or not 0 <= rank < world:
            raise BadValue("rank", rank, f"must be one of the {world} ranks 0 to {world - 1}")
        if batch_size < 1:
            raise BadValue("batch_size", batch_size, "must be at least 1")
        if batch_size % world:
            raise BadValue("batch_size", batch_size, f"must be a multiple of the {world} processes that share it")
        self.folder, self.manifest, self.split = folder, manifest, split
        self.batch_size, self.seed, self.threads = batch_size, seed, threads
        self.rank, self.world, self.device = rank, world, device
        self.size = int(manifest.recipe["size"])
        self.rows = max(1, round(fraction * manifest.rows(split)))
        for name in columns:
            _ = manifest.schema[name]
        whole = read_columns(folder, manifest, split, columns, early=True)
        self.columns = {name: values[: self.rows] for name, values in whole.items()}
        self._shape = (batch_size // world, self.size, self.size, 3)
        self.groups = groups_of(manifest, split, self.rows)
        self.cache = choose_cache(cache, self.rows * self.size**2 * 3, world, device)
        self._memory = Memory(self.rows, self.size) if self.cache == "memory" else None
        self._on_device: OnDevice | None = None
        if device is not None:
            self._set_device(device)

    def _set_device(self, name: str) -> None:
        import torch

        self._device = torch.device(name)
        if self._device.type == "cuda" and self._device.index is None:
            self._device = torch.device("cuda", torch.cuda.current_device())  # threads would begin with GPU 0
        # One stream for all readers: what one puts into the cache, the next may take. None for a CPU.
        self._side = torch.cuda.Stream(self._device) if self._device.type == "cuda" else None
        if self.cache == "device":
            with torch.cuda.stream(self._side):  # memory belongs to the stream that uses it
                self._on_device = OnDevice(self.rows, self.size, self._device)

    def endless(self, start: int = 0) -> Iterator[Batch]:
        """Full batches for ever, from batch number `start`; epochs follow each other without a gap."""
        return self._batches(partial(shuffled, self.groups, self.batch_size, self.seed, start), start)

    def once(self) -> Iterator[Batch]:
        """Every image once, in order; the last batch may be smaller, and ranks with no part of it leave it out."""
        return self._batches(partial(in_order, self.rows, self.batch_size), 0)

    def _batches(self, order: Order, start: int) -> Iterator[Batch]:
        self._expect(order)
        parts = ((number, self._share(rows)) for number, rows in enumerate(order(), start))
        parts = ((number, rows) for number, rows in parts if len(rows))
        if self.device is None:
            return prefetched(self._arrays(parts))
        if self._side is None:
            return prefetched(self._tensors(parts))
        return self._arrived(prefetched(self._sent(parts)))

    def _expect(self, order: Order) -> None:
        """Of a dataset that is being fetched, have the row groups fetched in the order in which they are read."""
        if coming := arriving.of(self.folder):
            coming.demand_room((group.file, 1 + group.number) for group in self.groups)
            coming.expect((group.file, 1 + group.number) for group in self._in_turn(order()))

    def _in_turn(self, order: Iterator[np.ndarray]) -> Iterator[Group]:
        """The row groups in the order in which they are first read."""
        firsts = np.array([group.first for group in self.groups])
        left = set(range(len(self.groups)))
        for rows in order:
            for index in dict.fromkeys((np.searchsorted(firsts, rows, side="right") - 1).tolist()):
                if index in left:
                    left.discard(index)
                    yield self.groups[index]
            if not left:
                return

    def _share(self, rows: np.ndarray) -> np.ndarray:
        """This rank's part of a batch."""
        return share(rows, self.rank, self.world)

    def targets(self) -> dict[str, np.ndarray]:
        """The columns of what batches show, in order: those of every image."""
        return self.columns

    def _arrays(self, parts: Parts) -> Generator[Batch, None, None]:
        with ThreadPoolExecutor(self.threads) as pool:
            fill, buffers = self._filler(pool), Buffers(self._shape)
            for number, rows in parts:
                images = buffers.take(len(rows))
                fill(rows, images)
                yield Batch(number, images, {name: values[rows] for name, values in self.columns.items()})

    def _filler(self, pool: ThreadPoolExecutor) -> Callable[[np.ndarray, np.ndarray], None]:
        """fill(rows, out): the images of some rows, decoded or copied, into out (len(rows), size, size, 3)."""
        stream = Stream(self.folder, self.groups, self.size, self.threads)
        if self._memory is None:
            return partial(stream.decode, pool)
        return partial(self._memory.copy, stream, pool)

    def _tensors(self, parts: Parts) -> Generator[Batch, None, None]:
        with ThreadPoolExecutor(self.threads) as pool:
            fill = self._filler(pool)
            ring = _Ring(self._shape, self._device)

            def load(rows: np.ndarray) -> torch.Tensor:
                return ring.send(len(rows), partial(fill, rows))

            for number, rows in parts:
                kept = self._on_device
                images = load(rows) if kept is None else kept.gather(rows, load, ring.send_small)
                columns = {name: ring.send_small(values[rows]) for name, values in self.columns.items()}
                yield Batch(number, images, columns)

    def _sent(self, parts: Parts) -> Generator[tuple[Batch, torch.cuda.Event], None, None]:
        """Batches on their way to a GPU and the events of their arrival. Runs in the prefetching thread."""
        import torch

        tensors = self._tensors(parts)
        while True:
            with torch.cuda.stream(self._side):
                batch = next(tensors, None)
                arrival = torch.cuda.Event()
                arrival.record()
            if batch is None:
                return
            yield batch, arrival

    def _arrived(self, sent: Generator[tuple[Batch, torch.cuda.Event], None, None]) -> Iterator[Batch]:
        """The same batches for the consumer's stream, which waits for each; the consumer itself does not."""
        import torch

        with closing(sent):
            for batch, arrival in sent:
                current = torch.cuda.current_stream(self._device)
                current.wait_event(arrival)
                tensors: list[Any] = [batch.images, *batch.columns.values()]
                for tensor in tensors:
                    tensor.record_stream(current)  # its memory is not reused before the consumer's work on it is done
                yield batch


class _Ring:
    """Moves batches to a device; to a GPU through a ring of pinned buffers, on the current stream."""

    def __init__(self, shape: tuple[int, ...], device: torch.device) -> None:
        import torch

        self.torch, self.fresh, self.device, self.sent = torch, Buffers(shape), device, 0
        self.cuda = device.type == "cuda"
        self.buffers = [torch.empty(shape, dtype=torch.uint8, pin_memory=True) for _ in range(PINNED * self.cuda)]
        self.copied: list[Any] = [None] * len(self.buffers)

    def send(self, n: int, fill: Callable[[np.ndarray], None]) -> torch.Tensor:
        """(n, size, size, 3) uint8 on the device. fill(images) writes them."""
        if not self.cuda:
            array = self.fresh.take(n)
            fill(array)
            return self.torch.from_numpy(array).to(self.device)
        turn = self.sent % len(self.buffers)
        self.sent += 1
        if self.copied[turn] is not None:
            self.copied[turn].synchronize()
        buffer = self.buffers[turn][:n]
        fill(buffer.numpy())
        images = buffer.to(self.device, non_blocking=True)
        self.copied[turn] = self.torch.cuda.Event(blocking=True)  # waits without spinning
        self.copied[turn].record()
        return images

    def send_small(self, values: np.ndarray) -> torch.Tensor:
        """A few numbers, on the device; torch keeps their pinned memory until they are copied."""
        tensor = self.torch.from_numpy(values)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.cuda else tensor.to(self.device)


def prefetched(source: Generator[T, None, None]) -> Generator[T, None, None]:
    """The items of a generator, made ahead in a thread, which ends when the consumer stops early."""
    ready: queue.Queue[T | BaseException | None] = queue.Queue(maxsize=PREFETCH)
    stopped = threading.Event()

    def put(item: T | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        arriving.wait_until(stopped)
        try:
            with closing(source):
                for item in source:
                    put(item)
                    if stopped.is_set():
                        return
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
