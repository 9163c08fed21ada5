"""The renderer: images per CPU-second of one process, alone and with all that makes a dataset, next to other renderers
that pip can install.

    python -m speed.render [--quick] [--device cuda]

One textured mesh of 15,360 triangles, shadows, 2 x 2 (or 4-fold) anti-aliasing, random poses. Ours also draws a
panorama and lights by it, which the others do not. Each peer has a process of its own, where it and ours draw the same
scenes in turns, counted in CPU-seconds of all threads, because Mesa's software renderer uses several. `error` is the
share of the picture's pixels that one draws as object and the other as background. Peers that cannot run are reported
with "alternative": null:

    pip install "mujoco<4" pyrender pybullet       # the first two also need EGL: apt-get install libegl1
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import trimesh
from PIL import Image

from mlspatial.render.engine import FIELD_OF_VIEW, SceneBatch
from mlspatial.render.lighting import directions
from mlspatial.render.mesh import Environment, Material, Mesh
from mlspatial.render.studio import Recipe, Studio
from mlspatial.render.warp.engine import WarpRenderer
from mlspatial.render.write import render_shard
from speed.common import peak_mib, report

SIZES = (224, 64)
RINGS, SIDES = 120, 64
MIRROR = np.diag([1.0, 1.0, -1.0])  # camera frame <-> eye frame of OpenGL, which is also the object frame's handedness


class Peer(Protocol):
    """draw: one image; mask: (size, size) bool, the object's pixels. pose: (4, 4), object frame to OpenGL eye frame."""

    def draw(self, pose: np.ndarray) -> np.ndarray: ...

    def mask(self, pose: np.ndarray) -> np.ndarray: ...


def torus() -> Mesh:
    """15,360 triangles with a checkered texture."""
    u, v = (a.ravel() for a in np.meshgrid(np.linspace(0, 1, RINGS + 1), np.linspace(0, 1, SIDES + 1), indexing="ij"))
    around, across = 2 * np.pi * u, 2 * np.pi * v
    normal = np.column_stack([np.cos(across) * np.cos(around), np.cos(across) * np.sin(around), np.sin(across)])
    middle = np.column_stack([np.cos(around), np.sin(around), np.zeros_like(u)])
    corner = (np.arange(RINGS)[:, None] * (SIDES + 1) + np.arange(SIDES)).ravel()
    quads = corner[:, None] + np.array([0, SIDES + 1, SIDES + 2, 1])
    cells = (np.indices((512, 512)) // 32).sum(axis=0)
    texture = np.where((cells % 2)[..., None] == 1, np.uint8([200, 60, 40]), np.uint8([230, 225, 210]))
    return Mesh(
        vertices=((0.36 * middle + 0.14 * normal).astype(np.float32)),
        normals=normal.astype(np.float32),
        uvs=np.column_stack([4 * u, 2 * v]).astype(np.float32),
        occlusion=np.ones(len(u), np.float32),
        faces=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32),
        face_material=np.zeros(2 * len(quads), np.int32),
        materials=(Material((1.0, 1.0, 1.0), roughness=0.4, texture=texture),),
    )


