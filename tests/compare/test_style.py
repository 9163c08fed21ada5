"""The look of figures: tasks, numbers as text, places and bytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlspatial.compare.drawing import Drawing, picture
from mlspatial.compare.style import TASKS, canonical, legend, ordered, panels, save_drawing, sheet, task_style, tidy
from mlspatial.compare.words import Correlation, p_text, stars


def drawing() -> Drawing:
    figure, axes = sheet(1, 2)
    for axis in axes.flat:
        axis.plot([0, 1], [2, 3])
        tidy(axis, x="batches", y="alignment")
    return Drawing("d", "A title", "A caption.", figure, pd.DataFrame({"x": [0, 1], "run_ids": "r"}), ("r",))


def test_equal_drawings_make_equal_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the layout's solver has other last bits, as its variables lie elsewhere in memory."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    first = save_drawing(drawing(), tmp_path / "a")
    solve = ConstrainedLayoutEngine.execute

    def elsewhere(self: Any, fig: Any) -> Any:
        made = solve(self, fig)
        for axis in fig.axes:
            axis.set_position(axis.get_position(original=True).translated(1e-14, -1e-14))
            axis.set_in_layout(True)
        return made

    monkeypatch.setattr(ConstrainedLayoutEngine, "execute", elsewhere)
    second = save_drawing(drawing(), tmp_path / "b")
    assert [file.name for file in first] == ["d.svg", "d.png", "d.csv"]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    assert not list(tmp_path.rglob("*.partial"))


def test_without_a_figure_there_is_a_csv(tmp_path: Path) -> None:
    empty = Drawing("d", "A title", "No runs.", None, pd.DataFrame(columns=["x", "run_ids"]), ())
    assert [file.name for file in save_drawing(empty, tmp_path)] == ["d.csv"]
    assert (tmp_path / "d.csv").read_text() == "x,run_ids\n"


def test_tasks_have_one_look_each() -> None:
    looks = {(style.colour, style.marker) for style in TASKS.values()}
    assert len(looks) == len(TASKS) == len({style.marker for style in TASKS.values()})
    assert task_style("rotation+distance") == TASKS["distance+rotation"]
    assert canonical("identity+category+rotation+translation+distance") == "all"
    assert task_style("category+distance") == task_style("distance+category") and task_style("new").label == "new"
    assert ordered(["imagenet", "all", "new", "distance", "untrained", "all"]) == [
        "distance", "all", "new", "untrained", "imagenet",
    ]  # fmt: skip


def test_numbers_as_text() -> None:
    texts = {0.04: "p = 0.040", 0.5: "p = 0.50", 3.2e-5: "p = 3.2×10⁻⁵", 0.0: "p < 10⁻⁹⁹", 1.0: "p > 0.999"}
    assert {p: p_text(p) for p in texts} == texts and p_text(math.nan) == ""
    assert (stars(0.049), stars(0.05), stars(math.nan)) == ("*", "", "")
    assert Correlation.of([1, 2], [1, 2]).text() == "n = 2"
    assert Correlation.of([1, 2, 3, math.nan], [3, 2, 0, 1]).n == 3
    assert Correlation.of([1, 2, 3], [1, 1, 1]).text() == "n = 3"


def test_a_name_with_dollars_is_no_formula() -> None:
    """Matplotlib sets what stands between two $ as mathematics, and refuses what is none."""
    from matplotlib.figure import Figure

    from mlspatial.compare.drawing import picture

    figure = Figure()
    axes = figure.subplots()
    axes.set_title(r"cost $\frac{ and $")
    axes.set_xlabel("$r^2$")
    axes.set_xscale("log")
    axes.set_ylabel("<script>alert(1)</script>")
    svg = picture(figure, "svg", "x").decode()
    assert svg.count("<svg") == 1 and "<script" not in svg


@pytest.mark.parametrize("kinds", [("svg", "png"), ("png", "svg"), ("png",), ("svg",)])
def test_a_picture_is_the_same_whatever_was_drawn_before_it(kinds: tuple[str, ...]) -> None:
    def made() -> Any:
        figure, axes = panels(3, 2)
        for number, axis in enumerate(axes):
            axis.plot([0.1, 7, 22.5], [-3, number, 1e4], label=f"condition {number}")
            tidy(axis, x="distance (m)", y="$R^2$", title="a title of $5 and $6")
        legend(figure)
        return figure

    alone = {kind: picture(made(), kind, "name") for kind in kinds}
    figure = made()
    assert {kind: picture(figure, kind, "name") for kind in kinds} == alone
