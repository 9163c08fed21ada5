"""Surfaces with layers next to path-traced ones of Mitsuba 3: how far pictures differ with the layers, and without.

    python -m speed.mitsuba_layers [--quick] [--keep FOLDER] [--size 256] [--samples 64]

Scenes as in speed/mitsuba.py, of shapes whose every surface has the same layers. References: a normal map as Mitsuba's
`normalmap`; an anisotropic metal as its `roughconductor` of the same two widths; a clear coat as glTF defines it, from
two pictures, of what lies under it and of a coat alone, put together by Schlick's share at each pixel's normal; glass
as `dielectric` and `roughdielectric`, what it absorbs as a medium. `error`: as there, of the renderer; `plain`: of the
same shapes without their layers. --keep: folder for reference, plain and layered pictures side by side. Without
Mitsuba, lines have "error": null.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from mlspatial.render.engine import SceneBatch
from mlspatial.render.environments import ProceduralEnvironments
from mlspatial.render.files.relief import Relief, normals_of, with_tangents
from mlspatial.render.library import parts, shapes
from mlspatial.render.library.assemble import merge
from mlspatial.render.library.files import lit_through_glass
from mlspatial.render.library.finish import Finish
from mlspatial.render.library.textures import noise
from mlspatial.render.mesh import Environment, Layers, Material, Mesh
from mlspatial.render.objects import ProceduralLibrary
from mlspatial.render.warp.engine import WarpRenderer
from speed.common import peak_mib, report
from speed.mitsuba import WIDTH, Case, Reference, background, differences, scene_of

DEPTH = 16  # of light paths through glass
RED_BALL = Finish((0.6, 0.05, 0.04), 0.4)


@dataclass(frozen=True)
class Scene:
    """A case, and how its mesh is made of a surface."""

    case: Case
    surface: Material
    mesh: Callable[[Material], Mesh]


def _clad(category: str, number: int) -> Callable[[Material], Mesh]:
    """An object of the library with one surface all over."""

    def make(surface: Material) -> Mesh:
        mesh = ProceduralLibrary([category]).mesh(category, f"{category}#{number}")
        return with_tangents(replace(mesh, materials=tuple(surface for _ in mesh.materials)))

    return make


def _finish(surface: Material) -> Finish:
    return Finish(surface.color, surface.roughness, surface.metalness, None, 1.0, layers=surface.layers)


def _ball(surface: Material) -> Mesh:
    return with_tangents(merge(parts.sphere(0.5, _finish(surface), 96)))


def _tumbler(surface: Material) -> Mesh:
    """A thick glass with an opaque ball in it."""
    outline = [(0.0, 0.0), (0.26, 0.0), (0.28, 0.02), (0.36, 0.9), (0.36, 0.92)]
    glass = shapes.vessel(outline, 0.03, _finish(surface), segments=96)
    return lit_through_glass(merge(glass, parts.sphere(0.19, RED_BALL).move(y=0.27)))


def _bumps() -> np.ndarray:
    """uint8 (256, 256, 3) normals of smooth noise."""
    height = noise(np.random.default_rng(3), 256, (10, 10), 2.0)
    return normals_of(Relief(height, 0.05), (1.0, 1.0), Path("bumps"))[0]


SCENES = (
    Scene(
        Case("normal map, meadow", ("", ""), ("meadow", ""), away=1.7),
        Material((0.45, 0.3, 0.2), 0.45, layers=Layers(relief=_bumps())),
        _ball,
    ),
    Scene(
        Case("normal map on metal, kitchen", ("", ""), ("kitchen", ""), (60.0, 0.0), 0.3, away=1.7),
        Material((0.9, 0.75, 0.5), 0.3, 1.0, layers=Layers(relief=_bumps())),
        _clad("teakettle", 1),
    ),
    Scene(
        Case("clear coat, living room", ("", ""), ("living_room", ""), (20.0, 10.0), 0.3),
        Material((0.5, 0.05, 0.04), 0.7, layers=Layers(coat=1.0, coat_roughness=0.1)),
        _clad("toy", 4),
    ),
    Scene(
        Case("clear coat, plaza", ("", ""), ("plaza", ""), away=1.7),
        Material((0.05, 0.15, 0.5), 0.5, 1.0, layers=Layers(coat=1.0, coat_roughness=0.05)),
        _ball,
    ),
    Scene(
        Case("brushed metal, meadow", ("", ""), ("meadow", ""), away=1.7),
        Material((0.8, 0.8, 0.8), 0.25, 1.0, layers=Layers(anisotropy=0.65)),
        _ball,
    ),
    Scene(
        Case("brushed metal, kitchen", ("", ""), ("kitchen", ""), (60.0, 0.0), 0.3, away=1.7),
        Material((0.9, 0.8, 0.7), 0.2, 1.0, layers=Layers(anisotropy=0.5, rotation=np.pi / 2)),
        _clad("teakettle", 1),
    ),
    Scene(
        Case("clear glass, meadow", ("", ""), ("meadow", ""), height=0.1, away=1.7),
        Material((1.0, 1.0, 1.0), 0.0, layers=Layers(transmission=1.0, solid=True)),
        _ball,
    ),
    Scene(
        Case("tumbler, living room", ("", ""), ("living_room", ""), (0.0, -20.0), 0.3, away=1.7),
        Material((1.0, 1.0, 1.0), 0.0, layers=Layers(transmission=1.0, solid=True)),
        _tumbler,
    ),
    Scene(
        Case("green glass, plaza", ("", ""), ("plaza", ""), height=0.1, away=1.7),
        Material((1.0, 1.0, 1.0), 0.0, layers=Layers(transmission=1.0, solid=True, absorption=(2.0, 0.3, 1.2))),
        _ball,
    ),
    Scene(
        Case("rough glass, living room", ("", ""), ("living_room", ""), height=0.1, away=1.7),
        Material((1.0, 1.0, 1.0), 0.35, layers=Layers(transmission=1.0, solid=True)),
        _ball,
    ),
    Scene(
        Case("rough tumbler, meadow", ("", ""), ("meadow", ""), (0.0, -20.0), 0.3, away=1.7),
        Material((1.0, 1.0, 1.0), 0.35, layers=Layers(transmission=1.0, solid=True)),
        _tumbler,
    ),
)


class LayeredReference(Reference):
    """Mitsuba's picture of surfaces with layers."""

    def draw(self, scene: SceneBatch, height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        self.coat_alone = False
        radiance, coverage, share = super().draw(scene, height)
        layers = self.mesh.materials[0].layers
        if layers is None or layers.coat == 0.0:
            return radiance, coverage, share
        self.coat_alone = True
        coat = super().draw(scene, height)[0]
        cosine = self._facing(scene)
        weight = layers.coat * (0.04 + 0.96 * (1.0 - cosine) ** 5)[..., None]
        return radiance * (1.0 - weight) + layers.coat * coat, coverage, share

    def _facing(self, scene: SceneBatch) -> np.ndarray:
        """(size, size) mean cosine between the normal and the direction to the camera."""
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            made = {"type": "scene", "sensor": self._sensor(scene), "light": self._light()}
            made |= self._things(scene, Path(folder))
            normal = self._render(made | {"integrator": {"type": "aov", "aovs": "n:sh_normal,p:position"}})
        normal, place = normal[..., -6:-3], normal[..., -3:]
        lengths = np.linalg.norm(normal, axis=-1) * np.linalg.norm(place, axis=-1)
        return np.clip(-(normal * place).sum(axis=-1) / np.maximum(lengths, 1e-9), 0.0, 1.0)

    def _integrator(self, depth: int) -> dict:
        layers = self.mesh.materials[0].layers
        if layers is None or layers.transmission == 0.0:
            return super()._integrator(depth)
        kind = "volpath" if any(layers.absorption) else "path"
        return {"type": kind, "max_depth": DEPTH, "hide_emitters": True}

    def _surface(self, material: Material, color: dict, scale: float) -> dict:
        layers = material.layers
        if layers is None:
            return super()._surface(material, color, scale)
        if self.coat_alone:
            bare = replace(material, roughness=layers.coat_roughness, metalness=0.0, layers=None)
            return super()._surface(bare, {"type": "rgb", "value": [0.0, 0.0, 0.0]}, scale)
        if layers.transmission > 0.0:
            glass: dict = {"type": "dielectric", "int_ior": layers.ior, "ext_ior": 1.0}
            if material.roughness > 0.0:
                glass |= {"type": "roughdielectric", "alpha": material.roughness**2, "distribution": "ggx"}
            made = {"bsdf": glass}
            if any(layers.absorption):
                most = max(layers.absorption)
                extinction = {"type": "rgb", "value": [float(a) / most for a in layers.absorption]}
                medium = {"type": "homogeneous", "albedo": {"type": "rgb", "value": 0.0}, "sigma_t": extinction}
                medium["scale"] = most / scale
                made["interior"] = medium
            return made
        surface = super()._surface(material, color, scale)["bsdf"]["bsdf"]
        if layers.anisotropy > 0.0:
            alpha = material.roughness**2
            wide = alpha + (1.0 - alpha) * layers.anisotropy**2
            along, over = (alpha, wide) if layers.rotation else (wide, alpha)
            surface |= {"type": "roughconductor", "material": "none", "distribution": "ggx"}
            surface |= {"alpha_u": along, "alpha_v": over, "specular_reflectance": surface["base_color"]}
            for name in ("base_color", "roughness", "metallic", "specular"):
                del surface[name]
        if layers.relief is not None:
            levels = np.ascontiguousarray(layers.relief.astype(np.float32) / 255.0)
            picture = {"type": "bitmap", "bitmap": self.mitsuba.Bitmap(levels), "raw": True}
            surface = {"type": "normalmap", "normalmap": picture, "bsdf": surface}
        return {"bsdf": {"type": "twosided", "bsdf": surface}}


def compare(scene: Scene, size: int, samples: int, keep: Path | None) -> dict:
    """One line, and the pictures in `keep`."""
    line: dict = {"case": f"mitsuba, layers: {scene.case.name}", "ours": None, "unit": "images per CPU-second"}
    line |= {"alternative_name": f"Mitsuba 3, {samples} samples", "error": None, "plain": None, "n": 1}
    library = ProceduralEnvironments([scene.case.place[0]])
    environment = library.environment(scene.case.place[0], library.scenes[0].skies[0][0], width=WIDTH)
    mesh, plain = (scene.mesh(s) for s in (scene.surface, replace(scene.surface, layers=None)))
    batch, height = scene_of(scene.case, mesh)
    renderer = WarpRenderer([plain, mesh], [environment], size=size)
    before, ours = (renderer.render(replace(batch, mesh=np.array([number]))).images[0] for number in (0, 1))
    start = time.process_time()
    for _ in range(4):
        renderer.render(replace(batch, mesh=np.ones(1, int)))
    line["ours"] = round(4 / (time.process_time() - start), 1)
    reference = _reference(scene.case.name, mesh, environment, batch, height, size, samples, keep)
    if isinstance(reference, str):
        return line | {"skipped": reference, "peak_mib": peak_mib()}
    behind = background(environment, batch.camera[0], size)
    theirs, off = differences(*reference, ours, behind)
    line |= off
    line["plain"] = differences(*reference, before, behind)[1]["error"]
    if keep is not None:
        Image.fromarray(np.hstack([theirs, before, ours])).save(keep / f"{_file(scene.case.name)}_{size}.png")
    return line | {"peak_mib": peak_mib()}


def _file(name: str) -> str:
    return name.replace(", ", "_").replace(" ", "-")


def _reference(
    name: str,
    mesh: Mesh,
    environment: Environment,
    scene: SceneBatch,
    height: float,
    size: int,
    samples: int,
    keep: Path | None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | str:
    """What Reference.draw gives, kept; a line of why there is none where Mitsuba is not installed."""
    kept = keep / f"layers_{_file(name)}_{size}_{samples}.npz" if keep else None
    names = ("radiance", "coverage", "share")
    if kept is not None and kept.is_file():
        with np.load(kept) as stored:
            return stored[names[0]], stored[names[1]], stored[names[2]]
    try:
        drawn = LayeredReference(mesh, environment, size, samples).draw(scene, height)
    except ImportError as error:
        return str(error)
    if kept is not None:
        np.savez_compressed(kept, **dict(zip(names, drawn, strict=True)))
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two scenes, small")
    parser.add_argument("--keep", default="", help="folder for references and pictures")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--only", default="", help="scenes whose names hold this")
    given = parser.parse_args()
    keep = Path(given.keep) if given.keep else None
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    size, samples = (64, 9) if given.quick else (given.size, given.samples)
    for scene in SCENES[::6] if given.quick else [s for s in SCENES if given.only in s.case.name]:
        report([compare(scene, size, samples, keep)])


if __name__ == "__main__":
    main()
