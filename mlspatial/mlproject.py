"""MLproject, written from the parameters that the entry points declare: `make mlproject`."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mlspatial.core.files import write_text
from mlspatial.core.parameters import Entry, Parameter

FILE = Path(__file__).resolve().parents[1] / "MLproject"
HEAD = (
    "# Written by `make mlproject` from the parameters of the entry points.\nname: mlspatial\n\nconda_env: conda.yaml\n"
)
TYPES: dict[type, str] = {str: "string", bool: "string", int: "float", float: "float"}  # MLflow knows no others
WIDTH = 116
PLAIN = re.compile(r"[A-Za-z][\w/.-]*")  # what YAML takes for a text without quotes
NOT_TEXT = ("true", "false", "yes", "no", "on", "off", "null")


def text(entries: Iterable[Entry]) -> str:
    """The whole file."""
    return HEAD + "\nentry_points:\n" + "\n".join(_entry(entry) for entry in entries)


def write(entries: Iterable[Entry]) -> Path:
    """Write MLproject in the checkout."""
    return write_text(FILE, text(entries))


def _entry(entry: Entry) -> str:
    words = " ".join(f"--{parameter.name} {{{parameter.name}}}" for parameter in entry.parameters)
    command = textwrap.wrap(f"exec python -m entrypoints.{entry.name} {words}", WIDTH, break_on_hyphens=False)
    lines = [f"  {entry.name}:", "    parameters:"]
    lines += [f"      {parameter.name}: {{{_facts(parameter)}}}" for parameter in entry.parameters]
    lines += ["    command: >-", *(f"      {line}" for line in command)]
    return "\n".join(lines) + "\n"


def _facts(parameter: Parameter) -> str:
    kind = f"type: {TYPES[parameter.kind]}"
    return kind if parameter.required else f"{kind}, default: {_scalar(parameter.default)}"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return f'"{str(value).lower()}"'
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) and value.lower() not in NOT_TEXT else json.dumps(value)
    return str(value)


if __name__ == "__main__":
    from mlspatial import reference
    from mlspatial.cli import entries

    print(write(entries()), reference.write(entries()), sep="\n")
