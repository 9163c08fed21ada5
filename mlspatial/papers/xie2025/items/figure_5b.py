"""Category decoding from spatial networks, full against reduced category variability (Xie et al. 2025, figure 5b)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.compare.curves import decoding_contrast
from mlspatial.compare.drawing import FIGURES, Drawing

if TYPE_CHECKING:
    from mlspatial.compare.evidence import Evidence

TASKS = ("distance", "translation", "rotation")
TITLE = "Decoding of category with full and reduced category variability"


@FIGURES.register("figure_5b")
def figure_5b(evidence: Evidence) -> Drawing:
    """A panel a task: mean ± SD over runs times seeds at every layer, stars where the two conditions differ."""
    return decoding_contrast(evidence, "figure_5b", TITLE, "category", "category", TASKS)
