"""Which layers and units of networks decode and tuning ask, with the pixels as one more layer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from mlspatial.models.layers import PIXELS

FACTS = ("task", "arch", "dataset", "seed", "step")  # of a network, that its runs have as tags

Extra = Callable[[Any], Sequence[str]]


def asked_layers(text: str, extra: Extra = lambda _module: ()) -> Callable[[Any, Any], Sequence[str]]:
    """A function of (module, spec) that gives the layers of a network, pixels among them where they are asked for.

    text: auto, or names with commas between; extra(module): names that are no modules, besides. The function raises
    UnknownName.
    """

    def choose(module: Any, spec: Any) -> Sequence[str]:
        from mlspatial.models.layers import candidate_layers, decoding_layers, resolve_layers

        default = decoding_layers(module, candidate_layers(spec, module))
        return resolve_layers(text, module, default, extra=(PIXELS, *extra(module)))

    return choose


def task_units(layer: str, values: np.ndarray, spec: Any) -> np.ndarray:
    """Of the head's units only those that were supervised, the others are as they were drawn; of other layers all.

    values: (n stimuli, units)."""
    if layer != "fc" or values.shape[1] != spec.units or not spec.supervised:
        return values
    units: Iterable[int] = (u for part in spec.supervised for u in range(*spec.head[part]))
    return values[:, list(units)]
