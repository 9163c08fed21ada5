"""An OBJ file put in its place: turned, stretched to a size, set upon y = 0; all else of it stays as it is written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def place_obj(
    data: bytes, turn: np.ndarray, size: Sequence[float] | None, libraries: Sequence[str]
) -> tuple[str, np.ndarray]:
    """The text of the OBJ file with other vertices, normals and names of material files, and its size (3,).

    turn: (3, 3) rotation; size: what the bounding box of the vertices that faces use is stretched to afterwards, None
    to leave it. The middle of that box comes to x = z = 0, its lowest side to y = 0. A side without extent is not
    stretched.
    Raises ValueError where there are no faces, or a vertex is not three numbers.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    lines = text.replace("\r\n", "\n").replace("\\\n", " ").split("\n")
    kinds = [line.split(None, 1)[0] if line.strip() else "" for line in lines]
    points = [(i, line.split()) for i, line in enumerate(lines) if kinds[i] == "v"]
    used = _used(lines, kinds)
    if not used or not points:
        raise ValueError("it has no faces")
    vertices = np.array([[float(word) for word in words[1:4]] for _, words in points]) @ turn.T
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ValueError("a vertex is not three numbers")
    index = np.array(sorted(used))
    if index[0] < 0 or index[-1] >= len(vertices):
        raise ValueError(f"a face names vertex {index[-1] + 1} of {len(vertices)}")
    seen = vertices[index]
    seen = seen[np.isfinite(seen).all(axis=1)]
    if not len(seen):
        raise ValueError("none of its vertices are finite numbers")
    low, high = seen.min(axis=0), seen.max(axis=0)
    extent = high - low
    stretch = np.ones(3)
    if size is not None:
        real = extent > 1e-9 * max(float(extent.max()), 1e-300)
        stretch[real] = np.asarray(size, float)[real] / extent[real]
    middle = np.array([(low[0] + high[0]) / 2, low[1], (low[2] + high[2]) / 2])
    for (i, words), (x, y, z) in zip(points, (vertices - middle) * stretch, strict=True):
        lines[i] = " ".join([f"v {x:.7g} {y:.7g} {z:.7g}", *words[4:]])
    for i, kind in enumerate(kinds):
        if kind == "vn":
            normal = (turn @ np.array([float(word) for word in lines[i].split()[1:4]])) / stretch
            normal /= max(float(np.linalg.norm(normal)), 1e-300)
            lines[i] = f"vn {normal[0]:.5g} {normal[1]:.5g} {normal[2]:.5g}"
    kept = [line for line, kind in zip(lines, kinds, strict=True) if kind != "mtllib"]
    return "\n".join([*(f"mtllib {name}" for name in libraries), *kept]), extent * stretch


def _used(lines: Sequence[str], kinds: Sequence[str]) -> set[int]:
    """Numbers, from 0, of the vertices that faces use. Negative ones count back from the vertices so far."""
    used: set[int] = set()
    so_far = 0
    for line, kind in zip(lines, kinds, strict=True):
        if kind == "v":
            so_far += 1
        elif kind == "f":
            for word in line.split("#")[0].split()[1:]:
                number = int(word.split("/")[0])
                used.add(number - 1 if number > 0 else so_far + number)
    return used
