"""decode: networks and images in; for each network a run with what its layers tell linearly out, and one that compares.

Pixels are decoded once, as a run of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.conditions import comparable, last, of_records
from mlspatial.core.context import Context
from mlspatial.core.latents import Latent
from mlspatial.core.names import TAG
from mlspatial.core.parameters import DEVICE, FORCE, STUDY, Parameter, entry
from mlspatial.core.progress import bar, say
from mlspatial.models.layers import PIXELS
from mlspatial.registry import activations as kept
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord, select
from mlspatial.registry.read import table_file
from mlspatial.steps.asked_layers import FACTS, asked_layers, task_units
from mlspatial.steps.decode_files import SHOWN, TABLE, log_decoding, log_picture, pictures
from mlspatial.steps.decode_generalisation import GENERALISATION, PICTURE, log_curves, log_generalisation
from mlspatial.steps.decode_head import VERSION as HEADS
from mlspatial.steps.decode_head import Asked, extra_names, head_records, heads
from mlspatial.steps.decode_neurons import with_ceilings
from mlspatial.steps.decode_splits import SPLITS as SPLITS
from mlspatial.steps.decode_splits import Conditions, chosen_latents, conditions, is_left_out, ordinary
from mlspatial.steps.gather import NONE, Gathered, besides, gather, layers_of, shared_layers
from mlspatial.steps.recorded import Recording, find_alone, find_recording, has_latents, is_yaml
from mlspatial.steps.stimuli import Images, load_images
from mlspatial.steps.ways import SQUARE, Ways

if TYPE_CHECKING:  # torch takes seconds to import, and help needs none of it
    import pandas as pd

    from mlspatial.analysis.decoding import Decoding
    from mlspatial.analysis.splits import Split

    Measured = list[tuple[str, list[Decoding]]]  # of each layer

VERSION = 1  # of the numbers of one network
COMPARED = 2  # version of the comparison: of conditions, one value a seed
CONTRASTS = "contrasts.json"

PARAMETERS = (
    Parameter("models", str, "Selector or URI of networks, or a recording's YAML that has latents.", decides="nothing"),
    Parameter("layers", str, "auto (pixels, first blocks, avgpool, fc), or module names, pixels, head.", "auto"),
    Parameter("latents", str, "auto (x, y, z, rot_0-2, category), or names with commas between.", "auto"),
    Parameter("stimuli", str, "SPLIT:N images of the dataset.", "heldout:2000"),
    Parameter("dataset", str, "Name, id or folder of a rendered dataset, or the YAML of a recording.", "spatial117"),
    Parameter("folds", int, "Number of train/test splits.", 5),
    Parameter("split", str, "random (80/20, as published), kfold, or leave_out:scene, leave_out:z>3, ...", "random"),
    Parameter("classifier", str, "svc (linear, squared hinge) or logistic.", "svc"),
    DEVICE,
    Parameter("seed", int, "Of the splits and the random projection.", 0),
    Parameter("activations", str, "Also kept as artifacts: none, float16 or float32.", "none", "nothing"),
    STUDY,
    FORCE,
)


def decode(
    *,
    models: str,
    layers: str,
    latents: str,
    stimuli: str,
    dataset: str,
    folds: int,
    split: str,
    classifier: str,
    device: str,
    seed: int,
    activations: str = NONE,
    study: str = "",
    force: bool = False,
) -> list[str]:
    """Decode latents from every network of a selector; return the ids of the runs. Parameters as in the MLproject."""
    import pandas as pd

    from mlspatial.analysis import decoding
    from mlspatial.analysis.device import choose_device

    besides(activations)
    recording: Recording | None = None
    alone: tuple[str, ...] = ()  # its own neurons (and pixels), with its own stimuli
    if has_latents(models):
        recording, alone = find_alone(models, layers, dataset, ENTRY.defaults["dataset"], stimuli)
        dataset = models
    elif is_yaml(dataset):
        recording = find_recording(dataset, stimuli)
    records = [] if alone else select(models)
    chosen_layers = [] if alone else layers_of(records, asked_layers(layers, extra_names))
    images = recording.images if recording else load_images(stimuli, dataset)
    left = conditions(split, images, folds, seed) if is_left_out(split) else None
    splits = left.splits if left else ordinary(split, len(images.stimuli), folds, seed)
    chosen = recording.latents(latents, left, splits) if recording else chosen_latents(latents, images, left)
    modules = [tuple(name for name in names if name != PIXELS) for names in chosen_layers]
    asked = heads(records, modules, chosen, images, left.splits if left else None)
    pixels_too = PIXELS in alone or any(PIXELS in names for names in chosen_layers)
    fitted = bool(alone) or pixels_too or any(one.modules for one in asked)
    decoding.check(len(images.stimuli), images.latents, chosen, splits if fitted else [], classifier)
    cfg = {"layers": layers, "latents": ",".join(latent.name for latent in chosen), "stimuli": stimuli,
           "dataset": dataset, "folds": folds, "split": left.text if left else split, "classifier": classifier,
           "device": device, "seed": seed}  # fmt: skip
    job = _Job(
        images,
        chosen,
        splits,
        left,
        classifier,
        cfg,
        Context(choose_device(device), study, tuple(images.runs), force),
        activations,
    )
    shared, others = shared_layers(records, chosen_layers) if records else ((), "")
    if others:
        say(f"decode: {others}; all networks are compared at {', '.join(shared) or 'no layer'}")
    made = []
    if pixels_too:
        made.append(job.pixels())
    if recording and recording.benchmark.region in alone:
        made.append(job.neurons(recording))
    own = [(record, one) for record, one in zip(records, asked, strict=True) if one.names]
    networks = of_records([record for record, _ in own]) if own else pd.DataFrame()
    for place, (record, names) in enumerate(own):
        made.append(job.network(record, networks.task[place], names, f"decode {place + 1} of {len(own)}"))
    ids, tables = [run_id for run_id, _ in made], [table for _, table in made]
    if len(own) > 1:
        pixels, tables = tables[: -len(own)], tables[-len(own) :]
        named = [
            t.assign(group=group, network=i) for i, (t, group) in enumerate(zip(tables, networks.group, strict=True))
        ]
        ids.append(job.summary(pd.concat([*pixels, *named], ignore_index=True), networks, ids, models))
    return ids


class _Job:
    """What all networks are decoded with."""

    def __init__(
        self,
        images: Images,
        latents: Sequence[Latent],
        splits: Sequence[Split],
        left: Conditions | None,
        classifier: str,
        cfg: dict[str, Any],
        context: Context,
        activations: str,
    ) -> None:
        from mlspatial.analysis.projection import johnson_lindenstrauss_dimension
        from mlspatial.models.sinks import Projections

        self.images, self.latents, self.splits, self.left = images, latents, splits, left
        self.classifier, self.cfg, self.context, self.activations = classifier, cfg, context, activations
        self.dimension, self.seed = johnson_lindenstrauss_dimension(len(images.stimuli)), int(cfg["seed"])
        (self.kind,) = Projections(self.dimension, self.seed).kinds

    @property
    def versions(self) -> dict[str, str]:
        """Of the procedures that decide the numbers of these latents."""
        from mlspatial.analysis.versions import versions

        kinds = {latent.kind for latent in self.latents}
        fitted = [*(["ridge"] if kinds - {"category"} else []), *(["svc"] if "category" in kinds else [])]
        across = ["generalisation"] if self.left else []
        return versions("decoding", "gram", "pls", "splits", "projection", *fitted, *across)

    def network(self, record: ModelRecord, group: str, asked: Asked, title: str) -> tuple[str, pd.DataFrame]:
        facts = {**{fact: getattr(record, fact) for fact in FACTS}, "group": group, "stated": record.stated}

        def measured(run: runs.Run) -> Measured:
            made: Measured = []
            if asked.modules:
                found = self._gather(record, asked.modules, (self.kind,))
                run.set_parents([*found.runs, *self.images.runs])
                arrays = {layer: np.array(found.array(self.kind, layer)) for layer in found.layers}
                made = self._decode({n: task_units(n, values, found.spec) for n, values in arrays.items()}, title)
            for name in asked.own:
                splits = self.splits if self.left else None
                made.append((name, head_records(record, self.images, self.latents, splits, self.context)))
            return made

        name = f"decode {record.name} seed {record.seed} step {record.step}"
        decides = self.versions | kept.versions([self.kind]) | ({"head": str(HEADS)} if asked.own else {})
        made = self._run(record.model_id, record.uri, name, facts, asked.names, decides, measured)
        if self.activations != NONE and asked.modules:
            self._gather(record, asked.modules, ())
        return made

    def pixels(self) -> tuple[str, pd.DataFrame]:
        from mlspatial.analysis.projection import projection

        def measured(_run: runs.Run) -> Measured:
            flat = self.images.stimuli.images.reshape(len(self.images.stimuli), -1).astype(np.float32) / 255.0
            if flat.shape[1] > self.dimension:
                flat = projection(flat.shape[1], self.dimension, self.seed).project(flat).numpy()
            return self._decode({PIXELS: flat}, "decode pixels")

        facts = {"task": PIXELS, "arch": "", "dataset": self.images.manifest.name, "seed": 0, "step": 0}
        facts["group"] = PIXELS
        return self._run(PIXELS, PIXELS, "decode pixels", facts, [PIXELS], self.versions, measured)

    def neurons(self, recording: Recording) -> tuple[str, pd.DataFrame]:
        """Of recorded units, their region being the layer; where there are trials, with ceilings of read-outs."""
        from mlspatial.analysis.versions import versions

        brain = recording.benchmark
        facts = {"task": brain.identifier, "arch": "", "dataset": self.images.manifest.name, "seed": 0, "step": 0}
        title = f"decode {brain.identifier}"

        def measured(_run: runs.Run) -> Measured:
            return self._decode({brain.region: np.asarray(brain.responses, np.float64)}, title)

        return self._run(
            brain.version, brain.identifier, title, facts | {"group": brain.identifier}, [brain.region],
            self.versions | versions("read_out_ceiling"), measured, lambda table: with_ceilings(
                table, brain, self.images.latents, self.latents, self.splits, self.seed),
        )  # fmt: skip

    def _gather(self, record: ModelRecord, layers: Sequence[str], kinds: tuple[str, ...]) -> Gathered:
        (found,) = gather(
            [record],
            self.images.stimuli,
            kinds,
            [layers],
            self.context,
            dataset_id=self.images.manifest.dataset_id,
            activations=self.activations,
            ways=Ways(str(self.cfg["stimuli"]).partition(":")[0], self._later),
        )
        return found

    def _later(self, n: int, widths: Mapping[str, int]) -> dict[str, float]:
        """In words, the bytes that decoding takes: features of all layers, products of stimuli, a layer's copies."""
        kept = [min(width, self.dimension) for width in widths.values()]
        sizes = {f"features of {len(kept)} layers": 4.0 * n * sum(kept), f"read-outs of {n:,} stimuli": SQUARE * n * n}
        return sizes | {"copies of a layer's features": 12.0 * n * max(kept, default=0)}

    def _run(
        self,
        model_id: str,
        uri: str,
        name: str,
        facts: dict[str, Any],
        layers: Sequence[str],
        decides: dict[str, str],
        measured: Callable[[runs.Run], Measured],
        more: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
    ) -> tuple[str, pd.DataFrame]:
        """(id, table) of a run. decides: versions; measured(run): the records, computed if no run answers; more(table):
        with further columns, of ordinary read-outs."""
        import pandas as pd

        from mlspatial.analysis.device import tags_of

        inputs = {
            "dataset_id": self.images.manifest.dataset_id,
            "model_id": model_id,
            "stimuli": self.images.stimuli.id,
            "layers": list(layers),
            "versions": decides,
            **facts.pop("stated", {}),
        }
        spec = runs.Spec("decode", VERSION, inputs, {"models": uri, **self.cfg}, ENTRY.free)
        lacks = runs.missing(self.file, *pictures(PICTURE if self.left else "decoding"))
        with runs.open_run(spec, name=name, lacks=lacks, **self.context.run) as run:
            if not run.answered:
                run.log_dataset(self.images.manifest, self.images.folder, "evaluation")
                run.set_tags({TAG + fact: facts[fact] for fact in FACTS})
                run.add_tags(tags_of(self.context.device))
                found = measured(run)
                if self.left:
                    table = self.left.table(found).assign(model_id=model_id, **facts)
                    log_generalisation(run, table, uri, self.left)
                else:
                    table = pd.DataFrame([{"layer": layer, **asdict(one)} for layer, own in found for one in own])
                    table["alpha"] = table.alpha.astype(float)  # all of a head's are None
                    table = more(table).assign(model_id=model_id, **facts)
                    log_decoding(run, table, uri, (self.images.manifest.name, self.images.manifest.dataset_id))
                    table = table.drop(columns="left_out")
        table = table_file(runs.local(run.id, self.file)) if run.answered else table
        return run.id, table

    @property
    def file(self) -> str:
        """The artifact with the numbers."""
        return GENERALISATION if self.left else TABLE

    def _decode(self, layers: dict[str, np.ndarray], title: str) -> Measured:
        from mlspatial.analysis import decoding

        found: Measured = []
        with bar(title, len(layers), "layer") as progress:
            for layer, features in layers.items():
                own = decoding.decode(
                    features,
                    self.images.latents,
                    self.latents,
                    self.splits,
                    classifier=self.classifier,
                    device=self.context.device,
                )
                found.append((layer, own))
                progress.update(1)
        return found

    def summary(self, table: pd.DataFrame, networks: pd.DataFrame, parents: list[str], models: str) -> str:
        """A run with all networks' numbers, a picture by group, and tests between groups; see group_contrasts."""
        import pandas as pd

        from mlspatial.analysis.versions import versions

        inputs = {
            "dataset_id": self.images.manifest.dataset_id,
            "runs": sorted(parents),
            "versions": versions("contrasts") | ({"questions": "1"} if self.left and not self.left.alike else {}),
        }
        spec = runs.Spec("decode", COMPARED, inputs, {"models": models, **self.cfg}, ENTRY.free)
        name = f"decode {len(parents)} networks"
        drawn = f"{PICTURE if self.left else 'decoding'}_by_group"
        lacks = runs.missing(self.file, CONTRASTS, *pictures(drawn))
        with runs.open_run(spec, name=name, lacks=lacks, **self.context.on(parents).run) as run:
            if not run.answered:
                shown = table[table.measure.isin(set(SHOWN.values()))]
                run.log_text(table.drop(columns="network").to_json(orient="table", index=False), self.file)
                tested = shown.assign(value=shown.difference) if self.left else shown
                if self.left and not self.left.alike:
                    tested = tested.assign(question=tested.left_out_values)
                run.log_table(pd.DataFrame(group_contrasts(tested, networks)), CONTRASTS)
                run.log_inputs(networks.uri)
                run.describe(
                    f"{len(networks)} networks in {networks.condition.nunique()} conditions, set against each other"
                    f"{' by what they lose across conditions' if self.left else ''}; "
                    f"tests are in the artifact {CONTRASTS}, the picture is pictures/{drawn}.png."
                )
                (log_curves if self.left else log_picture)(run, shown, "group", drawn)
        return run.id


