"""One forward pass over a set of stimuli, many layers, streamed into a sink."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.models.layers import Layer, parse_layer, prefix_tokens, tensors, values
from mlspatial.models.stimuli import Stimuli
from mlspatial.models.zoo import ModelSpec, to_input

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class Sink(Protocol):
    """Takes what the layers say, batch by batch, in the order of the stimuli."""

    def add(self, layer: str, activations: torch.Tensor) -> None:
        """activations: (b, features) float32, on the model's device."""


@torch.inference_mode()
def extract(
    module: nn.Module,
    spec: ModelSpec,
    stimuli: Stimuli,
    layers: Sequence[str],
    *sinks: Sink,
    batch_size: int = 64,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Run all stimuli through the network once and hand every layer's flattened output to every sink.

    A module that is called several times in one pass (a ResNet block's one ReLU) counts with its last call, unless the
    layer's name says otherwise (see models.layers: calls, parts of outputs, class and patch tokens). The
    network is put into evaluation mode. Raises UnknownName for a layer that does not exist and UserError for
    activations that are not finite.
    """
    module.eval()
    device = next(module.parameters()).device
    with _last_outputs(module, layers) as outputs:
        for first in range(0, len(stimuli), batch_size):
            images = torch.from_numpy(stimuli.images[first : first + batch_size]).to(device)
            outputs.clear()
            module(to_input(images, spec))
            for layer in layers:
                if layer not in outputs:
                    raise UserError(f"layer {layer} is not called in a forward pass of {spec.arch}")
                found = outputs[layer]
                if not torch.isfinite(found).all():
                    raise UserError(f"layer {layer} gives values that are not finite for stimuli from number {first}")
                for sink in sinks:
                    sink.add(layer, found)
            if progress:
                progress(len(images))


@torch.inference_mode()
def widths(module: nn.Module, spec: ModelSpec, layers: Sequence[str]) -> dict[str, int]:
    """Number of features of every layer, from one grey image."""
    module.eval()
    device = next(module.parameters()).device
    image = torch.full((1, spec.input_size, spec.input_size, 3), 128, dtype=torch.uint8, device=device)
    with _last_outputs(module, layers) as outputs:
        module(to_input(image, spec))
        return {layer: outputs[layer].numel() for layer in layers if layer in outputs}


def passes(sizes: dict[str, int], budget: int) -> list[list[str]]:
    """Layers in groups whose sizes add up to no more than the budget (a larger layer is a group of its own)."""
    groups: list[list[str]] = []
    left = 0
    for layer, size in sizes.items():
        if not groups or size > left:
            groups.append([])
            left = budget
        groups[-1].append(layer)
        left -= size
    return groups


@torch.inference_mode()
def study2_layers(module: nn.Module, spec: ModelSpec, *, second_half: bool = False) -> tuple[str, ...]:
    """All layers of a network as Conwell et al. 2024 take them, in the order in which they are called.

    Every call of every module but containers (Sequential, ModuleList) and the whole network; every tensor of an output
    that holds several; less what is no row for each image (windows) and what equals an earlier layer (an identity,
    dropout): so two networks of one architecture differ when one has values that happen to be equal, as zeros.
    second_half: only those from the middle on, which the authors' code scores. One pass of two images of noise.
    """
    module.eval()
    device = next(module.parameters()).device
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
def _last_outputs(module: nn.Module, layers: Iterable[str]) -> Any:
    """A dict that holds, after each forward pass, every layer's (images, features)."""
    parts = dict(module.named_modules())
    outputs: dict[str, torch.Tensor] = {}
    calls: Counter[str] = Counter()
    images = [0]
    prefix = prefix_tokens(module)

    def begin(_module: nn.Module, inputs: Any) -> None:
        images[0] = len(inputs[0])
        calls.clear()

    def keep(name: str, asked: Sequence[Layer]) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            calls[name] += 1
            for layer in asked:
                if layer.call in (0, calls[name]):
                    outputs[layer.text] = values(output, layer, images[0], prefix)

        return hook

    wanted: dict[str, list[Layer]] = {}
    for text in layers:
        layer = parse_layer(text, parts)
        if layer.module not in parts or not text:
            raise UnknownName("layer", text, (name for name in parts if name))
        wanted.setdefault(layer.module, []).append(layer)
    handles = [module.register_forward_pre_hook(begin)]
    try:
        handles += [parts[name].register_forward_hook(keep(name, asked)) for name, asked in wanted.items()]
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
