"""What the paper's tables hold: their rows, their columns and the printed values."""

from __future__ import annotations

from mlspatial.compare.evidence import REGIONS
from mlspatial.compare.published import BENCHMARKS
from mlspatial.compare.scores import MEAN
from mlspatial.compare.style import TASKS
from mlspatial.papers.xie2025 import MEANS, PAPER

Values = dict[str, float]
TRAINED = tuple(task for task in TASKS if task not in ("untrained", "imagenet"))
LABELS = {task: look.label for task, look in TASKS.items()} | {"untrained": "Untrained models"}  # of the rows
HEADERS = {name: name for name in REGIONS} | {MEAN: "Neural mean", "behavior": "Behavior"}


def values(name: str, arch: str) -> dict[str, Values]:
    """task -> column of the tables -> published value, for one architecture."""
    heads = BENCHMARKS if name == MEANS else {column: column for column in BENCHMARKS}
    rows = [row for row in PAPER.rows(name) if row["arch"] == arch]
    return {row["task"]: {column: float(row[head]) for column, head in heads.items()} for row in rows}
