"""This package's own: architectures by their bare names, and mlspatial:NAME, networks whose weights can be downloaded
but which no installed library holds, built from published descriptions (`file:WEIGHTS?arch=mlspatial:NAME` fills one).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlspatial.core.widths import WIDTH
from mlspatial.models.build import ARCHITECTURES, with_units
from mlspatial.models.sources.base import OWN, SOURCES, Source, Written
from mlspatial.models.sources.torchvision import INIT_IMAGENET, as_call
from mlspatial.models.spec import IMAGENET_UNITS, INPUT_SIZE, ModelSpec, imagenet_head

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.core.plugins import Plugins
    from mlspatial.models.networks import Published


@SOURCES.register(OWN)
class Own(Source):
    """Every architecture in ARCHITECTURES, and the published networks in models.networks."""

    kind = "arch"

    def names(self) -> Iterable[str]:
        return [*ARCHITECTURES, *_published()]

    def check(self, name: str) -> str:
        """Also those of ResNets of any width, which no list can hold."""
        if name not in _published():
            _ = ARCHITECTURES[name]
        return name

    def spec(self, name: str) -> ModelSpec:
        if self.check(name) in ARCHITECTURES:
            return ModelSpec(name, IMAGENET_UNITS, imagenet_head(IMAGENET_UNITS), (), INPUT_SIZE)
        one = _published()[name]
        return ModelSpec(f"{OWN}:{name}", one.units, {}, (), INPUT_SIZE, one.mean, one.sd)

    def build(self, spec: ModelSpec) -> nn.Module:
        name, colon, published = spec.arch.partition(":")
        return _published()[published].make(spec.units) if colon else with_units(ARCHITECTURES[name], spec.units)

    def written(self, spec: ModelSpec) -> Written | None:
        """Of torchvision's ResNets, those of other widths too; not of what users have registered."""
        if spec.code or not spec.units:
            return None
        if spec.arch in INIT_IMAGENET:
            return as_call(spec.arch, {"weights": None, "num_classes": spec.units})
        if found := WIDTH.fullmatch(spec.arch):
            return _of_width(found[1], int(found[2]), spec.units)
        return None

    def maker(self, name: str) -> Any:
        if name not in ARCHITECTURES:
            return None
        return ARCHITECTURES[name]


def _of_width(base: str, width: int, units: int) -> Written:
    """A ResNet of another width, with the code of its class."""
    from mlspatial.models.resnets import STAGES, WideResNet

    block, blocks = STAGES[base]
    above = "from torch import nn\nfrom torchvision.models.resnet import BasicBlock, Bottleneck, ResNet\n\n\n"
    above += inspect.getsource(WideResNet).rstrip()
    return Written(f"WideResNet({block.__name__}, {blocks!r}, {units}, {width})", above, ("torchvision",))


def _published() -> Plugins[Published]:
    from mlspatial.models.networks import NETWORKS  # which imports torch

    return NETWORKS
