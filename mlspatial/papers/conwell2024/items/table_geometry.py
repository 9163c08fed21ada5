"""How alike the geometries of networks are, before and after fitting to the brain (Conwell et al. 2024, figure 6)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, scored
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.papers.conwell2024.statistics import before_break, similarity_pairs

STATISTICS: dict[str, Callable[[np.ndarray], float]] = {
    "mean": lambda values: float(values.mean()),
    "SD": lambda values: float(values.std(ddof=1)),
    "lowest": lambda values: float(values.min()),
    "highest": lambda values: float(values.max()),
}
CAPTION = (
    "Pearson r between the similarity matrices of every two networks on the test images: of the networks' own features "
    "(cRSA) and of the responses predicted from them (veRSA)."
)


@TABLES.register("conwell_geometry")
def conwell_geometry(evidence: Evidence) -> Table:
    """One row a set of networks and metric."""
    found = scored(evidence)
    title = "Similarity between networks"
    body: dict[str, dict[str, Cell]] = {}
    for words, networks in sets_of(found.networks).items():
        for metric, name in METRICS.items():
            pairs = similarity_pairs(evidence, networks, metric)
            if len(pairs) < 2:
                continue
            ids = {*pairs.model_a, *pairs.model_b}
            rows = networks[networks.model_id.isin(ids)]
            runs = run_ids(rows.runs, pairs.run_id.unique())
            values = pairs.value.to_numpy(float)
            body[f"{words}, {name}"] = {
                statistic: Cell(make(values), NAN, runs, len(rows)) for statistic, make in STATISTICS.items()
            }
    empty = NONE if found.networks.empty else "No similarity between these networks under crsa or versa."
    return Table("conwell_geometry", title, CAPTION, tuple(STATISTICS), body, () if body else (empty,), "networks")


def sets_of(networks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """words -> networks: all trained ones, and those before the first breakpoint of the ranking by veRSA."""
    top = before_break(networks)
    return {"trained": networks[networks.trained]} | ({} if top is None else {f"best {len(top)}": top})
