"""Parquet shards: written whole or not at all, verified by hash, read by row range."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mlspatial.core.columns import LISTS
from mlspatial.core.errors import DatasetError
from mlspatial.core.files import whole
from mlspatial.core.hashing import file_sha256
from mlspatial.core.latents import LatentSchema
from mlspatial.core.manifest import MANIFEST, Manifest, Shard
from mlspatial.data import arriving

ROW_GROUP = 250  # images; the unit of reading and of shuffling
RECIPE_KEY = b"mlspatial.recipe_id"
RENDERED = re.compile(r"(train|heldout)-\d{8}")  # an id that `stimulus_id` has made


def shard_rows(n: int) -> int:
    """Images per shard for a split of n: a function of n alone, so that the number of workers changes nothing."""
    sixteenth = -(-n // 16)
    return min(max(-(-sixteenth // ROW_GROUP) * ROW_GROUP, ROW_GROUP), 8000)


def plan(split: str, n: int) -> list[tuple[str, int, int]]:
    """(file, first row, rows) of every shard of a split."""
    rows = shard_rows(n)
    return [
        (f"{split}/part-{part:05d}.parquet", first, min(rows, n - first))
        for part, first in enumerate(range(0, n, rows))
    ]


def write_shard(
    path: Path, columns: Mapping[str, Sequence[Any]], schema: LatentSchema, recipe_id: str, file: str
) -> Shard:
    """Write one shard atomically. columns: name -> values of equal length; images as encoded bytes.

    Raises DatasetError when the disk is full; nothing is left behind then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name: _array(name, values, schema) for name, values in columns.items()}
    table = pa.table(arrays).replace_schema_metadata({RECIPE_KEY: recipe_id.encode()})
    try:
        with whole(path) as partial:
            pq.write_table(
                table,
                partial,
                row_group_size=ROW_GROUP,
                compression={name: "NONE" if isinstance(columns[name][0], bytes) else "ZSTD" for name in arrays},
                use_dictionary=[name for name, array in arrays.items() if pa.types.is_dictionary(array.type)],
                write_page_checksum=True,
            )
            shard = Shard(file, table.num_rows, file_sha256(partial))
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written ({error.strerror}); free some space and run again") from error
    return shard


def stimulus_id(split: str, row: int) -> str:
    """Of an image of a rendered set; row: of its split."""
    return f"{split}-{row:08d}"


def existing_shard(folder: Path, file: str, rows: int, recipe_id: str, first: str = "") -> Shard | None:
    """The shard that an earlier, interrupted run has finished; None when it is missing, damaged or another's.

    first: the id of its first image, "" for any.
    """
    path = folder / file
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
            if parquet.metadata.num_rows != rows or _made_by(parquet) != recipe_id:
                return None
            if first and _first_id(parquet) != first:
                return None
            for group in range(parquet.num_row_groups):
                parquet.read_row_group(group)
    except (OSError, pa.ArrowException):
        return None
    return Shard(file, rows, file_sha256(path))


def fetch_shard(source: Path, folder: Path, shard: Shard) -> bool:
    """Put a shard of another folder into this one: a hard link, a copy where the disk allows none; checked by hash.

    False when it is not there or not what its hash says. Raises DatasetError when it cannot be written.
    """
    path = folder / shard.file
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with whole(path) as partial:
            try:
                os.link(source / shard.file, partial)
            except FileNotFoundError:
                raise
            except OSError:  # another disk, or one that knows no links
                shutil.copyfile(source / shard.file, partial)
            if file_sha256(partial) != shard.sha256:
                raise FileNotFoundError
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DatasetError(f"{path}: cannot be written ({error.strerror}); free some space and run again") from error
    return True


def is_whole(folder: Path, dataset_id: str | None) -> bool:
    """Whether a folder holds a dataset: its manifest, and every shard with as many images.

    Bytes are hashed of the shards that were written to after the manifest, which is written last.
    """
    try:
        manifest = Manifest.load(folder)
        made = (folder / MANIFEST).stat().st_mtime_ns
        shards = [shard for some in manifest.splits.values() for shard in some]
        there = all(
            pq.read_metadata(folder / shard.file).num_rows == shard.rows
            and ((folder / shard.file).stat().st_mtime_ns <= made or file_sha256(folder / shard.file) == shard.sha256)
            for shard in shards
        )
    except (DatasetError, OSError, pa.ArrowException):
        return False
    return there and manifest.dataset_id == dataset_id


