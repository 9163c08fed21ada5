"""train as a step: what a run is named by and remembers, parameters that contradict, what a call leaves in torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from entrypoints import train as entry
from entrypoints import tune as tune_entry
from mlspatial.core.errors import BadValue
from mlspatial.core.latents import LatentSchema
from mlspatial.core.manifest import Manifest
from mlspatial.core.names import cache_folder
from mlspatial.data.loader import Loader
from mlspatial.registry import runs, source
from mlspatial.registry.models import select
from mlspatial.steps import train as step
from mlspatial.tasks import Task
from mlspatial.train import loop
from mlspatial.train.ranks import Group
from mlspatial.train.settings import PRECISIONS
from tests.analysis.test_device import switches
from tests.train.test_ranks import become, free_port, run

OPTIONS = {"arch": "resnet18", "order_seed": 0, "batches": 300, "batch_size": 64, "lr": 1e-3, "weight_decay": 0.0,
           "augment": "none", "input_size": 0, "checkpoints": "", "evaluations": "", "fraction": 1.0, "init": "random",
           "device": "cpu", "precision": "float32", "compile": False, "deterministic": False, "cache": "auto",
           "workers": 2}  # fmt: skip
SMALL = OPTIONS | {"batches": 2, "batch_size": 8, "input_size": 32, "workers": 1}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[runs.Spec]:
    """The specs that train asks for, each of which is answered; dataset "fixed" is always the same."""
    manifest = Manifest("fixed", {"size": 48}, LatentSchema(()), {})
    found: list[runs.Spec] = []

    @contextmanager
    def answered(spec: runs.Spec, **_: Any) -> Iterator[runs.Run]:
        found.append(spec)
        yield runs.Run(f"run {len(found)}", answered=True)

    monkeypatch.setattr(runs, "open_run", answered)
    monkeypatch.setattr(
        step, "_source", lambda name: step.TrainingSet(Path(), manifest, None, name.startswith(step.LIVE))
    )
    return found


def ask(**changes: Any) -> list[str]:
    return step.train(**{"task": "distance", "dataset": "fixed", "seed": 0, **OPTIONS, **changes})


def test_finished_runs_of_one_process_still_answer(asked: list[runs.Spec], monkeypatch: pytest.MonkeyPatch) -> None:
    """The ids that these parameters had before ranks were counted."""
    ask()
    ask(device="auto", workers=8, cache="none", resume=False)
    ask(precision="bfloat16")
    ask(schedule="constant", hidden=False)  # which came later
    ids = ["938b1b8cf5ebad22", "938b1b8cf5ebad22", "b83d89f1996f5fec", "938b1b8cf5ebad22"]
    assert [spec.id for spec in asked] == ids and "schedule" not in asked[-1].cfg
    ask(schedule="one_cycle")
    ask(hidden=True)
    assert len({spec.id for spec in asked}) == 4 and asked[-2].cfg["schedule"] == "one_cycle"


def test_what_was_drawn_by_the_number_of_the_batch_alone_does_not_answer(asked: list[runs.Spec]) -> None:
    """Until then, networks of all seeds were augmented alike; the id is that of augment=colour before."""
    ask(augment="colour")
    (spec,) = asked
    before = {name: value for name, value in spec.cfg.items() if name != "augment_version"}
    assert runs.Spec("train", 3, spec.inputs, before, spec.free).id == "85db892e6486d427" != spec.id


def test_another_number_of_ranks_is_another_network(asked: list[runs.Spec], monkeypatch: pytest.MonkeyPatch) -> None:
    for world in (1, 2, 4):

        @contextmanager
        def group_of(device: str, world: int = world) -> Iterator[Group]:
            group = Group(0, world, device)
            monkeypatch.setattr(Group, "lead", lambda self, work: work())
            yield group

        monkeypatch.setattr("mlspatial.train.ranks.group_of", group_of)
        ask(seeds="0,1")
    assert len({spec.id for spec in asked}) == 6
    assert [spec.cfg.get("ranks") for spec in asked] == [None, None, 2, 2, 4, 4]


def test_every_precision_is_another_network(asked: list[runs.Spec]) -> None:
    assert tuple(loop.PRECISIONS) == PRECISIONS
    for precision in PRECISIONS:
        ask(precision=precision)
    assert len({spec.id for spec in asked}) == len(asked) == 4  # and a finished one answers without a GPU


def test_a_run_remembers_versions_device_and_precision(
    registry: Path, small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train(**changes: Any) -> runs.RunRecord:
        (run_id,) = step.train(task="distance", dataset=str(small_dataset), seed=0, **{**SMALL, **changes})
        return runs.get(run_id)

    tags = train(precision="bfloat16").tags
    installed = {"torch": "torch", "torchvision": "torchvision", "scikit_learn": "scikit-learn", "numpy": "numpy",
                 "mlflow": "mlflow"}  # fmt: skip
    assert {name: tags[f"mlspatial.{name}"] for name in installed} == {
        name: metadata.version(package) for name, package in installed.items()
    }
    assert (tags["mlspatial.device"], tags["mlspatial.precision"]) == ("cpu", "bfloat16")

    def stop(step: int, metrics: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(source, "versions", lambda: {"mlspatial.torch": "1.13.1"})
        train(evaluations="1", report=stop)
    resumed = train(evaluations="1").tags
    assert resumed[runs.RESUMED] == "1" and resumed["mlspatial.torch"] == f"1.13.1, {metadata.version('torch')}"
    assert resumed["mlspatial.device"] == "cpu" and resumed["mlspatial.numpy"] == metadata.version("numpy")


def test_joined_tags_keep_the_order_in_which_things_came() -> None:
    before = {"a": "1", "b": "1, 2"}
    assert source.joined(before, {"a": "1", "b": "3", "c": "4"}) == {"a": "1", "b": "1, 2, 3", "c": "4"}


CONTRADICTIONS = [
    (["--seed", "3", "--seeds", "0-5"], "seed=3: contradicts seeds=0-5; give one of the two"),
    (["--dataset", "live:fixed", "--fraction", "0.5"], "fraction=0.5: has no meaning for dataset=live:"),
    (["--fraction", "nan"], "fraction=nan: must be a number"),
    (["--lr", "nan"], "lr=nan: must be a number"),
    (["--weight_decay", "nan"], "weight_decay=nan: must be a number"),
    (["--workers", "0"], "workers=0: must be 1 or more threads"),
    (["--order_seed", "-1"], "order_seed=-1: must be at least 0"),
    (["--seed", str(2**31)], f"seed={2**31}: must be at least -{2**31} and below {2**31}"),
    (["--batches", "5", "--checkpoints", "3,6"], "checkpoints=6: must lie between 0 and batches=5"),
    (["--batches", "0", "--checkpoints", "3"], "checkpoints=3: must lie between 0 and batches=0"),
    (["--evaluations", "x"], "evaluations=x: must be a comma list"),
    (["--schedule", "cosine"], "schedule=cosine: must be one of constant, one_cycle"),
    (["--arch", "resnet18w0"], "arch=resnet18w0: is not resnet18wN with N channels from 1 to 1024"),
]
IDLE = [
    (["--batches", "0", "--lr", "0.01", "--augment", "colour"], ["batches=0 trains nothing; lr=0.01, augment=colour"]),
    (["--batches", "0", "--schedule", "one_cycle"], ["batches=0 trains nothing; schedule=one_cycle"]),
    (["--batches", "0", "--fraction", "0.5"], ["batches=0 trains nothing; fraction=0.5"]),
    (["--dataset", "live:fixed", "--cache", "memory"], ["cache=memory keeps nothing"]),
    (["--dataset", "live:fixed", "--order_seed", "2"], ["order_seed=2 orders nothing"]),
    (["--dataset", "live:fixed", "--order_seed", "2", "--augment", "colour"], []),  # which draws by it
    (["--dataset", "live:fixed", "--cache", "none"], []),
    (["--order_seed", "2", "--cache", "memory", "--seeds", "0-2", "--seed", "0"], []),
    (["--batches", "0", "--seeds", "0-2"], []),
]


def command(*arguments: str) -> tuple[int, list[str]]:
    given = [] if "--dataset" in arguments else ["--dataset", "fixed"]
    result = CliRunner().invoke(entry.main, ["--task", "distance", *given, *arguments], catch_exceptions=False)
    return result.exit_code, [line for line in result.stderr.splitlines() if line.strip()]


@pytest.mark.parametrize(("arguments", "words"), CONTRADICTIONS, ids=lambda value: "".join(value))
def test_a_contradiction_gets_one_line_before_any_run(asked: list[runs.Spec], arguments: list[str], words: str) -> None:
    code, lines = command(*arguments)
    assert code == 2 and len(lines) == 1 and lines[0].startswith(f"train: {words}"), lines
    assert not asked


def test_a_device_that_is_not_there_gets_one_line(asked: list[runs.Spec], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    said = "train: device=mps: torch sees no GPU of Apple's here; use device=cpu"
    assert command("--device", "mps") == (2, [said]) and not asked


@pytest.mark.parametrize(("arguments", "words"), IDLE, ids=lambda value: "".join(value))
def test_what_changes_nothing_is_named(asked: list[runs.Spec], arguments: list[str], words: list[str]) -> None:
    code, lines = command(*arguments)
    assert code == 0 and len(lines) == len(words) and asked
    assert all(line.startswith(f"train: {start}") for line, start in zip(lines, words, strict=True)), lines


def test_the_advice_works(asked: list[runs.Spec]) -> None:
    """One of the two, as MLflow passes it: with the other's default."""
    for arguments in (["--seed", "3", "--seeds", ""], ["--seed", "0", "--seeds", "0-5"]):
        assert command(*arguments)[0] == 0
    assert [spec.cfg["seed"] for spec in asked] == [3, 0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("precision", "words"),
    [("float16", "is for NVIDIA's GPUs"), ("tf32", "is for NVIDIA's GPUs")],
)
def test_precisions_of_gpus_are_refused_elsewhere(
    registry: Path, small_dataset: Path, precision: str, words: str
) -> None:
    with pytest.raises(BadValue, match=f"precision={precision}: {words}"):
        step.train(task="distance", dataset=str(small_dataset), seed=0, **{**SMALL, "precision": precision})
    assert not runs.find(status="FINISHED") and not runs.find(status="RUNNING")
    code = CliRunner().invoke(
        tune_entry.main, ["--task", "distance", "--dataset", str(small_dataset), "--precision", precision]
    )
    assert code.exit_code == 2 and words in code.stderr and not runs.find(entry="tune")


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("changes", [{}, {"deterministic": True}, {"precision": "tf32"}, {"precision": "bfloat16"}])
def test_a_call_leaves_nothing_in_the_process(
    registry: Path, small_dataset: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], fails: bool
) -> None:
    monkeypatch.setattr(
        "mlspatial.train.settings.has_tf32", lambda device: True
    )  # a CPU ignores the switch, but it can be read
    seen: list[dict[str, Any]] = []
    descend = loop.Network.descend

    def watched(self: loop.Network, *arguments: Any) -> None:
        seen.append(switches())
        descend(self, *arguments)
        if fails:
            raise ZeroDivisionError

    monkeypatch.setattr(loop.Network, "descend", watched)
    evaluated: list[dict[str, Any]] = []
    metrics = Task.metrics
    monkeypatch.setattr(Task, "metrics", lambda *given: (evaluated.append(switches()), metrics(*given))[1])
    before, state = switches(), torch.get_rng_state()
    try:
        step.train(task="distance", dataset=str(small_dataset), seed=0, **{**SMALL, **changes})
    except ZeroDivisionError:
        assert fails
    assert switches() == before and torch.equal(torch.get_rng_state(), state)
    assert {inside["all"] for inside in seen} == {"tf32" if "tf32" in changes.values() else "ieee"}
    assert {inside["deterministic"] for inside in seen} == {bool(changes.get("deterministic"))}
    assert {inside["benchmark"] for inside in seen} == {not changes.get("deterministic")}
    assert {inside["all"] for inside in evaluated} <= {"ieee"} and bool(evaluated) != fails


