"""The default renderer: rasterised, lit by panoramas, on the CPU or on CUDA from one source (NVIDIA Warp)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import warp as wp

from mlspatial.core.errors import BadValue
from mlspatial.core.hashing import content_id
from mlspatial.core.names import cache_folder
from mlspatial.render.engine import FIELD_OF_VIEW, NEAR, RENDERERS, Rendered, SceneBatch
from mlspatial.render.lighting import forget_tables, light_environment
from mlspatial.render.mesh import Collection, Environment, Mesh
from mlspatial.render.shelf import Shelf
from mlspatial.render.warp import ground, kernels
from mlspatial.render.warp.assets import light_arrays, mesh_arrays, upload_assets
from mlspatial.render.warp.shading import shade

SHADOW_SIZES = 128, 1024  # least and most texels along a side of the shadow map; else the next power of two
TEXTURE_SIZES = 64, 2048  # the same for textures: a near object spreads one over about four pictures, back included
CHUNK = {"cpu": 16, "cuda": 64}  # images in flight; on the CPU more would only leave its caches
STRIP = 256  # items that one thread works through on the CPU
BLOCK, BLOCKS = 256, {"shade": 64}  # threads of a block on CUDA: fewer where each needs many registers
MASK_SIZE = 256  # cells along a side of the grid that measures the visible fraction
LAYOUT = 3  # of the arrays that are kept on disk; counts up when there are others, though the pictures stay
FARTHEST_CELL = 4.0  # picture widths beyond the border up to which an object is counted as covering the plane


@RENDERERS.register("warp")
class WarpRenderer:
    """Draws one object per image in front of its panorama and lit by it.

    Triangles -> visibility buffer -> shadow map of the main light -> what the ground loses to the object's soft shadow
    and to its hiding of the sky -> each pixel's triangles shaded once -> 2 x 2 samples averaged in linear light -> tone
    map -> sRGB bytes. An image depends on its own scene alone: neither on its
    neighbours in the batch nor on the process. The bytes are the same on every run on one kind of processor; another
    processor or CUDA may round differently.

    device: "cpu" or a CUDA device ("cuda", "cuda:1"). On the CPU one renderer uses one core: start several processes.
    The CUDA path launches the same kernels; it was never run by the authors of this file.
    Raises BadValue for an empty list, a size below 1 or a scene that names no mesh, environment or place.
    """

    name = "warp"
    version = "4"
    turns_light = True

    def __init__(
        self,
        meshes: Sequence[Mesh],
        environments: Sequence[Environment],
        *,
        size: int,
        device: str = "cpu",
        chunk: int | None = None,
    ) -> None:
        if size < 1:
            raise BadValue("size", size, "a picture needs at least one pixel")
        if not meshes or not environments:
            given = f"{len(meshes)} meshes, {len(environments)} environments"
            raise BadValue("meshes, environments", given, "a renderer needs one of each at least")
        self.check_device(device)
        self.size, self.device = size, device
        self.focal = _focal(size)
        shapes, lights = (shelf.load() for shelf in _shelves(meshes, environments, size))
        forget_tables()
        self._light_direction = lights.arrays["light_direction"]
        self._bounds = shapes.arrays["bounds"]
        self._vertex_count, self._face_count = shapes.counts("vertices"), shapes.counts("faces")
        self._assets = upload_assets(shapes, lights, device)
        self._chunk = chunk or CHUNK["cpu" if device == "cpu" else "cuda"]
        self._frame: Any = None

    @staticmethod
    def check_device(device: str) -> None:
        """Raise BadValue for a CUDA device where there is none."""
        kernels.start()
        if device != "cpu" and not wp.is_cuda_available():
            raise BadValue("device", device, "no CUDA device is found here; use cpu")

    @classmethod
    def prepare(
        cls, meshes: Sequence[Mesh], environments: Sequence[Environment], *, size: int, part: int, parts: int
    ) -> None:
        """Make every parts-th of the kernels' arrays, beginning with number `part`, where they are kept on disk."""
        for shelf in _shelves(meshes, environments, size):
            shelf.fill(part, parts)

    def render(self, scenes: SceneBatch) -> Rendered:
        """Images and visible fractions of the scenes, in host memory."""
        images, visible = self._draw(scenes)
        return Rendered(images.numpy(), visible)

    def render_torch(self, scenes: SceneBatch) -> tuple[Any, Any]:
        """The same as torch tensors: images (B, size, size, 3) uint8 on the renderer's device, without a copy;
        visible (B,) float32 on the CPU."""
        import torch

        images, visible = self._draw(scenes)
        wp.synchronize_device(self.device)  # torch works on a stream of its own
        return wp.to_torch(images), torch.from_numpy(visible)

    def _draw(self, scenes: SceneBatch) -> tuple[Any, np.ndarray]:
        self._check(scenes)
        count = len(scenes)
        images = wp.empty((count, self.size, self.size, 3), dtype=wp.uint8, device=self.device)
        visible = np.ones(count, np.float32)
        for start in range(0, count, self._chunk):
            part = slice(start, min(start + self._chunk, count))
            self._draw_chunk(_part(scenes, part), images[part], visible[part])
        return images, visible

    def _draw_chunk(self, scenes: SceneBatch, images: Any, visible: np.ndarray) -> None:
        """Fill images and visible (views on the results) for at most a chunk of scenes."""
        frame, count = self._prepare(scenes), len(scenes)
        vertices = int(self._vertex_count[scenes.mesh].max())
        faces = int(self._face_count[scenes.mesh].max())
        frame.visibility[:count].zero_()
        frame.shadow[:count].zero_()
        self._launch(kernels.transform, (count, vertices), frame)
        self._launch(kernels.draw_visibility, (count, faces), frame)
        self._launch(kernels.draw_shadow, (count, faces), frame)
        if scenes.ground is not None and scenes.ground.any():
            self._launch_ground(frame, count)
        self._launch(shade, (count, self.size, self.size), frame, images)
        low, high = self._projected_bounds(scenes)
        samples = self.size * kernels.SAMPLES
        crossing = np.flatnonzero((low < 0.0).any(axis=1) | (high > samples).any(axis=1))
        if len(crossing):
            visible[crossing] = self._visible_fraction(frame, crossing, low[crossing], high[crossing], faces)

    def _launch_ground(self, frame: Any, count: int) -> None:
        """Fill what the ground below the object needs: the outline's levels, and the share of the sky."""
        strip = STRIP if self.device == "cpu" else 1
        for level in range(1, frame.outline_levels + 1):
            rows = -(-(frame.shadow_size >> level) // strip)
            kernel, more = (ground.begin_outline, []) if level == 1 else (ground.halve_outline, [level])
            wp.launch(kernel, dim=(count, rows), inputs=[self._assets, frame, strip, *more], device=self.device)
        self._launch(ground.hide_sky, (count, frame.sky_size, frame.sky_size), frame)

    def _launch(self, kernel: Any, shape: tuple[int, ...], frame: Any, *more: Any) -> None:
        """Launch a kernel over images and items, the last axis of shape, which threads take in strips."""
        strip = STRIP if self.device == "cpu" else 1
        dim = (*shape[:-1], -(-shape[-1] // strip))
        block = BLOCKS.get(kernel.key, BLOCK)
        inputs = [self._assets, frame, strip, *more]
        wp.launch(kernel, dim=dim, inputs=inputs, device=self.device, block_dim=block)

    def _prepare(self, scenes: SceneBatch) -> Any:
        """The frame with this chunk's scenes in it; buffers are allocated once."""
        if self._frame is None:
            self._frame = _allocate_frame(
                self._chunk, self.size, int(self._vertex_count.max()), self.focal, self.device
            )
        frame, count = self._frame, len(scenes)
        lighting = scenes.camera if scenes.light is None else _turned(scenes.camera, scenes.light)
        light = np.einsum("bwc,bw->bc", lighting, self._light_direction[scenes.environment])
        frame.scale = float(scenes.scale)
        for buffer, values in (
            (frame.mesh, scenes.mesh),
            (frame.environment, scenes.environment),
            (frame.pose, scenes.rotation * scenes.scale),
            (frame.position, scenes.position),
            (frame.camera, scenes.camera),
            (frame.lighting, lighting),
            (frame.ground, np.zeros(count) if scenes.ground is None else scenes.ground),
            (frame.light, _shadow_axes(light)),
        ):
            dtype = np.int32 if buffer.dtype is wp.int32 else np.float32
            buffer[:count].assign(np.ascontiguousarray(values, dtype))
        return frame

    def _projected_bounds(self, scenes: SceneBatch) -> tuple[np.ndarray, np.ndarray]:
        """(B, 2) least and greatest x, y in samples of the objects' bounding boxes, infinite behind the camera."""
        corner = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)])
        boxes = self._bounds[scenes.mesh]  # (B, 2, 3)
        corners = boxes[:, corner, np.arange(3)] * scenes.scale
        points = np.einsum("bij,bkj->bki", scenes.rotation, corners) + scenes.position[:, None]
        behind = (points[..., 2] <= NEAR).any(axis=1)
        z = np.maximum(points[..., 2:], NEAR)
        half = 0.5 * self.size
        pixels = half + self.focal * np.array([1.0, -1.0]) * points[..., :2] / z
        low, high = pixels.min(axis=1) * kernels.SAMPLES, pixels.max(axis=1) * kernels.SAMPLES
        low[behind], high[behind] = -np.inf, np.inf
        return low, high

    def _visible_fraction(
        self, frame: Any, images: np.ndarray, low: np.ndarray, high: np.ndarray, faces: int
    ) -> np.ndarray:
        """Fractions for images (indices into the frame) whose bounding box, low to high in samples, crosses the border.

        The plane of the picture is cut into cells, a whole number across the picture and few enough for the box to fit
        a MASK_SIZE grid. Up to that size a cell is a sample and the count exact; beyond it is good to about 1 / 1000.
        """
        samples = self.size * kernels.SAMPLES
        reach = FARTHEST_CELL * samples
        low, high = np.clip(low, -reach, samples + reach), np.clip(high, -reach, samples + reach)
        extent = np.maximum((high - low).max(axis=1), 1.0)
        across = np.clip(np.floor(samples * (MASK_SIZE - 2) / extent), 1, samples).astype(np.int32)
        cells = across / samples
        origin = np.floor(low * cells[:, None]).astype(np.int32)
        masks = wp.zeros((len(images), MASK_SIZE**2), dtype=wp.uint8, device=self.device)
        counts = wp.zeros((len(images), 2), dtype=int, device=self.device)
        grids = self._upload(np.column_stack([cells, origin]).astype(np.float32), wp.vec3)
        windows = self._upload(np.column_stack([across, origin]), wp.vec3i)
        chosen = self._upload(images.astype(np.int32), int)
        self._launch(kernels.draw_mask, (len(images), faces), frame, chosen, grids, MASK_SIZE, masks)
        wp.launch(
            kernels.count_mask,
            dim=(len(images), MASK_SIZE),
            inputs=[masks, windows, MASK_SIZE, counts],
            device=self.device,
        )
        covered, inside = counts.numpy().T
        return inside / np.maximum(covered, 1)

    def _upload(self, values: np.ndarray, dtype: Any) -> Any:
        return wp.array(np.ascontiguousarray(values), dtype=dtype, device=self.device)

    def _check(self, scenes: SceneBatch) -> None:
        if not len(scenes):
            return
        for name, indices, count in (
            ("mesh", scenes.mesh, len(self._face_count)),
            ("environment", scenes.environment, len(self._light_direction)),
        ):
            wrong = (np.asarray(indices) < 0) | (np.asarray(indices) >= count)
            if wrong.any():
                raise BadValue(f"scenes.{name}", np.asarray(indices)[wrong][0], f"the renderer has {count} of them")
        for name, shape in (("environment", ()), ("position", (3,)), ("rotation", (3, 3)), ("camera", (3, 3))):
            values, expected = np.asarray(getattr(scenes, name)), (len(scenes), *shape)
            if values.shape != expected or not np.isfinite(values).all():
                raise BadValue(f"scenes.{name}", values.shape, f"finite numbers of shape {expected}")


