"""Networks in the plane, by how alike their geometries are (Conwell et al. 2024, figure 6)."""

from __future__ import annotations

import numpy as np

from mlspatial.analysis.mds import classical
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, scored
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import legend, sheet, tidy
from mlspatial.papers.conwell2024.plots import by_kind, tidied, with_kind
from mlspatial.papers.conwell2024.statistics import similarity_matrix, similarity_pairs

TITLE = "Similarity between networks"
COLUMNS = ["metric", "network", "label", "kind", "x", "y", "run_ids"]
FEWEST = 4  # networks; fewer make no map


@FIGURES.register("conwell_geometry_map")
def conwell_geometry_map(evidence: Evidence) -> Drawing:
    """Classical scaling of 1 - r, a panel a metric with the same scale on both axes and in both panels."""
    found = scored(evidence)
    maps = {}
    for metric in METRICS:
        pairs = similarity_pairs(evidence, found.networks, metric)
        ids, matrix = similarity_matrix(pairs)
        if len(ids) >= FEWEST:
            apart = np.clip(1 - matrix, 0, None)
            np.fill_diagonal(apart, 0.0)
            maps[metric] = (ids, matrix, classical(apart), pairs.run_id.unique())
    if not maps:
        caption = NONE if found.networks.empty else "No similarity between these networks under crsa or versa."
        return Drawing.empty("conwell_geometry_map", TITLE, caption, COLUMNS)
    figure, axes = sheet(1, len(maps), width=3.4, height=3.2)
    reach = 1.08 * max(float(np.abs(points).max()) for _, _, points, _ in maps.values())
    facts = found.networks.set_index("model_id")
    parts, said, runs = [], [], []
    for axis, (metric, (ids, matrix, points, made)) in zip(axes.flat, maps.items(), strict=True):
        rows = facts.loc[ids].assign(metric=metric, x=points[:, 0], y=points[:, 1])
        rows = with_kind(rows)
        by_kind(axis, rows, "x", "y", size=4)
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
        tidy(axis, title=METRICS[metric])
        values = matrix[np.triu_indices(len(ids), 1)]
        said.append(f"{METRICS[metric]}: mean r {values.mean():.3f}, SD {values.std(ddof=1):.3f}, n = {len(ids)}")
        runs += [rows.runs, made]
        parts.append(rows)
    legend(figure, columns=6)
    caption = (
        "Networks placed by classical scaling of 1 − r between their similarity matrices: of their own features "
        f"(cRSA), of the responses predicted from them (veRSA). One scale for all axes. {'; '.join(said)}."
    )
    return Drawing("conwell_geometry_map", TITLE, caption, figure, tidied(parts, COLUMNS), run_ids(runs))
