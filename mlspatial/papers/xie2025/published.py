"""The values that the paper printed, by architecture and task."""

from __future__ import annotations

from mlspatial.compare.published import BENCHMARKS
from mlspatial.papers.xie2025 import MEANS, PAPER

Values = dict[str, float]


def values(name: str, arch: str) -> dict[str, Values]:
    """task -> column of the tables -> published value, for one architecture."""
    heads = BENCHMARKS if name == MEANS else {column: column for column in BENCHMARKS}
    return {
        row["task"]: {column: float(row[head]) for column, head in heads.items()}
        for row in PAPER.rows(name)
        if row["arch"] == arch
    }
