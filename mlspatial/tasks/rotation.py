"""How the object is turned: sine and cosine of the three Euler angles in the camera frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlspatial.tasks.base import TASKS, Columns, Part

if TYPE_CHECKING:
    import torch


@TASKS.register("rotation")
class Rotation(Part):
    """Mean squared error of the raw outputs against (sin, cos) of each angle (Xie et al. 2025, eq. 7)."""

    columns = ("rot_0", "rot_1", "rot_2")

    @property
    def units(self) -> int:
        return 2 * len(self.columns)

    def loss(self, outputs: torch.Tensor, columns: Columns) -> torch.Tensor:
        import torch
        from torch.nn.functional import mse_loss

        angles = torch.deg2rad(torch.stack([columns[name].to(outputs) for name in self.columns], dim=1))
        targets = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
        return mse_loss(outputs, targets)  # all angles have the same number of units: the mean of their means

    def metrics(self, outputs: torch.Tensor, columns: Columns) -> dict[str, float]:
        """Per angle the mean absolute error in degrees (the short way round), their mean, and as one rotation."""
        import torch

        pairs = outputs.double().unflatten(1, (3, 2))
        predicted = torch.rad2deg(torch.atan2(pairs[..., 0], pairs[..., 1]))
        truth = torch.stack([columns[name].double().to(predicted.device) for name in self.columns], dim=1)
        errors = ((predicted - truth + 180.0) % 360.0 - 180.0).abs().mean(dim=0)
        values = {f"{name}_mae_deg": float(error) for name, error in zip(self.columns, errors, strict=True)}
        values["mae_deg"] = float(errors.mean())
        values["rotation_error_deg"] = float(between_degrees(predicted, truth).mean())
        return values

    def predictions(self, outputs: torch.Tensor, columns: Columns) -> dict[str, np.ndarray]:
        """Per angle NAME in degrees: NAME_true, NAME_predicted (-180 to 180), NAME_error (the short way round, signed);
        rotation_error: the angle between both orientations."""
        import torch

        outputs = outputs.double().cpu()
        pairs = outputs.unflatten(1, (3, 2))
        predicted = torch.rad2deg(torch.atan2(pairs[..., 0], pairs[..., 1]))
        truth = torch.stack([columns[name].double().cpu() for name in self.columns], dim=1)
        angles = torch.deg2rad(truth)
        targets = torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)
        errors = (predicted - truth + 180.0) % 360.0 - 180.0
        kept = {"loss": (outputs - targets).square().mean(1)}
        for place, name in enumerate(self.columns):
            own = {"true": truth, "predicted": predicted, "error": errors}
            kept |= {f"{name}_{what}": values[:, place] for what, values in own.items()}
        kept["rotation_error"] = between_degrees(predicted, truth)
        return {name: values.numpy().astype(np.float32) for name, values in kept.items()}

    def read(self, outputs: torch.Tensor) -> dict[str, np.ndarray]:
        """Sine and cosine of every angle, as they come."""
        pairs = outputs.double().cpu().numpy().reshape(len(outputs), -1, 2)
        return {name: pairs[:, place] for place, name in enumerate(self.columns)}


def between_degrees(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(n, 3) and (n, 3) Euler angles in degrees -> (n,) the angle of the rotation that turns one into the other."""
    import torch

    between = euler_matrix(one).transpose(1, 2) @ euler_matrix(other)
    cosine = ((between.diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1)
    return torch.rad2deg(cosine.acos())


def euler_matrix(degrees: torch.Tensor) -> torch.Tensor:
    """(n, 3) rot_0, rot_1, rot_2 in degrees -> (n, 3, 3): Ry(rot_1) Rx(rot_0) Rz(rot_2), see core.latents."""
    import torch

    sin, cos = torch.deg2rad(degrees).sin().unbind(1), torch.deg2rad(degrees).cos().unbind(1)
    zero, one = torch.zeros_like(sin[0]), torch.ones_like(sin[0])

    def matrix(*rows: torch.Tensor) -> torch.Tensor:
        return torch.stack(rows, dim=1).unflatten(1, (3, 3))

    about_x = matrix(one, zero, zero, zero, cos[0], -sin[0], zero, sin[0], cos[0])
    about_y = matrix(cos[1], zero, sin[1], zero, one, zero, -sin[1], zero, cos[1])
    about_z = matrix(cos[2], -sin[2], zero, sin[2], cos[2], zero, zero, zero, one)
    return about_y @ about_x @ about_z
