"""A folder that a render fails in, or whose shards change, is made whole by the same command."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mlspatial.core.errors import BadValue, DatasetError, UserError
from mlspatial.data.shards import is_whole, verify
from mlspatial.render import write
from mlspatial.render.claim import RECIPE_FILE, claim
from mlspatial.render.studio import Recipe
from mlspatial.render.write import render_dataset

pytest.importorskip("trimesh")
BOX = "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "models" / "thing").mkdir(parents=True)
    (tmp_path / "models" / "thing" / "a.obj").write_text(BOX)
    (tmp_path / "skies").mkdir()
    levels = np.linspace(40, 250, 64 * 32).reshape(32, 64).astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "skies" / "grey.png")
    return Recipe(
        n_train=4,
        n_heldout=2,
        size=16,
        seed=0,
        categories=("thing",),
        objects=str(tmp_path / "models"),
        environments=str(tmp_path / "skies"),
    )


def test_a_failed_try_does_not_block_the_repaired_one(recipe: Recipe, tmp_path: Path) -> None:
    model, out = tmp_path / "models" / "thing" / "a.obj", tmp_path / "out"
    model.write_text("v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n")
    with pytest.raises(UserError, match=r"a\.obj: has no triangles with an area"):
        render_dataset(recipe, out, "t")
    model.write_text(BOX)
    made = render_dataset(recipe, out, "t")
    assert verify(out).dataset_id == made.dataset_id

    model.write_text(BOX + "v 9 9 9\n")  # now it is another dataset, and the folder holds one
    with pytest.raises(DatasetError, match="made by another recipe"):
        render_dataset(recipe, out, "t")
    assert verify(out).dataset_id == made.dataset_id


@pytest.mark.parametrize("damage", ["missing", "a byte", "another"])
def test_a_damaged_shard_is_drawn_again(recipe: Recipe, tmp_path: Path, damage: str) -> None:
    out = tmp_path / "out"
    made = render_dataset(recipe, out, "t")
    shard = out / made.splits["train"][0].file
    data = bytearray(shard.read_bytes())
    if damage == "missing":
        shard.unlink()
    elif damage == "a byte":
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    else:  # readable, of this recipe, and not what was written
        pq.write_table(pq.read_table(shard), shard, compression="GZIP")
    later = (out / "manifest.json").stat().st_mtime_ns + 10**9
    if shard.exists():
        os.utime(shard, ns=(later, later))
    assert not is_whole(out, made.dataset_id)
    with pytest.raises(DatasetError, match="1 of 2 shards"):
        verify(out)
    assert render_dataset(recipe, out, "t").dataset_id == made.dataset_id
    assert verify(out).dataset_id == made.dataset_id and is_whole(out, made.dataset_id)


def test_what_cannot_be_is_said_before_anything_is_made(recipe: Recipe, tmp_path: Path) -> None:
    import warp

    from mlspatial.render.warp import kernels

    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DatasetError, match="cannot be written to"):
            render_dataset(recipe, place, "t")
    kernels.start()
    if warp.is_cuda_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(BadValue, match="device=cuda: no CUDA device"):
        render_dataset(replace(recipe, device="cuda"), tmp_path / "out", "t")
    assert not (tmp_path / "out").exists()


def test_of_two_recipes_that_claim_a_folder_at_once_one_has_it(tmp_path: Path) -> None:
    meet = threading.Barrier(2)
    for number in range(100):
        folder = tmp_path / str(number)
        folder.mkdir()

        def ask(seed: int, folder: Path = folder) -> bool:
            meet.wait(60)
            try:
                return claim(folder, {"seed": seed})
            except DatasetError as error:
                assert "was made by another recipe (seed: there" in str(error) or "holds other files" in str(error)
                return False

        with ThreadPoolExecutor(2) as pool:
            claimed = list(pool.map(ask, range(2)))
        assert sorted(claimed) == [False, True]
        assert json.loads((folder / RECIPE_FILE).read_text()) == {"seed": claimed.index(True)}
        assert [path.name for path in folder.iterdir()] == [RECIPE_FILE]


def test_one_process_draws_on_a_gpu_and_its_threads_encode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process more would have a CUDA context, and the meshes and panoramas once more in the GPU's memory."""
    recipe = Recipe(6, 2, 32, 0, ("chair", "apple"), environments="procedural:meadow")
    alone, threaded = (
        write.render_shard(recipe, "o", folder, "train", "train/part-00000.parquet", 0, 6, threads)
        for folder, threads in ((tmp_path / "1", 1), (tmp_path / "3", 3))
    )
    assert alone == threaded
    drawn: list[tuple[int, ...]] = []
    monkeypatch.setattr(write, "render_shard", lambda *_args: drawn.append((os.getpid(), _args[-1])))
    jobs = [("train", f"train/part-{n:05}.parquet", n, 3) for n in range(2)]
    ready: list[int] = []
    made = write._in_parallel(
        replace(recipe, device="cuda"), "o", tmp_path, jobs, 3, write.silent, lambda: ready.append(1)
    )
    assert list(made) == [None, None] and ready == [1] and drawn == [(os.getpid(), 3)] * 2
