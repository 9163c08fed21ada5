"""A project that was moved or copied is found again, uses its own files, and nothing is written to its old place."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlspatial.core.errors import UserError
from mlspatial.core.names import FOLDER
from mlspatial.registry import artifacts, places, read, runs, store
from mlspatial.registry.datasets import find_dataset, folders
from mlspatial.registry.places import local_path
from mlspatial.registry.store import client

Go = Callable[[Path], None]


@pytest.fixture
def go(monkeypatch: pytest.MonkeyPatch) -> Go:
    """Work in a project's folder, as a new process would."""

    def there(folder: Path, database: Path | None = None) -> None:
        monkeypatch.chdir(folder)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database or folder / 'mlflow.db'}")
        monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        store._client.cache_clear()
        store._opened.cache_clear()
        artifacts._root.cache_clear()

    return there


@pytest.fixture
def project(tmp_path: Path, empty_database: Path, small_dataset: Path, go: Any) -> Path:
    """A project with a space in its name: MLflow's own experiment and two with places of their own, inside and outside
    of it, a run with a file in each, a network, and a dataset."""
    folder = tmp_path / "my project"
    folder.mkdir()
    shutil.copytree(small_dataset, folder / "data" / "small")
    go(folder)
    client().create_experiment("inside", artifact_location=(folder / "own place").as_uri())
    client().create_experiment("outside", artifact_location=f"file://{tmp_path}/other disk")
    client().create_experiment("remote", artifact_location="mlflow-artifacts:/7")
    for number, experiment in enumerate(("Default", "inside", "outside")):
        os.environ["MLFLOW_EXPERIMENT_NAME"] = experiment
        with runs.open_run(runs.Spec("score", 1, {}, {"number": number}), name=experiment) as run:
            run.log_text(experiment, "scores.json")
    del os.environ["MLFLOW_EXPERIMENT_NAME"]
    network = folder / "network"
    network.mkdir()
    (network / "weights").write_text("weights")
    made = client().create_logged_model("0", name="network", source_run_id=run.id)
    client().log_model_artifacts(made.model_id, str(network))
    client().finalize_logged_model(made.model_id, "READY")
    client().create_registered_model("network")
    client().create_model_version("network", f"models:/{made.model_id}", run_id=run.id, model_id=made.model_id)
    manifest = find_dataset("data/small")[1]
    cfg = {"dataset": "small", "out": "data/small"}
    with runs.open_run(runs.Spec("render", 1, {"dataset_id": manifest.dataset_id}, cfg), name="render") as run:
        run.log_dataset(manifest, Path("data/small"), "output")
        run.log_text("{}", "manifest.json")
        run.set_tags({FOLDER: str(Path("data/small").resolve())})
    return folder


