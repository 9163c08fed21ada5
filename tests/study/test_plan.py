"""What a study will do: order, what selectors match, times."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from mlspatial.core.errors import UserError
from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.study import load, make_plan, memory, study
from mlspatial.study.estimate import OVERHEAD, Rates
from mlspatial.study.plan import Job, Selector
from mlspatial.study.show import duration
from tests import fake_steps
from tests.study.examples import FAKES, SMALL, calls, write


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[distance, translation]", "[distanse]", "line 5: train: unknown task 'distanse'; did you mean distance"),
        ("seed: [0]", "seeds: 3-1", "line 5: train: seeds=3-1"),
        ("models: study=small", "models: stdy=small", "line 6: score: models=stdy=small: 'stdy=small' is not FIELD"),
        ("{dataset: one, task", "{dataset: two, task", "line 5: train: .*two.*no render section"),
    ],
)
def test_mistakes_that_the_plan_finds_before_anything_runs(registry: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        study(config=str(write(registry, SMALL.replace(old, new))))
    assert not runs.find()


def test_what_waits_for_what(registry: Path) -> None:
    text = SMALL.replace("\ntrain:", "\ntrain:\n  - {dataset: one, task: rotation|category, seeds: 0-2, batches: 9}")
    text += (
        'similarity: [{models: "task=rotation,seed=0|1", dataset: one}, {models: "torchvision:resnet18", dataset: one}]'
    )
    plan = make_plan(load(write(registry, text)))
    render, compare = plan.of("render")[0], plan.of("compare")[0]
    trains, (score,), (first, second) = plan.of("train"), plan.of("score"), plan.of("similarity")
    assert len(trains) == 8 and all(train.needs == [render] for train in trains)
    assert Counter(train.together for train in trains) == {6: 6, 1: 2}
    assert score.needs == trains and score.networks == 8
    assert [(n.entry, n.parameters.get("task"), n.parameters["seed"]) for n in first.needs] == [
        ("render", None, 0),
        ("train", "rotation", 0),
        ("train", "rotation", 1),
    ]
    assert second.needs == [render] and second.networks == 1
    assert set(compare.needs) == {*plan.jobs} - {compare}


SELECTORS = [
    "study=fake", "task=distance", "task=distance|rotation,seed=0", "task=rotation,step=all", "step=5|10", "step=20",
    "seed=1", "arch=resnet18", "study=other", "task=rotation,step=7", "study=fake,step=all",
]  # fmt: skip


def test_the_plan_foresees_what_selectors_match(fake: Path) -> None:
    """Against the registry's own choice, once the networks are there."""
    text = fake.read_text().replace("  - {task: rotation", "  - {task: identity, batches: 0}\n  - {task: rotation")
    fake.write_text(text)
    study(config=str(fake), package=FAKES)
    trains = make_plan(load(fake)).of("train")
    for selector in SELECTORS:
        parsed = Selector.parse(selector)
        foreseen = [(t.parameters["task"], t.parameters["seed"], s) for t in trains for s in parsed.steps_of(t, "fake")]
        try:
            there = [(record.task, record.seed, record.step) for record in select(selector)]
        except UserError:
            there = []
        assert sorted(foreseen) == sorted(there), selector


BRAIN = "simulated_v4:network=models:/hidden.resnet18.images.all@seed7,trials=4"


