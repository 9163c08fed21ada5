"""What a command costs that only answers, and a call in a study's worker that has made calls before.

    python -m speed.start [--quick]

A registry of its own (SQLite) in a temporary folder: a dataset, two networks, scores, similarity, read-outs, a study of
these. Each command is then given again: `ours` is the CPU time of that process and its children, the least of several.
`alternative` is the same command after torch, torchvision, pandas and MLflow's client were loaded, as any command did
that found out through them that nothing is to be done. `call_in_a_worker`: a call that is answered, in a worker process
that has made one before, against the first one in a fresh worker. Bytecode is kept in the folder, as an installed
package has it. `error` is null: the runs returned are demanded to be the same. --quick: fewer commands.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from speed.common import peak_mib, report

ROOT = Path(__file__).resolve().parents[1]
TIMES = 3
LOADED = "import torch, torchvision, pandas, mlflow; mlflow.MlflowClient\n"
RUN = "import runpy, sys\nsys.argv = sys.argv[1:]\nrunpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
TRAIN = ("--task", "distance|translation", "--dataset", "small", "--batches", "2", "--batch_size", "8", "--arch",
         "resnet18w8")  # fmt: skip
SHOWN = ("--models", "dataset=small", "--dataset", "small", "--stimuli", "heldout:60", "--layers", "layer1.0.relu")
COMMANDS = {
    "render": ("entrypoints.render", "--dataset", "small", "--categories", "apple,banana", "--environments",
               "procedural:meadow", "--size", "32", "--n_train", "60", "--n_heldout", "60", "--workers", "1"),
    "train": ("entrypoints.train", *TRAIN),
    "study": ("entrypoints.study", "--config", "small.yaml"),
    "score": ("entrypoints.score", "--models", "dataset=small", "--benchmarks", "simulated_v1", "--layers",
              "layer1.0.relu"),
    "similarity": ("entrypoints.similarity", *SHOWN),
    "decode": ("entrypoints.decode", *SHOWN, "--latents", "x", "--folds", "2"),
}  # fmt: skip
QUICK = ("render", "train", "study")
ASKED = {"help": ("mlspatial", "--help"), "mistake": ("entrypoints.train", "--task", "nothing", "--dataset", "small")}
STUDY = (
    "name: small\ntrain: {dataset: small, task: 'distance|translation', batches: 2, batch_size: 8, arch: resnet18w8}\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ |= {
            "MLSPATIAL_CACHE": f"{folder}/cache",
            "XDG_CONFIG_HOME": f"{folder}/settings",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow.db",
            "MLSPATIAL_PROGRESS": "1",  # with the summary
            "MLSPATIAL_STORE_PATCH": "false",
            "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        os.chdir(folder)
        Path("small.yaml").write_text(STUDY)
        chosen = {name: COMMANDS[name] for name in (QUICK if quick else COMMANDS)}
        for case in measure(chosen, 1 if quick else TIMES):
            report([case])


def measure(commands: dict[str, Sequence[str]], times: int) -> Iterator[dict[str, Any]]:
    made = {name: spent(RUN, words)[1] for name, words in commands.items()}
    for name, words in (commands | ASKED).items():
        spent(LOADED + RUN, words)  # leaves its bytecode
        ours, theirs = (least(script, words, times, made.get(name)) for script in (RUN, LOADED + RUN))
        yield line(f"answer_{name}", ours, theirs, "with torch, pandas and MLflow's client loaded", times)
    first, again = in_a_worker()
    yield line("call_in_a_worker", again, first, "the first call of a fresh worker", 1)


def line(case: str, ours: float, theirs: float, name: str, times: int) -> dict[str, Any]:
    facts = {"unit": "CPU-seconds", "alternative_name": name, "ratio": round(theirs / ours, 1), "error": None}
    return {"case": case, "ours": round(ours, 3), "alternative": round(theirs, 3), **facts, "peak_mib": peak_mib(),
            "n": times}  # fmt: skip


def least(script: str, words: Sequence[str], times: int, wanted: str | None) -> float:
    found = [spent(script, words) for _ in range(times)]
    assert wanted is None or {said for _, said in found} == {wanted}, f"{words}: not answered by the same runs"
    return min(seconds for seconds, _ in found)


def spent(script: str, words: Sequence[str]) -> tuple[float, str]:
    """(CPU-seconds of a command, what it printed)."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.returncode in (0, 2), ended.stderr
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, ended.stdout


def in_a_worker() -> tuple[float, float]:
    """CPU-seconds of a call that is answered: the first one of a worker, and the next one."""
    import psutil

    from mlspatial.core.parameters import ENTRIES
    from mlspatial.steps import load_entries
    from mlspatial.study.workers import DONE, Call, Worker

    load_entries()
    given = dict(zip((word.removeprefix("--") for word in TRAIN[::2]), TRAIN[1::2], strict=True))
    kinds = {parameter.name: parameter for parameter in ENTRIES["train"].parameters}
    asked = ENTRIES["train"].defaults | {name: kinds[name].convert(value) for name, value in given.items()}
    worker = Worker({"OMP_NUM_THREADS": "1"})
    found, before = [], 0.0
    try:
        for _ in range(2):
            outcome = worker.submit(Call("mlspatial.steps", "train", asked, "train")).result()
            assert outcome.state == DONE, outcome.error
            (process,) = [psutil.Process(pid) for pid in worker._pool._processes]
            times = process.cpu_times()
            found.append(times.user + times.system - before)
            before += found[-1]
    finally:
        worker.kill()
    return found[0], max(found[1], 0.01)  # the clock's step


if __name__ == "__main__":
    main()
