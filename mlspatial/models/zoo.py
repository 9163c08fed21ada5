"""ModelSpec: what a network is; and how to build one from it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import BadValue
from mlspatial.core.hashing import content_id
from mlspatial.core.plugins import Plugins

if TYPE_CHECKING:  # torch takes seconds to import, and a spec alone does not need it
    import torch
    from torch import nn
    from torch.overrides import TorchFunctionMode

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # torchvision's models
IMAGENET_SD = (0.229, 0.224, 0.225)

#: name -> function of the number of output units that returns an untrained network
ARCHITECTURES: Plugins[Callable[[int], nn.Module]] = Plugins("arch")

#: Architectures for which torchvision has ImageNet weights, under the same name.
INIT_IMAGENET = ("resnet18", "resnet50")

#: Activation functions' classes, in lower case; hardtanh is what ReLU6 is made of, swish timm's name of SiLU.
ACTIVATION = re.compile("(leaky|p)?relu|elu|hardtanh|(quick)?gelu|gelutanh|silu|(hard)?swish|mish")

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

    arch: a name in ARCHITECTURES, torchvision:NAME or timm:NAME; units: of the head; head: part -> (first, end) unit;
    supervised: the parts that were trained; input_size: pixels; mean, sd: per channel, of images in 0..1; statistics:
    what standardised targets are turned back into metres with; classes: column -> names of its units; weights:
    SHA-256 of the parameters.
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


def build(spec: ModelSpec, *, seed: int | None = None, init: str = "random") -> nn.Module:
    """An untrained network of a spec. seed: of its initial weights (drawn on the CPU); None: left as they come.

    init="imagenet": torchvision's ImageNet weights under a head of spec.units drawn with the seed (INIT_IMAGENET).
    Raises UnknownName for an unknown architecture, BadValue for an input too small for it or an init that it does
    not have, UserError for weights that cannot be downloaded.
    """
    import torch

    from mlspatial.models import external  # imports this module

    if spec.input_size < 32:
        raise BadValue("input_size", spec.input_size, "must be at least 32 pixels")
    if init not in ("random", "imagenet"):
        raise BadValue("init", init, "must be random or imagenet")
    if init == "imagenet" and spec.arch not in INIT_IMAGENET:
        raise BadValue("init", init, f"there are ImageNet weights for {' and '.join(INIT_IMAGENET)}, not {spec.arch}")
    with torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.manual_seed(seed)
        module = external.build_external(spec) if ":" in spec.arch else ARCHITECTURES[spec.arch](spec.units)
    if init == "imagenet":
        external.load_trunk(module, spec)
    return module


def no_initial_values() -> TorchFunctionMode:
    """A context in which parameters get no random values, for a network whose every parameter is about to be read."""
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    class Skipping(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return args[0] if func in (Tensor.normal_, Tensor.uniform_) else func(*args, **(kwargs or {}))

    return Skipping()


def candidate_layers(spec: ModelSpec, module: nn.Module) -> tuple[str, ...]:
    """The layers that are scored when nobody names any, in the network's order.

    The study's for its ResNets (torchvision:resnet18 is one too). Of other networks every activation function (the
    direct parts where those are no modules), but of a transformer's block only its output: a block is what directly
    holds an attention module, as blocks.3 or encoder.layers.encoder_layer_3, and the head is added.
    """
    from torch import nn

    study = spec.arch.removeprefix("torchvision:")
    if study in CANDIDATE_LAYERS:
        return CANDIDATE_LAYERS[study]
    parts = dict(module.named_modules())
    blocks = _attention_blocks(parts)
    chosen = [
        name
        for name, part in parts.items()
        if name in blocks or (_is_activation(part) and not any(name.startswith(f"{block}.") for block in blocks))
    ]
    if blocks:
        linear = {name: part.out_features for name, part in parts.items() if isinstance(part, nn.Linear)}
        chosen += [name for name, units in linear.items() if units == spec.units][-1:]
    return tuple(chosen) or tuple(name for name, _ in module.named_children())


def _is_activation(part: nn.Module) -> bool:
    """By the names of its classes, because timm has a GELU and others of its own."""
    return any(ACTIVATION.fullmatch(kind.__name__.lower()) for kind in type(part).__mro__)


def _attention_blocks(parts: Mapping[str, nn.Module]) -> frozenset[str]:
    """Names of the modules that directly hold an attention module, by its name or that of its class.

    Attention that the whole network holds pools its last layer and makes no block.
    """
    blocks: list[str] = []
    inside: tuple[str, ...] = ()
    for name, part in parts.items():
        called = f"{name.rpartition('.')[2]} {type(part).__name__}".lower()
        if name.startswith(inside) or not ("attn" in called or "attention" in called):
            continue
        if type(part).__name__ in ("Identity", "ModuleList", "Sequential"):
            continue
        inside = (*inside, f"{name}.")
        holder = name.rpartition(".")[0]
        is_list = type(parts[holder]).__name__ == "ModuleList"  # a list is never called: the part is a block itself
        blocks.append(name if is_list else holder)
    return frozenset(blocks) - {""}


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
