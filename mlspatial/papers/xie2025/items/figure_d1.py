"""Similarity of every task's networks to ImageNet networks over the layers (Xie et al. 2025, figure D.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.compare.curves import PUBLISHED, reference_curves
from mlspatial.compare.drawing import FIGURES, Drawing

if TYPE_CHECKING:
    from mlspatial.compare.evidence import Evidence


@FIGURES.register("figure_d1")
def figure_d1(evidence: Evidence) -> Drawing:
    """A curve a task, the level between ImageNet networks of different seeds, and untrained networks if any."""
    return reference_curves(evidence, "figure_d1", "Similarity to ImageNet networks", "imagenet", PUBLISHED)
