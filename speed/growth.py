"""How time and memory grow with the size of a task: measured points, exponents of the largest, what breaks first.

    python -m speed.growth [--only networks,units] [--small] [--write]

Every point is a process of its own, on one thread: CPU-seconds of the work alone, and the most memory that the process
held. One JSON line a case, with all points; the exponents are the slopes of log time, and of log memory beyond that of
the smallest point, over the largest three. --small: the first three points of each. --write: keep the lines in
results/growth.jsonl and write the table of docs/growth.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speed.common import machine, peak_mib
from speed.table import RESULTS, ROOT

PAGE = ROOT / "docs" / "growth.md"
BEGIN, END = "<!-- points: written by speed.growth -->\n", "<!-- end of points -->\n"
LARGEST = 3  # points that an exponent is fitted to
STIMULI, FOLDS, SITES = 1000, 10, 168
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Point:
    """seconds: CPU-seconds of the work; mib: memory at its peak; more: facts beside them."""

    n: int
    seconds: float
    mib: float
    more: Mapping[str, float]


@dataclass(frozen=True)
class Case:
    """What grows, what is done with n of it, and its sizes."""

    what: str
    work: Callable[[int, Path], Mapping[str, float]]
    sizes: tuple[int, ...]


def clock() -> float:
    return time.process_time()


def images(n: int, folder: Path) -> dict[str, float]:
    """Render a dataset of n images of 64 px into shards."""
    from mlspatial.core.parameters import ENTRIES
    from mlspatial.steps.render import render

    os.chdir(folder)
    settings = ENTRIES["render"].defaults | {"n_heldout": 10, "size": 64, "workers": 1, "categories": "cup"}
    settings["environments"] = "procedural:meadow"  # whose preparation is no part of the work
    render(**settings | {"dataset": "first", "n_train": 64})
    began = clock()
    render(**settings | {"dataset": "growth", "n_train": n, "seed": 1})
    spent = clock() - began
    return {"seconds": spent, "bytes": sum(file.stat().st_size for file in folder.rglob("growth/**/*.parquet"))}


def networks(n: int, folder: Path) -> dict[str, float]:
    """CKA, biased and debiased, of every two of n networks at one layer, from kept products of 1,000 stimuli."""
    from mlspatial.analysis.cka import cka_matrices

    rng = np.random.default_rng(0)
    shape = (n, STIMULI * (STIMULI + 1) // 2)
    kept = np.lib.format.open_memmap(folder / "products.npy", mode="w+", dtype=np.float32, shape=shape)
    for number in range(n):
        kept[number] = rng.standard_normal(shape[1], np.float32)
    kept.flush()
    del kept  # and no view of it: what is mapped would count twice
    products = np.load(folder / "products.npy", mmap_mode="r")
    cka_matrices(np.zeros((2, shape[1]), np.float32))  # what is loaded once
    began = clock()
    cka_matrices(products)
    return {"seconds": clock() - began}


def stimuli(n: int, folder: Path) -> dict[str, float]:
    """PLS of 25 components from a layer's products to 168 sites, ten folds."""
    return _pls(n, SITES)


def units(n: int, folder: Path) -> dict[str, float]:
    """The same for 500 stimuli and n sites."""
    return _pls(500, n)


def _pls(count: int, sites: int) -> dict[str, float]:
    from mlspatial.analysis.pls import cross_validated_pls, splits

    rng = np.random.default_rng(0)
    causes = rng.standard_normal((count, 100)) / np.sqrt(np.arange(1, 101))
    layer = np.maximum(causes @ rng.standard_normal((100, 512)), 0.0)
    responses = causes @ rng.standard_normal((100, sites)) + rng.standard_normal((count, sites))
    products = layer @ layer.T
    cross_validated_pls(products[:60, :60], responses[:60, :5], splits(60)[:1])  # what is loaded once
    began = clock()
    cross_validated_pls(products, responses, splits(count)[:FOLDS])
    return {"seconds": clock() - began}


def runs(n: int, folder: Path) -> dict[str, float]:
    """Read n runs of 30 metrics and 20 parameters into a table: first, and again beside ten new ones."""
    from mlspatial.registry import read
    from mlspatial.registry.store import client
    from speed.compare import MORE, START, fill

    experiment = client().create_experiment("growth", artifact_location=(folder / "artifacts").as_uri())
    for first in range(0, n, 10_000):
        fill(min(10_000, n - first), experiment, folder / "artifacts", START + 2000 * first)
    began = clock()
    read.runs(entry="train")
    spent = clock() - began
    fill(MORE, experiment, folder / "artifacts", START + 2000 * (n + MORE))
    began = clock()
    read.runs(entry="train")
    return {"seconds": spent, "again": clock() - began}


