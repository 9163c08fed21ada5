"""ThreeDWorld behind the renderer's protocol: scenes in, pictures and visible fractions out.

For each scene two frames are asked for: the picture with its `_id` pass, and the `_id` pass alone with camera and
target lifted high above the scene, where nothing hides it. Their ratio, in pixels, is what is left of it. Where its box
leaves the picture a third frame has a view wide enough for all of it: that gives the share inside. With objects beside
the target one more frame lifts them, too: what the target lacks there they hide, and the scene the rest.
(ThreeDWorld's own Occlusion gives means of a picture in whole numbers to 255: an object in a hundredth of the picture
would be 2 or 3.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

import numpy as np

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.progress import say
from mlspatial.render.engine import FAR, NEAR, RENDERERS, TRUTHS, Rendered, SceneBatch
from mlspatial.render.sampling import BOUNDS_MARGIN
from mlspatial.render.tdw import answers, commands, package
from mlspatial.render.tdw.build import LAUNCHED_PORTS, Build, Lost, Settings, flags, reach
from mlspatial.render.tdw.commands import Camera, Thing
from mlspatial.render.tdw.frames import picture_reach
from mlspatial.render.tdw.library import Model, View

VERSION = "1"  # of the commands: counts up when they give other pictures
LIFT = 500.0  # metres: above every scene, and near enough for single precision (3e-5 m there)
WIDEST = 8.0  # most times the picture's width that an object is measured over; 156 degrees
RIM = 1.02  # of the object's box, that is left around it then
RESTARTS = 3  # of the build for the same picture
BATCH = 4096  # most pictures between two encodings: each batch loads each scene once, which takes seconds
SLACK = 0.03  # of the picture's width, by which an object may leave the box of its record
CHECKED, MOST_OFF = 20, 0.5  # models after which, and share of them above which, boxes that do not fit are an error

T = TypeVar("T")


class _Of(Generic[T]):
    """An attribute of the class that is asked for when it is read."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask

    def __get__(self, instance: Any, owner: type) -> T:
        return self._ask()


def _version() -> str:
    return " ".join([f"{VERSION}-tdw-{package.installed()}", *flags()])


