"""Reading a csv that somebody else wrote: rows with their line numbers, and mistakes that name the line."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from pathlib import Path

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.progress import say

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}
Lines = list[tuple[int, dict[str, str]]]


def lines(path: Path) -> tuple[list[str], Lines]:
    """Column names, and (line number, fields by column) of every row; lines that begin with # are comments."""
    if not path.is_file():
        raise BadValue("file", str(path), "there is no such file; give the path of a csv")

    def readable() -> Iterator[str]:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for line in stream:
                yield "\n" if line.startswith("#") else line  # an empty line keeps the count of lines

    separator = _separator(path)
    try:
        reader = csv.reader(readable(), delimiter=separator)
        rows = [(reader.line_num, [text.strip() for text in row]) for row in reader if any(map(str.strip, row))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path.name} cannot be read as a csv in utf-8 ({error}); save it as one") from None
    if len(rows) < 2:
        raise UserError(
            f"{path.name} has no rows below a header; `python -m entrypoints.import --help` names the columns"
        )
    header = rows[0][1]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise UserError(f"{path.name}: column {twice[0]!r} is there twice; keep one")
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise UserError(
                f"{path.name}, line {number}: {len(row)} fields, the header has {len(header)}; add {NAMES[separator]}"
            )
    if separator != ",":
        say(f"import: {path.name}: fields are taken as apart at {NAMES[separator]}, numbers with a comma or a point")
        rows = [(number, [_pointed(text) for text in row]) for number, row in rows]
    return header, [(number, dict(zip(header, row, strict=True))) for number, row in rows[1:]]


def _separator(path: Path) -> str:
    """What stands between the fields of the header: a comma, or where there is none a semicolon or a tab (as
    spreadsheets write where numbers have decimal commas)."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = next((line for line in stream if line.strip() and not line.startswith("#")), "")
    except UnicodeDecodeError:
        return ","  # said by who reads it
    quiet = re.sub(r'"[^"]*"', "", header)
    return "," if "," in quiet else next((sign for sign in (";", "\t") if sign in quiet), ",")


def _pointed(text: str) -> str:
    """A decimal comma as a point."""
    return text.replace(",", ".") if re.fullmatch(r"[+-]?\d*,\d+([eE][+-]?\d+)?", text) else text


def number(where: str, column: str, text: str) -> float:
    """A finite number; NaN for an empty field."""
    if not text:
        return math.nan
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) and re.fullmatch(r"[+-]?\d+,\d+", text):
        raise UserError(
            f"{where}: {column} is {text!r}, with a decimal comma; put semicolons between fields, or points"
        )
    if not math.isfinite(value):
        raise UserError(f"{where}: {column} is {text!r}, not a number; write one with a point, or nothing")
    return value