def contents(folder: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def everything_is_there(folder: Path, number: int = 0) -> None:
    """All files are found, where the project is now, and what is new is written there."""
    for record in runs.find(entry="score", status="FINISHED"):
        if record.name in ("Default", "inside", "outside"):
            path = runs.local(record.id, "scores.json")
            assert path.read_text() == record.name
            assert path.is_relative_to(folder) == (record.name != "outside")
    version = client().get_model_version("network", "1")
    assert Path(artifacts.fetch(version.source) / "weights").read_text() == "weights"
    network = client().get_logged_model(version.source.removeprefix("models:/"))
    stored = network.artifact_location, client().get_model_version_download_uri("network", "1")
    assert all(path and path.is_relative_to(folder) for path in map(local_path, stored))
    place, manifest, run = find_dataset("small")
    assert place == folder / "data" / "small" and run is not None and run.dataset_id == manifest.dataset_id
    (source,) = [entry.dataset.source for entry in client().get_run(run.id).inputs.dataset_inputs]
    assert json.loads(source)["uri"] == str(place)
    with runs.open_run(runs.Spec("score", 1, {}, {"more": number}), name="new") as run:
        run.log_text("new", "scores.json")
    assert runs.local(run.id, "scores.json").is_relative_to(folder)
    assert len(read.runs(entry="score")) >= 4


def test_a_project_that_stays_is_left_alone(project: Path, go: Go, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    for number in range(2):
        go(project)
        everything_is_there(project, number)
    assert capfd.readouterr().err == ""


def test_a_moved_project_is_found_again(project: Path, go: Go, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    for number, name in enumerate(("moved", "deep/er", "100% #1")):  # the last is a trap for addresses
        project = project.rename(new(project.parents[number == 2] / name))
        go(project)
        everything_is_there(project, number)
        (line,) = capfd.readouterr().err.splitlines()
        assert f"{project}/mlflow.db: was moved from " in line and f"its places now name {project}" in line
        go(project)
        client()
        assert capfd.readouterr().err == ""
    assert not project.parent.joinpath("my project").exists()


def new(folder: Path) -> Path:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_copy_uses_its_own_files(project: Path, go: Go, capfd: pytest.CaptureFixture[str]) -> None:
    before = contents(project)
    capfd.readouterr()
    copy = Path(shutil.copytree(project, project.with_name("copy")))
    go(copy)
    everything_is_there(copy)
    assert "was copied from" in capfd.readouterr().err
    assert contents(project) == before
    go(project)
    everything_is_there(project, 1)
    assert capfd.readouterr().err == ""


def test_a_link_to_a_project_is_the_project(
    project: Path, go: Go, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    link = project.with_name("link")
    link.symlink_to(project)
    capfd.readouterr()
    go(link)
    everything_is_there(project)
    assert capfd.readouterr().err == ""
    with closing(sqlite3.connect("mlflow.db")) as database:  # one folder that is mounted by two names
        monkeypatch.setattr(Path, "resolve", lambda self, **_: self)
        assert not places.settle(link / "mlflow.db") and places._homes(database) == [project]


def test_files_that_were_left_behind(project: Path, go: Go, capfd: pytest.CaptureFixture[str]) -> None:
    moved = project.with_name("moved")
    moved.mkdir()
    for path in [*project.glob("mlflow.db*"), project / "own place"]:
        path.rename(moved / path.name)
    before = contents(project)
    capfd.readouterr()
    go(moved)
    found = {record.name: runs.local(record.id, "scores.json") for record in runs.find(entry="score")}
    assert {name: path.read_text() for name, path in found.items()} == {name: name for name in found}
    assert found["inside"].is_relative_to(moved) and found["Default"].is_relative_to(project)
    assert find_dataset("small")[0] == project / "data" / "small"
    (line,) = capfd.readouterr().err.splitlines()
    assert f"the files of 3 runs and networks are left in {project}: move them to {moved} too" in line
    with runs.open_run(runs.Spec("score", 1, {}, {"more": 1}), name="new") as run:
        run.log_text("new", "scores.json")
    assert runs.local(run.id, "scores.json").is_relative_to(moved) and contents(project) == before
    go(moved)
    client()
    assert capfd.readouterr().err == ""  # said once
    assert len(read.runs(entry="score")) == 4  # kept in the cache, with their places
    for path in sorted(project.rglob("*"), reverse=True):  # the advice, file by file
        target = moved / path.relative_to(project)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rmdir() if path.is_dir() else path.rename(target)
    go(moved)
    everything_is_there(moved, 2)
    assert "was moved from" in capfd.readouterr().err
    table = read.runs(entry="score")
    assert not any(str(project) in place for place in table.artifact_uri)


def test_files_that_are_nowhere_and_the_advice(project: Path, go: Go, tmp_path: Path) -> None:
    moved, lost = project.with_name("moved"), tmp_path / "lost"
    moved.mkdir()
    lost.mkdir()
    for path in list(project.iterdir()):
        path.rename((moved if "mlflow.db" in path.name else lost) / path.name)
    project.rmdir()
    before = sqlite_dump(moved / "mlflow.db")
    go(moved)
    with pytest.raises(UserError) as problem:
        client()
    assert problem.value.exit_code == 2 and "\n" not in str(problem.value)
    for place in (project / "mlruns", moved / "mlruns"):
        assert str(place) in str(problem.value)
    assert sqlite_dump(moved / "mlflow.db") == before and not project.exists()
    assert {path.name.partition("-")[0] for path in moved.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
    for path in list(lost.iterdir()):  # the advice
        path.rename(moved / path.name)
    go(moved)
    everything_is_there(moved)


def test_files_that_are_lost_for_good(project: Path, go: Go) -> None:
    moved = project.rename(project.with_name("moved"))
    for name in ("mlruns", "own place"):
        shutil.rmtree(moved / name)
    go(moved)
    with pytest.raises(UserError, match="or make that folder if they are lost"):
        client()
    (moved / "mlruns").mkdir()
    go(moved)
    with runs.open_run(runs.Spec("score", 1, {}, {"more": 1}), name="new") as run:
        run.log_text("new", "scores.json")
    assert runs.local(run.id, "scores.json").is_relative_to(moved) and not project.exists()


def sqlite_dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.iterdump())


def forget(folder: Path) -> None:
    """Make a database one of an earlier version, which does not know where it was."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        assert database.execute("DELETE FROM experiment_tags WHERE key = ?", (places.HOMES,)).rowcount == 1


def test_a_database_of_an_earlier_version_that_was_moved(
    project: Path, go: Go, capfd: pytest.CaptureFixture[str]
) -> None:
    forget(project)
    capfd.readouterr()
    moved = project.rename(project.with_name("moved"))
    go(moved)
    everything_is_there(moved)
    assert "was moved from" in capfd.readouterr().err
    forget(moved)
    shutil.rmtree(moved.rename(project) / "mlruns")
    go(project)
    client()
    assert "the files of 4 runs and networks are in neither" in capfd.readouterr().err  # one was in its own place
    forget(project)
    shutil.rmtree(project.rename(moved) / "own place")
    go(moved)
    with pytest.raises(UserError, match=r"are neither in .*/my project/mlruns nor in .*/moved/mlruns"):
        client()


def test_a_database_elsewhere_than_its_artifacts(tmp_path: Path, go: Any, capfd: pytest.CaptureFixture[str]) -> None:
    work, fast = tmp_path / "work", tmp_path / "fast"
    work.mkdir()
    (tmp_path / "decoy").mkdir()

    def write(number: int) -> Path:
        with runs.open_run(runs.Spec("score", 1, {}, {"number": number}), name="x") as run:
            run.log_text("text", "scores.json")
        return runs.local(run.id, "scores.json")

    go(work, fast / "mlflow.db")
    assert write(0).is_relative_to(work / "mlruns")
    go(work, fast / "mlflow.db")
    assert write(1).is_relative_to(work / "mlruns")
    forget(fast)
    go(work, fast / "mlflow.db")
    capfd.readouterr()
    assert write(2).is_relative_to(work / "mlruns")
    assert f"its artifacts are in {work}/mlruns, not beside it, and stay there" in capfd.readouterr().err
    moved = fast.rename(tmp_path / "faster")
    go(work, moved / "mlflow.db")
    assert write(3).is_relative_to(work / "mlruns")
    (moved / "mlruns" / "0").mkdir(parents=True)  # of another database
    go(work, moved / "mlflow.db")
    assert write(4).is_relative_to(work / "mlruns")
    assert "moved" not in capfd.readouterr().err


def test_a_moved_database_that_is_busy_is_waited_for(project: Path, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = project.rename(project.with_name("moved"))
    tried = []
    original = places.settle

    def settle(path: Path) -> bool:
        tried.append(path)
        if len(tried) == 1:
            raise sqlite3.OperationalError("database is locked")
        return original(path)

    monkeypatch.setattr(places, "settle", settle)
    go(moved)
    everything_is_there(moved)
    assert len(tried) == 3  # again, and once more when MLflow itself opens it


def test_nothing_is_changed_when_the_change_fails(project: Path, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = project.rename(project.with_name("moved"))
    before = sqlite_dump(moved / "mlflow.db")
    with monkeypatch.context() as patched:
        patched.setattr(places, "_remember", lambda *_: (_ for _ in ()).throw(sqlite3.DatabaseError("disk")))
        go(moved)
        with pytest.raises(UserError, match="cannot be used"):
            client()
    assert sqlite_dump(moved / "mlflow.db") == before
    go(moved)
    everything_is_there(moved)


def test_the_database_of_another_program_is_named_at_once(tmp_path: Path, go: Go) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
        database.execute("INSERT INTO alembic_version VALUES ('of another')")
    go(tmp_path)
    with pytest.raises(UserError, match="cannot be used") as problem:
        client()
    assert problem.value.exit_code == 2 and "tried" not in str(problem.value)


def test_a_moved_project_by_the_command_line(project: Path) -> None:
    moved = project.rename(project.with_name("moved"))
    shutil.rmtree(moved / "mlruns")
    shutil.rmtree(moved / "own place")
    code = "import sys; sys.argv = ['import', '--file', 'none.csv']; from importlib import import_module as i; "
    code += "i('entrypoints.import').main()"
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment |= {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    (moved / "none.csv").write_text("benchmark,model,raw\n")
    made = subprocess.run(
        [sys.executable, "-c", code], cwd=moved, env=environment, capture_output=True, text=True, check=False
    )
    assert made.returncode == 2 and made.stderr.count("\n") == 1, made.stderr


def test_a_dataset_of_a_moved_project_whose_runs_are_on_a_server(
    project: Path, go: Go, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There the names of folders cannot be changed; render's out, below the present folder, still leads to it."""
    moved = project.rename(project.with_name("moved"))
    monkeypatch.setattr(places, "settle", lambda _: False)
    go(moved)
    place, manifest, run = find_dataset("small")
    assert place == moved / "data" / "small" and run is not None and manifest.dataset_id == run.dataset_id
    facts = json.loads((place / "manifest.json").read_text())
    other = SimpleNamespace(tags=run.tags, cfg=run.cfg, dataset_id="another")
    assert folders(other)[0] == project / "data" / "small" and facts  # another dataset of that name is not it


def test_what_is_local() -> None:
    assert local_path("/a/b c") == Path("/a/b c") == local_path("file:///a/b%20c") == local_path("file:///a/b c")
    assert local_path("mlruns/0") == Path("mlruns/0") and local_path("file:/a") == Path("/a")
    for place in (
        "mlflow-artifacts:/1/x",
        "mlflow-artifacts://host/1",
        "s3://a/b",
        "dbfs:/a",
        "https://a",
        "runs:/1/x",
    ):
        assert local_path(place) is None, place
