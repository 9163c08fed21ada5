"""Who makes the calls of a study: this process, or worker processes on this machine.

A worker ends with its parent however that ends, is stopped by SIGTERM (which closes its runs as KILLED, to go on later)
and takes nobody with it when it dies.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import psutil

from mlspatial.core.errors import Busy, UserError
from mlspatial.core.names import cache_folder
from mlspatial.core.stopping import Terminated, helpers_stay, stop_behind, stoppable

DONE, FAILED, BUSY, STOPPED, LOST = "done", "failed", "busy", "stopped", "lost"
GROWTH = 2 << 30  # bytes by which a worker may grow between calls before loky begins a fresh one
GRACE_SECONDS, STOP_SECONDS = 30.0, 2.0  # for a worker to close its runs before it is killed; between two requests
WATCH_SECONDS = 0.2
TORCH_SEED = 67280421310721  # of its random numbers in a fresh process


@dataclass(frozen=True)
class Call:
    """One call of an entry's function. package: where the functions are."""

    package: str
    entry: str
    parameters: dict[str, Any]
    title: str

    def make(self) -> Outcome:
        """Make it here. Ctrl-C and SIGTERM go through; every other end is told in the outcome."""
        started = time.monotonic()
        try:
            function = getattr(importlib.import_module(f"{self.package}.{self.entry}"), self.entry)
            with unchanged():
                made = function(**self.parameters)
        except Exception as error:
            if stop := stop_behind(error):
                raise stop from error
            text = " ".join(str(error).split())
            if isinstance(error, Busy):
                return Outcome(BUSY, (), text, busy=error)
            if isinstance(error, UserError):
                return Outcome(FAILED, (), text)
            return Outcome(FAILED, (), f"{type(error).__name__}: {text[:300]}", traceback.format_exc())
        ids = (made,) if isinstance(made, str) else tuple(made)
        return Outcome(DONE, ids, seconds=time.monotonic() - started)


@contextmanager
def unchanged() -> Iterator[None]:
    """What the body changes of the process is as before afterwards: its environment, folder, handlers of signals and
    random numbers. Calls that follow each other in a process then find what they would find in one of their own."""
    variables, folder, drawn = dict(os.environ), os.getcwd(), _drawn()
    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()} if main else {}
    try:
        yield
    finally:
        for name in os.environ.keys() - variables.keys():
            del os.environ[name]
        os.environ.update({name: value for name, value in variables.items() if os.environ.get(name) != value})
        os.chdir(folder)
        _draw_from(*drawn)
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


def _drawn() -> tuple[Any, Any, Any]:
    """The states of Python's, NumPy's and torch's global random numbers; None for a torch that is not loaded."""
    torch = sys.modules.get("torch")
    return random.getstate(), np.random.get_state(), torch.get_rng_state() if torch else None  # noqa: NPY002


def _draw_from(python: Any, numpy: Any, of_torch: Any) -> None:
    random.setstate(python)
    np.random.set_state(numpy)  # noqa: NPY002
    torch = sys.modules.get("torch")
    if torch and of_torch is None:
        torch.manual_seed(TORCH_SEED)
    elif torch:
        torch.set_rng_state(of_torch)


@dataclass(frozen=True)
class Outcome:
    """How a call ended. error: one line; trace: of a defect; busy: what another process is making of it; expired: its
    process had to end with the time that a queue gives to a job."""

    state: str
    runs: tuple[str, ...] = ()
    error: str = ""
    trace: str = ""
    seconds: float = 0.0
    busy: Busy | None = None
    expired: bool = False


class Crew(Protocol):
    """Those who make calls. slots: calls at once; threads: for each."""

    slots: int
    threads: int

    def free(self) -> int: ...
    def submit(self, ticket: int, call: Call) -> None: ...
    def wait(self, seconds: float) -> list[tuple[int, Outcome]]: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class Here:
    """One call after another, in this process."""

    slots = 1

    def __init__(self) -> None:
        self.threads = cores()
        self._made: list[tuple[int, Outcome]] = []

    def free(self) -> int:
        return 1 - len(self._made)

    def submit(self, ticket: int, call: Call) -> None:
        self._made.append((ticket, call.make()))

    def wait(self, seconds: float) -> list[tuple[int, Outcome]]:
        made, self._made = self._made, []
        if not made:
            time.sleep(seconds)
        return made

    def stop(self) -> None:
        pass

    def close(self) -> None:
        pass


class Worker:
    """A process of its own, made by loky, that makes one call at a time."""

    def __init__(self, variables: Mapping[str, str], folder: str = "", idle: int | None = None) -> None:
        """variables: of its environment; folder: where it works, by default here; idle: seconds without a call after
        which it ends, until the next one."""
        from joblib.externals.loky.process_executor import ProcessPoolExecutor

        settings = (os.getpid(), folder or os.getcwd())
        with helpers_stay():
            self._pool = ProcessPoolExecutor(1, timeout=idle, initializer=begin, initargs=settings, env=dict(variables))
        self.future: Future[Outcome] | None = None

    def submit(self, call: Call) -> Future[Outcome]:
        self.future = self._pool.submit(make_here, call)
        return self.future

    def outcome(self) -> Outcome:
        assert self.future is not None
        try:
            return self.future.result()
        except Exception as error:  # loky's own when the process is gone
            return Outcome(LOST, (), f"its process died ({type(error).__name__}); was there enough memory?")

    def terminate(self) -> None:
        """Have its call close its runs and end."""
        for pid in list(self._pool._processes or {}):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def kill(self) -> None:
        self._pool.shutdown(wait=True, kill_workers=True)


