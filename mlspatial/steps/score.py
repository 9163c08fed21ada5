"""score: networks and benchmarks in, one run a network out with every layer's scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlspatial.benchmarks import NeuralBenchmark, find_benchmark
from mlspatial.core.errors import UserError
from mlspatial.core.names import TAG
from mlspatial.core.score import Score
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord, select
from mlspatial.steps.progress import bar, say

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
FREE = frozenset({"device"})
FACTS = ("task", "arch", "dataset", "seed", "step")


def score(
    *,
    models: str,
    benchmarks: str,
    layers: str,
    device: str,
    study: str = "",
    force: bool = False,
) -> list[str]:
    """Score every network of a selector on every benchmark; return the ids of their runs, one a network.

    benchmarks: comma list; a name with a `?` behind it is left out, saying so, when its data are not there.
    """
    records = select(models)
    chosen = _benchmarks(benchmarks)
    ids = []
    for number, record in enumerate(records, 1):
        versions = {benchmark.identifier: benchmark.version for benchmark in chosen}
        inputs = {"model_id": record.model_id, "benchmarks": versions}
        cfg = {"models": record.uri, "benchmarks": ",".join(versions), "layers": layers, "device": device}
        spec = runs.Spec("score", VERSION, inputs, cfg, FREE | {"models"})
        name = f"score {record.name} seed {record.seed} step {record.step}"
        with runs.open_run(spec, name=name, study=study, parents=[record.run_id], force=force) as run:
            if not run.answered:
                run.set_tags({TAG + fact: getattr(record, fact) for fact in FACTS})
                table = _score(record, chosen, layers, device, f"score {number} of {len(records)}")
                log_scores(run, table)
                best = table[table.committed].itertuples()
                say(f"{name}: " + ", ".join(f"{row.benchmark} {row.ceiled:.3f} ({row.layer})" for row in best))
        ids.append(run.id)
    return ids


def log_scores(run: runs.Run, table: pd.DataFrame) -> None:
    """The whole table as scores.json; the best layer of each benchmark as metrics BENCHMARK/raw, ... and a tag."""
    for row in table[table.committed].itertuples():
        for value in ("raw", "ceiling", "ceiled", "error"):
            run.log({f"{row.benchmark}/{value}": getattr(row, value)})
        run.set_tags({f"{TAG}layer.{row.benchmark}": row.layer, f"{TAG}region.{row.benchmark}": row.region})
    for row in table.itertuples():
        run.log({f"{row.benchmark}/{row.layer}/ceiled": row.ceiled})
    run.log_table(table, "scores.json")


def _benchmarks(names: str) -> list[NeuralBenchmark]:
    found = []
    for name in filter(None, (part.strip() for part in names.split(","))):
        try:
            found.append(find_benchmark(name.removesuffix("?")))
        except UserError as error:
            if not name.endswith("?"):
                raise
            say(f"score: {error}; going on without it")
    if not found:
        raise UserError(f"benchmarks={names}: none can be used; name at least one whose data are there")
    return found


def _score(
    record: ModelRecord, benchmarks: list[NeuralBenchmark], layers: str, device: str, title: str
) -> pd.DataFrame:
    """One row a benchmark and layer; `committed` marks the layer with the highest ceiled score, the first on a tie."""
    import pandas as pd

    from mlspatial.models.extract import extract
    from mlspatial.models.sinks import Features
    from mlspatial.models.zoo import candidate_layers
    from mlspatial.train.loop import choose_device

    module, spec = record.load()
    module.to(choose_device(device))
    names = candidate_layers(spec, module) if layers == "auto" else tuple(part.strip() for part in layers.split(","))
    rows: list[Mapping[str, Any]] = []
    with bar(title, len(benchmarks) * len(names), "layer") as progress:
        for benchmark in benchmarks:
            store = Features()
            extract(module, spec, benchmark.stimuli, names, store)
            scores: dict[str, Score] = {}
            for layer in names:
                scores[layer] = benchmark.score(store.pop(layer)["features"])
                progress.update(1)
            best = max(scores, key=lambda layer: (scores[layer].ceiled, -names.index(layer)))
            for layer, value in scores.items():
                facts = {"benchmark": benchmark.identifier, "region": benchmark.region, "layer": layer}
                rows.append({**facts, "committed": layer == best, **value.to_json(), "model_id": record.model_id})
    return pd.DataFrame(rows)
