"""Which yardstick tells conditions apart at all: how a score varies between tasks, against seeds of one task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.analysis.power import ALPHA, MOST_SEEDS, POWER, Discriminability, discriminability
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import PIXELS, PUBLISHED, Evidence
from mlspatial.compare.grouping import choose
from mlspatial.compare.run_ids import run_ids, run_text
from mlspatial.compare.style import FAINT, INK, sheet, tidy
from mlspatial.compare.table import NAN, TABLES, Cell, Table
from mlspatial.compare.words import benchmark_labels

if TYPE_CHECKING:
    import pandas as pd

TITLE = "Which yardstick tells tasks apart"
RELIABILITY, P, SEEDS, OVER_UNTRAINED = "reliability", "p", "seeds a task", "trained less untrained"
#: measure of a tuning run -> how it is called here, mean over the design's factors at the last layer that was asked
OF_TUNING = {"factorisation_pca": "factorisation (PCA)", "factorisation_covariance": "factorisation (cov.)",
             "selectivity": "selectivity of channels"}  # fmt: skip
CAPTION = (
    "Networks of one training at their last checkpoints, one a seed. Reliability: the share of a score's variance that "
    "is between tasks rather than between seeds of one task, ICC(1), with its exact 95 % interval; p: one-way analysis "
    f"of variance. Seeds: a task, for two tasks drawn at random to be told apart at {ALPHA:g} with power {POWER:g}. "
    "Trained less untrained: the mean over tasks less that of untrained networks, in standard deviations over seeds. "
    "Scores are raw (of imported tables, which have none, ceiled): a ceiling, the same for all networks, changes none "
    "of this but where it squares."
)
NONE = "No score of networks of two tasks, one of them with two seeds."
FRAME = ["yardstick", "benchmark", "region", "metric", "reliability", "low", "high", "f", "p", "between", "within",
         "seeds", "conditions", "networks", "over_untrained", "run_ids"]  # fmt: skip


@dataclass(frozen=True)
class Yardstick:
    """values: task -> (seeds,) of trained networks; untrained: of those, maybe none; apart: what the former say."""

    name: str
    benchmark: str
    region: str
    metric: str
    values: dict[str, np.ndarray]
    untrained: np.ndarray
    runs: tuple[str, ...]

    @cached_property
    def apart(self) -> Discriminability:
        return discriminability(self.values)

    @property
    def over_untrained(self) -> float:
        """NaN without untrained networks."""
        if not len(self.untrained) or not self.apart.within > 0:
            return NAN
        trained = np.mean([values.mean() for values in self.values.values()])
        return float((trained - self.untrained.mean()) / self.apart.within)


def yardsticks(evidence: Evidence) -> tuple[list[Yardstick], tuple[str, ...]]:
    """(those with a reliability, the most reliable first; notes on which networks these are)."""
    parts = [*_scores(evidence), *_tunings(evidence)]
    ids = {model for *_, table in parts for model in table.model_id}
    chosen = choose(evidence, ids)
    networks = chosen.networks[chosen.networks.task != "imagenet"].set_index("model_id")
    found = []
    for name, benchmark, region, metric, table in parts:
        own = table[table.model_id.isin(networks.index) & np.isfinite(table.value.astype(float))]
        tasks = own.model_id.map(networks.task)
        values = {str(task): part.value.to_numpy(float) for task, part in own.groupby(tasks, sort=False)}
        untrained = values.pop("untrained", np.array([]))
        trainings = own.model_id.map(networks.run_id)
        made = Yardstick(name, benchmark, region, metric, values, untrained, run_ids([*own.run_id, *trainings]))
        if np.isfinite(made.apart.reliability):
            found.append(made)
    return sorted(found, key=lambda one: -one.apart.reliability), chosen.notes


def _scores(evidence: Evidence) -> Iterator[tuple[str, str, str, str, pd.DataFrame]]:
    """(name, benchmark, region, metric, rows with model_id, value and run_id) at the layer that counts."""
    rows = evidence.scores[evidence.scores.committed.astype(bool)]
    rows = rows.drop_duplicates(["model_id", "benchmark", "region", "metric"])
    called = benchmark_labels(rows.benchmark)
    for (benchmark, region, metric), part in rows.groupby(["benchmark", "region", "metric"], sort=False):
        raw = part.raw.astype(float)
        if raw.isna().all():  # imported tables have ceiled scores alone; the two are never mixed
            raw = part[PUBLISHED].fillna(part.ceiled).astype(float)
        name = f"{called[str(benchmark)]}, {region}, {metric}"
        rated = part.assign(value=raw)[["model_id", "value", "run_id"]]
        yield name, str(benchmark), str(region), str(metric), rated


def _tunings(evidence: Evidence) -> Iterator[tuple[str, str, str, str, pd.DataFrame]]:
    """The same of what networks do with the design that most were asked with."""
    rows = evidence.tunings[evidence.tunings.model_id != PIXELS]
    if rows.empty:
        return
    counts = rows.groupby("design_id", sort=False).model_id.nunique()
    rows = rows[rows.design_id == counts.idxmax()]
    rows = rows[rows.depth == rows.groupby("model_id").depth.transform("max")]
    for measure, words in OF_TUNING.items():
        part = rows[(rows.measure == measure) & np.isfinite(rows.value.astype(float))]
        factors = part.groupby("factor").model_id.nunique()
        part = part[part.factor.isin(factors.index[factors == factors.max()])]  # the same ones of every network
        table = part.groupby(["model_id", "run_id"], as_index=False).value.mean()
        design = str(rows.design.iloc[0])
        yield f"{words}, {design}", design, "", measure, table


@TABLES.register("table_yardsticks")
def table_yardsticks(evidence: Evidence) -> Table:
    """A row a benchmark and metric, the most reliable first."""
    found, notes = yardsticks(evidence)
    body = {one.name: _cells(one) for one in found}
    columns = (RELIABILITY, P, SEEDS, OVER_UNTRAINED)
    return Table("table_yardsticks", TITLE, CAPTION, columns, body, notes if body else (NONE,), "yardstick")


def _cells(one: Yardstick) -> dict[str, Cell]:
    apart, n = one.apart, one.apart.n + len(one.untrained)
    cells = {
        RELIABILITY: Cell(apart.reliability, NAN, one.runs, apart.n, apart.low, apart.high),
        P: Cell(apart.p, NAN, one.runs, apart.n, style="p"),
        SEEDS: (
            Cell(apart.seeds, NAN, one.runs, apart.n, style="count")
            if np.isfinite(apart.seeds)
            else Cell.missing(f"more than {MOST_SEEDS} seeds, or no number of them")
        ),
    }
    over = one.over_untrained
    return cells | {OVER_UNTRAINED: Cell(over, NAN, one.runs, n) if over == over else Cell.missing("none is untrained")}


@FIGURES.register("figure_yardsticks")
def figure_yardsticks(evidence: Evidence) -> Drawing:
    """Reliability of every yardstick with its interval, and how far above untrained networks trained ones are."""
    import pandas as pd

    found, notes = yardsticks(evidence)
    if not found:
        return Drawing.empty("figure_yardsticks", TITLE, NONE, FRAME)
    rows = [
        [one.name, one.benchmark, one.region, one.metric, apart.reliability, apart.low, apart.high, apart.f, apart.p,
         apart.between, apart.within, apart.seeds, apart.conditions, apart.n, one.over_untrained, run_text(one.runs)]
        for one in found for apart in [one.apart]
    ]  # fmt: skip
    data = pd.DataFrame(rows, columns=FRAME)
    return Drawing("figure_yardsticks", TITLE, CAPTION, _draw(data), data, run_ids(data.run_ids), notes=notes)


def _draw(data: pd.DataFrame) -> Any:
    names = [_broken(name) for name in data.yardstick]
    figure, axes = sheet(1, 2, width=3.6, height=0.9 + 0.24 * len(data), sharey=True)
    places = np.arange(len(data))[::-1]
    left, right = axes[0]
    left.axvline(0, color=FAINT, linewidth=0.7)
    left.hlines(places, data.low, data.high, color=INK, linewidth=1.2)
    left.plot(data.reliability, places, "o", color=INK, markersize=4.5)
    left.set_yticks(places, names)
    left.set_xlim(min(-0.3, float(data.low.min()) - 0.05), 1.03)
    right.axvline(0, color=FAINT, linewidth=0.7)
    right.plot(data.over_untrained, places, "s", color=INK, markersize=4.5)
    left.set_ylim(-0.7, len(data) - 0.3)
    tidy(left, x="Variance between tasks, ICC(1)")
    tidy(right, x="Trained less untrained,\nSD over seeds")
    return figure


def _broken(name: str, most: int = 44) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
