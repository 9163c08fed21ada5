"""Rasterising kernels of the Warp renderer; one source for CPU and CUDA. shading.py makes pixels of their result.

Everything happens in the camera frame (x right, y up, z into the image). Pictures are rasterised with SAMPLES by
SAMPLES samples a pixel; "samples" are the coordinates of that finer grid, x right and y down.

    transform                      vertices -> samples and 1 / z, and their place in the shadow map
    draw_visibility, draw_shadow   triangles -> the nearest one for each sample and each texel of the shadow map
    draw_mask, count_mask          the same without depth, on a grid that reaches beyond the picture's border

A thread works on a strip of neighbouring vertices, triangles or pixels: long on the CPU, where a thread is a function
call, and 1 on CUDA.
"""

# Warp compiles these functions itself, and their annotations are its own:
# mypy: ignore-errors

from __future__ import annotations

import ctypes.util
import os
import sys
from pathlib import Path

import warp as wp

wp.config.log_level = wp.LOG_ERROR  # no banner, no remark that there is no CUDA device
if "MLSPATIAL_CACHE" in os.environ:  # for compiled kernels; has to be set before the first decorator below
    wp.config.kernel_cache_dir = str(Path(os.environ["MLSPATIAL_CACHE"]).resolve() / "warp")
wp.set_module_options({"enable_backward": False})

SAMPLES = 2  # along each side of a pixel
EDGE_TOLERANCE = 1.0e-4  # in barycentric units: neighbours overlap a little instead of leaving pinholes
SHADOW_MARGIN = 1.02  # half width of the shadow map over the mesh's radius
ONE_SIDED = 1 << 30  # flag on a face's material: part of a closed surface, its back is never seen


def start() -> None:
    """Start Warp, without its remark on standard error that a machine has no CUDA driver."""
    if ctypes.util.find_library("cuda"):
        wp.init()
        return
    sys.stderr.flush()
    standard_error, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        wp.init()
    finally:
        os.dup2(standard_error, 2)
        os.close(standard_error)
        os.close(nowhere)


@wp.struct
class Assets:
    """Meshes, materials, textures and environments: pools shared by all images."""

    vertices: wp.array(dtype=wp.vec3)  # object frame with z mirrored, that is, the camera frame at rest
    normals: wp.array(dtype=wp.vec3)
    uvs: wp.array(dtype=wp.vec2)
    occlusion: wp.array(dtype=float)
    faces: wp.array(dtype=wp.vec4i)  # three vertices and one material of its mesh (with ONE_SIDED)
    behind: wp.array(dtype=float)  # occlusion of the vertices of open meshes, seen from behind
    first_behind: wp.array(dtype=int)  # for each mesh, as the next six; -1: a closed mesh, of which no back is seen
    first_vertex: wp.array(dtype=int)
    vertex_count: wp.array(dtype=int)
    first_face: wp.array(dtype=int)
    face_count: wp.array(dtype=int)
    first_material: wp.array(dtype=int)
    radius: wp.array(dtype=float)
    tint: wp.array(dtype=wp.vec3)  # mean colour of each mesh
    blobs: wp.array(dtype=wp.vec4)  # BLOBS of each mesh: centre, as vertices are given, and radius

    color: wp.array(dtype=wp.vec3)  # for each material, as the next two
    finish: wp.array(dtype=wp.vec2)  # roughness, metalness
    texture: wp.array(dtype=wp.vec4i)  # first texel, width, height, number of mip levels
    texels: wp.array(dtype=wp.vec3ub)  # square roots of linear values

    backgrounds: wp.array(dtype=wp.vec3h)  # cube maps, see lighting.cube_map
    background: wp.array(dtype=wp.vec2i)  # for each environment: first texel, texels along an edge
    reflections: wp.array(dtype=wp.vec3h)
    reflection: wp.array(dtype=wp.vec2i, ndim=2)  # for each environment and roughness step
    irradiance: wp.array(dtype=wp.vec3, ndim=2)  # for each environment, nine coefficients
    light_irradiance: wp.array(dtype=wp.vec3)
    light_radius: wp.array(dtype=float)

    tone_map: wp.array(dtype=wp.uint8)
    white: float


@wp.struct
class Frame:
    """One chunk of images: what to draw, and the buffers. All but visibility has a row for each object: those of the
    targets have the numbers of their images, those of further objects follow (several.py)."""

    mesh: wp.array(dtype=int)
    environment: wp.array(dtype=int)
    pose: wp.array(dtype=wp.mat33)  # rotation times scale
    position: wp.array(dtype=wp.vec3)
    camera: wp.array(dtype=wp.mat33)  # camera frame to world frame
    lighting: wp.array(dtype=wp.mat33)  # the same for what lights: another where the light is turned
    ground: wp.array(dtype=float)  # metres of the camera above the ground; 0: no ground
    light: wp.array(dtype=wp.mat33)  # rows: right and down of the shadow map, direction to the light
    scale: wp.array(dtype=float)  # metres of the longest axis

    projected: wp.array(dtype=wp.vec3, ndim=2)  # samples x, y and 1 / z; 1 / z < 0 before the near plane
    lit: wp.array(dtype=wp.vec3, ndim=2)  # shadow map texels x, y and closeness to the light
    visibility: wp.array(dtype=wp.uint64, ndim=2)  # 1 / z in the high half, triangle in the low half; 0 is empty
    shadow: wp.array(dtype=float, ndim=2)
    outline: wp.array(dtype=wp.vec2, ndim=2)  # of the object on the ground, see ground.py: covered share, distance
    sky: wp.array(dtype=float, ndim=2)  # share of the hemisphere that the ground sees, at corners of cells
    outline_levels: int
    sky_size: int  # corners along a side
    size: int  # pixels along a side
    shadow_size: int
    focal: float  # pixels
    near: float  # metres


