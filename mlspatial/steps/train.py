"""train: a task and a dataset in, registered networks and a run out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspatial.core.manifest import Manifest
from mlspatial.core.names import MODEL_ID, cache_folder
from mlspatial.registry import runs
from mlspatial.registry.datasets import find_dataset
from mlspatial.steps.progress import bar, say
from mlspatial.tasks import canonical_name

VERSION = 1
FREE = frozenset({"device", "workers", "resume"})
LARGEST_INPUT = 224  # pixels; Xie et al. 2025
EVALUATION_BATCH = 256


def train(
    *,
    task: str,
    dataset: str,
    arch: str,
    seed: int,
    batches: int,
    batch_size: int,
    lr: float,
    input_size: int,
    checkpoints: str,
    fraction: float,
    device: str,
    precision: str,
    workers: int,
    resume: bool,
    study: str = "",
    force: bool = False,
) -> str:
    """Train one network and return the id of its run. Parameters as in the MLproject file."""
    from mlspatial.models.zoo import ARCHITECTURES

    task = canonical_name(task)
    _ = ARCHITECTURES[arch]
    folder, manifest, made_by = find_dataset(dataset)
    cfg = {
        "task": task,
        "dataset": manifest.name,
        "arch": arch,
        "seed": seed,
        "batches": batches,
        "batch_size": batch_size,
        "lr": lr,
        "input_size": input_size or min(int(manifest.recipe["size"]), LARGEST_INPUT),
        "checkpoints": checkpoints,
        "fraction": fraction,
        "device": device,
        "precision": precision,
        "workers": workers,
        "resume": resume,
    }
    spec = runs.Spec("train", VERSION, {"dataset_id": manifest.dataset_id}, cfg, FREE)
    name = f"train {task} {arch} seed {seed}" + (" untrained" if batches == 0 else "")
    parents = [made_by.id] if made_by else []
    with runs.open_run(spec, name=name, study=study, parents=parents, force=force) as run:
        if not run.answered:
            run.log_dataset(manifest, folder, "training")
            _train(run, spec, folder, manifest, cfg)
    return run.id


def _train(run: runs.Run, run_spec: runs.Spec, folder: Path, manifest: Manifest, cfg: Mapping[str, Any]) -> None:
    from mlspatial.data.loader import Loader
    from mlspatial.models.zoo import ModelSpec, build
    from mlspatial.registry.models import log_model
    from mlspatial.tasks import build_task, head_layout
    from mlspatial.train.loop import Settings, choose_device, parse_steps
    from mlspatial.train.loop import train as run_loop

    settings = Settings(cfg["batches"], cfg["lr"], parse_steps(cfg["checkpoints"]), precision=cfg["precision"])
    settings.check()
    device = choose_device(cfg["device"])
    task = build_task(cfg["task"], manifest.schema, manifest.statistics)
    shared = {"columns": task.columns, "threads": cfg["workers"]}
    training = Loader(
        folder, manifest, "train", batch_size=cfg["batch_size"], seed=cfg["seed"], fraction=cfg["fraction"], **shared
    )
    heldout = Loader(folder, manifest, "heldout", batch_size=EVALUATION_BATCH, **shared)
    task.check(manifest.name, training.columns)

    layout = head_layout(manifest.schema)
    spec = ModelSpec(
        arch=cfg["arch"],
        units=max(end for _, end in layout.values()),
        head=layout,
        supervised=tuple(task.parts),
        input_size=cfg["input_size"],
        statistics=manifest.statistics,
        classes={latent.name: latent.categories for latent in manifest.schema if latent.categories},
    )
    module = build(spec, seed=cfg["seed"])
    state = cache_folder("train") / f"{run_spec.id}.pt"
    if not (run.resumed and cfg["resume"]):
        state.unlink(missing_ok=True)  # a state without its run belongs to nobody
    logged_until = run.last_step("train/loss") if run.resumed else -1

    def log(metrics: Mapping[str, float], step: int) -> None:
        if step > logged_until:
            run.log(metrics, step)

    def keep(network: Any, step: int, metrics: dict[str, float]) -> None:
        run.flush()
        record = log_model(
            run,
            network,
            spec,
            dataset=manifest.name,
            dataset_id=manifest.dataset_id,
            task=cfg["task"],
            seed=cfg["seed"],
            step=step,
            metrics=metrics,
        )
        run.set_tags({MODEL_ID: record.model_id})

    with bar(f"train {cfg['task']} seed {cfg['seed']}", cfg["batches"] * cfg["batch_size"], "img") as progress:

        def update(step: int, loss: float) -> None:
            progress.update(step * cfg["batch_size"] - progress.n)
            progress.set_postfix(loss=f"{loss:.3f}", refresh=False)

        metrics = run_loop(
            module,
            spec,
            task,
            training,
            heldout,
            settings,
            device=device,
            log=log,
            keep=keep,
            resume_file=state,
            progress=update,
        )
    state.unlink(missing_ok=True)
    shown = ", ".join(f"{key} {value:.3f}" for key, value in metrics.items())
    say(f"train {cfg['task']} seed {cfg['seed']}: held-out {shown}")
