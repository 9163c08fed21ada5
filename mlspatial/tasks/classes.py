"""What the object is: its category and its identity, by cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mlspatial.tasks.base import TASKS, Columns, Part

if TYPE_CHECKING:
    import torch


class Classes(Part):
    """One unit a class, in the order of the schema; softmax cross-entropy in nats."""

    @property
    def units(self) -> int:
        return len(self.schema[self.columns[0]].categories)

    def loss(self, outputs: torch.Tensor, columns: Columns) -> torch.Tensor:
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, columns[self.columns[0]].to(outputs.device))

    def metrics(self, outputs: torch.Tensor, columns: Columns) -> dict[str, float]:
        """top1 and top5: share of images whose true class is the first, or among the first five, of the outputs."""
        truth = columns[self.columns[0]].to(outputs.device)[:, None]
        best = outputs.topk(min(5, outputs.shape[1]), dim=1).indices == truth
        return {"top1": float(best[:, 0].double().mean()), "top5": float(best.any(1).double().mean())}

    def predictions(self, outputs: torch.Tensor, columns: Columns) -> dict[str, np.ndarray]:
        """NAME_true and NAME_predicted (names), NAME_probability (softmax, of the true class)."""
        (name,) = self.columns
        names = np.array(self.schema[name].categories, dtype=object)
        truth = columns[name].cpu()
        likely = outputs.double().cpu().log_softmax(1)
        own = likely.gather(1, truth[:, None])[:, 0].numpy()
        return {
            "loss": (-own).astype(np.float32),
            f"{name}_true": names[truth.numpy()],
            f"{name}_predicted": names[likely.argmax(1).numpy()],
            f"{name}_probability": np.exp(own).astype(np.float32),
        }

    def read(self, outputs: torch.Tensor) -> dict[str, np.ndarray]:
        """The name of the class with the greatest output."""
        (name,) = self.columns
        names = np.array(self.schema[name].categories, dtype=object)
        return {name: names[outputs.argmax(1).cpu().numpy()]}


@TASKS.register("category")
class Category(Classes):
    """The object's category."""

    columns = ("category",)


@TASKS.register("identity")
class Identity(Classes):
    """The very 3D model that was rendered."""

    columns = ("identity",)
