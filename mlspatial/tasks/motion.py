"""How the object moves relative to the camera: its velocity, and where it is heading; for datasets of clips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlspatial.tasks.base import TASKS, Columns, Part
from mlspatial.tasks.position import Position

if TYPE_CHECKING:
    import torch


@TASKS.register("velocity")
class Velocity(Position):
    """v_x, v_y, v_z in metres a second, regressed as positions are."""

    columns = ("v_x", "v_y", "v_z")

    def metrics(self, outputs: torch.Tensor, columns: Columns) -> dict[str, float]:
        """Per coordinate r2 and mae (metres a second); r2 also as their mean."""
        found = super().metrics(outputs, columns)
        return {name.replace("_mae_m", "_mae_m_s"): value for name, value in found.items()}


@TASKS.register("heading")
class Heading(Part):
    """Mean squared error of the raw outputs against sine and cosine of the heading, as for the rotation's angles."""

    columns = ("heading",)

    @property
    def units(self) -> int:
        return 2

    def _targets(self, outputs: torch.Tensor, columns: Columns) -> torch.Tensor:
        import torch

        angle = torch.deg2rad(columns["heading"].to(outputs))
        return torch.stack([angle.sin(), angle.cos()], dim=1)

    def _error(self, outputs: torch.Tensor, columns: Columns) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """True and predicted degrees, and their difference the short way round."""
        import torch

        outputs = outputs.double().cpu()
        predicted = torch.rad2deg(torch.atan2(outputs[:, 0], outputs[:, 1]))
        truth = columns["heading"].double().cpu()
        return truth, predicted, (predicted - truth + 180.0) % 360.0 - 180.0

    def loss(self, outputs: torch.Tensor, columns: Columns) -> torch.Tensor:
        from torch.nn.functional import mse_loss

        return mse_loss(outputs, self._targets(outputs, columns))

    def metrics(self, outputs: torch.Tensor, columns: Columns) -> dict[str, float]:
        """mae_deg: mean absolute error in degrees, the short way round; 90 where nothing is known."""
        return {"mae_deg": float(self._error(outputs, columns)[2].abs().mean())}

    def predictions(self, outputs: torch.Tensor, columns: Columns) -> dict[str, np.ndarray]:
        """heading_true, heading_predicted (-180 to 180) and heading_error (signed), in degrees."""
        truth, predicted, error = self._error(outputs, columns)
        loss = (outputs - self._targets(outputs, columns)).square().mean(1).double().cpu()
        kept = {"loss": loss, "heading_true": truth, "heading_predicted": predicted, "heading_error": error}
        return {name: values.numpy().astype(np.float32) for name, values in kept.items()}

    def read(self, outputs: torch.Tensor) -> dict[str, np.ndarray]:
        """Sine and cosine, as they come."""
        return {"heading": outputs.double().cpu().numpy()}
