"""Live images: those of the rendered dataset, in order, for any number of workers; nothing is left running."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspatial.core.errors import BadValue, DatasetError, UnknownName, UserError
from mlspatial.core.latents import LatentSchema
from mlspatial.core.manifest import Manifest
from mlspatial.data.loader import Loader
from mlspatial.render.live import LiveLoader, live_source, recipe_of
from mlspatial.render.studio import Recipe
from mlspatial.render.write import render_dataset

# size and environment as in conftest, which shares what is derived from them
RECIPE = Recipe(40, 4, 48, 5, ("chair", "apple"), environments="procedural:meadow", encoding="png")
COLUMNS = ("x", "z", "rot_1", "category", "identity")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    """40 training images, stored without loss."""
    folder = tmp_path_factory.mktemp("live") / "set"
    return folder, render_dataset(RECIPE, folder, "live")


@pytest.fixture(scope="module")
def whole(dataset: tuple[Path, Manifest]) -> Any:
    """The training split in one batch."""
    folder, manifest = dataset
    (batch,) = Loader(folder, manifest, "train", columns=COLUMNS, batch_size=40).once()
    return batch


def make(manifest: Manifest, **options: Any) -> LiveLoader:
    return live_source(manifest, **{"columns": COLUMNS, "batch_size": 8, "workers": 0, **options})


def take(loader: LiveLoader, n: int, start: int = 0) -> list:
    batches = loader.endless(start)
    try:
        return list(islice(batches, n))
    finally:
        batches.close()  # type: ignore[attr-defined]


def assert_rows(batch: Any, whole: Any, rows: slice) -> None:
    assert np.array_equal(batch.images, whole.images[rows])
    assert list(batch.columns) == list(COLUMNS)
    for name, values in batch.columns.items():
        assert values.dtype == whole.columns[name].dtype
        assert np.array_equal(values, whole.columns[name][rows])


def new_children(before: set[int | None]) -> list[Any]:
    """Processes that began since; pools of earlier tests may live on."""
    return [child for child in multiprocessing.active_children() if child.pid not in before]


def children() -> set[int | None]:
    return {child.pid for child in multiprocessing.active_children()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pids: list[int], seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_live_images_are_those_of_the_dataset_and_go_on_after_it(dataset: tuple[Path, Manifest], whole: Any) -> None:
    loader = make(dataset[1])
    batches = take(loader, 7)
    assert loader.batch_size == 8 and [batch.number for batch in batches] == list(range(7))
    for k in range(5):
        assert_rows(batches[k], whole, slice(8 * k, 8 * k + 8))
    assert not np.array_equal(batches[5].images, batches[0].images)  # beyond the dataset: new images
    (again,) = take(loader, 1, start=6)
    assert again.number == 6 and np.array_equal(again.images, batches[6].images)
    (moved,) = take(make(dataset[1], start_index=16), 1, start=1)
    assert_rows(moved, whole, slice(24, 32))


def test_workers_change_nothing_and_end_with_the_iterator(dataset: tuple[Path, Manifest], whole: Any) -> None:
    before = children()
    batches = make(dataset[1], workers=2, batch_size=34).endless(0)  # two parts a batch
    assert_rows(next(batches), whole, slice(0, 34))
    workers = new_children(before)
    assert len(workers) == 2
    second = next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert wait_for_end([worker.pid for worker in workers if worker.pid])
    (alone,) = take(make(dataset[1], batch_size=34), 1, start=1)
    assert np.array_equal(second.images, alone.images)


def test_a_killed_worker_is_told(dataset: tuple[Path, Manifest]) -> None:
    before = children()
    batches = make(dataset[1], workers=1).endless(0)
    next(batches)
    (worker,) = new_children(before)
    os.kill(worker.pid or 0, signal.SIGKILL)
    with pytest.raises(UserError, match="fewer workers than 1"):
        list(islice(batches, 20))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_a_killed_parent(dataset: tuple[Path, Manifest], how: signal.Signals) -> None:
    """By kill -9, and by Ctrl-C, which a terminal sends to the whole group."""
    script = (
        "import sys, time, multiprocessing; from pathlib import Path\n"
        "from mlspatial.core.manifest import Manifest; from mlspatial.render.live import live_source\n"
        "if __name__ == '__main__':\n"
        "    manifest = Manifest.load(Path(sys.argv[1]))\n"
        "    batches = live_source(manifest, columns=('x',), batch_size=8, workers=1).endless(0)\n"
        "    next(batches)\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "    for batch in batches: time.sleep(0.05)\n"
    )
    command = [sys.executable, "-c", script, str(dataset[0])]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout and parent.stderr
        try:
            workers = [int(pid) for pid in parent.stdout.readline().split()]
            assert workers and all(map(alive, workers))
            if how is signal.SIGKILL:
                parent.kill()
            else:
                os.killpg(parent.pid, how)
            assert wait_for_end([*workers, parent.pid])
        finally:  # Popen waits for whoever did not end
            parent.kill()
        errors = parent.stderr.read()
        assert ("Traceback" in errors) == (how is signal.SIGINT), errors


def test_ranks_share_every_batch(dataset: tuple[Path, Manifest], whole: Any) -> None:
    for rank in range(2):
        (batch,) = take(make(dataset[1], rank=rank, world=2), 1, start=2)
        assert_rows(batch, whole, slice(16 + 4 * rank, 20 + 4 * rank))
    with pytest.raises(BadValue, match="multiple of the number of processes, 3"):
        make(dataset[1], world=3)
    with pytest.raises(BadValue, match="rank=2"):
        make(dataset[1], rank=2, world=2)


def test_tensors(dataset: tuple[Path, Manifest], whole: Any) -> None:
    import torch

    (batch,) = take(make(dataset[1], device="cpu"), 1)
    assert isinstance(batch.images, torch.Tensor) and batch.columns["category"].dtype == torch.int64
    assert np.array_equal(batch.images.numpy(), whole.images[:8])
    assert np.array_equal(batch.columns["x"].numpy(), whole.columns["x"][:8])


@pytest.mark.gpu
@pytest.mark.parametrize("workers", [0, 1])
def test_images_stay_on_the_gpu(dataset: tuple[Path, Manifest], whole: Any, workers: int) -> None:
    """The same scenes, rounded by another processor."""
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    for k, batch in enumerate(take(make(dataset[1], device="cuda", workers=workers), 5)):
        assert batch.images.is_cuda and batch.columns["x"].is_cuda
        difference = np.abs(batch.images.cpu().numpy().astype(int) - whole.images[8 * k : 8 * k + 8])
        assert difference.mean() < 0.5


@pytest.mark.parametrize("key", ["objects", "environments", "renderer"])
def test_other_versions_are_refused(dataset: tuple[Path, Manifest], key: str) -> None:
    recipe = dataset[1].recipe
    old = replace(dataset[1], recipe={**recipe, key: {**recipe[key], "version": "old"}})
    with pytest.raises(DatasetError, match=f"with {key} version old, here it is .*render the dataset again"):
        make(old)


def test_what_cannot_be_drawn_is_refused(dataset: tuple[Path, Manifest]) -> None:
    manifest = dataset[1]
    assert recipe_of(manifest) == RECIPE
    with pytest.raises(UnknownName, match="unknown latent 'depth'"):
        make(manifest, columns=("depth",))
    with pytest.raises(DatasetError, match="was not rendered by this project"):
        make(replace(manifest, recipe={"size": 32}))
    folder = {**manifest.recipe, "objects": {"name": "folder", "version": "1"}}
    with pytest.raises(DatasetError, match="say objects=FOLDER"):
        make(replace(manifest, recipe=folder))
    latents = (
        replace(latent, categories=("chair",)) if latent.name == "category" else latent for latent in manifest.schema
    )
    with pytest.raises(DatasetError, match="category 'apple', which the schema does not list"):
        LiveLoader(RECIPE, LatentSchema(tuple(latents)), columns=("category",), batch_size=8, workers=0)
