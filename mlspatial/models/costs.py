"""What gathering arrays from a network's layers takes of memory, disk and time, told before it is done.

Bytes are those of models.spool, models.sinks and analysis.gram as they work; tests hold the sums to measured peaks. The
times are those of a forward pass and of products that are measured on this machine, now.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from mlspatial.analysis.device import finish, numerics
from mlspatial.analysis.gram import CHUNK, upper_product
from mlspatial.analysis.projection import CACHE_BYTES
from mlspatial.core.names import ACTIVATIONS
from mlspatial.models.extract import BATCH, _Listener, device_of, first_look
from mlspatial.models.layers import tensors
from mlspatial.models.sinks import PRODUCTS
from mlspatial.models.spec import ModelSpec, to_input
from mlspatial.models.spool import EXACT, IN_MEMORY

IMAGES = 2  # that a forward pass is measured with
LIVE = 3  # largest outputs of modules that are in memory at once: input, output and what is carried past them
SQUARES = 44.0  # bytes of a number of an n x n matrix while it is summed, mirrored, centred and packed
PROBE = (256, 4096)  # stimuli, features of the product that is measured


class Brought(NamedTuple):
    """What a product takes that a benchmark brings, as measured. square: bytes on the host of a number of n x n; piece:
    of a feature of a stimulus, of at most `numbers` at a time; kept: of a feature on disk; work: products of float32
    that take as long, for stimuli n and features w."""

    square: float
    piece: float
    numbers: int
    kept: float
    work: Callable[[int, int], float]


#: by what a kind's name begins with
BROUGHT = {
    "fixed_split-chosen": Brought(  # eigenvectors, and penalties to compare
        46.0, 10.0, 1 << 23, 0.0, lambda n, w: 2.0 * n * n * w + 12.0 * n**3
    ),
    "fixed_split": Brought(18.0, 10.0, 1 << 23, 0.0, lambda n, w: 2.0 * n * n * w + 1.0 * n**3),
    "reverse_pls": Brought(  # every unit, in ten folds
        40.0, 80.0, 1 << 21, 40.0, lambda n, w: 2.0 * n * n * w + 15e3 * n * w + 12e3 * n * n
    ),
}


@dataclass(frozen=True)
class Look:
    """What a network was seen to do. widths: features of each layer; largest: bytes of a module's output for an image;
    seconds: of a forward pass for an image; batch: images at a time."""

    widths: dict[str, int]
    largest: float
    seconds: float
    batch: int


@dataclass(frozen=True)
class Held:
    """Bytes of one layer. waiting: in memory until all stimuli are in; spooled: the same on disk; made: in memory
    besides while its arrays are made, where the network is; kept: of its arrays on disk; solved: as made, but always in
    the host's memory."""

    waiting: float
    spooled: float
    made: float
    kept: float
    solved: float = 0.0


@numerics()
@torch.inference_mode()
def look(module: nn.Module, spec: ModelSpec, layers: Sequence[str]) -> Look:
    """Widths, sizes and time, from some grey images. Raises as extract.extract for layers that are not there, UserError
    where a GPU has no room for one image."""
    module.eval()
    device = device_of(module)
    found: dict[str, int] = {}
    sizes: list[int] = [0]

    def weigh(_module: nn.Module, _inputs: Any, output: Any) -> None:
        sizes.extend(one.numel() * one.element_size() for one in tensors(output))

    with _Listener(module, layers) as listener, ExitStack() as hooks:
        for part in module.modules():
            hooks.callback(part.register_forward_hook(weigh).remove)
        first_look(module, spec)
        listener.begin(lambda layer, activations: found.update({layer: activations.numel()}))
        first_look(module, spec)
    images = to_input(torch.zeros(IMAGES, spec.input_size, spec.input_size, 3, dtype=torch.uint8, device=device), spec)
    begin = time.perf_counter()
    try:
        module(images)
        finish(device)
        seconds = (time.perf_counter() - begin) / IMAGES
    except RuntimeError:  # a network of one image at a time, or room for one
        begin = time.perf_counter()
        first_look(module, spec)
        seconds = time.perf_counter() - begin
    batch = BATCH["cpu" if device.type == "cpu" else "cuda"]
    return Look({layer: found[layer] for layer in layers}, float(max(sizes)), seconds, batch)


