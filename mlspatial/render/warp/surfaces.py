"""What surfaces make of light: formulas of the Warp renderer's shading."""

# Warp compiles these functions itself, and their annotations are its own:
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mlspatial.render.warp.kernels import Assets

wp.set_module_options({"enable_backward": False})

LEAST_ALPHA = 0.02  # highlights narrower than this are smaller than a pixel
INVERSE_PI = 0.31830989


@wp.func
def ambient(assets: Assets, environment: int, normal: wp.vec3) -> wp.vec3:
    """Radiance of a white matt surface under all but the main light; see lighting.irradiance_basis."""
    x = normal[0]
    y = normal[1]
    z = normal[2]
    total = assets.irradiance[environment, 0]
    total += assets.irradiance[environment, 1] * y
    total += assets.irradiance[environment, 2] * z
    total += assets.irradiance[environment, 3] * x
    total += assets.irradiance[environment, 4] * (x * y)
    total += assets.irradiance[environment, 5] * (y * z)
    total += assets.irradiance[environment, 6] * (3.0 * z * z - 1.0)
    total += assets.irradiance[environment, 7] * (x * z)
    total += assets.irradiance[environment, 8] * (x * x - y * y)
    return wp.max(total, wp.vec3(0.0, 0.0, 0.0))


@wp.func
def environment_response(roughness: float, facing: float) -> wp.vec2:
    """Reflected share of even light: first for F0 = 1, second added for grazing light (Karis 2014, mobile fit)."""
    smooth = 1.0 - roughness
    grazing = wp.min(smooth * smooth, wp.pow(2.0, -9.28 * facing)) * smooth + (0.0425 - 0.0275 * roughness)
    return wp.vec2(-1.04 * grazing + (1.04 - 0.572 * roughness), 1.04 * grazing + (0.022 * roughness - 0.04))


@wp.func
def highlight(
    normal: wp.vec3, view: wp.vec3, light: wp.vec3, cosine: float, facing: float, roughness: float, radius: float
) -> wp.vec2:
    """GGX reflection of a light of an angular radius: value for F0 = 1, and Schlick's share towards white."""
    middle = wp.normalize(view + light)
    alpha = wp.clamp(roughness * roughness + 0.5 * radius, LEAST_ALPHA, 1.0)
    square = alpha * alpha
    spread = wp.max(wp.dot(normal, middle), 0.0)
    spread = spread * spread * (square - 1.0) + 1.0
    k = 0.5 * roughness * roughness  # of Smith's masking, as Schlick fits it to GGX
    masking = spread * spread * (cosine * (1.0 - k) + k) * (facing * (1.0 - k) + k)
    grazing = 1.0 - wp.dot(view, middle)
    fresnel = grazing * grazing
    return wp.vec2(0.25 * INVERSE_PI * square / masking, fresnel * fresnel * grazing)


@wp.func
def with_bounces(open_sky: float, color: wp.vec3) -> wp.vec3:
    """Ambient light of a place that sees a share of the sky, and for the rest surfaces coloured and lit like itself."""
    one = wp.vec3(open_sky, open_sky, open_sky)
    return wp.cw_div(one, wp.vec3(1.0001, 1.0001, 1.0001) - color * (1.0 - open_sky))
