"""How alike the geometries of networks are, before and after fitting to the brain (Conwell et al. 2024, figure 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, run_ids, scored
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.papers.conwell2024.statistics import breakpoints, ranked, similarity_pairs

if TYPE_CHECKING:
    import pandas as pd

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
            runs = tuple(dict.fromkeys([*run_ids(rows), *pairs.run_id]))
            values = pairs.value.to_numpy(float)
            body[f"{words}, {name}"] = {
                statistic: Cell(make(values), NAN, runs, len(rows)) for statistic, make in STATISTICS.items()
            }
    empty = NONE if found.networks.empty else "No similarity between these networks under crsa or versa."
    return Table("conwell_geometry", title, CAPTION, tuple(STATISTICS), body, () if body else (empty,), "networks")


def sets_of(networks: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """words -> networks: all trained ones, and those before the first breakpoint of the ranking by veRSA."""
    if networks.empty:
        return {}
    sets = {"trained": networks[networks.trained]}
    rows = ranked(networks.assign(score=networks.versa).dropna(subset=["score"]))
    if len(rows) and (bends := breakpoints(rows)) is not None:
        top = rows[rows["rank"] <= np.floor(bends.breaks[0])]
        sets[f"best {len(top)}"] = top
    return sets
