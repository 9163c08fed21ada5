"""A network as MLflow's logged model: a folder with safetensors and a JSON spec; made once, however often asked."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlspatial.models.spec import ModelSpec
from mlspatial.registry.run import Run
from mlspatial.registry.store import client

REQUIREMENTS = ["mlspatial", "torch", "torchvision", "safetensors"]
PYFUNC = Path(__file__).with_name("pyfunc_model.py")


def whole_model(run: Run, module: Any, spec: ModelSpec, name: str, tags: Mapping[str, str]) -> Any:
    """The logged model of a run's network, with its files, READY and an output of the run.

    tags: what tells it from others of the run, model_id and step among them. One that an interrupted call has left is
    completed, so that no second one is made.
    """
    from mlflow.entities import LoggedModelOutput

    asked = client().get_run(run.id)
    logged = _left(asked, tags)
    if logged is None:
        logged = client().create_logged_model(
            experiment_id=asked.info.experiment_id,
            name=name,
            source_run_id=run.id,
            tags=dict(tags),
            params={**tags, "input_size": str(spec.input_size)},
            model_type="network",
        )
    if str(logged.status) != "READY":
        with tempfile.TemporaryDirectory() as folder:
            save_folder(Path(folder) / "model", module, spec, run.id, logged.model_id)
            client().log_model_artifacts(logged.model_id, f"{folder}/model")
        client().finalize_logged_model(logged.model_id, "READY")
    if logged.model_id not in {output.model_id for output in asked.outputs.model_outputs}:
        client().log_outputs(run.id, [LoggedModelOutput(logged.model_id, int(tags["step"]))])
    return logged


def _left(run: Any, tags: Mapping[str, str]) -> Any:
    """The newest logged model of a run with these tags; None where there is none."""
    token: str | None = ""
    while token is not None:
        page = client().search_logged_models(
            [run.info.experiment_id], f"source_run_id = '{run.info.run_id}'", page_token=token or None
        )
        for logged in page:
            if all(logged.tags.get(name) == value for name, value in tags.items()):
                return logged
        token = page.token or None
    return None


def save_folder(folder: Path, module: Any, spec: ModelSpec, run_id: str, logged_model: str) -> None:
    """Write an MLflow pyfunc model: models-from-code script, artifacts/weights.safetensors, artifacts/spec.json."""
    import mlflow.pyfunc
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec
    from safetensors.torch import save_file

    with tempfile.TemporaryDirectory() as made, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        weights, facts = Path(made, "weights.safetensors"), Path(made, "spec.json")
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in module.state_dict().items()}, weights)
        facts.write_text(json.dumps(spec.to_json(), indent=1))
        mlflow.pyfunc.save_model(
            str(folder),
            python_model=str(PYFUNC),
            artifacts={"weights": str(weights), "spec": str(facts)},
            signature=ModelSignature(
                Schema([TensorSpec(np.dtype(np.uint8), (-1, spec.input_size, spec.input_size, 3))]),
                Schema([TensorSpec(np.dtype(np.float32), (-1, spec.units))]),
            ),
            input_example=np.full((1, spec.input_size, spec.input_size, 3), 128, np.uint8),
            pip_requirements=REQUIREMENTS,
            mlflow_model=Model(run_id=run_id, model_id=logged_model, artifact_path=""),
        )
