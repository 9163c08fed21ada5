"""Clips of a dataset folder whose images are frames: shuffled, split and counted by clip, never by frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.core.errors import BadValue
from mlspatial.core.manifest import Manifest
from mlspatial.data.loader import Batch, Loader, Order
from mlspatial.data.order import Group, in_order, share, shuffled
from mlspatial.data.shards import ROW_GROUP


def frames_of(manifest: Manifest) -> int:
    """Images of a clip; 1 for a dataset of single images."""
    return int(manifest.recipe.get("frames", 1))


def middle(frames: int) -> int:
    """Number of the frame whose latents stand for a clip: the middle one, the later of two."""
    return frames // 2


def shown_row(manifest: Manifest, number: int) -> int:
    """Row of a split whose image stands for image, or clip, number so and so of its loader."""
    frames = frames_of(manifest)
    return number * frames + (middle(frames) if frames > 1 else 0)


class Clips(Loader):
    """Batches of whole clips: images (b, frames, size, size, 3) uint8, in time; columns of the clips' middle frames.

    Parameters as of Loader, but that batch_size counts clips, and fraction takes the first clips. Decoding, caches and
    devices are its own, frame by frame.
    """

    def __init__(
        self, folder: Path, manifest: Manifest, split: str, *, batch_size: int, fraction: float = 1.0, **options: Any
    ) -> None:
        self.frames = frames_of(manifest)
        if batch_size < 1:
            raise BadValue("batch_size", batch_size, "must be at least 1")
        if batch_size % (world := options.get("world", 1)):
            raise BadValue("batch_size", batch_size, f"must be a multiple of the {world} processes that share it")
        if not 0.0 < fraction <= 1.0:
            raise BadValue("fraction", fraction, "must be above 0 and at most 1")
        there = manifest.rows(split)
        self.clips = max(1, round(fraction * (there // self.frames)))
        taken = self.clips * self.frames / there
        super().__init__(folder, manifest, split, batch_size=batch_size * self.frames, fraction=taken, **options)
        self.batch_size = batch_size  # what others read; the buffers are of frames
        # the order shuffles groups and then their members, as with images: here of clips
        each = max(1, ROW_GROUP // self.frames)
        firsts = range(0, self.clips, each)
        self._of_clips = [Group("", k, first, min(each, self.clips - first)) for k, first in enumerate(firsts)]

    def endless(self, start: int = 0) -> Iterator[Batch]:
        """Full batches for ever, from batch number `start`; epochs follow each other without a gap."""
        return self._whole(partial(shuffled, self._of_clips, self.batch_size, self.seed, start), start)

    def once(self) -> Iterator[Batch]:
        """Every clip once, in order; the last batch may be smaller."""
        return self._whole(partial(in_order, self.clips, self.batch_size), 0)

    def targets(self) -> dict[str, np.ndarray]:
        """The columns of what batches show, in order: those of the clips' middle frames."""
        return {name: values[middle(self.frames) :: self.frames] for name, values in self.columns.items()}

    def _share(self, rows: np.ndarray) -> np.ndarray:
        """This rank's clips of a batch, whole ones."""
        return share(rows.reshape(-1, self.frames), self.rank, self.world).reshape(-1)

    def _whole(self, order: Order, start: int) -> Iterator[Batch]:
        k = self.frames

        def rows() -> Iterator[np.ndarray]:
            return ((clips[:, None] * k + np.arange(k)).reshape(-1) for clips in order())

        for batch in self._batches(rows, start):
            images: Any = batch.images
            columns = {name: values.reshape(-1, k)[:, middle(k)] for name, values in batch.columns.items()}
            yield replace(batch, images=images.reshape(-1, k, *images.shape[1:]), columns=columns)


def loader(folder: Path, manifest: Manifest, split: str, **options: Any) -> Loader:
    """A Loader of a dataset's images, or of its clips where it has them."""
    return (Clips if frames_of(manifest) > 1 else Loader)(folder, manifest, split, **options)
