"""Study files: grids, mistakes with line numbers, plans, answers, failures, several workers, kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from entrypoints.common import finish
from mlspatial.core.errors import UserError
from mlspatial.core.latents import LatentSchema
from mlspatial.core.manifest import Manifest
from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.registry.store import client
from mlspatial.render.processes import worker_processes
from mlspatial.study import Unfinished, load, make_plan, study, workers
from mlspatial.study.estimate import OVERHEAD, Rates
from mlspatial.study.plan import Job, Selector
from mlspatial.study.show import duration
from mlspatial.study.workers import begin
from tests import fake_steps

ROOT = Path(__file__).resolve().parents[1]
FAKES = "tests.fake_steps"

SMALL = """
name: small
render: {dataset: one, n_train: 40, n_heldout: 20, size: 32, categories: apple, environments: "procedural:meadow"}
train:
  - {dataset: one, task: [distance, translation], batches: 0, seed: [0]}
score: {models: study=small, benchmarks: "cowley2023_v4?,simulated_v1", layers: avgpool}
compare: {items: all}
"""

FAKE = """
name: fake
defaults: {dataset: images}
train:
  - {task: [distance, translation], seed: [0, 1], batches: 20}
  - {task: rotation, checkpoints: "5,10", batches: 20}
score:
  - {models: study=fake, benchmarks: somewhere}
  - {models: "task=rotation,step=5|10", benchmarks: elsewhere}
similarity: {models: "study=fake,task=distance|translation"}
compare: {items: all}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "study.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def fake(registry: Path) -> Path:
    """A study of stand-ins, on a dataset that is there, in name."""
    (registry / "images").mkdir()
    Manifest("images", {"size": 48}, LatentSchema(()), {}).save(registry / "images")
    return write(registry, FAKE)


def calls(what: str) -> list[str]:
    """The calls of an entry so far, without time and process."""
    lines = fake_steps.CALLS.read_text().splitlines() if fake_steps.CALLS.exists() else []
    words = [line.split() for line in lines]
    return [" ".join(line[3:]) for line in words if line[2] == what]


#: A signal in the middle of a commit is an error of the database's, so that a run may end FAILED instead of KILLED.
ENDED = {"KILLED", "FAILED"}


def outcome() -> Counter[tuple[str, str]]:
    """What a study leaves, whatever happened on the way."""
    there = runs.find()
    assert {run.status for run in there} <= {"FINISHED", "FAILED"}
    return Counter((run.entry, run.spec) for run in there if run.status == "FINISHED" and run.entry != "study")


# -- the file


def test_lists_are_crossed_and_defaults_filled_in(tmp_path: Path) -> None:
    file = load(write(tmp_path, SMALL.replace("seed: [0]", "seed: [0, 1]")))
    steps = file.steps
    assert file.name == "small" and [step.entry for step in steps] == ["render", *["train"] * 4, "score", "compare"]
    grid = [(step.parameters["task"], step.parameters["seed"]) for step in steps if step.entry == "train"]
    assert grid == [("distance", 0), ("distance", 1), ("translation", 0), ("translation", 1)]
    assert steps[0].parameters["rotation"] == "clamped45" and steps[1].parameters["lr"] == 1e-3
    assert (file.jobs, file.backend, file.together) == (1, "loky", 0)


