"""The shading kernel of the Warp renderer: from the visibility buffer to pixels. See kernels.py for the rest.

Each triangle seen in a pixel is shaded once, at the middle of its samples, and weighted by their number; the panorama
fills what is left. Light comes from the panorama's irradiance, its blurred reflection and the main light (lighting.py).
"""

# Warp compiles these functions itself, and their annotations are its own:
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mlspatial.render.warp.ground import LOWEST_LIGHT, Ground, blurred_outline, ground_of, level_of, outline_at, sky_at
from mlspatial.render.warp.kernels import ONE_SIDED, SAMPLES, SHADOW_MARGIN, Assets, Frame, twice_area
from mlspatial.render.warp.lookups import look_up, texture_color
from mlspatial.render.warp.surfaces import INVERSE_PI, ambient, environment_response, highlight, with_bounces

wp.set_module_options({"enable_backward": False})

NORMAL_OFFSET, DEPTH_OFFSET = 1.5, 0.75  # texels of the shadow map: keep a surface out of its own shadow
LEAST_FACING = 0.02  # cosine to the viewer; interpolated normals may turn away at a silhouette
LEAST_CLOSENESS = 0.001  # of the ground to the light: above the 0 of an empty place in the shadow map
TONE_OFFSET = 0.0078125  # 2^-7, see tone_map_entry
TONE_OFFSET_BITS = 0x3C000000  # the same as the bits of a float
TONE_SHIFT = 14  # 512 entries for each doubling


@wp.struct
class View:
    """What one thread needs of its image over and over."""

    image: int  # row of the object
    owner: int  # row of its image's target, and of the image's further objects the first and the end
    first_other: int
    end_other: int
    first_vertex: int
    first_behind: int
    first_material: int
    first_face: int
    environment: int
    camera: wp.mat33
    lighting: wp.mat33
    pose: wp.mat33
    light: wp.mat33
    ground: Ground
    light_width: float  # texels of the shadow map that the light spreads over, from a radius of the mesh away
    ground_ambient: wp.vec3  # the shares of a level ground's light that come from everywhere and from the main light
    ground_direct: wp.vec3
    ground_bounce: wp.vec3  # what the object sends instead of what it hides


@wp.func
def light_reaching(frame: Frame, image: int, place: wp.vec3) -> float:
    """Share of the main light that reaches a place of the shadow map: 3 x 3 comparisons, bilinearly weighted."""
    size = frame.shadow_size
    x = wp.clamp(place[0] - 1.0, 0.0, float(size - 3))
    y = wp.clamp(place[1] - 1.0, 0.0, float(size - 3))
    left = int(x)
    top = int(y)
    along = x - float(left)
    down = y - float(top)
    share = wp.float32(0.0)
    for row in range(3):
        first = (top + row) * size + left
        in_row = wp.float32(0.0)
        if frame.shadow[image, first] <= place[2]:
            in_row += 1.0 - along
        if frame.shadow[image, first + 1] <= place[2]:
            in_row += 1.0
        if frame.shadow[image, first + 2] <= place[2]:
            in_row += along
        if row == 0:
            in_row *= 1.0 - down
        if row == 2:
            in_row *= down
        share += in_row
    return 0.25 * share


@wp.func
def light_past(assets: Assets, frame: Frame, seen: View, slot: int, point: wp.vec3) -> float:
    """Share of the main light that reaches a point (camera frame) past another object of the image."""
    radius = frame.scale[slot] * assets.radius[frame.mesh[slot]]
    half_map = 0.5 * float(frame.shadow_size)
    texels = half_map / (SHADOW_MARGIN * radius)
    place = seen.light * (point - frame.position[slot])
    x = place[0] * texels + half_map
    y = place[1] * texels + half_map
    depth = place[2] / radius
    edge = float(frame.shadow_size)
    if depth > 1.0 or wp.min(x, y) < 0.0 or wp.max(x, y) > edge:
        return 1.0
    return light_reaching(frame, slot, wp.vec3(x, y, wp.max(depth + 2.0, LEAST_CLOSENESS)))


@wp.func
def light_past_others(assets: Assets, frame: Frame, seen: View, point: wp.vec3) -> float:
    share = wp.float32(1.0)
    if seen.image != seen.owner:
        share = light_past(assets, frame, seen, seen.owner, point)
    for slot in range(seen.first_other, seen.end_other):
        if slot != seen.image and share > 0.0:
            share *= light_past(assets, frame, seen, slot, point)
    return share


