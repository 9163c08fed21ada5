"""How a step runs: what travels with its work and decides nothing of the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Context:
    """device: as users type it; study: a name that runs are found by, beside their other names; parents: ids of the
    runs that a result stands on; force: make it again, even if a finished run answers."""

    device: str = "auto"
    study: str = ""
    parents: tuple[str, ...] = ()
    force: bool = False

    def on(self, parents: Sequence[str]) -> Context:
        """The same on other runs."""
        return replace(self, parents=tuple(parents))

    @property
    def run(self) -> dict[str, Any]:
        """What `open_run` takes of it."""
        return {"study": self.study, "parents": self.parents, "force": self.force}
