"""A stand-in for ThreeDWorld's build: it speaks the build's messages and draws what it was told with our own engine.

It knows Unity's state alone (where pivots and the camera are in the world, and how turned and scaled), not our latents,
and builds its models by the rule by which glTF's become Unity's: x changes its sign. A command or a parameter that it
does not know is an error that ends it, as would be one that a true build does not know.

    python -m tests.render.standin -port=1071          # its world is the JSON file that STANDIN names
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import zmq
from PIL import Image
from scipy.spatial.transform import Rotation

from mlspatial.render.engine import FAR, Others, SceneBatch
from mlspatial.render.environments import ProceduralEnvironments
from mlspatial.render.mesh import Environment, Mesh
from mlspatial.render.objects import ProceduralLibrary
from mlspatial.render.warp.engine import WarpRenderer
from tests.render import messages

PAIRS = (("chair", "chair#0"), ("chair", "chair#3"), ("hammer", "hammer#0"), ("teakettle", "teakettle#1"))
PANORAMAS = (("meadow", "clear_noon"), ("street", "overcast"), ("kitchen", "clear_noon"))
TURNS = (0.0, 90.0, 180.0, -90.0)  # canonical rotations of the models, in turns
HIGH = 100.0  # metres: above it nothing of a scene is seen


def model_name(identity: str) -> str:
    return identity.replace("#", "_")


def facts(number: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Of a model: longest axis (m), centre of its box (m) and canonical rotation, in its own frame."""
    turn = Rotation.from_euler("y", TURNS[number % len(TURNS)], degrees=True).as_matrix()
    return 0.4 + 0.45 * number, np.array([0.13, 0.3, -0.05]) * (number + 1), turn


def write_library(folder: Path, pairs: Sequence[tuple[str, str]] = PAIRS, **changes: Any) -> Path:
    """A metadata file in ThreeDWorld's form for the meshes of identities, with files where it says that they are."""
    records = {}
    for number, (category, identity) in enumerate(pairs):
        longest, centre, turn = facts(number)
        vertices = np.asarray(_mesh(category, identity).vertices, np.float64) * (-1.0, 1.0, 1.0)
        vertices = vertices @ turn * longest + centre  # turned back: the canonical rotation turns it to its front
        low, high = vertices.min(axis=0), vertices.max(axis=0)
        middle = (low + high) / 2
        ends = {"left": (0, low), "right": (0, high), "bottom": (1, low), "top": (1, high), "back": (2, low)}
        bounds = {"center": middle}
        for side, (axis, end) in {**ends, "front": (2, high)}.items():
            bounds[side] = np.where(np.arange(3) == axis, end, middle)
        name = model_name(identity)
        file = folder / f"{name}.bundle"
        file.write_bytes(b"")
        records[name] = {
            "name": name,
            "wcategory": category,
            "wnid": "n0",
            "do_not_use": False,
            "scale_factor": 1.0 + 0.1 * number,
            "canonical_rotation": {"x": 0.0, "y": TURNS[number % len(TURNS)], "z": 0.0},
            "bounds": {side: dict(zip("xyz", map(float, at), strict=True)) for side, at in bounds.items()},
            "urls": {"Linux": f"file://{file}"},
            **changes,
        }
    path = folder / "models.json"
    path.write_text(json.dumps({"description": "", "records": records}))
    return path


def _mesh(category: str, identity: str) -> Mesh:
    return ProceduralLibrary([category]).mesh(category, identity)


@dataclass
class World:
    """What the build has: models by name, a panorama for every sky, and its faults.

    wall: share of the picture's width, from the left, that the scene hides below HIGH; fault: what goes wrong (see
    StandIn), at which picture, once or always; version: of the build.
    """

    pairs: tuple[tuple[str, str], ...] = PAIRS
    panoramas: tuple[tuple[str, str], ...] = PANORAMAS
    wall: float = 0.0
    fault: str = ""
    at: int = 0
    always: bool = False
    version: str = "1.13.0"
    blank: bool = False  # draw nothing: grey pictures, made once
    regions: tuple[tuple[float, ...], ...] = ((0.0, 0.0, 0.0, 100.0, 10.0, 100.0),)  # centre and size
    played: str = ""  # a file that is there once a fault has been played

    @property
    def meshes(self) -> list[Mesh]:
        return [_mesh(*pair) for pair in self.pairs]

    @property
    def environments(self) -> list[Environment]:
        library = ProceduralEnvironments()
        return [library.environment(*view, width=512) for view in self.panoramas]

    def panorama_of(self, sky: str) -> int:
        return sum(sky.encode()) % len(self.panoramas)


