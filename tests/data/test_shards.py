"""Nothing half-written, damaged, edited or of another set is taken for whole."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from mlspatial.core.errors import DatasetError
from mlspatial.core.hashing import file_sha256
from mlspatial.core.latents import spatial_schema
from mlspatial.core.manifest import MANIFEST, Manifest, Shard
from mlspatial.data import cache as cache_module
from mlspatial.data.loader import Loader
from mlspatial.data.shards import existing_shard, read_columns, shard_rows, stimulus_id, verify, write_shard
from mlspatial.data.verify import main

RECIPE = {"size": 16, "seed": 0}
CATEGORIES, IDENTITIES = ("0042", "42", "NA"), ("a", "b")
COUNTS = {"train": 700, "heldout": 100}  # 250 + 250 + 200 images, and a shard that is not full


def write_set(folder: Path, *, recipe: dict[str, int] | None = None, seed: int = 0) -> Manifest:
    """A set of noise in the form of rendered ones: shards of one row group each."""
    import io

    from PIL import Image

    rng = np.random.default_rng(seed)
    schema = spatial_schema(CATEGORIES, IDENTITIES)
    manifest = Manifest("noise", recipe or RECIPE, schema, {}, {"x": {"mean": 0.25, "sd": 1.0}})
    splits = {}
    for split, n in COUNTS.items():
        shards = []
        for part, first in enumerate(range(0, n, shard_rows(n))):
            rows = range(first, min(first + shard_rows(n), n))
            images = []
            for _ in rows:
                buffer = io.BytesIO()
                Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(buffer, "PNG")
                images.append(buffer.getvalue())
            columns = {
                "stimulus_id": [stimulus_id(split, row) for row in rows],
                "image": images,
                "x": rng.normal(size=len(rows)).tolist(),
                "category": [CATEGORIES[row % 3] for row in rows],
                "identity": [IDENTITIES[row % 2] for row in rows],
            }
            file = f"{split}/part-{part:05d}.parquet"
            shards.append(write_shard(folder / file, columns, schema, manifest.recipe_id, file))
        splits[split] = tuple(shards)
    whole = Manifest(manifest.name, manifest.recipe, schema, splits, manifest.statistics)
    whole.save(folder)
    return whole


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("noise") / "set"
    write_set(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "set"))


def everything(folder: Path, **options: object) -> np.ndarray:
    settings = {"columns": ("x", "category"), "batch_size": 64, **options}
    loader = Loader(folder, Manifest.load(folder), "train", **settings)  # type: ignore[arg-type]
    return np.concatenate([batch.images for batch in loader.once()])


def part(folder: Path, number: int = 1) -> Path:
    return folder / "train" / f"part-{number:05d}.parquet"


def flip(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 0xFF
    path.write_bytes(data)


def test_a_whole_set_is_whole(folder: Path) -> None:
    manifest = Manifest.load(folder)
    assert verify(folder) == manifest and [shard.rows for shard in manifest.shards("train")] == [250, 250, 200]
    assert everything(folder).shape == (700, 16, 16, 3)
    codes = read_columns(folder, manifest, "train", ["category"])["category"]
    assert codes.tolist() == [row % 3 for row in range(700)]  # "0042", "42" and "NA" are three categories
    said = CliRunner().invoke(main, [str(folder)])
    assert said.exit_code == 0 and said.output.endswith(
        "whole; dataset_id " + manifest.dataset_id + "; heldout 100, train 700 images\n"
    )


def _other_recipe(folder: Path) -> None:
    write_set(folder.parent / "other", recipe={**RECIPE, "seed": 1}, seed=1)
    shutil.copy(part(folder.parent / "other"), part(folder))


def _swapped(folder: Path) -> None:
    shutil.copy(part(folder, 0), part(folder, 1))


def _other_split(folder: Path) -> None:
    """A shard of as many images, renamed into the other split."""
    ids = [stimulus_id("heldout", row) for row in range(250)]
    columns = {"stimulus_id": ids, "image": [b"x"] * 250, "x": [0.0] * 250}
    columns |= {"category": ["42"] * 250, "identity": ["a"] * 250}
    write_shard(part(folder, 0), columns, spatial_schema(CATEGORIES, IDENTITIES), Manifest.load(folder).recipe_id, "x")


def _cut_otherwise(folder: Path) -> None:
    """The same rows in one shard's file, but in row groups of another size: image i would be another one."""
    pq.write_table(pq.read_table(part(folder)), part(folder), row_group_size=240, write_page_checksum=True)


