"""The systemd units of a lab's server, filled in for the folder that this script lies in and for settings.env.

    python deploy/units.py                               # shows them
    python deploy/units.py --out /etc/systemd/system     # writes them
    python deploy/units.py --environment FOLDER          # of requirements-lab.txt; `lab` in the project's folder
    python deploy/units.py --user NAME                   # who the services run as; mlspatial

Write them anew after LAB_DATA or BACKUPS of settings.env has changed, then `systemctl daemon-reload`; the units make
both folders, and give them to that user. secrets.env and the environment must be there.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
HOMES = ("/home", "/root", "/run/user")  # which ProtectHome=true hides


def settings() -> dict[str, str]:
    lines = (HERE / "settings.env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def values(environment: Path, user: str) -> dict[str, str]:
    """Of the placeholders. Ends the script where a folder is missing or cannot stand in a unit."""
    given = settings()
    made = {
        "PROJECT": str(HERE.parent),
        "ENVIRONMENT": str(environment.absolute()),
        "DATA": given.get("LAB_DATA", ""),
        "BACKUPS": given.get("BACKUPS", ""),
        "USER": user,
    }
    for name, value in made.items():
        setting = {"DATA": "settings.env: LAB_DATA", "BACKUPS": "settings.env: BACKUPS"}.get(name, name.lower())
        if not re.fullmatch(r"[\w./@+-]+" if name != "USER" else r"[\w.-]+", value):
            sys.exit(f"units.py: {setting}={value}: must not be empty, nor hold spaces or other signs than . / @ + - _")
        if name != "USER" and not os.path.isabs(value):
            sys.exit(f"units.py: {setting}={value}: must be a whole path, from /")
    for path in (HERE / "secrets.env", Path(made["ENVIRONMENT"], "bin", "python")):
        if not path.exists():
            sys.exit(f"units.py: {path} is not there; docs/cluster.md says how to make it")
    inside = any(value.startswith(f"{home}/") for value in made.values() for home in HOMES)
    return made | {"HOMES": "read-only" if inside else "true"}


def units(environment: Path, user: str) -> dict[str, str]:
    """Their texts, by name."""
    given = values(environment, user)
    found = sorted((HERE / "systemd").glob("mlspatial-*"))
    return {path.name: re.sub(r"@([A-Z]+)@", lambda it: given[it[1]], path.read_text()) for path in found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--environment", type=Path, default=HERE.parent / "lab")
    parser.add_argument("--user", default="mlspatial")
    given = parser.parse_args()
    made = units(given.environment, given.user)
    if given.out is None:
        print("\n".join(f"# {name}\n{text}" for name, text in made.items()), end="")
        return
    try:
        given.out.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (given.out / name).write_text(text)
            print(given.out / name)
    except OSError as error:
        sys.exit(f"units.py: {error}")


if __name__ == "__main__":
    main()
