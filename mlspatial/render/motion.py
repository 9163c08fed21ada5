"""Clips: the same scene from frame to frame, while the target or the camera moves at a constant velocity.

A clip's middle is what an image of its number would be; frame f of k is shown (f - (k - 1) / 2) / frame_rate seconds
from there. Velocities are of the target relative to the camera, in the camera frame, which does not turn: they are the
exact derivatives of x, y, z. They come from a stream of their own, default_rng([seed, clip, STREAM]).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.core.latents import FASTEST
from mlspatial.render.clutter import ClutterSample, ClutterSampler
from mlspatial.render.sampling import (
    BOUNDS_MARGIN,
    DISTANCE,
    HELDOUT_START,
    LEAST_IN_VIEW,
    MOST_HIDDEN,
    Motion,
    SceneSample,
    SceneSampler,
    hidden_share,
    image_name,
    share_in_view,
)

STREAM = 79  # keeps these draws apart from those of the scene
MOTIONS = ("object", "camera")
SLOWEST = 0.1  # metres a second; FASTEST is a latent's bound
TRIES, PLACES = 200, 12  # velocities for one middle, middles for one clip


class MotionSampler:
    """Draws image *i*: frame i % frames of clip i // frames; the same for any number of workers and any order.

    base: of the clips' middles. The target stays in view, above the floor and .9 to 4.2 m away in every frame, as much
    of it is seen as was asked for, and it touches nothing. Raises UserError for a clip without such a path.
    """

    def __init__(self, base: SceneSampler | ClutterSampler, frames: int, motion: str, frame_rate: float) -> None:
        self.base, self.frames, self.motion, self.frame_rate = base, frames, motion, frame_rate
        self.places = base.base if isinstance(base, ClutterSampler) else base
        self._scenes = {scene.name: scene for scene in self.places.scenes}
        self._clip = lru_cache(maxsize=4)(self._drawn)

    def draw(self, index: int) -> SceneSample:
        """One frame (held-out images: HELDOUT_START + i)."""
        split, local = divmod(index, HELDOUT_START)
        return self._clip(split * HELDOUT_START + local // self.frames)[local % self.frames]

    def check(self) -> None:
        """Raise UserError, before anything is drawn, where the base or the first clips find no place."""
        if isinstance(self.base, ClutterSampler):
            self.base.check()
        for clip in range(10):
            self._clip(clip)

    def _drawn(self, clip: int) -> list[SceneSample]:
        rng = np.random.default_rng([self.places.seed, clip, STREAM])
        for again in range(PLACES):
            middle = self.base.draw(clip, again)
            for _ in range(TRIES):
                frames = self._frames(middle, clip, self._velocity(rng))
                if all(self._fits(frame) for frame in (frames[0], frames[-1], *frames[1:-1])):  # the ends fail first
                    return frames
        raise UserError(
            f"clip {clip % HELDOUT_START} ({image_name(clip)} without motion): no path of {self.frames} frames keeps "
            f"{middle.identity} in view in {PLACES * TRIES} tries; take fewer frames, a higher frame_rate or a lower "
            "least_visible"
        )

    def _velocity(self, rng: np.random.Generator) -> np.ndarray:
        """(3,) metres a second in the world: level where objects stand on the floor, and for a camera."""
        speed = rng.uniform(SLOWEST, FASTEST)
        if self.places.floor or self.motion == "camera":
            angle = rng.uniform(0.0, 2.0 * np.pi)
            return speed * np.array([np.sin(angle), 0.0, np.cos(angle)])
        way = rng.normal(size=3)
        return np.asarray(speed * way / np.linalg.norm(way))

    def _frames(self, middle: SceneSample, clip: int, world: np.ndarray) -> list[SceneSample]:
        velocity = middle.camera.T @ (world if self.motion == "object" else -world)
        split, number = divmod(clip, HELDOUT_START)
        made = []
        for frame in range(self.frames):
            time = (frame - (self.frames - 1) / 2) / self.frame_rate
            one = replace(
                middle,
                index=split * HELDOUT_START + number * self.frames + frame,
                position=middle.position + time * velocity,
                motion=Motion(number, frame, velocity),
            )
            if self.motion == "object":
                one = replace(one, object_position=middle.object_position + time * world)
            else:
                one = replace(one, camera_position=middle.camera_position + time * world)
                if isinstance(one, ClutterSample):
                    moved = tuple(replace(o, position=o.position + time * velocity) for o in one.others)
                    one = replace(one, others=moved)
            made.append(one)
        return made

    def _fits(self, sample: SceneSample) -> bool:
        scene = self._scenes[sample.scene]
        points = self.places.points(sample.category, sample.identity) * (1.0, 1.0, -1.0)
        if not DISTANCE[0] <= np.linalg.norm(sample.position) <= DISTANCE[1]:
            return False
        if sample.object_position[1] > scene.ceiling:
            return False
        low, high = np.add(scene.bounds[0], BOUNDS_MARGIN), np.subtract(scene.bounds[1], BOUNDS_MARGIN)
        level = sample.camera_position[[0, 2]]
        if self.motion == "camera" and ((level < low[[0, 2]]) | (level > np.maximum(low, high)[[0, 2]])).any():
            return False
        if hidden_share(sample, points) >= MOST_HIDDEN or share_in_view(sample, points) < LEAST_IN_VIEW:
            return False
        if not self.places.enough(sample):
            return False
        return not isinstance(sample, ClutterSample) or (
            isinstance(self.base, ClutterSampler) and self.base.stands(sample)
        )
