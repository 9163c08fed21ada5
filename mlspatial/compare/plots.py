"""Pictures of model-by-model matrices. Colours can be told apart by colour-blind readers and in grey print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.compare.drawing import METADATA, picture
from mlspatial.compare.style import layout

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933")  # Okabe & Ito 2008
MARKERS = "osD^vPX*"
FORMATS = tuple(METADATA)


def colours(groups: Sequence[str]) -> dict[str, tuple[str, str]]:
    """group -> (colour, marker), in the order in which the groups appear."""
    names = list(dict.fromkeys(groups))
    return {name: (PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)]) for i, name in enumerate(names)}


def panels(count: int, *, width: float = 3.2, height: float = 3.2) -> tuple[Any, list[Any]]:
    """A figure with `count` panels side by side, at most four in a row."""
    from matplotlib.figure import Figure

    columns = min(count, 4)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout=layout())
    axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, list(axes[:count])


def save(figure: Any, folder: Path, name: str) -> list[Path]:
    """NAME.png and NAME.svg; equal figures give equal bytes."""
    files = [folder / f"{name}.{kind}" for kind in FORMATS]
    for file in files:
        file.write_bytes(picture(figure, file.suffix[1:], name))
    return files


def heat_maps(matrices: dict[str, np.ndarray], groups: Sequence[str], title: str) -> Any:
    """One panel a layer: (models, models) similarities, models of a group side by side, white lines between groups."""
    figure, axes = panels(len(matrices))
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
        axis.set_xticks(middles, names, rotation=60, ha="right", fontsize=7)
        axis.set_yticks(middles, names, fontsize=7)
        axis.set_title(layer, fontsize=9)
    if image is not None:
        figure.colorbar(image, ax=axes, label=title, shrink=0.8)
    return figure


def maps(points: dict[str, np.ndarray], stress: dict[str, float], groups: Sequence[str], *, title: str = "") -> Any:
    """One panel a layer: models in the plane, (models, 2) coordinates, coloured and marked by group."""
    figure, axes = panels(len(points))
    style = colours(groups)
    for axis, (layer, where) in zip(axes, points.items(), strict=True):
        for name, (colour, marker) in style.items():
            mine = np.array([group == name for group in groups])
            axis.scatter(*where[mine].T, color=colour, marker=marker, s=32, label=name, alpha=0.85, linewidths=0)
        axis.set_title(f"{layer}\nstress {stress[layer]:.2f}", fontsize=9)
        axis.set_aspect("equal", adjustable="datalim")
        axis.set_xticks([])
        axis.set_yticks([])
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 5), fontsize=8, frameon=False)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def layer_curves(table: Any, by: str) -> Any:
    """One panel a latent: mean value over the layers, a line for each group, bars of one SD over networks (over splits
    where a group has one network), a grey line at chance.

    table: rows with layer, latent, value, chance, model_id and the column `by`. The layer "pixels" is drawn first.
    """
    latents = list(dict.fromkeys(table.latent))
    layers = sorted(dict.fromkeys(table.layer), key=lambda layer: layer != "pixels")
    figure, axes = panels(len(latents), width=3.4, height=2.8)
    groups = [name for name in dict.fromkeys(table[by]) if name != "pixels"]
    style = colours(groups)
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
            colour, marker = style[name]
            where = np.arange(len(layers)) + 0.06 * (groups.index(name) - (len(groups) - 1) / 2)
            axis.errorbar(
                where, mean, spread.reindex(layers), color=colour, marker=marker, markersize=4, linewidth=1.2,
                capsize=2, label=name,
            )  # fmt: skip
        axis.set_xticks(range(len(layers)), layers, rotation=50, ha="right", fontsize=7)
        axis.set_title(latent, fontsize=9)
        axis.set_ylabel("accuracy" if "accuracy" in set(part.measure) else "Pearson r", fontsize=8)
        axis.tick_params(axis="y", labelsize=7)
        axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=min(len(labels), 6), fontsize=8, frameon=False)
    return figure
