"""3D model files -> Mesh. Only this module imports trimesh."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.render.colors import srgb_to_linear
from mlspatial.render.files.gltf import COLORS, NO_MATERIAL, RELIEF_UVS, TANGENTS, Document
from mlspatial.render.files.look import GREY, UNMOVED, Look, sampled
from mlspatial.render.files.obj import has_layers as obj_has_layers
from mlspatial.render.files.obj import read_obj
from mlspatial.render.files.obj import references as obj_references
from mlspatial.render.files.relief import lengths_of, moved, normals_of, with_tangents
from mlspatial.render.files.surface import is_closed, kept_faces, mended
from mlspatial.render.library.assemble import ambient, merge
from mlspatial.render.library.finish import Finish
from mlspatial.render.library.materials import from_srgb
from mlspatial.render.library.part import Part, join, new_part, shortest_edge
from mlspatial.render.mesh import Layers, Mesh

VERSION = "4"  # of how files are read; counts up whenever a mesh of a file could change
BEFORE_LAYERS = "3"  # of those whose meshes are as they were
MOST_TRIANGLES = 50_000
#: What reading a broken file comes to in our own code; JSON with something else in place of an object has no .get.
BROKEN = (OSError, ValueError, KeyError, IndexError, TypeError)
BROKEN_JSON = (*BROKEN, AttributeError)
MOST_COLORS = 4096  # different face colours kept as finishes of their own
FINISH_STEPS = 8  # of roughness, of metalness and of layers, where a texture says them
GLASS = 0.5  # transmission from which a surface keeps no light from what lies behind it
PLAIN_UVS = 2  # columns of a part's texture coordinates: u, v
FRAMED_UVS = 8  # with those of its relief, a tangent and its side
FINE_EDGE = 0.042  # of the longest axis: faces are cut so small where a texture says more than their colour


def load_mesh(path: Path, turn: np.ndarray | None = None) -> Mesh:
    """One model file as a Mesh. turn: (3, 3) rotation of what the file holds, for files with other axes.

    Raises UserError when it cannot be read, has no triangle with an area, or has vertices that are not numbers.
    """
    geometries, look_of = _read(path)
    pieces = [piece for g in geometries if (piece := _clean(g, path)) is not None]
    if not pieces:
        raise UserError(f"{path}: has no triangles with an area; repair or remove it")
    points = np.concatenate([np.asarray(g.vertices, float)[g.faces].reshape(-1, 3) for g in pieces])
    triangles = points.reshape(-1, 3, 3)
    keep, box = kept_faces(triangles)
    if not keep.any() or np.ptp(box, axis=0).max() <= 0:
        raise UserError(f"{path}: has no triangles with an area; repair or remove it")
    parts = np.split(keep, np.cumsum([len(g.faces) for g in pieces])[:-1])
    pieces = [_only(g, here) for g, here in zip(pieces, parts, strict=True) if here.any()]
    total = sum(len(g.faces) for g in pieces)
    if total > MOST_TRIANGLES:
        warnings.warn(f"{path}: {total} triangles, simplified to {MOST_TRIANGLES}", stacklevel=2)
        pieces = [_simpler(g, max(12, int(len(g.faces) * MOST_TRIANGLES / total))) for g in pieces]
    pieces = [_with_edges(g) for g in pieces]
    longest = float(np.ptp(box, axis=0).max())
    made = [_part(g, longest, look_of(g), path) for g in pieces if len(g.faces)]
    if any(part.uvs.shape[1] == FRAMED_UVS for part in made):
        made = [_framed(part, None, None) if part.uvs.shape[1] == PLAIN_UVS else part for part in made]
    whole = mended(join(made))
    if turn is not None:
        whole = replace(whole, vertices=whole.vertices @ turn.T)
    mesh = _with_frames(merge(whole), turn)
    if not is_closed(mesh.vertices, mesh.faces):
        mesh = replace(mesh, behind=ambient(mesh.vertices, -mesh.normals, mesh.faces).astype(np.float32))
    return lit_through_glass(mesh)


def _framed(part: Part, uvs: np.ndarray | None, tangents: np.ndarray | None) -> Part:
    """The part with FRAMED_UVS: uvs (V, 2) of its relief in units of its own (None: the same), tangents (V, 4) of the
    file (None: made later)."""
    more = np.zeros((len(part.vertices), 4)) if tangents is None else tangents
    return replace(part, uvs=np.hstack([part.uvs, part.uvs if uvs is None else uvs, more]))


def _with_frames(mesh: Mesh, turn: np.ndarray | None) -> Mesh:
    """A merged mesh whose parts are framed, with its relief's coordinates and tangents where they belong."""
    if mesh.uvs.shape[1] == PLAIN_UVS:
        return mesh
    uvs, relief_uvs, tangents = np.split(mesh.uvs, (2, 4), axis=1)
    if turn is not None:
        tangents = np.hstack([tangents[:, :3] @ turn.T, tangents[:, 3:]])
    length = np.linalg.norm(tangents[:, :3], axis=1, keepdims=True)
    unit = np.where(length > 0.1, tangents[:, :3] / np.maximum(length, 0.1), 0.0)  # means of unit vectors
    tangents = np.hstack([unit, np.where(tangents[:, 3:] < 0.0, -1.0, 1.0)]).astype(np.float32)
    return with_tangents(replace(mesh, uvs=uvs, relief_uvs=relief_uvs, tangents=tangents))


