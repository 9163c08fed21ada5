"""Commands that only answer load nothing that computes: neither torch nor what MLflow's client brings along."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from mlspatial.registry import runs

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "torchvision", "mlflow", "sklearn", "pandas", "scipy", "matplotlib", "sqlalchemy", "requests")
#: runs a module as `python -m` does and tells at the end, on standard error, what is loaded
WATCHED = f"""
import json, os, runpy, sys
leave = os._exit
def told(code):
    sys.stderr.write("\\nloaded " + json.dumps([name for name in {HEAVY!r} if name in sys.modules]) + "\\n")
    sys.stderr.flush()
    leave(code)
os._exit = told
sys.argv = sys.argv[1:]
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as ended:
    told(ended.code or 0)
"""
TRAIN = ("entrypoints.train", "--task", "distance|translation", "--dataset", "tiny", "--batches", "2",
         "--batch_size", "8", "--arch", "resnet18w8", "--checkpoints", "1")  # fmt: skip
SHOWN = ("--dataset", "tiny", "--stimuli", "heldout:30")
COMMANDS = {
    "render": ("entrypoints.render", "--dataset", "tiny", "--categories", "apple,banana", "--environments",
               "procedural:meadow", "--size", "32", "--n_train", "60", "--n_heldout", "60", "--workers", "1"),
    "train": TRAIN,
    "score": ("entrypoints.score", "--models", "task=distance", "--benchmarks", "simulated_v1",
              "--layers", "layer1.0.relu"),
    "similarity": ("entrypoints.similarity", "--models", "dataset=tiny", *SHOWN, "--layers", "layer1.0.relu"),
    "decode": ("entrypoints.decode", "--models", "dataset=tiny", *SHOWN, "--layers", "fc", "--latents", "x,category",
               "--folds", "2"),
    "study": ("entrypoints.study", "--config", "small.yaml"),
    "study, dry": ("entrypoints.study", "--config", "small.yaml", "--dry_run", "true"),
}  # fmt: skip
QUICK = {
    "help": (("mlspatial", "--help"), 0),
    "help of train": (("entrypoints.train", "--help"), 0),
    "a wrong word": (("entrypoints.score", "--modles", "x"), 2),
    "no such task": (("entrypoints.train", "--task", "nothing", "--dataset", "tiny"), 2),
    "no such dataset": (("entrypoints.train", "--task", "distance", "--dataset", "nowhere"), 2),
    "no such network": (("entrypoints.similarity", "--models", "task=all", "--dataset", "tiny"), 2),
}
STUDY = """
name: small
train: {dataset: tiny, task: "distance|translation", batches: 2, batch_size: 8, arch: resnet18w8, checkpoints: "1"}
"""


def loaded(folder: Path, words: Sequence[str]) -> tuple[int, str, list[str]]:
    """(exit code, standard output, heavy modules) of a command in a process of its own."""
    place = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    variables = {**os.environ, "PYTHONPATH": place, "MLSPATIAL_PROGRESS": "1"}  # with the summary
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED, *words], cwd=folder, env=variables, capture_output=True, text=True
    )
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("loaded "), ended.stderr
    assert "no summary" not in ended.stderr
    return ended.returncode, ended.stdout, json.loads(last.removeprefix("loaded "))


def test_answers_load_nothing_that_computes(registry: Path) -> None:
    """Each command is given twice; the second time it returns the same runs and has loaded nothing."""
    (registry / "small.yaml").write_text(STUDY)
    for name, words in COMMANDS.items():
        first = loaded(registry, words)
        again = loaded(registry, words)
        assert first[0] == again[0] == 0 and (name == "study, dry" or first[1] == again[1]), name
        assert again[2] == (["scipy"] if name == "render" else []), name  # of the turns that decide its images
        assert name in ("study", "study, dry") or "torch" in first[2] or name == "render", name  # it had work to do
    made = len(runs.find())

    # what an answer depends on is looked at: a file that is gone, a result that was made anew, another study
    score = COMMANDS["score"]
    code, said, heavy = loaded(registry, [*score, "--study", "later"])
    assert code == 0 and "mlflow" in heavy and "torch" not in heavy  # which writes the name of the study
    (run,) = [one for one in runs.find(entry="score") if one.status == "FINISHED"]
    assert run.studies == ("later",) and len(runs.find()) == made
    forced = loaded(registry, [*score, "--force", "true"])
    assert forced[1] != said and loaded(registry, score)[1] == forced[1]
    runs.local(forced[1].split()[-1], "scores.json").unlink()
    code, last, heavy = loaded(registry, score)
    assert code == 0 and "torch" in heavy and last == said  # of the other run, which is whole


@pytest.mark.parametrize("name", QUICK)
def test_mistakes_and_help_load_nothing_that_computes(registry: Path, name: str) -> None:
    words, code = QUICK[name]
    assert loaded(registry, words)[::2] == (code, [])
