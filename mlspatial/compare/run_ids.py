"""Which runs are behind a number: their ids, once each, in the order in which they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Ids = str | None | float | Iterable["Ids"]


def run_ids(*parts: Ids) -> tuple[str, ...]:
    """parts: ids, texts of ids with spaces between, and columns or tuples of such; what is no text counts for none."""
    return tuple(dict.fromkeys(_each(parts)))


def run_text(*parts: Ids) -> str:
    """The same for a cell of a file: a space between ids."""
    return " ".join(run_ids(*parts))


def _each(part: Ids) -> Iterator[str]:
    if isinstance(part, str):
        yield from part.split()
    elif isinstance(part, Iterable):
        for inner in part:
            yield from _each(inner)
