"""One forward pass over a set of stimuli, many layers, streamed into a sink."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from mlspatial.analysis.device import image_format, no_room, numerics, sent
from mlspatial.core.errors import UnknownName, UserError, in_one_line
from mlspatial.models.layers import Layer, parse_layer, picked, prefix_tokens, tensors
from mlspatial.models.rows import Rows
from mlspatial.models.spec import ModelSpec, grey, to_input
from mlspatial.models.stimuli import Stimuli

#: images at a time; on the CPU more take no less time, but memory (a VGG-16's first layer: 13 MB each)
BATCH = {"cpu": 32, "cuda": 64}
CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class Sink(Protocol):
    """Takes what the layers say, batch by batch, in the order of the stimuli."""

    def add(self, layer: str, activations: torch.Tensor) -> None:
        """activations: (b, features) float32, on the model's device. Their memory is used again: keep a copy."""


@numerics()
@torch.inference_mode()
def extract(
    module: nn.Module,
    spec: ModelSpec,
    stimuli: Stimuli,
    layers: Sequence[str],
    *sinks: Sink,
    batch_size: int = 0,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Run all stimuli through the network once and hand every layer's flattened output to every sink.

    A sink has a layer's output while the network is running: one layer of one batch is in memory at a time.
    batch_size: images at a time; 0 for BATCH.
    A module that is called several times in one pass (a ResNet block's one ReLU) counts with its last call, unless the
    layer's name says otherwise (see models.layers: calls, parts of outputs, class and patch tokens). The network is
    put into evaluation mode. It and the sinks compute in full float32 on any device.

    Raises UnknownName for a layer that does not exist and UserError for one that is not called, or not as often for
    all images, and for activations that are not finite.
    """
    module.eval()
    device = device_of(module)
    size = batch_size or BATCH["cpu" if device.type == "cpu" else "cuda"]
    first = 0

    finite: list[tuple[str, torch.Tensor]] = []

    def hand_over(layer: str, activations: torch.Tensor) -> None:
        finite.append((layer, torch.isfinite(torch.stack(torch.aminmax(activations))).all()))
        if device.type == "cpu":  # a GPU is asked once a batch: asking waits for it
            look()
        for sink in sinks:
            sink.add(layer, activations)

    def look() -> None:
        """Raise UserError if a layer since the last look had values that are not finite."""
        for (layer, _), fine in zip(finite, torch.stack([one for _, one in finite]).tolist(), strict=True):
            if not fine:
                raise UserError(f"layer {layer} gives values that are not finite for stimuli from number {first}")
        finite.clear()

    with _channels_last(module), _Listener(module, layers) as listener:
        first_look(module, spec)
        listener.begin(hand_over)
        for first in range(0, len(stimuli), size):
            images = sent(torch.from_numpy(stimuli.images[first : first + size]), device)
            module(to_input(images, spec))
            listener.check()
            if finite:
                look()
            if progress:
                progress(len(images))


@numerics()
@torch.inference_mode()
def outputs(
    module: nn.Module, spec: ModelSpec, stimuli: Stimuli, *, progress: Callable[[int], None] | None = None
) -> torch.Tensor:
    """(stimuli, units) float32 on the CPU: what the network itself says of every stimulus."""
    module.eval()
    device = device_of(module)
    size = BATCH["cpu" if device.type == "cpu" else "cuda"]
    found = []
    first_look(module, spec)
    for first in range(0, len(stimuli), size):
        images = sent(torch.from_numpy(stimuli.images[first : first + size]), device)
        found.append(next(tensors(module(to_input(images, spec)))).float().cpu())
        if progress:
            progress(len(images))
    whole = torch.cat(found)
    if not torch.isfinite(whole).all():
        raise UserError(f"{spec.arch} gives values that are not finite for these stimuli")
    return whole


@numerics()
@torch.inference_mode()
def widths(module: nn.Module, spec: ModelSpec, layers: Sequence[str]) -> dict[str, int]:
    """Number of features of every layer, from one grey image."""
    module.eval()
    found: dict[str, int] = {}
    with _Listener(module, layers) as listener:
        first_look(module, spec)
        listener.begin(lambda layer, activations: found.update({layer: activations.numel()}))
        first_look(module, spec)
    return {layer: found[layer] for layer in layers}


@numerics()
@torch.inference_mode()
def shapes(module: nn.Module, spec: ModelSpec, layers: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """What an image makes of every layer before its numbers are put in a row: (features,), (channels, height, width) or
    (tokens, channels), from one grey image."""
    module.eval()
    with _Listener(module, layers) as listener:
        first_look(module, spec)
        listener.begin(lambda _layer, _activations: None)
        first_look(module, spec)
    return {layer: listener.shapes[layer] for layer in layers}


def first_look(module: nn.Module, spec: ModelSpec) -> None:
    """Show it one grey image. Raises UserError for a network that cannot take images of the spec's size, or for which
    there is no room on a GPU."""
    try:
        module(grey(spec, device_of(module)))
    except torch.OutOfMemoryError as error:
        raise no_room(f"{spec.arch} on an image of {spec.input_size} pixels", error) from error
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        raise UserError(f"{spec.arch} fails on an image of {spec.input_size} pixels ({in_one_line(error)})") from error


def device_of(module: nn.Module) -> torch.device:
    """Where a network's parameters are, or what it has instead."""
    first = next(chain(module.parameters(), module.buffers()), None)
    return torch.device("cpu") if first is None else first.device


@numerics()
@torch.inference_mode()
def study2_layers(module: nn.Module, spec: ModelSpec, *, second_half: bool = False) -> tuple[str, ...]:
    """All layers of a network as Conwell et al. 2024 take them, in the order in which they are called.

    Every call of every module but containers (Sequential, ModuleList) and the whole network; every tensor of an output
    that holds several; less what is no row for each image (windows) and what equals an earlier layer (an identity,
    dropout): so two networks of one architecture differ when one has values that happen to be equal, as zeros.
    second_half: only those from the middle on, which the authors' code scores. One pass of two images of noise.
    """
    module.eval()
    device = device_of(module)
    shape = (2, spec.input_size, spec.input_size, 3)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)).to(device)
    calls: Counter[str] = Counter()
    seen: set[bytes] = set()
    found: list[tuple[str, int, int]] = []

    def keep(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            calls[name] += 1
            for part, tensor in enumerate(tensors(output), 1):
                if not tensor.ndim or len(tensor) != 2:
                    continue
                digest = hashlib.blake2b(tensor.float().reshape(2, -1).cpu().contiguous().numpy().tobytes()).digest()
                if digest not in seen:
                    seen.add(digest)
                    found.append((name, calls[name], part))

        return hook

    parts = [(name, part) for name, part in module.named_modules() if name and not isinstance(part, CONTAINERS)]
    handles = [part.register_forward_hook(keep(name)) for name, part in parts]
    try:
        module(to_input(images, spec))
    finally:
        for handle in handles:
            handle.remove()
    names = [
        name + (f"#{call}" if call < calls[name] else "") + (f"-{part}" if part > 1 else "")
        for name, call, part in found
    ]
    return tuple(names[len(names) // 2 :] if second_half else names)


@contextmanager
def _channels_last(module: nn.Module) -> Iterator[None]:
    """Convolutions' weights in the order of images (the fastest), and then as before: sums round differently."""
    parts = [part for part in module.modules() if isinstance(part, nn.Conv2d) and part.weight.is_contiguous()]
    if (wanted := image_format(device_of(module).type)) == torch.contiguous_format:
        parts = []
    for part in parts:
        part.to(memory_format=wanted)
    try:
        yield
    finally:
        for part in parts:
            part.to(memory_format=torch.contiguous_format)


class _Listener:
    """Hooks on a network that hand over what its layers say, once they are known to have said the last of it.

    The first pass only counts how often modules are called. From begin() on, a layer without a number is its module's
    last call: hear(layer, (images, features) float32) gets it as it comes.
    """

    def __init__(self, module: nn.Module, layers: Iterable[str]) -> None:
        self._module, self._parts = module, dict(module.named_modules())
        self._prefix = prefix_tokens(module)
        self._wanted: dict[str, list[Layer]] = {}
        for text in layers:
            layer = parse_layer(text, self._parts)
            if layer.module not in self._parts or not text:
                raise UnknownName("layer", text, (name for name in self._parts if name))
            self._wanted.setdefault(layer.module, []).append(layer)
        self._calls: Counter[str] = Counter()
        self._last: Counter[str] = Counter()
        self._hear: Callable[[str, torch.Tensor], None] | None = None
        self._rows = Rows()
        self._images = 0
        self.shapes: dict[str, tuple[int, ...]] = {}

    def __enter__(self) -> _Listener:
        self._handles = [self._module.register_forward_pre_hook(self._start)]
        self._handles += [self._parts[name].register_forward_hook(self._hook(name)) for name in self._wanted]
        return self

    def __exit__(self, *_error: object) -> None:
        for handle in self._handles:
            handle.remove()

    def begin(self, hear: Callable[[str, torch.Tensor], None]) -> None:
        """Raises UserError for a layer that was not called in the first pass."""
        self._last, self._hear = self._calls.copy(), hear
        for name, asked in self._wanted.items():
            for layer in asked:
                if not self._last[name] or layer.call > self._last[name]:
                    times = f"; {name} is, {self._last[name]} times" if self._last[name] else ""
                    raise UserError(f"layer {layer.text} is not called in a forward pass{times}")

    def check(self) -> None:
        """Raises UserError when the pass called a module more or less often than the first one."""
        for name in self._wanted:
            if self._calls[name] != self._last[name]:
                raise UserError(
                    f"{name} was called {self._calls[name]} times for some images and {self._last[name]} times for "
                    "others, so it has no last call; name another layer"
                )

    def _start(self, _module: nn.Module, inputs: Any) -> None:
        self._images = len(inputs[0])
        self._calls.clear()

    def _hook(self, name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            self._calls[name] += 1
            if self._hear is None:
                return
            for layer in self._wanted[name]:
                if (layer.call or self._last[name]) == self._calls[name]:
                    chosen = picked(output, layer, self._images, self._prefix)
                    self.shapes[layer.text] = tuple(chosen.shape[1:])
                    self._hear(layer.text, self._rows(chosen, self._images))

        return hook