@RENDERERS.register("tdw")
class TdwRenderer:
    """Draws models of ThreeDWorld's library in its scenes under its skies; one build a renderer.

    The build is reached, or started, with the first picture, as build.Settings.here() says. One that ends, is silent or
    does not make sense is started again, if it was started here, and drawing goes on; else UserError says what to do.
    The version has the package's in it, and a build of another version is refused; also the flags of the build's
    command line, which can change pictures. A build that was started by hand is told to end with the last picture.

    device: "cpu" alone has a meaning: the build draws on the GPU of its display. Raises BadValue, UserError.
    """

    name = "tdw"
    version: str = _Of(_version)  # type: ignore[assignment]
    assets = "tdw"
    draws_others, tells = True, frozenset(TRUTHS)
    batch = BATCH
    workers = 1
    reach = staticmethod(reach)
    most_workers: int = _Of(lambda: LAUNCHED_PORTS if Settings.here().build else 0)  # type: ignore[assignment]

    def __init__(
        self, meshes: Sequence[Model], environments: Sequence[View], *, size: int, device: str = "cpu"
    ) -> None:
        if not meshes or not environments:
            given = f"{len(meshes)} models, {len(environments)} surroundings"
            raise BadValue("meshes, environments", given, "a renderer needs one of each at least")
        if size < 1:
            raise BadValue("size", size, "a picture needs at least one pixel")
        self.check_device(device)
        self.size, self._models, self._views = size, meshes, environments
        self._model, self._view = cache(meshes.__getitem__), cache(environments.__getitem__)
        self._build: Build | None = None
        self._stage = _Stage()
        self._fits: dict[str, bool] = {}

    @staticmethod
    def check_device(device: str) -> None:
        """Raise, before anything is prepared: for another device, a missing package, a build that is not there."""
        if device != "cpu":
            raise BadValue("device", device, "ThreeDWorld draws on the GPU of its display; leave device=cpu")
        package.installed()
        Settings.here()

    @classmethod
    def prepare(cls, meshes: Sequence[Any], environments: Sequence[Any], *, size: int, part: int, parts: int) -> None:
        """Nothing: models and skies are the build's."""

    def render(self, scenes: SceneBatch, truth: frozenset[str] = frozenset()) -> Rendered:
        """Images, visible fractions, of what is in the picture the share that the scene hides, and the truth that is
        asked for. A pixel of instances and depth is of the object at its middle; depth is of objects alone."""
        self._check(scenes)
        count = len(scenes)
        images = np.empty((count, self.size, self.size, 3), np.uint8)
        visible, hidden = np.ones(count, np.float32), np.zeros(count, np.float32)
        kinds = {"depth": np.float32, "instances": np.uint8, "amodal": np.bool_}
        told = {name: np.empty((count, self.size, self.size), kinds[name]) for name in TRUTHS if name in truth}
        for i in self._in_order(scenes):
            shot = self._draw(scenes, i, truth)
            images[i], visible[i], hidden[i] = shot.image, shot.visible, shot.hidden
            for name, values in told.items():
                values[i] = shot.truth[name]
        return Rendered(images, visible, told, hidden)

    def close(self) -> None:
        """End the build, if it was started here; the next picture starts another."""
        if self._build is not None:
            self._build.close()
        self._build, self._stage = None, _Stage()

    def _in_order(self, scenes: SceneBatch) -> list[int]:
        """Scenes, then skies, then models together: changing them costs in this order."""
        places = [(self._view(int(k)).scene["name"], self._view(int(k)).sky["name"]) for k in scenes.environment]
        return sorted(range(len(scenes)), key=lambda i: (*places[i], int(scenes.mesh[i]), i))

    def _draw(self, scenes: SceneBatch, i: int, truth: frozenset[str]) -> _Shot:
        wrong: Lost | answers.Garbled | None = None
        for _ in range(1 + RESTARTS):
            if wrong is not None:
                say(f"ThreeDWorld: {wrong}; starting it again")
            try:
                return self._shoot(scenes, i, truth)
            except (Lost, answers.Garbled) as error:
                wrong = error
                self.close()
                if not (settings := Settings.here()).build:
                    raise UserError(
                        f"ThreeDWorld: {error}; start the build (TDW.x86_64 -port={settings.port}) and run the same "
                        "command: whole shards are kept"
                    ) from error
        model, view = self._model(int(scenes.mesh[i])), self._view(int(scenes.environment[i]))
        raise UserError(
            f"ThreeDWorld: {wrong}, {1 + RESTARTS} times at {model.name} in {view.name}; look into the build's log "
            "(~/.config/unity3d/MIT/TDW/Player.log)"
        )

    def _shoot(self, scenes: SceneBatch, i: int, truth: frozenset[str]) -> _Shot:
        if self._build is None:
            self._build = Build(Settings.here())
        view = self._view(int(scenes.environment[i]))
        camera = Camera(_eye(scenes, i), np.asarray(scenes.camera[i], np.float64))
        things = self._things(scenes, i, camera)
        placed = self._stage.set(self._build, view, things, self.size)
        colors = [self._stage.colors[number] for number, _ in placed]
        outline = (things[0].model.vertices * (1.0, 1.0, -1.0) * things[0].scale) @ scenes.rotation[i].T
        outline = outline + scenes.position[i]
        reach = picture_reach(outline)
        passes = ("_img", "_id", *(("_depth",) if "depth" in truth else ()))
        seen = self._ask(commands.picture(placed, camera, passes), passes)
        instances = answers.instances(seen["_id"], colors)
        shown = instances == 1
        whole, inside = self._outlined(placed[:1], camera, colors), 1.0
        if reach > 1.0:
            widen = min(RIM * reach, WIDEST)
            inside = share_inside(self._outlined(placed[:1], camera, colors, widen), widen)
        # the last frame: what it lifts stays there until the next picture, and would hide the target alone
        free = whole if len(placed) == 1 else self._outlined(placed, camera, colors)
        self._compare(things[0].model.name, whole, outline)
        left = min(1.0, shown.sum() / whole.sum()) if whole.any() else 0.0
        hidden = 1.0 - min(1.0, shown.sum() / free.sum()) if free.any() else 0.0
        told = {"instances": instances, "amodal": whole}
        if "depth" in truth:
            told["depth"] = np.where(instances > 0, seen["_depth"], np.float32(np.inf))
        return _Shot(seen["_img"], left * inside, hidden, told)

    def _outlined(
        self,
        placed: Sequence[tuple[int, Thing]],
        camera: Camera,
        colors: Sequence[tuple[int, int, int]],
        widen: float = 1.0,
    ) -> np.ndarray:
        """(size, size) bool, where the target is seen among these objects, above the scene."""
        passes = self._ask(commands.picture(placed, camera, ("_id",), lift=LIFT, widen=widen), ("_id",))
        return answers.instances(passes["_id"], colors) == 1

    def _things(self, scenes: SceneBatch, i: int, camera: Camera) -> list[Thing]:
        """The objects of a scene, the target first."""
        turn = camera.rotation
        poses = [(scenes.mesh[i], scenes.position[i], scenes.rotation[i], scenes.scale)]
        if (others := scenes.others) is not None:
            there = np.flatnonzero(np.asarray(others.mesh[i]) >= 0)
            poses += [
                (others.mesh[i, k], others.position[i, k], others.rotation[i, k], others.scale[i, k]) for k in there
            ]
        return [
            Thing(self._model(int(mesh)), camera.place + turn @ position, turn @ rotation, float(scale))
            for mesh, position, rotation, scale in poses
        ]

    def _ask(self, asked: commands.Commands, passes: Sequence[str]) -> dict[str, np.ndarray]:
        """Of each pass (size, size, 3) pixels, of _depth (size, size) metres; what comes broken is asked for again."""
        assert self._build is not None
        build = self._build

        def ask() -> dict[str, np.ndarray]:
            answer = build.ask(asked)
            return {name: answers.depth(answer.images.get(name, b""), self.size, NEAR, FAR) if name == "_depth"
                    else answers.picture(answer, name, self.size) for name in passes}  # fmt: skip

        try:
            return ask()
        except answers.Garbled:
            return ask()

    def _compare(self, name: str, mask: np.ndarray, outline: np.ndarray) -> None:
        """Say once a model that it is not drawn where its pose and box say; many of them: the frames are not ours."""
        if name in self._fits or outline[:, 2].min() <= 0.0 or not mask.any():
            return
        self._fits[name] = fits_box(mask, outline)
        off = sum(not fits for fits in self._fits.values())
        if not self._fits[name]:
            say(f"ThreeDWorld: {name} is drawn beyond the box of its record; its place or size may be wrong")
        if len(self._fits) >= CHECKED and off > MOST_OFF * len(self._fits):
            raise UserError(
                f"ThreeDWorld: {off} of {len(self._fits)} models are not drawn where their poses say; pictures may be "
                "upside down (MLSPATIAL_TDW_FLAGS=-flip_images, and the same for a build that is started by hand), or "
                "the build has another frame"
            )

    def _check(self, scenes: SceneBatch) -> None:
        if not len(scenes):
            return
        beside = [] if scenes.others is None else [("others.mesh", scenes.others.mesh, len(self._models), -1)]
        for name, indices, count, least in (
            ("mesh", scenes.mesh, len(self._models), 0),
            ("environment", scenes.environment, len(self._views), 0),
            *beside,
        ):
            wrong = [int(k) for k in np.ravel(indices) if not least <= k < count]
            if wrong:
                raise BadValue(f"scenes.{name}", wrong[0], f"the renderer has {count} of them")
        for name, shape in (("position", (3,)), ("rotation", (3, 3)), ("camera", (3, 3))):
            values, expected = np.asarray(getattr(scenes, name)), (len(scenes), *shape)
            if values.shape != expected or not np.isfinite(values).all():
                raise BadValue(f"scenes.{name}", values.shape, f"finite numbers of shape {expected}")
        if scenes.light is not None and np.any(scenes.light):
            raise BadValue("scenes.light", "turned", "ThreeDWorld cannot turn the light without the sky")


