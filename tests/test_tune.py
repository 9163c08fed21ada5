"""tune: the space, the trials and what becomes of them, the summary; kill -9 and mistakes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest

from entrypoints import train, tune
from mlspatial.core.errors import BadValue
from mlspatial.registry import runs
from mlspatial.registry.store import client
from mlspatial.steps import tune as steps
from mlspatial.steps.tune import Axis
from mlspatial.train.loop import Diverged
from tests.study.examples import ROOT
from tests.test_entrypoints import call
from tests.train.held import kill_in_training

SMALL = ["--task", "distance", "--batches", "4", "--batch_size", "8", "--weight_decay", "0", "--evaluations", "2"]
SMALL += ["--input_size", "32", "--workers", "1"]


def small(dataset: Path, *more: str) -> list[str]:
    return ["--dataset", str(dataset), *SMALL, *more]


def the_study(folder: Path, name: str | None = None) -> optuna.Study:
    storage = f"sqlite:///{folder}/optuna.db"
    return optuna.load_study(study_name=name, storage=storage)


def states(folder: Path) -> list[str]:
    return [trial.state.name for trial in the_study(folder).trials]


def read(run_id: str, artifact: str) -> str:
    return runs.download(run_id, artifact).read_text()


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Networks that need no training: the held-out loss is |log10(lr) + 3|; above lr=1 there is none."""
    asked: list[dict[str, Any]] = []

    def train(*, task: str, dataset: str, report: Any, study: str, **options: Any) -> list[str]:
        asked.append(options)
        loss = abs(math.log10(options["lr"]) + 3)
        with runs.open_run(runs.Spec("train", 1, {}, options), name="instant", study=study) as run:
            if not run.answered:
                if options["lr"] > 1:
                    raise Diverged("batch 3: the loss is nan")
                for step in (2, 4):
                    run.log({"heldout/loss": loss}, step)
                    report(step, {"loss": loss})
        return [run.id]

    monkeypatch.setattr("mlspatial.steps.train.train", train)
    return asked


@pytest.mark.parametrize(
    ("name", "text", "values", "limits"),
    [
        ("lr", "1e-3", (1e-3,), ()),
        ("lr", "1e-4,1e-2", (), (1e-4, 1e-2)),
        ("batch_size", "32|64|32", (32, 64), ()),
        ("batch_size", "16,128", (), (16, 128)),
        ("weight_decay", "0|1e-6,1e-2", (0.0,), (1e-6, 1e-2)),
        ("augment", "none|colour", ("none", "colour"), ()),
    ],
)
def test_axes_read_what_is_typed(name: str, text: str, values: tuple[Any, ...], limits: tuple[Any, ...]) -> None:
    axis = Axis.parse(name, text)
    assert axis == Axis(name, values, limits) == Axis.parse(name, str(axis))
    study = optuna.create_study()
    for _ in range(20):
        drawn = axis.suggest(study.ask())
        assert drawn in values or (limits and limits[0] <= drawn <= limits[1])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lr", "1e-2,1e-4"),
        ("lr", "0,1e-2"),
        ("lr", "fast"),
        ("lr", ""),
        ("lr", "nan"),
        ("lr", "1e-4,1e-3|1e-2,1e-1"),
        ("batch_size", "8.5"),
        ("batch_size", "1,2,3"),
        ("weight_decay", "-1"),
        ("augment", "none,colour"),
        ("augment", "none|"),
    ],
)
def test_a_bad_axis_is_told_with_its_value(name: str, text: str) -> None:
    with pytest.raises(BadValue, match=f"^{name}={text}: must be one value"):
        Axis.parse(name, text)


