"""Figure C.4: the best layer of every region, under the curve of similarity to category-trained networks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import BEHAVIOR, REGIONS, Evidence
from mlspatial.compare.grouping import group_pairs, layer_label, layer_order, similarities, toward
from mlspatial.compare.run_ids import run_ids, run_text
from mlspatial.compare.scores import committed
from mlspatial.compare.selection import Chosen, absent, choose, runs_of
from mlspatial.compare.style import REGION_COLOURS, SMALL, letters, ordered, sheet, task_style, ticks, tidy
from mlspatial.compare.words import mean_text, region_label

ARCH = "resnet18"  # Xie et al. 2025, figure C.4
PUBLISHED = ("category", "distance", "translation", "rotation", "all", "imagenet", "untrained")  # panels a to g
METRIC = "cka"
TITLE = "Layer assignment and similarity to category-trained networks"
COLUMNS = ["task", "label", "kind", "region", "layer", "depth", "n", "of", "mean", "sd", "run_ids"]
ROWS = (*REGIONS, BEHAVIOR)


@FIGURES.register("figure_c4")
def figure_c4(evidence: Evidence) -> Drawing:
    """The published seven tasks; those that are there instead when none of the seven is. Source: Xie et al. 2025."""
    chosen = choose(evidence, ARCH)
    finals = chosen.finals()
    picked, nameless = _picked(evidence, chosen, finals)
    if picked.empty:
        caption = "No network has a best layer for a region."
        if nameless:
            caption = f"No best layer is known: the scores of {', '.join(nameless)} were imported without their layers."
            return Drawing.empty("figure_c4", TITLE, caption, COLUMNS, [f"Layers of {task}" for task in nameless])
        return Drawing.empty("figure_c4", TITLE, caption, COLUMNS, absent(PUBLISHED, ()))
    found = set(picked.task)
    tasks = [task for task in PUBLISHED if task in found] or ordered(found)
    finals = finals[finals.task.isin(tasks)]
    named = evidence.scores[evidence.scores.layer.fillna("") != ""]
    layers = list(layer_order(named[named.model_id.isin(finals.model_id)]))
    curves = _curves(evidence, finals, layers)
    dots = picked[picked.task.isin(tasks)]
    data = pd.concat([part for part in (dots, curves) if len(part)], ignore_index=True)[COLUMNS]
    missing, notes = absent(PUBLISHED, tasks), list(chosen.notes)
    if nameless:
        notes.append(f"Not drawn are scores of {', '.join(nameless)} that were imported without their layers.")
    lacking = [task for task in tasks if task not in set(curves.task)]
    missing += [f"{task_style(task).label}, similarity to category-trained networks" for task in lacking]
    if unplaced := sorted(set(_pairs(evidence, finals).layer) - set(layers)):
        notes.append(f"Similarity at {', '.join(unplaced)} is not drawn: no candidates for a region.")
    runs = run_ids(runs_of(finals), data.run_ids)
    caption, figure = _caption(chosen, dots, curves, tasks), _draw(data, tasks, layers)
    return Drawing("figure_c4", TITLE, caption, figure, data, runs, missing, notes)


def _picked(evidence: Evidence, chosen: Chosen, finals: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """task, region, layer: how many networks (n) of how many (of) have their best layer there; and the labels of the
    tasks that have scores whose layer nobody says."""
    used = [name for region in chosen.regions for name in chosen.benchmarks[region]]
    best = committed(evidence)
    best = best[best.benchmark.isin(used) & best.region.isin(ROWS)].drop_duplicates(["model_id", "benchmark"])
    best = best.merge(finals[["model_id", "task"]], on="model_id")
    unsaid = best.layer.fillna("") == ""
    nameless = [task_style(task).label for task in ordered(set(best.task[unsaid]))]
    best = best[~unsaid]
    rows = []
    for (task, region), part in best.groupby(["task", "region"], sort=False):
        for layer, here in part.groupby("layer", sort=False):
            rows.append(
                {"task": task, "label": task_style(str(task)).label, "kind": "best layer", "region": region,
                 "layer": layer, "depth": here.depth.iloc[0], "n": here.model_id.nunique(),
                 "of": part.model_id.nunique(), "run_ids": run_text(here.run_id)}
            )  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS), nameless


def _pairs(evidence: Evidence, finals: pd.DataFrame) -> pd.DataFrame:
    pairs = similarities(replace(evidence, pairs=evidence.pairs[evidence.pairs.metric == METRIC])).pairs
    return pairs[pairs.model_a.isin(finals.model_id) & pairs.model_b.isin(finals.model_id)]


def _curves(evidence: Evidence, finals: pd.DataFrame, layers: list[str]) -> pd.DataFrame:
    """task, layer: mean and SD (n - 1) over pairs with category networks; those of category itself differ in seed."""
    pairs = _pairs(evidence, finals)
    networks = finals.assign(group=finals.task, seed=finals.replicate)
    table = toward(group_pairs(pairs[pairs.layer.isin(layers)], networks), "category")
    labels = [task_style(task).label for task in table.group]
    depths = [layers.index(layer) for layer in table.layer]
    table = table.assign(
        task=table.group, label=labels, kind="similarity", region="", depth=depths, n=table.pairs, of=table.pairs
    )
    return table[COLUMNS].sort_values(["task", "depth"])


def _caption(chosen: Chosen, dots: pd.DataFrame, curves: pd.DataFrame, tasks: list[str]) -> str:
    text = (
        f"Best predicting layers of {chosen.label} networks, by training task. Dots: layers chosen for a region, the "
        "area for the share of the networks, the number their count where they disagree."
    )
    if len(curves):
        text += " Curves: linear CKA with category-trained networks, mean and one SD over pairs of networks (n − 1)"
        ends = [curves[curves.task == task].iloc[-1] for task in tasks if task in set(curves.task)]
        said = [
            f"{end.label} {mean_text(end['mean'], end.sd, 2)} at {layer_label(end.layer)} "
            f"({end.n} pair{'s' if end.n > 1 else ''})"
            for end in ends
        ]
        text += f": {'; '.join(said)}."
    if "category" in tasks and len(curves):
        text += " Category: networks of different seeds."
    return text


def _draw(data: pd.DataFrame, tasks: list[str], layers: list[str]) -> Any:
    columns = min(len(tasks), 2 if len(tasks) == 2 else 3)
    lines = -(-len(tasks) // columns)
    regions = [region for region in ROWS if region in set(data.region)]
    has_curve = bool((data.kind == "similarity").any())
    heights = (1.0, 0.16 * len(regions) + 0.1)
    total = (sum(heights) if has_curve else heights[1] + 0.3) + 0.85
    rows = 2 * lines if has_curve else lines
    figure, grid = sheet(
        rows, columns, width=2.45 if columns > 1 else 3.4, height=total * lines / rows,
        gridspec_kw={"height_ratios": [*(heights if has_curve else (1.0,))] * lines},
    )  # fmt: skip
    figure.get_layout_engine().set(h_pad=0.03)
    heads = []
    for place, task in enumerate(tasks):
        line, column = divmod(place, columns)
        if has_curve:
            top, below = grid[2 * line, column], grid[2 * line + 1, column]
            _curve(top, data[(data.task == task) & (data.kind == "similarity")], task, layers)
            tidy(top, title=task_style(task).label, y="CKA to\ncategory" if column == 0 else "")
        else:
            top = below = grid[line, column]
            tidy(top, title=task_style(task).label)
        _dots(below, data[(data.task == task) & (data.kind == "best layer")], regions, layers, column == 0)
        heads.append(top)
    for spare in range(len(tasks), lines * columns):
        line, column = divmod(spare, columns)
        for axis in grid[2 * line : 2 * line + 2, column] if has_curve else [grid[line, column]]:
            axis.set_axis_off()
    letters(heads)
    return figure


def _curve(axis: Any, part: pd.DataFrame, task: str, layers: list[str]) -> None:
    look = task_style(task)
    part = part.sort_values("depth")
    axis.errorbar(part.depth.astype(float), part["mean"], part.sd, color=look.colour, marker=look.marker, markersize=4,
                  linewidth=1.2, capsize=2, elinewidth=0.9)  # fmt: skip
    if part.empty:
        axis.text(0.5, 0.5, "no similarities", transform=axis.transAxes, ha="center", fontsize=SMALL, color="#777777")
    axis.set_xlim(-0.6, len(layers) - 0.4)
    axis.set_ylim(min(0, float(part["mean"].min() if len(part) else 0)), 1.05)
    axis.set_xticks(range(len(layers)), [""] * len(layers))


def _dots(axis: Any, part: pd.DataFrame, regions: list[str], layers: list[str], named: bool) -> None:
    for row in part.itertuples():
        x, y = layers.index(row.layer), regions.index(row.region)
        axis.scatter(x, y, s=12 + 48 * row.n / row.of, color=REGION_COLOURS[row.region], linewidths=0, zorder=2)
        if row.n < row.of:
            axis.annotate(str(row.n), (x, y), (0.45, 0), textcoords="offset fontsize", fontsize=SMALL, va="center")
    for y in range(len(regions)):
        axis.axhline(y, color="#dddddd", linewidth=0.6, zorder=0)
    axis.set_xlim(-0.6, len(layers) - 0.4)
    axis.set_ylim(len(regions) - 0.4, -0.6)
    axis.set_yticks(range(len(regions)), [region_label(region) if named else "" for region in regions])
    ticks(axis, [layer_label(layer) for layer in layers], slant=90)
    for label in axis.get_xticklabels():
        label.set_verticalalignment("center")
