"""Where a computation runs and how exactly it multiplies.

torch's switches belong to the process. Here they are set for one computation and are afterwards what they were.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import BadValue, UserError, in_one_line
from mlspatial.core.names import DEVICE, PRECISION

if TYPE_CHECKING:  # it takes seconds to load, and is loaded by whoever computes
    import torch

FLOAT32 = "float32"
CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
TF32_SINCE = (8, 0)  # compute capability: Ampere


def operations() -> tuple[Any, ...]:
    """What has a switch of its own below torch.backends.fp32_precision, which it obeys until it is set itself."""
    from torch.backends import cuda, cudnn, mkldnn

    return (cuda.matmul, cudnn.conv, cudnn.rnn, mkldnn.matmul, mkldnn.conv, mkldnn.rnn)


def named_device(name: str) -> str:
    """A device's name once it is known to be there; auto as it is: which one that is is asked when it is used."""
    return name if name in ("auto", "cpu") else choose_device(name)


def choose_device(name: str) -> str:
    """'auto' -> cuda when there is one, else cpu. Raises UserError for a device that is not there."""
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name.split(":")[0] not in ("cpu", "cuda"):
        raise BadValue("device", name, "must be auto, cpu, cuda or cuda:N")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError(f"device={name}: no CUDA device is there; use device=cpu")
    return name


def no_room(what: str, error: torch.OutOfMemoryError) -> UserError:
    """That something does not fit into a GPU's memory, in one line. what: it, for people."""
    said = in_one_line(error, 120)
    return UserError(f"{what}: a GPU's memory is too small ({said}); end what else runs there, or use device=cpu")


def has_tf32(device: str) -> bool:
    """Whether a device multiplies in TensorFloat-32 when it is asked to."""
    import torch

    return device.startswith("cuda") and torch.cuda.get_device_capability(device) >= TF32_SINCE


def tags_of(device: str, precision: str = FLOAT32) -> dict[str, str]:
    """Tags of a run that computed there: mlspatial.device (cpu, or cuda and the GPU's name), mlspatial.precision."""
    import torch

    gpu = f" {torch.cuda.get_device_name(device)}" if device.startswith("cuda") else ""
    return {DEVICE: device.split(":")[0] + gpu, PRECISION: precision}


@contextmanager
def numerics(*, tf32: bool = False, deterministic: bool | None = None) -> Iterator[None]:
    """Products of float32 numbers in full float32 inside, whatever is asked for outside. Also a decorator.

    Without it cuDNN's convolutions take TensorFloat-32, 10 bits of mantissa, by default. tf32: ask for these on GPUs.
    deterministic: True allows only deterministic algorithms, False also those that cuDNN finds by trying which is
    fastest; None leaves that as it is.
    """
    import torch
    from torch import backends

    with ExitStack() as stack:
        _set(stack, backends, "fp32_precision", wanted := "tf32" if tf32 else "ieee")
        for operation in operations():
            if operation.fp32_precision != wanted:  # somebody has set it by itself
                _set(stack, operation, "fp32_precision", wanted)
        if deterministic is not None:
            _set(stack, backends.cudnn, "benchmark", not deterministic)
            before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
            if before != (deterministic, False):  # the function imports torch's compiler
                stack.callback(torch.use_deterministic_algorithms, before[0], warn_only=before[1])
                torch.use_deterministic_algorithms(deterministic)
        if deterministic and CUBLAS not in os.environ:
            os.environ[CUBLAS] = ":4096:8"  # NVIDIA's documentation of cuBLAS, "Results reproducibility"
            stack.callback(os.environ.pop, CUBLAS, None)
        yield


def _set(stack: ExitStack, place: object, name: str, value: object) -> None:
    """Set an attribute until the stack is left."""
    stack.callback(setattr, place, name, getattr(place, name))
    setattr(place, name, value)
