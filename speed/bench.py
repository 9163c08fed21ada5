"""Every speed script's quick form, each in a process of its own, and one table of what they measured.

    python -m speed.bench [--only cka,score] [--keep]

A script that cannot run here (a package or a service that is missing) is named with its reason and the others go on;
exit 1 when one failed for another reason. --keep: add the lines to results/ and write docs/speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from speed import table

HERE = Path(__file__).resolve().parent
MISSING = ("ModuleNotFoundError", "ImportError")


def scripts(folder: Path = HERE) -> list[str]:
    """Names of those that have a quick form."""
    mine = Path(__file__).name
    return sorted(path.stem for path in folder.glob("*.py") if path.name != mine and '"--quick"' in path.read_text())


def run(name: str, package: str = "speed") -> tuple[list[dict[str, Any]], str, bool]:
    """(lines, why there are none or not all, whether something is only missing) of a script."""
    command = [sys.executable, "-m", f"{package}.{name}", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent, env=os.environ)
    lines = []
    for text in done.stdout.splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if isinstance(line, dict) and "case" in line:
            lines.append(line)
    if not done.returncode:
        return lines, "" if lines else "it printed no line", False
    last = next((line for line in reversed(done.stderr.splitlines()) if line.strip()), f"exit {done.returncode}")
    return lines, last.strip(), last.startswith(MISSING) or done.returncode == 2


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = scripts()
    parser.add_argument("--only", default="", help=f"comma list of {', '.join(known)}")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args(arguments)
    names = [name.strip() for name in options.only.split(",") if name.strip()] or known
    if unknown := [name for name in names if name not in known]:
        parser.error(f"no script {', '.join(unknown)}; choose from {', '.join(known)}")
    before = {script: table.rows(script, lines) for script, lines in table.kept().items()}
    found, absent, failed = [], [], []
    for name in names:
        lines, why, only_missing = run(name)
        for line in lines:
            print(json.dumps(line), flush=True)
        found += table.rows(name, lines)
        if why:
            (absent if only_missing else failed).append(f"{name}: {why}")
            print(f"{absent[-1] if only_missing else failed[-1]}", file=sys.stderr, flush=True)
        if options.keep and lines and not why:
            with (table.RESULTS / f"{name}.jsonl").open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in lines)
    print(f"\n{table.plain(found, before)}")
    for what, of in (("cannot run here", absent), ("failed", failed)):
        print(*(f"{what}: {text}" for text in of), sep="\n", end="\n" if of else "")
    if options.keep:
        table.PAGE.write_text(table.page(table.kept()))
        print(f"table: {table.PAGE}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
