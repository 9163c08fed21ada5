"""Pictures with glass in them, and the kernels for all objects whose surfaces have layers.

    draw_opaque_shadow   as draw_shadow, without sheets of glass, and without solids where light passes straight on
    shade_layered        samples -> pixels, as shade_several makes them of plain objects

What is seen through glass is found by rays, from the picture's pixel through up to BOUNCES surfaces of the image's
objects: straight on through sheets, refracted by solids (Snell), which also absorb (Beer and Lambert) and reflect
totally. At each surface from outside, what it reflects is added; rays that meet no opaque surface end in the panorama.
Several rays with facets that lean as GGX has them make rough glass. Light that glass bends is lost: it shadows, and
does not focus.
"""

# Warp compiles these functions itself, and their annotations are its own:
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mlspatial.render.warp.kernels import ONE_SIDED, SAMPLES, Assets, Frame, draw_shadow_face
from mlspatial.render.warp.layered import shade_spot
from mlspatial.render.warp.lookups import look_up
from mlspatial.render.warp.several import FACE_MASK, OBJECT_MASK, OBJECT_SHIFT, Several, ground_light_of_all
from mlspatial.render.warp.shading import View, corner_weights, normal_at, parts_of_pixel, tone_map_entry
from mlspatial.render.warp.spots import Layered, Spot, across, layers_of, spot_of
from mlspatial.render.warp.surfaces import INVERSE_PI

wp.set_module_options({"enable_backward": False})

BOUNCES = 12  # surfaces that a ray passes at most
CLEAR_RAYS, ROUGH_RAYS = 4, 16  # of a part of a pixel
SMOOTH = 0.02  # roughness below which glass is clear
CASTS_NONE = 0.5  # transmission from which a surface may cast no shadow
STRAIGHT = 0.98  # cosine of the angle by which light is bent at most where it casts none
STEP = 2.0e-4  # of an object's longest axis, from a surface to where a ray goes on
FAINT = 0.004  # what is passed on below is left out
FARTHEST = 1.0e6  # metres


@wp.func
def met(frame: Frame, layered: Layered, slot: int, origin: wp.vec3, direction: wp.vec3, reach: float):
    """The first triangle of an object on a ray: its number (-1: none), weights of its corners, distance in metres."""
    per_scale = 1.0 / frame.scale[slot]
    turn = wp.transpose(frame.pose[slot]) * per_scale
    start = turn * (origin - frame.position[slot]) * per_scale
    query = wp.mesh_query_ray(layered.solids[slot], start, turn * direction, reach * per_scale)
    number = wp.int32(-1)
    if query.result:
        number = query.face
    return number, wp.vec3(query.u, query.v, 1.0 - query.u - query.v), query.t * frame.scale[slot]


@wp.func
def nearest(frame: Frame, several: Several, layered: Layered, image: int, origin: wp.vec3, direction: wp.vec3):
    """The first triangle of an image's objects on a ray: row of the object (-1: none), number of the triangle, weights
    of its corners, and its distance in metres."""
    slot = wp.int32(-1)
    face = wp.int32(0)
    weights = wp.vec3(0.0, 0.0, 0.0)
    distance = wp.float32(FARTHEST)
    first = several.first_other[image]
    other = wp.int32(-1)
    while other < several.end_other[image] - first:
        other += 1
        row = wp.where(other == 0, image, first + other - 1)
        if layered.solids[row] != wp.uint64(0):
            number, there, away = met(frame, layered, row, origin, direction, distance)
            if number >= 0:
                slot = row
                face = number
                weights = there
                distance = away
    return slot, face, weights, distance


@wp.func
def leaning(spot: Spot, ray: int, bounce: int, turn: float) -> wp.vec3:
    """The normal of one of ROUGH_RAYS facets, spread as GGX has them."""
    if spot.roughness < SMOOTH:
        return spot.normal
    share = (float(ray) + 0.5) / float(ROUGH_RAYS) + 0.381966 * float(bounce)
    share = wp.min(share - wp.floor(share), 0.96)  # beyond, GGX leans on and on
    angle = 6.2831853 * (0.618034 * float(ray) + 0.754878 * float(bounce) + turn)
    lean = spot.roughness * spot.roughness * wp.sqrt(share / (1.0 - share))
    tangent = across(spot.normal)
    side = wp.cross(spot.normal, tangent)
    facet = wp.normalize(spot.normal + (tangent * wp.cos(angle) + side * wp.sin(angle)) * lean)
    if wp.dot(facet, spot.view) <= 0.01:
        return spot.normal
    return facet


