"""MATLAB files: numbers, struct arrays and pictures, through SciPy; of version 7.3 numbers alone, through h5py."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.benchmarks.ids import some
from mlspatial.core.errors import UserError, in_one_line
from mlspatial.core.limits import demand_memory

MAT = ".mat"
ITEM = {"double": 8, "single": 4, "int8": 1, "uint8": 1, "logical": 1, "char": 2, "int16": 2, "uint16": 2, "int32": 4,
        "uint32": 4}  # bytes of an element, by MATLAB's name of its class  # fmt: skip
IMAGE = "image"  # the field of a struct array that holds pictures


def variables(path: Path) -> dict[str, np.ndarray]:
    """name -> array, as MATLAB shows it, struct arrays with named fields. Raises UserError for what cannot be read.

    Of version 7.3 only arrays of numbers; others are left out.
    """
    from scipy.io import loadmat, whosmat

    try:
        declared = {name: math.prod(shape) * ITEM.get(kind, 8) for name, shape, kind in whosmat(path)}
        demand_memory(str(path), sum(declared.values()), "its arrays declare")
        return {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    except NotImplementedError:
        return _version_7_3(path)
    except UserError:
        raise
    except Exception as error:  # whatever SciPy says of a damaged file: its reader trusts what stands in it
        raise UserError(f"{path}: cannot be read ({in_one_line(error)})") from error


def _version_7_3(path: Path) -> dict[str, np.ndarray]:
    import h5py

    try:
        with h5py.File(path) as file:
            sets = {
                name: one for name, one in file.items() if isinstance(one, h5py.Dataset) and one.dtype.kind in "fiu"
            }
            demand_memory(str(path), sum(one.size * one.dtype.itemsize for one in sets.values()), "its arrays declare")
            # h5py sees the axes in reverse; MATLAB has at least two
            return {name: np.atleast_2d(one[()].T) for name, one in sets.items()}
    except (OSError, RuntimeError, LookupError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({in_one_line(error)})") from error


def chosen(
    path: Path, found: dict[str, np.ndarray], fits: Any, variable: str, what: str, advice: str = "name one as variable:"
) -> tuple[str, np.ndarray]:
    """(name, array) of the variable that is named, or the only one that fits. Raises UserError for none or several.

    fits(array): whether it can be what is looked for; what: that, in words; advice: what to do about several.
    """
    if variable and variable not in found:
        raise UserError(f"{path}: has no variable {variable} (variables: {some(found)})")
    names = [variable] if variable else [name for name, value in found.items() if fits(value)]
    if len(names) > 1:
        raise UserError(f"{path}: {len(names)} variables are {what} ({some(names)}); {advice}")
    if not names:
        there = f"variables: {some(found)}" if found else "there are no variables of numbers"
        new = "; of version 7.3 arrays of numbers alone are read, so save others with -v7" if _is_new(path) else ""
        raise UserError(f"{path}: no variable is {what} ({there}){new or '; save one as that'}")
    if not fits(found[names[0]]):
        raise UserError(f"{path}: variable {names[0]} is not {what}")
    return names[0], found[names[0]]


def _is_new(path: Path) -> bool:
    import h5py

    return bool(h5py.is_hdf5(path))


def has_field(array: np.ndarray, field: str) -> bool:
    """Whether it is a struct array with a field of this name."""
    return bool(array.dtype.names) and field in array.dtype.names


def field_of(array: np.ndarray, field: str) -> list[np.ndarray]:
    """A field of every element of a struct array, in MATLAB's order (the first axis fastest)."""
    return [np.asarray(element[field]) for element in array.ravel(order="F")]


def texts_of(array: np.ndarray, field: str) -> list[str]:
    """A field of texts of every element; "" where it is none."""
    found = (value.ravel() for value in field_of(array, field))
    return [str(value[0]) if len(value) == 1 and value.dtype.kind == "U" else "" for value in found]


def pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    """(name, PNG) of the pictures in a file: a struct array with a field `image`, or uint8 (height, width, 3, n).

    They are called image01.png, image02.png ... in the file's order. Raises UserError where there are none.
    """
    from PIL import Image

    words = "a struct array with a field image, or uint8 (h, w, 3, n)"
    _, array = chosen(path, variables(path), _shows, "", words, "save one of them alone")
    images = field_of(array, IMAGE) if array.dtype.names else [array[..., i] for i in range(array.shape[3])]
    for number, image in enumerate(images, 1):
        name = f"image{number:0{len(str(len(images)))}d}.png"
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            raise UserError(
                f"stimulus {name} in {path}: is {image.dtype} of shape {image.shape}; save uint8 (height, width, 3)"
            )
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG")
        yield name, stream.getvalue()


def _shows(array: np.ndarray) -> bool:
    return has_field(array, IMAGE) or (array.dtype == np.uint8 and array.ndim == 4 and array.shape[2] == 3)
