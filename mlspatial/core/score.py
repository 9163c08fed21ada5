"""Score: a number about a model that says what it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Direction = Literal["higher", "lower"]

#: How a raw value and a ceiling become the ceiled one. r and ceiling are correlations.
FORMULAS = {
    "r/c": lambda raw, ceiling: raw / ceiling,
    "r^2/c": lambda raw, ceiling: raw**2 / ceiling,  # Brain-Score since December 2025
    "(r/c)^2": lambda raw, ceiling: (raw / ceiling) ** 2,  # Brain-Score before
    "none": lambda raw, ceiling: raw,
}
#: Of behaviour (i2n), the mean over repeats of their ratios, so it comes with the score; it never was another one.
BEHAVIOUR = "r/sqrt(c)"
#: Of scores whose parts (subjects, time bins) are each ceiled: the mean of their r^2/c, so it comes with the score.
OF_PARTS = "mean r^2/c"
UNKNOWN = "unknown"  # of a score from elsewhere that came without r and ceiling, or is none of FORMULAS of them
ROUNDED = 2e-3  # scores are printed with three decimals: how far a formula may be off to be the one meant
#: The same in words, wherever people read a ceiled score. r: the raw value.
FORMULA_WORDS = {
    "r/c": "r / ceiling", "r^2/c": "r² / ceiling", "(r/c)^2": "(r / ceiling)²", BEHAVIOUR: "r / square root of ceiling",
    OF_PARTS: "mean of r² / ceiling over subjects or time bins", "none": "r as it is", UNKNOWN: "by an unknown formula",
}  # fmt: skip
#: Slopes of a formula in raw and in ceiling, for the error of the ceiled value.
SLOPES = {
    "r/c": lambda raw, ceiling: (1 / ceiling, -raw / ceiling**2),
    "r^2/c": lambda raw, ceiling: (2 * raw / ceiling, -(raw**2) / ceiling**2),
    "(r/c)^2": lambda raw, ceiling: (2 * raw / ceiling**2, -2 * raw**2 / ceiling**3),
    "none": lambda raw, ceiling: (1.0, 0.0),
}
COLUMNS = (
    *("raw", "ceiling", "ceiled", "r2_over_c", "r_over_c_squared", "error", "ceiling_error", "ceiled_error", "n"),
    *("metric", "version", "formula", "direction", "selection"),
)


@dataclass(frozen=True)
class Score:
    """raw: the metric's own value (for neural predictivity the median Pearson r over neuroids, mean over splits).

    ceiling: the value a perfect model would reach, same unit, 1.0 where there is none, NaN where nobody says; ceiled:
    raw and ceiling joined by `formula` (a key of FORMULAS), or the value `given`, which then may have another formula;
    error: standard error of raw over splits (i2n: standard deviation of the ceiled value over its repeats);
    ceiling_error: of the ceiling (neuroids: over units, stimuli and halvings; else over halvings or repeats), NaN where
    it is not known; told: the error of ceiled where the field has a formula of its own for it (Brain-Score hands on
    that of raw), None where it follows from both; n: number of splits, repeats or pairs. metric, version: name and
    version of the procedure. direction: which way is better.
    values: per unit, as the metric has them (neuroids: (splits, neuroids) r; voxels: predicted patterns), or None.
    choice: what layers are chosen by, by default ceiled; selection: in words, what they are chosen on. more: further
    columns of a table of scores.
    """

    raw: float
    ceiling: float
    error: float
    n: int
    metric: str
    version: str
    formula: str = "r^2/c"
    direction: Direction = "higher"
    given: float | None = None
    ceiling_error: float = field(default=math.nan, compare=False)
    values: Any = field(default=None, compare=False, repr=False)
    told: float | None = field(default=None, compare=False)
    choice: float | None = None
    selection: str = ""
    more: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if self.formula not in FORMULAS and self.given is None:
            raise ValueError(f"formula {self.formula!r} is none of {', '.join(FORMULAS)}")
        if self.direction not in ("higher", "lower"):
            raise ValueError(f"direction {self.direction!r} is neither higher nor lower")

    @property
    def ceiled(self) -> float:
        """Not clipped; NaN where the ceiling is not above 0. A negative raw value stays negative: what predicts the
        contrary must not win over what predicts nothing. Brain-Score's own number is r2_over_c."""
        value = self._ceiled(self.formula)
        return -abs(value) if self.raw < 0 and self.given is None else value

    @property
    def ceiled_error(self) -> float:
        """Standard error of ceiled from those of raw and ceiling, as if these were independent, to first order; NaN
        where one of them is not known or the ceiling is not above 0."""
        if self.told is not None:
            return self.told
        if self.formula not in SLOPES or not self.ceiling > 0:
            return math.nan
        of_raw, of_ceiling = SLOPES[self.formula](self.raw, self.ceiling)
        return math.hypot(of_raw * self.error, of_ceiling * self.ceiling_error if of_ceiling else 0.0)

    @property
    def chosen_by(self) -> float:
        """What layers are chosen by; NaN for none."""
        return self.ceiled if self.choice is None else self.choice

    @property
    def r2_over_c(self) -> float:
        """raw squared over the ceiling, as Brain-Score has it, of a negative raw too; NaN without a ceiling above 0."""
        return self._ceiled("r^2/c")

    @property
    def r_over_c_squared(self) -> float:
        """The square of raw over the ceiling, as tables before December 2025 have it; NaN likewise."""
        return self._ceiled("(r/c)^2")

    def to_json(self) -> dict[str, Any]:
        """What a table of scores has of it."""
        return {**{name: getattr(self, name) for name in COLUMNS}, **self.more}

    def _ceiled(self, formula: str) -> float:
        if self.given is not None:
            of_parts = self.formula == OF_PARTS and formula == "r^2/c"
            return self.given if of_parts or self.formula in (formula, BEHAVIOUR) else math.nan
        return FORMULAS[formula](self.raw, self.ceiling) if self.ceiling > 0 else math.nan
