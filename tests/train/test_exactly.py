"""The loop, number by number: against a plain loop, its draws, its looks, its clock, what a state holds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.latents import spatial_schema
from mlspatial.data.loader import Batch
from mlspatial.models.spec import IMAGENET_MEAN, IMAGENET_SD, ModelSpec
from mlspatial.tasks import build_task
from mlspatial.train import loop
from mlspatial.train.augment import AUGMENTATIONS
from mlspatial.train.loop import Network, Settings, look_interval, train
from mlspatial.train.ranks import ALONE, Group

SIZE, IMAGES = 32, 12
TASK = build_task("distance", spatial_schema(("a",), ("b",)), {"z": {"mean": 2.0, "sd": 0.5}})


class Source:
    """Batches by their number. orders: of which numbers a training asked for."""

    batch_size = IMAGES

    def __init__(self) -> None:
        self.asked: list[int] = []

    def batch(self, number: int) -> Batch:
        rng = np.random.default_rng(number)
        images = rng.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8)
        return Batch(number, images, {"z": rng.normal(2.0, 0.5, IMAGES).astype(np.float32)})

    def endless(self, start: int = 0) -> Iterator[Batch]:
        number = start
        while True:
            self.asked.append(number)
            yield self.batch(number)
            number += 1

    def once(self) -> Iterator[Batch]:
        return iter([self.batch(1000)])


class Noisy(nn.Module):
    """The input plus noise from torch's own generator, as dropout draws from it; remembers what it drew."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[float] = []
        self.dtypes: list[torch.dtype] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.dtypes.append(x.dtype)
        if not self.training:
            return x
        noise = torch.rand(1)
        self.drawn.append(float(noise))
        return x + noise.to(x)


def module() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(11)
        layers = [
            nn.Conv2d(3, 4, 3, stride=2, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            Noisy(),
            nn.AdaptiveAvgPool2d(2),
        ]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 1))


class Run:
    """A network and what becomes of it."""

    def __init__(self, folder: Path, seed: int = 3) -> None:
        self.module, self.source = module(), Source()
        self.logged: dict[int, dict[str, float]] = {}
        self.looks: list[int] = []
        spec = ModelSpec("plain", 1, {}, ("distance",), SIZE)
        self.network = Network("net", self.module, spec, TASK, seed, self.log, lambda *_: None, folder / "net.pt")

    @property
    def noisy(self) -> Noisy:
        found = self.module[3]
        assert isinstance(found, Noisy)
        return found

    def log(self, metrics: Any, step: int) -> None:
        self.logged.setdefault(step, {}).update(metrics)

    def train(self, settings: Settings, stop_at: int = 0) -> Run:
        def progress(step: int, loss: float) -> None:
            self.looks.append(step)
            if step == stop_at:
                raise KeyboardInterrupt

        train([self.network], self.source, self.source, settings, progress=progress)  # type: ignore[arg-type]
        return self


def seed_of(seed: int, number: int) -> int:
    """Of a batch's draws: 32 bits, as torch's generators on a CPU forget the upper half of 64."""
    return int(hashlib.sha256(f"[{seed},{number}]".encode()).hexdigest()[:8], 16)


def one_cycle(settings: Settings, step: int) -> tuple[float, float]:
    """Learning rate and Adam's beta1 in a batch, as Smith and Topin 2018 describe it and torch has it: from lr / 25
    to lr in the first 30 % of the batches, then to lr / 250,000, along cosines; beta1 from .95 to .85 and back."""
    top, last = 0.3 * settings.batches - 1, settings.batches - 1

    def between(first: float, end: float, share: float) -> float:
        return end + (first - end) * (1 + math.cos(math.pi * share)) / 2

    if step <= top:
        return between(settings.lr / 25, settings.lr, step / top), between(0.95, 0.85, step / top)
    share = (step - top) / (last - top)
    return between(settings.lr, settings.lr / 250_000, share), between(0.85, 0.95, share)


