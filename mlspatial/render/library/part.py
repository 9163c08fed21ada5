"""Part: a piece of surface with its finish, and what can be done to it. Every change returns a new Part."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np

from mlspatial.render.library.finish import PLAIN, Finish

CREASE = 42.0  # degrees between neighbouring faces; sharper edges are drawn sharp, blunter ones smooth
AXES = {"x": 0, "y": 1, "z": 2}


@dataclass(frozen=True)
class Part:
    """Triangles with finishes, in any length unit (merge scales the whole object).

    vertices: (V, 3); uvs: (V, 2) in the same length unit, v along the grain; faces: (F, 3), counter-clockwise seen
    from outside; shell: (V,) int, vertices of one shell share normals where they touch; face_finish: (F,) index into
    finishes; crease: (F,) degrees.
    """

    vertices: np.ndarray
    uvs: np.ndarray
    faces: np.ndarray
    shell: np.ndarray
    face_finish: np.ndarray
    finishes: tuple[Finish, ...]
    crease: np.ndarray

    # ---- where it is -------------------------------------------------------------------------------------------
    @property
    def low(self) -> np.ndarray:
        """The lower corner of the bounding box, (3,)."""
        return self.vertices.min(axis=0)

    @property
    def high(self) -> np.ndarray:
        """The upper corner of the bounding box, (3,)."""
        return self.vertices.max(axis=0)

    @property
    def volume(self) -> float:
        """Signed volume: positive for closed surfaces that are wound outwards."""
        return signed_volume(self.vertices, self.faces)

    # ---- rigid changes and scale -------------------------------------------------------------------------------
    def move(self, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Part:
        return replace(self, vertices=self.vertices + (x, y, z))

    def rotate(
        self, x: float = 0.0, y: float = 0.0, z: float = 0.0, about: tuple[float, float, float] = (0, 0, 0)
    ) -> Part:
        """Turn by degrees, counter-clockwise seen from the tip of the axis; first about x, then y, then z."""
        turned = self.vertices - about
        for axis, degrees in enumerate((x, y, z)):
            if degrees:
                c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
                i, j = (axis + 1) % 3, (axis + 2) % 3
                a, b = turned[:, i].copy(), turned[:, j].copy()
                turned[:, i], turned[:, j] = c * a - s * b, s * a + c * b
        return replace(self, vertices=turned + about)

    def scale(self, x: float, y: float | None = None, z: float | None = None) -> Part:
        """One number scales all axes."""
        factors = np.array([x, x if y is None else y, x if z is None else z], float)
        faces = self.faces if factors.prod() > 0 else self.faces[:, ::-1]
        return replace(self, vertices=self.vertices * factors, faces=faces)

    def mirror(self, axis: str) -> Part:
        factors = [1.0, 1.0, 1.0]
        factors[AXES[axis]] = -1.0
        return self.scale(*factors)

    def stand(self, y: float = 0.0) -> Part:
        """Move up or down until the lowest point is at y."""
        return self.move(y=y - self.low[1])

    def centre(self) -> Part:
        return self.move(*(-(self.low + self.high) / 2))

    def aim(self, start: Iterable[float], end: Iterable[float]) -> Part:
        """Take a part that stands along +y from the origin to `start`, its y axis pointing to `end`."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        d = (end - start) / np.linalg.norm(end - start)
        pitch = np.degrees(np.arccos(np.clip(d[1], -1, 1)))
        heading = np.degrees(np.arctan2(d[0], d[2])) if abs(d[1]) < 1 - 1e-12 else 0.0
        return self.rotate(x=pitch, y=heading).move(*start)

    # ---- changes of shape --------------------------------------------------------------------------------------
    def warp(self, f: Callable[[np.ndarray], np.ndarray]) -> Part:
        """f: (V, 3) -> (V, 3). Call subdivide first where large flat faces have to bend."""
        return replace(self, vertices=np.asarray(f(self.vertices.copy()), float))

    def shift(self, **by: Callable[[np.ndarray], np.ndarray]) -> Part:
        """Move vertices by a function of where they are: shift(z=lambda v: 0.1 * v[:, 0] ** 2)."""
        moved = self.vertices.copy()
        for axis, f in by.items():
            moved[:, AXES[axis]] += f(self.vertices)
        return replace(self, vertices=moved)

    def bend(self, degrees: float) -> Part:
        """Bend upwards-running parts: y becomes the arc of a circle in the x-y plane, the top leaning to -x."""
        low, high = self.low[1], self.high[1]
        if abs(degrees) < 1e-6:
            return self
        radius = (high - low) / np.radians(degrees)

        def f(v: np.ndarray) -> np.ndarray:
            angle = (v[:, 1] - low) / radius
            r = radius + v[:, 0]
            return np.stack([r * np.cos(angle) - radius, low + r * np.sin(angle), v[:, 2]], axis=1)

        return self.warp(f)

    def taper(self, top: float, bottom: float = 1.0) -> Part:
        """Scale x and z from `bottom` at the lowest point to `top` at the highest."""
        low, high = self.low[1], self.high[1]

        def f(v: np.ndarray) -> np.ndarray:
            k = bottom + (top - bottom) * (v[:, 1] - low) / (high - low)
            return v * np.stack([k, np.ones_like(k), k], axis=1)

        return self.warp(f)

    def twist(self, degrees: float) -> Part:
        """Turn about y, by nothing at the lowest point and by `degrees` at the highest."""
        low, high = self.low[1], self.high[1]

        def f(v: np.ndarray) -> np.ndarray:
            a = np.radians(degrees) * (v[:, 1] - low) / (high - low)
            x, z = v[:, 0], v[:, 2]
            return np.stack([x * np.cos(a) + z * np.sin(a), v[:, 1], z * np.cos(a) - x * np.sin(a)], axis=1)

        return self.warp(f)

    def subdivide(self, longest: float) -> Part:
        """Split every edge that is longer than `longest`; the surface stays where it is."""
        vertices, uvs, faces, shell, origin = split_edges(self.vertices, self.uvs, self.faces, self.shell, longest)
        return replace(
            self,
            vertices=vertices,
            uvs=uvs,
            faces=faces,
            shell=shell,
            face_finish=self.face_finish[origin],
            crease=self.crease[origin],
        )

    # ---- looks -------------------------------------------------------------------------------------------------
    def paint(self, finish: Finish, where: Callable[[np.ndarray], np.ndarray] | None = None) -> Part:
        """Give all faces a finish, or those that `where` picks: (F, 3) face centres -> (F,) bool."""
        if where is None:
            return replace(self, finishes=(finish,), face_finish=np.zeros(len(self.faces), int))
        chosen = np.asarray(where(self.vertices[self.faces].mean(axis=1)), bool)
        index = np.where(chosen, len(self.finishes), self.face_finish)
        return replace(self, finishes=(*self.finishes, finish), face_finish=index)

    def smooth(self, crease: float) -> Part:
        """0 draws every edge sharp, 180 none."""
        return replace(self, crease=np.full(len(self.faces), float(crease)))

    def turn_grain(self) -> Part:
        """Let the texture run across instead of along."""
        return replace(self, uvs=self.uvs[:, ::-1])


