"""Figure 2: neural alignment against the number of supervised output units."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlspatial.compare.conditions import REFERENCES
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.selection import Chosen, absent, choose, error_words, errors, runs_of, summary
from mlspatial.compare.style import TASKS, legend, level, sheet, task_style, tidy
from mlspatial.compare.words import means_text

ARCH = "resnet50"  # Xie et al. 2025, appendix B.1
CATEGORIES = (2, 4, 6, 8, 16)  # Xie et al. 2025, appendix A.2: the datasets TDW-N
TITLE = "Neural alignment and the number of output units"
COLUMNS = ["series", "task", "label", "outputs", "mean", "sd", "n", "error", "run_ids"]


@FIGURES.register("figure_2")
def figure_2(evidence: Evidence) -> Drawing:
    """Source: Xie et al. 2025, figure 2."""
    chosen = choose(evidence, ARCH)
    if chosen.main.neural_mean.notna().sum() == 0:
        everything = (*absent(TASKS, ()), *(f"Object category, {n} categories" for n in CATEGORIES))
        caption = "No network trained on the project's images has a neural score."
        return Drawing.empty("figure_2", TITLE, caption, COLUMNS, everything)
    finals = chosen.finals()
    finals = finals[finals.neural_mean.notna()]
    subsets = _subsets(chosen)
    data = pd.DataFrame(
        [_row("task", task, part) for task, part in finals.groupby("task", sort=False)]
        + [_row("categories", "category", part) for _, part in subsets.groupby("outputs")],
        columns=COLUMNS,
    )
    missing = absent(TASKS, finals.task)
    missing += [f"Object category, {n} categories" for n in CATEGORIES if n not in set(subsets.outputs)]
    caption, runs = _caption(chosen, data), runs_of(pd.concat([finals, subsets]))
    placed = data.task.isin(REFERENCES) | (data.outputs > 0)
    notes = [f"{row.label}: not drawn, its number of output units is not known." for row in data[~placed].itertuples()]
    return Drawing("figure_2", TITLE, caption, _draw(chosen, data), data, runs, missing, [*chosen.notes, *notes])


def _subsets(chosen: Chosen) -> pd.DataFrame:
    """Category networks on datasets of at least two, but fewer categories; one group a number."""
    table, most = chosen.table, chosen.main.n_categories.max()
    rows = table[(table.task == "category") & (table.translation != "none") & (table.n_categories.between(2, most - 1))]
    rows = rows[rows.neural_mean.notna()]
    groups = [chosen.others(part) for _, part in rows.groupby("n_categories")]
    return pd.concat(groups) if groups else rows


def _row(series: str, task: str, part: pd.DataFrame) -> dict[str, Any]:
    facts = {"series": series, "task": task, "label": task_style(task).label, "outputs": float(part.outputs.iloc[0])}
    return facts | summary(part, "neural_mean") | {"error": errors(part, "neural_mean").median()}


def _draw(chosen: Chosen, data: pd.DataFrame) -> Any:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    figure, grid = sheet(1, 1, width=6.9, height=3.3)
    axis = grid[0, 0]
    axis.set_xscale("log")
    tasks = data[data.series == "task"]
    for row in tasks[tasks.task.isin(REFERENCES)].itertuples():
        level(axis, row.mean, row.sd, row.task, label=row.label, dashes=":" if row.task == "untrained" else "--")
    curve = data[(data.series == "categories") | ((data.series == "task") & (data.task == "category"))]
    curve = curve.sort_values("outputs")
    look = task_style("category")
    if (curve.series == "categories").any():
        label = "Object category, fewer categories"
        axis.plot(curve.outputs, curve["mean"], color=look.colour, linewidth=1.1, marker=look.marker, markersize=4,
                  markerfacecolor="white", label=label, zorder=2)  # fmt: skip
        sd = curve.sd.fillna(0)
        axis.fill_between(curve.outputs, curve["mean"] - sd, curve["mean"] + sd, color=look.colour, alpha=0.2, lw=0)
    for row in tasks[~tasks.task.isin(REFERENCES)].itertuples():
        look = task_style(row.task)
        axis.errorbar(
            row.outputs, row.mean, row.sd, color=look.colour, marker=look.marker, markersize=5.5, capsize=2,
            linewidth=0, elinewidth=1, label=f"{look.label} ({row.outputs:.0f})", zorder=3,
        )  # fmt: skip
    drawn = data.outputs[(data.outputs > 0) & (data.task != "imagenet")]
    axis.set_xlim(min([1, *drawn]) / 1.5, max([10, *drawn]) * 1.5)
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
    tidy(axis, x="Number of output units", y=chosen.mean_label, title=f"{chosen.label} networks")
    legend(axis, loc="center left", bbox_to_anchor=(1.01, 0.5), title="Training task (output units)", title_fontsize=7)
    return figure


def _caption(chosen: Chosen, data: pd.DataFrame) -> str:
    tasks = data[data.series == "task"].set_index("task")
    trained = tasks[~tasks.index.isin(REFERENCES)]
    text = (
        f"Alignment of {chosen.label} networks ({chosen.mean_words}) against the number of output units that were "
        f"supervised: {means_text(tasks)}. Bars and bands: one SD over seeds (n − 1)."
        f"{error_words(data.error, 'Not drawn:')} Horizontal lines: networks without training on these images."
    )
    for reference in ("imagenet", "all"):
        if reference in tasks.index and "distance" in trained.index:
            share = trained["mean"]["distance"] / tasks["mean"][reference]
            text += f" Distance reaches {share:.0%} of {task_style(reference).label}."
    few = data[data.series == "categories"]
    if len(few):
        text += f" Line: category networks on datasets of {', '.join(f'{n:.0f}' for n in few.outputs)} categories."
    return text
