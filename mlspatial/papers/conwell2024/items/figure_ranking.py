"""All networks from best to worst, with the noise ceiling (Conwell et al. 2024, figure 5)."""

from __future__ import annotations

import numpy as np

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, scored
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import FAINT, INK, legend, sheet, tidy
from mlspatial.papers.conwell2024.plots import LABEL, by_kind, ceiling_band, ceiling_words, tidied, with_kind
from mlspatial.papers.conwell2024.statistics import breakpoints, near_best, ranked

TITLE = "All networks, ranked"
COLUMNS = ["metric", "rank", "network", "label", "kind", "score", "run_ids"]


@FIGURES.register("conwell_ranking_curve")
def conwell_ranking_curve(evidence: Evidence) -> Drawing:
    """A panel a metric, each with a ranking of its own."""
    found = scored(evidence)
    if not found.metrics:
        return Drawing.empty("conwell_ranking_curve", TITLE, NONE, COLUMNS)
    figure, axes = sheet(1, len(found.metrics), width=3.6, height=3.1, sharey=True)
    parts, said = [], []
    for axis, metric in zip(axes.flat, found.metrics, strict=True):
        rows = with_kind(ranked(found.of(metric)).assign(metric=metric))
        bends = breakpoints(rows)
        by_kind(axis, rows, "rank", "score", size=3.2)
        if bends is not None:
            x = np.unique(np.concatenate([[1.0, len(rows)], bends.breaks]))
            axis.plot(x, bends(x), color=INK, linewidth=0.9, label="Line in three pieces")
            for at in bends.breaks:
                axis.axvline(at, color=FAINT, linewidth=0.7, linestyle=":")
        ceiling_band(axis, found)
        tidy(axis, x="Rank", y=LABEL if axis is axes.flat[0] else "", title=METRICS[metric])
        text = f"{METRICS[metric]}: best {rows.label.iloc[0]} ({rows.score.iloc[0]:.3f}), {len(near_best(rows))} of "
        text += f"{len(rows)} networks within .1 of it"
        if bends is not None:
            text += f", slope changes at rank {' and '.join(f'{at:.1f}' for at in bends.breaks)}"
        said.append(text)
        parts.append(rows)
    axes.flat[0].set_ylim(bottom=min(0.0, *(part.score.min() for part in parts)))  # shared by all panels
    legend(figure, columns=4)
    caption = f"Networks from best to worst. {'; '.join(said)}. {ceiling_words(found)}".strip()
    data = tidied(parts, COLUMNS)
    return Drawing("conwell_ranking_curve", TITLE, caption, figure, data, run_ids(found.networks.runs))
