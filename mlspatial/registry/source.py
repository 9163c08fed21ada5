"""Which code made a result: commit, the uncommitted changes on top of it, versions of what it computes with."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from mlspatial.core.names import TAG

ROOT = Path(__file__).resolve().parents[2]
MAX_PATCH = 1_000_000  # characters
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
    """mlspatial.torch, .scikit_learn, ...: the installed versions, read without importing anything; or missing."""
    found = {}
    for package in PACKAGES:
        try:
            found[TAG + package.replace("-", "_")] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[TAG + package.replace("-", "_")] = "missing"
    return found


def joined(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, str]:
    """Tags of a run that goes on: behind what was there stands what is new, as in '2.13.0, 2.14.1'."""
    return {
        name: ", ".join(dict.fromkeys([*filter(None, before.get(name, "").split(", ")), value]))
        for name, value in now.items()
    }


def dirty_patch() -> str:
    """The difference to the commit as a patch, with the names of untracked files; empty in a clean checkout."""
    status = (_git("status", "--porcelain") or "").strip()
    if not status:
        return ""
    untracked = "".join(f"# untracked: {line[3:]}\n" for line in status.splitlines() if line.startswith("??"))
    return (untracked + (_git("diff", "HEAD", "--binary") or ""))[:MAX_PATCH]
