"""What is known of each pixel, as files that the usual tools read."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image

from mlspatial.core.errors import BadValue
from mlspatial.render.engine import TRUTHS

MILLIMETRES, DEEPEST = 1000.0, 65535  # 16 bits
COMPRESSION = 3  # of zlib: three times as fast as its usual 6, a tenth larger


def truth_names(text: str) -> tuple[str, ...]:
    """ "depth,amodal" -> its names in the order of TRUTHS. Raises BadValue."""
    asked = [part.strip() for part in text.split(",") if part.strip()]
    for name in asked:
        if name not in TRUTHS:
            raise BadValue("truth", name, f"must be of {', '.join(TRUTHS)}, with commas between")
    return tuple(name for name in TRUTHS if name in asked)


def encoded(truth: dict[str, np.ndarray], image: int) -> Iterator[tuple[str, bytes]]:
    """(column, PNG) of an image of Rendered.truth: depth in millimetres, 0 where it is infinite; numbers of objects as
    they are; the outline as 0 and 255."""
    for name, values in truth.items():
        picture = values[image]
        if name == "depth":
            near = np.where(np.isfinite(picture), picture, 0.0)
            picture = np.clip(np.rint(near * MILLIMETRES), 0, DEEPEST).astype(np.uint16)
        elif name == "amodal":
            picture = picture.astype(np.uint8) * np.uint8(255)
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, format="PNG", compress_level=COMPRESSION)
        yield name, buffer.getvalue()


def decoded(name: str, data: bytes) -> np.ndarray:
    """An image of Rendered.truth from its PNG: depth in metres, float32, inf where no object is."""
    picture = np.asarray(Image.open(io.BytesIO(data)))
    if name == "depth":
        return np.where(picture > 0, picture / MILLIMETRES, np.inf).astype(np.float32)
    return picture > 0 if name == "amodal" else picture.astype(np.uint8)
