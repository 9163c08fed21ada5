"""similarity: networks and images in, one run with a model-by-model matrix for every layer out."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.compare.conditions import of_records
from mlspatial.compare.plots import FORMATS
from mlspatial.core.context import Context
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.names import LEFT_OUT, file_name
from mlspatial.core.parameters import DEVICE, FORCE, STUDY, Parameter, entry
from mlspatial.core.progress import say
from mlspatial.registry import activations as kept
from mlspatial.registry import notes, runs
from mlspatial.registry.models import ModelRecord, select
from mlspatial.steps.gather import NONE, Gathered, besides, gather, layers_of, shared_layers
from mlspatial.steps.stimuli import load_images
from mlspatial.steps.ways import SLICES, Ways

VERSION = 2  # groups are conditions
MOST_LEFT_OUT = 300  # networks: 45,000 pairs a layer, of 20 blocks each
#: metric -> the modules of analysis that compute it
MODULES = {"cka": "cka", "cka_debiased": "cka", "rsa": "rsa", "rsa_spearman": "rsa", "procrustes": "shape"}
KIND = {"cka": "gram", "cka_debiased": "gram", "procrustes": "gram", "rsa": "pattern", "rsa_spearman": "pattern"}

PARAMETERS = (
    Parameter("models", str, "Selector or URI of two networks or more.", decides="nothing"),
    Parameter("layers", str, "auto (first block of each stage), or names; * and ? allowed.", "auto"),
    Parameter("stimuli", str, "SPLIT:N images of the dataset.", "heldout:2000"),
    Parameter("dataset", str, "Name, id or folder of a rendered dataset.", "spatial117"),
    Parameter("metric", str, "cka, cka_debiased, rsa, rsa_spearman, procrustes; commas between.", "cka"),
    DEVICE,
    Parameter("seed", int, "Of the bootstrap over networks.", 0),
    Parameter("activations", str, "Also kept as artifacts: none, float16 or float32.", "none", "nothing"),
    STUDY,
    FORCE,
)


def similarity(
    *,
    models: str,
    layers: str,
    stimuli: str,
    dataset: str,
    metric: str,
    device: str,
    seed: int,
    activations: str = NONE,
    study: str = "",
    force: bool = False,
) -> str:
    """Compare every two networks of a selector at every layer; return the run's id. Parameters as in the MLproject."""
    from mlspatial.analysis.device import choose_device, tags_of
    from mlspatial.analysis.versions import versions

    names = tuple(dict.fromkeys(part.strip() for part in metric.split(",") if part.strip()))
    for name in names:
        if name not in MODULES:
            raise UnknownName("metric", name, MODULES)
    besides(activations)
    records = select(models)
    if len(records) < 2:
        raise UserError(f"models={models}: matches {len(records)} network; similarity needs two or more")
    common = _common_layers(records, layers_of(records, _layers(layers)))
    images = load_images(stimuli, dataset)
    kinds = tuple(dict.fromkeys(KIND[name] for name in names))
    inputs: dict[str, Any] = {
        "dataset_id": images.manifest.dataset_id,
        "models": sorted(r.model_id for r in records),
        "stimuli": images.stimuli.id,
        "layers": common,
        "versions": versions("groups", "mds", *(MODULES[name] for name in names)) | kept.versions(kinds),
    }
    if stated := {r.model_id: r.stated for r in records if r.stated}:
        inputs["stated"] = stated
    cfg = {"models": models, "layers": layers, "stimuli": stimuli, "dataset": dataset, "metric": ",".join(names),
           "device": device, "seed": seed}  # fmt: skip
    spec = runs.Spec("similarity", VERSION, inputs, cfg, ENTRY.free)
    title = f"similarity of {len(records)} networks"
    lacks = runs.missing(*(file for name in names for file in artifacts(name, common, len(records))))
    context = Context(device, study, tuple(images.runs), force)
    with runs.open_run(spec, name=title, lacks=lacks, **context.run) as run:
        if run.answered and activations == NONE:
            return run.id
        gathered = gather(
            records,
            images.stimuli,
            () if run.answered else kinds,
            [common] * len(records),
            context,
            dataset_id=images.manifest.dataset_id,
            activations=activations,
            ways=Ways(stimuli.partition(":")[0], lambda n, _: comparing(names, len(records), n)),
        )
        if not run.answered:
            run.set_parents(sorted({run_id for g in gathered for run_id in g.runs} | set(images.runs)))
            run.log_dataset(images.manifest, images.folder, "evaluation")
            run.add_tags(tags_of(choose_device(device)))
            with tempfile.TemporaryDirectory() as folder:
                for name in names:
                    log_matrices(run, name, records, _matrices(name, gathered, common), seed, Path(folder))
                _log_left_out(run, [name for name in names if MODULES[name] == "cka"], gathered, common, Path(folder))
    return run.id


