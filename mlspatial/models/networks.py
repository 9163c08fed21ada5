"""Networks that no installed library holds but whose weights can be downloaded, built from published descriptions.

`file:WEIGHTS?arch=mlspatial:NAME` fills one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mlspatial.core.plugins import Plugins
from mlspatial.models.build import Make
from mlspatial.models.sources.timm import create
from mlspatial.models.spec import IMAGENET_MEAN, IMAGENET_SD, Triple


@dataclass(frozen=True)
class Published:
    """A network to be built. make: units -> network, 0 units for none; units, mean, sd: of the published weights."""

    make: Make
    units: int = 0
    mean: Triple = IMAGENET_MEAN
    sd: Triple = IMAGENET_SD


NETWORKS: Plugins[Published] = Plugins("network of mlspatial")


class AlexNetGN(nn.Module):
    """AlexNet with group normalisation (Konkle & Alvarez 2022): (b, 3, 224, 224) -> (b, units), of length 1.

    The parts have the names of the published weights.
    """

    #: channels in, channels out, kernel, stride, padding, pooled
    BLOCKS = (
        (3, 96, 11, 4, 2, True),
        (96, 256, 5, 1, 2, True),
        (256, 384, 3, 1, 1, False),
        (384, 384, 3, 1, 1, False),
        (384, 256, 3, 1, 1, True),
    )

    def __init__(self, units: int) -> None:
        super().__init__()
        for number, (inner, outer, kernel, stride, padding, pooled) in enumerate(self.BLOCKS, 1):
            parts = [nn.Conv2d(inner, outer, kernel, stride, padding, bias=False), nn.GroupNorm(32, outer), nn.ReLU()]
            self.add_module(f"conv_block_{number}", nn.Sequential(*parts, *([nn.MaxPool2d(3, 2)] if pooled else [])))
        self.ave_pool = nn.AdaptiveAvgPool2d(6)
        for number, inner in ((6, 256 * 6 * 6), (7, 4096)):
            dense = nn.Sequential(nn.Linear(inner, 4096), nn.BatchNorm1d(4096), nn.ReLU())
            self.add_module(f"fc{number}", dense)
        self.fc8 = nn.Sequential(nn.Linear(4096, units)) if units else nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = images
        for number in range(1, len(self.BLOCKS) + 1):
            values = self.get_submodule(f"conv_block_{number}")(values)
        values = self.fc8(self.fc7(self.fc6(self.ave_pool(values).flatten(1))))
        return nn.functional.normalize(values)


NETWORKS.register("alexnet_gn")(Published(AlexNetGN, 128, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)))  # IPCL's diet networks
NETWORKS.register("alexnet_gn_ref01")(Published(AlexNetGN, 128))  # IPCL's primary network: ImageNet's mean and SD


def _slip(name: str, **extra: Any) -> Make:
    def make(units: int) -> nn.Module:
        return create(name, units, **extra)

    return make


NETWORKS.register("slip_vit_small")(
    Published(_slip("vit_small_patch16_224", num_heads=12))
)  # Mu et al. 2022: 12, not 6
NETWORKS.register("slip_vit_base")(Published(_slip("vit_base_patch16_224")))
NETWORKS.register("slip_vit_large")(Published(_slip("vit_large_patch16_224")))


def _fpn(retina: bool) -> Make:
    def make(_units: int) -> nn.Module:
        """ResNet-50 with a feature pyramid as Detectron2 has it: the stride of a block is in its first convolution."""
        from torchvision.models import resnet50
        from torchvision.models.detection.backbone_utils import BackboneWithFPN
        from torchvision.ops.feature_pyramid_network import LastLevelMaxPool, LastLevelP6P7

        body = resnet50(weights=None)
        for stage in (body.layer2, body.layer3, body.layer4):
            stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
        first = 2 if retina else 1
        levels = {f"layer{n}": f"p{n + 1}" for n in range(first, 5)}
        widths = [128 * 2**n for n in range(first, 5)]
        top = LastLevelP6P7(2048, 256) if retina else LastLevelMaxPool()
        return BackboneWithFPN(body, levels, widths, 256, top)

    return make


#: Detectron2 takes the mean off 0..255 and does not divide.
BYTE_MEAN: Triple = (123.675 / 255, 116.28 / 255, 103.53 / 255)
BYTE_SD: Triple = (1 / 255, 1 / 255, 1 / 255)
NETWORKS.register("resnet50_fpn")(Published(_fpn(False), 0, BYTE_MEAN, BYTE_SD))
NETWORKS.register("resnet50_retina_fpn")(Published(_fpn(True), 0, BYTE_MEAN, BYTE_SD))
