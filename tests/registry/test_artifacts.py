"""What a run made: whether it is there, here and at a server, and what is made again when it is not."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from mlspatial.registry import artifacts, runs
from mlspatial.registry.artifacts import local_path, missing, there
from mlspatial.registry.store import client

SPEC = runs.Spec("score", 1, {"model_id": "m"}, {"a": 1})


def make(force: bool = False, lacks: artifacts.Lacks | None = None) -> tuple[str, bool]:
    """(id, whether it was answered) of a run that leaves two files."""
    with runs.open_run(SPEC, name="x", force=force, lacks=lacks or missing("a.json", "deep/b.txt")) as run:
        if not run.answered:
            run.log_text("{}", "a.json")
            run.log_text("b", "deep/b.txt")
    return run.id, run.answered


def test_a_run_answers_while_its_files_are_there(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, _ = make()
    assert make() == (first, True)
    runs.local(first, "deep/b.txt").unlink()
    second, answered = make()
    assert second != first and not answered
    assert f"x: deep/b.txt of run {first} is not there; making it again" in capsys.readouterr().err
    assert make() == (second, True)


def test_an_older_run_that_is_whole_answers(registry: Path) -> None:
    first, _ = make()
    second, _ = make(force=True)
    runs.local(second, "a.json").unlink()
    assert make() == (first, True)


def test_a_killed_attempt_to_make_it_again_goes_on(registry: Path) -> None:
    first, _ = make()
    runs.local(first, "a.json").unlink()
    with pytest.raises(KeyboardInterrupt), runs.open_run(SPEC, name="x", lacks=missing("a.json")) as run:
        raise KeyboardInterrupt
    second, answered = make()
    assert second == run.id and not answered and runs.get(second).tags[runs.RESUMED] == "1"


def test_without_a_question_a_finished_run_answers(registry: Path) -> None:
    first, _ = make()
    runs.local(first, "a.json").unlink()
    with runs.open_run(SPEC, name="x") as run:
        assert run.answered and run.id == first


def test_at_a_server_every_folder_is_listed_once(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = make()
    asked: list[tuple[str, str | None]] = []

    def listed(self: object, run_id: str, path: str | None = None) -> list[SimpleNamespace]:
        asked.append((run_id, path))
        names = {None: ["a.json", "deep"], "deep": ["deep/b.txt", "deep/c.txt"]}[path]
        return [SimpleNamespace(path=name) for name in names]

    monkeypatch.setattr(type(client()), "list_artifacts", listed)
    monkeypatch.setattr(artifacts, "_root", lambda run_id: f"mlflow-artifacts:/1/{run_id}/artifacts")
    names = ["a.json", "deep/b.txt", "deep/c.txt", "deep/d.txt"]
    assert there(first, names) == {"a.json", "deep/b.txt", "deep/c.txt"}
    assert sorted(asked, key=str) == [(first, "deep"), (first, None)]
    assert missing(*names)(runs.get(first)) == ["deep/d.txt"]
    assert make() == (first, True) and len(asked) == 6


def test_which_addresses_are_on_this_machine() -> None:
    assert local_path("/a/b") == local_path("file:///a/b") == Path("/a/b")
    for elsewhere in ("mlflow-artifacts:/1/r/artifacts", "mlflow-artifacts://server/1", "s3://bucket/1", "https://x/1"):
        assert local_path(elsewhere) is None


def test_parents_that_are_known_late(registry: Path) -> None:
    many = [f"{number:032d}" for number in range(300)]
    with runs.open_run(SPEC, name="x", parents=["first"]) as run:
        run.set_parents(["a", "b"])
    assert runs.get(run.id).parents == ("a", "b")
    with runs.open_run(SPEC, name="x", force=True) as run:
        run.set_parents(many)
    assert runs.get(run.id).parents == () and runs.download(run.id, runs.PARENTS_FILE).read_text().split() == many
