"""A layer's activations, turned round: they arrive image by image and are wanted feature by feature."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from mlspatial.analysis.device import exact
from mlspatial.core.errors import StimulusMismatch

CHUNK = 8192  # features that are handed out together
ROWS = 64  # of a chunk that are turned back into float32 at a time: 2 MB
IN_MEMORY = 1 << 28  # bytes; a larger layer waits in a file
EXACT = 1 << 27  # bytes; a smaller layer keeps float32: over few features the rounding of float16 does not average out
LARGEST = 2.0**14  # what the largest value of a batch is scaled to; float16 ends at 65,504


class Spool:
    """(n, features) numbers, as they are (float32) for a small layer, which is then `exact`, else in float16.

    Those are kept as differences from the first batch's means, each batch of a chunk of features with a power of two as
    its scale, so that rounding is relative to what varies. (Those means may be off in their last digits, in whatever
    order they were summed: the same numbers are added again.) All is done chunk by chunk, while it is in the
    processor's own memory.

    A Gram matrix made from them gives linear CKA to 2e-7, ridge and PLS r to 2e-5; r of single features that are
    predicted is off by up to 1e-3, their median by 1e-5. The file has no name: it is gone when its process is,
    whatever ends it.
    """

    def __init__(self, n: int, features: int, folder: Path, chunk: int = CHUNK) -> None:
        """chunk: features that are handed out together, and share a scale."""
        self.n, self.features, self.chunk = n, features, chunk
        self._scales = np.zeros((-(-features // chunk), n), np.float32)
        self._rows = 0
        self._means: torch.Tensor | None = None
        self.exact = 4 * n * features <= EXACT
        self._kind = torch.float32 if self.exact else torch.float16
        kind = np.dtype(np.float32 if self.exact else np.float16)
        size = kind.itemsize * n * features
        self._numbers: _Memory | NamelessFile = (
            _Memory(n * features, kind) if size <= IN_MEMORY else NamelessFile(folder, kind)
        )

    def add(self, rows: torch.Tensor) -> None:
        """rows: (b, features) float32 on any device, the next images. Raises StimulusMismatch after more than n."""
        rows, count = exact(rows), len(rows)
        if self._rows + count > self.n or rows.shape[1] != self.features:
            raise StimulusMismatch(f"activations of shape {tuple(rows.shape)} after {self._rows} of {self.n} images")
        if not count:
            return
        if self._means is None:
            self._means = torch.zeros_like(rows[0]) if self.exact else rows.mean(0)
        for number, (part, scale) in enumerate(self._kept(rows)):
            start = (
                self.n * self.chunk * number + self._rows * part.shape[1]
            )  # of all numbers; a chunk lies in one piece
            self._numbers.write(part.numpy(), start)
            self._scales[number, self._rows : self._rows + count] = 1.0 / scale
        self._rows += count

    def _kept(self, rows: torch.Tensor) -> Iterator[tuple[torch.Tensor, float]]:
        """Every chunk of features as it is kept, on the CPU, and what it was multiplied with. A GPU's are brought
        together: the host waits for it once, not once a chunk."""
        assert self._means is not None
        less = (rows[:, part] - self._means[part] for part in _parts(self.features, self.chunk))
        if rows.device.type == "cpu":
            for part in less:
                low, high = torch.aminmax(part)
                largest = max(-float(low), float(high))
                scale = 2.0 ** np.floor(np.log2(LARGEST / largest)) if largest > 0 else 1.0
                yield part.mul_(scale).to(self._kind), scale
            return
        scales, kept = [], torch.empty(rows.shape, dtype=self._kind, device=rows.device)
        for place, part in zip(_parts(self.features, self.chunk), less, strict=True):
            low, high = torch.aminmax(part)
            largest = torch.maximum(-low, high).double()
            scales.append(torch.where(largest > 0, torch.exp2(torch.floor(torch.log2(LARGEST / largest))), 1.0))
            kept[:, place] = part.mul_(scales[-1].to(part.dtype)).to(self._kind)
        # pinned memory, which torch keeps for the next batch
        numbers = torch.empty(kept.shape, dtype=self._kind, pin_memory=rows.device.type == "cuda")
        numbers.copy_(kept, non_blocking=True)  # done when the scales, which come after it, are read
        for place, scale in zip(_parts(self.features, self.chunk), torch.stack(scales).tolist(), strict=True):
            yield numbers[:, place].contiguous(), scale

    def chunks(self) -> Iterator[torch.Tensor]:
        """(n, up to a chunk) float32, all features once; each only until the next, which takes its memory.

        Raises StimulusMismatch when images are missing.
        """
        if self._rows != self.n or self._means is None:
            raise StimulusMismatch(f"activations of {self._rows} images, expected {self.n}")
        means = self._means.cpu()
        memory = torch.empty(self.n * min(self.chunk, self.features))
        for number, first in enumerate(range(0, self.features, self.chunk)):
            width = min(self.chunk, self.features - first)
            kept = torch.from_numpy(self._numbers.read(self.n * first, self.n * width)).view(self.n, width)
            scales = torch.from_numpy(self._scales[number])[:, None]
            chunk = memory[: self.n * width].view(self.n, width)
            offset = means[first : first + width]
            for top in range(0, self.n, ROWS):
                rows = slice(top, top + ROWS)
                chunk[rows].copy_(kept[rows]).mul_(scales[rows]).add_(offset)
            yield chunk

    def close(self) -> None:
        self._numbers.close()


def _parts(features: int, chunk: int) -> Iterator[slice]:
    """So many features each, the last one what is left."""
    return (slice(first, min(first + chunk, features)) for first in range(0, features, chunk))


class _Memory:
    """Numbers in memory. write and read count in numbers."""

    def __init__(self, count: int, kind: np.dtype) -> None:
        self.values = np.empty(count, kind)

    def write(self, part: np.ndarray, start: int) -> None:
        self.values[start : start + part.size] = part.reshape(-1)

    def read(self, start: int, count: int) -> np.ndarray:
        return self.values[start : start + count]

    def close(self) -> None:
        self.values = self.values[:0].copy()


class NamelessFile:
    """The same in a file without a name, which is gone when its process is. Read and written, not mapped: mapped pages
    would count as memory."""

    def __init__(self, folder: Path, kind: np.dtype) -> None:
        self.kind, self._read = kind, np.empty(0, kind)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".activations-") as file:
            self.descriptor = os.dup(file.fileno())  # outlives the name

    def write(self, part: np.ndarray, start: int) -> None:
        data, offset = memoryview(part.reshape(-1).view(np.uint8).data), start * self.kind.itemsize
        while len(data):
            done = os.pwrite(self.descriptor, data, offset)
            data, offset = data[done:], offset + done

    def read(self, start: int, count: int) -> np.ndarray:
        """(count,) numbers from `start` on, only until the next call, which takes their memory: fresh memory costs more
        than what is done with it."""
        if len(self._read) < count:
            self._read = np.empty(count, self.kind)
        values = self._read[:count]
        data, offset = memoryview(values.view(np.uint8).data), start * self.kind.itemsize
        while len(data):
            done = os.preadv(self.descriptor, [data], offset)
            data, offset = data[done:], offset + done
        return values

    @property
    def count(self) -> int:
        """Numbers up to the last one written."""
        return os.fstat(self.descriptor).st_size // self.kind.itemsize

    def mapped(self) -> np.ndarray:
        """All numbers, read-only, for what is read once from end to end; outlives close()."""
        return np.frombuffer(mmap.mmap(self.descriptor, 0, access=mmap.ACCESS_READ), self.kind)

    def close(self) -> None:
        os.close(self.descriptor)
