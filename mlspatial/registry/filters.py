"""The part of MLflow's filter language that this package writes: conditions with `and` between."""

from __future__ import annotations

import re
from dataclasses import dataclass

_QUOTED = r"'[^']*'|\"[^\"]*\""
_CLAUSE = re.compile(
    rf"\s*(?:(?P<kind>tags|params|attributes)\.)?(?:`(?P<ticked>[^`]+)`|(?P<key>\w+))"
    rf"\s*(?P<how>!=|=|LIKE|IN)\s*(?P<value>{_QUOTED}|\((?:\s*(?:{_QUOTED})\s*,?)+\))\s*(?P<more>and\s|$)"
)


@dataclass(frozen=True)
class Condition:
    """kind: tags, params, or attributes; how: =, !=, LIKE or IN; values: one, of IN several."""

    kind: str
    key: str
    how: str
    values: tuple[str, ...]


def conditions(text: str) -> tuple[Condition, ...] | None:
    """What a filter says; None for one that says more than this part of the language can."""
    found: list[Condition] = []
    place, more = 0, bool(text.strip())
    while more:
        clause = _CLAUSE.match(text, place)
        if clause is None:
            return None
        values = tuple(quoted[1:-1] for quoted in re.findall(_QUOTED, clause["value"]))
        if (clause["how"] == "IN") != clause["value"].startswith("("):
            return None
        found.append(
            Condition(clause["kind"] or "attributes", clause["ticked"] or clause["key"], clause["how"], values)
        )
        place, more = clause.end(), bool(clause["more"].strip())
    return tuple(found)
