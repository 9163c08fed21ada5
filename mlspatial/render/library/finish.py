"""Finish: a material with the size of its texture."""

from __future__ import annotations

from dataclasses import dataclass

from mlspatial.render.mesh import Material


@dataclass(frozen=True)
class Finish(Material):
    """tile: the side of one texture tile as a fraction of the object's longest axis.

    None: the texture is a picture that is shown once, stretched over the part (a label, a screen, a painting).
    """

    tile: float | None = 0.25

    def material(self) -> Material:
        return Material(self.color, self.roughness, self.metalness, self.texture, layers=self.layers)


PLAIN = Finish((0.6, 0.6, 0.6))
