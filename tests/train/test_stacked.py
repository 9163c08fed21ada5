"""Several networks in one forward and backward pass: what each computes, keeps and goes on from is its own."""

from __future__ import annotations

import ctypes.util
import os
import subprocess
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mlspatial.core.errors import BadValue
from mlspatial.core.latents import spatial_schema
from mlspatial.models.build import build
from mlspatial.models.spec import ModelSpec, to_input
from mlspatial.tasks import build_task, head_layout
from mlspatial.train import loop
from mlspatial.train.loop import Network, Settings, memory_format
from mlspatial.train.ranks import ALONE, Group
from mlspatial.train.stacked import Stack, Steps, hindrance, worth
from tests.train.test_loop import Bench, same_weights, together

ROOT = Path(__file__).resolve().parents[2]
TASKS = ("translation", "category", "distance+rotation")
SCHEMA = spatial_schema(("a", "b", "c", "d"), ("e", "f"))
LAYOUT = head_layout(SCHEMA)
STATISTICS = {axis: {"mean": 1.0, "sd": 2.0} for axis in "xyz"}


def made(task: str, seed: int, arch: str = "resnet18w4", size: int = 32) -> Network:
    own = build_task(task, SCHEMA, STATISTICS)
    spec = ModelSpec(arch, max(end for _, end in LAYOUT.values()), LAYOUT, tuple(own.parts), size)
    ignored: Any = lambda *_: None  # noqa: E731
    return Network(f"{task} {seed}", build(spec, seed=seed), spec, own, seed, ignored, ignored, Path("no such file"))


def networks(settings: Settings, arch: str = "resnet18w4") -> list[Network]:
    found = [made(task, seed, arch) for seed, task in enumerate(TASKS)]
    for network in found:
        network.start(settings, ALONE)
        network.module.train()
    return found


def batch(number: int) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    drawn = torch.Generator().manual_seed(number)
    pixels = torch.randint(0, 255, (12, 32, 32, 3), dtype=torch.uint8, generator=drawn)
    columns = {name: torch.randn(12, generator=drawn) for name in SCHEMA.names}
    columns |= {"category": torch.randint(4, (12,), generator=drawn), "identity": torch.zeros(12, dtype=torch.int64)}
    return to_input(pixels, made("distance", 0).spec).contiguous(), columns  # as the loop has them for so narrow ones


def gradients(network: Network) -> dict[str, torch.Tensor]:
    return {name: one.grad.clone() for name, one in network.module.named_parameters() if one.grad is not None}


@pytest.mark.parametrize("arch", ["resnet18w4", "resnet50w4"])
def test_gradients_losses_and_statistics_are_those_of_each_alone(arch: str) -> None:
    """To rounding: float32 summed in another order, 1e-4 of the largest of a tensor (measured: 1e-5)."""
    settings = Settings(batches=5, lr=0.01, schedule="one_cycle")
    alone, stacked = networks(settings, arch), networks(settings, arch)
    images, columns = batch(0)
    for network in alone:
        network.descend(images, columns, "float32")
    Stack(stacked).descend(images, columns, "float32")
    for one, other in zip(alone, stacked, strict=True):
        assert other.loss() == pytest.approx(one.loss(), rel=1e-5) and other.step == one.step == 1
        theirs, ours = gradients(one), gradients(other)
        assert theirs.keys() == ours.keys() and len(ours) > 50
        for name, expected in theirs.items():
            assert (ours[name] - expected).abs().max() <= 1e-4 * expected.abs().max() + 1e-7, name
        for (name, expected), found in zip(one.module.named_buffers(), other.module.buffers(), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6, msg=name)


MALLOC_DEBUG = ctypes.util.find_library("c_malloc_debug")  # of the C library: complains of what was written beyond


