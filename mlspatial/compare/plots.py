"""Pictures of model-by-model matrices. Colours can be told apart by colour-blind readers and in grey print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.drawing import METADATA, picture
from mlspatial.compare.grouping import layer_label
from mlspatial.compare.style import FAINT, SMALL, TASKS, TaskStyle, legend, panels, ticks, tidy

if TYPE_CHECKING:
    import pandas as pd

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933")  # Okabe & Ito 2008
MARKERS = "osD^vPX*"
FORMATS = tuple(METADATA)


def looks(groups: Iterable[str]) -> dict[str, TaskStyle]:
    """group -> its look: that of a published task, in other groups by their order."""
    names = list(dict.fromkeys(groups))
    spare = (TaskStyle(name, name, PALETTE[i % 8], MARKERS[(i + i // 8) % 8]) for i, name in enumerate(names))
    return {name: TASKS.get(name, look) for name, look in zip(names, spare, strict=True)}


def save(figure: Any, folder: Path, name: str) -> list[Path]:
    """NAME.png and NAME.svg; equal figures give equal bytes."""
    files = [folder / f"{name}.{kind}" for kind in FORMATS]
    for file in files:
        file.write_bytes(picture(figure, file.suffix[1:], name))
    return files


def heat_maps(matrices: dict[str, np.ndarray], groups: Sequence[str], title: str) -> Any:
    """One panel a layer: (models, models) similarities, models of a group side by side, white lines between groups."""
    figure, axes = panels(len(matrices), 4, lettered=False, width=3.2, height=3.2)
    names = list(dict.fromkeys(groups))
    order = sorted(range(len(groups)), key=lambda i: names.index(groups[i]))
    counts = [sum(group == name for group in groups) for name in names]
    edges = np.cumsum(counts)
    low = min(float(matrix.min()) for matrix in matrices.values())
    image = None
    for axis, (layer, matrix) in zip(axes, matrices.items(), strict=True):
        image = axis.imshow(matrix[np.ix_(order, order)], vmin=min(low, 0.0), vmax=1.0, cmap="cividis")
        for edge in edges[:-1]:
            axis.axhline(edge - 0.5, color="white", linewidth=0.8)
            axis.axvline(edge - 0.5, color="white", linewidth=0.8)
        middles = edges - np.array(counts) / 2 - 0.5
        ticks(axis, names, at=middles, slant=60)
        axis.set_yticks(middles, names, fontsize=SMALL)
        tidy(axis, title=layer)
    if image is not None:
        figure.colorbar(image, ax=axes, label=title, shrink=0.8)
    return figure


def maps(points: dict[str, np.ndarray], stress: dict[str, float], groups: Sequence[str]) -> Any:
    """One panel a layer: models in the plane, (models, 2) coordinates, coloured and marked by group."""
    import pandas as pd

    parts = [
        pd.DataFrame({"layer": layer, "group": groups, "x": where[:, 0], "y": where[:, 1], "stress": stress[layer]})
        for layer, where in points.items()
    ]
    return draw_maps(pd.concat(parts), looks(groups))


def draw_maps(table: pd.DataFrame, styles: Mapping[str, TaskStyle]) -> Any:
    """One panel a layer, equal scales. table: layer, group, x, y, stress; styles: of the groups, in their order."""
    layers = list(dict.fromkeys(table.layer))
    figure, axes = panels(len(layers), 4, width=2.1, height=2.9)
    for axis, layer in zip(axes, layers, strict=True):
        here = table[table.layer == layer]
        for name, look in styles.items():
            own = here[here.group == name]
            if len(own):
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


def layer_curves(table: Any, by: str) -> Any:
    """One panel a latent: mean value over the layers, a line for each group, bars of one SD over networks (over splits
    where a group has one network), a grey line at chance.

    table: rows with layer, latent, value, chance, model_id and the column `by`. The layer "pixels" is drawn first.
    """
    latents = list(dict.fromkeys(table.latent))
    layers = sorted(dict.fromkeys(table.layer), key=lambda layer: layer != "pixels")
    figure, axes = panels(len(latents), 4, lettered=False, width=3.4, height=2.8)
    groups = [name for name in dict.fromkeys(table[by]) if name != "pixels"]
    style = looks(groups)
    for axis, latent in zip(axes, latents, strict=True):
        part = table[table.latent == latent]
        chance = part.groupby("layer").chance.mean().reindex(layers)
        axis.plot(range(len(layers)), chance, color="0.6", linewidth=1, linestyle=":", label="chance")
        pixels = part[part.layer == "pixels"]
        if len(pixels):
            axis.errorbar(0, pixels.value.mean(), pixels.value.std(), color="0.3", marker="x", label="pixels")
        for name in groups:
            mine = part[(part[by] == name) & (part.layer != "pixels")]
            per_model = mine.groupby(["layer", "model_id"]).value.mean().groupby("layer")
            mean = per_model.mean().reindex(layers)
            spread = per_model.std() if mine.model_id.nunique() > 1 else mine.groupby("layer").value.std()
            look = style[name]
            where = np.arange(len(layers)) + min(0.06, 0.4 / len(groups)) * (groups.index(name) - (len(groups) - 1) / 2)
            axis.errorbar(
                where, mean, spread.reindex(layers), color=look.colour, marker=look.marker, markersize=4, linewidth=1.2,
                capsize=2, label=look.label,
            )  # fmt: skip
        ticks(axis, layers, slant=50)
        tidy(axis, y="accuracy" if "accuracy" in set(part.measure) else "Pearson r", title=latent)
    legend(figure, columns=6)
    return figure


def generalisation_curves(table: Any, by: str) -> Any:
    """One panel a latent: over the layers, read-outs within conditions (dashed, hollow) and across them (a line for
    folds that are alike, one for each direction of a comparison), bars of one SD over folds (over networks where a
    group has several), a dotted grey line at chance. Pixels have their own marks.

    table: rows with layer, latent, measure, fold, left_out_values, value, within, error, chance, model_id and the
    column `by`. Folds without an error are the directions of a comparison where there are two.
    """
    latents = list(dict.fromkeys(table.latent))
    layers = sorted(dict.fromkeys(table.layer), key=lambda layer: layer != "pixels")
    ways = list(dict.fromkeys(table.left_out_values)) if table.error.isna().all() and table.fold.max() == 1 else [""]
    figure, axes = panels(len(latents), 4, lettered=False, width=3.4, height=2.8)
    groups = list(dict.fromkeys(table[by]))
    style = looks(name for name in groups if name != "pixels")
    for axis, latent in zip(axes, latents, strict=True):
        part = table[table.latent == latent]
        chance = part.groupby("layer").chance.mean().reindex(layers)
        axis.plot(range(len(layers)), chance, color="0.6", linewidth=1, linestyle=":", label="chance")
        lines = [(group, way, column) for group in groups for way in ways for column in ("within", "value")]
        for place, (group, way, column) in enumerate(lines):
            mine = part[(part[by] == group) & (part.left_out_values == way if way else True)]
            each = mine.groupby(["layer", "model_id"])[column].mean().groupby("layer")
            spread = each.std() if mine.model_id.nunique() > 1 else mine.groupby("layer")[column].std()
            here = [i for i, layer in enumerate(layers) if layer in set(mine.layer)]
            names = [layers[i] for i in here]
            shift = min(0.06, 0.4 / len(lines)) * (place - (len(lines) - 1) / 2)
            look = style.get(group)
            second = way != ways[0]
            where = f", {'split as for' if column == 'within' else 'tested where'} {way}" if way else ""
            alone = len(style) == 1 and look is not None
            within = column == "within"
            colour = "0.45" if look is None else look.colour
            if alone:  # colours are free for what is compared
                colour = PALETTE[second] if way or not within else "0.45"
            axis.errorbar(
                np.array(here) + shift, each.mean().reindex(names), spread.reindex(names).fillna(0.0),
                color=colour,
                marker="x" if look is None else look.marker, markerfacecolor="white" if within else None,
                linestyle="--" if within else "-." if second and not alone else "-", markersize=4, linewidth=1.2,
                capsize=2, label=f"{'' if alone else group + ', '}{'within' if within else 'across'}{where}",
            )  # fmt: skip
        ticks(axis, layers, slant=50)
        tidy(axis, y="accuracy" if "accuracy" in set(part.measure) else "Pearson r", title=latent)
    legend(figure, columns=4)
    return figure
