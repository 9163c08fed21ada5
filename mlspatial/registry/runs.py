"""Runs: open, answer, resume, find, finish.

A run is identified by its spec: the hash of the entry point, the inputs (dataset_id, model_id, ...), the resolved
parameters that decide the result and the version of the procedure. Asking for a spec that a finished run already
answers returns that run. A run whose process died is recognised (its process is gone, or its heartbeat is old),
marked KILLED, and opened again when its spec is asked for again.
"""

from __future__ import annotations

import getpass
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

from filelock import FileLock, Timeout

from mlspatial.core.errors import Busy, TakenUp, Unreachable, in_one_line
from mlspatial.core.names import CFG, DATASET_ID, ENTRY, MODEL_ID, PARENTS, SPEC, STUDY, TAG, cache_folder
from mlspatial.core.progress import say
from mlspatial.core.stopping import Terminated as Terminated
from mlspatial.core.stopping import stop_behind, stoppable, undisturbed
from mlspatial.registry import foreign, late, lives, lookup, notes, patience, source, spool
from mlspatial.registry.artifacts import Lacks, whole
from mlspatial.registry.artifacts import download as download
from mlspatial.registry.artifacts import local as local
from mlspatial.registry.artifacts import missing as missing
from mlspatial.registry.artifacts import there as there
from mlspatial.registry.lives import BOOT as BOOT
from mlspatial.registry.lives import DEAD_AFTER as DEAD_AFTER
from mlspatial.registry.lives import HEARTBEAT as HEARTBEAT
from mlspatial.registry.lives import PROCESS as PROCESS
from mlspatial.registry.lives import now as _now
from mlspatial.registry.lives import process as _process
from mlspatial.registry.record import RunRecord, Spec
from mlspatial.registry.record import record_of as record_of
from mlspatial.registry.run import MAX_TAG as MAX_TAG
from mlspatial.registry.run import PARENTS_FILE as PARENTS_FILE
from mlspatial.registry.run import Run
from mlspatial.registry.source import check_patch as check_patch
from mlspatial.registry.store import client, experiment_id

RESUMED, ENDED = TAG + "resumed", TAG + "ended"
HEARTBEAT_SECONDS = lives.HEARTBEAT_SECONDS
BEAT_AGAIN_SECONDS = 5.0  # after a heartbeat that failed
LOCK_SECONDS = 0.05  # that a lock is waited for: who only looks whether it is held has it for a moment
ANSWER = "answer"  # the entry of a run that only points to the run that holds the result
FOREIGN: set[str] = set()  # dead runs of other people that we may not change
LEFT: set[str] = set()  # runs that ended here while the store was away: they are RUNNING in it, and dead


class Stopped(Exception):
    """The caller wants no more of a run: it ends KILLED and may be resumed."""


@contextmanager
def open_run(
    spec: Spec,
    *,
    name: str,
    study: str = "",
    parents: Iterable[str] = (),
    force: bool = False,
    lacks: Lacks | None = None,
) -> Iterator[Run]:
    """The run for a spec: answered (`run.answered`, nothing to do), resumed after a crash, or new.

    lacks(finished run): what is gone of that which it made; such a run does not answer. See `missing`.
    Ends FINISHED, FAILED on an exception, KILLED on SIGTERM or Ctrl-C. Under `mlflow run`, the project's own run is
    used; when an older run answers or goes on instead, the project's becomes an `answer` that names it.
    Raises Busy when another process is making the same spec right now, UserError where uncommitted changes hold a key.
    """
    listed = ",".join(parents)
    lock = _lock(spec.id)
    try:
        lock.acquire(timeout=LOCK_SECONDS, poll_interval=LOCK_SECONDS / 5)
    except Timeout:
        raise Busy(name, maker(spec.entry, spec.id) or _maker(None), spec.entry, spec.id, spec.cfg) from None
    try:
        mark_dead_runs()
        same = find(spec=spec.id, entry=spec.entry)
        running = next((run for run in same if run.status == "RUNNING" and _lives(run)), None)
        same = [] if force else same
        finished = whole([run for run in same if run.status == "FINISHED"], name, lacks)
        if running and not finished:
            raise Busy(name, _maker(running), spec.entry, spec.id, spec.cfg)
        project_run = os.environ.pop("MLFLOW_RUN_ID", None)
        if finished:
            _point_to(finished, project_run, spec, name, study)
            join_study(finished, study)
            yield Run(finished.id, answered=True)
            return
        check_patch()
        killed = next((run for run in same if run.status == "KILLED" and _is_left_to_us(run)), None)
        if killed:
            _point_to(killed, project_run, spec, name, study)
            begin = partial(_resume, killed, study)
        else:
            begin = partial(_start, spec, name, study, listed, project_run)
        with stoppable(), _alive(begin) as run:
            known = killed.cfg if killed else {}
            if len(known) < len(spec.cfg):  # of one that was killed at once, the rest
                _describe(run, {key: value for key, value in spec.cfg.items() if key not in known}, listed)
            yield run
            from mlflow.exceptions import MlflowException

            try:
                _note(run, spec, listed)
            except (MlflowException, Unreachable) as error:  # words about a result are not worth the result
                say(f"run {run.id}: has no description: {in_one_line(error)}")
    finally:
        lock.release()


