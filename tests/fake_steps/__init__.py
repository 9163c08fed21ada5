"""Entries that take milliseconds and write real runs: what the study's machinery is tested with.

train: lr=13 raises, lr=14 kills its process the first time, lr=15 is a user's mistake, lr=16 waits until a score has
begun; batches is its time in hundredths of a second. While there is a file `meet`, no network is trained before so many
processes as it says have begun one.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from mlspatial.core.errors import UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.names import DATASET_ID, MODEL_ID
from mlspatial.registry import runs
from mlspatial.registry.again import FILES
from mlspatial.registry.models import ensure_registered, registered_name, select
from mlspatial.registry.places import local_path
from mlspatial.registry.store import client
from mlspatial.steps.train import canonical_name, parse_seeds

DECIDING = ("task", "seed", "arch", "dataset", "batches", "lr", "checkpoints")
CALLS = Path("calls.txt")


def note(*words: object) -> None:
    with CALLS.open("a") as file:
        file.write(" ".join(map(str, (f"{time.time():.3f}", os.getpid(), *words))) + "\n")


def train(*, task: str, seed: int, seeds: str, study: str, **options: Any) -> list[str]:
    note("train", task, seeds or seed, os.environ.get("OMP_NUM_THREADS"))
    names = [canonical_name(name) for name in task.split("|")]
    cfgs = [{"task": name, "seed": number, **options} for name in names for number in parse_seeds(seeds, seed)]
    if options["lr"] == 15:
        raise UserError("lr=15.0: is no learning rate; take a smaller one")
    made = []
    for cfg in cfgs:
        cfg = {name: cfg[name] for name in DECIDING} | ({"hidden": True} if cfg.get("hidden") else {})
        with runs.open_run(runs.Spec("train", 1, {}, cfg), name="fake", study=study) as run:
            if not run.answered:
                note("made", "train", cfg["task"], cfg["seed"])
                _meet()
                _pass_time(run, cfg["batches"])
                while cfg["lr"] == 16 and "score" not in CALLS.read_text().split():
                    time.sleep(0.02)
                if cfg["lr"] == 13:
                    raise RuntimeError("the loss ran away")
                if cfg["lr"] == 14 and not Path("died").exists():
                    Path("died").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                for step in sorted({*(int(part) for part in cfg["checkpoints"].split(",") if part), cfg["batches"]}):
                    _register(run, cfg, step)
        made.append(run.id)
    note("trained", task, seeds or seed)
    return made


def _meet() -> None:
    place = Path("meet")
    while place.exists():
        lines = [line.split() for line in CALLS.read_text().splitlines()]
        if len({line[1] for line in lines if line[2] == "made"}) >= int(place.read_text()):
            place.unlink(missing_ok=True)
        time.sleep(0.05)


def _pass_time(run: runs.Run, steps: int) -> None:
    for step in range(run.last_step("loss") + 1, steps):
        time.sleep(0.01)
        run.log({"loss": 1 / (step + 1)}, step)
        if step % 10 == 9:
            run.flush()


def _register(run: runs.Run, cfg: dict[str, Any], step: int) -> None:
    name = registered_name(cfg["arch"], cfg["dataset"], cfg["task"], cfg.get("hidden", False))
    ensure_registered(name)
    if any(version.run_id == run.id and version.tags["step"] == str(step) for version in
           client().search_model_versions(f"name = '{name}'")):  # fmt: skip
        return
    tags = {key: str(cfg[key]) for key in ("task", "seed", "arch", "dataset")} | {"step": str(step)}
    tags[MODEL_ID] = content_id([cfg, step])
    experiment = client().get_run(run.id).info.experiment_id
    logged = client().create_logged_model(experiment, name.replace(".", "-"), source_run_id=run.id, tags=tags)
    folder = local_path(logged.artifact_location)
    if folder:
        (folder / "artifacts").mkdir(parents=True, exist_ok=True)
        for file in FILES:
            (folder / "artifacts" / file).touch()
    client().finalize_logged_model(logged.model_id, "READY")
    version = client().create_model_version(
        name, f"models:/{logged.model_id}", run_id=run.id, tags=tags, model_id=logged.model_id
    )
    client().set_registered_model_alias(name, f"seed{cfg['seed']}", version.version)


def score(*, models: str, benchmarks: str, study: str, **_: Any) -> list[str]:
    note("score", models)
    made = []
    data = [name for name in benchmarks.split(",") if not name.endswith("?") or Path(name[:-1]).exists()]
    cfg = {"benchmarks": ",".join(name.removesuffix("?") for name in data)}
    for record in select(models):
        spec = runs.Spec("score", 1, {"model_id": record.model_id}, cfg)
        with runs.open_run(spec, name="fake", study=study, parents=[record.run_id]) as run:
            if not run.answered:
                note("made", "score", record.task, record.seed, record.step, cfg["benchmarks"])
                _pass_time(run, 1)
        made.append(run.id)
    return made


def together(entry: str, models: str, study: str) -> str:
    note(entry, models)
    inputs = {"models": sorted(record.model_id for record in select(models))}
    with runs.open_run(runs.Spec(entry, 1, inputs, {}), name="fake", study=study) as run:
        if not run.answered:
            note("made", entry)
            _pass_time(run, 1)
    return run.id


def compare(*, items: str, study: str, **_: Any) -> str:
    note("compare")
    found = [run for run in runs.find(status="FINISHED") if study in run.studies]
    used = sorted(run.spec for run in found if run.entry not in ("compare", "study"))
    folder = Path("reports", study)
    report = folder / "report.html"
    cfg = {"items": items, "out": str(folder)}
    spec = runs.Spec("compare", 1, {"runs": used}, cfg)
    gone = runs.finished(spec) is not None and not report.is_file()
    with runs.open_run(spec, name="fake", study=study, force=gone) as run:
        if not run.answered:
            note("made", "compare", study)
            folder.mkdir(parents=True, exist_ok=True)
            report.write_text("\n".join(used))
            run.set_tags({DATASET_ID: ""})
    return run.id
