"""ResNets of any width against torchvision's: the same names and layers, and with 64 channels the same numbers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision import models

from mlspatial.compare.words import arch_label
from mlspatial.core.errors import BadValue, UnknownName
from mlspatial.core.widths import base_of, width_of
from mlspatial.models.build import ARCHITECTURES, build
from mlspatial.models.layers import block_layers, candidate_layers, decoding_layers
from mlspatial.models.sources import default_spec, load_external
from mlspatial.study.estimate import cost

BASES = ("resnet18", "resnet34", "resnet50")


def made(arch: str, seed: int = 5, size: int = 64) -> torch.nn.Module:
    return build(replace(default_spec(arch), input_size=size), seed=seed).eval()


@pytest.mark.parametrize("base", BASES)
def test_modules_have_torchvisions_names_and_classes(base: str) -> None:
    theirs = {name: type(part) for name, part in models.get_model(base, weights=None).named_modules() if name}
    ours = {name: type(part) for name, part in made(f"{base}w8").named_modules() if name}
    assert ours == theirs


@pytest.mark.parametrize("base", BASES)
def test_sixty_four_channels_are_torchvisions_network_to_the_bit(base: str) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        theirs = models.get_model(base, weights=None).eval()
    ours = made(f"{base}w64")
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for (name, one), other in zip(ours.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert torch.equal(one, other), name
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))


@pytest.mark.parametrize(("base", "width"), [("resnet18", 16), ("resnet34", 4), ("resnet50", 8)])
def test_every_channel_is_scaled_and_nothing_else(base: str, width: int) -> None:
    full = models.get_model(base, weights=None).state_dict()
    for name, tensor in made(f"{base}w{width}").state_dict().items():
        want = [n if n in (3, 1000) or k > 1 else n * width // 64 for k, n in enumerate(full[name].shape)]
        assert list(tensor.shape) == want, name


@pytest.mark.parametrize("arch", ["resnet18w16", "resnet50w8"])
def test_layers_that_count_are_those_of_the_published_network(arch: str) -> None:
    narrow, full = made(arch), made(base_of(arch))
    found, known = candidate_layers(default_spec(arch), narrow), candidate_layers(default_spec(base_of(arch)), full)
    assert found == known and found[0] == "relu" and found[-2:] == ("avgpool", "fc")
    assert block_layers(narrow, found) == block_layers(full, known)
    assert decoding_layers(narrow, found) == decoding_layers(full, known)


def test_the_layers_of_a_narrow_resnet34_are_those_of_torchvisions() -> None:
    theirs = default_spec("torchvision:resnet34")
    known = candidate_layers(theirs, build(theirs))
    assert candidate_layers(default_spec("resnet34w8"), made("resnet34w8")) == known


def test_names_in_words_and_numbers() -> None:
    assert (base_of("resnet18w16"), base_of("timm:resnet18"), base_of("resnet50")) == (
        "resnet18",
        "resnet18",
        "resnet50",
    )
    assert (width_of("resnet50w8"), width_of("resnet50"), width_of("timm:vit_tiny")) == (8, 64, 64)
    assert arch_label("resnet18w16") == "ResNet-18 of width 16" and arch_label("resnet18") == "ResNet-18"
    assert cost("resnet18w16") == 1 / 16 and cost("resnet50") == 2.9
    assert "resnet18w16" in ARCHITECTURES and "resnet18w" not in ARCHITECTURES


@pytest.mark.parametrize("width", ["0", "016", "1025"])
def test_a_width_that_cannot_be_meant(width: str) -> None:
    with pytest.raises(BadValue, match=rf"^arch=resnet18w{width}: is not resnet18wN with N channels from 1 to 1024$"):
        default_spec(f"resnet18w{width}")


@pytest.mark.parametrize("arch", ["resnet18w", "resnet18w-4", "resnet101w16", "resnet18w16w"])
def test_other_names_are_unknown_and_the_message_says_which_there_are(arch: str) -> None:
    with pytest.raises(UnknownName, match=rf"^unknown arch '{arch}'; .*resnet18wN"):
        _ = ARCHITECTURES[arch]


def test_a_checkpoint_is_read_into_it(tmp_path: Path) -> None:
    network = made("resnet18w16", seed=9)
    torch.save({"state_dict": {f"module.{name}": value for name, value in network.state_dict().items()}},
               tmp_path / "narrow.pt")  # fmt: skip
    module, spec = load_external(f"file:{tmp_path}/narrow.pt?arch=resnet18w16&input_size=64")
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert (spec.arch, spec.input_size) == ("resnet18w16", 64)
    with torch.no_grad():
        assert torch.equal(module(images), network(images))
