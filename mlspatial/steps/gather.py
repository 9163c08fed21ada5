"""What analyses gather from networks: one forward pass a network, kept in the registry."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.core.names import ACTIVATIONS, cache_folder
from mlspatial.core.progress import bar, say
from mlspatial.registry.activations import file_name, layer_arrays
from mlspatial.registry.models import ModelRecord

if TYPE_CHECKING:
    from mlspatial.models.sinks import Kept
    from mlspatial.models.stimuli import Stimuli
    from mlspatial.models.zoo import ModelSpec

Choose = Callable[[Any, Any], Sequence[str]]
MakeSink = Callable[[str, tuple[str, ...]], "Kept"]  # device, kinds
NONE = "none"
DISK = 1 << 34  # bytes of activations that wait at a time; more layers need another pass


@dataclass(frozen=True)
class Gathered:
    """Arrays of one network. files: kind -> layer -> file; runs: that hold them."""

    record: ModelRecord
    spec: ModelSpec
    files: dict[str, dict[str, Path]]
    runs: list[str]

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(next(iter(self.files.values())))

    def array(self, kind: str, layer: str) -> np.ndarray:
        """One array, mapped from its file."""
        return np.load(self.files[kind][layer], mmap_mode="r")


def gather(
    records: Sequence[ModelRecord],
    stimuli: Stimuli,
    kinds: Sequence[str],
    choose: Choose,
    make_sink: MakeSink,
    *,
    device: str,
    dataset_id: str = "",
    activations: str = NONE,
    study: str = "",
    parents: Sequence[str] = (),
) -> list[Gathered]:
    """Arrays of some kinds from every network, made where the registry does not hold them yet.

    choose(module, spec): the layers; make_sink(device, kinds): a sink for those kinds; dataset_id: of the stimuli, for
    the record; activations: none, or the precision in which they are kept besides. One network is in memory at a time,
    and sees the stimuli only when arrays are missing: once, or more often when what waits of its layers would fill the
    disk.
    """
    from mlspatial.models.sinks import activations_kind
    from mlspatial.train.loop import choose_device

    besides = () if activations == NONE else (activations_kind(activations),)
    place = choose_device(device)
    stimuli_id = stimuli.id
    gathered: list[Gathered] = []
    sizes = set()
    with bar(f"{', '.join(kinds)} of {len(records)} networks", len(records) * len(stimuli), "img") as progress:
        for number, record in enumerate(records, 1):
            module, spec = record.load()
            sizes.add(spec.input_size)
            layers = choose(module, spec)

            def make(missing: Sequence[tuple[str, str]], folder: Path, module: Any = module, spec: Any = spec) -> None:
                _extract(module.to(place), spec, stimuli, missing, folder, partial(make_sink, place), progress)

            files, ids = layer_arrays(
                record,
                stimuli_id,
                (*kinds, *besides),
                layers,
                make,
                dataset_id=dataset_id,
                study=study,
                parents=parents,
            )
            holders = {run_id for (kind, _), run_id in ids.items() if kind in kinds}
            gathered.append(Gathered(record, spec, {kind: files[kind] for kind in kinds}, sorted(holders)))
            progress.update(number * len(stimuli) - progress.n)
            del module
    if len(sizes) > 1:
        say(f"the networks take images of {' and '.join(map(str, sorted(sizes)))} pixels; each saw its own size")
    return gathered


def _extract(
    module: Any,
    spec: ModelSpec,
    stimuli: Stimuli,
    arrays: Sequence[tuple[str, str]],
    folder: Path,
    make_sink: Callable[[tuple[str, ...]], Kept],
    progress: Any,
) -> None:
    """Write a file for every (kind, layer) pair, in as many passes as the disk asks for. make_sink: of all kinds but
    activations themselves."""
    from mlspatial.models.extract import extract, passes, widths
    from mlspatial.models.sinks import Files

    kinds = tuple(dict.fromkeys(kind for kind, _ in arrays))
    layers = tuple(dict.fromkeys(layer for _, layer in arrays))
    for kind in kinds:
        (folder / kind).mkdir()
    own = tuple(kind for kind in kinds if not kind.startswith(ACTIVATIONS))
    precisions = [kind.removeprefix(ACTIVATIONS) for kind in kinds if kind not in own]
    budget = min(DISK, *(shutil.disk_usage(place).free // 2 for place in (spool_folder(), folder)))
    number = (2 if own else 0) + sum(np.dtype(precision).itemsize for precision in precisions)  # bytes
    sizes = {layer: number * width * len(stimuli) for layer, width in widths(module, spec, layers).items()}
    groups = passes({layer: sizes.get(layer, 0) for layer in layers}, budget)
    for group in groups:
        sinks: list[Kept] = [make_sink(own)] if own else []
        sinks += [Files(stimuli.ids, folder / "files", precision) for precision in precisions]
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
