"""Processes that draw for another one and end with it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager


def end_with_parent() -> None:
    """Called in a worker: have it end as soon as its parent does, even by kill -9."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def worker_processes(n: int, start: Callable[[], None] = end_with_parent) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes (forking one that runs threads is unsafe) that end with their parent, however it ends.

    start: called first in each of them; it should call end_with_parent. An exception in the body cancels what has not
    begun; what has is waited for.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n, mp_context=context, initializer=start) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
