"""Figure 3: neural alignment against performance in the network's own task, over checkpoints and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mlspatial.compare.conditions import once
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.selection import Chosen, absent, choose, error_words, errors, run_texts, runs_of
from mlspatial.compare.style import SMALL, TEXT, panels, remark, task_style, tidy, whiskers
from mlspatial.compare.words import Correlation, batches_text

ARCH = "resnet50"  # Xie et al. 2025, appendix B.1
PUBLISHED = ("category", "distance", "translation", "rotation")  # panels a to d
TITLE = "Neural alignment and performance"
COLUMNS = ["panel", "task", "seed", "step", "performance", "alignment", "error", "r", "p", "n", "model_id", "run_ids"]


@FIGURES.register("figure_3")
def figure_3(evidence: Evidence) -> Drawing:
    """Identity is drawn as well where it is there; no outlier is left out. Source: Xie et al. 2025, figure 3."""
    chosen = choose(evidence, ARCH)
    rows = points(chosen, (*PUBLISHED, "identity"))
    rows = rows[rows.neural_mean.notna()]
    if rows.empty:
        caption = "No checkpoint has both a held-out loss and a neural score."
        return Drawing.empty("figure_3", TITLE, caption, COLUMNS, absent(PUBLISHED, ()))
    tasks = [task for task in (*PUBLISHED, "identity") if task in set(rows.task)]
    shown = [(task_style(task).label, rows[rows.task == task], "neural_mean") for task in tasks]
    figure, data = scatters(shown, rows.step, chosen.mean_label), tidy_points(shown)
    caption = (
        f"Alignment of {chosen.label} networks ({chosen.mean_words}) against performance (negative held-out loss) in "
        f"the task they were trained in. Each point is a checkpoint of one seed ({_seeds(rows)}), its colour the "
        f"number of training batches; no point is left out.{error_words(data.error, 'Thin lines:')} "
        f"{correlations(shown)} Checkpoints of one training are not independent: p is too small."
    )
    missing = absent(PUBLISHED, tasks)
    return Drawing("figure_3", TITLE, caption, figure, data, runs_of(rows), missing, chosen.notes)


def points(chosen: Chosen, tasks: Sequence[str]) -> pd.DataFrame:
    """Main networks of the tasks at every checkpoint with a held-out loss; performance is the negative loss."""
    rows = chosen.main[chosen.main.task.isin(tasks) & chosen.main.loss.notna() & (chosen.main.step > 0)]
    rows = rows.assign(performance=-rows.loss.astype(float))
    return once(rows)


Panels = Sequence[tuple[str, pd.DataFrame, str]]  # title, networks, column of the score


def tidy_points(shown: Panels) -> pd.DataFrame:
    """One row a point, with the correlation of its panel."""
    parts = []
    for title, rows, column in shown:
        found = Correlation.of(rows.performance, rows[column])
        facts = {"panel": title, "alignment": rows[column], "error": errors(rows, column)}
        facts |= {"r": found.r, "p": found.p, "n": found.n}
        parts.append(rows.assign(**facts, run_ids=run_texts(rows))[COLUMNS])
    return pd.concat(parts, ignore_index=True)


def correlations(shown: Panels) -> str:
    """Pearson's r of every panel, for a caption."""
    texts = [f"{title} {Correlation.of(rows.performance, rows[column]).text()}" for title, rows, column in shown]
    return "Pearson: " + "; ".join(texts) + "."


def _seeds(rows: pd.DataFrame) -> str:
    count = rows.seed.nunique()
    return f"{count} seeds" if count > 1 else "one seed"


def scatters(shown: Panels, steps: pd.Series, label: str) -> Any:
    """A panel each: score against performance, r, p and n; one log colour bar of batches. label: of the y axes."""
    from matplotlib.colors import LogNorm
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

    figure, axes = panels(len(shown), 3, width=2.25 if len(shown) > 1 else 3.4, height=2.2)
    low, high = float(steps.min()), float(steps.max())
    norm = LogNorm(low, high) if high > low else LogNorm(low / 2, low * 2)
    drawn = None
    for axis, (title, rows, column) in zip(axes, shown, strict=True):
        x, y = rows.performance.to_numpy(float), rows[column].to_numpy(float)
        whiskers(axis, x, y, errors(rows, column), "#777777")
        drawn = axis.scatter(x, y, c=rows.step.astype(float), norm=norm, cmap="viridis_r", s=16, linewidths=0.3,
                             edgecolors="#333333")  # fmt: skip
        axis.margins(0.08, 0.14)
        axis.xaxis.set_major_locator(MaxNLocator(3))
        axis.yaxis.set_major_locator(MaxNLocator(5))
        tidy(axis, x="Performance (−held-out loss)", y=label, title=title)
        remark(axis, Correlation.of(x, y).text("\n"), x, y)
    bar = figure.colorbar(drawn, ax=figure.axes, shrink=0.7, aspect=25, pad=0.02)
    values = sorted(set(steps.astype(float)))
    values = values if len(values) <= 8 else values[:: -(-len(values) // 8)]
    bar.ax.yaxis.set_major_locator(FixedLocator(values))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: batches_text(value)))
    bar.ax.tick_params(labelsize=SMALL, width=0.7, length=3)
    bar.outline.set_linewidth(0.5)
    bar.set_label("Training batches", fontsize=TEXT)
    return figure