@wp.func
def refracted(direction: wp.vec3, normal: wp.vec3, ratio: float) -> wp.vec3:
    """Snell: ratio of the refractive indices of the near and the far side; 0 where all is reflected."""
    cosine = -wp.dot(direction, normal)
    square = 1.0 - ratio * ratio * (1.0 - cosine * cosine)
    if square < 0.0:
        return wp.vec3(0.0, 0.0, 0.0)
    return wp.normalize(direction * ratio + normal * (ratio * cosine - wp.sqrt(square)))


@wp.func
def inward(assets: Assets, frame: Frame, slot: int, face: wp.vec4i) -> wp.vec3:
    """At a right angle to a face, not of unit length; camera frame."""
    first = assets.first_vertex[frame.mesh[slot]]
    a = assets.vertices[first + face[0]]
    ab = assets.vertices[first + face[1]] - a
    ac = assets.vertices[first + face[2]] - a
    return frame.pose[slot] * wp.cross(ab, ac)  # vertices are mirrored


@wp.func
def rays_of(assets: Assets, frame: Frame, layered: Layered, seen: View, face: wp.vec4i) -> int:
    """How many rays look at a face and through it."""
    row = layers_of(frame, layered, seen, face)
    if row < 0 or layered.values[row, 1][1] == 0.0:
        return 1
    if assets.finish[seen.first_material + (face[3] & (ONE_SIDED - 1))][0] < SMOOTH:
        return CLEAR_RAYS
    return ROUGH_RAYS


@wp.func
def lets_light_on(assets: Assets, frame: Frame, layered: Layered, seen: View, face: wp.vec4i, ior: float) -> bool:
    """Whether light that enters a solid in the middle of a face leaves it in about the direction that it had."""
    light = frame.light[seen.image]
    travels = -wp.vec3(light[2, 0], light[2, 1], light[2, 2])
    third = wp.vec3(1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0)
    middle = (
        assets.vertices[seen.first_vertex + face[0]]
        + assets.vertices[seen.first_vertex + face[1]]
        + assets.vertices[seen.first_vertex + face[2]]
    )
    point = frame.pose[seen.image] * middle * (1.0 / 3.0) + frame.position[seen.image]
    normal = normal_at(assets, seen, face, third)
    if wp.dot(normal, travels) > 0.0:
        return True  # it leaves here: where it entered decides
    inside = refracted(travels, normal, 1.0 / ior)
    origin = point + inside * (STEP * frame.scale[seen.image])
    number, weights, _distance = met(frame, layered, seen.image, origin, inside, FARTHEST)
    if number < 0:
        return True
    normal = normal_at(assets, seen, assets.faces[seen.first_face + number], weights)
    return wp.dot(refracted(inside, -normal, ior), travels) > STRAIGHT


@wp.kernel
def draw_opaque_shadow(assets: Assets, frame: Frame, strip: int, layered: Layered):
    slot, block = wp.tid()
    mesh = frame.mesh[slot]
    seen = View()
    seen.image = slot
    seen.pose = frame.pose[slot]
    seen.first_vertex = assets.first_vertex[mesh]
    seen.first_face = assets.first_face[mesh]
    for index in range(block * strip, wp.min(block * strip + strip, assets.face_count[mesh])):
        face = assets.faces[seen.first_face + index]
        row = layers_of(frame, layered, seen, face)
        casts = wp.bool(True)
        if row >= 0:
            values = layered.values[row, 1]
            if values[1] >= CASTS_NONE:
                casts = False
                if values[3] > 0.0:
                    casts = not lets_light_on(assets, frame, layered, seen, face, values[2])
        if casts:
            draw_shadow_face(frame, slot, face)


