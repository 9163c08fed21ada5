"""Small collections of 3D models as they lie on a disk, for the tests that build objects from them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

COLORS = {"texture": (20, 200, 30)}


def wedge(nose: str, up: str, scale: float = 1.0, head: str = "") -> str:
    """An OBJ of a box, 2 across, 3 to its front and 1 high, with a nose, 4 to the front, on the axis `nose`."""
    axes = {"x": (1.0, 0.0, 0.0), "y": (0.0, 1.0, 0.0), "z": (0.0, 0.0, 1.0)}
    front = np.array(axes[nose[-1]]) * (-1.0 if nose[0] == "-" else 1.0)
    top = np.array(axes[up])
    side = np.cross(top, front)
    corners = [side * x + top * y + front * z for x in (-1, 1) for y in (0, 1) for z in (-1.5, 1.5)]
    points = [*corners, top * 0.5 + front * 4.0]
    faces = ["1 2 4 3", "5 7 8 6", "1 3 7 5", "1 5 6 2", "3 4 8 7", "2 6 9", "6 8 9", "8 4 9", "4 2 9"]
    lines = [head, *("v " + " ".join(f"{scale * c:g}" for c in p) for p in points)]
    lines += ["vt 0 0", "vt 1 0", "vt 1 1", "vn 0 0 1", *(["usemtl a"] if head else [])]
    return "\n".join([*lines, *("f " + " ".join(f"{i}/{1 + k % 3}/1" for k, i in enumerate(f.split())) for f in faces)])


def texture(file: Path, color: tuple[int, int, int] = COLORS["texture"]) -> bytes:
    Image.new("RGB", (8, 8), color).save(file)
    return file.read_bytes()


def entry(number: int, name: str, model: str, *size: object, group: str = "Living room") -> str:
    """A model of a catalogue; size: width, depth and height in centimetres."""
    sides = zip(("width", "depth", "height"), size, strict=True)
    lines = [f"name#{number}={name}", f"category#{number}={group}", f"model#{number}={model}"]
    return "\n".join([*lines, *(f"{side}#{number}={value}" for side, value in sides), ""])


CATALOGUE = r"""# a catalogue
id=Mine
license=Public domain  \u00a9 nobody
id#1=Mine#chair
name#1=Oak \
    chair
category#1=Living room
model#1=/mine/chair/chair.obj
width#1=60
depth#1=80.5
height#1=100
modelRotation#1=1 0 0 0 0 1 0 -1 0
creator#1=Ren\u00e9
"""
CATALOGUE += "".join([
    entry(2, "Old lamp", "/mine/lamp.3ds", 10, 10, 10, group="Lights"),
    entry(3, "Stool", "/mine/gone/gone.obj", 1, 1, 1),
    entry(4, "Man", "/mine/man/man.obj", 50, 50, 180, group="Characters"),
    entry(5, "Torn thing", "/mine/torn/torn.obj", 1, 1, 1),
    entry(6, "Armchair", "/mine/armchair/armchair.obj", 90, 90, 90),
    entry(7, "Wide thing", "/mine/armchair/armchair.obj", "wide", 90, 90),
])  # fmt: skip


def furniture_in(tmp_path: Path) -> Path:
    """A folder with mine.sh3f; the chair's file stands on +z and looks to -y, as its rotation says."""
    folder = tmp_path / "furniture"
    folder.mkdir()
    head = "mtllib chair.mtl"
    with zipfile.ZipFile(folder / "mine.sh3f", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("PluginFurnitureCatalog.properties", CATALOGUE)
        archive.writestr("LICENSE.TXT", "do what you like")
        archive.writestr("mine/chair/chair.obj", wedge("-y", "z", head=head))
        archive.writestr("mine/chair/chair.mtl", "newmtl a\nKd 1 1 1\nmap_Kd oak.png\nmap_Bump relief.png\n")
        archive.writestr("mine/chair/oak.png", texture(tmp_path / "oak.png"))
        archive.writestr("mine/chair/relief.png", texture(tmp_path / "relief.png", (0, 0, 0)))
        archive.writestr("mine/chair/License - oak.txt", "by nobody")
        archive.writestr("mine/lamp.3ds", b"MM")
        archive.writestr("mine/man/man.obj", wedge("z", "y"))
        archive.writestr("mine/torn/torn.obj", "v 0 0 zero\nf 1 1 1")
        archive.writestr("mine/armchair/armchair.obj", wedge("z", "y"))
    return folder


def points(file: Path) -> np.ndarray:
    lines = [line.split()[1:4] for line in file.read_text().splitlines() if line.startswith("v ")]
    return np.array(lines, float)


METADATA = """name: "Big Shoe"
version: 1
annotations { name: "x" }
legal {
  copyright: "Copyright 2020 Google LLC"
  license: "Creative Commons Attribution 4.0 International"
}
categories {
  first: "Shoe"
}
"""


def scanned(folder: Path, name: str, metadata: str = METADATA) -> Path:
    """A model as Gazebo Fuel hands it out: z up, the texture elsewhere than the material file says."""
    place = folder / name
    for part in ("meshes", "materials/textures", "thumbnails"):
        (place / part).mkdir(parents=True)
    (place / "meshes/model.obj").write_text(wedge("-y", "z", 0.1, head="mtllib model.mtl"))
    (place / "meshes/model.mtl").write_text("newmtl a\nKd 1 1 1\nmap_Kd texture.png\n")
    texture(place / "materials/textures/texture.png")
    texture(place / "thumbnails/0.png", (9, 9, 9))
    (place / "model.sdf").write_text("<sdf/>")
    if metadata:
        (place / "metadata.pbtxt").write_text(metadata)
    return place


def thing(folder: Path, name: str, *kinds: str) -> None:
    for number, kind in enumerate(kinds):
        place = folder / name / kind
        place.mkdir(parents=True, exist_ok=True)
        (place / "textured.obj").write_text(wedge("-y", "z", 0.1 + 0.1 * number, head="mtllib ./textured.mtl"))
        (place / "textured.mtl").write_text("newmtl a\nmap_Kd texture_map.png\n")
        texture(place / "texture_map.png")
