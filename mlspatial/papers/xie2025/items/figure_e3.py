"""Figure E.3: neural alignment of networks trained with full and reduced variability of a non-target latent."""

from __future__ import annotations

from typing import Any

import pandas as pd

from mlspatial.analysis.contrasts import FEWEST, contrasts
from mlspatial.compare.conditions import REFERENCES, last, once
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.selection import Chosen, choose, run_texts, runs_of, summary
from mlspatial.compare.style import SMALL, legend, letters, ordered, sheet, spread, task_style, ticks, tidy
from mlspatial.compare.words import mean_text, p_text, stars

ARCH = "resnet18"  # Xie et al. 2025, figure E.3
PUBLISHED = {"category": ("distance", "translation", "rotation"), "translation": ("rotation", "category")}  # a, b
TITLE = "Alignment with full and reduced variability"
COLUMNS = [
    "latent", "target", "label", "variability", "dataset", "step", "model_id", "seed", "score", "mean", "sd", "n", "p",
    "p_holm", "run_ids",
]  # fmt: skip


@FIGURES.register("figure_e3")
def figure_e3(evidence: Evidence) -> Drawing:
    """Source: Xie et al. 2025, figure E.3; the test is over networks, one value a seed."""
    chosen = choose(evidence, ARCH)
    panels = {latent: _panel(chosen, latent) for latent in PUBLISHED} if chosen and len(chosen.main) else {}
    panels = {latent: pairs for latent, pairs in panels.items() if pairs}
    missing = [
        f"{task_style(target).label}, reduced {latent} variability"
        for latent, targets in PUBLISHED.items()
        for target in targets
        if target not in panels.get(latent, {})
    ]
    if chosen is None or not panels:
        caption = "No networks were trained with both full and reduced variability of categories or of translation."
        return Drawing.empty("figure_e3", TITLE, caption, COLUMNS, missing)
    parts, texts = [], []
    for latent, pairs in panels.items():
        tests = _tests(pairs)
        part = pd.concat([_rows(latent, target, sides, tests.get(target)) for target, sides in pairs.items()])
        parts.append(part)
        texts.append(f"{latent.capitalize()}: {'; '.join(_text(t, part[part.target == t]) for t in pairs)}.")
    data = pd.concat(parts, ignore_index=True)
    networks = pd.concat([side for pairs in panels.values() for sides in pairs.values() for side in sides])
    caption = (
        f"Alignment of {chosen.label} networks ({chosen.mean_words}) trained with full (filled) and reduced (open) "
        f"variability of a latent that is not their target. {' '.join(texts)} Points: networks; mean and one SD over "
        "seeds (n − 1); *: p < .05, Mann-Whitney U, two-sided, not corrected."
    )
    figure = _draw(chosen, data, list(panels))
    notes = (*dict.fromkeys(chosen.notes), *_step_notes(data))
    return Drawing("figure_e3", TITLE, caption, figure, data, runs_of(networks), tuple(missing), notes)


def _panel(chosen: Chosen, latent: str) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """target -> networks with full variability, after as many batches where there are such, and with reduced."""
    table, main = chosen.table, chosen.main
    trained = table[~table.task.isin(REFERENCES) & table.neural_mean.notna()]
    most = main.n_categories.iloc[0]
    if latent == "category":
        low = trained[(trained.translation != "none") & (trained.n_categories < most)]
        low = low[(low.n_categories == low.n_categories.min()) & ~low.task.str.contains("category|identity|all")]
    else:
        low = trained[(trained.translation == "none") & ((trained.n_categories == most) | trained.n_categories.isna())]
        low = low[~low.task.str.contains("translation|all")]
    pairs = {}
    for target in ordered(low.task):
        reduced = chosen.others(low[low.task == target])
        full = main[(main.task == target) & main.neural_mean.notna()]
        if reduced.empty or full.empty:
            continue
        same = once(full[full.step == reduced.step.iloc[0]])
        pairs[target] = (same if len(same) else last(full), reduced)
    return {target: sides for target, sides in pairs.items() if len(sides[0])}


def _tests(pairs: dict[str, tuple[pd.DataFrame, pd.DataFrame]]) -> dict[str, Any]:
    sides = {target: (a.neural_mean.to_numpy(float), b.neural_mean.to_numpy(float)) for target, (a, b) in pairs.items()}
    enough = {target: both for target, both in sides.items() if min(map(len, both)) >= FEWEST}
    return {test.name: test for test in contrasts(enough)} if enough else {}


def _rows(latent: str, target: str, sides: tuple[pd.DataFrame, pd.DataFrame], test: Any) -> pd.DataFrame:
    parts = []
    for variability, side in zip(("full", "reduced"), sides, strict=True):
        facts = summary(side, "neural_mean")
        facts["run_ids"] = run_texts(side)
        more = {"latent": latent, "target": target, "label": task_style(target).label, "variability": variability}
        p, holm = (test.p, test.p_holm) if test else (float("nan"), float("nan"))
        score = side.neural_mean.astype(float)
        parts.append(side.assign(**more, score=score, p=p, p_holm=holm, **facts)[COLUMNS])
    return pd.concat(parts, ignore_index=True)


def _text(target: str, part: pd.DataFrame) -> str:
    sides = part.drop_duplicates("variability").set_index("variability")
    full, low = (mean_text(sides["mean"][name], sides.sd[name]) for name in ("full", "reduced"))
    p = p_text(part.p.iloc[0])
    counts = f"n = {sides.n['full']} and {sides.n['reduced']}"
    return f"{task_style(target).label} {full} against {low} ({f'{p}, ' if p else ''}{counts})"


def _step_notes(data: pd.DataFrame) -> list[str]:
    notes = []
    for (latent, target), part in data.groupby(["latent", "target"], sort=False):
        steps = part.groupby("variability").step.first()
        if steps["full"] != steps["reduced"]:
            notes.append(
                f"{task_style(str(target)).label}, {latent}: full after {steps['full']} batches, reduced after "
                f"{steps['reduced']}."
            )
    return notes


def _draw(chosen: Chosen, data: pd.DataFrame, latents: list[str]) -> Any:
    figure, grid = sheet(1, len(latents), width=3.0, height=2.9, sharey=True)
    axes = list(grid.flat)
    top, height = data.score.max(), max(float((data["mean"] + data.sd.fillna(0)).max() - data.score.min()), 1e-3)
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
        axis.set_ylim(data.score.min() - 0.12 * height, top + 0.05 * height)
    tidy(axes[0], y=chosen.mean_label)
    letters(axes)
    legend(figure, columns=2)
    return figure
