"""Scores of the groups of networks that the contrasts are of, and of every task of Taskonomy."""

from __future__ import annotations

import pandas as pd

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, Scored, scored
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.papers.conwell2024 import PAPER
from mlspatial.papers.conwell2024.statistics import mean_of_networks, mean_over_subjects

CAPTION = (
    "Mean r with OTC's similarity matrix; interval: bootstrap percentiles over networks for groups, over subjects for "
    "a single network."
)


@TABLES.register("conwell_groups")
def conwell_groups(evidence: Evidence) -> Table:
    """One row a group of networks (or a network that stands alone in its group), a column a metric."""
    found = scored(evidence)
    body: dict[str, dict[str, Cell]] = {}
    for name, choose in PAPER.groupings.items():
        chosen = {metric: choose(found.of(metric)) for metric in found.metrics}
        groups = dict.fromkeys(group for rows in chosen.values() for group in _sorted(rows))
        for group in groups:
            parts = {metric: rows[rows.group == group] for metric, rows in chosen.items()}
            body[f"{name}: {_label(group, parts)}"] = {
                METRICS[metric]: _cell(found, rows, metric) for metric, rows in parts.items() if len(rows)
            }
    columns = tuple(METRICS.values())
    return Table("conwell_groups", "Scores by group", CAPTION, columns, body, () if body else (NONE,), "group")


def _sorted(rows: pd.DataFrame) -> list[str]:
    """Groups from best to worst."""
    return list(rows.groupby("group").score.mean().sort_values(ascending=False).index)


def _label(group: str, parts: dict[str, pd.DataFrame]) -> str:
    rows = next(iter(parts.values()))
    return str(rows.label.iloc[0]) if len(rows) == 1 else group


def _cell(found: Scored, rows: pd.DataFrame, metric: str) -> Cell:
    return (mean_of_networks(rows) if len(rows) > 1 else mean_over_subjects(found, rows, metric)).cell
