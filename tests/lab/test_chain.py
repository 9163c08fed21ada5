"""The whole chain through a lab's server: one person through SLURM, another from a folder and a cache of his own."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest

from mlspatial.registry import runs
from tests.lab.people import QUEUE, STUDY, Person, until
from tests.lab.services import Lab, program

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]
CHAIN = {"render": 1, "train": 2, "score": 3, "similarity": 1, "decode": 3}


def slurm(here: Lab, *words: str) -> str:
    environment = here.client("ann")
    command = [program(words[0]), *words[1:]]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def made(status: str = "FINISHED") -> Counter[str]:
    return Counter(run.entry for run in runs.find(status=status) if run.entry in CHAIN)


def test_a_study_through_the_queue_loses_nothing_with_a_job_that_is_cancelled(here: Lab) -> None:
    ann = Person(here, "ann")
    path = ann.write("study.yaml", STUDY.format(name="chain", cluster=QUEUE, shared=here.folder / "shared"))
    process = ann.start("study", "--config", str(path))
    try:
        until(lambda: process.poll() is not None or made()["render"])
        assert process.poll() is None, ann.said()
        first = until(lambda: slurm(here, "squeue", "-h", "-t", "R", "-o", "%i").split())
        slurm(here, "scancel", min(first, key=int))
        assert process.wait(600) == 0, ann.said()
    finally:
        process.kill()
    jobs = slurm(here, "squeue", "-h", "-t", "all", "-o", "%i %T").splitlines()
    assert len(jobs) >= 3, jobs  # the cancelled one was replaced
    until(lambda: not slurm(here, "squeue", "-h"), 60)
    assert made() == CHAIN and not made("RUNNING")
    assert len({run.spec for run in runs.find(status="FINISHED") if run.entry in CHAIN}) == sum(CHAIN.values())
    train = runs.find(entry="train")[0]
    assert train.artifacts.startswith("mlflow-artifacts:/") and train.tags["mlflow.user"] == "ann"
    assert (ann.folder / "reports" / "chain" / "report.html").is_file()


def test_a_second_person_makes_nothing_again(here: Lab) -> None:
    """bob may read ann's runs and change none; he has her study file, and no cache."""
    before = {run.id for run in runs.find(status="FINISHED") if run.entry in CHAIN}
    bob = Person(here, "bob")
    path = bob.write("study.yaml", STUDY.format(name="chain", cluster="", shared=here.folder / "shared"))
    bob.run("study", "--config", str(path))
    assert {run.id for run in runs.find(status="FINISHED") if run.entry in CHAIN} == before
    assert (bob.folder / "reports" / "chain" / "report.html").is_file()
    ids, said = bob.run("train", "--task", "distance", "--dataset", "tiny", "--arch", "resnet18w8", "--batches", "20",
                        "--batch_size", "8", "--checkpoints", "10", "--study", "of_bob")  # fmt: skip
    assert set(ids) <= before and "you may not name it part of study of_bob" in said
    assert not [one for one in ids if "of_bob" in runs.get(one).studies]


ON = ("--models", "study=chain", "--layers", "layer4.0.relu")
IMAGES = ("--dataset", "tiny", "--stimuli", "heldout:40")
NEW = [
    ("score", *ON, "--benchmarks", "simulated_v1"),
    ("similarity", *ON, *IMAGES),
    ("decode", *ON, *IMAGES, "--latents", "x", "--folds", "2"),
]


def test_what_a_second_person_measures_on_the_networks_of_the_first_goes_into_runs_of_his_own(here: Lab) -> None:
    """Through the server alone: no request goes to the object store. MLflow takes a link from a network to a run for a
    change of both, which bob may not make."""
    log = here.folder / "mlflow.log"
    before = len(log.read_text())
    bob = Person(here, "bob", MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD="false")
    for words in NEW:
        ids, said = bob.run(*words)
        assert ids and "belongs to somebody else: its page will not show" in said
        assert {runs.get(one).tags["mlflow.user"] for one in ids} == {"bob"}
        assert {runs.get(one).status for one in ids} == {"FINISHED"} and any(runs.get(one).metrics for one in ids)
    requests = log.read_text()[before:]
    assert "/mlflow-artifacts/artifacts/" in requests and "/presigned/" not in requests


def test_both_add_networks_of_one_name(here: Lab) -> None:
    words = ("train", "--task", "distance", "--dataset", "tiny", "--arch", "resnet18w8", "--batches", "10",
             "--batch_size", "8", "--seed")  # fmt: skip
    ann, bob = Person(here, "ann"), Person(here, "bob")
    other = ann.start(*words, "1")
    bob.run(*words, "2")
    assert other.wait(300) == 0, ann.said()
    from mlspatial.registry.models import select

    found = {(network.name, network.seed) for network in select("task=distance,dataset=tiny,seed=1|2")}
    assert found == {("resnet18w8.tiny.distance", 1), ("resnet18w8.tiny.distance", 2)}


def test_a_search_goes_on_in_the_hands_of_another(here: Lab) -> None:
    """ann makes the first trial; bob, with the same storage, the second: the search has both."""
    words = ("tune", "--task", "distance", "--dataset", "tiny", "--arch", "resnet18w8", "--batches", "10",
             "--batch_size", "8", "--storage", f"sqlite:///{here.folder}/shared/optuna.db", "--trials")  # fmt: skip
    searches = []
    for name, trials in (("ann", 1), ("bob", 2)):
        before = {run.id for run in runs.find(entry="train")}
        ids, _ = Person(here, name).run(*words, str(trials))
        new = [run for run in runs.find(entry="train") if run.id not in before]
        assert [run.tags["mlflow.user"] for run in new] == [name]
        searches.append(runs.get(ids[-1]))
    assert [run.entry for run in searches] == ["tune", "tune"]
    assert [(run.tags["mlflow.user"], run.metrics["trials.done"]) for run in searches] == [("ann", 1), ("bob", 2)]
