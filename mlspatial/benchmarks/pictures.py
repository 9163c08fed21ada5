"""Pictures for simulated populations: shapes and objects on 1/f noise, textures. Everything comes from a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np

from mlspatial.core.errors import BadValue

#: (number, pixels) -> ids, images (n, size, size, 3) uint8, strata or None
Draw = Callable[[int, int], tuple[list[str], np.ndarray, np.ndarray | None]]

OBJECTS = 64  # Majaj and Hong 2015
FAMILIES = 15  # Freeman and Ziemba 2013


def mapped_images(file: Path, shape: tuple[int, ...] | None = None) -> np.ndarray | None:
    """(n, h, w, 3) uint8 images of an npy file that `seal` has closed, read as they are needed.

    They may be written, in memory alone: torch wants that. None where there is no such file, or one that is cut short,
    changed or of another shape.
    """
    try:
        images = np.load(file, mmap_mode="c", allow_pickle=False)
        with file.open("rb") as stream:
            stream.seek(images.offset + images.nbytes)
            stated = stream.read()
    except (OSError, ValueError, EOFError, AttributeError):
        return None
    if images.dtype != np.uint8 or images.ndim != 4 or shape not in (None, images.shape):
        return None
    return images if stated in (b"", hashlib.sha256(images).digest()) else None  # nothing: written before there was one


def seal(file: Path) -> None:
    """Put the SHA-256 of an npy file's array behind it, where readers of npy files do not look."""
    digest = hashlib.sha256(np.load(file, mmap_mode="r")).digest()
    with file.open("ab") as stream:
        stream.write(digest)


def shapes(n: int, size: int) -> tuple[list[str], np.ndarray, None]:
    """Ids and images of `shapes_on_noise`, which have no strata."""
    return [f"shapes-{i:04d}" for i in range(n)], shapes_on_noise(n, size, seed=1), None


def shapes_on_noise(n: int, size: int, *, seed: int) -> np.ndarray:
    """(n, size, size, 3) uint8: coloured 1/f noise with three overlapping shaded ellipses or rectangles each."""
    return _shapes_on_noise(n, size, seed).copy()


@lru_cache(maxsize=2)  # brains of several regions look at the same
def _shapes_on_noise(n: int, size: int, seed: int) -> np.ndarray:
    y, x = (np.mgrid[:size, :size] / size) * 2 - 1
    images = np.empty((n, size, size, 3), dtype=np.uint8)
    for i in range(n):
        rng = np.random.default_rng([seed, i])
        picture = _noise(rng, size)
        for _ in range(3):
            centre, axes, angle = rng.uniform(-0.7, 0.7, 2), rng.uniform(0.15, 0.6, 2), rng.uniform(0, np.pi)
            u = ((x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)) / axes[0]
            v = ((y - centre[1]) * np.cos(angle) - (x - centre[0]) * np.sin(angle)) / axes[1]
            inside = (np.hypot(u, v) < 1) if rng.random() < 0.5 else (np.maximum(abs(u), abs(v)) < 1)
            shade = 1 + 0.3 * u[inside, None]
            picture[inside] = rng.uniform(0, 1, 3) * shade
        images[i] = np.clip(picture, 0, 1) * 255
    return images


