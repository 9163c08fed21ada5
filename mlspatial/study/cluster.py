"""Calls of a study on a dask cluster: processes on this machine, a scheduler that runs already, or a queue."""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping
from concurrent.futures import CancelledError
from concurrent.futures import wait as wait_for
from dataclasses import replace
from typing import Any

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.progress import say
from mlspatial.core.stopping import SIGNALS
from mlspatial.registry.store import client as registry
from mlspatial.study import workers
from mlspatial.study.workers import GRACE_SECONDS, LOST, STOPPED, Call, Outcome, Worker

ADDRESS = "DASK_SCHEDULER_ADDRESS"
TLS = "DASK_DISTRIBUTED__COMM__TLS"  # begins dask's own variables
CONNECT_SECONDS = 20
LOOK_SECONDS = 2.0  # between looks at which workers the cluster has
ASK_SECONDS = 1.0  # between a worker's questions whether its call is still wanted
AT_WORK = ("running", "paused")  # of a dask worker
IDLE_SECONDS = 60  # without a call, after which a process beside a dask worker ends: its study may have been killed
PASSED_ON = ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "MLFLOW_DISABLE_TELEMETRY",
             "MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD")  # fmt: skip
LAST_SHARE, LAST_SECONDS = 0.05, 120.0  # of a job's wall time: who is lost in them has run out of time
SILENT_SECONDS = 60.0  # without any worker of a queue, after which that is told
AGAIN_SECONDS = 5.0  # between two requests for jobs in place of those that ended
REFUSALS = 5  # of a queue one after the other, after which a study ends
QUEUE_SECONDS = 30.0  # between looks at whether jobs that have not begun are in the queue still; SLURM's only
SQUEUE = ("squeue", "--me", "--noheader", "--format=%i")
QUEUES = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "sge": "SGECluster", "lsf": "LSFCluster",
          "htcondor": "HTCondorCluster", "oar": "OARCluster", "moab": "MoabCluster"}  # fmt: skip


class NoScheduler(UserError):
    """A dask scheduler that has gone away, and with it its workers: nobody's mistake, so exit code 1."""

    exit_code = 1


