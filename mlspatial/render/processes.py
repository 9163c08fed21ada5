"""Processes that draw for another one and end with it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from mlspatial.core.stopping import helpers_stay


def end_with_parent() -> None:
    """Called in a worker: have it end as soon as its parent does, even by kill -9, and not before: a terminal sends
    Ctrl-C and its end to all processes, but the parent decides."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def worker_processes(n: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes (forking one that runs threads is unsafe) that end with their parent, however it ends.

    An exception in the body ends them at once, whatever they are at.
    """
    context = multiprocessing.get_context("spawn")
    with helpers_stay():
        made = ProcessPoolExecutor(n, mp_context=context, initializer=end_with_parent)
    with made as pool:
        try:
            yield pool
        except BaseException:
            for process in list(pool._processes.values()):
                process.kill()
            pool._result_queue._writer.close()  # type: ignore[attr-defined] # a result half written has no end else
            raise
