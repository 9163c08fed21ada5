"""Similarity of each group to the others and within itself, layer by layer (Xie et al. 2025, figure D.2)."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlspatial.compare.curves import caps
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.grouping import (
    Similarities,
    choose,
    group_pairs,
    layer_label,
    similarities,
    toward,
    within_missing,
)
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import FAINT, INK, SMALL, legend, panels, task_style, tidy
from mlspatial.papers.xie2025.published import TRAINED

TITLE = "Similarity of each group to the others and within itself"
OTHERS, WITHIN = "all others", "within"


@FIGURES.register("figure_d2")
def figure_d2(evidence: Evidence) -> Drawing:
    """A panel a layer: for each task its networks against all others and among themselves, mean ± SD over pairs."""
    found = similarities(evidence)
    chosen = choose(evidence, found.ids)
    groups = chosen.groups(trained=True)
    networks = chosen.networks[chosen.networks.group.isin(groups)]
    pairs = found.pairs[found.pairs.layer.isin(found.four)]
    table = against_others(pairs, networks)
    groups = [name for name in groups if name in set(table.group)]
    missing = [task_style(task).label for task in TRAINED if task not in groups]
    have = set(table.group[table.against == WITHIN])
    missing += [within_missing(name) for name in groups if name not in have]
    figure = _draw(found, table, groups) if groups else None
    caption, notes = _caption(found, table), (*found.notes, *chosen.notes)
    return Drawing("figure_d2", TITLE, caption, figure, table, run_ids(table.run_ids), missing, notes)


def against_others(pairs: pd.DataFrame, networks: pd.DataFrame) -> pd.DataFrame:
    """layer, group, against (a group, OTHERS for all of them pooled, WITHIN), mean, sd over pairs, pairs, run_ids."""
    every = group_pairs(pairs, networks)
    parts = []
    for name in dict.fromkeys(networks.group):
        mine = toward(every, name)
        parts.append(mine.assign(group=name, against=mine.group.where(mine.group != name, WITHIN)))
        split = networks.assign(group=networks.group.where(networks.group == name, OTHERS))
        own = split.model_id[split.group == name]
        outward = pairs[pairs.model_a.isin(own) ^ pairs.model_b.isin(own)]
        parts.append(group_pairs(outward, split).assign(group=name, against=OTHERS))
    columns = ["layer", "group", "against", "mean", "sd", "pairs", "over_stimuli", "run_ids"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _draw(found: Similarities, table: pd.DataFrame, groups: list[str]) -> Any:
    layers = [layer for layer in found.four if layer in set(table.layer)]
    figure, axes = panels(len(layers), 4, width=2.0, height=max(1.6, 0.24 * len(groups) + 0.9), sharey=True)
    for axis, layer in zip(axes, layers, strict=True):
        here = table[table.layer == layer]
        for y, name in enumerate(groups):
            own, look = here[here.group == name], task_style(name)
            single = own[~own.against.isin([OTHERS, WITHIN])]
            if len(single) > 1:
                axis.plot(single["mean"], [y - 0.17] * len(single), "|", color=FAINT, markersize=4, markeredgewidth=0.8)
            for against, shift, face in ((OTHERS, -0.17, look.colour), (WITHIN, 0.17, "white")):
                row = own[own.against == against]
                if len(row):
                    axis.errorbar(row["mean"], [y + shift], xerr=row.sd, color=look.colour, marker=look.marker,
                                  markersize=4.5, markerfacecolor=face, linestyle="none", elinewidth=0.9)  # fmt: skip
                    axis.errorbar(row["mean"], [y + shift], xerr=row.over_stimuli, color=look.colour, linestyle="none",
                                  elinewidth=0.4, capsize=2, capthick=0.6, alpha=0.8)  # fmt: skip
        tidy(axis, x=found.label, title=layer_label(layer))
        axis.set_ylim(len(groups) - 0.5, -0.5)
        axis.set_yticks(range(len(groups)), [task_style(name).label for name in groups], fontsize=SMALL)
        axis.grid(axis="y", color="0.92", linewidth=0.6)
        axis.set_axisbelow(True)
    one = axes[0]
    one.plot([], [], "o", color=INK, markersize=4.5, label="To all other groups")
    one.plot([], [], "o", color=INK, markersize=4.5, markerfacecolor="white", label="Within the group")
    if len(groups) > 2:
        one.plot([], [], "|", color=FAINT, markersize=5, label="To each other group (mean)")
    legend(figure, columns=3)
    return figure


def _caption(found: Similarities, table: pd.DataFrame) -> str:
    text = (
        f"{found.label} of the networks of each group to those of all other groups (filled) and between different "
        "seeds of the group (hollow); bars: SD over pairs of networks." + caps(table)
    )
    for layer in dict.fromkeys(found.four):
        means = table[table.layer == layer].pivot_table(index="group", columns="against", values="mean")
        if {OTHERS, WITHIN} <= set(means.columns) and means[[OTHERS, WITHIN]].notna().all(axis=1).any():
            less = (means[WITHIN] - means[OTHERS]).dropna()
            text += f" {layer_label(layer)}: {less.mean():.2f} more alike within than to others on average"
            text += f", most for {task_style(str(less.idxmax())).label} ({less.max():.2f})." if len(less) > 1 else "."
    return text.replace(" -", " −")
