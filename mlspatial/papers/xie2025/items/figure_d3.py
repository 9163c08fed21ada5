"""Maps of the networks by similarity, layer by layer (Xie et al. 2025, figure D.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.analysis.mds import mds, row_distances
from mlspatial.compare.curves import PUBLISHED
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.grouping import choose, joined, layer_label, runs_of, similarities, square
from mlspatial.compare.style import FAINT, drop, legend, letters, ordered, sheet, task_style, tidy

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.evidence import Evidence

FEWEST = 3  # networks of which a map says anything
COLUMNS = ("layer", "task", "seed", "model_id", "x", "y", "stress", "run_ids")


@FIGURES.register("figure_d3")
def figure_d3(evidence: Evidence) -> Drawing:
    """A panel a layer: multidimensional scaling of the distances between rows of the model-by-model matrix."""
    import pandas as pd

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
            joined(of.run_id[(of.model_a == row.model_id) | (of.model_b == row.model_id)].unique(), [row.run_id])
            for row in networks.itertuples()
        ]
        parts.append(part)
    table = pd.concat(parts, ignore_index=True)[list(COLUMNS)] if parts else pd.DataFrame(columns=list(COLUMNS))
    missing = [task_style(task).label for task in PUBLISHED if task not in set(table.task)]
    notes = [*found.notes, *chosen.notes]
    if dropped and len(table):
        notes.append(f"Networks left out because they were not compared with all others: {dropped}.")
    figure = _draw(table) if len(table) else None
    return Drawing(
        "figure_d3", "Maps of networks by similarity", _caption(found.words, table), figure, table,
        runs_of(table), tuple(missing), tuple(notes),
    )  # fmt: skip


def complete(matrices: list[np.ndarray]) -> list[int]:
    """Places of networks all of whose pairs are there at every layer, leaving out those with most gaps first."""
    if not matrices:
        return []
    gaps = np.any([np.isnan(matrix) for matrix in matrices], axis=0)
    kept = list(range(len(gaps)))
    while kept and gaps[np.ix_(kept, kept)].any():
        kept.pop(int(np.argmax(gaps[np.ix_(kept, kept)].sum(axis=0))))
    return kept


def _draw(table: pd.DataFrame) -> Any:
    layers = list(dict.fromkeys(table.layer))
    columns = min(len(layers), 4)
    figure, axes = sheet(-(-len(layers) // columns), columns, width=2.1, height=2.9)
    drop(axes.flat[len(layers) :])
    letters(axes.flat[: len(layers)])
    for axis, layer in zip(axes.flat, layers, strict=False):
        here = table[table.layer == layer]
        for task in ordered(here.task):
            own, look = here[here.task == task], task_style(task)
            axis.scatter(own.x, own.y, s=22, color=look.colour, marker=look.marker, alpha=0.85, linewidths=0,
                         label=look.label)  # fmt: skip
        tidy(axis, title=layer_label(layer), x=f"stress {here.stress.iloc[0]:.2f}")
        axis.spines[:].set(visible=True, color=FAINT, linewidth=0.7)
        reach = 1.12 * here[["x", "y"]].abs().to_numpy().max() or 1.0  # all networks in one place have no reach
        axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
        axis.set_xticks([])
        axis.set_yticks([])
    legend(figure, columns=5)
    return figure


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
