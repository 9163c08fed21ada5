"""A grid of conditions from a YAML file: what the registry lacks is made, in parallel, the rest is answered."""

from __future__ import annotations

import os
from pathlib import Path

from mlspatial.core.errors import Busy
from mlspatial.core.hashing import content_id
from mlspatial.core.parameters import STORE_PATCH_VARIABLE, Parameter, entry
from mlspatial.core.progress import say
from mlspatial.registry import runs
from mlspatial.steps.render import missing
from mlspatial.study import workers
from mlspatial.study.config import StudyFile, load, namesakes
from mlspatial.study.estimate import Rates
from mlspatial.study.execution import Execution, Unfinished
from mlspatial.study.memory import JOURNAL, Memory
from mlspatial.study.plan import make_plan
from mlspatial.study.show import Line, describe

__all__ = ["ENTRY", "Unfinished", "load", "make_plan", "study"]

VERSION = 2
CHILDREN = "children.txt"  # artifact: ids of the runs that make up the study
TOGETHER = 8  # networks on the same batches when there is one worker; a ResNet-18 and Adam's state take 0.2 GB

PARAMETERS = (
    Parameter("config", str, "A YAML file, such as studies/quick.yaml.", decides="nothing"),
    Parameter("jobs", int, "At the same time; 0: one a core.", -1, "nothing", shown="the file's, or 1"),
    Parameter(
        "backend", str, "loky (this machine) or dask (a cluster too).", "", "nothing", shown="the file's, or loky"
    ),
    Parameter("scheduler", str, "Address of a dask scheduler that is running, such as tcp://HOST:8786.", "", "nothing"),
    Parameter(
        "together",
        int,
        "Networks, alike but for task and seed, that are trained on the same batches.",
        -1,
        "nothing",
        shown="the file's, or 0: 8 with one job, else 1",
    ),
    Parameter("dry_run", bool, "Print the plan with time and disk; make no run.", False, "nothing"),
)


def study(
    *,
    config: str,
    jobs: int = -1,
    backend: str = "",
    scheduler: str = "",
    together: int = -1,
    dry_run: bool = False,
    wait: bool = True,
    package: str = "mlspatial.steps",
) -> list[str]:
    """Run every job of a study file that no finished run answers; return the id of the study's own run.

    jobs: in parallel, 0 one a core, -1 as the file says; backend: loky or dask; scheduler: address of a dask scheduler
    that runs already; together: networks that one call trains on the same batches; dry_run: print the plan and make no
    run; wait: False has calls fail that others are making, and the study end where others make it; package: where the
    entries' functions are. A failure does not stop the others. Raises Unfinished at the end, Busy.
    """
    file = load(Path(config)).with_options(jobs=jobs, backend=backend, scheduler=scheduler, together=together)
    if not file.store_patch:
        os.environ[STORE_PATCH_VARIABLE] = "false"
    if not dry_run:
        runs.check_patch()
    for other in namesakes(Path(config), file.name):
        say(f"study {file.name}: {other} has the same name, so the runs of both are found as one; change `name` in one")
    plan = make_plan(file, wait)
    slots = file.jobs or workers.cores()
    all_cores = workers.cores()
    rates = Rates(max(1, all_cores // slots), bool(workers.gpus()), all_cores)
    together = file.together or (TOGETHER if slots == 1 and file.backend == "loky" else 1)
    execution = Execution(plan, Memory(file.name), rates, together=together, package=package)
    execution.probing = not dry_run
    execution.settle()
    if dry_run:
        rates.learn_from_registry(dict.fromkeys(job.entry for job in plan.jobs))
        print(describe(plan, rates, slots))
        if there := execution.memory.of_other_code:
            print(
                f"{there} runs of this study are finished, but the software has changed since: every call is asked, "
                "and answers within seconds where its result would be the same; the times above are too long then"
            )
        lacking: dict[str, list[str]] = {}
        for job in plan.of("render"):
            for gone in missing(job.parameters):
                lacking.setdefault(gone, []).append(str(job.parameters["dataset"]))
        for gone, datasets in lacking.items():
            print(f"missing for {', '.join(datasets)}: {gone}")
        return []
    cfg = {"config": config, "name": file.name, "jobs": slots, "backend": file.backend, "together": together}
    spec = runs.Spec("study", VERSION, {"config": content_id(file.text)}, cfg, ENTRY.free)
    earlier = runs.finished(spec)
    shared = bool(earlier or (wait and runs.maker(spec.entry, spec.id)))
    while True:
        if shared:  # each of the two makes what the other is not at
            with runs.project_run_reserved():
                _execute(execution, file, slots)
                execution.complain(say)
        changed = earlier is not None and set(execution.children()) != set(_children(earlier))
        try:
            with runs.open_run(spec, name=f"study {file.name}", study=file.name, force=changed) as run:
                if not run.answered:
                    try:
                        _execute(execution, file, slots)
                    finally:
                        _log(run, execution, Path(config))
                    execution.complain(say)
            return [run.id]
        except Busy:
            if shared or not wait:
                raise
            shared = True  # both began at the same moment, and the other was faster


def _execute(execution: Execution, file: StudyFile, slots: int) -> None:
    if execution.complete:
        return
    execution.rates.learn_from_registry(dict.fromkeys(job.entry for job in execution.plan.jobs if not job.settled))
    if file.backend == "dask":
        from mlspatial.study.cluster import Dask

        crew: workers.Crew = Dask(slots, file.scheduler, file.cluster)
    else:
        crew = workers.Here() if slots == 1 else workers.Loky(slots)
    execution.run(crew, Line(file.name, moving=not isinstance(crew, workers.Here)))


def _log(run: runs.Run, execution: Execution, config: Path) -> None:
    """The file, the runs that make up the study, and which call made which."""
    children = execution.children()
    run.log_file(config)
    run.log_text("\n".join(children), CHILDREN)
    run.log_text(execution.memory.text([job for job in execution.calls() if job.runs]), JOURNAL)
    run.set_parents(children)


def _children(record: runs.RunRecord) -> list[str]:
    return runs.local(record.id, CHILDREN).read_text().split()


ENTRY = entry(
    "study",
    "Render, train, score and compare what a study file lists, skipping what the registry already has.\n\n"
    "What fails does not stop the rest; the same command tries it again.",
    PARAMETERS,
    study,
    ("--config studies/quick.yaml", "--config studies/xie2025.yaml --dry_run true"),
)