def lit_through_glass(mesh: Mesh) -> Mesh:
    """The mesh with the occlusion of what is not glass as if the glass were not there."""
    clear = np.array([m.layers is not None and m.layers.transmission >= GLASS for m in mesh.materials])
    faces = mesh.faces[~clear[mesh.face_material]]
    if not clear.any() or not len(faces):
        return mesh
    used = np.unique(faces)
    vertices, own = mesh.vertices[used], np.searchsorted(used, faces)
    occlusion, behind = mesh.occlusion.copy(), mesh.behind
    occlusion[used] = ambient(vertices, mesh.normals[used], own)
    if behind is not None:
        behind = behind.copy()
        behind[used] = ambient(vertices, -mesh.normals[used], own)
    return replace(mesh, occlusion=occlusion, behind=behind)


def version_of(path: Path) -> str:
    """The version of reading that a model's mesh depends on: BEFORE_LAYERS for one without relief and layers."""
    kind = path.suffix.lower()
    try:
        if kind in (".gltf", ".glb"):
            return VERSION if Document(path).has_layers() else BEFORE_LAYERS
        return VERSION if kind == ".obj" and obj_has_layers(path) else BEFORE_LAYERS
    except (OSError, UserError, *BROKEN_JSON):
        return VERSION  # said when the model is read


def references(path: Path) -> list[Path]:
    """The files beside a model that it draws on, of those that are found: material files, textures, buffers."""
    kind = path.suffix.lower()
    try:
        if kind == ".obj":
            return obj_references(path)
        return Document(path).references() if kind in (".gltf", ".glb") else []
    except (OSError, UserError, KeyError, TypeError, AttributeError):
        return []  # said when the model is read


def _read(path: Path) -> tuple[list[Any], Callable[[Any], Look | None]]:
    """The triangle meshes of a file, in place, and what gives the look of one."""
    import trimesh

    logging.getLogger("trimesh").setLevel(logging.ERROR)
    kind = path.suffix.lower().lstrip(".")
    source, named, more = _opened(path, kind)
    try:
        scene = trimesh.load_scene(source, process=False, **more)
        found = [g for g in scene.dump(concatenate=False) if isinstance(g, trimesh.Trimesh) and len(g.faces)]
    except Exception as error:  # every format has its own ways to be broken
        raise _unreadable(path, error) from error
    for geometry in found:
        colors = geometry.vertex_attributes.get(COLORS)
        if colors is not None and len(colors) == len(geometry.vertices):
            geometry.vertex_attributes[COLORS] = _unit(np.asarray(colors))
        if (tangents := geometry.vertex_attributes.get(TANGENTS)) is not None:
            linear = scene.graph[geometry.metadata["node"]][0][:3, :3]
            geometry.vertex_attributes[TANGENTS] = _placed(np.asarray(tangents, float), linear)
    if kind in ("ply", "stl"):
        return found, lambda g: None
    return found, lambda g: named.get(str(getattr(getattr(g.visual, "material", None), "name", NO_MATERIAL)))


