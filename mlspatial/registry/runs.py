"""Runs: open, answer, resume, find, finish.

A run is identified by its spec: the hash of the entry point, the inputs (dataset_id, model_id, ...), the resolved
parameters that decide the result and the version of the procedure. Asking for a spec that a finished run already
answers returns that run. A run whose process died is recognised (its process is gone, or its heartbeat is old),
marked KILLED, and opened again when its spec is asked for again.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import psutil
from filelock import FileLock, Timeout

from mlspatial.core.errors import UserError
from mlspatial.core.manifest import Manifest
from mlspatial.core.names import CFG, DATASET_ID, ENTRY, MODEL_ID, PARENTS, SPEC, STUDY, TAG, cache_folder
from mlspatial.registry import source
from mlspatial.registry.record import RunRecord, Spec, record_of
from mlspatial.registry.store import all_experiments, client, experiment_id

HEARTBEAT, PROCESS, RESUMED, ENDED = TAG + "heartbeat", TAG + "process", TAG + "resumed", TAG + "ended"
HEARTBEAT_SECONDS = 30.0
DEAD_AFTER = 10 * HEARTBEAT_SECONDS  # for runs of other machines; on this one the process table is asked
FLUSH_METRICS, FLUSH_SECONDS = 500, 10.0
MAX_PARAMS, MAX_METRICS, MAX_VALUE = 100, 1000, 6000  # MLflow's limits for one call and one value
ANSWER = "answer"  # the entry of a run that only points to the run that holds the result
MAX_TAG = 5000  # characters; longer lists of parents become the artifact PARENTS_FILE
PARENTS_FILE = "parents.txt"


class Terminated(BaseException):
    """SIGTERM arrived: the run ends KILLED and may be resumed."""


class Stopped(Exception):
    """The caller wants no more of a run: it ends KILLED and may be resumed."""


class Run:
    """An open run: logs in batches from any thread, beats while it lives. Made by `open_run`."""

    def __init__(self, run_id: str, *, answered: bool = False, resumed: bool = False) -> None:
        self.id, self.answered, self.resumed = run_id, answered, resumed
        self._pending: list[Any] = []
        self._flushed = time.monotonic()
        self._lock = threading.RLock()

    def log(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Queue metrics; they are written a few hundred at a time and at the end."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        with self._lock:
            self._pending += [Metric(name, float(value), now, step) for name, value in metrics.items()]
            due = len(self._pending) >= FLUSH_METRICS or time.monotonic() - self._flushed > FLUSH_SECONDS
        if due:
            self.flush()

    def flush(self) -> None:
        with self._lock:
            pending, self._pending, self._flushed = self._pending, [], time.monotonic()
            for first in range(0, len(pending), MAX_METRICS):
                client().log_batch(self.id, metrics=pending[first : first + MAX_METRICS])

    def log_params(self, params: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        entries = [Param(name, str(value)[:MAX_VALUE]) for name, value in params.items()]
        for first in range(0, len(entries), MAX_PARAMS):
            client().log_batch(self.id, params=entries[first : first + MAX_PARAMS])

    def last_step(self, metric: str) -> int:
        """The highest step at which a metric was written; -1 before the first."""
        return max((entry.step for entry in client().get_metric_history(self.id, metric)), default=-1)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        from mlflow.entities import RunTag

        client().log_batch(self.id, tags=[RunTag(name, str(value)) for name, value in tags.items()])

    def log_file(self, path: Path, folder: str | None = None) -> None:
        client().log_artifact(self.id, str(path), folder)

    def log_text(self, text: str, name: str) -> None:
        client().log_text(self.id, text, name)

    def log_table(self, table: Any, name: str) -> None:
        """table: a pandas DataFrame, shown as a table by the MLflow UI (name ends in .json)."""
        self.log_text(table.to_json(orient="split", index=False), name)

    def log_dataset(self, manifest: Manifest, folder: Path, context: str) -> None:
        """Record a dataset as an input of this run; context: training, evaluation, output, ..."""
        import json

        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=manifest.name,
            digest=manifest.dataset_id,
            source_type="local",
            source=json.dumps({"uri": str(folder.resolve())}),
            schema=json.dumps({"mlflow_colspec": [_colspec(latent) for latent in manifest.schema]}),
            profile=json.dumps({name: manifest.rows(name) for name in manifest.splits}),
        )
        client().log_inputs(self.id, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])


def _colspec(latent: Any) -> dict[str, Any]:
    return {"name": latent.name, "type": "string" if latent.kind == "category" else "float", "required": True}


@contextmanager
def open_run(
    spec: Spec, *, name: str, study: str = "", parents: Iterable[str] = (), force: bool = False
) -> Iterator[Run]:
    """The run for a spec: answered (`run.answered`, nothing to do), resumed after a crash, or new.

    Ends FINISHED, FAILED on an exception, KILLED on SIGTERM or Ctrl-C. Under `mlflow run`, the project's own run is
    used; when an older run answers or goes on instead, the project's becomes an `answer` that names it.
    Raises UserError when another process is making the same spec right now.
    """
    lock = FileLock(cache_folder("locks") / f"{spec.id}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"{spec.entry} {name}: another process is making this result; wait for it or stop it") from None
    try:
        mark_dead_runs()
        project_run = os.environ.pop("MLFLOW_RUN_ID", None)
        same = [] if force else find(spec=spec.id, entry=spec.entry)
        finished = next((run for run in same if run.status == "FINISHED"), None)
        if finished:
            _point_to(finished, project_run, spec, name, study)
            _join_study(finished, study)
            yield Run(finished.id, answered=True)
            return
        if running := next((run for run in same if run.status == "RUNNING"), None):
            raise UserError(
                f"{spec.entry} {name}: run {running.id} is making this result on {running.tags.get(PROCESS)}"
            )
        killed = next((run for run in same if run.status == "KILLED"), None)
        if killed:
            _point_to(killed, project_run, spec, name, study)
            run = Run(killed.id, resumed=True)
            client().update_run(killed.id, status="RUNNING")
            run.set_tags({RESUMED: int(killed.tags.get(RESUMED, 0)) + 1, PROCESS: _process(), HEARTBEAT: _now()})
            _join_study(killed, study)
        else:
            run = _start(spec, name, study, parents, project_run)
        with _alive(run):
            yield run
    finally:
        lock.release()


@contextmanager
def project_run_reserved() -> Iterator[None]:
    """Keep the run that `mlflow run` has opened for later: what is opened inside makes runs of its own."""
    reserved = os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        yield
    finally:
        if reserved:
            os.environ["MLFLOW_RUN_ID"] = reserved


def _start(spec: Spec, name: str, study: str, parents: Iterable[str], project_run: str | None) -> Run:
    run_id = project_run or client().create_run(experiment_id(), run_name=name).info.run_id
    run = Run(run_id)
    listed = ",".join(parents)
    if len(listed) > MAX_TAG:
        run.log_text(listed.replace(",", "\n"), PARENTS_FILE)
        listed = ""
    tags = {
        "mlflow.runName": name,
        "mlflow.user": getpass.getuser(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"entrypoints.{spec.entry}",
        ENTRY: spec.entry,
        SPEC: spec.id,
        STUDY: study,
        PARENTS: listed,
        DATASET_ID: spec.inputs.get("dataset_id", ""),
        MODEL_ID: spec.inputs.get("model_id", ""),
        PROCESS: _process(),
        HEARTBEAT: _now(),
        TAG + "version": spec.version,
        **source.tags(),
    }
    run.set_tags(tags)
    run.log_params({CFG + key: value for key, value in spec.cfg.items()})
    if patch := source.dirty_patch():
        run.log_text(patch, "source/uncommitted.patch")
    return run


@contextmanager
def _alive(run: Run) -> Iterator[None]:
    """Beat in the background and give the run its final status, whatever happens."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            run.set_tags({HEARTBEAT: _now()})

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    status, reason = "FAILED", "ended without a word"
    try:
        with _sigterm_raises():
            yield
        status, reason = "FINISHED", ""
    except (KeyboardInterrupt, Terminated, Stopped) as stopped:
        status, reason = "KILLED", type(stopped).__name__ + (f": {stopped}" if isinstance(stopped, Stopped) else "")
        raise
    except BaseException as error:
        if signalled := _stop_behind(error):  # a signal in the middle of a database's commit comes out as its error
            status, reason = "KILLED", type(signalled).__name__
            raise signalled from error
        status, reason = "FAILED", f"{type(error).__name__}: {error}"
        raise
    finally:
        stop.set()
        thread.join()
        run.flush()
        if reason:
            run.set_tags({ENDED: reason[:500]})
        client().set_terminated(run.id, status)


