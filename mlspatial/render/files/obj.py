"""Wavefront OBJ: its materials read as people write them, its concave polygons cut rightly."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mlspatial.render.files.look import GREY, UNMOVED, Look, find, read_picture
from mlspatial.render.files.relief import Relief, read_relief
from mlspatial.render.library.finish import Finish
from mlspatial.render.library.materials import from_srgb
from mlspatial.render.library.polygons import triangulate
from mlspatial.render.mesh import Layers

ROUGHNESS = 0.6  # MTL has none
#: What may stand before a texture's name, and how many values follow at most.
OPTIONS = {"blendu": 1, "blendv": 1, "cc": 1, "clamp": 1, "texres": 1, "bm": 1, "boost": 1, "imfchan": 1, "type": 1}
OPTIONS |= {"mm": 2, "o": 3, "s": 3, "t": 3}
RELIEF = ("norm", "map_norm", "map_kn", "map_bump", "bump")  # normal and bump maps in MTL files; the first one counts
BLACK = 1e-3  # a texture that is multiplied by less would not be seen
TRACED = {4: False, 9: False, 6: True, 7: True}  # illumination models with glass, and whether it refracts
GLASS_IOR = 1.5  # where none is said


def read_obj(path: Path) -> tuple[str, dict[str, Look]]:
    """The text of an OBJ file with concave polygons as triangles, and the looks of its materials by name.

    Warns, with the name of the file, of material files, textures, normal and bump maps that are not found or cannot be
    read.
    """
    text = _decoded(path.read_bytes()).replace("\r\n", "\n").replace("\\\n", " ")
    looks: dict[str, Look] = {}
    for file in _libraries(path, text, tell=True):
        looks |= read_mtl(file, path)
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
            if key.lower() not in ("map_kd", *RELIEF):
                continue
            if found := find(library.parent, _texture_name(rest, library.parent)[0]):
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
    """The materials of an MTL file: diffuse colour (taken as sRGB, as viewers do) times the texture map_Kd, relief, and
    glass where the illumination model traces rays and something lets light through."""
    return {name: _look(values, file, model) for name, values in _stated(file).items()}


def has_layers(path: Path) -> bool:
    """Whether a material of an OBJ file states relief or glass."""
    materials = [m for file in _libraries(path, _decoded(path.read_bytes())) for m in _stated(file).values()]
    return any(_glass(stated) is not None or any(key in stated for key in RELIEF) for stated in materials)


def _stated(file: Path) -> dict[str, dict[str, str]]:
    """What follows each key, for each material of an MTL file; the last one counts."""
    stated: dict[str, dict[str, str]] = {}
    own: dict[str, str] = {}
    for line in _decoded(file.read_bytes()).splitlines():
        key, _, rest = line.strip().replace("\t", " ").partition(" ")
        key, rest = key.lower(), rest.strip()
        if key == "newmtl":
            own = stated[rest] = {}
        elif rest or key not in ("map_kd", *RELIEF):
            own[key] = rest
    return stated


def _look(stated: dict[str, str], file: Path, model: Path) -> Look:
    """Of what a material states, by key."""
    color: tuple[float, ...] | None = None
    texture, uv = None, UNMOVED
    if "kd" in stated:
        try:
            values = [float(word) for word in stated["kd"].split()[:3]]
            color = (values[0], values[1], values[2]) if len(values) == 3 else (values[0],) * 3
        except (ValueError, IndexError):
            warnings.warn(f"{model}: Kd {stated['kd']} of {file.name} is no colour", stacklevel=5)
    if "map_kd" in stated:
        written, uv, _ = _texture_name(stated["map_kd"], file.parent)
        texture = _read(written, file, model, "texture", "drawn grey", read_picture)
    if texture is not None:
        texture = np.ascontiguousarray(texture[..., :3])
        chosen = (1.0, 1.0, 1.0) if color is None or max(color) < BLACK else color  # exporters write 0 who mean it all
    elif "map_kd" in stated:
        chosen = tuple(c * GREY for c in color or (1.0, 1.0, 1.0))
    else:
        chosen = color or (GREY,) * 3
    levels = np.round(np.clip(chosen, 0.0, 1.0) * 255.0) / 255.0
    layers = _glass(stated)
    finish = Finish(from_srgb(levels), 0.0 if layers else ROUGHNESS, 0.0, texture, 1.0, layers=layers)
    return Look(finish, uv, relief=_relief(stated, file, model))


def _relief(stated: dict[str, str], file: Path, model: Path) -> Relief | None:
    for key in RELIEF:
        if key in stated:
            written, uv, height = _texture_name(stated[key], file.parent)
            picture = _read(written, file, model, "normal map", "surfaces stay smooth", read_relief)
            return None if picture is None else Relief(picture, height, uv, written[:80])
    return None


def _glass(stated: dict[str, str]) -> Layers | None:
    """Glass where the illumination model has it and `d` is below 1 (or Tr above 0): d is what of it is opaque paint."""
    model = _number(stated, "illum", 0.0)
    opaque = min(max(_number(stated, "d", 1.0 - _number(stated, "tr", 0.0)), 0.0), 1.0)
    if model not in TRACED or opaque >= 1.0:
        return None
    try:
        words = [float(word) for word in stated.get("tf", "1").split()[:3]]
        tint = np.clip(words if len(words) == 3 else words[:1] * 3, 0.0, 1.0)
        passes = float(tint[0]), float(tint[1]), float(tint[2])
    except (ValueError, IndexError):  # spectral, or no numbers
        passes = (1.0, 1.0, 1.0)
    ior = _number(stated, "ni", GLASS_IOR)
    refracts = TRACED[int(model)] and ior > 1.0
    return Layers(transmission=1.0 - opaque, ior=ior if ior > 1.0 else GLASS_IOR, solid=refracts, tint=passes)


def _number(stated: dict[str, str], key: str, without: float) -> float:
    """The number after a key, behind options (-halo); `without` where none is said."""
    words = [word for word in stated.get(key, "").split() if _is_number(word)]
    return float(words[0]) if words else without


def _read(
    written: str, file: Path, model: Path, what: str, without: str, read: Callable[[bytes], np.ndarray]
) -> np.ndarray | None:
    """A picture that a material file names; None, with a warning, where it cannot be had."""
    found = find(file.parent, written)
    if found is None:
        warnings.warn(f"{model}: {what} {written} of {file.name} is not found; {without}", stacklevel=6)
        return None
    try:
        return read(found.read_bytes())
    except (OSError, ValueError, SyntaxError) as error:
        warnings.warn(f"{model}: {what} {found} cannot be read ({type(error).__name__}); {without}", stacklevel=6)
    return None


def _texture_name(rest: str, folder: Path) -> tuple[str, np.ndarray, float]:
    """The name after a map with its options taken off, what the options -s and -o do to coordinates, and what -bm
    multiplies."""
    uv, height = UNMOVED.copy(), 1.0
    words = rest.split(" ")
    if find(folder, rest) is not None:
        return rest, UNMOVED, height
    while words and words[0].startswith("-") and words[0][1:] in OPTIONS:
        option, words = words[0][1:], words[1:]
        values: list[str] = []
        while words and len(values) < OPTIONS[option]:
            if words[0] and option in ("o", "s", "t", "mm") and not _is_number(words[0]):
                break
            word, words = words[0], words[1:]
            values += [word] if word else []
        if option == "bm" and values and _is_number(values[0]):
            height = float(values[0])
        if option in ("s", "o") and values:
            pair = [float(values[0]), float(values[1]) if len(values) > 1 else float(option == "s")]
            if option == "s":
                uv[:, :2] = np.diag(pair)
            else:
                uv[:, 2] = pair
    return " ".join(words).strip(), uv, height


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
