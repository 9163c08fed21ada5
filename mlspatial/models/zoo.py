"""ModelSpec: what a network is; and how to build one from it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import BadValue
from mlspatial.core.hashing import content_id
from mlspatial.core.plugins import Plugins

if TYPE_CHECKING:  # torch takes seconds to import, and a spec alone does not need it
    import torch
    from torch import nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # torchvision's models
IMAGENET_SD = (0.229, 0.224, 0.225)

#: name -> function of the number of output units that returns an untrained network
ARCHITECTURES: Plugins[Callable[[int], nn.Module]] = Plugins("arch")

#: Candidate layers of Xie et al. 2025: every block's last ReLU, after the skip connection (a module's last call).
CANDIDATE_LAYERS = {
    "resnet18": ("relu", *(f"layer{n}.{m}.relu" for n in (1, 2, 3, 4) for m in (0, 1)), "avgpool", "fc"),
    "resnet50": (
        "relu",
        *(f"layer{n}.{m}.relu" for n, blocks in ((1, 3), (2, 4), (3, 6), (4, 3)) for m in range(blocks)),
        "avgpool",
        "fc",
    ),
}


@ARCHITECTURES.register("resnet18")
def resnet18(units: int) -> nn.Module:
    """torchvision's ResNet-18, from scratch."""
    from torchvision.models import resnet18

    return resnet18(weights=None, num_classes=units)


@ARCHITECTURES.register("resnet50")
def resnet50(units: int) -> nn.Module:
    """torchvision's ResNet-50, from scratch."""
    from torchvision.models import resnet50

    return resnet50(weights=None, num_classes=units)


@dataclass(frozen=True)
class ModelSpec:
    """Everything that decides what a network computes; its hash is `model_id`.

    arch: a name in ARCHITECTURES; units: of the head; head: part -> (first, end) unit; supervised: the parts that
    were trained; input_size: pixels; mean, sd: per channel, of images in 0..1; statistics: what standardised targets
    are turned back into metres with; classes: column -> names of its units; weights: SHA-256 of the parameters.
    """

    arch: str
    units: int
    head: Mapping[str, tuple[int, int]]
    supervised: tuple[str, ...]
    input_size: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    sd: tuple[float, float, float] = IMAGENET_SD
    statistics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    weights: str = ""

    @property
    def model_id(self) -> str:
        return content_id(self.to_json())

    def with_weights(self, module: nn.Module) -> ModelSpec:
        return replace(self, weights=weights_hash(module))

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelSpec:
        values = dict(data)
        values["head"] = {part: tuple(units) for part, units in data["head"].items()}
        values["classes"] = {column: tuple(names) for column, names in data["classes"].items()}
        for name in ("supervised", "mean", "sd"):
            values[name] = tuple(data[name])
        return cls(**values)


def build(spec: ModelSpec, *, seed: int | None = None) -> nn.Module:
    """An untrained network of a spec. seed: of its initial weights (drawn on the CPU); None: left as they come.

    Raises UnknownName for an unknown architecture, BadValue for an input too small for it.
    """
    import torch

    if spec.input_size < 32:
        raise BadValue("input_size", spec.input_size, "must be at least 32 pixels")
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        return ARCHITECTURES[spec.arch](spec.units)


def candidate_layers(spec: ModelSpec, module: nn.Module) -> tuple[str, ...]:
    """The layers that are scored when nobody names any: the study's, or every leaf with an activation function."""
    from torch import nn

    if spec.arch in CANDIDATE_LAYERS:
        return CANDIDATE_LAYERS[spec.arch]
    return tuple(name for name, part in module.named_modules() if isinstance(part, nn.ReLU | nn.GELU | nn.SiLU))


def to_input(images: torch.Tensor, spec: ModelSpec) -> torch.Tensor:
    """(b, h, w, 3) uint8 on any device -> (b, 3, input_size, input_size) float32, normalised, channels last.

    Other sizes are resized bilinearly with anti-aliasing, without a crop.
    """
    import torch
    from torch.nn.functional import interpolate

    pixels = images.permute(0, 3, 1, 2).to(torch.float32)
    if pixels.shape[-2:] != (spec.input_size, spec.input_size):
        pixels = interpolate(
            pixels, size=(spec.input_size, spec.input_size), mode="bilinear", antialias=True, align_corners=False
        )
    mean = torch.tensor(spec.mean, device=pixels.device).mul(255.0)[None, :, None, None]
    sd = torch.tensor(spec.sd, device=pixels.device).mul(255.0)[None, :, None, None]
    return pixels.sub_(mean).div_(sd).contiguous(memory_format=torch.channels_last)


def weights_hash(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of all parameters and buffers, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()
