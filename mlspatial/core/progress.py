"""Progress for the person who watches: one line with what, how many, rate, time left; what a terminal takes."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TextIO

from mlspatial.core.secrets import shown

LOG_SECONDS = 15.0
LOG_WIDTH = 80  # of a line in a log, and of a terminal that does not say how wide it is
FULL, EMPTY = "\u2588", "\u2591"
LEAST_BAR, MOST_BAR, LEAST_NAME = 4, 30, 14  # columns
CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}  # of ECMA-48


def silent() -> bool:
    """Whether progress and summaries are not wanted: MLSPATIAL_PROGRESS=0. Warnings and errors are told anyway."""
    return os.environ.get("MLSPATIAL_PROGRESS") == "0"


def width() -> int:
    """Columns that a line may have."""
    return shutil.get_terminal_size((LOG_WIDTH, 24)).columns if sys.stderr.isatty() else LOG_WIDTH


def coloured(text: str, colour: str, stream: TextIO | None = None) -> str:
    """The text in a colour of CODES where the stream (standard error) is a terminal and NO_COLOR is not set."""
    stream = sys.stderr if stream is None else stream
    if not text or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return text
    return f"\x1b[{CODES[colour]}m{text}\x1b[0m"


def shortened(text: str, most: int) -> str:
    """The text with its middle left out where it is longer than `most` characters: both ends tell things apart."""
    if len(text) <= most:
        return text
    if most < 8:
        return text[: max(most, 0)]
    head = (most - 3) * 2 // 3
    return f"{text[:head]}...{text[len(text) - (most - 3 - head) :]}"


def duration(seconds: float) -> str:
    """'40 s', '12 min', '3 h 20 min', '2 d 4 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"


def drawn(share: float, columns: int) -> str:
    """A bar of so many columns."""
    full = round(columns * min(max(share, 0.0), 1.0))
    return FULL * full + EMPTY * (columns - full)


def line(
    what: str, done: float, total: float, unit: str, rate: float | None, note: str, columns: int, bar: bool
) -> str:
    """One line of at most `columns` characters: what, a bar, how many of how many, rate a second, time left, note.

    Where there is no room the bar goes first, then what is shortened: the numbers stay.
    """
    facts = [f"{round(done):,} of {round(total):,} {unit}"]
    if rate:
        facts.append(
            f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.2f} {unit}/s" if rate >= 1 else _each(rate, unit)
        )
        facts += [f"{duration(max(total - done, 0) / rate)} left"] if done < total else []
    facts += [note] if note else []
    while len(", ".join(facts)) > columns - LEAST_NAME - 2 and len(facts) > 2:
        facts.pop(1)  # the rate, then the time
    words = ", ".join(facts)
    what = shortened(what, max(columns - len(words) - 2, LEAST_NAME))
    room = columns - len(what) - len(words) - 3
    shown = f" {drawn(done / total if total else 1.0, min(room, MOST_BAR))}" if bar and room >= LEAST_BAR else ":"
    return f"{what}{shown} {words}"[:columns]


def _each(rate: float, unit: str) -> str:
    return f"{duration(1 / rate)} each" if 1 / rate >= 10 else f"{1 / rate:.1f} s each"


def bar(description: str, total: int, unit: str, initial: int = 0) -> Any:
    """One line on standard error: written over on a terminal (by tqdm), a whole line every 15 s in a log.

    initial: what was done before, which is no part of the rate. MLSPATIAL_PROGRESS=0 silences both.
    """
    if silent() or sys.stderr.isatty():
        return _tqdm()(total=total, initial=initial, desc=description, unit=unit, dynamic_ncols=True, disable=silent())
    return LogLines(description, total, unit, initial)


@cache
def _tqdm() -> Any:
    """tqdm with `line` for its text; imported when a bar is shown."""
    from tqdm import tqdm

    class Line(tqdm):
        """A line of this terminal's width."""

        @staticmethod
        def format_meter(n: Any, total: Any, elapsed: Any, *others: Any, **facts: Any) -> str:
            """tqdm hands over what it knows by name: prefix, unit, rate, postfix, initial."""
            first = facts.get("initial") or 0
            rate = facts.get("rate") or ((n - first) / elapsed if elapsed and n > first else None)
            what, note = (facts.get("prefix") or "").removesuffix(": "), facts.get("postfix") or ""
            columns = width() - 1  # a terminal wraps a line that fills it
            return _dyed(line(what, n, total, facts.get("unit") or "it", rate, note, columns, True))

    return Line


def _dyed(text: str) -> str:
    """The text with its bar in colour."""
    first = next((i for i, letter in enumerate(text) if letter in (FULL, EMPTY)), -1)
    if first < 0:
        return text
    last = max(text.rfind(FULL), text.rfind(EMPTY)) + 1
    return text[:first] + coloured(text[first:last], "cyan") + text[last:]


@contextmanager
def stages(descriptions: dict[str, str], units: dict[str, str]) -> Iterator[Callable[..., None]]:
    """A function (stage, done, total, **notes) that shows one bar after another.

    A stage that is complete when it is first heard of is not shown.
    """
    current: tuple[str, Any] = ("", None)

    def update(stage: str, done: int, total: int, **notes: str) -> None:
        nonlocal current
        if stage != current[0]:
            if current[1] is not None:
                current[1].close()
            current = stage, bar(descriptions[stage], total, units.get(stage, "it"), done) if done < total else None
        if current[1] is not None:
            if notes:
                current[1].set_postfix(refresh=False, **notes)
            current[1].update(done - current[1].n)

    try:
        yield update
    finally:
        if current[1] is not None:
            current[1].close()


class LogLines:
    """The part of tqdm that is used here, written as whole lines."""

    def __init__(self, description: str, total: int, unit: str, initial: int = 0) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.n, self.note, self.told = initial, "", initial
        self.started = self.shown = time.monotonic()
        self.first = initial

    def __enter__(self) -> LogLines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.n != self.told:
            self._show()

    def update(self, n: int) -> None:
        self.n += n
        if time.monotonic() - self.shown > LOG_SECONDS:
            self._show()

    def set_postfix(self, refresh: bool = True, **values: str) -> None:
        self.note = ", ".join(f"{key}={value}" for key, value in values.items())

    def _show(self) -> None:
        self.shown, self.told = time.monotonic(), self.n
        elapsed = self.shown - self.started
        rate = (self.n - self.first) / elapsed if elapsed > 0 and self.n > self.first else None
        say(line(self.description, self.n, self.total, self.unit, rate, self.note, LOG_WIDTH - 1, False))


def say(text: str) -> None:
    """One line for the person who watches; a bar that is being written over makes room for it. Passwords are masked."""
    text = shown(text)
    loaded = sys.modules.get("tqdm")
    if loaded is None or not sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)
        return
    with loaded.tqdm.external_write_mode(file=sys.stderr):
        print(text, file=sys.stderr, flush=True)
