"""Scores against effective dimensionality, ImageNet accuracy and size (Conwell et al. 2024, figure 5)."""

from __future__ import annotations

import pandas as pd

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, scored
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import legend, sheet, tidy
from mlspatial.compare.words import p_text
from mlspatial.papers.conwell2024.plots import LABEL, scatter, tidied
from mlspatial.papers.conwell2024.statistics import association, groups_of

COLUMNS = ["metric", "network", "label", "architecture", "trained", "fact", "score", "run_ids"]


@FIGURES.register("conwell_dimensionality")
def conwell_dimensionality(evidence: Evidence) -> Drawing:
    """Source: Conwell et al. 2024, figure 5."""
    words = "Effective dimensionality"
    return _drawing(evidence, "conwell_dimensionality", "effective_dimensionality", words, log=True)


@FIGURES.register("conwell_accuracy")
def conwell_accuracy(evidence: Evidence) -> Drawing:
    """Source: Conwell et al. 2024, figure 5."""
    return _drawing(evidence, "conwell_accuracy", "imagenet_top1", "ImageNet top-1 (%)")


@FIGURES.register("conwell_parameters")
def conwell_parameters(evidence: Evidence) -> Drawing:
    """Source: Conwell et al. 2024, figure 5."""
    return _drawing(evidence, "conwell_parameters", "parameters", "Number of parameters", log=True)


def _drawing(evidence: Evidence, id: str, fact: str, words: str, *, log: bool = False) -> Drawing:
    found = scored(evidence)
    title = f"{words.removesuffix(' (%)')} and the prediction of OTC"
    metrics = [metric for metric in found.metrics if found.of(metric)[fact].notna().any()]
    if not metrics:
        caption = NONE if found.networks.empty else f"{words} is not known of any network."
        return Drawing.empty(id, title, caption, COLUMNS)
    figure, axes = sheet(1, len(metrics), width=3.4, height=3.0)
    said, parts = [], []
    for axis, metric in zip(axes.flat, metrics, strict=True):
        groups = groups_of(fact, found.of(metric))
        rows = pd.concat(list(groups.values())).drop_duplicates("model_id")
        rows = rows[rows[fact].notna()]
        scatter(axis, rows, fact, log=log)
        axis.set_ylim(min(0.0, rows.score.min()), rows.score.max() * 1.08)
        tidy(axis, x=words, y=f"{METRICS[metric]}, {LABEL}", title=METRICS[metric])
        for name, group in groups.items():
            if made := association(group, fact):
                said.append(
                    f"{METRICS[metric]}, {name}: {made.estimate:.2f} [{made.low:.2f}, {made.high:.2f}], "
                    f"{p_text(made.p)}, n = {made.n}"
                )
        parts.append(rows.assign(metric=metric, fact=rows[fact]))
    legend(figure, columns=4)
    data = tidied(parts, COLUMNS)
    shown = found.networks[found.networks.network.isin(data.network)]
    caption = f"One point a network, hollow ones untrained. Spearman's correlation: {'; '.join(said) or 'too few'}."
    return Drawing(id, title, caption, figure, data, run_ids(shown.runs))
