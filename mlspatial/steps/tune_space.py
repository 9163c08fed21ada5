"""What tune searches: for each parameter of training values, a range, or both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from mlspatial.core.errors import BadValue

KINDS: dict[str, type] = {"lr": float, "batch_size": int, "weight_decay": float, "augment": str}


@dataclass(frozen=True)
class Axis:
    """What one parameter may be: values, a range on a log scale, or both."""

    name: str
    values: tuple[Any, ...]
    limits: tuple[Any, ...] = ()

    @classmethod
    def parse(cls, name: str, text: str) -> Axis:
        """'0.001' is fixed, '32|64' are values, '1e-4,1e-2' is a range, '0|1e-6,1e-2' is both. Raises BadValue."""
        try:
            parts = [tuple(KINDS[name](item.strip()) for item in part.split(",")) for part in str(text).split("|")]
        except ValueError:
            parts = [()]
        values = tuple(dict.fromkeys(part[0] for part in parts if len(part) == 1))
        ranges = [part for part in parts if len(part) != 1]
        if KINDS[name] is str:
            good = all(values) and not ranges
        else:
            good = all(0 <= value < math.inf for value in values) and len(ranges) <= 1
            good = good and all(len(part) == 2 and 0 < part[0] < part[1] < math.inf for part in ranges)
        if not good:
            both = "" if KINDS[name] is str else ", a range on a log scale (LOW,HIGH), or both (0|LOW,HIGH)"
            raise BadValue(name, text, f"must be one value, choices (A|B){both}")
        return cls(name, values, ranges[0] if ranges else ())

    def __str__(self) -> str:
        return "|".join([*map(str, self.values), *([",".join(map(str, self.limits))] if self.limits else [])])

    @property
    def fixed(self) -> bool:
        return not self.limits and len(self.values) == 1

    def suggest(self, trial: Any) -> Any:
        if not self.limits:
            return self.values[0] if self.fixed else trial.suggest_categorical(self.name, self.values)
        if self.values:
            chosen = trial.suggest_categorical(f"{self.name}_choice", (*self.values, "range"))
            if chosen != "range":
                return chosen
        suggest = trial.suggest_int if KINDS[self.name] is int else trial.suggest_float
        return suggest(self.name, *self.limits, log=True)
