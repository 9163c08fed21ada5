"""Reading a database's own tables says what MLflow's client says, of runs, versions and networks in every state."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import RunTag, ViewType
from mlflow.exceptions import MlflowException

from mlspatial.core.names import ENTRY, STUDY
from mlspatial.registry import lookup, runs, store
from mlspatial.registry.filters import Condition, conditions
from mlspatial.registry.store import client
from tests.registry.test_models import register

WHERE = (
    "",
    f"tags.`{ENTRY}` = 'train'",
    f"tags.`{ENTRY}` != 'train'",
    f"tags.`{ENTRY}` = 'train' and tags.`{STUDY}` LIKE '%of_it%'",
    f"tags.`{STUDY}` LIKE '%MINE%'",  # which is another one than mine
    "params.`cfg.task` = 'distance' and attributes.status = 'FINISHED'",
    "params.`cfg.seed` LIKE '1%'",
    "attributes.status = 'KILLED'",
    'tags.`its name` = "it\'s"',
)


@pytest.fixture
def filled(registry: Path) -> dict[str, str]:
    """Runs that are finished, failed, killed, deleted, of others, in other and in deleted experiments."""
    made = {
        "first": register("distance", 0, (1, 3), "mine,of_it")[0],
        "second": register("distance", 1, (2,), "mine")[0],
        "gone": register("category", 0, (2,), "mine")[0],
    }
    with pytest.raises(ZeroDivisionError), runs.open_run(runs.Spec("train", 1, {}, {"seed": 7}), name="bad") as bad:
        _ = 1 / 0
    with runs.open_run(runs.Spec("score", 1, {}, {"x": 1}), name="numbers", study="of-it") as numbers:
        numbers.log({"nan": math.nan, "infinite": math.inf, "small": 1e-300, "minus": -2}, step=3)
        numbers.log({"small": 2.5}, step=4)
    client().log_batch(numbers.id, tags=[RunTag("its name", "it's")])
    made |= {"bad": bad.id, "numbers": numbers.id}
    client().delete_run(made["gone"])
    for name in ("other", "deleted"):
        experiment = client().create_experiment(name)
        made[name] = client().create_run(experiment, tags={ENTRY: "train"}, run_name=name).info.run_id
    client().delete_experiment(experiment)
    return made


def both(monkeypatch: pytest.MonkeyPatch, question: Any) -> tuple[Any, Any]:
    """(by the tables, by MLflow's client), what cannot be answered being the words of the error."""

    def said() -> Any:
        try:
            return question()
        except MlflowException as error:
            return str(error)

    with monkeypatch.context() as patched:
        patched.setattr(store, "_client", lambda _uri: pytest.fail("the client was asked"))
        ours = said()
    with monkeypatch.context() as patched:
        patched.setattr(lookup, "_by_tables", lambda *_, **__: None)
        return ours, said()


@pytest.mark.parametrize("where", WHERE)
def test_runs(filled: dict[str, str], monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    ours, theirs = both(monkeypatch, lambda: lookup.find(where))
    assert repr(ours) == repr(theirs) and [one.tags for one in ours] == [one.tags for one in theirs]
    assert repr([one.metrics for one in ours]) == repr([one.metrics for one in theirs])  # nan is not nan
    known = {name for name, run in filled.items() if run in {one.id for one in ours}}
    assert not known & {"gone", "deleted"} and (where or known == filled.keys() - {"gone", "deleted"})
    few, fewer = both(monkeypatch, lambda: lookup.find(where, limit=2))
    assert repr(few) == repr(fewer) == repr(ours[:2])


def test_one_run(filled: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a deleted one, and one of a deleted experiment; one that is not there is for MLflow to tell."""
    for run in filled.values():
        ours, theirs = both(monkeypatch, lambda run=run: lookup.run(run))
        assert repr(ours) == repr(theirs) and ours.id == run and ours.tags == theirs.tags
    listed = ", ".join(map(repr, filled.values()))
    ours, theirs = both(monkeypatch, lambda: lookup.find(f"attributes.run_id IN ({listed})"))
    assert repr(ours) == repr(theirs) and len(ours) == len(filled) - 2
    with pytest.raises(MlflowException, match="not found"):
        lookup.run("0" * 32)


def test_versions_and_networks(filled: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    client().create_registered_model("strange's")
    client().create_model_version("strange's", "elsewhere", run_id=filled["second"], tags={"seed": "0"})
    name = "tiny.small.distance"
    client().delete_model_version(name, "1")

    def facts(version: Any) -> tuple[Any, ...]:
        return version.name, str(version.version), version.source, version.run_id, version.tags, version.status

    asked = ("", f"name = '{name}'", f"run_id = '{filled['first']}'", "tags.seed = '0' and tags.step = '3'",
             "name = \"strange's\"", f"run_id IN ('{filled['first']}', '{filled['second']}')")  # fmt: skip
    for where in asked:
        ours, theirs = both(monkeypatch, lambda where=where: list(map(facts, lookup.versions(where))))
        assert ours == theirs and ours, where
    for question in (
        lambda: facts(lookup.version(name, "2")),
        lambda: facts(lookup.by_alias(name, "seed0")),
    ):
        ours, theirs = both(monkeypatch, question)
        assert ours == theirs and ours[0] == name
    for lost in (
        lambda: lookup.version(name, "1"),
        lambda: lookup.by_alias(name, "nobody"),
        lambda: lookup.logged("m-0"),
    ):
        with pytest.raises(MlflowException, match="not found"):
            lost()

    def network(one: Any) -> tuple[Any, ...]:
        return one.model_id, one.artifact_location, one.source_run_id, one.creation_timestamp, one.tags, str(one.status)

    run = lookup.run(filled["first"])
    ours, theirs = both(monkeypatch, lambda: sorted(map(network, lookup.logged_of(run))))
    assert ours == theirs and len(ours) == 2
    ours, theirs = both(monkeypatch, lambda: network(lookup.logged(network(lookup.logged_of(run)[0])[0])))
    assert ours == theirs
    client().delete_logged_model(ours[0])
    after, same = both(monkeypatch, lambda: list(map(network, lookup.logged_of(run))))
    assert after == same and len(after) == 1


def test_a_filter_that_says_more_is_left_to_mlflow() -> None:
    assert conditions("tags.`a b` = 'x' and run_id IN ('p', \"q\")") == (
        Condition("tags", "a b", "=", ("x",)),
        Condition("attributes", "run_id", "IN", ("p", "q")),
    )
    for text in ("metrics.x > 3", "tags.a = 'b' or tags.b = 'c'", "tags.a = 'b' and", "tags.a ILIKE 'b'", "nonsense"):
        assert conditions(text) is None, text


def test_other_databases_are_left_to_mlflow(
    filled: dict[str, str], registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workspaces, models that are registered elsewhere, tables of another version."""
    ids = {one.id for one in lookup.find("")}
    assert lookup._by_tables(lambda _: 1) == lookup._by_tables(lambda _: 1, registry=True) == 1
    with monkeypatch.context() as patched:
        patched.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{registry}/models.db")
        assert lookup._by_tables(lambda _: 1, registry=True) is None and lookup._by_tables(lambda _: 1) == 1
    with monkeypatch.context() as patched:
        patched.setenv("MLFLOW_WORKSPACE", "lab")
        assert lookup._by_tables(lambda _: 1) is None
    with store.sqlite3.connect(registry / "mlflow.db") as database:
        database.execute("ALTER TABLE runs RENAME COLUMN end_time TO ended")
    with pytest.raises(MlflowException):
        lookup.find("")
    with store.sqlite3.connect(registry / "mlflow.db") as database:
        database.execute("ALTER TABLE runs RENAME COLUMN ended TO end_time")
    assert {one.id for one in lookup.find("")} == ids
    assert {run.info.run_id for run in mlflow.search_runs(search_all_experiments=True, output_format="list",
            run_view_type=ViewType.ACTIVE_ONLY)} == ids  # fmt: skip


def test_the_newest_revision_is_mlflows(registry: Path) -> None:
    from mlflow.store.db.utils import _get_latest_schema_revision

    assert store._newest_revision() == _get_latest_schema_revision() == store._revision(registry / "mlflow.db")


def test_an_old_database_is_refused_in_mlflows_words(registry: Path) -> None:
    with store.sqlite3.connect(registry / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    script = "from mlspatial.registry import runs; runs.find()"
    variables = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    ended = subprocess.run([sys.executable, "-c", script], env=variables, capture_output=True, text=True)
    assert "out-of-date database schema" in ended.stderr and "mlflow db upgrade" in ended.stderr
