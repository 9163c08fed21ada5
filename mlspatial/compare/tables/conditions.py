"""Condition x benchmark: the ceiled score of the best layer, mean and SD over seeds; and held-out performance."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mlspatial.compare.table import TABLES, Cell, Table, label, varying
from mlspatial.registry import frame

if TYPE_CHECKING:
    import pandas as pd

HEADLINES = ("/r2", "_mae_m", "/rotation_error_deg", "/top1")  # the other metrics stay in the runs
CONDITION = ("task", "arch", "dataset", "dataset_id", "batches", "settings")


@TABLES.register("alignment")
def alignment(study: str) -> Table:
    """Neural alignment of every condition on every benchmark."""
    trained, scored = frame.training_runs(study), frame.scores(study)
    caption = (
        "Ceiled score (noise-corrected explained variance, r squared over ceiling) of the best predicting layer; "
        "mean ± SD over seeds. The layer is chosen on the same data, as Brain-Score does."
    )
    if trained.empty or scored.empty:
        return Table("alignment", "Neural alignment", caption, (), {}, ("No score runs yet.",))
    best = scored[scored.committed].merge(trained.drop(columns="seed"), left_on="train_run_id", right_on="run_id")
    best = best[best.step == best.batches]
    best = best.drop_duplicates([*CONDITION, "seed", "benchmark"])  # newest first: a seed made again counts once
    columns = tuple(sorted(best.benchmark.unique()))
    notes = tuple(
        f"{name}: region {part.region.iloc[0]}, ceiling {part.ceiling.mean():.3f}, metric {part.metric.iloc[0]}, "
        f"formula {part.formula.iloc[0]}."
        for name, part in best.groupby("benchmark")
    )

    def cells(group: pd.DataFrame) -> dict[str, Cell]:
        return {name: Cell.of(part.ceiled, part.run_id_x) for name, part in group.groupby("benchmark")}

    return Table("alignment", "Neural alignment", caption, columns, _rows(best, cells), notes)


@TABLES.register("performance")
def performance(study: str) -> Table:
    """What every condition has learned, on the held-out split and in the latents' own units."""
    trained = frame.training_runs(study)
    caption = (
        "Held-out performance at the last batch; mean ± SD over seeds. r2: coefficient of determination, mean over "
        "coordinates; mae: mean absolute error in metres; rotation_error: angle in degrees; top1: share correct."
    )
    if trained.empty:
        return Table("performance", "Held-out performance", caption, (), {}, ("No training runs yet.",))
    names = [name for name in trained.columns if name.startswith("heldout/") and name.endswith(HEADLINES)]

    def cells(group: pd.DataFrame) -> dict[str, Cell]:
        shown = [name for name in names if group[name].notna().any()]
        return {name.removeprefix("heldout/"): Cell.of(group[name], group.run_id) for name in shown}

    columns = tuple(name.removeprefix("heldout/") for name in names)
    learned = trained[trained.task != "untrained"].drop_duplicates([*CONDITION, "seed"])  # newest first
    return Table("performance", "Held-out performance", caption, columns, _rows(learned, cells))


def _rows(table: pd.DataFrame, cells: Callable[[pd.DataFrame], dict[str, Cell]]) -> dict[str, dict[str, Cell]]:
    """One row a condition: those with other settings stand apart, the untrained ones last."""
    differing = varying(table[table.task != "untrained"], CONDITION)
    rows = {}
    for _, group in sorted(table.groupby(list(CONDITION)), key=lambda item: (item[0][0] == "untrained", item[0])):
        name = label(group.iloc[0], differing)
        rows[name] = cells(group)
    return rows
