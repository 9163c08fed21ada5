"""Do networks that factorise more predict a brain better? Factorisation and invariance against brain alignment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import FAINT, INK, SMALL, TEXT, drop, legend, ordered, sheet, task_style, tidy, whiskers
from mlspatial.compare.words import region_label
from mlspatial.papers.geometry.alignment import EVERY, POINTS, Points, link, points
from mlspatial.papers.geometry.numbers import MEASURES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Factorisation and invariance against brain alignment"


@FIGURES.register("figure_alignment")
def figure_alignment(evidence: Evidence) -> Drawing:
    """A row a factor, a column a measure: networks as points against their ceiled score, with r and its interval."""
    found = points(evidence)
    if not len(found.table):
        return Drawing.empty("figure_alignment", TITLE, found.why, POINTS)
    region = found.main
    figure = _draw(found, region)
    return Drawing("figure_alignment", TITLE, _caption(found, region), figure, found.table,
                   run_ids(found.table.run_ids), (), found.notes)  # fmt: skip


def _draw(found: Points, region: str) -> Any:
    labels = found.labels
    figure, axes = sheet(len(labels), len(MEASURES), width=2.5, height=2.0, sharey=True)
    for row, label in enumerate(labels):
        for column, (measure, words) in enumerate(MEASURES.items()):
            axis = axes[row, column]
            _panel(axis, found, region, label, measure)
            if row == len(labels) - 1 or not len(found.of(region, labels[row + 1], measure)):
                tidy(axis, x=words)
        axes[row, 0].set_ylabel(f"{label}\n{region_label(region)}, ceiled", fontsize=TEXT, color=INK)
    legend(figure, columns=6)
    return figure


def _panel(axis: Axes, found: Points, region: str, label: str, measure: str) -> None:
    rows = found.of(region, label, measure)
    if rows.empty:
        drop([axis])
        return
    for task in ordered(rows.task):
        own, look = rows[rows.task == task], task_style(task)
        axis.plot(own.value, own.score, linewidth=0, marker=look.marker, markersize=4.5, color=look.colour,
                  markerfacecolor="white" if task == "untrained" else look.colour, label=look.label)  # fmt: skip
        whiskers(axis, own.value, own.score, own.value_error, look.colour, across=True)
        whiskers(axis, own.value, own.score, own.score_error, look.colour)
    if (label, measure) in found.pixels:
        axis.axvline(
            found.pixels[label, measure], color=FAINT, linewidth=0.8, linestyle=":", label="Raw pixels", zorder=0
        )
    made = link(rows.value.to_numpy(), rows.score.to_numpy(), rows.condition.tolist())
    axis.set_title(made.text(), fontsize=SMALL, color=INK)


def _caption(found: Points, region: str) -> str:
    rows = found.of(region, found.labels[-1], next(iter(MEASURES)))
    text = (
        f"Networks as points: their {region_label(region)} score (ceiled) against what they do with the design at "
        f"{found.where[region]}; thin lines are one standard error of the score, and of the number over contexts; "
        "dotted: the images' pixels. "
        "Brackets: 95 % bootstrap interval of Pearson's r with conditions and their seeds drawn anew; ρ: Spearman's."
    )
    label = EVERY if EVERY in found.labels else found.labels[-1]
    trained = found.of(region, label, next(iter(MEASURES)), trained=True)
    if len(trained) < len(rows):
        made = link(trained.value.to_numpy(), trained.score.to_numpy(), trained.condition.tolist())
        text += f" Without untrained networks, factorisation (PCA), {label}: {made.text()}."
    return text
