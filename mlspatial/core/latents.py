"""The latent variables of a dataset: what each column means, its unit and its range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mlspatial.core.errors import DatasetError, UnknownName

Kind = Literal["linear", "circular", "category"]
KINDS = ("linear", "circular", "category")

#: Written into every manifest, tested by re-projection in tests/render.
CAMERA_FRAME = "x right, y up, z into the image (left-handed); metres; origin at the camera"
EULER_CONVENTION = (
    "R = Ry(rot_1) Rx(rot_0) Rz(rot_2) in degrees: standard rotation matrices on column vectors (x, y, z) of the "
    "camera frame; identity = the object faces the camera upright; rot_0 in [-90, 90], the others in [-180, 180)"
)


@dataclass(frozen=True)
class Latent:
    """One column. low and high bound linear latents; a circular latent repeats after high - low;
    categories lists the values of a categorical one, in the order of its output units."""

    name: str
    unit: str
    kind: Kind
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"latent {self.name}: kind {self.kind!r} is none of {KINDS}")
        if self.kind == "category" and len(set(self.categories)) != len(self.categories):
            raise ValueError(f"latent {self.name}: repeated categories")

    @property
    def period(self) -> float:
        """After which a circular latent repeats, in its unit; a whole turn in degrees without bounds."""
        return 360.0 if self.low is None or self.high is None else self.high - self.low


@dataclass(frozen=True)
class LatentSchema:
    """The columns of a dataset, in order."""

    latents: tuple[Latent, ...]

    def __iter__(self) -> Iterator[Latent]:
        return iter(self.latents)

    def __contains__(self, name: object) -> bool:
        return any(latent.name == name for latent in self.latents)

    def __getitem__(self, name: str) -> Latent:
        for latent in self.latents:
            if latent.name == name:
                return latent
        raise UnknownName("latent", name, self.names)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(latent.name for latent in self.latents)

    def check(self, columns: Mapping[str, np.ndarray]) -> None:
        """Raise DatasetError for a missing column, a value that is not finite or one outside its range.

        columns: name -> (n,) values; categorical columns as integer codes into `categories`.
        """
        for latent in self.latents:
            if latent.name not in columns:
                raise DatasetError(f"column {latent.name!r} is missing; the dataset has {', '.join(columns)}")
            values = np.asarray(columns[latent.name])
            if latent.kind == "category":
                low, high = 0.0, float(len(latent.categories) - 1)
            else:
                low = -np.inf if latent.low is None else latent.low
                high = np.inf if latent.high is None else latent.high
            bad = ~np.isfinite(values) | (values < low - 1e-4) | (values > high + 1e-4)
            if bad.any():
                row = int(np.flatnonzero(bad)[0])
                raise DatasetError(f"{latent.name}={values[row]} in row {row}: outside [{low}, {high}] {latent.unit}")

    def to_json(self) -> list[dict[str, Any]]:
        return [asdict(latent) for latent in self.latents]

    @classmethod
    def from_json(cls, data: list[dict[str, Any]]) -> LatentSchema:
        return cls(tuple(Latent(**{**item, "categories": tuple(item["categories"])}) for item in data))


FASTEST = 1.5  # metres a second, of what moves in clips

#: Of clips, besides: derivatives of x, y, z, and the direction in which the object comes or goes, seen from above.
MOTION = (
    *(Latent(f"v_{axis}", "m/s", "linear", -FASTEST, FASTEST) for axis in "xyz"),
    Latent("heading", "deg", "circular", -180.0, 180.0),
)


def spatial_schema(categories: tuple[str, ...], identities: tuple[str, ...]) -> LatentSchema:
    """The latents of a rendered dataset: where (x, y, z), how turned (rot_*), what (category, identity).

    Ranges follow from the sampling: the object is .9 to 4.2 m away (Xie et al. 2025) and the camera is turned
    by at most 20 degrees about two axes.
    """
    reach = 4.2
    return LatentSchema(
        (
            Latent("x", "m", "linear", -reach, reach),
            Latent("y", "m", "linear", -reach, reach),
            Latent("z", "m", "linear", 0.0, reach),
            Latent("rot_0", "deg", "circular", -180.0, 180.0),
            Latent("rot_1", "deg", "circular", -180.0, 180.0),
            Latent("rot_2", "deg", "circular", -180.0, 180.0),
            Latent("category", "", "category", categories=categories),
            Latent("identity", "", "category", categories=identities),
        )
    )
