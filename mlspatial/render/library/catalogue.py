"""Categories by name: their counts, their builders, and the mesh of one identity."""

from __future__ import annotations

import csv
import hashlib
import inspect
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from mlspatial.core.plugins import Plugins
from mlspatial.render.library.assemble import merge
from mlspatial.render.library.part import Part
from mlspatial.render.mesh import Mesh

Builder = Callable[..., Part | list | Mesh]  # (rng) or (rng, k)

BUILDERS: Plugins[Builder] = Plugins("category")


@lru_cache(maxsize=1)
def counts() -> dict[str, int]:
    """The 117 categories of the published image sets and their numbers of identities, in the published order."""
    with open(Path(__file__).with_name("categories.csv"), newline="", encoding="utf-8") as file:
        return {row["category"]: int(row["n_identities"]) for row in csv.DictReader(file)}


def category(name: str) -> Callable[[Builder], Builder]:
    """Register the builder of a category: f(rng) or f(rng, k) -> parts; k is the number of the identity.

    Take k where identities should walk through a fixed list of styles (k % n) instead of drawing one.
    """
    if name not in counts():
        raise ValueError(f"{name!r} is not in categories.csv")
    return BUILDERS.register(name)


def build(name: str, k: int) -> Mesh:
    """The k-th identity of a category; the same arrays every time."""
    builder = BUILDERS[name]
    digest = hashlib.sha256(f"{name}#{k}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    made = builder(rng, k) if len(inspect.signature(builder).parameters) > 1 else builder(rng)
    return made if isinstance(made, Mesh) else merge(made)
