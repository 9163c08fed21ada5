"""Figure C.6: scores of ResNet-50 networks on other benchmarks than the five public ones."""

from __future__ import annotations

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.papers.xie2025.items.figure_c5 import other_benchmarks


@FIGURES.register("figure_c6")
def figure_c6(evidence: Evidence) -> Drawing:
    """Source: Xie et al. 2025, figure C.6."""
    return other_benchmarks(evidence, "figure_c6", "resnet50")
