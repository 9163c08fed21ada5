"""A folder of 3D models: which files are models, which way they stand, which category names a person means."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import numpy as np

from mlspatial.core.errors import BadValue, UserError

SUFFIXES = (".obj", ".glb", ".gltf", ".ply", ".stl")
LAYOUT = "category/identity.{obj,glb,gltf,ply,stl}"
CLUTTER = {"__macosx", "thumbs.db", "desktop.ini"}  # what systems leave in folders, besides names with a leading dot
AXES = "up=[+-]?[xyz],front=[+-]?[xyz]"


def is_clutter(relative: Path) -> bool:
    """Whether a file, or a folder that it lies in, is hidden or left there by a file manager."""
    return any(part.startswith(".") or part.casefold() in CLUTTER for part in relative.parts)


def model_files(folder: Path) -> dict[str, dict[str, Path]]:
    """category -> identity -> file, both sorted; categories without a model are left out."""
    if not folder.is_dir():
        raise UserError(f"objects={folder}: no such folder; give procedural, or a folder {LAYOUT}")
    found: dict[str, dict[str, Path]] = {}
    for file in sorted(folder.glob("*/*")):
        if is_clutter(file.relative_to(folder)) or file.suffix.lower() not in SUFFIXES or not file.is_file():
            continue
        models = found.setdefault(file.parent.name, {})
        if file.stem in models:
            raise UserError(f"objects={folder}: {models[file.stem].name} and {file.name} in {file.parent.name} are one "
                            f"identity; rename or remove one")  # fmt: skip
        models[file.stem] = file
    if not found:
        raise UserError(f"objects={folder}: no models in it; they should lie at {LAYOUT}")
    names = [name for models in found.values() for name in models]
    if len(set(names)) < len(names):  # an identity is one thing in the whole set
        return {c: {f"{c}/{name}": file for name, file in models.items()} for c, models in found.items()}
    return found


def split_axes(spec: str) -> tuple[Path, str]:
    """The folder of "FOLDER" or "FOLDER:up=z,front=-y", and the axes as they are written ("" without)."""
    folder, colon, axes = spec.rpartition(":")
    if not colon or Path(spec).exists() or not re.match(r"(up|front)=", axes):
        return Path(spec), ""
    return Path(folder), axes


def turn_of(axes: str, parameter: str = "objects") -> np.ndarray | None:
    """(3, 3) rotation that brings the axes of a folder's files to +y up and +z front; None where nothing turns.

    axes: "up=z,front=-y"; what is not said is up=+y, front=+z; parameter: what a person wrote them in. Raises BadValue.
    """
    if not axes:
        return None
    said = {"up": "+y", "front": "+z"}
    for word in axes.split(","):
        name, _, axis = word.strip().partition("=")
        if name not in said or not re.fullmatch(r"[+-]?[xyz]", axis):
            raise BadValue(parameter, axes, f"the axes of a folder are {AXES}")
        said[name] = axis
    up, front = (_axis(said[name]) for name in ("up", "front"))
    if abs(up @ front) > 0:
        raise BadValue(parameter, axes, "up and front are two different axes; write both, such as up=z,front=-y")
    turn = np.stack([np.cross(up, front), up, front])
    return None if np.array_equal(turn, np.eye(3)) else turn


def _axis(word: str) -> np.ndarray:
    return np.eye(3)["xyz".index(word[-1])] * (-1.0 if word.startswith("-") else 1.0)


def split_names(text: str) -> list[tuple[str, bool]]:
    """Names between commas, and whether each was in double quotes; a quoted one may hold commas and outer spaces."""
    words = []
    for quoted, plain in re.findall(r'\s*(?:"([^"]*)"\s*|([^,]*))(?:,|$)', text):
        if quoted or plain.strip():
            words.append((quoted or plain.strip(), bool(quoted)))
    return words


def same_name(one: str, other: str) -> bool:
    """Whether two names are one in all but letter case, outer spaces and how accents are stored."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name.strip()).casefold()
