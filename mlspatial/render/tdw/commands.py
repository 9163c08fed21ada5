"""What a build is told: lists of commands for a scene, a sky, objects and a picture.

All but the first picture of an object is in absolute terms, so that the same commands give the same picture again.
Settings that the published experiments name are theirs (field of view, clipping, anti-aliasing, aperture, exposure,
contrast, saturation, shadows; Xie et al. 2025); pictures come as PNG, so that the dataset's own encoding is the only
one that loses something.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlspatial.render.engine import FAR, FIELD_OF_VIEW, NEAR
from mlspatial.render.tdw.frames import pivot_pose, quaternion, vector
from mlspatial.render.tdw.library import Model, View

AVATAR = "a"
RENDER_QUALITY = 5  # the best; Xie et al. 2025
Commands = list[dict[str, Any]]


@dataclass(frozen=True)
class Thing:
    """An object in its place. centre: (3,), world, metres; rotation: (3, 3), object to world; scale: metres."""

    model: Model
    centre: np.ndarray
    rotation: np.ndarray
    scale: float

    @cached_property
    def pose(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Of the pivot in Unity's world: place, rotation, scale factor."""
        return pivot_pose(self.model.record, self.centre, self.rotation, self.scale)

    @cached_property
    def turned(self) -> dict[str, float]:
        return quaternion(self.pose[1])


@dataclass(frozen=True)
class Camera:
    """place: (3,), world, metres; rotation: (3, 3), camera to world."""

    place: np.ndarray
    rotation: np.ndarray

    @cached_property
    def turned(self) -> dict[str, float]:
        return quaternion(self.rotation)


def scene(view: View, size: int, *, leaving: bool) -> Commands:
    """Load a scene, leaving another one, and set all that does not change from picture to picture."""
    record = view.scene
    left: Commands = [{"$type": "destroy_all_objects"}, {"$type": "unload_unused_assets"}] if leaving else []
    return [
        *left,
        {"$type": "add_scene", "name": record["name"], "url": record["urls"]["Linux"]},
        {"$type": "create_avatar", "type": "A_Img_Caps_Kinematic", "id": AVATAR},
        {"$type": "simulate_physics", "value": False},
        {"$type": "set_screen_size", "width": size, "height": size},
        {"$type": "set_render_quality", "render_quality": RENDER_QUALITY},
        {"$type": "set_img_pass_encoding", "value": True},
        {"$type": "set_camera_clipping_planes", "near": NEAR, "far": FAR, "avatar_id": AVATAR},
        {"$type": "set_anti_aliasing", "mode": "subpixel", "avatar_id": AVATAR},
        {"$type": "set_aperture", "aperture": 70},
        {"$type": "set_post_exposure", "post_exposure": 0.6},
        {"$type": "set_contrast", "contrast": -20},
        {"$type": "set_saturation", "saturation": 10},
        {"$type": "set_screen_space_reflections", "enabled": False},
        {"$type": "set_shadow_strength", "strength": 1.0},
        {"$type": "send_scene_regions", "frequency": "once"},
    ]


def sky(view: View) -> Commands:
    """The sky and its sun, as the record has them."""
    facts = ("exposure", "initial_skybox_rotation", "sun_elevation", "sun_initial_angle", "sun_intensity")
    record = view.sky
    given = {fact: record[fact] for fact in facts}
    return [{"$type": "add_hdri_skybox", "name": record["name"], "url": record["urls"]["Linux"], **given}]


def add(thing: Thing, number: int) -> Commands:
    """A new object, of the size that is asked for, which nothing but commands will move."""
    record = thing.model.record
    return [
        {
            "$type": "add_object",
            "name": thing.model.name,
            "url": thing.model.url,
            "scale_factor": record.get("scale_factor", 1.0),
            "category": record.get("wcategory", ""),
            "id": number,
        },
        {"$type": "set_kinematic_state", "id": number, "is_kinematic": True, "use_gravity": False},
        {"$type": "scale_object", "id": number, "scale_factor": dict.fromkeys("xyz", thing.pose[2])},
    ]


def remove(numbers: Iterable[int]) -> Commands:
    return [{"$type": "destroy_object", "id": number} for number in numbers]


def colors(numbers: Sequence[int]) -> Commands:
    """Ask for the colours that objects have in the `_id` pass."""
    return [{"$type": "send_segmentation_colors", "ids": list(numbers), "frequency": "once"}]


def picture(
    things: Sequence[tuple[int, Thing]],
    camera: Camera,
    passes: Sequence[str],
    *,
    lift: float = 0.0,
    widen: float = 1.0,
) -> Commands:
    """Put objects and camera in their places and ask for passes.

    lift: metres by which all of them are put higher; widen: how many times as much of the picture's plane is seen.
    """
    up = np.array([0.0, lift, 0.0])
    commands: Commands = [
        {"$type": "teleport_avatar_to", "avatar_id": AVATAR, "position": vector(camera.place + up)},
        {"$type": "rotate_sensor_container_to", "avatar_id": AVATAR, "rotation": camera.turned},
        {"$type": "set_field_of_view", "avatar_id": AVATAR, "field_of_view": widened(widen)},
    ]
    for number, thing in things:
        commands += [
            {"$type": "teleport_object", "id": number, "position": vector(thing.pose[0] + up)},
            {"$type": "rotate_object_to", "id": number, "rotation": thing.turned},
        ]
    return [
        *commands,
        {"$type": "set_pass_masks", "avatar_id": AVATAR, "pass_masks": list(passes)},
        {"$type": "send_images", "ids": [AVATAR], "frequency": "once"},
    ]


def widened(times: float) -> float:
    """Degrees of a field of view that shows so many times the width of the picture's plane."""
    return float(np.degrees(2.0 * np.arctan(times * np.tan(np.radians(FIELD_OF_VIEW / 2)))))