def _layers(text: str) -> Any:
    def choose(module: Any, spec: Any) -> Sequence[str]:
        from mlspatial.models.layers import block_layers, candidate_layers, resolve_layers

        return resolve_layers(text, module, block_layers(module, candidate_layers(spec, module)))

    return choose


def comparing(metrics: Sequence[str], networks: int, n: int) -> dict[str, float]:
    """In words, the bytes that comparing networks at a layer of n stimuli takes, of the metric that takes most."""
    pairs = n * (n + 1) / 2
    each = {"rsa": 20 * pairs, "rsa_spearman": 20 * pairs, "procrustes": 32 * pairs}  # float64 twice, of float32
    sizes = {
        f"{metric} of {networks} networks at a layer": networks * each.get(metric, 320.0 * n)
        + (0.0 if metric in each else SLICES)
        for metric in metrics
    }
    most = max(sizes, key=lambda words: sizes[words])
    return {most: sizes[most]}


def _common_layers(records: Sequence[ModelRecord], layers: Sequence[Sequence[str]]) -> list[str]:
    """Layers that every network has, in the first one's order; says which only some have.

    Raises UserError when there are none.
    """
    common, others = shared_layers(records, layers)
    if not common:
        raise UserError(
            f"the networks share no layer name ({others}); name layers that all of them have, or compare networks of "
            "one architecture"
        )
    if others:
        say(f"similarity: left out {others}; compared at {', '.join(common)}")
    return common


def _matrices(metric: str, gathered: Sequence[Gathered], layers: Sequence[str]) -> dict[str, np.ndarray]:
    """layer -> (networks, networks)."""
    from mlspatial.analysis import cka, rsa, shape
    from mlspatial.analysis.gram import unpack

    found = {}
    for layer in layers:
        rows = [g.array(KIND[metric], layer) for g in gathered]
        if metric in ("cka", "cka_debiased"):
            both = cka.cka_matrices(rows)
            found[layer] = both.biased if metric == "cka" else both.debiased
        elif metric == "procrustes":
            found[layer] = shape.procrustes_matrix([shape.gram_factor(unpack(row)) for row in rows])
        else:
            method = "spearman" if metric == "rsa_spearman" else "pearson"
            found[layer] = rsa.compare(np.stack(rows), method=method)
    return found


def _log_left_out(
    run: runs.Run, metrics: Sequence[str], gathered: Sequence[Gathered], layers: Sequence[str], folder: Path
) -> None:
    """Of every pair of networks CKA without each block of stimuli: metric, layer, first, second (places in
    models.json), left_out (float32). Of many networks none: compare averages groups of a few."""
    import pandas as pd

    from mlspatial.analysis.cka import cka_left_out

    if not metrics or len(gathered) > MOST_LEFT_OUT:
        return
    first, second = np.triu_indices(len(gathered), 1)
    parts = []
    for metric in metrics:
        for layer in layers:
            rows = [g.array(KIND[metric], layer) for g in gathered]
            values = cka_left_out(rows, debiased=metric == "cka_debiased")[:, first, second].astype(np.float32)
            facts = {"metric": metric, "layer": layer, "first": first, "second": second}
            parts.append(pd.DataFrame({**facts, "left_out": list(values.T)}))
    pd.concat(parts, ignore_index=True).to_parquet(folder / LEFT_OUT, index=False)
    run.log_file(folder / LEFT_OUT)


