"""Exact epochs, determinism, resuming at a batch, ranks, caches, devices, decoding, damage."""

from __future__ import annotations

import io
import itertools
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from mlspatial.core.errors import BadValue, DatasetError, UnknownName
from mlspatial.core.latents import spatial_schema
from mlspatial.core.manifest import Manifest
from mlspatial.data import cache as cache_module
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


def test_jpegs_are_left_to_the_fast_decoder(small_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Image, "open")
    assert len(next(iter(make(small_dataset).once())).images) == 32


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
    with pytest.raises(BadValue, match="batch_size=32: must be a multiple of the 3 processes"):
        make(small_dataset, world=3)
    with pytest.raises(BadValue, match="rank=2: must be one of the 2 ranks 0 to 1"):
        make(small_dataset, rank=2, world=2)
    with pytest.raises(BadValue, match="cache=disk: must be one of auto, none, memory, device"):
        make(small_dataset, cache="disk")
    with pytest.raises(BadValue, match="threads=0"):
        make(small_dataset, threads=0)


@pytest.fixture
def copied(small_dataset: Path, tmp_path: Path) -> Path:
    """A copy of the dataset that a test may damage."""
    return Path(shutil.copytree(small_dataset, tmp_path / "copy"))


def test_a_damaged_shard_stops_the_reader_with_the_way_out(copied: Path) -> None:
    shard = copied / "train" / "part-00000.parquet"
    data = bytearray(shard.read_bytes())
    data[5000:5200] = bytes(200)
    loader = make(copied)
    shard.write_bytes(data)
    for cache in ("none", "memory"):
        with pytest.raises(DatasetError, match=r"part-00000\.parquet: .*mlspatial\.data\.verify"):
            take(make(copied, cache=cache), 10)
    shard.unlink()
    with pytest.raises(DatasetError, match=r"part-00000\.parquet: cannot be read.*mlspatial\.data\.verify"):
        take(loader, 10)
    with pytest.raises(DatasetError, match=r"part-00000\.parquet: cannot be read.*mlspatial\.data\.verify"):
        make(copied)


def test_a_shard_of_another_set_is_noticed(copied: Path) -> None:
    path = copied / "train" / "part-00000.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(0, 100), path)
    with pytest.raises(DatasetError, match=r"part-00000\.parquet: holds 100 images; the manifest says"):
        make(copied)
    pq.write_table(table.drop_columns(["x"]), path)
    with pytest.raises(DatasetError, match=r"part-00000\.parquet: has no column 'x'; it has .*image"):
        make(copied)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [40, 56])
def test_an_image_of_another_size_is_noticed(copied: Path, kind: str, size: int) -> None:
    path = copied / "heldout" / "part-00000.parquet"
    table = pq.read_table(path)
    file = io.BytesIO()
    Image.new("RGB", (size, size)).save(file, kind)
    images = [file.getvalue(), *table.column("image").to_pylist()[1:]]
    pq.write_table(table.set_column(table.column_names.index("image"), "image", pa.array(images)), path)
    with pytest.raises(DatasetError, match=r"part-00000\.parquet: image 0 of the split.*cannot be decoded.*verify"):
        list(make(copied, "heldout").once())


