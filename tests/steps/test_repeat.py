"""The same study under other seeds of everything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlspatial.core.errors import UserError
from mlspatial.steps.repeat import repeated, spread
from mlspatial.study import load, make_plan
from tests.study.examples import ROOT

STUDY = """
name: quick
defaults: {size: 48}
render:
  - &images {dataset: quick, n_train: 40, n_heldout: 20, categories: apple, environments: "procedural:meadow"}
  - {<<: *images, dataset: quick_centred, translation: none, seed: 3}
train:
  - {dataset: quick, task: distance|category, seeds: 0-1, batches: 2}
  - {dataset: quick_centred, task: distance, seed: [0, 4], order_seed: 5, batches: 2}
  - {dataset: quick, task: all, seed: 50, hidden: true, batches: 2}
score:
  models: study=quick,dataset=quick,step=all
  benchmarks: "simulated_v1:seed=3,simulated_v4:network=models:/hidden.resnet18.quick.all@seed50,seed=2,cowley2023_v4?"
similarity: {models: "study=quick,dataset=quick|quick_centred", dataset: quick, stimuli: "heldout:20"}
"""


def test_every_seed_and_name_is_another_and_all_else_the_same() -> None:
    made = yaml.safe_load(repeated(STUDY, 2))
    assert made["name"] == "quick_r2" and made["defaults"] == {"size": 48}
    one, two = made["render"]
    assert (one["dataset"], one["seed"], two["dataset"], two["seed"]) == ("quick_r2", 200, "quick_centred_r2", 203)
    assert one["categories"] == "apple" and two["translation"] == "none" and one["n_train"] == 40
    first, second, hidden = made["train"]
    assert first == {
        "dataset": "quick_r2",
        "task": "distance|category",
        "seeds": "200,201",
        "batches": 2,
        "order_seed": 200,
    }
    assert second["seed"] == [200, 204] and second["order_seed"] == 205 and second["dataset"] == "quick_centred_r2"
    assert hidden["seed"] == 250 and hidden["hidden"] is True
    (score,), (similarity,) = made["score"], made["similarity"]
    assert similarity["seed"] == 200 and "seed" not in score
    assert score["models"] == "study=quick_r2,dataset=quick_r2,step=all"
    assert score["benchmarks"] == (
        "simulated_v1:seed=203,simulated_v4:network=models:/hidden.resnet18.quick_r2.all@seed250,seed=202,cowley2023_v4?"
    )
    assert similarity["models"] == "study=quick_r2,dataset=quick_r2|quick_centred_r2"
    assert similarity["dataset"] == "quick_r2" and similarity["stimuli"] == "heldout:20"


def test_the_quick_study_and_its_repetition_are_the_same_but_for_seeds(registry: Path) -> None:
    text = (ROOT / "studies" / "quick.yaml").read_text()
    plans = []
    for name, made in (("quick.yaml", text), ("again.yaml", repeated(text, 1))):
        (registry / name).write_text(made)
        plans.append(make_plan(load(registry / name)))
    one, other = plans
    shapes = [[(job.entry, job.networks, len(job.needs), len(job.sources)) for job in plan.jobs] for plan in plans]
    assert shapes[0] == shapes[1] and len(shapes[0]) > 15
    for first, second in zip(one.jobs, other.jobs, strict=True):
        same = {name for name, value in first.parameters.items() if second.parameters[name] == value}
        assert first.entry == "compare" or not same & {"seed", "order_seed", "dataset", "models"}, first.title
    hidden = [train for train in other.of("train") if train.parameters["hidden"]]
    assert len(hidden) == 1 and all(score.sources == hidden for score in other.of("score"))


def test_what_cannot_be_repeated_gets_one_line(registry: Path) -> None:
    with pytest.raises(UserError, match="number=0: must be 1 or more"):
        repeated(STUDY, 0)
    with pytest.raises(UserError, match="the study has no name"):
        repeated("render: {}", 1)
    with pytest.raises(UserError, match="study nothing: the registry holds no network of it"):
        spread(["nothing"])
    command = [sys.executable, "-m", "mlspatial.steps.repeat", "nowhere.yaml", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (
        done.returncode == 1
        and done.stderr.strip() == "repeat: nowhere.yaml: cannot be read (No such file or directory)"
    )


def test_every_seed_of_a_selector_moves() -> None:
    text = "name: a\ntune: {dataset: a}\nscore: {models: 'seed=0|1,task=x,order_seed=3', benchmarks: simulated_v1}\n"
    made = yaml.safe_load(repeated(text, 1))
    assert made["score"][0]["models"] == "seed=100|101,task=x,order_seed=3"
    assert made["tune"][0]["seed"] == 100  # stated nowhere, so tune's own, moved
