"""Table C.1: scores of ResNet-50 networks, one row a training task."""

from __future__ import annotations

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.table import TABLES, Table
from mlspatial.papers.xie2025.scores import scores_table


@TABLES.register("table_c1")
def table_c1(evidence: Evidence) -> Table:
    """Source of the published means: Xie et al. 2025, table C.1."""
    return scores_table(evidence, id="table_c1", arch="resnet50")
