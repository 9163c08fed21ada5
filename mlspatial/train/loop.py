"""One visible training loop for one network or for several that see the same batches.

It receives `log` and `keep` and knows nothing of where they lead. Networks that are trained together share reading,
decoding and moving the images; each has its own weights, optimiser and random draws, so that it ends with the very
weights it would have had alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlspatial.analysis.device import MPS, cast_to, image_format, numerics, sent
from mlspatial.core.errors import UserError
from mlspatial.core.files import whole
from mlspatial.core.hashing import seed_of
from mlspatial.core.widths import FULL_WIDTH, width_of
from mlspatial.data.loader import Loader, Source
from mlspatial.models.spec import ModelSpec, to_input
from mlspatial.tasks import Task
from mlspatial.train.augment import AUGMENTATIONS
from mlspatial.train.ranks import ALONE, Group
from mlspatial.train.settings import Settings as Settings
from mlspatial.train.settings import parse_steps as parse_steps
from mlspatial.train.stacked import Steps

Log = Callable[[Mapping[str, float], int], None]
Predicted = Callable[[torch.Tensor, Mapping[str, torch.Tensor]], None]
Evaluated = Callable[[nn.Module, int, dict[str, float], bool], None]
#: name (of train.settings.PRECISIONS) -> what the forward pass is cast to
PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "tf32": None, "float16": torch.float16}
CHANNELS_LAST_FROM = 64  # px, on a CPU
VECTOR = 8  # channels that AVX2 works on at once
SAVING_SHARE = 0.02  # of the time may go into saving states to go on from


class Diverged(Exception):
    """The loss is no longer finite."""


@dataclass
class Network:
    """One network in training and where its results go.

    log(metrics, step): training loss and speed as they come, held-out metrics as evaluated; evaluated(module, step,
    metrics, checkpoint): called after every evaluation, checkpoint says whether to keep the module; state_file: what
    to go on from after a kill, written atomically; predicted(outputs, columns): called after the evaluation of the last
    step, with the head's outputs (n, units) and the targets of the whole held-out split, in order; failed: why it was
    given up, if it was; metrics: of the last evaluation; seed: of what the module draws itself (dropout), with the
    number of the step, so that neither a stop nor other networks change the draws.
    """

    name: str
    module: nn.Module
    spec: ModelSpec
    task: Task
    seed: int
    log: Log
    evaluated: Evaluated
    state_file: Path
    predicted: Predicted | None = None
    step: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    failed: Diverged | None = None

    def start(self, settings: Settings, group: Group) -> None:
        """Move to the device, make the optimiser, go on from the saved state if there is one."""
        self.module.to(device=group.device, memory_format=memory_format(self.module, self.spec, group.device))
        self.optimizer = torch.optim.Adam(
            self.module.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, fused=True
        )
        self.scheduler = scheduler(self.optimizer, settings)
        self.scaler = torch.amp.GradScaler(group.device.split(":")[0], enabled=settings.precision == "float16")
        if group.lead(self.state_file.is_file):
            if not self.state_file.is_file():
                raise UserError(
                    f"rank {group.rank} does not see {self.state_file}, from which rank 0 goes on; "
                    "set MLSPATIAL_CACHE to a folder that all machines share, or give resume=false"
                )
            state: dict[str, Any] = torch.load(self.state_file, weights_only=True, map_location=group.device)
            self.module.load_state_dict(state["module"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.scaler.load_state_dict(state["scaler"])
            if self.scheduler is not None:
                self.scheduler.load_state_dict(state["scheduler"])
            self.step, self.metrics = state["step"], state["metrics"]
        self.group = group
        forward = group.wrap(self.module)
        self.forward = torch.compile(forward) if settings.compile else forward
        self._losses: list[torch.Tensor] = []

    def save(self) -> None:
        self.state_file.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            **({"scheduler": self.scheduler.state_dict()} if self.scheduler is not None else {}),
            "step": self.step,
            "metrics": self.metrics,
        }
        with whole(self.state_file) as partial:
            torch.save(state, partial)

    def descend(self, images: torch.Tensor, columns: Mapping[str, torch.Tensor], precision: str) -> None:
        """One step of gradient descent on a normalised batch."""
        dtype = PRECISIONS[precision]
        _seed(seed_of(self.seed, self.step), images.device)
        with cast_to(dtype, images.device.type):
            outputs = self.forward(images)
        loss = self.loss_of(outputs, columns)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.update(loss)

    def loss_of(self, outputs: torch.Tensor, columns: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Its task's loss of a batch. outputs: (b, units)."""
        return self.task.loss(outputs.float(), columns)

    def update(self, loss: torch.Tensor) -> None:
        """Take the step that the gradients say. loss: of which they are."""
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.scheduler is not None:
            self.scheduler.step()
        self.step += 1
        self._losses.append(loss.detach())

    def loss(self) -> float:
        """The loss of the last step. Raises Diverged when it or one since the last question was not finite.

        Asking makes a GPU finish its work, so it is asked now and then only; nothing is kept or saved in between.
        """
        losses = self.group.mean(torch.stack(self._losses)).tolist()
        first = self.step - len(losses) + 1
        self._losses.clear()
        for number, value in enumerate(losses, first):
            if not math.isfinite(value):
                raise Diverged(f"{self.name}, batch {number}: the loss is {value}; try a smaller lr")
        return losses[-1]


