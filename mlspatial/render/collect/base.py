"""What a collection of 3D models offers: its models one by one, where their files lie, what they are called.

A further collection is a file with a class that is registered in COLLECTIONS.
"""

from __future__ import annotations

import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Protocol

from mlspatial.core.errors import UserError
from mlspatial.core.limits import demand_members
from mlspatial.core.plugins import Plugins
from mlspatial.render.files.folder import is_clutter
from mlspatial.render.library import catalogue

MOST_PACKED = 200  # times that a member may be larger than what it takes in its archive
PACKED_AT_LEAST = 1 << 20  # bytes unpacked: less is never asked how well it is packed
#: What reading a corrupt archive comes to, besides what is no zip file at all.
BROKEN = (OSError, EOFError, KeyError, RuntimeError, ValueError, struct.error, zlib.error, lzma.LZMAError)


def is_inside(name: str) -> bool:
    """Whether a name in a collection means a file of it on every system: no drive, no beginning at the root, no .."""
    plain = PureWindowsPath(name)
    return not plain.anchor and ".." not in plain.parts


class Files:
    """The files of a collection, in a folder or in a zip file, by their names with / between.

    path: a folder or a zip file. Names that lead out of it are no files of it. Raises UserError for a zip file that is
    broken or would not fit into memory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members: dict[str, zipfile.ZipInfo] | None = None
        if path.is_dir():
            return
        try:
            self._archive = zipfile.ZipFile(path)
            members = [member for member in self._archive.infolist() if not member.is_dir()]
        except (*BROKEN, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: cannot be read as a zip file ({error}); get it again") from error
        demand_members(members, str(path))
        self._members = {member.filename: member for member in members if is_inside(member.filename)}

    def names(self, below: str = "") -> list[str]:
        """Sorted names of the files below a folder; hidden files and those that file managers leave are left out."""
        if below and not is_inside(below):
            return []
        if self._members is None:
            found = [f.relative_to(self.path) for f in (self.path / below).rglob("*") if f.is_file()]
        else:
            found = [Path(name) for name in self._members if not below or name.startswith(f"{below}/")]
        return sorted(name.as_posix() for name in found if not is_clutter(name) and is_inside(str(name)))

    def __contains__(self, name: str) -> bool:
        if self._members is not None:
            return name in self._members
        try:
            return is_inside(name) and (self.path / name).is_file()
        except OSError:  # a name that is too long, or a folder that is closed
            return False

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises UserError for one that is not there, is broken or unpacks out of proportion."""
        try:
            if self._members is None:
                if not is_inside(name):
                    raise KeyError(name)
                return (self.path / name).read_bytes()
            member = self._members[name]
            if member.file_size > max(PACKED_AT_LEAST, MOST_PACKED * member.compress_size):
                raise UserError(f"{self.path}: {name} unpacks to {member.file_size} bytes, more than {MOST_PACKED} "
                                "times what it takes; leave it out")  # fmt: skip
            return self._archive.read(member)
        except (*BROKEN, zipfile.BadZipFile) as error:
            raise UserError(f"{self.path}: {name} cannot be read ({type(error).__name__}: {error})") from error


@dataclass(frozen=True)
class Model:
    """One model of a collection.

    name: of the identity, unique in the collection; title: what the collection calls it; kind: what kind of thing it
    is, in the collection's words (see category_of), "" where nothing of it can be read; files: where its files lie;
    folder: of all that belongs to it; obj: the mesh, both in `files`; groups: names of wider groups that it belongs to;
    axes: which way it stands, as "up=z,front=-y"; turn: nine numbers of a rotation that comes before, by rows; size:
    metres from side to side, up and from front to back, where the collection says them; beside: files whose own place
    is beside the material file, whatever folder they are in; licences: names of the files that say what is allowed;
    licence, credit: the same in words, and who made it; without: why it cannot be taken, "" where it can.
    """

    name: str
    title: str
    kind: str
    files: Files
    folder: str = ""
    obj: str = ""
    groups: tuple[str, ...] = ()
    axes: str = ""
    turn: tuple[float, ...] = ()
    size: tuple[float, float, float] | None = None
    beside: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    licence: str = ""
    credit: str = ""
    without: str = ""


class Collection(Protocol):
    """A kind of collection. usual: folders that it may lie in, without being told; apart: groups that are taken only
    when they are named; models: of a folder, in the order of their names. Raises UserError where there are none."""

    usual: tuple[str, ...]
    apart: tuple[str, ...]

    def models(self, folder: Path) -> Iterator[Model]: ...


#: name -> a kind of collection; every file registers its own
COLLECTIONS: Plugins[Collection] = Plugins("collection")

#: Other words for the published categories, and plurals that are no identity of their own.
ALIKE = {
    "armchair": "chair", "couch": "sofa", "fridge": "refrigerator", "tv": "television set", "keys": "key",
    "television": "television set", "bookcase": "shelf", "shelves": "shelf", "bookshelf": "shelf", "carpet": "rug",
    "headphones": "headphone", "desk lamp": "table lamp", "little lamp": "table lamp", "indoor plant": "houseplant",
    "plant": "houseplant", "decorative plant": "houseplant", "handbag": "bag", "microwave oven": "microwave",
    "apples": "apple", "salt shaker": "saltshaker", "wine glass": "wineglass", "cups": "cup", "tap": "water faucet",
    "remote control": "remote", "faucet": "water faucet", "mower": "lawn mower", "extinguisher": "fire extinguisher",
}  # fmt: skip


def category_of(name: str) -> str:
    """The published category that a thing's name ends in ("Round table" is a table, "Desk lamp" a table lamp), by its
    whole published name; else the name itself in small letters."""
    plain = " ".join(re.sub(r"[/\\:]", " ", name.replace("_", " ")).lower().split())
    heads = {category.split(",")[0]: category for category in catalogue.counts()}
    words = plain.split(" ")
    for first in range(len(words)):
        ending = " ".join(words[first:])
        ending = ALIKE.get(ending, ending)
        if ending in heads:
            return heads[ending]
    return ALIKE.get(plain, plain)


def identity_name(*parts: str) -> str:
    """A name that is a file name everywhere: letters, digits, dots, - and _."""
    return "_".join(re.sub(r"[^A-Za-z0-9.-]+", "_", part).strip("_.") for part in parts)
