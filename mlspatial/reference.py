"""docs/parameters.md, written from the parameters that the entry points declare: `make mlproject`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mlspatial.core.files import write_text
from mlspatial.core.parameters import KINDS, Entry, Parameter

FILE = Path(__file__).resolve().parents[1] / "docs" / "parameters.md"
HEAD = """# Parameters

Written by `make mlproject` from the entry points themselves. On a command line `--name value`, with `mlflow run`
`-P name=value`, in a study's file `name: value`. The last column says what a parameter decides: *result*, so that runs
which differ in it are never averaged together; *draw*, which of several alike results it is, or which parts of it are
kept; *nothing*, so that a finished run answers whatever its value.
"""


def text(entries: Iterable[Entry]) -> str:
    """The whole page."""
    return HEAD + "".join(_section(entry) for entry in entries)


def write(entries: Iterable[Entry]) -> Path:
    """Write the page in the checkout."""
    return write_text(FILE, text(entries))


def _section(entry: Entry) -> str:
    summary = entry.help.partition("\n\n")[0].replace("\n", " ")
    rows = "".join(_row(parameter) for parameter in entry.parameters)
    examples = "".join(f"    mlspatial {entry.name} {example}\n" for example in entry.examples)
    summary += f"\n\n{examples.rstrip()}" if examples else ""
    return f"\n## {entry.name}\n\n{summary}\n\n| parameter | is | default | | decides |\n|---|---|---|---|---|\n{rows}"


def _row(parameter: Parameter) -> str:
    default = "(required)" if parameter.required else parameter.shown or f"`{_plain(parameter.default)}`"
    cells = (f"`{parameter.name}`", KINDS[parameter.kind], default, parameter.text, parameter.decides)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or " "
