"""Taskonomy's encoders, from the package visualpriors: visualpriors:TASK."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.errors import BadValue
from mlspatial.models.fetch import fetched
from mlspatial.models.sources.base import SOURCES, Selector, Source
from mlspatial.models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

ENCODER = "_encoder"
HALF = (0.5, 0.5, 0.5)  # images in -1..1


@SOURCES.register("visualpriors")
class Taskonomy(Source):
    """ResNet-50s without a head, one for each of Taskonomy's tasks (Zamir et al. 2018), for images of 256 pixels."""

    kind = "visualpriors task"
    fixed = True

    def names(self) -> Iterable[str]:
        from visualpriors.taskonomy_network import TASKONOMY_PRETRAINED_URLS

        return [name.removesuffix(ENCODER) for name in TASKONOMY_PRETRAINED_URLS if name.endswith(ENCODER)]

    def spec(self, name: str) -> ModelSpec:
        return ModelSpec(f"visualpriors:{self.check(name)}", 0, {}, (), 256, HALF, HALF)

    def build(self, spec: ModelSpec) -> nn.Module:
        from visualpriors.taskonomy_network import TaskonomyEncoder

        if spec.units:
            raise BadValue("units", spec.units, f"{spec.arch} has none")
        return TaskonomyEncoder()

    def weights(self, asked: Selector) -> Path:
        from visualpriors.taskonomy_network import TASKONOMY_PRETRAINED_URLS

        return fetched(asked.text, str(TASKONOMY_PRETRAINED_URLS[self.check(asked.name) + ENCODER]))
