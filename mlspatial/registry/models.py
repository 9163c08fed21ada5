"""Networks in the registry: log, find by selector, load. Safetensors and a JSON spec; no pickle anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mlspatial.core.errors import BadValue, UnknownName, UserError, in_one_line
from mlspatial.core.names import DATASET_ID, HIDDEN, MODEL_ID, STUDY
from mlspatial.models import sources
from mlspatial.models.sources.files import DamagedModel, load_folder, read_spec
from mlspatial.models.spec import ModelSpec
from mlspatial.registry import lookup, runs
from mlspatial.registry.again import train_again
from mlspatial.registry.artifacts import logged_folder
from mlspatial.registry.logged_models import whole_model
from mlspatial.registry.patience import mlflow_errors
from mlspatial.registry.store import client, require, whereabouts

TAGS = ("task", "seed", "arch", "dataset", "step")  # of every version
FIELDS = ("task", "seed", "arch", "dataset", "study", "step")
ALL_STEPS = ("step", "all")
FEW = 500  # ids in a filter
VERSIONS = "mlflow.modelVersions"


@dataclass(frozen=True)
class ModelRecord:
    """A network. uri: models:/m-..., which never moves; step: batches it was trained for.

    Of a network from outside the registry, uri is its selector, name the same for all seeds, version and run_id "",
    step 0, task `untrained`, `imagenet`, what its spec says was trained, or `pretrained` when nobody says. group: what
    its selector says that it counts with, "" otherwise; it stands for the task, too.
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
    group: str = ""

    @property
    def stated(self) -> dict[str, Any]:
        """What its selector says of seed and group, which a result by groups depends on and model_id does not hold."""
        said = self.group or (self.seed and not self.run_id and self.task != "untrained")
        return {"group": self.group, "seed": self.seed} if said else {}

    @cached_property
    def folder(self) -> Path:
        """Its files on this machine. Raises UserError, with the command that makes them again, when they are gone."""
        try:
            return logged_folder(self.uri) / "artifacts"
        except mlflow_errors(OSError) as error:
            raise self._lost(f"its files cannot be had ({in_one_line(error)})") from error

    @cached_property
    def spec(self) -> ModelSpec:
        """Without the weights being read, where the network is a registered one. Raises UserError as `load` does."""
        if sources.is_external(self.uri):
            return sources.external_spec(self.uri)
        try:
            return read_spec(self.folder, self.model_id)
        except DamagedModel as error:
            raise self._lost(error.problem) from error

    def load(self) -> tuple[Any, ModelSpec]:
        """(nn.Module, ModelSpec); hooks work on the module.

        Raises UserError, with the command that makes them again, when weights or spec are missing or damaged.
        """
        if sources.is_external(self.uri):
            return sources.load_external(self.uri)
        try:
            return load_folder(self.folder, self.model_id)
        except DamagedModel as error:
            raise self._lost(error.problem) from error

    def _lost(self, problem: str) -> UserError:
        what = f"{self.name} seed {self.seed} step {self.step} ({self.uri})"
        return UserError(f"models={what}: {problem}; {train_again(self.run_id)}")


