"""Every brain that was recorded or asked: what each condition reaches of it, and what people or repeats reach."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.conditions import known, last, names_of
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.run_ids import run_ids, run_text
from mlspatial.compare.scores import SIMULATED, committed
from mlspatial.compare.style import FAINT, INK, SMALL, panels, task_style, tidy
from mlspatial.compare.words import benchmark_labels, region_label

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

TITLE = "What each network reaches of each brain"
NONE = "No network of a known condition has a score on a recorded brain or on people's choices."
COLUMNS = [
    "benchmark", "region", "metric", "condition", "task", "networks", "score", "error", "spread", "ceiling",
    "ceiling_error", "run_ids",
]  # fmt: skip
CAPTION = (
    "Score as it is, before it is divided by a ceiling, in the benchmark's own metric at the layer that counts; mean "
    "over the networks of a condition (ticks). Caps: standard error over networks where there are several, else that "
    "of the score (over splits, subjects or images). Line and band: what the best model can reach, as far as is known, "
    "and its standard error: the root of the reliability of recordings, or the agreement of a person with the others. "
    "Whose intervals and tests are wanted: `ranking`."
)
PEOPLE = ("accuracy", "error_consistency", "shape_bias", "confusions", "log_likelihood", "i2n")
SUBJECTS = "rdm_"  # begins the names of metrics of measured geometries
SEVERAL = 2
MOST = 15  # conditions of a panel that are drawn
WIDTH, LETTER, WIDE = 2.7, 0.055, 5.0  # inches: of an axis, of a letter beside it, of a panel alone in its row


@FIGURES.register("figure_brains")
def figure_brains(evidence: Evidence) -> Drawing:
    """A panel a benchmark: every condition's score, best first, and the ceiling as the first row."""
    data = brains_table(evidence)
    if data.empty:
        return Drawing.empty("figure_brains", TITLE, NONE, COLUMNS)
    whole = [part for _, part in data.groupby("benchmark", sort=False)]
    parts, more = [part.head(MOST) for part in whole], [len(part) - MOST for part in whole if len(part) > MOST]
    most = max(len(part) for part in parts)
    width = WIDTH + LETTER * max(len(name) for part in parts for name in part.condition)
    figure, axes = panels(len(parts), 2 if width < WIDE else 1, width=width, height=0.95 + 0.2 * max(most, 3))
    called = benchmark_labels(data.benchmark)
    for axis, part in zip(axes, parts, strict=True):
        title, region = called[part.benchmark.iloc[0]], region_label(str(part.region.iloc[0]))
        _panel(axis, part, title if region in title else f"{title} ({region})")
    notes = (f"Up to {max(more)} conditions below the best {MOST} are in the csv alone.",) if more else ()
    runs = run_ids(data.run_ids)
    return Drawing("figure_brains", TITLE, CAPTION, figure, data.drop(columns="values"), runs, notes=notes)


def brains_table(evidence: Evidence) -> pd.DataFrame:
    """One row a benchmark and condition, best first, with COLUMNS and `values`, the score of each network.

    ceiling: in the unit of the score; NaN where there is none or its formula is not known. error: of the score's mean;
    spread: the standard deviation over networks, NaN for one.
    """
    import pandas as pd

    best = committed(evidence)
    best = best[~best.benchmark.astype(str).str.startswith(SIMULATED) & best.raw.notna()]
    networks = last(known(evidence.networks[evidence.networks.model_id.isin(best.model_id)]))
    if networks.empty:
        return pd.DataFrame(columns=[*COLUMNS, "values"])
    networks = networks.assign(label=names_of(networks.condition))
    rows = best.merge(networks[["model_id", "label", "task"]], on="model_id")
    rows = rows.assign(**{name: rows[name].astype(float) for name in ("raw", "error", "ceiling", "ceiling_error")})
    made: list[dict[str, Any]] = []
    for (benchmark, region), there in rows.groupby(["benchmark", "region"], sort=True):
        found = []
        for (condition, task), part in there.groupby(["label", "task"], sort=True):
            values = part.raw.to_numpy()
            spread = float(values.std(ddof=1)) if len(values) >= SEVERAL else np.nan
            own = float(part.error.iloc[0])
            error = spread / np.sqrt(len(values)) if len(values) >= SEVERAL else own
            ceiling, of_ceiling = reachable(part.iloc[0])
            cells = (benchmark, region, part.metric.iloc[0], condition, task, len(values), values.mean(), error, spread)
            ids = run_text(part.run_id)
            found.append(dict(zip(COLUMNS, (*cells, ceiling, of_ceiling, ids), strict=True)) | {"values": values})
        made += sorted(found, key=lambda row: -row["score"])
    return pd.DataFrame(made, columns=[*COLUMNS, "values"])


def reachable(score: Any) -> tuple[float, float]:
    """(the raw score of a model that lacks nothing, its standard error) of a row of scores, by its formula; NaN where
    that is not known."""
    ceiling, error = float(score.ceiling), float(score.ceiling_error)
    if score.formula in ("r/c", "(r/c)^2"):
        return ceiling, error
    if score.formula == "r^2/c" and ceiling > 0:
        return float(np.sqrt(ceiling)), error / (2 * float(np.sqrt(ceiling)))
    return float("nan"), float("nan")


def _panel(axis: Axes, part: pd.DataFrame, title: str) -> None:
    ceiling, error = (float(part[name].iloc[0]) for name in ("ceiling", "ceiling_error"))
    labels = list(part.condition)
    if bounded := bool(np.isfinite(ceiling)):
        if np.isfinite(error):
            axis.axvspan(ceiling - error, ceiling + error, color=FAINT, alpha=0.3, linewidth=0, zorder=0)
        axis.axvline(ceiling, color=FAINT, linewidth=0.9, zorder=1)
        axis.plot([ceiling], [0], marker="|", markersize=8, color=INK, linestyle="")
        labels.insert(0, who(str(part.metric.iloc[0])))
    for place, row in enumerate(part.itertuples(), int(bounded)):
        look = task_style(str(row.task))
        axis.errorbar(row.score, place, xerr=row.error if row.error == row.error else None, color=look.colour,
                      marker=look.marker, markersize=4.5, linewidth=1.1, capsize=2, zorder=3)  # fmt: skip
        if len(row.values) >= SEVERAL:
            axis.plot(row.values, [place] * len(row.values), linestyle="", marker="|", markersize=5, color=look.colour,
                      alpha=0.6, zorder=2)  # fmt: skip
    axis.axvline(0.0, color=FAINT, linewidth=0.7, zorder=1)
    axis.set_ylim(len(labels) - 0.4, -0.6)
    axis.set_yticks(range(len(labels)), labels, fontsize=SMALL)
    tidy(axis, x=str(part.metric.iloc[0]).replace("_", " "), title=title)


def who(metric: str) -> str:
    """Whose agreement the ceiling of a metric is."""
    if metric in PEOPLE:
        return "people"
    return "other subjects" if metric.startswith(SUBJECTS) else "noise ceiling"
