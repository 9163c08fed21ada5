"""Condition x benchmark: the score at the committed layer, mean and SD over seeds; and held-out performance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mlspatial.compare.absence import means_over, unscored
from mlspatial.compare.conditions import known, names_of, once
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.scores import ceiled_by, committed, errors_of, grouped, values
from mlspatial.compare.table import TABLES, Cell, Table

if TYPE_CHECKING:
    import pandas as pd

SEEDS = "networks, one a seed"
HEADLINES = ("/r2", "_mae_m", "/rotation_error_deg", "/top1")  # the other metrics stay in the runs


@TABLES.register("alignment")
def alignment(evidence: Evidence) -> Table:
    """Alignment of every condition on every benchmark."""
    best = committed(evidence)
    caption = (
        "Score at the committed layer under each benchmark's own metric, last checkpoints, "
        f"ceiled: {ceiled_by(best)}; mean ± SD over seeds, of one network its 95 % interval from the "
        "errors of raw score and ceiling, where they are known. How the layer was chosen is said for each benchmark."
    )
    networks = evidence.networks[evidence.networks.final.astype(bool)]
    networks = networks[networks.model_id.isin(best.model_id)]
    columns = tuple(sorted(best[best.model_id.isin(networks.model_id)].benchmark.unique()))
    if networks.empty:
        return Table("alignment", "Alignment", caption, (), {}, ("No score runs yet.",))

    each = best.assign(value=values(best), error=errors_of(best)).rename(columns={"run_id": "runs"})
    each = grouped(each, "benchmark")

    def cells(group: pd.DataFrame) -> dict[str, Cell]:
        mine = each[each.model_id.isin(group.model_id)]
        found = {}
        for name in columns:
            part = mine[mine.benchmark == name]
            absent = unscored(evidence, group, f"on {name}", name, not_a_number=len(part) > 0)
            found[name] = alone(Cell.of(part.value, part.runs, counts=means_over(group, part), why=absent), part)
        return found

    def alone(cell: Cell, part: pd.DataFrame) -> Cell:
        """Of one network the interval of its own score."""
        half = 1.96 * float(part.error.iloc[0]) if len(part) == 1 else float("nan")
        return replace(cell, low=cell.mean - half, high=cell.mean + half) if half == half else cell

    rows = _rows(networks, cells)
    shown = best[best.model_id.isin(networks.model_id)]
    notes = tuple(_about(name, part) for name, part in shown.groupby("benchmark"))
    return Table("alignment", "Alignment", caption, columns, rows, notes, counted=SEEDS)


@TABLES.register("performance")
def performance(evidence: Evidence) -> Table:
    """What every condition has learned, on the held-out split and in the latents' own units."""
    caption = (
        "Held-out performance at the last batch; mean ± SD over seeds. r2: coefficient of determination, mean over "
        "coordinates; mae: mean absolute error in metres; rotation_error: angle in degrees; top1: share correct."
    )
    networks = evidence.networks
    names = [name for name in networks.columns if name.startswith("heldout/") and name.endswith(HEADLINES)]
    learned = networks[networks.final.astype(bool) & (networks.task != "untrained")]
    learned = learned[learned[names].notna().any(axis=1)]
    if learned.empty:
        return Table("performance", "Held-out performance", caption, (), {}, ("No training runs yet.",))

    def cells(group: pd.DataFrame) -> dict[str, Cell]:
        shown = [name for name in names if group[name].notna().any()]
        return {name.removeprefix("heldout/"): Cell.of(group[name].astype(float), group.run_id) for name in shown}

    columns = tuple(name.removeprefix("heldout/") for name in names)
    blank = "not measured: no target of the task"
    rows = _rows(learned, cells)
    return Table("performance", "Held-out performance", caption, columns, rows, counted=SEEDS, blank=blank)


def _rows(networks: pd.DataFrame, cells: Callable[[pd.DataFrame], dict[str, Cell]]) -> dict[str, dict[str, Cell]]:
    """One row a condition: those with other settings stand apart, the untrained ones last."""
    table = once(known(networks))
    groups = list(table.assign(label=names_of(table.condition)).groupby("label", sort=False))
    groups.sort(key=lambda item: (item[1].task.iloc[0] == "untrained", item[0]))
    return {str(name): cells(group) for name, group in groups}


def _about(name: str, part: pd.DataFrame) -> str:
    """Region, ceiling and metric of a benchmark, in words."""
    facts = [f"region {part.region.iloc[0]}"]
    of_ceiling = part.ceiling_error.astype(float).mean()
    spread = f" ± {of_ceiling:.3f} (SE)" if of_ceiling == of_ceiling else ""
    facts += [f"ceiling {part.ceiling.astype(float).mean():.3f}{spread}"] if part.ceiling.notna().any() else []
    said = part.assign(ceiled=[ceiled_by(part)] * len(part))
    for column in ("metric", "ceiled", "engine", "selection"):
        words = sorted({str(value) for value in said[column] if value == value and value not in (None, "")})
        facts += [f"{column} {' and '.join(words)}"] if words else []
    return f"{name}: {', '.join(facts)}."
