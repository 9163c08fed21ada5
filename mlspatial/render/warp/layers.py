"""Layers of materials (mesh.Layers) laid out for the Warp kernels, and meshes as rays meet them."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp

from mlspatial.render.mesh import Layers, Mesh
from mlspatial.render.shelf import Pools
from mlspatial.render.warp.rows import Rows
from mlspatial.render.warp.spots import Layered

MIRROR = np.array([1.0, 1.0, -1.0])  # object frame <-> camera frame
MOST_SOLIDS = 64  # meshes that are kept ready for rays


class LayeredMeshes:
    """there: (meshes,) bool, which meshes have layers. A renderer whose meshes have none needs no more than that."""

    def __init__(self, shapes: Pools, assets: Any, device: str) -> None:
        self.there = np.asarray(shapes.arrays["layered"] > 0)
        self._device, self._assets, self._shapes = device, assets, shapes
        self._layered: Any = _upload(shapes, device) if self.there.any() else None
        through = shapes.arrays["values"][:, 1, 1] > 0.0
        self._glass = np.logical_or.reduceat(through, shapes.first["values"][:-1])
        self._solids: dict[int, Any] = {}

    def of(self, rows: Rows) -> Any:
        """What kernels of layered surfaces need beside the frame. Rays meet the objects of images that have glass."""
        mesh = rows.scenes.mesh
        has_glass = np.zeros(rows.images, bool)
        np.logical_or.at(has_glass, rows.owner, self._glass[mesh])
        for number in np.unique(mesh[has_glass[rows.owner]]).tolist():
            self._solids[number] = self._solids.pop(number, None) or self._solid(number)
        pairs = zip(mesh.tolist(), has_glass[rows.owner], strict=True)
        ids = [self._solids[number].id if glass else 0 for number, glass in pairs]
        self._layered.solids = wp.array(np.array(ids, np.uint64), dtype=wp.uint64, device=self._device)
        return self._layered

    def forget(self) -> None:
        """Free the meshes for rays that were used longest ago, but for MOST_SOLIDS."""
        if (many := len(self._solids) - MOST_SOLIDS) > 0:
            wp.synchronize_device(self._device)  # kernels may use them
            for number in list(self._solids)[:many]:
                del self._solids[number]

    def _solid(self, mesh: int) -> Any:
        first, start = self._shapes.first["vertices"][mesh], self._shapes.first["faces"][mesh]
        points = self._assets.vertices[int(first) : int(self._shapes.first["vertices"][mesh + 1])]
        corners = self._shapes.arrays["faces"][start : self._shapes.first["faces"][mesh + 1], :3]
        indices = np.ascontiguousarray(corners, np.int32).reshape(-1)
        return wp.Mesh(points=points, indices=wp.array(indices, dtype=int, device=self._device))


def layer_arrays(mesh: Mesh, relief: np.ndarray) -> dict[str, np.ndarray]:
    """The layers of a mesh's materials, a row each, and of its vertices; one row of zeros where there are none.

    relief: (materials, 4), where their pictures are, see texture_pool.
    """
    none = {"layered": np.zeros(1, np.int32), "relief": np.zeros((1, 4), np.int32)}
    none |= {"values": np.zeros((1, 4, 4), np.float32), "frames": np.zeros((1, 6), np.float32)}
    if all(m.layers is None for m in mesh.materials):
        return none
    made = none | {"layered": np.ones(1, np.int32), "relief": relief.astype(np.int32)}
    made["values"] = np.array([layer_values(m.layers or Layers()) for m in mesh.materials], np.float32)
    if mesh.tangents is not None:
        uvs = mesh.uvs if mesh.relief_uvs is None else mesh.relief_uvs
        made["frames"] = np.column_stack([mesh.tangents * (*MIRROR, -1.0), uvs]).astype(np.float32)
    return made


def hiding(mesh: Mesh) -> float:
    """The radius of what hides the sky from the ground as a mesh does, of that if none of it were glass."""
    clear = np.array([0.0 if m.layers is None else m.layers.transmission * (1.0 - m.metalness) for m in mesh.materials])
    if not clear.any():
        return 1.0
    a, b, c = mesh.vertices[mesh.faces].astype(np.float64).transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return float(np.sqrt(1.0 - area @ clear[mesh.face_material] / area.sum()))


def layer_values(layers: Layers) -> list[list[float]]:
    """(4, 4): relief scale, coat, its roughness, anisotropy; rotation, transmission, refractive index, solid; tint (-1:
    the colour); absorption."""
    tint = (-1.0, 0.0, 0.0) if layers.tint is None else layers.tint
    return [
        [layers.relief_scale, layers.coat, layers.coat_roughness, layers.anisotropy],
        [layers.rotation, layers.transmission, layers.ior, float(layers.solid)],
        [*tint, 0.0],
        [*layers.absorption, 0.0],
    ]


def _upload(meshes: Pools, device: str) -> Any:
    """The pools of layer_arrays on a device."""
    layered = Layered()
    arrays, first = meshes.arrays, meshes.first

    def put(name: str, values: Any, dtype: Any, kind: Any) -> None:
        setattr(layered, name, wp.array(np.ascontiguousarray(values, kind), dtype=dtype, device=device))

    relief = arrays["relief"].astype(np.int64)
    relief[:, 0] += np.repeat(first["texels"][:-1], meshes.counts("relief"))
    put("first", np.where(arrays["layered"] > 0, first["values"][:-1], -1), int, np.int32)
    put("relief", relief, wp.vec4i, np.int32)
    put("values", arrays["values"], wp.vec4, np.float32)
    framed = (arrays["layered"] > 0) & (meshes.counts("frames") == meshes.counts("vertices"))
    put("first_frame", np.where(framed, first["frames"][:-1], -1), int, np.int32)
    put("tangents", arrays["frames"][:, :4], wp.vec4, np.float32)
    put("uvs", arrays["frames"][:, 4:], wp.vec2, np.float32)
    return layered
