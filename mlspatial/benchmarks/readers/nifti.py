"""Volumes of NIfTI files, through nibabel: heads, masks and regions, and some voxels of every volume."""

from __future__ import annotations

import csv
import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.benchmarks.ids import some
from mlspatial.benchmarks.readers.base import library
from mlspatial.core.errors import UserError, in_one_line
from mlspatial.core.limits import demand_memory

NIFTI = (".nii", ".nii.gz")
NEAR = 1e-3  # mm: of two affines that are the same


@dataclass(frozen=True)
class Header:
    """shape: (x, y, z); volumes: how many; image: nibabel's, whose numbers are not read yet."""

    path: Path
    shape: tuple[int, ...]
    volumes: int
    affine: np.ndarray
    image: Any

    def demand_like(self, other: Header) -> None:
        """Raises UserError for a file of another space."""
        if self.shape != other.shape or not np.allclose(self.affine, other.affine, atol=NEAR):
            why = f"{self.shape} and {other.shape}" if self.shape != other.shape else "their affines differ"
            raise UserError(f"{self.path}: is of another space than {other.path.name} ({why}); resample it to that")


@dataclass(frozen=True)
class Voxels:
    """places: (voxels, 3) from 0, in the order of C; rois: the region of each, or ()."""

    places: np.ndarray
    rois: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.places)

    def names(self) -> tuple[str, ...]:
        return tuple(f"{x}-{y}-{z}" for x, y, z in self.places.tolist())

    def of(self, chosen: np.ndarray) -> Voxels:
        return replace(self, places=self.places[chosen], rois=tuple(self.rois[i] for i in chosen) if self.rois else ())


def read_header(path: Path) -> Header:
    """Raises UserError for what is no NIfTI file of three or four axes, and for one whose volume does not fit."""
    with library("nibabel", path):
        import nibabel
    try:
        image: Any = nibabel.load(path, keep_file_open=True)
        shape, kind, affine = tuple(map(int, image.shape)), image.get_data_dtype(), np.asarray(image.affine, np.float64)
    except (OSError, EOFError, ValueError, TypeError, ArithmeticError, nibabel.filebasedimages.ImageFileError) as error:
        raise UserError(
            f"{path}: cannot be read ({in_one_line(error)}); copy it again from where it was made"
        ) from error
    shape = shape[:3] + shape[4:] if len(shape) == 5 and shape[3] == 1 else shape  # AFNI, SPM: (x, y, z, 1, t)
    if len(shape) not in (3, 4) or min(shape) < 1 or kind.kind not in "fiu":
        raise UserError(f"{path}: is {kind} of shape {shape}, must be numbers of three or four axes (x, y, z, trials)")
    demand_memory(f"{path} of shape {shape}", 8 * math.prod(shape[:3]), "a volume of it takes")
    return Header(path, shape[:3], shape[3] if len(shape) == 4 else 1, affine, image)


def read_volumes(header: Header, voxels: Voxels, out: np.ndarray) -> None:
    """Some voxels of every volume into out (volumes, voxels), a volume in memory at a time. Raises UserError."""
    x, y, z = voxels.places.T
    for number, row in enumerate(out):
        row[:] = _volume(header, number)[x, y, z]


def read_volume(path: Path, like: Header) -> np.ndarray:
    """(x, y, z) of a file with one volume in the space of another one."""
    header = read_header(path)
    if header.volumes != 1:
        raise UserError(f"{path}: has {header.volumes} volumes, a mask has one")
    header.demand_like(like)
    return _volume(header, 0)


def _volume(header: Header, number: int) -> np.ndarray:
    axes = len(header.image.shape)
    try:
        proxy = header.image.dataobj
        return np.asarray(proxy if axes == 3 else proxy[(..., number) if axes == 4 else (..., 0, number)])
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(
            f"{header.path}: cannot be read ({in_one_line(error)}), is it cut short? copy it anew"
        ) from error


