"""Figures of runs of tuning: curves, variance split, factorisation along layers, maps, and how far networks are from
neurons. Tables in, figures out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.grouping import layer_label
from mlspatial.compare.plots import MARKERS, PALETTE, looks
from mlspatial.compare.style import FAINT, INK, SMALL, legend, panels, sheet, ticks, tidy
from mlspatial.core.crossing import Factor

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

CURVES = 8  # channels of a layer that are drawn
CONTEXT, JOINT = "context", "interactions"
LIGHT = 0.35


def curves_figure(curves: pd.DataFrame, units: pd.DataFrame, factors: Mapping[tuple[str, str], Factor]) -> Any:
    """A row a layer, a column a factor: tuning curves of the channels that the factor moves most, each less its mean
    and over its standard deviation, with errors over contexts. curves, units: of tuning runs, the pool "space"."""
    layers, columns, titles = list(dict.fromkeys(curves.layer)), list(factors), _titles(list(factors))
    figure, axes = sheet(len(layers), len(columns), width=1.9, height=1.5)
    for row, layer in enumerate(layers):
        for column, (crossing, factor) in enumerate(columns):
            axis = axes[row, column]
            here = (curves.layer == layer) & (curves.crossing == crossing) & (curves.factor == factor)
            own = curves[here].set_index("unit")
            order = units[(units.layer == layer) & (units.crossing == crossing) & (units.factor == factor)]
            best = order.sort_values("selectivity", ascending=False, kind="stable").unit[:CURVES]
            for rank, unit in enumerate(best):
                mean, error = (np.asarray(own.loc[unit, name], float) for name in ("mean", "error"))
                scale = mean.std() or 1.0
                x = _values(factors[crossing, factor])
                colour = PALETTE[rank % len(PALETTE)]
                axis.plot(x, (mean - mean.mean()) / scale, color=colour, linewidth=1)
                if np.isfinite(error).all():
                    low, high = ((mean + sign * error - mean.mean()) / scale for sign in (-1, 1))
                    axis.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
            about = factors[crossing, factor]
            tidy(axis, title=titles[crossing, factor] if not row else "", y=layer_label(layer) if not column else "")
            axis.set_yticks([])
            if about.kind == "category":
                ticks(axis, [str(value).split(",")[0][:10] for value in about.values], slant=50)
            if row == len(layers) - 1:
                tidy(axis, x=f"{factor} ({about.unit})" if about.unit else factor)
    return figure


def variance_figure(population: pd.DataFrame) -> Any:
    """A panel a crossing: what each effect adds to the variance of a layer's responses, stacked, along the layers; dark
    what holds in any context, light what depends on it. The difference between contexts as such is left out: the whole
    is what changes within them. Components below 0 count as 0."""
    part = population[(population.measure == "variance_component") & ~population.factor.isin(["residual", CONTEXT])]
    part = part.assign(value=part.value.clip(lower=0.0))
    crossings = list(dict.fromkeys(part.crossing))
    figure, axes = panels(len(crossings), 4, lettered=False, width=3.0, height=2.6)
    mains = [name for name in dict.fromkeys(part.factor) if "×" not in name]
    look = {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(mains)} | {JOINT: "#777777"}
    for axis, crossing in zip(axes, crossings, strict=True):
        own = part[part.crossing == crossing]
        layers = list(dict.fromkeys(own.layer))
        whole = own.groupby("layer", sort=False).value.sum().reindex(layers).to_numpy(float)
        base = np.zeros(len(layers))
        for label, depends, names in _effects(list(dict.fromkeys(own.factor))):
            sums = own[own.factor.isin(names)].groupby("layer", sort=False).value.sum()
            with np.errstate(invalid="ignore", divide="ignore"):
                values = np.nan_to_num(sums.reindex(layers).to_numpy(float) / whole)
            words = label if not depends else ""
            axis.bar(range(len(layers)), values, bottom=base, color=look[label], alpha=LIGHT if depends else 1.0,
                     width=0.8, label=words or None)  # fmt: skip
            base += values
        ticks(axis, [layer_label(layer) for layer in layers], slant=50)
        axis.set_ylim(0, 1)
        tidy(axis, y="share of variance" if axis is axes[0] else "", title=crossing)
    axes[0].bar([0], [0], color=FAINT, alpha=LIGHT, label="light: depends on the context")
    legend(figure, columns=6)
    return figure


def _effects(names: Sequence[str]) -> list[tuple[str, bool, list[str]]]:
    """(label, whether it depends on the context, effects): main effects and, together, all interactions of factors."""
    found: list[tuple[str, bool, list[str]]] = []
    mains = [name for name in names if "×" not in name]
    for depends in (False, True):
        ending = f" × {CONTEXT}" if depends else ""
        found += [(name, depends, [name + ending]) for name in mains]
        among = [n for n in names if n.endswith(CONTEXT) == depends and n.removesuffix(ending) not in mains]
        found += [(JOINT, depends, among)] if among else []
    return found


def _titles(columns: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Of each column the crossing, with the factor where it has several."""
    crossings = [crossing for crossing, _ in columns]
    return {(c, f): c if crossings.count(c) == 1 else f"{c}: {f}" for c, f in columns}


