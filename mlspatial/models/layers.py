"""Which layers are meant: names, wild cards, or the study's own."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from mlspatial.core.errors import UnknownName

if TYPE_CHECKING:
    from torch import nn

BLOCKS = tuple(f"layer{n}.0.relu" for n in (1, 2, 3, 4))  # Xie et al. 2025: CKA; the last call is the block's output
PIXELS = "pixels"  # not a module: the images themselves


def resolve_layers(text: str, module: nn.Module, default: Sequence[str], extra: Sequence[str] = ()) -> tuple[str, ...]:
    """'auto' -> default; else a comma list of module names with * and ? as wild cards, in the network's order.

    extra: names that are no modules (pixels) and still allowed. Raises UnknownName for what nothing fits.
    """
    if text == "auto":
        return tuple(default)
    names = [name for name, _ in module.named_modules() if name]
    found: list[str] = []
    for pattern in filter(None, (part.strip() for part in text.split(","))):
        fitting = [pattern] if pattern in extra else [name for name in names if fnmatchcase(name, pattern)]
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
