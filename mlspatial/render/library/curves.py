"""Points for the parts: smooth curves, rounded corners, outlines. All return float arrays (n, 2) or (n, 3)."""

from __future__ import annotations

import numpy as np


def curve(points, n: int = 24, closed: bool = False) -> np.ndarray:
    """A smooth curve through the points (Catmull-Rom, centripetal), n points in all, evenly along the parameter."""
    p = np.asarray(points, float)
    if closed:
        p = np.concatenate([p[-1:], p, p[:2]])
    else:
        p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    knots = np.concatenate([[0.0], np.cumsum(np.sqrt(np.linalg.norm(np.diff(p, axis=0), axis=1)) + 1e-9)])
    t = np.linspace(knots[1], knots[-2], n, endpoint=not closed)
    i = np.clip(np.searchsorted(knots, t, side="right") - 1, 1, len(p) - 3)
    t0, t1, t2, t3 = (knots[i + k][:, None] for k in (-1, 0, 1, 2))
    p0, p1, p2, p3 = (p[i + k] for k in (-1, 0, 1, 2))
    t = t[:, None]
    a1 = (t1 - t) / (t1 - t0) * p0 + (t - t0) / (t1 - t0) * p1
    a2 = (t2 - t) / (t2 - t1) * p1 + (t - t1) / (t2 - t1) * p2
    a3 = (t3 - t) / (t3 - t2) * p2 + (t - t2) / (t3 - t2) * p3
    b1 = (t2 - t) / (t2 - t0) * a1 + (t - t0) / (t2 - t0) * a2
    b2 = (t3 - t) / (t3 - t1) * a2 + (t - t1) / (t3 - t1) * a3
    return (t2 - t) / (t2 - t1) * b1 + (t - t1) / (t2 - t1) * b2


def fillet(points, radius: float, closed: bool = False, n: int = 4) -> np.ndarray:
    """Round the corners of a polyline; a corner between short edges gets a smaller radius. (n, 2) or (n, 3).

    closed: a polygon (without a repeated last point), every corner is rounded.
    """
    p = np.asarray(points, float)
    out: list[np.ndarray] = []
    for i, corner in enumerate(p):
        if not closed and i in (0, len(p) - 1):
            out.append(corner[None])
            continue
        before, after = p[i - 1] - corner, p[(i + 1) % len(p)] - corner
        a, b = np.linalg.norm(before), np.linalg.norm(after)
        if min(a, b) < 1e-9:
            out.append(corner[None])
            continue
        before, after = before / a, after / b
        half = np.arccos(np.clip(before @ after, -1, 1)) / 2
        reach = min(radius / max(np.tan(half), 1e-3), 0.49 * a, 0.49 * b)
        if reach < 1e-9 or half > np.radians(88):
            out.append(corner[None])
            continue
        t = np.linspace(0, 1, n + 1)[:, None]
        weight = np.sin(half)  # a rational Bezier with this weight is the circle
        w = (1 - t) ** 2 + 2 * weight * t * (1 - t) + t**2
        start, end = corner + before * reach, corner + after * reach
        out.append(((1 - t) ** 2 * start + 2 * weight * t * (1 - t) * corner + t**2 * end) / w)
    return np.concatenate(out)


def arc(radius: float, start: float, end: float, n: int = 16, centre=(0.0, 0.0)) -> np.ndarray:
    """(n, 2) points on a circle, from `start` to `end` degrees, 0 along +x, 90 along +y."""
    a = np.radians(np.linspace(start, end, n))
    return np.stack([centre[0] + radius * np.cos(a), centre[1] + radius * np.sin(a)], axis=1)


def circle(radius: float = 1.0, n: int = 32) -> np.ndarray:
    """(n, 2) polygon, counter-clockwise."""
    return arc(radius, 0, 360 * (1 - 1 / n), n)


def oval(width: float, height: float, power: float = 2.0, n: int = 40) -> np.ndarray:
    """(n, 2) superellipse; power 2 an ellipse, 4 a rounded rectangle, 1.2 nearly a rhombus."""
    a = 2 * np.pi * np.arange(n) / n
    c, s = np.cos(a), np.sin(a)
    x, y = np.sign(c) * np.abs(c) ** (2 / power), np.sign(s) * np.abs(s) ** (2 / power)
    return np.stack([x * width / 2, y * height / 2], axis=1)


