"""Which layers are meant: names, wild cards, or the study's own.

A layer is the path of a module, perhaps with #N (its N-th call in one pass; without it the last), then -N (the N-th
tensor of an output that holds several; without it the first), then [cls] or [patches] (a transformer's class token, or
the tokens of the image): blocks.3, layer1.0.relu#1, blocks.3.attn-2, blocks.11[cls].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from fnmatch import fnmatchcase
from math import isqrt
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.widths import base_of

if TYPE_CHECKING:
    import torch
    from torch import nn

    from mlspatial.models.spec import ModelSpec

VERSION = "1"  # of what names mean, and of which layers are taken when none is named
BLOCKS = tuple(f"layer{n}.0.relu" for n in (1, 2, 3, 4))  # Xie et al. 2025: CKA; the last call is the block's output
#: Activation functions' classes, in lower case; hardtanh is what ReLU6 is made of, swish timm's name of SiLU.
ACTIVATION = re.compile("(leaky|p)?relu|elu|hardtanh|(quick)?gelu|gelutanh|silu|(hard)?swish|mish")
#: What libraries call the classes of blocks, of such blocks as end in an activation function, and of gates.
BLOCK = re.compile("block|bottleneck|residual|mbconv|inception|fire$|basicconv|depthwiseseparable", re.IGNORECASE)
POST_ACTIVATION = re.compile("basic_?block|bottleneck", re.IGNORECASE)
GATE = re.compile("squeeze_?excit|^(effective)?_?se_?(block|layer|module)?$|^c?eca|gate(?!d)|cbam", re.IGNORECASE)
#: Candidate layers of Xie et al. 2025: every block's last ReLU, after the skip connection (a module's last call).
CANDIDATE_LAYERS = {
    "resnet18": ("relu", *(f"layer{n}.{m}.relu" for n in (1, 2, 3, 4) for m in (0, 1)), "avgpool", "fc"),
    "resnet50": (
        "relu",
        *(f"layer{n}.{m}.relu" for n, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)) for m in range(blocks)),
        "avgpool",
        "fc",
    ),
}
POOLED = ("avgpool", "global_pool", "head.global_pool")  # in torchvision, in timm
PIXELS = "pixels"  # not a module: the images themselves
NOTATION = re.compile(r"(?P<name>.+?)(?:#(?P<call>[1-9]\d*))?(?:-(?P<part>[1-9]\d*))?(?:\[(?P<tokens>cls|patches)\])?")


@dataclass(frozen=True)
class Layer:
    """A layer's name, taken apart. call: 0 for the last one; part: from 1; tokens: cls, patches or ""."""

    text: str
    module: str
    call: int = 0
    part: int = 1
    tokens: str = ""


def parse_layer(text: str, modules: Container[str]) -> Layer:
    """modules: names that exist; one of them that looks like the notation is meant as it stands."""
    found = None if text in modules else NOTATION.fullmatch(text)
    if not found:
        return Layer(text, text)
    return Layer(text, found["name"], int(found["call"] or 0), int(found["part"] or 1), found["tokens"] or "")


def tensors(output: Any) -> Iterator[torch.Tensor]:
    """The tensors of a module's output: itself, or those in a tuple, list, mapping or dataclass, in order."""
    import torch

    if torch.is_tensor(output):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from tensors(value)
    elif isinstance(output, tuple | list):
        for value in output:
            yield from tensors(value)
    elif is_dataclass(output):
        for field in fields(output):
            yield from tensors(getattr(output, field.name))


def output_layer(module: nn.Module, image: torch.Tensor) -> tuple[torch.Tensor, str]:
    """(what a network gives for an image, (1, 3, h, w); the layer whose output that is, "" where it is no layer's).

    Of layers that hand on the same numbers unchanged, a dropout behind a linear layer, the container of both or what is
    flattened after it, the first; one whose output is changed in place before it leaves the network is not it. Puts the
    network into eval mode.
    """
    import torch

    outputs: dict[str, tuple[torch.Tensor | None, int]] = {}  # kept, so that no two are at one address

    def listen(name: str) -> Callable[..., None]:
        def hook(_module: object, _inputs: object, output: object) -> None:
            outputs.pop(name, None)  # its last call is the layer
            outputs[name] = _state(next(tensors(output), None))

        return hook

    module.eval()
    hooks = [part.register_forward_hook(listen(name)) for name, part in module.named_modules() if name]
    try:
        with torch.no_grad():  # in inference mode nobody counts changes in place
            whole = next(tensors(module(image)))
    finally:
        for hook in hooks:
            hook.remove()
    state = _state(whole)[1]
    return whole, next((name for name, (one, changes) in outputs.items() if changes == state and _same(one, whole)), "")


