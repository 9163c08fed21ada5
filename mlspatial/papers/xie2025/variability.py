"""Full against reduced variability of a latent that is no target: which networks, their panels and words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from mlspatial.compare import style
from mlspatial.compare.conditions import REFERENCES
from mlspatial.compare.curves import DASHES, curve, layer_axis
from mlspatial.compare.grouping import FULL, REDUCED, Chosen, layer_label
from mlspatial.compare.style import INK, task_style, tidy


def shown_tasks(chosen: Chosen, published: Sequence[str]) -> list[str]:
    """The published tasks that are here, then others that have a reduced control."""
    table = chosen.networks
    controls = dict.fromkeys(table[table.variability == REDUCED].task)
    return [task for task in published if (table.task == task).any()] + [t for t in controls if t not in published]


def absent(table: pd.DataFrame, published: Sequence[str], kind: str) -> tuple[str, ...]:
    """Published conditions without a row in a table with task and variability."""
    there = set(zip(table.task, table.variability, strict=True))
    wanted = [(task, variability) for task in published for variability in (FULL, REDUCED)]
    return tuple(f"{task_style(task).label}, {side} {kind} variability" for task, side in wanted
                 if (task, side) not in there)  # fmt: skip


def in_order(table: pd.DataFrame, layers: Sequence[str], tasks: Iterable[str]) -> pd.DataFrame:
    """Rows sorted by task, full before reduced, layer."""
    places = {"task": {task: i for i, task in enumerate(tasks)}, "layer": {layer: i for i, layer in enumerate(layers)}}
    by = ["task", "variability", "layer"]
    return table.sort_values(by, key=lambda column: column.map(places.get(column.name, str)), ignore_index=True)


def panel(axis: Any, layers: Sequence[str], table: pd.DataFrame, task: str) -> None:
    """Full (solid, filled) against reduced variability (dashed, hollow), in the colour of the task."""
    for side, shift in ((FULL, -0.04), (REDUCED, 0.04)):
        curve(axis, layers, table[table.variability == side], task, dashed=side == REDUCED, shift=shift)
    layer_axis(axis, layers)
    tidy(axis, title=task_style(task).label)


def legend(figure: Any, axis: Any, sides: Iterable[str], words: Sequence[str], columns: int = 4) -> None:
    """What solid and dashed mean, of the sides that are there; other curves come with labels of their own.

    words: for full and for reduced; columns: where panels are beside each other, else two.
    """
    there = set(sides)
    for side, dashes, face, label in ((FULL, "-", INK, words[0]), (REDUCED, DASHES, "white", words[1])):
        if side in there:
            axis.plot([], [], color=INK, linestyle=dashes, marker="o", markersize=4, markerfacecolor=face, label=label)
    beside = len({round(one.get_position().x0, 3) for one in figure.axes}) > 1
    style.legend(figure, columns=columns if beside else 2)


def words_of(kind: str) -> tuple[str, str]:
    """For a legend."""
    return f"Full {kind} variability", f"Reduced {kind} variability"


def notes(chosen: Chosen, kind: str) -> tuple[str, ...]:
    """What reduced means here, and the choices made."""
    low = chosen.networks[chosen.networks.variability == REDUCED]
    if low.empty:
        return chosen.notes
    if kind == "translation":
        return ("Reduced translation variability: the object is in the middle of every image.", *chosen.notes)
    few, most = low.n_categories.min(), chosen.networks.n_categories[chosen.networks.variability == FULL]
    whole = most[~chosen.networks.task.isin(REFERENCES)].max()
    text = f"Reduced category variability: {few:.0f} {'category' if few == 1 else 'categories'}"
    return (text + (f" of {whole:.0f}." if whole == whole else "."), *chosen.notes)


def difference_at(table: pd.DataFrame, layer: str, label: str) -> str:
    """A sentence: full and reduced at a layer; '' when one of them is not there."""
    own = table[table.layer == layer].set_index("variability")["mean"]
    if not {FULL, REDUCED} <= set(own.index):
        return ""
    return f" {label} at {layer_label(layer)}: {own[FULL]:.2f} full, {own[REDUCED]:.2f} reduced."