def _written_by_others(folder: Path) -> None:
    table = pq.read_table(part(folder))
    pq.write_table(table.replace_schema_metadata(None), part(folder), row_group_size=250)


def _truncated(folder: Path) -> None:
    part(folder).write_bytes(part(folder).read_bytes()[:-20])


def _empty(folder: Path) -> None:
    part(folder).write_bytes(b"")


DAMAGES: dict[Callable[[Path], None], str] = {
    _other_recipe: "is of recipe [0-9a-f]{16}, not [0-9a-f]{16}",
    _swapped: "begins with train-00000000, not train-00000250",
    _other_split: "begins with heldout-00000000, not train-00000000",
    _cut_otherwise: "is cut into parts of 240 images, not 250",
    _written_by_others: "has not the bytes that the manifest says",
    _truncated: "cannot be read",
    _empty: "cannot be read",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_shard_that_is_not_the_manifests(folder: Path, damage: Callable[[Path], None]) -> None:
    """Readable, with as many images and the same columns, and yet another: the reader, verify and render notice."""
    recipe_id = Manifest.load(folder).recipe_id
    damage(folder)
    with pytest.raises(DatasetError, match=rf"part-0000\d\.parquet: {DAMAGES[damage]}.*mlspatial\.data\.verify"):
        everything(folder)
    with pytest.raises(DatasetError, match="1 of 4 shards fail their checksum"):
        verify(folder)
    said = CliRunner().invoke(main, [str(folder)])
    assert said.exit_code == 2 and said.stderr.startswith("verify: ") and said.stderr.count("\n") == 1
    if damage is not _cut_otherwise:  # which holds the right images
        kept = [
            existing_shard(folder, f"train/part-{i:05d}.parquet", 250, recipe_id, stimulus_id("train", 250 * i))
            for i in (0, 1)
        ]
        assert kept.count(None) == 1


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_a_byte_that_has_changed_is_noticed_when_it_is_read(folder: Path, original: Path, at: float) -> None:
    flip(part(folder), at)
    with pytest.raises(DatasetError, match=r"part-00001\.parquet: .*verify"):
        everything(folder)
    assert existing_shard(folder, "train/part-00001.parquet", 250, Manifest.load(folder).recipe_id) is None
    with pytest.raises(DatasetError, match=r"1 of 4 shards fail their checksum \(first: train/part-00001\.parquet\)"):
        verify(folder)
    part(folder).unlink()  # as it advises: made anew, here from the copy
    shutil.copy(part(original), part(folder))
    assert verify(folder).rows("train") == 700


def test_a_file_that_changes_while_it_is_read(folder: Path) -> None:
    """Row groups of another size, after the columns were read: image i of the file is another one."""
    loader = Loader(folder, Manifest.load(folder), "train", columns=("x",), batch_size=64, cache="none")
    other = folder.parent / "other.parquet"
    table = pq.read_table(part(folder, 0))
    pq.write_table(table.slice(0, 240), other, row_group_size=120)
    other.replace(part(folder, 0))
    with pytest.raises(DatasetError, match=r"part-00000\.parquet: 120 images in part 0; it must be 250"):
        list(loader.once())


def test_a_shard_in_several_parts(tmp_path: Path) -> None:
    """Of 600 images: three parts, the last not full; a file cut into parts of 300 holds the wrong image at 250."""
    schema = spatial_schema(CATEGORIES, IDENTITIES)
    columns = {
        "stimulus_id": [stimulus_id("train", row) for row in range(600)],
        "x": [float(row) for row in range(600)],
        "image": [b"\x89PNG"] * 600,
    }
    manifest = Manifest("x", RECIPE, schema, {"train": (Shard("train/part-00000.parquet", 600, ""),)})
    write_shard(part(tmp_path, 0), columns, schema, manifest.recipe_id, "train/part-00000.parquet")
    with pq.ParquetFile(part(tmp_path, 0)) as parquet:
        assert [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)] == [250, 250, 100]
    assert read_columns(tmp_path, manifest, "train", ["x"])["x"].tolist() == list(range(600))
    loader = Loader(tmp_path, manifest, "train", columns=("x",), batch_size=64, cache="none")
    for size in (300, 600):
        pq.write_table(pq.read_table(part(tmp_path, 0)), part(tmp_path, 0), row_group_size=size)
        with pytest.raises(DatasetError, match=f"is cut into parts of {size} images, not 250"):
            read_columns(tmp_path, manifest, "train", ["x"])
        with pytest.raises(DatasetError, match=rf"part-00000\.parquet: {size} images in part 0; it must be 250"):
            list(loader.once())  # the reader was there before


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("statistics", {"x": {"mean": 0.26, "sd": 1.0}}, "does not match its own check"),
        ("name", "another", "does not match its own check"),
        ("recipe_id", "0" * 16, "does not match its own check"),
        ("recipe", {"size": 17, "seed": 0}, "does not match its own dataset_id"),
        ("schema", [], "does not match its own dataset_id"),
        ("splits", {}, "does not match its own dataset_id"),
        ("splits", [], "cannot be read"),
        ("format", 2, "does not match its own dataset_id|another format"),
    ],
)
def test_an_edited_manifest_is_refused(folder: Path, key: str, value: object, said: str) -> None:
    """Also what its dataset_id does not name: training would standardise by another mean."""
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(DatasetError, match=said):
        Manifest.load(folder)
    with pytest.raises(DatasetError, match=said):
        verify(folder)


