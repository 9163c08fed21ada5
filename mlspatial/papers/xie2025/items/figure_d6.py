"""Similarity between seeds of one task, full against reduced category variability (Xie et al. 2025, figure D.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.compare.curves import intra_group
from mlspatial.compare.drawing import FIGURES, Drawing

if TYPE_CHECKING:
    from mlspatial.compare.evidence import Evidence

TASKS = ("distance", "translation", "rotation")
TITLE = "Similarity within groups with full and reduced category variability"


@FIGURES.register("figure_d6")
def figure_d6(evidence: Evidence) -> Drawing:
    """A panel a task: mean ± SD over pairs of different seeds at every layer."""
    return intra_group(evidence, "figure_d6", TITLE, "category", TASKS)
