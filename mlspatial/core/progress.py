"""Progress for the person who watches: a bar with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

LOG_SECONDS = 15.0


def bar(description: str, total: int, unit: str, initial: int = 0) -> Any:
    """A tqdm bar on standard error; in a log file a whole line every 15 s; MLSPATIAL_PROGRESS=0 silences both.

    initial: what was done before, which is no part of the rate.
    """
    from tqdm import tqdm

    silent = os.environ.get("MLSPATIAL_PROGRESS") == "0"
    if silent or sys.stderr.isatty():
        return tqdm(total=total, initial=initial, desc=description, unit=unit, dynamic_ncols=True, disable=silent)
    return LogLines(description, total, unit, initial)


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
            current[1].update(done - current[1].n)
            if notes:
                current[1].set_postfix(refresh=False, **notes)

    try:
        yield update
    finally:
        if current[1] is not None:
            current[1].close()


class LogLines:
    """The part of tqdm that is used here, written as whole lines."""

    def __init__(self, description: str, total: int, unit: str, initial: int = 0) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.n, self.note = initial, ""
        self.started = self.shown = time.monotonic()
        self.first = initial

    def __enter__(self) -> LogLines:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.n != self.first:
            self._show()

    def update(self, n: int) -> None:
        self.n += n
        if time.monotonic() - self.shown > LOG_SECONDS:
            self._show()

    def set_postfix(self, refresh: bool = True, **values: str) -> None:
        self.note = ", ".join(f"{key}={value}" for key, value in values.items())

    def _show(self) -> None:
        from tqdm import tqdm

        self.shown = time.monotonic()
        elapsed = self.shown - self.started
        say(
            tqdm.format_meter(
                self.n,
                self.total,
                elapsed,
                ncols=70,
                prefix=self.description,
                unit=self.unit,
                postfix=self.note,
                initial=self.first,
            )
        )


def say(text: str) -> None:
    """One line for the person who watches."""
    print(text, file=sys.stderr, flush=True)
