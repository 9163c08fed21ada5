"""Images in a fixed order, told apart by their ids."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from mlspatial.core.errors import StimulusMismatch
from mlspatial.core.hashing import content_id


@dataclass(frozen=True)
class Stimuli:
    """Images in a fixed order. ids: unique names; images: (n, h, w, 3) uint8, or clips (n, frames, h, w, 3); degrees:
    visual angle of their width."""

    ids: tuple[str, ...]
    images: np.ndarray
    degrees: float = 8.0

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.images):
            raise StimulusMismatch(f"{len(self.ids)} stimulus ids for {len(self.images)} images")
        if len(set(self.ids)) != len(self.ids):
            raise StimulusMismatch("stimulus ids are not unique")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def id(self) -> str:
        """Hash of ids, their order and the pixels."""
        pixels = hashlib.sha256(np.ascontiguousarray(self.images).tobytes()).hexdigest()
        return content_id([list(self.ids), list(self.images.shape), pixels])
