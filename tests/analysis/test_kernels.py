"""The same numbers whichever kernels a processor's libraries run: the analyses' own tests, under two of each library.

OpenBLAS and MKL have kernels for every kind of processor, which sum in different orders. Each process here is told
which ones to run, and says which ones it ran.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

pytestmark = pytest.mark.timeout(900)  # 20 seconds, or as many minutes as a busy machine makes of them
ROOT = Path(__file__).resolve().parents[2]
#: those that compare with float64, other implementations or mathematics, and take little time
FILES = ("cka", "rsa", "pca", "shape", "pls", "ridge", "svc", "decoding", "versa", "yardsticks", "matching", "ceiling")
#: without and with fused multiplication and eight numbers at a time; Prescott's are called Katmai's in some versions
KERNELS = {
    "old": {"OPENBLAS_CORETYPE": "Prescott", "MKL_CBWR": "COMPATIBLE"},
    "new": {"OPENBLAS_CORETYPE": "Haswell", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}
SCRIPT = """
import hashlib, json, sys
import numpy as np, pytest, scipy.linalg.blas, threadpoolctl, torch

x = np.random.default_rng(0).standard_normal((70, 5000)).astype(np.float32)
products = {
    "numpy": x @ x[:50].T,
    "scipy": scipy.linalg.blas.ssyrk(1.0, x.T, trans=1),
    "torch": (torch.from_numpy(x) @ torch.from_numpy(x[:50]).T).numpy(),
}
names = {
    name: library.get("architecture")
    for library in threadpoolctl.threadpool_info() if library["internal_api"] == "openblas"
    for name in products if name in library["filepath"].split("site-packages")[-1]
}
bits = {name: hashlib.sha256(np.ascontiguousarray(product).tobytes()).hexdigest() for name, product in products.items()}
print("ran", json.dumps({"names": names, "bits": bits, "mkl": torch.backends.mkl.is_available()}), flush=True)
sys.exit(pytest.main(sys.argv[1:]))
"""


class Ran(NamedTuple):
    """names: library -> kernels of its OpenBLAS; bits: library -> digest of a product; mkl: whether torch has it."""

    names: dict[str, str]
    bits: dict[str, str]
    mkl: bool
    code: int
    output: str


@pytest.fixture(scope="module")
def ran() -> dict[str, Ran]:
    """Both at the same time, each on one thread."""
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip(f"kernels can be chosen on x86-64, this is {platform.machine()}")
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists() or not {"avx2", "fma"} <= set(cpuinfo.read_text().split()):
        pytest.skip("the newer kernels need a processor that is known to have AVX2 and FMA")
    files = [f"tests/analysis/test_{name}.py" for name in FILES]
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("OPENBLAS_", "MKL_", "PYTEST_"))}
    ours |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SCRIPT, *files, "-p", "no:cacheprovider", "-p", "no:xdist"]
    started = {
        name: subprocess.Popen(
            command, cwd=ROOT, env=ours | kernels, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        for name, kernels in KERNELS.items()
    }
    found = {}
    for name, process in started.items():
        output, _ = process.communicate()
        said = [json.loads(line[4:]) for line in output.splitlines() if line.startswith("ran ")]
        assert said, output
        found[name] = Ran(**said[0], code=process.returncode, output=output)
    return found


@pytest.mark.parametrize("library", ["numpy", "scipy"])
def test_openblas_ran_two_kernels(ran: dict[str, Ran], library: str) -> None:
    old, new = ran["old"], ran["new"]
    if library not in old.names:
        pytest.skip(f"{library} does not come with OpenBLAS here, its kernels cannot be chosen")
    assert old.names[library] in ("Prescott", "Katmai") and new.names[library] == "Haswell"
    assert old.bits[library] != new.bits[library]


def test_mkl_ran_two_kernels(ran: dict[str, Ran]) -> None:
    if not ran["old"].mkl:
        pytest.skip("torch does not come with MKL here, its kernels cannot be chosen")
    same = ran["old"].bits["torch"] == ran["new"].bits["torch"]
    if same and "GenuineIntel" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("MKL runs the same kernels on this processor, which is not Intel's, whatever it is told")
    assert not same


@pytest.mark.parametrize("kernels", KERNELS)
def test_the_analyses_pass_under(ran: dict[str, Ran], kernels: str) -> None:
    assert ran[kernels].code == 0, ran[kernels].output[-8000:]
    assert " passed" in ran[kernels].output