def _opened(path: Path, kind: str) -> tuple[Any, dict[str, Look], dict[str, Any]]:
    """What trimesh is given of a file, the looks of its materials by name, and how trimesh is to take it."""
    if kind in ("glb", "gltf"):
        try:
            document = Document(path)
            document.check()
            looks = document.looks()
            return io.BytesIO(document.geometry()), looks, {"file_type": "glb"}
        except BROKEN_JSON as error:
            raise _unreadable(path, error) from error
    if kind != "obj":
        return path, {}, {}
    try:
        text, named = read_obj(path)
    except BROKEN as error:
        raise _unreadable(path, error) from error
    stated = "".join(f"newmtl {name}\nKd 1 1 1\n" for name in named)
    text = ("mtllib m\n" if named else "") + _without_libraries(text)
    return io.BytesIO(text.encode()), named, {"file_type": "obj", "resolver": {"m": stated.encode()}}


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: cannot be read ({type(error).__name__}: {error}); repair or remove it")


def _without_libraries(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.lstrip().startswith("mtllib"))


def _unit(values: np.ndarray, clip: bool = True) -> np.ndarray:
    """(V, up to 3), in 0..1 where clipped, of colours or coordinates that may be whole numbers."""
    scale = np.iinfo(values.dtype).max if values.dtype.kind in "iu" else 1.0
    return np.clip(values[:, :3] / scale, 0.0, 1.0) if clip else values[:, :3] / scale


def _placed(tangents: np.ndarray, linear: np.ndarray) -> np.ndarray:
    """(V, 4) unit tangents and sides in the frame of the scene."""
    turned = tangents[:, :3] @ linear.T
    turned /= np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)
    return np.column_stack([turned, tangents[:, 3] * np.sign(np.linalg.det(linear))])


def _clean(geometry: Any, path: Path) -> Any | None:
    """The geometry, or None where it has no faces. Raises UserError where a face has a corner that is no number."""
    if not len(geometry.faces):
        return None
    finite = np.isfinite(np.asarray(geometry.vertices, float)).all(axis=1)
    used = np.zeros(len(finite), bool)
    used[np.asarray(geometry.faces).ravel()] = True
    if (wrong := np.flatnonzero(used & ~finite)).size:
        raise UserError(
            f"{path}: {wrong.size} vertices of its faces are not finite numbers (first: {wrong[0]}); "
            "repair or remove it"
        )
    if not finite.all():
        warnings.warn(f"{path}: {(~finite).sum()} vertices are no numbers; no face uses them, left out", stacklevel=3)
    return geometry if used.all() else _only(geometry, np.ones(len(geometry.faces), bool), tidy=True)


def _only(geometry: Any, faces: np.ndarray, tidy: bool = False) -> Any:
    """The geometry with some of its faces and the vertices that they use."""
    if faces.all() and not tidy:
        return geometry
    out = geometry.copy()
    out.update_faces(faces)
    out.remove_unreferenced_vertices()
    return out


def _with_edges(geometry: Any) -> Any:
    """The geometry without the faces that new_part would drop, whose colours then go as well."""
    vertices, faces = np.asarray(geometry.vertices, float), np.asarray(geometry.faces)
    return _only(geometry, shortest_edge(vertices, faces) > 1e-9 * np.ptp(vertices, axis=0).max())


