"""Which code made a result: commit, and the uncommitted changes on top of it."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from mlspatial.core.names import TAG

ROOT = Path(__file__).resolve().parents[2]
MAX_PATCH = 1_000_000  # characters


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


def dirty_patch() -> str:
    """The difference to the commit as a patch, with the names of untracked files; empty in a clean checkout."""
    status = (_git("status", "--porcelain") or "").strip()
    if not status:
        return ""
    untracked = "".join(f"# untracked: {line[3:]}\n" for line in status.splitlines() if line.startswith("??"))
    return (untracked + (_git("diff", "HEAD", "--binary") or ""))[:MAX_PATCH]