def train(
    networks: Sequence[Network],
    training: Source,
    heldout: Loader,
    settings: Settings,
    *,
    group: Group = ALONE,
    progress: Callable[[int, float], None] | None = None,
    gave_up: Callable[[Network], None] | None = None,
) -> None:
    """Train every network until settings.batches; their `metrics` then hold those of the last step.

    All networks take the same input. progress(step, mean loss): called at every look at the losses, which is every
    step on a CPU. A network whose loss is not finite gets `failed`, gave_up is called, and the others go on; its last
    kept model stays.
    """
    settings.check(group.device)
    place = torch.device(group.device)
    kind = MPS if place.type == MPS else "cuda"
    current = torch.cuda.current_device if place.type == "cuda" and place.index is None else lambda: place.index or 0
    gpus = [] if place.type == "cpu" else [current()]
    exactly = numerics(tf32=settings.precision == "tf32", deterministic=settings.deterministic)
    with exactly, torch.random.fork_rng(devices=gpus, device_type=kind):
        _train(networks, training, heldout, settings, group, progress, gave_up)


def _train(
    networks: Sequence[Network],
    training: Source,
    heldout: Loader,
    settings: Settings,
    group: Group,
    progress: Callable[[int, float], None] | None,
    gave_up: Callable[[Network], None] | None,
) -> None:
    for network in networks:
        network.start(settings, group)
    augment = AUGMENTATIONS[settings.augment]
    look_every = look_interval(settings, group.device)
    step = min(network.step for network in networks)
    alive = list(networks)

    if step == 0 and 0 in settings.stops:
        _evaluate([network for network in alive if network.step == 0], heldout, settings, group)
    saved = mark = time.monotonic()
    waited, marked, saving = 0.0, step, 0.0
    batches = training.endless(step) if step < settings.batches else iter(())
    for network in alive:
        network.module.train()
    steps = Steps(settings, group)
    while step < settings.batches and alive:
        before = time.monotonic()
        batch = next(batches)
        waited += time.monotonic() - before

        columns = to_tensors(batch.columns, group.device)
        images = sent(torch.as_tensor(batch.images), group.device)
        frames = images.shape[1:-3]  # a clip is changed as one tall image
        images = augment(images.flatten(1, -3) if frames else images, settings.augment_seed, step)
        images = images.unflatten(1, (*frames, -1)) if frames else images
        images = to_input(images, alive[0].spec)
        order = memory_format(alive[0].module, alive[0].spec, images.device.type)
        images = images.contiguous(memory_format=order)
        stepping = [network for network in alive if network.step == step]  # after a kill some may be ahead
        steps.descend(stepping, images, columns)
        step += 1

        # Nothing that the ranks do together may hang on a clock: theirs differ.
        stop = step in settings.stops
        if not (stop or step % look_every == 0 or step % settings.log_every == 0):
            continue
        losses: dict[str, float] = {}
        for network in stepping:
            try:
                losses[network.name] = network.loss()
            except Diverged as error:
                network.failed = error
                alive.remove(network)
                if gave_up:
                    gave_up(network)
        stepping = [network for network in stepping if network.failed is None]
        if progress:
            progress(step, float(np.mean(list(losses.values()))) if losses else math.nan)
        if step % settings.log_every == 0 or step == settings.batches:
            now = time.monotonic()
            speed = {
                "images_per_s": (step - marked) * training.batch_size / (now - mark),
                "waiting_for_data": waited / (now - mark),
            }
            for network in stepping:
                network.log({"train/loss": losses[network.name], **speed}, step)
            mark, waited, marked = now, 0.0, step
        if stop:
            steps.release()
            _evaluate(stepping, heldout, settings, group)
        before = time.monotonic()
        if group.first and (stop or before - saved > max(settings.save_every, saving / SAVING_SHARE)):
            steps.release()
            for network in stepping:
                network.save()
            saved = time.monotonic()
            saving = saved - before


def scheduler(optimizer: torch.optim.Optimizer, settings: Settings) -> torch.optim.lr_scheduler.OneCycleLR | None:
    """What sets an optimiser's learning rate after every batch; None where it stays as it is.

    one_cycle: torch's OneCycleLR with its defaults (Smith and Topin 2018): from lr / 25 to lr over the first 30 % of
    the batches, then to lr / 250,000, along cosines; Adam's beta1 goes from .95 to .85 and back.
    """
    if settings.schedule == "constant" or not settings.batches:
        return None
    return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=settings.lr, total_steps=settings.batches)


