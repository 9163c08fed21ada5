"""What a user did wrong, said in one line: what, which value, what to do next.

Entry points turn a UserError into that line on standard error and exit code 2 (1 where it is nobody's mistake).
Every other exception is a defect of this software and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class UserError(Exception):
    """A mistake in what was asked or handed over. The message names the value and the next step."""

    exit_code = 2


class UnknownName(UserError):
    """A name that nothing is registered or stored under."""

    def __init__(self, kind: str, name: object, known: Iterable[str]) -> None:
        names = sorted({str(k) for k in known})
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.5)
        if not names:
            hint = f"there is no {kind} yet"
        elif near:
            hint = f"did you mean {' or '.join(near)}? known: {_shorten(names)}"
        else:
            hint = f"known: {_shorten(names)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")
        self.kind, self.name, self.known = kind, name, names

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.kind, self.name, self.known)  # worker processes hand errors over pickled


class BadValue(UserError):
    """A parameter outside of what it may be."""

    def __init__(self, parameter: str, value: object, expected: str) -> None:
        super().__init__(f"{parameter}={value}: {expected}")
        self.parameter, self.value, self.expected = parameter, value, expected

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.parameter, self.value, self.expected)


class DatasetError(UserError):
    """A dataset folder that is missing, incomplete, damaged or of another recipe."""


class Refuted(UserError):
    """What was asked for is done, and does not hold: nobody's mistake, so exit code 1. runs: ids of its finished runs,
    which are told as those of a success are."""

    exit_code = 1

    def __init__(self, text: str, runs: list[str]) -> None:
        super().__init__(text)
        self.text, self.runs = text, runs

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.text, self.runs)


class Unreachable(UserError):
    """The tracking store stays away for longer than was waited: nobody's mistake, so exit code 1."""

    exit_code = 1


class TakenUp(UserError):
    """Another process has gone on with what this one was making, which it could not know: exit code 1."""

    exit_code = 1


class Busy(UserError):
    """Another process is making the very result that was asked for: ask again when it has ended.

    what: the result, maker: who is at it, both for people; entry, spec: of its run; cfg: its parameters.
    """

    def __init__(self, what: str, maker: str, entry: str, spec: str, cfg: Mapping[str, Any]) -> None:
        super().__init__(f"{what} is being made by {maker}; wait for it or stop it")
        self.what, self.maker, self.entry, self.spec, self.cfg = what, maker, entry, spec, dict(cfg)

    @property
    def refusal(self) -> str:
        """For somebody who does not want to wait."""
        how = "run the same command when it has ended, leave out wait=false to wait for it, or stop it"
        return f"{self.what} is being made by {self.maker}; {how}"

    def __reduce__(self) -> tuple[type, tuple[object, ...]]:
        return type(self), (self.what, self.maker, self.entry, self.spec, self.cfg)


class StimulusMismatch(UserError):
    """Two sets of stimuli that should be the same, in the same order, and are not."""


def _shorten(names: list[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def in_one_line(error: BaseException, most: int = 200) -> str:
    """What an error says, without line breaks and no longer than `most` characters; its class where it says nothing."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= most else f"{text[:most]} ..."
