"""Runs: open, answer, resume, find, finish.

A run is identified by its spec: the hash of the entry point, the inputs (dataset_id, model_id, ...), the resolved
parameters that decide the result and the version of the procedure. Asking for a spec that a finished run already
answers returns that run. A run whose process died is recognised (its process is gone, or its heartbeat is old),
marked KILLED, and opened again when its spec is asked for again.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext

from filelock import FileLock, Timeout

from mlspatial.core.errors import Busy, TakenUp, Unreachable, in_one_line
from mlspatial.core.names import cache_folder
from mlspatial.core.progress import say
from mlspatial.core.stopping import Terminated as Terminated
from mlspatial.core.stopping import stop_behind, stoppable, undisturbed
from mlspatial.registry import claims, lives, notes, patience
from mlspatial.registry.artifacts import Lacks, whole
from mlspatial.registry.artifacts import download as download
from mlspatial.registry.artifacts import local as local
from mlspatial.registry.artifacts import missing as missing
from mlspatial.registry.artifacts import there as there
from mlspatial.registry.claims import CLAIM, NONE
from mlspatial.registry.dead import ENDED, LEFT
from mlspatial.registry.dead import mark_dead_runs as mark_dead_runs
from mlspatial.registry.found import ANSWER as ANSWER
from mlspatial.registry.found import find as find
from mlspatial.registry.found import finished as finished
from mlspatial.registry.found import get as get
from mlspatial.registry.lives import BOOT as BOOT
from mlspatial.registry.lives import DEAD_AFTER as DEAD_AFTER
from mlspatial.registry.lives import HEARTBEAT as HEARTBEAT
from mlspatial.registry.lives import PROCESS as PROCESS
from mlspatial.registry.lives import now as _now
from mlspatial.registry.opening import RESUMED as RESUMED
from mlspatial.registry.opening import Answered, Died, Opening, point_to
from mlspatial.registry.opening import join_study as join_study
from mlspatial.registry.record import RunRecord as RunRecord
from mlspatial.registry.record import Spec as Spec
from mlspatial.registry.record import record_of as record_of
from mlspatial.registry.run import MAX_TAG as MAX_TAG
from mlspatial.registry.run import PARENTS_FILE as PARENTS_FILE
from mlspatial.registry.run import Run
from mlspatial.registry.source import check_patch as check_patch
from mlspatial.registry.store import client

HEARTBEAT_SECONDS = lives.HEARTBEAT_SECONDS
BEAT_AGAIN_SECONDS = 5.0  # after a heartbeat that failed
LOCK_SECONDS = 0.05  # that a lock is waited for: who only looks whether it is held has it for a moment


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
    with _gate(spec, name):
        project_run, answer = None, None
        while not answer:
            mark_dead_runs()
            same = find(spec=spec.id, entry=spec.entry)
            rival = next(claims.rivals(same), None)
            answer = None if force else whole([run for run in same if run.status == "FINISHED"], name, lacks)
            if rival and not answer:
                raise Busy(name, rival.who, spec.entry, spec.id, spec.cfg)
            project_run = os.environ.pop("MLFLOW_RUN_ID", None)
            if answer:
                break
            check_patch()
            opening = Opening(spec, name, study, listed, force, lacks, project_run, same)
            try:
                with stoppable(), _alive(opening.begin) as run:
                    opening.claim(run)
                    opening.describe(run)
                    yield run
                    _note(run, spec, listed)
                return
            except Answered as made:
                answer = made.run
            except (Busy, Died) as outdone:
                if project_run and not opening.claimed:
                    os.environ["MLFLOW_RUN_ID"] = project_run
                if isinstance(outdone, Busy):
                    raise
        if project_run:
            point_to(answer, project_run, spec, name, study)
        join_study(answer, study)
        yield Run(answer.id, answered=True)


@contextmanager
def _gate(spec: Spec, name: str) -> Iterator[None]:
    """Let one process of this cache at a spec: it spares the others their requests, and the claim decides."""
    lock = _lock(spec.id)
    try:
        lock.acquire(timeout=LOCK_SECONDS, poll_interval=LOCK_SECONDS / 5)
    except Timeout:
        raise Busy(name, maker(spec.entry, spec.id) or _another(), spec.entry, spec.id, spec.cfg) from None
    try:
        yield
    finally:
        lock.release()


def _note(run: Run, spec: Spec, listed: str) -> None:
    """Describe a run that has finished, with links to the first of its inputs. Words about a result are not worth the
    result: where they cannot be written, it stays without."""
    from mlflow.exceptions import MlflowException

    parents = [one for one in (run.parents if run.parents is not None else listed.split(",")) if one]
    shown = parents[: notes.LINKED]
    try:
        found = find(where=f"attributes.run_id IN ({', '.join(map(repr, shown))})") if shown else []
        notes.write(run, spec, sorted(found, key=lambda one: shown.index(one.id)), len(parents) - len(shown))
    except (MlflowException, Unreachable) as error:
        say(f"run {run.id}: has no description: {in_one_line(error)}")


def maker(entry: str, spec: str) -> str | None:
    """Who is making a result right now, for people: process, machine and run. None when nobody is."""
    rival = next(claims.rivals(find(spec=spec, entry=entry)), None)
    return rival.who if rival else _another() if _is_locked(spec) else None


def _lock(spec: str) -> FileLock:
    return FileLock(cache_folder("locks") / f"{spec}.lock")


def _is_locked(spec: str) -> bool:
    try:
        with _lock(spec).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _another() -> str:
    return f"another process on {socket.gethostname()}"  # which has no run yet


@contextmanager
def project_run_reserved() -> Iterator[None]:
    """Keep the run that `mlflow run` has opened for later: what is opened inside makes runs of its own."""
    reserved = os.environ.pop("MLFLOW_RUN_ID", None)
    try:
        yield
    finally:
        if reserved:
            os.environ["MLFLOW_RUN_ID"] = reserved


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
    claims.OWN.discard(run.id)
    if run.taken_up or run.withdrawn:
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
    said = {ENDED: reason[:500], CLAIM: NONE} if reason else {}
    if status == "FINISHED" and not untold:
        run.finish_files()
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