def _same(one: torch.Tensor | None, whole: torch.Tensor) -> bool:
    """Whether two tensors are the same memory, in whatever shape."""
    if one is None or not (one.is_contiguous() and whole.is_contiguous()):
        return one is whole
    return one.data_ptr() == whole.data_ptr() and one.numel() == whole.numel() and one.dtype == whole.dtype


def _state(tensor: torch.Tensor | None) -> tuple[torch.Tensor | None, int]:
    """A tensor and how often it was changed in place, 0 where nobody counts."""
    return tensor, 0 if tensor is None or tensor.is_inference() else tensor._version


def prefix_tokens(module: nn.Module) -> int:
    """How many tokens of a transformer stand before those of the image: the class token and others."""
    stated = getattr(module, "num_prefix_tokens", None)
    if isinstance(stated, int):
        return stated
    return int(any(getattr(module, name, None) is not None for name in ("cls_token", "class_token", "class_embedding")))


def picked(output: Any, layer: Layer, images: int, prefix: int) -> torch.Tensor:
    """(images, ...) of what a module gave: the tensor, and the tokens of it, that are the layer. A view, no copy.

    An output of windows, (images x windows, ...) with an image's windows together, stays as it is. Raises
    UserError for a part or tokens that are not there, and for what is not one row an image.
    """
    found = list(tensors(output))
    if len(found) < layer.part:
        raise UserError(f"layer {layer.text}: {layer.module} gives {len(found)} tensors")
    tensor = found[layer.part - 1]
    if not tensor.ndim or not tensor.shape[0] or tensor.shape[0] % images:
        raise UserError(f"layer {layer.text}: its output of shape {tuple(tensor.shape)} has no row for each image")
    if not layer.tokens:
        return tensor
    if (
        tensor.ndim != 3
        or tensor.shape[0] != images
        or isqrt(tensor.shape[1] - prefix) ** 2 + prefix != tensor.shape[1]
    ):
        raise UserError(f"layer {layer.text}: its output of shape {tuple(tensor.shape)} is no class token and patches")
    if layer.tokens == "cls" and not prefix:
        raise UserError(f"layer {layer.text}: the network has no class token")
    return tensor[:, 0] if layer.tokens == "cls" else tensor[:, prefix:]


def resolve_layers(text: str, module: nn.Module, default: Sequence[str], extra: Sequence[str] = ()) -> tuple[str, ...]:
    """'auto' -> default; else a comma list of layers with * and ? as wild cards, in the network's order.

    extra: names that are no modules (pixels) and still allowed. Raises UnknownName for what nothing fits.
    """
    if text == "auto":
        return tuple(default)
    names = [name for name, _ in module.named_modules() if name]
    found: list[str] = []
    for pattern in filter(None, (part.strip() for part in text.split(","))):
        asked = parse_layer(pattern, {*names, *extra}).module
        rest = pattern[len(asked) :]
        fitting = [pattern] if pattern in extra else [name + rest for name in names if fnmatchcase(name, asked)]
        if not fitting:
            raise UnknownName("layer", pattern, [*names, *extra])
        found += fitting
    return tuple(dict.fromkeys(found))


def candidate_layers(spec: ModelSpec, module: nn.Module) -> tuple[str, ...]:
    """The layers that are scored when nobody names any, in the network's order.

    The study's for its ResNets, wherever they come from. Of other networks every activation function and, of a block,
    its output alone; a transformer's head is added. A block is what directly holds an attention module (blocks.3), else
    the outermost module whose class is called one (BLOCK). Of a block that ends in an activation function, as those of
    ResNets do, its own activation functions stand for it. Gates, whose values only scale others, are left out. A
    network without any of these has its direct parts.
    """
    from torch import nn

    parts = dict(module.named_modules())
    study = CANDIDATE_LAYERS.get(base_of(spec.arch), ())
    if study and set(study) <= parts.keys():
        return study
    attention = _attention_blocks(parts)
    named = _named_blocks(parts, attention)
    inside = tuple(f"{block}." for block in (*attention, *named))
    chosen: list[str] = []
    for name, part in parts.items():
        if name in named and POST_ACTIVATION.search(type(part).__name__):
            own = [f"{name}.{child}" for child, one in part.named_children() if _is_activation(one)]
            chosen += own or [name]
        elif (
            name in attention
            or name in named
            or (_is_activation(part) and not name.startswith(inside) and not _is_gated(name, parts))
        ):
            chosen.append(name)
    if attention:
        linear = {name: part.out_features for name, part in parts.items() if isinstance(part, nn.Linear)}
        chosen += [name for name, units in linear.items() if units == spec.units][-1:]
    return tuple(chosen) or tuple(name for name, _ in module.named_children())


