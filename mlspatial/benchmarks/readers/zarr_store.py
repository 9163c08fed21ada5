"""Zarr stores as xarray writes them, formats 2 and 3, read through zarr itself: a folder, or a zip file of one.

xarray names dimensions in an attribute of format 2 (_ARRAY_DIMENSIONS), in the array's own metadata of format 3, and
coordinates in attributes; those conventions are decoded by xarray (CF).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.benchmarks.ids import some
from mlspatial.benchmarks.readers.base import FOLDER, READERS, Asked, Reader, library
from mlspatial.benchmarks.readers.netcdf import from_dataset
from mlspatial.benchmarks.responses import Responses
from mlspatial.core.errors import UserError, in_one_line
from mlspatial.core.limits import demand_memory
from mlspatial.core.progress import say

if TYPE_CHECKING:
    import xarray as xr

DIMENSIONS = "_ARRAY_DIMENSIONS"


def read_zarr(path: Path, asked: Asked) -> Responses:
    """Raises UserError, without zarr one that says how to install it."""
    with library("zarr", path):
        import zarr
        import zarr.storage
    with _damage(path):
        place: Any = zarr.storage.ZipStore(str(path), mode="r") if path.suffix == ".zip" else str(path)
        group = zarr.open_group(place, mode="r")
        arrays, attributes = dict(group.arrays()), dict(group.attrs)
    declared = sum(int(np.prod(one.shape, dtype=float)) * one.dtype.itemsize for one in arrays.values())
    demand_memory(f"responses {path}", declared, "its arrays declare")
    if not arrays:
        raise UserError(f"responses {path}: holds no arrays (groups: {some(name for name, _ in group.groups())})")
    return from_dataset(path, _dataset(path, attributes, arrays), asked)


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """What zarr and xarray say of a store that is damaged, as one line: codecs and metadata of all kinds raise what
    they like. Nothing of ours is called within it."""
    try:
        yield
    except Exception as error:
        raise UserError(f"responses {path}: cannot be read ({type(error).__name__}: {in_one_line(error)})") from error


def _dataset(path: Path, attributes: dict[str, Any], arrays: dict[str, Any]) -> xr.Dataset:
    import xarray as xr

    variables = {}
    for name, array in arrays.items():
        with _damage(path):
            own, values = dict(array.attrs), np.asarray(array[...])
        dimensions = own.pop(DIMENSIONS, None) or getattr(array.metadata, "dimension_names", None)
        if dimensions is None or len(dimensions) != len(array.shape) or None in dimensions:
            raise UserError(
                f"responses {path}: array {name} has no names of dimensions; write it with xarray's to_zarr"
            )
        if array.dtype.kind == "f" and isinstance(own.get("_FillValue"), str):  # as newer xarray writes format 3
            with _damage(path):
                (own["_FillValue"],) = struct.unpack("<d", base64.b64decode(own["_FillValue"]))
        fill = array.fill_value
        if fill is not None and np.ndim(fill) == 0 and array.dtype.kind in "iuf":
            # xarray keeps its own missing value there in format 2, in the attributes in format 3; 0 is what zarr fills
            # with by itself, and then a measured 0 is no missing value
            if array.metadata.zarr_format == 2 and fill != 0:
                own.setdefault("_FillValue", fill)
            _tell_absent(path, name, array, own)
        variables[name] = (tuple(dimensions), values, own)
    coordinates = str(attributes.get("coordinates", "")).split()
    with _damage(path):
        data = xr.decode_cf(xr.Dataset({name: xr.Variable(*parts) for name, parts in variables.items()}))
    return data.set_coords([name for name in coordinates if name in data])


def _tell_absent(path: Path, name: str, array: Any, attributes: dict[str, Any]) -> None:
    """A chunk that is not there reads as the fill value; say what that is once it is decoded."""
    import xarray as xr

    try:
        there, all_of_them = array.nchunks_initialized, array.nchunks
    except ValueError:  # zarr 3.1 in zip files whose arrays' names begin alike
        return
    if there == all_of_them:
        return
    with _damage(path):
        fill = xr.Variable(("one",), np.full(1, array.fill_value, array.dtype), attributes)
        value = xr.decode_cf(xr.Dataset({"fill": fill}))["fill"].values[0]
    count = "missing values" if value != value else f"{value}"
    say(
        f"{path.name}: {all_of_them - there} of {all_of_them} chunks of {name} are not in the store and count as "
        f"{count}; copy the store anew if it was not written so"
    )


READERS.register("zarr")(Reader((".zarr", ".zarr.zip"), "zarr", read_zarr, (), FOLDER))
