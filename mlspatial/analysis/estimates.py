"""Estimates from a crossing, with jackknife errors over its contexts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlspatial.analysis.jackknife import BLOCKS, blocks, half_width, standard_error

VERSION = "2"


@dataclass(frozen=True)
class Estimate:
    """A number, its standard error, and the ends of its 95 % interval (Student's t); NaN where it is undefined."""

    value: float
    error: float = float("nan")
    low: float = float("nan")
    high: float = float("nan")


def jackknifed(
    statistic: Callable[[np.ndarray], np.ndarray | float],
    contexts: int,
    fewest: int = 2,
    clusters: Sequence[int] | np.ndarray = (),
) -> tuple[np.ndarray, np.ndarray]:
    """A statistic of all contexts, and the standard error of each of its numbers over contexts.

    statistic: of (kept,) numbers of contexts, an array of any one shape. Each context is left out once, of more than 20
    a block of each 20th; with clusters, the number of each context's, all contexts of a cluster together. fewest:
    contexts that it needs; with fewer left the error is NaN, without any computation.
    Returns two float64 arrays of the statistic's shape.
    """
    every = np.arange(contexts)
    value = np.asarray(statistic(every), np.float64)
    of_context = np.asarray(clusters, int) if len(clusters) else every
    block = blocks(int(of_context.max()) + 1)[of_context] if contexts else every
    if contexts < 2 or block.max() < 1 or contexts - np.bincount(block).max() < fewest:
        return value, np.full(value.shape, np.nan)
    return value, standard_error(np.stack([np.asarray(statistic(every[block != b])) for b in range(block.max() + 1)]))


def half(error: np.ndarray | float, contexts: int) -> np.ndarray | float:
    """Half of the 95 % interval from a jackknife's error over that many contexts."""
    return half_width(error, min(BLOCKS, contexts)) if contexts > 1 else np.full(np.shape(error), np.nan)


def estimates(
    values: Sequence[float] | np.ndarray, errors: Sequence[float] | np.ndarray, contexts: int
) -> list[Estimate]:
    """One Estimate for each value."""
    widths = np.asarray(half(np.asarray(errors, np.float64), contexts))
    return [
        Estimate(float(v), float(e), float(v - w), float(v + w)) for v, e, w in zip(values, errors, widths, strict=True)
    ]


def parts(contexts: np.ndarray, number: int) -> list[np.ndarray]:
    """Numbers of contexts dealt out to so many parts in turn, by the number: without one the others stay where they
    are."""
    return [contexts[contexts % number == i] for i in range(number)]


def of_clusters(values: np.ndarray, clusters: Sequence[int] | np.ndarray, *axes: int) -> np.ndarray:
    """The mean over the contexts of each cluster, along axes of contexts, which become axes of clusters."""
    of_context = np.asarray(clusters, int)
    if np.array_equal(of_context, np.arange(len(of_context))):
        return values
    weights = (of_context == np.arange(of_context.max() + 1)[:, None]).astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    for axis in axes:
        values = np.moveaxis(np.tensordot(weights, values, axes=(1, axis)), 0, axis)
    return values
