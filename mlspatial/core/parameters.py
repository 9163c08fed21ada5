"""What can be said to an entry point: each parameter is declared once, beside the work that it steers.

The command line, MLproject, the study's file, the spec of a run and the docs follow from that.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Literal

from mlspatial.core.errors import BadValue
from mlspatial.core.plugins import Plugins

REQUIRED = object()  # in the place of a default
TRUE, FALSE = ("true", "1", "yes", "on", "t", "y"), ("false", "0", "no", "off", "f", "n")
KINDS: dict[type, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}

#: What a parameter decides: the result, so that runs which differ in it are never averaged together; which of several
#: alike results it is (a seed) or which parts of it are kept; or nothing but how it is made (threads, folders).
Decides = Literal["result", "draw", "nothing"]


@dataclass(frozen=True)
class Parameter:
    """One parameter. kind: str, int, float or bool; shown: what help says instead of the default.

    least: the smallest number that is taken; choices: the texts that are.
    """

    name: str
    kind: type
    help: str
    default: Any = REQUIRED
    decides: Decides = "result"
    shown: str = ""
    least: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Its help, with the choices where they are not in it."""
        unsaid = [choice for choice in self.choices if choice and choice not in self.help]
        return f"{self.help} One of {', '.join(self.choices)}." if unsaid else self.help

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    def convert(self, value: object) -> Any:
        """A text, or a value of another kind, as this parameter's kind: '1e4' is a whole number, '1.5' is none.

        Raises BadValue that names the parameter, the value and what it must be.
        """
        text = str(value).strip() if self.kind is not str else str(value)
        if self.kind is bool:
            if text.lower() in (*TRUE, *FALSE):
                return text.lower() in TRUE
            raise self._bad(value)
        if self.kind is str:
            if self.choices and text not in self.choices:
                raise BadValue(self.name, value, f"must be one of {', '.join(self.choices)}")
            return text
        try:
            number = int(text) if self.kind is int and text.lstrip("+-").isdecimal() else float(text)
        except ValueError:
            raise self._bad(value) from None
        if not math.isfinite(number) or (self.kind is int and number != int(number)):
            raise self._bad(value)
        if self.least is not None and number < self.least:
            raise BadValue(self.name, value, f"must be {self.least:g} or more")
        return self.kind(number)

    def _bad(self, value: object) -> BadValue:
        return BadValue(self.name, value, f"must be {KINDS[self.kind]}")


@dataclass(frozen=True)
class Entry:
    """An entry point. run: does the work, takes every parameter by name and returns the id of its run, or several.

    examples: what somebody may type behind its name; first: the parameter whose value may stand there without a name.
    """

    name: str
    help: str
    parameters: tuple[Parameter, ...]
    run: Callable[..., str | list[str]]
    examples: tuple[str, ...] = ()
    first: str = ""

    def __getitem__(self, name: str) -> Parameter:
        return next(parameter for parameter in self.parameters if parameter.name == name)

    @property
    def free(self) -> frozenset[str]:
        """Names of the parameters that decide nothing of a result."""
        return free(self.parameters)

    @property
    def defaults(self) -> dict[str, Any]:
        """Of what its work takes; whether it waits is decided above that (`wait`)."""
        mine = (parameter for parameter in self.parameters if parameter is not WAIT)
        return {parameter.name: parameter.default for parameter in mine if not parameter.required}


#: name -> entry point; every step registers its own
ENTRIES: Plugins[Entry] = Plugins("entry point")


def entry(
    name: str,
    help: str,
    parameters: tuple[Parameter, ...],
    run: Callable[..., str | list[str]],
    examples: tuple[str, ...] = (),
    first: str = "",
) -> Entry:
    """An entry point, registered under its name. All of them make runs, so each has WAIT besides its parameters: its
    work only raises Busy, and takes `wait` where it waits for others by itself."""
    if WAIT.name not in inspect.signature(run).parameters:
        run = _without_wait(run)
    return ENTRIES.register(name)(Entry(name, help, (*parameters, WAIT), run, examples, first))


def _without_wait(run: Callable[..., str | list[str]]) -> Callable[..., str | list[str]]:
    @wraps(run)
    def work(*, wait: bool = True, **parameters: Any) -> str | list[str]:
        return run(**parameters)

    return work


def free(parameters: Iterable[Parameter]) -> frozenset[str]:
    """Names of those that decide nothing of a result."""
    return frozenset(parameter.name for parameter in parameters if parameter.decides == "nothing")


def changed(parameters: Iterable[Parameter], **changes: Mapping[str, Any]) -> tuple[Parameter, ...]:
    """The parameters, some of them with other facts: changed(PARAMETERS, lr={"kind": str})."""
    return tuple(replace(parameter, **changes.get(parameter.name, {})) for parameter in parameters)


STUDY = Parameter("study", str, "Name that the run is found by, beside its other names.", "", "nothing")
FORCE = Parameter("force", bool, "Make it again even if a finished run answers.", False, "nothing")
DEVICE = Parameter("device", str, "auto, cpu, cuda, cuda:N or mps (Apple's GPU).", "auto", "nothing")
WAIT = Parameter(
    "wait",
    bool,
    "Wait for what another process is making already; false: say who makes it and end.",
    True,
    "nothing",
)

STORE_PATCH_VARIABLE = "MLSPATIAL_STORE_PATCH"  # says it to every command; a study's file says it to its calls
STORE_PATCH = Parameter(
    "store_patch",
    bool,
    "Keep uncommitted changes of the code with the run, as a patch; one that holds a password or key is refused.",
    True,
    "nothing",
)