def test_trials_become_train_runs_and_a_summary(small_dataset: Path, registry: Path) -> None:
    arguments = small(small_dataset, "--lr", "1e-4,1e-2", "--trials", "2", "--study", "mine")
    code, out, err = call(tune.main, *arguments)
    assert code == 0, err
    record = runs.get(out.split()[-1])
    name = the_study(registry).study_name
    assert record.status == "FINISHED" and record.studies == (name, "mine") and name.startswith("tune-")
    trained = runs.find(entry="train", where=f"tags.`mlspatial.study` = '{name}'")
    assert set(record.parents) == {run.id for run in trained} and len(trained) == 2
    assert {run.status for run in trained} == {"FINISHED"} and {run.cfg["evaluations"] for run in trained} == {"2"}

    best = json.loads(read(record.id, "best.json"))
    losses = {run.id: run.metrics["heldout/loss"] for run in trained}
    assert best["run_id"] == min(losses, key=lambda run_id: losses[run_id]) and best["loss"] == min(losses.values())
    assert record.metrics["best.loss"] == best["loss"] and record.metrics["best.lr"] == best["parameters"]["lr"]
    assert runs.get(best["run_id"]).cfg["lr"] == str(best["parameters"]["lr"])
    assert record.metrics["trials.done"] == 2 and record.metrics["trials.pruned"] == 0
    table = pd.read_csv(runs.download(record.id, "trials.csv"))
    assert set(table.run_id) == set(losses) and list(table.state) == ["COMPLETE"] * 2
    assert json.loads(read(record.id, "trials.json"))["columns"] == list(table.columns)
    plots = {item.path for item in client().list_artifacts(record.id, "plots")}
    assert plots == {f"plots/{plot}.{kind}" for plot in ("history", "importance", "slice") for kind in ("png", "svg")}

    again = call(tune.main, *arguments)
    assert again[0] == 0 and again[1] == out and len(runs.find()) == 3
    # A train run that is asked for by hand with the best parameters is the trial's.
    given = [item for key, value in best["parameters"].items() for item in (f"--{key}", str(value))]
    fixed = ["--batches", "4", "--input_size", "32", "--evaluations", "2", "--task", "distance", "--seed", "0"]
    code, out, _ = call(train.main, "--dataset", str(small_dataset), *fixed, *given)
    assert code == 0 and out.split()[-1] == best["run_id"]


def test_more_trials_continue_the_study(small_dataset: Path, registry: Path, instant: list[dict[str, Any]]) -> None:
    ids = {}
    for trials in ("2", "5", "5"):
        code, out, err = call(tune.main, *small(small_dataset, "--lr", "1e-5,1e-1", "--trials", trials))
        assert code == 0, err
        ids[trials] = out.split()[-1]
    assert ids["2"] != ids["5"] and len(instant) == 5 and len(states(registry)) == 5
    assert len({options["lr"] for options in instant}) == 5
    # Another registry and storage: the same draws.
    (registry / "other").mkdir()
    storage = f"sqlite:///{registry}/other/optuna.db"
    anew = ["--trials", "5", "--storage", storage, "--force", "true"]
    code, _, _ = call(tune.main, *small(small_dataset, "--lr", "1e-5,1e-1", *anew))
    assert code == 0 and [o["lr"] for o in instant[5:]] == [o["lr"] for o in instant[:5]]


def test_the_whole_space_is_searched(small_dataset: Path, registry: Path, instant: list[dict[str, Any]]) -> None:
    space = ["--lr", "1e-4|1e-3", "--batch_size", "8|16", "--weight_decay", "0|1e-6,1e-2", "--augment", "none|colour"]
    code, out, err = call(tune.main, *small(small_dataset, *space, "--trials", "12", "--name", "all"))
    assert code == 0, err
    drawn = {key: {options[key] for options in instant} for key in ("lr", "batch_size", "weight_decay", "augment")}
    assert drawn["batch_size"] == {8, 16} and drawn["augment"] == {"none", "colour"} and 0.0 in drawn["weight_decay"]
    assert len(drawn["weight_decay"]) > 3 and max(drawn["weight_decay"]) <= 1e-2
    assert runs.get(out.split()[-1]).metrics["best.loss"] == 0.0
    # The name belongs to this search.
    code, _, err = call(tune.main, *small(small_dataset, "--name", "all"))
    assert code == 2 and "name=all: there is another search (lr: there 0.0001|0.001, asked 0.0001,0.01" in err


