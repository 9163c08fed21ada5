"""Simulated brains, whose truth is known: does training move networks towards the one that the brain reads?"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from mlspatial.compare.conditions import known, last
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.run_ids import run_ids, run_text
from mlspatial.compare.scores import REGIONS_SHOWN, committed
from mlspatial.compare.style import INK, ordered, panels, spread, task_style, ticks, tidy

SIMULATED = "simulated_"
GENERATOR = "generator"  # in the place of a task: the network that the brain reads
GENERATED_BY = re.compile(r"network-([0-9a-f]+)")  # in the identifier of a benchmark
TITLE = "Simulated brains: the networks beside the one that generated the responses"
COLUMNS = ["benchmark", "region", "task", "model_id", "raw", "error", "ceiling", "rank", "networks", "run_ids"]


@FIGURES.register("recovery")
def recovery(evidence: Evidence) -> Drawing:
    """A panel a simulated brain: every network's score by task, the generating network where it was scored too."""
    table = _scored(evidence)
    if table.empty:
        caption = "No networks were scored on a simulated brain, such as simulated_v1 or simulated_v4."
        return Drawing.empty("recovery", TITLE, caption, COLUMNS, ("simulated brains",))
    return Drawing("recovery", TITLE, _caption(table), _draw(table), table, run_ids(table.run_ids))


def _scored(evidence: Evidence) -> pd.DataFrame:
    """A row a brain and network: last checkpoints, and the generating network; rank among the networks, 1 is best."""
    best = committed(evidence)
    best = best[best.benchmark.astype(str).str.startswith(SIMULATED) & best.raw.notna()]
    best = best[best.region.isin(REGIONS_SHOWN)]
    networks = known(evidence.networks)
    tasks = last(networks).drop_duplicates("model_id").set_index("model_id")
    rows = []
    for (name, region), part in best.groupby(["benchmark", "region"], sort=True):
        found = GENERATED_BY.search(str(name))
        part = part.drop_duplicates("model_id")
        for row in part.itertuples():
            generates = found is not None and row.model_id == found[1]
            if not generates and row.model_id not in tasks.index:
                continue
            runs = [row.run_id] if generates else [tasks.run_id[row.model_id], row.run_id]
            rows.append({"benchmark": name, "region": region, "model_id": row.model_id, "raw": float(row.raw),
                         "task": GENERATOR if generates else tasks.task[row.model_id], "error": float(row.error),
                         "ceiling": float(row.ceiling), "run_ids": run_text(runs)})  # fmt: skip
    table = pd.DataFrame(rows, columns=COLUMNS)
    table = table.sort_values("region", key=lambda regions: regions.map(REGIONS_SHOWN.index), kind="stable")
    groups = table.groupby("benchmark").raw
    table["rank"], table["networks"] = groups.rank(ascending=False, method="max"), groups.transform("size")
    return table.astype({"rank": int, "networks": int})[COLUMNS].reset_index(drop=True)


def _order(table: pd.DataFrame) -> list[str]:
    return [*ordered(table.task[table.task != GENERATOR]), *([GENERATOR] if GENERATOR in set(table.task) else [])]


def _draw(table: pd.DataFrame) -> Any:
    names = list(dict.fromkeys(table.benchmark))
    figure, axes = panels(len(names), 3, width=3.0, height=2.9)
    order = _order(table)
    for axis, name in zip(axes, names, strict=True):
        part = table[table.benchmark == name]
        for place, task in enumerate(order):
            values = part.raw[part.task == task].sort_values().to_numpy()
            if task == GENERATOR:
                axis.plot([place] * len(values), values, "*", color=INK, markersize=11, zorder=3)
                continue
            look = task_style(task)
            axis.scatter(place + spread(len(values), 0.2), values, s=26, color=look.colour, marker=look.marker,
                         linewidths=0, zorder=3)  # fmt: skip
            if len(values):
                axis.hlines(values.mean(), place - 0.32, place + 0.32, color=look.colour, linewidth=1.4)
        ticks(axis, ["Generating network" if task == GENERATOR else task_style(task).label for task in order])
        ceiling = part.ceiling.mean()
        top, title = axis.get_ylim()[1], f"{part.region.iloc[0]}: {name.split(':')[0]}"
        if ceiling < 1.3 * top:
            axis.axhline(ceiling, color="0.6", linewidth=0.8, linestyle=":")
        tidy(axis, title=title)
    tidy(axes[0], y="Predictivity of held-out responses, r")
    return figure


def _caption(table: pd.DataFrame) -> str:
    text = (
        "Best layer's correlation with responses of simulated neurons, whose truth is known: V1 is Gabor energy, other "
        "regions read a layer of a network that is not among those compared (star). A point is a network, a line their "
        "mean; dotted, the ceiling where it is near."
    )
    for name, part in table.groupby("benchmark", sort=False):
        truth, rest = part[part.task == GENERATOR], part[part.task != GENERATOR]
        control, trained = rest.raw[rest.task == "untrained"], rest.raw[rest.task != "untrained"]
        said = [f"trained {trained.mean():.3f}"] if len(trained) else []
        said += [f"untrained {control.mean():.3f}"] if len(control) else []
        if len(truth):
            said.append(f"generating network {truth.raw.iloc[0]:.3f}, rank {truth['rank'].iloc[0]} of {len(part)}")
        text += f" {part.region.iloc[0]} ({str(name).split(':')[0]}): {', '.join(said)}."
    return text
