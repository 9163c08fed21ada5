"""The two shapes that flow into a renderer: a mesh with materials, and an environment that lights it.

Object frame (meshes): right-handed as in glTF and OBJ: x to the viewer's right, y up, z towards the viewer, for a
viewer who looks at the object's front. World frame and camera frame: x right, y up, z forward (into the image),
left-handed, as ThreeDWorld and Unity have it; mirroring z takes the object frame to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True)
class Layers:
    """What a surface has beyond colour, roughness and metalness; as glTF's KHR_materials_* define it.

    relief: uint8 (h, w, 3), normals in the frame of tangent, bitangent and normal, or None; relief_scale: factor of
    their first two components. coat, coat_roughness: a clear coat of refractive index 1.5. anisotropy in 0..1 stretches
    reflections along the tangent turned by `rotation` (radians, counter-clockwise). transmission: share of what is not
    reflected that passes through; ior: refractive index; solid: a body that refracts, else a thin sheet that what
    passes leaves straight on; tint: linear RGB that it is multiplied by where it enters, None: as the surface's colour;
    absorption: (3,) in a solid, for a length of the mesh's longest axis.
    """

    relief: np.ndarray | None = None
    relief_scale: float = 1.0
    coat: float = 0.0
    coat_roughness: float = 0.0
    anisotropy: float = 0.0
    rotation: float = 0.0
    transmission: float = 0.0
    ior: float = 1.5
    solid: bool = False
    tint: tuple[float, float, float] | None = None
    absorption: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Material:
    """One surface finish. color: linear RGB in 0..1, multiplied by the texture where there is one.

    roughness and metalness in 0..1 (GGX, metal/rough workflow); texture: uint8 (h, w, 3), sRGB, or None; layers: what
    there is beside these, or None.
    """

    color: tuple[float, float, float]
    roughness: float = 0.6
    metalness: float = 0.0
    texture: np.ndarray | None = None
    layers: Layers | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Mesh:
    """Triangles with materials, in the object frame, longest axis of the bounding box 1, box centre at the origin.

    vertices, normals: (V, 3) float32; uvs: (V, 2) float32 (v up); occlusion: (V,) float32, ambient light that
    reaches a vertex, 0..1; faces: (F, 3) int32, counter-clockwise seen from outside; face_material: (F,) int32.
    behind: (V,) float32, the occlusion of the other side, for a mesh with open pieces; None: the same.
    relief_uvs: (V, 2) float32 (v up) and tangents: (V, 4) float32, unit tangents and the sign of the bitangent
    (cross(normal, tangent) times it), for materials with relief or anisotropy; None: uvs, and no tangents.
    """

    vertices: np.ndarray
    normals: np.ndarray
    uvs: np.ndarray
    occlusion: np.ndarray
    faces: np.ndarray
    face_material: np.ndarray
    materials: tuple[Material, ...]
    behind: np.ndarray | None = None
    relief_uvs: np.ndarray | None = None
    tangents: np.ndarray | None = None


@dataclass(frozen=True)
class Environment:
    """What surrounds an object: an equirectangular panorama, linear RGB radiance.

    panorama: (h, w, 3) float32, row 0 is straight up. A direction d = (x, y, z) of the world frame is found at
    u = atan2(x, z) / 2pi + 1/2 (so +z is the middle column, +x right of it) and v = 1/2 - asin(y) / pi.
    The renderer derives from it the diffuse irradiance, the blurred reflections and one main light with a shadow.
    """

    name: str
    panorama: np.ndarray


class Collection(Sequence[T]):
    """Assets that are made or read when they are asked for, and not kept.

    key: a short id of whatever decides all of them; what is derived from them may be stored under it.
    """

    def __init__(self, key: str, count: int, make: Callable[[int], T]) -> None:
        self.key, self._count, self._make = key, count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self._make(i) for i in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        return self._make(index % self._count)
