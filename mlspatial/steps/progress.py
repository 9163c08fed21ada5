"""Progress for the person who watches: a bar with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

LOG_SECONDS = 15.0


def bar(description: str, total: int, unit: str) -> Any:
    """A tqdm bar on standard error; in a log file a whole line every 15 s; MLSPATIAL_PROGRESS=0 silences both."""
    from tqdm import tqdm

    silent = os.environ.get("MLSPATIAL_PROGRESS") == "0"
    if silent or sys.stderr.isatty():
        return tqdm(total=total, desc=description, unit=unit, dynamic_ncols=True, disable=silent)
    return LogLines(description, total, unit)


class LogLines:
    """The part of tqdm that is used here, written as whole lines."""

    def __init__(self, description: str, total: int, unit: str) -> None:
        self.description, self.total, self.unit = description, total, unit
        self.n, self.note = 0, ""
        self.started = self.shown = time.monotonic()
        self.first = 0

    def __enter__(self) -> LogLines:
        return self

    def __exit__(self, *_: object) -> None:
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
                self.n, self.total, elapsed, 70, prefix=self.description, unit=self.unit, postfix=self.note
            )
        )


def say(text: str) -> None:
    """One line for the person who watches."""
    print(text, file=sys.stderr, flush=True)
