"""Category decoding from spatial networks beside category-trained and untrained ones (Xie et al. 2025, figure E.1)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlspatial.compare.curves import caps, chance_line, curve, layer_axis, panel_row, pixel_point
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.grouping import FULL, PIXELS, REDUCED, choose, in_words, layer_label, layer_order
from mlspatial.compare.latents import decoded, decoded_ids, fold_table
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import task_style, tidy
from mlspatial.papers.xie2025 import variability

TITLE = "Decoding of category from spatial, category-trained and untrained networks"
TASKS = ("distance", "translation", "rotation", "distance+translation+rotation")
BESIDE = ("category", "untrained")
LEGEND = ("Task of the panel", "Task of the panel, reduced category variability")


@FIGURES.register("figure_e1")
def figure_e1(evidence: Evidence) -> Drawing:
    """A panel a spatial task: its networks, category-trained and untrained ones, mean ± SD over runs times seeds."""
    chosen = choose(evidence, decoded_ids(evidence, "category"), reduced="category")
    rows = decoded(evidence, chosen.networks, "category")
    rows = rows[rows.task.isin([*TASKS, PIXELS]) | (rows.task.isin(BESIDE) & (rows.variability == FULL))]
    layers = layer_order(rows)
    table = variability.in_order(fold_table(rows), layers, [*TASKS, *BESIDE, PIXELS]).drop(columns="group")
    there = set(table.task[table.variability != REDUCED])
    tasks = [task for task in TASKS if task in set(table.task)]
    missing = tuple(task_style(task).label for task in (*TASKS, *BESIDE) if task not in there)
    missing += () if PIXELS in there else ("Raw pixels",)
    if there == {PIXELS}:
        table = table.head(0)
    figure, notes = _draw(table, layers, tasks) if len(table) else None, variability.notes(chosen, "category")
    return Drawing("figure_e1", TITLE, _caption(table, layers), figure, table, run_ids(table.run_ids), missing, notes)


def _draw(table: pd.DataFrame, layers: tuple[str, ...], tasks: list[str]) -> Any:
    figure, axes = panel_row(max(len(tasks), 1))
    for axis, task in zip(axes, tasks or [""], strict=True):
        for name, shift in (("category", 0.08), ("untrained", -0.08)):
            curve(axis, layers, table[table.task == name], name, label=task_style(name).label, shift=shift)
        for side in (FULL, REDUCED):
            own = table[(table.task == task) & (table.variability == side)]
            curve(axis, layers, own, task, dashed=side == REDUCED)
        pixel_point(axis, layers, table)
        chance_line(axis, table)
        layer_axis(axis, layers)
        tidy(axis, title=task_style(task).label if task else "")
    axes[0].set_ylim(bottom=min(0.0, axes[0].get_ylim()[0]))
    tidy(axes[0], y="Accuracy, Object category")
    variability.legend(figure, axes[0], table.variability[table.task.isin(tasks)], LEGEND, columns=3)
    return figure


def _caption(table: pd.DataFrame, layers: tuple[str, ...]) -> str:
    text = (
        "Accuracy of a linear classifier of the category on each layer of networks trained on spatial latents, beside "
        "category-trained and untrained networks; mean ± SD over cross-validation runs times seeds." + caps(table)
    )
    full = table[table.variability == FULL]
    for layer in layers:
        part = full[full.layer == layer].set_index("task")["mean"]
        spatial = part.drop(list(BESIDE), errors="ignore")
        if spatial.empty or not set(BESIDE) & set(part.index):
            continue
        said = [f"spatial {spatial.mean():.2f} on average"]
        said += [f"{in_words(name)} {part[name]:.2f}" for name in BESIDE if name in part]
        text += f" {layer_label(layer)}: {', '.join(said)}."
    return text
