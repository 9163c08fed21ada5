"""One forward pass over a set of stimuli, many layers, streamed into a sink."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import nn

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.models.stimuli import Stimuli
from mlspatial.models.zoo import ModelSpec, to_input


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

    A module that is called several times in one pass (a ResNet block's one ReLU) counts with its last call. The
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
                values = outputs[layer].float().flatten(1)
                if not torch.isfinite(values).all():
                    raise UserError(f"layer {layer} gives values that are not finite for stimuli from number {first}")
                for sink in sinks:
                    sink.add(layer, values)
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


@contextmanager
def _last_outputs(module: nn.Module, layers: Iterable[str]) -> Any:
    """A dict that holds, after each forward pass, every layer's last output."""
    parts = dict(module.named_modules())
    outputs: dict[str, torch.Tensor] = {}

    def keep(layer: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            outputs[layer] = output[0] if isinstance(output, tuple | list) else output

        return hook

    handles = []
    try:
        for layer in layers:
            if layer not in parts or not layer:
                raise UnknownName("layer", layer, (name for name in parts if name))
            handles.append(parts[layer].register_forward_hook(keep(layer)))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
