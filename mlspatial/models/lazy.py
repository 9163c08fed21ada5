"""A network that nobody has asked for yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.spec import ModelSpec

Network = tuple["nn.Module", "ModelSpec"]


@dataclass(frozen=True)
class LazyModel:
    """A network that is made when it is needed, and once. read(): the network with its weights."""

    spec: ModelSpec
    read: Callable[[], Network]

    @cached_property
    def structure(self) -> Network:
        """Without its weights."""
        from mlspatial.models.build import build, no_initial_values

        with no_initial_values():
            return build(self.spec), self.spec

    @cached_property
    def loaded(self) -> Network:
        return self.read()

    @cached_property
    def every_layer(self) -> tuple[str, ...]:
        """Every module but containers, as the study of fMRI looks at them."""
        from mlspatial.models.extract import study2_layers

        return study2_layers(*self.loaded)
