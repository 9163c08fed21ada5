"""A study's file: what it may say, mistakes with their lines, and the files that come with this."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from mlspatial.core.errors import UserError
from mlspatial.study import load, make_plan
from mlspatial.study.memory import code_hash
from tests.study.examples import ROOT, SMALL, write


def test_lists_are_crossed_and_defaults_filled_in(tmp_path: Path) -> None:
    file = load(write(tmp_path, SMALL.replace("seed: [0]", "seed: [0, 1]")))
    steps = file.steps
    assert file.name == "small" and [step.entry for step in steps] == ["render", *["train"] * 4, "score", "compare"]
    grid = [(step.parameters["task"], step.parameters["seed"]) for step in steps if step.entry == "train"]
    assert grid == [("distance", 0), ("distance", 1), ("translation", 0), ("translation", 1)]
    assert steps[0].parameters["rotation"] == "clamped45" and steps[1].parameters["lr"] == 1e-3
    assert (file.jobs, file.backend, file.together) == (1, "loky", 0)


def test_a_file_that_holds_a_password_is_refused_with_its_line(tmp_path: Path) -> None:
    word = "hunter" + "2hunter2"
    for line in (
        f'cluster: {{kind: slurm, job_script_prologue: ["export MLFLOW_TRACKING_PASSWORD={word}"]}}',
        f"tune: {{task: distance, storage: 'postgresql://me:{word}@host/optuna'}}",
        f"cluster: {{kind: slurm, password: {word}}}",
        f"# password: {word}",
    ):
        with pytest.raises(
            UserError, match=r"study.yaml, line 2: holds a password.*MLFLOW_TRACKING_PASSWORD"
        ) as problem:
            load(write(tmp_path, f"name: leaky\n{line}\n"))
        assert word not in str(problem.value) and "\n" not in str(problem.value)
    advice = 'cluster: {kind: slurm, job_script_prologue: [". ~/mlflow.sh", "export MLFLOW_TRACKING_PASSWORD=$WORD"]}'
    assert load(write(tmp_path, f"name: tight\nstore_patch: false\n{advice}\n")).store_patch is False


def test_whether_a_call_waits_is_told_for_all_or_one_and_is_no_parameter_of_its_result(tmp_path: Path) -> None:
    text = "name: waits\ndefaults: {wait: false}\ntrain:\n  - {task: distance}\n  - {task: rotation, wait: true}\n"
    steps = load(write(tmp_path, text)).steps
    assert [step.wait for step in steps] == [False, True]
    plain = load(write(tmp_path, "name: waits\ntrain: {task: distance}\n")).steps[0]
    assert plain.wait and plain.parameters == steps[0].parameters and "wait" not in plain.parameters
    with pytest.raises(UserError, match=r"line 2: .*wait=perhaps: must be true or false"):
        load(write(tmp_path, "name: waits\ntrain: {task: distance, wait: perhaps}\n"))


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
    given = file.with_options(scheduler="tcp://h:1")
    assert (given.backend, given.scheduler) == ("dask", "tcp://h:1") and file.with_options(jobs=0).jobs == 0
    with pytest.raises(UserError, match="jobs=0: has no meaning with scheduler=tcp://h:1"):
        file.with_options(jobs=0, scheduler="tcp://h:1")
    with pytest.raises(UserError, match="unknown backend 'dsk'; did you mean dask"):
        file.with_options(backend="dsk")
    for options, words in [
        (
            {"backend": "loky", "scheduler": "tcp://h:1"},
            "scheduler=tcp://h:1: is for backend=dask; leave one of the two",
        ),
        (
            {"jobs": 4, "scheduler": "tcp://h:1"},
            "jobs=4: has no meaning with scheduler=tcp://h:1, whose workers are there",
        ),
        ({"jobs": -2}, "jobs=-2: must be 0 or more"),
        ({"together": -3}, "together=-3: must be 0 or more"),
    ]:
        with pytest.raises(UserError, match=words):
            file.with_options(**options)  # type: ignore[arg-type]
    assert file.with_options(scheduler="tcp://h:1").jobs == 3  # the file's, which nobody asks for then


def test_the_command_line_wins_over_the_file(tmp_path: Path) -> None:
    there = load(write(tmp_path, SMALL.replace("name: small", "name: small\nscheduler: tcp://h:1")))
    assert (there.backend, there.scheduler) == ("dask", "tcp://h:1")
    here = there.with_options(backend="loky", jobs=2)
    assert (here.backend, here.scheduler, here.jobs) == ("loky", "", 2)
    with pytest.raises(UserError, match="jobs=2: has no meaning with scheduler=tcp://h:1"):
        there.with_options(jobs=2)
    queue = load(write(tmp_path, SMALL.replace("name: small", "name: small\njobs: 4\ncluster: {kind: slurm}")))
    assert (queue.backend, queue.jobs, queue.cluster) == ("dask", 4, {"kind": "slurm"})
    assert queue.with_options(backend="loky").cluster == {}
    running = queue.with_options(scheduler="tcp://h:1")
    assert (running.backend, running.cluster) == ("dask", {})


def test_numbers_and_yes_or_no_in_every_spelling(tmp_path: Path) -> None:
    text = SMALL.replace("n_train: 40", "n_train: 4e1").replace(
        "batches: 0", "batches: 20000.0, resume: 0, compile: True"
    )
    file = load(write(tmp_path, text.replace("name: small", "name: small\njobs: 2.0\ntogether: 1e0")))
    assert (file.jobs, file.together, file.steps[0].parameters["n_train"]) == (2, 1, 40)
    trained = file.steps[1].parameters
    assert (trained["batches"], trained["resume"], trained["compile"]) == (20000, False, True)
    assert type(trained["batches"]) is int


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("\ntrain:", "\ntrian:", "line 4: unknown key 'trian'; did you mean train"),
        ("batches: 0", "bachtes: 0", "line 5: unknown train parameter 'bachtes'; did you mean batches"),
        ("batches: 0", "batches: few", "line 5: train: batches=few: must be a whole number"),
        ("batches: 0", "batches: [3,\n     few]", "line 6: train: batches=few: must be a whole number"),
        ("batches: 0", "batches: []", "line 5: batches is an empty list"),
        ("batches: 0", "batches: 0, batches: 1", "line 5: batches is given twice in train"),
        ("task: [distance, translation], ", "", "line 5: train: task is missing"),
        ("name: small", "", "name is missing"),
        ("name: small", "name: a b", "name is missing or not of letters"),
        ("name: small", "name: small\njobs: many", "line 3: jobs=many: must be a whole number"),
        ("name: small", "name: small\njobs: -1", "line 3: jobs=-1: must be 0 or more"),
        ("name: small", "name: small\nbackend: lock", "line 3: backend=lock: must be one of loky, dask"),
        ("name: small", "name: small\ncluster: {queue: a}", "line 3: cluster needs `kind: slurm`"),
        ("name: small", "name: small\ndefaults: {devise: cpu}", "line 3: unknown parameter 'devise'; did you mean"),
        ("items: all", "items: {a: b}", "line 7: items must be a value or a list of values"),
        ("compare: {items: all}", "compare: 3", "line 7: compare needs `parameter: value` lines"),
        ("render: {", "render: {{", "is not YAML"),
        ("batches: 0", "batches: 1.5", "line 5: train: batches=1.5: must be a whole number"),
        ("name: small", "name: small\njobs: 1.5", "line 3: jobs=1.5: must be a whole number"),
        (
            "name: small",
            "name: small\nbackend: loky\nscheduler: 'tcp://h:1'",
            "line 4: scheduler is for `backend: dask`",
        ),
        ("name: small", "name: small\nbackend: loky\ncluster: {kind: slurm}", "line 4: cluster is for `backend: dask`"),
        (
            "name: small",
            "name: small\nscheduler: a\ncluster: {kind: slurm}",
            "line 4: a scheduler that runs already needs",
        ),
        ("name: small", "name: small\nscheduler: a\njobs: 3", "line 4: jobs has no meaning with a scheduler"),
    ],
)
def test_mistakes_name_line_and_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(write(tmp_path, SMALL.replace(old, new)))


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
        assert any(job.networks > 1 for job in plan.of(kind))  # one of the quick study's scores is of one network


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


def test_the_study_with_threedworld_differs_in_its_images_alone() -> None:
    """The same networks on as many images, in the same words but for names of datasets and of the study."""
    images = {"renderer": "tdw", "objects": "tdw", "environments": "tdw"}
    own = [(step.entry, step.parameters) for step in load(ROOT / "studies" / "xie2025.yaml").steps]
    found = [(step.entry, step.parameters) for step in load(ROOT / "studies" / "xie2025_tdw.yaml").steps]
    assert len(found) == len(own) > 400
    for (entry, expected), (same, parameters) in zip(own, found, strict=True):
        renamed = {
            name: re.sub(r"\bxie(?=\d+(m|_still)?\b)(?!2025)|(?<=study=)xie2025\b", _tdw, value)
            if isinstance(value, str)
            else value
            for name, value in expected.items()
        }
        assert same == entry and parameters == renamed | (images if entry == "render" else {}) | _study(parameters)


def _tdw(match: re.Match[str]) -> str:
    return "tdw" if match[0] == "xie" else "xie2025_tdw"


def _study(parameters: dict) -> dict:
    return {"study": "xie2025_tdw"} if parameters.get("study") == "xie2025_tdw" else {}


def test_two_files_of_one_name_are_told_apart_before_their_runs_mix(tmp_path: Path) -> None:
    """Who copies studies/quick.yaml and keeps its name would find the runs of both as one study."""
    from mlspatial.study.config import namesakes

    mine = write(tmp_path, SMALL)
    copy = tmp_path / "copy.yaml"
    copy.write_text(SMALL)
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "gone.yml").symlink_to(tmp_path / "nowhere")
    assert namesakes(mine, "small") == [copy] and namesakes(copy, "small") == [mine]
    copy.write_text(SMALL.replace("name: small", "name: small2 # mine"))
    assert namesakes(mine, "small") == []
    copy.write_text(SMALL.replace("name: small", "name: 'small' # a copy"))
    assert namesakes(mine, "small") == [copy]
    assert [namesakes(path, load(path).name) for path in sorted((ROOT / "studies").glob("*.yaml"))] == [[]] * len(
        list((ROOT / "studies").glob("*.yaml"))
    )


def test_the_code_that_a_study_remembers_is_that_of_the_plugins_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they were others earlier in the same process."""
    monkeypatch.delenv("MLSPATIAL_PLUGINS", raising=False)
    without = code_hash()
    (tmp_path / "mine.py").write_text("")
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(tmp_path))
    assert code_hash() != without
    monkeypatch.delenv("MLSPATIAL_PLUGINS")
    assert code_hash() == without
