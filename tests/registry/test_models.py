"""Networks in the registry: register, select, load, refuse what is damaged."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import sqlite3
from collections import Counter, OrderedDict
from contextlib import closing
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from mlspatial.compare import evidence
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.names import ENTRY, TAG
from mlspatial.models.build import ARCHITECTURES, build
from mlspatial.models.spec import ModelSpec, to_input
from mlspatial.registry import lookup, models, runs
from mlspatial.registry.models import load, load_folder, log_model, select
from mlspatial.registry.store import client


@ARCHITECTURES.register("tiny")
def tiny(units: int) -> torch.nn.Module:
    """A network that is quick to store."""
    body = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
    return torch.nn.Sequential(OrderedDict(body=body, fc=torch.nn.Linear(16, units)))


def spec(seed: int) -> tuple[torch.nn.Module, ModelSpec]:
    facts = ModelSpec(
        "tiny",
        5,
        {"distance": (0, 1), "translation": (1, 3), "category": (3, 5)},
        ("translation",),
        32,
        statistics={"x": {"mean": 0.0, "sd": 1.0}},
        classes={"category": ("a", "b")},
    )
    return build(facts, seed=seed).eval(), facts


def register(task: str, seed: int, steps: tuple[int, ...], study: str = "") -> tuple[str, torch.nn.Module]:
    module, facts = spec(seed)
    cfg = {"task": task, "seed": seed, "batches": steps[-1]}
    with runs.open_run(runs.Spec("train", 1, {"dataset_id": "d"}, cfg), name="t", study=study) as run:
        for step in steps:
            with torch.no_grad():
                module.fc.bias.fill_(step)
            log_model(
                run,
                module,
                facts,
                dataset="small",
                dataset_id="d",
                task=task,
                seed=seed,
                step=step,
                metrics={"loss": 1.0 / (1 + step)},
            )
    return run.id, module


@pytest.fixture
def filled(registry: Path) -> dict[str, str]:
    return {
        "t0": register("translation", 0, (10, 20), "one")[0],
        "t1": register("translation", 1, (20,), "one")[0],
        "d0": register("distance+category", 0, (20,), "two")[0],
        "u0": register("translation", 0, (0,), "one")[0],
    }


def test_selectors(filled: dict[str, str]) -> None:
    def found(selector: str) -> list[tuple[str, int]]:
        return [(record.run_id, record.step) for record in select(selector)]

    ids = filled
    assert found("task=translation") == [(ids["t0"], 20), (ids["t1"], 20)]
    assert found("task=translation,seed=0") == [(ids["t0"], 20)]
    assert sorted(found("task=translation|distance+category,seed=0")) == sorted([(ids["t0"], 20), (ids["d0"], 20)])
    assert sorted(found("study=one")) == sorted([(ids["t0"], 20), (ids["t1"], 20), (ids["u0"], 0)])
    assert found("task=translation,step=10") == [(ids["t0"], 10)]
    assert len(found("step=all")) == 5
    assert found("step=0") == [(ids["u0"], 0)]
    assert found(f"runs:/{ids['t0']}/model") == [(ids["t0"], 20)]
    name = "tiny.small.translation"
    assert found(f"models:/{name}/1") == [(ids["t0"], 10)]
    assert found(f"models:/{name}@seed0") == [(ids["t0"], 20)]  # the untrained one does not take the alias
    assert found(f"models:/{name}@seed1") == [(ids["t1"], 20)]
    record = select("task=distance+category")[0]
    assert record.name == "tiny.small.distance-category" and record.uri.startswith("models:/m-")
    assert select(record.uri) == [record]


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("task=translatoin", "unknown value of task 'translatoin'; did you mean translation"),
        ("seed=7", "unknown value of seed '7'; known: 0, 1|unknown value of seed '7'; there is"),
        ("colour=red", "'colour=red' is not FIELD=VALUE with a field of task, seed"),
        ("models:/nothing/1", "models=models:/nothing/1"),
        ("runs:/0123456789abcdef/model", "no such network"),
        ("ftp:thing", "must be a selector"),
    ],
)
def test_selectors_that_match_nothing(filled: dict[str, str], selector: str, words: str) -> None:
    with pytest.raises((UserError, BadValue), match=words):
        select(selector)


def test_an_empty_registry_says_what_to_do(registry: Path) -> None:
    with pytest.raises(UserError, match="holds no network yet") as caught:
        select("task=distance")
    assert f"sqlite:///{registry}/mlflow.db" in str(caught.value) and "MLFLOW_TRACKING_URI" in str(caught.value)


@pytest.mark.parametrize("selector", ["task=distance", "models:/a.b.c@seed0", "runs:/0123456789abcdef/model"])
def test_a_question_makes_no_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, selector: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match=r"there is no registry at sqlite:///mlflow\.db, the file") as caught:
        load(selector)
    assert str(tmp_path / "mlflow.db") in str(caught.value) and not list(tmp_path.iterdir())
    (tmp_path / "mlflow.db").touch()  # as somebody who broke off leaves it
    with pytest.raises(UserError, match="there is no registry"):
        load(selector)
    assert (tmp_path / "mlflow.db").stat().st_size == 0


def test_networks_from_outside_are_selected_too(filled: dict[str, str], tmp_path: Path) -> None:
    small = "torchvision:shufflenet_v2_x0_5"
    first, second, third = select(f"{small}@random1,models:/tiny.small.translation/1, {small}@random")
    assert (first.uri, first.name, first.arch) == (f"{small}@random1", f"{small}@random", small)
    assert (first.task, first.dataset, first.seed, first.step) == ("untrained", "", 1, 0)
    assert (first.version, first.run_id) == ("", "") and second.run_id == filled["t0"] and third.seed == 0
    module, facts = first.load()
    assert facts.model_id == first.model_id != third.model_id and not module.training
    assert select(f"{small}@random1,{small}@random1") == [first]
    folder = tmp_path / "copy, not the registry's"
    shutil.copytree(second.folder, folder)
    copy = select(f"file:{folder}")[0]
    assert copy.model_id == second.model_id and copy.task == "translation" and copy.name == f"file:{folder}"
    weights = tmp_path / "weights.pt"
    torch.save(build(ModelSpec("tiny", 5, {}, (), 32), seed=0).state_dict(), weights)
    assert select(f"file:{weights}?arch=tiny&input_size=32")[0].task == "pretrained"
    torch.save(build(ModelSpec("tiny", 1000, {}, (), 32), seed=0).state_dict(), weights)
    record = select(f"file:{weights}?arch=tiny")[0]
    assert (record.task, record.dataset, record.arch) == ("imagenet", "imagenet1k", "tiny")
    with pytest.raises(UserError, match="unknown torchvision network 'resnet19'; did you mean"):
        select(f"{small}@random,torchvision:resnet19")


def test_load_takes_a_selector_of_one_network(filled: dict[str, str]) -> None:
    module, facts = load("task=translation,seed=1")
    assert facts.model_id == select("task=translation,seed=1")[0].model_id and module.fc.bias[0] == 20
    assert load("torchvision:shufflenet_v2_x0_5@random")[1].arch == "torchvision:shufflenet_v2_x0_5"
    with pytest.raises(BadValue, match="names 2 networks, not one"):
        load("task=translation")


def test_a_loaded_network_computes_the_same_and_its_hooks_fire(registry: Path) -> None:
    run_id, module = register("translation", 3, (5,))
    record = select(f"runs:/{run_id}/model")[0]
    loaded, facts = record.load()
    assert facts.model_id == record.model_id
    images = np.random.default_rng(0).integers(0, 255, size=(4, 32, 32, 3), dtype=np.uint8)
    seen = []
    loaded.body.register_forward_hook(lambda *_: seen.append(1))
    with torch.no_grad():
        inputs = to_input(torch.from_numpy(images), facts)
        expected = module(inputs)
        assert torch.equal(loaded(inputs), expected) and seen == [1]
    served = mlflow.pyfunc.load_model(record.uri)
    assert served.predict(images) == pytest.approx(expected.numpy(), abs=1e-5)
    assert served.unwrap_python_model().module is not None
    example = served.input_example
    assert example.shape == (1, 32, 32, 3) and example.dtype == np.uint8
    signature = served.metadata.signature
    assert signature.inputs.inputs[0].shape == (-1, 32, 32, 3) and signature.outputs.inputs[0].shape == (-1, 5)


def test_nothing_is_pickled(registry: Path) -> None:
    run_id, _ = register("translation", 3, (5,))
    folder = select(f"runs:/{run_id}/model")[0].folder.parent
    suffixes = {path.suffix for path in folder.rglob("*") if path.is_file()}
    assert ".safetensors" in suffixes and not suffixes & {".pkl", ".pickle", ".pt", ".pth"}


def test_damaged_weights_are_refused(registry: Path) -> None:
    run_id, _ = register("translation", 3, (5,))
    folder = select(f"runs:/{run_id}/model")[0].folder
    weights = folder / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-100] ^= 0xFF
    weights.write_bytes(data)
    with pytest.raises(UserError, match="not those of its spec"):
        load_folder(folder)
    weights.write_bytes(data[:1000])
    with pytest.raises(UserError, match="cannot be read"):
        load_folder(folder)


def test_registering_the_same_checkpoint_twice_makes_one_version(registry: Path) -> None:
    module, facts = spec(0)
    cfg = {"task": "distance", "seed": 0, "batches": 1}
    with runs.open_run(runs.Spec("train", 1, {}, cfg), name="t") as run:
        arguments = {"dataset": "s", "dataset_id": "d", "task": "distance", "seed": 0, "step": 1, "metrics": {}}
        first = log_model(run, module, facts, **arguments)
        assert log_model(run, module, facts, **arguments) == first
    (version,) = client().search_model_versions(f"name = '{first.name}'")
    logged = client().get_logged_model(version.source.removeprefix("models:/"))  # its page names the version
    assert json.loads(logged.tags["mlflow.modelVersions"]) == [{"name": first.name, "version": version.version}]


def test_model_id_is_the_hash_of_spec_and_weights() -> None:
    (one, facts), (two, _), (again, _) = spec(0), spec(1), spec(0)
    assert facts.with_weights(one).model_id == facts.with_weights(again).model_id
    assert facts.with_weights(one).model_id != facts.with_weights(two).model_id
    other = ModelSpec(**{**facts.with_weights(one).__dict__, "input_size": 64})
    assert other.model_id != facts.with_weights(one).model_id
    assert ModelSpec.from_json(facts.to_json()) == facts


# What a selector costs ------------------------------------------------------------------------------------------------


def test_selecting_looks_at_every_checkpoint_a_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty thousand checkpoints of two hundred runs: a look at all of them for each would be millions of looks."""
    looks: Counter[str] = Counter()

    class Counted(models.ModelRecord):
        def __getattribute__(self, name: str) -> object:
            looks[name] += 1
            return super().__getattribute__(name)

    made = [
        Counted(f"m-{n}", "a.d.t", str(n), f"{n:016x}", f"r{n % 200}", "a", "d", "t", n % 200, n // 200)
        for n in range(20_000)
    ]
    monkeypatch.setattr(models, "versions", lambda where: made)
    monkeypatch.setattr(models, "_of_finished_runs", lambda records, *_: records)
    looks.clear()
    found = select("task=t,arch=a")
    assert sorted(record.run_id for record in found) == sorted(f"r{n}" for n in range(200))
    assert {record.step for record in found} == {99}
    assert max(looks.values()) < 10 * len(made), looks.most_common(3)


def test_a_selector_reads_only_what_it_may_take(filled: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    read = Counter()
    from_tags = models.from_tags

    def counted(*arguments: object) -> models.ModelRecord:
        read["versions"] += 1
        return from_tags(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(models, "from_tags", counted)
    for selector, versions in (
        ("task=distance+category", 1),
        ("study=two", 1),
        ("step=10", 1),
        ("seed=1,study=one", 1),
    ):
        read.clear()
        assert len(select(selector)) == 1 and read["versions"] == versions, selector
    read.clear()
    run_id, _ = register("translation", 1, tuple(range(21, 33)))
    assert read["versions"] <= 3 * 12  # not all earlier checkpoints at each
    read.clear()
    address = f"models:/{client().search_logged_models(['1'], max_results=1)[0].model_id}"
    assert select(address)[0].run_id == run_id and read["versions"] == 1


def test_values_that_a_filter_cannot_hold_are_looked_for_all_the_same(filled: dict[str, str]) -> None:
    for value in ("it's", 'a"b', """both ' and \"""", "100%", "a\\b"):
        with pytest.raises(UserError, match="unknown value of dataset"):
            select(f"dataset={value}")
        with pytest.raises(UserError, match="unknown value of study"):
            select(f"study={value}")


def test_pages_of_versions_are_put_together(filled: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time, while another version is registered between the pages: each once, none missed."""
    whole = models.versions("")
    search, asked = type(client()).search_model_versions, []

    def two(self: object, where: str | None, max_results: int, **rest: object) -> object:
        asked.append(max_results)
        if len(asked) == 2:
            register("translation", 9, (3,))
        return search(self, where, max_results=2, **rest)

    monkeypatch.setattr(type(client()), "search_model_versions", two)
    monkeypatch.setattr(lookup, "_by_tables", lambda *_, **__: None)  # as at a server
    found = models.versions("")
    assert [record.uri for record in found[:5]] == [record.uri for record in whole] and len(found) == 6
    assert asked and set(asked) <= set(range(1000, 200_001))


def test_the_alias_stays_with_the_most_steps(registry: Path) -> None:
    """Of equals the newest; a seed's alone; an alias that somebody has deleted comes back."""

    def holder(seed: int = 0) -> tuple[str, int]:
        (record,) = select(f"models:/tiny.small.translation@seed{seed}")
        return record.run_id, record.step

    first, _ = register("translation", 0, (10, 20))
    assert holder() == (first, 20)
    register("translation", 0, (15,))
    assert holder() == (first, 20)
    other, _ = register("translation", 1, (30,))
    assert holder() == (first, 20) and holder(1) == (other, 30)
    client().delete_registered_model_alias("tiny.small.translation", "seed0")
    register("translation", 0, (19,))
    with pytest.raises(UserError, match="alias seed0 not found"):
        holder()
    equal, _ = register("translation", 0, (5, 20))
    assert holder() == (equal, 20)


# Whose and which ------------------------------------------------------------------------------------------------------


def registered_by_others(name: str) -> tuple[str, str]:
    """(run id, logged model's id) of a network that somebody logged with MLflow alone."""
    with mlflow.start_run() as run:
        made = mlflow.pytorch.log_model(
            torch.nn.Linear(2, 2),
            name="model",
            registered_model_name=name,
            pip_requirements=[],
            serialization_format="pickle",
        )
    client().set_registered_model_alias(name, "best", "1")
    return run.info.run_id, made.model_id


def test_networks_of_others_are_said_to_be_theirs(filled: dict[str, str], tmp_path: Path) -> None:
    before = [record.uri for record in select("step=all")]
    names = ("users_own", "user's own", 'a "b" @c', "m-odel", "ünï, 1")
    ids = {name: registered_by_others(name) for name in names}
    version = client().get_model_version("users_own", "1")
    client().set_model_version_tag("users_own", "1", "step", "last")  # theirs may be anything
    assert [record.uri for record in select("step=all")] == before  # silently not ours
    run_id, model = ids["users_own"]
    addresses = [f"models:/{name}/1" for name in names] + [f"models:/{name}@best" for name in names]
    for address in [*addresses, f"models:/{model}", f"runs:/{run_id}/model", version.source]:
        with pytest.raises(UserError) as said:
            select(address)
        text = str(said.value)
        assert text.startswith(f"models={address}: is a model of pytorch that was not logged here: its arch"), text
        assert "\n" not in text and "save its state_dict() with torch.save" in text
    main = __import__("entrypoints.score", fromlist=["main"]).main
    done = CliRunner().invoke(main, ["--models", "models:/users_own/1", "--benchmarks", "simulated_v1"])
    assert done.exit_code == 2 and re.fullmatch("score: models=models:/users_own/1: is a model of .*\n", done.stderr)
    torch.save(build(ModelSpec("tiny", 5, {}, (), 32), seed=0).state_dict(), tmp_path / "w.pt")  # as it advises
    assert select(f"file:{tmp_path}/w.pt?arch=tiny&input_size=32")[0].arch == "tiny"


def test_what_is_no_network_of_pytorch(registry: Path) -> None:
    class Nothing(mlflow.pyfunc.PythonModel):  # type: ignore[misc,name-defined]
        def predict(self, context: object, model_input: list[str]) -> list[str]:
            return model_input

    with mlflow.start_run() as run:
        mlflow.pyfunc.log_model(
            name="model", python_model=Nothing(), registered_model_name="n", pip_requirements=["numpy"]
        )
    for address in ("models:/n/1", f"runs:/{run.info.run_id}/model"):
        with pytest.raises(
            UserError, match=r"is something that was not logged here: .* only networks of PyTorch can be"
        ):
            select(address)


def test_our_networks_under_other_names(filled: dict[str, str]) -> None:
    """Registered once more, or copied, in the UI: the same network, and once in a selector."""
    (ours,) = select("task=translation,seed=1")
    client().create_registered_model("best of all")
    client().create_model_version("best of all", ours.uri, model_id=ours.uri.removeprefix("models:/"))
    client().copy_model_version(f"models:/{ours.name}/{ours.version}", "a copy")
    for address in ("models:/best of all/1", "models:/a copy/1"):
        (found,) = select(address)
        assert (found.model_id, found.run_id, found.step) == (ours.model_id, ours.run_id, 20)
        assert found.load()[1].model_id == ours.model_id
    assert select("task=translation,seed=1") == [ours]
    client().delete_model_version(ours.name, ours.version)
    client().delete_registered_model("a copy")
    (found,) = select(ours.uri)  # the logged model is still there
    assert found.version == "" and found.load()[1].model_id == ours.model_id


def test_addresses_of_nothing(filled: dict[str, str]) -> None:
    cases = {
        "models:/nothing/1": r"no such network \(Model Version \(name=nothing, version=1\) not found\); look",
        "models:/tiny.small.translation/99": "no such network .*version=99",
        "models:/tiny.small.translation/latest": "no such network .*must be an integer",
        "models:/tiny.small.translation@seed9": "no such network .*alias seed9 not found",
        "models:/a/b/1": "no such network .*cannot contain '/'",
        "models:/m-0123": "no such network .*'m-0123' not found",
        "runs:/0123456789abcdef0123456789abcdef/model": "no such network .*not found",
        "runs:/it's/model": "no such network .*run_id",
        "runs:/": "must be a selector, models:/NAME/VERSION",
        "models:/": "must be a selector, models:/NAME/VERSION",
        "models:/tiny.small.translation": "must be a selector, models:/NAME/VERSION",
    }
    for address, words in cases.items():
        with pytest.raises(UserError, match=words) as said:
            select(address)
        assert str(said.value).startswith(f"models={address}: ") and "\n" not in str(said.value)


def test_versions_that_are_not_ready(filled: dict[str, str], registry: Path) -> None:
    (ours,) = select("task=translation,seed=1")
    with closing(sqlite3.connect(registry / "mlflow.db")) as database, database:
        database.execute("UPDATE model_versions SET status = 'PENDING_REGISTRATION' WHERE run_id = ?", (ours.run_id,))
    words = (
        "is PENDING_REGISTRATION: its registration has not ended or has failed; train it again: python -m entrypoints"
    )
    with pytest.raises(UserError, match=words):
        select(f"models:/{ours.name}/{ours.version}")
    with pytest.raises(UserError, match="unknown value of seed '1'"):
        select("task=translation,seed=1")
    with closing(sqlite3.connect(registry / "mlflow.db")) as database, database:
        database.execute("UPDATE logged_models SET status = 1 WHERE model_id = ?", (ours.uri.removeprefix("models:/"),))
    with pytest.raises(UserError, match="is PENDING: it was not uploaded to the end; train it again: python -m entry"):
        select(ours.uri)


def test_runs_that_hold_no_network(registry: Path) -> None:
    def run_of(entry: str, **cfg: object) -> str:
        with runs.open_run(runs.Spec(entry, 1, {"for": entry}, cfg), name="x") as run:
            pass
        return run.id

    facts = "--task distance --seed 3"
    cases = {
        run_of(
            "score", models="models:/m-1"
        ): "is a run of score, which makes no network; its networks are models=models:/",
        run_of("render", dataset="d"): "is a run of render, which makes no network; name a train run",
        run_of(
            "train", task="distance", seed=3
        ): rf"is a train run \(FINISHED\) without a network; .*{facts} --force true$",
    }
    killed = run_of("train", task="distance", seed=3, lr=0.1)
    client().set_terminated(killed, "KILLED")
    cases[killed] = rf"is a train run \(KILLED\) without a network; train it again: .*{facts} --lr 0.1$"
    client().update_run(killed, status="KILLED")
    running = run_of("train", task="distance", seed=4)
    client().update_run(running, status="RUNNING")
    cases[running] = "its training has not registered a network yet; wait for the first checkpoint"
    for run_id, words in cases.items():
        with pytest.raises(UserError, match=words):
            select(f"runs:/{run_id}/model")


def test_a_run_that_only_points_to_the_answer(filled: dict[str, str]) -> None:
    pointing = client().create_run(client().get_run(filled["t1"]).info.experiment_id)
    runs.Run(pointing.info.run_id).set_tags({ENTRY: "answer", "mlspatial.parents": filled["t1"]})
    assert select(f"runs:/{pointing.info.run_id}/model") == select("task=translation,seed=1")


def test_a_network_whose_run_was_deleted(filled: dict[str, str]) -> None:
    """Selectors leave it out; its address still finds it, and what is scored of it is still shown."""
    (ours,) = select("task=translation,seed=1")
    with runs.open_run(runs.Spec("score", 2, {"model_id": ours.model_id}, {"models": ours.uri}), name="s") as run:
        run.set_tags({TAG + fact: getattr(ours, fact) for fact in ("task", "arch", "dataset", "seed", "step")})
        row = {"benchmark": "b", "region": "IT", "layer": "fc", "committed": True, "metric": "pls25", "raw": 0.5}
        row |= {"ceiling": 1.0, "ceiled": 0.25, "error": 0.1, "n": 10, "formula": "r^2/c", "version": "1"}
        run.log_table(pd.DataFrame([{**row, "model_id": ours.model_id}]), "scores.json")
    assert ours.model_id in set(evidence.load().networks.model_id)
    client().delete_run(ours.run_id)
    with pytest.raises(UserError, match="unknown value of seed '1'"):
        select("task=translation,seed=1")
    for address in (f"models:/{ours.name}/{ours.version}", ours.uri, f"runs:/{ours.run_id}/model"):
        assert select(address)[0].load()[1].model_id == ours.model_id
    shown = evidence.load().networks.set_index("model_id").loc[ours.model_id]
    assert (shown.task, shown.arch, shown.seed, shown.step) == ("translation", "tiny", 1, 20)


def test_a_training_that_was_made_again_replaces_the_first(registry: Path) -> None:
    """Also its seed counts once; a study keeps its own."""
    module, facts = spec(0)
    cfg = {"task": "distance", "seed": 0, "batches": 1}
    made = []
    for study, force in (("one", False), ("two", True)):
        with runs.open_run(runs.Spec("train", 1, {}, cfg), name="t", study=study, force=force) as run:
            made.append(run.id)
            arguments = {"dataset": "s", "dataset_id": "d", "task": "distance", "seed": 0, "step": 1, "metrics": {}}
            log_model(run, module, facts, **arguments)
    assert [record.run_id for record in select("task=distance")] == [made[1]]
    for study, run_id in (("one", made[0]), ("two", made[1]), ("one|two", made[1]), ("one|three", made[0])):
        assert [record.run_id for record in select(f"study={study}")] == [run_id]
    assert select("models:/tiny.s.distance@seed0")[0].run_id == made[1]
    assert select(f"runs:/{made[0]}/model")[0].run_id == made[0]


# Files that are gone --------------------------------------------------------------------------------------------------


def test_lost_files_are_named_with_the_command_that_makes_them_again(registry: Path, small_dataset: Path) -> None:
    """The command is followed to the word, and the selector then finds a whole network."""
    main = __import__("entrypoints.train", fromlist=["main"]).main
    folder = registry / "a set's folder"
    shutil.copytree(small_dataset, folder)
    words = ["--task", "distance+translation", "--dataset", str(folder), "--batches", "0", "--input_size", "32"]
    words += ["--batch_size", "8", "--device", "cpu", "--workers", "1", "--cache", "none", "--lr", "0.002"]
    words += ["--study", "mine"]
    assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    selector = "task=distance+translation,step=0,study=mine"
    (record,) = select(selector)
    whole = registry / "artifacts/models" / record.uri.removeprefix("models:/") / "artifacts"
    shutil.copytree(whole, registry / "whole")
    for lost in ("spec.json", "artifacts", "", "weights.safetensors"):
        gone = whole / "artifacts" / lost if "." in lost else whole / lost
        shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        (record,) = select(selector)
        with pytest.raises(UserError) as said:
            record.load()
        text = str(said.value)
        assert text.startswith(f"models=resnet18.small.distance-translation seed 0 step 0 ({record.uri}): ")
        assert "\n" not in text and lost in text
        if lost != "weights.safetensors":
            with pytest.raises(UserError, match=re.escape(text.partition(": ")[0])):
                _ = record.spec
            shutil.copytree(registry / "whole", whole, dirs_exist_ok=True)
    command = shlex.split(text.partition("; train it again: ")[2])
    assert command[:3] == ["python", "-m", "entrypoints.train"] and command[-2:] == ["--force", "true"]
    assert str(folder) in command and command[command.index("--lr") + 1] == "0.002"
    assert CliRunner().invoke(main, command[3:], catch_exceptions=False).exit_code == 0
    (again,) = select(selector)
    assert again.uri != record.uri and again.load()[1].model_id == again.model_id == record.model_id


def test_a_spec_that_was_edited_is_not_taken(registry: Path) -> None:
    """The weights are still those of the spec, the images would have another size."""
    run_id, _ = register("translation", 3, (5,))
    (record,) = select(f"runs:/{run_id}/model")
    (file,) = registry.rglob("spec.json")
    file.write_text(json.dumps(json.loads(file.read_text()) | {"input_size": 64}))
    for read in (record.load, lambda: record.spec):
        with pytest.raises(UserError, match=rf"spec\.json is not that of network {record.model_id}; train it again: "):
            read()


def test_the_run_of_lost_files_may_be_gone_too(registry: Path) -> None:
    run_id, _ = register("translation", 3, (5,))
    (record,) = select(f"runs:/{run_id}/model")
    shutil.rmtree(registry / "artifacts")
    client().delete_run(run_id)
    with pytest.raises(
        UserError, match=r"its files cannot be had \(.*\); train it again: .* --task translation --seed 3"
    ):
        record.load()
    with closing(sqlite3.connect(registry / "mlflow.db")) as database, database:
        for table in ("tags", "params", "metrics", "latest_metrics", "runs"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ?", (run_id,))
    (record,) = select(f"models:/{record.name}/1")
    with pytest.raises(
        UserError, match=f"its run {run_id} is gone from the registry: take an undamaged copy, or train"
    ):
        record.load()
