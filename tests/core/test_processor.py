"""Kernels of NumPy's products: an old OpenBLAS is told what a newer processor can do, before it is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlspatial.core import processor

FLAGS = "fpu sse sse2 avx avx2 fma"
WIDE = f"{FLAGS} avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni"
ASK = (
    "import mlspatial, numpy, threadpoolctl; numpy.ones((2, 2)) @ numpy.ones((2, 2));"
    "print([one['architecture'] for one in threadpoolctl.threadpool_info() if 'numpy.libs' in one['filepath']])"
)


@pytest.mark.parametrize(
    ("vendor", "flags", "expected"),
    [
        ("GenuineIntel", WIDE, "SkylakeX"),
        ("GenuineIntel", FLAGS, "Haswell"),
        ("GenuineIntel", WIDE.replace(" avx512vl", ""), "Haswell"),  # Knights Landing has a part of them
        ("GenuineIntel", "fpu sse sse2 avx", ""),
        ("AuthenticAMD", WIDE, ""),
        ("", WIDE, ""),
    ],
)
def test_kernels_are_those_that_the_processor_can_run(vendor: str, flags: str, expected: str) -> None:
    assert processor.kernels_for(vendor, flags.split()) == expected


def test_they_are_named_once_and_before_numpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = tmp_path / "cpuinfo"
    known.write_text(f"processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: {WIDE}\n\nprocessor\t: 1\nflags\t: fpu\n")
    monkeypatch.setenv(processor.VARIABLE, "")  # undone last: what is named here would stay for later processes
    monkeypatch.delenv(processor.VARIABLE)
    processor.name_kernels(known)
    assert processor.VARIABLE not in os.environ  # NumPy is loaded here: too late for this process
    monkeypatch.delitem(sys.modules, "numpy")
    processor.name_kernels(tmp_path / "none")
    assert processor.VARIABLE not in os.environ
    processor.name_kernels(known)
    assert os.environ[processor.VARIABLE] == "SkylakeX"
    monkeypatch.setenv(processor.VARIABLE, "Zen")
    processor.name_kernels(known)
    assert os.environ[processor.VARIABLE] == "Zen"


def test_numpy_takes_them() -> None:
    """In a fresh process, whatever this processor is: what was named is what its OpenBLAS says that it takes."""
    pytest.importorskip("threadpoolctl")
    without = {name: value for name, value in os.environ.items() if name != processor.VARIABLE}
    tell = f"{ASK}; import os; print(os.environ.get('{processor.VARIABLE}', ''))"
    made = subprocess.run([sys.executable, "-c", tell], capture_output=True, text=True, env=without, check=True)
    taken, named = made.stdout.splitlines()
    assert not named or named in taken, made.stdout
