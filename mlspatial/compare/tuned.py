"""What tuning runs say of layers and of their units, one tidy table: a number a network, design, layer and factor."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.compare.kept import no_rows
from mlspatial.core.names import CFG, DATASET_ID
from mlspatial.registry import read

if TYPE_CHECKING:
    import pandas as pd

POPULATION, UNITS = "population.parquet", "units.parquet"
TUNINGS = (
    "run_id", "model_id", "design", "design_id", "layer", "depth", "crossing", "measure", "factor", "value", "error",
    "low", "high",
)  # fmt: skip
POOL = "space"  # channels' means over space: every layer has these
#: medians over channels: measure -> column of the units' table
OF_UNITS = {"selectivity": "selectivity", "selectivity_floor": "floor", "reliability": "reliability",
            "reliability_floor": "reliability_floor"}  # fmt: skip
TUNED, LEVEL = "tuned", 0.05  # share of channels whose selectivity is above that of shuffled levels at p <= LEVEL
NOT_READ = ("d_prime", "d_prime_per_unit", "fisher_information", "separability")  # of steps and pairs, many rows


#: what a run's files must have
COLUMNS = {
    POPULATION: ("model_id", "layer", "crossing", "measure", "factor", "other", "value", "error", "low", "high"),
    UNITS: ("layer", "pool", "crossing", "factor", "p", *OF_UNITS.values()),
}


def no_tunings() -> pd.DataFrame:
    """The table without a row."""
    return no_rows(TUNINGS)


def tunings(tuned: pd.DataFrame) -> pd.DataFrame:
    """One row a network (or the pixels), design, layer, crossing, measure and factor, with the columns TUNINGS.

    tuned: rows of `read.runs`, newest first: of several runs that asked a layer with one design the newest counts.
    Where no run of a network and design has all layers that some run has, the places of layers are not known together:
    the run with most layers counts alone (of as many the newest), with a warning that names what is left out.
    measure: those of a population.parquet that are of one factor or effect, and of units OF_UNITS and TUNED; error: the
    standard error over contexts, of medians that of units, NaN where nobody knows. depth: place of the layer. A run
    whose files are damaged is left out, with a warning that names it.
    """

    def parse(row: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        import pandas as pd

        population, units = (pd.read_parquet(file(name)) for name in (POPULATION, UNITS))
        if lacking := [f"{name} lacks {column}" for name, table in ((POPULATION, population), (UNITS, units))
                       for column in COLUMNS[name] if column not in table]:  # fmt: skip
            raise ValueError("; ".join(lacking))
        if population.empty:
            raise ValueError(f"{POPULATION} has no rows")
        kept = (population.other.fillna("") == "") & ~population.measure.str.startswith(NOT_READ)
        made = pd.concat(
            [population[kept], _units(units, int(row.get(read.PARAMS + CFG + "permutations") or 0))], ignore_index=True
        )
        made["depth"] = made.layer.map({layer: depth for depth, layer in enumerate(dict.fromkeys(population.layer))})
        facts = {"design": row.get(read.PARAMS + CFG + "dataset") or "",
                 "design_id": row.get(read.TAGS + DATASET_ID) or "",
                 "model_id": str(population.model_id.iloc[0])}  # fmt: skip
        numbers = ["value", "error", "low", "high"]
        made = made.assign(**facts)[[name for name in TUNINGS if name != "run_id"]]
        return made.astype(dict.fromkeys(numbers, float))

    table = read.tables("tunings-1", tuned, parse)
    if table.empty:
        return no_tunings()
    table = _one_order(table)
    layer = ["model_id", "design_id", "layer"]
    table["depth"] = table.groupby(layer, sort=False).depth.transform("max")  # of a run that asked more layers
    newest = table.groupby(layer, sort=False).run_id.transform("first")
    return table.loc[table.run_id == newest, list(TUNINGS)].reset_index(drop=True)


def _one_order(table: pd.DataFrame) -> pd.DataFrame:
    """Without the runs whose layers have no known place beside those of the run that has most of them."""
    asked = table.drop_duplicates(["model_id", "design_id", "run_id", "layer"])
    left: list[tuple[str, str, str, str]] = []  # run, network, run that counts, design
    for (model, design_id), rows in asked.groupby(["model_id", "design_id"], sort=False):
        counts = rows.run_id.value_counts(sort=False)  # newest first
        most = str(counts.idxmax())
        if counts[most] < rows.layer.nunique():
            left += [(str(run), str(model), most, str(design_id)) for run in counts.index if run != most]
    if not left:
        return table
    run, model, most, design_id = left[0]
    others = f" and {len(left) - 1} more" if len(left) > 1 else ""
    warnings.warn(
        f"run {run}{others}: left out: no run asked network {model} at all its layers with the design {design_id}, so "
        f"that their order is not known; run {most} with most layers counts. Ask all layers in one run",
        stacklevel=3,
    )
    return table[~table.run_id.isin([one for one, *_ in left])].reset_index(drop=True)


def _units(units: pd.DataFrame, permutations: int) -> pd.DataFrame:
    """Medians over a layer's channels, and the share of those that are tuned: NaN where permutations are too few to
    tell (p is never below 1 / (1 + permutations))."""
    import numpy as np
    import pandas as pd

    own = units[units.pool == POOL]
    told = own.p.notna() & (1 / (1 + permutations) <= LEVEL)
    own = own.assign(**{TUNED: (own.p <= LEVEL).astype(float).where(told)})
    groups = own.groupby(["layer", "crossing", "factor"], sort=False)
    parts = [groups[column].median().rename("value").reset_index().assign(measure=measure)
             for measure, column in OF_UNITS.items()]  # fmt: skip
    share = groups[TUNED].agg(value="mean", n="count").reset_index().assign(measure=TUNED)
    share["error"] = np.sqrt(share.value * (1 - share.value) / share.n.where(share.n > 0))
    found = pd.concat([*parts, share.drop(columns="n")], ignore_index=True)
    return found.reindex(columns=["layer", "crossing", "measure", "factor", "value", "error", "low", "high"])
