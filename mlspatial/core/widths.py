"""Names of torchvision's ResNets with another number of channels: resnet18w16 has 16 in its stem instead of 64."""

from __future__ import annotations

import re

WIDTH = re.compile(r"(resnet18|resnet34|resnet50)w(\d+)")
WIDTHS = ("resnet18wN", "resnet34wN", "resnet50wN")  # in words
FULL_WIDTH, LARGEST_WIDTH = 64, 1024  # channels of the stem: of the published networks (He et al. 2016); at most


def base_of(arch: str) -> str:
    """The name of an architecture without its source and without its width: of resnet18w16, resnet18."""
    name = arch.rpartition(":")[2]
    found = WIDTH.fullmatch(name)
    return found[1] if found else name


def width_of(arch: str) -> int:
    """Channels of its stem, where its name says so, else those of the published networks."""
    found = WIDTH.fullmatch(arch.rpartition(":")[2])
    return int(found[2]) if found else FULL_WIDTH
