"""One archive a run: the same numbers by every way, few requests, and what happens where it is broken, gone or late."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlspatial.compare.evidence import load
from mlspatial.compare.table import TABLES
from mlspatial.core.predictions import Predictions
from mlspatial.papers import known_items
from mlspatial.registry import artifacts, bundle, read, runs
from mlspatial.registry.bundle import BUNDLE, BUNDLED, INDEX
from mlspatial.registry.store import client
from mlspatial.steps.compare import compare
from speed.made_up import STUDIED, fill
from tests.registry.serving import Server, stand

ROOT = Path(__file__).resolve().parents[2]
N = 40
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture
def here(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    stand(monkeypatch, tmp_path, server.address, "bundled")
    return server


def everything(cache: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """All that a report reads, and its tables as text, with an empty cache."""
    monkeypatch.setenv("MLSPATIAL_CACHE", str(cache))
    found = load(STUDIED)
    best = found.scores[found.scores.committed]
    frames = {name: getattr(found, name) for name in ("networks", "scores", "pairs", "decodings")}
    frames["units"] = found.units(tuple(best.run_id))
    for entry, table in (("decode", found.decodings), ("similarity", found.pairs)):
        frames[entry] = found.left_out(entry, tuple(table.run_id.unique()))
    kept = [one for row in best.itertuples() for one in found.predictions(row.run_id, {(row.benchmark, row.metric)})]
    names = ",".join(name for name in known_items() if name in TABLES)
    compare(items=names, out=str(cache / "report"), format="csv", study=STUDIED)
    texts = {path.name: path.read_text() for path in sorted((cache / "report").glob("*.csv"))}
    return {"frames": frames, "predictions": kept, "tables": texts}


def test_a_registry_reads_the_same_by_archive_by_file_and_from_its_database(
    here: Server, empty_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = client().create_experiment("made up")

    def put(run: str, name: str, content: bytes) -> None:
        for folder in (here.folder / "served" / served, tmp_path / "beside"):
            target = folder / run / "artifacts" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    made = fill(N, here.database, served, f"mlflow-artifacts:/{served}", put)
    asked: list[str] = []
    transfer = artifacts._transfer

    def counted(root: str, name: str, target: Path, limit: int = 0) -> bool:
        asked.append(name)
        return transfer(root, name, target, limit)

    monkeypatch.setattr(artifacts, "_transfer", counted)
    by_archive = everything(tmp_path / "by archive", monkeypatch)
    with_files = [one for one in made if one.entry != "train"]
    assert sorted(asked) == [BUNDLE] * len(with_files)
    asked.clear()
    assert len(load(STUDIED).scores) and not asked  # what was read is kept
    with monkeypatch.context() as patched:
        patched.setattr(read, "BUNDLED", "mlspatial.nothing")
        by_file = everything(tmp_path / "by file", monkeypatch)
    assert BUNDLE not in asked and len(asked) > 3 * len(with_files)

    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    local = client().create_experiment("made up", artifact_location=f"file://{tmp_path}/beside")
    fill(N, os.environ["MLFLOW_TRACKING_URI"], local, f"file://{tmp_path}/beside", lambda *_: None, bundled=False)
    by_database = everything(tmp_path / "by database", monkeypatch)
    assert len(by_archive["tables"]) > 2 and len(by_archive["predictions"]) > 10
    for other in (by_file, by_database):
        assert other["tables"] == by_archive["tables"]
        for name, frame in by_archive["frames"].items():
            assert len(frame), name
            pd.testing.assert_frame_equal(frame, other["frames"][name], check_exact=True, obj=name)
        for one, same in zip(by_archive["predictions"], other["predictions"], strict=True):
            assert_same(one, same)


def assert_same(one: Predictions, same: Predictions) -> None:
    assert (one.benchmark, one.stimuli, one.units) == (same.benchmark, same.stimuli, same.units)
    assert one.predicted.tobytes() == same.predicted.tobytes() and one.responses.tobytes() == same.responses.tobytes()


def logged(number: int, **tables: int) -> str:
    with runs.open_run(runs.Spec("held", 1, {}, {"number": number}), name="x") as run:
        for name, value in tables.items():
            run.log_table(pd.DataFrame({"value": [value]}), f"{name}.json")
        run.log_text("no table", "page.md")
        run.log_text("{}", "pictures/facts.json")
    return run.id


def values(run_id: str, *names: str) -> list[int]:
    """The tables with these names by `read.tables`; nothing is kept of what was read before."""
    table = read.runs(entry="held")
    chosen = table[table.run_id == run_id]
    shutil.rmtree(Path(os.environ["MLSPATIAL_CACHE"]) / "runs", ignore_errors=True)

    def parse(row: dict[str, Any], file: Any) -> pd.DataFrame:
        return pd.concat([read.table_file(file(f"{name}.json")) for name in names])

    return list(read.tables("values-1", chosen, parse).value)


def served(here: Server, run_id: str) -> Path:
    root = runs.get(run_id).artifacts.removeprefix("mlflow-artifacts:/")
    return here.folder / "served" / root


def test_a_run_leaves_an_archive_of_its_tables_and_says_which(here: Server) -> None:
    run_id = logged(1, one=1, two=2)
    content = (served(here, run_id) / BUNDLE).read_bytes()
    assert runs.get(run_id).tags[BUNDLED] == hashlib.sha256(content).hexdigest()
    with zipfile.ZipFile(io.BytesIO(content)) as opened:
        assert opened.namelist() == [INDEX, "one.json", "two.json"]
        sizes = {"one.json": len(opened.read("one.json")), "two.json": len(opened.read("two.json")), "page.md": None}
        assert json.loads(opened.read(INDEX)) == {"version": 1, "files": sizes}
        assert opened.read("one.json") == (served(here, run_id) / "one.json").read_bytes()
    (served(here, run_id) / "one.json").unlink()  # not asked for one by one
    assert values(run_id, "one", "two") == [1, 2]
    again = logged(2, two=2, one=1)
    assert (served(here, again) / BUNDLE).read_bytes() == content


def test_what_is_large_is_left_beside_the_archive(here: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle, "FILE_BYTES", 200)
    with runs.open_run(runs.Spec("held", 1, {}, {"number": 3}), name="x") as run:
        run.log_table(pd.DataFrame({"value": [1]}), "one.json")
        run.log_table(pd.DataFrame({"value": range(100)}), "many.json")
    with zipfile.ZipFile(served(here, run.id) / BUNDLE) as opened:
        assert opened.namelist() == [INDEX, "one.json"] and json.loads(opened.read(INDEX))["files"]["many.json"] is None
    assert values(run.id, "one", "many") == [1, *range(100)]
    monkeypatch.setattr(bundle, "BUNDLE_BYTES", 10)
    full = bundle.archive({"a.json": b"123456", "b.json": b"1234567"})
    with zipfile.ZipFile(io.BytesIO(full)) as opened:
        assert opened.namelist() == [INDEX, "a.json"]


@pytest.mark.parametrize("harm", ["gone", "cut", "another", "other form", "empty"])
def test_an_archive_that_is_not_what_its_run_says_is_passed_over(here: Server, harm: str) -> None:
    run_id = logged(10 + len(harm), one=1, two=2)
    path = served(here, run_id) / BUNDLE
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif harm == "another":
        path.write_bytes(bundle.archive({"one.json": b'{"columns":["value"],"data":[[8]]}'}))
    elif harm == "other form":  # whoever may write to a run may write its tag
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as made:
            made.writestr(INDEX, '{"version": 1, "files": {"one.json": 3}}')
            made.writestr("one.json", '{"columns":["value"],"data":[[9]]}')
        path.write_bytes(buffer.getvalue())
        client().set_tag(run_id, BUNDLED, hashlib.sha256(buffer.getvalue()).hexdigest())
    else:
        path.write_bytes(b"")
    assert values(run_id, "one", "two") == [1, 2]


def test_what_is_written_to_a_run_that_has_ended_takes_its_archive_away(here: Server) -> None:
    run_id = logged(30, one=1)
    digest = runs.get(run_id).tags[BUNDLED]
    runs.Run(run_id).log_table(pd.DataFrame({"value": [5]}), "one.json")
    assert runs.get(run_id).tags[BUNDLED] == "" and values(run_id, "one") == [5]
    client().set_tag(run_id, BUNDLED, digest)  # as somebody remembers it who read the run before
    assert values(run_id, "one") == [5]


KILLED = """
    import os, signal, sys
    import pandas as pd
    from mlspatial.registry import bundle, runs

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    first = sys.argv[1] == "first"
    if first:
        setattr(bundle, sys.argv[2], die)
    with runs.open_run(runs.Spec("held", 1, {}, {"number": sys.argv[2]}), name="x") as run:
        run.log_table(pd.DataFrame({"value": [1 if first else 2]}), "one.json")
        if first:
            run.log_table(pd.DataFrame({"value": [3]}), "early.json")
    print("run", run.id)
