"""glTF 2.0: the JSON made plain for the reader of its geometry, and its materials as looks.

Source: Khronos, glTF 2.0 specification, section 3.9 (materials) and 5.19 to 5.28 (defaults); KHR_texture_transform;
KHR_materials_pbrSpecularGlossiness, appendix (conversion to metal and roughness). See extensions.py for the others.
"""

from __future__ import annotations

import base64
import json
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.render.colors import linear_to_srgb, srgb_to_linear
from mlspatial.render.files.extensions import DRAWN, layers_of, left_out
from mlspatial.render.files.look import GREY, UNMOVED, Look, find, read_picture, sampled
from mlspatial.render.files.relief import Relief, read_normals
from mlspatial.render.library.finish import Finish

MAGIC, JSON_CHUNK = 0x46546C67, 0x4E4F534A
#: Extensions that a file may require: those that are read, and those that only change a finish.
READ = {"KHR_mesh_quantization", "KHR_texture_transform", "EXT_texture_webp", *DRAWN}
SPEC_GLOSS, TRANSFORM = "KHR_materials_pbrSpecularGlossiness", "KHR_texture_transform"
DIELECTRIC = 0.04  # reflectance at normal incidence
NO_MATERIAL, COLORS = "none", "_COLOR_0"
TANGENTS, RELIEF_UVS = "_TANGENT", "_RELIEF_UV"  # attributes under these names are passed on unchanged