def chosen_voxels(like: Header, masks: Sequence[Path], rois: Sequence[Path], region: str) -> Voxels:
    """The voxels that count, in the space of `like`: in all masks, and in the region where regions are given.

    rois: a file with a number a region (names in a .tsv beside it with columns index and name, else the number is the
    name), or several masks with label-NAME in their names; those that differ in hemi- alone are one region. nan and 0
    are outside. Raises UserError for none, naming the regions there are.
    """
    inside = np.ones(like.shape, bool)
    for mask in masks:
        inside &= _holds(read_volume(mask, like))
    if not inside.any():
        raise UserError(f"mask {some(mask.name for mask in masks)}: holds no voxel; is it the right file?")
    if not rois:
        return Voxels(np.argwhere(inside))
    regions = _regions(like, rois)
    if region not in regions:
        raise UserError(
            f"rois {some(file.name for file in rois)}: has regions {some(sorted(regions))}, none is called {region}; "
            "write one of those as region:"
        )
    inside &= regions[region]
    if not inside.any():
        raise UserError(
            f"rois {rois[0].name}: region {region} has no voxel in the mask; leave the mask out or widen it"
        )
    places = np.argwhere(inside)
    return Voxels(places, (region,) * len(places))


def _regions(like: Header, files: Sequence[Path]) -> dict[str, np.ndarray]:
    """name -> (x, y, z) truths."""
    named = {file: re.search(r"(?:label|desc|roi)-([a-zA-Z0-9+-]+?)(?:_|\.nii)", file.name) for file in files}
    volumes = {file: read_volume(file, like) for file in files}
    if len(files) > 1:
        if nameless := [file for file, match in named.items() if not match]:
            raise UserError(f"rois {nameless[0]}: of several masks each needs label-NAME in its name; rename it")
        return _united({file: (match[1], _holds(volumes[file])) for file, match in named.items() if match})
    ((file, volume),) = volumes.items()
    numbers = np.unique(volume[np.isfinite(volume)])
    if (numbers % 1).any():
        raise UserError(
            f"rois {file}: holds {numbers[numbers % 1 != 0][0]:g}, must be a whole number a region; threshold it"
        )
    match = named[file]
    if numbers.size <= 2 and match and file.name.split("_")[-1].startswith("mask"):
        return {match[1]: _holds(volume)}
    names = _names(file)
    return {names.get(int(n), str(int(n))): volume == n for n in numbers if n != 0}


def _holds(volume: np.ndarray) -> np.ndarray:
    """Which voxels of a mask are in it: outside is 0 or nan."""
    return np.isfinite(volume) & (volume != 0)


def _united(masks: dict[Path, tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """name -> (x, y, z) truths, both hemispheres of a region together. Raises UserError for two masks of one name that
    are not those."""
    regions: dict[str, np.ndarray] = {}
    before: dict[str, dict[str, Path]] = {}
    for file, (name, inside) in masks.items():
        hemisphere = re.search(r"(?:^|_)hemi-([a-zA-Z0-9]+)", file.name)
        side = hemisphere[1] if hemisphere else ""
        others = before.setdefault(name, {})
        for beside, other in others.items():
            if not side or not beside or side == beside or _without_side(file) != _without_side(other):
                raise UserError(
                    f"rois: {other} and {file} are both of region {name} but not its two hemispheres; "
                    "write a pattern that one of them fits"
                )
        others[side] = file
        regions[name] = regions[name] | inside if name in regions else inside
    return regions


def _without_side(path: Path) -> str:
    return re.sub(r"(^|_)hemi-[a-zA-Z0-9]+", "", path.name).lstrip("_")


def _names(path: Path) -> dict[int, str]:
    """number -> name of a file of regions, from the table beside it (BIDS: columns index, name); empty without one."""
    table = path.with_name(re.sub(r"\.nii(\.gz)?$", ".tsv", path.name))
    if not table.is_file():
        return {}
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            return {int(row["index"]): row["name"] for row in csv.DictReader(file, delimiter="\t")}
    except (KeyError, ValueError, TypeError, OSError, csv.Error) as error:
        raise UserError(f"{table}: cannot be read ({in_one_line(error)}); needs columns index and name") from error
