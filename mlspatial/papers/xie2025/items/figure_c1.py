"""Figure C.1: neural and behavioural alignment of ResNet-50 networks, task by task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import BEHAVIOR, REGIONS, Evidence
from mlspatial.compare.selection import Chosen, absent, choose, run_texts, runs_of, summary
from mlspatial.compare.style import (
    TASKS,
    arch_label,
    drop,
    letters,
    mean_text,
    ordered,
    region_label,
    sheet,
    spread,
    task_style,
    ticks,
    tidy,
)

if TYPE_CHECKING:
    import pandas as pd

PANELS = ("neural_mean", *REGIONS, BEHAVIOR)  # a to f
COLUMNS = ["panel", "task", "label", "outputs", "model_id", "seed", "score", "mean", "sd", "n", "run_ids"]


@FIGURES.register("figure_c1")
def figure_c1(evidence: Evidence) -> Drawing:
    """Source: Xie et al. 2025, figure C.1."""
    return by_task(evidence, "figure_c1", "resnet50")


def by_task(evidence: Evidence, name: str, arch: str) -> Drawing:
    """A panel for the neural mean, each region and behaviour: mean, SD and single seeds of every task."""
    import pandas as pd

    title = f"Alignment of {arch_label(arch)} networks by task"
    chosen = choose(evidence, arch)
    rows = chosen.finals() if chosen else None
    if chosen is None or rows is None or rows.empty or not chosen.regions:
        empty = pd.DataFrame(columns=COLUMNS)
        everything = (*absent(TASKS, ()), *(region_label(panel) for panel in PANELS[1:]))
        return Drawing(name, title, "No network has a score.", None, empty, (), everything)
    title = f"Alignment of {chosen.label} networks by task"
    panels = [panel for panel in PANELS if panel in rows and rows[panel].notna().any()]
    if len(chosen.neural) == 1:
        panels.remove("neural_mean")
    data = pd.concat([_panel(rows, panel) for panel in panels], ignore_index=True)
    missing = absent(TASKS, rows.task) + [region_label(p) for p in PANELS[1:] if p not in panels]
    first = data[data.panel == panels[0]].drop_duplicates("task")
    means = "; ".join(f"{row.label} {mean_text(row.mean, row.sd)} (n = {row.n})" for row in first.itertuples())
    caption = (
        f"Ceiled scores of {chosen.label} networks, by training task. Points: networks; bars: mean and one SD over "
        f"seeds (n − 1). {region_label(panels[0])}: {means}."
    )
    notes = tuple(chosen.notes)
    return Drawing(name, title, caption, _draw(chosen, data, panels), data, runs_of(rows), tuple(missing), notes)


def _panel(rows: pd.DataFrame, panel: str) -> pd.DataFrame:
    """One row a network, with its task's mean, SD and n."""
    import pandas as pd

    parts = []
    for task, group in rows.groupby("task", sort=False):
        kept = group[group[panel].notna()]
        if kept.empty:
            continue
        facts = summary(kept, panel)
        facts["run_ids"] = run_texts(kept)
        label = task_style(str(task)).label
        parts.append(kept.assign(panel=panel, label=label, score=kept[panel].astype(float), **facts)[COLUMNS])
    return pd.concat(parts, ignore_index=True)


def _draw(chosen: Chosen, data: pd.DataFrame, panels: list[str]) -> Any:
    tasks = ordered(data.task)
    columns = 1 if len(panels) == 1 else 2
    lines = -(-len(panels) // columns)
    width = 3.5 if columns == 2 else max(3.2, 0.42 * len(tasks))
    figure, grid = sheet(lines, columns, width=width, height=2.0 if lines > 1 else 2.6)
    axes = list(grid.flat)
    for number, (axis, panel) in enumerate(zip(axes, panels, strict=False)):
        part = data[data.panel == panel]
        for place, task in enumerate(tasks):
            mine = part[part.task == task]
            if mine.empty:
                continue
            look = task_style(task)
            axis.scatter(place + spread(len(mine), 0.22), mine.score, color=look.colour, marker=look.marker, s=11,
                         alpha=0.8, linewidths=0, zorder=3)  # fmt: skip
            axis.errorbar(place, mine["mean"].iloc[0], mine.sd.iloc[0], color=look.colour, capsize=2.5, elinewidth=1.1)
            axis.hlines(mine["mean"].iloc[0], place - 0.33, place + 0.33, color=look.colour, linewidth=1.6)
        axis.set_xlim(-0.6, len(tasks) - 0.4)
        axis.margins(y=0.12)
        lowest = number + columns >= len(panels)
        ticks(axis, [task_style(task).label if lowest else "" for task in tasks])
        tidy(axis, y="Ceiled score", title=region_label(panel))
    drop(axes[len(panels) :])
    letters(axes[: len(panels)])
    return figure
