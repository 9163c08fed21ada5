"""Layers in one pass: the last call of a module, order, refusal."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.models.extract import extract, passes, widths
from mlspatial.models.sinks import Features
from mlspatial.models.stimuli import Stimuli
from mlspatial.models.zoo import ARCHITECTURES, CANDIDATE_LAYERS, ModelSpec, build, candidate_layers, to_input

SPEC = ModelSpec("resnet18", 5, {}, (), 32)


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return build(SPEC, seed=0).eval()


@pytest.fixture(scope="module")
def stimuli() -> Stimuli:
    images = np.random.default_rng(0).integers(0, 255, size=(10, 40, 40, 3), dtype=np.uint8)
    return Stimuli(tuple("abcdefghij"), images)


def test_a_block_s_relu_counts_with_its_last_call(network: torch.nn.Module, stimuli: Stimuli) -> None:
    """`layer1.0.relu` is called twice a pass; what counts is the block's output, after the skip connection."""
    store = Features()
    extract(network, SPEC, stimuli, ["layer1.0.relu", "layer1.0", "fc", "avgpool"], store, batch_size=4)
    block = store.pop("layer1.0")["features"]
    assert np.array_equal(store.pop("layer1.0.relu")["features"], block) and block.shape == (10, 64 * 8 * 8)
    assert store.pop("avgpool")["features"].shape == (10, 512)
    with torch.no_grad():
        expected = network(to_input(torch.from_numpy(stimuli.images), SPEC)).numpy()
    assert store.pop("fc")["features"] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("arch", list(CANDIDATE_LAYERS))
def test_candidate_layers_exist(arch: str) -> None:
    module = ARCHITECTURES[arch](3)
    names = dict(module.named_modules())
    layers = candidate_layers(ModelSpec(arch, 3, {}, (), 32), module)
    assert all(layer in names for layer in layers)
    assert len(layers) == {"resnet18": 11, "resnet50": 19}[arch]


def test_layers_that_do_not_exist(network: torch.nn.Module, stimuli: Stimuli) -> None:
    with pytest.raises(UnknownName, match=r"unknown layer 'layer1\.0\.rellu'; did you mean layer1\.0\.relu"):
        extract(network, SPEC, stimuli, ["layer1.0.rellu"], Features())


def test_activations_that_are_not_finite(stimuli: Stimuli) -> None:
    module = build(SPEC, seed=0)
    with torch.no_grad():
        module.fc.bias[0] = float("nan")
    with pytest.raises(UserError, match="layer fc gives values that are not finite"):
        extract(module, SPEC, stimuli, ["fc"], Features())


def test_hooks_are_taken_away(network: torch.nn.Module, stimuli: Stimuli) -> None:
    extract(network, SPEC, stimuli, ["fc"], Features())
    assert not network.fc._forward_hooks


def test_layers_that_would_fill_the_disk_take_several_passes(network: torch.nn.Module) -> None:
    sizes = widths(network, SPEC, ["relu", "layer4.0.relu", "avgpool", "fc"])
    assert sizes == {"relu": 64 * 16 * 16, "layer4.0.relu": 512, "avgpool": 512, "fc": 5}
    assert passes(sizes, 1100) == [["relu"], ["layer4.0.relu", "avgpool", "fc"]]
    assert passes(sizes, 1 << 40) == [list(sizes)]
