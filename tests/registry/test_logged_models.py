"""A network whose registration a store that goes away interrupts, anywhere, is registered once by the next try."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlspatial.core.errors import Unreachable
from mlspatial.registry import runs
from mlspatial.registry.models import load, log_model
from mlspatial.registry.store import client
from tests.registry.test_models import spec

CALLS = (
    "create_registered_model", "create_logged_model", "log_model_artifacts", "finalize_logged_model", "log_outputs",
    "log_batch", "create_model_version", "set_logged_model_tags", "set_registered_model_alias",
)  # fmt: skip


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", CALLS)
def test_the_next_try_goes_on(call: str, done: bool, registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """done: whether the store has done it, and its answer was lost."""
    module, facts = spec(0)
    there, away = getattr(type(client()), call), [True]

    def asked(self: Any, *rest: Any, **named: Any) -> Any:
        if not away:
            return there(self, *rest, **named)
        if done:
            there(self, *rest, **named)
        away.clear()
        raise Unreachable("gone")

    with runs.open_run(runs.Spec("train", 1, {}, {"task": "distance", "seed": 0, "batches": 1}), name="t") as run:
        named = {"dataset": "s", "dataset_id": "d", "task": "distance", "seed": 0, "step": 1, "metrics": {"r2": 0.5}}
        monkeypatch.setattr(type(client()), call, asked)
        with pytest.raises(Unreachable):
            log_model(run, module, facts, **named)
        record = log_model(run, module, facts, **named)
        assert log_model(run, module, facts, **named) == record
    (version,) = client().search_model_versions(f"name = '{record.name}'")
    (logged,) = client().search_logged_models([client().get_run(run.id).info.experiment_id])
    assert version.source == record.uri == f"models:/{logged.model_id}" and str(logged.status) == "READY"
    assert [output.model_id for output in client().get_run(run.id).outputs.model_outputs] == [logged.model_id]
    assert {metric.key: metric.value for metric in logged.metrics} == {"heldout/r2": 0.5}
    assert len(client().get_metric_history(run.id, "heldout/r2")) == 1
    assert client().get_model_version_by_alias(record.name, "seed0").version == int(record.version)
    assert record.version in logged.tags["mlflow.modelVersions"]
    assert load(record.uri)[1].model_id == record.model_id
