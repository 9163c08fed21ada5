"""Compact networks of single neurons, side by side in one module (Cowley et al. 2023)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
from torch import nn

KERNEL = 5
STRIDED = (1, 2)  # layers that are taken in steps of two
PADDED = (1, 3, 1, 3)  # left, right, top and bottom of those, in pixels


class First(nn.Module):
    """A convolution with bias, batch normalisation, ReLU."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, after, KERNEL, padding=KERNEL // 2)
        self.bn = nn.BatchNorm2d(after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.bn(self.conv(x)))


class Separable(nn.Module):
    """A depthwise convolution without bias, a pointwise one with bias, batch normalisation, ReLU."""

    def __init__(self, before: int, after: int, *, strided: bool) -> None:
        super().__init__()
        self.pad = nn.ZeroPad2d(PADDED) if strided else nn.Identity()
        padding = 0 if strided else KERNEL // 2
        self.conv_depth = nn.Conv2d(before, before, KERNEL, 1 + strided, padding, groups=before, bias=False)
        self.conv_point = nn.Conv2d(before, after, 1)
        self.bn = nn.BatchNorm2d(after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu_(self.bn(self.conv_point(self.conv_depth(self.pad(x)))))


class Trunks(nn.Module):
    """All networks up to their last layer, one after another: (b, 3, h, w) -> (b, channels of all, h / 4, w / 4)."""

    def __init__(self, channels: Mapping[str, Sequence[int]]) -> None:
        super().__init__()
        for neuron, of in channels.items():
            layers: OrderedDict[str, nn.Module] = OrderedDict(layer0=First(of[0]))
            for number in range(1, len(of)):
                layers[f"layer{number}"] = Separable(of[number - 1], of[number], strided=number in STRIDED)
            self.add_module(neuron, nn.Sequential(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([network(x) for network in self.children()], 1)


class Readout(nn.Module):
    """A linear unit a neuron, of its own network's last layer with channels behind, brought to spikes: (b, neurons).

    The units were fitted to standardised responses; sd and mean are those of the recorded ones.
    """

    mean: torch.Tensor
    sd: torch.Tensor

    def __init__(self, before: Mapping[str, int], places: int) -> None:
        super().__init__()
        self.before = list(before.values())
        for neuron, channels in before.items():
            self.add_module(neuron, nn.Linear(channels * places, 1))
        self.register_buffer("mean", torch.zeros(len(before)))
        self.register_buffer("sd", torch.ones(len(before)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = x.split(self.before, 1)
        units = [unit(own.permute(0, 2, 3, 1).flatten(1)) for unit, own in zip(self.children(), seen, strict=True)]
        return torch.cat(units, 1) * self.sd + self.mean


class CompactNeurons(nn.Module):
    """channels: neuron -> channels after each layer. (b, 3, size, size) -> (b, neurons): spikes a presentation.

    A neuron's layers are trunks.NEURON.layer0 (5 x 5 convolution) and layer1 to layer4 (Separable, the first two in
    steps of two).
    """

    def __init__(self, channels: Mapping[str, Sequence[int]], size: int) -> None:
        super().__init__()
        self.trunks = Trunks(channels)
        side = size // 2 ** len(STRIDED)
        self.rates = Readout({neuron: of[-1] for neuron, of in channels.items()}, side * side)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rates(self.trunks(x))
