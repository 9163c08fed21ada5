"""Networks as code that needs their library alone: the same parameters and outputs as this package builds."""

from __future__ import annotations

import pytest
import torch

from mlspatial.models.build import build
from mlspatial.models.sources import find
from mlspatial.models.spec import ModelSpec, grey


@pytest.mark.parametrize(
    ("arch", "size", "package"),
    [
        ("resnet18", 32, "torchvision"),
        ("resnet50w2", 32, "torchvision"),
        ("resnet34w3", 64, "torchvision"),
        ("torchvision:vit_b_32", 64, "torchvision"),
        ("torchvision:googlenet", 64, "torchvision"),
        ("timm:mobilenetv3_small_050", 64, "timm"),
        ("timm:vit_tiny_patch16_224", 32, "timm"),
    ],
)
def test_code_builds_the_same_network(arch: str, size: int, package: str) -> None:
    spec = ModelSpec(arch, 7, {}, (), size)
    written = find(arch)[0].written(spec)
    assert written is not None and written.packages == (package,) and "mlspatial" not in written.above
    names: dict[str, object] = {}
    exec(written.above, names)
    module, known = eval(written.build, names), build(spec, seed=0).eval()
    module.load_state_dict(known.state_dict(), strict=True)
    with torch.no_grad():
        assert torch.equal(module.eval()(grey(spec)), known(grey(spec)))


@pytest.mark.parametrize("arch", ["resnet18", "resnet18w4", "torchvision:resnet18", "mlspatial:alexnet_gn"])
def test_networks_without_such_code(arch: str) -> None:
    """Without a head their last part was replaced; published ones are this package's."""
    assert find(arch)[0].written(ModelSpec(arch, 0, {}, (), 64)) is None
    user = ModelSpec("resnet18w4", 5, {}, (), 64, code="abc")
    assert find("resnet18w4")[0].written(user) is None
