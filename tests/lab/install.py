"""What `make test-lab` needs: Debian's packages, where this is root, and an environment for the server.

    python -m tests.lab.install FOLDER

What cannot be had is told; the tests then skip with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab.services import PROGRAMS, ROOT, Missing, program


def lacking() -> list[str]:
    names = []
    for name, package in PROGRAMS.items():
        try:
            program(name)
        except Missing:
            names.append(package)
    return names


def debian(packages: list[str]) -> None:
    if not packages:
        return
    if os.getuid() or not shutil.which("apt-get"):
        print(f"test-lab: {' '.join(packages)}: not here, and only root can install Debian's packages", file=sys.stderr)
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    quiet = {"env": environment, "stdout": subprocess.DEVNULL}
    subprocess.call(["apt-get", "update", "-qq"], **quiet)  # type: ignore[arg-type]
    subprocess.call(["apt-get", "install", "--yes", "-qq", "--no-install-recommends", *packages], **quiet)  # type: ignore[arg-type]


def environment(folder: Path) -> None:
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    pins = ROOT / "requirements-lab.txt"
    done = folder / "ready"
    if done.is_file() and done.read_text() == pins.read_text():
        return
    python = folder / "bin" / "python"
    commands = [[uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)],
                [uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(pins)]]  # fmt: skip
    if any(subprocess.call(command) for command in commands):
        print(f"test-lab: {folder} could not be made from {pins.name}", file=sys.stderr)
        return
    done.write_text(pins.read_text())


if __name__ == "__main__":
    debian(lacking())
    environment(Path(sys.argv[1]).absolute())