@pytest.mark.parametrize("device", [None, "cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
@pytest.mark.parametrize("kept", ["auto", "none", "memory", "device"])
def test_caches_and_devices_change_no_batch(small_dataset: Path, kept: str, device: str | None) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    if device is None and kept == "device":
        with pytest.raises(BadValue, match="cache=device: needs a device"):
            make(small_dataset, cache=kept)
        return
    plain, loader = make(small_dataset, cache="none"), make(small_dataset, cache=kept, device=device)
    truth = take(plain, 20)  # two epochs
    for start in (0, 13):  # begins anywhere, with an empty or with a filled cache
        assert_equal(take(loader, 7, start), truth[start : start + 7], device)
    assert_equal(take(loader, 20), truth, device)
    assert_equal(list(loader.once()), list(plain.once()), device)
    late = make(small_dataset, cache=kept, device=device)
    assert_equal(take(late, 2, 12), truth[12:14], device)


def assert_equal(batches: list, truth: list, device: str | None) -> None:
    for batch, true in zip(batches, truth, strict=True):
        assert batch.number == true.number
        for value, wanted in (
            (batch.images, true.images),
            *((batch.columns[k], true.columns[k]) for k in true.columns),
        ):
            if device is not None:
                assert isinstance(value, torch.Tensor) and value.device.type == device
                value = value.cpu().numpy()
            assert isinstance(value, np.ndarray) and value.dtype == wanted.dtype
            assert np.array_equal(value, wanted)


@pytest.mark.parametrize("options", [{}, {"device": "cpu"}, {"device": "cpu", "cache": "device"}])
def test_a_batch_that_is_held_stays_as_it_was(small_dataset: Path, options: dict[str, str]) -> None:
    """Buffers are used again, but not while the consumer holds a batch or a part of it."""
    truth = take(make(small_dataset, cache="none"), 30)
    batches = make(small_dataset, **options).endless()
    kept = [torch.as_tensor(next(batches).images)[3:5, 1:] for _ in range(12)]
    copies = [images.clone() for images in kept]
    addresses = {torch.as_tensor(next(batches).images).data_ptr() for _ in range(18)}
    batches.close()  # type: ignore[attr-defined]
    assert "cache" in options or len(addresses) < 12
    for images, copy, true in zip(kept, copies, truth, strict=False):
        assert torch.equal(images, copy) and np.array_equal(images, true.images[3:5, 1:])


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_share_every_batch(small_dataset: Path, world: int) -> None:
    alone = make(small_dataset)
    ranks = [make(small_dataset, rank=rank, world=world) for rank in range(world)]
    parts = [take(loader, 12, 3) for loader in ranks]
    for number, whole in enumerate(take(alone, 12, 3)):
        assert all(part[number].number == whole.number and len(part[number].images) == 32 // world for part in parts)
        assert np.array_equal(np.concatenate([part[number].images for part in parts]), whole.images)
        assert np.array_equal(np.concatenate([part[number].columns["x"] for part in parts]), whole.columns["x"])


def test_ranks_read_every_image_once(small_dataset: Path) -> None:
    """297 images in batches of 148: the last batch holds one, and a rank goes without."""
    options = {"world": 2, "batch_size": 148, "fraction": 0.99}
    ranks = [list(make(small_dataset, rank=rank, **options).once()) for rank in range(2)]
    assert [[len(batch.images) for batch in batches] for batches in ranks] == [[74, 74], [74, 74, 1]]
    seen = np.concatenate([batch.columns["x"] for batches in ranks for batch in batches])
    assert np.sort(seen) == pytest.approx(np.sort(make(small_dataset, **options).columns["x"]))


@pytest.mark.parametrize("options", [{"cache": "memory"}, {"cache": "device", "device": "cpu"}])
def test_a_cache_decodes_every_image_once(
    small_dataset: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str]
) -> None:
    decoded = []

    def counting(encoded: bytes, out: np.ndarray) -> None:
        decoded.append(bytes(encoded))
        decode_into(encoded, out)

    decode_into = cache_module.decode_into
    monkeypatch.setattr(cache_module, "decode_into", counting)
    loader = make(small_dataset, batch_size=30, **options)
    take(loader, 5)
    before = len(decoded)  # a few more than taken: batches are made ahead
    assert 150 <= before <= 300
    take(loader, 30)
    list(loader.once())
    assert len(decoded) == len(set(decoded)) == 300
    list(make(small_dataset, cache="none").once())
    assert len(decoded) == 600


def test_auto_keeps_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    gib = 1 << 30
    monkeypatch.setattr(cache_module.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 8 * gib}))
    assert cache_module.choose_cache("auto", gib, 1, None) == "memory"
    assert cache_module.choose_cache("auto", gib, 2, None) == "none"  # two processes would take a quarter
    assert cache_module.choose_cache("auto", 3 * gib, 1, None) == "none"
    monkeypatch.setattr(cache_module.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 80 * gib}))
    assert cache_module.choose_cache("auto", 3 * gib, 1, "cpu") == "memory"
    assert cache_module.choose_cache("auto", 5 * gib, 1, "cpu") == "none"
    assert cache_module.choose_cache("memory", 5 * gib, 1, "cpu") == "memory"
    with pytest.raises(BadValue, match=r"cache=memory: needs 90\.0 GiB, 80\.0 GiB are available; use none"):
        cache_module.choose_cache("memory", 90 * gib, 1, None)


def test_arrays_need_no_torch(small_dataset: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from mlspatial.core.manifest import Manifest\n"
        "from mlspatial.data.loader import Loader\n"
        "folder = Path(sys.argv[1])\n"
        "loader = Loader(folder, Manifest.load(folder), 'heldout', columns=('x',), batch_size=8)\n"
        "assert next(loader.endless()).images.shape == (8, 48, 48, 3) and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(small_dataset)], check=True)


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