def read_columns(
    folder: Path, manifest: Manifest, split: str, names: Sequence[str], *, early: bool = False
) -> dict[str, np.ndarray]:
    """Whole columns of a split, in order; categorical ones as int64 codes in the order of the schema.

    early: of a dataset that is being fetched, take them before the shards are whole (`arriving.settle` waits for that);
    columns of pictures are not there then. Raises DatasetError for a shard that cannot be read, lacks a column or is
    not the one of the manifest: of another recipe, split or place in it, or cut otherwise.
    """
    tables, row = [], 0
    if coming := arriving.of(folder):  # all at once, not one after the other
        files = [shard.file for shard in manifest.shards(split)]
        coming.need((file, 0) for file in files) if early else coming.whole(files)
    for shard in manifest.shards(split):
        tables.append(_read_shard(folder, shard, names, manifest.recipe_id, stimulus_id(split, row), early))
        row += shard.rows
    table = pa.concat_tables([decode_dictionaries(part) for part in tables])
    return {name: as_numpy(table.column(name), name, manifest.schema) for name in names}


def names_of(folder: Path, manifest: Manifest, split: str) -> list[str]:
    """The columns that the first shard of a split has. Raises DatasetError where it cannot be read."""
    shard = manifest.shards(split)[0]
    try:
        with arriving.opened(folder, shard.file, ()) as parquet:
            return list(parquet.schema_arrow.names)
    except (OSError, pa.ArrowException) as error:
        raise damaged_shard(folder, shard.file, f"cannot be read ({error})") from error


def _made_by(parquet: pq.ParquetFile) -> str:
    """The recipe that is written into a shard; "" where none is."""
    return str((parquet.schema_arrow.metadata or {}).get(RECIPE_KEY, b"").decode())


def _first_id(parquet: pq.ParquetFile) -> str:
    """The id of a shard's first image; "" where it has none."""
    if "stimulus_id" not in parquet.schema_arrow.names or not parquet.metadata.num_rows:
        return ""
    return str(parquet.read_row_group(0, columns=["stimulus_id"]).column(0)[0].as_py())


def _read_shard(folder: Path, shard: Shard, names: Sequence[str], recipe_id: str, first: str, early: bool) -> pa.Table:
    """names: columns; recipe_id: that it must be of; first: the id that its first image has in a rendered set; early:
    as of read_columns.

    What no recipe is written into must have the bytes that the manifest says.
    """
    try:
        with arriving.opened(folder, shard.file, () if early else None, page_checksum_verification=True) as parquet:
            rows, known = parquet.metadata.num_rows, parquet.schema_arrow.names
            if missing := [name for name in names if name not in known]:
                raise damaged_shard(folder, shard.file, f"has no column {missing[0]!r}; it has {', '.join(known)}")
            if rows != shard.rows:
                raise damaged_shard(folder, shard.file, f"holds {rows} images; the manifest says {shard.rows}")
            groups = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
            if any(size != ROW_GROUP for size in groups[:-1]) or groups[-1] > ROW_GROUP:
                raise damaged_shard(folder, shard.file, f"is cut into parts of {groups[0]} images, not {ROW_GROUP}")
            if (maker := _made_by(parquet)) and maker != recipe_id:
                raise damaged_shard(folder, shard.file, f"is of recipe {maker}, not {recipe_id}")
            if not maker and not _has_bytes(folder, shard):
                raise damaged_shard(folder, shard.file, "has not the bytes that the manifest says")
            found = _first_id(parquet)
            if RENDERED.fullmatch(found) and found != first:
                raise damaged_shard(folder, shard.file, f"begins with {found}, not {first}")
            return parquet.read(columns=list(names))
    except (OSError, pa.ArrowException) as error:
        raise damaged_shard(folder, shard.file, f"cannot be read ({error})") from error


