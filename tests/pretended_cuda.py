"""A CUDA device that is none, and one of Apple's: tensors that say they are on it compute here, with the numbers of
the CPU.

What a GPU would refuse is refused: a CPU tensor beside one of a GPU, numpy() of one. What would make the host wait for
the GPU is counted: a number read from it, a copy to the host or from it (unless it need not wait), sizes that depend on
values. Apple's refuses float64
besides, and sparse tensors. Kernels, rounding, memory
and speed of a GPU are not shown by it.
"""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_leaves, tree_map

GPU, APPLE = torch.device("cuda", 0), torch.device("mps", 0)
STAND_IN = torch.device("meta")  # what torch itself is told: of CUDA it would ask a driver
ROOT = Path(__file__).resolve().parents[1] / "mlspatial"
SPARSE = {torch.sparse_csr_tensor, torch.sparse_coo_tensor, torch.Tensor.coalesce}
INDEXED = {torch.Tensor.__getitem__, torch.Tensor.__setitem__}
NUMBERS = {"item", "tolist", "__float__", "__int__", "__bool__", "__index__"}
SIZED = {"nonzero", "masked_select", "_unique2", "unique_dim", "unique_consecutive", "repeat_interleave"}
BESIDE = {"_to_copy", "to", "copy_"}  # what may take tensors of both
PLACES = {"index", "index_put", "index_put_", "_index_put_impl_"}  # PyTorch takes places on the CPU, and copies them


class OnGpu(torch.Tensor):
    """held: the tensor with the numbers."""

    held: torch.Tensor

    @staticmethod
    def __new__(cls, held: torch.Tensor) -> OnGpu:
        form = (
            {"strides": held.stride(), "storage_offset": held.storage_offset()} if held.layout == torch.strided else {}
        )
        made: OnGpu = torch.Tensor._make_wrapper_subclass(cls, held.shape, dtype=held.dtype, device=STAND_IN, **form)
        made.held = held
        return made

    def __repr__(self, *, tensor_contents: object = None) -> str:
        return f"OnGpu({self.held})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class Waits(Counter[tuple[str, str]]):
    """(what the host waits for, file and line of mlspatial) -> how often."""

    def note(self, what: str) -> None:
        frames = [frame for frame in traceback.extract_stack() if str(ROOT) in frame.filename]
        where = f"{Path(frames[-1].filename).relative_to(ROOT)}:{frames[-1].name}" if frames else ""
        self[what, where] += 1


_waits: list[Waits] = []
_there: list[torch.device] = [GPU]  # the last one is the device that is pretended


def _note(what: str) -> None:
    if _waits:
        _waits[-1].note(what)


def _computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name = func.overloadpacket.__name__
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
    there = [tensor for tensor in tensors if isinstance(tensor, OnGpu)]
    places = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.device)]
    on_gpu = places[0] == STAND_IN if places else bool(there)
    here = [tensor for tensor in tensors if not isinstance(tensor, OnGpu) and tensor.dim()]
    if there and here and name not in BESIDE | PLACES:
        raise RuntimeError(f"{func}: a tensor of shape {tuple(here[0].shape)} is on the CPU, others are on the GPU")
    if there:
        boolean = name in PLACES and any(t.dtype == torch.bool for t in tree_leaves(args[1]) if t is not None)
        if name in SIZED or boolean or name == "equal":
            _note("a number" if name == "equal" else "a size")
        elif (name in ("_to_copy", "to") and not on_gpu) or (
            name == "copy_" and not isinstance(args[0], OnGpu) and args[2:3] != (True,)
        ):
            _note("a copy to the host")
        elif here and name in PLACES and not any(one is args[0] for one in here):
            _note("a copy to the device")
    elif (
        here
        and on_gpu
        and name in BESIDE
        and not (kwargs.get("non_blocking") or (name == "copy_" and args[2:3] == (True,)))
    ):
        _note("a copy to the device")  # torch waits until it is done
    plain, options = tree_map(_held, (args, kwargs))
    if options.get("pin_memory"):
        options = {**options, "pin_memory": False}
    with _disable_current_modes():
        made = func(*plain, **options)
    if not on_gpu and not (name == "copy_" and there):
        return made
    owners = {id(tensor.held): tensor for tensor in there}  # of what is changed in its place

    assert not any(t.is_meta for t in tree_leaves(made) if isinstance(t, torch.Tensor)), func

    def back(leaf: Any) -> Any:
        if not isinstance(leaf, torch.Tensor) or (name == "copy_" and not isinstance(args[0], OnGpu)):
            return leaf
        if _there[-1] == APPLE and leaf.dtype in (torch.float64, torch.complex128):
            raise TypeError(f"Cannot convert a MPS Tensor to {leaf.dtype} as the MPS framework doesn't support it")
        return owners[id(leaf)] if id(leaf) in owners else OnGpu(leaf)

    return tree_map(back, made)


def _held(leaf: Any) -> Any:
    """What an operation is done with here."""
    if isinstance(leaf, torch.device):
        return torch.device("cpu")
    return leaf.held if isinstance(leaf, OnGpu) else leaf


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _computed(func, args, kwargs or {})


