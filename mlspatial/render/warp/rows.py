"""Scenes of several objects as rows of the frame's buffers: the targets first, then the others, image by image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mlspatial.render.engine import Others, SceneBatch


@dataclass(frozen=True)
class Rows:
    """scenes: an object a row, of which the first `images` are the targets; scale: (n,) metres of the longest axis;
    owner: (n,) its image; number: (n,) its number there, 0 for a target; label: (n,) what Rendered.truth calls it;
    first, end: (images,) rows of the others."""

    scenes: SceneBatch
    images: int
    scale: np.ndarray
    owner: np.ndarray
    number: np.ndarray
    label: np.ndarray
    first: np.ndarray
    end: np.ndarray

    def __len__(self) -> int:
        return len(self.owner)

    @property
    def several(self) -> bool:
        return len(self) > self.images


def rows_of(scenes: SceneBatch) -> Rows:
    """The objects of some scenes; a scene alone, or whose others are all -1, is its target."""
    count = len(scenes)
    scale = np.full(count, float(scenes.scale))
    none = np.zeros(count, int)
    if (others := scenes.others) is None or not (others.mesh >= 0).any():
        return Rows(scenes, count, scale, np.arange(count), none, none + 1, none, none)
    owner, column = np.nonzero(others.mesh >= 0)  # image by image
    many = np.bincount(owner, minlength=count)
    end = np.cumsum(many)
    number = np.arange(len(owner)) - (end - many)[owner] + 1
    whole = SceneBatch(
        mesh=np.concatenate([scenes.mesh, others.mesh[owner, column]]),
        environment=np.concatenate([scenes.environment, scenes.environment[owner]]),
        position=np.concatenate([scenes.position, others.position[owner, column]]),
        rotation=np.concatenate([scenes.rotation, others.rotation[owner, column]]),
        camera=np.concatenate([scenes.camera, scenes.camera[owner]]),
        ground=None if scenes.ground is None else np.concatenate([scenes.ground, scenes.ground[owner]]),
        light=None if scenes.light is None else np.concatenate([scenes.light, scenes.light[owner]]),
    )
    return Rows(
        scenes=whole,
        images=count,
        scale=np.concatenate([scale, others.scale[owner, column]]),
        owner=np.concatenate([np.arange(count), owner]),
        number=np.concatenate([none, number]),
        label=np.concatenate([none + 1, column + 2]),
        first=count + end - many,
        end=count + end,
    )


def chunks(scenes: SceneBatch, most: int, layered: np.ndarray) -> Iterator[slice]:
    """Images that are drawn together: at most so many objects, or one image; those of a target alone by themselves, and
    those with layered surfaces, so that they are drawn alike whatever stands beside them.

    layered: (meshes,) bool, whether a mesh has such.
    """
    count = len(scenes)
    special = layered[scenes.mesh]
    if scenes.others is None and not special.any():
        yield from (slice(start, min(start + most, count)) for start in range(0, count, most))
        return
    objects = np.ones(count, int)
    if scenes.others is not None:
        objects += (scenes.others.mesh >= 0).sum(axis=1)
        special = special | ((scenes.others.mesh >= 0) & layered[scenes.others.mesh]).any(axis=1)
    kind = 2 * special + (objects > 1)
    start = held = 0
    for image in range(count):
        changes = image > start and kind[image] != kind[start]
        if changes or (image > start and held + objects[image] > most):
            yield slice(start, image)
            start, held = image, 0
        held += int(objects[image])
    if start < count:
        yield slice(start, count)


def part_of(scenes: SceneBatch, part: slice) -> SceneBatch:
    others = scenes.others
    return SceneBatch(
        mesh=np.asarray(scenes.mesh[part]),
        environment=np.asarray(scenes.environment[part]),
        position=np.asarray(scenes.position[part], np.float64),
        rotation=np.asarray(scenes.rotation[part], np.float64),
        camera=np.asarray(scenes.camera[part], np.float64),
        scale=scenes.scale,
        ground=None if scenes.ground is None else np.asarray(scenes.ground[part], np.float64),
        light=None if scenes.light is None else np.asarray(scenes.light[part], np.float64),
        others=None
        if others is None
        else Others(
            mesh=np.asarray(others.mesh[part]),
            position=np.asarray(others.position[part], np.float64),
            rotation=np.asarray(others.rotation[part], np.float64),
            scale=np.asarray(others.scale[part], np.float64),
        ),
    )
