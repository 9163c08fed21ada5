"""All networks from best to worst, with the noise ceiling (Conwell et al. 2024, figure 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.fmri import METRICS, NONE, run_ids, scored
from mlspatial.compare.style import FAINT, INK, legend, sheet, tidy
from mlspatial.papers.conwell2024.plots import LABEL, TRAININGS, ceiling_band, ceiling_words, training_of
from mlspatial.papers.conwell2024.statistics import breakpoints, near_best, ranked

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.analysis.regression import Segments
    from mlspatial.compare.evidence import Evidence

TITLE = "All networks, ranked"
COLUMNS = ["metric", "rank", "network", "label", "kind", "score", "run_ids"]


@FIGURES.register("conwell_ranking_curve")
def conwell_ranking_curve(evidence: Evidence) -> Drawing:
    """A panel a metric, each with a ranking of its own."""
    import pandas as pd

    found = scored(evidence)
    metrics = [metric for metric in METRICS if len(found.of(metric))]
    if not metrics:
        return Drawing("conwell_ranking_curve", TITLE, NONE, None, pd.DataFrame(columns=COLUMNS), ())
    figure, axes = sheet(1, len(metrics), width=3.6, height=3.1, sharey=True)
    parts, said = [], []
    for axis, metric in zip(axes.flat, metrics, strict=True):
        rows = ranked(found.of(metric))
        rows["kind"] = [training_of(row) for row in rows.itertuples()]
        bends = breakpoints(rows)
        _draw(axis, rows, bends)
        ceiling_band(axis, found)
        tidy(axis, x="Rank", y=LABEL if axis is axes.flat[0] else "", title=METRICS[metric])
        text = f"{METRICS[metric]}: best {rows.label.iloc[0]} ({rows.score.iloc[0]:.3f}), {len(near_best(rows))} of "
        text += f"{len(rows)} networks within .1 of it"
        if bends is not None:
            text += f", slope changes at rank {' and '.join(f'{at:.1f}' for at in bends.breaks)}"
        said.append(text)
        parts.append(rows.assign(metric=metric, run_ids=[" ".join(ids) for ids in rows.runs])[COLUMNS])
    axes.flat[0].set_ylim(bottom=min(0.0, *(part.score.min() for part in parts)))  # shared by all panels
    legend(figure, columns=4)
    caption = f"Networks from best to worst. {'; '.join(said)}. {ceiling_words(found)}".strip()
    data = pd.concat(parts, ignore_index=True)
    return Drawing("conwell_ranking_curve", TITLE, caption, figure, data, run_ids(found.networks))


def _draw(axis: Any, rows: pd.DataFrame, bends: Segments | None) -> None:
    for kind, (label, colour, marker) in TRAININGS.items():
        part = rows[rows.kind == kind]
        if len(part):
            axis.plot(part["rank"], part.score, linewidth=0, marker=marker, markersize=3.2, color=colour, label=label)
    if bends is not None:
        x = np.unique(np.concatenate([[1.0, len(rows)], bends.breaks]))
        axis.plot(x, bends(x), color=INK, linewidth=0.9, label="Line in three pieces")
        for at in bends.breaks:
            axis.axvline(at, color=FAINT, linewidth=0.7, linestyle=":")
