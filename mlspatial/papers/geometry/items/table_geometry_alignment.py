"""Correlations of factorisation and invariance with brain alignment over networks."""

from __future__ import annotations

import numpy as np

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.compare.words import region_label
from mlspatial.papers.geometry.alignment import FEWEST_CONDITIONS, link, points
from mlspatial.papers.geometry.numbers import MEASURES

TITLE = "Correlation of factorisation and invariance with brain alignment"
CAPTION = (
    "Pearson's r over networks between what they do with a design and their ceiled score, with a 95 % bootstrap "
    "interval in which conditions and their seeds are drawn anew; trained: without untrained networks."
)
FEW = f"fewer than 4 networks, or no spread; an interval needs {FEWEST_CONDITIONS} conditions"


@TABLES.register("table_geometry_alignment")
def table_geometry_alignment(evidence: Evidence) -> Table:
    """A row a factor and measure, a column a region, of all and of trained networks."""
    found = points(evidence)
    body: dict[str, dict[str, Cell]] = {}
    columns: list[str] = []
    for region in found.regions:
        columns += [region_label(region), f"{region_label(region)}, trained"]
        for label in found.labels:
            for measure, words in MEASURES.items():
                if found.of(region, label, measure).empty:
                    continue
                cells = body.setdefault(f"{label}, {words.lower().replace('pca', 'PCA')}", {})
                for column, trained in zip(columns[-2:], (False, True), strict=True):
                    rows = found.of(region, label, measure, trained=trained)
                    made = link(rows.value.to_numpy(), rows.score.to_numpy(), rows.condition.tolist())
                    runs = run_ids(rows.run_ids)
                    cells[column] = (
                        Cell(made.pearson, np.nan, runs, made.n, made.low, made.high)
                        if np.isfinite(made.pearson)
                        else Cell.missing(FEW)
                    )
    where = [f"{region_label(region)}: {words}." for region, words in found.where.items()]
    notes = (*where, *found.notes) if body else (found.why,)
    return Table("table_geometry_alignment", TITLE, CAPTION, tuple(columns), body, notes, "factor, measure")
