"""Optuna's storage, which several processes may open, and set up, at once."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

from filelock import FileLock

from mlspatial.core.names import cache_folder

TRIES, PAUSE = 8, 0.5  # of setting a storage up while others do; seconds between two, at most
#: what a database says to who makes a table, row or type that another process has made just now
COLLIDED = re.compile(r"already exists|UNIQUE constraint|duplicate (?:key|entry)|database is locked", re.IGNORECASE)

Opened = TypeVar("Opened")


def among_others(opened: Callable[[], Opened]) -> Opened:
    """What `opened` returns. Optuna makes the tables of an empty storage without a lock: processes of one cache take
    turns here, and those of other caches and machines, which collide, ask again for what the other has made."""
    from sqlalchemy.exc import SQLAlchemyError

    with FileLock(cache_folder("locks") / "optuna.lock"):
        for _ in range(TRIES - 1):
            try:
                return opened()
            except (SQLAlchemyError, AssertionError) as error:  # it asserts that the row of versions is there
                if not isinstance(error, AssertionError) and not COLLIDED.search(str(error)):
                    raise
                time.sleep(random.uniform(PAUSE / 5, PAUSE))
        return opened()
