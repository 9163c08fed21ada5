"""One self-contained HTML file: findings, conditions, tables and figures, and under each the runs it came from."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlspatial.compare.table import Cell, Table

if TYPE_CHECKING:
    from mlspatial.compare.checks import Check
    from mlspatial.compare.drawing import Drawing

LARGEST_SVG = 400_000  # characters; a picture with more (thousands of points) goes in as png
LONG = 40  # rows of a table that a page shows at once
LISTED = 60  # runs that are linked one by one under an item; the csv beside the report names all of them

STYLE = """
:root { color-scheme: light; --line: #d5d9de; --soft: #f5f6f8; --ink: #1d232b; --faint: #5d6875; --accent: #0b5cad;
  --good: #00664c; --bad: #a03d00; }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0 auto; max-width: 66rem; padding: 2rem 1.25rem 4rem; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; } h2 { font-size: 1.35rem; margin: 3rem 0 .4rem;
  border-top: 1px solid var(--line); padding-top: 1.2rem; } h3 { font-size: 1.05rem; margin: 2.2rem 0 .3rem; }
p { margin: .4rem 0; max-width: 48rem; } .faint, .caption, summary, footer { color: var(--faint); font-size: .9rem; }
ul { margin: .3rem 0; padding-left: 1.2rem; } li { margin: .15rem 0; }
nav { columns: 16rem 3; font-size: .9rem; margin: 1rem 0; } nav a { display: block; padding: .1rem 0; }
.scroll { overflow-x: auto; margin: .8rem 0; }
.long { max-height: 34rem; overflow-y: auto; } .long thead th { position: sticky; top: 0; background: #fff; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .4rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
td:first-child { white-space: normal; min-width: 11rem; max-width: 28rem; overflow-wrap: break-word; }
thead th { border-bottom: 2px solid var(--ink); font-weight: 600; }
tbody tr:hover { background: var(--soft); } td small { color: var(--faint); display: block; line-height: 1.2; }
details { margin: .3rem 0; } details table { font-size: .82rem; } details td { white-space: normal; }
code { font: .82rem/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: .5rem .7rem; overflow-x: auto; margin: .3rem 0; }
.words td { text-align: left; white-space: normal; vertical-align: top; } .words td:first-child { white-space: nowrap; }
.verdict { font-weight: 600; white-space: nowrap !important; } .yes { color: var(--good); } .no { color: var(--bad); }
.figure { margin: .8rem 0; overflow-x: auto; } .figure svg, .figure img { max-width: 100%; height: auto; }
.missing { border-left: 3px solid var(--line); padding-left: .8rem; margin: .6rem 0; font-size: .9rem; }
a { color: var(--accent); } footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem; }
@media (max-width: 40rem) { body { padding: 1.2rem .9rem 3rem; } nav { columns: 1; }
  .words td:first-child { white-space: normal; } }
