"""How strongly and how reliably units are tuned, along the layers, by what networks were trained on."""

from __future__ import annotations

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.tuned import LEVEL, TUNED
from mlspatial.papers.geometry.numbers import seen
from mlspatial.papers.geometry.plots import along

TITLE = "Tuning of units along the layers"
WORDS = (
    "Tuning of channels (their means over space). Selectivity: share of a channel's variance over images that its mean "
    "curve makes; reliability: correlation of its curves from the two halves of objects and scenes; medians over "
    "channels. Tuned: share of channels whose selectivity is above that of shuffled levels at p of at most .05."
)
MEASURES = {"selectivity": "Selectivity", "reliability": "Reliability", TUNED: "Share of channels tuned"}
FLOORS: dict[str, str | float] = {"selectivity": "selectivity_floor", "reliability": "reliability_floor", TUNED: LEVEL}
TAIL = (
    "Dotted black: medians of channels' 95th percentiles with levels shuffled in every context, mean over tasks; of "
    "the share .05."
)


@FIGURES.register("figure_tuning")
def figure_tuning(evidence: Evidence) -> Drawing:
    """A row a factor: median selectivity and reliability of channels and the share that is tuned, a line a task, with
    what shuffled levels and pixels give."""
    found = seen(evidence)
    return along("figure_tuning", TITLE, WORDS, found, found.rows, MEASURES, floors=FLOORS,
                 limits={TUNED: (-0.03, 1.05)}, tail=TAIL)  # fmt: skip