@wp.func
def mirrored(direction: wp.vec3, normal: wp.vec3) -> wp.vec3:
    return direction - normal * (2.0 * wp.dot(direction, normal))


@wp.func
def surroundings(assets: Assets, seen: View, direction: wp.vec3, spread: float) -> wp.vec3:
    """Radiance of the panorama; spread: squared alpha of the blur that a ray stands for, 0: none."""
    if spread <= 0.0:
        return look_up(assets.backgrounds, assets.background[seen.environment], seen.camera * direction)
    alpha = 0.5 * wp.sqrt(spread)  # between one of ROUGH_RAYS and the next
    step = int(wp.sqrt(wp.min(alpha, 1.0)) * float(assets.reflection.shape[1] - 1) + 0.5)
    radiance = look_up(assets.reflections, assets.reflection[seen.environment, step], seen.lighting * direction)
    light = wp.vec3(seen.light[2, 0], seen.light[2, 1], seen.light[2, 2])
    cosine = wp.dot(direction, light)
    if cosine > 0.1:  # the main light, spread as slopes of GGX
        wide = wp.max(wp.sqrt(spread), 0.05) + assets.light_radius[seen.environment]
        tangent = 1.0 / (cosine * cosine) - 1.0
        lobe = wide * wide + tangent
        radiance += assets.light_irradiance[seen.environment] * (INVERSE_PI * wide * wide / (lobe * lobe))
    return radiance


@wp.func
def shade_part(
    assets: Assets,
    frame: Frame,
    several: Several,
    layered: Layered,
    image: int,
    first_slot: int,
    index: int,
    x: float,
    y: float,
) -> wp.vec3:
    """Radiance of a triangle at a place in samples (see shade_triangle), and of what is seen through it."""
    first = several.views[first_slot]
    first_face = assets.faces[first.first_face + index]
    rays = rays_of(assets, frame, layered, first, first_face)
    turn = 52.9829189 * (0.06711056 * wp.floor(x) + 0.00583715 * wp.floor(y))  # no two neighbours alike
    turn = turn - wp.floor(turn)
    apart = wp.where(rays > 1, 0.5, 0.0)
    a = frame.projected[first_slot, first_face[0]]
    b = frame.projected[first_slot, first_face[1]]
    c = frame.projected[first_slot, first_face[2]]
    half = 0.5 * float(frame.size)
    per_sample = 1.0 / float(SAMPLES)
    total = wp.vec3(0.0, 0.0, 0.0)
    own = wp.vec3(0.0, 0.0, 0.0)
    passes = wp.vec3(0.0, 0.0, 0.0)
    slot = wp.int32(first_slot)
    face = first_face
    weights = wp.vec3(0.0, 0.0, 0.0)
    point = wp.vec3(0.0, 0.0, 0.0)
    direction = wp.vec3(0.0, 0.0, 0.0)
    weight = wp.vec3(0.0, 0.0, 0.0)
    stretch = wp.float32(0.0)
    spread = wp.float32(0.0)
    back = wp.bool(False)
    inside = wp.int32(-1)  # row of the layers of the solid that the ray is in
    ray = wp.int32(0)
    bounce = wp.int32(0)
    while ray < rays:  # one loop for rays and what they meet: two compile for minutes for compute capability 10.0
        if bounce == 0:
            to_x = x + apart * (2.0 * float(ray & 1) - 1.0)
            to_y = y + apart * (2.0 * float((ray >> 1) & 1) - 1.0)
            here, depth, per_area = corner_weights(a, b, c, to_x, to_y)
            weights = here
            direction = wp.vec3(to_x * per_sample - half, half - to_y * per_sample, frame.focal)
            point = direction * (depth / frame.focal)
            direction = wp.normalize(direction)
            stretch = wp.abs(per_area) * float(SAMPLES * SAMPLES) * a[2] * b[2] * c[2] * depth * depth * depth
            back = per_area > 0.0
            slot = first_slot
            face = first_face
            weight = wp.vec3(1.0, 1.0, 1.0)
            spread = 0.0
            inside = -1
        seen = several.views[slot]
        at = spot_of(assets, frame, layered, seen, face, weights, point, -direction, back, stretch)
        values = wp.vec4(0.0, 0.0, 1.5, 0.0)
        if at.row >= 0:
            values = layered.values[at.row, 1]
        if bounce == 0 or not (back and values[1] > 0.0 and values[3] > 0.0):  # else it leaves a solid
            local = own
            on = passes
            if bounce > 0 or ray < CLEAR_RAYS:
                local, on = shade_spot(assets, frame, layered, seen, at)
            if bounce == 0:
                own = local
                passes = on
            total += wp.cw_mul(weight, local)
            weight = wp.cw_mul(weight, on)
        ended = wp.bool(True)
        if wp.max(weight[0], wp.max(weight[1], weight[2])) >= FAINT:
            alpha = at.roughness * at.roughness
            facet = leaning(at, ray, bounce, turn)
            if values[3] > 0.0:
                onward = refracted(direction, facet, wp.where(back, values[2], 1.0 / values[2]))
                if wp.dot(onward, onward) == 0.0:
                    direction = mirrored(direction, facet)
                else:
                    direction = onward
                    inside = wp.where(back, -1, at.row)
                    if at.roughness >= SMOOTH:
                        lean = 0.5 * (values[2] - 1.0) * alpha
                        spread += lean * lean
            elif at.roughness >= SMOOTH:
                direction = wp.normalize(mirrored(mirrored(direction, facet), at.normal))
                spread += alpha * alpha
            origin = point + direction * (STEP * frame.scale[slot])
            hit, number, there, distance = nearest(frame, several, layered, image, origin, direction)
            if hit >= 0:
                if inside >= 0:
                    absorbed = layered.values[inside, 3] * (-distance / frame.scale[slot])
                    weight = wp.cw_mul(weight, wp.vec3(wp.exp(absorbed[0]), wp.exp(absorbed[1]), wp.exp(absorbed[2])))
                slot = hit
                weights = there
                point = origin + direction * distance
                face = assets.faces[assets.first_face[frame.mesh[slot]] + number]
                back = wp.dot(inward(assets, frame, slot, face), direction) < 0.0
                stretch = 0.0
            bounce += 1
            ended = hit < 0 or bounce == BOUNCES
            if ended:
                total += wp.cw_mul(weight, surroundings(assets, several.views[image], direction, spread))
        if ended:
            ray += 1
            bounce = 0
    return total * (1.0 / float(rays))


