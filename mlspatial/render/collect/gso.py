"""Google Scanned Objects as Gazebo Fuel hands them out: a folder or a zip file a model.

NAME/meshes/model.obj, NAME/materials/textures/texture.png, NAME/metadata.pbtxt. Metres, +z up; no front is defined, and
-y is taken for it. The material file names the texture as if it lay beside it, which it does not.
Source: Downs et al. 2022, arXiv 2204.11918.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlspatial.core.errors import UserError
from mlspatial.render.collect.base import COLLECTIONS, Files, Model, identity_name

MESH, METADATA = "meshes/model.obj", "metadata.pbtxt"
UNSORTED = "uncategorised"


class ScannedObjects:
    """A folder with one folder or one zip file a model."""

    usual: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()

    def models(self, folder: Path) -> Iterator[Model]:
        """Raises UserError where no model is found."""
        found = False
        single = (folder / MESH).is_file()
        for place in [folder] if single else sorted(folder.iterdir() if folder.is_dir() else [folder]):
            packed = place.suffix.lower() == ".zip"
            if not packed and not (place / MESH).is_file() and not (place / METADATA).is_file():
                continue
            found = True
            try:
                files = Files(place)
                inner = next((n[: -len(MESH)] for n in files.names() if packed and n.endswith(MESH)), "")
                yield _model(files, inner, place.stem if packed else place.name)
            except UserError as error:
                yield Model(place.name, place.name, "", Files(place.parent), without=str(error))
        if not found:
            raise UserError(f"{folder}: no folder NAME/{MESH} and no zip file in it; name the folder that has one for "
                            "each model of Google Scanned Objects")  # fmt: skip


def _model(files: Files, inner: str, name: str) -> Model:
    said = files.read(inner + METADATA).decode("utf-8", "replace") if inner + METADATA in files else ""
    categories = re.search(r"categories\s*\{([^}]*)\}", said)
    named = re.findall(r'"([^"]+)"', categories[1]) if categories else []
    legal = re.search(r"legal\s*\{([^}]*)\}", said)
    licence = re.search(r'license\s*:\s*"([^"]*)"', legal[1] if legal else said)
    copyright = re.search(r'copyright\s*:\s*"([^"]*)"', legal[1] if legal else said)
    title = re.search(r'^\s*name\s*:\s*"([^"]*)"', said, re.MULTILINE)
    obj = inner + MESH
    textures = tuple(n for n in files.names(PurePosixPath(inner, "materials").as_posix()) if "/textures/" in n)
    return Model(
        name=identity_name("gso", name),
        title=title[1] if title else name.replace("_", " "),
        kind=(named or [UNSORTED])[0],
        groups=tuple(named[1:]),
        files=files,
        folder=inner.rstrip("/"),
        obj=obj,
        axes="up=z,front=-y",
        beside=textures,
        licences=(inner + METADATA,) if said else (),
        licence=licence[1] if licence else "",
        credit=copyright[1] if copyright else "",
        without="" if obj in files else f"it has no {MESH}",
    )


COLLECTIONS.register("gso")(ScannedObjects())