def registered_name(arch: str, dataset: str, task: str, hidden: bool = False) -> str:
    return f"{HIDDEN * hidden}{arch}.{dataset}.{task.replace('+', '-')}"


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
    hidden: bool = False,
) -> ModelRecord:
    """Register a network as a new version of ARCH.DATASET.TASK and return its record.

    A second call for the same run and step returns the first one's record, or goes on where the first one was
    interrupted: the version comes last. The alias seedN is moved unless the version
    that has it was trained for more steps. metrics: held-out metrics, linked to the model and the dataset. hidden: only
    addresses find it, under hidden.ARCH.DATASET.TASK.
    """
    from mlflow.entities import Metric

    name = registered_name(spec.arch, dataset, task, hidden)
    ensure_registered(name)
    there = versions(_filter({"run_id": run.id, "tags.step": step}))
    earlier = [record for record in there if (record.name, record.run_id, record.step) == (name, run.id, step)]
    if earlier:
        record = earlier[0]
    else:
        spec = spec.with_weights(module)
        facts = {"seed": seed, "step": step, "task": task, "arch": spec.arch, "dataset": dataset}
        tags = {name: str(value) for name, value in facts.items()}
        tags |= {MODEL_ID: spec.model_id, DATASET_ID: dataset_id}
        logged = whole_model(run, module, spec, name.replace(".", "-"), tags)  # MLflow takes no dots here
        linked = [
            Metric(
                f"heldout/{key}", value, logged.creation_timestamp, step, logged.model_id, dataset, dataset_id, run.id
            )
            for key, value in metrics.items()
        ]
        client().log_batch(run.id, metrics=linked)  # with one time, so that what is written again is the same
        version = client().create_model_version(
            name, f"models:/{logged.model_id}", run_id=run.id, tags=tags, model_id=logged.model_id
        )
        record = from_tags(version.tags, version.source, version.run_id, version.name, str(version.version))
    listed = json.dumps([{"name": name, "version": int(record.version)}])
    client().set_logged_model_tags(record.uri.removeprefix("models:/"), {VERSIONS: listed})  # for the model's page
    if step >= _steps_of_alias(name, seed):
        client().set_registered_model_alias(name, f"seed{seed}", record.version)
    return record


def _steps_of_alias(name: str, seed: int) -> int:
    """Steps of the version that has the alias of a seed, or, where nobody has it, the most of all that seed's."""
    from mlflow.exceptions import MlflowException

    try:
        holder = of_version(client().get_model_version_by_alias(name, f"seed{seed}"))
    except MlflowException:
        holder = None
    if holder is not None and holder.seed == seed:
        return holder.step
    there = versions(_filter({"name": name, "tags.seed": seed}))
    return max((record.step for record in there if (record.name, record.seed) == (name, seed)), default=0)


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
    runs:/ID/model (its last checkpoint), or SOURCE:NAME?OPTION=VALUE (see mlspatial.models.sources), such as
    torchvision:NAME, file:PATH?arch=ARCH, python:MODULE:NAME, and zoo:FIELD=VALUE for the networks of study 2.
    Raises UserError when nothing matches, with the nearest values that exist.
    """
    if ":" in selector.split("=")[0]:
        addresses = [one for part in split_addresses(selector) for one in sources.expand(part)]
        from mlspatial.registry.addresses import by_address  # which imports this module

        return [by_address(address) for address in dict.fromkeys(addresses)]
    wanted = _parse(selector)
    require()
    studies = wanted.get("study", ())
    if narrow := _narrow(wanted):
        with suppress(UserError):  # what there is instead takes a look at everything
            return _matching(selector, wanted, _of_finished_runs(versions(narrow), studies))
    return _matching(selector, wanted, _of_finished_runs(versions(""), studies))


def _narrow(wanted: Mapping[str, tuple[str, ...]]) -> str:
    """A filter that takes at least what a selector's fields with one value do, so that less is read."""
    same = {field: values[0] for field, values in wanted.items() if len(values) == 1 and (field, *values) != ALL_STEPS}
    study = same.pop("study", None)
    clauses = [_filter({f"tags.{field}": value for field, value in same.items()})]
    if study is not None and (like := _filter({f"tags.`{STUDY}`": f"%{study}%"}).replace(" = ", " LIKE ", 1)):
        ids = [run.id for run in runs.find(entry="train", status="FINISHED", where=like)]
        clauses.append(_among("run_id", ids))
    return " and ".join(filter(None, clauses))


def _matching(selector: str, wanted: Mapping[str, tuple[str, ...]], records: list[ModelRecord]) -> list[ModelRecord]:
    """The records that the fields of a selector take. Raises UserError when there is none."""
    if not records:
        raise UserError(
            f"models={selector}: the registry holds no network yet ({whereabouts()}); make one with the train entry "
            "point, or set MLFLOW_TRACKING_URI to the registry that is meant"
        )
    fields = dict(wanted)
    steps = fields.pop("step", None)
    if steps is None:
        last: dict[str, int] = {}
        for record in records:
            last[record.run_id] = max(record.step, last.get(record.run_id, 0))
        untrained_too = "task" not in fields
        records = [r for r in records if r.step == last[r.run_id] and (untrained_too or r.step > 0)]
    elif steps != ("all",):
        fields["step"] = steps
    for field, values in fields.items():
        there = _field_values(records, field)
        kept = [record for record in records if set(values) & there[record.uri]]
        if not kept:
            known = {value for found in there.values() for value in found}
            missing = next(value for value in values if value not in known)
            problem = UnknownName(f"value of {field}", missing, known)
            raise UserError(f"models={selector}: matches no network; {problem}")
        records = kept
    return sorted(records, key=lambda r: (r.name, r.seed, r.step, r.run_id))


