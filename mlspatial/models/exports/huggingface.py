"""A folder as Hugging Face's hub takes it: weights, spec, config.json and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import mlspatial
from mlspatial.core.files import write_json, write_text
from mlspatial.models.exports.base import EXPORTS, README, Form, Order, write_network
from mlspatial.models.spec import ModelSpec

CONFIG = "config.json"


@EXPORTS.register("huggingface")
class HuggingFace(Form):
    """Weights as safetensors, and what they need to be used in other hands."""

    files: ClassVar[tuple[str, ...]] = (*Form.files, CONFIG)

    def write(self, order: Order, folder: Path) -> dict[str, float]:
        write_network(order, folder)
        write_json(folder / CONFIG, config(order.spec))
        write_text(folder / README, order.card.text(order.spec))
        return {}


def config(spec: ModelSpec) -> dict[str, Any]:
    """What of a network is no parameter, under the names that Hugging Face's image processors use where there are any.

    Images: 0..255 times rescale_factor, less image_mean, divided by image_std, of image_size pixels each side.
    """
    facts: dict[str, Any] = {
        "model_type": "mlspatial",
        "mlspatial_version": mlspatial.__version__,
        "model_id": spec.model_id,
        "architectures": [spec.arch],
        "num_channels": 3,
        "image_size": spec.input_size,
        "rescale_factor": 1 / 255,
        "image_mean": list(spec.mean),
        "image_std": list(spec.sd),
        "resize": "bilinear with anti-aliasing, without a crop",
        "units": spec.units,
        "heads": {part: list(units) for part, units in spec.head.items()},
        "supervised": list(spec.supervised),
        "statistics": {name: dict(values) for name, values in spec.statistics.items()},
        "classes": {name: list(values) for name, values in spec.classes.items()},
    }
    return facts