@wp.kernel
def shade_layered(
    assets: Assets,
    frame: Frame,
    strip: int,
    several: Several,
    layered: Layered,
    images: wp.array(dtype=wp.uint8, ndim=4),
):
    image, row, block = wp.tid()
    last = assets.tone_map.shape[0] - 1
    share = 1.0 / float(SAMPLES * SAMPLES)
    most = wp.vec3(assets.white, assets.white, assets.white)
    half = 0.5 * float(frame.size)
    for column in range(block * strip, wp.min(block * strip + strip, frame.size)):
        triangles, counts, sum_x, sum_y, distinct, empty = parts_of_pixel(frame, image, row, column)
        color = wp.vec3(0.0, 0.0, 0.0)
        if empty > 0:
            ray = wp.vec3(float(column) + 0.5 - half, half - float(row) - 0.5, frame.focal)
            background = assets.background[frame.environment[image]]
            behind = look_up(assets.backgrounds, background, frame.camera[image] * ray)
            behind = wp.cw_mul(behind, ground_light_of_all(assets, frame, several, image, ray, row, column))
            color += behind * (float(empty) * share)
        for place in range(distinct):
            per_count = 1.0 / counts[place]
            number = (triangles[place] >> OBJECT_SHIFT) & OBJECT_MASK
            slot = wp.where(number == 0, image, several.first_other[image] + number - 1)
            index = triangles[place] & FACE_MASK
            x = sum_x[place] * per_count
            y = sum_y[place] * per_count
            radiance = shade_part(assets, frame, several, layered, image, slot, index, x, y)
            color += wp.min(radiance, most) * (counts[place] * share)
        for channel in range(3):
            entry = wp.min(tone_map_entry(color[channel]), last)
            images[image, row, column, channel] = assets.tone_map[entry]
