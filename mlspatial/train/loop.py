"""One visible training loop. It receives `log` and `keep` and knows nothing of where they lead."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlspatial.core.errors import BadValue, UserError
from mlspatial.data.loader import Batch, Loader
from mlspatial.models.zoo import ModelSpec, to_input
from mlspatial.tasks import Task

Log = Callable[[Mapping[str, float], int], None]
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Settings:
    """lr: Adam's learning rate; batches: number of steps; checkpoints: steps after which the model is kept and
    evaluated (the last one always is); save_every: seconds between resume points; precision: of the forward pass."""

    batches: int
    lr: float = 1e-3  # Xie et al. 2025
    checkpoints: tuple[int, ...] = ()
    log_every: int = 10
    save_every: float = 20.0
    precision: str = "float32"

    def check(self) -> None:
        if self.batches < 0:
            raise BadValue("batches", self.batches, "must be 0 (untrained) or more")
        if not 0 < self.lr < 10:
            raise BadValue("lr", self.lr, "must be above 0 and below 10")
        if self.precision not in PRECISIONS:
            raise BadValue("precision", self.precision, f"must be one of {', '.join(PRECISIONS)}")
        if bad := [step for step in self.checkpoints if not 0 <= step <= self.batches]:
            raise BadValue("checkpoints", bad[0], f"must lie between 0 and batches={self.batches}")

    @property
    def stops(self) -> tuple[int, ...]:
        return tuple(sorted({*self.checkpoints, self.batches}))


class Diverged(Exception):
    """The loss is no longer finite."""


def train(
    module: nn.Module,
    spec: ModelSpec,
    task: Task,
    training: Loader,
    heldout: Loader,
    settings: Settings,
    *,
    device: str,
    log: Log,
    keep: Callable[[nn.Module, int, dict[str, float]], None],
    resume_file: Path,
    progress: Callable[[int, float], None] | None = None,
) -> dict[str, float]:
    """Train until settings.batches; return the held-out metrics of the last step.

    log(metrics, step): training loss and speed as they come, held-out metrics at every checkpoint;
    keep(module, step, metrics): called at every checkpoint; resume_file: the state to go on from after a kill,
    written atomically and deleted at the end; progress(step, loss): called at every step.
    Raises Diverged with the batch number when the loss is not finite; the last kept model stays.
    """
    settings.check()
    module.to(device=device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(module.parameters(), lr=settings.lr, fused=True)
    step, metrics = _resume(resume_file, module, optimizer)

    def checkpoint() -> None:
        nonlocal metrics
        metrics = evaluate(module, spec, task, heldout, device)
        log({f"heldout/{name}": value for name, value in metrics.items()}, step)
        keep(module, step, metrics)

    if step == 0 and 0 in settings.stops:
        checkpoint()
    saved = mark = time.monotonic()
    waited, marked_step = 0.0, step
    batches = training.endless(step) if step < settings.batches else iter(())
    module.train()
    while step < settings.batches:
        before = time.monotonic()
        batch = next(batches)
        waited += time.monotonic() - before

        loss = step_once(module, spec, task, optimizer, batch, device, settings.precision)
        step += 1
        if not math.isfinite(loss):
            raise Diverged(f"batch {step}: the loss is {loss}; try a smaller lr than {settings.lr}")
        if progress:
            progress(step, loss)

        if step % settings.log_every == 0 or step == settings.batches:
            now = time.monotonic()
            images = (step - marked_step) * training.batch_size
            speed = {"images_per_s": images / (now - mark), "waiting_for_data": waited / (now - mark)}
            log({"train/loss": loss, **speed}, step)
            mark, waited, marked_step = now, 0.0, step
        if step in settings.stops:
            checkpoint()
            module.train()
        if step in settings.stops or time.monotonic() - saved > settings.save_every:
            _save(resume_file, module, optimizer, step, metrics)
            saved = time.monotonic()
    return metrics


def step_once(
    module: nn.Module,
    spec: ModelSpec,
    task: Task,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    device: str,
    precision: str,
) -> float:
    """One step of gradient descent. Returns the loss of the batch before the step."""
    images = to_input(torch.from_numpy(batch.images).to(device, non_blocking=True), spec)
    columns = to_tensors(batch.columns, device)
    with torch.autocast(device.split(":")[0], dtype=PRECISIONS[precision], enabled=PRECISIONS[precision] is not None):
        outputs = module(images)
    loss = task.loss(outputs.float(), columns)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.inference_mode()
def evaluate(module: nn.Module, spec: ModelSpec, task: Task, heldout: Loader, device: str) -> dict[str, float]:
    """The task's metrics over the whole split of a loader. The module is left in evaluation mode."""
    module.eval()
    outputs: list[torch.Tensor] = []
    columns: dict[str, list[torch.Tensor]] = {}
    for batch in heldout.once():
        outputs.append(module(to_input(torch.from_numpy(batch.images).to(device), spec)).float().cpu())
        for name, values in to_tensors(batch.columns, "cpu").items():
            columns.setdefault(name, []).append(values)
    return task.metrics(torch.cat(outputs), {name: torch.cat(values) for name, values in columns.items()})


def to_tensors(columns: Mapping[str, np.ndarray], device: str) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(np.array(values)).to(device) for name, values in columns.items()}


def parse_steps(text: str) -> tuple[int, ...]:
    """'100,1000' -> (100, 1000). Raises BadValue."""
    try:
        return tuple(sorted({int(part) for part in text.split(",") if part.strip()}))
    except ValueError:
        raise BadValue("checkpoints", text, "must be a comma list of batch numbers, such as 100,1000") from None


def choose_device(name: str) -> str:
    """'auto' -> cuda when there is one, else cpu. Raises UserError for a device that is not there."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.split(":")[0] not in ("cpu", "cuda"):
        raise BadValue("device", name, "must be auto, cpu, cuda or cuda:N")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device={name}: no CUDA device is there; use device=cpu")
    return name


def _save(path: Path, module: nn.Module, optimizer: Any, step: int, metrics: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    torch.save(
        {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "metrics": metrics}, partial
    )
    partial.replace(path)


def _resume(path: Path, module: nn.Module, optimizer: Any) -> tuple[int, dict[str, float]]:
    if not path.is_file():
        return 0, {}
    state: dict[str, Any] = torch.load(path, weights_only=True)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["metrics"]
