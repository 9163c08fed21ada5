"""A published dataset's shards in pieces: the first holds all that is no image, then one a row group its images.

A reader that begins at row group 7 of shard 3 fetches the first pieces of the split, a few in a hundred of its bytes,
and then the images in the order in which it reads them. Together the pieces hold every byte of a shard once: laid where
they were, they are the shard, whose hash the manifest has.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mlspatial.core.errors import DatasetError
from mlspatial.core.hashing import file_sha256
from mlspatial.core.manifest import MANIFEST, Manifest

FORMAT = 1
INDEX, COPY = "index.json", "dataset.json"  # in the store; COPY: of the manifest, which is no dataset folder's there
Range = tuple[int, int]  # first byte in the shard, bytes


@dataclass(frozen=True)
class Piece:
    """name: in the store; sha256: of its bytes; ranges: where they lie in the shard, one behind the other."""

    name: str
    sha256: str
    ranges: tuple[Range, ...]

    @property
    def size(self) -> int:
        return sum(size for _, size in self.ranges)

    def holds(self, data: bytes) -> bool:
        """Whether these are its bytes."""
        return len(data) == self.size and hashlib.sha256(data).hexdigest() == self.sha256


@dataclass(frozen=True)
class Cut:
    """A shard's pieces: its columns without images, then the images of each row group. size: of the shard, in bytes."""

    size: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class Index:
    """What of a dataset is in a store. manifest: hash of the bytes of manifest.json, whose name and statistics are no
    part of the dataset_id; shards: file -> its pieces."""

    dataset_id: str
    manifest: str
    shards: dict[str, Cut]

    def pieces(self) -> Iterable[Piece]:
        return (piece for cut in self.shards.values() for piece in cut.pieces)

    def encoded(self) -> bytes:
        """As it is stored: the same facts give the same bytes."""
        facts = {"format": FORMAT, **asdict(self)}
        return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decoded(cls, data: bytes) -> Index:
        """Raises DatasetError for what is none, or names what lies outside of its shard or folder."""
        try:
            facts = json.loads(data)
            if facts["format"] != FORMAT:
                raise ValueError(f"format {facts['format']}, of another version of this software")
            shards = {file: _cut(cut) for file, cut in facts["shards"].items()}
            return cls(str(facts["dataset_id"]), str(facts["manifest"]), shards)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DatasetError(f"{INDEX} of a published dataset cannot be read ({error})") from error


def _cut(facts: dict[str, Any]) -> Cut:
    size = int(facts["size"])
    pieces = []
    for one in facts["pieces"]:
        ranges = tuple((int(first), int(length)) for first, length in one["ranges"])
        name = Path(one["name"])
        if name.is_absolute() or ".." in name.parts:
            raise ValueError(f"{name} is outside of its folder")
        if any(first < 0 or length < 0 or first + length > size for first, length in ranges):
            raise ValueError(f"{name} reaches beyond its shard")
        pieces.append(Piece(str(name), str(one["sha256"]), ranges))
    if sum(piece.size for piece in pieces) != size:
        raise ValueError("the pieces of a shard are not its size")
    return Cut(size, tuple(pieces))


def index_of(folder: Path, manifest: Manifest) -> Index:
    """Cut the shards of a dataset folder. Raises DatasetError for a shard that is not what the manifest says."""
    shards = {}
    for shard in (shard for some in manifest.splits.values() for shard in some):
        path = folder / shard.file
        if not path.is_file() or file_sha256(path) != shard.sha256:
            raise DatasetError(
                f"{path}: is missing or damaged, and is not published; delete it and render again to make it anew"
            )
        shards[shard.file] = cut(path, shard.file)
    return Index(manifest.dataset_id, file_sha256(folder / MANIFEST), shards)


def cut(path: Path, file: str) -> Cut:
    """The pieces of a shard. file: its name in the manifest, which names the pieces."""
    with pq.ParquetFile(path) as parquet:
        facts, schema = parquet.metadata, parquet.schema_arrow
        large = {name for name in schema.names if pa.types.is_binary(schema.field(name).type)}
        groups = [_chunks(facts.row_group(number), large) for number in range(facts.num_row_groups)]
    size = path.stat().st_size
    taken = _joined(sorted(one for ranges in groups for one in ranges))
    ends = [0, *(first + length for first, length in taken)]
    rest = [(end, first - end) for end, (first, _) in zip(ends, [*taken, (size, 0)], strict=True) if first > end]
    stem = file.removesuffix(".parquet")
    pieces = []
    for number, ranges in enumerate([rest, *groups]):
        digest = hashlib.sha256(read(path, ranges)).hexdigest()
        pieces.append(Piece(f"{stem}/{number:05d}.bin", digest, tuple(ranges)))
    return Cut(size, tuple(pieces))


def _chunks(group: Any, large: set[str]) -> list[Range]:
    """Where the columns of images (and of truth of pixels) lie in a row group."""
    found = []
    for number in range(group.num_columns):
        column = group.column(number)
        if column.path_in_schema in large:
            starts = [column.data_page_offset, *([column.dictionary_page_offset] if column.has_dictionary_page else [])]
            found.append((min(starts), column.total_compressed_size))
    return _joined(sorted(found))


def _joined(ranges: Sequence[Range]) -> list[Range]:
    """Ranges in their order, those that follow on each other as one."""
    made: list[Range] = []
    for first, size in ranges:
        if made and sum(made[-1]) == first:
            made[-1] = (made[-1][0], made[-1][1] + size)
        else:
            made.append((first, size))
    return made


def read(path: Path, ranges: Iterable[Range]) -> bytes:
    """The bytes of some ranges, one behind the other."""
    with path.open("rb") as file:
        return b"".join(os.pread(file.fileno(), size, first) for first, size in ranges)


def write(path: Path, size: int, piece: Piece, data: bytes) -> None:
    """Lay the bytes of a piece where they belong in a shard of this size, and have them on the disk."""
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if os.fstat(number).st_size != size:
            os.truncate(number, size)
        view, done = memoryview(data), 0
        for first, length in piece.ranges:
            put = 0
            while put < length:
                put += os.pwrite(number, view[done + put : done + length], first + put)
            done += length
        os.fsync(number)
    finally:
        os.close(number)
