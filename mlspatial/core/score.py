"""Score: a number about a model that says what it is."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

Direction = Literal["higher", "lower"]

#: How a raw value and a ceiling become the ceiled one. r and ceiling are correlations.
FORMULAS = {
    "r/c": lambda raw, ceiling: raw / ceiling,
    "r^2/c": lambda raw, ceiling: raw**2 / ceiling,  # Brain-Score since December 2025
    "(r/c)^2": lambda raw, ceiling: (raw / ceiling) ** 2,  # Brain-Score before
    "none": lambda raw, ceiling: raw,
}


@dataclass(frozen=True)
class Score:
    """raw: the metric's own value (for neural predictivity the median Pearson r over neuroids, mean over splits).

    ceiling: the value a perfect model would reach, same unit, 1.0 where there is none; ceiled: raw and ceiling joined
    by `formula` (a key of FORMULAS); error: standard error of raw over splits; n: number of splits (or pairs).
    metric, version: name and version of the procedure. direction: which way is better.
    """

    raw: float
    ceiling: float
    error: float
    n: int
    metric: str
    version: str
    formula: str = "r^2/c"
    direction: Direction = "higher"

    def __post_init__(self) -> None:
        if self.formula not in FORMULAS:
            raise ValueError(f"formula {self.formula!r} is none of {', '.join(FORMULAS)}")
        if self.direction not in ("higher", "lower"):
            raise ValueError(f"direction {self.direction!r} is neither higher nor lower")

    @property
    def ceiled(self) -> float:
        """Not clipped; NaN where the ceiling is not above 0; a negative r is squared as Brain-Score does."""
        return self._ceiled(self.formula)

    @property
    def r2_over_c(self) -> float:
        """raw squared over the ceiling, whatever `formula` says; NaN where the ceiling is not above 0."""
        return self._ceiled("r^2/c")

    @property
    def r_over_c_squared(self) -> float:
        """The square of raw over the ceiling, as tables before December 2025 have it; NaN likewise."""
        return self._ceiled("(r/c)^2")

    def to_json(self) -> dict[str, Any]:
        both = {"r2_over_c": self.r2_over_c, "r_over_c_squared": self.r_over_c_squared}
        return {**asdict(self), "ceiled": self.ceiled, **both}

    def _ceiled(self, formula: str) -> float:
        return FORMULAS[formula](self.raw, self.ceiling) if self.ceiling > 0 else math.nan