def rectangle(width: float, height: float, radius: float = 0.0, n: int = 5) -> np.ndarray:
    """(n, 2) polygon about the origin, counter-clockwise, with round corners when radius > 0."""
    w, h = width / 2, height / 2
    corners = np.array([[w, -h], [w, h], [-w, h], [-w, -h]])
    return fillet(corners, radius, closed=True, n=n) if radius > 0 else corners


def star(points: int, outer: float, inner: float, start: float = 90.0) -> np.ndarray:
    """(2 * points, 2) polygon."""
    a = np.radians(start) + np.pi * np.arange(2 * points) / points
    r = np.where(np.arange(2 * points) % 2 == 0, outer, inner)
    return np.stack([r * np.cos(a), r * np.sin(a)], axis=1)


def wall(outline, thickness: float) -> np.ndarray:
    """A lathe profile for a thin wall: along the outline (bottom to top) outside and back inside.

    outline: (n, 2) of (radius, height), from the axis or not, to the rim. The bottom gets the thickness as well.
    Returns a closed profile when the outline starts off the axis, else one that starts and ends on the axis.
    """
    p = np.asarray(outline, float)
    steps = np.diff(p, axis=0)
    steps = steps / np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-12)
    before, after = np.concatenate([steps[:1], steps]), np.concatenate([steps, steps[-1:]])
    n1, n2 = (np.stack([-d[:, 1], d[:, 0]], axis=1) for d in (before, after))
    inner = p + thickness * (n1 + n2) / np.maximum(np.sum((n1 + n2) * n1, axis=1, keepdims=True), 0.3)
    starts_on_axis = p[0, 0] < 1e-9
    # where the outline bends more sharply than the wall is thick, inner points would cross over: leave them out
    a, d = p[:-1][None], np.diff(p, axis=0)[None]
    t = np.clip(np.sum((inner[:, None] - a) * d, axis=2) / np.maximum(np.sum(d * d, axis=2), 1e-18), 0, 1)
    distance = np.linalg.norm(inner[:, None] - a - t[..., None] * d, axis=2).min(axis=1)
    keep = (distance > 0.98 * thickness) & (inner[:, 0] > 1e-6)
    keep[-1] = True
    if starts_on_axis:
        keep[0] = True
        inner[0] = (0.0, p[0, 1] + thickness)
    inner = inner[keep]
    lip = (p[-1] + inner[-1]) / 2 + 0.35 * thickness * steps[-1]
    profile = np.concatenate([p, [lip], inner[::-1]])
    return profile if starts_on_axis else np.concatenate([profile, p[:1]])


def spiral(radius: float, height: float, turns: float, n: int = 64, end_radius: float | None = None) -> np.ndarray:
    """(n, 3) path about the y axis, from y = 0 to `height`."""
    t = np.linspace(0, 1, n)
    r = radius + ((radius if end_radius is None else end_radius) - radius) * t
    return np.stack([r * np.cos(2 * np.pi * turns * t), height * t, r * np.sin(2 * np.pi * turns * t)], axis=1)


def in_plane(points, plane: str = "xy") -> np.ndarray:
    """(n, 2) points as a path in a plane of space: "xy", "zy" or "xz"; the first letter takes the first column."""
    p = np.asarray(points, float)
    out = np.zeros((len(p), 3))
    out[:, "xyz".index(plane[0])], out[:, "xyz".index(plane[1])] = p[:, 0], p[:, 1]
    return out


def frames(path: np.ndarray, closed: bool = False, up=None) -> tuple[np.ndarray, np.ndarray]:
    """Two unit vectors across the path at each point; parallel transport, or held to `up`."""
    if closed:
        along = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0)
    else:
        along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    if up is not None:
        top = np.broadcast_to(np.asarray(up, float), along.shape)
        top = top - np.sum(top * along, axis=1, keepdims=True) * along
        top = top / np.linalg.norm(top, axis=1, keepdims=True)
        return np.cross(top, along), top
    start = np.eye(3)[np.argmin(np.abs(along[0]))]
    top = np.empty_like(path)
    top[0] = start - (start @ along[0]) * along[0]
    for i in range(1, len(path)):
        top[i] = top[i - 1] - (top[i - 1] @ along[i]) * along[i]
        top[i] /= np.linalg.norm(top[i])
    top[0] /= np.linalg.norm(top[0])
    if closed:  # spread the remaining turn over the ring
        back = top[-1] - (top[-1] @ along[0]) * along[0]
        turn = np.arctan2(np.cross(back, top[0]) @ along[0], back @ top[0])
        a = turn * np.arange(len(path)) / len(path)
        top = top * np.cos(a)[:, None] + np.cross(along, top) * np.sin(a)[:, None]
    return np.cross(top, along), top