class Dask:
    """One call at a time on each worker of a cluster, in a process of its own with the threads of that worker."""

    def __init__(self, slots: int, scheduler: str = "", cluster: Mapping[str, Any] | None = None) -> None:
        """scheduler: address of one that runs (or DASK_SCHEDULER_ADDRESS); cluster: kind and settings of a queue;
        neither: `slots` worker processes on this machine. Raises UserError."""
        import distributed

        registry()  # which says in the environment where the registry is
        address = scheduler or os.environ.get(ADDRESS, "")
        self._kind = str(cluster.get("kind", "")) if cluster else ""
        self._own: Any = None
        if not address and cluster:
            self._own = _queue(slots, cluster)
        elif not address:
            self._own = distributed.LocalCluster(
                n_workers=slots, threads_per_worker=1, processes=True, dashboard_address=None
            )
        try:
            self._client = distributed.Client(address or self._own, timeout=CONNECT_SECONDS)
        except TypeError as error:  # dask's own of an address that begins with tls
            raise UserError(f"scheduler={address}: needs a certificate, its key and whom to trust; name their files in "
                            f"{TLS}_CA_FILE, {TLS}_CLIENT__CERT and {TLS}_CLIENT__KEY") from error  # fmt: skip
        except (OSError, ValueError) as error:
            raise UserError(
                f"scheduler={address}: no dask scheduler answers there ({error}); is it running?"
            ) from error
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # from here on, our own words tell it
        self._address = str(self._client.scheduler.address) if self._client.scheduler else address
        self._local = self._own is not None and not cluster
        if self._local:
            self._client.run(leave_signals)
        self.slots, self.threads = slots, max(1, workers.cores() // slots)
        self._futures: dict[int, tuple[Any, str]] = {}  # ticket -> future, address of its worker
        self._workers: dict[str, dict[str, Any]] = {}
        self._since: dict[str, float] = {}  # address of a worker -> when it was first seen
        self._walltime = _seconds(str(cluster.get("walltime") or _usual(self._kind))) if cluster else 0.0
        self._looked = 0.0
        self._wanted, self._refusals, self._unborn = slots, 0, 0
        self._born: set[str] = set()  # jobs whose workers have connected
        self._queue_seen = time.monotonic()
        self._begun = self._asked = time.monotonic()
        self._told = False

    def _there(self) -> bool:
        return bool(self._client.status == "running")

    def _look(self) -> None:
        """Raises NoScheduler."""
        if not self._there():  # dask has given up every call by now, and its workers stop theirs
            raise NoScheduler(f"scheduler={self._address}: the dask scheduler is gone, and with it its workers' calls; "
                              "the same command goes on when one is there")  # fmt: skip
        if time.monotonic() - self._looked > LOOK_SECONDS or not self._workers:
            self._workers = dict(self._client.scheduler_info(n_workers=-1)["workers"])
            self._looked = time.monotonic()
            for address in self._workers:
                self._since.setdefault(address, self._looked)
            self.slots = max(1, len(self._workers))
            if self._own is not None and not self._local:
                self._watch_queue()

    def _watch_queue(self) -> None:
        now = time.monotonic()
        if not self._workers and not self._told and now - self._begun > SILENT_SECONDS:
            self._told = True
            say(f"cluster: no job has begun to work after {now - self._begun:.0f} s; does the queue say why, or the "
                "output of a job?")  # fmt: skip
        self._drop_gone(now)
        if len(self._own.workers) < self._wanted and now - self._asked > AGAIN_SECONDS:
            self._asked = now
            self._replace()

    def _drop_gone(self, now: float) -> None:
        """Forget jobs that left the queue before their worker connected. dask-jobqueue takes them for ones that wait.
        Raises UserError when that happens again and again, and no new worker comes."""
        names = {str(worker["name"]) for worker in self._workers.values()}
        own = {name: job for name, job in self._own.workers.items() if job.job_id}
        born = {str(job.job_id) for name, job in own.items() if str(name) in names}
        self._unborn = self._unborn if born <= self._born else 0
        self._born |= born
        waiting = {name: job for name, job in own.items() if str(job.job_id) not in self._born}
        if self._kind != "slurm" or not waiting or now - self._queue_seen < QUEUE_SECONDS:
            return
        self._queue_seen = now
        there = _in_slurm()
        gone = {name: job for name, job in waiting.items() if there is not None and str(job.job_id) not in there}
        connected = {str(worker["name"]) for worker in self._client.scheduler_info(n_workers=-1)["workers"].values()}
        gone = {name: job for name, job in gone.items() if str(name) not in connected}
        if not gone:
            return
        for name, job in gone.items():
            del self._own.workers[name]
            self._own._created.discard(job)
        self._unborn += 1
        ids = ", ".join(str(job.job_id) for job in gone.values())
        what = f"cluster: jobs that ended before their worker connected: {ids}; the output of a job says why"
        if self._unborn >= REFUSALS:
            raise UserError(f"{what}. The same after {self._unborn} tries")
        say(f"{what}; they are replaced")

    def _replace(self) -> None:
        """Ask the queue for jobs in place of those that ended. Raises UserError when it refuses again and again."""
        try:
            _submit(self._own, self._wanted)
            self._refusals = 0
        except UserError as error:
            self._refusals += 1
            if self._refusals >= REFUSALS:
                raise
            say(f"{error}; trying again")

    def _idle(self) -> list[str]:
        busy = {address for _, address in self._futures.values()}
        return [address for address in self._workers if address not in busy]

    def free(self) -> int:
        self._look()
        return len(self._idle())

    def submit(self, ticket: int, call: Call) -> None:
        address = self._idle()[0]
        worker = self._workers[address]
        threads = self.threads if self._local else int(worker["nthreads"])
        number = list(self._workers).index(address)
        variables = workers.environment(threads, number, devices=self._local)
        variables |= {name: value for name in PASSED_ON if (value := os.environ.get(name))}
        variables |= {name: value for name, value in os.environ.items() if name.startswith("MLSPATIAL_")}
        variables["MLSPATIAL_PROGRESS"] = "0"
        future = self._client.submit(
            carry, call, variables, os.getcwd(), key=f"mlspatial-{uuid.uuid4().hex}", workers=[address], pure=False
        )
        self._futures[ticket] = future, address

    def wait(self, seconds: float) -> list[tuple[int, Outcome]]:
        import distributed

        try:
            if self._futures:
                waited = [future for future, _ in self._futures.values()]
                distributed.wait(waited, timeout=seconds, return_when="FIRST_COMPLETED")
            else:
                time.sleep(seconds)
        except (TimeoutError, CancelledError):  # of the latter each is told below
            pass
        self._look()
        made = []
        for ticket, (future, address) in list(self._futures.items()):
            if future.done() and self._there():
                made.append((ticket, self._expired(_outcome(future), address)))
                del self._futures[ticket]
            elif address not in self._workers:
                future.cancel()
                made.append((ticket, self._expired(Outcome(LOST, (), f"worker {address} is gone"), address)))
                del self._futures[ticket]
        return made

    def _expired(self, outcome: Outcome, address: str) -> Outcome:
        """Of a call that was lost with its worker: whether that had worked as long as a job of the queue may."""
        if outcome.state not in (LOST, STOPPED) or not self._walltime:
            return outcome
        left = self._walltime - (time.monotonic() - self._since.get(address, time.monotonic()))
        last = max(LAST_SHARE * self._walltime, min(LAST_SECONDS, self._walltime / 2))
        return replace(outcome, expired=left < last)

    def stop(self) -> None:
        """Have every call close its runs, and wait for that."""
        if not self._there():
            return
        self._client.cancel([future for future, _ in self._futures.values()], force=True)
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline and any(self._client.run(calls_here).values()):
            time.sleep(0.2)

    def close(self) -> None:
        self._client.close()
        if self._own is not None:
            self._own.close()


def _outcome(future: Any) -> Outcome:
    try:
        found = future.result()
    except Exception as error:  # of dask itself: the worker was killed too often, the call could not be sent
        return Outcome(LOST, (), f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
    return found if isinstance(found, Outcome) else Outcome(LOST, (), "the worker sent nothing back")


def _usual(kind: str) -> str:
    """The wall time of a job where none is asked for."""
    import dask.config
    import dask_jobqueue  # noqa: F401  which brings its settings

    return str(dask.config.get(f"jobqueue.{kind}.walltime", ""))


def _seconds(walltime: str) -> float:
    """Of a job, as queues write it: [DAYS-]HOURS:MINUTES:SECONDS, or HOURS:MINUTES of LSF; 0 for what is not known."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+)(?::(\d+))?", walltime.strip())
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    return 86400.0 * days + 3600 * hours + 60 * minutes + seconds


def _queue(slots: int, settings: Mapping[str, Any]) -> Any:
    import dask_jobqueue

    rest = {name: value for name, value in settings.items() if name != "kind"}
    kind = str(settings["kind"])
    if kind not in QUEUES:
        raise UnknownName("cluster kind", kind, QUEUES)
    if rest.setdefault("processes", 1) != 1:  # without, dask-jobqueue makes several of the cores of a job
        raise UserError(f"cluster: processes={rest['processes']}: must be 1: a worker makes one call at a time, with "
                        "all cores of its job; ask for more jobs, or for fewer cores")  # fmt: skip
    if not rest.get("interface") and not rest.get("security"):
        say("cluster: dask listens on every network of this machine, and whoever reaches it can run programs in your "
            "name; name one with `interface`, or ask for certificates with `security: true`")  # fmt: skip
    try:
        made = getattr(dask_jobqueue, QUEUES[kind])(**rest)
    except (TypeError, ValueError) as error:
        raise UserError(f"cluster: dask-jobqueue does not take these settings ({error})") from error
    try:
        _submit(made, slots)
    except UserError:
        made.close()
        raise
    return made


def _submit(queue: Any, slots: int) -> None:
    """Have as many jobs as asked for, those that ended replaced. Raises UserError with the queue's own words."""
    while len(queue.worker_spec) < slots:
        queue.worker_spec.update(queue.new_worker_spec())
    try:
        queue.sync(queue._correct_state)  # `scale` has it fail where nobody hears it
    except (RuntimeError, OSError) as error:
        for name, job in list(queue.workers.items()):
            if job.job_id is None:  # dask counts it as one that runs
                del queue.workers[name]
                queue._created.discard(job)
        words = str(error).rpartition("stderr:")[2] or str(error)
        raise UserError(f"cluster: the queue takes no job ({' '.join(words.split())[:300]})") from error


def _in_slurm() -> set[str] | None:
    """Numbers of the jobs that this user has in SLURM's queue; None where that is not known."""
    try:
        made = subprocess.run(SQUEUE, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return set(made.stdout.split())


def leave_signals() -> None:
    """On a dask worker of this machine: leave what a terminal or `timeout` sends to all processes to the study."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


_IDLE: dict[str, list[Worker]] = {}  # of this dask worker: processes that wait for a call, by their settings
_BUSY: set[Worker] = set()


def carry(call: Call, variables: dict[str, str], folder: str) -> Outcome:
    """On a dask worker: make a call in a process beside it, and stop it when nobody waits for it any more."""
    from distributed import get_worker

    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    worker = get_worker()
    key = worker.get_current_task()
    idle = _IDLE.setdefault(repr((sorted(variables.items()), folder)), [])
    process = idle.pop() if idle else Worker(variables, folder, IDLE_SECONDS)
    _BUSY.add(process)
    try:
        future = process.submit(call)
        while not wait_for([future], ASK_SECONDS).done:
            task = worker.state.tasks.get(key)
            lost = worker.status.name not in AT_WORK  # also with its scheduler
            if lost or task is None or task.state != "executing":
                workers.stop([process])
                process.kill()
                return Outcome(STOPPED)
        outcome = process.outcome()
        if outcome.state in (LOST, STOPPED):
            process.kill()
        else:
            idle.append(process)
        return outcome
    finally:
        _BUSY.discard(process)


def calls_here() -> int:
    """On a dask worker: calls that are being made."""
    return len(_BUSY)