def _part(geometry: Any, longest: float, look: Look | None, path: Path) -> Part:
    """A trimesh as a Part; its texture coordinates pass merge unchanged."""
    vertices, faces = np.asarray(geometry.vertices, float), np.asarray(geometry.faces)
    visual = geometry.visual
    uv = getattr(visual, "uv", None)
    bare = uv is None or len(uv) != len(vertices)
    uv = np.zeros((len(vertices), 2)) if bare else np.asarray(uv, float)
    colors = geometry.vertex_attributes.get(COLORS)
    if look is None:
        look = Look(Finish(from_srgb((GREY,) * 3) if colors is None else (1.0, 1.0, 1.0), tile=1.0))
    stated = geometry.vertex_attributes.get(RELIEF_UVS)
    if stated is not None and len(stated) == len(vertices):
        of_relief = _unit(np.asarray(stated), clip=False)[:, :2] * (1.0, -1.0) + (0.0, 1.0)
    else:
        of_relief = uv
    look, of_relief = _with_relief(look, vertices, faces, None if bare and of_relief is uv else of_relief, path)
    if look.uv is not UNMOVED:
        uv = uv @ look.uv[:, :2].T + look.uv[:, 2]
    layers = look.finish.layers
    if layers is not None and any(layers.absorption):
        absorption = np.array(layers.absorption) * longest
        layers = replace(layers, absorption=(float(absorption[0]), float(absorption[1]), float(absorption[2])))
        look = replace(look, finish=replace(look.finish, layers=layers))
    part = new_part(vertices, uv * longest, faces, look.finish, outward=False)
    if layers is not None and (layers.relief is not None or layers.anisotropy > 0.0):
        tangents = geometry.vertex_attributes.get(TANGENTS)
        part = _framed(part, of_relief * longest, None if tangents is None else np.asarray(tangents) * longest)
    if colors is not None:  # glTF's are linear, and multiply the material
        part = _colored(part, colors[faces].mean(axis=1), look.finish)
    elif visual.kind in ("face", "vertex"):
        levels = srgb_to_linear(np.asarray(visual.face_colors)[:, :3] / 255.0)
        part = _colored(part, levels, Finish((1.0, 1.0, 1.0), tile=1.0))
    return _detailed(part, look, longest, path)


def _with_relief(
    look: Look, vertices: np.ndarray, faces: np.ndarray, uv: np.ndarray | None, path: Path
) -> tuple[Look, np.ndarray]:
    """The look with its relief as a layer of its finish, and the texture coordinates of that; uv: (V, 2), those before
    the material moves them, None where there are none."""
    relief = look.relief
    if relief is None:
        return look, np.zeros((len(vertices), 2)) if uv is None else moved(uv, look.uv)
    uv = None if uv is None else moved(uv, relief.uv)
    lengths = None if uv is None else lengths_of(vertices, faces, uv)
    if uv is None or lengths is None:
        said = "has no texture coordinates for it; surfaces stay smooth"
        warnings.warn(f"{path}: normal map {relief.name} is not drawn, the model {said}", stacklevel=4)
        return look, np.zeros((len(vertices), 2))
    picture, scale = normals_of(relief, lengths, path)
    layers = replace(look.finish.layers or Layers(), relief=picture, relief_scale=scale)
    return replace(look, finish=replace(look.finish, layers=layers)), uv


def _colored(part: Part, colors: np.ndarray, finish: Finish) -> Part:
    """The part with a finish for each face colour, (F, 3) linear; few bits less for more than MOST_COLORS."""
    for levels in (1 << 16, 256, 128, 64, 32, 16):
        root = np.round(np.sqrt(colors) * levels) / levels if levels < 1 << 16 else colors
        found, index = np.unique(root, axis=0, return_inverse=True)
        if len(found) <= MOST_COLORS:
            break
    found = found if levels == 1 << 16 else found**2
    made = tuple(
        replace(finish, color=(float(r) * finish.color[0], float(g) * finish.color[1], float(b) * finish.color[2]))
        for r, g, b in found
    )
    return replace(part, face_finish=index.reshape(-1), finishes=made)