def test_options_defaults_and_merged_mappings(tmp_path: Path) -> None:
    text = """
name: options
jobs: 3
defaults: {device: cpu, seed: [4, 5]}
train:
  - &base {dataset: a, task: distance, batches: 7}
  - {<<: *base, task: rotation, seed: 9}
similarity: {models: study=options}
"""
    file = load(write(tmp_path, text))
    trains = [step.parameters for step in file.steps if step.entry == "train"]
    assert [(p["task"], p["seed"], p["batches"]) for p in trains] == [
        ("distance", 4, 7),
        ("distance", 5, 7),
        ("rotation", 9, 7),
    ]
    assert {p["device"] for p in trains} == {"cpu"} and file.jobs == 3
    given = file.with_options(jobs=0, scheduler="tcp://h:1")
    assert (given.jobs, given.backend, given.scheduler) == (0, "dask", "tcp://h:1")
    with pytest.raises(UserError, match="unknown backend 'dsk'; did you mean dask"):
        file.with_options(backend="dsk")
    with pytest.raises(UserError, match="scheduler=tcp://h:1: is for backend=dask"):
        file.with_options(backend="loky", scheduler="tcp://h:1")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("\ntrain:", "\ntrian:", "line 4: unknown key 'trian'; did you mean train"),
        ("batches: 0", "bachtes: 0", "line 5: unknown train parameter 'bachtes'; did you mean batches"),
        ("batches: 0", "batches: few", "line 5: train: Invalid value for '--batches'"),
        ("batches: 0", "batches: [3,\n     few]", "line 6: train: Invalid value for '--batches'"),
        ("batches: 0", "batches: []", "line 5: batches is an empty list"),
        ("batches: 0", "batches: 0, batches: 1", "line 5: batches is given twice in train"),
        ("task: [distance, translation], ", "", "line 5: train: Missing option '--task'"),
        ("name: small", "", "name is missing"),
        ("name: small", "name: a b", "name is missing or not of letters"),
        ("name: small", "name: small\njobs: many", "line 3: jobs: Invalid value: 'many' is not a valid integer"),
        ("name: small", "name: small\njobs: -1", "line 3: jobs: Invalid value: -1 is not in the range"),
        ("name: small", "name: small\nbackend: lock", "line 3: backend: Invalid value: 'lock' is not one of"),
        ("name: small", "name: small\ncluster: {queue: a}", "line 3: cluster needs `kind: slurm`"),
        ("name: small", "name: small\ndefaults: {devise: cpu}", "line 3: unknown parameter 'devise'; did you mean"),
        ("items: all", "items: {a: b}", "line 7: items must be a value or a list of values"),
        ("compare: {items: all}", "compare: 3", "line 7: compare needs `parameter: value` lines"),
        ("render: {", "render: {{", "is not YAML"),
    ],
)
def test_mistakes_name_line_and_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(write(tmp_path, SMALL.replace(old, new)))


# -- the plan


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


# -- running it


def test_a_study_runs_once_and_is_answered_after(registry: Path) -> None:
    path = write(registry, SMALL)
    (first,) = study(config=str(path))
    record = runs.get(first)
    assert record.status == "FINISHED" and record.entry == "study" and record.studies == ("small",)
    counts = [len(runs.find(entry=entry, status="FINISHED")) for entry in ("render", "train", "score", "compare")]
    assert counts == [1, 2, 2, 1]
    assert all("small" in run.studies for run in runs.find())
    made = {run.id for run in runs.find() if run.entry != "extract"}  # what a score gathers on its way
    assert set(record.parents) == made - {first}
    total = len(runs.find())
    assert study(config=str(path)) == [first] and len(runs.find()) == total
    (registry / "reports" / "small" / "report.html").unlink()
    again = study(config=str(path))
    assert again != [first] and (registry / "reports" / "small" / "report.html").is_file()


