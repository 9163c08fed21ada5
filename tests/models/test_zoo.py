"""The zoo of study 2: entries are complete, found by name and facts, and built with the parameters that they state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.models.build import build
from mlspatial.models.extract import _Listener, extract, study2_layers
from mlspatial.models.layers import resolve_layers
from mlspatial.models.sources import SOURCES, default_spec, expand, find, parse_selector, zoo
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli

NETWORKS = zoo.networks()
SUPERVISION = {"labels", "self", "language", "self+language", "other", "none"}


def arch_of(selector: str) -> tuple[str, bool]:
    """(what to build, whether the weights come without a head)."""
    asked = parse_selector(selector)
    if asked.scheme == "file":
        return asked.options["arch"], not asked.options["arch"].startswith("mlspatial:")
    return f"{asked.scheme}:{asked.name}", False


def test_the_zoo_is_the_study_s() -> None:
    assert (
        len(NETWORKS) == 224
    )  # Conwell et al. 2024: 160 trained and 64 random; one of the 160 is Taskonomy's random one
    assert Counter(one.trained for one in NETWORKS.values()) == {True: 159, False: 65}
    tasks = Counter(one.architecture for one in zoo.find("method=supervised,pretrained=,data=ImageNet-1k"))
    assert set(tasks) == {"CNN", "Transformer", "MLP-Mixer", "Hybrid"}
    # the contrast of architectures: 34 CNNs and 21 Transformers trained on ImageNet, by the study's own labels
    supervised = [one for one in NETWORKS.values() if one.method == "supervised" and one.data == "ImageNet-1k"]
    counted = Counter(one.architecture for one in supervised)
    assert (counted["CNN"], counted["Transformer"]) == (34, 21)
    pairs = {one.arch for one in supervised} & {
        one.arch for one in NETWORKS.values() if one.data == "ImageNet-21k" and one.method == "supervised"
    }
    assert len(pairs) == 12
    contrasts = Counter(one.contrast for one in NETWORKS.values())
    assert (contrasts["Contrastive"], contrasts["Non-Contrastive"]) == (6, 4)
    assert contrasts["CLIP"] == contrasts["SimCLR"] == contrasts["SLIP"] == 3
    assert {one.data for one in NETWORKS.values() if one.method == "IPCL"} == {
        "ImageNet-1k",
        "OpenImages",
        "Places365",
        "VGGFace2",
    }
    random = {one.arch for one in NETWORKS.values() if one.name.endswith("_random")}
    assert len(random) == 64 and random <= {one.arch for one in supervised}


@pytest.mark.parametrize("name", NETWORKS)
def test_an_entry_is_complete(name: str) -> None:
    one = NETWORKS[name]
    assert one.name == name and one.parameters > 10**6 and one.family and one.arch and one.task and one.method
    assert one.architecture in ("CNN", "Transformer", "MLP-Mixer", "Hybrid") and one.supervision in SUPERVISION
    assert one.trained == (one.task != "none") == (one.data != "none") == (one.supervision != "none")
    if not one.selector:
        assert one.note and one.source and not one.counted
        return
    asked = parse_selector(one.selector)
    assert one.counted and one.trained == (asked.drawn is None)
    if asked.scheme == "file":
        assert one.source.startswith("https://") and SOURCES["zoo"]().origin(asked.name) == one.source
    assert parse_selector(f"zoo:{name}") == asked


def test_every_network_is_built_with_the_parameters_it_states() -> None:
    """Shapes only, every structure once: nothing is drawn."""
    stated: dict[tuple[str, bool], set[int]] = {}
    for one in NETWORKS.values():
        if one.selector:
            stated.setdefault(arch_of(one.selector), set()).add(one.parameters)
    counted: dict[tuple[str, int], int] = {}
    wrong = {}
    for (arch, headless), counts in stated.items():
        spec = default_spec(arch)
        spec = replace(spec, units=0, head={}) if headless else spec
        key = ("visualpriors" if arch.startswith("visualpriors:") else spec.arch, spec.units)
        if key not in counted:
            with torch.device("meta"):
                counted[key] = sum(parameter.numel() for parameter in find(arch)[0].build(spec).parameters())
        if counts != {counted[key]}:
            wrong[arch] = (counts, counted[key])
    assert not wrong and len(counted) > 80


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("zoo:resnet18_random", ["torchvision:resnet18@random"]),
        ("zoo:RN50_clip", ["openclip:RN50-quickgelu/openai"]),
        (
            "zoo:ViT-?-SLIP_slip",
            [f"file:slip_{s}_25ep.pt?arch=mlspatial:slip_vit_{s}" for s in ("base", "large", "small")],
        ),
        (
            "zoo:resnet18_*|normal_taskonomy",
            ["torchvision:resnet18", "torchvision:resnet18@random", "visualpriors:normal"],
        ),
        ("zoo:family=AlexNet,trained=false", ["torchvision:alexnet@random"]),
        (
            "zoo:task=keypoints|normal",
            [
                "visualpriors:normal",
                "file:keypoint_rcnn_R_50_FPN_3x.pth?arch=mlspatial:resnet50_fpn",
            ],
        ),
        ("torchvision:resnet18@random3", ["torchvision:resnet18@random3"]),
    ],
)
def test_expansion(text: str, names: list[str]) -> None:
    assert expand(text) == names


def test_expansion_of_facts_and_wild_cards() -> None:
    both = zoo.find("architecture=Transformer,trained=false")
    assert both == [one for one in NETWORKS.values() if one.architecture == "Transformer" and not one.trained]
    assert len(expand("zoo:*_random")) == 64
    assert len(expand("zoo:*")) == 219  # less YOLO and MiDaS, which have no selector
    for text, kind, words in (
        ("zoo:resnet19_random", UnknownName, "unknown network of the zoo 'resnet19_random'; did you mean"),
        ("zoo:colour=red", BadValue, "is not FIELD=VALUE with a field of name, selector"),
        ("zoo:family=ResNet,architecture=Transformer", UserError, "there are cnn"),
        ("zoo:", BadValue, "must be zoo:NAME"),
        ("zoo:yolov5s_yolo", UserError, "yolov5s_yolo cannot be built here"),
    ):
        with pytest.raises(kind, match=words):
            expand(text)
    with pytest.raises(BadValue, match="names 64 networks, not one"):
        parse_selector("zoo:*_random")


@pytest.mark.parametrize(
    ("arch", "size", "some"),
    [
        ("torchvision:resnet18", 64, ["layer1.0.relu#1", "layer1.0.relu", "layer4.1.bn2", "avgpool", "fc"]),
        ("timm:vit_tiny_patch16_224", 64, ["blocks.0.attn.qkv", "blocks.11", "norm", "head"]),
        ("timm:mixer_s32_224", 64, ["blocks.0.mlp_tokens.fc1", "blocks.7", "norm"]),
        ("timm:convnext_atto", 64, ["stages.0.blocks.0.conv_dw", "head.fc"]),
        ("timm:swin_tiny_patch4_window7_224", 224, ["layers.0.blocks.0.mlp.fc1", "layers.3.blocks.1", "norm"]),
        ("openclip:ViT-M-32-alt", 224, ["transformer.resblocks.0.attn", "transformer.resblocks.11.mlp.c_fc"]),
        ("visualpriors:normal", 256, ["layer4.2.relu", "compress1", "groupnorm"]),
        ("mlspatial:alexnet_gn", 224, ["conv_block_1.0", "conv_block_5.3", "fc7.2", "fc8.0"]),
        ("mlspatial:resnet50_fpn", 64, ["body.layer4.2.relu", "fpn.layer_blocks.0.0"]),
    ],
)
def test_layers_of_every_family(arch: str, size: int, some: list[str]) -> None:
    spec = replace(default_spec(arch), input_size=size)
    module = build(spec, seed=0)
    layers = study2_layers(module, spec)
    assert set(some) <= set(layers) and len(set(layers)) == len(layers)
    images = torch.randint(0, 256, (2, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    found: dict[str, torch.Tensor] = {}

    class Keep:
        def add(self, layer: str, activations: torch.Tensor) -> None:
            found[layer] = activations.clone()

    extract(module, spec, Stimuli(("a", "b"), images.numpy()), some, Keep())
    assert all(found[layer].shape[0] == 2 and found[layer].any() for layer in some)


def heard(module: torch.nn.Module, layers: Sequence[str], images: torch.Tensor) -> dict[str, torch.Tensor]:
    """(images, features) of every layer."""
    found: dict[str, torch.Tensor] = {}
    with torch.inference_mode(), _Listener(module, layers) as listener:
        module(images)
        listener.begin(lambda layer, activations: found.update({layer: activations.clone()}))
        module(images)
        listener.check()
    return found


class Odd(torch.nn.Module):
    """Gives a tuple, holds an in-place operation and calls one part twice."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Conv2d(3, 2, 1)
        self.act = torch.nn.ReLU(inplace=True)
        self.same = torch.nn.Identity()
        self.both = Both()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        kept = self.act(self.scale(images))
        again = self.act(self.same(kept) - 1)
        return self.both(again)["sum"]


