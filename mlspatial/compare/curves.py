"""Curves over layers: similarity to a group, and full against reduced variability of a latent."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.drawing import Drawing
from mlspatial.compare.grouping import (
    FULL,
    PIXELS,
    REDUCED,
    REFERENCES,
    Chosen,
    Similarities,
    choose,
    group_pairs,
    in_words,
    layer_label,
    layer_order,
    runs_of,
    similarities,
    within_missing,
)
from mlspatial.compare.latents import decoded, decoded_ids, fold_table, layer_tests, measure_of
from mlspatial.compare.style import (
    FAINT,
    INK,
    STAR,
    TASKS,
    TEXT,
    drop,
    latent_label,
    legend,
    letters,
    sheet,
    spread,
    stars,
    task_style,
    ticks,
    tidy,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from mlspatial.compare.evidence import Evidence

PUBLISHED = tuple(task for task in TASKS if task not in REFERENCES)
LATENT_WORDS = {"x": "x (translation)", "y": "y (translation)", "category": "the object category"}
MEASURE_LABELS = {"accuracy": "Accuracy", "pearson_r": "Pearson r"}
POOLED = (
    "Stars: two-sided Mann-Whitney U over cross-validation runs times seeds, p < .05 in each layer on its own, as "
    "published. Runs of one network are not independent, so these p values are too small"
)


# ---- parts of a panel -------------------------------------------------------------------------------------------


def curve(
    axis: Axes, layers: Sequence[str], table: pd.DataFrame, *, colour: str, marker: str, label: str = "",
    dashed: bool = False, shift: float = 0.0,
) -> None:  # fmt: skip
    """Mean ± SD over the layers; dashed ones have hollow markers. table: rows of one group with layer, mean, sd."""
    own = table.set_index("layer").reindex([layer for layer in layers if layer in set(table.layer)])
    where = np.array([list(layers).index(layer) for layer in own.index]) + shift
    axis.errorbar(
        where, own["mean"], own.sd, color=colour, marker=marker, markersize=4, linewidth=1.2, elinewidth=0.8,
        linestyle=(0, (3, 2)) if dashed else "-", markerfacecolor="white" if dashed else colour, label=label or None,
    )  # fmt: skip


def layer_axis(axis: Axes, layers: Sequence[str]) -> None:
    """The layers along x, room at both ends."""
    ticks(axis, [layer_label(layer) for layer in layers])
    axis.set_xlim(-0.4, len(layers) - 0.6)


def variability_panel(axis: Axes, layers: Sequence[str], table: pd.DataFrame, task: str) -> None:
    """Full (solid, filled) against reduced variability (dashed, hollow), in the colour of the task."""
    look = task_style(task)
    for variability, shift in ((FULL, -0.04), (REDUCED, 0.04)):
        own = table[table.variability == variability]
        if len(own):
            dashed = variability == REDUCED
            curve(axis, layers, own, colour=look.colour, marker=look.marker, dashed=dashed, shift=shift)
    layer_axis(axis, layers)
    tidy(axis, title=look.label)


def variability_legend(figure: Any, axis: Axes, kind: str, table: pd.DataFrame) -> None:
    """What solid and dashed mean; other curves come with labels of their own."""
    for variability, style, face in ((FULL, "-", INK), (REDUCED, (0, (3, 2)), "white")):
        if (table.variability == variability).any():
            axis.plot([], [], color=INK, linestyle=style, marker="o", markersize=4, markerfacecolor=face,
                      label=f"{variability.capitalize()} {kind} variability")  # fmt: skip
    legend(figure, columns=4 if len({round(one.get_position().x0, 3) for one in figure.axes}) > 1 else 2)


def pixel_point(axis: Axes, layers: Sequence[str], table: pd.DataFrame) -> None:
    """Decoding from the images themselves, where it was done."""
    own = table[table.group == PIXELS]
    if len(own):
        axis.errorbar([list(layers).index(PIXELS)], own["mean"], own.sd, color=FAINT, marker="X", markersize=5,
                      linestyle="none", elinewidth=0.8, label="Raw pixels")  # fmt: skip


def chance_line(axis: Axes, table: pd.DataFrame) -> None:
    chance = table.chance.mean()
    if chance == chance and chance > 0:
        axis.axhline(chance, color=FAINT, linewidth=0.9, linestyle=":", zorder=0, label="Chance")


# ---- similarity to one group ------------------------------------------------------------------------------------


def reference_curves(evidence: Evidence, id: str, title: str, reference: str, published: Sequence[str]) -> Drawing:
    """Similarity of every group to the networks of `reference` over the layers, with the level within that group.

    published: the groups that the published figure shows beside the reference.
    """
    found = similarities(evidence)
    chosen = choose(evidence, found.ids)
    pairs = group_pairs(found.pairs, chosen.networks)
    pairs = pairs[(pairs["first"] == reference) | (pairs["second"] == reference)]
    group = pairs["first"].where(pairs["first"] != reference, pairs["second"])
    table = pairs.assign(group=group, reference=reference)
    table = table[table.group.isin([reference, "untrained", *chosen.groups(trained=True)])]
    table = table[["layer", "group", "reference", "mean", "sd", "pairs", "run_ids"]].reset_index(drop=True)
    own = task_style(reference).label
    there = set(table.group) if reference in chosen.groups() else set(chosen.groups())
    missing = tuple(task_style(task).label for task in published if task not in there)
    if reference not in set(table.group):
        missing += (within_missing(reference),) if reference in chosen.groups() else (own,)
    others = [name for name in chosen.groups() if name in set(table.group) and name != reference]
    figure = None
    if len(table):
        figure, axes = sheet(width=4.2, height=3.5)
        axis, layers = axes[0, 0], [layer for layer in found.layers if layer in set(table.layer)]
        inside = table[table.group == reference].set_index("layer").reindex(layers)
        if inside["mean"].notna().any():
            where = range(len(layers))
            axis.plot(
                where,
                inside["mean"],
                color=INK,
                linewidth=1.4,
                linestyle=(0, (4, 2)),
                label=f"Within {in_words(reference)}",
            )
            band = inside.sd.fillna(0.0)
            axis.fill_between(where, inside["mean"] - band, inside["mean"] + band, color=INK, alpha=0.12, linewidth=0)
        for name, shift in zip(others, spread(len(others), min(0.12, 0.03 * len(others))), strict=True):
            look = task_style(name)
            curve(axis, layers, table[table.group == name], colour=look.colour, marker=look.marker, label=look.label,
                  shift=shift)  # fmt: skip
        layer_axis(axis, layers)
        tidy(axis, y=f"{found.label} to {in_words(reference)} networks")
        legend(axis, columns=3, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return Drawing(
        id, title, _reference_caption(found, table, reference), figure, table, runs_of(table), missing,
        (*found.notes, *chosen.notes),
    )  # fmt: skip


def _reference_caption(found: Similarities, table: pd.DataFrame, reference: str) -> str:
    own = in_words(reference)
    text = f"{found.label} to networks trained on {own}, by layer; mean ± SD over pairs of networks."
    if reference in set(table.group):
        text += " Dashed: within that group, between different seeds."
    layers = [layer for layer in found.layers if layer in set(table.layer)]
    for layer in dict.fromkeys([layers[0], layers[-1]]) if layers else ():
        part = table[table.layer == layer].set_index("group")["mean"]
        tasks = part.drop([reference, *REFERENCES], errors="ignore")
        said = []
        if len(tasks) > 1:
            said.append(f"from {tasks.min():.2f} ({task_style(str(tasks.idxmin())).label}) to {tasks.max():.2f} "
                        f"({task_style(str(tasks.idxmax())).label})")  # fmt: skip
        elif len(tasks):
            said.append(f"{tasks.iloc[0]:.2f} ({task_style(str(tasks.index[0])).label})")
        if reference in part:
            said.append(f"{part[reference]:.2f} within the group")
        if "untrained" in part:
            said.append(f"{part['untrained']:.2f} for untrained networks")
        text += f" {layer_label(layer)}: {', '.join(said)}."
    return text


# ---- full against reduced variability ---------------------------------------------------------------------------


def shown_tasks(chosen: Chosen, published: Sequence[str]) -> list[str]:
    """The published tasks that are here, then others that have a reduced control."""
    table = chosen.networks
    controls = dict.fromkeys(table[table.variability == REDUCED].task)
    more = [task for task in controls if task not in published]
    return [task for task in published if (table.task == task).any()] + more


def absent(table: pd.DataFrame, published: Sequence[str], kind: str) -> tuple[str, ...]:
    """Published conditions without a row in a table with task and variability."""
    there = set(zip(table.task, table.variability, strict=True))
    return tuple(
        f"{task_style(task).label}, {variability} {kind} variability"
        for task in published
        for variability in (FULL, REDUCED)
        if (task, variability) not in there
    )


def control_notes(chosen: Chosen, kind: str) -> tuple[str, ...]:
    """What reduced means here, and the choices made."""
    low = chosen.networks[chosen.networks.variability == REDUCED]
    if low.empty:
        return chosen.notes
    if kind == "translation":
        return ("Reduced translation variability: the object is in the middle of every image.", *chosen.notes)
    few, most = low.n_categories.min(), chosen.networks.n_categories[chosen.networks.variability == FULL]
    whole = most[~chosen.networks.task.isin(REFERENCES)].max()
    text = f"Reduced category variability: {few:.0f} {'category' if few == 1 else 'categories'}"
    return (text + (f" of {whole:.0f}." if whole == whole else "."), *chosen.notes)


def decoding_contrast(
    evidence: Evidence, id: str, title: str, latent: str, kind: str, published: Sequence[str]
) -> Drawing:
    """Decoding of a latent that is no target, over layers, a panel a task: full against reduced variability (kind)."""
    chosen = choose(evidence, decoded_ids(evidence, latent), reduced=kind)
    tasks = shown_tasks(chosen, published)
    rows = decoded(evidence, chosen.networks, latent)
    rows = rows[rows.task.isin([*tasks, PIXELS])]
    table = fold_table(rows)
    tests = {task: layer_tests(rows, f"{task}, {FULL}", f"{task}, {REDUCED}") for task in tasks}
    for name in ("p", "p_holm", "p_networks"):
        table[name] = [
            tests.get(task, {}).get(layer, {}).get(name, np.nan)
            for task, layer in zip(table.task, table.layer, strict=True)
        ]
    table["star"] = [stars(p) == "*" for p in table.p]
    layers = layer_order(rows)
    table = _in_order(table, layers, [*tasks, PIXELS]).drop(columns="group")
    missing = absent(table, published, kind) + (() if (table.task == PIXELS).any() else ("Raw pixels",))
    figure = None
    if tasks:
        figure, axes = panel_row(len(tasks))
        for axis, task in zip(axes, tasks, strict=True):
            own = table[table.task == task]
            variability_panel(axis, layers, own, task)
            pixel_point(axis, layers, table.assign(group=table.task))
            chance_line(axis, own)
        variability_legend(figure, axes[0], kind, table)
        low, high = axes[0].get_ylim()
        axes[0].set_ylim(min(low, 0.0), high + 0.08 * (high - low))
        for axis, task in zip(axes, tasks, strict=True):
            for layer in dict.fromkeys(table.layer[(table.task == task) & table.star]):
                top = table[(table.task == task) & (table.layer == layer)]
                height = (top["mean"] + top.sd.fillna(0.0)).max()
                axis.annotate("*", (layers.index(layer), height), (0, 1), textcoords="offset points", ha="center",
                              fontsize=TEXT + 2, color=INK)  # fmt: skip
        tidy(axes[0], y=f"{MEASURE_LABELS[measure_of(latent)]}, {latent_label(latent)}")
    caption = (
        f"Linear decoding of {LATENT_WORDS[latent]} from each layer of networks trained on other targets, with full "
        f"and with reduced {kind} variability; mean ± SD over cross-validation runs times seeds"
    )
    caption += "; * p < .05, Mann-Whitney U." if any(tests.values()) else "."
    caption += "".join(_gain(table[table.task == task], task) for task in tasks)
    notes = control_notes(chosen, kind)
    if any(tests.values()):
        notes = (_independence(table), *notes)
    data = table if tasks else table.head(0)
    return Drawing(id, title, caption, figure, data, runs_of(data), missing, notes)


def panel_row(count: int) -> tuple[Any, list[Any]]:
    """Panels beside each other, at most four in a row, with one y axis and letters."""
    columns = min(count, 4)
    figure, axes = sheet(-(-count // columns), columns, width=2.35 if count > 1 else 4.0, height=2.5, sharey=True)
    drop(axes.flat[count:])
    letters(list(axes.flat[:count]))
    return figure, list(axes.flat[:count])


def _in_order(table: pd.DataFrame, layers: Sequence[str], tasks: Sequence[str]) -> pd.DataFrame:
    order = table.assign(
        _t=[list(tasks).index(task) for task in table.task], _l=[list(layers).index(layer) for layer in table.layer]
    )
    return order.sort_values(["_t", "variability", "_l"]).drop(columns=["_t", "_l"]).reset_index(drop=True)


def _gain(table: pd.DataFrame, task: str) -> str:
    """A sentence: in how many layers full variability decodes better, and where most."""
    both = table.pivot_table(index="layer", columns="variability", values="mean", sort=False)
    if not {FULL, REDUCED} <= set(both.columns):
        return ""
    both = both.dropna()
    more = both[FULL] - both[REDUCED]
    if more.empty:
        return ""
    starred = set(table.layer[table.star])
    better = sum(layer in starred and more[layer] > 0 for layer in more.index)
    worse = sum(layer in starred and more[layer] < 0 for layer in more.index)
    at = more.abs().idxmax()
    return (
        f" {task_style(task).label}: better with full variability in {better} of {len(more)} layers and worse in "
        f"{worse} (p < .05), largest difference {more[at]:+.2f} at {layer_label(str(at))}."
    ).replace("-", "−")


def _independence(table: pd.DataFrame) -> str:
    tested = table[table.p.notna()].drop_duplicates(["task", "layer"])
    text = f"{POOLED}: {int(tested.star.sum())} of {len(tested)} tests bear a star"
    sides = table.pivot_table(index=["task", "layer"], columns="variability", values="networks")
    able = [
        row.p_networks
        for row in tested.itertuples()
        if 2 / math.comb(int(sides.loc[(row.task, row.layer)].sum()), int(sides.loc[(row.task, row.layer), FULL]))
        < STAR
    ]  # the smallest p of the exact test: all of one side above all of the other
    if not able:
        return text + "; with one value a network there are too few networks for any."
    return text + f"; with one value a network {sum(p < STAR for p in able)} of {len(able)} would."


def intra_group(evidence: Evidence, id: str, title: str, kind: str, published: Sequence[str]) -> Drawing:
    """Similarity between seeds of the same group over layers: full against reduced variability, a panel a task."""
    found = similarities(evidence)
    chosen = choose(evidence, found.ids, reduced=kind)
    pairs = group_pairs(found.pairs, chosen.networks)
    names = chosen.networks.drop_duplicates("group").set_index("group")
    inside = pairs[pairs["first"] == pairs["second"]]
    table = inside.assign(task=inside["first"].map(names.task), variability=inside["first"].map(names.variability))
    tasks = [task for task in shown_tasks(chosen, published) if (table.task == task).any()]
    columns = ["task", "variability", "layer", "mean", "sd", "pairs", "run_ids"]
    table = _in_order(table[table.task.isin(tasks)][columns], found.layers, tasks)
    figure = contrast_panels(table, found, tasks, kind, f"{found.label} within group") if tasks else None
    caption = (
        f"{found.label} between networks of one group with different seeds, trained with full and with reduced {kind} "
        "variability; mean ± SD over pairs of networks." + "".join(_last_layer(table, found, task) for task in tasks)
    )
    notes = (*found.notes, *control_notes(chosen, kind))
    return Drawing(id, title, caption, figure, table, runs_of(table), absent(table, published, kind), notes)


def contrast_panels(table: pd.DataFrame, found: Similarities, tasks: Sequence[str], kind: str, y: str) -> Any:
    """A figure of variability panels, one a task. table: task, variability, layer, mean, sd."""
    layers = [layer for layer in found.layers if layer in set(table.layer)]
    figure, axes = panel_row(len(tasks))
    for axis, task in zip(axes, tasks, strict=True):
        variability_panel(axis, layers, table[table.task == task], task)
    tidy(axes[0], y=y)
    variability_legend(figure, axes[0], kind, table)
    return figure


def _last_layer(table: pd.DataFrame, found: Similarities, task: str) -> str:
    return difference_at(table[table.task == task], found.layers[-1], task_style(task).label)


def difference_at(table: pd.DataFrame, layer: str, label: str) -> str:
    """A sentence: full and reduced at a layer; '' when one of them is not there."""
    own = table[table.layer == layer].set_index("variability")["mean"]
    if not {FULL, REDUCED} <= set(own.index):
        return ""
    return f" {label} at {layer_label(layer)}: {own[FULL]:.2f} full, {own[REDUCED]:.2f} reduced."