def _stop_behind(error: BaseException) -> BaseException | None:
    """The signal that an error was raised from, if there was one."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, KeyboardInterrupt | Terminated):
        seen = seen.__cause__ or seen.__context__
    return seen


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # signals only reach the main thread; the study that owns this thread handles them
        return

    def handler(number: int, frame: FrameType | None) -> None:
        raise Terminated(f"signal {number}")

    before = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is handler:  # several open runs may end in any order
            signal.signal(signal.SIGTERM, before)


def find(
    *, spec: str | None = None, entry: str | None = None, where: str = "", status: str | None = None
) -> list[RunRecord]:
    """Runs of ours, newest first, without mere answers. where: further MLflow filter text; status: FINISHED, ..."""
    clauses = [f"tags.`{ENTRY}` != '{ANSWER}'" if entry is None else f"tags.`{ENTRY}` = '{entry}'"]
    clauses += [f"tags.`{SPEC}` = '{spec}'"] if spec else []
    clauses += [f"attributes.status = '{status}'"] if status else []
    clauses += [where] if where else []
    records: list[RunRecord] = []
    token = None
    while True:
        page = client().search_runs(
            all_experiments(), " and ".join(clauses), max_results=50_000, order_by=["start_time DESC"], page_token=token
        )
        records += [record_of(run) for run in page]
        token = page.token
        if not token:
            return records


def get(run_id: str) -> RunRecord:
    return record_of(client().get_run(run_id))


def finished(spec: Spec) -> RunRecord | None:
    """The finished run that answers a spec, if there is one."""
    return next(iter(find(spec=spec.id, status="FINISHED")), None)


def download(run_id: str, artifact: str) -> Path:
    """A local path of one artifact of a run (a copy in a temporary folder when it is remote)."""
    return Path(client().download_artifacts(run_id, artifact, dst_path=tempfile.mkdtemp(prefix="mlspatial-")))


def local(run_id: str, artifact: str) -> Path:
    """A path at which one artifact of a run stays: where it lies, or a copy in the cache when it is remote."""
    from mlflow.utils.file_utils import local_file_uri_to_path

    root = _artifact_root(run_id)
    if "://" not in root or root.startswith("file:"):
        return Path(local_file_uri_to_path(root)) / artifact
    target = cache_folder("artifacts", run_id) / artifact
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        made = download(run_id, artifact)
        shutil.move(made, target)
        shutil.rmtree(made.parent, ignore_errors=True)
    return target


@lru_cache(maxsize=4096)
def _artifact_root(run_id: str) -> str:
    return str(client().get_run(run_id).info.artifact_uri)


def mark_dead_runs() -> list[str]:
    """Mark every RUNNING run of ours whose process is gone as KILLED. Returns their ids."""
    dead = []
    for run in find(status="RUNNING"):
        if not _lives(run):
            Run(run.id).set_tags({ENDED: f"process died; last heartbeat {run.tags.get(HEARTBEAT, 'never')}"})
            client().set_terminated(run.id, "KILLED")
            dead.append(run.id)
    return dead


def _lives(run: RunRecord) -> bool:
    host, _, rest = run.tags.get(PROCESS, "").partition(" ")
    if host == socket.gethostname():
        pid, _, created = rest.partition(" ")
        try:
            return f"{psutil.Process(int(pid)).create_time():.0f}" == created
        except (psutil.Error, ValueError):
            return False
    try:
        return time.time() - float(run.tags.get(HEARTBEAT, "0")) < DEAD_AFTER
    except ValueError:
        return False


def _process() -> str:
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.0f}"


def _now() -> str:
    return f"{time.time():.0f}"


def _point_to(answer: RunRecord, project_run: str | None, spec: Spec, name: str, study: str) -> None:
    """Make the empty run that `mlflow run` has opened say which run holds its result."""
    if project_run:
        tags = {
            "mlflow.runName": f"{name} (see {answer.name}, {answer.id})",
            ENTRY: ANSWER,
            SPEC: spec.id,
            STUDY: study,
            PARENTS: answer.id,
            DATASET_ID: answer.tags.get(DATASET_ID, ""),
            MODEL_ID: answer.tags.get(MODEL_ID, ""),
        }
        Run(project_run).set_tags(tags)
        client().set_terminated(project_run, "FINISHED")


def _join_study(run: RunRecord, study: str) -> None:
    if study and study not in run.studies:
        Run(run.id).set_tags({STUDY: ",".join([*run.studies, study])})
