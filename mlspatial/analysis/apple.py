"""Whether the GPU of an Apple processor computes as the CPU does: what `device=auto` asks before it takes one.

Several versions of PyTorch and macOS give wrong gradients there without a word (batch normalisation of images whose
channels are last in memory, PyTorch's issue 175189), others lack an operation. A small network's outputs and gradients
tell.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from mlspatial.analysis.device import MPS

if TYPE_CHECKING:  # it takes seconds to load
    import torch

TOLERANCE = 1e-3  # of the largest number: float32 in another order differs by some 1e-6, what is wrong by 1 and more


@cache
def is_right() -> bool:
    """Whether outputs and gradients of a residual block on mps are those of the CPU, to TOLERANCE. Asked once."""
    try:
        ours, theirs = _computed(MPS), _computed("cpu")
    except (NotImplementedError, RuntimeError, TypeError):  # an operation is missing, or fails
        return False
    return all(bool((a - b).abs().max() <= TOLERANCE * b.abs().max()) for a, b in zip(ours, theirs, strict=True))


def _computed(device: str) -> list[torch.Tensor]:
    """Outputs of a small residual network for a batch in training, its statistics and all its gradients; on the CPU."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(3, 16, 7, 2, 3, bias=False), nn.BatchNorm2d(16), nn.ReLU())
            self.pool = nn.MaxPool2d(3, 2, 1)
            self.second = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16))
            self.last = nn.Linear(16, 5)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen = self.pool(self.first(images))
            return self.last(torch.relu(seen + self.second(seen)).mean((2, 3)))

    with torch.random.fork_rng(devices=[], device_type="cuda"):  # no GPU's, whichever is there
        torch.default_generator.manual_seed(0)
        block, images, classes = Block(), torch.randn(8, 3, 32, 32), torch.randint(5, (8,))
    with torch.enable_grad(), torch.inference_mode(False):
        block.to(device)
        said = block(images.to(device))
        nn.functional.cross_entropy(said, classes.to(device)).backward()
    gradients = [parameter.grad for parameter in block.parameters() if parameter.grad is not None]
    means = [buffer for buffer in block.buffers() if buffer.is_floating_point()]
    return [tensor.detach().cpu() for tensor in (said, *gradients, *means)]