def new_part(vertices, uvs, faces, finish: Finish | None, crease: float = CREASE, outward: bool = True) -> Part:
    """One shell from arrays: faces with two equal corners dropped, wound outwards when `outward`."""
    vertices, uvs = np.asarray(vertices, float).reshape(-1, 3), np.asarray(uvs, float).reshape(-1, 2)
    faces = np.asarray(faces, int).reshape(-1, 3)
    faces = faces[shortest_edge(vertices, faces) > 1e-9 * np.ptp(vertices, axis=0).max()]
    if outward and signed_volume(vertices, faces) < 0:
        faces = faces[:, ::-1]
    n = len(faces)
    shell, zeros = np.zeros(len(vertices), int), np.zeros(n, int)
    return Part(vertices, uvs, faces, shell, zeros, (finish or PLAIN,), np.full(n, float(crease)))


def join(*parts: Part | Iterable | None) -> Part:
    """One Part from many; lists inside lists are fine, None is left out."""
    flat = list(_flatten(parts))
    if not flat:
        raise ValueError("join: no parts")
    vertex_start = np.cumsum([0] + [len(p.vertices) for p in flat])
    shell_start = np.cumsum([0] + [int(p.shell.max()) + 1 for p in flat])
    finish_start = np.cumsum([0] + [len(p.finishes) for p in flat])
    return Part(
        np.concatenate([p.vertices for p in flat]),
        np.concatenate([p.uvs for p in flat]),
        np.concatenate([p.faces + s for p, s in zip(flat, vertex_start, strict=False)]),
        np.concatenate([p.shell + s for p, s in zip(flat, shell_start, strict=False)]),
        np.concatenate([p.face_finish + s for p, s in zip(flat, finish_start, strict=False)]),
        tuple(f for p in flat for f in p.finishes),
        np.concatenate([p.crease for p in flat]),
    )