def along_layers(population: pd.DataFrame, measures: Mapping[str, str], *, columns: int = 4) -> Any:
    """A panel a measure (name -> words): its value along the layers, a line a factor, with errors."""
    figure, axes = panels(len(measures), columns, lettered=False, width=3.0, height=2.5)
    layers = list(dict.fromkeys(population.layer))
    rows = population[population.measure.isin(list(measures)) & (population.other == "")]
    titles = _titles(list(dict.fromkeys(zip(rows.crossing, rows.factor, strict=True))))
    for axis, (measure, words) in zip(axes, measures.items(), strict=True):
        own = rows[rows.measure == measure]
        for place, ((crossing, factor), label) in enumerate(titles.items()):
            line = own[(own.crossing == crossing) & (own.factor == factor)].set_index("layer").reindex(layers)
            if line.value.notna().any():
                _line(axis, line, label, place, len(titles))
        ticks(axis, [layer_label(layer) for layer in layers], slant=50)
        tidy(axis, title=words)
    legend(figure, columns=6)
    return figure


def _line(axis: Axes, line: pd.DataFrame, label: str, place: int, count: int) -> None:
    where = np.arange(len(line)) + 0.03 * (place - (count - 1) / 2)
    axis.errorbar(
        where, line.value.to_numpy(float), line.error.to_numpy(float), color=PALETTE[place % len(PALETTE)],
        marker=MARKERS[place % len(MARKERS)], markersize=4, linewidth=1.1, capsize=2, label=label,
    )  # fmt: skip


def maps_figure(maps: pd.DataFrame, factors: Sequence[tuple[str, str]]) -> Any:
    """A row a layer, a column a factor: the share of each position's variance that the factor makes."""
    layers, titles = list(dict.fromkeys(maps.layer)), _titles(factors)
    figure, axes = sheet(len(layers), len(factors), width=1.5, height=1.5)
    for row, layer in enumerate(layers):
        for column, (crossing, factor) in enumerate(factors):
            axis = axes[row, column]
            own = maps[(maps.layer == layer) & (maps.crossing == crossing) & (maps.factor == factor)].iloc[0]
            share = np.asarray(own.share, float).reshape(own.height, own.width)
            axis.imshow(share, cmap="cividis", vmin=0, vmax=max(float(np.nanmax(share)), 1e-9), interpolation="nearest")
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set(visible=True, color=FAINT, linewidth=0.5)
            axis.set_xlabel(f"to {np.nanmax(share):.2f}", fontsize=SMALL, color=INK, labelpad=2)
            tidy(axis, title=titles[crossing, factor] if not row else "", y=layer_label(layer) if not column else "")
    return figure


def distances_figure(table: pd.DataFrame, properties: Mapping[str, str]) -> Any:
    """A row a brain, a column a property (name -> words): distance of the distributions over the neurons' floor along
    the layers, a line a group of networks: the median over crossings and factors of each network, then their mean, with
    the standard error where there are several. 1, the line, is what halves of the neurons differ by; the band ends
    at the 95th percentile of that, in the layer where it is furthest.

    table: brain, region, group, model_id, seed, layer, property, ratio and ratio_95.
    """
    from matplotlib.ticker import LogLocator

    brains = list(dict.fromkeys(table.brain))
    kept = [name for name in properties if (table.property == name).any()]
    layers = list(dict.fromkeys(table.layer))
    look = looks(table.group)
    figure, axes = sheet(max(len(brains), 1), max(len(kept), 1), width=2.3, height=2.3, sharey="row")
    for row, brain in enumerate(brains):
        for column, name in enumerate(kept):
            axis, own = axes[row, column], table[(table.brain == brain) & (table.property == name)]
            for place, group in enumerate(look):
                part = own[own.group == group]
                each = part.groupby(["model_id", "seed", "layer"], sort=False).ratio.median()
                ratios = each.groupby("layer").agg(["mean", "sem"]).reindex([n for n in layers if n in set(part.layer)])
                x = np.array([layers.index(n) for n in ratios.index]) + 0.05 * (place - (len(look) - 1) / 2)
                axis.errorbar(
                    x, ratios["mean"], ratios["sem"].fillna(0.0), color=look[group].colour, marker=look[group].marker,
                    markersize=4, linewidth=1.1, capsize=2, label=look[group].label,
                )  # fmt: skip
            band = own.groupby("layer").ratio_95.median().max()
            axis.axhspan(1.0, float(band) if np.isfinite(band) else 1.0, color=FAINT, alpha=0.25, linewidth=0)
            axis.axhline(1.0, color=FAINT, linewidth=0.8)
            axis.set_yscale("log")
            axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.yaxis.set_major_formatter("{x:g}")
            axis.yaxis.set_minor_formatter("")
            if own.empty:
                axis.text(0.5, 0.6, "undefined", transform=axis.transAxes, ha="center", fontsize=SMALL, color=FAINT)
            ticks(axis, [layer_label(layer) for layer in layers], slant=50)
            called = f"{brain}\ndistance / floor" if not column else ""
            tidy(axis, title=properties[name] if not row else "", y=called)
    legend(figure, columns=6)
    return figure


def _values(factor: Factor) -> np.ndarray:
    numbers = factor.kind != "category"
    return np.array([float(value) for value in factor.values]) if numbers else np.arange(len(factor), dtype=float)
