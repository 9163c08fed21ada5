"""Kept predictions come back as they were, each benchmark by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlspatial.core.predictions import Predictions, read, write


def made(name: str, n: int, units: int, noise: bool) -> Predictions:
    rng = np.random.default_rng(n)
    values = rng.standard_normal((3, n, units)).astype(np.float32)
    ids = tuple(f"{name} {i}" for i in range(n))
    folds, reliability = (np.arange(n) % 7).astype(np.int16), rng.random(units).astype(np.float32)
    names = ("unit", *["7"] * (units - 1))  # names may be anything, and may repeat
    return Predictions(name, "V4", "pls25", "a.b", ids, folds, names, values[0], values[1],
                       values[2] if noise else None, reliability)  # fmt: skip


def same(one: Predictions, other: Predictions) -> bool:
    arrays = ("folds", "predicted", "responses", "reliability", "noise")
    words = ("benchmark", "region", "metric", "layer", "stimuli", "units")
    return all(getattr(one, name) == getattr(other, name) for name in words) and all(
        np.array_equal(getattr(one, name), getattr(other, name))
        if getattr(one, name) is not None
        else getattr(other, name) is None
        for name in arrays
    )


def test_what_is_written_is_read(tmp_path: Path) -> None:
    kept = [made("first", 9, 4, True), made("second", 30, 2, False)]
    files = write(kept, tmp_path)
    assert [file.parent for file in files] == [tmp_path] * 2
    found = list(read(lambda name: tmp_path / name))
    assert len(found) == 2 and all(map(same, found, kept))
    (only,) = read(lambda name: tmp_path / name, {("second", "pls25"), ("third", "pls25")})
    assert same(only, kept[1])
    assert list(read(lambda name: tmp_path / name, {("second", "ridge")})) == []


def test_nothing_to_keep_is_a_file_too(tmp_path: Path) -> None:
    write([], tmp_path)
    assert list(read(lambda name: tmp_path / name)) == []


def test_what_is_kept_is_as_large_as_said(tmp_path: Path) -> None:
    """320 stimuli and 100 units are a hundredth of 39 MB."""
    big = made("big", 320, 100, True)
    assert sum(file.stat().st_size for file in write([big], tmp_path)) == pytest.approx(39e4, rel=0.05)
