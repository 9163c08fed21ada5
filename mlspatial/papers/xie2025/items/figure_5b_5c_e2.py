"""Figures 5b, 5c and E.2: decoding of a latent that is no target, full against reduced variability, over the layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlspatial.compare.curves import caps, chance_line, panel_row, pixel_point
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.grouping import FULL, PIXELS, REDUCED, choose, layer_label, layer_order
from mlspatial.compare.latents import decoded, decoded_ids, fold_table, layer_tests, measure_of
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import INK, TEXT, task_style, tidy
from mlspatial.compare.words import STAR, latent_label, stars
from mlspatial.papers.xie2025 import variability

#: latent -> in a title, within a sentence
WORDS = {
    "x": ("translation X", "x (translation)"), "y": ("translation Y", "y (translation)"),
    "category": ("category", "the object category"),
}  # fmt: skip
MEASURE_LABELS = {"accuracy": "Accuracy", "pearson_r": "Pearson r"}
POOLED = (
    "Stars: two-sided Mann-Whitney U over cross-validation runs times seeds, p < .05 in each layer on its own, as "
    "published. Runs of one network are not independent, so these p values are too small"
)


@FIGURES.register("figure_5b")
def figure_5b(evidence: Evidence) -> Drawing:
    """Category from spatial networks: a panel a task, stars where full and reduced variability differ."""
    return contrast(evidence, "figure_5b", "category", "category", ("distance", "translation", "rotation"))


@FIGURES.register("figure_5c")
def figure_5c(evidence: Evidence) -> Drawing:
    """x from networks that were not trained on it."""
    return contrast(evidence, "figure_5c", "x", "translation", ("distance", "rotation", "category"))


@FIGURES.register("figure_e2")
def figure_e2(evidence: Evidence) -> Drawing:
    """y from networks that were not trained on it."""
    return contrast(evidence, "figure_e2", "y", "translation", ("distance", "rotation", "category"))


def contrast(evidence: Evidence, id: str, latent: str, kind: str, published: Sequence[str]) -> Drawing:
    """latent: decoded; kind: what varies fully or less; published: the tasks of the panels."""
    chosen = choose(evidence, decoded_ids(evidence, latent), reduced=kind)
    tasks = variability.shown_tasks(chosen, published)
    rows = decoded(evidence, chosen.networks, latent)
    rows = rows[rows.task.isin([*tasks, PIXELS])]
    tests = {task: layer_tests(rows, f"{task}, {FULL}", f"{task}, {REDUCED}") for task in tasks}
    layers = layer_order(rows)
    table = variability.in_order(fold_table(rows), layers, [*tasks, PIXELS]).drop(columns="group")
    found = [tests.get(task, {}).get(layer, {}) for task, layer in zip(table.task, table.layer, strict=True)]
    for name in ("p", "p_holm", "p_networks"):
        table[name] = [test.get(name, np.nan) for test in found]
    table["star"] = [stars(p) == "*" for p in table.p]
    figure = None
    if tasks:
        figure, axes = panel_row(len(tasks))
        for axis, task in zip(axes, tasks, strict=True):
            variability.panel(axis, layers, table[table.task == task], task)
            pixel_point(axis, layers, table)
            chance_line(axis, table[table.task == task])
        variability.legend(figure, axes[0], table.variability, variability.words_of(kind))
        low, high = axes[0].get_ylim()
        axes[0].set_ylim(min(low, 0.0), high + 0.08 * (high - low))
        for axis, task in zip(axes, tasks, strict=True):
            for layer in dict.fromkeys(table.layer[(table.task == task) & table.star]):
                top = table[(table.task == task) & (table.layer == layer)]
                height = (top["mean"] + top.sd.fillna(0.0)).max()
                axis.annotate("*", (layers.index(layer), height), (0, 1), textcoords="offset points", ha="center",
                              fontsize=TEXT + 2, color=INK)  # fmt: skip
        tidy(axes[0], y=f"{MEASURE_LABELS[measure_of(latent)]}, {latent_label(latent)}")
    tested = any(tests.values())
    caption = (
        f"Linear decoding of {WORDS[latent][1]} from each layer of networks trained on other targets, with full "
        f"and with reduced {kind} variability; mean ± SD over cross-validation runs times seeds"
    )
    caption += "; * p < .05, Mann-Whitney U." if tested else "."
    caption += caps(table)
    caption += "".join(_gain(table[table.task == task], task) for task in tasks)
    missing = variability.absent(table, published, kind) + (() if (table.task == PIXELS).any() else ("Raw pixels",))
    notes = (*([_independence(table)] if tested else []), *variability.notes(chosen, kind))
    data = table if tasks else table.head(0)
    title = f"Decoding of {WORDS[latent][0]} with full and reduced {kind} variability"
    return Drawing(id, title, caption, figure, data, run_ids(data.run_ids), missing, notes)


def _gain(table: pd.DataFrame, task: str) -> str:
    """A sentence: in how many layers full variability decodes better, and where most."""
    both = table.pivot_table(index="layer", columns="variability", values="mean", sort=False)
    if not {FULL, REDUCED} <= set(both.columns):
        return ""
    both = both.dropna()
    more = both[FULL] - both[REDUCED]
    if more.empty:
        return ""
    starred = set(table.layer[table.star])
    better = sum(layer in starred and more[layer] > 0 for layer in more.index)
    worse = sum(layer in starred and more[layer] < 0 for layer in more.index)
    at = more.abs().idxmax()
    return (
        f" {task_style(task).label}: better with full variability in {better} of {len(more)} layers and worse in "
        f"{worse} (p < .05), largest difference {more[at]:+.2f} at {layer_label(str(at))}."
    ).replace("-", "−")


def _independence(table: pd.DataFrame) -> str:
    tested = table[table.p.notna()].drop_duplicates(["task", "layer"])
    text = f"{POOLED}: {int(tested.star.sum())} of {len(tested)} tests bear a star"
    sides = table.pivot_table(index=["task", "layer"], columns="variability", values="networks")
    able = [
        row.p_networks
        for row in tested.itertuples()
        if 2 / math.comb(int(sides.loc[(row.task, row.layer)].sum()), int(sides.loc[(row.task, row.layer), FULL]))
        < STAR
    ]  # the smallest p of the exact test: all of one side above all of the other
    if not able:
        return text + "; with one value a network there are too few networks for any."
    return text + f"; with one value a network {sum(p < STAR for p in able)} of {len(able)} would."
