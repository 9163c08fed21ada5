"""What the figures of networks scored on fMRI responses share: panels of groups and pairs, scatters, the ceiling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from mlspatial.compare.drawing import Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import METRICS, NONE, Scored, scored
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.style import FAINT, INK, SMALL, sheet, spread, tidy
from mlspatial.compare.words import p_text
from mlspatial.papers.conwell2024.statistics import Found, contrasts, mean_of_networks

LABEL = "r with OTC"
COLUMNS = ["metric", "group", "pair", "network", "label", "score", "run_ids"]

#: kind -> colour and marker; Okabe and Ito 2008
KINDS = {
    "CNN": ("#0072b2", "o"), "Transformer": ("#d55e00", "^"), "MLP-Mixer": ("#009e73", "s"), "Hybrid": ("#cc79a7", "D"),
    "": ("#8c8c8c", "x"),
}  # fmt: skip
#: how a network was trained -> colour and marker, for the ranking
TRAININGS = {
    "category": ("Category-supervised", "#0072b2", "o"), "selfsupervised": ("Self-supervised", "#e69f00", "s"),
    "language": ("With captions", "#009e73", "^"), "taskonomy": ("Taskonomy", "#cc79a7", "D"),
    "other": ("Other tasks", "#56b4e9", "v"), "random": ("Untrained", "#8c8c8c", "x"),
}  # fmt: skip
GROUP_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#e69f00", "#cc79a7", "#56b4e9")


@dataclass(frozen=True)
class Panel:
    """Groups side by side. choose: networks -> those shown, with a column group (and pair); order: of the groups, None:
    from best to worst; names: group -> words for people; pairs: whether a line joins the two of a pair."""

    title: str
    choose: Callable[[pd.DataFrame], pd.DataFrame]
    order: Sequence[str] | None = None
    names: Mapping[str, str] | None = None
    pairs: bool = False
    width: float = 1.0  # relative to the other panels

    def ordered(self, tables: Sequence[pd.DataFrame]) -> list[str]:
        """The groups there are, in one order for all metrics (from best to worst: under the last metric)."""
        there = list(dict.fromkeys(name for rows in tables for name in rows.group))
        if self.order is not None:
            return [name for name in self.order if name in there]
        means = tables[-1].groupby("group").score.mean() if len(tables) else {}
        return sorted(there, key=lambda name: -means.get(name, -1.0))


def groups_drawing(
    id: str, title: str, evidence: Evidence, panels: Sequence[Panel], ids: Sequence[str], words: str
) -> Drawing:
    """A row of panels a metric, points being networks, bars their mean with a bootstrap interval.

    ids: of the contrasts that the caption reports; words: what the figure shows, for the caption.
    """
    found = scored(evidence)
    metrics = found.metrics
    chosen = {(metric, i): panel.choose(found.of(metric)) for metric in metrics for i, panel in enumerate(panels)}
    shown = [i for i in range(len(panels)) if any(len(chosen[metric, i]) for metric in metrics)]
    missing = tuple(panel.title for i, panel in enumerate(panels) if i not in shown)
    if not shown:
        caption = NONE if not metrics else "No network of these contrasts was scored."
        return Drawing.empty(id, title, caption, COLUMNS, missing)
    widths = [panels[i].width for i in shown]
    side = len(shown) == 1  # a single contrast: metrics beside each other
    shape = (1, len(metrics)) if side else (len(metrics), len(shown))
    figure, axes = sheet(
        *shape, width=2.5 * sum(widths) / len(widths), height=2.5, sharex="col",
        gridspec_kw={"width_ratios": widths * len(metrics) if side else widths},
    )  # fmt: skip
    orders = [panels[i].ordered([chosen[metric, i] for metric in metrics]) for i in shown]
    for row, metric in enumerate(metrics):
        rows = [chosen[metric, i] for i in shown]
        top = max([found.ceiling if found.ceilings else 0, *(part.score.max() for part in rows if len(part))])
        for column, (i, part) in enumerate(zip(shown, rows, strict=True)):
            axis = axes[0, row] if side else axes[row, column]
            draw_groups(axis, found, part, panels[i], orders[column], metric)
            axis.set_ylim(min(0.0, *(p.score.min() for p in rows if len(p))), top * 1.06)
            ceiling_band(axis, found)
            head = panels[i].title if row == 0 and not side else ""
            tidy(axis, y=f"{METRICS[metric]}, {LABEL}" if column == 0 else "", title=head)
    parts = [chosen[metric, i].assign(metric=metric) for metric in metrics for i in shown]
    data = tidied([part if "pair" in part else part.assign(pair="") for part in parts], COLUMNS)
    runs = run_ids(part.runs for part in chosen.values())
    text = f"{words} {_points(found)} {_reported(found, ids)}".strip()
    return Drawing(id, title, text, figure, data, runs, missing)


def tidied(parts: Sequence[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """The data of a drawing: parts of networks below each other, their runs as text."""
    each = [rows.assign(run_ids=[" ".join(ids) for ids in rows.runs])[list(columns)] for rows in parts]
    return pd.concat(each, ignore_index=True)


def draw_groups(axis: Any, found: Scored, rows: pd.DataFrame, panel: Panel, order: Sequence[str], metric: str) -> None:
    """Points, means and intervals of every group; a network alone in its group shows its subjects."""
    names = panel.names or {}
    lone = rows.group.value_counts().max() == 1 if len(rows) else False
    for place, name in enumerate(order):
        part = rows[rows.group == name].sort_values("label")
        colour = GROUP_COLOURS[place % len(GROUP_COLOURS)] if not lone or len(order) <= 6 else GROUP_COLOURS[0]
        if part.empty:
            continue
        values = found.by_subject(part, metric).score.to_numpy(float) if lone else part.score.to_numpy(float)
        offsets = np.zeros(len(values)) if panel.pairs else spread(len(values), 0.22)
        axis.plot(place + offsets, values, linewidth=0, marker="o", markersize=3, color=colour, alpha=0.55, zorder=2)
        made = _mean(values)
        axis.plot([place - 0.3, place + 0.3], [made.estimate] * 2, color=INK, linewidth=1.6, zorder=3)
        if math.isfinite(made.low):
            axis.plot([place, place], [made.low, made.high], color=INK, linewidth=1.0, zorder=3)
    if panel.pairs and "pair" in rows and len(order) == 2:
        wide = rows.pivot(index="pair", columns="group", values="score").dropna()
        for values in wide[order].to_numpy(float):
            axis.plot([0, 1], values, color=FAINT, linewidth=0.6, alpha=0.7, zorder=1)
    words = [_with_count(names.get(name, ""), rows, name, lone) for name in order]
    crowded = len(order) > 6
    axis.set_xticks(range(len(order)), words, fontsize=SMALL - 1 if crowded else SMALL, rotation=90 if crowded else 30,
                    rotation_mode="anchor", ha="right", va="center" if crowded else "top")  # fmt: skip
    axis.set_xlim(-0.6, len(order) - 0.4)


def _with_count(words: str, rows: pd.DataFrame, name: str, lone: bool) -> str:
    """A group's name with the number of its networks; of a network that stands alone, its label."""
    part = rows[rows.group == name]
    if lone:
        return words or (str(part.label.iloc[0]) if len(part) else name)
    return f"{words or name} ({len(part)})"


