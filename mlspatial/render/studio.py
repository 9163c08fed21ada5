"""What a recipe is, and what it needs to draw any of its images: libraries, sampler, renderer."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np

from mlspatial.core.design import Design
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.latents import MOTION, LatentSchema, spatial_schema
from mlspatial.core.plugins import import_all
from mlspatial.core.progress import say
from mlspatial.render.assets import cached_mesh, meshes, panoramas
from mlspatial.render.clutter import ClutterSample, ClutterSampler, distractor_numbers
from mlspatial.render.controlled import DesignSampler
from mlspatial.render.cue import CUES, DRAWN, mark
from mlspatial.render.engine import MESHES, RENDERERS, TRUTHS, Others, Rendered, Renderer, SceneBatch
from mlspatial.render.environments import load_environments
from mlspatial.render.mesh import Collection, Environment, Mesh
from mlspatial.render.motion import MOTIONS, MotionSampler
from mlspatial.render.objects import load_objects
from mlspatial.render.sampling import (
    LEAST_IN_VIEW,
    MOST_HIDDEN,
    MOST_TRIES,
    ROTATIONS,
    TRANSLATIONS,
    SceneSample,
    SceneSampler,
    image_name,
)
from mlspatial.render.solid import Solid
from mlspatial.render.truth import truth_names

DEFAULT_RENDERER = "warp"
ENCODINGS = ("jpeg", "png")
DEVICES = ("cpu", "cuda")
JPEG_QUALITY = 95
SLACK = 0.05  # of the visible share, by which pixels may be below what boxes and points told
SAMPLE_POINTS = 200  # vertices of a mesh that stand for it when the sampler asks what is visible
#: Fields of a recipe that came when there were datasets already.
ADDED = (
    "distractors",
    "distractor_categories",
    "cue",
    "least_visible",
    "floor_contact",
    "truth",
    "frames",
    "motion",
    "frame_rate",
)
OF_DRAWS = ("n_train", "n_heldout", "translation", "rotation")  # what a design decides instead
OF_CLUTTER = ("distractors", "floor_contact", "least_visible", "frames")  # what no design has
OF_CLIPS = ("motion", "frame_rate")
MOST_FRAMES = 64
MOST_VISIBLE = 0.95  # that can be asked for


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the images of a dataset. size: pixels; categories: in the order of the units.

    device: the same scenes rounded by another processor; a single bit may differ here and there, so it counts.
    design: "", or a core.design.Design in a line, which decides number, poses and places of the images. distractors:
    "0" to "5", or least-most, objects beside the target, of distractor_categories; least_visible: share of the target
    in the picture and not hidden; cue: what marks the target. Fields with a default are in the hash when they differ
    from it, so that what was made before them keeps its name.
    """

    n_train: int
    n_heldout: int
    size: int
    seed: int
    categories: tuple[str, ...]
    translation: str = "full"
    rotation: str = "clamped45"
    objects: str = "procedural"
    environments: str = "procedural"
    renderer: str = DEFAULT_RENDERER
    encoding: str = "jpeg"
    device: str = "cpu"
    design: str = ""
    distractors: str = "0"
    distractor_categories: tuple[str, ...] = ()
    cue: str = "category"
    least_visible: float = LEAST_IN_VIEW
    floor_contact: bool = False
    truth: tuple[str, ...] = ()
    frames: int = 1
    motion: str = "object"
    frame_rate: float = 10.0

    def __post_init__(self) -> None:
        """What means the same is written the same, so that it has one name."""
        with suppress(BadValue):  # said in check
            least, most = distractor_numbers(self.distractors)
            object.__setattr__(self, "distractors", str(least) if least == most else f"{least}-{most}")
        order = [*(name for name in TRUTHS if name in self.truth), *(name for name in self.truth if name not in TRUTHS)]
        object.__setattr__(self, "truth", tuple(order))

    def check(self) -> None:
        """Raise BadValue for a parameter that cannot be meant."""
        for name, least in (("n_train", 1), ("n_heldout", 1), ("size", 16), ("seed", 0)):
            if getattr(self, name) < least and not (self.design and name in OF_DRAWS):
                raise BadValue(name, getattr(self, name), f"must be at least {least}")
        if self.size > 2048:
            raise BadValue("size", self.size, "must be at most 2048 pixels")
        choices: dict[str, tuple[str, ...]] = {"cue": CUES, "motion": MOTIONS}
        choices |= {"translation": TRANSLATIONS, "rotation": ROTATIONS, "encoding": ENCODINGS, "device": DEVICES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise BadValue(name, getattr(self, name), f"must be one of {', '.join(known)}")
        truth_names(",".join(self.truth))
        if not 0.0 <= self.least_visible <= MOST_VISIBLE:
            raise BadValue("least_visible", self.least_visible, f"must be a share from 0 to {MOST_VISIBLE}")
        usual = {one.name: one.default for one in fields(self)}
        if self.design and (moot := [name for name in OF_CLUTTER if getattr(self, name) != usual[name]]):
            raise BadValue(moot[0], getattr(self, moot[0]), "has no meaning with a design, of single still objects")
        if not 1 <= self.frames <= MOST_FRAMES:
            raise BadValue("frames", self.frames, f"must be from 1 to {MOST_FRAMES}, images of a clip")
        if not 0.0 < self.frame_rate <= 1000.0:
            raise BadValue("frame_rate", self.frame_rate, "must be above 0 and at most 1000, images a second")
        for name in ("n_train", "n_heldout"):
            if getattr(self, name) % self.frames:
                raise BadValue(name, getattr(self, name), f"must be a multiple of frames={self.frames}: whole clips")
        if self.others[1] and not self.distractor_categories:
            raise BadValue("distractors", self.distractors, "needs distractor_categories to take them from")

    @property
    def others(self) -> tuple[int, int]:
        """Least and most objects beside the target."""
        return distractor_numbers(self.distractors)


class Studio:
    """What a recipe needs to draw any of its images: libraries, sampler, renderer. Built once a process."""

    def __init__(self, recipe: Recipe) -> None:
        recipe.check()
        self.recipe = recipe
        beside = recipe.distractor_categories if recipe.others[1] else ()
        self.objects = load_objects(recipe.objects, tuple(dict.fromkeys([*recipe.categories, *beside])))
        self.environments = load_environments(recipe.environments)
        self._demand_assets()
        self.identities = {category: tuple(self.objects.identities(category)) for category in recipe.categories}
        self.beside = {category: tuple(self.objects.identities(category)) for category in beside}
        self._demand()
        self.views = [(scene.name, sky) for scene in self.environments.scenes for sky, _ in scene.skies]
        self.design = Design.from_json(json.loads(recipe.design)) if recipe.design else None
        if self.design:
            self._demand_light(self.design)
            pairs, views = self.design.pairs(self.identities), self.design.views()
            kept = {c: tuple(one for one in names if (c, one) in pairs) for c, names in self.identities.items()}
            self.identities = {category: names for category, names in kept.items() if names}
            self.views = [view for view in self.views if view in views]
        self.mesh_index = {pair: number for number, pair in enumerate(self.drawn_pairs())}
        self.view_index = {view: number for number, view in enumerate(self.views)}
        self.schema = spatial_schema(tuple(self.identities), tuple(identity for _, identity in self.pairs()))
        if recipe.frames > 1:
            self.schema = LatentSchema((*self.schema.latents, *MOTION))
        self.sampler = self._sampler()

    def _sampler(self) -> SceneSampler | DesignSampler | ClutterSampler | MotionSampler:
        still, recipe = self._still(), self.recipe
        if recipe.frames == 1 or isinstance(still, DesignSampler):
            return still
        return MotionSampler(still, recipe.frames, recipe.motion, recipe.frame_rate)

    def _still(self) -> SceneSampler | DesignSampler | ClutterSampler:
        recipe = self.recipe
        if self.design:
            return DesignSampler(self.design, recipe.seed, self.identities, self.points)
        base = SceneSampler(
            recipe.seed,
            self.identities,
            self.environments.scenes,
            self.points,
            translation=recipe.translation,
            rotation=recipe.rotation,
            floor=recipe.floor_contact,
            least_visible=recipe.least_visible,
            solids=self.solid,
        )
        if not recipe.others[1]:
            return base
        return ClutterSampler(base, recipe.others, self.beside, self.solid, recipe.least_visible)

    def _demand(self) -> None:
        """Raise BadValue where the renderer lacks what the recipe needs of it."""
        engine, recipe = renderer_class(self.recipe.renderer), self.recipe
        told: frozenset[str] = getattr(engine, "tells", frozenset())
        if recipe.others[1] and not getattr(engine, "draws_others", False):
            raise BadValue("renderer", recipe.renderer, "draws one object an image; take distractors=0 or another")
        for name in recipe.truth:
            if name not in told:
                can = f"tells {', '.join(sorted(told))} alone" if told else "tells nothing beside the picture"
                raise BadValue("renderer", recipe.renderer, f"{can}; leave {name} out of truth or take another")
        if recipe.cue in DRAWN and "instances" not in told:
            raise BadValue(
                "renderer", recipe.renderer, f"does not tell where the target is seen, as cue={recipe.cue} needs"
            )

    def _demand_assets(self) -> None:
        """Raise BadValue for objects or environments that the renderer cannot draw."""
        draws = getattr(renderer_class(self.recipe.renderer), "assets", MESHES)
        for parameter, library in (("objects", self.objects), ("environments", self.environments)):
            if (kind := getattr(library, "assets", MESHES)) != draws:
                spec = getattr(self.recipe, parameter)
                right = f"take {parameter}={draws}" if draws != MESHES else f"take renderer={kind}"
                raise BadValue(parameter, spec, f"renderer={self.recipe.renderer} cannot draw that; {right}")

    def _demand_light(self, design: Design) -> None:
        turned = any(name == "light" and (low, high) != (0.0, 0.0) for name, low, high in design.held)
        turned |= any(one.factor == "light" for part in design.parts for one in part.varied)
        if turned and not getattr(renderer_class(self.recipe.renderer), "turns_light", False):
            raise BadValue("renderer", self.recipe.renderer, "cannot turn the light; take it out of the design")

    def pairs(self) -> list[tuple[str, str]]:
        return [(category, identity) for category, names in self.identities.items() for identity in names]

    def drawn_pairs(self) -> list[tuple[str, str]]:
        """The targets', then those of the objects beside them."""
        beside = [(category, identity) for category, names in self.beside.items() for identity in names]
        return list(dict.fromkeys([*self.pairs(), *beside]))

    def full_recipe(self) -> dict[str, Any]:
        """The recipe with the versions of what it names: this is hashed and written into the folder."""
        versions = {
            "objects": {"name": self.objects.name, "version": self.objects.version},
            "environments": {"name": self.environments.name, "version": self.environments.version},
        }
        engine = renderer_class(self.recipe.renderer)
        quality = JPEG_QUALITY if self.recipe.encoding == "jpeg" else None
        return {
            **{name: value for name, value in self._asked().items() if name != "categories"},
            **versions,
            "categories": list(self.identities),
            "identities": {category: len(names) for category, names in self.identities.items()},
            **({"distractor_identities": {c: len(names) for c, names in self.beside.items()}} if self.beside else {}),
            "scenes": [scene.name for scene in self.environments.scenes],
            "renderer": {"name": engine.name, "version": engine.version},
            "jpeg_quality": quality,
        }

    def _asked(self) -> dict[str, Any]:
        asked = asdict(self.recipe)
        for one in fields(Recipe):
            said = bool(self.beside) and one.name in (*OF_CLUTTER[:3], "cue")
            said |= self.recipe.frames > 1 and one.name in OF_CLIPS
            if one.name in ADDED and not said and asked[one.name] == one.default:
                del asked[one.name]
        if self.recipe.frames == 1:
            asked = {name: value for name, value in asked.items() if name not in OF_CLIPS}
        asked |= {name: list(value) for name, value in asked.items() if isinstance(value, tuple)}
        design = asked.pop("design")
        if not design:
            return asked
        return {name: value for name, value in asked.items() if name not in OF_DRAWS} | {"design": json.loads(design)}

    @cache  # noqa: B019 - a studio lives as long as its process
    def points(self, category: str, identity: str) -> np.ndarray:
        vertices = cached_mesh(self.objects, category, identity).vertices
        return vertices[:: max(1, len(vertices) // SAMPLE_POINTS)].astype(np.float64)

    @cache  # noqa: B019 - as points
    def solid(self, category: str, identity: str) -> Solid:
        return Solid.of(cached_mesh(self.objects, category, identity))

    @cached_property
    def renderer(self) -> Renderer:
        engine = renderer_class(self.recipe.renderer)
        return engine(*self.assets(), size=self.recipe.size, device=self.recipe.device)

    def missing(self) -> list[str]:
        """What the libraries name and this machine has not, a line each."""
        return [gone for library in (self.objects, self.environments) for gone in getattr(library, "missing", list)()]

    def release(self) -> None:
        """Give back what the renderer holds beside memory (a program, a port); drawing again takes it again."""
        if "renderer" in self.__dict__ and hasattr(self.renderer, "close"):
            self.renderer.close()

    def check(self) -> None:
        """Raise UserError, before anything is drawn, for objects that are not there, that cannot be seen in a design,
        or that with their paths find no place."""
        if gone := self.missing():
            more = f" and {len(gone) - 3} more, which dry_run=true lists" if len(gone) > 3 else ""
            raise UserError(f"{len(gone)} models are missing: {'; '.join(gone[:3])}{more}")
        if isinstance(self.sampler, DesignSampler | ClutterSampler | MotionSampler):
            self.sampler.check()

    def prepare(self, part: int, parts: int) -> None:
        """Do one share of what building the renderer takes, for the processes that will share it."""
        renderer_class(self.recipe.renderer).prepare(*self.assets(), size=self.recipe.size, part=part, parts=parts)

    def assets(self) -> tuple[Collection[Mesh], Collection[Environment]]:
        return meshes(self.objects, self.drawn_pairs()), panoramas(self.environments, self.views, self.panorama_width)

    @property
    def panorama_width(self) -> int:
        """About 1.3 texels a pixel over the 60 degrees that a picture shows, in powers of two."""
        return int(np.clip(2 ** np.ceil(np.log2(self.recipe.size * 8)), 512, 2048))

    def draw(self, samples: list[SceneSample]) -> Rendered:
        """Pictures of n scenes.

        Where the scene itself hides too much of an object, or leaves too little of it to see, its sample in the list is
        replaced by the next one that the sampler has for this image, as often as it takes; designs and clips keep what
        they are, and a line says so.
        """
        rendered = self.render(self.scenes(samples))
        if rendered.hidden is None:
            return rendered
        least = self.recipe.least_visible - SLACK
        for tries in range(1, MOST_TRIES):
            again = np.flatnonzero((rendered.hidden >= MOST_HIDDEN) | (rendered.visible < least))
            if not len(again):
                return rendered
            if not isinstance(self.sampler, SceneSampler | ClutterSampler):
                first = samples[int(again[0])]
                say(
                    f"too much of the target is hidden in {len(again)} of {len(samples)} images, the first "
                    f"{image_name(first.index)} ({first.identity} in {first.scene}); clips and designs keep their "
                    "places: `visible` says what is seen"
                )
                return rendered
            for k in again:
                samples[k] = self.sampler.draw(samples[k].index, tries)
            part = self.render(self.scenes([samples[k] for k in again]))
            rendered.images[again], rendered.visible[again], rendered.hidden[again] = (
                part.images, part.visible, part.hidden,
            )  # fmt: skip
            for name, values in part.truth.items():
                rendered.truth[name][again] = values
        first = samples[int(again[0])]
        raise UserError(
            f"{image_name(first.index)}: {first.identity} is hidden, or shows less than "
            f"least_visible={self.recipe.least_visible:g}, wherever it is put in scene {first.scene} "
            f"({MOST_TRIES} tries); take a lower least_visible or other environments"
        )

    def render(self, scenes: SceneBatch) -> Rendered:
        """The scenes with the cue drawn and what else the recipe asks for."""
        cue, asked = self.recipe.cue in DRAWN, frozenset(self.recipe.truth)
        if not cue and not asked:
            return self.renderer.render(scenes)  # renderers from before know no more
        rendered = self.renderer.render(scenes, asked | {"instances"} if cue else asked)
        if cue:
            mark(rendered.images, rendered.truth["instances"], self.recipe.cue)
        return replace(rendered, truth={name: rendered.truth[name] for name in self.recipe.truth})

    def scenes(self, samples: list[SceneSample]) -> SceneBatch:
        """What the renderer is given for n scenes."""
        return SceneBatch(
            mesh=np.array([self.mesh_index[s.category, s.identity] for s in samples], dtype=np.int32),
            environment=np.array([self.view_index[s.scene, s.sky] for s in samples], dtype=np.int32),
            position=np.stack([s.position for s in samples]),
            rotation=np.stack([s.rotation for s in samples]),
            camera=np.stack([s.camera for s in samples]),
            ground=np.array([s.camera_position[1] for s in samples]),
            light=np.array([s.light for s in samples]) if any(s.light for s in samples) else None,
            others=self._others(samples) if self.beside else None,
            camera_position=np.stack([s.camera_position for s in samples]),
        )

    def _others(self, samples: list[SceneSample]) -> Others:
        """Of every scene the same number of places, the last ones perhaps empty."""
        shape = len(samples), self.recipe.others[1]
        others = Others(np.full(shape, -1, np.int32), np.zeros((*shape, 3)), np.zeros((*shape, 3, 3)), np.ones(shape))
        for i, sample in enumerate(samples):
            assert isinstance(sample, ClutterSample)
            for k, one in enumerate(sample.others):
                others.mesh[i, k] = self.mesh_index[one.category, one.identity]
                others.position[i, k], others.rotation[i, k] = one.position, one.rotation
        return others


def renderer_class(name: str) -> type[Renderer]:
    from mlspatial import render

    import_all(render)
    return RENDERERS[DEFAULT_RENDERER if name == "auto" else name]


@lru_cache(maxsize=1)
def studio_of(recipe: Recipe) -> Studio:
    """The studio of a worker process, which serves one recipe."""
    return Studio(recipe)
