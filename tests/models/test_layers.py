"""Which layers count when nobody names any: outputs of blocks, no gates, not the output units alone."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import nn

from mlspatial.models.build import build, sketch
from mlspatial.models.layers import CANDIDATE_LAYERS, block_layers, candidate_layers, decoding_layers, output_layer
from mlspatial.models.sources import default_spec, load_external
from mlspatial.models.spec import ModelSpec, grey


def names(text: str) -> tuple[str, ...]:
    """'blocks.0-2 head' -> blocks.0, blocks.1, blocks.2, head."""
    found: list[str] = []
    for word in text.split():
        match = re.fullmatch(r"(.*?)(\d+)\.\.(\d+)(.*)", word)
        found += [f"{match[1]}{n}{match[4]}" for n in range(int(match[2]), int(match[3]) + 1)] if match else [word]
    return tuple(found)


RESNET34 = "relu layer1.0..2.relu layer2.0..3.relu layer3.0..5.relu layer4.0..2.relu"
MBCONVS = "blocks.1.0..1 blocks.2.0..1 blocks.3.0..2 blocks.4.0..2 blocks.5.0..3 blocks.6.0"
SWIN = "layers.0.blocks.0..1 layers.1.blocks.0..1 layers.2.blocks.0..5 layers.3.blocks.0..1 head.fc"
CONVNEXT = "stages.0.blocks.0..1 stages.1.blocks.0..1 stages.2.blocks.0..5 stages.3.blocks.0..1"
#: network -> (its candidates, the layers at which networks are compared, what is decoded besides)
EXPECTED = {
    "torchvision:resnet34": (RESNET34, "layer1.0.relu layer2.0.relu layer3.0.relu layer4.0.relu", "avgpool fc"),
    "timm:resnet18": (
        "act1 " + " ".join(f"layer{n}.{m}.act{k}" for n in (1, 2, 3, 4) for m in (0, 1) for k in (1, 2)),
        "layer1.1.act2 layer2.1.act2 layer3.1.act2 layer4.1.act2",
        "global_pool fc",
    ),
    "timm:efficientnet_b0": (
        f"bn1.act blocks.0.0 {MBCONVS} bn2.act",
        "blocks.2.0 blocks.3.2 blocks.5.1 bn2.act",
        "global_pool classifier",
    ),
    "torchvision:efficientnet_b0": (
        "features.0.2 features.1.0 features.2.0..1 features.3.0..1 features.4.0..2 features.5.0..2 features.6.0..3 "
        "features.7.0 features.8.2",
        "features.3.0 features.4.2 features.6.1 features.8.2",
        "avgpool classifier.1",
    ),
    "torchvision:mobilenet_v3_small": (
        "features.0.2 features.1..11 features.12.2 classifier.1",
        "features.3 features.6 features.10 classifier.1",
        "avgpool classifier.3",
    ),
    "torchvision:convnext_tiny": (
        "features.1.0..2 features.3.0..2 features.5.0..8 features.7.0..2",
        "features.3.1 features.5.2 features.5.7 features.7.2",
        "avgpool classifier.2",
    ),
    "timm:convnext_atto": (
        CONVNEXT,
        "stages.1.blocks.1 stages.2.blocks.2 stages.2.blocks.4 stages.3.blocks.1",
        "head.global_pool head.fc",
    ),
    "timm:vit_tiny_patch16_224": ("blocks.0..11 head", "blocks.3 blocks.6 blocks.8 blocks.11", "head"),
    "timm:swin_tiny_patch4_window7_224": (
        SWIN,
        "layers.1.blocks.1 layers.2.blocks.2 layers.2.blocks.4 layers.3.blocks.1",
        "head.global_pool head.fc",
    ),
    "timm:regnety_002": (
        "stem.bn.act s1.b1.act3 s2.b1.act3 s3.b1..4.act3 s4.b1..7.act3",
        "s3.b1.act3 s3.b4.act3 s4.b4.act3 s4.b7.act3",
        "head.global_pool head.fc",
    ),
    "torchvision:vgg11": (
        "features.1 features.4 features.7 features.9 features.12 features.14 features.17 features.19 classifier.1 "
        "classifier.4",
        "features.7 features.12 features.19 classifier.4",
        "avgpool classifier.6",
    ),
    "torchvision:alexnet": (
        "features.1 features.4 features.7 features.9 features.11 classifier.2 classifier.5",
        "features.7 features.9 features.11 classifier.5",
        "avgpool classifier.6",
    ),
    "torchvision:densenet121": (
        "features.relu0 features.denseblock1 features.transition1.relu features.denseblock2 features.transition2.relu "
        "features.denseblock3 features.transition3.relu features.denseblock4",
        "features.transition1.relu features.transition2.relu features.denseblock3 features.denseblock4",
        "classifier",
    ),
    "torchvision:inception_v3": (
        "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 Conv2d_3b_1x1 Conv2d_4a_3x3 Mixed_5b Mixed_5c Mixed_5d Mixed_6a "
        "Mixed_6b Mixed_6c Mixed_6d Mixed_6e Mixed_7a Mixed_7b Mixed_7c",
        "Conv2d_4a_3x3 Mixed_6a Mixed_6d Mixed_7c",
        "avgpool fc",
    ),
    "timm:mixer_s32_224": ("blocks.0..7", "blocks.2 blocks.4 blocks.5 blocks.7", "head"),
}
OTHERS = (
    "torchvision:googlenet", "torchvision:squeezenet1_1", "torchvision:shufflenet_v2_x0_5", "torchvision:mnasnet0_5",
    "torchvision:mobilenet_v2", "torchvision:maxvit_t", "timm:seresnet50", "timm:mobilenetv3_small_100",
    "timm:ghostnet_100", "timm:densenet121", "timm:inception_v3", "timm:poolformer_s12", "timm:levit_128s",
    "mlspatial:alexnet_gn", "openclip:RN50",
)  # fmt: skip


def shapes(module: nn.Module, spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """module -> shape of its last output of an image, computed without values."""
    found: dict[str, tuple[int, ...]] = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            found[name] = tuple(output.shape) if torch.is_tensor(output) else ()

        return hook

    for name, part in module.named_modules():
        part.register_forward_hook(keep(name))
    with torch.no_grad():
        module.eval()(torch.zeros(1, 3, spec.input_size, spec.input_size, device=next(module.parameters()).device))
    return found


@pytest.mark.parametrize("arch", [*EXPECTED, *OTHERS])
def test_layers_of_families(arch: str) -> None:
    spec = default_spec(arch)
    module = sketch(spec)
    layers = candidate_layers(spec, module)
    blocks = block_layers(module, layers)
    decoded = decoding_layers(module, layers)
    if arch in EXPECTED:
        expected, compared, besides = EXPECTED[arch]
        assert layers == names(expected)
        assert blocks == names(compared) and decoded == ("pixels", *names(compared), *names(besides))
    seen = shapes(module, spec)
    assert len(layers) >= 4 and len(blocks) == 4 and set(layers) | set(blocks) | set(decoded[1:]) <= seen.keys()
    linear = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    assert not linear or (linear[-1] not in blocks and set(layers) != {linear[-1]})
    for name in {*layers, *blocks}:  # a gate has one value a channel while its network still sees places
        shape = seen[name]
        assert shape[0] == 1, name
        assert len(shape) != 4 or shape[2] * shape[3] > 1 or name in ("act2", "classifier.1"), name  # pooled features


@pytest.mark.parametrize("arch", ["resnet18", "resnet50", "torchvision:resnet18", "torchvision:resnet50"])
def test_the_study_s_networks_have_the_study_s_layers(arch: str) -> None:
    layers = candidate_layers(default_spec(arch), sketch(default_spec(arch)))
    assert layers == CANDIDATE_LAYERS[arch.rpartition(":")[2]]
    assert layers[:3] == ("relu", "layer1.0.relu", "layer1.1.relu") and layers[-2:] == ("avgpool", "fc")
    compared = ("layer1.0.relu", "layer2.0.relu", "layer3.0.relu", "layer4.0.relu")
    assert decoding_layers(sketch(default_spec(arch)), layers) == ("pixels", *compared, "avgpool", "fc")


@pytest.mark.parametrize(
    ("arch", "pairs"),
    [
        ("timm:regnetx_002", [("s3.b2.act3", "s3.b2")]),
        ("timm:resnet10t", [("layer2.0.act2", "layer2.0")]),
        ("torchvision:regnet_y_400mf", [("trunk_output.block2.block2-1.activation", "trunk_output.block2.block2-1")]),
    ],
)
def test_a_block_s_last_activation_is_its_output(arch: str, pairs: list[tuple[str, str]]) -> None:
    spec = default_spec(arch)
    module = build(spec, seed=0).eval()
    kept: dict[str, torch.Tensor] = {}
    for layer, block in pairs:
        assert layer in candidate_layers(spec, module)
        for name in (layer, block):
            part = module.get_submodule(name)
            part.register_forward_hook(lambda _m, _i, output, name=name: kept.update({name: output}))
    with torch.no_grad():
        module(torch.randn(1, 3, 64, 64))
    assert all(torch.equal(kept[layer], kept[block]) for layer, block in pairs)


class SqueezeExcite(nn.Module):
    """A gate by hand."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Conv2d(width, 2, 1), nn.ReLU(), nn.Conv2d(2, width, 1)
        self.gate = nn.Hardsigmoid()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * self.gate(self.fc2(self.act(self.fc1(images.mean((2, 3), keepdim=True)))))


