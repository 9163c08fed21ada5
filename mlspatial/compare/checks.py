"""Published findings as checks: does a replication hold what was published? One function a finding, numbers beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from mlspatial.compare.evidence import Evidence
from mlspatial.core.plugins import Plugins


@dataclass(frozen=True)
class Check:
    """claim: the published finding; holds: None when there are not enough runs; value: the numbers, or what lacks."""

    id: str
    claim: str
    holds: bool | None
    value: str
    runs: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "does not hold", None: "not enough runs"}[self.holds]


#: id -> function from the evidence to a check
CHECKS: Plugins[Callable[[Evidence], Check]] = Plugins("check")


#: holds, value and runs of a check
Verdict = tuple[bool | None, str, tuple[str, ...]]


def check(claim: str) -> Callable[[Callable[[Evidence], Verdict]], Callable[[Evidence], Check]]:
    """Register a function, by its name, as what tells whether a published claim holds."""

    def add(judge: Callable[[Evidence], Verdict]) -> Callable[[Evidence], Check]:
        @wraps(judge)
        def made(evidence: Evidence) -> Check:
            holds, value, runs = judge(evidence)
            return Check(judge.__name__, claim, None if holds is None else bool(holds), value, runs)

        return CHECKS.register(judge.__name__)(made)

    return add


def all_checks(evidence: Evidence) -> list[Check]:
    """Every registered check."""
    return [CHECKS[name](evidence) for name in CHECKS]
