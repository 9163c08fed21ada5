"""Files of weights in the layouts that their authors published them in."""

from __future__ import annotations

import os
import zipfile
from argparse import Namespace
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from mlspatial.core.errors import UserError
from mlspatial.models.build import build
from mlspatial.models.sources import default_spec, find, load_external
from mlspatial.models.spec import ModelSpec
from mlspatial.models.weights import named, read_state

SMALL = "torchvision:shufflenet_v2_x0_5"
SPEC = ModelSpec(SMALL, 3, {}, (), 64)


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


def network(seed: int = 4) -> nn.Module:
    return build(SPEC, seed=seed)


def loads(path: Path, module: nn.Module, options: str = "") -> bool:
    """Whether a file gives the parameters of that network."""
    found = load_external(f"file:{path}?arch={SMALL}&input_size=64{options}")[0].state_dict()
    own = module.state_dict()
    return found.keys() == own.keys() and all(torch.equal(found[key], own[key]) for key in own)


@pytest.mark.parametrize(
    "prefix",
    ["", "_orig_mod.", "module.", "net.", "module._orig_mod.", "model.backbone._orig_mod.module.", "a.b.c.d.e."],
)
def test_prefixes_in_any_order_and_depth(tmp_path: Path, prefix: str) -> None:
    module = network()
    state = {prefix + key: value for key, value in module.state_dict().items() if "num_batches" not in key}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "a,b.pt")
    save_file(state, tmp_path / "a.safetensors")
    assert loads(tmp_path / "a,b.pt", module) and loads(tmp_path / "a.safetensors", module)


def test_what_torch_s_own_wrappers_write(tmp_path: Path) -> None:
    module = network()
    compiled = torch.compile(module)
    assert all(key.startswith("_orig_mod.") for key in compiled.state_dict())
    averaged = AveragedModel(nn.DataParallel(module))
    assert "n_averaged" in averaged.state_dict()
    optimizer = torch.optim.Adam(module.parameters())
    module(torch.zeros(2, 3, 64, 64)).sum().backward()
    optimizer.step()
    whole = {"net": module.state_dict(), "optimizer": optimizer.state_dict(), "step": torch.tensor(3)}
    averaged.update_parameters(nn.DataParallel(module))
    for name, state in {"compiled": compiled.state_dict(), "swa": averaged.state_dict(), "whole": whole}.items():
        torch.save(state, tmp_path / f"{name}.pt")
        assert loads(tmp_path / f"{name}.pt", averaged.module.module if name == "swa" else module), name
    inside = {key.replace("stage2.", "stage2._orig_mod."): value for key, value in module.state_dict().items()}
    torch.save(inside, tmp_path / "inside.pt")
    assert loads(tmp_path / "inside.pt", module)


@pytest.mark.parametrize("name", ["net", "network", "model_state_dict", "ema", "teacher", "params/online.encoder"])
def test_containers_by_any_name(tmp_path: Path, name: str) -> None:
    module = network()
    content: Any = module.state_dict()
    for part in reversed(name.split("/")):
        content = {part: content, "epoch": 1}
    torch.save(content, tmp_path / "a.pt")
    assert loads(tmp_path / "a.pt", module)


def test_several_networks_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = network(1), network(2)
    path = tmp_path / "a.pt"

    def named_by(one: str, two: str) -> None:
        states = {one: {f"backbone.{key}": value for key, value in first.state_dict().items()}}
        states[two] = {f"backbone.{key}": value for key, value in second.state_dict().items()}
        torch.save({**states, "epoch": 1}, path)

    named_by("student", "teacher")
    with pytest.raises(
        UserError, match=r"holds student, teacher, which fit equally well; say which, as \?part=teacher$"
    ):
        loads(path, first)
    assert loads(path, first, "&part=student") and loads(path, second, "&part=teacher")
    with pytest.raises(UserError, match=r"has no part tutor that fits; it has student\.backbone, teacher\.backbone"):
        loads(path, first, "&part=tutor")
    assert not capsys.readouterr().err
    named_by("state_dict", "state_dict_ema")
    assert loads(path, first)
    assert f"{path}: takes state_dict, not state_dict_ema (?part=NAME does)" in capsys.readouterr().err
    assert loads(path, second, "&part=state_dict_ema")
    named_by("encoder_k", "encoder_q")
    assert loads(path, second)
    capsys.readouterr()
    headless = {key: value for key, value in second.state_dict().items() if not key.startswith("fc.")}
    torch.save({"student": first.state_dict(), "teacher": headless}, path)
    with pytest.raises(UserError, match="holds student, teacher, which fit equally well"):
        loads(path, first)
    assert load_external(f"file:{path}?arch={SMALL}&part=teacher")[1].units == 0
    narrow = {key: value[:1].clone() for key, value in second.state_dict().items() if value.ndim}
    torch.save({"student": first.state_dict(), "teacher": narrow}, path)  # of another size: not meant
    assert loads(path, first) and not capsys.readouterr().err


