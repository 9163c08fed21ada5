"""For a condition without runs: the commands that would make it, with all settings of the networks that are there."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from mlspatial.compare.evidence import REGIONS, Evidence
from mlspatial.compare.style import TASKS
from mlspatial.compare.words import region_label
from mlspatial.core.parameters import Parameter
from mlspatial.registry.again import dataset_of
from mlspatial.train.parameters import TRAIN

if TYPE_CHECKING:
    import pandas as pd

LIVE = "-live"  # at the end of the name of a dataset whose images were rendered as they were needed
REDUCED = {"translation": ("_centred", "translation", "none"), "category": ("_one", "categories", "1")}
#: of a run, what the one beside it takes from it: not what differs by what is asked for, nor how it was run
OF_TRAIN = [
    p.name for p in TRAIN if p.decides != "nothing" and p.name not in ("task", "seed", "seeds", "arch", "dataset")
]
OF_RENDER = ("n_train", "n_heldout", "size", "seed", "categories", "translation", "rotation", "objects",
             "environments", "renderer", "encoding")  # fmt: skip
OF_MEASURE = {
    "score": ("benchmarks", "layers", "metrics", "engine", "selection", "variant"),
    "decode": ("layers", "latents", "stimuli", "folds", "split", "classifier", "seed"),
    "tuning": ("layers", "units", "permutations", "seed"),
}

Cfg = Mapping[str, str]


def commands(missing: Iterable[str], evidence: Evidence) -> dict[str, str]:
    """missing condition -> commands, a line each; conditions that no such commands make are left out."""
    found = {label: _commands(label, evidence) for label in dict.fromkeys(missing)}
    return {label: "\n".join(lines) for label, lines in found.items() if lines}


def _commands(label: str, evidence: Evidence) -> list[str]:
    networks = evidence.networks
    own = networks[~networks.task.isin(["imagenet"]) & ~networks.imported.astype(bool)] if len(networks) else networks
    task = _task(label)
    if own.empty or not task or any(label.endswith(f", {region_label(name)}") for name in (*REGIONS, "behavior")):
        return []
    arch = next((name for name in own.arch.unique() if name.replace("resnet", "resnet-") in label.lower()), "")
    own = own[own.arch == (arch or _usual(own.arch))]
    if task == "imagenet":
        return _measured(evidence, models=f"torchvision:{own.arch.iloc[0]}", dataset=_usual(own.dataset))
    if "similarity" in label.lower():
        return _similar(evidence)
    begun = own[own.task == task] if "needs two seeds" in label and (own.task == task).any() else own
    begun = begun[begun.task != "untrained"] if (begun.task != "untrained").any() else begun
    cfg, like = _reference(begun, evidence)
    usual = _usual(begun.dataset)
    lines, dataset = _rendered(label, usual.removesuffix(LIVE), evidence)
    same = dataset == usual.removesuffix(LIVE)
    given = dataset_of(like) if like and same else "live:" * (same and usual.endswith(LIVE)) + dataset
    seeds = sorted({int(seed) for seed in own.seed if seed >= 0}) or [0]
    if "needs two seeds" in label:
        seeds = [next(seed for seed in range(len(seeds) + 1) if seed not in set(begun.seed.astype(int)))]
    cfg = {
        name: value for name, value in cfg.items() if task != "untrained" or name not in ("checkpoints", "evaluations")
    }
    batches = {"batches": "0" if task == "untrained" else cfg.get("batches") or str(int(begun.step.max()))}
    trained = {"task": "distance" if task == "untrained" else task, "dataset": given, "arch": own.arch.iloc[0]}
    words = trained | cfg | batches | {"seeds": ",".join(map(str, seeds))}
    lines.append(_line("train", words, _defaults(TRAIN), evidence.study))
    which = "step=0" if task == "untrained" else f"task={task}"
    stored = usual if same else dataset
    models = f"{which},seed={'|'.join(map(str, seeds))},arch={own.arch.iloc[0]},dataset={stored}"
    return [*lines, *_measured(evidence, models=models, dataset=dataset), *_similar(evidence)]


def _rendered(label: str, dataset: str, evidence: Evidence) -> tuple[list[str], str]:
    """(the command that renders the images which a label asks for, none where they are there; their dataset's name)."""
    asked: dict[str, str] = {}
    name = dataset
    for latent, (suffix, option, value) in REDUCED.items():
        if "reduced" in label.lower() and latent in label.lower().split("reduced", 1)[1]:
            name, asked[option] = name + suffix, value
    if found := re.search(r"(\d+) categor(?:y|ies)$", label):
        name, asked["categories"] = f"{name}_{found[1]}", found[1]
    rendered = list(evidence.asked.get("render", {}).values())
    if not asked or any(cfg.get("dataset") == name for cfg in rendered):
        return [], name
    like = next((cfg for cfg in rendered if cfg.get("dataset") == dataset), {})
    words = {"dataset": name} | {option: like[option] for option in OF_RENDER if like.get(option)} | asked
    return [_line("render", words, {}, evidence.study)], name


def _reference(networks: pd.DataFrame, evidence: Evidence) -> tuple[dict[str, str], str]:
    """(the settings that most train runs of these networks have, the newest of equals; a run that has them)."""
    asked = evidence.asked.get("train", {})
    found = {run: asked[run] for run in dict.fromkeys(networks.run_id) if run in asked}
    settings = {run: tuple((name, cfg[name]) for name in OF_TRAIN if cfg.get(name)) for run, cfg in found.items()}
    if not settings:
        return {}, ""
    usual = Counter(settings.values()).most_common(1)[0][0]
    return dict(usual), next(run for run, said in settings.items() if said == usual)


def _measured(evidence: Evidence, *, models: str, dataset: str) -> list[str]:
    """How the others were scored and decoded, as far as they were."""
    lines = []
    for entry, names in OF_MEASURE.items():
        if not (runs := list(evidence.asked.get(entry, {}).values())):
            continue
        settings = [tuple((name, cfg[name]) for name in names if cfg.get(name)) for cfg in runs]
        words = {"models": models} | dict(Counter(settings).most_common(1)[0][0])
        words |= {"dataset": runs[0].get("dataset", dataset)} if entry != "score" else {}
        lines.append(_line(entry, words, {}, evidence.study))
    return lines


def _similar(evidence: Evidence) -> list[str]:
    """Similarity is of all networks together: a study names them."""
    runs = list(evidence.asked.get("similarity", {}).values())
    if not runs or not evidence.study or not runs[0].get("stimuli"):
        return []
    names = ("layers", "stimuli", "dataset", "metric")
    words = {"models": f"study={evidence.study}"} | {name: runs[0][name] for name in names if runs[0].get(name)}
    return [_line("similarity", words, {}, evidence.study)]


def _task(label: str) -> str:
    """The task that a label names, the longest name first, so that Dis. + Tra. is not taken for Translation."""
    names = {style.label: task for task, style in TASKS.items()} | {task: task for task in TASKS}
    for name in sorted(names, key=len, reverse=True):
        if name.lower() in label.lower():
            return names[name]
    return ""


def _usual(column: pd.Series) -> str:
    return str(column.mode().iloc[0])


def _defaults(parameters: Iterable[Parameter]) -> dict[str, str]:
    return {parameter.name: str(parameter.default) for parameter in parameters if not parameter.required}


def _line(entry: str, words: Cfg, defaults: Cfg, study: str) -> str:
    """A command; parameters that have their default are left out, but for those that say which network it is."""
    said = {name: value for name, value in words.items() if defaults.get(name) != value or name in ("dataset", "arch")}
    said |= {"study": study} if study else {}
    parts = [part for name, value in said.items() for part in (f"--{name}", str(value))]
    return shlex.join(["python", "-m", f"entrypoints.{entry}", *parts])
