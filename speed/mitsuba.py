"""The renderer's pictures next to path-traced ones of Mitsuba 3, in images per CPU-second and in how far they differ.

    python -m speed.mitsuba [--quick] [--objects FOLDER] [--environments FOLDER] [--keep FOLDER]

Scenes are an object of the library (or of a folder that `mlspatial library build --from sweethome3d` made) in a
panorama (or in those of a folder), most of them near the ground. The reference has the same panorama, exposed the same
way, as its only light; surfaces are Disney's principled ones of the same colour, roughness and metalness; the ground is
an unseen grey plane, and the share of its light that the object leaves it dims the panorama. `error` is the mean
absolute difference, in steps of 255 and means of 4 x 4 pixels, where the object is; `error_ground` where it is not and
the reference's ground loses more than 1 % of its light; `error_all` of the whole picture. References are kept in
--keep, with both pictures side by side. Needs `pip install mitsuba`; without it, or a folder, lines have
"alternative": null.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mlspatial.render.engine import FIELD_OF_VIEW, SceneBatch
from mlspatial.render.environments import FolderEnvironments, ProceduralEnvironments
from mlspatial.render.lighting import WHITE, exposure_of, light_environment
from mlspatial.render.mesh import Environment, Material, Mesh
from mlspatial.render.objects import FolderLibrary, ProceduralLibrary
from mlspatial.render.warp.assets import tone_map
from mlspatial.render.warp.engine import WarpRenderer
from speed.common import peak_mib, report

WIDTH = 2048  # of panoramas
GROUND = 0.3  # reflectance of the reference's ground
LEAST_LOSS = 0.01
BLOCK = 4
MIRROR = np.diag([1.0, 1.0, -1.0])  # left-handed to right-handed


@dataclass(frozen=True)
class Case:
    """One scene. thing: category and identity; place: scene and sky; height: metres from the ground to the lowest point
    of the object, which is turned about y and tilted about x by `turn`, degrees; away: metres to its middle."""

    name: str
    thing: tuple[str, str]
    place: tuple[str, str]
    turn: tuple[float, float] = (30.0, 0.0)
    height: float = 0.0
    away: float = 1.9
    camera: float = 1.3
    shipped: bool = True


CASES = (
    Case("chair, living room", ("chair", "chair#0"), ("living_room", "")),
    Case("kettle, meadow", ("teakettle", "teakettle#1"), ("meadow", ""), (60.0, 0.0)),
    Case("sofa, plaza", ("sofa", "sofa#2"), ("plaza", ""), (-30.0, 0.0), away=2.1),
    Case("cup, kitchen", ("cup", "cup#3"), ("kitchen", ""), (-40.0, 20.0), 0.3),
    Case("toy, beach", ("toy", "toy#4"), ("beach", ""), (20.0, 10.0), 0.5),
    Case("shelf, street", ("shelf", "shelf#1"), ("street", ""), (35.0, 0.0)),
    Case("chair, apartment", ("chair", "0"), ("apartment", ""), (25.0, 0.0), shipped=False),
    Case("table, park", ("table", "1"), ("park", ""), (40.0, 0.0), shipped=False),
    Case("sofa, workshop", ("sofa", "2"), ("workshop", ""), (-35.0, 0.0), away=2.1, shipped=False),
    Case("bottle, venice", ("bottle", "0"), ("venice", ""), (0.0, 15.0), 0.2, shipped=False),
)


def turned(degrees: float, axis: int) -> np.ndarray:
    """(3, 3) standard rotation about an axis of the left-handed frame, as the renderer's angles have it."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    one, two = [i for i in range(3) if i != axis]
    matrix = np.eye(3)
    matrix[one, one] = matrix[two, two] = c
    matrix[one, two], matrix[two, one] = (s, -s) if axis == 1 else (-s, s)
    return matrix


def scene_of(case: Case, mesh: Mesh) -> tuple[SceneBatch, float]:
    """The one scene of a case, and the camera's height above the ground."""
    turn = turned(case.turn[0], 1) @ turned(case.turn[1], 0)
    world = (mesh.vertices * [1.0, 1.0, -1.0]) @ turn.T
    centre = np.array([0.0, case.height - world[:, 1].min() - case.camera, case.away])  # from the camera, world axes
    forward = centre / np.linalg.norm(centre)
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    camera = np.stack([right, np.cross(forward, right), forward], axis=1)
    batch = SceneBatch(
        mesh=np.zeros(1, int),
        environment=np.zeros(1, int),
        position=(camera.T @ centre)[None],
        rotation=(camera.T @ turn)[None],
        camera=camera[None],
        ground=np.array([case.camera]),
    )
    return batch, case.camera


