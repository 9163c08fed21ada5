"""One self-contained HTML file: findings, conditions, tables and figures, and under each the runs it came from.

What it says and how it looks is in templates/report.html.j2 and report.css.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.compare.table import Table

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

    from mlspatial.compare.checks import Check
    from mlspatial.compare.drawing import Drawing

LARGEST_SVG = 400_000  # characters; a picture with more (thousands of points) goes in as png
LONG = 40  # rows of a table that a page shows at once
NOTED = 12  # notes under an item that a page shows at once
LISTED = 60  # runs that are linked one by one under an item; the csv beside the report names all of them


@dataclass(frozen=True)
class Report:
    """facts: what was asked, name -> text; conditions: name -> what there is of it -> how many networks; items: in the
    order of the page; links: run id -> address in the MLflow UI, or ''; commands: missing condition -> the command that
    would make it; notes: what could not be read; sources: where that was published which the items follow."""

    title: str
    facts: Mapping[str, str]
    checks: Sequence[Check]
    conditions: Mapping[str, Mapping[str, int]]
    items: Sequence[Table | Drawing]
    links: Mapping[str, str]
    commands: Mapping[str, str]
    notes: Sequence[str] = ()
    sources: Sequence[str] = ()
    explore: str = ""  # the name of the page beside this one in which all numbers can be explored


def page(report: Report) -> str:
    """The report as HTML; it needs nothing from elsewhere."""
    empty = [item for item in report.items if _empty(item)]
    drawn = [item for item in report.items if not _empty(item)]
    lacking = dict.fromkeys(name for item in empty for name in getattr(item, "missing", ()))
    return _template().render(
        report=report,
        tables=[item for item in drawn if isinstance(item, Table)],
        figures=[item for item in drawn if not isinstance(item, Table)],
        empty=empty,
        counted=list(dict.fromkeys(name for counts in report.conditions.values() for name in counts)),
        wanted=[name for name in lacking if name in report.commands],
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
    environment.globals |= {"inline_svg": inline_svg, "inline_png": inline_png}
    return environment.get_template("report.html.j2")


def headline(item: Table | Drawing) -> str:
    """The title, with the number of the published item in front where there is one: figure_c1 is Figure C.1."""
    kind, _, number = item.id.partition("_")
    found = re.fullmatch(r"([a-e]?)(\d+)([a-z]?)", number)
    if kind not in ("figure", "table") or not found:
        return item.title
    letter, digits, panel = found.groups()
    return f"{kind.capitalize()} {letter.upper() + '.' if letter else ''}{digits}{panel}: {item.title}"


def inline_svg(drawing: Drawing) -> Markup | None:
    """The svg element; None where it would be too large for a page."""
    from markupsafe import Markup

    svg = drawing.svg.decode()
    element = svg[svg.index("<svg") :]
    return Markup(element) if len(element) <= LARGEST_SVG else None


def inline_png(drawing: Drawing) -> str:
    """The picture for an address that begins with data:."""
    return b64encode(drawing.png).decode()
