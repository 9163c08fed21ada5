"""One self-contained HTML file: what was asked and found, images, the figures that carry it; then findings, conditions,
tables and figures, and under each the runs it came from. What holds for several items is said once.

How it looks is in templates/report.html.j2 and report.css.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.compare.table import Cell, Table

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from mlspatial.compare.checks import Check
    from mlspatial.compare.drawing import Drawing

LARGEST_SVG = 400_000  # characters; a picture with more (thousands of points) goes in as png
LONG = 40  # rows of a table that a page shows at once
NOTED = 12  # notes under an item that a page shows at once
KEYS = 3  # figures on top
WIDE = 7  # columns of a table that stand on an upright sheet of paper
LISTED = 60  # runs that are linked one by one under an item; the csv beside the report names all of them


@dataclass(frozen=True)
class Report:
    """facts: of the study, name -> text; conditions: name -> what there is of it -> how many networks; items: in the
    order of the page; links: run id -> address in the MLflow UI, or ''; commands: missing condition -> the command that
    would make it; notes: what could not be read; sources: where that was published which the items follow; overview:
    sentences on what was asked and found; sheets: what it shows -> a picture of images, JPEG; key: ids of the items
    that carry the message, the first KEYS of those that are drawn are shown on top; beside: file next to the page ->
    what it is."""

    title: str
    facts: Mapping[str, str]
    checks: Sequence[Check]
    conditions: Mapping[str, Mapping[str, int]]
    items: Sequence[Table | Drawing]
    links: Mapping[str, str]
    commands: Mapping[str, str]
    notes: Sequence[str] = ()
    sources: Sequence[str] = ()
    overview: Sequence[str] = ()
    sheets: Mapping[str, bytes] = field(default_factory=dict)
    key: Sequence[str] = ()
    beside: Mapping[str, str] = field(default_factory=dict)


def shown(table: Table) -> tuple[Table, list[tuple[str, str, Cell]]]:
    """(the table less the rows and the columns in which nobody has a number, the cells that are only in those)."""

    def there(cell: Cell | None) -> bool:
        return cell is not None and bool(cell.runs or cell.style == "count")

    columns = tuple(c for c in table.columns if any(there(cells.get(c)) for cells in table.rows.values()))
    rows = {
        label: {column: cell for column, cell in cells.items() if column in columns}
        for label, cells in table.rows.items()
        if any(there(cells.get(c)) for c in columns)
    }
    absent = [
        (label, column, cell)
        for label, cells in table.rows.items()
        for column, cell in cells.items()
        if not there(cell) and (cell.published is not None or cell.why)
    ]
    return replace(table, columns=columns, rows=rows), absent


def said_once(items: Sequence[Table | Drawing]) -> dict[str, list[Table | Drawing]]:
    """Notes that stand under several items -> those, in the order of the page."""
    under: dict[str, list[Table | Drawing]] = {}
    for item in items:
        for note in dict.fromkeys(item.notes):
            under.setdefault(note, []).append(item)
    return {note: where for note, where in under.items() if len(where) > 1}


def page(report: Report) -> str:
    """The report as HTML; it needs nothing from elsewhere."""
    empty = [item for item in report.items if _empty(item)]
    drawn = [item for item in report.items if not _empty(item)]
    lacking: dict[str, list[Table | Drawing]] = {}
    for item in [*drawn, *empty]:
        for name in getattr(item, "missing", ()):
            lacking.setdefault(name, []).append(item)
    figures = {item.id: item for item in drawn if not isinstance(item, Table)}
    return _template().render(
        report=report,
        tables=[item for item in drawn if isinstance(item, Table)],
        figures=list(figures.values()),
        top=[figures[name] for name in report.key if name in figures][:KEYS],
        empty=empty,
        counted=list(dict.fromkeys(name for counts in report.conditions.values() for name in counts)),
        lacking=lacking,
        once=said_once(drawn),
        tested=[check for check in report.checks if check.holds is not None],
        untested=[check for check in report.checks if check.holds is None],
    )


def _empty(item: Table | Drawing) -> bool:
    return not item.runs if isinstance(item, Table) else item.figure is None


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("templates")), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    environment.globals |= {"long": LONG, "listed": LISTED, "noted": NOTED, "headline": headline}
    environment.globals |= {"inline_svg": inline_svg, "base64": base64, "shown": shown, "wide": WIDE}
    environment.globals |= {
        "short_headline": short_headline,
        "names": lambda items: ", ".join(map(short_headline, items)),
    }
    return environment.get_template("report.html.j2")


def headline(item: Table | Drawing) -> str:
    """The title, with the number of the published item in front where there is one: figure_c1 is Figure C.1."""
    short = short_headline(item)
    return item.title if short == item.title else f"{short}: {item.title}"


def short_headline(item: Table | Drawing) -> str:
    """The number of the published item, else the title."""
    kind, _, number = item.id.partition("_")
    found = re.fullmatch(r"([a-e]?)(\d+)([a-z]?)", number)
    if kind not in ("figure", "table") or not found:
        return item.title
    letter, digits, panel = found.groups()
    return f"{kind.capitalize()} {letter.upper() + '.' if letter else ''}{digits}{panel}"


def names(items: Sequence[Table | Drawing]) -> str:
    """Their short headlines, with commas between."""
    return ", ".join(map(short_headline, items))


def inline_svg(drawing: Drawing) -> Markup | None:
    """The svg element; None where it would be too large for a page."""
    from markupsafe import Markup

    svg = drawing.svg.decode()
    element = svg[svg.index("<svg") :]
    return Markup(element) if len(element) <= LARGEST_SVG else None


def base64(picture: bytes) -> str:
    """A picture for an address that begins with data:."""
    return b64encode(picture).decode()
