"""Which images come when: row numbers of a split, batch by batch, without reading anything.

Order: each epoch permutes the row groups (250 images) of all shards, fills a pool of 32 of them at a time and
permutes the pool's images. A set of up to 8,000 images is thus shuffled perfectly, a larger one within pools whose
members change every epoch. The order depends on (seed, epoch) alone, so that reading can go on at any batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mlspatial.core.manifest import Manifest
from mlspatial.data.shards import ROW_GROUP

POOL_GROUPS = 32


class Group(NamedTuple):
    """A row group. file: its shard; number: within the shard; first: its first row of the split; rows: to be read."""

    file: str
    number: int
    first: int
    rows: int


def groups_of(manifest: Manifest, split: str, rows: int) -> list[Group]:
    """The row groups that hold the first `rows` images of a split; the last one may be read in part."""
    groups, first = [], 0
    for shard in manifest.shards(split):
        for number in range(-(-shard.rows // ROW_GROUP)):
            count = min(ROW_GROUP, shard.rows - number * ROW_GROUP, rows - first)
            if count > 0:
                groups.append(Group(shard.file, number, first, count))
                first += count
    return groups


def shuffled(groups: Sequence[Group], batch_size: int, seed: int, start: int) -> Iterator[np.ndarray]:
    """(batch_size,) row numbers for ever, from batch number `start`; epochs follow each other without a gap."""
    epoch, skip = divmod(start * batch_size, sum(group.rows for group in groups))
    waiting = np.empty(0, dtype=np.int64)
    while True:
        rng = np.random.default_rng([seed, epoch])
        order = rng.permutation(len(groups))
        for first in range(0, len(order), POOL_GROUPS):
            pool = [groups[i] for i in order[first : first + POOL_GROUPS]]
            picks = rng.permutation(sum(group.rows for group in pool))
            if skip >= len(picks):
                skip -= len(picks)
                continue
            rows = np.concatenate([np.arange(group.first, group.first + group.rows) for group in pool])
            waiting = np.concatenate([waiting, rows[picks[skip:]]])
            skip = 0
            full = len(waiting) - len(waiting) % batch_size
            yield from waiting[:full].reshape(-1, batch_size)
            waiting = waiting[full:]
        epoch += 1


def in_order(rows: int, batch_size: int) -> Iterator[np.ndarray]:
    """Every row number once; the last batch may be smaller."""
    for first in range(0, rows, batch_size):
        yield np.arange(first, min(first + batch_size, rows))


def share(rows: np.ndarray, rank: int, world: int) -> np.ndarray:
    """The contiguous part of a batch that belongs to one of `world` processes; of a small batch it may be empty."""
    return rows[len(rows) * rank // world : len(rows) * (rank + 1) // world]