def _note(run: Run, spec: Spec, listed: str) -> None:
    """Describe a run that has finished, with links to the first of its inputs."""
    parents = [one for one in (run.parents if run.parents is not None else listed.split(",")) if one]
    shown = parents[: notes.LINKED]
    found = find(where=f"attributes.run_id IN ({', '.join(map(repr, shown))})") if shown else []
    notes.write(run, spec, sorted(found, key=lambda one: shown.index(one.id)), len(parents) - len(shown))


def maker(entry: str, spec: str) -> str | None:
    """Who is making a result right now, for people: process, machine and run. None when nobody is."""
    running = next((run for run in find(spec=spec, entry=entry, status="RUNNING") if _lives(run)), None)
    return _maker(running) if running or _is_locked(spec) else None


def _lock(spec: str) -> FileLock:
    return FileLock(cache_folder("locks") / f"{spec}.lock")


def _is_locked(spec: str) -> bool:
    try:
        with _lock(spec).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _maker(running: RunRecord | None) -> str:
    if running is None:
        return f"another process on {socket.gethostname()}"  # which has no run yet
    host, _, rest = running.tags.get(PROCESS, "").partition(" ")
    return f"process {rest.partition(' ')[0]} on {host} (run {running.id})"


@contextmanager
def project_run_reserved() -> Iterator[None]:
    """Keep the run that `mlflow run` has opened for later: what is opened inside makes runs of its own."""
    reserved = os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        yield
    finally:
        if reserved:
            os.environ["MLFLOW_RUN_ID"] = reserved


def _resume(killed: RunRecord, study: str) -> Run:
    run = Run(killed.id, resumed=True)
    run.set_tags({RESUMED: int(killed.tags.get(RESUMED, 0)) + 1, **lives.signs()})
    client().update_run(killed.id, status="RUNNING")  # after it says whose it is, lest others think its process is dead
    run.add_tags(source.versions())
    if kept := spool.of(killed.id):
        if kept.process == killed.tags.get(PROCESS):  # else others have gone on with it since, and logged the same
            run.take_up(kept)
        spool.forget(killed.id)
    join_study(killed, study)
    return run


def _start(spec: Spec, name: str, study: str, listed: str, project_run: str | None) -> Run:
    tags = {
        "mlflow.runName": name,
        "mlflow.user": getpass.getuser(),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.name": f"entrypoints.{spec.entry}",
        ENTRY: spec.entry,
        SPEC: spec.id,
        STUDY: study,
        PARENTS: listed if len(listed) <= MAX_TAG else "",
        DATASET_ID: str(spec.inputs.get("dataset_id", "")),
        MODEL_ID: str(spec.inputs.get("model_id", "")),
        **lives.signs(),
        TAG + "version": str(spec.version),
        **source.tags(),
        **source.versions(),
    }
    if not project_run:
        return Run(client().create_run(experiment_id(spec.entry), tags=tags, run_name=name).info.run_id, new=True)
    run = Run(project_run, new=True)
    run.set_tags(tags)
    return run


def _describe(run: Run, cfg: Mapping[str, Any], listed: str) -> None:
    run.log_params({CFG + key: value for key, value in cfg.items()})
    if len(listed) > MAX_TAG:
        run.log_text(listed.replace(",", "\n"), PARENTS_FILE)
    if patch := source.dirty_patch():
        run.log_text(patch, "source/uncommitted.patch")


@contextmanager
def _alive(begin: Callable[[], Run]) -> Iterator[Run]:
    """The run that `begin` makes: beat in the background and give it its final status, whatever happens."""
    stop = threading.Event()
    run: Run | None = None

    def beat(run: Run) -> None:
        pause = HEARTBEAT_SECONDS
        while not stop.wait(pause):
            try:
                with patience.hurried():
                    run.set_tags({HEARTBEAT: _now()})
                pause = HEARTBEAT_SECONDS
            except Exception:  # whatever it is: a run that lives goes on saying so
                pause = min(BEAT_AGAIN_SECONDS, HEARTBEAT_SECONDS)

    status, reason, failed = "FAILED", "ended without a word", True
    try:
        with undisturbed():  # a run that is half begun could not be ended
            run = begin()
            thread = threading.Thread(target=beat, args=(run,), name="heartbeat", daemon=True)
            thread.start()
        yield run
        status, reason, failed = "FINISHED", "", False
    except (KeyboardInterrupt, Terminated) as stopped:
        status, reason = "KILLED", type(stopped).__name__
        raise
    except (
        Stopped,
        TakenUp,
        Unreachable,
        Busy,
    ) as stopped:  # Busy: with a part; it goes on
        status, reason = "KILLED", f"{type(stopped).__name__}: {stopped}"
        raise
    except BaseException as error:
        if signalled := stop_behind(error):  # a signal in the middle of a database's commit comes out as its error
            status, reason = "KILLED", type(signalled).__name__
            raise signalled from error
        status, reason = "FAILED", f"{type(error).__name__}: {error}"
        raise
    finally:
        if run:
            stop.set()
            thread.join(1.0)  # a beat on its way does no harm
            with undisturbed():
                problem = _end(run, status, reason)
            if problem and not failed:
                raise problem


