"""Wavefront OBJ: its materials read as people write them, its concave polygons cut rightly."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from mlspatial.render.files.look import GREY, UNMOVED, Look, find, read_picture, warn_of_relief
from mlspatial.render.library.finish import Finish
from mlspatial.render.library.materials import from_srgb
from mlspatial.render.library.polygons import triangulate

ROUGHNESS = 0.6  # MTL has none
#: What may stand before a texture's name, and how many values follow at most.
OPTIONS = {"blendu": 1, "blendv": 1, "cc": 1, "clamp": 1, "texres": 1, "bm": 1, "boost": 1, "imfchan": 1, "type": 1}
OPTIONS |= {"mm": 2, "o": 3, "s": 3, "t": 3}
RELIEF = ("map_bump", "bump", "norm", "map_kn", "map_norm")  # what normal and bump maps are called in MTL files
BLACK = 1e-3  # a texture that is multiplied by less would not be seen


def read_obj(path: Path) -> tuple[str, dict[str, Look]]:
    """The text of an OBJ file with concave polygons as triangles, and the looks of its materials by name.

    Warns, with the name of the file, of material files and textures that are not found or cannot be read, and of normal
    and bump maps, which are not drawn.
    """
    text = _decoded(path.read_bytes()).replace("\r\n", "\n").replace("\\\n", " ")
    looks: dict[str, Look] = {}
    libraries = _libraries(path, text, tell=True)
    for file in libraries:
        looks |= read_mtl(file, path)
    warn_of_relief(path, [name for file in libraries for name in _relief(file)])
    used = set(re.findall(r"^[ \t]*usemtl[ \t]+(.+?)[ \t]*$", text, flags=re.MULTILINE))
    if looks and not used and len(looks) == 1:  # one material, and nobody says for what
        text = f"usemtl {next(iter(looks))}\n{text}"
    if looks and (unknown := sorted(used - set(looks))):
        warnings.warn(f"{path}: material {unknown[0]!r} is in none of its material files; drawn grey", stacklevel=3)
    return split_concave(text), looks


def references(path: Path) -> list[Path]:
    """The files that an OBJ file draws on: material files and textures that are found."""
    text = _decoded(path.read_bytes())
    files = []
    for library in _libraries(path, text):
        files.append(library)
        for line in _decoded(library.read_bytes()).splitlines():
            key, _, rest = line.strip().partition(" ")
            if key.lower() == "map_kd" and (found := find(library.parent, _texture_name(rest, library.parent)[0])):
                files.append(found)
    return files


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _libraries(path: Path, text: str, tell: bool = False) -> list[Path]:
    files = []
    for line in re.findall(r"^[ \t]*mtllib[ \t]+(.+?)[ \t]*\r?$", text, flags=re.MULTILINE):
        whole = find(path.parent, line)  # a name may hold spaces; else there are several names
        names = [line] if whole else line.split()
        for name in names:
            found = whole or find(path.parent, name)
            if found is not None:
                files.append(found)
            elif tell:
                warnings.warn(f"{path}: its material file {name} is not found; drawn grey", stacklevel=4)
    return files


def read_mtl(file: Path, model: Path) -> dict[str, Look]:
    """The materials of an MTL file: diffuse colour (taken as sRGB, as viewers do) times the texture map_Kd."""
    looks: dict[str, Look] = {}
    name: str | None = None
    color, texture, uv, lost = (1.0, 1.0, 1.0), None, UNMOVED, False
    stated = False

    def close() -> None:
        if name is None:
            return
        if lost and texture is None:
            chosen = tuple(c * GREY for c in color)
        elif texture is not None and max(color) < BLACK:
            chosen = (1.0, 1.0, 1.0)  # what exporters write who mean the texture
        elif not stated and texture is None:
            chosen = (GREY,) * 3
        else:
            chosen = color
        levels = np.round(np.clip(chosen, 0.0, 1.0) * 255.0) / 255.0
        looks[name] = Look(Finish(from_srgb(levels), ROUGHNESS, 0.0, texture, 1.0), uv)

    for line in _decoded(file.read_bytes()).splitlines():
        key, _, rest = line.strip().replace("\t", " ").partition(" ")
        key, rest = key.lower(), rest.strip()
        if key == "newmtl":
            close()
            name, color, texture, uv, lost, stated = rest, (1.0, 1.0, 1.0), None, UNMOVED, False, False
        elif key == "kd":
            try:
                values = [float(word) for word in rest.split()[:3]]
                color, stated = (values[0], values[1], values[2]) if len(values) == 3 else (values[0],) * 3, True
            except (ValueError, IndexError):
                warnings.warn(f"{model}: Kd {rest} of {file.name} is no colour", stacklevel=4)
        elif key == "map_kd" and rest:
            written, uv = _texture_name(rest, file.parent)
            texture, lost = None, True
            found = find(file.parent, written)
            if found is None:
                warnings.warn(f"{model}: texture {written} of {file.name} is not found; drawn grey", stacklevel=4)
                continue
            try:
                texture, lost = np.ascontiguousarray(read_picture(found.read_bytes())[..., :3]), False
            except (OSError, ValueError, SyntaxError) as error:
                said = f"{model}: texture {found} cannot be read ({type(error).__name__}); drawn grey"
                warnings.warn(said, stacklevel=4)
    close()
    return looks


def _relief(file: Path) -> list[str]:
    """The normal and bump maps that an MTL file names."""
    lines = (line.strip().replace("\t", " ").partition(" ") for line in _decoded(file.read_bytes()).splitlines())
    return [
        _texture_name(rest.strip(), file.parent)[0] for key, _, rest in lines if key.lower() in RELIEF and rest.strip()
    ]


def _texture_name(rest: str, folder: Path) -> tuple[str, np.ndarray]:
    """The name after a map_Kd with its options taken off, and what the options -s and -o do to coordinates."""
    uv = UNMOVED.copy()
    words = rest.split(" ")
    if find(folder, rest) is not None:
        return rest, UNMOVED
    while words and words[0].startswith("-") and words[0][1:] in OPTIONS:
        option, words = words[0][1:], words[1:]
        values: list[str] = []
        while words and len(values) < OPTIONS[option]:
            if words[0] and option in ("o", "s", "t", "mm") and not _is_number(words[0]):
                break
            word, words = words[0], words[1:]
            values += [word] if word else []
        if option in ("s", "o") and values:
            pair = [float(values[0]), float(values[1]) if len(values) > 1 else float(option == "s")]
            if option == "s":
                uv[:, :2] = np.diag(pair)
            else:
                uv[:, 2] = pair
    return " ".join(words).strip(), uv


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def split_concave(text: str) -> str:
    """The text of an OBJ file with the faces that are concave polygons as triangles; all others are left as they are.

    A fan from the first corner, as readers cut polygons, covers what lies outside of a concave one.
    """
    lines = text.split("\n")
    points: list[list[str]] = []
    wide: dict[int, list[tuple[int, list[str], list[int]]]] = {}
    for number, line in enumerate(lines):
        line = line.lstrip()
        if line.startswith(("v ", "v\t")):
            points.append(line.split()[1:4])
        elif line.startswith(("f ", "f\t")):
            corners = line.split("#", 1)[0].split()[1:]
            if len(corners) > 3:
                try:
                    index = [int(corner.split("/", 1)[0]) for corner in corners]
                except ValueError:
                    continue
                place = [i - 1 if i > 0 else len(points) + i for i in index]
                wide.setdefault(len(corners), []).append((number, corners, place))
    if not wide:
        return text
    try:
        vertices = np.array(points, float)
    except ValueError:  # the reader will say what is wrong
        return text
    for group in wide.values():
        places = np.array([place for *_, place in group])
        inside = ((places >= 0) & (places < len(vertices))).all(axis=1)
        corners = vertices[np.where(inside[:, None], places, 0)]  # (k, n, 3)
        for k in np.flatnonzero(concave(corners) & inside):
            number, words, _ = group[k]
            triangles = cut(corners[k])
            lines[number] = "\n".join("f " + " ".join(words[i] for i in triangle) for triangle in triangles)
    return "\n".join(lines)


def concave(corners: np.ndarray) -> np.ndarray:
    """(k,) bool for k polygons (k, n, 3): somewhere they turn against the sense of the whole."""
    after, before = np.roll(corners, -1, axis=1) - corners, corners - np.roll(corners, 1, axis=1)
    turns = np.cross(before, after)
    whole = np.cross(corners, np.roll(corners, -1, axis=1)).sum(axis=1)
    area = np.linalg.norm(whole, axis=1, keepdims=True)
    against = np.einsum("kni,ki->kn", turns, whole / np.maximum(area, 1e-300))
    return np.asarray((against < -1e-6 * area).any(axis=1))


def cut(corners: np.ndarray) -> np.ndarray:
    """(m, 3) triangles of a polygon (n, 3) by ear clipping in its plane, wound as the polygon is."""
    normal = np.cross(corners, np.roll(corners, -1, axis=0)).sum(axis=0)
    normal /= np.linalg.norm(normal)
    helper = np.eye(3)[np.argmin(np.abs(normal))]
    right = np.cross(helper, normal)
    right /= np.linalg.norm(right)
    flat = np.stack([corners @ right, corners @ np.cross(normal, right)], axis=1)
    flat = (flat - flat.min(axis=0)) / np.ptp(flat, axis=0).max()
    return triangulate(flat)[1]
