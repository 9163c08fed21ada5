"""origin.json: what an object of a folder was made from and how, which tells whether it is whole and fits a build."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.core.errors import UserError
from mlspatial.core.hashing import file_sha256
from mlspatial.core.names import file_name
from mlspatial.render.files.folder import turn_of

ORIGIN = "origin.json"
#: What origin.json says at least; the rest it says since version 2.
SAID = {"category": str, "name": str, "collection": str, "key": str, "sha256": str, "remarks": list}
SINCE: dict[str, Any] = {"files": {}, "axes": "", "own_axes": "", "version": 1}
NAMED = 3  # objects that a message names


def objects(out: Path) -> Iterator[dict[str, Any]]:
    """What origin.json says of every whole object of a folder, by category and name."""
    for file in sorted(out.glob(f"*/*/{ORIGIN}")):
        is_there = file.parent.with_name(f"{file.parent.name}.obj").is_file()
        if is_there and not file.parent.name.startswith(".") and (said := read_origin(file.parent)):
            yield said


def read_origin(beside: Path) -> dict[str, Any] | None:
    """What an object's origin.json says; None where it cannot be read or says something else."""
    try:
        said = json.loads((beside / ORIGIN).read_text(encoding="utf-8"))
        said = {**SINCE, **said}
        kinds: dict[str, type] = {**SAID, **{name: type(value) for name, value in SINCE.items()}}
        if not all(isinstance(said.get(name), kind) for name, kind in kinds.items()):
            return None
        turn_of(said["axes"]), turn_of(said["own_axes"])
        return said
    except (OSError, ValueError, TypeError, RecursionError, UserError):
        return None


def is_whole(file: Path, beside: Path, said: dict[str, Any]) -> bool:
    """Whether an OBJ file and all files that were written beside it are what they were."""
    try:
        return file_sha256(file) == said["sha256"] and all(
            file_sha256(beside / name) == digest for name, digest in said["files"].items()
        )
    except OSError:
        return False


def demand_alike(out: Path, collection: str, version: int, axes: str, asked: set[tuple[str, str]]) -> None:
    """Raise UserError where the folder has objects of the collection that this build would put others beside: made with
    other axes, or by another version and not among those that are asked for, (category, name)."""
    do = "name another --out, or remove that folder"
    turned, old = [], []
    for said in objects(out):
        if said["collection"] != collection:
            continue
        one = f"{file_name(said['category'])}/{said['name']}"
        if said["version"] != version:
            if (file_name(said["category"]), said["name"]) not in asked:
                old.append(one)
        elif not _same_turn(said["axes"], now := axes or said["own_axes"]):
            turned.append((one, f"with axes {said['axes'] or 'up=y,front=z'}, not {now or 'up=y,front=z'}"))
    if turned:
        names = [one for one, _ in turned]
        raise UserError(f"out={out}: {_some(names)} were made {turned[0][1]}; one folder has one front: {do}")
    if old:
        raise UserError(f"out={out}: {_some(old)} were made by earlier rules and would stay as they are; {do}")


def _same_turn(one: str, other: str) -> bool:
    first, second = (np.eye(3) if (turn := turn_of(axes, "axes")) is None else turn for axes in (one, other))
    return np.array_equal(first, second)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
