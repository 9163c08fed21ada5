"""How scores are spread over units: at the layer that counts, and against depth where every layer's were kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.conditions import known, last, names_of
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.run_ids import run_ids, run_text
from mlspatial.compare.scores import committed
from mlspatial.compare.style import FAINT, INK, SMALL, legend, sheet, task_order, task_style, tidy
from mlspatial.compare.words import benchmark_labels, region_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TITLE = "Scores of single units"
COLUMNS = ["benchmark", "region", "condition", "task", "kind", "layer", "depth", "unit", "r", "networks", "run_ids"]
NONE = "No score run has kept units; score the networks again."
CAPTION = (
    "Correlation of cross-validated predictions with the responses of each unit, mean over splits and over networks of "
    "a condition. Left: all units at the layer that counts, their quartiles and median (line); n units. "
)
DEPTH = "Right: median over units at each layer; band: quartiles, where there are at most three conditions."
ALONE = (
    "Against depth nothing is drawn: only the layer that counts has its units; score with units=all to keep them all."
)
BANDS = 3  # conditions whose quartiles can be told apart against depth
QUARTILES = (25, 50, 75)


@FIGURES.register("figure_units")
def figure_units(evidence: Evidence) -> Drawing:
    """A row a benchmark: distribution of r over units by condition, and by depth."""
    data = unit_table(evidence)
    if data.empty:
        return Drawing.empty("figure_units", TITLE, NONE, COLUMNS)
    benchmarks, called = list(dict.fromkeys(data.benchmark)), benchmark_labels(data.benchmark)
    deep = bool((data.kind == "depth").any())
    most = int(data[data.kind == "committed"].groupby("benchmark").condition.nunique().max())
    figure, axes = sheet(len(benchmarks), 2 if deep else 1, width=4.0, height=0.8 + 0.24 * max(most, 5))
    for row, benchmark in zip(axes, benchmarks, strict=True):
        part = data[data.benchmark == benchmark]
        region = region_label(str(part.region.iloc[0]))
        title = called[benchmark]
        _spread(row[0], part[part.kind == "committed"], title if region in title else f"{title} ({region})")
        if deep:
            _depth(row[1], part[part.kind == "depth"])
    if deep:
        legend(figure, columns=4)
    notes = () if deep else (ALONE,)
    return Drawing(
        "figure_units", TITLE, CAPTION + (DEPTH if deep else ""), figure, data, run_ids(data.run_ids), notes=notes
    )


def unit_table(evidence: Evidence) -> pd.DataFrame:
    """One row a benchmark, condition, unit and kind, with the columns COLUMNS: kind committed, at the layer that counts
    (that of each network), and depth, at every layer of the networks that have all. Networks are last checkpoints,
    under the benchmark's own metric; r is a mean over splits, then over networks."""
    import pandas as pd

    best = committed(evidence)
    networks = last(known(evidence.networks[evidence.networks.model_id.isin(best.model_id)]))
    if networks.empty:
        return pd.DataFrame(columns=COLUMNS)
    networks = networks.assign(label=names_of(networks.condition))
    wanted = best[best.model_id.isin(networks.model_id)]
    units = evidence.units(tuple(dict.fromkeys(wanted.run_id)))
    if units.empty:
        return pd.DataFrame(columns=COLUMNS)
    scores = evidence.scores[evidence.scores.primary.astype(bool)]
    keys = ["run_id", "model_id", "benchmark", "metric", "layer"]
    rows = units.drop(columns=["region", "committed"]).merge(scores[[*keys, "region", "depth", "committed"]], on=keys)
    rows = rows.merge(networks[["model_id", "label", "task"]], on="model_id").rename(columns={"label": "condition"})
    by = ["benchmark", "region", "condition", "task", "layer", "depth", "unit", "model_id", "run_id", "committed"]
    rows = rows.groupby(by, sort=False, as_index=False).r.mean()  # over splits
    whole = rows.groupby(["benchmark", "model_id"]).layer.transform("nunique") > 1
    parts = [
        _over_networks(rows[rows.committed.astype(bool)], "committed", []),
        _over_networks(rows[whole], "depth", ["layer", "depth"]),
    ]
    table = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    table["place"] = table.task.map(task_order)
    return table.sort_values(["benchmark", "kind", "place", "condition", "depth"], kind="stable")[COLUMNS].reset_index(
        drop=True
    )


def _over_networks(rows: pd.DataFrame, kind: str, more: list[str]) -> pd.DataFrame:
    by = ["benchmark", "region", "condition", "task", *more, "unit"]
    found = rows.groupby(by, sort=False).agg(
        r=("r", "mean"), networks=("model_id", "nunique"), run_ids=("run_id", run_text)
    )  # fmt: skip
    return found.reset_index().assign(kind=kind).reindex(columns=COLUMNS)


def _spread(axis: Axes, rows: pd.DataFrame, title: str) -> None:
    """Every unit as a tick above its condition, quartiles as a box without whiskers."""
    names = list(dict.fromkeys(rows.condition))
    for place, name in enumerate(names):
        part = rows[rows.condition == name]
        values, look = np.sort(part.r.to_numpy(float)), task_style(str(part.task.iloc[0]))
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        low, middle, high = np.percentile(values, QUARTILES)
        axis.plot(values, np.full(len(values), place), linestyle="", marker="|", markersize=7, markeredgewidth=0.6,
                  color=look.colour, alpha=max(0.12, min(0.6, 30 / len(values))), zorder=1)  # fmt: skip
        axis.barh(place, high - low, left=low, height=0.42, color=look.colour, alpha=0.35, linewidth=0, zorder=2)
        axis.plot([middle, middle], [place - 0.28, place + 0.28], color=INK, linewidth=1.4, zorder=3)
        axis.text(1.01, place, f"n = {len(values)}", transform=axis.get_yaxis_transform(), fontsize=SMALL, va="center",
                  color=INK)  # fmt: skip
    axis.axvline(0.0, color=FAINT, linewidth=0.7, zorder=0)
    axis.set_ylim(len(names) - 0.4, -0.6)
    axis.set_yticks(range(len(names)), names, fontsize=SMALL)
    tidy(axis, x="r of a unit", title=title)


def _depth(axis: Axes, rows: pd.DataFrame) -> None:
    layers = list(dict.fromkeys(rows.sort_values("depth", kind="stable").layer))
    for name, part in rows.groupby("condition", sort=False):
        look = task_style(str(part.task.iloc[0]))
        found = {layer: np.nanpercentile(group.r.astype(float), QUARTILES) for layer, group in part.groupby("layer")}
        at = [place for place, layer in enumerate(layers) if layer in found]
        low, middle, high = np.array([found[layers[place]] for place in at]).T
        if rows.condition.nunique() <= BANDS:
            axis.fill_between(at, low, high, color=look.colour, alpha=0.15, linewidth=0)
        axis.plot(at, middle, color=look.colour, marker=look.marker, markersize=3.5, linewidth=1.1, label=str(name))
    axis.axhline(0.0, color=FAINT, linewidth=0.7, zorder=0)
    step = max(1, len(layers) // 8)
    shown: dict[int, str] = {place: layers[place].removesuffix(".relu") for place in range(0, len(layers), step)}
    _named(axis, shown)
    tidy(axis, y="r, median over units")


def _named(axis: Any, shown: dict[int, str]) -> None:
    axis.set_xticks(list(shown), list(shown.values()), fontsize=SMALL, rotation=35, ha="right", rotation_mode="anchor")
