"""What a level ground loses of its light to the object above it: kernels of the Warp renderer.

The main light is a disc. Its shadow is the object's outline as the light sees it, blurred by as much as the disc is
wide from where the ground is: the outline is averaged to ever coarser grids, and each pixel looks up those of its blur.
The rest of the light comes from everywhere; the object, as a few balls (blobs.py), hides a part of the hemisphere.

    begin_outline, halve_outline   shadow map -> levels 1, 2, .. of the outline, each half as fine
    hide_sky                       balls -> share of the hemisphere that is left, on a coarse grid of the picture
"""

# Warp compiles these functions itself, and their annotations are its own:
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mlspatial.render.warp.blobs import BLOBS
from mlspatial.render.warp.kernels import SHADOW_MARGIN, Assets, Frame

wp.set_module_options({"enable_backward": False})

LOWEST_LIGHT = 0.1  # sine of its height above the horizon: longer shadows than ten times the object are left out
LEAST_DISTANCE = 0.01  # radii of the mesh from the ground: what lies below hides no light
NO_OBJECT = 0.5  # closeness to the light: an object has 1 to 3, an empty place 0
COARSEST = 4  # texels along a side of the last level
BLUR = 2.56  # a level's texels in a disc that it blurs as much as: 4 over the spread of its filter, .64 of a texel
SKY_CELL = 8  # pixels along a side of the grid of hide_sky
FAR = 6.0  # radii of the mesh: beyond, less than a thirtieth of the hemisphere is hidden


@wp.struct
class Ground:
    """A level ground as the object's main light sees it; lengths are in radii of the mesh from its middle."""

    up: wp.vec3  # camera frame
    along_x: float  # up's components along the shadow map, and towards the light
    along_y: float
    climb: float
    height: float  # metres of the object's middle above the ground
    radius: float  # metres
    per_texel: float  # texels of the shadow map for a metre
    there: int  # and somewhere in the picture


@wp.func
def ground_of(assets: Assets, frame: Frame, image: int) -> Ground:
    ground = Ground()
    camera = frame.camera[image]
    light = frame.light[image]
    up = wp.vec3(camera[1, 0], camera[1, 1], camera[1, 2])
    across = light * up
    ground.up = up
    ground.along_x = across[0]
    ground.along_y = across[1]
    ground.climb = across[2]
    ground.height = frame.ground[image] + wp.dot(up, frame.position[image])
    ground.radius = frame.scale[image] * assets.radius[frame.mesh[image]]
    ground.per_texel = 0.5 * float(frame.shadow_size) / (SHADOW_MARGIN * ground.radius)
    reach = 0.5 * float(frame.size) / frame.focal  # of the picture, from its middle at distance 1
    lowest = up[2] - reach * (wp.abs(up[0]) + wp.abs(up[1]))
    ground.there = int(frame.ground[image] > 0.0 and lowest < 0.0)
    return ground


@wp.func
def first_texel(size: int, level: int) -> int:
    """Of a level of the outline, from 1; size: texels along a side of the shadow map."""
    finer = size >> (level - 1)
    return (size * size - finer * finer) // 3


@wp.kernel
def begin_outline(assets: Assets, frame: Frame, strip: int):
    """Level 1: whether the shadow map hides the light from the ground, and from what distance in radii of the mesh."""
    image, block = wp.tid()
    ground = ground_of(assets, frame, image)
    if ground.there == 0 or ground.climb <= LOWEST_LIGHT:
        return
    half = frame.shadow_size >> 1
    per_climb = 1.0 / (ground.climb * ground.radius)  # the ground's depth is linear along the map
    slope_x = ground.along_x / ground.per_texel * per_climb
    slope_y = ground.along_y / ground.per_texel * per_climb
    start = ground.height * per_climb + (slope_x + slope_y) * (0.5 - 0.5 * float(frame.shadow_size))
    for row in range(block * strip, wp.min(block * strip + strip, half)):
        for column in range(half):
            total = wp.vec2(0.0, 0.0)
            y = 2 * row + (
                column & 1
            )  # one of the four, on the left and on the right in turns: the rest is blurred away
            x = 2 * column + (row & 1)
            closeness = frame.shadow[image, y * frame.shadow_size + x]
            if closeness > NO_OBJECT:
                distance = closeness - 2.0 + start + slope_x * float(x) + slope_y * float(y)
                if distance > LEAST_DISTANCE:
                    total = wp.vec2(1.0, distance)
            frame.outline[image, row * half + column] = total


