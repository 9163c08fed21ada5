"""Scenes of several objects, and what is known of each pixel: kernels of the Warp renderer.

Each object has a row of the frame's buffers: the targets those of their images, the others the rows after them. All of
an image share its visibility buffer, whose low half then holds an object's number in its image (0: the target) and a
triangle.

    keep_target      visibility of the targets alone -> which samples they cover
    draw_others      triangles of the others -> the nearest one for each sample
    count_seen       samples -> those that the target would cover, and those in which it is seen
    look             what a pixel needs to know of each object
    shade_several    samples -> pixels, as `shade` makes them of a target alone
    tell             samples -> depth, number of the object and the target's whole outline, for each pixel

An object's shadow falls on the ground, softened, and on the other objects, with a sharp edge; what objects reflect to
each other and hide of each other's sky is left out.
"""

# Warp compiles these functions itself, and their annotations are its own:
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mlspatial.render.warp.ground import LOWEST_LIGHT, sky_at
from mlspatial.render.warp.kernels import SAMPLES, Assets, Frame, draw_visible_face
from mlspatial.render.warp.lookups import look_up
from mlspatial.render.warp.shading import View, parts_of_pixel, shade_triangle, sun_left, tone_map_entry, view_of

wp.set_module_options({"enable_backward": False})

OBJECT_SHIFT = 27  # bits of a triangle's number; MOST_OTHERS of engine.py fills the other five
OBJECT_MASK = 31
FACE_MASK = (1 << 27) - 1


@wp.struct
class Several:
    """Which objects there are, and buffers."""

    owner: wp.array(dtype=int)  # for each row: its image
    number: wp.array(dtype=int)  # and its number there
    label: wp.array(dtype=int)  # for each row: its number in what is told
    first_other: wp.array(dtype=int)  # for each image: the rows of its others
    end_other: wp.array(dtype=int)
    views: wp.array(dtype=View)
    alone: wp.array(dtype=wp.uint8, ndim=2)  # samples that the target covers where nothing hides it


@wp.kernel
def keep_target(frame: Frame, several: Several, strip: int):
    image, block = wp.tid()
    samples = frame.size * frame.size * SAMPLES * SAMPLES
    for sample in range(block * strip, wp.min(block * strip + strip, samples)):
        several.alone[image, sample] = wp.where(
            frame.visibility[image, sample] == wp.uint64(0), wp.uint8(0), wp.uint8(1)
        )


@wp.kernel
def draw_others(assets: Assets, frame: Frame, strip: int, several: Several, first_row: int):
    row, block = wp.tid()
    slot = first_row + row
    mesh = frame.mesh[slot]
    first = assets.first_face[mesh]
    base = several.number[slot] << OBJECT_SHIFT
    for index in range(block * strip, wp.min(block * strip + strip, assets.face_count[mesh])):
        draw_visible_face(frame, several.owner[slot], slot, base | index, assets.faces[first + index])


@wp.func
def object_of(key: wp.uint64) -> int:
    return int(key >> wp.uint64(OBJECT_SHIFT)) & OBJECT_MASK


@wp.func
def closeness_of(key: wp.uint64) -> float:
    """1 / z of a sample."""
    return wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)


@wp.kernel
def count_seen(frame: Frame, several: Several, counts: wp.array2d(dtype=int)):
    """Samples of the picture that the target would cover, and those in which it is seen."""
    image, row = wp.tid()
    samples = frame.size * SAMPLES
    covered = wp.int32(0)
    seen = wp.int32(0)
    for column in range(samples):
        if several.alone[image, row * samples + column] != wp.uint8(0):
            covered += 1
            if object_of(frame.visibility[image, row * samples + column]) == 0:
                seen += 1
    wp.atomic_add(counts, image, 0, covered)
    wp.atomic_add(counts, image, 1, seen)


@wp.kernel
def look(assets: Assets, frame: Frame, several: Several):
    slot = wp.tid()
    image = several.owner[slot]
    seen = view_of(assets, frame, slot)
    seen.owner = image
    seen.first_other = several.first_other[image]
    seen.end_other = several.end_other[image]
    several.views[slot] = seen


@wp.func
def ground_light_of_all(
    assets: Assets, frame: Frame, several: Several, image: int, ray: wp.vec3, row: int, column: int
) -> wp.vec3:
    """Share of its light that a level ground keeps behind a pixel under all objects, by colour; see ground_light."""
    full = wp.vec3(1.0, 1.0, 1.0)
    first = several.views[image]
    down = -wp.dot(first.ground.up, ray)
    if first.ground.there == 0 or down <= 0.0:
        return full
    others = first.end_other - first.first_other
    sky = wp.float32(1.0)
    share = wp.float32(1.0)
    bounce = wp.vec3(0.0, 0.0, 0.0)
    hidden = wp.float32(0.0)
    for number in range(others + 1):
        slot = wp.where(number == 0, image, first.first_other + number - 1)
        seen = several.views[slot]
        open_sky = sky_at(frame, slot, row, column)
        bounce += seen.ground_bounce * (1.0 - open_sky)
        hidden += 1.0 - open_sky
        sky *= open_sky
        if seen.ground.climb > LOWEST_LIGHT and share > 0.0:
            offset = ray * (frame.ground[slot] / down) - frame.position[slot]
            share *= sun_left(assets, frame, seen, seen.light * offset)
    if sky >= 1.0 and share >= 1.0:
        return full
    bounce = bounce * ((1.0 - sky) / wp.max(hidden, 1.0e-6))
    return first.ground_ambient * sky + bounce + first.ground_direct * share


