"""What may go and what stays: runs that were made again, unless somebody names them; caches that can be made again."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspatial.console.clean import clean
from mlspatial.core.errors import UserError
from mlspatial.core.names import BENCHMARKS_GIVEN
from mlspatial.registry import removal, runs
from mlspatial.registry.models import load, select, versions
from mlspatial.registry.store import client
from tests import toys


def made(entry: str = "score", seed: int = 0, *, parents: tuple[str, ...] = (), force: bool = False, files: int = 1,
         fails: bool = False, **cfg: object) -> str:  # fmt: skip
    """A run with some artifacts."""
    spec = runs.Spec(entry, 1, {"seed": seed}, {"device": "cpu", **cfg})
    run_id = ""
    try:
        with runs.open_run(spec, name=f"{entry} {seed}", parents=parents, force=force) as run:
            run_id = run.id
            for number in range(files):
                run.log_text("x" * 100, f"table{number}.json")
            if fails:
                raise ValueError("no luck")
    except ValueError:
        pass
    return run_id


def going() -> set[str]:
    return {one.run.id for one in removal.superseded()}


def test_a_run_that_was_made_again_goes_and_the_newer_one_stays(registry: Path) -> None:
    old, new, other = made(), made(force=True), made(seed=1)
    failed = made(seed=2, fails=True, files=0)
    assert going() == {old}
    again = made(seed=2)
    assert again != failed and going() == {old, failed}
    (one,) = [one for one in removal.superseded() if one.run.id == old]
    assert one.by.id == new and one.size >= 100
    clean(what="runs", yes=True)
    assert {run.id for run in runs.find()} == {new, other, again}
    assert runs.finished(runs.Spec("score", 1, {"seed": 0}, {"device": "cpu"})).id == new  # type: ignore[union-attr]
    client().restore_run(old)  # as MLflow deletes: nothing is lost before its garbage is collected
    assert runs.local(old, "table0.json").is_file()


def test_nothing_goes_without_being_told(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = made(), made(force=True)
    (registry / ".cache" / "assets").mkdir(parents=True)
    clean()
    said = capsys.readouterr().out
    assert f"run {old[:8]} score 0" in said and "nothing was removed" in said and new[:8] in said
    assert {run.id for run in runs.find()} == {old, new}


@pytest.mark.parametrize("how", ["parent", "file of parents", "run's address", "answer"])
def test_a_run_that_another_names_stays(registry: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    old = made()
    if how == "parent":
        made("compare", parents=(old,))
    elif how == "file of parents":
        monkeypatch.setattr(runs, "MAX_TAG", 10)
        made("compare", parents=(old,))
    elif how == "run's address":
        made("decode", models=f"runs:/{old}/model,models:/m-1")
    else:  # what `mlflow run` has opened points to the run that answered
        mine = client().create_run(client().get_experiment_by_name("test").experiment_id).info.run_id
        monkeypatch.setenv("MLFLOW_RUN_ID", mine)
        assert made() == old
    made(force=True)
    assert going() == set()


def test_what_a_superseded_run_alone_needs_goes_with_it(registry: Path) -> None:
    first = made("extract")
    user = made("score", parents=(first,))
    again = made("extract", force=True)
    assert going() == set()
    made("score", parents=(again,), force=True)
    assert going() == {first, user}


def test_a_run_with_more_than_its_successor_stays(registry: Path) -> None:
    made(files=2)
    made(files=1, force=True)
    assert going() == set()


def test_a_killed_run_and_what_it_needs_stay(registry: Path) -> None:
    needed = made("extract")
    with pytest.raises(runs.Stopped), runs.open_run(runs.Spec("score", 1, {}, {}), name="s", parents=[needed]):
        raise runs.Stopped("later")
    made("extract", force=True)
    assert going() == set()
    assert removal.over() == set()


def _train_again(registry: Path) -> tuple[str, str]:
    old = toys.trained(seed=0)
    cfg = {"task": "distance", "seed": 0, "arch": "toy", "batches": 1}
    spec = runs.Spec("train", 1, {"dataset_id": "d"}, cfg)
    record = select("task=distance")[0]
    module, model = record.load()
    with runs.open_run(spec, name="t", study="s", force=True) as run:
        facts = {"dataset": "toys", "dataset_id": "d", "task": "distance", "seed": 0, "step": 1}
        from mlspatial.registry.models import log_model

        log_model(run, module, model, metrics={}, **facts)  # type: ignore[arg-type]
    return old, run.id


def test_networks_of_a_run_that_was_trained_again(registry: Path) -> None:
    old, new = _train_again(registry)
    assert going() == {old}
    clean(yes=True)
    (record,) = select("task=distance,step=all")
    assert record.run_id == new and load("models:/toy.toys.distance@seed0")[1].arch == "toy"
    assert load("task=distance,seed=0")[1].arch == "toy"


def test_networks_that_an_alias_or_a_run_names_stay(registry: Path) -> None:
    old, _ = _train_again(registry)
    client().set_registered_model_alias("toy.toys.distance", "published", "1")
    assert going() == set()
    client().delete_registered_model_alias("toy.toys.distance", "published")
    assert going() == {old}
    made("score", models="models:/toy.toys.distance/1")
    assert going() == set()


def test_a_newer_network_whose_files_are_gone_replaces_nothing(registry: Path) -> None:
    _, new = _train_again(registry)
    (record,) = select(f"runs:/{new}/model")
    (record.folder / "weights.safetensors").unlink()
    assert going() == set()


def cached(folder: Path, name: str, size: int = 10) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    return file


@pytest.fixture
def own_cache(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(registry / "kept"))
    return registry / "kept"


def test_caches_go_and_what_cannot_be_made_again_stays(own_cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    toys.trained()
    (finished,) = runs.find(entry="train")
    with pytest.raises(runs.Stopped), runs.open_run(runs.Spec("train", 1, {}, {"seed": 9}), name="t"):
        raise runs.Stopped("later")
    killed = next(run for run in runs.find(entry="train") if run.status == "KILLED")
    states = [cached(own_cache, f"train/{spec}.pt") for spec in (finished.spec, killed.spec, "of-another-registry")]
    downloaded, gone = cached(own_cache, "brainscore/images.npy"), cached(own_cache, "assets/warp/chair.npz")
    clean(what="caches", yes=True)
    assert downloaded.is_file() and not gone.exists()
    assert [file.exists() for file in states] == [False, True, True]
    assert "20 B" not in capsys.readouterr().out
    assert load("task=distance,seed=0")[1].arch == "toy"
    assert clean(what="caches", yes=True) == []
    clean(what="assets")
    assert "nothing to clean" in capsys.readouterr().out


def test_one_part_is_cleaned_alone(own_cache: Path) -> None:
    assets, journals = cached(own_cache, "assets/a"), cached(own_cache, "study/b")
    clean(what="study", yes=True)
    assert assets.is_file() and not journals.exists()
    with pytest.raises(UserError, match="unknown what 'asets'; did you mean assets"):
        clean(what="asets")


def test_nothing_is_cleaned_while_something_is_made(own_cache: Path) -> None:
    assets = cached(own_cache, "assets/a")
    with (
        runs.open_run(runs.Spec("render", 1, {}, {}), name="render mine"),
        pytest.raises(UserError, match="render mine by process"),
    ):
        clean(yes=True)
    assert assets.is_file()
    from filelock import FileLock

    with FileLock(own_cache / "locks" / "other.lock"), pytest.raises(UserError, match="processes of other registries"):
        clean(yes=True)  # in a process of another registry with the same cache
    assert assets.is_file()
    clean(what="assets", yes=True)
    assert not assets.exists()


def test_without_a_registry_none_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path / "kept"))
    clean(yes=True)
    assert not list(tmp_path.iterdir())


def test_a_network_behind_a_brain_that_was_scored_on_stays(registry: Path) -> None:
    """Its address is in no parameter: the benchmark is named by the network's hash, but for what the command said."""
    old, _ = _train_again(registry)
    address = next(record for record in versions("") if record.run_id == old)
    asked = f"simulated_v4:network=models:/{address.name}/{address.version},stimuli=60,cowley2023_v4?"
    assert old in going()
    with runs.open_run(runs.Spec("score", 1, {"seed": 1}, {"benchmarks": "simulated_v4:network-0"}), name="s") as run:
        run.log_text("{}", "scores.json")
        run.set_tags({BENCHMARKS_GIVEN: asked})
    assert old not in going()


def test_artifacts_that_cannot_be_seen_from_here_count_as_some(registry: Path, tmp_path: Path) -> None:
    old, new = made(), made(force=True)
    assert old in going()
    experiment = Path(runs.get(old).artifacts.removeprefix("file://")).parents[1]
    experiment.rename(experiment.with_name("unmounted"))
    assert old not in going() and new not in going()