def _end(run: Run, status: str, reason: str) -> BaseException | None:
    """Write the last metrics and the final status of a run; what that met, if anything.

    A run whose last metrics cannot be written is FAILED. Where the store stays away, they and its status are kept on
    disk, and the next command tells them; one that is stopped meanwhile goes on later.
    """
    if run.taken_up:
        return None  # what is told of it is theirs
    problem: BaseException | None = None
    untold = status == "KILLED" and patience.down()
    if not untold:
        try:
            with patience.hurried() if status == "KILLED" else nullcontext():
                run.flush()
        except Unreachable as error:
            problem, untold = error, True
        except TakenUp as error:
            return error
        except BaseException as error:
            problem = error
            if status == "FINISHED":
                stopped = stop_behind(error) is not None
                status, reason = "KILLED" if stopped else "FAILED", f"{type(error).__name__}: {error}"
    said = {ENDED: reason[:500]} if reason else {}
    if not untold:
        try:
            with patience.hurried() if status == "KILLED" else nullcontext():
                try:
                    if said:
                        run.set_tags(said)
                finally:
                    client().set_terminated(run.id, status)
        except BaseException as error:
            LEFT.add(run.id)
            problem, untold = problem or error, isinstance(error, Unreachable)
    if untold:
        LEFT.add(run.id)
        run.keep("" if status == "KILLED" else status, said)
    return problem


def find(
    *,
    spec: str | None = None,
    entry: str | None = None,
    where: str = "",
    status: str | None = None,
    limit: int | None = None,
) -> list[RunRecord]:
    """Runs of ours, newest first, without mere answers. where: further MLflow filter text; status: FINISHED, ...;
    limit: no more of them."""
    clauses = [f"tags.`{ENTRY}` != '{ANSWER}'" if entry is None else f"tags.`{ENTRY}` = '{entry}'"]
    clauses += [f"tags.`{SPEC}` = '{spec}'"] if spec else []
    clauses += [f"attributes.status = '{status}'"] if status else []
    clauses += [where] if where else []
    return lookup.find(" and ".join(clauses), limit)


def get(run_id: str) -> RunRecord:
    return lookup.run(run_id)


def finished(spec: Spec) -> RunRecord | None:
    """The finished run that answers a spec, if there is one."""
    return next(iter(find(spec=spec.id, status="FINISHED")), None)


def mark_dead_runs() -> list[str]:
    """Mark every RUNNING run of ours whose process is gone as KILLED. Returns their ids.

    Those of other people that we may not change are left as they are, and told once.
    """
    late.deliver()
    dead = []
    for run in find(status="RUNNING"):
        left = run.id in LEFT and run.tags.get(PROCESS) == _process()
        if run.id not in FOREIGN and (left or not _lives(run)):
            LEFT.discard(run.id)
            said = {ENDED: f"process died; last heartbeat {run.tags.get(HEARTBEAT, 'never')}"}
            if _may_change(run, said):
                client().set_terminated(run.id, "KILLED")
                dead.append(run.id)
    return dead


def _may_change(run: RunRecord, tags: Mapping[str, str]) -> bool:
    """Set tags of a run; whether the store lets us."""
    from mlflow.exceptions import MlflowException

    try:
        Run(run.id).set_tags(tags)
    except MlflowException as error:
        if not patience.not_allowed(error):
            raise
        FOREIGN.add(run.id)
        whose = run.tags.get("mlflow.user", "somebody else")
        say(f"run {run.id} of {whose} ({run.name}) has died; it is left as it is, since you may not change it")
        return False
    return True


def _is_left_to_us(killed: RunRecord) -> bool:
    """Whether we may go on with a run; else another one is made."""
    return killed.id not in FOREIGN and _may_change(killed, {HEARTBEAT: _now()})


def _lives(run: RunRecord) -> bool:
    return lives.lives(run.tags)


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


def join_study(run: RunRecord, study: str) -> None:
    """Name a run that answers part of a study; says so where that is not allowed."""
    if not study or study in run.studies:
        return
    tags = {STUDY: ",".join([*run.studies, study])}
    if foreign.refusal(lambda: Run(run.id).set_tags(tags)):
        say(
            f"run {run.id} of {run.tags.get('mlflow.user', 'another')} ({run.name}) answers, but you may not name "
            f"it part of study {study}: what reads that study by its name is without it. Ask for the right to change "
            f"runs, or use {f'study={run.studies[0]}' if run.studies else 'no study'}"
        )
