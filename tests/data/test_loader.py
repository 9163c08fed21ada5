"""Exact epochs, determinism, resuming at a batch, decoding, damage."""

from __future__ import annotations

import io
import itertools
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from mlspatial.core.errors import BadValue, DatasetError, UnknownName
from mlspatial.core.latents import spatial_schema
from mlspatial.core.manifest import Manifest
from mlspatial.data.loader import Loader
from mlspatial.data.shards import plan, read_columns, shard_rows, write_shard


def make(folder: Path, split: str = "train", **options: object) -> Loader:
    settings = {"columns": ("x", "category"), "batch_size": 32, "seed": 5, **options}
    return Loader(folder, Manifest.load(folder), split, **settings)  # type: ignore[arg-type]


def take(loader: Loader, n: int, start: int = 0) -> list:
    batches = loader.endless(start)
    try:
        return list(itertools.islice(batches, n))
    finally:
        batches.close()  # type: ignore[attr-defined]


def test_every_image_once_an_epoch(small_dataset: Path) -> None:
    loader = make(small_dataset, batch_size=30)
    first, second = take(loader, 20)[:10], take(loader, 20)[10:]
    truth = np.sort(read_columns(small_dataset, loader.manifest, "train", ["x"])["x"])
    for epoch in (first, second):
        assert np.sort(np.concatenate([b.columns["x"] for b in epoch])) == pytest.approx(truth)
    assert not np.array_equal(first[0].columns["x"], second[0].columns["x"])


def test_batches_cross_epochs_without_a_gap_and_can_start_anywhere(small_dataset: Path) -> None:
    loader = make(small_dataset)
    whole = take(loader, 25)
    for start in (0, 7, 9, 10, 24):
        (batch,) = take(loader, 1, start)
        assert batch.number == start
        assert np.array_equal(batch.images, whole[start].images)
        assert np.array_equal(batch.columns["x"], whole[start].columns["x"])
    assert all(len(batch.images) == 32 for batch in whole)


def test_order_depends_on_the_seed_alone(small_dataset: Path) -> None:
    one, two = take(make(small_dataset, threads=1), 3), take(make(small_dataset, threads=4), 3)
    assert all(np.array_equal(a.images, b.images) for a, b in zip(one, two, strict=True))
    other = take(make(small_dataset, seed=6), 3)
    assert not np.array_equal(one[0].columns["x"], other[0].columns["x"])


def test_shuffling_is_thorough(small_dataset: Path) -> None:
    """Positions after shuffling are uncorrelated with positions before (SD of r: 1 / sqrt(300) = .06)."""
    loader = make(small_dataset, columns=("x",), batch_size=300)
    order = {value: row for row, value in enumerate(loader.columns["x"])}
    rows = np.array([order[value] for value in take(loader, 1)[0].columns["x"]])
    assert abs(np.corrcoef(rows, np.arange(300))[0, 1]) < 0.2


def test_images_belong_to_their_latents(small_dataset: Path) -> None:
    loader = make(small_dataset, "heldout", columns=("x", "category"), batch_size=16)
    table = pq.read_table(small_dataset / "heldout" / "part-00000.parquet").to_pylist()
    names = loader.manifest.schema["category"].categories
    row = 0
    for batch in loader.once():
        for image, x, code in zip(batch.images, batch.columns["x"], batch.columns["category"], strict=True):
            truth = np.asarray(Image.open(io.BytesIO(table[row]["image"])).convert("RGB")).astype(int)
            assert np.abs(truth - image).mean() < 1.0  # two JPEG decoders round differently
            assert x == table[row]["x"] and names[code] == table[row]["category"]
            row += 1
    assert row == 60


def test_fractions_are_nested_and_balanced(small_dataset: Path) -> None:
    fifth, half = make(small_dataset, fraction=0.2), make(small_dataset, fraction=0.5)
    assert fifth.rows == 60 and half.rows == 150
    assert np.array_equal(half.columns["x"][:60], fifth.columns["x"])
    assert np.bincount(fifth.columns["category"]).tolist() == [20, 20, 20]
    seen = np.concatenate([b.columns["x"] for b in take(make(small_dataset, fraction=0.2, batch_size=20), 3)])
    assert np.sort(seen) == pytest.approx(np.sort(fifth.columns["x"]))


def test_bad_requests(small_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown latent 'depth'"):
        make(small_dataset, columns=("depth",))
    with pytest.raises(BadValue, match="fraction=0"):
        make(small_dataset, fraction=0)
    with pytest.raises(DatasetError, match="no split 'test'"):
        make(small_dataset, "test")


def test_a_damaged_shard_stops_the_reader_with_the_way_out(small_dataset: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(small_dataset, folder)
    shard = folder / "train" / "part-00000.parquet"
    data = bytearray(shard.read_bytes())
    loader = make(folder)
    data[5000:5200] = bytes(200)
    shard.write_bytes(data)
    with pytest.raises(DatasetError, match=r"mlspatial\.data\.verify"):
        take(loader, 10)


def test_the_plan_covers_every_image_once_and_ignores_workers() -> None:
    for n in (1, 249, 250, 5000, 1_300_000):
        parts = plan("train", n)
        assert [first for _, first, _ in parts] == list(range(0, n, shard_rows(n)))
        assert sum(rows for *_, rows in parts) == n
    assert shard_rows(1_300_000) == 8000 and shard_rows(100) == 250


def test_a_shard_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mlspatial.data.shards.pq.write_table", full)
    with pytest.raises(DatasetError, match="No space left on device"):
        write_shard(tmp_path / "part.parquet", {"x": [1.0]}, spatial_schema((), ()), "r", "part.parquet")
    assert list(tmp_path.iterdir()) == []
