"""One look for all figures: colour, marker and name of every task, axes, and the files of a drawing.

Colours can be told apart by colour-blind readers; every task has a marker of its own as well, for grey print.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.core.files import whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mlspatial.compare.drawing import Drawing

SMALL, TEXT, TITLE = 7.0, 8.0, 9.0  # points; nothing in print is below 7
INK, FAINT = "#222222", "#8c8c8c"


@dataclass(frozen=True)
class TaskStyle:
    """label: the field's words; short: for narrow places; colour and marker: the same in every figure."""

    label: str
    short: str
    colour: str
    marker: str


#: task -> its look, in the published order. Colours: Okabe and Ito 2008, then Tol's muted set (personal.sron.nl/~pault)
TASKS: dict[str, TaskStyle] = {
    "distance": TaskStyle("Distance", "Dis.", "#0072b2", "o"),
    "translation": TaskStyle("Translation", "Tra.", "#009e73", "s"),
    "distance+translation": TaskStyle("Dis. + Tra.", "Dis. + Tra.", "#56b4e9", "v"),
    "rotation": TaskStyle("Rotation", "Rot.", "#d55e00", "^"),
    "distance+rotation": TaskStyle("Dis. + Rot.", "Dis. + Rot.", "#e69f00", "<"),
    "translation+rotation": TaskStyle("Tra. + Rot.", "Tra. + Rot.", "#999933", ">"),
    "distance+translation+rotation": TaskStyle("Dis. + Tra. + Rot.", "D. + T. + R.", "#332288", "p"),
    "category": TaskStyle("Object category", "Obj. cat.", "#cc79a7", "D"),
    "identity": TaskStyle("Object identity", "Obj. id.", "#882255", "X"),
    "all": TaskStyle("All spatial + classification", "All", "#000000", "P"),
    "untrained": TaskStyle("Untrained", "Untrained", "#999999", "d"),
    "imagenet": TaskStyle("ImageNet-1K", "ImageNet", "#666666", "*"),
}
PARTS = {"distance": "Dis.", "translation": "Tra.", "rotation": "Rot.", "category": "Cat.", "identity": "Id."}
SPARE_COLOURS = ("#44aa99", "#ddcc77", "#aa4499", "#cc6677", "#117733")  # for combinations nobody has published
SPARE_MARKERS = ("h", "H", "8")

REGION_COLOURS = {"V1": "#0072b2", "V2": "#56b4e9", "V4": "#e69f00", "IT": "#d55e00", "behavior": "#000000"}


# ---- tasks ------------------------------------------------------------------------------------------------------


def canonical(task: str) -> str:
    """The task with its parts in the published order: rotation+distance is distance+rotation; all five are all."""
    names = list(PARTS)
    if set(task.split("+")) == set(names):
        return "all"
    parts = sorted(task.split("+"), key=lambda part: (names.index(part) if part in names else len(names), part))
    return "+".join(parts)


