"""Files of weights in the layouts that their authors published them in."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlspatial.core.errors import UserError
from mlspatial.models.external import default_spec, load_external
from mlspatial.models.zoo import build


def vissl(state: dict[str, torch.Tensor]) -> Any:
    trunk = {f"_feature_blocks.{key}": value for key, value in state.items()}
    heads = {"0.clf.0.weight": torch.ones(2)}
    return {
        "phase_idx": 3,
        "classy_state_dict": {"base_model": {"model": {"trunk": trunk, "heads": heads}}, "loss": {}},
    }


def swav(state: dict[str, torch.Tensor]) -> Any:
    named = {f"module.{key}": value for key, value in state.items()}
    return {**named, "module.projection_head.0.weight": torch.ones(2), "module.prototypes.weight": torch.ones(2)}


def moco(state: dict[str, torch.Tensor]) -> Any:
    named = {f"module.encoder_q.{key}": value for key, value in state.items()}
    keys = {f"module.encoder_k.{key}": value + 1 for key, value in state.items()}
    head = {"module.encoder_q.fc.0.weight": torch.ones(2), "module.queue": torch.ones(2)}
    return {"epoch": 1, "arch": "resnet50", "state_dict": {**keys, **named, **head}}


def slip(state: dict[str, torch.Tensor]) -> Any:
    named = {f"module.visual.{key}": value for key, value in state.items()}
    rest = {"module.token_embedding.weight": torch.ones(2), "module.image_mlp.layer1.weight": torch.ones(2)}
    return {"epoch": 1, "state_dict": {**named, **rest}, "args": Namespace(model="SLIP_VITS16")}


def ipcl(state: dict[str, torch.Tensor]) -> Any:
    return {"state_dict": {f"module.{key}": value for key, value in state.items()}}


def detectron(state: dict[str, torch.Tensor]) -> Any:
    """torchvision's names -> Detectron2's, written the other way round from the table that is tested."""
    named = {}
    for key, value in state.items():
        part = key.split(".")
        if part[0] == "fpn":
            kind = {"inner_blocks": "fpn_lateral", "layer_blocks": "fpn_output"}[part[1]]
            new = f"backbone.{kind}{int(part[2]) + 2}.{part[-1]}"
        else:
            part = part[1:]
            stage = "stem" if not part[0].startswith("layer") else f"res{int(part[0][5:]) + 1}.{part[1]}"
            unit, last = part[-2] if part[-2][:2] in ("bn", "co") else f"downsample{part[-2]}", part[-1]
            called = {"downsample0": "shortcut", "downsample1": "shortcut.norm"}.get(unit)
            called = called or (f"conv{unit[2:]}.norm" if unit.startswith("bn") else unit)
            new = f"backbone.bottom_up.{stage}.{called}.{last}"
        named[new] = value.flip(1) if key == "body.conv1.weight" else value  # blue, green, red
    return {"model": {**named, "roi_heads.box_head.fc1.weight": torch.ones(2), "pixel_mean": torch.ones(3)}}


@pytest.mark.parametrize(
    ("layout", "arch", "headless"),
    [
        (vissl, "torchvision:resnet50", True),
        (swav, "torchvision:resnet50", True),
        (moco, "torchvision:resnet50", True),
        (slip, "mlspatial:slip_vit_small", False),
        (ipcl, "mlspatial:alexnet_gn", False),
        (detectron, "mlspatial:resnet50_fpn", False),
    ],
)
def test_layouts_of_checkpoints(tmp_path: Path, layout: Any, arch: str, headless: bool) -> None:
    spec = default_spec(arch)
    spec = replace(spec, units=0, head={}) if headless else spec
    state = {key: value for key, value in build(spec, seed=2).state_dict().items() if "num_batches" not in key}
    path = tmp_path / "weights.torch"
    torch.save(layout(state), path)
    module, found = load_external(f"file:{path}?arch={arch}")
    assert found.units == spec.units and build(found).state_dict().keys() == module.state_dict().keys()
    loaded = module.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    with torch.no_grad():
        module(torch.zeros(1, 3, found.input_size, found.input_size))
    broken = dict(state)
    broken.pop(
        next(key for key in broken if key.endswith("conv2.weight") or key.endswith(("mlp.fc1.weight", "fc7.0.weight")))
    )
    torch.save(layout(broken), path)
    with pytest.raises(UserError, match=r"the weights do not fit .*; missing: \S+ \(1 in all\)$"):
        load_external(f"file:{path}?arch={arch}")


def test_big_transfer_s_arrays(tmp_path: Path) -> None:
    spec = replace(default_spec("timm:resnetv2_50x1_bit"), units=0, head={})
    state = build(spec, seed=2).state_dict()
    arrays = {}
    for key, value in state.items():
        part = key.split(".")
        if part[0] == "stages":
            unit = f"block{int(part[1]) + 1}/unit{int(part[3]) + 1:02d}"
            step = "a/proj" if part[4] == "downsample" else "abc"[int(part[4][-1]) - 1]
            prefix = f"resnet/{unit}/{step}"
        else:
            prefix = "resnet/root_block" if part[0] == "stem" else "resnet"
        if value.ndim == 4:
            arrays[f"{prefix}/standardized_conv2d/kernel:0"] = value.permute(2, 3, 1, 0).numpy()
        else:
            arrays[f"{prefix}/group_norm/{'gamma' if part[-1] == 'weight' else 'beta'}:0"] = value.numpy()
    path = tmp_path / "expert.npz"
    np.savez(path, **arrays)
    module, found = load_external(f"file:{path}?arch=timm:resnetv2_50x1_bit")
    loaded = module.state_dict()
    assert found.units == 0 and loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())
    np.savez(path, **arrays, other=np.zeros(2))
    with pytest.raises(UserError, match=r"not in it: other \(1 in all\)"):
        load_external(f"file:{path}?arch=timm:resnetv2_50x1_bit")
