"""What a form of export is, and the files that all of them have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mlspatial.core.errors import UserError
from mlspatial.core.files import write_json
from mlspatial.core.plugins import Plugins
from mlspatial.models.exports.card import Card
from mlspatial.models.sources.files import SPEC, WEIGHTS, load_folder
from mlspatial.models.spec import ModelSpec

if TYPE_CHECKING:
    import torch
    from torch import nn

README = "README.md"


@dataclass(frozen=True)
class Order:
    """What is to be exported. name: what it is called there; layers: candidates for regions of the brain; regions:
    region -> the layer that stands for it, as far as that is known."""

    module: nn.Module
    spec: ModelSpec
    card: Card
    name: str
    layers: tuple[str, ...] = ()
    regions: Mapping[str, str] = field(default_factory=dict)


class Form(ABC):
    """A form of export: one file and one registration in EXPORTS.

    files: all that it may write, folders' names with a slash behind them. Every form has the weights and the spec, so
    that `file:FOLDER` reads it back.
    """

    files: ClassVar[tuple[str, ...]] = (WEIGHTS, SPEC, README)

    def check(self, spec: ModelSpec, name: str, out: Path) -> None:
        """Raises UserError for what cannot be exported; asked before the weights are read. None takes clips: what is
        written says how an image becomes the input."""
        if spec.frames > 1:
            raise UserError(f"to: a network of clips of {spec.frames} frames cannot be exported; take one of images")

    @abstractmethod
    def write(self, order: Order, folder: Path) -> dict[str, float]:
        """Write into an empty folder; numbers about it, for its run."""


#: what a user types behind --to -> form
EXPORTS: Plugins[type[Form]] = Plugins("form of export")


def write_network(order: Order, folder: Path) -> None:
    """weights.safetensors and spec.json, which `load_folder` reads; they are read once, to see that they are whole."""
    from safetensors.torch import save_file

    save_file(separate(order.module), folder / WEIGHTS)
    spec = write_json(folder / SPEC, order.spec.to_json())
    (folder / WEIGHTS).chmod(spec.stat().st_mode)  # safetensors lets nobody else read what it writes
    load_folder(folder, order.spec.model_id)


def separate(module: nn.Module) -> dict[str, torch.Tensor]:
    """name -> parameter or buffer on the CPU; those that share memory, which safetensors does not take, are copied."""
    found: dict[str, torch.Tensor] = {}
    seen: set[int] = set()
    for name, tensor in module.state_dict().items():
        values = tensor.detach().cpu().contiguous()
        place = values.untyped_storage().data_ptr()
        found[name] = values.clone() if place in seen else values
        seen.add(place)
    return found


def plain_name(text: str) -> str:
    """A name that programs and folders take: letters, digits, _ and -."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in text)