def stop(workers: Iterable[Worker]) -> None:
    """Have the calls of workers close their runs and end, and wait for that."""
    calls = {worker.future: worker for worker in workers if worker.future}
    deadline = time.monotonic() + GRACE_SECONDS
    while calls and time.monotonic() < deadline:
        for worker in calls.values():
            worker.terminate()  # again and again: libraries may swallow what a signal raises
        done, _ = wait_for(calls, STOP_SECONDS)
        calls = {future: worker for future, worker in calls.items() if future not in done}


class Loky:
    """Worker processes on this machine, each with its share of the cores and, of several GPUs, with one in turn."""

    def __init__(self, slots: int) -> None:
        self.slots, self.threads = slots, max(1, cores() // slots)
        self._environments = [environment(self.threads, number) for number in range(slots)]
        self._workers: list[Worker | None] = [None] * slots
        self._tickets: dict[int, int] = {}  # of workers that are busy

    def free(self) -> int:
        return self.slots - len(self._tickets)

    def submit(self, ticket: int, call: Call) -> None:
        slot = next(number for number in range(self.slots) if number not in self._tickets)
        worker = self._workers[slot] or Worker(self._environments[slot])
        self._workers[slot] = worker
        self._tickets[slot] = ticket
        worker.submit(call)

    def wait(self, seconds: float) -> list[tuple[int, Outcome]]:
        futures = {worker.future: slot for slot, worker in self._busy() if worker.future}
        if not futures:
            time.sleep(seconds)
            return []
        done, _ = wait_for(futures, seconds, return_when="FIRST_COMPLETED")
        made = []
        for slot in sorted(futures[future] for future in done):
            worker = self._workers[slot]
            assert worker is not None
            outcome = worker.outcome()
            if outcome.state in (LOST, STOPPED):
                worker.kill()
                self._workers[slot] = None
            made.append((self._tickets.pop(slot), outcome))
        return made

    def _busy(self) -> list[tuple[int, Worker]]:
        return [(slot, worker) for slot, worker in enumerate(self._workers) if worker and slot in self._tickets]

    def stop(self) -> None:
        """Have every call close its runs, and wait for that."""
        stop([worker for _, worker in self._busy()])

    def close(self) -> None:
        for worker in self._workers:
            if worker:
                worker.kill()


_idle = threading.Event()  # of a worker: no call is being made
_idle.set()


def begin(parent: int, folder: str) -> None:
    """First thing in a worker: end with the parent, leave Ctrl-C and the terminal's end to it, be where it is, show no
    bars."""
    from joblib.externals.loky import process_executor
    from tqdm import tqdm

    process_executor._MAX_MEMORY_LEAK_SIZE = GROWTH  # its own 300 MB is what torch keeps of one training
    multiprocessing.set_start_method("spawn", force=True)  # loky's is unknown to processes that a call starts
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, of which a killed worker leaves a warning behind
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # which a dask worker ignores
    os.environ.pop("MLFLOW_RUN_ID", None)
    if os.path.isdir(folder):
        os.chdir(folder)
    for place in (folder, str(Path(__file__).resolve().parents[2])):
        if place not in sys.path:
            sys.path.append(place)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        if not _idle.is_set():
            deadline = time.monotonic() + GRACE_SECONDS
            while not _idle.is_set() and time.monotonic() < deadline:
                os.kill(os.getpid(), signal.SIGTERM)
                _idle.wait(STOP_SECONDS)
        for child in psutil.Process().children(recursive=True):
            child.kill()
        os._exit(143)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()


def make_here(call: Call) -> Outcome:
    """In a worker: make a call, its output in a file of the cache."""
    path = cache_folder("study", "output") / f"{os.getpid()}.txt"
    output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    kept = [os.dup(number) for number in (1, 2)]
    for number in (1, 2):
        os.dup2(output, number)
    _idle.clear()
    try:
        with stoppable():
            print(call.title, flush=True)
            return call.make()
    except Terminated:
        return Outcome(STOPPED)
    finally:
        _idle.set()
        sys.stdout.flush()
        sys.stderr.flush()
        for number, former in zip((1, 2), kept, strict=True):
            os.dup2(former, number)
            os.close(former)
        os.close(output)


def cores() -> int:
    """Cores that this process may use: affinity and container limits count."""
    from joblib import cpu_count

    return int(cpu_count())


def environment(threads: int, number: int, devices: bool = True) -> dict[str, str]:
    """Of the worker of a number: its threads, no bars, and of several GPUs one (unless a queue has given it some)."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    found = dict.fromkeys(names, str(threads)) | {"MLSPATIAL_PROGRESS": "0"}
    if devices and len(gpus()) > 1:
        found["CUDA_VISIBLE_DEVICES"] = gpus()[number % len(gpus())]
    return found


@cache
def gpus() -> list[str]:
    """The GPUs of this machine that may be used, as CUDA_VISIBLE_DEVICES names them; found without torch."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [part.strip() for part in visible.split(",") if part.strip()]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    found = [line.rpartition("UUID: ")[2].rstrip(") ") for line in listed.splitlines() if "UUID: " in line]
    parts = [name for name in found if name.startswith("MIG-")]
    return parts or found