@wp.func
def corner_weights(a: wp.vec3, b: wp.vec3, c: wp.vec3, x: float, y: float):
    """Perspective-correct weights of a triangle's corners at a place in samples, z there, and one over twice its area,
    which is above 0 where it is seen from behind."""
    per_area = 1.0 / twice_area(a, b, c)
    weight_b = ((x - a[0]) * (c[1] - a[1]) - (y - a[1]) * (c[0] - a[0])) * per_area
    weight_c = ((b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])) * per_area
    weight_a = (1.0 - weight_b - weight_c) * a[2]
    weight_b *= b[2]
    weight_c *= c[2]
    depth = 1.0 / (weight_a + weight_b + weight_c)
    return wp.vec3(weight_a * depth, weight_b * depth, weight_c * depth), depth, per_area


@wp.func
def normal_at(assets: Assets, seen: View, face: wp.vec4i, weights: wp.vec3) -> wp.vec3:
    """Outwards, camera frame."""
    normal = assets.normals[seen.first_vertex + face[0]] * weights[0]
    normal += assets.normals[seen.first_vertex + face[1]] * weights[1]
    normal += assets.normals[seen.first_vertex + face[2]] * weights[2]
    return wp.normalize(seen.pose * normal)


@wp.func
def open_sky_at(assets: Assets, seen: View, face: wp.vec4i, weights: wp.vec3, back: bool) -> float:
    """Share of the hemisphere that the mesh leaves open over this side of a face."""
    if back and seen.first_behind >= 0:
        share = assets.behind[seen.first_behind + face[0]] * weights[0]
        share += assets.behind[seen.first_behind + face[1]] * weights[1]
        return share + assets.behind[seen.first_behind + face[2]] * weights[2]
    share = assets.occlusion[seen.first_vertex + face[0]] * weights[0]
    share += assets.occlusion[seen.first_vertex + face[1]] * weights[1]
    return share + assets.occlusion[seen.first_vertex + face[2]] * weights[2]


@wp.func
def place_in_shadow_map(
    assets: Assets, frame: Frame, seen: View, face: wp.vec4i, weights: wp.vec3, towards: wp.vec3
) -> wp.vec3:
    """Of a point of a face, moved out of the face's own shadow; towards: the normal along the axes of the map."""
    place = frame.lit[seen.image, face[0]] * weights[0]
    place += frame.lit[seen.image, face[1]] * weights[1]
    place += frame.lit[seen.image, face[2]] * weights[2]
    texel = 2.0 * SHADOW_MARGIN / float(frame.shadow_size)  # in radii of the mesh, the unit of closeness
    place += wp.vec3(towards[0] * NORMAL_OFFSET, towards[1] * NORMAL_OFFSET, 0.0)
    return place + wp.vec3(0.0, 0.0, (towards[2] * NORMAL_OFFSET + DEPTH_OFFSET) * texel)


