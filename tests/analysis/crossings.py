"""Crossings and responses of which the truth is known."""

from __future__ import annotations

from math import prod

import numpy as np

from mlspatial.core.crossing import Crossing, Factor


def crossing_of(
    levels: dict[str, int] | dict[str, tuple[float, ...]],
    contexts: int,
    kind: str = "linear",
    shuffled: int | None = None,
    first: int = 0,
    name: str = "c",
) -> Crossing:
    """levels: numbers of levels (values 0, 1, ...) or the values; shuffled: a seed for rows in any order."""
    factors = tuple(
        Factor(key, kind, tuple(float(v) for v in (range(some) if isinstance(some, int) else some)), "deg")  # type: ignore[arg-type]
        for key, some in levels.items()
    )
    shape = (*(len(factor) for factor in factors), contexts)
    rows = np.arange(first, first + prod(shape))
    if shuffled is not None:
        rows = np.random.default_rng(shuffled).permutation(rows)
    return Crossing(name, factors, rows.reshape(shape))


def responses_of(crossing: Crossing, values: np.ndarray, rows: int | None = None) -> np.ndarray:
    """(rows, units) from (levels, ..., contexts, units)."""
    found = np.full((rows or int(crossing.rows.max()) + 1, values.shape[-1]), np.nan)
    found[crossing.rows] = values
    return found
