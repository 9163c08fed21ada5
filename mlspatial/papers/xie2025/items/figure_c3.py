"""Figure C.3: neural and behavioural alignment of ResNet-18 networks, task by task."""

from __future__ import annotations

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.papers.xie2025.items.figure_c1 import by_task


@FIGURES.register("figure_c3")
def figure_c3(evidence: Evidence) -> Drawing:
    """Source: Xie et al. 2025, figure C.3."""
    return by_task(evidence, "figure_c3", "resnet18")
