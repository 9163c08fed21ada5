"""A row a factor, a column a measure: lines of tasks along the layers, with intervals over seeds and controls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.drawing import Drawing
from mlspatial.compare.evidence import PIXELS
from mlspatial.compare.grouping import layer_label
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import FAINT, INK, TEXT, drop, legend, sheet, task_style, ticks, tidy
from mlspatial.papers.geometry.numbers import MEANS, NONE, Seen, means

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

COLUMNS = ["task", "label", "measure", "layer", *MEANS]
INTERVALS = (
    "Lines are means over networks of a task, bars 95 % bootstrap intervals over its seeds (of two: their range)"
)
CONTROLS = "the cross (and dotted grey line) is what the images' pixels give"
FLOOR = "Shuffled levels"


def along(
    id: str,
    title: str,
    words: str,
    found: Seen,
    rows: pd.DataFrame,
    measures: Mapping[str, str],
    *,
    floors: Mapping[str, str | float] | None = None,
    limits: Mapping[str, tuple[float, float]] | None = None,
    tail: str = "",
    about: str = "",
    none: str = NONE,
    floor_label: str = FLOOR,
) -> Drawing:
    """The drawing of some measures (name -> words of the column) along the layers, tasks beside each other.

    rows: as those of `Seen`; words: what is shown, for the caption; floors: measure -> the measure of what is found
    with shuffled levels, or its value; limits: of the axes; tail: of the caption; about: of which images and rows, for
    the caption; none: the caption without a row; floor_label: of floors, in the legend.
    """
    floors = floors or {}
    rows = rows[rows.measure.isin([*measures, *map(str, floors.values())]) & np.isfinite(rows.value.astype(float))]
    if rows.empty or not found.tasks:
        return Drawing.empty(id, title, none, COLUMNS, found.missing)
    table = means(rows, COLUMNS[:4])
    labels = list(dict.fromkeys(table.label))
    width = max(2.3, 0.3 * len(found.layers) + 0.6)
    figure, axes = sheet(len(labels), len(measures), width=width, height=1.75, sharex=True)
    for row, label in enumerate(labels):
        for column, measure in enumerate(measures):
            own = table[(table.label == label) & (table.measure == measure)]
            axis = axes[row, column]
            if own.empty:
                drop([axis])
                continue
            _panel(axis, found, own)
            _floor(axis, found, table[table.label == label], floors.get(measure, ""), floor_label)
            if limits and measure in limits:
                axis.set_ylim(*limits[measure])
            tidy(axis, title=measures[measure] if not row else "")
        axes[row, 0].set_ylabel(label, fontsize=TEXT, color=INK)
    ticked = [layer_label(layer) for layer in found.layers]
    for axis in axes[-1]:
        ticks(axis, ticked, slant=50)
    axes[0, 0].set_xlim(-0.5, len(found.layers) - 0.5)
    legend(figure, columns=max(2, int(width * len(measures) / 1.25)))
    shown = f"{INTERVALS}{'; ' + CONTROLS if (table.task == PIXELS).any() else ''}."
    caption = " ".join(filter(None, [words, about or f"Design {found.design}: a row a factor.", shown, tail]))
    return Drawing(id, title, caption, figure, table, run_ids(table.run_ids), found.missing, found.notes)


def _panel(axis: Axes, found: Seen, table: pd.DataFrame) -> None:
    tasks = [task for task in found.tasks if task in set(table.task)]
    for place, task in enumerate(tasks):
        shift = min(0.07, 0.5 / len(tasks)) * (place - (len(tasks) - 1) / 2)
        line(axis, found.layers, table[table.task == task], task, shift)
    pixels = table[table.task == PIXELS]
    if len(pixels):
        value = float(pixels["mean"].iloc[0])
        axis.plot([found.layers.index(PIXELS)], [value], marker="X", markersize=5, color=FAINT, linestyle="none",
                  label="Raw pixels", zorder=1)  # fmt: skip
        axis.axhline(value, color=FAINT, linewidth=0.7, linestyle=":", zorder=0)
    low, high = axis.get_ylim()
    if low < 0 < high:
        axis.axhline(0, color=FAINT, linewidth=0.5, zorder=0)


def _floor(axis: Axes, found: Seen, table: pd.DataFrame, floor: str | float, label: str) -> None:
    """What shuffled levels give: a measure, mean over tasks along the layers, or a value."""
    look: dict[str, Any] = {"color": INK, "linewidth": 0.9, "linestyle": (0, (1, 1.5)), "label": label, "zorder": 1}
    if isinstance(floor, float):
        axis.axhline(floor, **look)
        return
    own = table[(table.measure == floor) & (table.task != PIXELS)]
    if len(own):
        mean = own.groupby("layer")["mean"].mean()
        layers = [layer for layer in found.layers if layer in mean.index]
        axis.plot([found.layers.index(layer) for layer in layers], mean[layers], **look)


def line(axis: Axes, layers: Sequence[str], table: pd.DataFrame, task: str, shift: float = 0.0) -> None:
    """Means along the layers in the look of a task, bars from low to high."""
    look: Any = task_style(task)
    own = table.set_index("layer").reindex([layer for layer in layers if layer in set(table.layer)])
    where = np.array([layers.index(layer) for layer in own.index]) + shift
    middle = own["mean"].to_numpy(float)
    errors = np.clip(np.stack([middle - own.low.to_numpy(float), own.high.to_numpy(float) - middle]), 0, None)
    axis.errorbar(
        where, middle, errors, color=look.colour, marker=look.marker, markersize=3.5, linewidth=1.1, elinewidth=0.8,
        linestyle="--" if task == "untrained" else "-", markerfacecolor="white" if task == "untrained" else look.colour,
        label=look.label,
    )  # fmt: skip