def _focal(size: int) -> float:
    """Of a camera whose pictures are `size` pixels wide, in pixels."""
    return float(0.5 * size / np.tan(np.radians(FIELD_OF_VIEW) / 2.0))


def _shelves(meshes: Sequence[Mesh], environments: Sequence[Environment], size: int) -> tuple[Shelf, Shelf]:
    """The kernels' arrays of the meshes and of the environments, for pictures of this size."""
    texels = _power_of_two(4 * size, *TEXTURE_SIZES)

    def shelf(assets: Sequence[Any], kind: str, detail: int, make: Callable[[int], dict[str, np.ndarray]]) -> Shelf:
        if not isinstance(assets, Collection):
            return Shelf(None, len(assets), make)
        key = content_id([assets.key, detail, WarpRenderer.version, LAYOUT])
        return Shelf(cache_folder("assets", f"warp-{kind}") / key, len(assets), make)

    return (
        shelf(meshes, "meshes", texels, lambda i: mesh_arrays(meshes[i], i, texels)),
        shelf(environments, "lights", size, lambda i: light_arrays(light_environment(environments[i], _focal(size)))),
    )


def _part(scenes: SceneBatch, part: slice) -> SceneBatch:
    return SceneBatch(
        mesh=np.asarray(scenes.mesh[part]),
        environment=np.asarray(scenes.environment[part]),
        position=np.asarray(scenes.position[part], np.float64),
        rotation=np.asarray(scenes.rotation[part], np.float64),
        camera=np.asarray(scenes.camera[part], np.float64),
        scale=scenes.scale,
        ground=None if scenes.ground is None else np.asarray(scenes.ground[part], np.float64),
        light=None if scenes.light is None else np.asarray(scenes.light[part], np.float64),
    )


