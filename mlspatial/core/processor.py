"""Kernels of OpenBLAS for this processor, named before NumPy loads it.

The OpenBLAS in a NumPy is as old as that NumPy. On a processor that came later it takes kernels of 2004, with which
products take five times as long (measured: NumPy 1.26's on a Xeon of model 207), and says nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Collection
from itertools import takewhile
from pathlib import Path

VARIABLE = "OPENBLAS_CORETYPE"
INTEL = "GenuineIntel"
#: Kernels, newest first, and the flags of a processor that can run them (OpenBLAS, driver/others/dynamic.c).
KERNELS = {
    "SkylakeX": ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"),
    "Haswell": ("avx2", "fma"),
}


def kernels_for(vendor: str, flags: Collection[str]) -> str:
    """What OpenBLAS calls the fastest kernels that a processor can run; "" where it is not to be told.

    Only Intel's are named: an older OpenBLAS does not know their numbers of models, while AMD's go by families.
    """
    if vendor != INTEL:
        return ""
    return next((name for name, needed in KERNELS.items() if set(needed) <= set(flags)), "")


def name_kernels(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Tell an OpenBLAS that is loaded later, here or in a process that this one starts; what a user has said stays."""
    if VARIABLE in os.environ or "numpy" in sys.modules:
        return
    try:
        with cpuinfo.open(encoding="utf-8") as lines:
            first = takewhile(str.strip, lines)  # of the first processor
            facts = {name.strip(): value for name, _, value in (line.partition(":") for line in first)}
    except OSError:
        return
    if found := kernels_for(facts.get("vendor_id", "").strip(), facts.get("flags", "").split()):
        os.environ[VARIABLE] = found
