"""Figure E.3: neural alignment of networks trained with full and reduced variability of a non-target latent."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlspatial.analysis.contrasts import FEWEST, contrasts
from mlspatial.compare import grouping
from mlspatial.compare.conditions import REFERENCES
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.run_ids import run_ids
from mlspatial.compare.selection import Chosen, choose, run_texts, summary
from mlspatial.compare.style import SMALL, legend, letters, ordered, sheet, spread, task_style, ticks, tidy
from mlspatial.compare.words import mean_text, p_text, stars

ARCH = "resnet18"  # Xie et al. 2025, figure E.3
PUBLISHED = {"category": ("distance", "translation", "rotation"), "translation": ("rotation", "category")}  # a, b
SIDES = (grouping.FULL, grouping.REDUCED)
TITLE = "Alignment with full and reduced variability"
COLUMNS = [
    "latent", "target", "label", "variability", "dataset", "step", "model_id", "seed", "score", "mean", "sd", "n", "p",
    "p_holm", "run_ids",
]  # fmt: skip


@FIGURES.register("figure_e3")
def figure_e3(evidence: Evidence) -> Drawing:
    """Source: Xie et al. 2025, figure E.3; the test is over networks, one value a seed."""
    chosen = choose(evidence, ARCH)
    parts, texts, missing, notes = [], [], [], list(chosen.notes)
    for latent, published in PUBLISHED.items():
        part = _panel(evidence, chosen, latent, notes)
        targets = list(dict.fromkeys(part.target))
        missing += [f"{task_style(one).label}, reduced {latent} variability" for one in published if one not in targets]
        if targets:
            parts.append(part)
            said = (_text(target, part[part.target == target]) for target in targets)
            texts.append(f"{latent.capitalize()}: {'; '.join(said)}.")
    if not parts:
        caption = "No networks were trained with both full and reduced variability of categories or of translation."
        return Drawing.empty("figure_e3", TITLE, caption, COLUMNS, missing)
    data = pd.concat(parts, ignore_index=True)
    caption = (
        f"Alignment of {chosen.label} networks ({chosen.mean_words}) trained with full (filled) and reduced (open) "
        f"variability of a latent that is not their target. {' '.join(texts)} Points: networks; mean and one SD over "
        "seeds (n − 1); *: p < .05, Mann-Whitney U, two-sided, not corrected."
    )
    figure = _draw(chosen, data, list(dict.fromkeys(data.latent)))
    return Drawing(
        "figure_e3", TITLE, caption, figure, data, run_ids(data.run_ids), missing, tuple(dict.fromkeys(notes))
    )


def _panel(evidence: Evidence, chosen: Chosen, latent: str, notes: list[str]) -> pd.DataFrame:
    """One row a network: those of targets with both sides, full variability after as many batches as reduced."""
    scored = chosen.table[chosen.table.neural_mean.notna()]
    found = grouping.choose(evidence, scored.model_id, reduced=latent)
    rows = scored.merge(found.networks[["model_id", "variability"]], on="model_id")
    rows = rows[~rows.task.isin(REFERENCES)]
    both = rows.groupby("task").variability.transform("nunique") == 2
    notes += found.notes if both.any() else ()
    pairs = dict(tuple(rows[both].groupby("task")))
    enough = {
        task: tuple(part.neural_mean[part.variability == side].to_numpy(float) for side in SIDES)
        for task, part in pairs.items()
        if part.variability.value_counts().min() >= FEWEST
    }
    tests = {test.name: test for test in contrasts(enough)} if enough else {}
    parts = []
    for target in ordered(pairs):
        test, label = tests.get(target), task_style(target).label
        p = {"p": test.p, "p_holm": test.p_holm} if test else {"p": float("nan"), "p_holm": float("nan")}
        for side in SIDES:
            mine = pairs[target][pairs[target].variability == side]
            facts = {"latent": latent, "target": target, "label": label, **p, **summary(mine, "neural_mean")}
            parts.append(mine.assign(**facts | {"run_ids": run_texts(mine)}, score=mine.neural_mean)[COLUMNS])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _text(target: str, part: pd.DataFrame) -> str:
    sides = part.drop_duplicates("variability").set_index("variability")
    full, low = (mean_text(sides["mean"][name], sides.sd[name]) for name in ("full", "reduced"))
    p = p_text(part.p.iloc[0])
    counts = f"n = {sides.n['full']} and {sides.n['reduced']}"
    return f"{task_style(target).label} {full} against {low} ({f'{p}, ' if p else ''}{counts})"


def _draw(chosen: Chosen, data: pd.DataFrame, latents: list[str]) -> Any:
    figure, grid = sheet(1, len(latents), width=3.0, height=2.9, sharey=True)
    axes = list(grid.flat)
    sd = data.sd.fillna(0)
    top = max(data.score.max(), (data["mean"] + sd).max())
    low = min(data.score.min(), (data["mean"] - sd).min())
    height = max(float(top - low), 1e-3)
    for axis, latent in zip(axes, latents, strict=True):
        part = data[data.latent == latent]
        targets = ordered(part.target)
        for place, target in enumerate(targets):
            look = task_style(target)
            for side, shift in (("full", -0.2), ("reduced", 0.2)):
                mine = part[(part.target == target) & (part.variability == side)]
                face = look.colour if side == "full" else "white"
                label = f"{side.capitalize()} variability"
                x = place + shift
                axis.errorbar(x, mine["mean"].iloc[0], mine.sd.iloc[0], color=look.colour, marker=look.marker,
                              markerfacecolor=face, markersize=5.5, capsize=2.5, elinewidth=1.1, zorder=2)  # fmt: skip
                axis.scatter(x + spread(len(mine), 0.1), mine.score, s=5, color="#444444", linewidths=0, zorder=3)
                axis.plot([], [], "o", color="#555555", markerfacecolor="#555555" if side == "full" else "white",
                          markersize=5, label=label)  # fmt: skip
            here = part[part.target == target]
            if stars(here.p.iloc[0]):
                high = max(here.score.max(), (here["mean"] + here.sd.fillna(0)).max()) + 0.04 * height
                axis.plot([place - 0.2, place + 0.2], [high, high], color="#444444", linewidth=0.7)
                axis.text(place, high, "*", ha="center", va="bottom", fontsize=SMALL + 4, color="#222222")
                top = max(top, high + 0.1 * height)
        axis.set_xlim(-0.6, len(targets) - 0.4)
        ticks(axis, [task_style(target).label for target in targets], slant=0 if len(targets) < 4 else 40)
        tidy(axis, x="Target", title=f"Non-target: {latent}")
    for axis in axes:
        axis.set_ylim(low - 0.05 * height, top + 0.05 * height)
    tidy(axes[0], y=chosen.mean_label)
    letters(axes)
    legend(figure, columns=2)
    return figure
