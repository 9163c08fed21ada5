"""The JSON schema of a design's file, for editors: `python -m mlspatial.render.design_schema` writes it anew.

An editor that reads YAML shows what may stand where when a file begins with
`# yaml-language-server: $schema=PATH/design.schema.json`. What only the libraries know (names of objects, scenes and
skies) is checked when the file is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlspatial.core.design import NAMES, NUMBERS
from mlspatial.core.files import write_json
from mlspatial.render.design_file import ALSO, CONTEXTS, SHIPPED

FILE = SHIPPED / "design.schema.json"


def schema() -> dict[str, Any]:
    """JSON schema, draft 2020-12."""
    numbers = {name: NUMBERS[ALSO.get(name, name)] for name in (*NUMBERS, *ALSO)}
    factors: dict[str, Any] = {name: _levels(low, high) for name, (_, _, low, high) in numbers.items()}
    factors |= {name: _names(least=2) for name in NAMES}
    factors["sample"] = {"type": "integer", "minimum": 1, "description": "how many of the cells are drawn"}
    held = {name: _held(low, high) for name, (_, _, low, high) in numbers.items()}
    contexts = {name: {"type": "integer", "minimum": 1} if name == "repeats" else _names(least=1) for name in CONTEXTS}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Design of controlled images (mlspatial render --design)",
        "type": "object",
        "required": ["crossings"],
        "additionalProperties": False,
        "properties": {
            "crossings": {
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {
                    "type": "object",
                    "minProperties": 1,
                    "additionalProperties": False,
                    "properties": factors,
                },
            },
            "held": {"type": "object", "additionalProperties": False, "properties": held},
            "contexts": {"type": "object", "additionalProperties": False, "properties": contexts},
            "in_view": {"type": "number", "minimum": 0, "maximum": 1},
        },
    }


def _levels(low: float, high: float) -> dict[str, Any]:
    number = {"type": "number", "minimum": low, "maximum": high}
    count = {"type": "integer", "minimum": 2}
    return {
        "oneOf": [
            {"type": "array", "items": number, "minItems": 2, "uniqueItems": True},
            _object({"from": number, "to": number, "levels": count}, ["from", "to", "levels"]),
            _object({"step": {"type": "number", "minimum": 0, "maximum": high - low}, "levels": count}, ["step"]),
        ]
    }


def _held(low: float, high: float) -> dict[str, Any]:
    number = {"type": "number", "minimum": low, "maximum": high}
    return {"oneOf": [number, {"type": "array", "items": number, "minItems": 2, "maxItems": 2}]}


def _names(least: int) -> dict[str, Any]:
    count = {"type": "integer", "minimum": least}
    return {"oneOf": [count, {"type": "array", "items": {"type": "string"}, "minItems": least, "uniqueItems": True}]}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": required}


def main(target: Path = FILE) -> Path:
    """Write it."""
    return write_json(target, schema())


if __name__ == "__main__":
    print(main())
