"""Whether somebody is still at a run: what its process wrote about itself, and what can be seen of that from here.

A run carries host, process, the boot of the machine with the process namespace, and a lease: the time of its last
heartbeat, which holds for DEAD_AFTER seconds. The process table is believed where it can know: on the same boot, in the
same namespace, and where it shows the process. Else the lease counts: for other machines, for containers that share a
host's name, and for processes of other people that the kernel hides (hidepid).
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import psutil

from mlspatial.core.names import TAG

HEARTBEAT, PROCESS, BOOT = TAG + "heartbeat", TAG + "process", TAG + "boot"
HEARTBEAT_SECONDS = 30.0
DEAD_AFTER = 10 * HEARTBEAT_SECONDS  # that a lease holds
BOOT_ID, NAMESPACE = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")


def process() -> str:
    """Host, number and birth of this process."""
    return f"{socket.gethostname()} {os.getpid()} {psutil.Process().create_time():.0f}"


@cache
def boot() -> str:
    """Which process table this one is: the machine's boot and the namespace in it; "" where the system does not say."""
    try:
        return f"{BOOT_ID.read_text().strip()} {os.readlink(NAMESPACE)}"
    except OSError:
        return ""


def now() -> str:
    return f"{time.time():.0f}"


def signs() -> dict[str, str]:
    """The tags of a run that this process is at."""
    return {PROCESS: process(), BOOT: boot(), HEARTBEAT: now()}


def lives(tags: Mapping[str, str]) -> bool:
    """Whether the process that a run's tags name is still at it."""
    host, _, rest = tags.get(PROCESS, "").partition(" ")
    if host == socket.gethostname() and tags.get(BOOT, boot()) == boot():  # earlier versions wrote no boot
        number, _, born = rest.partition(" ")
        seen = _seen(number, born)
        if seen is not None:
            return seen
    return leased(tags)


def _seen(number: str, born: str) -> bool | None:
    """Whether this machine has a process of this number and birth; None where it hides that."""
    if not number.isdecimal() or not _there(int(number)):
        return False
    try:
        found = psutil.Process(int(number))
        return f"{found.create_time():.0f}" == born and found.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return None if _there(int(number)) else False


def _there(number: int) -> bool:
    """Whether a process is there, though /proc may not show it: the kernel says whether it could be sent a signal."""
    try:
        os.kill(number, 0)
    except PermissionError:
        return True  # somebody else's
    except (ProcessLookupError, OverflowError):
        return False
    return True


def leased(tags: Mapping[str, str]) -> bool:
    """Whether the last heartbeat is young enough."""
    try:
        return time.time() - float(tags.get(HEARTBEAT, "0")) < DEAD_AFTER
    except ValueError:
        return False
