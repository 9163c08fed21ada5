"""Work on parts of a range, in threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import lru_cache


def in_parts(pool: Executor, threads: int, n: int, work: Callable[[range], None]) -> None:
    """work(part) on contiguous parts of range(n), one for each thread; raises what it raises."""
    chunk = max(1, -(-n // threads))
    list(pool.map(work, [range(first, min(first + chunk, n)) for first in range(0, n, chunk)]))


def in_threads(threads: int, n: int, work: Callable[[range], None]) -> None:
    """The same with threads that this process keeps. work must not come back here, it would wait for itself."""
    if threads == 1 or n < 2:
        work(range(n))
    else:
        in_parts(_pool(threads, os.getpid()), threads, n, work)


@lru_cache(maxsize=4)
def _pool(threads: int, _process: int) -> ThreadPoolExecutor:
    """One a process: threads do not live on in a fork."""
    return ThreadPoolExecutor(threads, thread_name_prefix="parts")