def _mean(values: np.ndarray) -> Found:
    return mean_of_networks(pd.DataFrame({"score": values, "runs": [()] * len(values)}))


def ceiling_band(axis: Any, found: Scored) -> None:
    """The noise ceiling: a line at its mean over subjects, a band from the lowest to the highest."""
    if found.ceilings:
        values = list(found.ceilings.values())
        axis.axhspan(min(values), max(values), color=FAINT, alpha=0.18, linewidth=0, zorder=0)
        axis.axhline(found.ceiling, color=FAINT, linewidth=0.9, linestyle="--", zorder=0)


def ceiling_words(found: Scored) -> str:
    """For a caption."""
    if not found.ceilings:
        return ""
    band = " (band: lowest to highest subject)" if len(found.ceilings) > 1 else ""
    return f"Grey: noise ceiling, mean {found.ceiling:.3f}{band}."


def _points(found: Scored) -> str:
    text = (
        "Points are networks (in panels of one network a group: subjects, where they are known), bars their mean with "
        "a 95 % bootstrap interval."
    )
    return f"{text} {ceiling_words(found)}".strip()


def _reported(found: Scored, ids: Sequence[str]) -> str:
    """The contrasts in words, networks as points first."""
    parts = []
    for contrast in contrasts(found):
        if contrast.id not in ids:
            continue
        made = contrast.units or contrast.published
        parts.append(
            f"{contrast.title}, {METRICS[contrast.metric]}: {made.estimate:+.3f} [{made.low:.3f}, {made.high:.3f}], "
            f"{p_text(made.p)} ({made.how})"
        )
    return f"{'; '.join(parts)}." if parts else ""


# ---- a fact against the score ---------------------------------------------------------------------------------------


def scatter(axis: Any, rows: pd.DataFrame, fact: str, *, log: bool = False) -> None:
    """One point a network, colour and marker by architecture, hollow when untrained. rows: with a column score."""
    for kind, (colour, marker) in KINDS.items():
        for trained in (True, False):
            part = rows[(rows.architecture == kind) & (rows.trained == trained)]
            if len(part):
                face = colour if trained or marker == "x" else "none"
                label = f"{kind or 'other'}{'' if trained else ', untrained'}"
                axis.scatter(part[fact], part.score, s=14, c=face, edgecolors=colour if marker != "x" else None,
                             marker=marker, linewidths=0.8, alpha=0.8, label=label)  # fmt: skip
    if log:
        axis.set_xscale("log")


def with_kind(rows: pd.DataFrame) -> pd.DataFrame:
    """Networks with a column kind: which of TRAININGS they belong to."""
    return rows.assign(kind=[_kind(row) for row in rows.itertuples()])


def by_kind(axis: Any, rows: pd.DataFrame, x: str, y: str, size: float) -> None:
    """Points of networks in the look of their kind."""
    for kind, (label, colour, marker) in TRAININGS.items():
        part = rows[rows.kind == kind]
        if len(part):
            axis.plot(part[x], part[y], linewidth=0, marker=marker, markersize=size, color=colour, label=label)


def _kind(row: Any) -> str:
    if not row.trained:
        return "random"
    if row.task == "taskonomy":
        return "taskonomy"
    if row.task == "clip" or "language" in row.supervision:
        return "language"
    if row.supervision in ("contrastive", "non-contrastive") or row.task in ("selfsupervised", "ipcl", "seer"):
        return "selfsupervised"
    return "category" if row.task in ("classification", "bit_expert") else "other"