def write_ply(path: Path, vertices: np.ndarray, normals: np.ndarray, uvs: np.ndarray, faces: np.ndarray) -> str:
    """A binary PLY file of one material's triangles."""
    names = ("x", "y", "z", "nx", "ny", "nz", "u", "v")
    head = "ply\nformat binary_little_endian 1.0\n" + f"element vertex {len(vertices)}\n"
    head += "".join(f"property float {name}\n" for name in names)
    head += f"element face {len(faces)}\nproperty list uchar int vertex_indices\nend_header\n"
    rows = np.zeros(len(faces), dtype=[("n", "u1"), ("v", "<i4", 3)])
    rows["n"], rows["v"] = 3, faces
    data = np.hstack([vertices, normals, uvs]).astype("<f4").tobytes() + rows.tobytes()
    path.write_bytes(head.encode() + data)
    return str(path)


class Reference:
    """Mitsuba's picture of a scene: the object alone, with its coverage, and the ground that it stands above."""

    def __init__(self, mesh: Mesh, environment: Environment, size: int, samples: int) -> None:
        import mitsuba

        mitsuba.set_variant("scalar_rgb")
        mitsuba.set_log_level(mitsuba.LogLevel.Error)
        self.mitsuba, self.mesh, self.size, self.samples = mitsuba, mesh, size, samples
        exposure, brightest = exposure_of(environment.panorama)
        self.panorama = np.minimum(environment.panorama, np.float32(brightest)) * np.float32(exposure)

    def draw(self, scene: SceneBatch, height: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Radiance of the object (size, size, 3), its coverage (size, size), and the share of its light that the
        ground keeps behind each pixel (size, size, 3), 1 where there is none."""
        with tempfile.TemporaryDirectory() as folder:
            things = self._things(scene, Path(folder))
            base = {"type": "scene", "sensor": self._sensor(scene), "light": self._light()}
            alone = self._render(base | things | {"integrator": self._integrator(6)})
            ground = {"type": "rectangle", "to_world": self._ground(height), "bsdf": {"type": "twosided", "bsdf": {
                "type": "diffuse", "reflectance": {"type": "rgb", "value": GROUND}}}}  # fmt: skip
            both = self._render(base | things | {"ground": ground, "integrator": self._integrator(4)})
            bare = self._render(base | {"ground": ground, "integrator": self._integrator(4)})
        coverage = np.clip(alone[..., 3], 0.0, 1.0)
        open_ground = (coverage < 0.01) & (bare[..., 3] > 0.99)
        lit = bare[open_ground][:, :3].mean(axis=0) if open_ground.any() else np.ones(3)  # the same everywhere
        share = np.where(open_ground[..., None], both[..., :3] / np.maximum(lit, 1e-9), 1.0)
        return alone[..., :3] / np.maximum(coverage, 1e-3)[..., None], coverage, share

    def _render(self, scene: dict) -> np.ndarray:
        return np.array(self.mitsuba.render(self.mitsuba.load_dict(scene), spp=self.samples))

    def _integrator(self, depth: int) -> dict:
        return {"type": "path", "max_depth": depth, "hide_emitters": True}

    def _sensor(self, scene: SceneBatch) -> dict:
        camera = MIRROR @ scene.camera[0]
        look = self.mitsuba.ScalarTransform4f().look_at([0, 0, 0], camera[:, 2].tolist(), camera[:, 1].tolist())
        film = {"type": "hdrfilm", "width": self.size, "height": self.size, "pixel_format": "rgba"}
        film |= {"component_format": "float32", "rfilter": {"type": "box"}}
        sampler = {"type": "multijitter", "sample_count": self.samples}
        return {"type": "perspective", "fov": FIELD_OF_VIEW, "to_world": look, "film": film, "sampler": sampler,
                "near_clip": 0.01, "far_clip": 1000.0}  # fmt: skip

    def _light(self) -> dict:
        rolled = np.ascontiguousarray(np.roll(self.panorama, self.panorama.shape[1] // 2, axis=1), np.float32)
        return {"type": "envmap", "bitmap": self.mitsuba.Bitmap(rolled)}

    def _ground(self, height: float) -> object:
        transform = self.mitsuba.ScalarTransform4f
        return transform().translate([0, -height, 0]) @ transform().rotate([1, 0, 0], -90) @ transform().scale(60.0)

    def _things(self, scene: SceneBatch, folder: Path) -> dict:
        mesh, mitsuba = self.mesh, self.mitsuba
        pose = MIRROR @ scene.camera[0]
        vertices = ((mesh.vertices * [1, 1, -1]) @ scene.rotation[0].T * scene.scale + scene.position[0]) @ pose.T
        normals = (mesh.normals * [1, 1, -1]) @ (pose @ scene.rotation[0]).T
        made = {}
        for number, material in enumerate(mesh.materials):
            faces = mesh.faces[mesh.face_material == number]
            if not len(faces):
                continue
            used, faces = np.unique(faces, return_inverse=True)
            uvs = mesh.uvs[used] * [1, -1] + [0, 1]
            file = write_ply(folder / f"{number}.ply", vertices[used], normals[used], uvs, faces.reshape(-1, 3))
            color: dict = {"type": "rgb", "value": [float(c) for c in material.color]}
            if material.texture is not None:
                levels = material.texture / 255.0
                linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
                bitmap = mitsuba.Bitmap((linear * material.color).astype(np.float32))
                color = {"type": "bitmap", "bitmap": bitmap, "raw": True}
            made[f"part{number}"] = {"type": "ply", "filename": file} | self._surface(material, color, scene.scale)
        return made

    def _surface(self, material: Material, color: dict, scale: float) -> dict:
        """What a shape has beside its geometry. color: texture or colour; scale: metres of the mesh's longest axis."""
        surface = {"type": "principled", "base_color": color, "roughness": max(material.roughness, 0.05)}
        surface |= {"metallic": float(material.metalness), "specular": 0.5}
        return {"bsdf": {"type": "twosided", "bsdf": surface}}


def background(environment: Environment, camera: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) radiance of the panorama as the renderer looks it up, at the middle of each pixel."""
    focal = 0.5 * size / np.tan(np.radians(FIELD_OF_VIEW) / 2)
    cube = light_environment(environment, focal).background.astype(np.float32)
    x, y = np.meshgrid(np.arange(size) + 0.5 - size / 2, size / 2 - np.arange(size) - 0.5)
    rays = np.stack([x, y, np.full_like(x, focal)], axis=-1) @ camera.T
    longest = np.abs(rays).argmax(axis=-1)
    value = np.take_along_axis(rays, longest[..., None], axis=-1)[..., 0]
    face = 2 * longest + (value < 0)
    s = np.where(longest == 0, rays[..., 2], rays[..., 0]) / np.abs(value)
    t = np.where(longest == 1, rays[..., 2], rays[..., 1]) / np.abs(value)
    half = 0.5 * (cube.shape[1] - 2)
    column, row = s * half + half + 0.5, t * half + half + 0.5
    left, top = column.astype(int), row.astype(int)
    a, d = (column - left)[..., None], (row - top)[..., None]
    above = cube[face, top, left] * (1 - a) + cube[face, top, left + 1] * a
    below = cube[face, top + 1, left] * (1 - a) + cube[face, top + 1, left + 1] * a
    return above * (1 - d) + below * d


def blocks(image: np.ndarray) -> np.ndarray:
    """Means over BLOCK x BLOCK pixels, in which the noise of the reference averages out."""
    size = image.shape[0] // BLOCK
    return image[: size * BLOCK, : size * BLOCK].reshape(size, BLOCK, size, BLOCK, -1).mean(axis=(1, 3))


def assets(case: Case, objects: str, environments: str) -> tuple[Mesh, Environment]:
    """Raises UserError and others where they are not there."""
    if case.shipped:
        mesh = ProceduralLibrary([case.thing[0]]).mesh(*case.thing)
        library = ProceduralEnvironments([case.place[0]])
        sky = case.place[1] or library.scenes[0].skies[0][0]
        return mesh, library.environment(case.place[0], sky, width=WIDTH)
    if not objects or not environments:
        raise LookupError("needs --objects and --environments")
    things = FolderLibrary(objects, [case.thing[0]])
    found = FolderEnvironments(environments)
    sky = next(s for s in found.scenes if s.name == case.place[0]).skies[0][0]
    identity = things.identities(case.thing[0])[int(case.thing[1])]
    return things.mesh(case.thing[0], identity), found.environment(case.place[0], sky, width=WIDTH)


def differences(
    radiance: np.ndarray, coverage: np.ndarray, share: np.ndarray, ours: np.ndarray, behind: np.ndarray
) -> tuple[np.ndarray, dict[str, float | None]]:
    """The reference's picture (size, size, 3) uint8, and how far ours is off: `error`, `error_ground`, `error_all`.

    radiance, coverage, share: as Reference.draw gives them; behind: (size, size, 3) radiance of the panorama.
    """
    behind = np.minimum(behind, WHITE) * share
    linear = np.minimum(radiance, WHITE) * coverage[..., None] + behind * (1 - coverage[..., None])
    theirs = tone_map(linear)
    off = np.abs(blocks(theirs) - blocks(ours)).mean(axis=-1)
    covered = blocks(coverage[..., None])[..., 0]
    shaded = blocks(1 - share).mean(axis=-1)
    on, ground = covered > 0.99, (covered < 0.01) & (shaded > LEAST_LOSS)
    near = round(float(off[ground].mean()), 2) if ground.any() else None
    return theirs, {
        "error": round(float(off[on].mean()), 2),
        "error_ground": near,
        "error_all": round(float(off.mean()), 2),
    }


def compare(case: Case, size: int, samples: int, objects: str, environments: str, keep: Path | None) -> dict:
    """One line, and the pictures in `keep`."""
    line = {"case": f"mitsuba: {case.name}", "ours": None, "alternative": None, "unit": "images per CPU-second"}
    line |= {"alternative_name": f"Mitsuba 3, {samples} samples", "ratio": None, "error": None, "n": 1}
    try:
        mesh, environment = assets(case, objects, environments)
        scene, height = scene_of(case, mesh)
        renderer = WarpRenderer([mesh], [environment], size=size)
        ours = renderer.render(scene).images[0]
        start = time.process_time()
        for _ in range(8):
            renderer.render(scene)
        line["ours"] = round(8 / (time.process_time() - start), 1)
        kept = keep / f"{case.name.replace(', ', '_').replace(' ', '-')}_{size}_{samples}.npz" if keep else None
        if kept is not None and kept.is_file():
            radiance, coverage, share = (np.load(kept)[name] for name in ("radiance", "coverage", "share"))
        else:
            start = time.process_time()
            radiance, coverage, share = Reference(mesh, environment, size, samples).draw(scene, height)
            line["alternative"] = round(1 / (time.process_time() - start), 4)
            if kept is not None:
                np.savez_compressed(kept, radiance=radiance, coverage=coverage, share=share)
    except Exception as error:  # not installed, or a folder that is not there: whatever the reason, others still count
        return line | {"skipped": f"{type(error).__name__}: {error}".splitlines()[0], "peak_mib": peak_mib()}
    behind = background(environment, scene.camera[0], size)
    theirs, off = differences(radiance, coverage, share, ours, behind)
    line |= off
    if line["alternative"]:
        line["ratio"] = round(line["ours"] / line["alternative"])
    if keep is not None:
        Image.fromarray(np.hstack([theirs, ours])).save(keep / f"{kept.stem}_{WarpRenderer.version}.png")
    return line | {"peak_mib": peak_mib()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two scenes, small: under 50 seconds")
    parser.add_argument("--objects", default="", help="a folder of objects, for four of the ten scenes")
    parser.add_argument("--environments", default="", help="a folder of panoramas, for the same")
    parser.add_argument("--keep", default="", help="folder for references and pictures")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--samples", type=int, default=25)
    given = parser.parse_args()
    keep = Path(given.keep) if given.keep else None
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
    size, samples = (64, 9) if given.quick else (given.size, given.samples)
    for case in CASES[:2] if given.quick else CASES:
        report([compare(case, size, samples, given.objects, given.environments, keep)])


if __name__ == "__main__":
    main()
