"""A check: a number that somebody has published, or that follows from mathematics, beside the same computed here."""

from __future__ import annotations

import importlib.util
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from mlspatial.core.errors import UnknownName, UserError, in_one_line
from mlspatial.core.hashing import file_sha256
from mlspatial.core.names import data_folders
from mlspatial.core.plugins import Plugins

HOLDS, FAILS, DIFFERS, LACKS = "holds", "fails", "known to differ", "cannot run"
VERDICTS = (HOLDS, FAILS, DIFFERS, LACKS)
ROUNDING = 1e-9  # share of a tolerance that is only binary fractions


class Need(Protocol):
    """What must be on the machine for a check."""

    def lacks(self) -> str:
        """What is not there and where it comes from, in words; "" where everything is."""

    def state(self) -> list[str]:
        """What decides a result: a hash of every file, or a version; "" of what is not there."""


@dataclass(frozen=True)
class Files:
    """Files of a folder that lies in MLSPATIAL_DATA, data/ or ../shared/data. origin: where people get them."""

    folder: str
    names: tuple[str, ...]
    origin: str

    def find(self) -> Path:
        """The first of the folders of this name, as benchmarks take it; the last place to look where there is none."""
        places = [place / self.folder for place in data_folders()]
        return next((place for place in places if place.is_dir()), places[-1])

    def lacks(self) -> str:
        gone = [f"{self.folder}/{name}" for name in self.names if not (self.find() / name).is_file()]
        return f"{', '.join(gone)} ({self.origin})" if gone else ""

    def state(self) -> list[str]:
        files = [self.find() / name for name in self.names]
        return [file_sha256(file) if file.is_file() else "" for file in files]


@dataclass(frozen=True)
class Module:
    """A Python module that mlspatial does not depend on. install: the command that brings it."""

    name: str
    install: str

    def lacks(self) -> str:
        return "" if self._there() else f"the Python module {self.name} ({self.install})"

    def state(self) -> list[str]:
        return [self.name if self._there() else ""]

    def _there(self) -> bool:
        return importlib.util.find_spec(self.name) is not None


@dataclass(frozen=True)
class Resampled:
    """An interval that comes of random resamples. spans: of each end, where 99 % of such resamplings put it."""

    ends: tuple[float, float]
    spans: tuple[tuple[float, float], tuple[float, float]]


Value = float | tuple[float, ...] | Resampled
Compute = TypeVar("Compute", bound=Callable[[], Value])
#: how a computed number must lie to the published one, give or take the tolerance
Relation = Literal["equal", "below", "above"]


@dataclass(frozen=True)
class Check:
    """One published number, or the two ends of one interval, and the way to compute it with the shipped code.

    name: FIELD.NUMBER; what: in words; source: paper with table or figure, another implementation, or mathematics;
    published: as it is printed there, never an output of this software; tolerance: how far the computed number may lie
    from it: half of the last printed digit where nothing else is known; needs: what must be there; relation: whether
    the computed number must be equal to it or lie on one side; differs: why a published number cannot come out, where
    that is known (a misprint, other data): it is shown, and is no failure; instead: what then comes out, where that is
    known from elsewhere than this software, and where anything else is a failure.
    """

    name: str
    what: str
    source: str
    published: tuple[float, ...]
    tolerance: float
    compute: Callable[[], Value]
    needs: tuple[Need, ...] = ()
    relation: Relation = "equal"
    differs: str = ""
    instead: tuple[float, ...] = ()

    @property
    def field(self) -> str:
        return self.name.partition(".")[0]

    def lacks(self) -> str:
        """What is not there, in words; "" where everything is."""
        return "; ".join(filter(None, (need.lacks() for need in self.needs)))

    def holds(self, found: Value) -> bool:
        """Whether a computed value answers to the published one."""
        if isinstance(found, Resampled):
            spans: Sequence[tuple[float, float]] = found.spans
        else:
            spans = [(value, value) for value in numbers(found)]
        if len(spans) != len(self.published):
            return False
        return all(self._fits(*span, value) for span, value in zip(spans, self.published, strict=True))

    def _fits(self, low: float, high: float, published: float) -> bool:
        room = self.tolerance * (1 + ROUNDING)
        if not (math.isfinite(low) and math.isfinite(high)):
            return False
        above, below = low - room <= published, published <= high + room
        return {"equal": above and below, "below": above, "above": below}[self.relation]


@dataclass(frozen=True)
class Outcome:
    """What became of a check. computed: its numbers, () where there are none; note: why it does not hold; seconds: of
    its computation, without what an earlier check of the same data has prepared."""

    check: Check
    verdict: str
    computed: tuple[float, ...] = ()
    note: str = ""
    seconds: float = 0.0


#: name -> check; a user's own plugin registers further ones by `check`
CHECKS: Plugins[Check] = Plugins("check")


def register(made: Check) -> Check:
    """The check, from now on known to verify. Raises ValueError where one of this name is there."""
    made = replace(made, published=tuple(map(float, made.published)), tolerance=float(made.tolerance))
    return CHECKS.register(made.name)(made)


def check(
    name: str,
    what: str,
    source: str,
    published: float | tuple[float, ...],
    tolerance: float,
    *needs: Need,
    relation: Relation = "equal",
    differs: str = "",
    instead: tuple[float, ...] = (),
) -> Callable[[Compute], Compute]:
    """Register a function as what computes a published number; the words are those of Check."""

    def add(compute: Compute) -> Compute:
        register(Check(name, what, source, numbers(published), tolerance, compute, needs, relation, differs, instead))
        return compute

    return add


def numbers(value: Value) -> tuple[float, ...]:
    """The numbers of a value."""
    if isinstance(value, Resampled):
        return value.ends
    return tuple(map(float, value)) if isinstance(value, tuple) else (float(value),)


def chosen(only: str) -> list[Check]:
    """Checks by comma list: fields (geirhos2019), names, or patterns (conwell2024.*_less_*); all of them of "".

    Raises UnknownName for what finds none.
    """
    every = [CHECKS[name] for name in CHECKS]
    words = [word.strip() for word in only.split(",") if word.strip()]
    if not words:
        return every

    def means(word: str, one: Check) -> bool:
        return word == one.field or fnmatchcase(one.name, word)

    for word in words:
        if not any(means(word, one) for one in every):
            raise UnknownName("check", word, [*{one.field for one in every}, *CHECKS])
    return [one for one in every if any(means(word, one) for word in words)]


def outcome(one: Check) -> Outcome:
    """Compute a check. What goes wrong on the way is a failure that says so: the other checks go on."""
    if lacking := one.lacks():
        return Outcome(one, LACKS, note=f"lacks {lacking}")
    began = time.monotonic()
    try:
        found = one.compute()
    except Exception as error:  # of whatever a check runs, a user's own code too; it is told and fails
        words = in_one_line(error) if isinstance(error, UserError) else f"{type(error).__name__}: {in_one_line(error)}"
        return Outcome(one, FAILS, note=words, seconds=time.monotonic() - began)
    computed, seconds = numbers(found), time.monotonic() - began
    if one.holds(found):
        return Outcome(one, HOLDS, computed, seconds=seconds)
    if one.differs and (not one.instead or replace(one, published=one.instead).holds(found)):
        return Outcome(one, DIFFERS, computed, one.differs, seconds)
    return Outcome(one, FAILS, computed, "further from the published value than the tolerance", seconds)


def counted(verdicts: Iterable[str]) -> dict[str, int]:
    """verdict -> how many, in the order of VERDICTS."""
    found = list(verdicts)
    return {verdict: found.count(verdict) for verdict in VERDICTS}