def calls(n: int, folder: Path) -> dict[str, float]:
    """Plan a study of n trainings and call them all, where a call itself takes no time."""
    from mlspatial.study import workers
    from mlspatial.study.config import load
    from mlspatial.study.estimate import Rates
    from mlspatial.study.execution import Execution
    from mlspatial.study.memory import Memory
    from mlspatial.study.plan import make_plan
    from mlspatial.study.show import Line

    class Instant:
        """A crew of two whose calls are over at once."""

        slots, threads = 2, 1

        def __init__(self) -> None:
            self.made: list[int] = []

        def free(self) -> int:
            return self.slots - len(self.made)

        def submit(self, ticket: int, call: workers.Call) -> None:
            self.made.append(ticket)

        def wait(self, seconds: float) -> list[tuple[int, workers.Outcome]]:
            made, self.made = self.made, []
            return [(ticket, workers.Outcome(workers.DONE, (f"{ticket:032x}",), seconds=0.1)) for ticket in made]

        def stop(self) -> None: ...

        def close(self) -> None: ...

    def study(count: int) -> dict[str, float]:
        name = f"growth{count}"
        file = folder / f"{name}.yaml"
        file.write_text(
            f"name: {name}\nrender: {{dataset: growth, n_train: 1000, n_heldout: 100}}\n"
            f"train: {{dataset: growth, task: distance, seed: {list(range(count))}}}\n"
            f"similarity: {{models: study={name}, dataset: growth}}\ncompare: {{}}\n"
        )
        began = clock()
        plan = make_plan(load(file))
        planned = clock() - began
        execution = Execution(plan, Memory(name), Rates(1, False, 2), together=1, package="mlspatial.steps")
        execution.run(Instant(), Line(name, moving=True))
        return {"seconds": clock() - began, "planning": planned}

    study(2)  # what is loaded once
    return study(n)


CASES = {
    "images": Case("images rendered, 64 px", images, (300, 1000, 3000, 10_000)),
    "networks": Case("networks compared, a layer, kept products", networks, (10, 30, 100, 300, 1000)),
    "stimuli": Case("stimuli scored, PLS of 168 sites", stimuli, (135, 400, 1000, 3000, 10_000)),
    "units": Case("sites scored, PLS of 500 stimuli", units, (100, 300, 1000, 10_000, 100_000)),
    "runs": Case("runs read from the registry", runs, (300, 1000, 3000, 10_000, 30_000)),
    "calls": Case("calls of a study", calls, (10, 100, 1000, 3000)),
}


def here(name: str, n: int) -> dict[str, float]:
    """One point, in this process."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        os.environ["MLSPATIAL_CACHE"] = f"{folder}/cache"
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.environ["MLSPATIAL_PROGRESS"] = "0"
        return {"n": n, **CASES[name].work(n, folder), "mib": peak_mib()}


def measured(name: str, n: int) -> Point:
    """One point, in a process of its own on one thread. Raises RuntimeError with its last words where it fails."""
    command = [sys.executable, "-m", "speed.growth", "--point", f"{name}:{n}"]
    environment = {**os.environ, **dict.fromkeys(THREADS, "1")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode:
        raise RuntimeError(f"{name} of {n}: {(done.stderr.strip().splitlines() or ['it died'])[-1]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Point(found.pop("n"), found.pop("seconds"), found.pop("mib"), found)


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Slope of log values over log sizes, of the largest points."""
    x, y = (np.log(np.asarray(each[-LARGEST:], float)) for each in (sizes, values))
    return float(np.polyfit(x, y, 1)[0])


def line(name: str, points: Sequence[Point]) -> dict[str, Any]:
    """What is said of a case. Memory grows beyond that of its smallest point, which is what is loaded."""
    sizes = [point.n for point in points]
    grown = [max(point.mib - points[0].mib, 1.0) for point in points]
    return {
        "case": f"growth_{name}",
        "n": sizes[-1],
        "time_exponent": round(exponent(sizes, [point.seconds for point in points]), 2),
        "memory_exponent": round(exponent(sizes, grown), 2),
        "points": [[point.n, round(point.seconds, 3), round(point.mib)] for point in points],
        "more": {key: round(value, 3) for key, value in points[-1].more.items()},
        "machine": machine(),
    }


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a row a case."""
    text = "| n | from - to | CPU-seconds | grows as | MiB | grows as |\n|---|---|---|---|---|---|\n"
    for row in lines:
        points = row["points"]
        text += (
            f"| {CASES[row['case'].removeprefix('growth_')].what} | {points[0][0]:,} - {points[-1][0]:,} "
            f"| {points[0][1]:.2g} - {points[-1][1]:.3g} | n^{row['time_exponent']:.2f} "
            f"| {points[0][2]:,} - {points[-1][2]:,} | n^{row['memory_exponent']:.2f} |\n"
        )
    return text + f"\nOne thread of {lines[0]['machine']}.\n"


def written(page: str, lines: Sequence[Mapping[str, Any]]) -> str:
    """The page with its table made anew. Raises ValueError where the marks are gone."""
    first, last = page.index(BEGIN) + len(BEGIN), page.index(END)
    return page[:first] + "\n" + table(lines) + "\n" + page[last:]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help=f"comma list of {', '.join(CASES)}")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--point", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.point:
        name, _, n = options.point.partition(":")
        print(json.dumps(here(name, int(n))), flush=True)
        return
    if options.small and options.write:
        parser.error("--small is a part of the points, --write keeps all: give one of them")
    names = [part.strip() for part in options.only.split(",") if part.strip()] or list(CASES)
    if unknown := [name for name in names if name not in CASES]:
        parser.error(f"no case {', '.join(unknown)}; choose from {', '.join(CASES)}")
    kept = RESULTS / "growth.jsonl"
    before = [json.loads(text) for text in kept.open()] if kept.is_file() else []
    known = {row["case"]: row for row in before}
    for name in names:
        sizes = CASES[name].sizes[: LARGEST if options.small else None]
        made = line(name, [measured(name, n) for n in sizes])
        known[made["case"]] = made
        print(json.dumps(made), flush=True)
    if options.write:
        rows = [known[f"growth_{name}"] for name in CASES if f"growth_{name}" in known]
        kept.write_text("".join(json.dumps(row) + "\n" for row in rows))
        PAGE.write_text(written(PAGE.read_text(), rows))


if __name__ == "__main__":
    main()
