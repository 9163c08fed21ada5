"""verify: every known published number that the data at hand allow, computed anew by the code that is installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.code import code_id
from mlspatial.core.errors import BadValue, Refuted
from mlspatial.core.hashing import content_id, file_sha256
from mlspatial.core.names import CHECKS as TABLE
from mlspatial.core.parameters import FORCE, STUDY, Parameter, entry
from mlspatial.core.plugins import import_all
from mlspatial.core.progress import bar
from mlspatial.registry import runs
from mlspatial.registry.read import table_file

if TYPE_CHECKING:
    from concurrent.futures import Future

    from mlspatial.verify.base import Check, Outcome

Facts = tuple[str, tuple[float, ...], str, float]  # what an Outcome holds beside its check

VERSION = 1
WORKERS = 2
CSV, PAGE = "checks.csv", "checks.md"
PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "torch", "warp-lang")
SOURCES = (".py", ".csv", ".yaml")
DIED = "a process of this computation died, perhaps for memory; use workers=1"

PARAMETERS = (
    Parameter("only", str, "Comma list of fields or patterns, such as geirhos2019,*.pls_*.", "", "draw", shown="all"),
    Parameter("workers", int, "Processes, each for a field at a time; 0: one a core.", WORKERS, "nothing"),
    STUDY,
    FORCE,
)


def verify(*, only: str = "", workers: int = WORKERS, study: str = "", force: bool = False) -> str:
    """Compute the published numbers anew and say which hold; return the run's id.

    only: comma list of fields, names or patterns of checks; workers: processes, 0 for one a core. What lacks its data
    cannot run and is no failure. Raises UnknownName for a word that finds no check, BadValue for workers below 0,
    Refuted, when the run has finished, where a check fails.
    """
    from mlspatial.verify.base import FAILS, chosen, counted

    if workers < 0:
        raise BadValue("workers", workers, "must be 0 (one a core) or more processes")
    load()
    checks = chosen(only)
    spec = runs.Spec("verify", VERSION, inputs(checks), {"only": only}, ENTRY.free)
    name = f"verify {only or 'all'}"
    with runs.open_run(spec, name=name, study=study, force=force, lacks=runs.missing(TABLE, CSV, PAGE)) as run:
        if not run.answered:
            _log(run, computed(checks, workers))
    found = table_file(runs.local(run.id, TABLE))
    if wrong := found.name[found.verdict == FAILS].tolist():
        some = f"{', '.join(wrong[:3])}{f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''}"
        total = sum(counted(found.verdict).values())
        raise Refuted(f"{len(wrong)} of {total} checks fail: {some}; the reasons are in {CSV} of the run", [run.id])
    return run.id


def load() -> None:
    """Have every field register its checks, a user's own too."""
    from mlspatial.core.plugins import load_own
    from mlspatial.verify import fields

    import_all(fields)
    load_own()


def computed(checks: list[Check], workers: int = 1) -> list[Outcome]:
    """The outcomes, in the order of the checks. Those of a field share the data that it reads and are computed one
    after another, fields side by side in as many processes; 0: one a core."""
    from mlspatial.verify.base import outcome

    fields: dict[str, list[Check]] = {}
    for one in sorted(checks, key=lambda one: not one.needs):  # those that read data take longest
        fields.setdefault(one.field, []).append(one)
    workers = min(workers or os.cpu_count() or 1, len(fields))
    found: dict[str, Outcome] = {}
    with bar("verify", len(checks), "check") as progress:
        if workers > 1:
            for field, outcomes in _side_by_side(fields, workers):
                progress.set_postfix(refresh=False, now=field)
                found |= {one.check.name: one for one in outcomes}
                progress.update(len(outcomes))
        else:
            for one in checks:
                progress.set_postfix(refresh=False, now=one.name)
                found[one.name] = outcome(one)
                progress.update(1)
    return [found[one.name] for one in checks]


