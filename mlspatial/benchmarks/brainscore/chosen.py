"""How Brain-Score's further kinds choose the layer that counts: by their own ceiled scores on raw features."""

from __future__ import annotations

from typing import ClassVar

from mlspatial.benchmarks.base import Benchmark, Way
from mlspatial.core.errors import BadValue

CHOSEN = "all stimuli, raw features"


class ByRawFeatures(Benchmark):
    """What a user may say of the choice: auto and raw are the same here, halves there are none."""

    options: ClassVar[frozenset[str]] = frozenset({"selection"})
    fixed: ClassVar[str] = ""

    def check(self, metric: str, way: Way) -> None:
        if way.selection == "half":
            raise BadValue(
                "selection", way.selection, f"{self.identifier} has splits of its own, no halves; take auto or raw"
            )
