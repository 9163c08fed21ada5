"""Sweet Home 3D's libraries of furniture (.sh3f), as in Debian's package sweethome3d-furniture.

A library is a zip file with OBJ models and PluginFurnitureCatalog.properties: a name, a size in centimetres and, for
some, a rotation for each model. Models stand with +y up and face +z once they are turned so; they are stretched to the
stated width (x), height (y) and depth (z), as Sweet Home 3D draws them.
Source: the guide to such libraries at sweethome3d.com, and the package's own files (version 1.8).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlspatial.core.errors import UserError
from mlspatial.render.collect.base import COLLECTIONS, Files, Model, identity_name

CATALOGUE = "PluginFurnitureCatalog.properties"
SUFFIXES = (".sh3f", ".zip")
LICENCES = re.compile(r"licen[sc]e[^/]*\.(txt|html?|pdf|md)$|^licen[sc]e$", re.IGNORECASE)


class SweetHome3D:
    """Libraries of furniture: .sh3f files of a folder, one such file, or folders that they were unpacked to."""

    usual: tuple[str, ...] = ("/usr/share/sweethome3d/furniture", "/usr/share/sweethome3d")
    apart: tuple[str, ...] = ("Characters", "Doors and windows", "Staircases")

    def models(self, folder: Path) -> Iterator[Model]:
        """Raises UserError where no library is found."""
        places = [folder] if folder.is_file() else sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES)
        places += sorted(file.parent for file in folder.rglob(CATALOGUE))
        if not places:
            raise UserError(
                f"{folder}: neither .sh3f files nor folders with {CATALOGUE} in it; name a folder that has some "
                "(Debian's sweethome3d-furniture has them in /usr/share)"
            )
        for place in places:
            try:
                yield from _models(Files(place))
            except UserError as error:
                yield Model(place.name, place.name, "", Files(place.parent), without=str(error))


def _models(files: Files) -> Iterator[Model]:
    if CATALOGUE not in files:
        raise UserError(f"{files.path}: has no {CATALOGUE}; it is no library of Sweet Home 3D")
    stated = properties(files.read(CATALOGUE))
    own = tuple(name for name in files.names() if "/" not in name and LICENCES.search(name))
    for number in sorted({int(key.rpartition("#")[2]) for key in stated if re.fullmatch(r"\w+#\d{1,9}", key)}):
        yield _model(files, {k: stated.get(f"{k}#{number}", "") for k in KEYS} | {"number": str(number)}, stated, own)


KEYS = ("name", "category", "model", "width", "depth", "height", "modelRotation", "creator", "license")


def _model(files: Files, said: dict[str, str], stated: dict[str, str], own: tuple[str, ...]) -> Model:
    obj = said["model"].lstrip("/")
    folder = PurePosixPath(obj).parent.as_posix()
    place = files.path.stem if files.path.is_file() else files.path.name
    without = ""
    turn: tuple[float, ...] = ()
    size: tuple[float, float, float] | None = None
    try:
        turn = tuple(float(word) for word in said["modelRotation"].split())
        size = (float(said["width"]) / 100, float(said["height"]) / 100, float(said["depth"]) / 100)
    except ValueError as error:
        without = f"its width, height, depth or modelRotation is no number ({error})"
    if not without and (len(turn) not in (0, 9) or size is None or min(size) <= 0):
        without = f"modelRotation has {len(turn)} numbers instead of 9, or a size is not above 0"
    if not obj.lower().endswith(".obj"):
        without = f"its model is {PurePosixPath(obj).name or 'not named'}; OBJ is read"
    elif obj not in files:
        without = f"its model {obj} is not in {files.path.name}"
    return Model(
        name=identity_name(place, PurePosixPath(obj).stem or said["number"]),
        title=said["name"] or PurePosixPath(obj).stem or f"model {said['number']}",
        kind=said["name"] or PurePosixPath(obj).stem,
        groups=(said["category"],),
        files=files,
        folder=folder,
        obj=obj,
        turn=turn,
        size=size,
        licences=own + (tuple(n for n in files.names(folder) if LICENCES.search(n)) if folder != "." else ()),
        licence=said["license"] or stated.get("license", ""),
        credit=said["creator"] or stated.get("provider", ""),
        without=without,
    )


def properties(data: bytes) -> dict[str, str]:
    r"""Keys and values of a Java properties file: Latin-1, \uXXXX and other escapes, lines that go on behind a \."""
    text = re.sub(r"\\\r?\n[ \t\f]*", "", data.decode("latin-1"))
    found = {}
    for line in text.splitlines():
        line = line.lstrip(" \t\f")
        if not line or line[0] in "#!":
            continue
        parts = re.match(r"((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", line)
        if parts:
            found[_plain(parts[1])] = _plain(parts[2]).strip()
    return found


def _plain(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1]:
            return chr(int(match[1], 16))
        return {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}.get(match[2], match[2])

    return re.sub(r"\\(?:u([0-9A-Fa-f]{4})|(.))", one, text)


COLLECTIONS.register("sweethome3d")(SweetHome3D())
