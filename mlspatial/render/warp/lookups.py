"""Panoramas and textures looked up by the kernels of the Warp renderer."""

# Warp compiles these functions itself, and their annotations are its own:
# mypy: ignore-errors

from __future__ import annotations

import warp as wp

from mlspatial.render.warp.kernels import Assets

wp.set_module_options({"enable_backward": False})


@wp.func
def look_up(panoramas: wp.array(dtype=wp.vec3h), entry: wp.vec2i, direction: wp.vec3) -> wp.vec3:
    """Bilinear sample of a cube map with a border of one texel, see lighting.cube_map; entry: first texel, edge."""
    along_x = wp.abs(direction[0])
    along_y = wp.abs(direction[1])
    along_z = wp.abs(direction[2])
    face = wp.int32(4)
    longest = direction[2]
    s = direction[0]
    t = direction[1]
    if along_x > along_z and along_x >= along_y:
        face = 0
        longest = direction[0]
        s = direction[2]
    elif along_y > along_z:
        face = 2
        longest = direction[1]
        t = direction[2]
    if longest < 0.0:
        face += 1
    half = 0.5 * float(entry[1])
    scale = half / wp.max(wp.abs(longest), 1.0e-20)
    x = s * scale + half + 0.5
    y = t * scale + half + 0.5
    left = int(x)
    top = int(y)
    right = x - float(left)
    down = y - float(top)
    stride = entry[1] + 2
    upper = entry[0] + (face * stride + top) * stride + left
    lower = upper + stride
    above = wp.vec3(panoramas[upper]) * (1.0 - right) + wp.vec3(panoramas[upper + 1]) * right
    below = wp.vec3(panoramas[lower]) * (1.0 - right) + wp.vec3(panoramas[lower + 1]) * right
    return above * (1.0 - down) + below * down


@wp.func
def texels_at(assets: Assets, texture: wp.vec4i, u: float, v: float, area: float) -> wp.vec3:
    """Texels of a repeating texture, blended, 0..255. area: of it (1 = all) behind one pixel; picks the mip level."""
    first = texture[0]
    width = texture[1]
    height = texture[2]
    texels = area * float(width) * float(height)
    level = wp.min(int(0.5 * wp.log2(wp.max(texels, 1.0)) + 0.5), texture[3] - 1)
    for _ in range(level):
        first += width * height
        width = wp.max(width >> 1, 1)
        height = wp.max(height >> 1, 1)
    x = (u - wp.floor(u)) * float(width) - 0.5
    y = (wp.ceil(v) - v) * float(height) - 0.5
    left = int(wp.floor(x))
    top = int(wp.floor(y))
    along = x - float(left)
    down = y - float(top)
    # width and height are powers of two: & wraps round
    upper = first + (top & (height - 1)) * width
    lower = first + ((top + 1) & (height - 1)) * width
    right = (left + 1) & (width - 1)
    left = left & (width - 1)
    above = wp.vec3(assets.texels[upper + left]) * (1.0 - along) + wp.vec3(assets.texels[upper + right]) * along
    below = wp.vec3(assets.texels[lower + left]) * (1.0 - along) + wp.vec3(assets.texels[lower + right]) * along
    return above * (1.0 - down) + below * down


@wp.func
def texture_color(assets: Assets, texture: wp.vec4i, u: float, v: float, area: float) -> wp.vec3:
    """Linear RGB of a repeating texture, whose texels are square roots; area: see texels_at."""
    root = texels_at(assets, texture, u, v, area) * (1.0 / 255.0)
    return wp.cw_mul(root, root)