def test_seeding_leaves_gpus_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.manual_seed seeds all GPUs of the machine, also those that are in use for something else."""
    seeded: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    loop._seed(3, torch.device("cpu"))
    known = torch.rand(2)
    torch.default_generator.manual_seed(3)
    assert torch.equal(torch.rand(2), known) and not seeded

    class Generator:
        def manual_seed(self, seed: int) -> None:
            seeded.append(seed)

    monkeypatch.setattr(torch.cuda, "default_generators", (None, Generator()))
    loop._seed(5, torch.device("cuda", 1))
    assert seeded == [5]


def test_a_network_of_two_processes(registry: Path, small_dataset: Path) -> None:
    """The whole step, as torchrun starts it: one run, which says by how many it was made."""
    (registry / "cache").mkdir()
    assert run(as_rank, small_dataset, registry, free_port()) == [0, 0]
    (record,) = runs.find(entry="train")
    assert record.status == "FINISHED" and record.cfg["ranks"] == "2"
    (network,) = select("task=distance")
    assert network.run_id == record.id and (registry / "ids0").read_text() == record.id
    assert (registry / "ids1").read_text() == ""


def as_rank(number: int, folder: Path, out: Path, port: int) -> None:
    os.chdir(out)
    os.environ |= {"MLFLOW_TRACKING_URI": f"sqlite:///{out}/mlflow.db", "MLFLOW_EXPERIMENT_NAME": "test"}
    os.environ |= {"MLSPATIAL_CACHE": str(out / "cache")}
    become(number, port)
    found = step.train(task="distance", dataset=str(folder), seed=0, **SMALL)
    (out / f"ids{number}").write_text(",".join(found))


def test_parameters_reach_the_loop() -> None:
    given = {"lr": 0.25, "weight_decay": 0.125, "precision": "tf32", "augment": "colour", "compile": True,
             "deterministic": True}  # fmt: skip
    cfg = OPTIONS | given | {"batches": 9, "order_seed": 4, "checkpoints": "8,3", "evaluations": "5"}
    settings = step.settings_of(cfg)
    assert settings == loop.Settings(9, 0.25, 0.125, (3, 8), (5,), "tf32", "colour", 4, True, True)
    published = step.settings_of(OPTIONS)
    assert (published.lr, published.weight_decay, published.precision) == (0.001, 0.0, "float32")  # Xie et al. 2025


class Watched:
    """The first batches that networks see, and at which step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int = -1) -> None:
        self.steps: list[int] = []
        self.z: list[torch.Tensor] = []
        descend = loop.Network.descend

        def watched(network: loop.Network, images: torch.Tensor, columns: Any, precision: str) -> None:
            if network.step == stop_at:
                raise KeyboardInterrupt
            self.steps.append(network.step)
            self.z.append(columns["z"])
            descend(network, images, columns, precision)

        monkeypatch.setattr(loop.Network, "descend", watched)


