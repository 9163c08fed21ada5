"""Figures C.1 and C.3: neural and behavioural alignment of ResNet-50 and ResNet-18 networks, task by task."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import BEHAVIOR, REGIONS, Evidence
from mlspatial.compare.selection import absent, choose, error_words, errors, run_texts, runs_of, summary
from mlspatial.compare.style import TASKS, ordered, panels, spread, task_style, ticks, tidy, whiskers
from mlspatial.compare.words import arch_label, means_text, region_label

PANELS = ("neural_mean", *REGIONS, BEHAVIOR)  # a to f
COLUMNS = ["panel", "task", "label", "outputs", "model_id", "seed", "score", "error", "mean", "sd", "n", "run_ids"]


@FIGURES.register("figure_c1")
def figure_c1(evidence: Evidence) -> Drawing:
    """ResNet-50. Source: Xie et al. 2025, figure C.1."""
    return by_task(evidence, "figure_c1", "resnet50")


@FIGURES.register("figure_c3")
def figure_c3(evidence: Evidence) -> Drawing:
    """ResNet-18. Source: Xie et al. 2025, figure C.3."""
    return by_task(evidence, "figure_c3", "resnet18")


def by_task(evidence: Evidence, name: str, arch: str) -> Drawing:
    """A panel for the neural mean, each region and behaviour: mean, SD and single seeds of every task."""
    title = f"Alignment of {arch_label(arch)} networks by task"
    chosen = choose(evidence, arch)
    rows = chosen.finals()
    if rows.empty or not chosen.regions:
        everything = (*absent(TASKS, ()), *(region_label(panel) for panel in PANELS[1:]))
        return Drawing.empty(name, title, "No network has a score.", COLUMNS, everything)
    title = f"Alignment of {chosen.label} networks by task"
    shown = [panel for panel in PANELS if panel in rows and rows[panel].notna().any()]
    if len(chosen.neural) == 1:
        shown.remove("neural_mean")
    data = pd.concat([_panel(rows, panel) for panel in shown], ignore_index=True)
    missing = absent(TASKS, rows.task) + [region_label(p) for p in PANELS[1:] if p not in shown]
    first = data[data.panel == shown[0]].drop_duplicates("task")
    caption = (
        f"Ceiled scores of {chosen.label} networks, by training task. Points: networks; bars: mean and one SD over "
        f"seeds (n − 1).{error_words(data.error, 'Thin lines:')} Ceiled: {chosen.ceiled_by}. "
        f"{region_label(shown[0])}: {means_text(first)}."
    )
    return Drawing(name, title, caption, _draw(data, shown), data, runs_of(rows), missing, chosen.notes)


def _panel(rows: pd.DataFrame, panel: str) -> pd.DataFrame:
    """One row a network, with its task's mean, SD and n."""
    parts = []
    for task, group in rows.groupby("task", sort=False):
        kept = group[group[panel].notna()]
        if kept.empty:
            continue
        facts = summary(kept, panel)
        facts |= {"run_ids": run_texts(kept), "error": errors(kept, panel)}
        label = task_style(str(task)).label
        parts.append(kept.assign(panel=panel, label=label, score=kept[panel].astype(float), **facts)[COLUMNS])
    return pd.concat(parts, ignore_index=True)


def _draw(data: pd.DataFrame, shown: list[str]) -> Any:
    tasks = ordered(data.task)
    columns = min(len(shown), 2)
    width = 3.5 if columns == 2 else max(3.2, 0.42 * len(tasks))
    figure, axes = panels(len(shown), 2, width=width, height=2.0 if len(shown) > 2 else 2.6)
    for number, (axis, panel) in enumerate(zip(axes, shown, strict=True)):
        part = data[data.panel == panel]
        for place, task in enumerate(tasks):
            mine = part[part.task == task]
            if mine.empty:
                continue
            look = task_style(task)
            at = place + spread(len(mine), 0.22)
            whiskers(axis, at, mine.score, mine.error, look.colour)
            axis.scatter(at, mine.score, color=look.colour, marker=look.marker, s=11, alpha=0.8, linewidths=0, zorder=3)
            axis.errorbar(place, mine["mean"].iloc[0], mine.sd.iloc[0], color=look.colour, capsize=2.5, elinewidth=1.1)
            axis.hlines(mine["mean"].iloc[0], place - 0.33, place + 0.33, color=look.colour, linewidth=1.6)
        axis.set_xlim(-0.6, len(tasks) - 0.4)
        axis.margins(y=0.12)
        lowest = number + columns >= len(shown)
        ticks(axis, [task_style(task).label if lowest else "" for task in tasks])
        tidy(axis, y="Ceiled score", title=region_label(panel))
    return figure
