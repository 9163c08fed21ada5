"""Light on surfaces with layers: relief, clear coat, anisotropy, and what a clear one reflects and lets through.

The same light and the same terms as in shading.py, to which these come down where there are no layers. Sources:
Khronos, KHR_materials_clearcoat, _anisotropy, _transmission, _ior and _volume.
"""

# Warp compiles these functions itself, and their annotations are its own:
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mlspatial.render.warp.kernels import Assets, Frame
from mlspatial.render.warp.lookups import look_up
from mlspatial.render.warp.shading import LEAST_FACING, View, light_past, light_reaching, place_in_shadow_map
from mlspatial.render.warp.spots import Layered, Spot
from mlspatial.render.warp.surfaces import (
    INVERSE_PI,
    LEAST_ALPHA,
    ambient,
    environment_response,
    highlight,
    with_bounces,
)

wp.set_module_options({"enable_backward": False})

SPREAD = 12  # reflections along the stretched axis of an anisotropic surface
COAT = 0.04  # reflectance at normal incidence of refractive index 1.5


@wp.func
def fresnel(cosine: float, ior: float) -> float:
    """Share of unpolarised light that a smooth dielectric reflects; ior: of the far side over the near side."""
    square = ior * ior - 1.0 + cosine * cosine
    if square <= 0.0:
        return 1.0
    g = wp.sqrt(square)
    first = (g - cosine) / (g + cosine)
    second = (cosine * (g + cosine) - 1.0) / (cosine * (g - cosine) + 1.0)
    return 0.5 * first * first * (1.0 + second * second)


@wp.func
def reflected_sky(assets: Assets, seen: View, direction: wp.vec3, roughness: float) -> wp.vec3:
    """The blurred panorama, without its main light, in a direction of the camera frame."""
    step = int(roughness * float(assets.reflection.shape[1] - 1) + 0.5)
    return look_up(assets.reflections, assets.reflection[seen.environment, step], seen.lighting * direction)


@wp.func
def mirrored_sky(assets: Assets, seen: View, spot: Spot, along: wp.vec3, wide: float, narrow: float) -> wp.vec3:
    """reflected_sky in a surface: of anisotropic ones facets that lean along an axis as GGX of alpha `wide` has them,
    each with the blur of alpha `narrow`."""
    alpha = wp.sqrt(wp.max(wide * wide - narrow * narrow, 0.0))
    many = wp.where(alpha > 0.0, SPREAD, 1)
    total = wp.vec3(0.0, 0.0, 0.0)
    sum = wp.float32(0.0)
    number = wp.int32(-1)
    while number + 1 < many:  # as a for loop it compiles for minutes for compute capability 10.0
        number += 1
        place = (2.0 * float(number) + 1.0) / float(many) - 1.0
        lean = alpha * place / wp.sqrt(1.0 - place * place)  # quantiles of GGX's slopes along one axis
        facet = wp.normalize(spot.normal + along * lean)
        bounced = facet * (2.0 * wp.dot(facet, spot.view)) - spot.view
        weight = wp.max(wp.dot(bounced, spot.normal), 1.0e-4)
        total += reflected_sky(assets, seen, bounced, wp.sqrt(narrow)) * weight
        sum += weight
    return total * (1.0 / sum)


@wp.func
def stretched_highlight(
    spot: Spot, along: wp.vec3, light: wp.vec3, cosine: float, facing: float, wide: float, narrow: float, radius: float
) -> wp.vec2:
    """highlight of an anisotropic surface (Burley 2012)."""
    middle = wp.normalize(spot.view + light)
    wider = wp.clamp(wide + 0.5 * radius, LEAST_ALPHA, 1.0)
    narrower = wp.clamp(narrow + 0.5 * radius, LEAST_ALPHA, 1.0)
    x = wp.dot(along, middle) / wider
    y = wp.dot(wp.cross(spot.normal, along), middle) / narrower
    z = wp.max(wp.dot(spot.normal, middle), 0.0)
    spread = x * x + y * y + z * z
    k = 0.5 * wp.sqrt(wide * narrow)
    masking = wider * narrower * spread * spread * (cosine * (1.0 - k) + k) * (facing * (1.0 - k) + k)
    grazing = 1.0 - wp.dot(spot.view, middle)
    share = grazing * grazing
    return wp.vec2(0.25 * INVERSE_PI / masking, share * share * grazing)


@wp.func
def main_light_at(assets: Assets, frame: Frame, seen: View, spot: Spot, towards: wp.vec3) -> float:
    """Share of the main light that reaches a place; towards: its normal along the axes of the shadow map."""
    place = place_in_shadow_map(assets, frame, seen, spot.face, spot.weights, towards)
    share = light_reaching(frame, seen.image, place)
    if share > 0.0:
        other = wp.int32(-1)
        while other < seen.end_other - seen.first_other:
            other += 1
            slot = wp.where(other == 0, seen.owner, seen.first_other + other - 1)
            if slot != seen.image:
                share *= light_past(assets, frame, seen, slot, spot.point)
    return share


