"""The image towers of open_clip: openclip:ARCH/PRETRAINED, openclip:ARCH@random."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.models.build import sized
from mlspatial.models.fetch import fetched, from_hub
from mlspatial.models.sources.base import SOURCES, Selector, Source, square
from mlspatial.models.spec import ModelSpec

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.weights import State


@SOURCES.register("openclip")
class OpenClip(Source):
    """What of CLIP looks at images; its output is the embedding that is shared with texts."""

    kind = "open_clip network"
    fixed = True

    def names(self) -> Iterable[str]:
        import open_clip

        return open_clip.list_models()

    def spec(self, name: str) -> ModelSpec:
        tower, config, weights = self._cfg(name)
        size = config["vision_cfg"]["image_size"]
        size = square(f"openclip:{tower}", 3, size, size)
        return ModelSpec(f"openclip:{tower}", config["embed_dim"], {}, (), size, weights["mean"], weights["std"])

    def build(self, spec: ModelSpec) -> nn.Module:
        from open_clip.model import _build_vision_tower  # a whole CLIP would cost a text tower that nobody reads

        _, config, _ = self._cfg(spec.arch.partition(":")[2])
        units = config["embed_dim"]
        if spec.units != units:
            raise BadValue("units", spec.units, f"{spec.arch} has {units}")
        seen = {**config["vision_cfg"], "timm_model_pretrained": False, "image_size": spec.input_size}
        with sized(spec):
            return _build_vision_tower(units, seen, quick_gelu=config.get("quick_gelu", False))

    def weights(self, asked: Selector) -> Path:
        tower, _, found = self._cfg(asked.name)
        tag = asked.name.partition("/")[2]
        if not tag:
            raise UserError(f"models={asked.text}: say which weights, as {asked.text}/openai, or {asked.text}@random")
        repo, _, name = found.get("hf_hub", "").rpartition("/")
        if not repo:
            return fetched(asked.text, found["url"])
        names = [name] if name else ["open_clip_model.safetensors", "open_clip_pytorch_model.bin"]
        return from_hub(asked.text, repo, names, f"{tower}.{tag}")

    def convert(self, state: State, spec: ModelSpec, module: nn.Module) -> State:
        """A ViT's positions resized where images have another size."""
        from open_clip.model import resize_pos_embed

        found = {f"visual.{key}": value for key, value in state.items()}
        resize_pos_embed(found, SimpleNamespace(visual=module))
        return {key.removeprefix("visual."): value for key, value in found.items()}

    def _cfg(self, name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """(architecture, its configuration, that of the weights) of ARCH or ARCH/PRETRAINED.

        Weights that were trained with the quick form of GELU choose the architecture that has it.
        """
        import open_clip
        from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
        from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

        base, slash, tag = name.partition("/")
        self.check(base)
        found = get_pretrained_cfg(base, tag) if slash else {}
        if slash and not found:
            raise UnknownName(self.kind, name, (f"{base}/{tag}" for tag in list_pretrained_tags_by_model(base)))
        quick = f"{base}-quickgelu"
        if found.get("quick_gelu") and quick in self.names():
            base = quick
        mean, sd = tuple(found.get("mean") or OPENAI_DATASET_MEAN), tuple(found.get("std") or OPENAI_DATASET_STD)
        return base, copy.deepcopy(open_clip.get_model_config(base)), {**found, "mean": mean, "std": sd}
