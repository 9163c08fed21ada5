"""Changes of colour that leave every latent as it is. Off by default: the published networks saw images unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlspatial.analysis.device import sent
from mlspatial.core.hashing import seed_of
from mlspatial.core.plugins import Plugins

if TYPE_CHECKING:  # it takes seconds to load, and names and versions need none of it
    import torch

VERSIONS = {"colour": 2}  # before 2 the number of the batch alone decided the draws
STRENGTH = 0.4  # of brightness, contrast and saturation: factors from 0.6 to 1.4
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
WITHOUT_COLOUR = 0.3  # of the images, under `grey`

AUGMENTATIONS: Plugins = Plugins("augment")


@AUGMENTATIONS.register("none")
def none(images: torch.Tensor, seed: int, number: int) -> torch.Tensor:
    """images unchanged."""
    return images


@AUGMENTATIONS.register("colour")
def colour(images: torch.Tensor, seed: int, number: int) -> torch.Tensor:
    """(b, h, w, 3) uint8 -> the same, brightness, contrast and saturation of every image changed by chance.

    seed, number: of the run and of the batch; they alone decide the draws.
    """
    import torch

    draws = torch.Generator().manual_seed(seed_of(seed, number))
    factors = 1.0 + STRENGTH * (2.0 * torch.rand((3, len(images), 1, 1, 1), generator=draws) - 1.0)
    brightness, contrast, saturation = sent(factors, images.device)
    pixels = images.float() * brightness
    weights = sent(torch.tensor(GREY), images.device)
    grey = (pixels * weights).sum(-1, keepdim=True)
    pixels = grey + saturation * (pixels - grey)
    mean = grey.mean((1, 2, 3), keepdim=True)
    return (mean + contrast * (pixels - mean)).round_().clamp_(0, 255).to(torch.uint8)


@AUGMENTATIONS.register("grey")
def grey(images: torch.Tensor, seed: int, number: int) -> torch.Tensor:
    """(b, h, w, 3) uint8 -> the same, each image with a chance of WITHOUT_COLOUR as its luminance in all channels.

    For comparisons with recordings of grey pictures: where colour tells categories apart, shape is not learned.
    seed, number: of the run and of the batch; they alone decide the draws.
    """
    import torch

    draws = torch.Generator().manual_seed(seed_of(seed, number))
    drawn = sent(torch.rand(len(images), generator=draws) < WITHOUT_COLOUR, images.device)
    luminance = (images.float() * sent(torch.tensor(GREY), images.device)).sum(-1, keepdim=True)
    luminance = luminance.round_().clamp_(0, 255).to(torch.uint8)
    return torch.where(drawn[:, None, None, None], luminance, images)