def task_style(task: str) -> TaskStyle:
    """The look of a task; that of an unpublished combination follows from its name alone."""
    name = canonical(task)
    if name in TASKS:
        return TASKS[name]
    short = " + ".join(PARTS.get(part, part) for part in name.split("+"))
    code = zlib.crc32(name.encode())
    colour, marker = SPARE_COLOURS[code % len(SPARE_COLOURS)], SPARE_MARKERS[code // 7 % len(SPARE_MARKERS)]
    return TaskStyle(short, short, colour, marker)


def task_order(task: str) -> tuple[int, int, str]:
    """Sorts tasks as they are published: spatial ones, classification, all, unknown ones, untrained, ImageNet."""
    name = canonical(task)
    known = list(TASKS)
    if name in known:
        place = known.index(name)
        return (2 if name in ("untrained", "imagenet") else 0, place, name)
    return (1, 0, name)


def ordered(tasks: Iterable[str]) -> list[str]:
    """Every task once, in the published order."""
    return sorted(dict.fromkeys(tasks), key=task_order)


# ---- axes -------------------------------------------------------------------------------------------------------


def sheet(rows: int = 1, columns: int = 1, *, width: float = 2.6, height: float = 2.3, **options: Any) -> Any:
    """A figure and its axes, (rows, columns), each panel width x height inches; options go to Figure.subplots."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout=layout())
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.flat:
        tidy(axis)
    return figure, axes


def panels(count: int, columns: int, *, lettered: bool = True, **options: Any) -> tuple[Any, list[Any]]:
    """A figure and its `count` axes, row by row, at most `columns` in a row; options go to sheet."""
    columns = min(count, columns)
    figure, axes = sheet(-(-count // columns), columns, **options)
    drop(axes.flat[count:])
    if lettered:
        letters(axes.flat[:count])
    return figure, list(axes.flat[:count])


def layout(pad: float = 0.06) -> Any:
    """Matplotlib's constrained layout, `pad` inches around each axis, with places to nine digits.

    Its solver goes through its variables in the order in which they lie in memory, so that the digits behind those,
    and with them the bytes of a picture, differ from one drawing to the next.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.transforms import Bbox

    class Layout(ConstrainedLayoutEngine):
        def execute(self, fig: Any) -> Any:
            made = super().execute(fig)
            for axis in fig.axes:
                axis.set_position(Bbox(np.round(axis.get_position(original=True).get_points(), 9)))
                axis.set_in_layout(True)  # a place that was set counts as a wish to be left alone
            return made

    return Layout(w_pad=pad, h_pad=pad)


def tidy(axis: Axes, *, x: str = "", y: str = "", title: str = "", letter: str = "") -> None:
    """Light spines, readable ticks; labels with units; a bold panel letter left of the title."""
    axis.spines[["top", "right"]].set_visible(False)
    for side in ("left", "bottom"):
        axis.spines[side].set_color(FAINT)
        axis.spines[side].set_linewidth(0.7)
    axis.tick_params(which="both", labelsize=SMALL, color=FAINT, labelcolor=INK, width=0.7, length=3)
    axis.tick_params(which="minor", length=1.5)
    if x:
        axis.set_xlabel(x, fontsize=TEXT, color=INK)
    if y:
        axis.set_ylabel(y, fontsize=TEXT, color=INK)
    if title:
        axis.set_title(title, fontsize=TITLE, color=INK)
    if letter:
        axis.set_title(letter, loc="left", fontsize=TITLE + 1, fontweight="bold", color=INK)


def letters(axes: Sequence[Axes], *, first: str = "a") -> None:
    """Panel letters a, b, c, ... in the order of the axes; none for a single panel."""
    for i, axis in enumerate(axes):
        if len(axes) > 1:
            tidy(axis, letter=chr(ord(first) + i))


def drop(axes: Iterable[Axes]) -> None:
    """Empty panels of a grid vanish but keep their place."""
    for axis in axes:
        axis.set_axis_off()


def ticks(axis: Axes, labels: Sequence[str], *, at: Sequence[float] | None = None, slant: float = 40) -> None:
    """Words along x, slanted so that they do not touch; slant=0 for short ones."""
    where = range(len(labels)) if at is None else at
    axis.set_xticks(list(where), list(labels), fontsize=SMALL, rotation=slant, rotation_mode="anchor")
    for label in axis.get_xticklabels():
        label.set_horizontalalignment("right" if slant else "center")


def legend(target: Any, *, columns: int = 1, **options: Any) -> None:
    """A legend without a frame, each label once; target: an axis, or a figure, below which it then stands."""
    axes = [target] if hasattr(target, "spines") else target.axes
    found: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if not found:
        return
    if len(axes) > 1 or not hasattr(target, "spines"):
        options = {"loc": "outside lower center", **options}
    target.legend(
        list(found.values()), list(found), fontsize=SMALL, frameon=False, ncols=columns, labelcolor=INK,
        handletextpad=0.5, columnspacing=1.2, **options,
    )  # fmt: skip


def spread(count: int, width: float = 0.3) -> np.ndarray:
    """(count,) even offsets from -width to width, for points side by side; nothing is random in a picture."""
    return np.linspace(-width, width, count) if count > 1 else np.zeros(count)


def level(axis: Axes, mean: float, sd: float, task: str, *, label: str = "", dashes: str = "--") -> None:
    """A horizontal line at a group's mean, with a band of one SD where there is one."""
    look = task_style(task)
    axis.axhline(mean, color=look.colour, linewidth=1.1, linestyle=dashes, zorder=1, label=label or look.label)
    if np.isfinite(sd) and sd > 0:
        axis.axhspan(mean - sd, mean + sd, color=look.colour, alpha=0.18, linewidth=0, zorder=0)


def whiskers(axis: Axes, x: Any, y: Any, errors: Any, colour: Any, *, across: bool = False) -> None:
    """Thin lines of one standard error about points, across or upright; none where an error is NaN."""
    lengths = np.asarray(errors, float)
    upright, level = (None, lengths) if across else (lengths, None)
    axis.errorbar(x, y, upright, level, fmt="none", ecolor=colour, elinewidth=0.6, alpha=0.55, zorder=1.5)


def remark(axis: Axes, text: str, x: Any = (), y: Any = (), *, size: float = SMALL) -> None:
    """Text in the corner with the fewest of the points (x, y), in data units; call it when the limits are final."""
    points = np.column_stack([np.asarray(x, float), np.asarray(y, float)])
    axis.get_xlim(), axis.get_ylim()  # else the limits are those before the points
    inside = axis.transAxes.inverted().transform(axis.transData.transform(points)) if len(points) else points
    corners = {(0.04, 0.04): ("left", "bottom"), (0.96, 0.04): ("right", "bottom"),
               (0.04, 0.96): ("left", "top"), (0.96, 0.96): ("right", "top")}  # fmt: skip
    reach = 0.5, 0.12 + 0.09 * text.count("\n")

    def crowd(corner: tuple[float, float]) -> int:
        near = np.abs(inside - corner)
        return int(((near[:, 0] < reach[0]) & (near[:, 1] < reach[1])).sum()) if len(inside) else 0

    place = min(reversed(corners), key=crowd)
    ha, va = corners[place]
    axis.text(*place, text, transform=axis.transAxes, fontsize=size, ha=ha, va=va, color=INK)


# ---- files ------------------------------------------------------------------------------------------------------


def save_drawing(drawing: Drawing, folder: Path, formats: Collection[str] = ("svg", "png", "csv")) -> list[Path]:
    """Write ID.svg, ID.png (200 dpi) and ID.csv; pictures only where there is a figure. Equal drawings, equal bytes.

    formats: which of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for kind in ("svg", "png", "csv"):
        if kind not in formats or (kind != "csv" and drawing.figure is None):
            continue
        files.append(folder / f"{drawing.id}.{kind}")
        with whole(files[-1]) as partial:
            if kind == "csv":
                drawing.data.to_csv(partial, index=False, lineterminator="\n", float_format="%.10g")
            else:
                partial.write_bytes(drawing.svg if kind == "svg" else drawing.png)
    return files
