"""The processes that torchrun starts: one a GPU (or a core), each with its part of every batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mlspatial.core.errors import BadValue


@dataclass(frozen=True)
class Group:
    """rank: the number of this process, 0 keeps the records; world: how many there are; device: of this process."""

    rank: int
    world: int
    device: str

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, value: Any) -> Any:
        """The value that rank 0 gives, in every process."""
        if self.world == 1:
            return value
        box = [value]
        torch.distributed.broadcast_object_list(box, src=0, device=torch.device(self.device))
        return box[0]

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over the group, the same in every process."""
        if self.world > 1:
            torch.distributed.all_reduce(values)
            values /= self.world
        return values

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, with its gradients averaged over the group in every backward pass."""
        if self.world == 1:
            return module
        ids = [torch.device(self.device).index] if self.device.startswith("cuda") else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids)


ALONE = Group(0, 1, "cpu")


@contextmanager
def group_of(device: str) -> Iterator[Group]:
    """The group that this process belongs to by torchrun's environment variables; a group of one without them.

    Raises BadValue when a device number is given to several processes.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(0, 1, device)
        return
    if ":" in device:
        raise BadValue("device", device, "under torchrun every process takes a GPU of its own; give cuda or auto")
    rank = int(os.environ["RANK"])
    if device == "cuda":
        device = f"cuda:{int(os.environ['LOCAL_RANK'])}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield Group(rank, world, device)
    finally:
        torch.distributed.destroy_process_group()
