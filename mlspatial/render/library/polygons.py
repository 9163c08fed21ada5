"""Flat outlines: insets and triangles."""

from __future__ import annotations

import numpy as np


def inset(loop: np.ndarray, distance: float) -> np.ndarray:
    """Move a counter-clockwise outline inwards (a clockwise hole outwards), corner by corner. For small distances."""
    if distance == 0:
        return loop
    before, after = loop - np.roll(loop, 1, axis=0), np.roll(loop, -1, axis=0) - loop
    before /= np.linalg.norm(before, axis=1, keepdims=True) + 1e-12
    after /= np.linalg.norm(after, axis=1, keepdims=True) + 1e-12
    n1, n2 = (np.stack([-d[:, 1], d[:, 0]], axis=1) for d in (before, after))
    middle = n1 + n2
    return loop + distance * middle / np.maximum(np.sum(middle * n1, axis=1, keepdims=True), 0.35)


def widest_inset(loops, distance: float) -> float:
    """The distance, or as much of it as leaves every side of the outlines pointing where it did."""
    for _ in range(12):
        sides = [(np.roll(p, -1, axis=0) - p, np.roll(q, -1, axis=0) - q) for p in loops for q in [inset(p, distance)]]
        if all((np.sum(a * b, axis=1) >= 0).all() for a, b in sides):
            return distance
        distance *= 0.7
    return 0.0


def triangulate(outer: np.ndarray, holes=()) -> tuple[np.ndarray, np.ndarray]:
    """Ear clipping. outer: (n, 2) counter-clockwise; holes: clockwise. Returns points (m, 2) and triangles (k, 3).

    Points on a bridge to a hole are listed once; triangles refer to outer's points first, then each hole's.
    """
    points = np.concatenate([outer, *holes])
    loop = list(range(len(outer)))
    starts = np.cumsum([len(outer)] + [len(h) for h in holes])
    order = sorted(range(len(holes)), key=lambda i: -holes[i][:, 0].max())
    for i in order:
        loop = _bridge(points, loop, np.arange(starts[i], starts[i + 1]))
    return points, _clip_ears(points, loop)


def _bridge(points: np.ndarray, loop: list[int], hole: np.ndarray) -> list[int]:
    """Cut from the hole's rightmost point to a point of the loop that it sees."""
    k = int(np.argmax(points[hole, 0]))
    start = points[hole[k]]
    ring = points[loop]
    for j in np.argsort(np.sum((ring - start) ** 2, axis=1), kind="stable"):
        if not _crosses(start, ring[j], ring) and not _crosses(start, ring[j], points[hole]):
            turned = [*hole[k:], *hole[:k], hole[k]]
            j = int(j)
            return loop[: j + 1] + [int(h) for h in turned] + loop[j:]
    raise ValueError("triangulate: a hole lies outside of its outline")


def _crosses(p: np.ndarray, q: np.ndarray, ring: np.ndarray) -> bool:
    a, b = ring, np.roll(ring, -1, axis=0)
    d1, d2 = _cross(q - p, a - p), _cross(q - p, b - p)
    d3, d4 = _cross(b - a, p - a), _cross(b - a, q - a)
    return bool(np.any((d1 * d2 < -1e-18) & (d3 * d4 < -1e-18)))


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _clip_ears(points: np.ndarray, loop: list[int]) -> np.ndarray:
    p = points[loop]
    turns = _cross(p - np.roll(p, 1, axis=0), np.roll(p, -1, axis=0) - p)
    blockers = {loop[i] for i in np.flatnonzero(turns <= 1e-15)}  # cutting ears makes no new reflex corner
    ring, triangles = list(loop), []
    i, misses = 0, 0
    while len(ring) > 3:
        n = len(ring)
        i %= n
        corner = ring[i - 1], ring[i], ring[(i + 1) % n]
        a, b, c = points[list(corner)]
        turn = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        # after a round without an ear only slivers are left: take the corner as it is
        if misses > n or (turn > 1e-15 and _empty(points, blockers.difference(corner), a, b, c)):
            triangles.append(corner)
            cut = ring.pop(i)
            if cut not in ring:  # the points of a bridge are in it twice
                blockers.discard(cut)
            misses = 0
        else:
            misses += 1
        i += 1  # after an ear this skips a corner, so that fans do not grow from a single point
    triangles.append((ring[0], ring[1], ring[2]))
    return np.array(triangles, int)


def _empty(points: np.ndarray, blockers: set[int], a, b, c) -> bool:
    if not blockers:
        return True
    others = points[sorted(blockers)]
    inside = (_cross(b - a, others - a) >= 0) & (_cross(c - b, others - b) >= 0) & (_cross(a - c, others - c) >= 0)
    # the point of a bridge occurs twice: the copy of a corner does not block the ear
    return all(any(np.abs(corner - hit).max() < 1e-12 for corner in (a, b, c)) for hit in others[inside])