def test_a_pruned_trial_leaves_a_killed_run(
    small_dataset: Path, registry: Path, instant: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "PRUNE_AFTER", 1)
    code, out, err = call(tune.main, *small(small_dataset, "--lr", "1e-5,1e-1", "--trials", "6"))
    assert code == 0 and "given up: pruned at batch 2" in err, err
    pruned = [trial for trial in the_study(registry).trials if trial.state.name == "PRUNED"]
    assert pruned and runs.get(out.split()[-1]).metrics["trials.pruned"] == len(pruned)
    for trial in pruned:
        run = runs.get(trial.user_attrs["run_id"])
        assert run.status == "KILLED" and run.tags[runs.ENDED].startswith("Stopped: pruned at batch 2")
        assert run.cfg["lr"] == str(trial.user_attrs["lr"]) and trial.user_attrs["reason"]


def test_a_diverged_trial_counts_as_pruned(small_dataset: Path, registry: Path, instant: list[dict[str, Any]]) -> None:
    code, out, err = call(tune.main, *small(small_dataset, "--lr", "1e-3|9.9", "--trials", "5"))
    assert code == 0 and "given up: batch 3: the loss is nan" in err, err
    table = pd.read_csv(runs.download(out.split()[-1], "trials.csv"))
    lost = table[table.lr == 9.9]
    assert len(lost) and set(lost.state) == {"PRUNED"} and set(lost.reason) == {"batch 3: the loss is nan"}
    assert {runs.get(run_id).status for run_id in lost.run_id} == {"FAILED"}
    assert json.loads(read(out.split()[-1], "best.json"))["parameters"]["lr"] == 1e-3
    assert not client().list_artifacts(out.split()[-1], "plots/importance.png")  # all finished losses are the same
    code, out, err = call(tune.main, *small(small_dataset, "--lr", "8.8|9.9", "--trials", "2"))
    assert code == 2 and "no trial has finished (the last: batch 3: the loss is nan; try a smaller lr)" in err
    assert len(runs.find(entry="tune")) == 1


