"""ModelSpec: what a network is, and what of an image it sees."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from mlspatial.analysis.device import exact, image_format, sent
from mlspatial.core.errors import BadValue
from mlspatial.core.hashing import content_id

if TYPE_CHECKING:  # torch takes seconds to import, and a spec alone does not need it
    import torch
    from torch import nn

Triple = tuple[float, float, float]  # a number for each of red, green, blue

IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)  # torchvision's models
IMAGENET_SD: Triple = (0.229, 0.224, 0.225)
IMAGENET_UNITS = 1000
INPUT_SIZE = 224  # pixels, where nothing says otherwise


@dataclass(frozen=True)
class ModelSpec:
    """Everything that decides what a network computes; its hash is `model_id`.

    arch: SOURCE:NAME (see models.sources) or a name in ARCHITECTURES; units: of the head, 0 for a network without one,
    whose output are its features; head: part -> (first, end) unit; supervised: the parts that were trained;
    input_size: pixels; mean, sd: per channel, of images in 0..1; statistics: what standardised targets are turned back
    into metres with; classes: column -> names of its units; weights: SHA-256 of the parameters; code: that of a user's
    own code behind the network, "" where there is none; frames: of a clip, which it sees at once, side by side in the
    channels of its first convolution.
    """

    arch: str
    units: int
    head: Mapping[str, tuple[int, int]]
    supervised: tuple[str, ...]
    input_size: int
    mean: Triple = IMAGENET_MEAN
    sd: Triple = IMAGENET_SD
    statistics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    weights: str = ""
    code: str = ""
    frames: int = 1

    @property
    def model_id(self) -> str:
        return content_id(self.to_json())

    def with_weights(self, module: nn.Module) -> ModelSpec:
        """The spec of this network: with the hashes of its parameters and of a user's own code."""
        from mlspatial.models.build import code_of  # imports this module

        return replace(self, weights=weights_hash(module), code=code_of(self.arch, module))

    def to_json(self) -> dict[str, Any]:
        """Without `code` and `frames` where they are "" and 1, so that all other networks keep the identity that they
        always had."""
        usual = {"code": "", "frames": 1}
        return {name: value for name, value in asdict(self).items() if name not in usual or value != usual[name]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ModelSpec:
        values = dict(data)
        values["head"] = {part: tuple(units) for part, units in data["head"].items()}
        values["classes"] = {column: tuple(names) for column, names in data["classes"].items()}
        for name in ("supervised", "mean", "sd"):
            values[name] = tuple(data[name])
        return cls(**values)


def imagenet_head(units: int) -> dict[str, tuple[int, int]]:
    """Of a network from outside: ImageNet's classes where it has as many units as they are."""
    return {"imagenet": (0, units)} if units == IMAGENET_UNITS else {}


def to_input(images: torch.Tensor, spec: ModelSpec) -> torch.Tensor:
    """(b, h, w, 3) uint8 on any device -> (b, 3, input_size, input_size) float32, normalised, channels last (on mps
    first, see analysis.device.image_format).

    Other sizes are resized bilinearly with anti-aliasing, without a crop. Clips, (b, frames, h, w, 3), become
    (b, 3 frames, ..) for a network that sees as many; of others it sees the middle frame. A single image is, to a
    network of clips, one in which nothing moves. Raises BadValue for clips of another length.
    """
    import torch
    from torch.nn.functional import interpolate

    if images.ndim == 5 and spec.frames == 1:
        images = images[:, images.shape[1] // 2]
    if images.ndim == 5 and images.shape[1] != spec.frames:
        raise BadValue("frames", images.shape[1], f"the network sees clips of {spec.frames}; take a dataset of such")
    if spec.frames > 1:
        clips = images if images.ndim == 5 else images[:, None]
        flat = to_input(clips.flatten(0, 1), replace(spec, frames=1)).unflatten(0, (len(clips), -1))
        flat = flat.expand(-1, spec.frames, -1, -1, -1).flatten(1, 2)
        return flat.contiguous(memory_format=image_format(flat.device.type))
    pixels = images.permute(0, 3, 1, 2).to(torch.float32)
    if pixels.shape[-2:] != (spec.input_size, spec.input_size):
        there = pixels.device
        pixels = exact(pixels)  # on mps some versions cannot
        pixels = interpolate(
            pixels, size=(spec.input_size, spec.input_size), mode="bilinear", antialias=True, align_corners=False
        ).to(there)
    scale = torch.tensor((spec.mean, spec.sd)).mul_(255.0)
    mean, sd = sent(scale, pixels.device)[:, None, :, None, None]
    return pixels.sub_(mean).div_(sd).contiguous(memory_format=image_format(pixels.device.type))


def grey(spec: ModelSpec, device: Any = "cpu") -> torch.Tensor:
    """(1, 3 frames, input_size, input_size): what a network sees of one grey image."""
    import torch

    shape = (1, spec.input_size, spec.input_size, 3)
    return to_input(torch.full(shape, 128, dtype=torch.uint8, device=device), spec)


def weights_hash(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of all parameters and buffers, in the order of their names."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        values = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
        digest.update(values.numpy().tobytes())
    return digest.hexdigest()
