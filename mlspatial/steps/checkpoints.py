"""Networks of a training on their way into the registry; those that a store that is away cannot take wait on disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlspatial.core.errors import Unreachable, in_one_line
from mlspatial.core.files import whole
from mlspatial.core.progress import say
from mlspatial.registry import patience

Register = Callable[[Any, int, Mapping[str, float]], None]


def waiting(state: Path) -> list[Path]:
    """Files of networks that wait, by their step. state: where the training saves what it goes on from."""
    found = [path for path in state.parent.glob(f"{state.stem}.step-*.pt") if re.search(r"\.step-\d+\.pt$", path.name)]
    return sorted(found)


def discard(state: Path) -> None:
    """Remove what a training goes on from, and networks of it that wait."""
    for path in (state, *waiting(state)):
        path.unlink(missing_ok=True)


class Checkpoints:
    """The networks of one training, registered in the order of their steps."""

    def __init__(self, name: str, state: Path, build: Callable[[], Any], register: Register) -> None:
        """name: of the training, for people; state: its file; build: a module that takes a state; register(module,
        step, metrics): may be asked again for the same step."""
        self.name, self.state, self._build, self._register = name, state, build, register
        self._some = bool(waiting(state))

    def add(self, module: Any, step: int, metrics: Mapping[str, float], *, last: bool) -> None:
        """Register a network. While the store is away it waits on disk and the training goes on, but for the last one,
        which waits for the store. Raises Unreachable."""
        import torch

        if last:
            self._deliver()
            self._register(module, step, metrics)
            return
        try:
            if patience.down():
                raise Unreachable("the registry does not answer")
            with patience.hurried():
                self._deliver()
                self._register(module, step, metrics)
        except Unreachable:
            path = self.state.with_name(f"{self.state.stem}.step-{step:012d}.pt")
            with whole(path) as partial:
                torch.save({"module": module.state_dict(), "step": step, "metrics": dict(metrics)}, partial)
            self._some = True
            if len(waiting(self.state)) == 1:
                say(f"train {self.name}: the network of batch {step} waits in {path} until the registry answers")

    def deliver(self) -> None:
        """Register what waits, if the store is there."""
        if self._some and not patience.down():
            with suppress(Unreachable), patience.hurried():
                self._deliver()

    def give_up(self) -> None:
        """Of a training that failed: what waits was made before and counts, as with a store that was there. The store
        is waited for; what it does not take is named, as the training begins anew. Raises nothing."""
        try:
            self._deliver()
        except Exception as error:  # whatever it is, it must not end the networks that this one was trained with
            reason = f"{type(error).__name__}: {in_one_line(error)}"
            say(f"train {self.name}: {len(waiting(self.state))} networks that waited are lost ({reason})")

    def _deliver(self) -> None:
        import torch

        waited = waiting(self.state)
        for path in waited:
            kept = torch.load(path, weights_only=True, map_location="cpu")
            module = self._build()
            module.load_state_dict(kept["module"])
            self._register(module.eval(), kept["step"], kept["metrics"])
            path.unlink()
        self._some = False
        if waited:
            say(f"train {self.name}: {len(waited)} networks that waited are registered now")
