"""The processes that torchrun starts: one a GPU (or a core), each with its part of every batch."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from mlspatial.analysis.device import MPS, choose_device
from mlspatial.core.errors import BadValue, UserError

if TYPE_CHECKING:  # it takes seconds to load, which one process without work does not need
    import torch
    from torch import nn

T = TypeVar("T")
PATIENCE = timedelta(days=30)  # with rank 0's own work; when rank 0 dies the others hear of it at once


@dataclass(frozen=True)
class Group:
    """rank: the number of this process, 0 keeps the records; world: how many there are; device: of this process, where
    it is alone as it was named; waiting: torch's process group in which the others wait for what rank 0 does alone."""

    rank: int
    world: int
    device: str
    waiting: Any = None

    @property
    def first(self) -> bool:
        return self.rank == 0

    def lead(self, work: Callable[[], T]) -> T:
        """What work() returns to rank 0, which alone does it, in every process; the others wait, however long.

        What it raises is raised in rank 0, and as UserError or RuntimeError with its words in the others.
        """
        if self.world == 1:
            return work()
        if not self.first:
            value, mistake, defect = self._tell(None)
            if mistake:
                raise UserError(mistake)
            if defect:
                raise RuntimeError(f"rank 0 has ended: {defect}")
            return value
        try:
            value = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
            with suppress(RuntimeError):  # they may be gone already
                self._tell((None, str(error), "") if isinstance(error, UserError) else (None, "", said))
            raise
        self._tell((value, "", ""))
        return value

    def _tell(self, said: tuple[Any, str, str] | None) -> Any:
        import torch

        box = [said]
        torch.distributed.broadcast_object_list(box, src=0, group=self.waiting)
        return box[0]

    def mean(self, values: torch.Tensor) -> torch.Tensor:
        """The mean over the group, the same in every process."""
        if self.world > 1:
            import torch

            torch.distributed.all_reduce(values)
            values /= self.world
        return values

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, with its gradients averaged over the group in every backward pass."""
        if self.world == 1:
            return module
        import torch
        from torch import nn

        ids = [torch.device(self.device).index] if self.device.startswith("cuda") else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids)


ALONE = Group(0, 1, "cpu")


@contextmanager
def group_of(device: str, timeout: timedelta | None = None) -> Iterator[Group]:
    """The group that this process belongs to by torchrun's environment variables; a group of one without them.

    timeout: after which a rank that waits for the others' gradients gives up, by default torch's. Raises BadValue when
    a device number is given to several processes.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Group(0, 1, device)
        return
    if ":" in device:
        raise BadValue("device", device, "under torchrun every process takes a GPU of its own; give cuda or auto")
    import torch

    if device == MPS:
        raise BadValue("device", device, "there is one such GPU; give cpu to several processes, or leave out torchrun")
    rank, device = int(os.environ["RANK"]), choose_device(device)
    if device == MPS:  # auto
        device = "cpu"
    if device == "cuda":
        device = f"cuda:{int(os.environ['LOCAL_RANK'])}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo", timeout=timeout)
    try:
        yield Group(rank, world, device, torch.distributed.new_group(timeout=PATIENCE, backend="gloo"))
    finally:
        torch.distributed.destroy_process_group()
