"""score: networks and benchmarks in, one run a network out with every layer's scores."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.context import Context
from mlspatial.core.errors import UserError
from mlspatial.core.names import BENCHMARKS_GIVEN, TAG
from mlspatial.core.parameters import DEVICE, FORCE, STUDY, Parameter, entry
from mlspatial.core.predictions import PREDICTIONS, STIMULI, Predictions, write
from mlspatial.core.progress import bar, say
from mlspatial.core.score import FORMULA_WORDS
from mlspatial.models.lazy import LazyModel
from mlspatial.models.sources.zoo import facts
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord, select
from mlspatial.steps.gather import gather, layers_of
from mlspatial.steps.run_pages import score_pages
from mlspatial.steps.score_files import ALL_UNITS, SCORES, UNITS, log_scores, log_units, recovery_runs
from mlspatial.steps.scoring_plan import Plan, check_words, ways_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from mlspatial.benchmarks.base import Benchmark, Layer, Way
    from mlspatial.core.score import Score
    from mlspatial.models.sinks import Product

VERSION = 2
FACTS = ("task", "arch", "dataset", "seed", "step")
MATRICES = "matrices.npz"
KEPT = ("committed", "all")  # layers of which every unit is kept
COMMITTED = "committed"  # the layer of matrices between networks whose layers differ

PARAMETERS = (
    Parameter(
        "models", str, "A selector (task=translation,seed=0|1) or a models:/ or runs:/ address.", decides="nothing"
    ),
    Parameter(
        "benchmarks",
        str,
        "Comma list: simulated_v1, simulated_v4, simulated_it, Brain-Score's, your own; NAME? may lack data.",
        "cowley2023_v4?,simulated_v1",
    ),
    Parameter("layers", str, "auto (the architecture's candidates), names; fMRI: also all.", "auto"),
    Parameter(
        "metrics",
        str,
        "own (each benchmark's) and others: pls, ridge, rsa, cka, one_to_one, crsa, versa, rdm_*, of choices accuracy, "
        "error_consistency, shape_bias, log_likelihood.",
        "own",
    ),
    Parameter("engine", str, "fast, or reference: Brain-Score's own code, for its benchmarks.", "fast"),
    Parameter("selection", str, "Of the layer: auto (as Brain-Score), raw (raw features), half.", "auto"),
    Parameter("variant", str, "Of the fMRI study where text and code differ: paper, published_code.", "paper"),
    Parameter("units", str, "Layers of which every unit and split is kept.", KEPT[0], decides="nothing", choices=KEPT),
    Parameter("download", bool, "Whether Brain-Score may download what is missing.", False, "nothing"),
    DEVICE,
    STUDY,
    FORCE,
)


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
    units: str = KEPT[0],
    download: bool = False,
    study: str = "",
    force: bool = False,
) -> list[str]:
    """Score every network of a selector on every benchmark; return the ids of their runs, one a network.

    benchmarks: comma list; a name with a `?` behind it is left out, saying so, when its data are not there. metrics:
    comma list of own, pls, ridge, rsa, cka, one_to_one, and crsa, versa for fMRI; a benchmark that does not take one is
    scored without it, saying so. variant: of the fMRI study, paper or published_code. engine: fast, or reference for
    Brain-Score's own code. selection of the layer: auto (as Brain-Score does for its benchmarks, else on all stimuli),
    raw (on raw features), half (chosen on one half of the stimuli, reported on the other). units: of which layers the
    correlation of every unit in every split is kept. download: whether Brain-Score may fetch files.
    """
    import numpy as np
    import pandas as pd

    from mlspatial.analysis.device import choose_device, tags_of

    check_words(metrics, engine, selection, variant)
    records = select(models)
    plan = Plan.of(benchmarks, metrics, layers, engine, selection, variant, download)
    specs = [_spec(record, plan, device, download) for record in records]
    layers_by_uri: dict[str, tuple[str, ...]] = {}
    by_reference = engine == "reference"
    artifacts = [SCORES, *([MATRICES] if plan.geometries else [])]
    artifacts += [] if by_reference else [UNITS, PREDICTIONS, STIMULI, *([ALL_UNITS] if units == "all" else [])]
    ids = []
    for number, (record, spec) in enumerate(zip(records, specs, strict=True), 1):
        name = f"score {record.name} seed {record.seed} step {record.step}"
        parents = [record.run_id] if record.run_id else []
        context = Context(device, study, tuple(parents), force)
        with runs.open_run(spec, name=name, lacks=runs.missing(*artifacts), **context.run) as run:
            if not run.answered:
                if record.uri not in layers_by_uri:  # before anything is run: of all networks that are still to come
                    rest = list(zip(records, specs, strict=True))[number:]
                    todo = [record, *(other for other, its in rest if force or not runs.finished(its))]
                    found = layers_of(todo, plan.choose)
                    layers_by_uri |= dict(zip((other.uri for other in todo), found, strict=True))
                run.set_tags({TAG + fact: getattr(record, fact) for fact in FACTS})
                run.add_tags(tags_of(choose_device(device)))
                run.set_tags({BENCHMARKS_GIVEN: benchmarks})
                run.set_tags({f"{TAG}fact.{name}": value for name, value in facts(record.uri).items()})
                layers_here, matrices = layers_by_uri[record.uri], dict[str, np.ndarray]()
                per_unit, predicted = list[pd.DataFrame](), list[Predictions]()
                with bar(f"score {number} of {len(records)}", len(plan.chosen), "benchmark") as progress:
                    if by_reference:
                        rows = _by_reference(record, plan, layers_here, context, download, progress)
                    else:
                        left = len(records) - number + 1
                        rows = _by_layers(
                            record, plan, layers_here, matrices, per_unit, predicted, context, progress, left
                        )
                    table = pd.DataFrame(rows).assign(engine=engine, model_id=record.model_id)
                if table.raw.isna().all():
                    raise UserError(f"{name}: nothing could be scored ({table.selection.iloc[0]})")
                with tempfile.TemporaryDirectory() as folder:
                    if matrices:
                        np.savez_compressed(file := Path(folder) / MATRICES, **matrices)
                        run.log_file(file)
                    if not by_reference:
                        log_units(run, per_unit, units, Path(folder))
                        for file in write(predicted, Path(folder)):
                            run.log_file(file)
                log_scores(run, table, record.uri, {found.name: found.version for found in plan.chosen})
                score_pages(run, f"{record.name} seed {record.seed} step {record.step}", table)
                best = table[table.committed & table.primary].itertuples()
                say(f"{name}: " + ", ".join(map(_line, best)))
        ids.append(run.id)
    together = Context(device, study, tuple(ids), force)
    made = recovery_runs(records, plan.chosen, ids, together)
    return [*ids, *made, *_geometry(records, plan, ids, together)]


def _line(row: Any) -> str:
    """A committed score for a terminal, with the formula that it is ceiled by."""
    how = f" = {FORMULA_WORDS[row.formula]}" if row.formula in FORMULA_WORDS and row.formula != "none" else ""
    return f"{row.benchmark} {row.ceiled:.3f}{how} ({row.layer})"


def _spec(record: ModelRecord, plan: Plan, device: str, download: bool) -> runs.Spec:
    inputs = {"model_id": record.model_id, **plan.inputs(), **record.stated}
    cfg = {"models": record.uri, "benchmarks": ",".join(known.name for known in plan.chosen), "layers": plan.layers,
           "metrics": ",".join(plan.metrics), "engine": plan.engine, "selection": plan.way.selection,
           "variant": plan.way.variant, "device": device, "download": download}  # fmt: skip
    return runs.Spec("score", VERSION, inputs, cfg, ENTRY.free)


def _by_layers(
    record: ModelRecord,
    plan: Plan,
    layers: tuple[str, ...],
    matrices: dict[str, np.ndarray],
    per_unit: list[pd.DataFrame],
    predicted: list[Predictions],
    context: Context,
    progress: Any,
    left: int,
) -> Iterator[dict[str, Any]]:
    """Rows of one network, a benchmark, metric and layer each; `matrices` gets those at the layers that count, by
    "BENCHMARK METRIC", `per_unit` a table of each layer whose score is of units, `predicted` the predictions at the
    layers that count. left: networks that are still to come, this one included.

    What a benchmark cannot do is raised before the network is run. It then sees each set of stimuli once, for all
    benchmarks and metrics.
    """
    from mlspatial.analysis.device import choose_device
    from mlspatial.models.sinks import PRODUCTS

    way = replace(plan.way, device=choose_device(context.device))
    model = LazyModel(record.spec, record.load)
    shown: dict[tuple[str, int, tuple[str, ...]], list[tuple[Benchmark, str]]] = {}
    for known in plan.chosen:  # who shows the same
        benchmark = known.load(record.spec.input_size, way)
        same = shown.setdefault((benchmark.stimuli.id, benchmark.joint, benchmark.layers(layers, model)), [])
        for metric in known.full_names(benchmark.own):
            benchmark.check(metric, way)
            same.append((benchmark, metric))
    for (_, _, seen), asked in shown.items():
        together_shown = {benchmark.identifier for benchmark, _ in asked}
        needs: dict[str, Product | None] = {}  # gather what all of them need
        together: dict[tuple[str, Hashable], list[Benchmark]] = {}
        for benchmark, metric in asked:
            needs |= benchmark.needs(metric)
            together.setdefault((metric, benchmark.together), []).append(benchmark)
        kinds = sorted(needs, key=lambda kind: kind not in PRODUCTS)  # the order is in what an extraction is found by
        (gathered,) = gather(
            [record], asked[0][0].shown, kinds, [seen], context,
            more={kind: product for kind, product in needs.items() if product}, load=lambda _record: model.loaded,
            ways=ways_of(asked, [known.name for known in plan.chosen if known.name not in together_shown], left),
        )  # fmt: skip
        scores: dict[tuple[str, str], list[Score]] = {}
        for name in gathered.layers:  # score layer by layer
            layer = gathered.layer(name)
            for (metric, _), (one, *others) in together.items():
                for benchmark, score in zip((one, *others), _tried(one, others, name, layer, metric, way), strict=True):
                    scores.setdefault((benchmark.identifier, metric), []).append(score)
        for benchmark, metric in asked:  # commit
            found = scores[benchmark.identifier, metric]
            place = benchmark.commit(found, way)
            matrix = benchmark.matrix(gathered.layer(gathered.layers[place]), metric, found[place])
            name = gathered.layers[place]
            predicted += _predicted(benchmark, gathered.layer(name), name, metric, way)
            if matrix is not None:
                matrices[f"{benchmark.identifier} {metric}"] = matrix
            facts = {"benchmark": benchmark.identifier, "region": benchmark.region, "primary": metric == benchmark.own}
            for depth, (name, score) in enumerate(zip(gathered.layers, found, strict=True)):
                if (table := benchmark.per_unit(score)) is not None:
                    said = facts | {
                        "model_id": record.model_id,
                        "metric": metric,
                        "layer": name,
                        "committed": depth == place,
                    }
                    per_unit.append(table.assign(**said))
            yield from _rows(facts, gathered.layers, found, place)
        progress.update(len({benchmark.identifier for benchmark, _ in asked}))


def _tried(one: Benchmark, others: Sequence[Benchmark], name: str, layer: Layer, metric: str, way: Way) -> list[Score]:
    """The scores of a layer; NaN, saying why, where a metric fails there, so that nothing else is lost."""
    from numpy.linalg import LinAlgError
    from torch.linalg import LinAlgError as TorchError

    from mlspatial.core.score import Score

    try:
        found = one.scores(layer, metric, way, *others)
        why = "the layer or the responses do not vary enough over the stimuli"
    except (UserError, LinAlgError, TorchError, ArithmeticError) as error:
        why = " ".join(str(error).split())
        failed = Score(math.nan, math.nan, math.nan, 0, metric, "", "none", selection=f"failed: {why}")
        found = [failed] * (1 + len(others))
    for benchmark, score in zip((one, *others), found, strict=True):
        if math.isnan(score.raw):
            say(f"{benchmark.identifier}: {metric} of layer {name} is not a number: {why}")
    return found


def _predicted(benchmark: Benchmark, layer: Layer, name: str, metric: str, way: Way) -> tuple[Predictions, ...]:
    """What is kept of the layer that counts; nothing, saying why, where a metric fails there."""
    from numpy.linalg import LinAlgError
    from torch.linalg import LinAlgError as TorchError

    try:
        return benchmark.predictions(layer, name, metric, way)
    except (UserError, LinAlgError, TorchError, ArithmeticError) as error:
        why = " ".join(str(error).split())
        say(f"{benchmark.identifier}: no predictions by {metric} of layer {name} are kept: {why}")
        return ()


def _by_reference(
    record: ModelRecord, plan: Plan, layers: tuple[str, ...], context: Context, download: bool, progress: Any
) -> Iterator[dict[str, Any]]:
    """The same by Brain-Score's own classes on its own data."""
    from mlspatial.analysis.device import choose_device
    from mlspatial.benchmarks.brainscore.reference import reference_score

    module, spec = record.load()
    for known in plan.chosen:
        result = reference_score(
            module, spec, record.model_id, known.name, layers, device=choose_device(context.device),
            select=plan.way.selection == "auto", download=download,
        )  # fmt: skip
        facts = {"benchmark": known.name, "region": result.region, "primary": True}
        scores = [replace(score, selection=result.selection) for score in result.scores.values()]
        yield from _rows(facts, layers, scores, layers.index(result.committed))
        progress.update(1)


