"""Mean similarity between every two groups of networks at four layers (Xie et al. 2025, figure 4a)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.grouping import (
    Similarities,
    choose,
    group_pairs,
    layer_label,
    similarities,
    within_missing,
)
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import FAINT, SMALL, TEXT, panels, task_style, tidy
from mlspatial.papers.xie2025.published import TRAINED

TITLE = "Similarity between and within groups of networks"
MOST_WITH_NUMBERS = 14  # groups; in smaller cells two digits do not fit


@FIGURES.register("figure_4a")
def figure_4a(evidence: Evidence) -> Drawing:
    """A matrix a layer; on the diagonal the similarity between different seeds of one group."""
    found = similarities(evidence)
    chosen = choose(evidence, found.ids)
    groups = chosen.groups(trained=True)
    pairs = found.pairs[found.pairs.layer.isin(found.four)]
    networks = chosen.networks[chosen.networks.group.isin(groups)]
    table = group_pairs(pairs, networks)
    groups = [name for name in groups if name in {*table["first"], *table["second"]}]
    missing = [task_style(task).label for task in TRAINED if task not in groups]
    alone = [name for name in groups if not ((table["first"] == name) & (table["second"] == name)).any()]
    missing += [within_missing(name) for name in alone]
    figure = _draw(found, table, groups) if groups else None
    caption, notes = _caption(found, table), (*found.notes, *chosen.notes)
    return Drawing("figure_4a", TITLE, caption, figure, table, run_ids(table.run_ids), missing, notes)


def _draw(found: Similarities, table: pd.DataFrame, groups: list[str]) -> Any:
    from matplotlib import colormaps

    layers = [layer for layer in found.four if layer in set(table.layer)]
    size = max(2.2, 0.27 * len(groups) + 0.9)
    figure, axes = panels(len(layers), 2, lettered=False, width=size, height=size, sharex=True, sharey=True)
    low = min(np.floor(10 * table["mean"].min()) / 10, 0.9)
    shades = colormaps["cividis"].with_extremes(bad="0.92")
    image = None
    names = [task_style(name).short for name in groups]
    for axis, layer in zip(axes, layers, strict=True):
        matrix = np.full((len(groups), len(groups)), np.nan)
        for row in table[table.layer == layer].to_dict("records"):
            i, j = groups.index(row["first"]), groups.index(row["second"])
            matrix[i, j] = matrix[j, i] = row["mean"]
        image = axis.imshow(matrix, vmin=low, vmax=1.0, cmap=shades)
        if len(groups) <= MOST_WITH_NUMBERS:
            _numbers(axis, matrix, low)
        tidy(axis, title=layer_label(layer))
        axis.set_xticks(range(len(groups)), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=SMALL)
        axis.set_yticks(range(len(groups)), names, fontsize=SMALL)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
    bar = figure.colorbar(image, ax=figure.axes, shrink=0.6, aspect=25)
    bar.set_label(found.label, fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL, color=FAINT)
    bar.outline.set_visible(False)
    return figure


def _numbers(axis: Any, matrix: np.ndarray, low: float) -> None:
    """Two digits in every cell, dark on light and light on dark; a dash where a group has one seed."""
    for (i, j), value in np.ndenumerate(matrix):
        text = "–" if np.isnan(value) else f"{value:.2f}".replace("0.", ".", 1)
        light = np.isnan(value) or (value - low) / (1 - low) > 0.55
        axis.text(j, i, text, ha="center", va="center", fontsize=SMALL, color="black" if light else "white")


def _caption(found: Similarities, table: pd.DataFrame) -> str:
    text = (
        f"Mean {found.words} over pairs of networks of two groups; on the diagonal between networks of one group with "
        "different seeds."
    )
    for layer in dict.fromkeys(table.layer):
        part = table[table.layer == layer]
        same = part["first"] == part["second"]
        said = [f"{part['mean'][~same].mean():.2f} between groups on average"] if (~same).any() else []
        said += [f"{part['mean'][same].mean():.2f} within"] if same.any() else []
        text += f" {layer_label(layer)}: {', '.join(said)}."
    between = table[table["first"] != table["second"]]
    if len(between) and table["first"].nunique() > 1:
        last = between[between.layer == between.layer.iloc[-1]]
        least = last.loc[last["mean"].idxmin()]
        pair = f"{task_style(least['first']).label} and {task_style(least['second']).label}"
        text += f" Least alike at {layer_label(least.layer)}: {pair} ({least['mean']:.2f})."
    return text