def artifacts(metric: str, layers: Sequence[str], networks: int) -> list[str]:
    """What `log_matrices` leaves of a metric."""
    pictures = [f"{metric}_matrices"] + ([f"{metric}_mds"] if networks > 2 else [])
    return [
        "models.json",
        f"groups_{metric}.json",
        *(f"matrices/{metric}_{layer}.{suffix}" for layer in layers for suffix in ("csv", "parquet")),
        *(f"pictures/{name}.{suffix}" for name in pictures for suffix in FORMATS),
        *([f"pictures/{metric}_mds.csv"] if networks > 2 else []),
    ]


def log_matrices(
    run: runs.Run,
    metric: str,
    records: Sequence[ModelRecord],
    matrices: dict[str, np.ndarray],
    seed: int,
    folder: Path,
) -> None:
    """Matrices as csv and parquet, the table of groups, heat maps and maps, and each layer's means as metrics."""
    import pandas as pd

    from mlspatial.analysis import groups, mds
    from mlspatial.compare.plots import heat_maps, maps, save

    networks = of_records(records)
    run.log_inputs(record.uri for record in records)
    conditions = list(networks.group)
    labels = [label_of(record) for record in records]
    rows, points, stress = [], {}, {}
    for layer, matrix in matrices.items():
        table = pd.DataFrame(matrix, index=labels, columns=labels)
        table.index.name = "model"
        as_csv, as_parquet = (folder / file_name(f"{metric}_{layer}.{suffix}") for suffix in ("csv", "parquet"))
        table.to_csv(as_csv)
        table.reset_index().to_parquet(as_parquet)
        for file in (as_csv, as_parquet):
            run.log_file(file, "matrices")
        draws = np.random.default_rng([seed])
        for pair in groups.group_statistics(matrix, conditions, draws, seeds=list(networks.replicate)):
            rows.append({"metric": metric, "layer": layer, **pair.__dict__})
        off = matrix[~np.eye(len(matrix), dtype=bool)]
        run.log({f"{metric}/{layer}/mean": float(off.mean())})
        if len(records) > 2:
            embedding = mds.mds(mds.row_distances(matrix))
            points[layer], stress[layer] = embedding.coordinates, embedding.stress
    table = pd.DataFrame(rows)
    run.log_table(table, f"groups_{metric}.json")
    means = table.assign(same=table["first"] == table["second"]).groupby(["layer", "same"], sort=False)["mean"].mean()
    said = [(layer, *(float(means.get((layer, same), np.nan)) for same in (True, False))) for layer in matrices]
    run.describe(
        f"{metric} of {len(records)} networks in {len(set(conditions))} conditions, means over pairs:\n\n"
        + notes.table(("layer", "within a condition", "between conditions"), said)
    )
    models = [
        {"model": label, "group": group, "uri": r.uri, "model_id": r.model_id, "run_id": r.run_id, "seed": r.seed}
        for label, group, r in zip(labels, conditions, records, strict=True)
    ]
    run.log_table(pd.DataFrame(models), "models.json")
    title = {"cka": "linear CKA", "cka_debiased": "debiased CKA"}.get(metric, metric)
    files = save(heat_maps(matrices, conditions, title), folder, f"{metric}_matrices")
    if points:
        files += save(maps(points, stress, conditions), folder, f"{metric}_mds")
        where = pd.concat(
            [
                pd.DataFrame({"layer": layer, "model": labels, "group": conditions, "x": xy[:, 0], "y": xy[:, 1]})
                for layer, xy in points.items()
            ]
        )
        where.to_csv(folder / f"{metric}_mds.csv", index=False)
        files.append(folder / f"{metric}_mds.csv")
    for file in files:
        run.log_file(file, "pictures")
    for layer, part in table.groupby("layer", sort=False):
        same = part["first"] == part["second"]
        means = {"within groups": part["mean"][same].mean(), "between": part["mean"][~same].mean()}
        say(f"{title} at {layer}: {', '.join(f'{mean:.3f} {words}' for words, mean in means.items() if mean == mean)}")


def label_of(record: ModelRecord) -> str:
    """A network's name in tables: unique, also among networks from outside the registry."""
    return f"{record.name} v{record.version}" if record.version else record.uri


ENTRY = entry(
    "similarity",
    "Model-by-model similarity at every layer, with a table of groups, heat maps and a map of the models.",
    PARAMETERS,
    similarity,
    ("--models study=quick --dataset quick --stimuli heldout:300 --metric cka,rsa",),
)
