"""Networks in the registry: log, find by selector, load. Safetensors and a JSON spec; no pickle anywhere."""

from __future__ import annotations

import json
import re
import tempfile
import time
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.names import DATASET_ID, MODEL_ID
from mlspatial.models import catalogue, external
from mlspatial.models.external import load_folder, read_spec
from mlspatial.models.zoo import ModelSpec
from mlspatial.registry import runs
from mlspatial.registry.store import client

FIELDS = ("task", "seed", "arch", "dataset", "study", "step")
REQUIREMENTS = ["mlspatial", "torch", "torchvision", "safetensors"]
NEXT_ADDRESS = re.compile(rf",\s*(?=(?:models|runs|{'|'.join(external.SCHEMES)}):)")  # paths may hold commas too
VERSIONS = "mlflow.modelVersions"
PYFUNC = Path(__file__).with_name("pyfunc_model.py")


@dataclass(frozen=True)
class ModelRecord:
    """A network. uri: models:/m-..., which never moves; step: batches it was trained for.

    Of a network from outside the registry, uri is its selector, name the same for all seeds, version and run_id "",
    step 0, task `untrained`, `imagenet`, what its spec says was trained, or `pretrained` when nobody says.
    """

    uri: str
    name: str
    version: str
    model_id: str
    run_id: str
    arch: str
    dataset: str
    task: str
    seed: int
    step: int

    @cached_property
    def folder(self) -> Path:
        import mlflow

        return Path(mlflow.artifacts.download_artifacts(self.uri)) / "artifacts"

    @cached_property
    def spec(self) -> ModelSpec:
        """Without the weights being read, where the network is a registered one."""
        return external.external_spec(self.uri) if external.is_external(self.uri) else read_spec(self.folder)

    def load(self) -> tuple[Any, ModelSpec]:
        """(nn.Module, ModelSpec); hooks work on the module. Raises UserError when the weights are damaged."""
        return external.load_external(self.uri) if external.is_external(self.uri) else load_folder(self.folder)


def registered_name(arch: str, dataset: str, task: str) -> str:
    return f"{arch}.{dataset}.{task.replace('+', '-')}"


def log_model(
    run: runs.Run,
    module: Any,
    spec: ModelSpec,
    *,
    dataset: str,
    dataset_id: str,
    task: str,
    seed: int,
    step: int,
    metrics: Mapping[str, float],
) -> ModelRecord:
    """Register a network as a new version of ARCH.DATASET.TASK and return its record.

    A second call for the same run and step returns the first one's record. The alias seedN is moved to the version of
    that seed with the most steps, the newest of equals. metrics: held-out metrics, linked to the model and the dataset.
    """
    from mlflow.entities import LoggedModelOutput, Metric

    name = registered_name(spec.arch, dataset, task)
    ensure_registered(name)
    siblings = [record for record in _versions(f"name = '{name}'") if record.seed == seed]
    earlier = [record for record in siblings if (record.run_id, record.step) == (run.id, step)]
    if earlier:
        record = earlier[0]
    else:
        spec = spec.with_weights(module)
        facts = {"seed": seed, "step": step, "task": task, "arch": spec.arch, "dataset": dataset}
        tags = {name: str(value) for name, value in facts.items()}
        tags |= {MODEL_ID: spec.model_id, DATASET_ID: dataset_id}
        logged = client().create_logged_model(
            experiment_id=client().get_run(run.id).info.experiment_id,
            name=name.replace(".", "-"),  # MLflow takes no dots here, only in registered names
            source_run_id=run.id,
            tags=tags,
            params={**tags, "input_size": str(spec.input_size)},
            model_type="network",
        )
        with tempfile.TemporaryDirectory() as folder:
            save_folder(Path(folder) / "model", module, spec, run.id, logged.model_id)
            client().log_model_artifacts(logged.model_id, f"{folder}/model")
        client().finalize_logged_model(logged.model_id, "READY")
        client().log_outputs(run.id, [LoggedModelOutput(logged.model_id, step)])
        version = client().create_model_version(
            name, f"models:/{logged.model_id}", run_id=run.id, tags=tags, model_id=logged.model_id
        )
        listed = json.dumps([{"name": name, "version": version.version}])
        client().set_logged_model_tags(logged.model_id, {VERSIONS: listed})  # for the model's page
        now = int(time.time() * 1000)
        linked = [
            Metric(f"heldout/{key}", value, now, step, logged.model_id, dataset, dataset_id, run.id)
            for key, value in metrics.items()
        ]
        client().log_batch(run.id, metrics=linked)
        record = _record(version)
    if all(step >= sibling.step for sibling in siblings):
        client().set_registered_model_alias(name, f"seed{seed}", record.version)
    return record


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


