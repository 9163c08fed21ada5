"""Read-outs of the last stage under conditions that they were not trained in, by condition and latent."""

from __future__ import annotations

from mlspatial.compare.absence import not_generalised
from mlspatial.compare.evidence import PIXELS, Evidence
from mlspatial.compare.grouping import layer_label
from mlspatial.compare.style import task_style
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.papers.geometry.carried import ACROSS, KEPT, LEAST, NONE, WITHIN, carried
from mlspatial.papers.geometry.numbers import EXPECTED

TITLE = "Generalisation of read-outs at the last stage, by condition and latent"
COLUMNS = {WITHIN: "within", ACROSS: "across", KEPT: "across ÷ within"}
CAPTION = (
    "Mean ± SD over seeds of r (accuracy of categories) at the last stage (pixels: of the images), on images of the "
    "conditions that read-outs are trained on (within) and of those left out (across); their quotient: both above "
    "chance."
)
TOO_LOW = f"not defined: read-outs are less than {LEAST} above chance within conditions"


@TABLES.register("table_generalisation")
def table_generalisation(evidence: Evidence) -> Table:
    """A row a condition and latent."""
    found = carried(evidence)
    body: dict[str, dict[str, Cell]] = {}
    for task in (*found.tasks, *([PIXELS] if PIXELS in set(found.rows.model_id) else [])):
        layer = PIXELS if task == PIXELS else found.last
        own = found.rows[(found.rows.task == task) & (found.rows.layer == layer)]
        name = "Raw pixels" if task == PIXELS else task_style(task).label
        for label, rows in own.groupby("label", sort=False):
            cells = {}
            for measure, column in COLUMNS.items():
                one = rows[rows.measure == measure].drop_duplicates("model_id")
                cells[column] = Cell.of(one.value, one.runs, counts=one.value.notna().astype(float), why=TOO_LOW)
            body[f"{name}, {label}"] = cells
    lost = [task for task in EXPECTED if task not in found.tasks]
    body |= {task_style(task).label: dict.fromkeys(COLUMNS.values(), Cell.missing(not_generalised(evidence, task)))
             for task in lost}  # fmt: skip
    last = (f"The last stage is {layer_label(found.last)}; images of {found.design}.",) if found.last else (NONE,)
    return Table("table_generalisation", TITLE, CAPTION, tuple(COLUMNS.values()), body, (*last, *found.notes),
                 "condition, latent")  # fmt: skip
