"""Libraries that networks come from: which names exist, their preprocessing, how to build one without weights.

The only file that imports open_clip and visualpriors.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.models.zoo import ARCHITECTURES, IMAGENET_MEAN, IMAGENET_SD, ModelSpec

if TYPE_CHECKING:
    from torch import nn

LIBRARIES = ("torchvision", "timm", "openclip", "visualpriors", "mlspatial")
IMAGENET_UNITS = 1000
INPUT_SIZE = 224  # pixels, where nothing says otherwise
TASKONOMY_SIZE = 256  # visualpriors: images of 256 pixels in -1..1
HALF = (0.5, 0.5, 0.5)


def default_spec(arch: str) -> ModelSpec:
    """The spec of an untrained network: units and preprocessing as its package has them.

    arch: a name in ARCHITECTURES, torchvision:NAME or NAME.WEIGHTS, timm:NAME or NAME.TAG, openclip:ARCH or
    ARCH/PRETRAINED, visualpriors:TASK, mlspatial:NAME; what is behind the name chooses preprocessing and is no part of
    the spec's arch. units is 0 for a network without a head, whose output are its features. Raises UnknownName, and
    UserError for a network that does not take square RGB images.
    """
    library, colon, name = arch.partition(":")
    units, size, mean, sd = IMAGENET_UNITS, INPUT_SIZE, IMAGENET_MEAN, IMAGENET_SD
    if not colon:
        _ = ARCHITECTURES[arch]
    elif library == "torchvision":
        if weights := torchvision_weights(name):
            shown = weights.transforms()
            units, size, mean, sd = len(weights.meta["categories"]), shown.crop_size[0], shown.mean, shown.std
        arch = f"torchvision:{name.partition('.')[0]}"
    elif library == "timm":
        cfg = timm_cfg(name)
        channels, height, size = cfg.input_size
        if channels != 3 or height != size:
            raise UserError(f"{arch} takes inputs of {channels} x {height} x {size}; only square RGB images are given")
        arch, units, mean, sd = f"timm:{name.partition('.')[0]}", max(0, cfg.num_classes), cfg.mean, cfg.std
    elif library == "openclip":
        tower, config, weights = openclip_cfg(name)
        arch, units, size = f"openclip:{tower}", config["embed_dim"], config["vision_cfg"]["image_size"]
        mean, sd = weights["mean"], weights["std"]
        if not isinstance(size, int):
            raise UserError(f"{arch} takes inputs of {size} pixels; only square images are given")
    elif library == "visualpriors":
        taskonomy_url(name)
        units, size, mean, sd = 0, TASKONOMY_SIZE, HALF, HALF
    elif library == "mlspatial":
        from mlspatial.models.sources_own import NETWORKS

        own = NETWORKS[name]
        units, mean, sd = own.units, own.mean, own.sd
    else:
        raise UnknownName("library of networks", library, LIBRARIES)
    return ModelSpec(arch, units, head(units), (), size, (mean[0], mean[1], mean[2]), (sd[0], sd[1], sd[2]))


def build_external(spec: ModelSpec) -> nn.Module:
    """An untrained network of a library, with a head of spec.units for images of spec.input_size pixels.

    Nothing stands in the head's place when units is 0. Taskonomy's and open_clip's networks have the units they have.
    """
    library, _, name = spec.arch.partition(":")
    if library == "torchvision":
        return _torchvision(spec, name)
    if library == "timm":
        import timm

        sized: dict[str, Any] = {"img_size": spec.input_size} if timm_cfg(name).fixed_input_size else {}
        return timm.create_model(name, pretrained=False, num_classes=spec.units, **sized)
    if library == "mlspatial":
        from mlspatial.models.sources_own import NETWORKS

        return NETWORKS[name].build(spec.units)
    if library not in LIBRARIES:
        raise UnknownName("library of networks", library, LIBRARIES)
    default = default_spec(spec.arch)
    if (spec.units, spec.input_size) != (default.units, default.input_size):
        raise BadValue(
            "units, input_size",
            (spec.units, spec.input_size),
            f"{spec.arch} has {default.units} units and takes {default.input_size} pixels",
        )
    if library == "openclip":
        from open_clip.model import _build_vision_tower  # a whole CLIP would cost a text tower that nobody reads

        _, config, _ = openclip_cfg(name)
        seen = {**config["vision_cfg"], "timm_model_pretrained": False}
        return _build_vision_tower(config["embed_dim"], seen, quick_gelu=config.get("quick_gelu", False))
    from visualpriors.taskonomy_network import TaskonomyEncoder

    return TaskonomyEncoder()


def _torchvision(spec: ModelSpec, name: str) -> nn.Module:
    from torch import nn
    from torchvision.models import get_model

    torchvision_weights(name)
    extra: dict[str, Any] = {}
    if name.startswith("vit_"):
        extra = {"image_size": spec.input_size}
    elif name.startswith("maxvit"):
        extra = {"input_size": (spec.input_size, spec.input_size)}
    elif name in ("googlenet", "inception_v3"):  # as with torchvision's weights, less the heads for training
        extra = {"aux_logits": False, "transform_input": True, "init_weights": True}
    module = get_model(name, weights=None, num_classes=spec.units or 1, **extra)
    if not spec.units:
        last = [
            part for part, child in module.named_modules() if next(child.parameters(recurse=False), None) is not None
        ]
        holder, _, head = last[-1].rpartition(".")
        setattr(module.get_submodule(holder), head, nn.Identity())
    return module


def head(units: int) -> dict[str, tuple[int, int]]:
    return {"imagenet": (0, units)} if units == IMAGENET_UNITS else {}


def torchvision_weights(name: str) -> Any:
    """The weights (an enum's member) of one of torchvision's classifiers: NAME's default ones, None where it has none,
    or those of NAME.WEIGHTS, as resnet50.IMAGENET1K_V1."""
    from torchvision import models

    base, dot, tag = name.partition(".")
    known = models.list_models(module=models)
    if base not in known:
        raise UnknownName("torchvision network", base, known)
    weights = models.get_model_weights(base)
    if not dot:
        return getattr(weights, "DEFAULT", None)
    if tag not in weights.__members__:
        raise UnknownName("torchvision network", name, (f"{base}.{tag}" for tag in weights.__members__))
    return weights[tag]


def timm_cfg(name: str) -> Any:
    """timm's PretrainedCfg of NAME or NAME.TAG."""
    import timm
    from timm.models import PretrainedCfg, get_arch_pretrained_cfgs, get_pretrained_cfg

    base, tag, _ = name.partition(".")
    if not timm.is_model(base):
        raise UnknownName("timm network", base, timm.list_models())
    tagged = get_arch_pretrained_cfgs(base)
    if tag and name not in tagged:
        raise UnknownName("timm network", name, tagged)
    return get_pretrained_cfg(name) or PretrainedCfg()


def openclip_cfg(name: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """(architecture, its configuration, that of the weights) of ARCH or ARCH/PRETRAINED.

    Weights that were trained with the quick form of GELU choose the architecture that has it.
    """
    import open_clip
    from open_clip.constants import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
    from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

    base, slash, tag = name.partition("/")
    known = open_clip.list_models()
    if base not in known:
        raise UnknownName("open_clip network", base, known)
    found = get_pretrained_cfg(base, tag) if slash else {}
    if slash and not found:
        raise UnknownName("open_clip network", name, (f"{base}/{tag}" for tag in list_pretrained_tags_by_model(base)))
    quick = f"{base}-quickgelu"
    if found.get("quick_gelu") and quick in known:
        base = quick
    mean, sd = found.get("mean") or OPENAI_DATASET_MEAN, found.get("std") or OPENAI_DATASET_STD
    return base, copy.deepcopy(open_clip.get_model_config(base)), {**found, "mean": mean, "std": sd}


def taskonomy_url(task: str) -> str:
    """Where the weights of one of Taskonomy's encoders are."""
    from visualpriors.taskonomy_network import TASKONOMY_PRETRAINED_URLS as URLS

    known = [name.removesuffix("_encoder") for name in URLS if name.endswith("_encoder")]
    if task not in known:
        raise UnknownName("visualpriors task", task, known)
    return str(URLS[f"{task}_encoder"])