def _detailed(part: Part, look: Look, longest: float, path: Path) -> Part:
    """Faces cut small and finished one by one where textures say roughness, metalness or holes."""
    maps = [m for m in (look.rough_metal, look.opacity, *look.shares.values()) if m is not None]
    if any(np.ptp(m, axis=(0, 1)).max() > 1 / 255 for m in maps):
        part = part.subdivide(FINE_EDGE * longest)
    uv = part.uvs[part.faces].mean(axis=1) / longest
    if look.opacity is not None:
        seen = sampled(look.opacity, uv) >= look.cutoff
        if not seen.any():
            raise UserError(f"{path}: a material is transparent all over; export it opaque, or remove it")
        part = replace(part, faces=part.faces[seen], face_finish=part.face_finish[seen], crease=part.crease[seen])
        uv = uv[seen]
    if look.rough_metal is None and not look.shares:
        return part
    full = np.full((1, 1, 2), 1.0) if look.rough_metal is None else look.rough_metal
    shares = [sampled(full, uv), *(sampled(share, uv) for share in look.shares.values())]
    keys = np.column_stack([part.face_finish, np.round(np.column_stack(shares) * FINISH_STEPS).astype(int)])
    found, index = np.unique(keys, axis=0, return_inverse=True)
    made = tuple(_shared(part.finishes[key[0]], list(look.shares), key[1:] / FINISH_STEPS) for key in found)
    return replace(part, face_finish=index.reshape(-1), finishes=made)


def _shared(finish: Finish, names: list[str], shares: np.ndarray) -> Finish:
    """The finish with its roughness, its metalness and named numbers of its layers multiplied."""
    layers = finish.layers
    if layers is not None and names:
        values = {name: float(getattr(layers, name) * share) for name, share in zip(names, shares[2:], strict=True)}
        layers = replace(layers, **values)
    rough, metal = finish.roughness * shares[0], finish.metalness * shares[1]
    return replace(finish, roughness=rough, metalness=metal, layers=layers)


def _simpler(geometry, most: int):
    """At most `most` triangles: by quadric errors where that library is there, else by clustering of vertices."""
    if len(geometry.faces) <= most:
        return geometry
    visual = geometry.visual
    bare = getattr(visual, "uv", None) is None and visual.kind not in ("face", "vertex")
    if bare and COLORS not in geometry.vertex_attributes:  # the quadric method drops coordinates and colours
        try:
            return geometry.simplify_quadric_decimation(face_count=most)
        except ImportError:
            pass
    return _clustered(geometry, most)


def _clustered(geometry, most: int):
    """One vertex for each occupied cell of the finest grid that leaves at most `most` triangles."""
    vertices, faces = np.asarray(geometry.vertices, float), np.asarray(geometry.faces)
    span = np.ptp(vertices, axis=0).max()
    coarse, fine = 2, 4096
    while fine - coarse > max(1, coarse // 50):
        middle = (coarse + fine) // 2
        coarse, fine = (middle, fine) if len(_cluster(vertices, faces, span / middle)[1]) <= most else (coarse, middle)
    kept, faces, origin = _cluster(vertices, faces, span / coarse)
    out = geometry.copy()
    out.update_faces(origin)  # and their colours
    out.update_vertices(kept)
    out.faces = np.searchsorted(kept, faces)
    return out


def _cluster(vertices: np.ndarray, faces: np.ndarray, cell: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The vertices that stand for their cells (those nearest to the mean), the faces between different cells, and
    which faces those were."""
    q = np.floor((vertices - vertices.min(axis=0)) / cell).astype(np.int64)
    _, group = np.unique((q[:, 0] * 8192 + q[:, 1]) * 8192 + q[:, 2], return_inverse=True)
    group = group.reshape(-1)
    count = np.bincount(group)
    mean = np.stack([np.bincount(group, vertices[:, i]) for i in range(3)], axis=1) / count[:, None]
    order = np.lexsort((np.linalg.norm(vertices - mean[group], axis=1), group))
    chosen = order[np.r_[True, group[order][1:] != group[order][:-1]]]
    faces = chosen[group[faces]]
    real = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    _, first = np.unique(np.sort(faces[real], axis=1), axis=0, return_index=True)
    origin = np.flatnonzero(real)[np.sort(first)]
    return np.unique(faces[origin]), faces[origin], origin