def group_contrasts(table: pd.DataFrame, networks: pd.DataFrame) -> list[dict[str, Any]]:
    """Mann-Whitney U for every two conditions that differ in their task alone, every latent and layer.

    table: rows with network (a row of networks), latent, layer, fold, value; networks: as from `of_records`, of which
    last checkpoints count, one a seed. unit "fold" pools splits and seeds (the published test; splits of one seed are
    not independent), "seed" takes one mean a seed. A column question has what is asked apart (the two directions of a
    comparison) and is in the rows, too. All tests of a unit are one family for Holm.
    """
    from mlspatial.analysis.contrasts import contrasts

    counted = last(networks)
    names = dict(zip(counted.condition, counted.group, strict=True))
    table = table[table.network.isin(counted.index) & np.isfinite(table.value)]
    table = table.assign(condition=table.network.map(counted.condition))
    tested = list(comparable(list(names)))
    asked = ["latent", "layer", *(["question"] if "question" in table else [])]
    rows: list[dict[str, Any]] = []
    for unit in ("fold", "seed"):
        keys: list[dict[str, Any]] = []
        pairs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for (latent, layer, *question), part in table.groupby(asked, sort=False):
            values = (
                part
                if unit == "fold"
                else part.groupby(["condition", "network"], sort=False).value.mean().reset_index()
            )
            sides = {condition: side.value.to_numpy() for condition, side in values.groupby("condition", sort=False)}
            for first, second in tested:
                if min(len(sides.get(side, ())) for side in (first, second)) >= 2:
                    facts = {"unit": unit, **dict(zip(asked, (latent, layer, *question), strict=True))}
                    keys.append({**facts, "first": names[first], "second": names[second]})
                    pairs[str(len(pairs))] = sides[first], sides[second]
        found = contrasts(pairs) if pairs else []
        rows += [
            {**key, **{field: value for field, value in asdict(test).items() if field != "name"}}
            for key, test in zip(keys, found, strict=True)
        ]
    return rows


ENTRY = entry(
    "decode",
    "Accuracy or correlation of linear read-outs for every network, layer, latent and fold.",
    PARAMETERS,
    decode,
    ("--models study=quick --dataset quick --stimuli heldout:300 --latents x,y,z,category",),
)
