"""How large files of others say they are, asked before they are read.

A file of a few kilobytes can declare an array, a picture or an archive's member of terabytes. What a head declares is
held against the memory that is free; nothing is allocated for a file that does not fit.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from mlspatial.core.errors import UserError

MOST_PIXELS = 1 << 26  # of one picture: 8192 x 8192, .2 GB as RGB
CGROUPS = Path("/sys/fs/cgroup")
#: of a control group, by version: its limit, what of it is used, and what of that only keeps files at hand
MEMORY = (
    ("memory.max", "memory.current", ("inactive_file", "active_file")),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", ("total_inactive_file", "total_active_file")),
)
_GIB = 1 << 30


def free_memory() -> int:
    """Bytes that this process may still take: of the machine, and of the container or job that it is in."""
    import psutil

    return min([int(psutil.virtual_memory().available), *_free_in_groups()])


def _free_in_groups() -> Iterator[int]:
    """What the limits of the control groups that this process is in leave, of those that there are."""
    folders = [CGROUPS, CGROUPS / "memory"]
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, kinds, place = line.split(":", 2)
            if kinds in ("", "memory"):
                own = CGROUPS / kinds / place.lstrip("/")
                folders += [own, *(above for above in own.parents if above.is_relative_to(CGROUPS))]
    for folder in dict.fromkeys(folders):
        for most, used, cached in MEMORY:
            with suppress(OSError, ValueError):  # there is none, or it says "max"
                limit, taken = int((folder / most).read_text()), int((folder / used).read_text())
                stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                yield max(0, limit - taken + sum(int(stat.get(name, 0)) for name in cached))


FILE = "is the file what it should be? take a smaller part of it or a larger machine"


def demand_memory(what: str, nbytes: float, does: str = "declares", advice: str = FILE) -> None:
    """Raise UserError where so many bytes are more than what is free. what: the file, for people; does: what takes
    them, in words; advice: what to do then."""
    free = free_memory()
    if nbytes > free:
        raise UserError(
            f"{what}: {does} {nbytes / _GIB:,.1f} GiB, and {free / _GIB:,.1f} GiB of memory are free; {advice}"
        )


def demand_regular(path: Path, what: str) -> None:
    """Raise UserError for what is no plain file: a pipe or a device is read for ever."""
    if not path.is_file():
        there = "a link to nothing" if path.is_symlink() else "no plain file" if path.exists() else "no such file"
        raise UserError(f"{what}: cannot be read ({there})")


def demand_pixels(what: str, size: Sequence[int]) -> None:
    """Raise UserError for a picture of (width, height) that is larger than any that is shown, or empty."""
    if min(size) < 1:
        raise UserError(f"{what}: has no pixels ({size[0]} x {size[1]}); take it out")
    if math.prod(size) > MOST_PIXELS:
        raise UserError(
            f"{what}: declares {size[0]} x {size[1]} pixels, more than {MOST_PIXELS:,} in all; save it smaller"
        )


def demand_npy(path: Path, what: str) -> None:
    """Raise UserError where the head of an npy file declares more than the file holds or than memory takes."""
    with path.open("rb") as file:
        _demand_array(file, what, path.stat().st_size)


def demand_npz(path: Path, what: str) -> None:
    """The same of every array of an npz file, and of all together. Raises UserError."""
    with zipfile.ZipFile(path) as archive:
        demand_members(archive.infolist(), what)
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                with archive.open(member) as file:
                    head = io.BytesIO(file.read(1 << 16))
                _demand_array(head, f"{what}: {member.filename}", member.file_size)


def demand_parquet(path: Path, what: str) -> None:
    """Raise UserError where a Parquet file's columns need more than memory: dictionaries and runs pack any number of
    rows into a few bytes."""
    import pyarrow.parquet as pq

    facts = pq.read_metadata(path)
    groups = (facts.row_group(number) for number in range(facts.num_row_groups))
    stated = sum(group.total_byte_size for group in groups)
    demand_memory(f"{what} of {facts.num_rows:,} rows", max(stated, facts.num_rows * facts.num_columns * 8))


def demand_members(members: Iterable[zipfile.ZipInfo], what: str) -> None:
    """Raise UserError where an archive's members are together larger than memory once they are unpacked."""
    demand_memory(what, sum(member.file_size for member in members), "its members declare")


def _demand_array(file: BinaryIO, what: str, size: int) -> None:
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
    if read is None:
        return  # numpy's own word for it follows
    shape, _, kind = read(file)
    nbytes = math.prod(shape) * kind.itemsize
    demand_memory(f"{what} of shape {shape}", nbytes)
    if not kind.hasobject and nbytes > size - file.tell():
        raise UserError(f"{what}: is cut short: {shape} of {kind} are {nbytes} bytes, {size - file.tell()} are there")
