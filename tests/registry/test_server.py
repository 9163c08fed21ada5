"""Through a real tracking server: the same answers, any names, and what happens while it is gone."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.entities import LoggedModelOutput

from mlspatial.core.errors import Unreachable
from mlspatial.core.names import STUDY, cache_folder, file_name
from mlspatial.registry import artifacts, direct, patience, read, runs
from mlspatial.registry.activations import file_name as array_name
from mlspatial.registry.read import rest
from mlspatial.registry.store import client
from speed.compare import fill
from tests.registry.serving import Gate, Server
from tests.registry.test_read import train_run
from tests.registry.test_runs import ODD

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def spec(**cfg: Any) -> runs.Spec:
    return runs.Spec("held", 1, {}, cfg)


def test_a_server_answers_the_same_until_it_is_gone(
    gate: Gate, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = gate.address
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.database)
    experiment = client().create_experiment("local", artifact_location=f"{server.folder.as_uri()}/local")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "local")
    ids = fill(30, experiment, server.folder)
    odd = train_run(0, "study1", odd=math.nan)
    monkeypatch.setitem(rest.PAGE, "server", 8)
    database = os.environ["MLFLOW_TRACKING_URI"]

    def both(what: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        found = []
        for address in (database, uri):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
            found.append(what())
        monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
        pd.testing.assert_frame_equal(*found, check_exact=True)
        return found[0]

    assert len(both(lambda: read.runs(entry="train"))) == 31
    client().delete_run(ids[3])
    client().set_tag(ids[4], STUDY, "study1,new")
    assert set(both(lambda: read.runs(entry="train")).run_id) == {*ids, odd} - {ids[3]}
    client().restore_run(ids[3])
    assert len(both(lambda: read.runs(entry="train", study="new"))) == 1
    assert len(both(lambda: read.runs(entry="train"))) == 31
    assert len(both(lambda: read.runs(status="FINISHED", metrics=())).columns)
    assert len(both(lambda: read.histories([*ids, odd], ["heldout/metric_3", "heldout/loss"]))) == 31
    with monkeypatch.context() as patched:
        patched.setattr(rest, "HISTORY_ROWS", 10)  # answers that are cut off are asked for in halves
        assert len(both(lambda: read.histories(ids, ["heldout/metric_3"]))) == 30
    client().create_registered_model("m")
    client().create_model_version("m", f"runs:/{odd}/model", run_id=ids[0], tags={"step": "3", "task": "x"})
    assert len(both(read.versions)) == 1

    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    runs.Run(ids[0]).log_table(pd.DataFrame({"value": [1.5]}), "t.json")  # served from where the database has it
    table = read.runs(entry="train")
    chosen = table[table.run_id == ids[0]]
    parse = lambda row, file: read.table_file(file("t.json"))  # noqa: E731
    assert read.tables("t-1", chosen, parse).value.tolist() == [1.5]
    gate.shut()
    monkeypatch.setenv("MLSPATIAL_PATIENCE", "0.5")
    with pytest.raises(Unreachable, match=f"MLFLOW_TRACKING_URI={uri}: does not answer") as problem:
        read.runs(entry="train")
    assert "\n" not in str(problem.value) and problem.value.exit_code == 1
    gate.open()


def test_any_names_go_through_a_server(gate: Gate) -> None:
    with runs.open_run(spec(names=1), name="x") as run:
        run.log({name: np.float32(number) for number, name in enumerate(ODD)} | {"nan": np.nan, "inf": -np.inf}, 3)
        run.set_tags({f"mlspatial.layer.{name}": name for name in ODD})
        run.log_params({f"cfg.{name}": name for name in ODD})
    record = runs.get(run.id)
    texts = json.loads(runs.local(run.id, "metric_names.json").read_text())
    assert {texts[name]: value for name, value in record.metrics.items() if name in texts} == {
        name: float(number) for number, name in enumerate(ODD)
    }
    assert math.isnan(record.metrics["nan"]) and record.metrics["inf"] < -1e308
    assert sorted(value for name, value in record.tags.items() if name.startswith("mlspatial.layer.")) == sorted(ODD)
    assert sorted(record.cfg[name] for name in record.cfg if name != "names") == sorted(ODD)


LAYERS = [*ODD, "a/b", "50%", "%41", "a:b*c", 'q"<>|', "é" * 200, "..", " x "]


def test_artifacts_of_any_name_go_through_a_server(gate: Gate, tmp_path: Path) -> None:
    names = [array_name("cka", layer) for layer in LAYERS]
    assert len(set(names)) == len(names)
    with runs.open_run(spec(files=1), name="x") as run:
        for layer, name in zip(LAYERS, names, strict=True):
            (tmp_path / name).write_text(layer)
            run.log_file(tmp_path / name, "layers/cka")
        (tmp_path / "plain#?%20.txt").write_text("plain")
        run.log_file(tmp_path / "plain#?%20.txt", "odd#folder")
        run.log_text("text", "e#f.txt")
    assert client().get_run(run.id).info.artifact_uri.startswith("mlflow-artifacts:/")
    for layer, name in zip(LAYERS, names, strict=True):
        path = runs.local(run.id, f"layers/cka/{name}")
        assert path.read_text() == layer and path.is_relative_to(cache_folder("artifacts"))
    odd = f"{file_name('odd#folder')}/{file_name('plain#?%20.txt')}"
    assert runs.local(run.id, odd).read_text() == "plain"
    assert runs.download(run.id, "e#f.txt").read_text() == "text"
    assert runs.local(run.id, "layers/cka/old#1.npy", f"layers/cka/{names[0]}").read_text() == LAYERS[0]
    for absent in ("absent.txt", "layers/absent.npy", "absent/absent.npy"):
        assert not runs.local(run.id, absent).exists()
    root = client().get_run(run.id).info.artifact_uri
    chosen = pd.DataFrame({"run_id": [run.id], "artifact_uri": [root], "end_time": [pd.Timestamp(1, tz="UTC")]})

    def parse(_: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        assert file("layers/cka/not.npy", f"layers/cka/{names[2]}").read_text() == LAYERS[2]
        return pd.DataFrame({"text": [file(f"layers/cka/{names[1]}").read_text()]})

    assert read.tables("odd-1", chosen, parse).text.tolist() == [LAYERS[1]]


def test_what_was_never_kept_is_no_trouble_at_a_server_and_what_is_there_is_never_passed_over(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """A run from before units and predictions were kept has none, without a word; where the better of two files cannot
    be fetched, the other one is not taken for it."""
    with runs.open_run(spec(older=1), name="x") as run:
        run.log_text("{}", "scores.json")
        run.log_text("better", "deep/better.txt")
        run.log_text("other", "other.txt")
    root = client().get_run(run.id).info.artifact_uri
    chosen = pd.DataFrame({"run_id": [run.id], "artifact_uri": [root], "end_time": [pd.Timestamp(1, tz="UTC")]})
    assert read.units(chosen).empty and read.units(chosen, all_layers=True).empty
    assert read.predictions(chosen)(run.id, {("b", "pls")}) == []
    assert not [warning for warning in recwarn if "left out" in str(warning.message)]
    get = direct.get

    def broken(root: str, name: str, target: Path, limit: int = 0) -> bool:
        if name.endswith("better.txt"):
            raise OSError("cut off")
        return get(root, name, target, limit)

    monkeypatch.setattr(direct, "get", broken)
    with artifacts.files(root) as file:
        assert file("deep/absent.txt", "other.txt").read_text() == "other"
        with pytest.raises(OSError, match="cut off"):
            file("deep/better.txt", "other.txt")
        with pytest.raises(FileNotFoundError, match=r"has no absent\.txt or no/absent\.txt"):
            file("absent.txt", "no/absent.txt")


def test_what_the_server_did_although_its_answer_was_lost_is_not_done_twice(
    gate: Gate, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "lost answers")
    client().create_registered_model("lost")
    for request in ("experiments/create", "runs/create", "runs/log-batch", "runs/outputs", "model-versions/create"):
        gate.lose(request)
    with runs.open_run(spec(lost=1), name="x") as run:
        made = client().create_logged_model(client().get_run(run.id).info.experiment_id, name="m", source_run_id=run.id)
        client().finalize_logged_model(made.model_id, "READY")
        client().log_outputs(run.id, [LoggedModelOutput(made.model_id, 3)])
        version = client().create_model_version(
            "lost", f"models:/{made.model_id}", run_id=run.id, model_id=made.model_id
        )
        gate.lose("runs/log-batch")
        run.log({"loss": 0.5})
        run.flush()
        gate.lose("runs/update")
    assert not gate._to_lose and version.version in (1, "1")
    assert [record.id for record in runs.find(entry="held", where="params.`cfg.lost` = '1'")] == [run.id]
    assert runs.get(run.id).status == "FINISHED" and len(client().get_metric_history(run.id, "loss")) == 1
    with closing(sqlite3.connect(server.folder / "mlflow.db")) as database:
        number = database.execute("SELECT count(*) FROM runs JOIN experiments USING (experiment_id)"
                                  " WHERE experiments.name = 'lost answers'").fetchone()  # fmt: skip
        assert number == (1,)
        assert database.execute("SELECT count(*) FROM model_versions WHERE name = 'lost'").fetchone() == (1,)


def test_every_way_to_the_server_waits_for_it(gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = threading.Event()
    monkeypatch.setattr(patience, "say", lambda line: "does not answer" in line and said.set())

    def away(what: Callable[[], Any]) -> Any:
        """What something returns that begins while nobody is there; the gate opens when that has been said."""
        said.clear()
        monkeypatch.setattr(patience, "_told", -math.inf)
        gate.shut()
        opener = threading.Thread(target=lambda: (said.wait(60), gate.open()))
        opener.start()
        try:
            return what()
        finally:
            opener.join()
            assert said.is_set()

    (tmp_path / "file.txt").write_text("file")
    with runs.open_run(spec(away=1), name="x") as run:
        away(lambda: run.set_tags({"a": "b"}))
        away(lambda: run.log_file(tmp_path / "file.txt"))
        run.log({"loss": 1.0})
        away(run.flush)
        away(lambda: run.log_text("text", "text.txt"))
    assert away(lambda: runs.local(run.id, "file.txt")).read_text() == "file"
    assert away(lambda: runs.download(run.id, "text.txt")).read_text() == "text"
    assert away(lambda: [record.id for record in runs.find(entry="held", where="params.`cfg.away` = '1'")]) == [run.id]
    table = away(lambda: read.runs(entry="held"))
    assert run.id in set(table.run_id)
    assert len(away(lambda: read.histories([run.id], ["loss"]))) == 1
    text = lambda row, file: pd.DataFrame({"text": [file("text.txt").read_text()]})  # noqa: E731
    found = away(lambda: read.tables("away-1", table[table.run_id == run.id], text))
    assert found.text.tolist() == ["text"]
    assert runs.get(run.id).status == "FINISHED"


STEP = """
    import sys
    from mlspatial.cli import finish
    from mlspatial.registry import runs

    def work():
        with runs.open_run(runs.Spec("held", 1, {}, {"step": sys.argv[1]}), name="x") as run:
            print("open", run.resumed, flush=True)
            sys.stdin.readline()
            for step in range(20):
                run.log({"loss": step / 2}, step)
                run.flush()
            run.log_text("text", "made.txt")
        return run.id

    finish("held", work)