def outdoors(width: int) -> Environment:
    """Sky, ground, some detail and a sun."""
    rng = np.random.default_rng(0)
    vectors = directions(width // 2, width)
    panorama = np.where(vectors[..., 1:2] > 0, [0.35, 0.55, 1.0], [0.3, 0.25, 0.15])
    panorama = panorama * rng.uniform(0.7, 1.3, (*panorama.shape[:2], 1))
    panorama[vectors @ (np.array([0.6, 0.5, -0.6]) / 0.985) > np.cos(np.radians(1.0))] = 3000.0
    return Environment("outdoors", panorama.astype(np.float32))


def random_scenes(count: int) -> SceneBatch:
    """Whole objects at 1.2 to 3 metres."""
    rng = np.random.default_rng(1)
    depth = rng.uniform(1.2, 3.0, count)
    rotations = trimesh.transformations.random_rotation_matrix
    return SceneBatch(
        mesh=np.zeros(count, int),
        environment=np.zeros(count, int),
        position=np.column_stack([*(rng.uniform(-0.15, 0.15, (2, count)) * depth), depth]),
        rotation=np.stack([rotations(rng.random(3))[:3, :3] for _ in range(count)]),
        camera=np.stack([rotations(rng.random(3))[:3, :3] for _ in range(count)]),
    )


def eye_poses(scenes: SceneBatch) -> np.ndarray:
    """(B, 4, 4) object frame to OpenGL eye frame."""
    poses = np.tile(np.eye(4), (len(scenes), 1, 1))
    poses[:, :3, :3] = MIRROR @ scenes.rotation @ MIRROR
    poses[:, :3, 3] = scenes.position @ MIRROR
    return poses


class Pyrender:
    """pyrender on EGL (Mesa llvmpipe): 4-fold multi-sampling, metal/rough shading, a shadow map as large as ours."""

    def __init__(self, mesh: Mesh, size: int) -> None:
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
        import pyrender

        pyrender.light.SHADOW_TEX_SZ = 256  # as ours; its own 4096 would take most of the time
        self.flags = pyrender.RenderFlags.SHADOWS_DIRECTIONAL
        self.scene = pyrender.Scene(ambient_light=[0.3] * 3, bg_color=[0.4, 0.6, 1.0])
        self.node = self.scene.add(pyrender.Mesh.from_trimesh(as_trimesh(mesh)))
        self.scene.add(pyrender.PerspectiveCamera(yfov=np.radians(FIELD_OF_VIEW), znear=0.05, zfar=20.0))
        light = trimesh.transformations.euler_matrix(-0.7, 0.6, 0.0)
        self.scene.add(pyrender.DirectionalLight(intensity=4.0), pose=light)
        self.renderer = pyrender.OffscreenRenderer(size, size)

    def draw(self, pose: np.ndarray) -> np.ndarray:
        self.scene.set_pose(self.node, pose)
        return self.renderer.render(self.scene, self.flags)[0]

    def mask(self, pose: np.ndarray) -> np.ndarray:
        self.scene.set_pose(self.node, pose)
        return self.renderer.render(self.scene, self.flags)[1] > 0


class Mujoco:
    """MuJoCo's renderer on EGL (Mesa llvmpipe): 4-fold multi-sampling, a shadow map as large as ours."""

    def __init__(self, mesh: Mesh, size: int) -> None:
        os.environ.setdefault("MUJOCO_GL", "egl")
        import mujoco

        with tempfile.TemporaryDirectory() as folder:
            as_trimesh(mesh).export(Path(folder) / "mesh.obj")
            Image.fromarray(mesh.materials[0].texture).save(Path(folder) / "texture.png")
            self.model = mujoco.MjModel.from_xml_string(f"""<mujoco>
                <compiler meshdir="{folder}" texturedir="{folder}"/>
                <visual><quality shadowsize="256" offsamples="4"/><global fovy="{FIELD_OF_VIEW}"/></visual>
                <statistic extent="2" center="0 0 -2"/>
                <asset><mesh name="mesh" file="mesh.obj"/><texture name="texture" type="2d" file="texture.png"/>
                <material name="material" texture="texture"/></asset>
                <worldbody><camera name="eye" fovy="{FIELD_OF_VIEW}"/>
                <light directional="true" dir="-.5 -.5 -.7" castshadow="true"/>
                <body name="object" mocap="true"><geom type="mesh" mesh="mesh" material="material"/></body>
                </worldbody></mujoco>""")
        self.mujoco, self.data = mujoco, mujoco.MjData(self.model)
        self.renderer = mujoco.Renderer(self.model, size, size)

    def draw(self, pose: np.ndarray) -> np.ndarray:
        self.data.mocap_pos[0] = pose[:3, 3]
        self.data.mocap_quat[0] = trimesh.transformations.quaternion_from_matrix(pose)
        self.mujoco.mj_forward(self.model, self.data)
        self.renderer.update_scene(self.data, camera="eye")
        return self.renderer.render()

    def mask(self, pose: np.ndarray) -> np.ndarray:
        self.renderer.enable_segmentation_rendering()
        segments = self.draw(pose)
        self.renderer.disable_segmentation_rendering()
        return segments[..., 0] >= 0


class Pybullet:
    """PyBullet's TinyRenderer on the CPU: shadows, but no anti-aliasing."""

    def __init__(self, mesh: Mesh, size: int) -> None:
        with quiet_output():
            import pybullet

            self.pybullet, self.size = pybullet, size
            self.client = pybullet.connect(pybullet.DIRECT)
            with tempfile.TemporaryDirectory() as folder:
                as_trimesh(mesh).export(Path(folder) / "mesh.obj")
                Image.fromarray(mesh.materials[0].texture).save(Path(folder) / "texture.png")
                shape = pybullet.createVisualShape(pybullet.GEOM_MESH, fileName=str(Path(folder) / "mesh.obj"))
                self.body = pybullet.createMultiBody(baseVisualShapeIndex=shape)
                texture = pybullet.loadTexture(str(Path(folder) / "texture.png"))
                pybullet.changeVisualShape(self.body, -1, textureUniqueId=texture)
        self.view = np.eye(4).ravel().tolist()
        self.projection = pybullet.computeProjectionMatrixFOV(FIELD_OF_VIEW, 1.0, 0.05, 20.0)

    def draw(self, pose: np.ndarray) -> np.ndarray:
        return self._render(pose)[2]

    def mask(self, pose: np.ndarray) -> np.ndarray:
        return np.reshape(self._render(pose)[4], (self.size, self.size)) == self.body

    def _render(self, pose: np.ndarray) -> tuple:
        quaternion = np.roll(trimesh.transformations.quaternion_from_matrix(pose), -1)
        self.pybullet.resetBasePositionAndOrientation(self.body, pose[:3, 3], quaternion)
        return self.pybullet.getCameraImage(
            self.size,
            self.size,
            self.view,
            self.projection,
            lightDirection=[0.5, 0.5, 0.7],
            shadow=1,
            renderer=self.pybullet.ER_TINY_RENDERER,
        )


PEERS: dict[str, Callable[[Mesh, int], Peer]] = {
    "pyrender (EGL, software)": Pyrender,
    "MuJoCo (EGL, software)": Mujoco,
    "PyBullet TinyRenderer": Pybullet,
}


def as_trimesh(mesh: Mesh) -> trimesh.Trimesh:
    texture = Image.fromarray(mesh.materials[0].texture)
    material = trimesh.visual.material.PBRMaterial(baseColorTexture=texture, roughnessFactor=0.4, metallicFactor=0.0)
    visual = trimesh.visual.TextureVisuals(uv=mesh.uvs, material=material)
    return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_normals=mesh.normals, visual=visual, process=False)


