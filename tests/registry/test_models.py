"""Networks in the registry: register, select, load, refuse what is damaged."""

from __future__ import annotations

import json
import shutil
from collections import OrderedDict
from pathlib import Path

import mlflow
import numpy as np
import pytest
import torch

from mlspatial.core.errors import BadValue, UserError
from mlspatial.models.zoo import ARCHITECTURES, ModelSpec, build, to_input
from mlspatial.registry import runs
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
    with pytest.raises(UserError, match="holds no network yet"):
        select("task=distance")


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
