"""Published means, restated as csv files that `import` takes too. Every file names its source in its first lines."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

SCORES = "xie2025_scores.csv"
CORRELATIONS = "xie2025_correlations.csv"
CORRELATION = "performance_correlation"  # the metric of scores that are such correlations

#: column of the tables -> benchmark that it is the score on; the paper's names
BENCHMARKS = {
    "V1": "FreemanZiemba2013public.V1-pls", "V2": "FreemanZiemba2013public.V2-pls",
    "V4": "MajajHong2015public.V4-pls", "IT": "MajajHong2015public.IT-pls",
    "neural_mean": "neural_mean", "behavior": "Rajalingham2018public-i2n",
}  # fmt: skip

Values = dict[str, float]


def path(name: str) -> Path:
    """Where a file of published values lies."""
    return Path(__file__).with_name(name)


@cache
def rows(name: str) -> tuple[dict[str, str], ...]:
    """The rows of a file as text, comments left out."""
    with path(name).open(encoding="utf-8") as file:
        return tuple(csv.DictReader(line for line in file if not line.startswith("#")))


def values(name: str, arch: str) -> dict[str, Values]:
    """task -> column of the tables -> published value, for one architecture."""
    heads = BENCHMARKS if name == SCORES else {column: column for column in BENCHMARKS}
    return {
        row["task"]: {column: float(row[head]) for column, head in heads.items()}
        for row in rows(name)
        if row["arch"] == arch
    }