def test_a_network_behind_a_brain_comes_first_and_counts_nowhere(fake: Path) -> None:
    """Selectors leave it out, in the plan as in the registry; what is scored on it waits for it, and is scored again
    when another network stands behind the name."""
    text = fake.read_text().replace(
        "  - {task: rotation", "  - {task: all, seed: 7, batches: 30, hidden: true}\n  - {task: rotation"
    )
    fake.write_text(text.replace("benchmarks: somewhere", f'benchmarks: "simulated_v1,{BRAIN}"'))
    plan = make_plan(load(fake))
    (hidden,) = [train for train in plan.of("train") if train.parameters["hidden"]]
    first, second = plan.of("score")
    assert hidden.registered == "hidden.resnet18.images.all" and first.sources == [hidden]
    assert hidden in first.needs and hidden not in second.needs and hidden not in plan.of("similarity")[0].needs
    assert first.networks == 5  # the others, each once
    for selector in ("study=fake", "task=all", "seed=7", "study=fake,step=all", "step=30"):
        assert not Selector.parse(selector).steps_of(hidden, "fake"), selector
    at = "models:/hidden.resnet18.images.all@seed7"
    assert Selector.parse(at).steps_of(hidden, "fake") == [30]

    study(config=str(fake), package=FAKES)
    lines = [line.split()[2:] for line in fake_steps.CALLS.read_text().splitlines()]
    trained = lines.index(["trained", "all", "7"])
    on_brain = [n for n, line in enumerate(lines) if line[:2] == ["made", "score"] and "simulated_v4" in line[-1]]
    assert len(on_brain) == 5 and min(on_brain) > trained
    assert not any(line[:3] == ["made", "score", "all"] for line in lines)
    with pytest.raises(UserError, match="matches no network"):
        select("task=all")
    (network,) = select(at)
    assert (network.task, network.seed, network.name) == ("all", 7, "hidden.resnet18.images.all")

    before = len(calls("score"))
    study(config=str(fake), package=FAKES)
    assert len(calls("score")) == before
    cfg = {"task": "all", "seed": 7, "arch": "resnet18", "dataset": "images", "hidden": True, "batches": 31}
    fake_steps._register(runs.Run(network.run_id), cfg, 31)
    study(config=str(fake), package=FAKES)
    assert len(calls("score")) == before + 5  # those that are scored on the brain


def test_a_dry_run_tells_the_plan_and_makes_no_run(fake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study(config=str(fake), package=FAKES, dry_run=True) == []
    told = capsys.readouterr().out
    assert not runs.find() and not fake_steps.CALLS.exists()
    assert "score            0 there      7 to do" in told and "train            0 there      5 to do" in told
    assert "waits for 5 train" in told and "disk: about " in told and "study fake: 14 to do, about " in told
    study(config=str(fake), package=FAKES)
    before = len(runs.find())
    study(config=str(fake), package=FAKES, dry_run=True)
    told = capsys.readouterr().out
    assert "study fake: 0 to do, about 0 s" in told and "disk: about 0 kB" in told and len(runs.find()) == before
    assert "the software has changed" not in told


def test_a_dry_run_after_an_upgrade_says_that_its_times_are_too_long(
    fake: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study(config=str(fake), package=FAKES)
    made = [run for run in runs.find(status="FINISHED") if "fake" in run.studies]
    monkeypatch.setattr(memory, "code_hash", lambda: "of another version")
    capsys.readouterr()
    study(config=str(fake), package=FAKES, dry_run=True)
    told = capsys.readouterr().out
    assert f"{len(made)} runs of this study are finished, but the software has changed since" in told


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(40, "40 s"), (720, "12 min"), (12000, "3 h 20 min"), (187200, "2 d 4 h"), (3599, "1 h 0 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_times_come_from_runs_that_tell_something() -> None:
    rates = Rates(threads=2, gpu=False, all_cores=2)
    train = {"batches": 1000, "batch_size": 64, "arch": "resnet18"}
    job = Job("train", train, 1, size=224)
    rough = rates.seconds(job)
    assert rough == pytest.approx(64_000 / 23, rel=0.1)  # images/s on two cores at 224 px
    rates.learn(Job("train", {**train, "batches": 2}, 1, size=32), 10.0)  # start-up, which says nothing of the long run
    assert rates.seconds(job) == rough
    rates.learn(Job("train", {**train, "batches": 500}, 1, size=224), 503.0)
    assert rates.seconds(job) == pytest.approx(1003)
    assert rates.seconds(Job("train", {**train, "arch": "resnet50"}, 1, size=112)) == pytest.approx(3 + 2.9 / 4 * 1000)


def test_an_untrained_network_says_nothing_about_the_time_that_training_takes() -> None:
    rates = Rates(threads=1, gpu=False, all_cores=1)
    parameters = {"batches": 0, "batch_size": 64, "arch": "resnet18"}
    untrained = Job("train", parameters, 1, size=64)
    before = rates.seconds(untrained)
    rates.learn(untrained, 3.0)
    assert rates.seconds(untrained) == before == pytest.approx(OVERHEAD)
    trained = replace(untrained, parameters=parameters | {"batches": 100})
    rates.learn(trained, 103.0)
    assert rates.seconds(replace(untrained, parameters=parameters | {"batches": 200})) == pytest.approx(203, rel=0.02)
