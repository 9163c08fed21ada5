"""What analyses gather from networks: one forward pass a network, kept in the registry."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.core.names import cache_folder
from mlspatial.registry.activations import layer_arrays
from mlspatial.registry.models import ModelRecord
from mlspatial.steps.progress import bar, say

if TYPE_CHECKING:
    from mlspatial.models.stimuli import Stimuli
    from mlspatial.models.zoo import ModelSpec

Choose = Callable[[Any, Any], Sequence[str]]


@dataclass(frozen=True)
class Gathered:
    """Arrays of one network. files: layer -> .npy; runs: that hold them."""

    record: ModelRecord
    spec: ModelSpec
    files: dict[str, Path]
    runs: list[str]


def gather(
    records: Sequence[ModelRecord],
    stimuli: Stimuli,
    kind: str,
    choose: Choose,
    make_sink: Callable[[str], Any],
    *,
    device: str,
    dataset_id: str = "",
    study: str = "",
    parents: Sequence[str] = (),
) -> list[Gathered]:
    """Arrays of one kind from every network, made where the registry does not hold them yet.

    choose(module, spec): the layers; make_sink(device): a sink whose pop(layer) gives the array; dataset_id: of the
    stimuli, for the record. One network is in memory at a time, and sees the stimuli only when layers are missing.
    """
    from mlspatial.models.extract import extract
    from mlspatial.train.loop import choose_device

    place = choose_device(device)
    stimuli_id = stimuli.id
    gathered: list[Gathered] = []
    sizes = set()
    with bar(f"{kind} of {len(records)} networks", len(records) * len(stimuli), "img") as progress:
        for number, record in enumerate(records, 1):
            module, spec = record.load()
            sizes.add(spec.input_size)
            layers = choose(module, spec)

            def make(missing: Sequence[str], folder: Path, module: Any = module, spec: Any = spec) -> None:
                sink = make_sink(place)
                extract(module.to(place), spec, stimuli, missing, sink, progress=progress.update)
                for layer in missing:
                    np.save(folder / f"{layer}.npy", sink.pop(layer))

            files, ids = layer_arrays(
                record, stimuli_id, kind, layers, make, dataset_id=dataset_id, study=study, parents=parents
            )
            gathered.append(Gathered(record, spec, files, ids))
            progress.update(number * len(stimuli) - progress.n)
            del module
    if len(sizes) > 1:
        say(f"the networks take images of {' and '.join(map(str, sorted(sizes)))} pixels; each saw its own size")
    return gathered


def spool_folder() -> Path:
    """Where activations wait that are too many for memory."""
    return cache_folder("spool")
