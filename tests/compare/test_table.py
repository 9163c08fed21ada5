"""A table's forms: text, Markdown, LaTeX, csv; what a cell knows of the published value."""

from __future__ import annotations

import csv
import io
import re

import pytest

from mlspatial.compare.table import Cell, Table

TABLE = Table(
    "t",
    "50% of A_B & C",
    "r^2 < 1",
    ("V1 #", "p"),
    {
        "x|y_1": {
            "V1 #": Cell(0.41234, 0.01, ("r1", "r2"), published=0.42),
            "p": Cell(0.0001, float("nan"), ("r1",), style="p"),
        },
        "z": {"V1 #": Cell(0.5, float("nan"), ("r3",), low=0.4, high=0.6), "p": Cell(float("nan"), float("nan"), ())},
    },
    ("a $note",),
)


def test_latex_is_escaped_and_whole() -> None:
    text = TABLE.to_latex()
    assert r"x\textbar{}y\_1 & 0.412 $\pm$ 0.010 (0.420) & \textless{} .001 \\" in text
    assert r"\caption{50\% of A\_B \& C. r\textasciicircum{}2 \textless{} 1 a \$note}" in text
    assert r"z & 0.500 [0.400, 0.600] & missing \\" in text and r"condition & V1 \# & p \\" in text
    assert re.findall(r"\\(begin|end)\{(\w+)\}", text) == [
        ("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table"),
    ]  # fmt: skip
    assert [text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")] == sorted(
        text.index(rule) for rule in (r"\toprule", r"\midrule", r"\bottomrule")
    )
    assert not re.search(r"(?<!\\)[%&#_$](?=[a-zA-Z])", text.replace(" & ", " ").replace(r"$\pm$", ""))


def test_markdown_has_as_many_fields_in_every_row() -> None:
    lines = [line for line in TABLE.to_markdown().splitlines() if line.startswith("|")]
    assert {len(re.split(r"(?<!\\)\|", line)) for line in lines} == {5} and len(lines) == 4
    assert "| x\\|y\\_1 | 0.412 ± 0.010 (0.420) | \\< .001 |" in lines


def test_the_long_form_holds_everything() -> None:
    rows = list(csv.DictReader(io.StringIO(TABLE.to_csv())))
    assert len(rows) == 4
    assert rows[0]["run_ids"] == "r1 r2" and float(rows[0]["difference"]) == pytest.approx(-0.00766)
    assert rows[0]["within_spread"] == "True" and rows[0]["n"] == "2" and rows[0]["low"] == ""
    assert rows[3]["mean"] == "" and rows[3]["n"] == "0"
    assert TABLE.to_frame().to_json(orient="split")  # as the MLflow UI takes it
    assert TABLE.runs == ("r1", "r2", "r3")


@pytest.mark.parametrize(
    ("cell", "within"),
    [
        (Cell(0.5, 0.1, ("a",), published=0.59), True),
        (Cell(0.5, 0.1, ("a",), published=0.61), False),
        (Cell(0.5, float("nan"), ("a",), published=0.5), None),
        (Cell(0.5, 0.1, ("a",)), None),
        (Cell(float("nan"), 0.1, (), published=0.5), None),
    ],
)
def test_within_the_spread_or_unknown(cell: Cell, within: bool | None) -> None:
    assert cell.within_spread is within
