"""Processes that draw a report's pictures: the same bytes, and every picture whatever happens to them."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

import pandas as pd
import psutil
import pytest

from mlspatial.compare.drawing import Drawing
from mlspatial.compare.painting import FEW, Painters
from mlspatial.compare.style import legend, panels, tidy


def drawing(number: int) -> Drawing:
    figure, axes = panels(2, 2)
    for axis in axes:
        axis.plot([1, 2, 4], [3, number, 5], label=f"line {number}")
        tidy(axis, x="x (m)", y="y", title=f"figure {number}")
    legend(figure)
    return Drawing(f"figure_{number}", "title", "", figure, pd.DataFrame({"x": [number]}), ())


def test_pictures_are_those_that_the_drawing_makes_itself() -> None:
    made, alone = [drawing(number) for number in range(FEW)], [drawing(number) for number in range(FEW)]
    with Painters(FEW, cores=2) as painters:
        for one in made:
            painters.begin(one, ("svg", "png"))
        for one in made:
            painters.finish(one)
    for one, other in zip(made, alone, strict=True):
        assert set(one.__dict__) >= {"svg", "png"}  # they are there already
        assert (one.svg, one.png) == (other.svg, other.png)


def test_few_figures_and_one_core_take_no_process() -> None:
    before = len(psutil.Process().children(recursive=True))
    for figures, cores in ((FEW - 1, 2), (FEW, 1)):
        with Painters(figures, cores) as painters:
            one = drawing(0)
            painters.begin(one, ("svg",))
            painters.finish(one)
            assert "svg" not in one.__dict__ and one.svg.startswith(b"<?xml")
            assert len(psutil.Process().children(recursive=True)) == before


@pytest.mark.parametrize("fault", ["cannot be handed over", "dead"])
def test_what_a_process_could_not_draw_is_drawn_here(fault: str) -> None:
    made = [drawing(number) for number in range(FEW)]
    if fault == "cannot be handed over":
        made[0].figure.axes[0].mine = threading.Lock()
    with Painters(FEW, cores=2) as painters:
        for one in made:
            painters.begin(one, ("svg",))
        if fault == "dead":
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline and not all(future.done() for _, future in painters._begun.values()):
                for pid in list(painters._pool._processes or {}):
                    with suppress(ProcessLookupError):  # one that is dead already and reaped
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
            painters.begin(made[0], ("svg",))  # of no use now
        for one in made:
            painters.finish(one)
    if fault == "cannot be handed over":
        assert "svg" in made[1].__dict__
    assert "svg" not in made[0].__dict__
    assert [one.svg for one in made] == [drawing(number).svg for number in range(FEW)]


def test_processes_end_with_the_context() -> None:
    with pytest.raises(KeyboardInterrupt), Painters(FEW, cores=2) as painters:
        for number in range(FEW):
            painters.begin(drawing(number), ("svg",))
        pids = list(painters._pool._processes)
        raise KeyboardInterrupt
    assert pids and not any(psutil.pid_exists(pid) for pid in pids)