def test_a_manifest_from_before_the_check_is_read(folder: Path) -> None:
    manifest, path = Manifest.load(folder), folder / MANIFEST
    facts = json.loads(path.read_text())
    assert facts.pop("check")
    path.write_text(json.dumps(facts))
    assert Manifest.load(folder) == manifest
    path.write_text(json.dumps(facts)[:-5])
    with pytest.raises(DatasetError, match="cannot be read"):
        Manifest.load(folder)


def test_a_shard_is_named_by_the_bytes_that_are_on_the_disk(folder: Path) -> None:
    for shards in Manifest.load(folder).splits.values():
        for shard in shards:
            assert file_sha256(folder / shard.file) == shard.sha256
            kept = existing_shard(folder, shard.file, shard.rows, Manifest.load(folder).recipe_id)
            assert kept == shard  # as an interrupted run finds it
            assert existing_shard(folder, shard.file, shard.rows - 1, Manifest.load(folder).recipe_id) is None
            assert existing_shard(folder, shard.file, shard.rows, "0" * 16) is None
    assert {path.suffix for path in folder.rglob("*") if path.is_file()} == {".parquet", ".json"}  # no partial file


def test_two_readers_fill_one_copy_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each image is decoded once, and neither sees one that is not there yet."""
    truth = everything(folder, cache="none")
    decoded: list[int] = []
    decode, both = cache_module.decode_into, threading.Barrier(2)

    def counted(encoded: bytes, out: np.ndarray) -> None:
        decoded.append(1)
        decode(encoded, out)

    monkeypatch.setattr(cache_module, "decode_into", counted)
    loader = Loader(folder, Manifest.load(folder), "train", columns=("x",), batch_size=64, cache="memory")
    found: dict[int, np.ndarray] = {}

    def read(number: int) -> None:
        both.wait()
        found[number] = np.concatenate([np.array(batch.images) for batch in loader.once()])

    threads = [threading.Thread(target=read, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(decoded) == 700 and all(np.array_equal(images, truth) for images in found.values()) and len(found) == 2


def test_an_image_that_cannot_be_decoded_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy in memory marks what it holds after it was decoded: asked again, it decodes again."""
    truth = everything(folder, cache="none")
    decode, failing = cache_module.decode_into, [True]

    def sometimes(encoded: bytes, out: np.ndarray) -> None:
        out[:] = 7
        if failing[0]:
            raise DatasetError("cannot be decoded (now)")
        decode(encoded, out)

    monkeypatch.setattr(cache_module, "decode_into", sometimes)
    loader = Loader(folder, Manifest.load(folder), "train", columns=("x",), batch_size=64, cache="memory")
    with pytest.raises(DatasetError, match="cannot be decoded"):
        list(loader.once())
    failing[0] = False
    assert np.array_equal(np.concatenate([np.array(batch.images) for batch in loader.once()]), truth)
