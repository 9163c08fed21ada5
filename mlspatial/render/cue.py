"""Marks that say which of several objects is the target, drawn into the finished picture.

They follow the pixels in which the target is seen, and so tell nothing of what is hidden or out of the picture.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import binary_erosion

CUES = ("category", "outline", "dot")
DRAWN = ("outline", "dot")  # category: the target is the only object of the dataset's categories
COLOR = (255, 0, 255)  # magenta, sRGB
THICK = 1 / 112  # of an outline, picture widths; at least a pixel
RADIUS = 1 / 56  # of a dot, picture widths; at least 1.5 pixels


def mark(images: np.ndarray, instances: np.ndarray, cue: str) -> None:
    """Draw the cue into images (B, size, size, 3) uint8. instances: (B, size, size), 1 where the target is seen.

    outline: the outermost pixels of the target; dot: a disc on the pixel of the target that is nearest to the middle of
    them all. Nothing where the target is not seen.
    """
    size = images.shape[1]
    for image, seen in zip(images, instances == 1, strict=True):
        if not seen.any():
            continue
        if cue == "outline":
            inner = binary_erosion(seen, iterations=max(1, round(THICK * size)), border_value=1)
            image[seen & ~inner] = COLOR
            continue
        places = np.argwhere(seen)
        centre = places[((places - places.mean(axis=0)) ** 2).sum(axis=1).argmin()]
        row, column = np.ogrid[:size, :size]
        radius = max(1.5, RADIUS * size)
        image[(row - centre[0]) ** 2 + (column - centre[1]) ** 2 <= radius**2] = COLOR
