"""Published findings as checks: does a replication hold what was published? One function a finding, numbers beside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from mlspatial.compare.conditions import REFERENCES
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.scores import is_public
from mlspatial.compare.words import arch_label
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
            holds = None if holds is None else bool(holds)  # not NumPy's
            if holds is False and (words := circumstances(evidence)):
                value = f"{value}. {words}"
            return Check(judge.__name__, claim, holds, value, runs)

        return CHECKS.register(judge.__name__)(made)

    return add


def circumstances(evidence: Evidence) -> str:
    """What of a study may be why a finding does not hold in it, one sentence from its runs; "" for imported ones."""
    networks = evidence.networks
    own = networks[(networks.run_id != "") & ~networks.imported.astype(bool)] if len(networks) else networks
    own = own[~own.task.isin(REFERENCES) & own.final.astype(bool)]
    if own.empty:
        return ""
    archs = " and ".join(arch_label(str(arch)) for arch in sorted(set(own.arch)))
    seeds = int(own.groupby("task").seed.nunique().max())
    images = own.n_train.astype(float).max()
    parts = [f"the size of the networks ({archs}, {seeds} seed{'s' * (seeds != 1)} a task)"]
    parts += [f"the number of images ({images:,.0f} for training)"] if images == images else []
    brains = sorted({str(name).split(":")[0] for name in evidence.scores.benchmark if not is_public(str(name))})
    parts += [f"the brains ({', '.join(brains)} instead of the published recordings)"] if brains else []
    return f"It may be so for {', '.join(parts[:-1])} or {parts[-1]}." if parts[1:] else f"It may be so for {parts[0]}."


def all_checks(evidence: Evidence) -> list[Check]:
    """Every registered check."""
    return [CHECKS[name](evidence) for name in CHECKS]