def _has_bytes(folder: Path, shard: Shard) -> bool:
    if coming := arriving.of(folder):
        coming.whole([shard.file])
    return file_sha256(folder / shard.file) == shard.sha256


def damaged_shard(folder: Path, file: str, what: str) -> DatasetError:
    """The error for a shard that is not what the manifest says, with the next step."""
    return DatasetError(f"{folder / file}: {what}; check the set with `python -m mlspatial.data.verify {folder}`")


def decode_dictionaries(table: pa.Table) -> pa.Table:
    """The table with dictionary columns as plain strings: shards may number their values differently."""
    for position, column in enumerate(table.schema):
        if pa.types.is_dictionary(column.type):
            table = table.set_column(position, column.name, table.column(position).cast(column.type.value_type))
    return table


def as_numpy(column: pa.ChunkedArray, name: str, schema: LatentSchema) -> np.ndarray:
    if name in schema and schema[name].kind == "category":
        codes = {value: code for code, value in enumerate(schema[name].categories)}
        values = column.to_pylist()
        if unknown := set(values) - set(codes):
            raise DatasetError(f"{name}={min(unknown, key=str)!r} is none of the manifest's; render the dataset again")
        return np.array([codes[value] for value in values], dtype=np.int64)
    return column.to_numpy()


def damaged(folder: Path, manifest: Manifest) -> list[str]:
    """Files of the manifest that are missing or whose bytes have changed."""
    bad = []
    if coming := arriving.of(folder):
        coming.whole(shard.file for shards in manifest.splits.values() for shard in shards)
    for shards in manifest.splits.values():
        for shard in shards:
            path = folder / shard.file
            if not path.is_file() or file_sha256(path) != shard.sha256:
                bad.append(shard.file)
    return bad


def verify(folder: Path) -> Manifest:
    """Check every hash of a dataset folder. Raises DatasetError that counts and names what is damaged."""
    manifest = Manifest.load(folder)
    if bad := damaged(folder, manifest):
        total = sum(len(shards) for shards in manifest.splits.values())
        fetched = (folder / arriving.COMING).is_dir()
        again = "what reads the dataset next fetches" if fetched else "run the same render command again to make"
        raise DatasetError(
            f"{folder}: {len(bad)} of {total} shards fail their checksum (first: {bad[0]}); "
            f"delete those files and {again} them anew"
        )
    return manifest


def _array(name: str, values: Sequence[Any], schema: LatentSchema) -> pa.Array:
    if name in schema and schema[name].kind == "category":
        codes = {value: code for code, value in enumerate(schema[name].categories)}
        indices = pa.array([codes[value] for value in values], pa.int32())
        return pa.DictionaryArray.from_arrays(indices, pa.array(schema[name].categories, pa.string()))
    if name in LISTS:
        return pa.array(values, pa.list_(pa.string() if LISTS[name] == "list of string" else pa.float32()))
    if isinstance(values[0], bytes):
        return pa.array(values, pa.binary())
    if isinstance(values[0], str):
        return pa.array(values, pa.string())
    if isinstance(values[0], int):
        return pa.array(values, pa.int64())
    return pa.array(np.asarray(values, dtype=np.float32))


def read_images(folder: Path, manifest: Manifest, split: str, rows: Sequence[int]) -> list[bytes]:
    """The encoded images of some rows of a split, in the order in which they are asked for."""
    found: dict[int, bytes] = {}
    first = 0
    for shard in manifest.shards(split):
        own = sorted({row - first for row in rows if first <= row < first + shard.rows})
        first += shard.rows
        if not own:
            continue
        with arriving.opened(folder, shard.file) as parquet:
            for group in sorted({row // ROW_GROUP for row in own}):
                column = parquet.read_row_group(group, columns=["image"]).column(0)
                there = (row for row in own if row // ROW_GROUP == group)
                found |= {first - shard.rows + row: column[row % ROW_GROUP].as_py() for row in there}
    return [found[row] for row in rows]