def test_the_order_of_images_is_order_seeds_alone(
    registry: Path, small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = Manifest.load(small_dataset)
    for order_seed, seed in ((0, 1), (5, 1), (5, 2)):
        with monkeypatch.context() as patch:
            seen = Watched(patch)
            changes = {**SMALL, "order_seed": order_seed}
            step.train(task="distance", dataset=str(small_dataset), seed=seed, **changes)
        loader = Loader(small_dataset, manifest, "train", columns=("z",), batch_size=8, seed=order_seed)
        expected = [torch.as_tensor(batch.columns["z"]) for batch, _ in zip(loader.endless(), range(2), strict=False)]
        assert all(torch.equal(one, other) for one, other in zip(seen.z, expected, strict=True))


@pytest.mark.parametrize("resume", [True, False])
def test_states_belong_to_killed_runs(
    registry: Path, small_dataset: Path, monkeypatch: pytest.MonkeyPatch, resume: bool
) -> None:
    def train(**changes: Any) -> list[str]:
        options = {**SMALL, "batches": 4, "checkpoints": "2", **changes}
        return step.train(task="distance", dataset=str(small_dataset), seed=0, **options)

    def states() -> set[Path]:
        return set(cache_folder("train").glob("*"))

    before = states()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        Watched(patch, stop_at=3)
        train()
    (state,) = states() - before
    assert torch.load(state, weights_only=True)["step"] == 2
    with monkeypatch.context() as patch:
        seen = Watched(patch)
        (run_id,) = train(resume=resume)
    assert seen.steps == ([2, 3] if resume else [0, 1, 2, 3]) and states() == before
    state.write_bytes(b"not of this run")
    with monkeypatch.context() as patch:
        seen = Watched(patch)
        (again,) = train(force=True)
    assert seen.steps == [0, 1, 2, 3] and again != run_id and states() == before
    assert runs.get(again).model_id == runs.get(run_id).model_id
