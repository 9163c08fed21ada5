"""Geometry of the last stage by condition and factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.compare.absence import untuned
from mlspatial.compare.evidence import PIXELS, Evidence
from mlspatial.compare.grouping import layer_label
from mlspatial.compare.style import task_style
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.papers.geometry.numbers import COVARIANCE, EXPECTED, FACTORISATION, INVARIANCE, NONE, seen

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Geometry of the last stage by condition and factor"
MEASURES = {
    FACTORISATION: "factorisation (PCA)", COVARIANCE: "factorisation (cov.)", INVARIANCE: "invariance",
    "dimension": "dimension", "turning": "turning (degrees)", "turning_plain": "turning, not debiased",
    "selectivity": "selectivity", "reliability": "reliability",
}  # fmt: skip
CAPTION = (
    "Mean ± SD over seeds at the last stage (pixels: of the images). Factorisation and invariance as Lindsey and Issa "
    "2024 define them; dimension: debiased participation ratio of a factor's mean curve; turning: angle between its "
    "successive steps, 0 for a straight line; selectivity, reliability: medians over channels."
)
NOT_DEFINED = "not defined: the factor makes no variance above chance there, or there are too few contexts"


@TABLES.register("table_geometry")
def table_geometry(evidence: Evidence) -> Table:
    """A row a condition and factor."""
    found = seen(evidence)
    body: dict[str, dict[str, Cell]] = {}
    for task in (*found.tasks, *([PIXELS] if PIXELS in set(found.rows.model_id) else [])):
        layer = PIXELS if task == PIXELS else found.last
        own = found.rows[(found.rows.task == task) & (found.rows.layer == layer)]
        name = "Raw pixels" if task == PIXELS else task_style(task).label
        for label in found.labels:
            body[f"{name}, factor {label}"] = _cells(own[own.label == label])
    lost = [task for task in EXPECTED if task not in found.tasks]
    body |= {task_style(task).label: dict.fromkeys(MEASURES.values(), Cell.missing(untuned(evidence, task)))
             for task in lost}  # fmt: skip
    last = (f"The last stage is {layer_label(found.last)}, the design {found.design}.",) if found.last else (NONE,)
    return Table("table_geometry", TITLE, CAPTION, tuple(MEASURES.values()), body, (*last, *found.notes),
                 "condition, factor", blank="no path: levels without an order")  # fmt: skip


def _cells(rows: pd.DataFrame) -> dict[str, Cell]:
    cells = {}
    for measure, column in MEASURES.items():
        own = rows[rows.measure == measure].drop_duplicates("model_id")
        if own.empty and measure.startswith("turning"):
            continue
        values = own.value.where(own.value.abs() < float("inf"))
        cells[column] = Cell.of(values, own.runs, counts=values.notna().astype(float), why=NOT_DEFINED)
    return cells
