"""Do two conditions differ: Mann-Whitney's U, how much, and what is left after correction for many tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mlspatial.core.errors import UserError

VERSION = "1"
STAR = 0.05  # Xie et al. 2025, figures 5, E.1, E.2: "*" at p < .05, each layer on its own
FEWEST = 2  # values a side


@dataclass(frozen=True)
class Contrast:
    """One comparison of a condition with another.

    n_first, n_second: numbers of values; u: the U of the first; p: two-sided, of this test alone; p_holm: corrected for
    all tests handed over together; star: the published mark, p < .05 uncorrected; common_language: how often a value of
    the first exceeds one of the second (ties count half); rank_biserial: the same from -1 to 1.
    """

    name: str
    n_first: int
    n_second: int
    median_first: float
    median_second: float
    u: float
    p: float
    p_holm: float
    star: bool
    common_language: float
    rank_biserial: float


def contrasts(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> list[Contrast]:
    """Compare the two sides of every pair; all of them count as one family for the correction.

    pairs: name (a layer, say) -> values of the two conditions, (n,) each, of any length. scipy chooses the exact
    distribution of U up to eight values a side without ties, else the normal one. The published use pools 5 splits of
    each of 6 seeds: those of one seed are not independent, so its p values are too small; hand over one value a seed
    for a test of seeds.
    Raises UserError for fewer than two values on a side or values that are not finite.
    Source: Mann and Whitney 1947; Holm 1979; Kerby 2014 (rank-biserial correlation).
    """
    from scipy.stats import mannwhitneyu

    tested = []
    for name, sides in pairs.items():
        first, second = (_side(name, side) for side in sides)
        u, p = mannwhitneyu(first, second, alternative="two-sided")
        tested.append((name, first, second, float(u), float(p)))
    corrected = holm(np.array([p for *_, p in tested]))
    return [
        Contrast(
            name=name,
            n_first=len(first),
            n_second=len(second),
            median_first=float(np.median(first)),
            median_second=float(np.median(second)),
            u=u,
            p=p,
            p_holm=float(p_holm),
            star=p < STAR,
            common_language=u / (len(first) * len(second)),
            rank_biserial=2 * u / (len(first) * len(second)) - 1,
        )
        for (name, first, second, u, p), p_holm in zip(tested, corrected, strict=True)
    ]


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's step-down correction. p: (tests,). Returns (tests,) corrected values, at most 1, in the order given."""
    order = np.argsort(p)
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def _side(name: str, values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64).ravel()
    if len(values) < FEWEST:
        raise UserError(f"{name}: {len(values)} values on one side, a test needs {FEWEST}; train more seeds")
    if not np.isfinite(values).all():
        raise UserError(f"{name}: {int((~np.isfinite(values)).sum())} of {len(values)} values are not finite")
    return values
