"""What a recipe is, and what it needs to draw any of its images: libraries, sampler, renderer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np

from mlspatial.core.design import Design
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.latents import spatial_schema
from mlspatial.core.plugins import import_all
from mlspatial.render.assets import cached_mesh, meshes, panoramas
from mlspatial.render.controlled import DesignSampler
from mlspatial.render.engine import MESHES, RENDERERS, Renderer, SceneBatch
from mlspatial.render.environments import load_environments
from mlspatial.render.mesh import Collection, Environment, Mesh
from mlspatial.render.objects import load_objects
from mlspatial.render.sampling import MOST_HIDDEN, MOST_TRIES, ROTATIONS, TRANSLATIONS, SceneSample, SceneSampler

DEFAULT_RENDERER = "warp"
ENCODINGS = ("jpeg", "png")
DEVICES = ("cpu", "cuda")
JPEG_QUALITY = 95
SAMPLE_POINTS = 200  # vertices of a mesh that stand for it when the sampler asks what is visible
OF_DRAWS = ("n_train", "n_heldout", "translation", "rotation")  # what a design decides instead


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the images of a dataset. size: pixels; categories: in the order of the units.

    device: the same scenes rounded by another processor; a single bit may differ here and there, so it counts.
    design: "", or a core.design.Design in a line, which decides number, poses and places of the images.
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

    def check(self) -> None:
        """Raise BadValue for a parameter that cannot be meant."""
        for name, least in (("n_train", 1), ("n_heldout", 1), ("size", 16), ("seed", 0)):
            if getattr(self, name) < least and not (self.design and name in OF_DRAWS):
                raise BadValue(name, getattr(self, name), f"must be at least {least}")
        if self.size > 2048:
            raise BadValue("size", self.size, "must be at most 2048 pixels")
        choices = {"translation": TRANSLATIONS, "rotation": ROTATIONS, "encoding": ENCODINGS, "device": DEVICES}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise BadValue(name, getattr(self, name), f"must be one of {', '.join(known)}")


class Studio:
    """What a recipe needs to draw any of its images: libraries, sampler, renderer. Built once a process."""

    def __init__(self, recipe: Recipe) -> None:
        recipe.check()
        self.recipe = recipe
        self.objects = load_objects(recipe.objects, recipe.categories)
        self.environments = load_environments(recipe.environments)
        self._demand_assets()
        self.identities = {category: tuple(self.objects.identities(category)) for category in recipe.categories}
        self.views = [(scene.name, sky) for scene in self.environments.scenes for sky, _ in scene.skies]
        self.design = Design.from_json(json.loads(recipe.design)) if recipe.design else None
        if self.design:
            self._demand_light(self.design)
            pairs, views = self.design.pairs(self.identities), self.design.views()
            kept = {c: tuple(one for one in names if (c, one) in pairs) for c, names in self.identities.items()}
            self.identities = {category: names for category, names in kept.items() if names}
            self.views = [view for view in self.views if view in views]
        self.mesh_index = {pair: number for number, pair in enumerate(self.pairs())}
        self.view_index = {view: number for number, view in enumerate(self.views)}
        self.schema = spatial_schema(tuple(self.identities), tuple(identity for _, identity in self.pairs()))
        self.sampler = self._sampler()

    def _sampler(self) -> SceneSampler | DesignSampler:
        recipe = self.recipe
        if self.design:
            return DesignSampler(self.design, recipe.seed, self.identities, self.points)
        return SceneSampler(
            recipe.seed,
            self.identities,
            self.environments.scenes,
            self.points,
            translation=recipe.translation,
            rotation=recipe.rotation,
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
            "scenes": [scene.name for scene in self.environments.scenes],
            "renderer": {"name": engine.name, "version": engine.version},
            "jpeg_quality": quality,
        }

    def _asked(self) -> dict[str, Any]:
        asked = asdict(self.recipe)
        design = asked.pop("design")
        if not design:
            return asked
        return {name: value for name, value in asked.items() if name not in OF_DRAWS} | {"design": json.loads(design)}

    @cache  # noqa: B019 - a studio lives as long as its process
    def points(self, category: str, identity: str) -> np.ndarray:
        vertices = cached_mesh(self.objects, category, identity).vertices
        return vertices[:: max(1, len(vertices) // SAMPLE_POINTS)].astype(np.float64)

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
        """Raise UserError, before anything is drawn, for objects that are not there or of a design cannot be seen."""
        if gone := self.missing():
            more = f" and {len(gone) - 3} more, which dry_run=true lists" if len(gone) > 3 else ""
            raise UserError(f"{len(gone)} models are missing: {'; '.join(gone[:3])}{more}")
        if isinstance(self.sampler, DesignSampler):
            self.sampler.check()

    def prepare(self, part: int, parts: int) -> None:
        """Do one share of what building the renderer takes, for the processes that will share it."""
        renderer_class(self.recipe.renderer).prepare(*self.assets(), size=self.recipe.size, part=part, parts=parts)

    def assets(self) -> tuple[Collection[Mesh], Collection[Environment]]:
        return meshes(self.objects, self.pairs()), panoramas(self.environments, self.views, self.panorama_width)

    @property
    def panorama_width(self) -> int:
        """About 1.3 texels a pixel over the 60 degrees that a picture shows, in powers of two."""
        return int(np.clip(2 ** np.ceil(np.log2(self.recipe.size * 8)), 512, 2048))

    def draw(self, samples: list[SceneSample]) -> tuple[np.ndarray, np.ndarray]:
        """(n, size, size, 3) uint8 images and (n,) visible fractions of n scenes.

        Where the scene itself hides too much of an object, its sample in the list is replaced by the next one that the
        sampler has for this image, as often as it takes; designs keep what they are.
        """
        rendered = self.renderer.render(self.scenes(samples))
        images, visible, hidden = rendered.images, rendered.visible, rendered.hidden
        for tries in range(1, MOST_TRIES):
            if hidden is None or not isinstance(self.sampler, SceneSampler):
                return images, visible
            again = np.flatnonzero(hidden >= MOST_HIDDEN)
            if not len(again):
                return images, visible
            for k in again:
                samples[k] = self.sampler.draw(samples[k].index, tries)
            part = self.renderer.render(self.scenes([samples[k] for k in again]))
            images[again], visible[again], hidden[again] = part.images, part.visible, part.hidden
        first = samples[int(again[0])]
        raise UserError(f"image {first.index}: {first.identity} is hidden wherever it is put in scene {first.scene}")

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
            camera_position=np.stack([s.camera_position for s in samples]),
        )


def renderer_class(name: str) -> type[Renderer]:
    from mlspatial import render

    import_all(render)
    return RENDERERS[DEFAULT_RENDERER if name == "auto" else name]


@lru_cache(maxsize=1)
def studio_of(recipe: Recipe) -> Studio:
    """The studio of a worker process, which serves one recipe."""
    return Studio(recipe)
