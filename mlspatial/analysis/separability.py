"""Whether a unit's response to two factors is a product, or a sum, of its responses to each.

Source: share of the first singular value: Depireux et al. 2001, Pena and Konishi 2001.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mlspatial.analysis.curves import ROUNDING, responses_by_level
from mlspatial.analysis.estimates import of_clusters
from mlspatial.core.crossing import Crossing

VERSION = "2"


@dataclass(frozen=True)
class Separability:
    """Of two factors, from the mean response to each pair of their levels, (units,) each. centred: share of the first
    singular value in the sum of squared ones, of responses less their mean (1: a product of two curves one of which has
    mean 0, or one factor alone); product: the same of the responses as they are (1: any product of two curves, but also
    near 1 for a large constant response); additive: share of the two main effects in the variance (1: a sum of two
    curves); crossed: centred, with the first component of one half of the contexts tested on the other half and the
    variance that both halves share as the whole, so that what contexts add is in neither (may leave 0 to 1; NaN where
    that variance is not above 0, and of one context). NaN where the two factors do nothing."""

    first: str
    second: str
    centred: np.ndarray
    product: np.ndarray
    additive: np.ndarray
    crossed: np.ndarray


def separability(responses: np.ndarray, crossing: Crossing) -> list[Separability]:
    """Of every two factors of a crossing. responses: (rows, units). Raises as tuning."""
    values = responses_by_level(responses, crossing)
    energy = np.square(values.reshape(-1, values.shape[-1])).mean(axis=0)
    found = []
    for f, g in combinations(range(len(crossing.factors)), 2):
        others = tuple(i for i in range(len(crossing.factors)) if i not in (f, g))
        planes = values.mean(axis=others).transpose(2, 3, 0, 1)  # (contexts, units, f, g)
        plane = planes.mean(axis=0)
        centred = plane - plane.mean(axis=(1, 2), keepdims=True)
        variance = np.square(centred).mean(axis=(1, 2))
        effects = centred.mean(axis=2).var(axis=1) + centred.mean(axis=1).var(axis=1)
        some = variance > ROUNDING * energy
        with np.errstate(invalid="ignore", divide="ignore"):
            additive = np.where(some, effects / variance, np.nan)
        found.append(
            Separability(
                crossing.factors[f].name,
                crossing.factors[g].name,
                np.where(some, _first_share(centred), np.nan),
                np.where(some, _first_share(plane), np.nan),
                additive,
                np.where(some, _crossed(of_clusters(planes, crossing.clusters, 0)), np.nan),
            )
        )
    return found


def _first_share(planes: np.ndarray) -> np.ndarray:
    """(units,) of (units, levels, levels)."""
    squares = np.square(np.linalg.svd(planes, compute_uv=False))
    with np.errstate(invalid="ignore", divide="ignore"):
        return squares[:, 0] / squares.sum(axis=1)


def _crossed(planes: np.ndarray) -> np.ndarray:
    """(units,) from (contexts, units, levels, levels)."""
    if len(planes) < 2:
        return np.full(planes.shape[1], np.nan)
    halves = [planes[start::2].mean(axis=0) for start in (0, 1)]
    halves = [half - half.mean(axis=(1, 2), keepdims=True) for half in halves]
    shared = (halves[0] * halves[1]).sum(axis=(1, 2))
    first = np.zeros(planes.shape[1])
    for one, other in ((0, 1), (1, 0)):
        u, s, v = np.linalg.svd(halves[one], full_matrices=False)
        first += s[:, 0] * np.einsum("ua,uab,ub->u", u[:, :, 0], halves[other], v[:, 0]) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(shared > 0, first / shared, np.nan)