def objects_on_noise(n: int, size: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, images (n, size, size, 3) uint8, and the object of each: n / 64 views of 64 objects on 1/f noise.

    An object is four coloured ellipses or rectangles in a fixed arrangement; a view has its place, scale and tilt.
    Raises BadValue for a number of stimuli that is no multiple of 64, or too few to split by objects.
    """
    if n % OBJECTS or n < 10 * OBJECTS:
        raise BadValue("stimuli", n, f"must be a multiple of {OBJECTS} objects, at least {10 * OBJECTS}")
    y, x = (np.mgrid[:size, :size] / size) * 2 - 1
    ids, labels = [], []
    images = np.empty((n, size, size, 3), dtype=np.uint8)
    for i in range(n):
        kind, view = i % OBJECTS, i // OBJECTS
        rng = np.random.default_rng([11, kind, view])
        picture = _noise(rng, size)
        place, scale, tilt = rng.uniform(-0.45, 0.45, 2), rng.uniform(0.35, 0.75), rng.uniform(-0.8, 0.8)
        across = ((x - place[0]) * np.cos(tilt) + (y - place[1]) * np.sin(tilt)) / scale
        down = ((y - place[1]) * np.cos(tilt) - (x - place[0]) * np.sin(tilt)) / scale
        part = np.random.default_rng([12, kind])  # the object, the same in all views
        for _ in range(4):
            centre, axes, round_, colour = (
                part.uniform(-0.5, 0.5, 2),
                part.uniform(0.15, 0.6, 2),
                part.random() < 0.5,
                part.uniform(0, 1, 3),
            )
            u, v = (across - centre[0]) / axes[0], (down - centre[1]) / axes[1]
            inside = (np.hypot(u, v) < 1) if round_ else (np.maximum(abs(u), abs(v)) < 1)
            picture[inside] = colour * (1 + 0.3 * u[inside, None])
        images[i] = np.clip(picture, 0, 1) * 255
        ids.append(f"object{kind:02d}-view{view:02d}")
        labels.append(f"object{kind:02d}")
    return ids, images, np.array(labels)


def textures(n: int, size: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Ids, grey images (n, size, size, 3) uint8, and whether each is texture or noise: n / 15 samples of 15 families.

    A texture is a sum of a family's oriented elements at random places; noise has the amplitude spectrum of such a
    texture and random phases. Every other sample is noise. Raises BadValue for a number that is no multiple of 15.
    """
    if n % FAMILIES or n < 2 * FAMILIES:
        raise BadValue("stimuli", n, f"must be a multiple of {FAMILIES} texture families, at least {2 * FAMILIES}")
    y, x = (np.mgrid[:size, :size] / size) * 2 - 1
    ids, labels = [], []
    images = np.empty((n, size, size, 3), dtype=np.uint8)
    for i in range(n):
        family, sample = i % FAMILIES, i // FAMILIES
        kernel = _element(np.random.default_rng([13, family]), x, y)
        rng = np.random.default_rng([14, family, sample])
        impulses = (rng.random((size, size)) < 40 / size**2) * rng.normal(1.0, 0.3, (size, size))
        spectrum = np.fft.fft2(impulses) * np.fft.fft2(kernel)
        kind = "noise" if (family + sample) % 2 else "texture"
        if kind == "noise":
            phases = np.fft.fft2(rng.normal(size=(size, size)))
            spectrum = np.abs(spectrum) * phases / np.abs(phases)
        pattern = np.fft.ifft2(spectrum).real
        pattern = (pattern - pattern.mean()) / pattern.std()
        images[i] = np.clip(0.5 + 0.18 * pattern, 0, 1)[:, :, None] * 255
        ids.append(f"{kind}-family{family:02d}-sample{sample:02d}")
        labels.append(kind)
    return ids, images, np.array(labels)


def _noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size, 3) coloured 1/f noise around 0.5."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    frequency[0, 0] = 1 / size
    noise = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, size, size))) / frequency).real
    return 0.5 + 0.15 * (noise / noise.std(axis=(1, 2), keepdims=True)).transpose(1, 2, 0)


def _element(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A texture family's element: three Gabor patches beside each other."""
    element = np.zeros_like(x)
    for _ in range(3):
        centre, angle, width = rng.uniform(-0.2, 0.2, 2), rng.uniform(0, np.pi), rng.uniform(0.06, 0.2)
        cycles, phase = rng.uniform(0.3, 0.9) / width, rng.uniform(0, 2 * np.pi)
        along = (x - centre[0]) * np.cos(angle) + (y - centre[1]) * np.sin(angle)
        envelope = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * width**2))
        element += envelope * np.cos(np.pi * cycles * along + phase)
    return element
