"""What whoever asks for arrays of networks wants with them and can change: for the estimate of what that takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

SQUARE = 64.0  # bytes of a number of an n x n matrix while a metric is computed: it, eigenvectors, folds
#: the same of some metrics, as measured; those not named take SQUARE. Those of 0 are computed while a layer is gathered
SQUARES = {"pls": 24.0, "ridge": 72.0, "crsa": 16.0, "versa": 16.0, "temporal_pls": 24.0}
SQUARES |= {"ridge_split": 0.0, "ridgecv_split": 0.0, "reverse_pls": 0.0}
SLICES = 1 << 27  # bytes that comparisons of any number of networks read at a time
#: what an analysis takes afterwards: (stimuli, widths of layers) -> words -> bytes
Later = Callable[[int, Mapping[str, int]], dict[str, float]]


def square(metric: str) -> float:
    """Bytes of a number of an n x n matrix; a number of components behind a metric's name is no part of it (pls25)."""
    return SQUARES.get(metric.rstrip("0123456789"), SQUARE)


@dataclass(frozen=True)
class Ways:
    """What whoever asked wants afterwards, and can change. stimuli: the split of --stimuli SPLIT:N where that is an
    option; later: see Later; networks: how many are to come, with this one, 0 for those at hand; others: words of an
    option -> the kinds and the later that are left when it is taken, () where nothing is."""

    stimuli: str = ""
    later: Later | None = None
    networks: int = 0
    others: Mapping[str, tuple[tuple[str, ...], Later | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """what: the network and its stimuli, for people; networks: that are still to come, this one included."""

    what: str
    ways: Ways
    networks: int