@wp.func
def shade_pixel_of_all(assets: Assets, frame: Frame, several: Several, image: int, row: int, column: int) -> wp.vec3:
    """Radiance of a pixel, at most `white` from each of its parts; see shade_pixel."""
    triangles, counts, sum_x, sum_y, distinct, empty = parts_of_pixel(frame, image, row, column)
    color = wp.vec3(0.0, 0.0, 0.0)
    share = 1.0 / float(SAMPLES * SAMPLES)
    if empty > 0:
        half = 0.5 * float(frame.size)
        ray = wp.vec3(float(column) + 0.5 - half, half - float(row) - 0.5, frame.focal)
        camera = frame.camera[image]
        behind = look_up(assets.backgrounds, assets.background[frame.environment[image]], camera * ray)
        behind = wp.cw_mul(behind, ground_light_of_all(assets, frame, several, image, ray, row, column))
        color += behind * (float(empty) * share)
    most = wp.vec3(assets.white, assets.white, assets.white)
    for place in range(distinct):
        per_count = 1.0 / counts[place]
        number = (triangles[place] >> OBJECT_SHIFT) & OBJECT_MASK
        slot = wp.where(number == 0, image, several.first_other[image] + number - 1)
        radiance = shade_triangle(
            assets,
            frame,
            several.views[slot],
            triangles[place] & FACE_MASK,
            sum_x[place] * per_count,
            sum_y[place] * per_count,
        )
        color += wp.min(radiance, most) * (counts[place] * share)
    return color


@wp.kernel
def shade_several(assets: Assets, frame: Frame, strip: int, several: Several, images: wp.array(dtype=wp.uint8, ndim=4)):
    image, row, block = wp.tid()
    last = assets.tone_map.shape[0] - 1
    for column in range(block * strip, wp.min(block * strip + strip, frame.size)):
        color = shade_pixel_of_all(assets, frame, several, image, row, column)
        for channel in range(3):
            entry = wp.min(tone_map_entry(color[channel]), last)
            images[image, row, column, channel] = assets.tone_map[entry]


@wp.kernel
def tell(
    frame: Frame,
    several: Several,
    depth: wp.array(dtype=float, ndim=3),
    instances: wp.array(dtype=wp.uint8, ndim=3),
    amodal: wp.array(dtype=wp.uint8, ndim=3),
):
    """For each pixel as engine.Rendered says."""
    image, row = wp.tid()
    samples = frame.size * SAMPLES
    for column in range(frame.size):
        numbers = wp.vec4i(-1, -1, -1, -1)
        counts = wp.vec4(0.0, 0.0, 0.0, 0.0)
        closeness = wp.vec4(0.0, 0.0, 0.0, 0.0)
        distinct = wp.int32(0)
        covered = wp.int32(0)
        whole = wp.int32(0)
        for sample_y in range(SAMPLES):
            for sample_x in range(SAMPLES):
                sample = (row * SAMPLES + sample_y) * samples + column * SAMPLES + sample_x
                whole += wp.int32(several.alone[image, sample])
                key = frame.visibility[image, sample]
                if key != wp.uint64(0):
                    covered += 1
                    number = object_of(key)
                    place = wp.int32(0)
                    while place < distinct and numbers[place] != number:
                        place += 1
                    if place == distinct:
                        numbers[place] = number
                        distinct += 1
                    counts[place] += 1.0
                    closeness[place] += closeness_of(key)
        label = wp.int32(0)
        distance = wp.float32(wp.inf)
        if 2 * covered >= SAMPLES * SAMPLES:
            best = wp.int32(0)
            for place in range(1, distinct):
                more = counts[place] - counts[best]
                if more > 0.0 or (more == 0.0 and closeness[place] > closeness[best]):
                    best = place
            slot = wp.where(numbers[best] == 0, image, several.first_other[image] + numbers[best] - 1)
            label = several.label[slot]
            distance = counts[best] / closeness[best]
        depth[image, row, column] = distance
        instances[image, row, column] = wp.uint8(label)
        there = label == 1 or 2 * whole >= SAMPLES * SAMPLES
        amodal[image, row, column] = wp.where(there, wp.uint8(1), wp.uint8(0))
