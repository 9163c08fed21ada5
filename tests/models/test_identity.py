"""Networks are what they were: the identity of specs and weights is written here, not computed.

specs.json: selector -> content_id of the untrained network's spec (architecture, units, head, preprocessing), for every
network of the zoo and some more, as they were when results began to be kept under these identities.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mlspatial.core.hashing import content_id
from mlspatial.models.build import build
from mlspatial.models.sources import default_spec, external_spec, load_external
from mlspatial.models.spec import ModelSpec

SPECS: dict[str, str] = json.loads(Path(__file__).with_name("specs.json").read_text())

#: selector -> model_id: weights that are drawn uniformly, the same to the bit on every processor
RANDOM = {
    "torchvision:alexnet@random": "b878e3a44a790ee5",
    "torchvision:alexnet@random3": "f013ad60f47f5658",
    "mlspatial:alexnet_gn@random7": "ccdaac100df3d961",
}

#: selector (with the name of a file below) -> model_id
FILES = {
    "file:plain.pt?arch=torchvision:shufflenet_v2_x0_5": "65ff3af206bb81f0",
    "file:plain.safetensors?arch=torchvision:shufflenet_v2_x0_5&input_size=96": "c1e6c544051f2d3f",
    "file:parallel.pt?arch=torchvision:shufflenet_v2_x0_5": "eb52082373fc1766",
    "file:small.pt?arch=resnet18": "ade22146cbfe985f",
    "file:headless.pt?arch=timm:resnet10t": "c0cfa81d7b3013b4",
    "file:folder": "03732ccc94355573",
    "torchvision:shufflenet_v2_x0_5": "65ff3af206bb81f0",
    "timm:resnet10t": "cf799d8c37a89097",
}


def counted(arch: str, units: int) -> dict[str, torch.Tensor]:
    """A state whose values need no random numbers: thousandths, counted on from parameter to parameter."""
    with torch.device("meta"):
        state = build(ModelSpec(arch, units, {}, (), 224)).state_dict()
    shapes = {name: value.shape for name, value in state.items()}
    made, first = {}, 0
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            made[name] = torch.tensor(0)
            continue
        made[name] = (torch.arange(first, first + shape.numel()) % 2001 - 1000).reshape(shape) / 1024
        first += shape.numel()
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("identity")
    hub = folder / "hub" / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    plain = counted("torchvision:shufflenet_v2_x0_5", 1000)
    torch.save(plain, folder / "plain.pt")
    torch.save(plain, hub / "shufflenetv2_x0.5-f707e7126e.pth")
    save_file(plain, folder / "plain.safetensors")
    seven = {f"module.{key}": value for key, value in counted("torchvision:shufflenet_v2_x0_5", 7).items()}
    torch.save({"state_dict": seven, "epoch": 3}, folder / "parallel.pt")
    torch.save(counted("resnet18", 5), folder / "small.pt")
    torch.save(counted("timm:resnet10t", 0), folder / "headless.pt")
    save_file(counted("timm:resnet10t", 1000), hub / "resnet10t.c3_in1k.safetensors")
    spec = ModelSpec("resnet18", 5, {"translation": (0, 3), "category": (3, 5)}, ("translation",), 64,
                     statistics={"x": {"mean": 0.5, "sd": 2.0}}, classes={"category": ("a", "b")})  # fmt: skip
    module = build(spec)
    module.load_state_dict(counted("resnet18", 5))
    (folder / "folder").mkdir()
    save_file(module.state_dict(), folder / "folder" / "weights.safetensors")
    (folder / "folder" / "spec.json").write_text(json.dumps(spec.with_weights(module).to_json()))
    return folder


@pytest.mark.parametrize("selector", SPECS)
def test_specs(selector: str) -> None:
    assert content_id(default_spec(selector).to_json()) == SPECS[selector]


@pytest.mark.parametrize("selector", RANDOM)
def test_random_networks(selector: str) -> None:
    assert external_spec(selector).model_id == RANDOM[selector]


@pytest.mark.parametrize("selector", FILES)
def test_files(files: Path, selector: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(files / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    module, spec = load_external(selector.replace("file:", f"file:{files}/"))
    assert spec.model_id == FILES[selector] and spec == spec.with_weights(module)
