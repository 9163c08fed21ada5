"""torchvision's classifiers: torchvision:NAME with its default weights, or torchvision:NAME.WEIGHTS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import UnknownName
from mlspatial.models.build import sized, with_units
from mlspatial.models.fetch import fetched
from mlspatial.models.sources.base import SOURCES, Selector, Source, Written, parse_selector
from mlspatial.models.spec import IMAGENET_MEAN, IMAGENET_SD, IMAGENET_UNITS, INPUT_SIZE, ModelSpec, imagenet_head
from mlspatial.models.weights import fill, named, read_state

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.weights import State

POSITIONS = "encoder.pos_embedding"  # of a ViT
#: Architectures of ours that there are ImageNet weights for, under the same name.
INIT_IMAGENET = ("resnet18", "resnet50")


@SOURCES.register("torchvision")
class Torchvision(Source):
    """Networks of torchvision.models that classify."""

    kind = "torchvision network"

    def names(self) -> Iterable[str]:
        from torchvision import models

        return models.list_models(module=models)

    def spec(self, name: str) -> ModelSpec:
        units, size, mean, sd = IMAGENET_UNITS, INPUT_SIZE, IMAGENET_MEAN, IMAGENET_SD
        if weights := self._enum(name):
            shown = weights.transforms()
            units, size = len(weights.meta["categories"]), shown.crop_size[0]
            mean, sd = tuple(shown.mean), tuple(shown.std)
        arch = f"torchvision:{name.partition('.')[0]}"
        return ModelSpec(arch, units, imagenet_head(units), (), size, mean, sd)

    def build(self, spec: ModelSpec) -> nn.Module:
        with sized(spec):
            return create(self.check(spec.arch.partition(":")[2]), spec.units, spec.input_size)

    def weights(self, asked: Selector) -> Path:
        weights = self._enum(asked.name)
        if weights is None:
            return super().weights(asked)
        return fetched(asked.text, weights.url, megabytes=weights.meta.get("_file_size", 0))

    def convert(self, state: State, spec: ModelSpec, module: nn.Module) -> State:
        """No auxiliary heads, `norm1` where DenseNets had `norm.1`; a ViT's positions resized."""
        today = {re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", key): state[key] for key in state}
        today = {key: value for key, value in today.items() if not re.match(r"(aux\d|AuxLogits)\.", key)}
        positions, made = today.get(POSITIONS), module.state_dict().get(POSITIONS)
        if positions is not None and made is not None and positions.shape != made.shape:
            from torchvision.models.vision_transformer import interpolate_embeddings

            with sized(spec):
                return dict(interpolate_embeddings(spec.input_size, int(module.patch_size), today))
        return today

    def written(self, spec: ModelSpec) -> Written | None:
        name = spec.arch.partition(":")[2]
        facts = {"weights": None, "num_classes": spec.units, **_settings(name, spec.input_size)}
        return as_call(name, facts) if spec.units else None

    def about(self, asked: Selector) -> dict[str, str]:
        """ImageNet top-1 in per cent, as torchvision states it for its own weights."""
        weights = None if asked.drawn is not None else self._enum(asked.name)
        stated = weights.meta["_metrics"].get("ImageNet-1K", {}) if weights else {}
        return {"imagenet_top1": str(stated["acc@1"])} if "acc@1" in stated else {}

    def _enum(self, name: str) -> Any:
        """The weights (an enum's member) of NAME, None where it has none, or NAME.WEIGHTS (resnet50.IMAGENET1K_V1)."""
        from torchvision import models

        base, dot, tag = name.partition(".")
        weights = models.get_model_weights(self.check(base))
        if not dot:
            return getattr(weights, "DEFAULT", None)
        if tag not in weights.__members__:
            raise UnknownName(self.kind, name, (f"{base}.{tag}" for tag in weights.__members__))
        return weights[tag]


def as_call(name: str, facts: Mapping[str, object]) -> Written:
    """A call of torchvision as code."""
    words = ", ".join([repr(name), *(f"{key}={value!r}" for key, value in facts.items())])
    return Written(f"torchvision.models.get_model({words})", "import torchvision", ("torchvision",))


def _settings(name: str, input_size: int) -> dict[str, Any]:
    """What a network is made with besides its units."""
    if name.startswith("vit_"):
        return {"image_size": input_size}
    if name.startswith("maxvit"):
        return {"input_size": (input_size, input_size)}
    if name in ("googlenet", "inception_v3"):  # as with torchvision's weights, less the heads for training
        return {"aux_logits": False, "transform_input": True, "init_weights": True}
    return {}


def create(name: str, units: int, input_size: int = INPUT_SIZE) -> nn.Module:
    """A network of torchvision with so many units, 0 for none, from scratch."""
    from torchvision.models import get_model

    extra = _settings(name, input_size)
    return with_units(lambda number: get_model(name, weights=None, num_classes=number, **extra), units)


def load_trunk(module: nn.Module, spec: ModelSpec) -> None:
    """Put ImageNet weights into a network of spec.arch, one of INIT_IMAGENET, but for the head."""
    source, own = Torchvision(), module.state_dict()
    weights = source.weights(parse_selector(f"torchvision:{spec.arch}"))
    trunk = source.convert(named(read_state(weights), own), spec, module)
    fill(module, {**trunk, **{key: own[key] for key in own if key.startswith("fc.")}}, spec.arch, str(weights))