class Document:
    """A .gltf or .glb file: its JSON and its binary data. Raises UserError for what cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path, self.binary = path, b""
        data = path.read_bytes()
        try:
            if data[:4] == struct.pack("<I", MAGIC):
                length, kind = struct.unpack_from("<2I", data, 12)
                if kind != JSON_CHUNK:
                    raise ValueError("no JSON in it")
                self.tree = json.loads(data[20 : 20 + length])
                if len(data) >= 28 + length:
                    size = struct.unpack_from("<I", data, 20 + length)[0]
                    self.binary = data[28 + length : 28 + length + size]
            else:
                self.tree = json.loads(data.decode("utf-8-sig"))
            if not isinstance(self.tree, dict):
                raise ValueError("no glTF in it")
        except (ValueError, struct.error) as error:
            raise UserError(f"{path}: cannot be read ({error}); repair or remove it") from error

    def check(self) -> None:
        """Raise UserError for required extensions that are not read; warn of those that change a finish."""
        required = [str(name) for name in self.tree.get("extensionsRequired", [])]
        unread = [name for name in required if name not in READ and not name.startswith("KHR_materials_")]
        if unread:
            raise UserError(
                f"{self.path}: requires {', '.join(unread)}, which is not read; export it again without, or remove it"
            )
        if other := sorted(set(required) - READ):
            warnings.warn(f"{self.path}: drawn without {', '.join(other)}", stacklevel=4)

    def resource(self, uri: str) -> bytes:
        """The bytes of a URI. Raises FileNotFoundError."""
        if uri.startswith("data:"):
            head, _, body = uri.partition(",")
            return base64.b64decode(body) if head.endswith(";base64") else unquote(body).encode("latin-1")
        found = find(self.path.parent, uri)
        if found is None:
            raise FileNotFoundError(f"{uri} is not found")
        return found.read_bytes()

    def buffer(self, index: int) -> bytes:
        entry = self.tree["buffers"][index]
        return self.resource(entry["uri"]) if "uri" in entry else self.binary

    def references(self) -> list[Path]:
        """The files that it draws on, of those that are found."""
        entries = [*self.tree.get("buffers", []), *self.tree.get("images", [])]
        named = [e["uri"] for e in entries if not str(e.get("uri", "data:")).startswith("data:")]
        return [found for uri in named if (found := find(self.path.parent, uri)) is not None]

    def geometry(self) -> bytes:
        """The document for a reader of geometry, as .glb without pictures.

        Each primitive's material is named by its number, and its TEXCOORD_0 is the set that its base colour uses; a
        file without scenes has one of all its roots.
        """
        tree = {k: v for k, v in self.tree.items() if k not in ("images", "textures", "samplers", "animations")}
        data, start = bytearray(), []
        for index in range(len(tree.get("buffers", []))):
            start.append(len(data))
            data += self.buffer(index)
            data += bytes(-len(data) % 4)
        views = [dict(view) for view in tree.get("bufferViews", [])]
        for view in views:
            view["byteOffset"] = view.get("byteOffset", 0) + start[view.get("buffer", 0)]
            view["buffer"] = 0
        tree["bufferViews"], tree["buffers"] = views, [{"byteLength": len(data)}]
        materials = tree.get("materials", [])
        tree["materials"] = [{"name": str(i)} for i in range(len(materials))] + [{"name": NO_MATERIAL}]
        tree["meshes"] = [
            {**mesh, "primitives": [self._primitive(p, materials) for p in mesh.get("primitives", [])]}
            for mesh in tree.get("meshes", [])
        ]
        if not tree.get("scenes"):
            children = {child for node in tree.get("nodes", []) for child in node.get("children", [])}
            tree["scenes"] = [{"nodes": [i for i in range(len(tree.get("nodes", []))) if i not in children]}]
        tree.setdefault("scene", 0)
        text = json.dumps(tree).encode()
        text += b" " * (-len(text) % 4)
        head = struct.pack("<3I2I", MAGIC, 2, 28 + len(text) + len(data), len(text), JSON_CHUNK)
        return head + text + struct.pack("<2I", len(data), 0x004E4942) + bytes(data)

    def _primitive(self, primitive: dict[str, Any], materials: list[dict[str, Any]]) -> dict[str, Any]:
        index = primitive.get("material")
        attributes = dict(primitive.get("attributes", {}))
        if index is not None:
            used = _uv_set(_base_texture(materials[index]))
            if f"TEXCOORD_{used}" in attributes:
                attributes["TEXCOORD_0"] = attributes[f"TEXCOORD_{used}"]
            relief = _uv_set(materials[index].get("normalTexture"))
            if relief != used and f"TEXCOORD_{relief}" in primitive["attributes"]:
                attributes[RELIEF_UVS] = primitive["attributes"][f"TEXCOORD_{relief}"]
        for name, passed in (("COLOR_0", COLORS), ("TANGENT", TANGENTS)):
            if name in attributes:
                attributes[passed] = attributes.pop(name)
        return {**primitive, "material": len(materials) if index is None else index, "attributes": attributes}

    def looks(self) -> dict[str, Look]:
        """The looks of the materials, by number. Warns of pictures that are not found or cannot be read, and of what
        is not drawn."""
        materials = self.tree.get("materials", [])
        required = {str(name) for name in self.tree.get("extensionsRequired", [])}  # told before, see check
        if without := sorted({name for material in materials for name in left_out(material)} - required):
            warnings.warn(f"{self.path}: drawn without {', '.join(without)}", stacklevel=5)
        return {str(i): self._look(material) for i, material in enumerate(materials)}

    def has_layers(self) -> bool:
        """Whether a material has relief or layers."""
        materials = self.tree.get("materials", [])
        return any("normalTexture" in m or layers_of(m, lambda *_: None)[0] is not None for m in materials)

    def _look(self, material: dict[str, Any]) -> Look:
        metal_rough = material.get("pbrMetallicRoughness", {})
        factor = np.array(metal_rough.get("baseColorFactor", (1.0,) * 4), float)
        rough, metal = float(metal_rough.get("roughnessFactor", 1.0)), float(metal_rough.get("metallicFactor", 1.0))
        base = self._picture(_base_texture(material), "drawn grey")
        if (gloss := material.get("extensions", {}).get(SPEC_GLOSS)) is not None:
            factor, rough, metal = _converted(gloss)
        finishes = self._picture(
            metal_rough.get("metallicRoughnessTexture"), "roughness and metalness as the factors say"
        )
        color, texture = factor[:3], None if base is None else np.ascontiguousarray(base[..., :3])
        if base is None and _base_texture(material) is not None:
            color = color * srgb_to_linear(np.full(3, GREY))  # a texture that is lost
        color, texture = self._with_emission(material, color, texture)
        opacity, mode = None, material.get("alphaMode", "OPAQUE")
        cutoff = float(material.get("alphaCutoff", 0.5)) if mode == "MASK" else 0.5
        if mode in ("MASK", "BLEND") and base is not None and (base[..., 3] < 255).any():
            opacity = base[..., 3] / 255.0 * (factor[3] if mode == "MASK" else 1.0)
        layers, shares = layers_of(material, self._picture)
        finish = Finish((float(color[0]), float(color[1]), float(color[2])), rough, metal, texture, 1.0, layers=layers)
        grey = None if finishes is None else finishes[..., 1:3] / 255.0  # green is roughness, blue metalness
        return Look(finish, _transform(_base_texture(material)), grey, opacity, cutoff, shares, self._relief(material))

    def _relief(self, material: dict[str, Any]) -> Relief | None:
        info = material.get("normalTexture")
        picture = self._picture(info, "surfaces stay smooth", read_normals)
        if info is None or picture is None:
            return None
        name = f"of material {material.get('name', 'without a name')}"
        return Relief(picture, float(info.get("scale", 1.0)), _transform(info), name)

    def _with_emission(self, material, color, texture):
        """Light of its own as bright paint: the renderer has no surfaces that shine."""
        strength = (
            material.get("extensions", {}).get("KHR_materials_emissive_strength", {}).get("emissiveStrength", 1.0)
        )
        factor = np.array(material.get("emissiveFactor", (0.0,) * 3), float) * float(strength)
        if not factor.max() > 0.0:
            return color, texture
        named = material.get("emissiveTexture")
        shine = self._picture(named, "drawn without its own light")
        if named is not None and shine is None:  # where it shines is not known
            return color, texture
        if shine is None:
            if texture is None:
                return np.clip(color + factor, 0.0, 1.0), None
            light = np.broadcast_to(np.clip(factor, 0.0, 1.0), texture.shape)
        else:
            light = np.clip(srgb_to_linear(shine[..., :3] / 255.0) * factor, 0.0, 1.0)
        if texture is None:
            under = np.broadcast_to(color, light.shape)
        else:
            height, width = light.shape[:2]
            v, u = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
            levels = sampled(texture, np.stack([u.ravel(), 1.0 - v.ravel()], 1)).reshape(light.shape)
            under = srgb_to_linear(levels / 255.0) * color
        total = np.clip(under + light, 0.0, 1.0)
        return np.ones(3), np.round(255.0 * linear_to_srgb(total)).astype(np.uint8)

    def _picture(
        self, info: dict[str, Any] | None, without: str, read: Callable[[bytes], np.ndarray] = read_picture
    ) -> np.ndarray | None:
        """uint8 (h, w, 4), or what `read` makes of it, of a texture that a material names; None when it cannot be had,
        with a warning that says what is drawn without it."""
        if info is None:
            return None
        said = f"texture {info.get('index')}"
        try:
            texture = self.tree["textures"][info["index"]]
            webp = texture.get("extensions", {}).get("EXT_texture_webp", {})
            image = self.tree["images"][webp.get("source", texture.get("source"))]
            if "uri" in image:
                said = f"texture {image['uri'][:80]}"
                return read(self.resource(image["uri"]))
            view = self.tree["bufferViews"][image["bufferView"]]
            first = view.get("byteOffset", 0)
            return read(self.buffer(view.get("buffer", 0))[first : first + view["byteLength"]])
        except FileNotFoundError:
            warnings.warn(f"{self.path}: {said} is not found; {without}", stacklevel=6)
        except (OSError, ValueError, SyntaxError, KeyError, IndexError, TypeError) as error:
            warnings.warn(f"{self.path}: {said} cannot be read ({type(error).__name__}); {without}", stacklevel=6)
        return None


def _base_texture(material: dict[str, Any]) -> dict[str, Any] | None:
    gloss = material.get("extensions", {}).get(SPEC_GLOSS)
    if gloss is not None:
        return gloss.get("diffuseTexture")
    return material.get("pbrMetallicRoughness", {}).get("baseColorTexture")


def _uv_set(info: dict[str, Any] | None) -> int:
    if info is None:
        return 0
    moved = info.get("extensions", {}).get(TRANSFORM, {})
    return int(moved.get("texCoord", info.get("texCoord", 0)))


def _transform(info: dict[str, Any] | None) -> np.ndarray:
    """(2, 3) of KHR_texture_transform (offset, rotation, scale; v down) for coordinates with v up."""
    moved = (info or {}).get("extensions", {}).get(TRANSFORM)
    if moved is None:
        return UNMOVED
    (x, y), (sx, sy) = moved.get("offset", (0.0, 0.0)), moved.get("scale", (1.0, 1.0))
    angle = float(moved.get("rotation", 0.0))
    c, s = np.cos(angle), np.sin(angle)
    down = np.array([[c * sx, s * sy, x], [-s * sx, c * sy, y], [0.0, 0.0, 1.0]])
    turn = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 1.0], [0.0, 0.0, 1.0]])  # v -> 1 - v
    return np.asarray((turn @ down @ turn)[:2])


def _converted(gloss: dict[str, Any]) -> tuple[np.ndarray, float, float]:
    """Base colour factor, roughness and metalness of specular and glossiness factors."""
    diffuse = np.array(gloss.get("diffuseFactor", (1.0,) * 4), float)
    specular = np.array(gloss.get("specularFactor", (1.0,) * 3), float)
    rough = 1.0 - float(gloss.get("glossinessFactor", 1.0))
    weights = np.array([0.299, 0.587, 0.114])
    bright, shiny = (float(np.sqrt(weights @ values**2)) for values in (diffuse[:3], specular))
    strength = 1.0 - float(specular.max())
    metal = 0.0
    if shiny >= DIELECTRIC and "diffuseTexture" not in gloss:
        b = bright * strength / (1.0 - DIELECTRIC) + shiny - 2.0 * DIELECTRIC
        root = np.sqrt(max(b * b - 4.0 * DIELECTRIC * (DIELECTRIC - shiny), 0.0))
        metal = float(np.clip((root - b) / (2.0 * DIELECTRIC), 0.0, 1.0))
    of_diffuse = diffuse[:3] * strength / (1.0 - DIELECTRIC) / max(1.0 - metal, 1e-6)
    of_specular = (specular - DIELECTRIC * (1.0 - metal)) / max(metal, 1e-6)
    color = np.clip(of_diffuse + (of_specular - of_diffuse) * metal**2, 0.0, 1.0)
    return np.append(color, diffuse[3]), rough, metal