def ensure_registered(name: str) -> None:
    """Create the registered model of a name unless it is there already."""
    from mlflow.exceptions import MlflowException

    try:
        client().create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def select(selector: str) -> list[ModelRecord]:
    """The networks that a selector names, in a fixed order: at least one.

    'task=translation|distance,seed=0,arch=resnet18': fields task, seed, arch, dataset, study, step. Without step the
    last checkpoint of every run counts (untrained networks only when no task is named); step=all takes each of them.
    Or addresses with commas between, in the order given: models:/NAME/VERSION, models:/NAME@alias, models:/m-...,
    runs:/ID/model (its last checkpoint), torchvision:NAME, timm:NAME, file:PATH (see mlspatial.models.external), or
    zoo:NAME and zoo:FIELD=VALUE for the networks of study 2 (see mlspatial.models.catalogue).
    Raises UserError when nothing matches, with the nearest values that exist.
    """
    if ":" in selector.split("=")[0]:
        addresses = [one for part in NEXT_ADDRESS.split(selector) for one in catalogue.expand(part.strip())]
        return [_by_address(address) for address in dict.fromkeys(addresses)]
    wanted = _parse(selector)
    records = _of_finished_runs(_versions(""))
    if not records:
        raise UserError(f"models={selector}: the registry holds no network yet; make one with the train entry point")
    steps = wanted.pop("step", None)
    if steps is None:
        last = {record.run_id: max(r.step for r in records if r.run_id == record.run_id) for record in records}
        untrained_too = "task" not in wanted
        records = [r for r in records if r.step == last[r.run_id] and (untrained_too or r.step > 0)]
    elif steps != ("all",):
        wanted["step"] = steps
    for field, values in wanted.items():
        there = _field_values(records, field)
        kept = [record for record in records if set(values) & there[record.uri]]
        if not kept:
            known = {value for found in there.values() for value in found}
            missing = next(value for value in values if value not in known)
            problem = UnknownName(f"value of {field}", missing, known)
            raise UserError(f"models={selector}: matches no network; {problem}")
        records = kept
    return sorted(records, key=lambda r: (r.name, r.seed, r.step, r.run_id))


def load(selector: str) -> tuple[Any, ModelSpec]:
    """(nn.Module, ModelSpec) of the one network that a selector names; raises BadValue when it names several."""
    records = select(selector)
    if len(records) != 1:
        raise BadValue("models", selector, f"names {len(records)} networks, not one; add fields, or its address")
    return records[0].load()


def _parse(selector: str) -> dict[str, tuple[str, ...]]:
    wanted = {}
    for clause in filter(None, (part.strip() for part in selector.split(","))):
        field, equals, values = clause.partition("=")
        if not equals or field not in FIELDS:
            known = ", ".join(FIELDS)
            raise BadValue("models", selector, f"{clause!r} is not FIELD=VALUE with a field of {known}")
        wanted[field] = tuple(value.strip() for value in values.split("|"))
    return wanted


def _field_values(records: Iterable[ModelRecord], field: str) -> dict[str, set[str]]:
    if field != "study":
        return {record.uri: {str(getattr(record, field))} for record in records}
    studies = {run.id: set(run.studies) for run in runs.find(entry="train", status="FINISHED")}
    return {record.uri: studies.get(record.run_id, set()) for record in records}


def _external(selector: str) -> ModelRecord:
    asked, spec = external.parse_selector(selector), external.external_spec(selector)
    task = "untrained" if asked.seed is not None else "+".join(spec.supervised) or "pretrained"
    return ModelRecord(
        uri=selector,
        name=asked.title,
        version="",
        model_id=spec.model_id,
        run_id="",
        arch=spec.arch,
        dataset="imagenet1k" if task == "imagenet" else "",
        task=task,
        seed=asked.seed or 0,
        step=0,
    )


def _by_address(uri: str) -> ModelRecord:
    from mlflow.exceptions import MlflowException

    if external.is_external(uri):
        return _external(uri)
    scheme, _, rest = uri.partition(":/")
    try:
        if scheme == "models" and rest.startswith("m-"):
            run_id = client().get_logged_model(rest).source_run_id
            found = [record for record in _versions(f"run_id = '{run_id}'") if record.uri == uri]
        elif scheme == "models" and "@" in rest:
            found = [_record(client().get_model_version_by_alias(*rest.split("@", 1)))]
        elif scheme == "models" and rest.count("/") == 1:
            found = [_record(client().get_model_version(*rest.split("/")))]
        elif scheme == "runs":
            found = sorted(_versions(f"run_id = '{rest.split('/')[0]}'"), key=lambda record: record.step)[-1:]
        else:
            raise BadValue(
                "models",
                uri,
                "must be a selector, models:/NAME/VERSION, models:/NAME@alias, runs:/ID/model, "
                "torchvision:NAME, timm:NAME or file:PATH",
            )
    except MlflowException as error:
        raise UserError(f"models={uri}: {str(error).splitlines()[0]}") from error
    if not found:
        raise UserError(f"models={uri}: the registry has no such network")
    return found[0]


def _versions(where: str) -> list[ModelRecord]:
    records: list[ModelRecord] = []
    token = None
    while True:
        page = client().search_model_versions(where or None, max_results=10_000, page_token=token)
        records += [_record(version) for version in page if version.status == "READY" and "step" in version.tags]
        token = page.token
        if not token:
            return records


def _of_finished_runs(records: list[ModelRecord]) -> list[ModelRecord]:
    finished = {run.id for run in runs.find(entry="train", status="FINISHED")}
    return [record for record in records if record.run_id in finished]


def _record(version: Any) -> ModelRecord:
    tags = version.tags
    return ModelRecord(
        uri=version.source,
        name=version.name,
        version=str(version.version),
        model_id=tags[MODEL_ID],
        run_id=version.run_id,
        arch=tags["arch"],
        dataset=tags["dataset"],
        task=tags["task"],
        seed=int(tags["seed"]),
        step=int(tags["step"]),
    )
