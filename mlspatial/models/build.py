"""From a ModelSpec to a network without trained weights, and whose code that network is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from mlspatial.core.code import code_id
from mlspatial.core.errors import BadValue, UnknownName, UserError, in_one_line
from mlspatial.core.plugins import Plugins
from mlspatial.core.widths import LARGEST_WIDTH, WIDTH, WIDTHS
from mlspatial.models.spec import ModelSpec

if TYPE_CHECKING:  # torch takes seconds to import
    from torch import nn
    from torch.overrides import TorchFunctionMode

Make = Callable[[int], "nn.Module"]


class Architectures(Plugins[Make]):
    """Those that are registered, and of torchvision's ResNets every width: resnet18w16 has 16 channels in its stem."""

    def __getitem__(self, name: str) -> Make:
        found = WIDTH.fullmatch(name)
        if found is None or super().__contains__(name):
            try:
                return super().__getitem__(name)
            except UnknownName as error:
                raise UnknownName(error.kind, name, [*error.known, *WIDTHS]) from None
        width = int(found[2])
        if not 1 <= width <= LARGEST_WIDTH or str(width) != found[2]:
            raise BadValue(self.kind, name, f"is not {found[1]}wN with N channels from 1 to {LARGEST_WIDTH}")
        return partial(_resnet, found[1], width)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (isinstance(name, str) and WIDTH.fullmatch(name) is not None)


#: name -> function of the number of output units that returns an untrained network
ARCHITECTURES = Architectures("arch")


def _resnet(base: str, width: int, units: int) -> nn.Module:
    from mlspatial.models.resnets import resnet

    return resnet(base, width, units)


@ARCHITECTURES.register("resnet18")
def resnet18(units: int) -> nn.Module:
    """torchvision's ResNet-18, from scratch."""
    from mlspatial.models.sources.torchvision import create

    return create("resnet18", units)


@ARCHITECTURES.register("resnet50")
def resnet50(units: int) -> nn.Module:
    """torchvision's ResNet-50, from scratch."""
    from mlspatial.models.sources.torchvision import create

    return create("resnet50", units)


def build(spec: ModelSpec, *, seed: int | None = None, init: str = "random") -> nn.Module:
    """An untrained network of a spec. seed: of its initial weights (drawn on the CPU); None: left as they come.

    init="imagenet": torchvision's ImageNet weights under a head of spec.units drawn with the seed (INIT_IMAGENET).
    Raises UnknownName for an unknown architecture, BadValue for an input too small for it or an init that it does
    not have, UserError for weights that cannot be downloaded.
    """
    import torch

    from mlspatial.models.sources import find  # imports this module
    from mlspatial.models.sources.torchvision import INIT_IMAGENET, load_trunk

    if spec.input_size < 32:
        raise BadValue("input_size", spec.input_size, "must be at least 32 pixels")
    if init not in ("random", "imagenet"):
        raise BadValue("init", init, "must be random or imagenet")
    if init == "imagenet" and spec.arch not in INIT_IMAGENET:
        raise BadValue("init", init, f"there are ImageNet weights for {' and '.join(INIT_IMAGENET)}, not {spec.arch}")
    source, _ = find(spec.arch)
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed all GPUs besides
        module = source.build(spec)
        if init == "imagenet":
            load_trunk(module, spec)
        if spec.frames > 1:
            _take_clips(module, spec, still=init == "imagenet")
    return module


def _take_clips(module: nn.Module, spec: ModelSpec, *, still: bool) -> None:
    """Give the first convolution of three channels those of all frames of a clip, red, green and blue of each in turn.

    still: its weights are spread over the frames, so that a clip in which nothing moves gives what the image gave
    (Carreira and Zisserman 2017); else they are drawn anew, with a variance that keeps that of the outputs.
    Raises UserError where there is no such convolution.
    """
    import torch
    from torch import nn

    found = (part for part in module.modules() if isinstance(part, nn.Conv2d))
    first = next((part for part in found if part.in_channels == 3 and part.groups == 1), None)
    if first is None:
        raise UserError(f"{spec.arch} has no first convolution of three channels that could see clips; take a ResNet")
    first.in_channels = 3 * spec.frames
    with torch.no_grad():
        weight = first.weight.repeat(1, spec.frames, 1, 1)
        weight = weight / spec.frames if still else torch.randn_like(weight) * first.weight.std() / spec.frames**0.5
    first.weight = nn.Parameter(weight)


def with_units(make: Make, units: int) -> nn.Module:
    """A network with a head of so many units, or with nothing in the head's place when units is 0."""
    from torch import nn

    module = make(units or 1)
    if not units:
        own = [name for name, part in module.named_modules() if next(part.parameters(recurse=False), None) is not None]
        holder, _, head = own[-1].rpartition(".")
        setattr(module.get_submodule(holder), head, nn.Identity())
    return module


@contextmanager
def sized(spec: ModelSpec) -> Iterator[None]:
    """What a library says of a size that its network cannot have becomes a UserError."""
    try:
        yield
    except (AssertionError, RuntimeError, TypeError, ValueError) as error:
        asked = f"{spec.units} units for images of {spec.input_size} pixels"
        raise UserError(f"{spec.arch} cannot be built with {asked} ({in_one_line(error)})") from error


def sketch(spec: ModelSpec) -> nn.Module:
    """A network of names and shapes, without values where its code allows that."""
    import torch

    try:
        with torch.device("meta"):
            return build(spec)
    except Exception:  # it computes with numbers while it is built, as RegNets do; or says again what is wrong
        return build(spec)


def no_initial_values() -> TorchFunctionMode:
    """A context in which parameters get no random values, for a network whose every parameter is about to be read."""
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    class Skipping(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return args[0] if func in (Tensor.normal_, Tensor.uniform_) else func(*args, **(kwargs or {}))

    return Skipping()


def code_of(arch: str, module: nn.Module | None = None) -> str:
    """Hash of a user's own code behind an architecture, and behind the parts of a network of it; "" when none is."""
    from mlspatial.models.sources import find

    source, name = find(arch)
    maker = source.maker(name)
    maker = getattr(maker, "func", maker)  # of functools.partial
    parts = module.modules() if module is not None else ()
    return code_id(getattr(maker, "__module__", None) or "", dict.fromkeys(type(part).__module__ for part in parts))
