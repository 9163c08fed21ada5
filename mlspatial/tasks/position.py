"""Where the object is: distance (z) and translation (x, y), regressed in units of the training set's SD."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlspatial.tasks.base import TASKS, Columns, Part

if TYPE_CHECKING:
    import torch


class Position(Part):
    """Mean squared error of standardised coordinates (mean 0, SD 1 over the training set), mean over coordinates."""

    @property
    def units(self) -> int:
        return len(self.columns)

    def loss(self, outputs: torch.Tensor, columns: Columns) -> torch.Tensor:
        import torch
        from torch.nn.functional import mse_loss

        targets = torch.stack(
            [
                (columns[name].to(outputs) - self.statistics[name]["mean"]) / self.statistics[name]["sd"]
                for name in self.columns
            ],
            dim=1,
        )
        return mse_loss(outputs, targets)

    def metrics(self, outputs: torch.Tensor, columns: Columns) -> dict[str, float]:
        """Per coordinate: r2 (coefficient of determination) and mae (metres); r2 is also given as their mean."""
        values: dict[str, float] = {}
        for unit, name in enumerate(self.columns):
            truth = columns[name].double()
            predicted = outputs[:, unit].to(truth) * self.statistics[name]["sd"] + self.statistics[name]["mean"]
            residual = truth - predicted
            values[f"{name}_r2"] = float(1 - residual.square().sum() / (truth - truth.mean()).square().sum())
            values[f"{name}_mae_m"] = float(residual.abs().mean())
        values["r2"] = sum(values[f"{name}_r2"] for name in self.columns) / len(self.columns)
        return values

    def predictions(self, outputs: torch.Tensor, columns: Columns) -> dict[str, np.ndarray]:
        """Per coordinate NAME: NAME_true, NAME_predicted and NAME_error (predicted less true), in metres."""
        kept: dict[str, np.ndarray] = {}
        squares = []
        for unit, name in enumerate(self.columns):
            sd, mean = self.statistics[name]["sd"], self.statistics[name]["mean"]
            truth = columns[name].double().cpu().numpy()
            predicted = outputs[:, unit].double().cpu().numpy() * sd + mean
            squares.append(((predicted - truth) / sd) ** 2)
            kept |= {f"{name}_true": truth, f"{name}_predicted": predicted, f"{name}_error": predicted - truth}
        kept = {"loss": np.mean(squares, axis=0), **kept}
        return {name: values.astype(np.float32) for name, values in kept.items()}

    def read(self, outputs: torch.Tensor) -> dict[str, np.ndarray]:
        """Coordinates in metres."""
        values = outputs.double().cpu().numpy()
        known = self.statistics
        return {n: values[:, [i]] * known[n]["sd"] + known[n]["mean"] for i, n in enumerate(self.columns)}


@TASKS.register("distance")
class Distance(Position):
    """z: the distance of the object's centre along the camera's viewing axis."""

    columns = ("z",)


@TASKS.register("translation")
class Translation(Position):
    """x and y: the object's centre to the right of and above the camera's viewing axis."""

    columns = ("x", "y")
