"""Table C.2: scores of ResNet-18 networks, one row a training task."""

from __future__ import annotations

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.table import TABLES, Table
from mlspatial.papers.xie2025.scores import scores_table


@TABLES.register("table_c2")
def table_c2(evidence: Evidence) -> Table:
    """Source of the published means: Xie et al. 2025, table C.2."""
    return scores_table(evidence, id="table_c2", arch="resnet18")
