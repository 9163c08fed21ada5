"""Maps of the networks by similarity, layer by layer (Xie et al. 2025, figure D.3)."""

from __future__ import annotations

import numpy as np
import pandas as pd

from mlspatial.analysis.mds import mds, row_distances
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.grouping import choose, complete, layer_label, similarities, square
from mlspatial.compare.plots import draw_maps
from mlspatial.compare.run_ids import run_ids, run_text
from mlspatial.compare.style import ordered, task_style
from mlspatial.papers.xie2025.published import TRAINED

TITLE = "Maps of networks by similarity"
FEWEST = 3  # networks of which a map says anything
COLUMNS = ("layer", "task", "seed", "model_id", "x", "y", "stress", "run_ids")


@FIGURES.register("figure_d3")
def figure_d3(evidence: Evidence) -> Drawing:
    """A panel a layer: multidimensional scaling of the distances between rows of the model-by-model matrix."""
    found = similarities(evidence)
    chosen = choose(evidence, found.ids)
    networks = chosen.networks[chosen.networks.group.isin(chosen.groups(trained=True))]
    layers = [layer for layer in found.four if layer in set(found.pairs.layer)]
    ids = complete([square(found.pairs, list(networks.model_id), layer) for layer in layers])
    dropped = len(networks) - len(ids)
    networks = networks.iloc[ids]
    parts = []
    for layer in layers if len(networks) >= FEWEST else ():
        matrix = square(found.pairs, list(networks.model_id), layer)
        placed = mds(row_distances(matrix))
        part = networks[["task", "seed", "model_id"]].assign(layer=layer, stress=placed.stress)
        part["x"], part["y"] = placed.coordinates.T
        of = found.pairs[found.pairs.layer == layer]
        part["run_ids"] = [
            run_text(of.run_id[(of.model_a == row.model_id) | (of.model_b == row.model_id)].unique(), [row.run_id])
            for row in networks.itertuples()
        ]
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))
    missing = [task_style(task).label for task in TRAINED if task not in set(table.task)]
    notes = [*found.notes, *chosen.notes]
    if dropped and len(table):
        notes.append(f"Networks left out because they were not compared with all others: {dropped}.")
    styles = {task: task_style(task) for task in ordered(table.task)}
    figure = draw_maps(table.assign(group=table.task), styles) if len(table) else None
    caption = _caption(found.words, table)
    return Drawing("figure_d3", TITLE, caption, figure, table, run_ids(table.run_ids), missing, notes)


def _caption(label: str, table: pd.DataFrame) -> str:
    text = (
        "Every point is a network, placed by metric multidimensional scaling; the distance of two networks is the "
        f"Euclidean one between their rows of the {label} matrix of all networks shown. Scales differ between layers."
    )
    for layer in dict.fromkeys(table.layer):
        here = table[table.layer == layer]
        points = here[["x", "y"]].to_numpy()
        nearest = np.linalg.norm(points[:, None] - points, axis=-1)
        np.fill_diagonal(nearest, np.inf)
        task = here.task.to_numpy()
        same = (task == task[nearest.argmin(axis=1)]).mean()
        text += f" {layer_label(layer)}: the nearest neighbour has the same task for {same:.0%} of the networks."
    return text