def _side_by_side(fields: dict[str, list[Check]], workers: int) -> Iterator[tuple[str, list[Outcome]]]:
    """(field, its outcomes) as they are there. A process that dies breaks the whole pool: what was not finished then is
    computed again, each field in a pool of its own, and only a field whose process dies there fails, and says so."""
    from mlspatial.verify.base import FAILS, Outcome

    threads = max(1, (os.cpu_count() or 1) // workers)
    left = dict(fields)
    for field, made in _in_a_pool(fields, workers, threads):
        del left[field]
        yield field, made
    for field, part in left.items():
        alone = dict(_in_a_pool({field: part}, 1, threads))
        yield field, alone.get(field) or [Outcome(one, FAILS, note=DIED) for one in part]


def _in_a_pool(fields: dict[str, list[Check]], workers: int, threads: int) -> Iterator[tuple[str, list[Outcome]]]:
    """(field, its outcomes) of those that are finished before a process of the pool dies, or of all."""
    from concurrent.futures import as_completed
    from concurrent.futures.process import BrokenProcessPool

    from mlspatial.render.processes import worker_processes
    from mlspatial.verify.base import Outcome

    with worker_processes(workers) as pool:
        jobs: dict[Future[list[Facts]], str] = {}
        with suppress(BrokenProcessPool):  # as early as this: what is not submitted is not finished
            for field, part in fields.items():
                jobs[pool.submit(_of_field, [one.name for one in part], threads)] = field
        for job in as_completed(jobs):
            try:
                facts = job.result()
            except BrokenProcessPool:
                continue
            yield jobs[job], [Outcome(one, *of) for one, of in zip(fields[jobs[job]], facts, strict=True)]


def _of_field(names: list[str], threads: int) -> list[Facts]:
    """Of every check, in a process of its own."""
    import torch

    from mlspatial.verify.base import CHECKS, outcome

    torch.set_num_threads(threads)
    load()
    found = [outcome(CHECKS[name]) for name in names]
    return [(one.verdict, one.computed, one.note, one.seconds) for one in found]


def inputs(checks: list[Check]) -> dict[str, object]:
    """What decides the outcomes: the checks, the code of this package and of a user's own, libraries, files."""
    described = [
        [one.name, one.source, list(one.published), one.tolerance, one.relation, one.differs] for one in checks
    ]
    needs = {need: need.state() for one in checks for need in one.needs}
    files = sorted(PACKAGE.rglob("*"))
    code = [[str(f.relative_to(PACKAGE)), file_sha256(f)] for f in files if f.suffix in SOURCES and f.is_file()]
    return {
        "checks": content_id(described),
        "data": content_id([[repr(need), state] for need, state in needs.items()]),
        "code": content_id([code, sorted({code_id(one.compute.__module__) for one in checks})]),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _log(run: runs.Run, outcomes: list[Outcome]) -> None:
    from mlspatial.verify.base import counted
    from mlspatial.verify.page import markdown, table

    found = table(outcomes)
    counts = counted(found.verdict)
    run.log({verdict.replace(" ", "_"): number for verdict, number in counts.items()})
    for one in outcomes:
        ends = ("",) if len(one.computed) == 1 else (".low", ".high")
        run.log({f"computed.{one.check.name}{end}": v for end, v in zip(ends, one.computed, strict=bool(one.computed))})
    run.flush()
    run.log_table(found, TABLE)
    run.log_text(found.to_csv(index=False), CSV)
    run.log_text(markdown(outcomes), PAGE)
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    run.describe(f"{len(outcomes)} published numbers computed anew: {told}. The tables are in {PAGE} and {CSV}.")


ENTRY = entry(
    "verify",
    "Compute published numbers anew with the code and the data of this machine, and say which hold.\n\n"
    "Exits with 1 when one fails. What lacks its data is told with where they come from.",
    PARAMETERS,
    verify,
    ("--only mathematics,implementations", "--only geirhos2019", "--force true"),
)