@wp.func
def shade_triangle(assets: Assets, frame: Frame, seen: View, index: int, x: float, y: float) -> wp.vec3:
    """Radiance towards the camera of a triangle of the image's mesh at a place in samples."""
    face = assets.faces[seen.first_face + index]
    a = frame.projected[seen.image, face[0]]
    b = frame.projected[seen.image, face[1]]
    c = frame.projected[seen.image, face[2]]

    weights, depth, per_area = corner_weights(a, b, c, x, y)

    # geometry
    half = 0.5 * float(frame.size)
    per_sample = 1.0 / float(SAMPLES)
    view = wp.normalize(wp.vec3(half - x * per_sample, y * per_sample - half, -frame.focal))
    back = per_area > 0.0
    normal = normal_at(assets, seen, face, weights)
    if back:  # thin things have two sides
        normal = -normal
    towards_view = wp.dot(normal, view)
    facing = wp.max(towards_view, LEAST_FACING)
    open_sky = open_sky_at(assets, seen, face, weights, back)

    # material
    material = seen.first_material + (face[3] & (ONE_SIDED - 1))
    color = assets.color[material]
    finish = assets.finish[material]
    roughness = finish[0]
    metalness = finish[1]
    texture = assets.texture[material]
    if texture[1] > 0:
        uv_a = assets.uvs[seen.first_vertex + face[0]]
        ab = assets.uvs[seen.first_vertex + face[1]] - uv_a
        ac = assets.uvs[seen.first_vertex + face[2]] - uv_a
        uv = uv_a + ab * weights[1] + ac * weights[2]
        foreshortening = a[2] * b[2] * c[2] * depth * depth * depth
        behind = wp.abs((ab[0] * ac[1] - ab[1] * ac[0]) * per_area) * float(SAMPLES * SAMPLES) * foreshortening
        color = wp.cw_mul(color, texture_color(assets, texture, uv[0], uv[1], behind))
    one = wp.vec3(1.0, 1.0, 1.0)
    mirror = one * 0.04 + (color - one * 0.04) * metalness  # reflectance at normal incidence

    # light from everywhere
    response = environment_response(roughness, facing)
    glossy = mirror * response[0] + one * response[1]
    glossy += wp.cw_mul(glossy, mirror) * (1.0 / (response[0] + response[1]) - 1.0)  # bounces on (Turquin 2019)
    left_over = 1.0 - wp.max(glossy[0], wp.max(glossy[1], glossy[2]))
    matt = color * ((1.0 - metalness) * left_over)
    bounced = seen.lighting * (normal * (2.0 * towards_view) - view)
    step = int(roughness * float(assets.reflection.shape[1] - 1) + 0.5)
    radiance = wp.cw_mul(glossy, look_up(assets.reflections, assets.reflection[seen.environment, step], bounced))
    radiance *= open_sky
    everywhere = ambient(assets, seen.environment, seen.lighting * normal)
    radiance += wp.cw_mul(matt, wp.cw_mul(everywhere, with_bounces(open_sky, color)))

    # the main light
    towards = seen.light * normal
    cosine = towards[2]
    if cosine > 0.0:
        place = place_in_shadow_map(assets, frame, seen, face, weights, towards)
        share = light_reaching(frame, seen.image, place)
        if share > 0.0 and seen.end_other > seen.first_other:
            across = wp.vec3(x * per_sample - half, half - y * per_sample, frame.focal)
            share *= light_past_others(assets, frame, seen, across * (depth / frame.focal))
        if share > 0.0:
            light = wp.vec3(seen.light[2, 0], seen.light[2, 1], seen.light[2, 2])
            radius = assets.light_radius[seen.environment]
            glint = highlight(normal, view, light, cosine, facing, roughness, radius)
            reflected = matt * INVERSE_PI + (mirror + (one - mirror) * glint[1]) * glint[0]
            radiance += wp.cw_mul(assets.light_irradiance[seen.environment], reflected) * (cosine * share)
    return radiance


@wp.func
def ground_light(assets: Assets, frame: Frame, seen: View, ray: wp.vec3, row: int, column: int) -> wp.vec3:
    """Share of its light that a level ground keeps behind a pixel, by colour: less than 1 near and under the object."""
    full = wp.vec3(1.0, 1.0, 1.0)
    down = -wp.dot(seen.ground.up, ray)
    if seen.ground.there == 0 or down <= 0.0:
        return full
    sky = sky_at(frame, seen.image, row, column)
    share = wp.float32(1.0)
    if seen.ground.climb > LOWEST_LIGHT:
        offset = ray * (frame.ground[seen.image] / down) - frame.position[seen.image]
        share = sun_left(assets, frame, seen, seen.light * offset)
    if sky >= 1.0 and share >= 1.0:
        return full
    return seen.ground_ambient * sky + seen.ground_bounce * (1.0 - sky) + seen.ground_direct * share


@wp.func
def sun_left(assets: Assets, frame: Frame, seen: View, place: wp.vec3) -> float:
    """Share of the main light that reaches a place on the ground, in metres along the axes of the shadow map."""
    half_map = 0.5 * float(frame.shadow_size)
    x = place[0] * seen.ground.per_texel + half_map
    y = place[1] * seen.ground.per_texel + half_map
    depth = place[2] / seen.ground.radius
    edge = float(frame.shadow_size)
    beyond = wp.max(wp.max(-x, x - edge), wp.max(-y, y - edge))
    width = seen.light_width * wp.max(-depth, 0.1)  # from the object's middle
    if beyond > 0.5 * width:
        return 1.0
    near = outline_at(frame, seen.image, wp.clamp(int(level_of(width) + 0.5), 1, frame.outline_levels), x, y)
    if near[0] <= 0.0:
        return 1.0
    width = seen.light_width * near[1] / near[0]
    level = level_of(width)
    if level < 1.0:
        if beyond > -2.0:
            return 1.0
        return light_reaching(frame, seen.image, wp.vec3(x, y, wp.max(depth + 2.0, LEAST_CLOSENESS)))
    return 1.0 - wp.min(blurred_outline(frame, seen.image, level, x, y)[0], 1.0)


@wp.func
def tone_map_entry(radiance: float) -> int:
    """Index into the tone map: near 0 linear, then logarithmic; read off the bits of a float, for speed."""
    return (wp.cast(wp.max(radiance, 0.0) + TONE_OFFSET, wp.int32) - TONE_OFFSET_BITS) >> TONE_SHIFT


