"""Similarity of every task's networks to category-trained networks over the layers (Xie et al. 2025, figure 4b)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.compare.curves import PUBLISHED, reference_curves
from mlspatial.compare.drawing import FIGURES, Drawing

if TYPE_CHECKING:
    from mlspatial.compare.evidence import Evidence

REFERENCE = "category"


@FIGURES.register("figure_4b")
def figure_4b(evidence: Evidence) -> Drawing:
    """A curve a task, the level between category-trained networks of different seeds, and untrained networks."""
    shown = [task for task in (*PUBLISHED, "untrained") if task != REFERENCE]
    return reference_curves(evidence, "figure_4b", "Similarity to category-trained networks", REFERENCE, shown)
