"""The default renderer: rasterised, lit by panoramas, on the CPU or on CUDA from one source (NVIDIA Warp)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import warp as wp

from mlspatial.core.errors import BadValue
from mlspatial.core.hashing import content_id
from mlspatial.core.names import cache_folder
from mlspatial.render.engine import FIELD_OF_VIEW, MOST_OTHERS, NEAR, RENDERERS, TRUTHS, Others, Rendered, SceneBatch
from mlspatial.render.lighting import forget_tables, light_environment
from mlspatial.render.mesh import Collection, Environment, Mesh
from mlspatial.render.shelf import Shelf
from mlspatial.render.warp import glass, ground, kernels, several
from mlspatial.render.warp.assets import light_arrays, mesh_arrays, upload_assets
from mlspatial.render.warp.layers import LayeredMeshes
from mlspatial.render.warp.rows import Rows, chunks, part_of, rows_of
from mlspatial.render.warp.shading import View, shade

SHADOW_SIZES = 128, 1024  # least and most texels along a side of the shadow map; else the next power of two
TEXTURE_SIZES = 64, 2048  # the same for textures: a near object spreads one over about four pictures, back included
CHUNK = {"cpu": 16, "cuda": 64}  # images in flight; on the CPU more would only leave its caches
STRIP = 256  # items that one thread works through on the CPU
BLOCK, BLOCKS = 256, {"shade": 64}  # threads of a block on CUDA: fewer where each needs many registers
MASK_SIZE = 256  # cells along a side of the grid that measures the visible fraction
LAYOUT = 4  # of the arrays that are kept on disk; counts up when there are others, though the pictures stay
FARTHEST_CELL = 4.0  # picture widths beyond the border up to which an object is counted as covering the plane


@RENDERERS.register("warp")
class WarpRenderer:
    """Draws one object per image, or several, in front of its panorama and lit by it.

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
    draws_others = True
    tells = frozenset(TRUTHS)

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
        self._layers = LayeredMeshes(shapes, self._assets, device)
        self._chunk = chunk or CHUNK["cpu" if device == "cpu" else "cuda"]
        self._frame: Any = None
        self._rows = 0  # of the frame's buffers

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

    def render(self, scenes: SceneBatch, truth: frozenset[str] = frozenset()) -> Rendered:
        """Images, visible fractions and what else is asked for of the scenes, in host memory."""
        told = self._told(len(scenes), truth)
        images, visible = self._draw(scenes, told)
        return Rendered(images.numpy(), visible, {name: told[name] for name in TRUTHS if name in truth})

    def render_torch(self, scenes: SceneBatch) -> tuple[Any, Any]:
        """The same as torch tensors: images (B, size, size, 3) uint8 on the renderer's device, without a copy;
        visible (B,) float32 on the CPU."""
        import torch

        images, visible = self._draw(scenes, {})
        wp.synchronize_device(self.device)  # torch works on a stream of its own
        return wp.to_torch(images), torch.from_numpy(visible)

    def _told(self, count: int, truth: frozenset[str]) -> dict[str, np.ndarray]:
        """Room for what is asked for beside the images: all of it, or nothing."""
        if unknown := sorted(truth - self.tells):
            raise BadValue("truth", unknown[0], f"is none of {', '.join(TRUTHS)}")
        shape = (count, self.size, self.size)
        kinds = {"depth": np.float32, "instances": np.uint8, "amodal": np.bool_}
        return {name: np.empty(shape, kind) for name, kind in kinds.items()} if truth else {}

    def _draw(self, scenes: SceneBatch, told: dict[str, np.ndarray]) -> tuple[Any, np.ndarray]:
        self._check(scenes)
        count = len(scenes)
        images = wp.empty((count, self.size, self.size, 3), dtype=wp.uint8, device=self.device)
        visible = np.ones(count, np.float32)
        for part in chunks(scenes, self._chunk, self._layers.there):
            views = {name: values[part] for name, values in told.items()}
            self._draw_chunk(part_of(scenes, part), images[part], visible[part], views)
            self._layers.forget()
        return images, visible

    def _draw_chunk(self, scenes: SceneBatch, images: Any, visible: np.ndarray, told: dict[str, np.ndarray]) -> None:
        """Fill images, visible and told (views on the results) for at most a chunk of scenes."""
        rows, count = rows_of(scenes), len(scenes)
        frame, objects = self._prepare(rows), len(rows)
        mesh = rows.scenes.mesh
        vertices = int(self._vertex_count[mesh].max())
        faces = int(self._face_count[mesh].max())
        frame.visibility[:count].zero_()
        frame.shadow[:objects].zero_()
        self._launch(kernels.transform, (objects, vertices), frame)
        self._launch(kernels.draw_visibility, (count, faces), frame)
        layered = self._layers.of(rows) if self._layers.there[mesh].any() else None
        more = self._more(rows) if rows.several or told or layered is not None else None
        if more is not None:
            self._launch_bare(several.keep_target, (count, (self.size * kernels.SAMPLES) ** 2), frame, more)
        if rows.several:
            self._launch(several.draw_others, (objects - count, faces), frame, more, count)
        if layered is None:
            self._launch(kernels.draw_shadow, (objects, faces), frame)
        else:
            self._launch(glass.draw_opaque_shadow, (objects, faces), frame, layered)
        if scenes.ground is not None and scenes.ground.any():
            self._launch_ground(frame, objects)
        if more is not None and (rows.several or layered is not None):
            wp.launch(several.look, dim=objects, inputs=[self._assets, frame, more], device=self.device)
        if layered is not None:
            self._launch(glass.shade_layered, (count, self.size, self.size), frame, more, layered, images)
        elif rows.several:
            self._launch(several.shade_several, (count, self.size, self.size), frame, more, images)
        else:
            self._launch(shade, (count, self.size, self.size), frame, images)
        low, high = self._projected_bounds(scenes)
        samples = self.size * kernels.SAMPLES
        crossing = np.flatnonzero((low < 0.0).any(axis=1) | (high > samples).any(axis=1))
        if len(crossing):
            visible[crossing] = self._visible_fraction(frame, crossing, low[crossing], high[crossing], faces)
        if rows.several:
            counts = wp.zeros((count, 2), dtype=int, device=self.device)
            dim = (count, self.size * kernels.SAMPLES)
            wp.launch(several.count_seen, dim=dim, inputs=[frame, more, counts], device=self.device)
            covered, seen = counts.numpy().T
            visible *= seen / np.maximum(covered, 1)
        if told:
            self._tell(frame, more, count, told)

    def _tell(self, frame: Any, more: Any, count: int, told: dict[str, np.ndarray]) -> None:
        """Fill what is asked for beside the images."""
        shape = (count, self.size, self.size)
        kinds = {"depth": float, "instances": wp.uint8, "amodal": wp.uint8}
        made = {name: wp.empty(shape, dtype=kind, device=self.device) for name, kind in kinds.items()}
        inputs = [frame, more, *made.values()]
        wp.launch(several.tell, dim=(count, self.size), inputs=inputs, device=self.device)
        for name, values in told.items():
            values[:] = made[name].numpy()

    def _more(self, rows: Rows) -> Any:
        """What kernels of several objects need beside the frame."""
        more, samples = several.Several(), (self.size * kernels.SAMPLES) ** 2
        for name, values in (
            ("owner", rows.owner),
            ("number", rows.number),
            ("label", rows.label),
            ("first_other", rows.first),
            ("end_other", rows.end),
        ):
            setattr(more, name, self._upload(values.astype(np.int32), int))
        more.views = wp.zeros(len(rows), dtype=View, device=self.device)
        more.alone = wp.empty((rows.images, samples), dtype=wp.uint8, device=self.device)
        return more

    def _launch_ground(self, frame: Any, count: int) -> None:
        """Fill what the ground below the object needs: the outline's levels, and the share of the sky."""
        strip = STRIP if self.device == "cpu" else 1
        for level in range(1, frame.outline_levels + 1):
            rows = -(-(frame.shadow_size >> level) // strip)
            kernel, more = (ground.begin_outline, []) if level == 1 else (ground.halve_outline, [level])
            wp.launch(kernel, dim=(count, rows), inputs=[self._assets, frame, strip, *more], device=self.device)
        self._launch(ground.hide_sky, (count, frame.sky_size, frame.sky_size), frame)

    def _launch_bare(self, kernel: Any, shape: tuple[int, int], frame: Any, more: Any) -> None:
        """_launch for a kernel that needs no assets."""
        strip = STRIP if self.device == "cpu" else 1
        wp.launch(kernel, dim=(shape[0], -(-shape[1] // strip)), inputs=[frame, more, strip], device=self.device)

    def _launch(self, kernel: Any, shape: tuple[int, ...], frame: Any, *more: Any) -> None:
        """Launch a kernel over images and items, the last axis of shape, which threads take in strips."""
        strip = STRIP if self.device == "cpu" else 1
        dim = (*shape[:-1], -(-shape[-1] // strip))
        block = BLOCKS.get(kernel.key, BLOCK)
        inputs = [self._assets, frame, strip, *more]
        wp.launch(kernel, dim=dim, inputs=inputs, device=self.device, block_dim=block)

    def _prepare(self, rows: Rows) -> Any:
        """The frame with this chunk's objects in it; buffers are allocated once, and again for an image of more."""
        if self._rows < max(len(rows), self._chunk):
            self._rows = max(len(rows), self._chunk)
            self._frame = None
            self._frame = _allocate_frame(self._rows, self.size, int(self._vertex_count.max()), self.focal, self.device)
        frame, scenes, count = self._frame, rows.scenes, len(rows)
        lighting = scenes.camera if scenes.light is None else _turned(scenes.camera, scenes.light)
        light = np.einsum("bwc,bw->bc", lighting, self._light_direction[scenes.environment])
        for buffer, values in (
            (frame.mesh, scenes.mesh),
            (frame.environment, scenes.environment),
            (frame.scale, rows.scale),
            (frame.pose, scenes.rotation * rows.scale[:, None, None]),
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
        if scenes.others is not None:
            self._check_others(scenes.others, len(scenes))

    def _check_others(self, others: Others, count: int) -> None:
        mesh, known = np.asarray(others.mesh), len(self._face_count)
        if mesh.ndim != 2 or len(mesh) != count or mesh.shape[1] > MOST_OTHERS:
            raise BadValue("scenes.others.mesh", mesh.shape, f"(images, up to {MOST_OTHERS})")
        if ((mesh < -1) | (mesh >= known)).any():
            raise BadValue("scenes.others.mesh", mesh[(mesh < -1) | (mesh >= known)][0], f"the renderer has {known}")
        for name, shape in (("position", (3,)), ("rotation", (3, 3)), ("scale", ())):
            values, expected = np.asarray(getattr(others, name)), (*mesh.shape, *shape)
            if values.shape != expected or not np.isfinite(values[mesh >= 0]).all():
                raise BadValue(f"scenes.others.{name}", values.shape, f"finite numbers of shape {expected}")


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
        ("scale", chunk, float),
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
