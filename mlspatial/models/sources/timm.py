"""timm's networks: timm:NAME with its default weights, or timm:NAME.TAG."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import UnknownName, UserError, in_one_line
from mlspatial.models.build import sized
from mlspatial.models.fetch import fetched, from_hub
from mlspatial.models.sources.base import SOURCES, Selector, Source, Written, square
from mlspatial.models.spec import ModelSpec, imagenet_head
from mlspatial.models.weights import UNREADABLE

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.weights import State


@SOURCES.register("timm")
class Timm(Source):
    """Networks of timm that take square RGB images."""

    kind = "timm network"

    def names(self) -> Iterable[str]:
        import timm

        return timm.list_models()

    def spec(self, name: str) -> ModelSpec:
        cfg = self._cfg(name)
        units, mean, sd = max(0, cfg.num_classes), tuple(cfg.mean), tuple(cfg.std)
        size = square(f"timm:{name}", *cfg.input_size)
        return ModelSpec(f"timm:{name.partition('.')[0]}", units, imagenet_head(units), (), size, mean, sd)

    def build(self, spec: ModelSpec) -> nn.Module:
        with sized(spec):
            return create(spec.arch.partition(":")[2], spec.units, **self._size(spec))

    def weights(self, asked: Selector) -> Path:
        cfg = self._cfg(asked.name)
        if cfg.hf_hub_id:
            names = [cfg.hf_hub_filename or "model.safetensors", "model.safetensors", "pytorch_model.bin"]
            kept = ".".join(filter(None, (asked.name.partition(".")[0], cfg.tag)))
            return from_hub(asked.text, cfg.hf_hub_id, names, kept)
        return fetched(asked.text, cfg.url) if cfg.url else super().weights(asked)

    def filled(self, spec: ModelSpec, asked: Selector, weights: Path) -> nn.Module:
        """timm's own way of loading, because it converts the keys of older files and resizes positions."""
        import torch

        cfg = self._cfg(asked.name)
        custom = cfg.custom_load == "hf" if cfg.hf_hub_id else bool(cfg.custom_load)
        overlay = {"file": str(weights), "custom_load": custom}  # its own search would ask the network first
        try:
            with torch.random.fork_rng(devices=[]):  # it draws weights before it loads them
                return create(
                    asked.name, spec.units, pretrained=True, pretrained_cfg_overlay=overlay, **self._size(spec)
                )
        except UNREADABLE as error:
            words = f"weights in {weights} do not fit {spec.arch} for images of {spec.input_size} pixels"
            raise UserError(f"{words} ({in_one_line(error)}); fetch them again") from error

    def convert(self, state: State, spec: ModelSpec, module: nn.Module) -> State:
        """Older names and positions for other sizes, by the function that timm has for the family."""
        own = module.state_dict()
        turn = getattr(sys.modules[type(module).__module__], "checkpoint_filter_fn", None)
        if turn is None or all(key in state and state[key].shape == own[key].shape for key in own):
            return state
        try:
            return dict(turn(state, module))
        except Exception:  # not of a layout that it knows: what does not fit is told by name
            return state

    def written(self, spec: ModelSpec) -> Written | None:
        facts = {"pretrained": False, "num_classes": spec.units, **self._size(spec)}
        words = ", ".join([repr(spec.arch.partition(":")[2]), *(f"{key}={value!r}" for key, value in facts.items())])
        return Written(f"timm.create_model({words})", "import timm", ("timm",))

    def _size(self, spec: ModelSpec) -> dict[str, Any]:
        """What a network that is made for one size of images is told of it."""
        return {"img_size": spec.input_size} if self._cfg(spec.arch.partition(":")[2]).fixed_input_size else {}

    def _cfg(self, name: str) -> Any:
        """timm's PretrainedCfg of NAME or NAME.TAG."""
        import timm
        from timm.models import PretrainedCfg, get_arch_pretrained_cfgs, get_pretrained_cfg

        base, tag, _ = name.partition(".")
        if not timm.is_model(base):
            raise UnknownName(self.kind, base, self.names())
        tagged = get_arch_pretrained_cfgs(base)
        if tag and name not in tagged:
            raise UnknownName(self.kind, name, tagged)
        return get_pretrained_cfg(name) or PretrainedCfg()


def create(name: str, units: int, *, pretrained: bool = False, **extra: Any) -> nn.Module:
    """A network of timm with so many units, 0 for none; extra: what timm.create_model takes besides."""
    import timm

    return timm.create_model(name, pretrained=pretrained, num_classes=units, **extra)
