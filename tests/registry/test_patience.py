"""A store that is not there is asked again, for as long as is documented and only where that can help."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE
from sqlalchemy.exc import OperationalError, ProgrammingError

from mlspatial.core.errors import BadValue, Unreachable, UserError
from mlspatial.core.progress import say
from mlspatial.core.stopping import stoppable, undisturbed
from mlspatial.registry import patience, runs, store
from mlspatial.registry.patience import at_once, away, hurried, patiently
from mlspatial.registry.store import client

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSE", 0.01)
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(patience, "_told", -float("inf"))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Answers:
    """A server that answers with these statuses, one after the other, then with 200."""

    def __init__(self, address: str) -> None:
        self.address, self.statuses, self.asked = address, list[int](), 0
        self.codes: dict[int, str] | None = {}  # MLflow's word for a status; None: a proxy's page instead


@pytest.fixture
def answers() -> Iterator[Answers]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            made.asked += 1
            status = made.statuses.pop(0) if made.statuses else 200
            codes = made.codes or {}
            code = codes.get(status, "RESOURCE_DOES_NOT_EXIST" if status == 404 else "INTERNAL_ERROR")
            text = json.dumps({} if status == 200 else {"error_code": code, "message": "as told"}).encode()
            text = b"You are not authenticated." if made.codes is None and status in (401, 403) else text
            text = b"<!doctype html>\n<title>500 Internal Server Error</title>" if status == 500 else text
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made = Answers(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield made
        server.shutdown()


def test_what_a_proxy_says_meanwhile_is_asked_again_and_nothing_else(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answers.address)
    client()
    answers.asked, answers.statuses = 0, [503, 429, 502, 504]
    assert list(client().search_experiments()) == [] and answers.asked == 5
    told = capfd.readouterr().err.splitlines()
    assert len(told) == 2 and not patience.down()
    assert told[0].startswith(f"MLFLOW_TRACKING_URI={answers.address}: does not answer (too many 429 error")
    assert "trying for 1" in told[0] and "answers again" in told[1]
    for status in (400, 404, 501):
        answers.asked, answers.statuses = 0, [status] * 3
        with pytest.raises(MlflowException):
            client().search_experiments()
        assert answers.asked == 1, status
    assert capfd.readouterr().err == ""


def test_a_server_that_breaks_off_is_asked_again_and_not_for_long(
    answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What MLflow 3.17 answers when PostgreSQL ends in the middle of a request: its rollback fails as well."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answers.address)
    client()
    answers.asked, answers.statuses = 0, [500, 500]
    assert list(client().search_experiments()) == [] and answers.asked == 3 and not patience.down()
    monkeypatch.setattr(patience, "BROKEN_SECONDS", 0.2)
    answers.asked, answers.statuses = 0, [500] * 1000
    began = time.monotonic()
    with pytest.raises(MlflowException, match="too many 500"):  # a defect, told as such
        client().search_experiments()
    assert 0.2 < time.monotonic() - began < 10 and answers.asked > 3 and not patience.down()


def test_the_time_is_as_documented(answers: Answers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(patience.VARIABLE, raising=False)
    assert patience.patience() == 150  # seconds, in docs/cluster.md and README.md
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answers.address)
    client()
    monkeypatch.setenv("MLSPATIAL_PATIENCE", "0.5")
    answers.asked, answers.statuses = 0, [503] * 1000
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"does not answer \(too many 503 error.*tried for") as problem:
        client().search_experiments()
    assert 0.5 <= time.monotonic() - began < 5 and answers.asked > 3
    assert problem.value.exit_code == 1 and "\n" not in str(problem.value) and patience.down()
    answers.asked = 0
    with hurried(), pytest.raises(Unreachable):
        client().search_experiments()
    assert answers.asked == 1
    for wrong in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv("MLSPATIAL_PATIENCE", wrong)
        with pytest.raises(BadValue, match=f"MLSPATIAL_PATIENCE={wrong}: must be a number of seconds, 0 or more"):
            patience.patience()


def test_a_word_now_and_then_by_one_of_those_who_wait(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answers.address)
    client()
    answers.statuses = [503] * 60
    assert at_once(lambda _: list(client().search_experiments()), range(4), 4) == [[]] * 4
    told = capfd.readouterr().err.splitlines()
    assert [("does not answer" in line, "answers again" in line) for line in told[:2]] == [(True, False), (False, True)]
    monkeypatch.setattr(patience, "WORD_SECONDS", 0.05)
    answers.statuses = [503] * 30
    client().search_experiments()
    assert sum("does not answer" in line for line in capfd.readouterr().err.splitlines()) > 2


def test_an_address_that_never_answered_is_a_mistake_and_one_that_did_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "FIRST_SECONDS", 0.1)
    for seen in (False, True):
        address = f"http://127.0.0.1:{free_port()}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv(store.SEEN, address if seen else "")
        monkeypatch.setenv("MLSPATIAL_PATIENCE", "0.2")
        with pytest.raises(UserError) as problem:
            client()
        assert "Connection refused" in str(problem.value) and "\n" not in str(problem.value)
        assert isinstance(problem.value, Unreachable) == seen and problem.value.exit_code == (1 if seen else 2)
        assert ("is it right, and up?" in str(problem.value)) != seen


def test_a_locked_database_is_waited_for(
    registry: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(store, "BUSY_SECONDS", 0)
    told = threading.Event()
    monkeypatch.setattr(patience, "say", lambda line: (told.set(), print(line, file=sys.stderr)))
    with (
        runs.open_run(runs.Spec("train", 1, {}, {"a": 1}), name="x") as run,
        closing(sqlite3.connect(registry / "mlflow.db", check_same_thread=False)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        ender = threading.Thread(target=lambda: (told.wait(60), other.rollback()))
        ender.start()
        run.log({"loss": 0.5})
        run.flush()
        ender.join()
    assert runs.get(run.id).metrics == {"loss": 0.5} and runs.get(run.id).status == "FINISHED"
    captured = capfd.readouterr().err
    assert "does not answer (database is locked)" in captured and "Traceback" not in captured
    monkeypatch.setenv("MLSPATIAL_PATIENCE", "0.2")
    with closing(sqlite3.connect(registry / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(Unreachable, match="database is locked"):
            client().set_tag(run.id, "a", "b")


def test_sqlite_itself_waits_no_longer_than_ctrl_c_may_take(registry: Path) -> None:
    from sqlalchemy import create_engine, text

    client()
    with create_engine("sqlite://").connect() as connection:
        connection.execute(text("PRAGMA busy_timeout = 20000;"))  # as MLflow does
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 1000


def raised(make: Callable[[], Any]) -> BaseException:
    try:
        make()
    except BaseException as error:
        return error
    raise AssertionError


def test_what_counts_as_away() -> None:
    refused = raised(lambda: requests.get(f"http://127.0.0.1:{free_port()}", timeout=5))
    assert away(refused) == "[Errno 111] Connection refused"
    wrapped = raised(lambda: _within(refused, MlflowException("API request to http://... failed with exception ...")))
    assert away(wrapped) == "[Errno 111] Connection refused"
    gone, there, locked, closed = (OperationalError("SELECT 1", {}, error) for error in (
        sqlite3.OperationalError("unable to open database file"), sqlite3.OperationalError("no such column: x"),
        sqlite3.OperationalError("database is locked"), OSError("server closed the connection unexpectedly\n\tmore"),
    ))  # fmt: skip
    assert away(gone) and away(locked) == "database is locked" and not away(there)
    assert away(closed) == "server closed the connection unexpectedly"
    invalid = MlflowException("x", INVALID_PARAMETER_VALUE)
    assert not away(raised(lambda: _within(locked, invalid)))  # another error, met on the way
    for transient in (
        requests.ReadTimeout("Read timed out. (read timeout=120)"),
        requests.exceptions.ChunkedEncodingError("Connection broken: IncompleteRead"),
        requests.ConnectionError("('Connection aborted.', RemoteDisconnected('...'))"),
        requests.exceptions.SSLError("EOF occurred in violation of protocol"),
        requests.exceptions.RetryError("too many 503 error responses"),
        http_error(502),
        RestException({"error_code": "TEMPORARILY_UNAVAILABLE", "message": "database is locked"}),
        MlflowException("The following failures occurred while downloading one or more artifacts from http://a:\n"
                        "##### File x #####\nAPI request to http://a/x failed with exception HTTPConnectionPool(...): "
                        "Failed to establish a new connection: [Errno 111] Connection refused"),
        MlflowException("The following failures occurred ...\n503 Server Error: SERVICE UNAVAILABLE for url: http://a"),
        http_error(500, "http://a/api/2.0/mlflow-artifacts/artifacts/1/x"),
        requests.exceptions.RetryError("HTTPSConnectionPool(host='a', port=1): Max retries exceeded with url: /api/2.0/"
                                       "mlflow-artifacts/artifacts/1/x (Caused by ResponseError('too many 500 error "
                                       "responses'))"),
        MlflowException("The following failures occurred ...\n500 Server Error: Internal Server Error for url: "
                        "http://a/api/2.0/mlflow-artifacts/artifacts/1/x"),
        MlflowException("Failed to download 3 chunk(s) for x after all retries exhausted."),
        ConnectionResetError(104, "Connection reset by peer"),
        socket.gaierror(-3, "Temporary failure in name resolution"),
    ):  # fmt: skip
        assert away(transient), transient
    for lasting in (
        requests.exceptions.SSLError("certificate verify failed: self-signed certificate"),
        requests.exceptions.InvalidURL("http://"),
        http_error(404),
        RestException({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run 503 not found"}),
        RestException({"error_code": "PERMISSION_DENIED", "message": "no"}),
        MlflowException("The following failures occurred ...\n404 Client Error: NOT FOUND for url: http://a:503/x"),
        OperationalError("", {}, OSError('FATAL:  password authentication failed for user "me"')),
        OperationalError("", {}, OSError('FATAL:  database "mlflow" does not exist')),
        ProgrammingError("SELECT 1", {}, OSError("relation runs does not exist")),
        ValueError("timed out"),
        FileNotFoundError(2, "No such file"),
        KeyError("x"),
    ):
        assert not away(lasting), lasting
    for broken in (
        requests.exceptions.RetryError("too many 500 error responses"),
        http_error(500),
        http_error(500, "http://a/api/2.0/mlflow/runs/get?run_id=mlflow-artifacts"),
    ):
        assert away(broken) == patience.BROKEN, broken  # which is asked again for a shorter time


def _within(first: BaseException, second: BaseException) -> None:
    try:
        raise first
    except BaseException:
        raise second  # noqa: B904


def http_error(status: int, url: str = "http://a") -> requests.HTTPError:
    response = requests.Response()
    response.status_code, response.url, response.reason = status, url, http.client.responses[status]
    error = raised(response.raise_for_status)
    assert isinstance(error, requests.HTTPError)
    return error


def test_what_an_earlier_try_made_is_not_made_again() -> None:
    made = []

    def make() -> str:
        made.append("x")
        raise ConnectionResetError("the answer is lost")

    assert patiently(make, lambda: made[0] if made else None) == "x" and made == ["x"]


def test_passwords_are_not_told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    word = "hunter" + "2"
    monkeypatch.setattr(store, "FIRST_SECONDS", 0.0)
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:{word}@127.0.0.1:{free_port()}/")
    with pytest.raises(UserError) as problem:
        client()
    assert word not in str(problem.value) and "me" not in os.environ["MLFLOW_TRACKING_URI"]
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "me" and os.environ["MLFLOW_TRACKING_PASSWORD"] == word
    assert store.ui_address("1", "a").startswith("http://127.0.0.1:")
    monkeypatch.setenv(store.UI, f"https://me:{word}@mlflow.example.org")
    assert store.ui_address("1", "a").startswith("https://mlflow.example.org/#/")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://me:{word}@127.0.0.1:{free_port()}/db")
    assert store.whereabouts() == os.environ["MLFLOW_TRACKING_URI"].replace(word, "***")
    say(f"cannot reach {os.environ['MLFLOW_TRACKING_URI']}")
    assert word not in capfd.readouterr().err


@pytest.mark.parametrize("json_body", [True, False])
def test_a_wrong_password_says_so_and_is_not_tried_again(
    answers: Answers, monkeypatch: pytest.MonkeyPatch, json_body: bool
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", answers.address)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter" + "2")
    answers.codes = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED"} if json_body else None
    answers.statuses, answers.asked = [401], 0
    with pytest.raises(UserError, match="wrong password, or no user me; set MLFLOW_TRACKING_USERNAME and") as problem:
        client()
    assert answers.asked == 1 and problem.value.exit_code == 2 and "hunter" not in str(problem.value)
    made = client()
    answers.statuses = [403]
    with pytest.raises(MlflowException) as refusal:
        made.search_experiments()
    assert patience.not_allowed(refusal.value).endswith("user me may not do this; ask for the right to it")
    assert patience.not_allowed(MlflowException("other")) == ""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "")
    monkeypatch.setenv("HOME", "/nowhere")
    answers.statuses = [401]
    with pytest.raises(UserError, match="wants a user and a password"):
        made.search_experiments()


def test_an_interruption_ends_the_waits_of_all_threads() -> None:
    waiting = threading.Barrier(4, timeout=60)

    def work(number: int) -> None:
        tried = []

        def ask() -> None:
            tried.append(1)
            if len(tried) == 2 and number:
                waiting.wait()
            raise ConnectionRefusedError

        if number:
            patiently(ask)
        waiting.wait()
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        at_once(work, range(4), 4)
    assert time.monotonic() - began < 60  # not the 150 s of their patience
    tried = iter([ConnectionRefusedError(), ConnectionRefusedError()])
    assert patiently(lambda: _raise_or(next(tried, None))) == "there"  # later ones wait again


def _raise_or(error: BaseException | None) -> str:
    if error:
        raise error
    return "there"


def test_a_stop_ends_a_wait_where_signals_do_not_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is begun or ended is not disturbed by signals; the wait for the store in it still ends at once."""
    said = threading.Event()
    monkeypatch.setattr(patience, "say", lambda _: said.set())
    monkeypatch.setenv("MLSPATIAL_PATIENCE", "300")
    sender = threading.Thread(target=lambda: (said.wait(60), os.kill(os.getpid(), signal.SIGINT)))
    began = time.monotonic()
    sender.start()
    with pytest.raises(KeyboardInterrupt), stoppable(), undisturbed():
        with pytest.raises(Unreachable):
            patiently(lambda: _raise_or(ConnectionRefusedError()))
        ended = time.monotonic()
    sender.join()
    assert ended - began < 100  # not the seconds of its patience
