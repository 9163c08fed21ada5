"""A layer's activations, turned round: they arrive image by image and are wanted feature by feature."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from mlspatial.core.errors import StimulusMismatch

CHUNK = 8192  # features that are handed out together
IN_MEMORY = 1 << 28  # bytes; a larger layer waits in a file
EXACT = 1 << 27  # bytes; a smaller layer keeps float32: over few features the rounding of float16 does not average out
LARGEST = 2.0**14  # what the largest value of a batch is scaled to; float16 ends at 65,504


class Spool:
    """(n, features) numbers, float32 for a small layer, else float16.

    They are kept as differences from the first batch's means, each batch with a power of two as its scale, so that
    rounding is relative to what varies.

    A Gram matrix made from them gives linear CKA to 2e-7. The file has no name: it is gone when its process is,
    whatever ends it.
    """

    def __init__(self, n: int, features: int, folder: Path) -> None:
        self.n, self.features = n, features
        self._scales = np.zeros(n, np.float32)
        self._rows = 0
        self._means: torch.Tensor | None = None
        self._kind = np.dtype(np.float32 if 4 * n * features <= EXACT else np.float16)
        size = self._kind.itemsize * n * features
        small = size <= IN_MEMORY
        self._file = None if small else tempfile.TemporaryFile(dir=folder, prefix=".activations-")  # noqa: SIM115
        self._memory = np.empty(n * features, self._kind) if self._file is None else None

    def add(self, rows: torch.Tensor) -> None:
        """rows: (b, features) float32 on any device, the next images. Raises StimulusMismatch after more than n."""
        count = len(rows)
        if self._rows + count > self.n or rows.shape[1] != self.features:
            raise StimulusMismatch(f"activations of shape {tuple(rows.shape)} after {self._rows} of {self.n} images")
        if self._means is None:
            self._means = rows.mean(0)
        rows = rows - self._means
        largest = float(rows.abs().max()) if rows.numel() else 0.0
        scale = 2.0 ** np.floor(np.log2(LARGEST / largest)) if largest > 0 else 1.0
        values = (rows * scale).cpu().numpy().astype(self._kind)
        for first in range(0, self.features, CHUNK):
            part = np.ascontiguousarray(values[:, first : first + CHUNK])
            start = self.n * first + self._rows * part.shape[1]  # of all numbers; a chunk lies in one piece
            if self._memory is not None:
                self._memory[start : start + part.size] = part.reshape(-1)
            else:
                _write(self._file.fileno(), part, self._kind.itemsize * start)  # type: ignore[union-attr]
        self._scales[self._rows : self._rows + count] = 1.0 / scale
        self._rows += count

    def chunks(self) -> Iterator[torch.Tensor]:
        """(n, up to 8,192) float32, all features once. Raises StimulusMismatch when images are missing."""
        if self._rows != self.n or self._means is None:
            raise StimulusMismatch(f"activations of {self._rows} images, expected {self.n}")
        scales, means = torch.from_numpy(self._scales)[:, None], self._means.cpu()
        for first in range(0, self.features, CHUNK):
            width = min(CHUNK, self.features - first)
            if self._memory is not None:
                part = self._memory[self.n * first : self.n * (first + width)]
            else:
                part = _read(self._file.fileno(), self._kind, self.n * width, self.n * first)  # type: ignore[union-attr]
            yield (
                torch.from_numpy(part.reshape(self.n, width))
                .to(torch.float32)
                .mul_(scales)
                .add_(means[first : first + width])
            )

    def close(self) -> None:
        self._memory = None
        if self._file is not None:
            self._file.close()


def _write(descriptor: int, values: np.ndarray, offset: int) -> None:
    data = memoryview(values.reshape(-1).view(np.uint8).data)
    while len(data):
        done = os.pwrite(descriptor, data, offset)
        data, offset = data[done:], offset + done


def _read(descriptor: int, kind: np.dtype, count: int, first: int) -> np.ndarray:
    values = np.empty(count, kind)
    data, offset = memoryview(values.view(np.uint8).data), first * kind.itemsize
    while len(data):
        done = os.preadv(descriptor, [data], offset)
        data, offset = data[done:], offset + done
    return values