class _Named(TorchFunctionMode):
    """What is asked of "cuda" (or "mps") is asked of the stand-in, and what lies there says that it is on "cuda:0"."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == torch.Tensor.device.__get__ and isinstance(args[0], OnGpu):
            return _there[-1]
        if func == torch.Tensor.is_cuda.__get__:
            return isinstance(args[0], OnGpu) and _there[-1] == GPU

        if getattr(func, "__name__", "") in NUMBERS and isinstance(args[0], OnGpu):
            _note("a number")
            return func(args[0].held)
        if func in INDEXED and isinstance(args[0], OnGpu):  # torch makes no numbers from lists for its stand-in
            index = tuple(torch.tensor(one) if isinstance(one, list) else one for one in _all(args[1]))
            args = (args[0], index, *args[2:])
        if func in (torch.device, torch.get_device_module) or "autocast" in getattr(func, "__name__", ""):
            return func(*args, **(kwargs or {}))
        if func in SPARSE and any(isinstance(leaf, OnGpu) for leaf in args):  # torch looks at their layout first
            if _there[-1] == APPLE:
                raise NotImplementedError(
                    "Could not run 'aten::empty.memory_format' with arguments from the 'SparseMPS' backend"
                )
            with _disable_current_modes():
                return OnGpu(func(*tree_map(_held, args), **tree_map(_held, kwargs or {})))
        args, kwargs = tree_map(_named, (args, kwargs or {}))
        if func in (torch.tensor, torch.as_tensor) and kwargs.get("device") == STAND_IN:
            return args[0] if isinstance(args[0], OnGpu) else func(*args, **{**kwargs, "device": "cpu"}).to(STAND_IN)
        return func(*args, **kwargs)


def _all(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _named(leaf: Any) -> Any:
    asked = isinstance(leaf, str | torch.device) and str(leaf).partition(":")[0] == _there[-1].type
    return STAND_IN if asked else leaf


_module_to = torch.nn.Module.to


def _moved(module: torch.nn.Module, *args: Any, **kwargs: Any) -> torch.nn.Module:
    """What a module's `to` does: a device's name is read there before tensors are asked."""
    args, kwargs = tree_map(_named, (args, kwargs))
    return _module_to(module, *args, **kwargs)


class _Stream:
    """Also an event: nothing is ever late here."""

    def __init__(self, *_args: Any, **_options: Any) -> None: ...

    def record(self, *_args: Any) -> None: ...

    def wait_stream(self, *_args: Any) -> None: ...

    def wait_event(self, *_args: Any) -> None: ...

    def synchronize(self) -> None: ...

    def query(self) -> bool:
        return True


@contextmanager
def pretended_cuda() -> Iterator[Waits]:
    """A GPU inside, "cuda" or "cuda:0", an H200 by name. Gives what the host waited for."""
    generator = mock.Mock(manual_seed=torch.manual_seed)
    known: dict[str, Any] = {
        "is_available": lambda: True, "device_count": lambda: 1, "current_device": lambda: 0,
        "get_device_name": lambda *_: "NVIDIA H200 (pretended)", "get_device_capability": lambda *_: (9, 0),
        "Stream": _Stream, "Event": _Stream, "stream": lambda _: nullcontext(), "current_stream": lambda *_: _Stream(),
        "synchronize": lambda *_: None, "default_generators": (generator,), "empty_cache": lambda: None,
        "mem_get_info": lambda *_: (140 << 30, 140 << 30), "is_bf16_supported": lambda *_: True,
    }  # fmt: skip
    with ExitStack() as stack:
        for name, value in known.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, value))
        yield stack.enter_context(_pretended(GPU))


@contextmanager
def pretended_mps() -> Iterator[Waits]:
    """The same of Apple's, "mps"."""
    known: dict[str, Any] = {
        "manual_seed": torch.default_generator.manual_seed, "get_rng_state": lambda *_: torch.get_rng_state(),
        "set_rng_state": lambda *_: None, "synchronize": lambda: None,
    }  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(torch.backends.mps, "is_available", lambda: True))
        for name, value in known.items():
            stack.enter_context(mock.patch.object(torch.mps, name, value))
        yield stack.enter_context(_pretended(APPLE))


@contextmanager
def _pretended(device: torch.device) -> Iterator[Waits]:
    waits = Waits()
    converted = torch.__future__.get_overwrite_module_params_on_conversion()
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(torch.Tensor, "pin_memory", lambda tensor, *_: tensor))
        stack.enter_context(mock.patch.object(torch.Tensor, "record_stream", lambda *_: None))
        stack.enter_context(mock.patch.object(torch.nn.Module, "to", _moved))
        health = "_accelerator_graph_capture_health_check"  # of an optimiser: asks the driver
        stack.enter_context(mock.patch.object(torch.optim.Optimizer, health, lambda _: None))
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, converted)
        for kept, value in ((_there, device), (_waits, waits)):
            kept.append(value)  # type: ignore[attr-defined]
            stack.callback(kept.pop)
        stack.enter_context(_Mode())
        stack.enter_context(_Named())
        yield waits


if __name__ == "__main__":
    sys.exit("a device for tests")
