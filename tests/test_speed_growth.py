"""How cost grows: exponents of known curves, points of their own processes, the page made from what is kept."""

from __future__ import annotations

import json

import pytest

from speed import growth
from speed.growth import Point


def test_exponents_are_those_of_the_largest_points() -> None:
    sizes = [10, 100, 1000, 10_000]
    assert growth.exponent(sizes, [5.0, 1e4, 1e6, 1e8]) == pytest.approx(2.0)
    assert growth.exponent(sizes, [7.0] * 4) == pytest.approx(0.0, abs=1e-12)
    points = [Point(n, 3e-3 * n**1.5, 500 + n / 10, {"again": 0.25}) for n in sizes]
    made = growth.line("runs", points)
    assert (
        made["time_exponent"] == 1.5 and made["points"][-1] == [10_000, 3000.0, 1500] and made["more"]["again"] == 0.25
    )
    assert made["memory_exponent"] == pytest.approx(1.0, abs=0.05)  # beyond what the smallest point holds


def test_a_point_is_a_process_that_does_the_work() -> None:
    few, more = (growth.measured("calls", n) for n in (2, 60))
    assert (few.n, more.n) == (2, 60) and few.mib > 50
    assert more.seconds > few.seconds > 0 and more.more["planning"] < more.seconds
    with pytest.raises(RuntimeError, match="units of 0: "):
        growth.measured("units", 0)


def test_a_part_of_the_points_is_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    before = growth.PAGE.read_text()
    with pytest.raises(SystemExit) as no:
        growth.main(["--small", "--write"])
    assert no.value.code == 2 and "give one of them" in capsys.readouterr().err and growth.PAGE.read_text() == before


def test_the_page_is_made_from_what_is_kept() -> None:
    kept = [json.loads(text) for text in (growth.RESULTS / "growth.jsonl").open()]
    page = growth.PAGE.read_text()
    assert growth.written(page, kept) == page, "run `python -m speed.growth --write`"
    assert [row["case"] for row in kept] == [f"growth_{name}" for name in growth.CASES]
    sized = {row["case"]: [point[0] for point in row["points"]] for row in kept}
    assert all(sized[f"growth_{name}"] == list(case.sizes) for name, case in growth.CASES.items())