class Both(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"sum": images.sum((2, 3)), "top": images.amax((2, 3)) + 7}


def test_calls_parts_copies_and_duplicates() -> None:
    spec = ModelSpec("odd", 2, {}, (), 32)
    module = Odd().eval()
    layers = study2_layers(module, spec)
    assert layers == ("scale", "act#1", "act", "both", "both-2")  # no identity
    assert study2_layers(module, spec, second_half=True) == layers[2:]
    images = torch.randn(3, 3, 32, 32)
    outputs = heard(module, layers, images)
    with torch.no_grad():
        before = module.scale(images)
    once = before.relu()
    twice = (once - 1).relu()
    expected = [before, once, twice, twice.sum((2, 3)), twice.amax((2, 3)) + 7]
    for layer, value in zip(layers, expected, strict=True):
        assert torch.equal(outputs[layer], value.flatten(1)), layer
    with pytest.raises(UserError, match="both-3: both gives 2 tensors"):
        heard(module, ["both-3"], images)
    with pytest.raises(UserError, match="act#3 is not called in a forward pass; act is, 2 times"):
        heard(module, ["act#3"], images)


def test_class_and_patch_tokens() -> None:
    spec = replace(default_spec("timm:vit_tiny_patch16_224"), input_size=64)
    module = build(spec, seed=0).eval()
    layers = resolve_layers("blocks.1?[cls],blocks.3,blocks.3[cls],blocks.3[patches]", module, ())
    assert layers[:2] == ("blocks.10[cls]", "blocks.11[cls]")
    outputs = heard(module, layers, torch.zeros(2, 3, 64, 64))
    whole = outputs["blocks.3"].reshape(2, 17, 192)
    assert torch.equal(outputs["blocks.3[cls]"], whole[:, 0])
    assert torch.equal(outputs["blocks.3[patches]"], whole[:, 1:].flatten(1))
    with pytest.raises(UserError, match="is no class token and patches"):
        heard(module, ["head[cls]"], torch.zeros(1, 3, 64, 64))