@dataclass(frozen=True)
class _Shot:
    """One scene. truth: instances, amodal, and depth where it was asked for."""

    image: np.ndarray
    visible: float
    hidden: float
    truth: dict[str, np.ndarray]


class _Stage:
    """What a build has been told: its scene, its sky, its objects and their colours in the `_id` pass."""

    def __init__(self) -> None:
        self.scene = self.sky = ""
        self.objects: dict[int, tuple[str, float]] = {}  # number -> model and scale
        self.colors: dict[int, tuple[int, int, int]] = {}
        self._next = 1

    def set(self, build: Build, view: View, things: Sequence[Thing], size: int) -> list[tuple[int, Thing]]:
        """Change what differs; the things with the numbers that they have there."""
        if self.scene != view.scene["name"]:
            answer = build.ask(commands.scene(view, size, leaving=bool(self.scene)))
            check_regions(view, answer.regions)
            self.scene, self.sky = view.scene["name"], ""
            self.objects = {}
        change: commands.Commands = []
        if self.sky != view.sky["name"]:
            change += commands.sky(view)
        free, placed = dict(self.objects), []
        for thing in things:
            key = (thing.model.name, thing.scale)
            number = next((n for n, there in free.items() if there == key), None)
            if number is None:
                number, self._next = self._next, self._next + 1
                change += commands.add(thing, number)
            free.pop(number, None)
            placed.append((number, thing))
        change += commands.remove(free)
        objects = {number: (thing.model.name, thing.scale) for number, thing in placed}
        if change:
            answer = build.ask([*change, *commands.colors(list(objects))])
            if lacking := [number for number in objects if number not in answer.colors]:
                names = ", ".join(objects[number][0] for number in lacking)
                raise Lost(f"the build did not add {names}{answer.complaint()}")
            self.colors = answer.colors
        self.sky, self.objects = view.sky["name"], objects
        return placed


