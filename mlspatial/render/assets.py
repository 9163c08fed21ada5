"""Meshes and panoramas by number; meshes are kept on disk, so that they are built once a machine and not once a run."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mlspatial.core.files import whole
from mlspatial.core.hashing import content_id
from mlspatial.core.names import cache_folder
from mlspatial.render.engine import MESHES
from mlspatial.render.environments import EnvironmentLibrary
from mlspatial.render.mesh import Collection, Environment, Material, Mesh
from mlspatial.render.objects import ObjectLibrary

ARRAYS = ("vertices", "normals", "uvs", "occlusion", "faces", "face_material")


def cached_mesh(library: ObjectLibrary, category: str, identity: str) -> Mesh:
    """The mesh of an identity, from the cache of this library version or built and put there.

    What a library has that is no mesh but a name for a renderer of its own is given as it is.
    """
    if getattr(library, "assets", MESHES) != MESHES:
        return library.mesh(category, identity)
    path = _path("meshes", library.name, library.version, f"{category}/{identity}")
    stored = _load(path)
    if stored is not None:
        materials = tuple(
            Material((float(row[0]), float(row[1]), float(row[2])), row[3], row[4], stored.get(f"texture_{i}"))
            for i, row in enumerate(stored["materials"])
        )
        return Mesh(**{name: stored[name] for name in ARRAYS}, materials=materials, behind=stored.get("behind"))
    mesh = library.mesh(category, identity)
    finish = np.array([[*m.color, m.roughness, m.metalness] for m in mesh.materials], dtype=np.float64)
    textures = {f"texture_{i}": m.texture for i, m in enumerate(mesh.materials) if m.texture is not None}
    behind = {} if mesh.behind is None else {"behind": mesh.behind}
    _save(path, {**{name: getattr(mesh, name) for name in ARRAYS}, **behind, "materials": finish, **textures})
    return mesh


def meshes(library: ObjectLibrary, pairs: Sequence[tuple[str, str]]) -> Collection[Mesh]:
    """The meshes of (category, identity) pairs."""
    key = content_id([library.name, library.version, [list(pair) for pair in pairs]])
    return Collection(key, len(pairs), lambda index: cached_mesh(library, *pairs[index]))


def panoramas(library: EnvironmentLibrary, views: Sequence[tuple[str, str]], width: int) -> Collection[Environment]:
    """The panoramas of (scene, sky) pairs. They are not kept on disk: what a renderer derives from them is."""
    key = content_id([library.name, library.version, [list(view) for view in views], width])
    return Collection(key, len(views), lambda index: library.environment(*views[index], width=width))


def _path(kind: str, name: str, version: str, key: str) -> Path:
    return cache_folder("assets", kind, content_id([name, version])) / f"{content_id(key)}.npz"


def _load(path: Path) -> dict[str, np.ndarray] | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        path.unlink(missing_ok=True)  # damaged: build it again
        return None


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with whole(path) as partial:
        np.savez(partial, **dict(arrays))
