"""The MLflow model of a network, as "models from code": MLflow runs this file to load the model; nothing is pickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import torch
from mlflow.models import set_model

from mlspatial.models.spec import to_input
from mlspatial.registry.models import load_folder


class SpatialNetwork(mlflow.pyfunc.PythonModel):
    """predict: (n, h, w, 3) uint8 images -> (n, units) float32 outputs of the whole head. `module` is the network."""

    def load_context(self, context: Any) -> None:
        self.module, self.spec = load_folder(Path(context.artifacts["weights"]).parent)
        self.module.eval()

    @torch.inference_mode()
    def predict(self, context: Any, model_input: np.ndarray, params: dict[str, Any] | None = None) -> np.ndarray:
        images = torch.from_numpy(np.asarray(model_input, dtype=np.uint8))
        return self.module(to_input(images, self.spec)).numpy()


set_model(SpatialNetwork())