def test_a_finished_study_is_answered_without_a_call_and_without_torch(fake: Path) -> None:
    (first,) = study(config=str(fake), package=FAKES)
    fake_steps.CALLS.unlink()
    code = (
        "import sys, time, mlflow; started = time.process_time(); from mlspatial.study import study; "
        f"print(study(config={str(fake)!r}, package={FAKES!r}), time.process_time() - started, 'torch' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    answer, seconds, torch = told.stdout.rsplit(maxsplit=2)
    assert answer == str([first]) and torch == "False" and float(seconds) < 12
    assert not fake_steps.CALLS.exists()
    fake.write_text(fake.read_text().replace("seed: [0, 1]", "seed: [0, 1, 2]"))
    study(config=str(fake), package=FAKES)
    assert calls("train") == ["distance|translation 2 None"] or calls("train")[0].startswith("distance|translation 2")
    assert len(calls("score")) == 2 and len(calls("similarity")) == len(calls("compare")) == 1


def test_networks_share_batches_as_the_file_wants(fake: Path) -> None:
    study(config=str(fake), package=FAKES)
    assert [line.split()[:2] for line in calls("train")] == [["distance|translation", "0,1"], ["rotation", "0"]]
    fake.write_text(fake.read_text().replace("seed: [0, 1]", "seed: [2, 3, 4]"))
    study(config=str(fake), package=FAKES, together=2)
    shared = [line.split()[:2] for line in calls("train")][2:]
    assert shared == [["distance", "2,3"], ["distance|translation", "4"], ["translation", "2,3"]]


def test_data_that_come_later_are_noticed(fake: Path, registry: Path) -> None:
    fake.write_text(fake.read_text().replace("somewhere", "'somewhere,recordings?'"))
    study(config=str(fake), package=FAKES)
    assert len(calls("score")) == 7
    study(config=str(fake), package=FAKES)
    assert len(calls("score")) == 8  # one asks again and is answered
    (registry / "recordings").touch()
    study(config=str(fake), package=FAKES)
    assert len(calls("score")) == 13 and len(runs.find(entry="score")) == 12


def test_what_another_process_is_making_is_waited_for(fake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlspatial.study.execution.BUSY_SECONDS", 0.2)
    study(config=str(fake), package=FAKES)
    spec = runs.find(entry="train", where="params.`cfg.task` = 'rotation'")[0]
    lock = Path(os.environ["MLSPATIAL_CACHE"]) / "locks" / f"{spec.spec}.lock"
    code = "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire(); "
    code += "print('held', flush=True); time.sleep(2)"
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE)
    assert holder.stdout and holder.stdout.readline() == b"held\n"
    fake.write_text(fake.read_text().replace("name: fake", "name: other"))
    started = time.monotonic()
    assert runs.get(study(config=str(fake), package=FAKES)[0]).status == "FINISHED"
    assert time.monotonic() - started > 1 and len(calls("train")) > 4
    holder.wait()


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


FAILING = """
  - {task: distance, lr: 13, batches: 2}
  - {task: distance, lr: 14, batches: 2}
  - {task: distance, lr: 15, batches: 2}
score:
  - {models: "task=identity", benchmarks: nowhere}"""


def test_failures_stop_nobody_else(fake: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two workers; one call raises, one is a mistake, one's process dies and is tried again."""
    fake.write_text(fake.read_text().replace("\nscore:", FAILING))
    with pytest.raises(Unfinished, match="3 failed and 2 left out of 18") as failed:
        study(config=str(fake), package=FAKES, jobs=2)
    assert failed.value.exit_code == 1
    told = capfd.readouterr().err
    assert "failed: train dataset=" in told and "(line 7): RuntimeError: the loss ran away" in told
    assert "(line 9): lr=15.0: is no learning rate" in told and "RuntimeError: the loss ran away\n" in told
    assert "(line 11): models=task=identity: the registry holds no network" in told
    assert "skipped: similarity" in told and "lr=13" not in [call.split()[0] for call in calls("score")]
    statuses = Counter((run.entry, run.status) for run in runs.find())
    assert (
        statuses["train", "FINISHED"] == 6 and statuses["train", "FAILED"] == 1 and statuses["score", "FINISHED"] == 8
    )
    assert (
        statuses["compare", "FINISHED"] == 1
        and statuses["study", "FAILED"] == 1
        and ("train", "RUNNING") not in statuses
    )
    assert len(Path("reports/fake/report.html").read_text().split()) == 14
    assert {threads for *_, threads in map(str.split, calls("train"))} == {str(max(1, workers.cores() // 2))}
    before = len(calls("score"))
    with pytest.raises(SystemExit) as ended:
        finish("study", study, config=str(fake), package=FAKES, jobs=2)
    assert ended.value.code == 1 and len(calls("score")) == before
    assert capfd.readouterr().err.splitlines()[-1].startswith("study: 3 failed and 2 left out of 18; the same command")


def test_a_score_begins_when_its_network_is_there(fake: Path) -> None:
    text = (
        fake.read_text()
        .replace("{task: rotation, ", "{task: rotation, lr: 0.5, ")
        .replace('"5,10", batches: 20', '"5,10", batches: 600')
    )
    fake.write_text(text)
    study(config=str(fake), package=FAKES, jobs=2)
    lines = [line.split() for line in fake_steps.CALLS.read_text().splitlines()]
    when = {what: [float(line[0]) for line in lines if line[2] == what] for what in ("train", "trained", "score")}
    assert min(when["score"]) < max(when["trained"]) < max(when["score"])
    assert len({line[1] for line in lines}) == 2


# -- kills


def start(config: Path, **options: object) -> subprocess.Popen[bytes]:
    given = {"config": str(config), "package": FAKES, **options}
    code = f"from mlspatial.study import study; study(**{given!r})"
    return subprocess.Popen([sys.executable, "-c", code], env=environment(), stderr=subprocess.DEVNULL)


def wait_until(condition: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_killed_at_any_moment_it_ends_as_if_undisturbed(fake: Path, registry: Path) -> None:
    moments = random.Random(5)
    for number, how in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGKILL)):
        before = len(calls("train")) + len(calls("score"))
        process = start(fake, jobs=2)
        wait_until(
            lambda before=before, process=process: (
                len(calls("train")) + len(calls("score")) > before or process.poll() is not None
            )
        )
        time.sleep(moments.uniform(0, 0.3))
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(how)
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive, f"kill {number} leaves {alive}"
    if process.returncode:
        assert runs.find(entry="study")[0].status in ("RUNNING", "KILLED")
    study(config=str(fake), package=FAKES, jobs=2)
    disturbed = outcome()
    report = Path("reports/fake/report.html").read_text()
    assert len(runs.find(entry="study", status="FINISHED")) == 1 and len(select("study=fake,step=all")) == 7
    Path("reports/fake/report.html").unlink()
    for run in runs.find():
        client().delete_run(run.id)
    study(config=str(fake), package=FAKES)
    assert outcome() == disturbed and Path("reports/fake/report.html").read_text() == report


# -- dask


@pytest.mark.slow
def test_a_dask_cluster_makes_the_same(fake: Path, registry: Path) -> None:
    fake.write_text(fake.read_text().replace("\nscore:", "\n  - {task: distance, lr: 14, batches: 2}\nscore:"))
    study(config=str(fake), package=FAKES, jobs=2, backend="dask")
    lines = [line.split() for line in fake_steps.CALLS.read_text().splitlines()]
    assert len({line[1] for line in lines}) == 3  # two processes, and one in place of the one that died
    found = outcome()
    assert len(select("study=fake")) == 6
    assert study(config=str(fake), package=FAKES)[0] == runs.find(entry="study")[0].id
    assert outcome() == found


@pytest.mark.slow
def test_nothing_goes_on_when_a_study_on_dask_is_killed(fake: Path) -> None:
    """On a scheduler of its own, which lives on: its workers give up what nobody waits for."""
    from distributed import LocalCluster

    fake.write_text(fake.read_text().replace("batches: 20", "batches: 6000"))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        process = start(fake, scheduler=cluster.scheduler_address)
        wait_until(lambda: len(calls("train")) == 2, 120)
        process.kill()
        process.wait()
        wait_until(lambda: {run.status for run in runs.find(entry="train")} <= ENDED)


def test_json_of_a_killed_journal_is_ignored(fake: Path) -> None:
    study(config=str(fake), package=FAKES)
    from mlspatial.study.memory import Memory

    memory = Memory("fake")
    with memory.file.open("a") as file:
        file.write('{"half a li')
    assert Memory("fake").known == memory.known and json.dumps(memory.known)


def test_gpus_are_given_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    workers.gpus.cache_clear()
    try:
        found = [workers.environment(2, number) for number in range(3)]
        assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == ["3", "5", "3"]
        assert {one["OMP_NUM_THREADS"] for one in found} == {"2"}
        assert "CUDA_VISIBLE_DEVICES" not in workers.environment(2, 0, devices=False)
    finally:
        workers.gpus.cache_clear()


# -- the studies that come with this


def counts(path: Path) -> Counter[str]:
    """Calls by entry; of score and decode one a network."""
    found: Counter[str] = Counter()
    for job in make_plan(load(path)).jobs:
        found[job.entry] += job.networks if job.divided else 1
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_studies_are_valid(path: Path, registry: Path) -> None:
    file = load(path)
    entries = {step.entry for step in file.steps}
    assert file.name == path.stem and entries >= {"score", "compare"} and ("train" in entries) == ("render" in entries)
    plan = make_plan(file)
    assert all(train.needs and train.needs[0].entry == "render" for train in plan.of("train"))
    for kind in ("score", "similarity", "decode") if plan.of("train") else ():
        assert all(job.networks > 1 for job in plan.of(kind))


def test_the_published_study_is_all_there(registry: Path) -> None:
    """Against the conditions of Xie et al. 2025: tables C.1-C.3, figures 2-5, C.1-C.7, D.1-D.6, E.1-E.3."""
    tasks, few, fractions = 10, 5, 9
    of_18 = tasks * 8 + few * 8 + 5 + (5 + 4 + 3) * 6
    of_50 = tasks * 5 + few * 5 + 5 + 5 * fractions * 3
    checkpoints = 5 * 5 * 12  # tasks of table C.3, seeds, before the last of 13
    plan = make_plan(load(ROOT / "studies" / "xie2025.yaml"))
    trains = [job.parameters for job in plan.of("train")]
    assert Counter(p["arch"] for p in trains) == {"resnet18": of_18, "resnet50": of_50}
    found = counts(ROOT / "studies" / "xie2025.yaml")
    imagenet, control = 2, (5 + 4 + 3) * 6
    assert found["score"] == of_18 + of_50 + checkpoints + imagenet
    assert found["decode"] == control + 5 and plan.of("similarity")[0].networks == of_18
    assert found["render"] == 9 and {job.size for job in plan.of("train")} == {224}
    published = {("resnet18", 500_000), ("resnet50", 1_000_000)}
    for arch, batches in published:
        main = [p for p in trains if (p["arch"], p["batches"], p["dataset"]) == (arch, batches, "xie117")]
        assert len({p["task"] for p in main}) == tasks and {p["lr"] for p in main} == {1e-3}
        assert {p["batch_size"] for p in main} == {64}
    scaling = [p for p in trains if p["dataset"] == "xie100m"]
    assert {p["batches"] for p in scaling} == {1_500_000} and len({p["fraction"] for p in scaling}) == fractions
    assert {p["batches"] for p in trains if p["dataset"] in ("xie1", "xie117_still")} == {200_000}


def pid_of_a_process_of_its_own() -> int:
    with worker_processes(1) as pool:
        return pool.submit(os.getpid).result()


def test_a_call_in_a_worker_may_start_processes(tmp_path: Path) -> None:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    settings = (os.getpid(), str(tmp_path))
    with ProcessPoolExecutor(1, initializer=begin, initargs=settings, env=workers.environment(1, 0)) as pool:
        assert pool.submit(pid_of_a_process_of_its_own).result() != pool.submit(os.getpid).result()


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
