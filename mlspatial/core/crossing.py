"""Images in which some things vary and all others are held: which image has which levels of which factors."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from mlspatial.core.latents import Kind


@dataclass(frozen=True)
class Factor:
    """One thing that is varied. kind: linear, circular (repeats after 360 degrees) or category; values: of its levels,
    numbers in `unit`, or names."""

    name: str
    kind: Kind
    values: tuple[float | str, ...]
    unit: str = ""

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class Crossing:
    """A full crossing of factors, each cell seen in the same contexts.

    factors: what varies; rows: (levels of the first factor, ..., levels of the last, contexts) int, for each cell and
    context the row of its image in whatever is analysed. A context is everything that the factors do not decide (the
    object, the place, the light); it is the same in all cells, so that it is one more, random, factor. A sweep of one
    latent on several scenes is a crossing of one factor, whose contexts are the scenes. seen_in: what each context is;
    crossings where it is equal share their contexts, the n-th of one being the n-th of the other; (): their numbers.
    clusters: number of the cluster of each context, 0 to K - 1: contexts of one cluster share something (an object seen
    in several scenes), so that only clusters are independent draws; (): each context is one.
    Raises ValueError for rows that do not fit.
    """

    name: str
    factors: tuple[Factor, ...]
    rows: np.ndarray
    seen_in: tuple[Hashable, ...] = ()
    clusters: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.rows.shape[:-1] != self.shape or len(np.unique(self.rows)) != self.rows.size:
            raise ValueError(f"crossing {self.name}: rows of shape {self.rows.shape} for levels {self.shape}")
        if not self.seen_in:
            object.__setattr__(self, "seen_in", tuple(range(self.contexts)))
        if not self.clusters:
            object.__setattr__(self, "clusters", tuple(range(self.contexts)))
        if sorted(set(self.clusters)) != list(range(max(self.clusters) + 1)) or len(self.clusters) != self.contexts:
            raise ValueError(f"crossing {self.name}: clusters {self.clusters} of {self.contexts} contexts")
        if len(self.seen_in) != self.contexts:
            raise ValueError(f"crossing {self.name}: {len(self.seen_in)} names of {self.contexts} contexts")

    @property
    def shape(self) -> tuple[int, ...]:
        """Levels of each factor."""
        return tuple(len(factor) for factor in self.factors)

    @property
    def contexts(self) -> int:
        return int(self.rows.shape[-1])

    @property
    def cells(self) -> int:
        return prod(self.shape)

    def averaged(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """(cells * parts, contexts of a part) rows whose means stand for each cell in each part of the contexts, cell
        by cell. parts: numbers of contexts, as many in each."""
        flat = self.rows.reshape(self.cells, self.contexts)
        return np.stack([flat[:, part] for part in parts], axis=1).reshape(self.cells * len(parts), -1)