@media print { nav, details { display: none; } .long { max-height: none; }
  body { max-width: none; } section { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Condition:
    """Networks that differ in nothing but their seed. counts: what there is of it, name -> number."""

    label: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Report:
    """facts: what was asked, name -> text; items: in the order of the page; links: run id -> address in the MLflow UI,
    or ''; commands: missing condition -> the command that would make it; notes: what could not be read."""

    title: str
    facts: Mapping[str, str]
    checks: Sequence[Check]
    conditions: Sequence[Condition]
    items: Sequence[Table | Drawing]
    links: Mapping[str, str]
    commands: Mapping[str, str]
    notes: Sequence[str] = ()


def page(report: Report) -> str:
    """The report as HTML; it needs nothing from elsewhere."""
    shown = [item for item in report.items if not _empty(item)]
    empty = [item for item in report.items if _empty(item)]
    parts = [
        f"<h1>{_text(report.title)}</h1>",
        _facts(report.facts),
        _notes(report.notes),
        _contents(shown, empty),
        _checks(report),
        _conditions(report.conditions),
        '<h2 id="tables">Tables</h2>' if any(isinstance(item, Table) for item in shown) else "",
        *(_table(item, report) for item in shown if isinstance(item, Table)),
        '<h2 id="figures">Figures</h2>' if any(not isinstance(item, Table) for item in shown) else "",
        *(_drawing(item, report) for item in shown if not isinstance(item, Table)),
        _left_out(empty, report),
        "<footer>Made by mlspatial from the runs named under each item; nothing here was typed by hand.</footer>",
    ]
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{_text(report.title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
        f"{''.join(parts)}</body></html>\n"
    )


def headline(item: Table | Drawing) -> str:
    """The title, with the number of the published item in front where there is one: figure_c1 is Figure C.1."""
    kind, _, number = item.id.partition("_")
    found = re.fullmatch(r"([a-e]?)(\d+)([a-z]?)", number)
    if kind not in ("figure", "table") or not found:
        return item.title
    letter, digits, panel = found.groups()
    return f"{kind.capitalize()} {letter.upper() + '.' if letter else ''}{digits}{panel}: {item.title}"


def _text(text: object) -> str:
    return html.escape(str(text))


def _empty(item: Table | Drawing) -> bool:
    return not item.runs if isinstance(item, Table) else item.figure is None


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<tr><td>{_text(name)}</td><td>{_text(value)}</td></tr>" for name, value in facts.items())
    return f"<div class=scroll><table class=words><tbody>{rows}</tbody></table></div>"


def _notes(notes: Sequence[str]) -> str:
    return "".join(f"<p class=missing>{_text(note)}</p>" for note in notes)


def _contents(shown: Sequence[Table | Drawing], empty: Sequence[Table | Drawing]) -> str:
    links = [("findings", "Findings"), ("conditions", "Conditions"), *((item.id, headline(item)) for item in shown)]
    links += [("left-out", "Not drawn")] if empty else []
    return "<nav>" + "".join(f'<a href="#{name}">{_text(title)}</a>' for name, title in links) + "</nav>"


def _checks(report: Report) -> str:
    rows = []
    for check in report.checks:
        kind = {True: "yes", False: "no", None: "faint"}[check.holds]
        rows.append(
            f'<tr><td class="verdict {kind}">{check.verdict}</td><td>{_text(check.claim)}'
            f"<br><span class=faint>{_text(check.value)}</span>{_run_list(check.runs, report.links)}</td></tr>"
        )
    if not rows:
        return ""
    found = "<div class=scroll><table class=words><tbody>" + "".join(rows) + "</tbody></table></div>"
    if all(check.holds is None for check in report.checks):
        found = f"<details><summary>None of {len(rows)} can be tested with these runs</summary>{found}</details>"
    return (
        '<h2 id="findings">Published findings</h2><p class=caption>Each is the paper\'s claim, and whether these runs '
        f"hold it.</p>{found}"
    )


def _conditions(conditions: Sequence[Condition]) -> str:
    names = list(dict.fromkeys(name for condition in conditions for name in condition.counts))
    head = "".join(f"<th>{_text(name)}</th>" for name in ("condition", *names))
    body = "".join(
        f"<tr><td>{_text(condition.label)}</td>"
        + "".join(f"<td>{condition.counts.get(name) or '–'}</td>" for name in names)
        + "</tr>"
        for condition in conditions
    )
    return (
        '<h2 id="conditions">Conditions</h2><p class=caption>Networks that differ in nothing but their seed, and how '
        "many finished runs there are of each.</p>" + _rows(head, body, len(conditions))
    )


def _rows(head: str, body: str, count: int) -> str:
    """A table, in a box with a bar of its own when it is longer than a screen."""
    kind = '"scroll long"' if count > LONG else "scroll"
    return f"<div class={kind}><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _table(table: Table, report: Report) -> str:
    head = "".join(f"<th>{_text(name)}</th>" for name in (table.stub, *table.columns))
    body = "".join(
        f"<tr><td>{_text(label)}</td>{''.join(_cell(cells.get(name)) for name in table.columns)}</tr>"
        for label, cells in table.rows.items()
    )
    sources = "".join(
        f"<tr><td>{_text(label)}</td><td>{_text(column)}</td><td>{_runs(cell.runs, report.links)}</td></tr>"
        for label, cells in table.rows.items()
        for column, cell in cells.items()
        if cell.runs
    )
    notes = "".join(f"<p class=faint>{_text(note)}</p>" for note in table.notes)
    return (
        f'<section id="{table.id}"><h3>{_text(headline(table))}</h3><p class=caption>{_text(table.caption)}</p>'
        f"{_rows(head, body, len(table.rows))}{notes}"
        f"<details><summary>The {len(table.runs)} runs behind these numbers</summary><div class=scroll>"
        f"<table><thead><tr><th>{_text(table.stub)}</th><th>column</th><th>runs</th></tr></thead>"
        f"<tbody>{sources}</tbody></table></div></details></section>"
    )


def _cell(cell: Cell | None) -> str:
    if cell is None or (not cell.runs and cell.style != "count"):
        published = f"<small>published {cell.published:.3f}</small>" if cell and cell.published is not None else ""
        return f"<td class=faint>–{published}</td>"
    small = [f"n = {cell.n}"] if cell.style == "value" and cell.n else []
    if cell.published is not None:
        inside = {True: "within 1 SD", False: "outside 1 SD", None: ""}[cell.within_spread]
        small.append(", ".join(filter(None, [f"published {cell.published:.3f}", inside])))
    return f"<td>{_text(cell)}{''.join(f'<small>{_text(line)}</small>' for line in small)}</td>"


def _drawing(drawing: Drawing, report: Report) -> str:
    return (
        f'<section id="{drawing.id}"><h3>{_text(headline(drawing))}</h3><div class=figure>{_picture(drawing)}</div>'
        f"<p class=caption>{_text(drawing.caption)}</p>"
        + "".join(f"<p class=faint>{_text(note)}</p>" for note in drawing.notes)
        + _missing(drawing.missing, report.commands)
        + _run_list(drawing.runs, report.links)
        + "</section>"
    )


def _picture(drawing: Drawing) -> str:
    svg = drawing.svg.decode()
    markup = svg[svg.index("<svg") :]
    if len(markup) <= LARGEST_SVG:
        return re.sub(r"<svg ", f'<svg role="img" aria-label="{_text(drawing.title)}" ', markup, count=1)
    data = base64.b64encode(drawing.png).decode()
    return f'<img alt="{_text(drawing.title)}" src="data:image/png;base64,{data}">'


def _missing(missing: Sequence[str], commands: Mapping[str, str]) -> str:
    if not missing:
        return ""
    known = [f"<li>{_text(name)}<pre><code>{_text(commands[name])}</code></pre></li>" for name in missing
             if commands.get(name)]  # fmt: skip
    rest = [_text(name) for name in missing if not commands.get(name)]
    others = f"<li>{'; '.join(rest)}</li>" if rest else ""
    return (
        f"<details class=missing><summary>Conditions of the published figure without runs: {len(missing)}</summary>"
        f"<ul>{''.join(known)}{others}</ul></details>"
    )


def _left_out(empty: Sequence[Table | Drawing], report: Report) -> str:
    if not empty:
        return ""
    rows = []
    for item in empty:
        lacks = getattr(item, "missing", ()) or getattr(item, "notes", ())
        rows.append(f"<tr><td>{_text(headline(item))}</td><td>{_text('; '.join(lacks) or item.caption)}</td></tr>")
    wanted = dict.fromkeys(name for item in empty for name in getattr(item, "missing", ()))
    return (
        '<h2 id="left-out">Not drawn</h2><p class=caption>Items without a fitting run, and what they lack.</p>'
        f"<div class=scroll><table class=words><tbody>{''.join(rows)}</tbody></table></div>"
        + _commands([name for name in wanted if report.commands.get(name)], report.commands)
    )


def _commands(names: Sequence[str], commands: Mapping[str, str]) -> str:
    if not names:
        return ""
    lines = "".join(f"<li>{_text(name)}<pre><code>{_text(commands[name])}</code></pre></li>" for name in names)
    return f"<details class=missing><summary>Commands that would make them</summary><ul>{lines}</ul></details>"


def _run_list(runs: Sequence[str], links: Mapping[str, str]) -> str:
    if not runs:
        return ""
    noun = "run" if len(runs) == 1 else "runs"
    return f"<details><summary>The {len(runs)} {noun} behind it</summary><p>{_runs(runs, links)}</p></details>"


def _runs(runs: Iterable[str], links: Mapping[str, str]) -> str:
    listed = list(runs)
    shown = []
    for run in listed[:LISTED]:
        name = f"<code>{_text(run[:8])}</code>"
        shown.append(
            f'<a href="{_text(links[run])}" title="{_text(run)}">{name}</a>'
            if links.get(run)
            else f'<code title="{_text(run)}">{_text(run)}</code>'
        )
    rest = f" and {len(listed) - LISTED} more, named in the csv" if len(listed) > LISTED else ""
    return " ".join(shown) + rest
