"""torchvision's residual networks with another number of channels: fewer, they learn in minutes without a GPU."""

from __future__ import annotations

from torch import nn
from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet

#: name -> block and number of blocks in each stage (He et al. 2016, table 1)
STAGES: dict[str, tuple[type[BasicBlock | Bottleneck], tuple[int, int, int, int]]] = {
    "resnet18": (BasicBlock, (2, 2, 2, 2)),
    "resnet34": (BasicBlock, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


class WideResNet(ResNet):
    """torchvision's ResNet whose stem has `width` channels instead of 64, and its stages 1, 2, 4 and 8 times as many.

    Its forward pass, blocks, names of modules and initial values are torchvision's; with 64 channels so are the values.
    """

    def __init__(
        self, block: type[BasicBlock | Bottleneck], blocks: tuple[int, int, int, int], units: int, width: int
    ) -> None:
        nn.Module.__init__(self)  # torchvision's own __init__ has 64 written in it; what follows is that with `width`
        self._norm_layer = nn.BatchNorm2d
        self.inplanes, self.dilation, self.groups, self.base_width = width, 1, 1, 64
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, width, blocks[0])
        self.layer2 = self._make_layer(block, 2 * width, blocks[1], stride=2)
        self.layer3 = self._make_layer(block, 4 * width, blocks[2], stride=2)
        self.layer4 = self._make_layer(block, 8 * width, blocks[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width * block.expansion, units)
        for part in self.modules():
            if isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(part, nn.BatchNorm2d):
                nn.init.ones_(part.weight)
                nn.init.zeros_(part.bias)


def resnet(base: str, width: int, units: int) -> nn.Module:
    """(b, 3, h, w) -> (b, units). base: a name in STAGES; width: channels of the stem, 64 in the published networks."""
    block, blocks = STAGES[base]
    return WideResNet(block, blocks, units, width)
