"""score: networks and benchmarks in, one run a network out with every layer's scores."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.names import TAG
from mlspatial.core.progress import bar, say
from mlspatial.models.catalogue import facts
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord, select

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlspatial.benchmarks.neural import Truth
    from mlspatial.steps.scoring import Benchmark

VERSION = 2
FREE = frozenset({"device", "download", "models"})
FACTS = ("task", "arch", "dataset", "seed", "step")
ENGINES, SELECTIONS = ("fast", "reference"), ("auto", "raw", "half")
VARIANTS = ("paper", "published_code")
MATRICES = "matrices.npz"
VALUES = ("raw", "ceiling", "ceiled", "error", "r2_over_c", "r_over_c_squared")


@dataclass(frozen=True)
class Known:
    """A benchmark that was found but for its data. load: from a network's input size; ours: not Brain-Score's."""

    name: str
    version: str
    load: Callable[[int], Benchmark]
    ours: bool
    truth: Truth | None = None
    trials: int = 0


def score(
    *,
    models: str,
    benchmarks: str,
    layers: str,
    device: str,
    metrics: str = "own",
    engine: str = "fast",
    selection: str = "auto",
    variant: str = "paper",
    download: bool = False,
    study: str = "",
    force: bool = False,
) -> list[str]:
    """Score every network of a selector on every benchmark; return the ids of their runs, one a network.

    benchmarks: comma list; a name with a `?` behind it is left out, saying so, when its data are not there. metrics:
    comma list of own, pls, ridge, rsa, cka, one_to_one, and crsa, versa for fMRI. variant: of the fMRI study, paper or
    published_code. engine: fast, or reference for Brain-Score's own code.
    selection of the layer: auto (as Brain-Score does for its benchmarks, else on all stimuli), raw (on raw features),
    half (chosen on one half of the stimuli, reported on the other). download: whether Brain-Score may fetch files.
    """
    options = ("engine", engine, ENGINES), ("selection", selection, SELECTIONS), ("variant", variant, VARIANTS)
    for name, value, known in options:
        if value not in known:
            raise BadValue(name, value, f"must be one of {', '.join(known)}")
    records = select(models)
    chosen = _find(benchmarks, download)
    names = _metrics(metrics)
    if engine == "reference" and (any(known.ours for known in chosen) or names != ("own",)):
        raise UserError("engine=reference is Brain-Score's own code: name only its benchmarks, and metrics=own")
    ids = []
    for number, record in enumerate(records, 1):
        versions = {known.name: known.version for known in chosen}
        inputs = {"model_id": record.model_id, "benchmarks": versions}
        cfg = {"models": record.uri, "benchmarks": ",".join(versions), "layers": layers, "metrics": ",".join(names),
               "engine": engine, "selection": selection, "variant": variant, "device": device,
               "download": download}  # fmt: skip
        spec = runs.Spec("score", VERSION, inputs, cfg, FREE)
        name = f"score {record.name} seed {record.seed} step {record.step}"
        parents = [record.run_id] if record.run_id else []
        with runs.open_run(spec, name=name, study=study, parents=parents, force=force) as run:
            if not run.answered:
                run.set_tags({TAG + fact: getattr(record, fact) for fact in FACTS})
                run.set_tags({f"{TAG}fact.{name}": value for name, value in facts(record.uri).items()})
                title = f"score {number} of {len(records)}"
                if engine == "reference":
                    table = _by_reference(record, chosen, layers, device, selection, download, title)
                else:
                    table, matrices = _score(
                        record, chosen, layers, names, selection, variant, device, study, parents, title
                    )
                    _log_matrices(run, matrices)
                log_scores(run, table)
                best = table[table.committed & table.primary].itertuples()
                say(f"{name}: " + ", ".join(f"{row.benchmark} {row.ceiled:.3f} ({row.layer})" for row in best))
        ids.append(run.id)
    return [*ids, *_recovery(records, chosen, ids, study, force), *_geometry(records, ids, study, force)]


def log_scores(run: runs.Run, table: pd.DataFrame) -> None:
    """The whole table as scores.json; of every benchmark and metric the committed layer's values as metrics.

    BENCHMARK/raw, /ceiling, ... are the benchmark's own metric, BENCHMARK/METRIC/raw another one; every layer has
    BENCHMARK/LAYER/ceiled. The layer and region of a benchmark are tags.
    """
    for row in table[table.committed].itertuples():
        own = bool(getattr(row, "primary", True))
        prefix = _metric_name(row.benchmark if own else f"{row.benchmark}/{row.metric}")
        run.log({f"{prefix}/{value}": getattr(row, value) for value in VALUES if hasattr(row, value)})
        if own:
            run.set_tags({f"{TAG}layer.{row.benchmark}": row.layer, f"{TAG}region.{row.benchmark}": row.region})
    for row in table.itertuples():
        if getattr(row, "primary", True):
            run.log({_metric_name(f"{row.benchmark}/{row.layer}/ceiled"): row.ceiled})
    run.log_table(table, "scores.json")


def _metric_name(text: str) -> str:
    """MLflow takes letters, digits, _ - . space : / in names of metrics."""
    return re.sub(r"[^\w\-. :/]", "_", text)


def _metrics(text: str) -> tuple[str, ...]:
    from mlspatial.analysis.yardsticks import find_metric
    from mlspatial.steps.scoring import FMRI, ONE_TO_ONE, OWN, SHORT

    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip())) or (OWN,)
    for name in names:
        if name not in (OWN, ONE_TO_ONE, *FMRI, *SHORT):
            try:
                find_metric(name)
            except UnknownName as error:
                raise UnknownName("metric", name, (OWN, ONE_TO_ONE, *FMRI, *SHORT)) from error
    return names


def _find(names: str, download: bool) -> list[Known]:
    from mlspatial.benchmarks import benchmark_names

    found = []
    for name in benchmark_names(names):
        try:
            found.append(_benchmark(name.removesuffix("?"), download))
        except UserError as error:
            if not name.endswith("?"):
                raise
            say(f"score: {error}; going on without it")
    if not found:
        raise UserError(f"benchmarks={names}: none can be used; name at least one whose data are there")
    return found


def _benchmark(name: str, download: bool) -> Known:
    """A benchmark of ours, or one that Brain-Score knows. Files that lack are named before anything runs."""
    from mlspatial.benchmarks import brainscore_files as files
    from mlspatial.benchmarks import find_benchmark, known_benchmarks
    from mlspatial.registry.models import load as load_network

    if name.split(":")[0] in known_benchmarks() or name.endswith((".yaml", ".yml")):
        own = find_benchmark(name, resolve=load_network)
        trials = 0 if own.trials is None else own.trials.shape[2]
        return Known(own.identifier, own.version, lambda _size: own, True, getattr(own, "truth", None), trials)
    try:
        package_name = files.resolve(name)
    except UnknownName as error:
        raise UnknownName("benchmark", name, [*known_benchmarks(), *files.known()]) from error
    wanted = files.needs(name)
    if not download:
        files.demand(name, wanted)
    for file in wanted:
        if not file.is_here:
            say(f"score: {name} will download {file.url} to {file.path}")

    def load(size: int) -> Benchmark:
        from mlspatial.benchmarks import brainscore

        return brainscore.load(name, input_size=size, download=download)

    return Known(name, f"{package_name}, brainscore_vision {files.package_version()}", load, False)


def _score(
    record: ModelRecord,
    chosen: Sequence[Known],
    layers: str,
    metrics: tuple[str, ...],
    selection: str,
    variant: str,
    device: str,
    study: str,
    parents: Sequence[str],
    title: str,
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    from mlspatial.steps.scoring import Job

    targets = [known.load(record.spec.input_size) for known in chosen]
    imagenet = None
    if selection == "auto" and not all(known.ours for known in chosen):
        from mlspatial.benchmarks import brainscore

        imagenet = brainscore.selection_stimuli(input_size=record.spec.input_size)
    job = Job(layers, metrics, selection == "half", device, study, tuple(parents), imagenet, variant)
    with bar(title, len(targets), "benchmark") as progress:
        return job.table(record, targets, progress)


def _log_matrices(run: runs.Run, matrices: dict[str, np.ndarray]) -> None:
    from mlspatial.steps.scoring_fmri import save_matrices

    if matrices:
        with tempfile.TemporaryDirectory() as folder:
            save_matrices(matrices, Path(folder) / MATRICES)
            run.log_file(Path(folder) / MATRICES)


def _geometry(records: Sequence[ModelRecord], ids: Sequence[str], study: str, force: bool) -> list[str]:
    """How alike the networks are under cRSA and veRSA: a `similarity` run over those that have fMRI matrices."""
    import numpy as np

    held = [(record, runs.local(run_id, MATRICES)) for record, run_id in zip(records, ids, strict=True)]
    held = [(record, file) for record, file in held if file.is_file()]
    if len(held) < 2:
        return []
    from mlspatial.steps.scoring_fmri import geometry
    from mlspatial.steps.similarity import log_matrices

    spec = runs.Spec("similarity", VERSION, {"runs": sorted(ids)}, {"metric": "crsa,versa", "layers": "committed"})
    name = f"similarity of {len(held)} networks under cRSA and veRSA"
    with runs.open_run(spec, name=name, study=study, parents=ids, force=force) as run:
        if not run.answered:
            tables = []
            for _, file in held:
                with np.load(file) as arrays:
                    tables.append({key: arrays[key] for key in arrays.files})
            with tempfile.TemporaryDirectory() as folder:
                for metric, matrix in geometry(tables).items():
                    log_matrices(run, metric, [r for r, _ in held], {"committed": matrix}, 0, Path(folder))
    return [run.id]


def _recovery(
    records: Sequence[ModelRecord], chosen: Sequence[Known], ids: Sequence[str], study: str, force: bool
) -> list[str]:
    """Where the network that generated simulated responses is among those scored: a run with the rank of that network
    and its layer under each metric and number of trials, a population after another."""
    import pandas as pd

    from mlspatial.benchmarks.simulated import recovery

    networks = {record.model_id for record in records}
    populations: dict[Truth, dict[str, int]] = {}
    for known in chosen:
        if known.truth and known.truth.network in networks and len(networks) > 1:
            populations.setdefault(known.truth, {})[known.name] = known.trials
    made = []
    for truth, trials in populations.items():
        inputs = {"runs": sorted(ids), "population": truth.population}
        cfg = {"benchmarks": ",".join(trials), "network": truth.network, "layer": truth.layer}
        spec = runs.Spec("recovery", VERSION, inputs, cfg)
        name = f"recovery of {truth.layer} of {truth.network} among {len(networks)} networks"
        with runs.open_run(spec, name=name, study=study, parents=ids, force=force) as run:
            if not run.answered:
                table = pd.concat([pd.read_json(runs.local(i, "scores.json"), orient="split") for i in ids])
                table = table[table.benchmark.isin(trials)]
                table = table.assign(network=table.model_id.astype(str), trials=table.benchmark.map(trials))
                found = recovery(table, network=truth.network, layer=truth.layer)
                run.log_table(found, "recovery.json")
                for row in found.itertuples():
                    prefix = _metric_name(f"recovery/{row.metric}/{row.trials}_trials")
                    run.log({f"{prefix}/network_rank": row.network_rank, f"{prefix}/layer_rank": row.layer_rank})
                say(f"{name}:\n{found.to_string(index=False)}")
        made.append(run.id)
    return made


def _by_reference(
    record: ModelRecord,
    chosen: Sequence[Known],
    layers: str,
    device: str,
    selection: str,
    download: bool,
    title: str,
) -> pd.DataFrame:
    """Brain-Score's own classes on its own data."""
    import pandas as pd

    from mlspatial.benchmarks.brainscore_reference import reference_score
    from mlspatial.models.layers import resolve_layers
    from mlspatial.models.zoo import candidate_layers
    from mlspatial.train.loop import choose_device

    module, spec = record.load()
    names = resolve_layers(layers, module, candidate_layers(spec, module))
    rows: list[dict[str, Any]] = []
    with bar(title, len(chosen), "benchmark") as progress:
        for known in chosen:
            result = reference_score(
                module, spec, record.model_id, known.name, names, device=choose_device(device),
                select=selection == "auto", download=download,
            )  # fmt: skip
            for layer, found in result.scores.items():
                facts = {"benchmark": known.name, "region": result.region, "layer": layer, "depth": names.index(layer)}
                marks = {"committed": layer == result.committed, "primary": True, "selection": result.selection}
                rows.append({**facts, **marks, **found.to_json(), "model_id": record.model_id})
            progress.update(1)
    return pd.DataFrame(rows)