"""


@pytest.mark.parametrize("where", ["archive", "_put"])
def test_a_run_that_is_killed_between_its_files_and_its_archive_has_it_when_it_went_on(
    here: Server, tmp_path: Path, where: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def start(which: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", textwrap.dedent(KILLED), which, where]
        return subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True, timeout=300)

    assert start("first").returncode == -signal.SIGKILL
    (dead,) = runs.find(entry="held", where=f"params.`cfg.number` = '{where}'")
    assert dead.status == "RUNNING" and BUNDLED not in dead.tags
    assert start("second").stdout.split()[-1] == dead.id
    assert values(dead.id, "one", "early") == [2, 3]
    with zipfile.ZipFile(served(here, dead.id) / BUNDLE) as opened:
        assert opened.namelist() == [INDEX, "early.json", "one.json"]


class Answers(BaseHTTPRequestHandler):
    """Two tables, and of the archive what `status` says."""

    protocol_version = "HTTP/1.1"
    status, body = 404, b""
    asked: list[str] = []  # noqa: RUF012 - one server at a time

    def do_GET(self) -> None:
        name = self.path.rpartition("/")[2]
        self.asked.append(name)
        found = {"one.json": b"1", "two.json": b"2"}.get(name)
        status, body = (self.status, self.body) if name == BUNDLE else (200, found) if found else (404, b"")
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


#: MLflow's answer while its S3 store has no such object
NO_OBJECT = b'{"error_code":"INTERNAL_ERROR","message":"An error occurred (404) when calling the HeadObject operation"}'


@pytest.mark.parametrize(("status", "body"), [(404, b""), (403, b""), (500, NO_OBJECT), (400, b"{}"), (200, b"x" * 99)])
def test_a_server_that_does_not_hand_an_archive_out_is_asked_for_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, body: bytes
) -> None:
    made = bundle.archive({"one.json": b"1", "two.json": b"2"})
    digest = hashlib.sha256(made).hexdigest()
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path))
    monkeypatch.setattr(bundle, "LIMIT", 50 if status == 200 else len(made))
    monkeypatch.setattr(Answers, "asked", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{serving.server_port}")
        for answer, wanted in (((status, body), [BUNDLE, "one.json", "two.json"]), ((200, made), [BUNDLE])):
            monkeypatch.setattr(Answers, "status", answer[0])
            monkeypatch.setattr(Answers, "body", answer[1])
            monkeypatch.setattr(bundle, "LIMIT", 50 if answer == (200, body) else 1 << 20)
            Answers.asked.clear()
            with artifacts.files("mlflow-artifacts:/1/r/artifacts", digest) as file:
                assert [file(name).read_text() for name in ("one.json", "two.json")] == ["1", "2"]
                if answer[1] == made:
                    with pytest.raises(FileNotFoundError, match=r"has no absent\.json"):
                        file("absent.json")
            assert Answers.asked == wanted
        Answers.asked.clear()  # the archive is in the cache now, and damage there is noticed
        with artifacts.files("mlflow-artifacts:/1/r/artifacts", digest) as file:
            assert file("two.json").read_text() == "2" and not Answers.asked
        (kept,) = tmp_path.rglob("*.zip")
        kept.write_bytes(b"damaged")
        with artifacts.files("mlflow-artifacts:/1/r/artifacts", digest) as file:
            assert file("two.json").read_text() == "2" and Answers.asked == [BUNDLE]
        serving.shutdown()
