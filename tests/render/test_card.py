"""A dataset folder opens where people open it, and says what its columns are."""

from __future__ import annotations

import importlib
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from mlspatial.core.columns import COLUMNS, OF_CLIPS, OF_CLUTTER, OF_TRUTH
from mlspatial.core.errors import DatasetError
from mlspatial.core.manifest import MANIFEST, Manifest
from mlspatial.data.shards import verify
from mlspatial.render import card as card_module
from mlspatial.render.card import CARD, card, write_card
from mlspatial.render.studio import Recipe
from mlspatial.render.write import render_dataset

ROOT = Path(__file__).resolve().parents[2]
RECIPE = Recipe(300, 60, 48, 0, ("chair", "apple", "bottle"), environments="procedural:meadow")  # of small_dataset


def shards(folder: Path, split: str) -> pa.Table:
    return pa.concat_tables([pq.read_table(file) for file in sorted((folder / split).glob("*.parquet"))])


def run_card(folder: Path, library: str) -> Any:
    """What the card's lines for a library make."""
    pytest.importorskip(library)
    (code,) = (c for c in re.findall(r"```python\n(.*?)```", (folder / CARD).read_text(), re.S) if library in c)
    names: dict[str, Any] = {}
    exec(code.replace("FOLDER", str(folder)), names)
    return names["images" if library == "datasets" else "table"]


def test_datasets_opens_both_splits_with_pictures(
    small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pytest.importorskip("datasets.config")
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "hub")
    importlib.import_module("datasets").disable_progress_bars()
    opened = run_card(small_dataset, "datasets")
    assert {split: len(rows) for split, rows in opened.items()} == {"train": 300, "heldout": 60}
    for split, rows in opened.items():
        truth = shards(small_dataset, split)
        assert rows.column_names == truth.column_names
        for column in ("stimulus_id", "category", "identity", "z", "quat_w", "seed_index"):
            assert rows[column][:] == truth.column(column).to_pylist()
        for row in (0, len(rows) - 1):
            stored = Image.open(io.BytesIO(truth.column("image")[row].as_py()))
            assert rows[row]["image"].size == (48, 48)
            np.testing.assert_array_equal(np.asarray(rows[row]["image"]), np.asarray(stored))


def test_pandas_opens_it(small_dataset: Path) -> None:
    truth = shards(small_dataset, "train")
    table = run_card(small_dataset, "pandas")
    assert list(table.columns) == truth.column_names and table["z"].tolist() == truth.column("z").to_pylist()
    assert table["category"].astype(str).tolist() == truth.column("category").to_pylist()
    assert Image.open(io.BytesIO(table["image"].iloc[0])).size == (48, 48)


def test_polars_opens_it(small_dataset: Path) -> None:
    table = run_card(small_dataset, "polars")
    both = [shards(small_dataset, split) for split in ("heldout", "train")]
    assert table.columns == both[0].column_names and table.height == 360
    truth = {row["stimulus_id"]: row for part in both for row in part.to_pylist()}
    for row in table.to_dicts():
        assert row == truth[row["stimulus_id"]]


def test_duckdb_opens_it(small_dataset: Path) -> None:
    found = dict(run_card(small_dataset, "duckdb").fetchall())
    rows = [row for split in ("train", "heldout") for row in shards(small_dataset, split).to_pylist()]
    for category in ("chair", "apple", "bottle"):
        mean = np.mean([row["z"] for row in rows if row["category"] == category])
        assert found.pop(category) == pytest.approx(mean, rel=1e-6)
    assert not found


TYPES = {"string": "string", "image": "binary", "category": "dictionary<", "float32": "float", "int64": "int64"}


def test_every_column_is_documented(small_dataset: Path) -> None:
    """In the manifest, on the card and in the documentation, in the order and with the types of a shard."""
    schema = pq.read_schema(small_dataset / "train" / "part-00000.parquet")
    assert [column.name for column in COLUMNS] == schema.names
    for column in COLUMNS:
        assert str(schema.field(column.name).type).startswith(TYPES[column.type]) and column.meaning
    manifest = Manifest.load(small_dataset)
    assert set(manifest.columns) == set(schema.names)
    for latent in manifest.schema:  # units are said in two places
        assert manifest.columns[latent.name]["unit"] == latent.unit
    text = (small_dataset / CARD).read_text()
    table = {f"| `{c.name}` | {c.type} | {c.unit} | {c.meaning} |" for c in COLUMNS}
    assert table <= set(text.splitlines())
    page = (ROOT / "docs" / "how-it-works.md").read_text().split("## Columns")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    listed = [(name, row[1], row[2].strip()) for row in rows for name in re.findall(r"`(\w+)`", row[0])]
    more = (*OF_CLUTTER, *OF_CLIPS, *OF_TRUTH)
    assert listed == [(c.name, c.type, c.unit) for c in (*COLUMNS, *more)] and all(c.meaning for c in more)


def test_the_card_says_what_it_must(small_dataset: Path) -> None:
    manifest = Manifest.load(small_dataset)
    text = (small_dataset / CARD).read_text()
    assert text == card(manifest)
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["pretty_name"] == "small" and "license" not in front and "# license: yours" in text
    for said in (
        "| `train` | 300 |",
        "| `heldout` | 60 |",
        manifest.recipe_id,
        "| `seed` | 0 |",
        "chair, apple, bottle",
    ):
        assert said in text
    assert str(small_dataset) not in text


def test_a_name_that_yaml_and_markdown_would_read(small_dataset: Path) -> None:
    odd = replace(Manifest.load(small_dataset), name="a: 'b' | #c\n---")
    text = card(odd)
    assert yaml.safe_load(text.split("\n---\n\n")[0].removeprefix("---\n"))["pretty_name"] == odd.name


def test_a_folder_from_before_stays_what_it_is(small_dataset: Path, tmp_path: Path) -> None:
    """Without card and columns it is read; rendering it again gives it the card and touches nothing else."""
    folder = Path(shutil.copytree(small_dataset, tmp_path / "set"))
    (folder / CARD).unlink()
    manifest = replace(Manifest.load(folder), columns={})
    manifest.save(folder)
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in folder.rglob("*") if file.is_file()}
    assert verify(folder).dataset_id == Manifest.load(small_dataset).dataset_id
    assert render_dataset(RECIPE, folder, "small") == manifest
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in before} == before
    assert (folder / CARD).read_text() == (small_dataset / CARD).read_text()
    (folder / CARD).write_text("mine")
    render_dataset(RECIPE, folder, "small")
    assert (folder / CARD).read_text() == "mine"


def test_a_card_that_cannot_be_written(small_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new dataset is not whole without it; a whole one on a disk that nobody can write to stays whole."""
    folder = Path(shutil.copytree(small_dataset, tmp_path / "set"))
    (folder / CARD).unlink()

    def full(path: Path, text: str) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(card_module, "write_text", full)
    assert render_dataset(RECIPE, folder, "small").dataset_id == Manifest.load(small_dataset).dataset_id
    (folder / MANIFEST).unlink()
    with pytest.raises(DatasetError, match=r"README\.md: cannot be written \(No space left"):
        render_dataset(RECIPE, folder, "small")
    assert not (folder / MANIFEST).exists()
    with pytest.raises(DatasetError, match="free some space"):
        write_card(folder, Manifest.load(small_dataset))
