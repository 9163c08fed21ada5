"""Similarity between and within groups of models, e.g. tasks with several seeds each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from mlspatial.core.errors import BadValue, UserError

VERSION = "1"
RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class GroupPair:
    """Similarity of the models of two groups, or of one group when first == second.

    mean, sd: over pairs of models; sd with n - 1, NaN for a single pair. low, high: bootstrap interval of the mean,
    NaN where there are too few models to resample. pairs: their number; 0 for a group of one model, whose mean is NaN.
    """

    first: str
    second: str
    mean: float
    sd: float
    low: float
    high: float
    pairs: int


def group_statistics(
    matrix: np.ndarray,
    groups: Sequence[str],
    rng: np.random.Generator,
    *,
    seeds: Sequence[Hashable] | None = None,
    resamples: int = RESAMPLES,
    level: float = LEVEL,
) -> list[GroupPair]:
    """Mean similarity between every two groups and within each, one record for each unordered pair of groups.

    matrix: (models, models) symmetric similarities; groups: the group of each model; seeds: the seed of each model, by
    default all different. Within a group only pairs of different seeds count, so never a model with itself.
    The bootstrap draws seeds, not pairs: pairs that share a model are not independent. In each resample every group's
    models are drawn with replacement (the same draw for all its records), the mean is taken over the drawn pairs, and
    two copies of one model are no pair. low and high are percentiles of these means for the level.
    Groups come in the order in which they appear. Raises UserError for shapes that do not fit or values not finite.
    """
    matrix = _checked(matrix, groups, seeds)
    if not 0 < level < 1:
        raise BadValue("level", level, "expected a share between 0 and 1")
    if resamples < 1:
        raise BadValue("resamples", resamples, "expected at least 1")
    names = list(dict.fromkeys(groups))
    members = {name: np.flatnonzero([group == name for group in groups]) for name in names}
    counts = {
        name: rng.multinomial(len(models), np.full(len(models), 1 / len(models)), size=resamples)
        for name, models in members.items()
    }
    codes: dict[Hashable, int] = {}
    identity = np.array(
        [codes.setdefault(seed, len(codes)) for seed in (range(len(groups)) if seeds is None else seeds)]
    )
    records = []
    for i, first in enumerate(names):
        for second in names[i:]:
            block = np.ix_(members[first], members[second])
            allowed = np.ones(matrix[block].shape, bool)
            if first == second:
                allowed = identity[members[first]][:, None] != identity[members[second]]
            counted = np.triu(allowed) if first == second else allowed
            values = matrix[block][counted]
            low, high = float("nan"), float("nan")
            if len(values) > 1:
                low, high = _interval(matrix[block], allowed, counts[first], counts[second], level)
            mean = float(values.mean()) if len(values) else float("nan")
            sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
            records.append(GroupPair(first, second, mean, sd, low, high, len(values)))
    return records


def _interval(
    block: np.ndarray, allowed: np.ndarray, first: np.ndarray, second: np.ndarray, level: float
) -> tuple[float, float]:
    """Percentiles of the mean over allowed pairs. first, second: (resamples, models), how often each was drawn."""
    weights = ((first @ allowed.astype(float)) * second).sum(axis=1)
    sums = ((first @ np.where(allowed, block, 0.0)) * second).sum(axis=1)
    means = sums[weights > 0] / weights[weights > 0]  # a draw of one model alone has no pair
    if not len(means):
        return float("nan"), float("nan")
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def _checked(matrix: np.ndarray, groups: Sequence[str], seeds: Sequence[Hashable] | None) -> np.ndarray:
    matrix = np.asarray(matrix, np.float64)
    if matrix.shape != (len(groups), len(groups)) or not len(groups):
        raise UserError(f"similarities of shape {matrix.shape} do not fit {len(groups)} models with a group")
    if seeds is not None and len(seeds) != len(groups):
        raise UserError(f"{len(seeds)} seeds for {len(groups)} models; name one for each")
    if not np.isfinite(matrix).all():
        model = int(np.argmax(~np.isfinite(matrix).all(axis=1)))
        raise UserError(f"similarities of model {model} ({groups[model]}) are not finite; leave it out")
    if np.abs(matrix - matrix.T).max() > 1e-6:
        raise UserError("similarities must be symmetric: the same models in rows and columns")
    return matrix