@contextmanager
def quiet_output() -> Iterator[None]:
    """Nothing on standard output or standard error, whoever writes it."""
    kept, nowhere = [os.dup(1), os.dup(2)], os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, descriptor in zip((1, 2), kept, strict=True):
            os.dup2(descriptor, stream)
            os.close(descriptor)
        os.close(nowhere)


def covered(renderer: WarpRenderer, scenes: SceneBatch) -> np.ndarray:
    """(B, size, size) bool: pixels that the object changes."""
    away = SceneBatch(scenes.mesh, scenes.environment, -scenes.position, scenes.rotation, scenes.camera)
    return (renderer.render(scenes).images != renderer.render(away).images).any(axis=-1)


def rate(work: Callable[[], object], count: int) -> float:
    """Images per CPU-second of all threads."""
    start = time.process_time()
    work()
    return count / (time.process_time() - start)


def compare(name: str, size: int, count: int, repeats: int) -> dict:
    """Ours and one peer in turns."""
    mesh, scenes = torus(), random_scenes(count)
    renderer = WarpRenderer([mesh], [outdoors(1024)], size=size)
    renderer.render(scenes)
    line = {"case": f"render_{size}px", "ours": None, "alternative": None, "unit": "images per CPU-second"}
    line |= {"alternative_name": name, "ratio": None, "error": None, "n": count * repeats}
    line["peak_mib"] = peak_mib()
    poses = eye_poses(scenes)
    peer: Peer | None = None
    try:
        peer = PEERS[name](mesh, size)
        peer.draw(poses[0])
    except Exception as error:  # not installed, or no EGL: whatever the reason, the others still count
        line["skipped"] = f"{type(error).__name__}: {error}".splitlines()[0]
    ours, theirs = [], []
    for _ in range(repeats):
        ours.append(rate(lambda: renderer.render(scenes), count))
        if peer is not None:
            theirs.append(rate(lambda: [peer.draw(pose) for pose in poses], count))
    line["ours"] = round(statistics.median(ours), 1)
    if peer is not None:
        line["alternative"] = round(statistics.median(theirs), 1)
        line["ratio"] = round(statistics.median(ours) / statistics.median(theirs), 2)
        some = slice(0, min(count, 8))
        masks = np.stack([peer.mask(pose) for pose in poses[some]])
        line["error"] = round(float(np.mean(masks != covered(renderer, scenes)[some])), 4)
    return line