def held(kinds: Sequence[str], n: int, width: int) -> Held:
    """Of a layer. kinds: as models.sinks has them, those it does not know are products of units; n: stimuli."""
    waiting = spooled = made = kept = solved = 0.0
    exact = 4 * n * width <= EXACT
    chunk = n * min(width, CHUNK)
    if products := [kind for kind in kinds if not _alone(kind)]:
        size = (4 if exact else 2) * n * width
        waiting, spooled = (size, 0.0) if size <= IN_MEMORY else (0.0, float(size))
        made = SQUARES * n * n * any(kind in PRODUCTS for kind in products) + (20 if exact else 8) * chunk
        kept += n * (n + 1) / 2 * (8 if exact else 4) * ("gram" in kinds) + n * n * 2.0 * ("pattern" in kinds)
        made += 24 * chunk * any(kind not in PRODUCTS and not _brought(kind) for kind in products)  # float64, two folds
        for one in filter(None, map(_brought, products)):
            made, kept = max(made, one.piece * min(chunk, one.numbers) + 8 * chunk), kept + one.kept * width
            solved = max(solved, one.square * n * n + 5 * one.kept * width)  # gathered in float64
    for kind in kinds:
        name, *settings = kind.split("-")
        if name == "projection":
            dimension = min(int(settings[0]), width)
            waiting, made, kept = waiting + 4 * n * dimension, made + 4 * n * dimension, kept + 4 * n * dimension
            if width > dimension:
                made += min(12 * dimension * math.sqrt(width), CACHE_BYTES)
        elif name == "features":
            waiting, made, kept = waiting + 4 * n * width, made + 4 * n * width, kept + 4 * n * width
        elif kind.startswith(ACTIVATIONS):
            size = np.dtype(kind.removeprefix(ACTIVATIONS)).itemsize * n * width
            spooled, kept, made = spooled + size, kept + size, made + size
    return Held(waiting, spooled, made, kept, solved)


def forward(looked: Look) -> float:
    """Bytes of a batch on its way through the network, rows of a layer and their copies included."""
    widest = max(looked.widths.values(), default=0) * 4.0
    return looked.batch * (LIVE * looked.largest + 2 * widest)


def seconds(looked: Look, kinds: Sequence[str], n: int, passes: int) -> float:
    """Of forward passes of all stimuli and of the products between them."""
    brought = [one for one in map(_brought, kinds) if one]
    usual = any(not _alone(kind) and not _brought(kind) for kind in kinds)
    work = 0.0
    for width in looked.widths.values():
        work += usual * n * n * width * (2 if 4 * n * width <= EXACT else 1)
        work += sum(one.work(n, width) for one in brought)
    return n * looked.seconds * passes + (work * _product_seconds() if work else 0.0)


def groups(layers: Mapping[str, Held], memory: float, disk: float) -> list[list[str]]:
    """Layers that are gathered in one pass each: as many as memory and disk take (a larger layer is on its own)."""
    found: list[list[str]] = []
    left = spare = 0.0
    for layer, of in layers.items():
        if not found or of.waiting > left or of.spooled > spare:
            found.append([])
            left, spare = memory, disk
        found[-1].append(layer)
        left, spare = left - of.waiting, spare - of.spooled
    return found


def _alone(kind: str) -> bool:
    """Whether a kind has a sink of its own, without products between stimuli."""
    return kind.partition("-")[0] in ("projection", "features") or kind.startswith(ACTIVATIONS)


def _brought(kind: str) -> Brought | None:
    """Of a kind; None for those that no benchmark brings, and for what is not in the list."""
    return next((one for name, one in BROUGHT.items() if f"{kind}-".startswith(f"{name}-")), None)


@cache
def _product_seconds() -> float:
    """Seconds of one multiplication and addition of float32 products."""
    block = torch.ones(*PROBE)
    upper_product(block, None)
    begin = time.perf_counter()
    upper_product(block, None)
    return (time.perf_counter() - begin) / (PROBE[0] ** 2 * PROBE[1])
