"""tuning: networks and the images of a design in; for each network a run with what its units and layers do with them.

Pixels are asked once, as a run of their own, and so is each brain that answers any images. Where there are networks and
neurons, one more run says how alike their tuning is (steps.tuning_distances).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.compare.conditions import of_records
from mlspatial.core.context import Context
from mlspatial.core.crossing import Crossing
from mlspatial.core.design import SPLIT, Design
from mlspatial.core.errors import BadValue
from mlspatial.core.names import TAG
from mlspatial.core.parameters import DEVICE, FORCE, STUDY, Parameter, entry
from mlspatial.core.progress import bar, say
from mlspatial.models.layers import PIXELS
from mlspatial.registry import runs
from mlspatial.registry.datasets import find_dataset
from mlspatial.registry.models import ModelRecord, select
from mlspatial.steps.asked_layers import FACTS, asked_layers, task_units
from mlspatial.steps.gather import DISK, layers_of, spool_folder
from mlspatial.steps.recorded import find_alone, find_recording, has_latents, is_yaml
from mlspatial.steps.stimuli import Images, load_images
from mlspatial.steps.tuning_distances import CONTROL, NETWORK, NEURONS, Made, compare
from mlspatial.steps.tuning_files import CURVES, MAPS, POPULATION, UNITS, log_tuning, pictures
from mlspatial.steps.ways import Ways

if TYPE_CHECKING:
    from mlspatial.benchmarks.answering import Neurons
    from mlspatial.models.controlled import Controlled
    from mlspatial.steps.tuning_tables import Tables

    Seen = Callable[[Tables], Iterator[tuple[str, Controlled]]]

VERSION = 1
PROCEDURES = ("anova", "curves", "estimates", "factorisation", "manifold", "marginals", "separability", "subspaces",
              "tuning")  # fmt: skip
UNIT_SETS = {"pooled": "each channel's mean over space, and at the centre", "all": "every unit besides"}

PARAMETERS = (
    Parameter("models", str, "Selector or URI of networks, or a recording's YAML that has latents.", decides="nothing"),
    Parameter("layers", str, "auto (pixels, first blocks, avgpool, fc), or module names and pixels.", "auto"),
    Parameter("dataset", str, "Dataset of a design (render --design), or a recording's YAML with latents.", "sweeps"),
    Parameter(
        "brains",
        str,
        "Also asked: simulated_v1, insilico, ..., or the YAML of a recording.",
        "",
        "nothing",
    ),
    Parameter("units", str, "Whose tuning is kept: pooled (channels), or all.", "pooled", choices=tuple(UNIT_SETS)),
    Parameter("permutations", int, "Of levels within contexts, for the floor of tuning.", 20, least=1),
    DEVICE,
    Parameter("seed", int, "Of the permutations.", 0),
    STUDY,
    FORCE,
)


def tuning(
    *,
    models: str,
    layers: str,
    dataset: str,
    brains: str = "",
    units: str,
    permutations: int,
    device: str,
    seed: int,
    study: str = "",
    force: bool = False,
) -> list[str]:
    """Ask what every network of a selector does with a design; return the ids of the runs. Parameters: MLproject."""
    from mlspatial.analysis.device import choose_device

    alone: tuple[str, ...] = ()
    if has_latents(models):  # its own neurons, with its own stimuli
        recording, alone = find_alone(models, layers, dataset, ENTRY.defaults["dataset"])
        images, crossings = recording.images, recording.crossings
        if recording.benchmark.region in alone:
            brains = ",".join(filter(None, [models, brains]))
        dataset = models
    else:
        images, crossings = _images(dataset)
    records = [] if alone else select(models)
    chosen = layers_of(records, _layers_of_neurons(layers)) if records else [alone or _pixels(layers)]
    asked = _brains(brains, images)
    cfg = {"layers": layers, "dataset": dataset, "units": units, "permutations": permutations, "device": device,
           "seed": seed}  # fmt: skip
    job = _Job(images, crossings, cfg, Context(choose_device(device), study, tuple(images.runs), force))
    made: list[Made] = []
    if any(PIXELS in names for names in chosen):
        made.append(Made(job.pixels(), PIXELS, CONTROL))
    made += [Made(job.brain(one), one.identifier, NEURONS) for one in asked]
    groups = of_records(records) if records else None
    for place, (record, names) in enumerate(zip(records, chosen, strict=bool(records))):
        own = [name for name in names if name != PIXELS]
        if own:
            assert groups is not None
            group = groups.group[place]
            run_id = job.network(record, group, own, f"tuning {place + 1} of {len(records)}")
            made.append(Made(run_id, record.name, NEURONS) if _is_brain(record) else Made(run_id, group, NETWORK))
    ids = [one.id for one in made]
    if {one.kind for one in made} >= {NEURONS, NETWORK}:
        ids.append(compare(made, crossings, images.manifest, {"models": models, "brains": brains, **cfg}, job.context))
    return ids


def _brains(text: str, images: Images) -> list[Neurons]:
    """The brains of a comma list, each once."""
    from mlspatial.benchmarks.answering import find_neurons
    from mlspatial.benchmarks.find import benchmark_names
    from mlspatial.registry.models import load

    found = [find_neurons(name, load, images.stimuli) for name in benchmark_names(text)]
    return list({one.identifier: one for one in found}.values())


def _is_brain(record: ModelRecord) -> bool:
    """Whether a network's outputs are neurons' rates, by its spec."""
    from mlspatial.models.sources.insilico import HEAD

    return HEAD in record.spec.head


def _layers_of_neurons(text: str) -> Any:
    """As decode's, but that of in-silico neurons the rates count when nobody names a layer."""
    from mlspatial.models.sources.insilico import HEAD, RATES

    usual = asked_layers(text)
    return lambda module, spec: (PIXELS, RATES) if text == "auto" and HEAD in spec.head else usual(module, spec)


