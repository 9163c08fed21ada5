"""One self-contained HTML file: every table, and under every number the runs it came from."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from mlspatial.compare.table import Cell, Table

STYLE = """
:root { color-scheme: light; --line: #d5d9de; --soft: #f5f6f8; --ink: #1d232b; --faint: #5d6875; --accent: #0b5cad; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 2rem 1.25rem 4rem; color: var(--ink); background: #fff;
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.6rem 0 .4rem; }
p { margin: .4rem 0; } .faint, .caption, summary, footer { color: var(--faint); font-size: .9rem; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .8rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } thead th { border-bottom: 2px solid var(--ink); font-weight: 600; }
tbody tr:hover { background: var(--soft); } td small { color: var(--faint); display: block; line-height: 1.2; }
details { margin: .3rem 0; } details table { font-size: .82rem; } details td { white-space: normal; }
code { font: .82rem/1.5 ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.facts td { text-align: left; white-space: normal; }
a { color: var(--accent); } footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .8rem; }
"""


def page(title: str, facts: Mapping[str, str], tables: Sequence[Table], links: Mapping[str, str]) -> str:
    """The report as HTML. facts: what was asked, name -> text; links: run id -> address in the MLflow UI, or ''."""
    asked = "".join(f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in facts.items())
    body = "".join(_section(table, links) for table in tables)
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
        f"<h1>{html.escape(title)}</h1><div class=scroll><table class=facts>{asked}</table></div>{body}"
        "<footer>Made by mlspatial from the runs named under each table; nothing here was typed by hand.</footer>"
        "</body></html>\n"
    )


def _section(table: Table, links: Mapping[str, str]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in ("condition", *table.columns))
    body = "".join(
        f"<tr><td>{html.escape(label)}</td>{''.join(_cell(cells.get(name)) for name in table.columns)}</tr>"
        for label, cells in table.rows.items()
    )
    sources = "".join(
        f"<tr><td>{html.escape(label)}</td><td>{html.escape(column)}</td><td>{_runs(cell, links)}</td></tr>"
        for label, cells in table.rows.items()
        for column, cell in cells.items()
    )
    notes = "".join(f"<p class=faint>{html.escape(note)}</p>" for note in table.notes)
    return (
        f'<section id="{table.id}"><h2>{html.escape(table.title)}</h2><p class=caption>{html.escape(table.caption)}</p>'
        f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{notes}"
        f"<details><summary>The {len(table.runs)} runs behind these numbers</summary><div class=scroll>"
        "<table><thead><tr><th>condition</th><th>column</th><th>runs</th></tr></thead>"
        f"<tbody>{sources}</tbody></table></div></details></section>"
    )


def _cell(cell: Cell | None) -> str:
    if cell is None or not cell.runs:
        return "<td class=faint>–</td>"
    return f'<td title="{" ".join(cell.runs)}">{cell}<small>n = {cell.n}</small></td>'


def _runs(cell: Cell, links: Mapping[str, str]) -> str:
    names = (f"<code>{run}</code>" for run in cell.runs)
    return " ".join(
        f'<a href="{html.escape(links[run])}">{name}</a>' if links.get(run) else name
        for run, name in zip(cell.runs, names, strict=True)
    )
