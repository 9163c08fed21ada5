"""Category decoding from spatial networks beside category-trained and untrained ones (Xie et al. 2025, figure E.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlspatial.compare.curves import (
    chance_line,
    control_notes,
    curve,
    layer_axis,
    panel_row,
    pixel_point,
)
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.grouping import FULL, PIXELS, REDUCED, choose, in_words, layer_label, layer_order, runs_of
from mlspatial.compare.latents import decoded, decoded_ids, fold_table
from mlspatial.compare.style import INK, legend, task_style, tidy

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.evidence import Evidence

TASKS = ("distance", "translation", "rotation", "distance+translation+rotation")
BESIDE = ("category", "untrained")


@FIGURES.register("figure_e1")
def figure_e1(evidence: Evidence) -> Drawing:
    """A panel a spatial task: its networks, category-trained and untrained ones, mean ± SD over runs times seeds."""
    chosen = choose(evidence, decoded_ids(evidence, "category"), reduced="category")
    rows = decoded(evidence, chosen.networks, "category")
    rows = rows[rows.task.isin([*TASKS, PIXELS]) | (rows.task.isin(BESIDE) & (rows.variability == FULL))]
    layers = layer_order(rows)
    table = fold_table(rows)
    place = {task: i for i, task in enumerate([*TASKS, *BESIDE, PIXELS])}
    table = table.assign(_t=table.task.map(place), _l=[layers.index(layer) for layer in table.layer])
    table = table.sort_values(["_t", "variability", "_l"]).drop(columns=["_t", "_l"]).reset_index(drop=True)
    there = set(table.task[table.variability != REDUCED])
    tasks = [task for task in TASKS if task in set(table.task)]
    missing = tuple(task_style(task).label for task in (*TASKS, *BESIDE) if task not in there)
    missing += () if PIXELS in there else ("Raw pixels",)
    if there == {PIXELS}:
        table = table.head(0)
    figure = _draw(table, layers, tasks) if len(table) else None
    table = table.drop(columns="group")
    return Drawing(
        "figure_e1", "Decoding of category from spatial, category-trained and untrained networks",
        _caption(table, layers), figure, table, runs_of(table), missing, control_notes(chosen, "category"),
    )  # fmt: skip


def _draw(table: pd.DataFrame, layers: tuple[str, ...], tasks: list[str]) -> Any:
    figure, axes = panel_row(max(len(tasks), 1))
    for axis, task in zip(axes, tasks or [""], strict=True):
        for name, shift in (("category", 0.08), ("untrained", -0.08)):
            own, look = table[table.task == name], task_style(name)
            if len(own):
                curve(axis, layers, own, colour=look.colour, marker=look.marker, label=look.label, shift=shift)
        for variability in (FULL, REDUCED):
            own = table[(table.task == task) & (table.variability == variability)]
            if len(own):
                look, dashed = task_style(task), variability == REDUCED
                curve(axis, layers, own, colour=look.colour, marker=look.marker, dashed=dashed)
        pixel_point(axis, layers, table)
        chance_line(axis, table)
        layer_axis(axis, layers)
        tidy(axis, title=task_style(task).label if task else "")
    axes[0].set_ylim(bottom=min(0.0, axes[0].get_ylim()[0]))
    tidy(axes[0], y="Accuracy, Object category")
    there = set(table.variability[table.task.isin(tasks)])
    for variability, dashes, face in ((FULL, "-", INK), (REDUCED, (0, (3, 2)), "white")):
        if variability in there:
            label = "Task of the panel" + (", reduced category variability" if variability == REDUCED else "")
            axes[0].plot(
                [], [], color=INK, linestyle=dashes, marker="o", markersize=4, markerfacecolor=face, label=label
            )
    legend(figure, columns=3 if len(tasks) > 1 else 2)
    return figure


def _caption(table: pd.DataFrame, layers: tuple[str, ...]) -> str:
    text = (
        "Accuracy of a linear classifier of the category on each layer of networks trained on spatial latents, beside "
        "category-trained and untrained networks; mean ± SD over cross-validation runs times seeds."
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
