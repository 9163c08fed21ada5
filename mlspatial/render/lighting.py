"""What a panorama does to a surface: one main light, soft ambient light, blurred reflections, and an exposure.

The main light is the panorama's brightest patch (the sun, a window, a lamp). What it gives beyond its surroundings is
taken out of the panorama and turned into a directional light, so that it casts a shadow and is counted once. The rest
becomes nine spherical-harmonic coefficients for matt surfaces (Ramamoorthi & Hanrahan 2001) and a series of panoramas
blurred by the GGX lobe of growing roughness for glossy ones (Karis 2013, split sum).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.fft import irfft, rfft
from scipy.sparse import csr_array

from mlspatial.render.mesh import Environment

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # ITU-R BT.709
MIDDLE_GREY = 0.27  # where the typical radiance of a panorama is put before tone mapping
KEPT_STOPS = (-1.0, 0.25)  # a night may stay up to half as bright as a day
WHITE = 8.0  # exposed radiance that the tone map shows as white; more makes stair-steps at edges, not light

TEXELS_PER_PIXEL = 1.25  # of backgrounds: more would flicker, fewer look soft

LIGHT_CONE, LIGHT_RING = 15.0, 25.0  # degrees: the main light lies within the first, its surroundings up to the second
STRONGEST_LIGHT = 10.0  # irradiance of the main light over that of the rest; clear noon sky and ground are about 7
BRIGHTEST_REFLECTION = 30.0  # times the mean radiance: what a mirror image of a lamp may reach

#: Edges of the reflection cube maps for roughness 0, 1/8 .. 1: wide lobes need few texels. They are computed from
#: panoramas four times as wide.
REFLECTION_EDGES = (128, 64, 32, 32, 16, 16, 16, 16, 16)


@dataclass(frozen=True)
class Lighting:
    """One environment, exposed: radiances are multiplied so that the typical one is MIDDLE_GREY.

    background: float16 cube map (see cube_map), prefiltered for the picture's pixels, at most WHITE.
    irradiance: (9, 3) float32, for `irradiance_basis`: radiance of a white matt surface, main light left out.
    reflections: float16 cube maps for roughness 0 .. 1 in equal steps, main light left out.
    light_direction: (3,) float32, unit vector to the main light, world frame; light_irradiance: (3,) float32, on a
    surface that faces it; light_radius: sine of its angular radius, which widens highlights.
    """

    background: np.ndarray
    irradiance: np.ndarray
    reflections: tuple[np.ndarray, ...]
    light_direction: np.ndarray
    light_irradiance: np.ndarray
    light_radius: float


def light_environment(environment: Environment, focal: float) -> Lighting:
    """Expose, take the main light out, and derive the rest from what is left; see Lighting.

    focal: of the camera, in pixels; decides how fine the background is.
    """
    panorama = np.fmax(np.asarray(environment.panorama, np.float32), np.float32(0.0))  # NaN becomes 0
    exposure, brightest = exposure_of(panorama)
    panorama = np.minimum(panorama, np.float32(brightest)) * np.float32(exposure)
    radiance, direction, irradiance, radius = split_main_light(shrink(panorama, 4 * REFLECTION_EDGES[0]))
    edge = round(min(panorama.shape[1] / 4, 2.0 * TEXELS_PER_PIXEL * focal))
    return Lighting(
        background=cube_map(np.minimum(panorama, np.float32(WHITE)), edge),
        irradiance=irradiance_coefficients(radiance),
        reflections=reflection_series(radiance),
        light_direction=direction.astype(np.float32),
        light_irradiance=irradiance.astype(np.float32),
        light_radius=radius,
    )


def exposure_of(panorama: np.ndarray) -> tuple[float, float]:
    """A factor that brings dark rooms and noon skies to a usual brightness, and the most radiance to believe in.

    The typical radiance is the geometric mean of what one sees (log-average) and what lights an object (average, of
    which lamps are a large part). As eyes do, the exposure makes up for most of a difference, not for all.
    """
    coarse = shrink(np.minimum(panorama, np.float32(1e30)), 256).astype(np.float64)
    weights = solid_angles(*coarse.shape[:2])[:, None] / (4.0 * np.pi)
    luminance = coarse @ LUMINANCE
    floor = 1e-4 * max(float(np.median(luminance)), 1e-12)
    seen = float(np.exp(np.sum(weights * np.log(luminance + floor))))
    brightest = 1e5 * seen  # the sun's disc over a clear sky
    lighting = min(float(np.sum(weights * np.minimum(luminance, brightest))), 16.0 * seen)
    typical = max(np.sqrt(seen * lighting), 1e-12)
    stops = np.log2(typical / MIDDLE_GREY)
    kept = np.clip(0.5 * stops, *KEPT_STOPS)
    return MIDDLE_GREY / typical * 2.0**kept, brightest


def shrink(panorama: np.ndarray, width: int) -> np.ndarray:
    """Area-average an equirectangular panorama to a width; never enlarges."""
    if width >= panorama.shape[1]:
        return panorama
    size = (width, max(1, round(panorama.shape[0] * width / panorama.shape[1])))
    channels = [
        Image.fromarray(np.ascontiguousarray(panorama[..., c])).resize(size, Image.Resampling.BOX) for c in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


def polar_angles(height: int) -> np.ndarray:
    """(height,) angle of each row's centre from straight up, radians."""
    return (np.arange(height) + 0.5) * (np.pi / height)