def plain(settings: Settings, seed: int) -> tuple[nn.Module, list[float]]:
    """The same training, as a textbook writes it: the module and the losses of its batches."""
    made, source, losses = module().train(), Source(), []
    optimizer = torch.optim.Adam(made.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, foreach=False)
    for number in range(settings.batches):
        batch = source.batch(number)
        pixels = torch.from_numpy(batch.images).float().permute(0, 3, 1, 2) / 255
        pixels = (pixels - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_SD).view(3, 1, 1)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed_of(seed, number))
            outputs = made(pixels)
        loss = ((outputs[:, 0] - (torch.as_tensor(batch.columns["z"]) - 2.0) / 0.5) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        if settings.schedule == "one_cycle":
            lr, beta = one_cycle(settings, number)
            optimizer.param_groups[0] |= {"lr": lr, "betas": (beta, 0.999)}
        optimizer.step()
        losses.append(loss.item())
    return made, losses


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("lr", [1e-3, 3e-2])
def test_weights_are_those_of_a_plain_loop(tmp_path: Path, lr: float, weight_decay: float) -> None:
    """with evaluations in between, which change nothing."""
    settings = Settings(4, lr=lr, weight_decay=weight_decay, evaluations=(0, 1, 2), log_every=1)
    ours, (theirs, losses) = Run(tmp_path).train(settings), plain(settings, 3)
    for (name, one), other in zip(ours.module.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert one.numpy() == pytest.approx(other.numpy(), abs=1e-5), name
    assert [ours.logged[step]["train/loss"] for step in (1, 2, 3, 4)] == pytest.approx(losses, rel=1e-4)
    theirs.eval()
    held_out = next(Source().once())
    pixels = (torch.from_numpy(held_out.images).float() / 255 - torch.tensor(IMAGENET_MEAN)) / torch.tensor(IMAGENET_SD)
    with torch.no_grad():
        predicted = theirs(pixels.permute(0, 3, 1, 2))[:, 0] * 0.5 + 2.0
    error = (predicted - torch.as_tensor(held_out.columns["z"])).abs().mean()
    assert ours.network.metrics["distance/z_mae_m"] == pytest.approx(float(error), rel=1e-4)


def test_one_cycle_is_that_of_a_plain_loop_and_torchs_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, seen = Settings(12, lr=3e-2, schedule="one_cycle", log_every=1), list[tuple[float, float]]()
    descend = Network.descend

    def noted(self: Network, *arguments: Any) -> None:
        group = self.optimizer.param_groups[0]
        seen.append((group["lr"], group["betas"][0]))
        descend(self, *arguments)

    monkeypatch.setattr(Network, "descend", noted)
    ours, (theirs, losses) = Run(tmp_path).train(settings), plain(settings, 3)
    for (name, one), other in zip(ours.module.state_dict().items(), theirs.state_dict().values(), strict=True):
        assert one.numpy() == pytest.approx(other.numpy(), abs=1e-4), name
    assert [ours.logged[step]["train/loss"] for step in range(1, 13)] == pytest.approx(losses, rel=1e-3)
    assert seen == [pytest.approx(one_cycle(settings, step), rel=1e-6) for step in range(12)]
    optimizer = torch.optim.Adam(nn.Linear(1, 1).parameters(), lr=3e-2)
    torchs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-2, total_steps=12)
    for lr, _ in seen:
        assert torchs.get_last_lr() == [lr]
        optimizer.step()
        torchs.step() if torchs.last_epoch < 12 else None


def test_one_cycle_goes_on_to_the_bit_wherever_it_was_stopped(tmp_path: Path) -> None:
    settings = Settings(9, lr=3e-2, schedule="one_cycle", checkpoints=(1, 3, 6), save_every=1e9)
    (tmp_path / "whole").mkdir()
    whole = Run(tmp_path / "whole").train(settings)
    for stop in (2, 4, 7):  # before the top, behind it, near the end
        with pytest.raises(KeyboardInterrupt):
            Run(tmp_path).train(settings, stop_at=stop)
    again = Run(tmp_path).train(settings)
    assert again.source.asked[0] == 6
    for name, value in whole.module.state_dict().items():
        assert torch.equal(value, again.module.state_dict()[name]), name
    assert whole.network.metrics == again.network.metrics


@pytest.mark.parametrize("batches", [1, 2, 3])
def test_one_cycle_of_few_batches(tmp_path: Path, batches: int) -> None:
    """torch divides by the length of a phase; two phases in three batches leave one of them none."""
    made = Run(tmp_path).train(Settings(batches, schedule="one_cycle"))
    assert made.network.step == batches and all(p.isfinite().all() for p in made.module.parameters())


def test_a_module_draws_by_its_seed_and_the_number_of_the_batch(tmp_path: Path) -> None:
    def known(seed: int, step: int) -> float:
        return float(torch.rand(1, generator=torch.Generator().manual_seed(seed_of(seed, step))))

    with pytest.raises(KeyboardInterrupt):
        Run(tmp_path).train(Settings(5, save_every=0.0), stop_at=2)
    again = Run(tmp_path).train(Settings(5))
    assert again.noisy.drawn == [known(3, step) for step in (1, 2, 3, 4)]  # one batch was saved, the second was not
    (tmp_path / "net.pt").unlink()
    assert Run(tmp_path, seed=-4).train(Settings(2)).noisy.drawn == [known(-4, 0), known(-4, 1)]
    assert len({known(seed, step) for seed in range(5) for step in range(5)}) == 25


def test_augmentation_is_told_its_seed_and_the_number_of_the_batch(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    def noted(images: torch.Tensor, seed: int, number: int) -> torch.Tensor:
        told.append((seed, number))
        return images

    AUGMENTATIONS.register("noted")(noted)
    with pytest.raises(KeyboardInterrupt):
        Run(tmp_path).train(Settings(4, augment="noted", augment_seed=7, save_every=0.0), stop_at=2)
    Run(tmp_path).train(Settings(4, augment="noted", augment_seed=7))
    assert told == [(7, 0), (7, 1), (7, 1), (7, 2), (7, 3)]


@pytest.mark.parametrize(
    ("precision", "inside"),
    [("float32", torch.float32), ("tf32", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_precision_is_that_of_the_forward_pass_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str, inside: torch.dtype
) -> None:
    monkeypatch.setattr("mlspatial.train.settings.has_tf32", lambda device: True)
    made = Run(tmp_path)
    kept: list[torch.dtype] = []
    made.module[0].register_forward_hook(lambda module, given, output: kept.append(output.dtype))
    made.train(Settings(2, precision=precision))
    assert kept == [inside, inside, torch.float32]  # evaluated in float32
    assert {parameter.dtype for parameter in made.module.parameters()} == {torch.float32}


def test_looks_are_at_steps_that_every_rank_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(10, evaluations=(7,), log_every=4)
    assert look_interval(settings, "cpu") == 1 and look_interval(settings, "cuda:1") == 4
    assert Run(tmp_path).train(settings).looks == list(range(1, 11))
    (tmp_path / "net.pt").unlink()
    monkeypatch.setattr(loop, "look_interval", lambda settings, device: look_interval(settings, "cuda"))
    made = Run(tmp_path).train(settings)
    assert made.looks == [4, 7, 8, 10] and sorted(made.logged) == [4, 7, 8, 10]
    assert [step for step, metrics in made.logged.items() if "train/loss" in metrics] == [4, 8, 10]


def test_a_late_look_names_the_batch_that_diverged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "look_interval", lambda settings, device: 4)
    made = Run(tmp_path)
    original = made.source.batch

    def batch(number: int) -> Batch:
        found = original(number)
        return found if number != 5 else Batch(5, found.images, {"z": np.full(IMAGES, np.nan, np.float32)})

    made.source.batch = batch  # type: ignore[method-assign]
    made.train(Settings(12, log_every=4, save_every=0.0))
    assert "net, batch 6: the loss is nan" in str(made.network.failed)
    assert torch.load(tmp_path / "net.pt", weights_only=True)["step"] == 4 and 8 not in made.logged


def test_states_take_two_percent_of_the_time_and_come_no_sooner_than_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that moves a second a batch, and as long as it is told while a state is written."""
    now = [0.0]
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: now[0]))
    save, descend = Network.save, Network.descend
    at: list[int] = []

    def saving(self: Network) -> None:
        now[0] += takes
        at.append(self.step)
        save(self)

    def descending(self: Network, *arguments: Any) -> None:
        now[0] += 1.0
        descend(self, *arguments)

    monkeypatch.setattr(Network, "save", saving)
    monkeypatch.setattr(Network, "descend", descending)
    takes = 0.0
    Run(tmp_path).train(Settings(50, save_every=19.5))
    assert at == [20, 40, 50]
    at.clear()
    (tmp_path / "net.pt").unlink()
    takes = 1.0
    Run(tmp_path).train(Settings(130, save_every=19.5))
    assert at == [20, 71, 122, 130]  # 1 s of 50


def test_a_state_holds_all_there_is(tmp_path: Path) -> None:
    """Also how the gradients of float16 are scaled, and the metrics of the last evaluation."""
    settings = Settings(3, precision="float16")
    one, other = Run(tmp_path).network, Run(tmp_path).network
    one.start(settings, ALONE)
    one.step, one.metrics = 2, {"loss": 0.25}
    one.scaler.load_state_dict({**one.scaler.state_dict(), "scale": 128.0, "_growth_tracker": 17})
    with torch.no_grad():
        one.module[0].weight.add_(1.0)  # type: ignore[index,union-attr,operator]
    one.optimizer.param_groups[0]["lr"] = 0.5
    one.save()
    other.start(settings, ALONE)
    assert other.scaler.get_scale() == 128.0 and other.scaler.state_dict()["_growth_tracker"] == 17
    assert (other.step, other.metrics, other.optimizer.param_groups[0]["lr"]) == (2, {"loss": 0.25}, 0.5)
    assert torch.equal(one.module[0].weight, other.module[0].weight)  # type: ignore[index,arg-type]
    assert not list(tmp_path.glob(".net*"))


def test_a_training_goes_on_with_the_next_batch(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        Run(tmp_path).train(Settings(6, checkpoints=(3,), save_every=1e9), stop_at=5)
    again = Run(tmp_path).train(Settings(6))
    assert again.source.asked[:3] == [3, 4, 5] and again.network.step == 6
    done = Run(tmp_path).train(Settings(6))
    assert done.source.asked == [] and done.network.metrics == again.network.metrics


@pytest.mark.parametrize("name", ["checkpoints", "evaluations"])
def test_stops_lie_between_the_first_and_the_last_batch(name: str) -> None:
    Settings(5, **{name: (0, 5)}).check()  # type: ignore[arg-type]
    for step in (-1, 6):
        with pytest.raises(BadValue, match=f"{name}={step}: must lie between 0 and batches=5"):
            Settings(5, **{name: (step,)}).check()  # type: ignore[arg-type]
    settings = Settings(5, checkpoints=(2,), evaluations=(3,))
    assert settings.stops == (2, 3, 5) and [settings.keeps(step) for step in settings.stops] == [True, False, True]


@pytest.mark.parametrize(("lr", "weight_decay"), [(0.0, 0.0), (10.0, 0.0), (math.nan, 0.0), (0.1, 10.0), (0.1, -0.1)])
def test_rates_that_cannot_be_meant(lr: float, weight_decay: float) -> None:
    with pytest.raises(BadValue, match=r"^(lr|weight_decay)="):
        Settings(5, lr=lr, weight_decay=weight_decay).check()


def test_a_rank_that_does_not_see_rank_0s_state_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """on another machine, whose cache is another folder; starting anew instead would part the ranks."""
    monkeypatch.setattr(Group, "lead", lambda self, work: True)
    network = Run(tmp_path).network
    with pytest.raises(UserError, match=r"rank 1 does not see .*net.pt.* MLSPATIAL_CACHE .* resume=false"):
        network.start(Settings(2), Group(1, 2, "cpu"))