def _rows(
    facts: dict[str, Any], layers: Sequence[str], scores: Sequence[Score], place: int
) -> Iterator[dict[str, Any]]:
    """Of one benchmark and metric, a layer each; place: of the layer that counts."""
    for depth, (layer, score) in enumerate(zip(layers, scores, strict=True)):
        yield {**facts, "layer": layer, "depth": depth, "committed": depth == place, **score.to_json()}


def _geometry(records: Sequence[ModelRecord], plan: Plan, ids: Sequence[str], context: Context) -> list[str]:
    """How alike the networks are under cRSA and veRSA: a `similarity` run over their fMRI matrices."""
    import numpy as np

    if len(records) < 2 or not plan.geometries:
        return []
    from mlspatial.analysis.versa import geometry
    from mlspatial.analysis.versions import versions
    from mlspatial.steps import similarity

    metrics = plan.geometries
    made_of = versions("groups", "mds")
    for found in plan.chosen:
        for metric in set(metrics) & set(found.full_names()):
            made_of |= found.kind.versions(metric, plan.way)
    inputs = {"runs": sorted(ids), "versions": made_of}
    cfg = {"metric": ",".join(metrics), "layers": COMMITTED}
    spec = runs.Spec("similarity", similarity.VERSION, inputs, cfg, similarity.ENTRY.free)
    name = f"similarity of {len(records)} networks under {' and '.join(metrics)}"
    files = [file for metric in metrics for file in similarity.artifacts(metric, [COMMITTED], len(records))]
    with runs.open_run(spec, name=name, lacks=runs.missing(*files), **context.run) as run:
        if not run.answered:
            tables = []
            for run_id in ids:
                with np.load(runs.local(run_id, MATRICES)) as arrays:
                    tables.append({key: arrays[key] for key in arrays.files})
            with tempfile.TemporaryDirectory() as folder:
                for metric, matrix in geometry(tables).items():
                    similarity.log_matrices(run, metric, records, {COMMITTED: matrix}, 0, Path(folder))
    return [run.id]


ENTRY = entry(
    "score",
    "Score every selected network at every candidate layer; one run a network.",
    PARAMETERS,
    score,
    (
        "--models study=quick --benchmarks simulated_v1",
        '--models "task=translation|category,step=all" --benchmarks MajajHong2015public.IT-pls --metrics own,rsa',
        "--models torchvision:resnet18@random --benchmarks simulated_v1 --layers layer1,layer3",
    ),
)
