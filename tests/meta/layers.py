"""Of extraction, and of what keeps layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlspatial.core.crossing import Crossing, Factor
from mlspatial.models import extract, layers, sinks
from mlspatial.models.build import sketch
from mlspatial.models.controlled import ControlledSink, Space
from mlspatial.models.effects import Effects, MeanProducts
from mlspatial.models.rows import Rows
from mlspatial.models.spec import ModelSpec, grey, to_input, weights_hash
from mlspatial.models.spool import Spool
from tests import toys
from tests.meta.register import CASES, FINITE, HOST, READS, case, pixels, tensor

N, WIDTH = 40, 90
SPEC = ModelSpec("resnet18w8", 9, {"translation": (0, 2), "category": (2, 9)}, ("translation", "category"), 32)
LAYERS = ("layer1.0.relu", "layer4.1.relu", "avgpool", "fc")
CROSSING = Crossing(
    "both",
    (Factor("x", "linear", (0.0, 1.0, 2.0), "m"), Factor("z", "linear", (1.0, 2.0), "m")),
    np.arange(24).reshape(4, 3, 2).transpose(1, 2, 0),
)


def network(device: str) -> nn.Module:
    return sketch(SPEC).to_empty(device="cpu").apply(valued).to(device)


def valued(part: nn.Module) -> None:
    """Numbers, where a network was sketched without any."""
    for number, values in enumerate([*part.parameters(recurse=False), *part.buffers(recurse=False)]):
        if values.is_floating_point():
            values.data.fill_(0.01 * (number + 1))
        else:
            values.zero_()


@case()
def inputs(device: str) -> Any:
    clips = replace(SPEC, frames=2)
    return [
        to_input(pixels(device, 3, 32, 32, 3), SPEC), to_input(pixels(device, 3, 40, 40, 3), SPEC),
        to_input(pixels(device, 3, 2, 32, 32, 3), clips), to_input(pixels(device, 3, 32, 32, 3), clips),
        grey(SPEC, device),
    ]  # fmt: skip


@case()
def a_layer_s_rows(device: str) -> Any:
    given = tensor(device, 2, 8, 5, 5).contiguous(memory_format=torch.channels_last)
    tokens = tensor(device, 2, 10, 4)
    parts = [layers.picked(tokens, layers.parse_layer(f"a-{name}", ()), 2, 1) for name in ("cls", "patches")]
    return [Rows()(given, 2), *parts, *layers.tensors({"a": tokens, "b": [given]})]


@case()
def what_layers_are(device: str) -> Any:
    module = network(device)
    whole, _ = layers.output_layer(module, grey(SPEC, device))
    return [whole, np.array(list(extract.widths(module, SPEC, LAYERS).values())),
            *[np.array(shape) for shape in extract.shapes(module, SPEC, LAYERS).values()]]  # fmt: skip


@case(FINITE)
def extraction(device: str) -> Any:
    sink = sinks.Features()
    extract.extract(network(device), SPEC, toys.images(3), LAYERS, sink)
    return [sink.pop(layer)["features"] for layer in LAYERS]


@case(HOST)
def outputs(device: str) -> Any:
    return extract.outputs(network(device), SPEC, toys.images(3))


@case("layers that are equal are known by their bytes")
def every_layer(device: str) -> Any:
    extract.study2_layers(network(device), SPEC)
    return []


@case("its name is a hash of its bytes")
def weights(device: str) -> Any:
    weights_hash(network(device))
    return []


@case()
def a_layer_in_space(device: str) -> Any:
    found = []
    for shape in ((4, 5, 5), (26, 4), (5, 5, 4), (7,)):
        rows, space = tensor(device, 3, int(np.prod(shape))), Space.of(shape)
        found += [space.view(rows), *space.pooled(rows)]
    return found


@case()
def rows_of_means(device: str) -> Any:
    means, mains = tensor(device, 4, 9), [tensor(device, 4, 2, 9), tensor(device, 4, 1, 9)]
    return MeanProducts([CROSSING], device).rows([means], mains)


@case()
def effects(device: str) -> Any:
    return Effects(CROSSING, device).add(tensor(device, 24, 9))


@case("activations wait on the host")
def spooled(device: str) -> Any:
    with toys_folder() as folder:
        spool = Spool(N, WIDTH, folder)
        spool.add(tensor(device, N, WIDTH))
        return [part.clone() for part in spool.chunks()]


def sink(name: str, make: Callable[[Path, str], Any]) -> None:
    def kept(device: str) -> Any:
        with toys_folder() as folder:
            made = make(folder, device)
            made.add("layer", tensor(device, 24, 50))
            found = made.pop("layer")
            return [] if not isinstance(found, dict) else [v for v in found.values() if isinstance(v, np.ndarray)]

    CASES[f"sink_{name}"], READS[f"sink_{name}"] = kept, "activations wait on the host"


@contextmanager
def toys_folder() -> Iterator[Path]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


sink("products", lambda folder, device: sinks.Products(("gram", "dot"), 24, folder, device))
sink("projections", lambda *_: sinks.Projections(20, 0))
sink("features", lambda *_: sinks.Features())
sink("files", lambda folder, _: sinks.Files(tuple(map(str, range(24))), folder))
sink("controlled", lambda folder, device: ControlledSink([CROSSING], 24, {"layer": (2, 5, 5)}, folder, device))