def _pixels(layers: str) -> tuple[str, ...]:
    """Of the layers that are asked for, those that no network has."""
    return (PIXELS,) if layers == "auto" or PIXELS in layers.split(",") else ()


def _images(dataset: str) -> tuple[Images, list[Crossing]]:
    """The images of a design, or of a recording with labelled latents, and what is crossed in them."""
    if is_yaml(dataset):
        found = find_recording(dataset)
        return found.images, found.crossings
    crossings = _crossings(dataset)
    return load_images(SPLIT, dataset), crossings


def _crossings(dataset: str) -> list[Crossing]:
    """What a dataset's design crosses. Raises BadValue for a dataset without one."""
    _, manifest, _ = find_dataset(dataset)
    if SPLIT not in manifest.splits:
        raise BadValue(
            "dataset", dataset, "holds no design; render one first (render --design sweeps --dataset sweeps)"
        )
    design = Design.from_json(manifest.recipe["design"])
    if sampled := [part.name for part in design.parts if part.sample]:
        say(f"tuning: crossings {', '.join(sampled)} are sampled, not whole; left out")
    crossings = design.crossings()
    if not crossings:
        raise BadValue("dataset", dataset, "has no whole crossing; take `sample:` out of one")
    return crossings


class _Job:
    """What all networks are asked with."""

    def __init__(self, images: Images, crossings: list[Crossing], cfg: dict[str, Any], context: Context) -> None:
        self.images, self.crossings, self.cfg, self.context = images, crossings, cfg, context

    @property
    def versions(self) -> dict[str, str]:
        """Of the procedures that decide the numbers."""
        from mlspatial.analysis.versions import versions
        from mlspatial.models import controlled

        made = versions(*PROCEDURES)
        return made | {"controlled": controlled.VERSION}

    def network(self, record: ModelRecord, group: str, layers: Sequence[str], title: str) -> str:
        facts = {**{fact: getattr(record, fact) for fact in FACTS}, "group": group, "stated": record.stated}
        name = f"tuning {record.name} seed {record.seed} step {record.step}"

        def seen(tables: Tables) -> Iterator[tuple[str, Controlled]]:
            yield from self._seen(record, layers, self._each(tables))

        return self._run(record.model_id, record.uri, name, facts, layers, seen, title)

    def pixels(self) -> str:
        images = self.images.stimuli.images
        shape = (images.shape[3], *images.shape[1:3])

        def rows() -> Iterator[np.ndarray]:
            for start in range(0, len(images), 64):
                yield (images[start : start + 64].transpose(0, 3, 1, 2) / np.float32(255)).reshape(-1, np.prod(shape))

        return self._given(PIXELS, PIXELS, PIXELS, PIXELS, shape, rows)

    def brain(self, one: Neurons) -> str:
        """Of simulated or in-silico neurons: their rates, the layer being their region."""

        def rows() -> Iterator[np.ndarray]:
            yield one.rates(self.images.stimuli, self.context.device)

        return self._given(one.identifier, one.id, one.identifier, one.region, (one.neurons,), rows)

    def _given(
        self,
        name: str,
        model_id: str,
        uri: str,
        layer: str,
        shape: tuple[int, ...],
        rows: Callable[[], Iterator[np.ndarray]],
    ) -> str:
        """A run of what is no network. rows(): (some images, features) in their order."""

        def seen(_tables: Tables) -> Iterator[tuple[str, Controlled]]:
            import torch

            from mlspatial.models.controlled import ControlledSink

            count = len(self.images.stimuli)
            sink = ControlledSink(self.crossings, count, {layer: shape}, spool_folder(), self.context.device)
            for part in rows():
                sink.add(layer, torch.from_numpy(np.ascontiguousarray(part, np.float32)))
            yield layer, sink.pop(layer)

        facts = {"task": name, "arch": "", "dataset": self.images.manifest.name, "seed": 0, "step": 0}
        title = f"tuning {name}"
        return self._run(model_id, uri, title, facts | {"group": name}, [layer], seen, title)

    def _seen(
        self, record: ModelRecord, layers: Sequence[str], each: Callable[[str, int, np.ndarray], None] | None
    ) -> Iterator[tuple[str, Controlled]]:
        """Each layer's numbers, a pass of all images for as many layers as memory and disk take."""
        from mlspatial.models.controlled import ControlledSink
        from mlspatial.models.costs import look
        from mlspatial.models.extract import extract, shapes
        from mlspatial.steps.estimate import Bill, Room, settle

        module, spec = record.load()
        module.to(self.context.device)
        stimuli, device = self.images.stimuli, self.context.device
        bill = Bill(len(stimuli), look(module, spec, layers), ("controlled",), Ways(later=self._later), 1, device)
        room = Room.now(spool_folder(), spool_folder(), None)
        groups = settle(f"{record.name} on {len(stimuli):,} images", bill, room, self._budget())
        found = shapes(module, spec, layers)
        with bar(f"{len(layers)} layers of {record.name}", len(stimuli) * len(groups), "img") as progress:
            for group in groups:
                sink = ControlledSink(self.crossings, len(stimuli), found, spool_folder(), device, each)
                extract(module, spec, stimuli, group, sink, progress=progress.update)
                for layer in group:
                    kept = sink.pop(layer)
                    if layer == "fc":
                        kept.channels = {n: task_units(layer, v, spec) for n, v in kept.channels.items()}
                    yield layer, kept

    def _budget(self) -> float:
        return min(DISK, shutil.disk_usage(spool_folder()).free // 2)

    def _later(self, n: int, _widths: Any) -> dict[str, float]:
        from mlspatial.models.controlled import groups

        rows = max(sum(len(f) * c.contexts for c in g for f in c.factors) for g in groups(self.crossings))
        return {"products of mean responses": 40.0 * rows * rows}

    def _run(
        self,
        model_id: str,
        uri: str,
        name: str,
        facts: dict[str, Any],
        layers: Sequence[str],
        seen: Seen,
        title: str,
    ) -> str:
        """Id of a run. seen(tables): each layer and its numbers, asked if no run answers; units go to the tables."""
        from mlspatial.analysis.device import tags_of

        inputs = {
            "dataset_id": self.images.manifest.dataset_id,
            "model_id": model_id,
            "stimuli": self.images.stimuli.id,
            "layers": list(layers),
            "versions": self.versions,
            **facts.pop("stated", {}),
        }
        spec = runs.Spec("tuning", VERSION, inputs, {"models": uri, **self.cfg}, ENTRY.free)
        lacks = runs.missing(POPULATION, UNITS, CURVES, MAPS, *pictures())
        with runs.open_run(spec, name=name, lacks=lacks, **self.context.run) as run:
            if not run.answered:
                run.log_dataset(self.images.manifest, self.images.folder, "evaluation")
                run.set_tags({TAG + fact: facts[fact] for fact in FACTS})
                run.add_tags(tags_of(self.context.device))
                tables = self._asked(seen, len(layers), title)
                tables.state(model_id=model_id, **facts)
                log_tuning(run, tables, uri, self.images.manifest)
        return run.id

    def _asked(self, seen: Seen, layers: int, title: str) -> Tables:
        from mlspatial.steps.tuning_tables import Tables

        tables = Tables(self.crossings, int(self.cfg["permutations"]), int(self.cfg["seed"]))
        with bar(title, layers, "layer") as progress:
            for layer, kept in seen(tables):
                tables.add(layer, kept)
                progress.update(1)
        return tables

    def _each(self, tables: Tables) -> Callable[[str, int, np.ndarray], None] | None:
        if self.cfg["units"] != "all":
            return None
        return lambda layer, first, responses: tables.add_units(layer, "unit", first, responses)


ENTRY = entry(
    "tuning",
    "What units and layers of networks do with the images of a design: tuning, variance split, factorisation.",
    PARAMETERS,
    tuning,
    (
        "--models study=quick --dataset sweeps",
        "--models torchvision:resnet18 --dataset sweeps --layers layer4.1,avgpool",
    ),
)
