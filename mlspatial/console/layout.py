"""Text that fits a terminal: tables, named facts, sizes."""

from __future__ import annotations

import os
import shlex
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from mlspatial.core.progress import LOG_WIDTH, coloured, shortened

WIDTH = LOG_WIDTH - 1
INDENT = 11  # columns of a fact's name
LEAST_CELL = 8  # columns that a cell of text keeps
TOOLS = ("doctor", "show", "clean", "library")
Cell = str | float | int | None


def number(value: float | None, digits: int = 3) -> str:
    """'.812', '-.04', '12.3'; '-' for none and for what is not a number."""
    if value is None or value != value:
        return "-"
    text = f"{value:.{digits}f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 and text.lstrip("-").startswith("0.") else text


def amount(size: float) -> str:
    """'1.2 GB'."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e3:.0f} kB"


def when(milliseconds: float) -> str:
    """'2026-11-30 14:05', local time."""
    return f"{datetime.fromtimestamp(milliseconds / 1000):%Y-%m-%d %H:%M}"


def place(path: Path | str) -> str:
    """A path as short as it can be typed here: relative to this folder where it lies below it."""
    path = Path(path)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else str(path)


def invocation(entry: str) -> str:
    """How this process's user calls another command: as `mlspatial NAME`, or by module where that was done."""
    if Path(sys.argv[0]).name == "mlspatial":
        return f"mlspatial {entry}"
    return f"python -m mlspatial {entry}" if entry in TOOLS else f"python -m entrypoints.{entry}"


def command(entry: str, **parameters: object) -> str:
    """A command line of an entry point, to be copied."""
    words = [word for name, value in parameters.items() for word in (f"--{name}", shlex.quote(str(value)))]
    return " ".join([invocation(entry), *words])


def facts(pairs: Mapping[str, str] | Sequence[tuple[str, str]], width: int = WIDTH) -> str:
    """Names in a column, what is said of each beside it, broken into lines between words only."""
    rows = list(pairs.items() if isinstance(pairs, Mapping) else pairs)
    room = max([INDENT, *(len(name) + 2 for name, _ in rows)])
    lines = []
    for name, text in rows:
        parts = [part for line in text.splitlines() for part in _broken(line, width - room)] or [""]
        label = coloured(name, "bold") + " " * (room - len(name))
        lines += [f"{label if number == 0 else ' ' * room}{part}".rstrip() for number, part in enumerate(parts)]
    return "\n".join(lines)


def _broken(text: str, width: int) -> list[str]:
    start = len(text) - len(text.lstrip())
    return textwrap.wrap(
        text, width, break_long_words=False, break_on_hyphens=False, subsequent_indent=" " * (start + 2),
        drop_whitespace=True, replace_whitespace=False,
    )  # fmt: skip


def table(rows: Sequence[Mapping[str, Cell]], width: int = WIDTH, most: int = 12) -> str:
    """Rows under their names: numbers to the right, texts shortened in the middle until a line fits.

    most: rows that are shown; the rest is counted. Columns that do not fit at all are left out, and named.
    """
    if not rows:
        return ""
    names = list(dict.fromkeys(name for row in rows for name in row))
    shown = rows[:most]
    cells = {name: [_cell(row.get(name)) for row in shown] for name in names}
    right = {name for name in names if not any(isinstance(row.get(name), str) for row in rows)}
    widths = {name: max([len(name), *(len(cell) for cell in cells[name])]) for name in names}
    left_out: list[str] = []
    while sum(widths.values()) + 2 * (len(widths) - 1) > width:
        texts = [name for name in widths if name not in right and widths[name] > max(LEAST_CELL, len(name))]
        if texts:
            widest = max(texts, key=lambda name: widths[name])
            widths[widest] -= 1
        elif len(widths) > 1:
            name = list(widths)[-1]
            left_out.insert(0, name)
            widths.pop(name)
        else:
            break

    def row_of(values: Iterable[tuple[str, str]]) -> str:
        parts = [
            cell.rjust(widths[name]) if name in right else shortened(cell, widths[name]).ljust(widths[name])
            for name, cell in values
        ]
        return "  ".join(parts).rstrip()

    lines = [coloured(row_of((name, name) for name in widths), "dim")]
    lines += [row_of((name, cells[name][i]) for name in widths) for i in range(len(shown))]
    if len(rows) > most:
        lines.append(f"... and {len(rows) - most} more")
    if left_out:
        lines += _broken(f"(no room here for {', '.join(left_out)})", width)
    return "\n".join(lines)


def _cell(value: Cell) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    return number(value)


def size_of(path: Path) -> int:
    """Bytes of a file or of all files below a folder; links are not followed."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:  # it went away meanwhile
                continue
    return total