def split_addresses(text: str) -> list[str]:
    """A comma list of addresses, taken apart; paths and options in them may hold commas, too."""
    return sources.split(text, ("models", "runs"))


#: a selector with what tells whether the files and code behind it have changed
identity = sources.identity


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
    studies = {run.id: set(run.studies) for run in _train_runs(records)}
    return {record.uri: studies.get(record.run_id, set()) for record in records}


def versions(where: str) -> list[ModelRecord]:
    """Networks of ours by a filter of MLflow's, "" for all, in the order in which they were registered.

    What others have registered is left out. The order does not change while pages are read.
    """
    return [record for record in map(of_version, lookup.versions(where)) if record is not None]


def _filter(values: Mapping[str, object]) -> str:
    """MLflow's filter for equal values, keys as it calls them; "" where one cannot be written in it."""
    clauses = []
    for key, value in values.items():
        text = str(value)
        if '"' in text and "'" in text:
            return ""
        quote = '"' if "'" in text else "'"
        clauses.append(f"{key} = {quote}{text}{quote}")
    return " and ".join(clauses)


def _among(key: str, ids: Iterable[str]) -> str:
    """MLflow's filter for some ids, "" for none or too many of them."""
    listed = sorted(ids)
    return f"{key} IN ({', '.join(map(repr, listed))})" if 0 < len(listed) <= FEW else ""


def _train_runs(records: Iterable[ModelRecord]) -> list[runs.RunRecord]:
    """The finished train runs of some networks, newest first."""
    ids = {record.run_id for record in records}
    found = runs.find(entry="train", status="FINISHED", where=_among("attributes.run_id", ids)) if ids else []
    return [run for run in found if run.id in ids]


def _of_finished_runs(records: list[ModelRecord], studies: Collection[str] = ()) -> list[ModelRecord]:
    """Those of finished runs, each once, also where it is registered under several names; of several runs of one spec
    (in these studies, if there are any) those of the newest, which replaced the others."""
    found = _train_runs(records)
    newest: dict[str, str] = {}
    for run in [run for run in found if set(studies) & set(run.studies)] or found:
        newest.setdefault(run.spec or run.id, run.id)
    kept = set(newest.values())
    first: dict[tuple[str, int], ModelRecord] = {}
    for one in records:
        if one.run_id in kept and not one.name.startswith(HIDDEN):
            first.setdefault((one.run_id, one.step), one)
    return list(first.values())


def is_ours(tags: Mapping[str, str]) -> bool:
    """Whether a version or a logged model with these tags was logged by `log_model`."""
    return {MODEL_ID, *TAGS} <= set(tags) and all(re.fullmatch(r"-?\d+", tags[name]) for name in ("seed", "step"))


def of_version(version: Any) -> ModelRecord | None:
    """The record of a version of MLflow's; None for one that was not made by `log_model`."""
    if not is_ours(version.tags):
        return None
    return from_tags(version.tags, version.source, version.run_id, version.name, str(version.version))


def from_tags(tags: Mapping[str, str], uri: str, run_id: str, name: str = "", version: str = "") -> ModelRecord:
    """From the tags that `log_model` gives to a version and to its logged model."""
    return ModelRecord(
        uri=uri,
        name=name or registered_name(tags["arch"], tags["dataset"], tags["task"]),
        version=version,
        model_id=tags[MODEL_ID],
        run_id=run_id,
        arch=tags["arch"],
        dataset=tags["dataset"],
        task=tags["task"],
        seed=int(tags["seed"]),
        step=int(tags["step"]),
    )
