"""glTF's extensions of materials as layers (mesh.Layers).

Source: Khronos, KHR_materials_clearcoat, KHR_materials_anisotropy, KHR_materials_transmission, KHR_materials_ior,
KHR_materials_volume.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mlspatial.render.mesh import Layers

COAT, STRETCHED, CLEAR = "KHR_materials_clearcoat", "KHR_materials_anisotropy", "KHR_materials_transmission"
IOR, VOLUME = "KHR_materials_ior", "KHR_materials_volume"
DRAWN = {COAT, STRETCHED, CLEAR, IOR, VOLUME, "KHR_materials_emissive_strength", "KHR_materials_pbrSpecularGlossiness"}
RED, GREEN, BLUE = range(3)
#: Textures that multiply a layer's number: extension, key, name of the number, channel.
FACTORS = (
    (COAT, "clearcoatTexture", "coat", RED),
    (COAT, "clearcoatRoughnessTexture", "coat_roughness", GREEN),
    (STRETCHED, "anisotropyTexture", "anisotropy", BLUE),
    (CLEAR, "transmissionTexture", "transmission", RED),
)


def layers_of(
    material: dict[str, Any], picture: Callable[[dict[str, Any] | None, str], np.ndarray | None]
) -> tuple[Layers | None, dict[str, np.ndarray]]:
    """The layers that a material's extensions describe, None where there are none, and what textures multiply them by,
    by name: float (h, w). Absorption is for a unit of the file. picture: of a texture (uint8 (h, w, 4)); and what is
    drawn without it."""
    said = material.get("extensions", {})
    coat, stretched, clear, volume = (said.get(name, {}) for name in (COAT, STRETCHED, CLEAR, VOLUME))
    color = np.clip(np.array(volume.get("attenuationColor", (1.0,) * 3), float), 1e-6, 1.0)
    distance = float(volume.get("attenuationDistance", np.inf))
    transmission = _share(clear.get("transmissionFactor", 0.0))
    solid = transmission > 0.0 and float(volume.get("thicknessFactor", 0.0)) > 0.0
    absorbed = -np.log(color) / max(distance, 1e-9) if solid else np.zeros(3)
    layers = Layers(
        coat=_share(coat.get("clearcoatFactor", 0.0)),
        coat_roughness=_share(coat.get("clearcoatRoughnessFactor", 0.0)),
        anisotropy=_share(stretched.get("anisotropyStrength", 0.0)),
        rotation=float(stretched.get("anisotropyRotation", 0.0)),
        transmission=transmission,
        ior=max(float(said.get(IOR, {}).get("ior", 1.5)), 1.0),
        solid=solid,
        absorption=(float(absorbed[0]) + 0.0, float(absorbed[1]) + 0.0, float(absorbed[2]) + 0.0),
    )
    shares = {}
    for extension, key, name, channel in FACTORS:
        if getattr(layers, name) > 0.0 and (info := said.get(extension, {}).get(key)) is not None:
            levels = picture(info, f"{name.replace('_', ' of the ')} as the factor says")
            if levels is not None:
                shares[name] = levels[..., channel] / 255.0
    drawn = layers.coat > 0.0 or layers.anisotropy > 0.0 or transmission > 0.0 or layers.ior != 1.5
    return (layers if drawn else None), shares


def left_out(material: dict[str, Any]) -> list[str]:
    """What of a material is not drawn: extensions, and textures of those that are."""
    said = material.get("extensions", {})
    names = [str(name) for name in said if str(name).startswith("KHR_materials_") and name not in DRAWN]
    if "clearcoatNormalTexture" in said.get(COAT, {}):
        names.append("the clear coat's own normal map")
    if "anisotropyTexture" in said.get(STRETCHED, {}):
        names.append("directions of the anisotropy texture")
    return names


def _share(value: Any) -> float:
    return min(max(float(value), 0.0), 1.0)
