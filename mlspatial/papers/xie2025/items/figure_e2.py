"""Decoding of y from networks not trained on it, full against reduced translation (Xie et al. 2025, figure E.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.compare.curves import decoding_contrast
from mlspatial.compare.drawing import FIGURES, Drawing

if TYPE_CHECKING:
    from mlspatial.compare.evidence import Evidence

TASKS = ("distance", "rotation", "category")
TITLE = "Decoding of translation Y with full and reduced translation variability"


@FIGURES.register("figure_e2")
def figure_e2(evidence: Evidence) -> Drawing:
    """A panel a task: mean ± SD over runs times seeds at every layer, stars where the two conditions differ."""
    return decoding_contrast(evidence, "figure_e2", TITLE, "y", "translation", TASKS)