@wp.func
def shade_spot(assets: Assets, frame: Frame, layered: Layered, seen: View, spot: Spot):
    """Radiance that a place sends to whoever looks, without what passes through it; and the factor of that."""
    one = wp.vec3(1.0, 1.0, 1.0)
    first = wp.vec4(1.0, 0.0, 0.0, 0.0)
    second = wp.vec4(0.0, 0.0, 1.5, 0.0)
    tint = wp.vec3(-1.0, 0.0, 0.0)
    if spot.row >= 0:
        first = layered.values[spot.row, 0]
        second = layered.values[spot.row, 1]
        third = layered.values[spot.row, 2]
        tint = wp.vec3(third[0], third[1], third[2])
    coat = first[1]
    coat_roughness = first[2]
    transmission = second[1]
    ior = second[2]
    if tint[0] < 0.0:
        tint = spot.color
    open_sky = spot.open_sky + (1.0 - spot.open_sky) * transmission
    towards_view = wp.dot(spot.normal, spot.view)
    facing = wp.max(towards_view, LEAST_FACING)
    normal_incidence = (ior - 1.0) / (ior + 1.0)
    normal_incidence = normal_incidence * normal_incidence
    mirror = one * normal_incidence + (spot.color - one * normal_incidence) * spot.metalness

    # the main light; what follows needs no more of the shadow maps
    towards = seen.light * spot.normal
    smooth = seen.light * spot.smooth
    lit = wp.float32(0.0)
    if towards[2] > 0.0 or (coat > 0.0 and smooth[2] > 0.0):
        lit = main_light_at(assets, frame, seen, spot, smooth)

    # anisotropy
    alpha = spot.roughness * spot.roughness
    wide = alpha + (1.0 - alpha) * first[3] * first[3]
    along = spot.tangent * wp.cos(second[0]) + spot.bitangent * wp.sin(second[0])
    along = wp.normalize(along - spot.normal * wp.dot(along, spot.normal))
    roughness = wp.sqrt(wp.sqrt(wide * alpha))

    # light from everywhere
    response = environment_response(roughness, facing)
    glossy = mirror * response[0] + one * response[1]
    glossy += wp.cw_mul(glossy, mirror) * (1.0 / (response[0] + response[1]) - 1.0)
    clear = transmission * (1.0 - spot.metalness)
    if clear > 0.0:
        exact = fresnel(facing, ior)
        glossy += (one * exact - glossy) * (clear * (1.0 - roughness))
    left_over = 1.0 - wp.max(glossy[0], wp.max(glossy[1], glossy[2]))
    passing = (1.0 - spot.metalness) * left_over
    matt = spot.color * (passing * (1.0 - transmission))
    sky = mirrored_sky(assets, seen, spot, along, wide, alpha)
    radiance = wp.cw_mul(glossy, sky) * open_sky
    everywhere = ambient(assets, seen.environment, seen.lighting * spot.normal)
    radiance += wp.cw_mul(matt, wp.cw_mul(everywhere, with_bounces(open_sky, spot.color)))
    on = tint * (passing * transmission)

    # the coat, whose surface has no relief
    coat_facing = wp.max(wp.dot(spot.smooth, spot.view), LEAST_FACING)
    coat_response = environment_response(coat_roughness, coat_facing)
    coat_share = coat * (COAT * coat_response[0] + coat_response[1])
    if coat > 0.0:
        bounced = spot.smooth * (2.0 * wp.dot(spot.smooth, spot.view)) - spot.view
        radiance = radiance * (1.0 - coat_share)
        radiance += reflected_sky(assets, seen, bounced, coat_roughness) * (coat_share * open_sky)
        on = on * (1.0 - coat_share)

    # its highlights
    if lit > 0.0:
        light = wp.vec3(seen.light[2, 0], seen.light[2, 1], seen.light[2, 2])
        radius = assets.light_radius[seen.environment]
        reflected = wp.vec3(0.0, 0.0, 0.0)
        if towards[2] > 0.0:
            glint = wp.vec2(0.0, 0.0)
            if first[3] > 0.0:
                glint = stretched_highlight(spot, along, light, towards[2], facing, wide, alpha, radius)
            else:
                glint = highlight(spot.normal, spot.view, light, towards[2], facing, spot.roughness, radius)
            reflected = (matt * INVERSE_PI + (mirror + (one - mirror) * glint[1]) * glint[0]) * towards[2]
        if coat > 0.0:
            reflected = reflected * (1.0 - coat_share)
            if smooth[2] > 0.0:
                glint = highlight(spot.smooth, spot.view, light, smooth[2], coat_facing, coat_roughness, radius)
                reflected += one * (coat * (COAT + (1.0 - COAT) * glint[1]) * glint[0] * smooth[2])
        radiance += wp.cw_mul(assets.light_irradiance[seen.environment], reflected) * lit
    return radiance, on
