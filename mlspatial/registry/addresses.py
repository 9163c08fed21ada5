"""Networks by address: a version, an alias, a logged model or a run; and what is said of what is none of ours."""

from __future__ import annotations

import json
from typing import Any

from mlspatial.core.errors import BadValue, UserError, in_one_line
from mlspatial.core.names import PARENTS
from mlspatial.models import sources
from mlspatial.registry import lookup, models, runs
from mlspatial.registry.again import train_again
from mlspatial.registry.patience import mlflow_errors
from mlspatial.registry.store import client, require

READY = "READY"
FORMS = "must be a selector, models:/NAME/VERSION, models:/NAME@alias, models:/m-..., runs:/ID/model or SOURCE:NAME"


def by_address(uri: str) -> models.ModelRecord:
    """The network at an address (forms: see registry.models.select).

    Raises UserError for what is not there, has not been registered to the end, or was logged by somebody else: it says
    what it is and what to do.
    """
    if sources.is_external(uri):
        return models.ModelRecord(uri=uri, version="", run_id="", step=0, **sources.record_facts(uri))
    scheme, _, rest = uri.partition(":/")
    if scheme in ("models", "runs"):
        require()
    name, slash, version = rest.rpartition("/")
    try:
        if scheme == "models" and slash:
            return _of_version(uri, lookup.version(name, version))
        if scheme == "models" and "@" in rest:
            name, _, alias = rest.rpartition("@")
            return _of_version(uri, lookup.by_alias(name, alias))
        if scheme == "models" and rest.startswith("m-"):
            return _of_logged(uri, rest)
        if scheme == "runs" and rest:
            return _of_run(uri, rest.partition("/")[0])
    except mlflow_errors() as error:
        reason = in_one_line(error).removesuffix(".")
        raise UserError(
            f"models={uri}: the registry has no such network ({reason}); look for its name in the UI"
        ) from error
    raise BadValue("models", uri, f"{FORMS} with a source of {', '.join(sources.SOURCES)}")


def _of_version(uri: str, version: Any) -> models.ModelRecord:
    record = models.of_version(version)
    if version.status != READY:
        advice = train_again(record.run_id) if record else "wait for it, or register it again"
        raise UserError(f"models={uri}: is {version.status}: its registration has not ended or has failed; {advice}")
    if record is not None:
        return record
    version = client().get_model_version(version.name, str(version.version))  # which says more of others'
    _, logged, model = version.source.partition("models:/m-")
    if logged or version.model_id:
        return _of_logged(uri, version.model_id or f"m-{model}")  # one of ours under another name, perhaps
    raise _stranger(uri, version.source)


def _of_logged(uri: str, logged_model: str) -> models.ModelRecord:
    """The version of ours that a logged model is, or the logged model itself where no version is left."""
    logged = lookup.logged(logged_model)
    address = f"models:/{logged_model}"
    if models.is_ours(logged.tags):
        if str(logged.status) != READY:
            again = train_again(logged.source_run_id)
            raise UserError(f"models={uri}: is {logged.status}: it was not uploaded to the end; {again}")
        for listed in json.loads(logged.tags.get(models.VERSIONS, "[]")):  # not all checkpoints of its run
            try:
                record = models.of_version(lookup.version(listed["name"], str(listed["version"])))
            except mlflow_errors():
                continue
            if record is not None and record.uri == address:
                return record
        return models.from_tags(logged.tags, address, logged.source_run_id)
    raise _stranger(uri, address)


def _of_run(uri: str, run_id: str) -> models.ModelRecord:
    """The last checkpoint of a run."""
    run = lookup.run(run_id)
    if found := models.versions(f"run_id = '{run_id}'"):
        return max(found, key=lambda record: record.step)
    entry, status = run.entry, run.status
    if entry == runs.ANSWER:
        return _of_run(uri, run.tags[PARENTS])
    if entry == "train" and status == "RUNNING":
        raise UserError(f"models={uri}: its training has not registered a network yet; wait for the first checkpoint")
    if entry == "train":
        again = train_again(run_id, force=status == "FINISHED")
        raise UserError(f"models={uri}: is a train run ({status}) without a network; {again}")
    if entry:
        of = run.cfg.get("models")
        advice = f"its networks are models={of}" if of else "name a train run"
        raise UserError(f"models={uri}: is a run of {entry}, which makes no network; {advice}")
    raise _stranger(uri, uri)


def _stranger(uri: str, source: str) -> UserError:
    """What to say of a model that somebody else has logged, or of a run of somebody else's. source: of its files."""
    import mlflow
    from mlflow.exceptions import MlflowException

    try:
        kinds = [kind for kind in mlflow.models.get_model_info(source).flavors if kind != "python_function"]
    except (MlflowException, OSError, ValueError):
        kinds = []
    what = f"a model of {' and '.join(kinds)}" if kinds else "something"
    advice = (
        "save its state_dict() with torch.save and name the file, models=file:PATH?arch=ARCH"
        if "pytorch" in kinds
        else "only networks of PyTorch can be used; name one that the train entry point has made"
    )
    return UserError(
        f"models={uri}: is {what} that was not logged here: its architecture, input and task are unknown; {advice}"
    )