@wp.kernel
def halve_outline(assets: Assets, frame: Frame, strip: int, level: int):
    """A level from the one before: 4 x 4 of its texels weighted 1, 3, 3, 1 along each side; level 2 the inner 2 x 2."""
    image, block = wp.tid()
    ground = ground_of(assets, frame, image)
    if ground.there == 0 or ground.climb <= LOWEST_LIGHT:
        return
    side = frame.shadow_size >> level
    finer = side * 2
    start = first_texel(frame.shadow_size, level)
    source = first_texel(frame.shadow_size, level - 1)
    if level == 2:
        for row in range(block * strip, wp.min(block * strip + strip, side)):
            for column in range(side):
                first = source + 2 * row * finer + 2 * column
                upper = frame.outline[image, first] + frame.outline[image, first + 1]
                lower = frame.outline[image, first + finer] + frame.outline[image, first + finer + 1]
                frame.outline[image, start + row * side + column] = (upper + lower) * 0.25
        return
    for row in range(block * strip, wp.min(block * strip + strip, side)):
        for column in range(side):
            total = wp.vec2(0.0, 0.0)
            for i in range(4):
                y = 2 * row + i - 1
                if y >= 0 and y < finer:
                    in_row = wp.vec2(0.0, 0.0)
                    for j in range(4):
                        x = 2 * column + j - 1
                        if x >= 0 and x < finer:
                            weight = wp.where(j == 1 or j == 2, 3.0, 1.0)
                            in_row += frame.outline[image, source + y * finer + x] * weight
                    total += in_row * wp.where(i == 1 or i == 2, 3.0, 1.0)
            frame.outline[image, start + row * side + column] = total * (1.0 / 64.0)


@wp.func
def outline_at(frame: Frame, image: int, level: int, x: float, y: float) -> wp.vec2:
    """Bilinear sample of a level at a place of the shadow map, in its texels; empty beyond the border."""
    side = frame.shadow_size >> level
    start = first_texel(frame.shadow_size, level)
    scale = 1.0 / float(1 << level)
    u = x * scale - 0.5
    v = y * scale - 0.5
    left = int(wp.floor(u))
    top = int(wp.floor(v))
    along = u - float(left)
    down = v - float(top)
    total = wp.vec2(0.0, 0.0)
    for i in range(2):
        row = top + i
        if row >= 0 and row < side:
            share = wp.where(i == 0, 1.0 - down, down)
            if left >= 0 and left < side:
                total += frame.outline[image, start + row * side + left] * (share * (1.0 - along))
            if left + 1 >= 0 and left + 1 < side:
                total += frame.outline[image, start + row * side + left + 1] * (share * along)
    return total


@wp.func
def blurred_outline(frame: Frame, image: int, level: float, x: float, y: float) -> wp.vec2:
    """The outline between two levels; level from 1."""
    below = wp.clamp(int(level), 1, frame.outline_levels)
    above = wp.min(below + 1, frame.outline_levels)
    share = wp.clamp(level - float(below), 0.0, 1.0)
    return outline_at(frame, image, below, x, y) * (1.0 - share) + outline_at(frame, image, above, x, y) * share


@wp.func
def level_of(width: float) -> float:
    """Of the outline that is blurred as by a disc so many texels of the shadow map wide."""
    return wp.log2(wp.max(width, 1.0e-3) * (1.0 / BLUR))


@wp.func
def sky_left(assets: Assets, frame: Frame, ground: Ground, image: int, point: wp.vec3) -> float:
    """Share of the hemisphere over a place on the ground (camera frame) that the object leaves open."""
    mesh = frame.mesh[image]
    away = frame.position[image] - point
    if wp.dot(away, away) > FAR * FAR * ground.radius * ground.radius:
        return 1.0
    pose = frame.pose[image]
    left = wp.float32(1.0)
    for number in range(BLOBS):
        blob = assets.blobs[mesh * BLOBS + number]
        towards = pose * wp.vec3(blob[0], blob[1], blob[2]) + away
        square = wp.dot(towards, towards)
        radius = blob[3] * frame.scale[image]
        rise = wp.dot(towards, ground.up)
        if rise > 0.0:  # a ball's share of the hemisphere, weighted by the cosine: Nusselt
            left *= 1.0 - wp.min(rise * radius * radius / (square * wp.sqrt(square) + 1.0e-9), 1.0)
    return left


@wp.kernel
def hide_sky(assets: Assets, frame: Frame, strip: int):
    """sky_left at the corners of cells of SKY_CELL x SKY_CELL pixels."""
    image, row, block = wp.tid()
    ground = ground_of(assets, frame, image)
    if ground.there == 0:
        return
    half = 0.5 * float(frame.size)
    for column in range(block * strip, wp.min(block * strip + strip, frame.sky_size)):
        x = float(column * SKY_CELL) - half
        y = half - float(row * SKY_CELL)
        ray = wp.vec3(x, y, frame.focal)
        down = -wp.dot(ground.up, ray)
        left = wp.float32(1.0)
        if down > 0.01 * frame.focal:
            left = sky_left(assets, frame, ground, image, ray * (frame.ground[image] / down))
        frame.sky[image, row * frame.sky_size + column] = left


@wp.func
def sky_at(frame: Frame, image: int, row: int, column: int) -> float:
    """hide_sky's result at the middle of a pixel."""
    x = (float(column) + 0.5) * (1.0 / float(SKY_CELL))
    y = (float(row) + 0.5) * (1.0 / float(SKY_CELL))
    left = int(x)
    top = int(y)
    along = x - float(left)
    down = y - float(top)
    first = top * frame.sky_size + left
    upper = frame.sky[image, first] * (1.0 - along) + frame.sky[image, first + 1] * along
    first += frame.sky_size
    lower = frame.sky[image, first] * (1.0 - along) + frame.sky[image, first + 1] * along
    return upper * (1.0 - down) + lower * down
