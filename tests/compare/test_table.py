"""A table's forms: text, Markdown, LaTeX, csv; what a cell knows of the published value."""

from __future__ import annotations

import csv
import io
import re

import pytest

from mlspatial.compare.report import Report, page
from mlspatial.compare.table import Cell, Table

TABLE = Table(
    "t",
    "50% of A_B & C",
    "r² < 1",
    ("V1 #", "p"),
    {
        "x|y_1": {
            "V1 #": Cell(0.41234, 0.01, ("r1", "r2"), published=0.42),
            "p": Cell(0.0001, float("nan"), ("r1",), style="p"),
        },
        "z": {"V1 #": Cell(0.5, float("nan"), ("r3",), low=0.4, high=0.6), "p": Cell.missing("not scored on $V1")},
    },
    ("a $note",),
)


def test_latex_is_escaped_and_whole() -> None:
    text = TABLE.to_latex()
    assert r"x\textbar{}y\_1 & 0.412 $\pm$ 0.010 (2) vs 0.420 & \textless{} .001 (1) \\" in text
    said = "In the cells: n, networks, in brackets; behind vs the published value. (a) not scored on \\\\$V1."
    assert rf"\caption{{50\% of A\_B \& C. r$^{{2}}$ \textless{{}} 1 {said} a \$note}}".replace("\\\\", "\\") in text
    assert r"z & 0.500 [0.400, 0.600] (1) & missing (a) \\" in text and r"condition & V1 \# & p \\" in text
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
    assert "| x\\|y\\_1 | 0.412 ± 0.010 (2) vs 0.420 | \\< .001 (1) |" in lines


def test_the_long_form_holds_everything() -> None:
    rows = list(csv.DictReader(io.StringIO(TABLE.to_csv())))
    assert len(rows) == 4
    assert rows[0]["run_ids"] == "r1 r2" and float(rows[0]["difference"]) == pytest.approx(-0.00766)
    assert rows[0]["within_spread"] == "True" and rows[0]["n"] == "2" and rows[0]["low"] == ""
    assert rows[3]["mean"] == "" and rows[3]["n"] == "0" and rows[3]["missing"] == "not scored on $V1"
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


def test_every_form_shows_n_and_why_a_number_is_missing() -> None:
    cells = {
        "V1": Cell(0.2, 0.1, ("a", "b"), 2),
        "V2": Cell.missing("not scored on V2"),
        "p": Cell(0.5, 0.0, ("a",), 0),
    }
    rows = {"one": cells, "two": {"V1": Cell.missing("no such network"), "V2": Cell.missing("not scored on V2", 0.3)}}
    table = Table("t", "T", "First sentence. Second.", ("V1", "V2", "p"), rows, ("a note",), counted="seeds")
    assert table.lines()[1:] == [
        ["one", "0.200 ± 0.100 (2)", "missing (a)", "0.500 ± 0.000 (?)"],
        ["two", "missing (b)", "missing (a) vs 0.300", "–"],
    ]
    said = [
        "In the cells: n, seeds, in brackets; ? where nobody says how many a mean is over; behind vs the published "
        "value; – does not apply.", "(a) not scored on V2.", "(b) no such network.",
    ]  # fmt: skip
    text = table.to_text()
    assert text.splitlines()[:2] == ["T", "First sentence."] and text.splitlines()[-3:] == said
    assert [line[2:] for line in table.to_markdown().splitlines() if line.startswith("- ")] == [*said, "a note"]
    for shown in ("0.200 ± 0.100 (2)", "missing (a)", "missing (b)", *said):
        assert shown.replace("±", r"$\pm$").replace("–", "--") in table.to_latex()
    page_text = page(Report("s", {}, [], {}, [table], {}, {}))  # what nobody has is folded, with its reason
    for shown in ("0.200 ± 0.100 (2)", "Cells without a run here: 3", "<td>not scored on V2</td>", "no such network"):
        assert shown in page_text, shown
    assert "<td>0.300</td>" in page_text  # what was published, beside the reason
    frame = table.to_frame()
    assert frame.n.fillna(-1).tolist() == [2, 0, -1, 0, 0]
