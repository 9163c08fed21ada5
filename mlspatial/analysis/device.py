"""Where a computation runs and how exactly it multiplies.

torch's switches belong to the process. Here they are set for one computation and are afterwards what they were.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import BadValue, UserError, in_one_line
from mlspatial.core.names import DEVICE, PRECISION

if TYPE_CHECKING:  # it takes seconds to load, and is loaded by whoever computes
    import torch

FLOAT32 = "float32"
MPS = "mps"  # the GPU of Apple's processors
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
    """'auto' -> cuda when there is one, else mps where it trains as the CPU does (apple.is_right), else cpu.

    Raises BadValue for another name, UserError for a device that is not there.
    """
    if name == "cpu":
        return name
    import torch

    if name == "auto":
        from mlspatial.analysis.apple import is_right  # imports this module

        if torch.cuda.is_available():
            return "cuda"
        return MPS if torch.backends.mps.is_available() and is_right() else "cpu"
    kind = name.split(":")[0]
    if kind not in ("cpu", "cuda") and name != MPS:
        raise BadValue("device", name, "must be auto, cpu, cuda, cuda:N or mps")
    if kind == "cuda" and not torch.cuda.is_available():
        raise UserError(f"device={name}: no CUDA device is there; use device=cpu")
    if name == MPS and not torch.backends.mps.is_available():
        raise UserError(f"device={name}: torch sees no GPU of Apple's here; use device=cpu")
    return name


def exact_device(name: str) -> str:
    """Where what is computed in float64 for a device is computed: there, for mps, which has no float64, on the CPU."""
    return "cpu" if name == MPS else name


def exact(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor where it can become float64: of mps on the CPU, else as it is."""
    return tensor.cpu() if tensor.device.type == MPS else tensor


def cast_to(dtype: torch.dtype | None, device: str) -> AbstractContextManager[Any]:
    """Operations cast to a type inside, by torch's choice; None: not cast, whatever is asked for outside. device: its
    type, cpu or cuda."""
    import torch

    if dtype is None and not torch.amp.is_autocast_available(device):
        return nullcontext()
    return torch.autocast(device, dtype=dtype, enabled=dtype is not None)


def sent(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """A tensor of the host on a device. A copy to a GPU from memory that is not pinned waits for all that the GPU has
    still to do; from pinned memory, which torch keeps until it is copied, it waits for nothing."""
    if tensor.device.type == "cpu" and str(device).startswith("cuda"):
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def finish(device: torch.device) -> None:
    """Wait until a device has done what it was given."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == MPS:
        torch.mps.synchronize()


def image_format(device: str) -> torch.memory_format:
    """The order in memory in which images and networks' weights lie on a device, by its type: channels last; on mps
    channels first, as gradients of batch normalisation of channels last are wrong there before macOS 26 (PyTorch's
    issue 175189, not in all versions an error)."""
    import torch

    return torch.contiguous_format if device == MPS else torch.channels_last


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
