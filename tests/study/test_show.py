"""A study's line: counts, time left and the calls that run, in so many columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspatial.core.progress import EMPTY, FULL
from mlspatial.study import load, make_plan
from mlspatial.study import plan as states
from mlspatial.study.estimate import Rates
from mlspatial.study.show import BAR, progress


@pytest.mark.parametrize("columns", [79, 120, 60])
@pytest.mark.parametrize("moving", [True, False])
def test_the_line_fits_and_names_what_runs(fake: Path, columns: int, moving: bool) -> None:
    plan = make_plan(load(fake))
    rates = Rates(1, False, 2)
    calls = plan.calls()
    for call, state in zip(
        calls, (states.DONE, states.THERE, states.RUNNING, states.RUNNING, states.FAILED), strict=False
    ):
        call.state = state
    text = progress("fake", plan, rates, 2, columns, moving)
    assert len(text) <= columns and text.startswith("study fake")
    assert "2 of " in text and "2 running" in text and "1 failed" in text and ("left" in text or columns == 60)
    titles = text.rpartition(" left")[2]
    if columns == 120:
        assert titles.count("train") == 2 and titles.count(";") == 1
        assert (FULL + EMPTY in text) == moving and text.count(FULL) + text.count(EMPTY) == (BAR if moving else 0)
    for call in calls:
        call.state = states.DONE
    assert progress("fake", plan, rates, 2, columns, False).startswith("study fake: ")


def test_a_long_name_leaves_room_for_the_numbers(fake: Path) -> None:
    plan = make_plan(load(fake))
    text = progress(
        "a_study_with_a_name_that_is_much_too_long_for_any_terminal_of_eighty", plan, Rates(1, False, 2), 2, 79, True
    )
    assert len(text) <= 79 and "..." in text and " done" in text and text.startswith("study a_study")
