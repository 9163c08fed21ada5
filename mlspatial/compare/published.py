"""Published values, restated as csv files that `import` takes too. Every file names its source in its first lines."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

CORRELATION = "performance_correlation"  # the metric of scores that are such correlations

#: region, neural_mean or behavior -> Brain-Score's public benchmark of it
BENCHMARKS = {
    "V1": "FreemanZiemba2013public.V1-pls", "V2": "FreemanZiemba2013public.V2-pls",
    "V4": "MajajHong2015public.V4-pls", "IT": "MajajHong2015public.IT-pls",
    "neural_mean": "neural_mean", "behavior": "Rajalingham2018public-i2n",
}  # fmt: skip


@cache
def rows(path: Path) -> tuple[dict[str, str], ...]:
    """The rows of a file as text, comments left out."""
    with path.open(encoding="utf-8") as file:
        return tuple(csv.DictReader(line for line in file if not line.startswith("#")))
