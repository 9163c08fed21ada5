"""What a layer gives as one row of features an image, in the order of its indices whatever its order in memory."""

from __future__ import annotations

import torch

from mlspatial.core.threads import in_threads

SMALL = 1 << 18  # numbers; fewer are not worth the threads


class Rows:
    """(images, ...) -> (images, features) float32, a view or in memory that the next call takes again.

    Networks compute with channels last in memory; features are numbered with channels first, as everywhere else. On
    the CPU an image at a time is turned round, which takes a fifth of the time of torch's copy of the whole.
    """

    def __init__(self) -> None:
        self._memory = torch.empty(0)

    def __call__(self, tensor: torch.Tensor, images: int) -> torch.Tensor:
        if (
            tensor.device.type != "cpu"
            or tensor.dtype != torch.float32
            or tensor.ndim != 4
            or tensor.is_contiguous()
            or not tensor.is_contiguous(memory_format=torch.channels_last)
            or tensor.numel() < SMALL
        ):
            return tensor.float().reshape(images, -1)
        if len(self._memory) < tensor.numel():
            self._memory = torch.empty(tensor.numel())
        count, channels, height, width = tensor.shape
        rows = self._memory[: tensor.numel()].view(count, channels, height * width)
        pixels = tensor.permute(0, 2, 3, 1).view(count, height * width, channels)

        @torch.inference_mode()  # which each thread has to ask for
        def turn(part: range) -> None:
            for image in part:
                rows[image].copy_(pixels[image].T)

        in_threads(torch.get_num_threads(), count, turn)
        return rows.view(images, -1)
