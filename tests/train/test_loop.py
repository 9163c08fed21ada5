"""The loop learns, goes on bit for bit after a stop, and refuses nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.manifest import Manifest
from mlspatial.data.loader import Loader
from mlspatial.models.zoo import ModelSpec, build, to_input
from mlspatial.tasks import build_task, head_layout
from mlspatial.train.loop import Diverged, Settings, choose_device, evaluate, parse_steps, train


class Bench:
    """One training job on the small dataset whose calls are recorded."""

    def __init__(self, folder: Path, task: str, tmp_path: Path, seed: int = 0) -> None:
        manifest = Manifest.load(folder)
        self.task = build_task(task, manifest.schema, manifest.statistics)
        layout = head_layout(manifest.schema)
        units = max(end for _, end in layout.values())
        self.spec = ModelSpec("resnet18", units, layout, tuple(self.task.parts), 48)
        self.module = build(self.spec, seed=seed)
        columns = self.task.columns
        self.training = Loader(folder, manifest, "train", columns=columns, batch_size=16, seed=seed)
        self.heldout = Loader(folder, manifest, "heldout", columns=columns, batch_size=64)
        self.state = tmp_path / "state.pt"
        self.logged: list[tuple[int, dict[str, float]]] = []
        self.kept: list[int] = []

    def run(self, settings: Settings, stop_at: int | None = None) -> dict[str, float]:
        def progress(step: int, loss: float) -> None:
            if step == stop_at:
                raise KeyboardInterrupt

        return train(
            self.module,
            self.spec,
            self.task,
            self.training,
            self.heldout,
            settings,
            device="cpu",
            log=lambda metrics, step: self.logged.append((step, dict(metrics))),
            keep=lambda module, step, metrics: self.kept.append(step),
            resume_file=self.state,
            progress=progress,
        )


def test_it_learns_the_distance(small_dataset: Path, tmp_path: Path) -> None:
    bench = Bench(small_dataset, "distance", tmp_path)
    before = evaluate(bench.module, bench.spec, bench.task, bench.training, "cpu")["loss"]
    bench.run(Settings(batches=30))
    after = evaluate(bench.module, bench.spec, bench.task, bench.training, "cpu")["loss"]
    assert after < 0.7 * before


def test_checkpoints_are_kept_and_evaluated(small_dataset: Path, tmp_path: Path) -> None:
    bench = Bench(small_dataset, "category", tmp_path)
    bench.run(Settings(batches=6, checkpoints=(0, 2, 4), log_every=3))
    assert bench.kept == [0, 2, 4, 6]
    assert [step for step, metrics in bench.logged if "heldout/category/top1" in metrics] == [0, 2, 4, 6]
    assert [step for step, metrics in bench.logged if "train/loss" in metrics] == [3, 6]
    speeds = [metrics["images_per_s"] for _, metrics in bench.logged if "images_per_s" in metrics]
    assert all(speed > 0 for speed in speeds)


def test_no_batches_leave_the_initial_weights(small_dataset: Path, tmp_path: Path) -> None:
    bench = Bench(small_dataset, "translation", tmp_path)
    bench.run(Settings(batches=0))
    fresh = build(bench.spec, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(bench.module.parameters(), fresh.parameters(), strict=True))
    assert bench.kept == [0]


def test_after_a_stop_the_weights_are_those_of_an_undisturbed_run(small_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    settings = Settings(batches=6, checkpoints=(3,), save_every=0.0)
    whole = Bench(small_dataset, "translation", tmp_path / "a")
    whole.run(settings)
    for stop in (2, 5, 6):
        stopped = Bench(small_dataset, "translation", tmp_path / "b")
        with pytest.raises(KeyboardInterrupt):
            stopped.run(settings, stop_at=stop)
    resumed = Bench(small_dataset, "translation", tmp_path / "b", seed=0)
    resumed.run(settings)
    for (name, one), two in zip(whole.module.state_dict().items(), resumed.module.state_dict().values(), strict=True):
        assert torch.equal(one, two), name


def test_different_seeds_differ(small_dataset: Path) -> None:
    spec = ModelSpec("resnet18", 3, {}, (), 48)
    torch.manual_seed(9)
    state = torch.get_rng_state()
    one, two, again = (build(spec, seed=seed).fc.weight for seed in (0, 1, 0))
    assert torch.equal(one, again) and not torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), state)  # the global generator is left alone


def test_a_loss_that_is_not_finite_stops_with_the_batch(small_dataset: Path, tmp_path: Path) -> None:
    bench = Bench(small_dataset, "distance", tmp_path)
    bench.run(Settings(batches=1))
    with torch.no_grad():
        bench.module.fc.weight[0, 0] = float("nan")
    bench.state.unlink()
    with pytest.raises(Diverged, match="batch 1: the loss is nan"):
        bench.run(Settings(batches=3))


def test_bfloat16_is_close_to_float32(small_dataset: Path, tmp_path: Path) -> None:
    losses = {}
    for precision in ("float32", "bfloat16"):
        (tmp_path / precision).mkdir()
        bench = Bench(small_dataset, "distance", tmp_path / precision)
        losses[precision] = bench.run(Settings(batches=3, precision=precision))["loss"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.5)


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
    assert parse_steps("100, 20,,20") == (20, 100)
    with pytest.raises(BadValue, match="comma list"):
        parse_steps("1k")
    assert choose_device("cpu") == "cpu"
    with pytest.raises(BadValue, match="device=tpu"):
        choose_device("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no CUDA device"):
            choose_device("cuda")