def repeat(part: Part, n: int, step: tuple[float, float, float]) -> Part:
    """n copies in a row, `step` apart; the row is centred on where the part was."""
    return join([part.move(*(np.asarray(step, float) * (i - (n - 1) / 2))) for i in range(n)])


def around(part: Part, n: int, axis: str = "y", start: float = 0.0) -> Part:
    """n copies turned evenly about an axis, the first by `start` degrees."""
    return join([part.rotate(*(start + 360.0 * i / n) * np.eye(3)[AXES[axis]]) for i in range(n)])


def both(part: Part, axis: str = "x") -> Part:
    """The part and its mirror image."""
    return join(part, part.mirror(axis))


def four(part: Part) -> Part:
    """The part and its mirror images in x and z: legs, feet, wheels."""
    return both(both(part, "x"), "z")


def _flatten(parts: Iterable) -> Iterable[Part]:
    for part in parts:
        if isinstance(part, Part):
            yield part
        elif part is not None:
            yield from _flatten(part)


def shortest_edge(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) lengths. Faces with an edge of length 0 can go; thin ones cannot, their neighbours would no longer meet."""
    d = vertices[faces] - vertices[faces[:, [1, 2, 0]]]
    return np.sqrt(np.einsum("fij,fij->fi", d, d).min(axis=1))


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def split_edges(vertices, uvs, faces, shell, longest: float, rounds: int = 8):
    """Halve edges until none is longer than `longest`. Returns the new arrays and each face's original face."""
    origin = np.arange(len(faces))
    for _ in range(rounds):
        start, end = faces.ravel(), faces[:, [1, 2, 0]].ravel()
        d = vertices[start] - vertices[end]
        long = np.einsum("ij,ij->i", d, d) > longest**2
        if not long.any():
            break
        low, high = np.minimum(start[long], end[long]), np.maximum(start[long], end[long])
        keys, inverse = np.unique(low * len(vertices) + high, return_inverse=True)
        a, b = keys // len(vertices), keys % len(vertices)
        middle = np.full(len(long), -1)
        middle[long] = len(vertices) + inverse
        vertices = np.concatenate([vertices, (vertices[a] + vertices[b]) / 2])
        uvs = np.concatenate([uvs, (uvs[a] + uvs[b]) / 2])
        shell = np.concatenate([shell, shell[a]])
        faces, kept = _split_faces(faces, middle.reshape(-1, 3))
        origin = origin[kept]
    return vertices, uvs, faces, shell, origin


def _split_faces(faces: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """middle: (F, 3), the new vertex on the edge from corner i to corner i + 1, or -1."""
    count = (middle >= 0).sum(axis=1)
    index = np.flatnonzero(count)
    out, kept = [faces[count == 0]], [np.flatnonzero(count == 0)]
    faces, middle, count = faces[index], middle[index], count[index]
    # roll every face so that its split edges come first: one split: edge 0; two: edges 0 and 1
    first = np.where(count == 1, np.argmax(middle >= 0, axis=1), (np.argmin(middle, axis=1) + 1) % 3)
    order = (first[:, None] + np.arange(3)) % 3
    f, m = np.take_along_axis(faces, order, axis=1), np.take_along_axis(middle, order, axis=1)
    (a, b, c), (ab, bc, ca) = f.T, m.T
    for n, triangles in (
        (1, [(a, ab, c), (ab, b, c)]),
        (2, [(ab, b, bc), (a, ab, bc), (a, bc, c)]),
        (3, [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]),
    ):
        here = count == n
        for triangle in triangles:
            out.append(np.stack([t[here] for t in triangle], axis=1))
            kept.append(index[here])
    return np.concatenate(out), np.concatenate(kept)