def _is_activation(part: nn.Module) -> bool:
    """By the names of its classes, because timm has a GELU and others of its own."""
    return any(ACTIVATION.fullmatch(kind.__name__.lower()) for kind in type(part).__mro__)


def _is_gated(name: str, parts: Mapping[str, nn.Module]) -> bool:
    """Whether a module is part of a gate, by the classes around it."""
    around = name.split(".")
    return any(GATE.search(type(parts[".".join(around[:n])]).__name__) for n in range(1, len(around)))


def _named_blocks(parts: Mapping[str, nn.Module], attention: frozenset[str]) -> frozenset[str]:
    """Names of the outermost modules whose class is called a block, are no gates and hold no attention block."""
    from torch import nn

    found: list[str] = []
    for name, part in parts.items():
        called = type(part).__name__
        if not name or not BLOCK.search(called) or GATE.search(called) or type(part).forward is nn.Module.forward:
            continue
        if name.startswith(tuple(f"{block}." for block in (*found, *attention))):
            continue
        if not any(block == name or block.startswith(f"{name}.") for block in attention):
            found.append(name)
    return frozenset(found)


def _attention_blocks(parts: Mapping[str, nn.Module]) -> frozenset[str]:
    """Names of the modules that directly hold an attention module, by its name or that of its class.

    Attention that the whole network holds pools its last layer and makes no block.
    """
    blocks: list[str] = []
    inside: tuple[str, ...] = ()
    for name, part in parts.items():
        called = f"{name.rpartition('.')[2]} {type(part).__name__}".lower()
        if name.startswith(inside) or not ("attn" in called or "attention" in called):
            continue
        if type(part).__name__ in ("Identity", "ModuleList", "Sequential"):
            continue
        inside = (*inside, f"{name}.")
        holder = name.rpartition(".")[0]
        is_list = type(parts[holder]).__name__ == "ModuleList"  # a list is never called: the part is a block itself
        blocks.append(name if is_list else holder)
    return frozenset(blocks) - {""}


def block_layers(module: nn.Module, candidates: Sequence[str]) -> tuple[str, ...]:
    """The four layers at which networks are compared: ResNets' first blocks, else four of the candidates, evenly.

    Output units are none of them where there is anything else.
    """
    from torch import nn

    parts = dict(module.named_modules())
    if set(BLOCKS) <= parts.keys():
        return BLOCKS
    if len(candidates) > 1 and isinstance(parts.get(candidates[-1]), nn.Linear):
        candidates = candidates[:-1]
    outputs: dict[str, str] = {}
    for name in candidates:
        holder = name.rpartition(".")[0]
        in_block = holder and POST_ACTIVATION.search(type(parts.get(holder)).__name__)
        outputs[holder if in_block else name] = name  # of a block's activation functions the last
    chosen, last = list(outputs.values()), len(outputs) - 1
    return tuple(dict.fromkeys(chosen[round(k * last / 4)] for k in (1, 2, 3, 4))) if chosen else ()


def decoding_layers(module: nn.Module, candidates: Sequence[str]) -> tuple[str, ...]:
    """The images, the compared blocks, the pooled features and the output units (Xie et al. 2025, section 5)."""
    from torch import nn

    blocks = block_layers(module, candidates)
    parts = dict(module.named_modules())
    inside = tuple(f"{name}." for name in candidates)
    outside = {name: part for name, part in parts.items() if not name.startswith(inside) and name not in blocks}
    pooled = [name for name in outside if name in POOLED]
    linear = [name for name, part in outside.items() if isinstance(part, nn.Linear)]
    head = [name for name in linear if "attn" not in name]  # attention takes the weights of its parts and calls none
    return (PIXELS, *blocks, *pooled[:1], *head[-1:])
