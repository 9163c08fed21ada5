"""For a condition without runs: the command that would make it, with the settings of the networks that are there."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mlspatial.compare.evidence import Evidence
from mlspatial.compare.style import TASKS

if TYPE_CHECKING:
    import pandas as pd

IMAGENET = {"resnet18": "torchvision:resnet18", "resnet50": "torchvision:resnet50"}
REDUCED = {"translation": ("_centred", "--translation none"), "category": ("_one", "--categories 1")}


def commands(missing: Iterable[str], evidence: Evidence) -> dict[str, str]:
    """missing condition -> command; conditions that no single command makes are left out."""
    found = {label: _command(label, evidence) for label in dict.fromkeys(missing)}
    return {label: command for label, command in found.items() if command}


def _command(label: str, evidence: Evidence) -> str:
    networks = evidence.networks
    own = networks[~networks.task.isin(["imagenet"]) & ~networks.imported.astype(bool)] if len(networks) else networks
    task = _task(label)
    if own.empty or not task:
        return ""
    arch = next((name for name in IMAGENET if name.replace("resnet", "resnet-") in label.lower()), _usual(own, "arch"))
    study = ["--study", evidence.study] if evidence.study else []
    if task == "imagenet":
        return _line("score", "--models", IMAGENET.get(arch, f"torchvision:{arch}"), "--benchmarks", "...", *study)
    trained = own[own.task != "untrained"]
    dataset, batches = _usual(own, "dataset"), int(trained.step.max()) if len(trained) else 0
    lines = []
    for latent, (suffix, option) in REDUCED.items():
        if "reduced" in label.lower() and latent in label.lower().split("reduced", 1)[1]:
            lines.append(_line("render", "--dataset", dataset + suffix, *option.split(), *study))
            dataset += suffix
    batches, task = (0, "distance") if task == "untrained" else (batches, task)
    seeds = ",".join(str(seed) for seed in sorted(set(own.seed)) if seed >= 0) or "0"
    words = {"task": task, "dataset": dataset, "arch": arch, "batches": str(batches), "seeds": seeds}
    lines.append(_line("train", *(part for name, word in words.items() for part in (f"--{name}", word)), *study))
    return "\n".join(lines)


def _task(label: str) -> str:
    """The task that a label names, the longest name first, so that Dis. + Tra. is not taken for Translation."""
    names = {style.label: task for task, style in TASKS.items()} | {task: task for task in TASKS}
    for name in sorted(names, key=len, reverse=True):
        if name.lower() in label.lower():
            return names[name]
    return ""


def _usual(networks: pd.DataFrame, column: str) -> str:
    return str(networks[column].mode().iloc[0])


def _line(entry: str, *words: str) -> str:
    return f"python -m entrypoints.{entry} {' '.join(word if word == '...' else shlex.quote(word) for word in words)}"