def share_inside(mask: np.ndarray, widen: float) -> float:
    """Of an object's pixels in a picture of `widen` times the width, the share in the picture itself; 0 without any.

    mask: (size, size) bool.
    """
    within = np.abs(np.arange(len(mask)) + 0.5 - len(mask) / 2) < len(mask) / 2 / widen
    return float(mask[within][:, within].sum() / max(1, mask.sum()))


def fits_box(mask: np.ndarray, outline: np.ndarray) -> bool:
    """Whether an object's pixels lie in the rectangle around its box. mask: (size, size) bool; outline: (n, 3), camera
    frame, points of the box, before the camera."""
    size, (rows, columns) = len(mask), np.nonzero(mask)
    seen = outline[:, :2] / outline[:, 2:] / np.tan(np.radians(30.0))  # -1 to 1 across the picture
    found = np.array([[columns.min(), columns.max() + 1], [size - rows.max() - 1, size - rows.min()]]) * 2 / size - 1
    low, high = seen.min(axis=0) - 2 * SLACK, seen.max(axis=0) + 2 * SLACK
    return bool((found[:, 0] >= low).all() and (found[:, 1] <= high).all())


def check_regions(view: View, regions: np.ndarray | None) -> None:
    """Raise UserError where cameras would leave the regions of a scene, seen from above. regions: (n, 2, 3) or None."""
    if regions is None or not len(regions):
        say(f"ThreeDWorld: the build gives no regions of {view.scene['name']}; its bounds are not checked")
        return
    low, high = (np.array(corner)[[0, 2]] for corner in view.bounds)
    low, high = low + BOUNDS_MARGIN, high - BOUNDS_MARGIN
    if any((low >= box[0, [0, 2]]).all() and (high <= box[1, [0, 2]]).all() for box in regions):
        return
    widest = max(regions, key=lambda box: float(np.prod(box[1, [0, 2]] - box[0, [0, 2]])))
    (x, y, z), (right, top, far) = widest.round(2)
    raise UserError(
        f"ThreeDWorld: scene {view.scene['name']} reaches from ({x}, {y}, {z}) to ({right}, {top}, {far}) m, and "
        f"cameras would be at {low.round(2).tolist()} to {high.round(2).tolist()} in x and z; write bounds that the "
        "build has into a JSON file and say environments=tdw:FILE.json (docs/threedworld.md)"
    )


def _eye(scenes: SceneBatch, i: int) -> np.ndarray:
    """(3,) place of the camera in the world; over the origin where only its height is known."""
    if scenes.camera_position is not None:
        return np.asarray(scenes.camera_position[i], np.float64)
    return np.array([0.0, 1.5 if scenes.ground is None else float(scenes.ground[i]), 0.0])