@lru_cache(maxsize=4)
def directions(height: int, width: int) -> np.ndarray:
    """(height, width, 3) unit vectors of the texel centres, world frame."""
    polar = polar_angles(height)[:, None]
    azimuth = ((np.arange(width) + 0.5) / width - 0.5)[None] * (2.0 * np.pi)
    x, y, z = np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1)


def solid_angles(height: int, width: int) -> np.ndarray:
    """(height,) steradians of one texel of each row; exact, so that all texels sum to 4 pi."""
    edges = np.cos(np.arange(height + 1) * (np.pi / height))
    return (edges[:-1] - edges[1:]) * (2.0 * np.pi / width)


def split_main_light(radiance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Take the brightest patch out of a panorama.

    radiance: (h, 2h, 3). Returns the panorama without the light, the unit direction to it (3,), its irradiance on a
    surface that faces it (3,) and the sine of its angular radius. Rest and light carry the panorama's energy, except
    that the light is dimmed to STRONGEST_LIGHT. A uniform panorama has a light of irradiance 0.
    """
    coarse = shrink(radiance, 128).astype(np.float64) @ LUMINANCE
    smooth = blur(coarse[..., None], disc_lobe, 5.0)[..., 0]
    peak = directions(*smooth.shape)[np.unravel_index(np.argmax(smooth), smooth.shape)]

    height, width = radiance.shape[:2]
    cosine = directions(height, width) @ peak
    inside = cosine > np.cos(np.radians(LIGHT_CONE))
    ring = ~inside & (cosine > np.cos(np.radians(LIGHT_RING)))
    surroundings = np.median(radiance[ring], axis=0)
    excess = np.maximum(radiance[inside] - surroundings, 0.0)  # (n, 3)
    rest = radiance.copy()
    rest[inside] -= excess

    weights = solid_angles(height, width)
    irradiance = np.broadcast_to(weights[:, None], inside.shape)[inside] @ excess
    power = np.broadcast_to(weights[:, None], inside.shape)[inside] * (excess @ LUMINANCE)
    total = float(power.sum())
    ambient = float(weights @ (rest @ LUMINANCE).sum(axis=1)) / 4.0  # pi times the mean radiance
    if total <= 1e-6 * ambient:
        return radiance, peak, np.zeros(3), 0.0
    vectors = directions(height, width)[inside]
    direction = power @ vectors
    direction /= np.linalg.norm(direction)
    sine_squared = 1.0 - np.minimum(vectors @ direction, 1.0) ** 2
    radius = float(np.sqrt(2.0 * (power @ sine_squared) / total))  # of an even disc with this spread
    return rest, direction, irradiance * min(1.0, STRONGEST_LIGHT * ambient / total), radius


def irradiance_basis(vectors: np.ndarray) -> np.ndarray:
    """(..., 9) polynomials in the components of unit vectors, the basis of `Lighting.irradiance`."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    terms = [np.ones_like(x), y, z, x, x * y, y * z, 3.0 * z * z - 1.0, x * z, x * x - y * y]
    return np.stack(terms, axis=-1)


def irradiance_coefficients(radiance: np.ndarray) -> np.ndarray:
    """(9, 3) float32: `irradiance_basis(n) @ coefficients` is the radiance of a white matt surface of normal n.

    Real spherical harmonics up to order 2; the cosine lobe over pi weighs the orders by 1, 2/3 and 1/4.
    """
    height, width = radiance.shape[:2]
    normalisation = np.array([0.282095] + [0.488603] * 3 + [1.092548, 1.092548, 0.315392, 1.092548, 0.546274])
    lobe = np.array([1.0] + [2.0 / 3.0] * 3 + [0.25] * 5)
    weighted = radiance * solid_angles(height, width)[:, None, None]
    moments = irradiance_basis(directions(height, width)).reshape(-1, 9).T @ weighted.reshape(-1, 3)
    return (moments * (lobe * normalisation**2)[:, None]).astype(np.float32)


def reflection_series(radiance: np.ndarray) -> tuple[np.ndarray, ...]:
    """The panorama as seen in surfaces of roughness 0, 1/8 .. 1; see `Lighting.reflections`."""
    height, width = radiance.shape[:2]
    mean = np.einsum("hwc,h->c", radiance, solid_angles(height, width)) / (4.0 * np.pi)
    radiance = np.minimum(radiance, np.float32(BRIGHTEST_REFLECTION * max(float(mean @ LUMINANCE), 1e-6)))
    series = []
    for step, edge in enumerate(REFLECTION_EDGES):
        level = shrink(radiance, 4 * edge)
        if step > 0:
            roughness = step / (len(REFLECTION_EDGES) - 1)
            level = blur(level, ggx_lobe, roughness**2)
        series.append(cube_map(level, edge))
    return tuple(series)


def ggx_lobe(cosine: np.ndarray, alpha: float) -> np.ndarray:
    """Weight of light that arrives at an angle from the mirror direction, viewed along the normal (Karis 2013).

    The half vector lies at half the angle; the weight is the GGX density there times the cosine of the light.
    """
    half_squared = 0.5 * (1.0 + cosine)
    return np.maximum(cosine, 0.0) / (half_squared * (alpha**2 - 1.0) + 1.0) ** 2


def disc_lobe(cosine: np.ndarray, degrees: float) -> np.ndarray:
    """Equal weights within an angle; never all zero, however coarse the panorama."""
    return np.where(cosine > np.cos(np.radians(degrees)), np.float32(1.0), np.float32(1e-9))


def forget_tables() -> None:
    """Free what is kept from one environment to the next: tens of megabytes, of no use once everything is lit."""
    lobe_spectrum.cache_clear()
    cube_weights.cache_clear()
    directions.cache_clear()


@lru_cache(maxsize=16)
def lobe_spectrum(height: int, width: int, lobe: Callable[[np.ndarray, float], np.ndarray], size: float) -> np.ndarray:
    """(width / 2 + 1, height, height): for each frequency along a row, weights of input rows for output rows."""
    sine, cosine = (f(polar_angles(height)).astype(np.float32)[:, None] for f in (np.sin, np.cos))
    along = np.cos(np.arange(width) * (2.0 * np.pi / width)).astype(np.float32)
    angle = (sine * sine.T)[..., None] * along + (cosine * cosine.T)[
        ..., None
    ]  # its cosine: rows out, rows in, columns
    weights = lobe(np.clip(angle, -1.0, 1.0, out=angle), size) * solid_angles(height, width).astype(np.float32)[:, None]
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    return np.ascontiguousarray(rfft(weights, axis=2, overwrite_x=True).transpose(2, 0, 1))


def blur(panorama: np.ndarray, lobe: Callable[[np.ndarray, float], np.ndarray], size: float) -> np.ndarray:
    """Average an (h, w, c) panorama around every direction with weights lobe(cosine of the angle, size).

    The weights depend on the difference of longitudes only, so along the rows this is a product of Fourier
    transforms: one matrix product (rows by rows) for each frequency instead of one for each pair of texels. It is
    written as einsum because BLAS may sum in another order with another number of threads, and images would differ.
    """
    height, width = panorama.shape[:2]
    spectrum = rfft(panorama.astype(np.float32), axis=1).transpose(1, 0, 2)
    product = np.einsum("foi,fic->foc", lobe_spectrum(height, width, lobe, size), spectrum)
    return np.maximum(irfft(product.transpose(1, 0, 2), n=width, axis=1), 0.0)


def cube_map(panorama: np.ndarray, edge: int) -> np.ndarray:
    """(6, edge + 2, edge + 2, 3) float16: a panorama on the faces +x, -x, +y, -y, +z, -z of a cube.

    A cube needs no trigonometry to look up, and its texels are about as dense everywhere. On each face the two other
    components, in the order x, y, z (z, y for the faces of x), count from -1 to 1 along the last and the second axis.
    One more texel around each face continues its plane, so that lookups blend across the edges.
    """
    panorama = shrink(panorama, 6 * edge)
    weights = cube_weights(*panorama.shape[:2], edge)
    cube = weights @ panorama.reshape(-1, 3).astype(np.float32)
    return cube.reshape(6, edge + 2, edge + 2, 3).astype(np.float16)


@lru_cache(maxsize=16)
def cube_weights(height: int, width: int, edge: int) -> csr_array:
    """Bilinear weights of an (height, width) panorama's texels for those of a cube map."""
    count = edge + 2
    t, s = np.meshgrid(*[(2.0 * np.arange(count) - 1.0) / edge - 1.0] * 2, indexing="ij")
    one = np.ones_like(s)
    faces = [(one, t, s), (-one, t, s), (s, one, t), (s, -one, t), (s, t, one), (s, t, -one)]
    x, y, z = np.stack([np.stack(face) for face in faces], axis=1).reshape(3, -1)
    column = (np.arctan2(x, z) / (2.0 * np.pi) + 0.5) * width - 0.5
    row = np.clip((0.5 - np.arctan2(y, np.hypot(x, z)) / np.pi) * height - 0.5, 0.0, height - 1.0)
    left, top = np.floor(column).astype(np.int32), np.floor(row).astype(np.int32)
    along, down = column - left, row - top
    rows = np.stack([top, top, np.minimum(top + 1, height - 1), np.minimum(top + 1, height - 1)], axis=1)
    columns = np.stack([left, left + 1, left, left + 1], axis=1) % width
    parts = [(1 - along) * (1 - down), along * (1 - down), (1 - along) * down, along * down]
    weights = np.stack(parts, axis=1).astype(np.float32)
    first = np.arange(0, weights.size + 1, 4, dtype=np.int32)
    return csr_array((weights.reshape(-1), (rows * width + columns).reshape(-1), first), (len(x), height * width))