@wp.func
def parts_of_pixel(frame: Frame, image: int, row: int, column: int):
    """The distinct triangles of a pixel with the number of their samples and their summed places (x, y), how many such
    triangles there are, and how many samples see none."""
    triangles = wp.vec4i(-1, -1, -1, -1)
    counts = wp.vec4(0.0, 0.0, 0.0, 0.0)
    sum_x = wp.vec4(0.0, 0.0, 0.0, 0.0)
    sum_y = wp.vec4(0.0, 0.0, 0.0, 0.0)
    distinct = wp.int32(0)
    empty = wp.int32(0)
    for sample_y in range(SAMPLES):
        for sample_x in range(SAMPLES):
            y = row * SAMPLES + sample_y
            x = column * SAMPLES + sample_x
            key = frame.visibility[image, y * frame.size * SAMPLES + x]
            if key == wp.uint64(0):
                empty += 1
            else:
                index = int(key & wp.uint64(0xFFFFFFFF))
                place = wp.int32(0)
                while place < distinct and triangles[place] != index:
                    place += 1
                if place == distinct:
                    triangles[place] = index
                    distinct += 1
                counts[place] += 1.0
                sum_x[place] += float(x) + 0.5
                sum_y[place] += float(y) + 0.5
    return triangles, counts, sum_x, sum_y, distinct, empty


@wp.func
def shade_pixel(assets: Assets, frame: Frame, seen: View, row: int, column: int) -> wp.vec3:
    """Radiance of a pixel, at most `white` from each of its parts."""
    triangles, counts, sum_x, sum_y, distinct, empty = parts_of_pixel(frame, seen.image, row, column)
    color = wp.vec3(0.0, 0.0, 0.0)
    share = 1.0 / float(SAMPLES * SAMPLES)
    if empty > 0:
        half = 0.5 * float(frame.size)
        ray = wp.vec3(float(column) + 0.5 - half, half - float(row) - 0.5, frame.focal)
        behind = look_up(assets.backgrounds, assets.background[seen.environment], seen.camera * ray)
        behind = wp.cw_mul(behind, ground_light(assets, frame, seen, ray, row, column))
        color += behind * (float(empty) * share)
    most = wp.vec3(assets.white, assets.white, assets.white)
    for slot in range(distinct):
        per_count = 1.0 / counts[slot]
        radiance = shade_triangle(
            assets, frame, seen, triangles[slot], sum_x[slot] * per_count, sum_y[slot] * per_count
        )
        color += wp.min(radiance, most) * (counts[slot] * share)
    return color


@wp.func
def view_of(assets: Assets, frame: Frame, image: int) -> View:
    mesh = frame.mesh[image]
    seen = View()
    seen.image = image
    seen.owner = image
    seen.first_other = 0
    seen.end_other = 0
    seen.first_vertex = assets.first_vertex[mesh]
    seen.first_behind = assets.first_behind[mesh]
    seen.first_material = assets.first_material[mesh]
    seen.first_face = assets.first_face[mesh]
    seen.environment = frame.environment[image]
    seen.camera = frame.camera[image]
    seen.lighting = frame.lighting[image]
    seen.pose = frame.pose[image]
    seen.light = frame.light[image]
    seen.ground = ground_of(assets, frame, image)
    radius = assets.light_radius[seen.environment]
    seen.light_width = 2.0 * radius / wp.sqrt(wp.max(1.0 - radius * radius, 0.01)) * seen.ground.radius
    seen.light_width *= seen.ground.per_texel
    everywhere = ambient(assets, seen.environment, wp.vec3(0.0, 1.0, 0.0)) + wp.vec3(1.0e-9, 1.0e-9, 1.0e-9)
    direct = assets.light_irradiance[seen.environment] * (wp.max(seen.ground.climb, 0.0) * INVERSE_PI)
    seen.ground_ambient = wp.cw_div(everywhere, everywhere + direct)
    seen.ground_direct = wp.cw_div(direct, everywhere + direct)
    around = everywhere + assets.light_irradiance[seen.environment] * (0.25 * INVERSE_PI)  # on average over a ball
    seen.ground_bounce = wp.cw_div(wp.cw_mul(assets.tint[mesh], around), everywhere + direct)
    return seen


@wp.kernel
def shade(assets: Assets, frame: Frame, strip: int, images: wp.array(dtype=wp.uint8, ndim=4)):
    image, row, block = wp.tid()
    seen = view_of(assets, frame, image)
    last = assets.tone_map.shape[0] - 1
    for column in range(block * strip, wp.min(block * strip + strip, frame.size)):
        color = shade_pixel(assets, frame, seen, row, column)
        for channel in range(3):
            entry = wp.min(tone_map_entry(color[channel]), last)
            images[image, row, column, channel] = assets.tone_map[entry]