def test_ctrl_c_leaves_the_trial_to_the_next_call(
    small_dataset: Path, registry: Path, instant: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlspatial.steps.train import train as whole

    def interrupted(*, report: Any, **options: Any) -> list[str]:
        def stop(step: int, metrics: Any) -> None:
            report(step, metrics)
            raise KeyboardInterrupt

        return whole(report=stop, **options)

    arguments = small(small_dataset, "--lr", "1e-4,1e-2", "--trials", "2")
    with monkeypatch.context() as patch:
        patch.setattr("mlspatial.steps.train.train", interrupted)
        code, _, err = call(tune.main, *arguments)
    assert code == 130 and "the same command goes on" in err and states(registry) == ["FAIL", "WAITING"]
    (run,) = runs.find(entry="train")
    assert run.status == "KILLED"
    code, out, err = call(tune.main, *arguments)
    assert code == 0 and states(registry) == ["FAIL", "COMPLETE", "COMPLETE"], err
    assert the_study(registry).trials[1].user_attrs["run_id"] == run.id and runs.get(run.id).status == "FINISHED"
    assert run.id in runs.get(out.split()[-1]).parents and instant[0] == instant[1]


def test_a_killed_trial_goes_on(small_dataset: Path, registry: Path) -> None:
    """kill -9 in the middle of a real training."""
    longer = ["--batches", "8", "--evaluations", "4"]
    arguments = small(small_dataset, "--lr", "1e-4,1e-2", "--trials", "1", *longer)
    kill_in_training(registry, "tune", 5, *arguments)
    assert states(registry) == ["RUNNING"]
    code, out, err = call(tune.main, *arguments)
    assert code == 0 and "trial 0 was killed; it is tried again" in err, err
    assert states(registry) == ["FAIL", "COMPLETE"]
    first, second = the_study(registry).trials
    (trained,) = runs.find(entry="train")
    assert second.params == first.params and second.user_attrs["run_id"] == trained.id
    assert trained.status == "FINISHED" and trained.tags[runs.RESUMED] == "1"
    assert set(second.intermediate_values) == {2, 4, 6, 8} and set(first.intermediate_values) == {2, 4}
    assert (
        min(*first.intermediate_values.values(), *second.intermediate_values.values()) > 0
    )  # losses, the less the better
    assert runs.get(out.split()[-1]).parents == (trained.id,)


def test_a_trial_of_another_machine_is_waited_for(
    small_dataset: Path, registry: Path, instant: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = small(small_dataset, "--lr", "1e-4,1e-2")
    code, _, err = call(tune.main, *arguments, "--trials", "1")
    assert code == 0, err
    study = the_study(registry)
    other = study.ask()
    other.set_user_attr("process", "elsewhere 12 34")
    looks: list[float] = []

    def sleep(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 3:
            study.tell(other, 9.0)

    monkeypatch.setattr(steps.time, "sleep", sleep)
    code, _, err = call(tune.main, *arguments, "--trials", "2")
    assert len(looks) == 3 and len(instant) == 1 and states(registry) == ["COMPLETE"] * 2
    assert code == 0, err


def test_a_trial_of_another_machine_is_not_waited_for_where_that_is_not_wanted(
    small_dataset: Path, registry: Path, instant: list[dict[str, Any]]
) -> None:
    arguments = small(small_dataset, "--lr", "1e-4,1e-2")
    assert call(tune.main, *arguments, "--trials", "1")[0] == 0
    study = the_study(registry)
    other = study.ask()
    other.set_user_attr("process", "elsewhere 12 34")
    code, out, err = call(tune.main, *arguments, "--trials", "2", "--wait", "false")
    assert code == 2 and not out and "tune: others are at trial 1 (process 12 on elsewhere, since" in err, err
    assert "leave out wait=false" in err and states(registry) == ["COMPLETE", "RUNNING"]
    study.tell(other, 9.0)
    assert call(tune.main, *arguments, "--trials", "2", "--wait", "false")[0] == 0


OPEN = """
import sys, time
from pathlib import Path
from mlspatial.registry import runs
from mlspatial.steps import tune
import optuna
search = runs.Spec("tune", 1, {}, {"seed": 0})
for number in range(5):
    Path(f"ready-{number}-{sys.argv[1]}").touch()
    deadline = time.monotonic() + 120
    while len(list(Path().glob(f"ready-{number}-*"))) < 3:
        assert time.monotonic() < deadline, "another one has failed"
        time.sleep(0.001)
    tune._open(f"sqlite:///shared-{number}.db", "one", search)
"""


@pytest.mark.slow
def test_a_storage_is_set_up_by_processes_with_other_caches_at_once(registry: Path) -> None:
    processes = []
    for number in range(3):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLSPATIAL_CACHE": f"cache-{number}"}
        processes.append(subprocess.Popen([sys.executable, "-c", OPEN, str(number)], env=environment))
    assert [process.wait(600) for process in processes] == [0, 0, 0]
    for number in range(5):
        (study,) = optuna.get_all_study_summaries(f"sqlite:///shared-{number}.db")
        assert study.study_name == "one" and study.user_attrs["search"] == {"seed": 0}


MISTAKES = [
    (["--lr", "fast"], "lr=fast: must be one value, choices"),
    (["--lr", "1e-3", "--batch_size", "8"], "nothing to search"),
    (["--lr", "1e-3,20"], "lr=20.0: must be above 0 and below 10"),
    (["--augment", "none|color"], "unknown augment 'color'; did you mean colour"),
    (["--batch_size", "0|8"], "batch_size=0: must be at least 1"),
    (["--trials", "0"], "trials=0"),
    (["--timeout", "-1"], "timeout=-1.0: must be 0 (no limit) or more seconds"),
    (["--timeout", "nan"], "timeout=nan"),
    (["--seed", "-1"], "seed=-1: must be at least 0"),
    (["--workers", "0"], "workers=0"),
    (["--fraction", "1.5"], "fraction=1.5: must be above 0 and at most 1"),
    (["--fraction", "nan"], "fraction=nan: must be a number"),
    (["--device", "tpu"], "device=tpu"),
    (["--batches", "0"], "batches=0"),
    (["--evaluations", "0"], "evaluations=0"),
    (["--name", "a,b"], "name=a,b"),
    (["--precision", "half"], "precision=half"),
    (["--task", "distanse"], "unknown task 'distanse'"),
    (["--dataset", "nowhere"], "dataset"),
    (["--storage", "optuna.db"], "storage=optuna.db: cannot be used"),
    (["--storage", "sqlite:////nowhere/at/all.db"], "storage=sqlite:////nowhere/at/all.db: cannot be used"),
    (["--storage", "mysql://me:secret@host/optuna"], "storage=mysql://me:***@host/optuna: cannot be used"),
    (["--storage", "oracel://host/optuna"], "storage=oracel://host/optuna: cannot be used"),
]


def test_mistakes_get_one_line_and_no_run(small_dataset: Path, registry: Path) -> None:
    uri = os.environ["MLFLOW_TRACKING_URI"]
    for arguments, words in [*MISTAKES, (["--storage", uri], "is MLflow's own database")]:
        code, out, err = call(tune.main, *small(small_dataset), *arguments)
        assert code == 2 and words in err and not out, (arguments, err)
        assert len([line for line in err.splitlines() if line.strip()]) == 1 and "secret" not in err, err
    live = call(tune.main, *small(Path(f"live:{small_dataset}")), "--fraction", "0.5")
    assert live[0] == 2 and "fraction=0.5: has no meaning for dataset=live:" in live[2]
    assert not runs.find() and not list(registry.glob("optuna.db"))


def test_more_evaluations_than_batches_are_told(
    small_dataset: Path, registry: Path, instant: list[dict[str, Any]]
) -> None:
    arguments = small(small_dataset, "--lr", "1e-5,1e-1", "--trials", "1", "--evaluations", "9")
    code, _, err = call(tune.main, *arguments)
    assert code == 0 and "tune: evaluations=9: a trial has 4 batches" in err
    assert instant[0]["evaluations"] == "1,2,3"


def test_every_option_of_train_is_passed_on() -> None:
    own = {"trials", "evaluations", "timeout", "storage", "name"}
    not_searched = {"seeds", "checkpoints", "evaluations", "resume", "hidden", "stacked"}  # a trial is one network
    assert {o.name for o in tune.main.params} - own == {o.name for o in train.main.params} - not_searched


def test_who_waits_for_a_trial_says_for_which_and_how_long(
    small_dataset: Path, registry: Path, instant: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine's trial, and one whose process was killed before it said who it is."""
    call(tune.main, *small(small_dataset, "--lr", "1e-5,1e-1", "--trials", "1"))
    study = the_study(registry)
    elsewhere, unsaid = study.ask(), study.ask()
    elsewhere.set_user_attr("process", "far.away 4711 1")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            for trial in (elsewhere, unsaid):
                study.tell(trial.number, 1.0)

    monkeypatch.setattr(steps.time, "sleep", sleep)
    monkeypatch.setattr(steps._Search, "summarise", lambda *_: runs.find(entry="tune")[0].id)
    code, _, err = call(tune.main, *small(small_dataset, "--lr", "1e-5,1e-1", "--trials", "3"))
    assert code == 0 and len(pauses) == 3, err
    (line,) = [line for line in err.splitlines() if "waiting for trial" in line]
    assert "1 (process 4711 on far.away, since " in line and "2 (a process that did not say which, since" in line
    assert "6 min after its last sign of life" in line  # 10 heartbeats of 30 s and a minute
