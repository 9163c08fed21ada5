"""Similarity between seeds of one task, full against reduced translation variability (Xie et al. 2025, figure D.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.compare.curves import intra_group
from mlspatial.compare.drawing import FIGURES, Drawing

if TYPE_CHECKING:
    from mlspatial.compare.evidence import Evidence

TASKS = ("distance", "rotation", "category")
TITLE = "Similarity within groups with full and reduced translation variability"


@FIGURES.register("figure_d5")
def figure_d5(evidence: Evidence) -> Drawing:
    """A panel a task: mean ± SD over pairs of different seeds at every layer."""
    return intra_group(evidence, "figure_d5", TITLE, "translation", TASKS)
