"""Where names were that other code imports: the loading script that MLflow keeps with every registered model
(registry.pyfunc_model, which takes to_input from here in registries made before), and scripts of users.
"""

from mlspatial.models.build import ARCHITECTURES, build, no_initial_values
from mlspatial.models.layers import CANDIDATE_LAYERS, candidate_layers
from mlspatial.models.spec import IMAGENET_MEAN, IMAGENET_SD, ModelSpec, to_input, weights_hash

__all__ = [
    "ARCHITECTURES",
    "CANDIDATE_LAYERS",
    "IMAGENET_MEAN",
    "IMAGENET_SD",
    "ModelSpec",
    "build",
    "candidate_layers",
    "no_initial_values",
    "to_input",
    "weights_hash",
]
