"""What analyses gather from networks: which layers, known before anything is run; one forward pass a network."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.core.context import Context
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.names import cache_folder
from mlspatial.core.progress import bar, say
from mlspatial.models.lazy import LazyModel
from mlspatial.registry.activations import file_name, layer_arrays, store_folder
from mlspatial.registry.models import ModelRecord
from mlspatial.steps.ways import Job, Ways

if TYPE_CHECKING:
    from mlspatial.benchmarks.base import Layer
    from mlspatial.models.sinks import Product
    from mlspatial.models.spec import ModelSpec
    from mlspatial.models.stimuli import Stimuli

Choose = Callable[[Any, Any], Sequence[str]]
Load = Callable[[ModelRecord], tuple[Any, "ModelSpec"]]
NONE = "none"
NAMED = 3  # networks that a message names
DISK = 1 << 34  # bytes of activations that wait at a time; more layers need another pass


@dataclass(frozen=True)
class Gathered:
    """Arrays of one network. files: kind -> layer -> file; runs: that hold them; load(record): the network."""

    record: ModelRecord
    spec: ModelSpec
    files: dict[str, dict[str, Path]]
    runs: list[str]
    load: Load

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(next(iter(self.files.values())))

    def array(self, kind: str, layer: str) -> np.ndarray:
        """One array, mapped from its file."""
        return np.load(self.files[kind][layer], mmap_mode="r")

    def layer(self, name: str) -> Layer:
        """A layer as benchmarks take it."""
        from mlspatial.benchmarks.base import Layer

        return Layer({kind: self.array(kind, name) for kind in self.files}, lambda: self.widths[name])

    @cached_property
    def widths(self) -> dict[str, int]:
        """Number of features of each layer; the network is looked at for it."""
        from mlspatial.models.extract import widths

        return widths(*self.load(self.record), self.layers)


def layers_of(records: Sequence[ModelRecord], choose: Choose) -> list[tuple[str, ...]]:
    """The layers of every network, from its structure alone: no weights are read, no image is seen.

    choose(module, spec): the layers. Raises UnknownName for a layer that no network has, and UserError that names the
    networks without it for one that only some have.
    """
    known: dict[tuple[str, int, int], tuple[str, ...] | UnknownName] = {}
    found: list[tuple[str, ...]] = []
    without: list[tuple[ModelRecord, UnknownName]] = []
    for record in records:
        spec = record.spec
        key = spec.arch, spec.units, spec.input_size
        if key not in known:
            try:
                known[key] = tuple(choose(*LazyModel(spec, record.load).structure))
            except UnknownName as error:
                known[key] = error
        layers = known[key]
        if isinstance(layers, UnknownName):
            without.append((record, layers))
        else:
            found.append(layers)
    if without and not found:
        first = without[0][1]
        raise UnknownName(first.kind, first.name, {name for _, error in without for name in error.known})
    if without:
        name = without[0][1].name
        lacking = [record for record, error in without if error.name == name]
        raise UserError(
            f"layers: {len(lacking)} of {len(records)} networks have no layer {name} ({named(lacking)}); name layers "
            "that all of them have, or ask for these networks apart"
        )
    return found


def shared_layers(records: Sequence[ModelRecord], layers: Sequence[Sequence[str]]) -> tuple[list[str], str]:
    """(the layers that every network has, in the order in which they come; in words, who alone has the others).

    Says that images are seen in several sizes where they are.
    """
    owners: dict[str, list[ModelRecord]] = {}
    for record, names in zip(records, layers, strict=True):
        for name in dict.fromkeys(names):
            owners.setdefault(name, []).append(record)
    shared = [name for name, of in owners.items() if len(of) == len(records)]
    others: dict[str, list[str]] = {}
    for name, of in owners.items():
        if name not in shared:
            others.setdefault(named(of), []).append(name)
    sizes = sorted({record.spec.input_size for record in records})
    if len(sizes) > 1:
        say(f"the networks take images of {' and '.join(map(str, sizes))} pixels; each sees its own size")
    return shared, "; ".join(f"{', '.join(names)} of {of} only" for of, names in others.items())


def named(records: Sequence[ModelRecord]) -> str:
    """The networks by their names, the first few."""
    names = list(dict.fromkeys(record.name for record in records))
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def besides(activations: str) -> tuple[str, ...]:
    """The kinds that are kept besides what an analysis needs. activations: none or a precision; raises BadValue."""
    if activations == NONE:
        return ()
    from mlspatial.models.sinks import activations_kind

    return (activations_kind(activations),)


def gather(
    records: Sequence[ModelRecord],
    stimuli: Stimuli,
    kinds: Sequence[str],
    layers: Sequence[Sequence[str]],
    context: Context,
    *,
    more: Mapping[str, Product] | None = None,
    dataset_id: str = "",
    activations: str = NONE,
    load: Load = ModelRecord.load,
    ways: Ways | None = None,
) -> list[Gathered]:
    """Arrays of some kinds from every network, made where the registry does not hold them yet.

    kinds: names that say how they are made (models.sinks), or names in `more`; layers: of each network; dataset_id: of
    the stimuli, for the record; activations: none, or the precision in which they are kept besides; load(record): the
    network; ways: what whoever asks wants afterwards and can change. One network is in memory at a time, and only when
    arrays are missing: it then sees the stimuli once, or more often when what waits of its layers would fill memory or
    the disk. Before it sees the first, what that takes is told (steps.estimate); UserError where it does not fit.
    """
    from torch import OutOfMemoryError

    from mlspatial.analysis.device import choose_device, no_room, tags_of

    wanted = (*kinds, *besides(activations))
    place = choose_device(context.device)
    stimuli_id = stimuli.id
    gathered: list[Gathered] = []
    with bar(f"{', '.join(wanted)} of {len(records)} networks", len(records) * len(stimuli), "img") as progress:
        for number, (record, names) in enumerate(zip(records, layers, strict=True), 1):
            asked = ways or Ways()
            bill = Job(f"{record.name} on {len(stimuli):,} stimuli", asked, asked.networks or len(records) - number + 1)

            def make(
                missing: Sequence[tuple[str, str]], folder: Path, record: ModelRecord = record, job: Job = bill
            ) -> None:
                module, spec = load(record)
                try:
                    _extract(module.to(place), spec, stimuli, missing, folder, more or {}, place, progress, job)
                except OutOfMemoryError as error:
                    raise no_room(job.what, error) from error

            files, ids = layer_arrays(
                record,
                stimuli_id,
                wanted,
                names,
                make,
                context,
                dataset_id=dataset_id,
                tags=tags_of(place),
            )
            holders = {run_id for (kind, _), run_id in ids.items() if kind in kinds}
            gathered.append(Gathered(record, record.spec, {kind: files[kind] for kind in kinds}, sorted(holders), load))
            progress.update(number * len(stimuli) - progress.n)
    return gathered


def _extract(
    module: Any,
    spec: ModelSpec,
    stimuli: Stimuli,
    arrays: Sequence[tuple[str, str]],
    folder: Path,
    more: Mapping[str, Product],
    device: str,
    progress: Any,
    job: Job,
) -> None:
    """Write a file for every (kind, layer) pair, in as many passes as memory and disk ask for."""
    from mlspatial.models.costs import look
    from mlspatial.models.extract import extract
    from mlspatial.models.sinks import sinks_for
    from mlspatial.steps.estimate import Bill, Room, settle

    kinds = tuple(dict.fromkeys(kind for kind, _ in arrays))
    layers = tuple(dict.fromkeys(layer for _, layer in arrays))
    for kind in kinds:
        (folder / kind).mkdir()
    budget = min(DISK, *(shutil.disk_usage(place).free // 2 for place in (spool_folder(), folder)))
    bill = Bill(len(stimuli), look(module, spec, layers), kinds, job.ways, job.networks, device)
    groups = settle(job.what, bill, Room.now(folder, spool_folder(), store_folder()), budget)
    for group in groups:
        sinks = sinks_for(kinds, stimuli.ids, more, spool=spool_folder(), files=folder / "files", device=device)
        extract(module, spec, stimuli, group, *sinks, progress=lambda images: progress.update(images / len(groups)))
        for layer, sink in itertools.product(group, sinks):
            for kind, kept in sink.pop(layer).items():
                if (kind, layer) not in arrays:
                    continue
                target = folder / kind / file_name(kind, layer)
                if isinstance(kept, Path):
                    kept.replace(target)
                else:
                    np.save(target, kept)


def spool_folder() -> Path:
    """Where activations wait that are too many for memory."""
    return cache_folder("spool")
