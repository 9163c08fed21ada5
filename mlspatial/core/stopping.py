"""How a process is asked to stop, and that it then stops once and in order.

SIGTERM, SIGHUP (the terminal was closed) and Ctrl-C raise in the main thread, so that whatever is open is closed on
the way out. More of them (`timeout` and a terminal send several) do not disturb that. Output that nobody reads any
more is a request to stop, too.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SAME_SECONDS = 1.0  # after a signal, in which further ones belong to it
UNREAD = (errno.EPIPE, errno.EIO)  # of a pipe that was closed, of a terminal that was


class Terminated(BaseException):
    """The process was asked to stop, other than by Ctrl-C: what it has open ends KILLED and may be resumed."""

    exit_code = 128 + signal.SIGTERM


@dataclass
class _Requests:
    """What this process was asked. depth: of `stoppable`; closing: of `undisturbed`; raised: when a signal last raised;
    late: a signal that came where none may raise; before: handlers of the signals; unread: its output was closed."""

    depth: int = 0
    closing: int = 0
    raised: float = -SAME_SECONDS
    late: int | None = None
    before: dict[int, Any] = field(default_factory=dict)
    unread: bool = False


_asked = _Requests()


@contextmanager
def stoppable() -> Iterator[None]:
    """In the body, signals raise Terminated or KeyboardInterrupt. A signal that this process ignores, it goes on to.

    Several may be open and be closed in any order. Threads other than the main one hear no signals.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if not _asked.depth:
        former = {number: signal.getsignal(number) for number in SIGNALS}
        _asked.before = {number: it for number, it in former.items() if it not in (signal.SIG_IGN, None)}
        for number in _asked.before:
            signal.signal(number, _heard)
    _asked.depth += 1
    try:
        yield
    finally:
        _asked.depth -= 1
        if not _asked.depth:
            for number, handler in _asked.before.items():
                if signal.getsignal(number) is _heard:
                    signal.signal(number, handler)
            _asked.raised, _asked.late = -SAME_SECONDS, None


@contextmanager
def undisturbed() -> Iterator[None]:
    """The body is done to its end. A signal in it raises after it, unless it is part of obeying an earlier one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    obeying = stop_behind(sys.exc_info()[1]) is not None
    _asked.closing += 1
    try:
        yield
    finally:
        _asked.closing -= 1
        if not _asked.closing and _asked.late is not None:
            number, _asked.late = _asked.late, None
            if not obeying:
                _raise(number)


def stop_waits() -> bool:
    """Whether a signal waits for the end of what is undisturbed: what takes long in there had better end."""
    return _asked.late is not None


@contextmanager
def helpers_stay() -> Iterator[None]:
    """Processes that are started in the body never hear that a terminal was closed: multiprocessing's own trackers,
    which clear up after the others and expect no end but theirs."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _heard(number: int, frame: FrameType | None) -> None:
    if time.monotonic() - _asked.raised < SAME_SECONDS:
        return
    if _asked.closing:
        _asked.late = number
    else:
        _raise(number)


def _raise(number: int) -> None:
    _asked.raised = time.monotonic()
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    if number == signal.SIGHUP:
        _unread()
    raise _terminated(f"signal {number}", number)


def _terminated(words: str, number: int) -> Terminated:
    stop = Terminated(words)
    stop.exit_code = 128 + number
    return stop


def stop_behind(error: BaseException | None) -> BaseException | None:
    """The request to stop that an error comes from, if there is one: libraries turn what interrupts them into errors
    of their own, and whoever writes to an output that nobody reads gets one of the system's."""
    first = error
    while error is not None:
        if isinstance(error, KeyboardInterrupt | Terminated):
            return error
        error = error.__cause__ or error.__context__
    while first is not None:
        if isinstance(first, OSError) and first.errno in UNREAD and _unread():
            return _terminated("nobody reads the output", signal.SIGPIPE)
        first = first.__cause__ or first.__context__
    return None


def _unread() -> bool:
    """Whether standard output or error was closed at its other end; what is written there then goes nowhere."""
    for number in (1, 2):
        poll = select.poll()
        poll.register(number, 0)
        if any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0)):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, number)
            os.close(nowhere)
            _asked.unread = True
    return _asked.unread