@pytest.mark.skipif(not MALLOC_DEBUG, reason="the C library has no libc_malloc_debug")
def test_a_step_of_narrow_networks_writes_into_its_own_memory_alone() -> None:
    """oneDNN's gradient of a strided convolution of 4 channels, channels last, does not where there is only AVX2: a
    process that makes it dies at a time of its choosing."""
    steps = (
        "import torch; from tests.train.test_stacked import Settings, Stack, batch, networks\n"
        "for number in range(3):\n"
        "    alone, stacked = networks(Settings(batches=5)), networks(Settings(batches=5))\n"
        "    for network in alone: network.descend(*batch(number), 'float32')\n"
        "    Stack(stacked).descend(*batch(number), 'float32')\n"
    )
    checked = {**os.environ, "LD_PRELOAD": str(MALLOC_DEBUG), "MALLOC_CHECK_": "3", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", steps], env=checked, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-300:]
    assert memory_format(made("distance", 0).module, made("distance", 0).spec, "cpu") == torch.contiguous_format
    wide = made("distance", 0, "resnet18w8")
    assert memory_format(wide.module, wide.spec, "cpu") == torch.channels_last


def test_a_network_s_part_in_a_stack_is_seen_by_itself_alone() -> None:
    """A batch that one network's loss makes infinite leaves the others' gradients as they are."""
    settings = Settings(batches=5)
    clean, spoilt = networks(settings), networks(settings)
    images, columns = batch(0)
    Stack(clean).descend(images, columns, "float32")
    Stack(spoilt).descend(images, {**columns, "x": torch.full((12,), torch.inf)}, "float32")  # of translation alone
    with pytest.raises(loop.Diverged):
        spoilt[0].loss()
    for one, other in zip(clean[1:], spoilt[1:], strict=True):
        assert other.loss() == one.loss()
        assert all(torch.equal(a, b) for a, b in zip(gradients(one).values(), gradients(other).values(), strict=True))


def test_each_network_s_optimiser_is_its_own() -> None:
    """Learning rates and clipping of one network change that one, and by as much as alone; float64 leaves no doubt."""
    settings = Settings(batches=9, lr=0.01, schedule="one_cycle")
    alone, stacked = (networks(settings) for _ in range(2))
    for group in (alone, stacked):
        for network in group:
            network.module.double()
            network.optimizer = torch.optim.Adam(network.module.parameters(), lr=0.01 * (1 + network.seed), fused=True)
            clip(network)
            network.scheduler = torch.optim.lr_scheduler.StepLR(  # type: ignore[assignment]
                network.optimizer, 2, 0.5 ** (1 + network.seed)
            )
    stack = Stack(stacked)
    for number in range(4):
        images, columns = batch(number)
        for network in alone:
            network.descend(images.double(), columns, "float32")
        stack.descend(images.double(), columns, "float32")
    stack.release()
    for one, other in zip(alone, stacked, strict=True):
        assert one.optimizer.param_groups[0]["lr"] == other.optimizer.param_groups[0]["lr"] < 0.01 * (1 + one.seed)
        for name, expected in one.module.state_dict().items():
            torch.testing.assert_close(other.module.state_dict()[name], expected, rtol=1e-3, atol=1e-5, msg=name)


def clip(network: Network) -> None:
    def clipped(*_: Any) -> None:
        nn.utils.clip_grad_norm_(network.module.parameters(), 0.05 * (1 + network.seed))

    network.optimizer.register_step_pre_hook(clipped)


def test_networks_have_their_own_memory_again_in_the_same_order() -> None:
    """What is saved of one is not the memory of all, and Adam's moments lie as the weights do."""
    settings = Settings(batches=5)
    stacked = networks(settings)
    strides = [[value.stride() for value in network.module.state_dict().values()] for network in stacked]
    stack = Stack(stacked)
    images, columns = batch(0)
    stack.descend(images, columns, "float32")
    inside = next(stacked[1].module.parameters())
    assert inside.untyped_storage().nbytes() == len(stacked) * inside.nbytes
    before = deepcopy(stacked[1].module.state_dict())
    stack.release()
    for network, expected in zip(stacked, strides, strict=True):
        values = list(network.module.state_dict().values())
        assert [value.stride() for value in values] == expected
        assert all(value.untyped_storage().nbytes() == value.nbytes for value in values)
        for parameter in network.module.parameters():
            assert network.optimizer.state[parameter]["exp_avg"].stride() == parameter.stride()
    assert all(torch.equal(a, b) for a, b in zip(before.values(), stacked[1].module.state_dict().values(), strict=True))


def benches(folder: Path, where: Path) -> list[Bench]:
    where.mkdir(exist_ok=True)
    found = [Bench(folder, task, where, seed) for seed, task in enumerate(("distance", "category"))]
    for bench in found:
        bench.spec = bench.network.spec = replace(bench.spec, arch="resnet18w8")
        bench.module = bench.network.module = build(bench.spec, seed=bench.network.seed)
    return found


def test_a_training_logs_keeps_and_goes_on_as_unstacked(small_dataset: Path, tmp_path: Path) -> None:
    """The same steps are logged, evaluated and kept, losses alike to 1e-2; after a stop it ends with the same bits."""
    settings = Settings(batches=6, checkpoints=(2,), evaluations=(4,), log_every=2, save_every=0.0, stacked="true")
    whole, stopped, apart = (benches(small_dataset, tmp_path / name) for name in ("a", "b", "c"))
    together(whole, settings)
    with pytest.raises(KeyboardInterrupt):
        together(stopped, settings, stop_at=5)
    again = benches(small_dataset, tmp_path / "b")
    assert all(bench.state.stat().st_size < 4.5e6 for bench in again)  # its own weights and moments, not all networks'
    together(again, settings)
    together(apart, replace(settings, stacked="false"))
    for one, resumed, other in zip(whole, again, apart, strict=True):
        assert same_weights(one.module, resumed.module)
        assert one.kept == other.kept == [2, 6]
        ours, theirs = ({(step, name): value for step, found in bench.logged for name, value in found.items()}
                        for bench in (one, other))  # fmt: skip
        assert ours.keys() == theirs.keys()
        for key in [key for key in ours if key[1] == "train/loss"]:
            assert ours[key] == pytest.approx(theirs[key], rel=1e-2), key
        assert not same_weights(one.module, other.module)  # another order of summation


def test_what_cannot_be_stacked_is_said_and_stepped_by_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(batches=5, stacked="true")
    several = networks(settings)
    assert hindrance(several, settings, ALONE) == ""
    assert hindrance(several[:1], settings, ALONE) == "there is one network"
    assert "processes" in hindrance(several, settings, Group(0, 2, "cpu"))
    assert "compile=true" in hindrance(several, replace(settings, compile=True), ALONE)
    assert "architectures differ" in hindrance([several[0], made("distance", 0, "resnet18w8")], settings, ALONE)
    several[2].module.fc = nn.Linear(32, 3)  # type: ignore[assignment]
    assert hindrance(several, settings, ALONE) == "their heads differ"
    drawing = networks(settings)
    for network in drawing:
        network.module.fc = nn.Sequential(nn.Dropout(0.5), network.module.fc)  # type: ignore[assignment,arg-type]
    assert hindrance(drawing, settings, ALONE) == "resnet18w4 has parts that are stepped by themselves (Dropout)"
    seen: list[str] = []
    monkeypatch.setattr(Network, "descend", lambda network, *_: seen.append(network.name))
    monkeypatch.setattr(Stack, "descend", lambda stack, *_: seen.append("stack"))
    images, columns = batch(0)
    for group, wanted in ((drawing, "true"), (networks(settings), "false"), (networks(settings), "true")):
        Steps(replace(settings, stacked=wanted), ALONE).descend(group, images, columns)
    reason = "resnet18w4 has parts that are stepped by themselves (Dropout)"
    assert capsys.readouterr().err.splitlines() == [f"train: stacked=true: {reason}, so each is stepped by itself"]
    assert seen == 2 * [network.name for network in drawing] + ["stack"]


def test_auto_stacks_where_it_was_measured_to_be_faster() -> None:
    assert worth([made("distance", 0), made("category", 1)], "cpu")
    assert not worth([made("distance", 0), made("distance", 0, "resnet18w8")], "cpu")
    assert not worth([made("distance", 0, size=64), made("category", 1)], "cpu")
    assert not worth([made("distance", 0), made("category", 1)], "cuda")
    with pytest.raises(BadValue, match="stacked=yes: must be one of auto, true, false"):
        Settings(batches=1, stacked="yes").check()
