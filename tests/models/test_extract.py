"""Layers in one pass: the last call of a module, order, refusal."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlspatial.analysis.device import numerics
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.models.build import ARCHITECTURES, build
from mlspatial.models.costs import Held, groups
from mlspatial.models.extract import extract, study2_layers, widths
from mlspatial.models.layers import CANDIDATE_LAYERS, candidate_layers
from mlspatial.models.rows import Rows
from mlspatial.models.sinks import Features
from mlspatial.models.spec import ModelSpec, to_input
from mlspatial.models.stimuli import Stimuli

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


def test_networks_are_asked_in_full_float32(network: torch.nn.Module, stimuli: Stimuli) -> None:
    """Outside, cuDNN's convolutions are in TensorFloat-32: by torch's default, or because somebody asked for it."""
    seen: list[str] = []

    class Noting(Features):
        def add(self, layer: str, activations: torch.Tensor) -> None:
            seen.append(f"sink {conv.fp32_precision} {matmul.fp32_precision}")

    conv, matmul = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    hook = network.conv1.register_forward_hook(lambda *_: seen.append(f"{conv.fp32_precision} {matmul.fp32_precision}"))
    try:
        with numerics(tf32=True):
            extract(network, SPEC, stimuli, ["fc"], Noting())
            widths(network, SPEC, ["fc"])
            study2_layers(network, SPEC)
            outside = conv.fp32_precision, matmul.fp32_precision
    finally:
        hook.remove()
    assert set(seen) == {"sink ieee ieee", "ieee ieee"} and len(seen) >= 5 and outside == ("tf32", "tf32")


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


def test_layers_that_would_fill_disk_or_memory_take_several_passes(network: torch.nn.Module) -> None:
    sizes = widths(network, SPEC, ["relu", "layer4.0.relu", "avgpool", "fc"])
    assert sizes == {"relu": 64 * 16 * 16, "layer4.0.relu": 512, "avgpool": 512, "fc": 5}
    kept = {layer: Held(2.0 * width, width, 0.0, 0.0) for layer, width in sizes.items()}
    assert groups(kept, 1e9, 1100) == [["relu"], ["layer4.0.relu", "avgpool", "fc"]]
    assert groups(kept, 2200, 1e9) == [["relu"], ["layer4.0.relu", "avgpool", "fc"]]  # of memory
    assert groups(kept, 1e9, 1e9) == [list(sizes)]


class Unsteady(torch.nn.Module):
    """Calls a part once more when the first pixel is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.act = torch.nn.ReLU()
        self.head = torch.nn.Linear(3, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = self.act(images.mean((2, 3)))
        return self.head(self.act(values) if images[0, 0, 0, 0] > 1 else values)


def test_a_part_that_is_not_called_as_often_for_all_images() -> None:
    images = np.full((4, 32, 32, 3), 128, np.uint8)
    images[2] = 255
    stimuli = Stimuli(tuple("abcd"), images)
    with pytest.raises(UserError, match="act was called 2 times for some images and 1 times for others"):
        extract(Unsteady(), SPEC, stimuli, ["act"], Features(), batch_size=2)
    extract(Unsteady(), SPEC, stimuli, ["head"], Features(), batch_size=2)


@pytest.mark.parametrize("shape", [(3, 64, 40, 40), (2, 300, 25, 25), (4, 8, 3, 3), (6, 7, 32), (5, 9)])
def test_rows_number_features_with_channels_first(shape: tuple[int, ...]) -> None:
    tensor = torch.randn(shape)
    stored = tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
    rows = Rows()
    for _ in range(2):
        assert torch.equal(rows(stored, shape[0]), tensor.flatten(1))
    assert torch.equal(rows(stored[:1], 1), tensor[:1].flatten(1))


def test_a_network_s_memory_is_as_before(network: torch.nn.Module, stimuli: Stimuli) -> None:
    before = [part.stride() for part in network.parameters()]
    extract(network, SPEC, stimuli, ["fc"], Features())
    assert [part.stride() for part in network.parameters()] == before
    with pytest.raises(RuntimeError):
        extract(network, SPEC, stimuli, ["fc"], Broken())
    assert [part.stride() for part in network.parameters()] == before


class Broken:
    def add(self, layer: str, activations: torch.Tensor) -> None:
        raise RuntimeError(layer)
