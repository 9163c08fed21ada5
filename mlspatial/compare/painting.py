"""Pictures drawn by processes beside the one that makes the figures: it takes as long as all the rest of a report."""

from __future__ import annotations

import signal
from collections.abc import Collection
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from typing import Any

from mlspatial.compare.drawing import Drawing, picture

FEW = 5  # figures that are drawn sooner than a process has begun
MOST = 4  # processes, of some 200 MB each
IDLE_SECONDS = 60  # after which a process ends, also one whose parent was killed


class Painters:
    """begin() a drawing's pictures when its figure is made, finish() them before they are read; a context.

    Pictures are those that Drawing.svg and .png would draw, to the byte, and these draw what no process could.
    """

    def __init__(self, figures: int, cores: int = 0) -> None:
        """figures: how many will come, about; cores: 0 for those that this process may use."""
        from joblib import cpu_count

        self._begun: dict[int, tuple[Drawing, Future[dict[str, bytes]]]] = {}  # by id() of the drawing
        count = min(cores or int(cpu_count()), MOST)
        self._pool = _pool(count) if count > 1 and figures >= FEW else None
        if self._pool:
            for _ in range(count):  # while the first tables are made
                self._pool.submit(_warm)

    def __enter__(self) -> Painters:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool:
            self._pool.shutdown(wait=True, kill_workers=True)

    def begin(self, drawing: Drawing, kinds: Collection[str]) -> None:
        """kinds: svg and png, or one of them."""
        if self._pool is None or drawing.figure is None:
            return
        with suppress(BrokenExecutor):  # no memory for them: what they would draw is drawn here
            self._begun[id(drawing)] = drawing, self._pool.submit(_pictures, drawing.figure, drawing.id, tuple(kinds))

    def finish(self, drawing: Drawing) -> None:
        if id(drawing) not in self._begun:
            return
        _, future = self._begun.pop(id(drawing))
        if (error := future.exception()) is None:
            drawing.__dict__.update(future.result())  # where cached_property keeps them
        elif not isinstance(error, Exception):
            raise error


def _pictures(figure: Any, name: str, kinds: tuple[str, ...]) -> dict[str, bytes]:
    return {kind: picture(figure, kind, name) for kind in kinds}


def _pool(count: int) -> Any:
    from joblib.externals.loky.process_executor import ProcessPoolExecutor

    return ProcessPoolExecutor(count, timeout=IDLE_SECONDS, initializer=_begin)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it


def _warm() -> None:
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_svg  # noqa: F401
