"""The loop learns, goes on bit for bit after a stop, and refuses nonsense."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from mlspatial.core.errors import BadValue
from mlspatial.core.manifest import Manifest
from mlspatial.data.loader import Loader
from mlspatial.models.build import build
from mlspatial.models.spec import ModelSpec, to_input
from mlspatial.tasks import build_task, head_layout
from mlspatial.train import loop
from mlspatial.train.augment import AUGMENTATIONS
from mlspatial.train.loop import Diverged, Network, Settings, evaluate, parse_steps, train


class Bench:
    """One network on the small dataset whose calls are recorded."""

    def __init__(self, folder: Path, task: str, tmp_path: Path, seed: int = 0) -> None:
        self.manifest = Manifest.load(folder)
        self.folder = folder
        self.task = build_task(task, self.manifest.schema, self.manifest.statistics)
        layout = head_layout(self.manifest.schema)
        units = max(end for _, end in layout.values())
        self.spec = ModelSpec("resnet18", units, layout, tuple(self.task.parts), 48)
        self.module = build(self.spec, seed=seed)
        self.state = tmp_path / f"{task}-{seed}.pt"
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.kept: list[int] = []
        self.network = Network(
            f"{task} seed {seed}",
            self.module,
            self.spec,
            self.task,
            seed,
            log=lambda metrics, step: self.logged.append((step, dict(metrics))),
            evaluated=lambda module, step, metrics, checkpoint: self.kept.append(step) if checkpoint else None,
            state_file=self.state,
        )

    @property
    def training(self) -> Loader:
        return Loader(self.folder, self.manifest, "train", columns=self.task.columns, batch_size=16)

    def run(self, settings: Settings, stop_at: int | None = None) -> dict[str, float]:
        together([self], settings, stop_at)
        if self.network.failed:
            raise self.network.failed
        return self.network.metrics


def together(benches: list[Bench], settings: Settings, stop_at: int | None = None) -> None:
    def progress(step: int, loss: float) -> None:
        if step == stop_at:
            raise KeyboardInterrupt

    first = benches[0]
    columns = tuple(dict.fromkeys(column for bench in benches for column in bench.task.columns))
    training = Loader(first.folder, first.manifest, "train", columns=columns, batch_size=16)
    heldout = Loader(first.folder, first.manifest, "heldout", columns=columns, batch_size=64)
    train([bench.network for bench in benches], training, heldout, settings, progress=progress)


def same_weights(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_it_learns_the_distance(small_dataset: Path, tmp_path: Path) -> None:
    bench = Bench(small_dataset, "distance", tmp_path)
    before = evaluate([(bench.module, bench.spec, bench.task)], bench.training, "cpu")[0]["loss"]
    bench.run(Settings(batches=30))
    after = evaluate([(bench.module, bench.spec, bench.task)], bench.training, "cpu")[0]["loss"]
    assert after < 0.7 * before


def test_checkpoints_are_kept_and_evaluated(small_dataset: Path, tmp_path: Path) -> None:
    bench = Bench(small_dataset, "category", tmp_path)
    bench.run(Settings(batches=6, checkpoints=(0, 2, 4), evaluations=(1, 4), log_every=3))
    assert bench.kept == [0, 2, 4, 6]
    assert [step for step, metrics in bench.logged if "heldout/category/top1" in metrics] == [0, 1, 2, 4, 6]
    assert [step for step, metrics in bench.logged if "train/loss" in metrics] == [3, 6]
    speeds = [metrics["images_per_s"] for _, metrics in bench.logged if "images_per_s" in metrics]
    assert all(speed > 0 for speed in speeds)


def test_no_batches_leave_the_initial_weights(small_dataset: Path, tmp_path: Path) -> None:
    bench = Bench(small_dataset, "translation", tmp_path)
    bench.run(Settings(batches=0))
    fresh = build(bench.spec, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(bench.module.parameters(), fresh.parameters(), strict=True))
    assert bench.kept == [0]


@pytest.mark.parametrize(("channels_last_from", "schedule"), [(48, "constant"), (64, "constant"), (64, "one_cycle")])
def test_after_a_stop_the_weights_are_those_of_an_undisturbed_run(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, channels_last_from: int, schedule: str
) -> None:
    monkeypatch.setattr(loop, "CHANNELS_LAST_FROM", channels_last_from)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    settings = Settings(batches=6, checkpoints=(3,), save_every=0.0, schedule=schedule)
    whole = Bench(small_dataset, "translation", tmp_path / "a")
    whole.run(settings)
    for stop in (2, 5, 6):
        stopped = Bench(small_dataset, "translation", tmp_path / "b")
        with pytest.raises(KeyboardInterrupt):
            stopped.run(settings, stop_at=stop)
    resumed = Bench(small_dataset, "translation", tmp_path / "b", seed=0)
    resumed.run(settings)
    assert same_weights(whole.module, resumed.module)


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_networks_trained_together_equal_networks_trained_alone(
    small_dataset: Path, tmp_path: Path, schedule: str
) -> None:
    settings = Settings(batches=4, checkpoints=(2,), augment="colour", schedule=schedule)
    jobs = [("distance", 0), ("category", 0), ("distance", 1)]
    (tmp_path / "alone").mkdir()
    alone = [Bench(small_dataset, task, tmp_path / "alone", seed) for task, seed in jobs]
    for bench in alone:
        bench.run(settings)
    group = [Bench(small_dataset, task, tmp_path, seed) for task, seed in jobs]
    with pytest.raises(KeyboardInterrupt):
        together(group, settings, stop_at=3)
    for bench in group[1:]:
        bench.state.unlink()  # as if the kill had come between two saves
    again = [Bench(small_dataset, task, tmp_path, seed) for task, seed in jobs]
    together(again, settings)
    for one, other in zip(alone, again, strict=True):
        assert same_weights(one.module, other.module)
        assert one.network.metrics == other.network.metrics
    assert [bench.kept for bench in again] == [[4], [2, 4], [2, 4]]


def test_one_that_diverges_does_not_stop_the_others(small_dataset: Path, tmp_path: Path) -> None:
    good, bad = Bench(small_dataset, "distance", tmp_path), Bench(small_dataset, "category", tmp_path)
    with torch.no_grad():
        bad.module.fc.weight.fill_(float("nan"))
    together([bad, good], Settings(batches=3))
    assert "category seed 0, batch 1: the loss is nan" in str(bad.network.failed)
    assert bad.kept == [] and good.kept == [3] and good.network.failed is None


def test_colours_change_and_nothing_else(small_dataset: Path) -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3), dtype=np.uint8))
    changed = AUGMENTATIONS["colour"](images, 3, 7)
    assert changed.shape == images.shape and changed.dtype == torch.uint8 and not torch.equal(changed, images)
    assert torch.equal(changed, AUGMENTATIONS["colour"](images, 3, 7))
    assert not torch.equal(changed, AUGMENTATIONS["colour"](images, 3, 8))
    assert not torch.equal(changed, AUGMENTATIONS["colour"](images, 4, 7))
    grey = torch.full((2, 4, 4, 3), 100, dtype=torch.uint8)
    assert (AUGMENTATIONS["colour"](grey, 0, 0).float().std((1, 2, 3)) == 0).all()  # grey stays grey and even
    many = AUGMENTATIONS["colour"](torch.full((2000, 2, 2, 3), 100, dtype=torch.uint8), 0, 0)
    assert 60 <= many.min() < 61 and 139 < many.max() <= 140  # brightness by factors from 0.6 to 1.4
    assert AUGMENTATIONS["none"](images, 3, 7) is images


def test_three_in_ten_images_lose_their_colour_and_nothing_else() -> None:
    from PIL import Image

    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1000, 6, 6, 3), dtype=np.uint8))
    changed = AUGMENTATIONS["grey"](images, 3, 7)
    assert changed.shape == images.shape and changed.dtype == torch.uint8
    drawn = (changed != images).flatten(1).any(1)
    assert 240 < int(drawn.sum()) < 360  # binomial: 300 +- 14
    assert torch.equal(changed[~drawn], images[~drawn])
    luminance = np.stack([np.asarray(Image.fromarray(one.numpy()).convert("L")) for one in images[drawn]])
    difference = changed[drawn].numpy().astype(int) - luminance[..., None]
    assert np.abs(difference).max() <= 1 and (difference == difference[..., :1]).all()  # Pillow truncates
    assert torch.equal(changed, AUGMENTATIONS["grey"](images, 3, 7))
    assert not torch.equal(changed, AUGMENTATIONS["grey"](images, 3, 8))
    assert not torch.equal(changed, AUGMENTATIONS["grey"](images, 4, 7))


def test_different_seeds_differ(small_dataset: Path) -> None:
    spec = ModelSpec("resnet18", 3, {}, (), 48)
    torch.manual_seed(9)
    state = torch.get_rng_state()
    one, two, again = (build(spec, seed=seed).fc.weight for seed in (0, 1, 0))
    assert torch.equal(one, again) and not torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)  # the global generator is left alone


def test_a_loss_that_is_not_finite_stops_with_the_batch(small_dataset: Path, tmp_path: Path) -> None:
    bench = Bench(small_dataset, "distance", tmp_path)
    with torch.no_grad():
        bench.module.fc.weight[0, 0] = float("nan")
    with pytest.raises(Diverged, match="batch 1: the loss is nan"):
        bench.run(Settings(batches=3))
    assert not bench.state.exists() and not bench.kept


def test_bfloat16_is_close_to_float32(small_dataset: Path, tmp_path: Path) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        (tmp_path / precision).mkdir()
        bench = Bench(small_dataset, "distance", tmp_path / precision)
        losses[precision] = bench.run(Settings(batches=3, precision=precision))["loss"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.5)


def test_both_orders_of_memory_learn_the_same(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = []
    for first in (48, 64):
        monkeypatch.setattr(loop, "CHANNELS_LAST_FROM", first)
        (tmp_path / str(first)).mkdir()
        bench = Bench(small_dataset, "distance", tmp_path / str(first))
        losses.append(bench.run(Settings(batches=2))["loss"])
        assert bench.module.conv1.weight.is_contiguous(memory_format=torch.channels_last) == (first == 48)
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_input_is_normalised_and_resized() -> None:
    spec = ModelSpec("resnet18", 3, {}, (), 32)
    images = torch.full((2, 48, 48, 3), 128, dtype=torch.uint8)
    inputs = to_input(images, spec)
    expected = (128 / 255 - torch.tensor(spec.mean)) / torch.tensor(spec.sd)
    assert inputs.shape == (2, 3, 32, 32) and inputs.is_contiguous(memory_format=torch.channels_last)
    assert inputs[1, :, 5, 7].numpy() == pytest.approx(expected.numpy(), abs=1e-5)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (Settings(batches=-1), "batches=-1"),
        (Settings(batches=1, lr=0.0), "lr=0.0"),
        (Settings(batches=5, checkpoints=(6,)), "checkpoints=6: must lie between 0 and batches=5"),
        (Settings(batches=5, precision="int8"), "precision=int8: must be one of float32, bfloat16"),
    ],
)
def test_settings_that_cannot_be_meant(settings: Settings, words: str) -> None:
    with pytest.raises(BadValue, match=words):
        settings.check()


def test_parameters_as_text() -> None:
    assert parse_steps("checkpoints", "100, 20,,20") == (20, 100)
    with pytest.raises(BadValue, match="comma list"):
        parse_steps("checkpoints", "1k")
