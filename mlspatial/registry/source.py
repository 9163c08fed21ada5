"""Which code made a result: commit, the uncommitted changes on top of it, versions of what it computes with."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path

from mlspatial.core.errors import UserError
from mlspatial.core.names import TAG
from mlspatial.core.parameters import STORE_PATCH, STORE_PATCH_VARIABLE
from mlspatial.core.processor import VARIABLE
from mlspatial.core.secrets import found_in

ROOT = Path(__file__).resolve().parents[2]
MAX_PATCH = 1_000_000  # characters
HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+(\d+)")
PACKAGES = ("torch", "torchvision", "scikit-learn", "numpy", "mlflow")  # a tag each, with _ for -


@cache
def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def tags() -> dict[str, str]:
    """commit: the full hash, or unknown outside of a git checkout; dirty: whether files differ from it."""
    commit = (_git("rev-parse", "HEAD") or "unknown").strip()
    return {
        "mlflow.source.git.commit": commit,
        TAG + "commit": commit,
        TAG + "dirty": str(bool((_git("status", "--porcelain") or "").strip())).lower(),
    }


@cache
def versions() -> dict[str, str]:
    """mlspatial.torch, .scikit_learn, ...: the installed versions, read without importing anything; or missing.
    mlspatial.openblas: the kernels of NumPy's products, where they were named (see core.processor)."""
    found = {}
    for package in PACKAGES:
        try:
            found[TAG + package.replace("-", "_")] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[TAG + package.replace("-", "_")] = "missing"
    if kernels := os.environ.get(VARIABLE):
        found[TAG + "openblas"] = kernels
    return found


def joined(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Tags of a run that goes on: behind what was there stands what is new, as in '2.13.0, 2.14.1'."""
    return {
        name: ", ".join(dict.fromkeys([*filter(None, before.get(name, "").split(", ")), value]))
        for name, value in now.items()
    }


def stores_patch() -> bool:
    """Whether uncommitted changes are kept with runs: unless MLSPATIAL_STORE_PATCH=false. Raises BadValue."""
    named = replace(STORE_PATCH, name=STORE_PATCH_VARIABLE)
    return bool(named.convert(os.environ.get(STORE_PATCH_VARIABLE) or True))


def check_patch() -> None:
    """Raise UserError, with file and line, where the patch that would be stored holds a password or key."""
    patch = dirty_patch()
    for number, what in _keys_in(patch):
        lines = patch.splitlines()[:number]
        file, line = _place(lines)
        how = "take it out" if lines[-1].startswith("+") else "it is in the last commit, so take it out and commit that"
        raise UserError(
            f"{file}, line {line}: holds {what}, and uncommitted changes are kept with every run; {how}, or keep "
            f"them out of the runs with {STORE_PATCH_VARIABLE}=false (store_patch: false in a study's file)"
        )


@lru_cache(maxsize=2)
def _keys_in(patch: str) -> list[tuple[int, str]]:
    return list(found_in(patch))


def _place(lines: Sequence[str]) -> tuple[str, int]:
    """File and line, in the present checkout, of the last of a patch's lines."""
    file, number = "the uncommitted changes", 0
    for line in lines:
        if line.startswith("+++ "):
            file = line[4:].removeprefix("b/")
        elif hunk := HUNK.match(line):
            number = int(hunk[1]) - 1
        elif line[:1] in ("+", " "):
            number += 1
    removed = lines[-1].startswith("-")
    return (f"{file} (a line that was taken out)", number + 1) if removed else (file, max(number, 1))


def dirty_patch() -> str:
    """The difference to the commit as a patch, with the names of untracked files; empty in a clean checkout, and where
    none is to be kept."""
    if not stores_patch():
        return ""
    status = (_git("status", "--porcelain") or "").strip()
    if not status:
        return ""
    untracked = "".join(f"# untracked: {line[3:]}\n" for line in status.splitlines() if line.startswith("??"))
    return (untracked + (_git("diff", "HEAD", "--binary") or ""))[:MAX_PATCH]