@dataclass
class Thing:
    """An object in Unity: its model, scale, place of the pivot and rotation."""

    model: int
    color: tuple[int, int, int]
    scale: float = 1.0
    position: np.ndarray = field(default_factory=lambda: np.zeros(3))
    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))


class Ended(Exception):
    """The build ends here."""


class StandIn:
    """One build. run() serves until it is told to stop; errors holds what it was told and does not know.

    Faults, at picture number `at`: silence, die, half (a cut picture), none (no picture), frame (of an earlier frame),
    ftre (says that it did not get the message), flip (upside down), missing (a model cannot be loaded).
    """

    def __init__(self, world: World, port: int) -> None:
        self.world, self.port = world, port
        self.errors: list[str] = []
        self.stop = threading.Event()
        self.frame = self.pictures = 0
        self.told: list[str] = []
        self.objects: dict[int, Thing] = {}
        self.eye, self.camera = np.zeros(3), np.eye(3)
        self.scene = self.sky = ""
        self.avatars: set[str] = set()
        self.size, self.degrees, self.masks = 256, 54.43222, ("_img",)
        self.clip = 0.1, 100.0
        self.wanted: set[str] = set()
        self.colored: list[int] = []
        self.logs = False
        self._renderer: WarpRenderer | None = None
        self._grey: dict[str, bytes] = {}

    def run(self) -> None:
        context = zmq.Context()
        socket = context.socket(zmq.REQ)
        socket.connect(f"tcp://127.0.0.1:{self.port}")
        try:
            socket.send(b"")
            while not self.stop.is_set():
                if socket.poll(50):
                    socket.send_multipart(self._answer(json.loads(socket.recv())))
        except Ended as end:
            if end.args:
                socket.send_multipart(end.args[0])
        finally:
            socket.close(linger=1000)
            context.term()

    def _answer(self, commands: list[dict[str, Any]]) -> list[bytes]:
        self.frame += 1
        self.wanted, self.colored = set(), []
        try:
            for command in commands:
                command = dict(command)
                kind = command.pop("$type")
                self.told.append(kind)
                getattr(self, f"do_{kind}")(**command)
        except Ended:
            raise
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")
            said = [messages.log_part(self.errors[-1])] if self.logs else []
            raise Ended([*said, messages.quit_part(False), self._number()]) from error
        parts = []
        if "version" in self.wanted:
            parts.append(messages.version_part(self.world.version))
        if "regions" in self.wanted:
            parts.append(messages.regions_part(self.world.regions))
        if self.colored:
            parts.append(messages.colors_part({number: self.objects[number].color for number in self.colored}))
        if "images" in self.wanted:
            return self._pictures(parts)
        return [*parts, self._number()]

    def _number(self) -> bytes:
        return self.frame.to_bytes(4, "big")

    def _pictures(self, parts: list[bytes]) -> list[bytes]:
        fault = self._fault()
        self.pictures += 1
        if fault == "silence":
            self.stop.wait()
            raise Ended
        if fault == "die":
            raise Ended
        if fault == "ftre":
            self.frame -= 1
            return [messages.unheard_part(), self._number()]
        drawn = self._blank() if self.world.blank else self._draw()
        if self.world.fault == "flip":
            drawn = {name: pixels[::-1] for name, pixels in drawn.items()}
        encoded = {name: data if isinstance(data, bytes) else messages.png(data) for name, data in drawn.items()}
        if fault == "half":
            encoded = {name: data[: len(data) // 2] for name, data in encoded.items()}
        message = messages.images_part(encoded, self.size)
        if fault == "cut":
            message = message[: len(message) // 3]
        if fault == "none":
            return [*parts, self._number()]
        if fault == "frame":
            return [*parts, message, (1).to_bytes(4, "big")]
        return [*parts, message, self._number()]

    def _fault(self) -> str:
        """What goes wrong with this picture."""
        world = self.world
        if not world.fault or (self.pictures < world.at if world.always else self.pictures != world.at):
            return ""
        if world.played and not world.always:
            if Path(world.played).exists():
                return ""
            Path(world.played).touch()
        return world.fault

    def _blank(self) -> dict[str, bytes]:
        color = next(iter(self.objects.values())).color
        if "_img" not in self._grey:
            noise = np.random.default_rng(0).integers(0, 256, (self.size // 8, self.size // 8, 3)).astype(np.uint8)
            smooth = np.asarray(Image.fromarray(noise).resize((self.size, self.size), Image.Resampling.BICUBIC))
            self._grey["_img"] = messages.png(smooth)
        if (key := str(color)) not in self._grey:
            mask = np.zeros((self.size, self.size, 3), np.uint8)
            middle = slice(self.size // 4, 3 * self.size // 4)
            mask[middle, middle] = color
            self._grey[key] = messages.png(mask)
        return {name: self._grey[key if name == "_id" else name] for name in self.masks}

    def _draw(self) -> dict[str, np.ndarray]:
        """Passes of the picture, nearest object in front."""
        if self._renderer is None:
            self._renderer = WarpRenderer(self.world.meshes, self.world.environments, size=self.size, chunk=1)
        near = [thing for thing in self.objects.values() if abs(thing.position[1] - self.eye[1]) < FAR]
        poses = [self._pose(thing) for thing in near]
        scenes = SceneBatch(
            mesh=np.array([near[0].model]),
            environment=np.array([self.world.panorama_of(self.sky)]),
            position=poses[0][0][None],
            rotation=poses[0][1][None],
            camera=self.camera[None],
            scale=poses[0][2],
            ground=np.array([self.eye[1] if self.eye[1] < HIGH else 0.0]),
            others=None if len(near) == 1 else Others(
                np.array([[thing.model for thing in near[1:]]]),
                *(np.array([[pose[part] for pose in poses[1:]]]) for part in range(3)),
            ),
        )  # fmt: skip
        focal = 0.5 * self.size / np.tan(np.radians(self.degrees) / 2)
        self._renderer.focal = float(focal)
        if self._renderer._frame is not None:
            self._renderer._frame.focal = float(focal)
        rendered = self._renderer.render(scenes, frozenset(("instances", "depth")))
        image, instances = rendered.images[0].copy(), rendered.truth["instances"][0].copy()
        depth = rendered.truth["depth"][0]
        if self.world.wall and self.eye[1] < HIGH:
            hidden = np.arange(self.size) < self.world.wall * self.size
            instances[:, hidden], image[:, hidden] = 0, 90
        colors = np.array([(0, 0, 0), *(thing.color for thing in near)], np.uint8)
        drawn = {"_img": image, "_id": colors[instances], "_depth": messages.raw_depth(depth, *self.clip)}
        return {name: drawn[name] for name in self.masks}

    def _pose(self, thing: Thing) -> tuple[np.ndarray, np.ndarray, float]:
        """In the camera's frame: centre of the box, rotation; metres of the longest axis."""
        longest, centre, turn = facts(thing.model)
        middle = thing.position + thing.rotation @ (thing.scale * centre)
        # the mesh's x to the right of who looks at its front is Unity's -x; then the canonical turn, then the object's
        mirrored = np.diag([-1.0, 1.0, -1.0])  # from the camera-like frame of our rotations
        rotation = self.camera.T @ thing.rotation @ turn.T @ mirrored
        return self.camera.T @ (middle - self.eye), rotation, thing.scale * longest

    # -- commands, each with the parameters that it may have

    def do_set_error_handling(self) -> None: ...
    def do_set_render_quality(self, render_quality: int) -> None: ...
    def do_set_anti_aliasing(self, mode: str, avatar_id: str) -> None: ...
    def do_set_aperture(self, aperture: float) -> None: ...
    def do_set_post_exposure(self, post_exposure: float) -> None: ...
    def do_set_contrast(self, contrast: float) -> None: ...
    def do_set_saturation(self, saturation: float) -> None: ...
    def do_set_screen_space_reflections(self, enabled: bool) -> None: ...
    def do_set_shadow_strength(self, strength: float) -> None: ...

    def do_set_camera_clipping_planes(self, near: float, far: float, avatar_id: str) -> None:
        self.clip = near, far

    def do_simulate_physics(self, value: bool) -> None:
        assert value is False, "nothing may fall"

    def do_set_img_pass_encoding(self, value: bool) -> None:
        assert value is True, "pictures are PNG"

    def do_send_version(self) -> None:
        self.wanted.add("version")

    def do_send_log_messages(self) -> None:
        self.logs = True

    def do_terminate(self) -> None:
        raise Ended([messages.quit_part(True), self._number()])

    def do_unload_unused_assets(self) -> None:
        assert self.scene

    def do_destroy_all_objects(self) -> None:
        assert self.scene
        self.objects, self.avatars = {}, set()

    def do_add_scene(self, name: str, url: str) -> None:
        assert not self.objects and not self.avatars, "a scene is left with all that is in it"
        assert url.endswith(f"/{name}"), url
        self.scene, self.sky = name, ""

    def do_create_avatar(self, type: str, id: str) -> None:
        assert type == "A_Img_Caps_Kinematic" and self.scene
        self.avatars.add(id)

    def do_set_screen_size(self, width: int, height: int) -> None:
        assert width == height
        self.size = width

    def do_send_scene_regions(self, frequency: str) -> None:
        self.wanted.add("regions")

    def do_add_hdri_skybox(self, name: str, url: str, **numbers: float) -> None:
        assert url.endswith(f"/{name}") and self.scene, url
        assert set(numbers) == {
            *("exposure", "initial_skybox_rotation", "sun_elevation", "sun_initial_angle", "sun_intensity")
        }
        self.sky = name

    def do_add_object(self, name: str, url: str, scale_factor: float, category: str, id: int) -> None:
        names = [model_name(identity) for _, identity in self.world.pairs]
        assert id not in self.objects and self.scene and name in names, f"there is no model {name}"
        number = names.index(name)
        assert abs(scale_factor - (1.0 + 0.1 * number)) < 1e-9 and category == self.world.pairs[number][0]
        if self.world.fault == "missing":
            raise FileNotFoundError(f"{url} cannot be loaded")
        self.objects[id] = Thing(number, (17 * id % 251 + 1, 91 * id % 241, 7 * id % 239))

    def do_set_kinematic_state(self, id: int, is_kinematic: bool, use_gravity: bool) -> None:
        assert id in self.objects and is_kinematic and not use_gravity

    def do_scale_object(self, id: int, scale_factor: dict[str, float]) -> None:
        (factor,) = set(scale_factor.values())
        self.objects[id].scale *= factor

    def do_destroy_object(self, id: int) -> None:
        del self.objects[id]

    def do_send_segmentation_colors(self, ids: list[int], frequency: str) -> None:
        self.colored = ids

    def do_teleport_avatar_to(self, avatar_id: str, position: dict[str, float]) -> None:
        assert avatar_id in self.avatars
        self.eye = _vector(position)

    def do_rotate_sensor_container_to(self, avatar_id: str, rotation: dict[str, float]) -> None:
        assert avatar_id in self.avatars
        self.camera = _matrix(rotation)

    def do_set_field_of_view(self, avatar_id: str, field_of_view: float) -> None:
        assert avatar_id in self.avatars and 1 <= field_of_view < 179
        self.degrees = field_of_view

    def do_teleport_object(self, id: int, position: dict[str, float]) -> None:
        self.objects[id].position = _vector(position)

    def do_rotate_object_to(self, id: int, rotation: dict[str, float]) -> None:
        self.objects[id].rotation = _matrix(rotation)

    def do_set_pass_masks(self, avatar_id: str, pass_masks: list[str]) -> None:
        assert avatar_id in self.avatars
        self.masks = tuple(pass_masks)

    def do_send_images(self, ids: list[str], frequency: str) -> None:
        assert set(ids) <= self.avatars and frequency == "once"
        self.wanted.add("images")


def _vector(values: dict[str, float]) -> np.ndarray:
    return np.array([values[axis] for axis in "xyz"])


def _matrix(values: dict[str, float]) -> np.ndarray:
    return Rotation.from_quat([values[axis] for axis in "xyzw"]).as_matrix()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("-port", type=int, default=1071)
    port = parser.parse_args().port
    world = World(**json.loads(Path(os.environ["STANDIN"]).read_text()))
    world.pairs = tuple(map(tuple, world.pairs))  # type: ignore[arg-type]
    standin = StandIn(world, port)
    parent = os.getppid()
    threading.Thread(target=lambda: (_wait_for(parent), standin.stop.set()), daemon=True).start()
    standin.run()
    for error in standin.errors:
        print(error, file=sys.stderr)
    os._exit(1)


def _wait_for(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)


if __name__ == "__main__":
    main()
