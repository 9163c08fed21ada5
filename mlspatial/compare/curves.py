"""Curves over layers: panels beside each other, a curve a group, chance, and what the images themselves tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.grouping import PIXELS, layer_label
from mlspatial.compare.style import FAINT, panels, task_style, ticks

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

DASHES = (0, (3, 2))


def panel_row(count: int) -> tuple[Any, list[Any]]:
    """Panels beside each other, at most four in a row, with one y axis and letters."""
    return panels(count, 4, width=2.35 if count > 1 else 4.0, height=2.5, sharey=True)


def curve(
    axis: Axes, layers: Sequence[str], table: pd.DataFrame, task: str, *, label: str = "", dashed: bool = False,
    shift: float = 0.0,
) -> None:  # fmt: skip
    """Mean ± SD over the layers in the look of a task; dashed ones have hollow markers.

    table: rows of one group with layer, mean, sd; none draw nothing.
    """
    if table.empty:
        return
    look = task_style(task)
    own = table.set_index("layer").reindex([layer for layer in layers if layer in set(table.layer)])
    where = np.array([list(layers).index(layer) for layer in own.index]) + shift
    axis.errorbar(
        where, own["mean"], own.sd, color=look.colour, marker=look.marker, markersize=4, linewidth=1.2, elinewidth=0.8,
        linestyle=DASHES if dashed else "-", markerfacecolor="white" if dashed else look.colour, label=label or None,
    )  # fmt: skip
    if "over_stimuli" in own and own.over_stimuli.notna().any():
        axis.errorbar(where, own["mean"], own.over_stimuli, color=look.colour, linestyle="none", elinewidth=0.4,
                      capsize=2, capthick=0.6, alpha=0.8)  # fmt: skip


def caps(table: pd.DataFrame) -> str:
    """What the caps of curves are, for a caption; "" where there are none."""
    there = "over_stimuli" in table and bool(table.over_stimuli.notna().any())
    return " Caps: 95 % over stimuli for the same networks (jackknife, nothing fitted anew)." if there else ""


def layer_axis(axis: Axes, layers: Sequence[str]) -> None:
    """The layers along x, room at both ends."""
    ticks(axis, [layer_label(layer) for layer in layers])
    axis.set_xlim(-0.4, len(layers) - 0.6)


def pixel_point(axis: Axes, layers: Sequence[str], table: pd.DataFrame) -> None:
    """Decoding from the images themselves, where it was done."""
    own = table[table.task == PIXELS]
    if len(own):
        axis.errorbar([list(layers).index(PIXELS)], own["mean"], own.sd, color=FAINT, marker="X", markersize=5,
                      linestyle="none", elinewidth=0.8, label="Raw pixels")  # fmt: skip


def chance_line(axis: Axes, table: pd.DataFrame) -> None:
    chance = table.chance.mean()
    if chance == chance and chance > 0:
        axis.axhline(chance, color=FAINT, linewidth=0.9, linestyle=":", zorder=0, label="Chance")
