"""Places on surfaces that have layers (mesh.Layers): what is there, and how it is seen.

Such a place is found by rasterising, as any other, or by a ray that has passed through glass.
"""

# Warp compiles these functions itself, and their annotations are its own:
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mlspatial.render.warp.kernels import ONE_SIDED, Assets, Frame
from mlspatial.render.warp.lookups import texels_at, texture_color
from mlspatial.render.warp.shading import View, normal_at, open_sky_at

wp.set_module_options({"enable_backward": False})

NOISE = 0.02  # of a squared length: what eight bits lose


@wp.struct
class Layered:
    """Layers of the meshes that have any, and what rays meet."""

    first: wp.array(dtype=int)  # for each mesh: the row of its first material; -1: all are plain
    relief: wp.array(dtype=wp.vec4i)  # for each row, as the next two: first texel, width, height, levels
    values: wp.array(dtype=wp.vec4, ndim=2)  # see layers.layer_values
    first_frame: wp.array(dtype=int)  # for each mesh: its first vertex in the next two; -1: has none
    uvs: wp.array(dtype=wp.vec2)  # of the relief
    tangents: wp.array(dtype=wp.vec4)  # as vertices are given, and the sign of the bitangent
    solids: wp.array(dtype=wp.uint64)  # for each row of the frame: its mesh for rays; 0: they pass it


@wp.struct
class Spot:
    """A place, and how it is seen. Vectors in the camera frame; normals on the side that is seen."""

    row: int  # of its layers; -1: none
    face: wp.vec4i
    weights: wp.vec3  # of its corners
    point: wp.vec3  # metres
    view: wp.vec3  # to whoever looks
    back: bool
    smooth: wp.vec3  # the normal without relief
    normal: wp.vec3
    tangent: wp.vec3
    bitangent: wp.vec3
    open_sky: float
    color: wp.vec3
    roughness: float
    metalness: float


@wp.func
def layers_of(frame: Frame, layered: Layered, seen: View, face: wp.vec4i) -> int:
    """The row of a face's layers; -1: it is plain."""
    first = layered.first[frame.mesh[seen.image]]
    if first < 0:
        return -1
    return first + (face[3] & (ONE_SIDED - 1))


@wp.func
def across(normal: wp.vec3) -> wp.vec3:
    """A unit vector at a right angle to a normal."""
    helper = wp.vec3(1.0, 0.0, 0.0)
    if wp.abs(normal[0]) > 0.8:
        helper = wp.vec3(0.0, 1.0, 0.0)
    return wp.normalize(wp.cross(helper, normal))


@wp.func
def texture_area(a: wp.vec2, b: wp.vec2, c: wp.vec2, stretch: float) -> float:
    """Of a texture behind a pixel, for the coordinates of a triangle's corners."""
    ab = b - a
    ac = c - a
    return wp.abs(ab[0] * ac[1] - ab[1] * ac[0]) * stretch


@wp.func
def spot_of(
    assets: Assets,
    frame: Frame,
    layered: Layered,
    seen: View,
    face: wp.vec4i,
    weights: wp.vec3,
    point: wp.vec3,
    view: wp.vec3,
    back: bool,
    stretch: float,
) -> Spot:
    """stretch: pixels of the picture over the triangle's area, over the square of the place's depth; 0: not known."""
    spot = Spot()
    spot.row = layers_of(frame, layered, seen, face)
    spot.face = face
    spot.weights = weights
    spot.point = point
    spot.view = view
    spot.back = back
    spot.open_sky = open_sky_at(assets, seen, face, weights, back)
    material = seen.first_material + (face[3] & (ONE_SIDED - 1))
    spot.color = assets.color[material]
    spot.roughness = assets.finish[material][0]
    spot.metalness = assets.finish[material][1]
    texture = assets.texture[material]
    if texture[1] > 0:
        a = assets.uvs[seen.first_vertex + face[0]]
        b = assets.uvs[seen.first_vertex + face[1]]
        c = assets.uvs[seen.first_vertex + face[2]]
        uv = a * weights[0] + b * weights[1] + c * weights[2]
        area = texture_area(a, b, c, stretch)
        spot.color = wp.cw_mul(spot.color, texture_color(assets, texture, uv[0], uv[1], area))
    outward = normal_at(assets, seen, face, weights)
    side = wp.where(back, -1.0, 1.0)
    spot.smooth = outward * side
    spot.normal = spot.smooth
    spot.tangent = across(spot.normal)
    spot.bitangent = wp.cross(spot.normal, spot.tangent)
    if spot.row < 0:
        return spot
    first = layered.first_frame[frame.mesh[seen.image]]
    if first < 0:
        return spot
    corner_a = layered.tangents[first + face[0]]
    mean = corner_a * weights[0] + layered.tangents[first + face[1]] * weights[1]
    mean += layered.tangents[first + face[2]] * weights[2]
    tangent = seen.pose * wp.vec3(mean[0], mean[1], mean[2])
    tangent = tangent - outward * wp.dot(tangent, outward)
    if wp.dot(tangent, tangent) < 1.0e-8 * frame.scale[seen.image] * frame.scale[seen.image]:
        tangent = spot.tangent
    spot.tangent = wp.normalize(tangent)
    spot.bitangent = wp.cross(outward, spot.tangent) * wp.where(corner_a[3] < 0.0, -1.0, 1.0)
    relief = layered.relief[spot.row]
    if relief[1] > 0:
        a = layered.uvs[first + face[0]]
        b = layered.uvs[first + face[1]]
        c = layered.uvs[first + face[2]]
        uv = a * weights[0] + b * weights[1] + c * weights[2]
        texel = texels_at(assets, relief, uv[0], uv[1], texture_area(a, b, c, stretch))
        bent = texel * (2.0 / 255.0) - wp.vec3(1.0, 1.0, 1.0)
        square = wp.clamp(wp.dot(bent, bent) + NOISE, 0.01, 1.0)
        factor = layered.values[spot.row, 0][0]
        # normals that differ behind one pixel widen reflections: Toksvig 2005
        alpha = spot.roughness * spot.roughness
        alpha = wp.sqrt(wp.min(alpha * alpha + factor * factor * (1.0 - square) / square, 1.0))
        spot.roughness = wp.sqrt(alpha)
        bent = wp.vec3(bent[0] * factor, bent[1] * factor, wp.max(bent[2], 0.01))
        spot.normal = spot.tangent * bent[0] + spot.bitangent * bent[1] + outward * bent[2]
        spot.normal = wp.normalize(spot.normal) * side
        spot.tangent = wp.normalize(spot.tangent - spot.normal * wp.dot(spot.tangent, spot.normal))
        spot.bitangent = wp.cross(spot.normal, spot.tangent)
    return spot
