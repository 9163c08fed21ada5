"""What score leaves: tables of scores and units, the metrics and description of a run, and the runs of a recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.context import Context
from mlspatial.core.names import TAG, text_hash
from mlspatial.core.progress import say
from mlspatial.core.score import FORMULA_WORDS
from mlspatial.registry import notes, runs
from mlspatial.registry.models import ModelRecord
from mlspatial.registry.run import Data

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.benchmarks.base import Found, Truth

SCORES, UNITS, ALL_UNITS, RECOVERY = "scores.json", "units.parquet", "units-all.parquet", "recovery.json"
RECOVERY_VERSION = 2
VALUES = ("raw", "ceiling", "ceiled", "error", "ceiling_error", "ceiled_error", "r2_over_c", "r_over_c_squared")


def log_scores(run: runs.Run, table: pd.DataFrame, network: str = "", data: Mapping[str, str] | None = None) -> None:
    """The whole table as scores.json; of every benchmark and metric the committed layer's values as metrics.

    BENCHMARK/raw, /ceiling, ... are the benchmark's own metric, BENCHMARK/METRIC/raw another one; every layer has
    BENCHMARK/LAYER/ceiled. The layer and region of a benchmark are tags. network: its address; the committed layer's
    values are metrics of it, too. data: benchmark -> version of what it was scored on, the inputs of the run.
    """
    data = data or {}
    digests = {name: text_hash(version) for name, version in data.items()}
    run.log_inputs([network], [Data(name, digests[name], source={"version": data[name]}) for name in digests])
    for row in table[table.committed].itertuples():
        own = bool(getattr(row, "primary", True))
        prefix = row.benchmark if own else f"{row.benchmark}/{row.metric}"
        of = network if own else ""  # few: what a network's page shows and is ranked by
        on = (row.benchmark, digests.get(row.benchmark, "")) if row.benchmark in digests else ("", "")
        run.log({f"{prefix}/{value}": getattr(row, value) for value in VALUES if hasattr(row, value)}, of=of, on=on)
        if own:
            run.set_tags({f"{TAG}layer.{row.benchmark}": row.layer, f"{TAG}region.{row.benchmark}": row.region})
    for row in table.itertuples():
        if getattr(row, "primary", True):
            run.log({f"{row.benchmark}/{row.layer}/ceiled": row.ceiled})
    run.log_table(table, SCORES)
    run.describe(_described(table))


def _described(table: pd.DataFrame) -> str:
    """The committed layers in Markdown."""
    head = ("benchmark", "region", "metric", "layer", "r", "ceiling", "error of r", "ceiled", "by")
    best = table[table.committed].itertuples()
    rows = [
        (row.benchmark, row.region, row.metric, row.layer, row.raw, row.ceiling, row.error, row.ceiled,
         FORMULA_WORDS.get(row.formula, row.formula))
        for row in best
    ]  # fmt: skip
    layers = f"The layer that counts for each benchmark; all {table.layer.nunique()} are in the artifact {SCORES}."
    return f"{notes.table(head, rows)}\n\n{layers}"


def log_units(run: runs.Run, found: Sequence[pd.DataFrame], kept: str, folder: Path) -> None:
    """Tables of units: of the committed layers, and of all where that was asked for."""
    import pandas as pd

    columns = ["model_id", "benchmark", "region", "metric", "layer", "committed", "unit", "split", "r", "reliability"]
    # what is known of units (session, ROI, electrode), "" where a benchmark does not say it
    facts = list(dict.fromkeys(name for part in found for name in part if name not in (*columns, "primary")))
    table = pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)
    table = table.reindex(columns=[*columns, *facts])
    table[facts] = table[facts].fillna("")
    for name, part in ((UNITS, table[table.committed.astype(bool)]), (ALL_UNITS, table)):
        if name == UNITS or kept == "all":
            part.to_parquet(folder / name, index=False)
            run.log_file(folder / name)


def recovery_runs(
    records: Sequence[ModelRecord], chosen: Sequence[Found], ids: Sequence[str], context: Context
) -> list[str]:
    """Where the network that generated simulated responses is among those scored: a run with the rank of that network
    and its layer under each metric and number of trials, a population after another."""
    import pandas as pd

    from mlspatial.benchmarks.simulated import recovery
    from mlspatial.registry.read import table_file

    networks = {record.model_id for record in records}
    populations: dict[Truth, dict[str, int]] = {}
    for known in chosen:
        if known.truth and known.truth.network in networks and len(networks) > 1:
            populations.setdefault(known.truth, {})[known.name] = known.trials
    made = []
    for truth, trials in populations.items():
        inputs = {"runs": sorted(ids), "population": truth.population}
        cfg = {"benchmarks": ",".join(trials), "network": truth.network, "layer": truth.layer}
        spec = runs.Spec("recovery", RECOVERY_VERSION, inputs, cfg)
        name = f"recovery of {truth.layer} of {truth.network} among {len(networks)} networks"
        lacks = runs.missing(RECOVERY)
        with runs.open_run(spec, name=name, lacks=lacks, **context.run) as run:
            if not run.answered:
                table = pd.concat([table_file(runs.local(i, SCORES)) for i in ids])
                table = table[table.benchmark.isin(trials)]
                table = table.assign(network=table.model_id, trials=table.benchmark.map(trials))
                found = recovery(table, network=truth.network, layer=truth.layer)
                run.log_table(found, RECOVERY)
                run.log_inputs(record.uri for record in records)
                run.describe(notes.table(tuple(found.columns), found.itertuples(index=False)))
                for row in found.itertuples():
                    prefix = f"recovery/{row.metric}/{row.trials}_trials"
                    run.log({f"{prefix}/network_rank": row.network_rank, f"{prefix}/layer_rank": row.layer_rank})
                say(f"{name}:\n{found.to_string(index=False)}")
        made.append(run.id)
    return made
