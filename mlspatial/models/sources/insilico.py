"""Networks that were fitted to neurons and answer any image: insilico:cowley2023_v4, 33 neurons of macaque V4.

Their weights come with recordings, from a folder of MLSPATIAL_DATA, data/ or ../shared/data. A network of one's own
that gives rates is named as python:MODULE:NAME (models.sources.python).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.errors import UserError, in_one_line
from mlspatial.core.names import data_folders
from mlspatial.models.build import build
from mlspatial.models.sources.base import SOURCES, Selector, Source
from mlspatial.models.spec import ModelSpec, Triple
from mlspatial.models.weights import UNREADABLE, fill, read_state

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.weights import State

HEAD = "neurons"  # what their outputs are
RATES = "rates"  # the layer that holds them


@dataclass(frozen=True)
class Compact:
    """Networks of one neuron each, as Cowley et al. 2023 made them by distillation and pruning.

    folder: of the recordings; file: with all networks, neuronNN.PART.PARAMETER; responses: (neurons, images) mean
    spikes, whose means and standard deviations turn the networks' standardised responses into spikes; neurons: how
    many; size: pixels; mean: of images in 0..255.
    """

    folder: str
    file: str
    responses: str
    neurons: int
    size: int
    mean: Triple

    def path(self, name: str) -> Path:
        """Of a file. Raises UserError where it is not on this machine."""
        for folder in data_folders():
            if (folder / self.folder / name).is_file():
                return folder / self.folder / name
        raise UserError(
            f"{self.folder}/{name} is not in {' or '.join(str(folder) for folder in data_folders())}; put it there or "
            "set MLSPATIAL_DATA"
        )


SETS = {
    "cowley2023_v4": Compact(
        "cowley2023_v4",
        "compact_models_190923.safetensors",
        "responses_avg_190923.npy",
        33,
        112,
        (116.222, 109.270, 100.381),
    ),
}


@SOURCES.register("insilico")
class InSilico(Source):
    """Sets of neurons; layer `trunks` holds the last layers of all networks, `rates` a unit a neuron, in spikes.

    Images come in as 0..255 less a mean, in the size that they were fitted with.
    """

    kind = "set of in-silico neurons"
    fixed = True

    def names(self) -> Iterable[str]:
        return SETS

    def spec(self, name: str) -> ModelSpec:
        one = SETS[self.check(name)]
        red, green, blue = (value / 255 for value in one.mean)
        unit = 1 / 255
        head = {HEAD: (0, one.neurons)}
        return ModelSpec(f"insilico:{name}", one.neurons, head, (), one.size, (red, green, blue), (unit, unit, unit))

    def build(self, spec: ModelSpec) -> nn.Module:
        from mlspatial.models.compact import CompactNeurons

        one = SETS[self.check(spec.arch.partition(":")[2])]
        if spec.input_size != one.size:
            raise UserError(
                f"{spec.arch} sees images of {one.size} pixels, not {spec.input_size}; leave input_size out"
            )
        return CompactNeurons(dict(_channels(one.path(one.file))), one.size)

    def weights(self, asked: Selector) -> Path:
        one = SETS[self.check(asked.name)]
        return one.path(one.file)

    def located(self, asked: Selector) -> list[Path]:
        one = SETS[self.check(asked.name)]
        return [] if asked.drawn is not None else [one.path(one.file), one.path(one.responses)]

    def filled(self, spec: ModelSpec, asked: Selector, weights: Path) -> nn.Module:
        import numpy as np
        import torch

        one, module = SETS[asked.name], build(spec)
        responses = np.load(one.path(one.responses))
        if len(responses) != one.neurons:
            raise UserError(f"{one.responses} has {len(responses)} neurons, {one.file} {one.neurons}; copy both again")
        facts = {"rates.mean": responses.mean(axis=1), "rates.sd": responses.std(axis=1)}
        spikes = {name: torch.from_numpy(values).to(torch.float32) for name, values in facts.items()}
        fill(module, renamed(read_state(weights)) | spikes, spec.arch, str(weights))
        return module


def renamed(state: State) -> State:
    """neuron0.layer1_conv_depth.weight -> trunks.neuron0.layer1.conv_depth.weight; neuron0.Beta -> rates.neuron0."""
    found = {}
    for name, value in state.items():
        neuron, part, parameter = name.split(".")
        layer, _, rest = part.partition("_")
        found[f"trunks.{neuron}.{layer}.{rest}.{parameter}" if rest else f"rates.{neuron}.{parameter}"] = value
    return found


def _channels(path: Path) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """(neuron, channels after each layer) of every network in a file, from its header."""
    facts = path.stat()
    return _read_channels(path, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=4)
def _read_channels(path: Path, _changed: int, _size: int) -> tuple[tuple[str, tuple[int, ...]], ...]:
    from safetensors import safe_open

    try:
        with safe_open(path, "np") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    except UNREADABLE as error:
        raise UserError(f"weights in {path} cannot be read ({in_one_line(error)}); copy the file again") from error
    channels: Mapping[str, dict[str, int]] = {name.partition(".")[0]: {} for name in shapes}
    for name, shape in shapes.items():
        neuron, part, parameter = name.split(".")
        if part.endswith("_bn") and parameter == "weight":
            channels[neuron][part] = shape[0]
    return tuple((neuron, tuple(of[part] for part in sorted(of))) for neuron, of in sorted(channels.items()))