def test_numbers_and_options_beside_the_weights(tmp_path: Path) -> None:
    module = network()
    beside = {
        "epoch": np.int64(3),
        "best": np.float64(0.5),
        "losses": np.arange(3.0),
        "args": Namespace(lr=0.1, name="a"),
        "order": OrderedDict(first=1),
    }
    path, other = tmp_path / "a.pt", tmp_path / "two.pt"
    torch.save({"model": OrderedDict(module.state_dict()), **beside}, path)
    assert loads(path, module)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:  # as NumPy 2 writes it
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy.core.multiarray" in data
                data = data.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
            new.writestr(name, data)
    assert loads(other, module)


class Runs:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: str) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (self.place,)


@pytest.mark.parametrize("old_format", [False, True])
def test_code_in_a_file_is_named_and_not_run(tmp_path: Path, old_format: bool) -> None:
    path, place = tmp_path / "a.pt", tmp_path / "made"

    def refusal(content: Any) -> str:
        torch.save(content, path, _use_new_zipfile_serialization=not old_format)
        with pytest.raises(UserError) as caught:
            read_state(path)
        return str(caught.value)

    state = network().state_dict()
    assert f"the file brings {os.mkdir.__module__}.mkdir, whose code reading it would run" in refusal(
        {**state, "x": Runs(str(place))}
    )
    assert not place.exists()
    assert "the file brings torch.nn.modules.linear.Linear, whose code" in refusal(nn.Linear(2, 2))
    assert "eval, whose code reading it would run" in refusal({"a": torch.ones(1), "b": eval})


def test_a_file_without_a_head_gives_its_features(tmp_path: Path) -> None:
    spec = ModelSpec("resnet18", 4, {}, (), 64)
    module = build(spec, seed=3)
    body = {key: value for key, value in module.state_dict().items() if not key.startswith("fc.")}
    torch.save(body, tmp_path / "a.pt")
    for arch in ("resnet18", "torchvision:resnet18", "mlspatial:resnet18"):
        loaded, found = load_external(f"file:{tmp_path}/a.pt?arch={arch}&input_size=64")
        assert (found.units, found.head, found.supervised) == (0, {}, ())
        with torch.no_grad():
            image = torch.randn(2, 3, 64, 64)
            features = module.eval().avgpool(nn.Sequential(*list(module.children())[:-2])(image)).flatten(1)
            assert torch.allclose(loaded(image), features, atol=1e-5)


def test_names_that_do_not_fit_are_shown_from_both_sides(tmp_path: Path) -> None:
    torch.save({"stem.0.kernel": torch.ones(2), "stem.0.offset": torch.ones(2)}, tmp_path / "a.pt")
    with pytest.raises(UserError) as caught:
        loads(tmp_path / "a.pt", network())
    assert "missing: conv1.0.weight, conv1.1.weight, conv1.1.bias (" in str(caught.value)
    assert "not in it: stem.0.kernel, stem.0.offset (2 in all)" in str(caught.value)


def test_a_network_inside_another_one_takes_the_names_of_either() -> None:
    one = torch.ones(1)
    own = {"encoder.body.0.weight": one, "encoder.body.0.bias": one}
    for prefix in ("", "encoder.", "encoder.body.", "module.encoder.body."):
        state = {f"{prefix}0.weight": one, f"{prefix}0.bias": one, "epoch": one[0]}
        assert named(state, own).keys() == own.keys(), prefix
    both = {f"{part}.body.0.{kind}": one * number for kind in ("weight", "bias") for number, part in
            enumerate(("decoder", "encoder"))}  # fmt: skip
    assert all(value == 1 for value in named(both, own).values())


def test_networks_that_compute_while_they_are_built(tmp_path: Path) -> None:
    arch = "torchvision:regnet_y_400mf"
    state = build(replace(default_spec(arch), units=5), seed=0).state_dict()
    torch.save(state, tmp_path / "a.pt")
    module, spec = load_external(f"file:{tmp_path}/a.pt?arch={arch}")
    assert spec.units == 5 and all(torch.equal(value, state[key]) for key, value in module.state_dict().items())


def test_positions_are_resized_for_images_of_another_size(tmp_path: Path) -> None:
    from timm.layers import resample_abs_pos_embed
    from torchvision.models import VisionTransformer

    arch = "timm:vit_tiny_patch16_224"
    state = build(default_spec(arch), seed=0).state_dict()
    torch.save({"module." + key: value for key, value in state.items()}, tmp_path / "a.pt")
    module, spec = load_external(f"file:{tmp_path}/a.pt?arch={arch}&input_size=96")
    expected = resample_abs_pos_embed(state["pos_embed"], new_size=[6, 6], num_prefix_tokens=1)
    assert spec.input_size == 96 and torch.equal(module.pos_embed, expected)
    source, _ = find("torchvision:vit_b_16")
    small, large = (VisionTransformer(size, 16, 1, 2, 8, 16) for size in (32, 64))
    nn.init.constant_(small.encoder.pos_embedding, 0.5)
    resized = source.convert(small.state_dict(), ModelSpec("torchvision:vit_b_16", 9, {}, (), 64), large)
    assert resized["encoder.pos_embedding"].shape == (1, 17, 8)
    assert torch.allclose(resized["encoder.pos_embedding"], torch.tensor(0.5))
    large.load_state_dict(resized)