def compare_in_own_process(name: str, count: int, repeats: int) -> None:
    """Two libraries that open EGL get into each other's way in one process; so does what they write when it ends."""
    lines = [compare(name, size, count, repeats) for size in SIZES]
    report(lines)
    os._exit(0)


def time_device(size: int, count: int, repeats: int, device: str) -> dict:
    """Images per second of wall-clock time; they stay on the device."""
    renderer, scenes, seconds = WarpRenderer([torus()], [outdoors(1024)], size=size, device=device), None, []
    scenes = random_scenes(count)
    for _ in range(repeats + 1):
        start = time.perf_counter()
        renderer.render_torch(scenes)[0].float().mean().item()  # reading one number waits for the device
        seconds.append(time.perf_counter() - start)
    return {
        "case": f"render_{size}px_{device}",
        "ours": round(count / statistics.median(seconds[1:]), 1),
        "alternative": None,
        "unit": "images per second",
        "alternative_name": None,
        "ratio": None,
        "error": None,
        "peak_mib": peak_mib(),
        "n": count * repeats,
    }


def time_end_to_end(size: int, count: int) -> dict:
    """Sample, draw, encode and write a shard, in one process; next to the renderer's part of it alone."""
    recipe = Recipe(count, 1, size, 0, ("chair", "apple", "teakettle"), environments="procedural:meadow,living_room")
    with tempfile.TemporaryDirectory() as folder:
        render_shard(recipe, "warm-up", Path(folder), "train", "warm.parquet", 0, 50)
        whole = rate(lambda: render_shard(recipe, "timed", Path(folder), "train", "timed.parquet", 50, count), count)
    studio = Studio(recipe)
    samples = [studio.sampler.draw(index) for index in range(50, 50 + count)]
    studio.draw(samples[:50])
    alone = rate(lambda: studio.draw(samples), count)
    return {
        "case": f"end_to_end_{size}px",
        "ours": round(whole, 1),
        "alternative": round(alone, 1),
        "unit": "images per CPU-second",
        "alternative_name": "the renderer's part alone",
        "ratio": round(whole / alone, 2),
        "error": None,
        "peak_mib": peak_mib(),
        "n": count,
    }


def draw_for(recipe: Recipe, first: int, seconds: float, start_line: Any, rates: multiprocessing.Queue) -> None:
    """Put images per second of wall-clock time into the queue, measured while all processes draw."""
    count = 16
    studio = Studio(recipe)
    samples = [studio.sampler.draw(index) for index in range(first, first + count)]
    studio.draw(samples[:8])
    start_line.wait()
    done, start = 0, time.monotonic()
    while time.monotonic() - start < seconds:
        studio.draw(samples)
        done += count
    rates.put(done / (time.monotonic() - start))


def time_scaling(size: int, seconds: float) -> dict:
    """Two processes at once next to one alone, in images per second of wall-clock time."""
    recipe = Recipe(100, 1, size, 0, ("chair", "apple", "teakettle"), environments="procedural:meadow,living_room")
    spawn = multiprocessing.get_context("spawn")

    def together(number: int) -> float:
        rates, line = spawn.Queue(), spawn.Barrier(number)
        jobs = [spawn.Process(target=draw_for, args=(recipe, 16 * k, seconds, line, rates)) for k in range(number)]
        for job in jobs:
            job.start()
        found = [rates.get() for _ in range(number)]
        for job in jobs:
            job.join()
        return sum(found)

    alone, both = together(1), together(2)
    return {
        "case": f"two_processes_{size}px",
        "ours": round(both, 1),
        "alternative": round(alone, 1),
        "unit": "images per second",
        "alternative_name": "one process",
        "ratio": round(both / alone, 2),
        "error": None,
        "peak_mib": peak_mib(),
        "n": round((both + alone) * seconds),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    count, repeats = (8, 3) if options.quick else (64, 5)
    if options.device != "cpu":
        report([time_device(size, 16 * count, repeats, options.device) for size in SIZES], options.device)
        return
    report([time_end_to_end(size, 100 if options.quick else 500) for size in SIZES])
    report([time_scaling(SIZES[0], 3.0 if options.quick else 15.0)])
    processes = multiprocessing.get_context("spawn")
    for name in PEERS:
        process = processes.Process(target=compare_in_own_process, args=(name, count, repeats))
        process.start()
        process.join()


if __name__ == "__main__":
    main()
