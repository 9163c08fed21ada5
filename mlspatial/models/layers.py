"""Which layers are meant: names, wild cards, or the study's own.

A layer is the path of a module, perhaps with #N (its N-th call in one pass; without it the last), then -N (the N-th
tensor of an output that holds several; without it the first), then [cls] or [patches] (a transformer's class token, or
the tokens of the image): blocks.3, layer1.0.relu#1, blocks.3.attn-2, blocks.11[cls].
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from fnmatch import fnmatchcase
from math import isqrt
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import UnknownName, UserError

if TYPE_CHECKING:
    import torch
    from torch import nn

BLOCKS = tuple(f"layer{n}.0.relu" for n in (1, 2, 3, 4))  # Xie et al. 2025: CKA; the last call is the block's output
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


def block_layers(module: nn.Module, candidates: Sequence[str]) -> tuple[str, ...]:
    """The four layers at which networks are compared: ResNets' first blocks, else four of the candidates, evenly."""
    names = {name for name, _ in module.named_modules()}
    if set(BLOCKS) <= names:
        return BLOCKS
    last = len(candidates) - 1
    return tuple(dict.fromkeys(candidates[round(k * last / 4)] for k in (1, 2, 3, 4))) if candidates else ()


def decoding_layers(module: nn.Module, candidates: Sequence[str]) -> tuple[str, ...]:
    """The images, the compared blocks, the pooled features and the output units (Xie et al. 2025, section 5)."""
    names = {name for name, _ in module.named_modules()}
    return (PIXELS, *block_layers(module, candidates), *(name for name in ("avgpool", "fc") if name in names))