def look_interval(settings: Settings, device: str) -> int:
    """Steps between two looks at the losses, each of which makes a GPU finish its work: all ranks look at the same."""
    return 1 if device == "cpu" else settings.log_every


def _evaluate(networks: Sequence[Network], heldout: Loader, settings: Settings, group: Group) -> None:
    """Evaluate networks and hand them over; rank 0 does it and the others wait."""

    def work() -> None:
        found, columns = outputs_of([(n.module, n.spec) for n in networks], heldout, group.device)
        for network, outputs in zip(networks, found, strict=True):
            metrics = network.metrics = metrics_of(network.task, outputs, columns)
            network.log({f"heldout/{name}": value for name, value in metrics.items()}, network.step)
            network.evaluated(network.module, network.step, metrics, settings.keeps(network.step))
            if network.predicted and network.step == settings.batches:
                network.predicted(outputs, columns)

    if networks:
        group.lead(work)
    for network in networks:
        network.module.train()


def evaluate(
    networks: Sequence[tuple[nn.Module, ModelSpec, Task]], heldout: Loader, device: str
) -> list[dict[str, float]]:
    """Each task's metrics over the whole split of a loader, read once, in float32. The modules are left in evaluation
    mode."""
    outputs, columns = outputs_of([(module, spec) for module, spec, _ in networks], heldout, device)
    return [metrics_of(task, own, columns) for (_, _, task), own in zip(networks, outputs, strict=True)]


@numerics()
@torch.inference_mode()
def metrics_of(task: Task, outputs: torch.Tensor, columns: Mapping[str, torch.Tensor]) -> dict[str, float]:
    """A task's metrics, computed in float32."""
    return task.metrics(outputs, columns)


@numerics()
@torch.inference_mode()
def outputs_of(
    networks: Sequence[tuple[nn.Module, ModelSpec]], heldout: Loader, device: str
) -> tuple[list[torch.Tensor], dict[str, torch.Tensor]]:
    """Each network's outputs (n, units) for the whole split of a loader, read once, in float32 and in order, and the
    loader's columns (n,); all on the CPU. The modules are left in evaluation mode."""
    outputs: list[list[torch.Tensor]] = [[] for _ in networks]
    columns: dict[str, list[torch.Tensor]] = {}
    for module, _ in networks:
        module.eval()
    for batch in heldout.once():
        images = to_input(sent(torch.as_tensor(batch.images), device), networks[0][1])
        for (module, _), collected in zip(networks, outputs, strict=True):
            collected.append(module(images).float().cpu())
        for name, values in to_tensors(batch.columns, "cpu").items():
            columns.setdefault(name, []).append(values)
    whole = {name: torch.cat(values) for name, values in columns.items()}
    return [torch.cat(collected) for collected in outputs], whole


def to_tensors(columns: Mapping[str, Any], device: str) -> dict[str, torch.Tensor]:
    return {
        name: sent(torch.as_tensor(np.array(values) if isinstance(values, np.ndarray) else values), device)
        for name, values in columns.items()
    }


def slow_precision(precision: str, device: str) -> bool:
    """Whether a precision is emulated: bfloat16 on a CPU without AVX512-BF16 or AMX takes twice the time of float32."""
    if device != "cpu" or precision != "bfloat16":
        return False
    capability: dict[str, object] = dict(getattr(torch.cpu, "get_capabilities", dict)())
    return not any(capability.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "amx_tile"))


def memory_format(module: nn.Module, spec: ModelSpec, device: str) -> torch.memory_format:
    """That of images, but for small ones on a CPU: there the weights of published widths are most of the work, which
    Adam copies then. Nor where oneDNN writes beyond its memory."""
    small = spec.input_size < CHANNELS_LAST_FROM and width_of(spec.arch) >= FULL_WIDTH
    if device == "cpu" and (small or _overruns(module)):
        return torch.contiguous_format
    return image_format(device.partition(":")[0])


def _overruns(module: nn.Module) -> bool:
    """Whether a network's convolutions, channels last, damage memory where a CPU has AVX2 and no AVX512: oneDNN's
    gradient of weights (3.12, jit_1x1:avx2) of those of 1 x 1 with a stride and less than 8 channels a group."""
    return any(
        isinstance(part, nn.Conv2d)
        and part.kernel_size == (1, 1)
        and max(part.stride) > 1
        and part.in_channels // part.groups < VECTOR
        for part in module.modules()
    )


def _seed(seed: int, device: torch.device) -> None:
    """Seed the generators that modules on a device draw from, and no other GPU's, as torch.manual_seed would."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.default_generators[device.index].manual_seed(seed)
    elif device.type == MPS:
        torch.mps.manual_seed(seed)
