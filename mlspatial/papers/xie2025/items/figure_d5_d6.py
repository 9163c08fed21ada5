"""Figures D.5 and D.6: similarity between seeds of one task, full against reduced variability of another latent."""

from __future__ import annotations

from collections.abc import Sequence

from mlspatial.compare.curves import caps, panel_row
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.grouping import choose, group_pairs, similarities
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import task_style, tidy
from mlspatial.papers.xie2025 import variability

COLUMNS = ["task", "variability", "layer", "mean", "sd", "pairs", "over_stimuli", "run_ids"]


@FIGURES.register("figure_d5")
def figure_d5(evidence: Evidence) -> Drawing:
    """Translation: a panel a task, mean ± SD over pairs of different seeds at every layer."""
    return within_groups(evidence, "figure_d5", "translation", ("distance", "rotation", "category"))


@FIGURES.register("figure_d6")
def figure_d6(evidence: Evidence) -> Drawing:
    """Category: a panel a task, mean ± SD over pairs of different seeds at every layer."""
    return within_groups(evidence, "figure_d6", "category", ("distance", "translation", "rotation"))


def within_groups(evidence: Evidence, id: str, kind: str, published: Sequence[str]) -> Drawing:
    """kind: what varies fully or less; published: the tasks of the panels."""
    found = similarities(evidence)
    chosen = choose(evidence, found.ids, reduced=kind)
    pairs = group_pairs(found.pairs, chosen.networks)
    names = chosen.networks.drop_duplicates("group").set_index("group")[["task", "variability"]]
    table = pairs[pairs["first"] == pairs["second"]].join(names, on="first")
    tasks = [task for task in variability.shown_tasks(chosen, published) if (table.task == task).any()]
    table = variability.in_order(table[table.task.isin(tasks)][COLUMNS], found.layers, tasks)
    layers = [layer for layer in found.layers if layer in set(table.layer)]
    figure = None
    if tasks:
        figure, axes = panel_row(len(tasks))
        for axis, task in zip(axes, tasks, strict=True):
            variability.panel(axis, layers, table[table.task == task], task)
        tidy(axes[0], y=f"{found.label} within group")
        variability.legend(figure, axes[0], table.variability, variability.words_of(kind))
    caption = (
        f"{found.label} between networks of one group with different seeds, trained with full and with reduced {kind} "
        "variability; mean ± SD over pairs of networks." + caps(table)
    )
    for task in tasks:
        caption += variability.difference_at(table[table.task == task], found.layers[-1], task_style(task).label)
    notes = (*found.notes, *variability.notes(chosen, kind))
    missing = variability.absent(table, published, kind)
    title = f"Similarity within groups with full and reduced {kind} variability"
    return Drawing(id, title, caption, figure, table, run_ids(table.run_ids), missing, notes)
