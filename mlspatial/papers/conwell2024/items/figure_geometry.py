"""Networks in the plane, by how alike their geometries are (Conwell et al. 2024, figure 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlspatial.analysis.mds import classical
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.fmri import METRICS, NONE, run_ids, scored
from mlspatial.compare.style import legend, sheet, tidy
from mlspatial.papers.conwell2024.plots import TRAININGS, training_of
from mlspatial.papers.conwell2024.statistics import similarity_matrix, similarity_pairs

if TYPE_CHECKING:
    from mlspatial.compare.evidence import Evidence

TITLE = "Similarity between networks"
COLUMNS = ["metric", "network", "label", "kind", "x", "y", "run_ids"]
FEWEST = 4  # networks; fewer make no map


@FIGURES.register("conwell_geometry_map")
def conwell_geometry_map(evidence: Evidence) -> Drawing:
    """Classical scaling of 1 - r, a panel a metric with the same scale on both axes and in both panels."""
    import pandas as pd

    found = scored(evidence)
    maps = {}
    for metric in METRICS:
        pairs = similarity_pairs(evidence, found.networks, metric)
        ids, matrix = similarity_matrix(pairs)
        if len(ids) >= FEWEST:
            apart = np.clip(1 - matrix, 0, None)
            np.fill_diagonal(apart, 0.0)
            maps[metric] = (ids, matrix, classical(apart), tuple(dict.fromkeys(pairs.run_id)))
    if not maps:
        caption = NONE if found.networks.empty else "No similarity between these networks under crsa or versa."
        return Drawing("conwell_geometry_map", TITLE, caption, None, pd.DataFrame(columns=COLUMNS), ())
    figure, axes = sheet(1, len(maps), width=3.4, height=3.2)
    reach = 1.08 * max(float(np.abs(points).max()) for _, _, points, _ in maps.values())
    facts = found.networks.set_index("model_id")
    parts, said, runs = [], [], []
    for axis, (metric, (ids, matrix, points, made)) in zip(axes.flat, maps.items(), strict=True):
        rows = facts.loc[ids].assign(metric=metric, x=points[:, 0], y=points[:, 1])
        rows["kind"] = [training_of(row) for row in rows.itertuples()]
        for kind, (label, colour, marker) in TRAININGS.items():
            part = rows[rows.kind == kind]
            if len(part):
                axis.plot(part.x, part.y, linewidth=0, marker=marker, markersize=4, color=colour, label=label)
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])
        tidy(axis, title=METRICS[metric])
        values = matrix[np.triu_indices(len(ids), 1)]
        said.append(f"{METRICS[metric]}: mean r {values.mean():.3f}, SD {values.std(ddof=1):.3f}, n = {len(ids)}")
        runs += [*run_ids(rows), *made]
        parts.append(rows.assign(run_ids=[" ".join(ids) for ids in rows.runs])[COLUMNS])
    legend(figure, columns=6)
    caption = (
        "Networks placed by classical scaling of 1 − r between their similarity matrices: of their own features "
        f"(cRSA), of the responses predicted from them (veRSA). One scale for all axes. {'; '.join(said)}."
    )
    data = pd.concat(parts, ignore_index=True)
    return Drawing("conwell_geometry_map", TITLE, caption, figure, data, tuple(dict.fromkeys(runs)))