def test_networks_of_plain_parts() -> None:
    spec = ModelSpec("mine", 3, {}, (), 32)
    gated = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), SqueezeExcite(4), nn.Conv2d(4, 4, 3), nn.SiLU(), nn.Flatten())
    assert candidate_layers(spec, gated) == ("1", "4") == block_layers(gated, ("1", "4"))
    plain = nn.Sequential()
    for name, part in {"conv": nn.Conv2d(3, 4, 3), "flat": nn.Flatten(), "fc1": nn.Linear(9, 5),
                       "fc2": nn.Linear(5, 3)}.items():  # fmt: skip
        plain.add_module(name, part)
    layers = candidate_layers(spec, plain)
    assert layers == ("conv", "flat", "fc1", "fc2")
    assert block_layers(plain, layers) == ("conv", "flat", "fc1") and block_layers(plain, ("fc2",)) == ("fc2",)
    assert decoding_layers(plain, layers) == ("pixels", "conv", "flat", "fc1", "fc2")


@pytest.mark.parametrize(
    ("arch", "layer"),
    [
        ("torchvision:resnet18", "fc"),
        ("torchvision:mobilenet_v2", "classifier.1"),
        ("torchvision:squeezenet1_1", "classifier.3"),  # flattened afterwards
        ("timm:vit_tiny_patch16_224", "head"),
        ("timm:deit_tiny_distilled_patch16_224", ""),  # the mean of two heads
    ],
)
def test_the_layer_whose_output_is_the_network_s(arch: str, layer: str) -> None:
    if arch.startswith("timm"):
        pytest.importorskip("timm")
    module, spec = load_external(f"{arch}@random")
    whole, found = output_layer(module, grey(spec, torch.device("cpu")))
    assert found == layer and whole.shape == (1, 1000)


def test_a_layer_whose_output_is_changed_in_place_is_not_the_network_s() -> None:
    class Changed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 3), nn.ReLU(inplace=True)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.two(self.one(image.flatten(1)[:, :4]))

    class Added(Changed):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return super().forward(image).add_(1.0)

    image = torch.zeros(1, 3, 2, 2)
    assert output_layer(Changed(), image)[1] == "two"
    assert output_layer(Added(), image)[1] == ""
