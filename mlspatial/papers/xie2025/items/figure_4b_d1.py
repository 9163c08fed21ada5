"""Figures 4b and D.1: similarity of every task's networks to those of one group, over the layers."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mlspatial.compare.conditions import REFERENCES
from mlspatial.compare.curves import caps, curve, layer_axis
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.grouping import (
    Similarities,
    choose,
    group_pairs,
    in_words,
    layer_label,
    similarities,
    toward,
    within_missing,
)
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import INK, legend, sheet, spread, task_style, tidy
from mlspatial.papers.xie2025.published import TRAINED


@FIGURES.register("figure_4b")
def figure_4b(evidence: Evidence) -> Drawing:
    """To category-trained networks: a curve a task, the level between different seeds, untrained networks."""
    shown = [task for task in (*TRAINED, "untrained") if task != "category"]
    return to_group(evidence, "figure_4b", "Similarity to category-trained networks", "category", shown)


@FIGURES.register("figure_d1")
def figure_d1(evidence: Evidence) -> Drawing:
    """To ImageNet networks: a curve a task, the level between different seeds, untrained networks if any."""
    return to_group(evidence, "figure_d1", "Similarity to ImageNet networks", "imagenet", TRAINED)


def to_group(evidence: Evidence, id: str, title: str, reference: str, published: Sequence[str]) -> Drawing:
    """reference: the group; published: those that the published figure shows beside it."""
    found = similarities(evidence)
    chosen = choose(evidence, found.ids)
    table = toward(group_pairs(found.pairs, chosen.networks), reference).assign(reference=reference)
    table = table[table.group.isin([reference, "untrained", *chosen.groups(trained=True)])]
    table = table[["layer", "group", "reference", "mean", "sd", "pairs", "over_stimuli", "run_ids"]].reset_index(
        drop=True
    )
    own = task_style(reference).label
    there = set(table.group) if reference in chosen.groups() else set(chosen.groups())
    missing = tuple(task_style(task).label for task in published if task not in there)
    if reference not in set(table.group):
        missing += (within_missing(reference),) if reference in chosen.groups() else (own,)
    others = [name for name in chosen.groups() if name in set(table.group) and name != reference]
    figure = None
    if len(table):
        figure, axes = sheet(width=4.2, height=3.5)
        axis, layers = axes[0, 0], [layer for layer in found.layers if layer in set(table.layer)]
        inside = table[table.group == reference].set_index("layer").reindex(layers)
        if inside["mean"].notna().any():
            where = range(len(layers))
            label = f"Within {in_words(reference)}"
            axis.plot(where, inside["mean"], color=INK, linewidth=1.4, linestyle=(0, (4, 2)), label=label)
            band = inside.sd.fillna(0.0)
            axis.fill_between(where, inside["mean"] - band, inside["mean"] + band, color=INK, alpha=0.12, linewidth=0)
        for name, shift in zip(others, spread(len(others), min(0.12, 0.03 * len(others))), strict=True):
            curve(axis, layers, table[table.group == name], name, label=task_style(name).label, shift=shift)
        layer_axis(axis, layers)
        tidy(axis, y=f"{found.label} to {in_words(reference)} networks")
        legend(axis, columns=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    caption, notes = _caption(found, table, reference), (*found.notes, *chosen.notes)
    return Drawing(id, title, caption, figure, table, run_ids(table.run_ids), missing, notes)


def _caption(found: Similarities, table: pd.DataFrame, reference: str) -> str:
    own = in_words(reference)
    text = f"{found.label} to networks trained on {own}, by layer; mean ± SD over pairs of networks."
    text += caps(table)
    if reference in set(table.group):
        text += " Dashed: within that group, between different seeds."
    layers = [layer for layer in found.layers if layer in set(table.layer)]
    for layer in dict.fromkeys([layers[0], layers[-1]]) if layers else ():
        part = table[table.layer == layer].set_index("group")["mean"]
        tasks = part.drop([reference, *REFERENCES], errors="ignore")
        said = []
        if len(tasks) > 1:
            said.append(f"from {tasks.min():.2f} ({task_style(str(tasks.idxmin())).label}) to {tasks.max():.2f} "
                        f"({task_style(str(tasks.idxmax())).label})")  # fmt: skip
        elif len(tasks):
            said.append(f"{tasks.iloc[0]:.2f} ({task_style(str(tasks.index[0])).label})")
        if reference in part:
            said.append(f"{part[reference]:.2f} within the group")
        if "untrained" in part:
            said.append(f"{part['untrained']:.2f} for untrained networks")
        text += f" {layer_label(layer)}: {', '.join(said)}."
    return text
