"""What a server lets us read but not change: networks and runs of other people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

from mlspatial.core.names import STUDY
from mlspatial.registry import foreign, runs
from mlspatial.registry.models import select
from mlspatial.registry.run import Data
from mlspatial.registry.store import client
from tests import toys


@pytest.fixture
def others(registry: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, str]:
    """Addresses of a network of ours and of one that belongs to ann, and the id of her run. As MLflow's basic-auth
    does, the store refuses any call that would write to her run or link to her network, before it does a part."""
    toys.trained(seed=0)
    theirs = toys.trained(seed=1)
    mine, hers = (next(one.uri for one in select("task=distance") if one.seed == seed) for seed in (0, 1))
    client().set_tag(theirs, "mlflow.user", "ann")
    monkeypatch.setattr(foreign, "NETWORKS", set())
    monkeypatch.setattr(foreign, "_told", False)
    made, network = type(client()), hers.removeprefix("models:/")
    for name, links in (("log_batch", "metrics"), ("log_inputs", "models"), ("set_tag", ""), ("update_run", "")):
        allowed = getattr(made, name)

        def checked(
            self: Any, run_id: str, *rest: Any, allowed: Any = allowed, links: str = links, **named: Any
        ) -> Any:
            if run_id == theirs or any(one.model_id == network for one in named.get(links) or ()):
                raise MlflowException("Permission denied", PERMISSION_DENIED)
            return allowed(self, run_id, *rest, **named)

        monkeypatch.setattr(made, name, checked)
    return mine, hers, theirs


def test_what_is_measured_on_the_network_of_another_is_kept_in_ones_own_run(
    others: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    mine, hers, _ = others
    with runs.open_run(runs.Spec("score", 1, {}, {"a": 1}), name="x") as run:
        run.log_inputs([mine, hers], [Data("images", "d1")])
        run.log({"r": 0.25}, of=hers, on=("images", "d1"))
        run.log({"q": 0.5}, of=mine, on=("images", "d1"))
        run.log({"plain": 1.0})
        run.flush()
        run.log({"later": 2.0}, of=hers)
    assert runs.get(run.id).metrics == {"r": 0.25, "q": 0.5, "plain": 1.0, "later": 2.0}
    assert all(len(client().get_metric_history(run.id, name)) == 1 for name in ("r", "q", "plain", "later"))
    inputs = client().get_run(run.id).inputs
    assert [one.model_id for one in inputs.model_inputs] == [mine.removeprefix("models:/")]
    assert [one.dataset.digest for one in inputs.dataset_inputs] == ["d1"]
    linked = {one.key: one.value for one in client().get_logged_model(mine.removeprefix("models:/")).metrics}
    assert linked == {"q": 0.5}
    told = [line for line in capsys.readouterr().err.splitlines() if "belongs to somebody else" in line]
    assert len(told) == 1 and hers.removeprefix("models:/") in told[0]


def test_a_result_of_another_answers_though_it_may_not_be_named_part_of_a_study(
    others: tuple[str, str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, theirs = others
    spec = runs.Spec("train", 1, {"dataset_id": "d"}, {"task": "distance", "seed": 1, "arch": "toy", "batches": 1})
    with runs.open_run(spec, name="t", study="other") as run:
        assert run.answered and run.id == theirs
    assert client().get_run(theirs).data.tags[STUDY] == "s"
    said = capsys.readouterr().err
    assert f"run {theirs} of ann (t) answers, but you may not name it part of study other" in said and "study=s" in said