"""


def start(name: str, folder: Path, address: str, seconds: str) -> subprocess.Popen[str]:
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MLSPATIAL_PATIENCE": seconds, "MLFLOW_TRACKING_URI": address}
    command = [sys.executable, "-c", textwrap.dedent(STEP), name]
    process = subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)
    assert process.stdout
    assert any(line.startswith("open") for line in process.stdout)  # after MLflow's own words
    return process


def run_of(out: str) -> str:
    assert re.search(r"^run \w+$", out.splitlines()[-1])
    return out.split()[-1]


def whole(run_id: str) -> None:
    record = runs.get(run_id)
    assert record.status == "FINISHED" and runs.local(run_id, "made.txt").read_text() == "text"
    history = {entry.step: entry.value for entry in client().get_metric_history(run_id, "loss")}
    assert history == {step: step / 2 for step in range(20)}


def test_a_server_that_stays_away_ends_a_step_with_one_line_and_the_same_command_goes_on(
    gate: Gate, tmp_path: Path
) -> None:
    process = start("stays away", tmp_path, gate.address, "150")
    assert process.stdin and process.stderr
    gate.shut()
    process.stdin.write("go on\n")
    process.stdin.flush()
    away = f"MLFLOW_TRACKING_URI={gate.address}: does not answer ([Errno 111] Connection refused)"
    assert f"{away}; trying for 1" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130  # not the 150 s of its patience
    assert process.stderr.read() == "held: interrupted; the same command goes on where it was\n"
    gate.open()
    (record,) = runs.find(entry="held", where="params.`cfg.step` = 'stays away'")
    assert record.status == "RUNNING"  # nobody could say so

    process = start("stays away", tmp_path, gate.address, "3")
    gate.shut()
    out, error = process.communicate("go on\n", timeout=300)
    word, line = error.splitlines()
    assert process.returncode == 1 and f"{away}; trying for" in word
    assert line == f"held: {away}, tried for 3 s; is it up? The same command goes on from here"
    gate.open()

    out, error = start("stays away", tmp_path, gate.address, "3").communicate("go on\n", timeout=300)
    assert (run_of(out), error) == (record.id, "")
    whole(record.id)
    assert runs.get(record.id).tags[runs.RESUMED] == "2"


def test_a_server_that_is_killed_and_started_again_loses_nothing(gate: Gate, server: Server, tmp_path: Path) -> None:
    process = start("killed", tmp_path, server.address, "600")
    assert process.stdin and process.stderr
    server.kill()
    process.stdin.write("go on\n")
    process.stdin.flush()
    assert "does not answer ([Errno 111] Connection refused)" in process.stderr.readline()
    server.start()
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0 and "answers again" in error and "Traceback" not in error
    whole(run_of(out))