def _turned(camera: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """(B, 3, 3) rotations from the camera frame to that of an environment which is turned about the vertical."""
    angle = np.radians(degrees)
    turn = np.zeros((len(camera), 3, 3))
    turn[:, 0, 0] = turn[:, 2, 2] = np.cos(angle)
    turn[:, 0, 2], turn[:, 2, 0], turn[:, 1, 1] = -np.sin(angle), np.sin(angle), 1.0
    return turn @ camera


def _shadow_axes(light: np.ndarray) -> np.ndarray:
    """(B, 3, 3) for directions to the light (B, 3): rows are two axes of the shadow map and the direction."""
    steep = np.abs(light[:, 1:2]) > 0.9
    right = np.cross(np.where(steep, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), light)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return np.stack([right, np.cross(light, right), light], axis=1)


def _allocate_frame(chunk: int, size: int, vertices: int, focal: float, device: str) -> Any:
    shadow = _power_of_two(size, *SHADOW_SIZES)
    sky = -(-size // ground.SKY_CELL) + 1
    frame = kernels.Frame()
    for name, shape, dtype in (
        ("mesh", chunk, int),
        ("environment", chunk, int),
        ("pose", chunk, wp.mat33),
        ("position", chunk, wp.vec3),
        ("camera", chunk, wp.mat33),
        ("lighting", chunk, wp.mat33),
        ("ground", chunk, float),
        ("light", chunk, wp.mat33),
        ("projected", (chunk, vertices), wp.vec3),
        ("lit", (chunk, vertices), wp.vec3),
        ("visibility", (chunk, (size * kernels.SAMPLES) ** 2), wp.uint64),
        ("shadow", (chunk, shadow**2), float),
        ("outline", (chunk, shadow**2 // 3), wp.vec2),
        ("sky", (chunk, sky**2), float),
    ):
        setattr(frame, name, wp.zeros(shape, dtype=dtype, device=device))
    frame.outline_levels = int(np.log2(shadow // ground.COARSEST))
    frame.sky_size = sky
    frame.size, frame.shadow_size, frame.focal, frame.near = size, shadow, float(focal), NEAR
    return frame


def _power_of_two(value: int, least: int, most: int) -> int:
    """The next power of two, within limits."""
    return int(np.clip(2 ** np.ceil(np.log2(value)), least, most))