@wp.struct
class Cells:
    """A triangle laid over a grid: the cells whose centres its bounding box holds, and weights of its corners."""

    left: int
    right: int
    top: int
    bottom: int
    b: float  # barycentric weight of corner b at the centre of cell (left, top); c the same
    c: float
    b_along_x: float
    c_along_x: float
    b_along_y: float
    c_along_y: float


@wp.func
def twice_area(a: wp.vec3, b: wp.vec3, c: wp.vec3) -> float:
    """Negative for a triangle that is counter-clockwise to the viewer (y points down), that is, seen from its front."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


@wp.func
def lay_over_grid(a: wp.vec3, b: wp.vec3, c: wp.vec3, size: int, one_sided: bool) -> Cells:
    """Cells of a triangle given by x, y in cells; none (right < left) where it holds no centre or shows its back."""
    cells = Cells()
    cells.left = 0
    cells.right = -1
    area = twice_area(a, b, c)
    if area == 0.0 or (one_sided and area > 0.0):
        return cells
    limit = float(size)
    left = int(wp.ceil(wp.max(wp.min(a[0], wp.min(b[0], c[0])), 0.0) - 0.5))
    right = int(wp.floor(wp.min(wp.max(a[0], wp.max(b[0], c[0])), limit) - 0.5))
    top = int(wp.ceil(wp.max(wp.min(a[1], wp.min(b[1], c[1])), 0.0) - 0.5))
    bottom = int(wp.floor(wp.min(wp.max(a[1], wp.max(b[1], c[1])), limit) - 0.5))
    if left > right or top > bottom:
        return cells
    cells.left = left
    cells.right = right
    cells.top = top
    cells.bottom = bottom
    scale = 1.0 / area
    cells.b_along_x = (c[1] - a[1]) * scale
    cells.b_along_y = (a[0] - c[0]) * scale
    cells.c_along_x = (a[1] - b[1]) * scale
    cells.c_along_y = (b[0] - a[0]) * scale
    x = float(left) + 0.5 - a[0]
    y = float(top) + 0.5 - a[1]
    cells.b = x * cells.b_along_x + y * cells.b_along_y
    cells.c = x * cells.c_along_x + y * cells.c_along_y
    return cells


@wp.func
def covers(b: float, c: float) -> bool:
    return wp.min(wp.min(b, c), 1.0 - b - c) >= -EDGE_TOLERANCE


@wp.kernel
def transform(assets: Assets, frame: Frame, strip: int):
    image, block = wp.tid()
    mesh = frame.mesh[image]
    first = assets.first_vertex[mesh]
    pose = frame.pose[image]
    position = frame.position[image]
    light = frame.light[image]
    half = 0.5 * float(frame.size)
    half_map = 0.5 * float(frame.shadow_size)
    radius = frame.scale[image] * assets.radius[mesh]
    texels = half_map / (SHADOW_MARGIN * radius)
    for vertex in range(block * strip, wp.min(block * strip + strip, assets.vertex_count[mesh])):
        place = pose * assets.vertices[first + vertex]
        point = place + position
        if point[2] < frame.near:
            frame.projected[image, vertex] = wp.vec3(0.0, 0.0, -1.0)
        else:
            inverse = 1.0 / point[2]
            x = half + frame.focal * point[0] * inverse
            y = half - frame.focal * point[1] * inverse
            frame.projected[image, vertex] = wp.vec3(x * float(SAMPLES), y * float(SAMPLES), inverse)
        lit = light * place
        x = lit[0] * texels + half_map
        y = lit[1] * texels + half_map
        frame.lit[image, vertex] = wp.vec3(x, y, lit[2] / radius + 2.0)


@wp.func
def draw_visible_face(frame: Frame, image: int, slot: int, index: int, face: wp.vec4i):
    """slot: row of the object; index: what the samples of the image remember of the face."""
    a = frame.projected[slot, face[0]]
    b = frame.projected[slot, face[1]]
    c = frame.projected[slot, face[2]]
    if wp.min(a[2], wp.min(b[2], c[2])) <= 0.0:
        return
    samples = frame.size * SAMPLES
    cells = lay_over_grid(a, b, c, samples, (face[3] & ONE_SIDED) != 0)
    row_b = cells.b
    row_c = cells.c
    for y in range(cells.top, cells.bottom + 1):
        weight_b = row_b
        weight_c = row_c
        for x in range(cells.left, cells.right + 1):
            if covers(weight_b, weight_c):
                inverse = a[2] + weight_b * (b[2] - a[2]) + weight_c * (c[2] - a[2])
                key = (wp.uint64(wp.cast(inverse, wp.uint32)) << wp.uint64(32)) | wp.uint64(index)
                if key > frame.visibility[image, y * samples + x]:
                    wp.atomic_max(frame.visibility, image, y * samples + x, key)
            weight_b += cells.b_along_x
            weight_c += cells.c_along_x
        row_b += cells.b_along_y
        row_c += cells.c_along_y


@wp.kernel
def draw_visibility(assets: Assets, frame: Frame, strip: int):
    image, block = wp.tid()
    mesh = frame.mesh[image]
    first = assets.first_face[mesh]
    for index in range(block * strip, wp.min(block * strip + strip, assets.face_count[mesh])):
        draw_visible_face(frame, image, image, index, assets.faces[first + index])


@wp.func
def draw_shadow_face(frame: Frame, image: int, face: wp.vec4i):
    a = frame.lit[image, face[0]]
    b = frame.lit[image, face[1]]
    c = frame.lit[image, face[2]]
    cells = lay_over_grid(a, b, c, frame.shadow_size, (face[3] & ONE_SIDED) != 0)
    row_b = cells.b
    row_c = cells.c
    for y in range(cells.top, cells.bottom + 1):
        weight_b = row_b
        weight_c = row_c
        for x in range(cells.left, cells.right + 1):
            if covers(weight_b, weight_c):
                closeness = a[2] + weight_b * (b[2] - a[2]) + weight_c * (c[2] - a[2])
                if closeness > frame.shadow[image, y * frame.shadow_size + x]:
                    wp.atomic_max(frame.shadow, image, y * frame.shadow_size + x, closeness)
            weight_b += cells.b_along_x
            weight_c += cells.c_along_x
        row_b += cells.b_along_y
        row_c += cells.c_along_y


@wp.kernel
def draw_shadow(assets: Assets, frame: Frame, strip: int):
    image, block = wp.tid()
    mesh = frame.mesh[image]
    first = assets.first_face[mesh]
    for index in range(block * strip, wp.min(block * strip + strip, assets.face_count[mesh])):
        draw_shadow_face(frame, image, assets.faces[first + index])


@wp.func
def draw_mask_face(
    frame: Frame, image: int, face: wp.vec4i, grid: wp.vec3, size: int, slot: int, masks: wp.array2d(dtype=wp.uint8)
):
    a = frame.projected[image, face[0]]
    b = frame.projected[image, face[1]]
    c = frame.projected[image, face[2]]
    if wp.min(a[2], wp.min(b[2], c[2])) <= 0.0:
        return
    origin = wp.vec3(grid[1], grid[2], 0.0)
    one_sided = (face[3] & ONE_SIDED) != 0
    cells = lay_over_grid(a * grid[0] - origin, b * grid[0] - origin, c * grid[0] - origin, size, one_sided)
    row_b = cells.b
    row_c = cells.c
    for y in range(cells.top, cells.bottom + 1):
        weight_b = row_b
        weight_c = row_c
        for x in range(cells.left, cells.right + 1):
            if covers(weight_b, weight_c):
                masks[slot, y * size + x] = wp.uint8(1)
            weight_b += cells.b_along_x
            weight_c += cells.c_along_x
        row_b += cells.b_along_y
        row_c += cells.c_along_y


@wp.kernel
def draw_mask(
    assets: Assets,
    frame: Frame,
    strip: int,
    images: wp.array(dtype=int),
    grids: wp.array(dtype=wp.vec3),
    size: int,
    masks: wp.array2d(dtype=wp.uint8),
):
    """Mark the cells that an image's object covers. grids: cells for each sample, then the first cell's x and y."""
    slot, block = wp.tid()
    image = images[slot]
    mesh = frame.mesh[image]
    first = assets.first_face[mesh]
    for index in range(block * strip, wp.min(block * strip + strip, assets.face_count[mesh])):
        draw_mask_face(frame, image, assets.faces[first + index], grids[slot], size, slot, masks)


@wp.kernel
def count_mask(
    masks: wp.array2d(dtype=wp.uint8), windows: wp.array(dtype=wp.vec3i), size: int, counts: wp.array2d(dtype=int)
):
    """Count covered cells: all, and those in the picture. windows: cells across the picture, first cell's x and y."""
    slot, y = wp.tid()
    window = windows[slot]
    first = wp.clamp(-window[1], 0, size)
    last = wp.clamp(window[0] - window[1], 0, size)
    if y + window[2] < 0 or y + window[2] >= window[0]:
        last = first
    covered = wp.int32(0)
    inside = wp.int32(0)
    for x in range(size):
        cell = wp.int32(masks[slot, y * size + x])
        covered += cell
        if x >= first and x < last:
            inside += cell
    wp.atomic_add(counts, slot, 0, covered)
    wp.atomic_add(counts, slot, 1, inside)
