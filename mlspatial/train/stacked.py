"""Networks of one architecture in one forward and one backward pass, their parameters lying one behind the other.

A narrow network's kernels leave most of a GPU idle; those of several networks do not. Each keeps its parameters,
statistics, optimiser and scaler: for as long as they are stepped together its parameters and buffers are slices of
stacked ones, and so are its gradients. What it computes is what it computes alone, in another order of summation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.func import functional_call, vmap

from mlspatial.analysis.device import cast_to
from mlspatial.core.progress import say
from mlspatial.core.widths import width_of

if TYPE_CHECKING:
    from mlspatial.train.loop import Network
    from mlspatial.train.ranks import Group
    from mlspatial.train.settings import Settings

#: parts that draw nothing by chance and take several networks at once
PARTS = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.AdaptiveAvgPool2d, nn.Identity)
#: widest network (channels of its stem) and largest images (pixels) of which a CPU steps several sooner together.
#: Measured on a core (speed/train.py): 1.3 to 1.7 times as fast with 4 channels at 48 and 32 px, .7 to 1.0 times with
#: 8, .5 times with 16, where the convolutions of one network fill a core's units already.
ON_CPU = (4, 48)


def worth(networks: Sequence[Network], device: str) -> bool:
    """Whether `stacked=auto` steps networks together: where that was measured to be faster. On GPUs it has not been
    measured yet (speed/gpu.py does), so there it is left to whoever says stacked=true."""
    width, size = ON_CPU
    specs = [network.spec for network in networks]
    return device == "cpu" and all(width_of(spec.arch) <= width and spec.input_size <= size for spec in specs)


def hindrance(networks: Sequence[Network], settings: Settings, group: Group) -> str:
    """Why networks cannot be stepped together, for people; "" where they can. Their tasks may differ."""
    if len(networks) < 2:
        return "there is one network"
    if group.world > 1:
        return "several processes train them"
    if settings.compile:
        return "compile=true compiles each by itself"
    first = networks[0]
    if any(network.spec.arch != first.spec.arch for network in networks):
        return "their architectures differ"
    shapes = [{name: value.shape for name, value in network.module.state_dict().items()} for network in networks]
    if any(other != shapes[0] for other in shapes):
        return "their heads differ"
    leaves = [part for part in first.module.modules() if next(part.children(), None) is None]
    if unknown := sorted({type(part).__name__ for part in leaves if type(part) not in PARTS}):
        return f"{first.spec.arch} has parts that are stepped by themselves ({', '.join(unknown)})"
    return ""


class Steps:
    """Steps of networks on the same batches: one after the other, or stacked where that is asked for and can be."""

    def __init__(self, settings: Settings, group: Group) -> None:
        self.settings, self.group = settings, group
        self._asked: list[Network] = []
        self._together = False  # whether those that were asked last can be, and are to be
        self._stack: Stack | None = None

    def descend(self, networks: Sequence[Network], images: torch.Tensor, columns: Mapping[str, torch.Tensor]) -> None:
        """One step of gradient descent of each network on a normalised batch."""
        if self._asked != list(networks):
            self.release()
            self._asked = list(networks)
            self._together = self._can(networks)
        if not self._together:
            for network in networks:
                network.descend(images, columns, self.settings.precision)
            return
        if self._stack is None:
            self._stack = Stack(networks)
        self._stack.descend(images, columns, self.settings.precision)

    def release(self) -> None:
        """Give every network its own memory again, before anybody else looks at it."""
        if self._stack is not None:
            self._stack.release()
            self._stack = None

    def _can(self, networks: Sequence[Network]) -> bool:
        wanted = self.settings.stacked
        if wanted == "false" or (wanted == "auto" and not worth(networks, self.group.device)):
            return False
        reason = hindrance(networks, self.settings, self.group)
        if reason and wanted == "true" and self.group.first:
            say(f"train: stacked=true: {reason}, so each is stepped by itself")
        return not reason


class Stack:
    """Networks whose parameters and buffers lie in one piece of memory for each name, in the order of the networks."""

    def __init__(self, networks: Sequence[Network]) -> None:
        self.networks = list(networks)
        self._base = _averaging(deepcopy(networks[0].module).to("meta").train())
        parameters = [dict(network.module.named_parameters()) for network in networks]
        buffers = [dict(network.module.named_buffers()) for network in networks]
        self._owned = [{**own, **kept} for own, kept in zip(parameters, buffers, strict=True)]
        self._parameters = {
            name: _stacked([own[name] for own in parameters]).requires_grad_() for name in parameters[0]
        }
        self._buffers = {name: _stacked([own[name] for own in buffers]) for name in buffers[0]}
        self._slices = [
            [(own[name], name) for name in self._parameters if own[name].requires_grad] for own in parameters
        ]

    def descend(self, images: torch.Tensor, columns: Mapping[str, torch.Tensor], precision: str) -> None:
        """One step of gradient descent of each. images: (b, channels, h, w) for all; columns: (b,) targets."""
        from mlspatial.train.loop import PRECISIONS

        def one(
            parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor], images: torch.Tensor
        ) -> torch.Tensor:
            said: torch.Tensor = functional_call(self._base, (parameters, buffers), (images,))
            return said

        with cast_to(PRECISIONS[precision], images.device.type):
            outputs = vmap(one, in_dims=(0, 0, None))(self._parameters, self._buffers, images)
        losses = [network.loss_of(own, columns) for network, own in zip(self.networks, outputs.unbind(), strict=True)]
        for stacked in self._parameters.values():
            stacked.grad = None
        scaled = [network.scaler.scale(loss) for network, loss in zip(self.networks, losses, strict=True)]
        torch.autograd.backward(scaled)
        for place, (network, loss) in enumerate(zip(self.networks, losses, strict=True)):
            for parameter, name in self._slices[place]:
                whole = self._parameters[name].grad
                parameter.grad = None if whole is None else whole[place]
            network.update(loss)

    def release(self) -> None:
        """Give each network parameters and buffers of its own, with the same numbers; gradients are gone."""
        for own in self._owned:
            for value in own.values():
                value.grad = None
                value.data = value.data.clone()  # with its strides


class _Average(nn.Module):
    """An average over the whole image, which torch's adaptive one takes network by network in a stack."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((-2, -1), keepdim=True)


def _averaging(module: nn.Module) -> nn.Module:
    for part in list(module.modules()):
        for name, own in part.named_children():
            if isinstance(own, nn.AdaptiveAvgPool2d) and own.output_size in (1, (1, 1)):
                setattr(part, name, _Average())
    return module


@torch.no_grad()
def _stacked(values: Sequence[torch.Tensor]) -> torch.Tensor:
    """(networks, ...) of which the values become slices, each with its own order of memory: Adam's moments have it."""
    first = values[0]
    made = first.new_empty_strided((len(values), *first.shape), (first.numel(), *first.stride()))
    for place, value in enumerate(values):
        made[place].copy_(value)
        value.data = made[place]
        value.grad = None
    return made
