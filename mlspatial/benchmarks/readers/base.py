"""What a reader of responses is: the endings of its files, the keys of a description that it takes, a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlspatial.benchmarks.responses import Responses
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.plugins import Plugins

FILE, FOLDER, PATTERN = "a file", "a file or folder", "a file or a pattern of files"
LONGEST = 60.0  # s: a window that reaches further from the onset is in milliseconds
#: keys of a description that some readers take, and of those the ones that are text as they stand there
KEYS = ("axes", "variable", "events", "mask", "rois", "column", "table", "series", "window", "counts")
TEXT = ("variable", "events", "mask", "rois", "column", "table", "series")


@dataclass(frozen=True)
class Asked:
    """What a description says of its responses. label: the column (coordinate) of a stimulus' stratum, or ""; neuroids:
    names or patterns of those that count, () for all; region: neuroids of other regions do not count; folder: of the
    recording, where files that belong to this one are looked for; settings: keys of the reader's own."""

    label: str = ""
    neuroids: Sequence[str] = ()
    region: str = ""
    folder: Path = Path()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def text(self, key: str) -> str:
        """A setting that is text; "" where it is not there."""
        return str(self.settings.get(key) or "")


@dataclass(frozen=True)
class Reader:
    """endings: of the names of its files; words: what those are called, as in "is for NWB files alone"; read(path,
    asked): the responses, or UserError; keys: in KEYS, that it takes; place: what path may be, FILE, FOLDER or
    PATTERN."""

    endings: tuple[str, ...]
    words: str
    read: Callable[[Path, Asked], Responses]
    keys: tuple[str, ...] = ()
    place: str = FILE


READERS: Plugins[Reader] = Plugins("reader of responses")


@contextmanager
def library(name: str, path: Path) -> Iterator[None]:
    """Imports of an optional library that a form of file needs. Raises UserError that says how to install it."""
    try:
        yield
    except ImportError as error:
        raise UserError(f"responses {path}: needs {name}, which is not installed; run: pip install {name}") from error


def window_of(asked: Asked) -> tuple[float, float] | None:
    """(from, to) in seconds after the onset; None where it is not set."""
    value = asked.settings.get("window")
    if value is None:
        return None
    numbers = value if isinstance(value, list) else []
    if len(numbers) != 2 or not all(isinstance(one, int | float) and not isinstance(one, bool) for one in numbers):
        raise BadValue("window", value, "must be two numbers, seconds after the onset, as [0.07, 0.17]")
    first, last = map(float, numbers)
    if not -LONGEST < first < last < LONGEST:
        raise BadValue(
            "window", value, f"must begin before it ends, within {LONGEST:g} s (not milliseconds), as [0.07, 0.17]"
        )
    return first, last


def told(values: Sequence[Any]) -> tuple[str, ...]:
    """Facts of neuroids as text, "" where there is none."""

    def one(value: Any) -> str:
        if value is None or (isinstance(value, float) and value != value):
            return ""
        if isinstance(value, bytes):
            return value.decode("utf-8", "replace").rstrip("\0 ")
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

    return tuple(map(one, values))
