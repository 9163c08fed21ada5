"""The columns of a rendered dataset, documented once: manifest, dataset card and docs/how-it-works.md agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Type = Literal["string", "image", "category", "float32", "int64", "list of string", "list of float32"]


@dataclass(frozen=True)
class Column:
    """type: of the values; an image is the bytes of a JPEG or PNG file, a category a string by dictionary, a list has
    as many values as the image has of what it lists.
    unit: "" where there is none."""

    name: str
    type: Type
    unit: str
    meaning: str


def _vector(prefix: str, what: str) -> tuple[Column, ...]:
    return tuple(
        Column(f"{prefix}{axis}", "float32", "m", f"{what}, {way}")
        for axis, way in zip("xyz", ("to the right", "up", "forward"), strict=True)
    )


def _quaternion(prefix: str, what: str) -> tuple[Column, ...]:
    return tuple(Column(f"{prefix}_{part}", "float32", "", f"{what}: {part} of its unit quaternion") for part in "wxyz")


#: In the order in which a shard has them. Frames: core.latents.
COLUMNS = (
    Column("stimulus_id", "string", "", "name of the image: its split and its number there"),
    Column("image", "image", "", "the picture, encoded as JPEG or PNG (the recipe says which); sRGB, 8 bits"),
    Column("x", "float32", "m", "centre of the object's bounding box in the camera frame, to the right"),
    Column("y", "float32", "m", "centre of the object's bounding box in the camera frame, up"),
    Column("z", "float32", "m", "centre of the object's bounding box in the camera frame, into the image"),
    Column("rot_0", "float32", "deg", "object's rotation in the camera frame, about x (pitch)"),
    Column("rot_1", "float32", "deg", "object's rotation in the camera frame, about y (yaw)"),
    Column("rot_2", "float32", "deg", "object's rotation in the camera frame, about z (roll)"),
    *_quaternion("quat", "object's rotation in the camera frame"),
    Column("category", "category", "", "what kind of object it is"),
    Column("identity", "category", "", "which object of its category"),
    Column("scene", "string", "", "name of the surroundings"),
    Column("sky", "string", "", "which light the surroundings are in"),
    *_vector("camera_", "camera's position in the world (floor at y = 0)"),
    *_quaternion("camera_quat", "camera's rotation in the world"),
    *_vector("object_", "position in the world of the centre of the object's bounding box"),
    *_quaternion("object_quat", "object's rotation in the world"),
    Column("seed_index", "int64", "", "number that, with the recipe's seed, draws the scene; from 2^40 in heldout"),
    Column("visible", "float32", "", "share of the object's pixels that are inside the picture, 0 to 1"),
)

#: Besides, in a dataset that holds a design's images.
OF_DESIGNS = (
    Column("light", "float32", "deg", "how far the light is turned about the vertical, away from the surroundings"),
    Column("crossing", "string", "", "name of the design's crossing that the image belongs to"),
    Column("cell", "int64", "", "number of its cell there: levels of the factors, the last one counting fastest"),
    Column("context", "int64", "", "number of what the factors do not decide; the same in all cells of a context"),
)


#: Besides, where there are objects beside the target (`distractors`): one value for each, in the same order.
OF_CLUTTER = (
    Column("others_category", "list of string", "", "what kind of object each other one is"),
    Column("others_identity", "list of string", "", "which object of its category"),
    *(
        Column(f"others_{axis}", "list of float32", "m", f"centre of its bounding box in the camera frame, {way}")
        for axis, way in zip("xyz", ("to the right", "up", "into the image"), strict=True)
    ),
    *(
        Column(f"others_rot_{i}", "list of float32", "deg", f"its rotation in the camera frame, about {axis} ({word})")
        for i, (axis, word) in enumerate(zip("xyz", ("pitch", "yaw", "roll"), strict=True))
    ),
)

#: Besides, where images are frames of clips (`frames`).
OF_CLIPS = (
    Column("sequence", "int64", "", "number of the clip in its split"),
    Column(
        "frame", "int64", "", "number of the image in its clip, from 0; frame_rate of the recipe are shown a second"
    ),
    *(
        Column(f"v_{axis}", "float32", "m/s", f"velocity of the object relative to the camera, {way}: change of {axis}")
        for axis, way in zip("xyz", ("to the right", "up", "into the image"), strict=True)
    ),
    Column("heading", "float32", "deg", "its direction seen from above: 0 into the image, 90 to the right"),
)

SEEN = "share of the object's pixels that are inside the picture and not hidden by others, 0 to 1"

#: Besides, what is asked for of each pixel (`truth`).
OF_TRUTH = (
    Column("depth", "image", "mm", "distance along z of the camera frame; PNG of 16 bits, 0 where no object is"),
    Column("instances", "image", "", "whose pixel it is; PNG of 8 bits, 0 background, 1 target, 2, 3, .. the others"),
    Column("amodal", "image", "", "where the target is or would be seen if nothing hid it; PNG of 8 bits, 0 or 255"),
)


def columns_of(recipe: Mapping[str, Any]) -> tuple[Column, ...]:
    """The columns of a dataset of a recipe (Manifest.recipe)."""
    several = recipe.get("distractors", "0") != "0"
    return (
        *(replace(c, meaning=SEEN) if several and c.name == "visible" else c for c in COLUMNS),
        *(OF_DESIGNS if recipe.get("design") else ()),
        *(OF_CLUTTER if several else ()),
        *(OF_CLIPS if recipe.get("frames", 1) > 1 else ()),
        *(column for column in OF_TRUTH if column.name in recipe.get("truth", ())),
    )


#: name -> type of the columns whose values alone do not tell it: of an image without others they are empty.
LISTS = {column.name: column.type for column in OF_CLUTTER}


def described(recipe: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """name -> type, unit and meaning of every column, for the manifest."""
    facts = [asdict(column) for column in columns_of(recipe)]
    return {fact.pop("name"): fact for fact in facts}
