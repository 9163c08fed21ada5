"""The measurements that are kept (results/*.jsonl) as one table, for docs/speed.md and for what was just measured.

    python -m speed.table       writes docs/speed.md

A row is a script's case at one size: the median of the ratios of its runs, with their range and number, the largest
error, the largest memory and the processors that they were measured on. A ratio above 1 says that ours is faster, or
makes more in the same time.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS, PAGE = ROOT / "speed" / "results", ROOT / "docs" / "speed.md"
#: what tells two runs of a case apart
SIZES = ("alternative_name", "shape", "n", "layers", "subjects", "features", "services", "quick")
HEAD = """# Speed

What the scripts in `speed/` measured on CPUs, each against the obvious alternative in the same process run, one thread
for both unless the case says otherwise. Ratios, because machines are noisy: above 1 ours is faster, or makes more in
the same time. Below 1 ours does more than the alternative (extraction with Gram matrices against the forward pass
alone, three objects against one). The median of the runs that are kept, with their range and number; error is the
largest difference from the alternative's result, memory the most that the process held, the alternative's part
included.

`make bench` runs every script's quick form on this machine and prints the same table of what it measured; `python -m
speed.bench --keep` adds it to `speed/results/` and writes this page.

"""


def kept() -> dict[str, list[dict[str, Any]]]:
    """script -> the lines that are kept of it."""
    return {path.stem: [json.loads(line) for line in path.open()] for path in sorted(RESULTS.glob("*.jsonl"))}


def rows(script: str, lines: Iterable[Mapping[str, Any]]) -> list[list[str]]:
    """Rows of a script's lines that compare: case, against, ratio, error, memory, machine."""
    cases: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for line in lines:
        if isinstance(line.get("ratio"), int | float):
            cases.setdefault((line["case"], *(str(line.get(name, "")) for name in SIZES)), []).append(line)
    made = []
    for (case, *_), runs in cases.items():
        ratios = sorted(float(run["ratio"]) for run in runs)
        middle = f"{statistics.median(ratios):.3g}"
        spread = f" ({ratios[0]:.3g} to {ratios[-1]:.3g}, {len(ratios)} runs)" if len(ratios) > 1 else ""
        errors = [float(run["error"]) for run in runs if isinstance(run.get("error"), int | float)]
        peaks = [int(run["peak_mib"]) for run in runs if run.get("peak_mib")]
        made.append(
            [
                f"{script}: {case}{_size(runs[0])}",
                str(runs[0].get("alternative_name", "–")),
                middle + spread,
                f"{max(errors):.1g}" if errors else "–",
                str(max(peaks)) if peaks else "–",
                ", ".join(dict.fromkeys(str(run["machine"]) for run in runs)),
            ]
        )
    return made


def _size(line: Mapping[str, Any]) -> str:
    told = [str(line["shape"])] if line.get("shape") else [f"n = {line['n']}"] if line.get("n") else []
    told += ["quick"] if line.get("quick") else []
    return f" ({', '.join(told)})" if told else ""


def page(results: Mapping[str, Iterable[Mapping[str, Any]]]) -> str:
    """docs/speed.md of the lines of each script."""
    found = [row for script, lines in results.items() for row in rows(script, lines)]
    machines = list(dict.fromkeys(name for row in found for name in _machines(row[-1])))
    text = HEAD + "| case | against | ratio | error | memory (MiB) | machine |\n|---|---|---|---|---|---|\n"
    for *cells, machine in found:
        numbers = ", ".join(str(1 + machines.index(name)) for name in _machines(machine))
        text += "| " + " | ".join(cell.replace("|", "\\|") for cell in (*cells, numbers)) + " |\n"
    return text + "\nMachines:\n\n" + "".join(f"{place}. {name}\n" for place, name in enumerate(machines, 1))


def _machines(text: str) -> list[str]:
    """Of a cell; names of machines hold commas: processor, cores, Python."""
    parts = text.split(", ")
    return [", ".join(parts[first : first + 3]) for first in range(0, len(parts), 3)]


def plain(found: list[list[str]], before: Mapping[str, list[list[str]]]) -> str:
    """What was just measured, for a terminal: ratio, what is kept of the same case and size, error, memory, case."""
    known = {(row[0], row[1]): row[2] for made in before.values() for row in made}
    lines = [("ratio", "kept", "error", "MiB", "case")]
    lines += [(row[2], known.get((row[0], row[1]), "–").split(" ")[0], row[3], row[4], row[0]) for row in found]
    widths = [max(len(line[column]) for line in lines) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.rjust(width) for cell, width in zip(line, widths, strict=False)), line[4]]) for line in lines
    )


if __name__ == "__main__":
    PAGE.write_text(page(kept()))
    print(PAGE)
