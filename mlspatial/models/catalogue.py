"""The networks of study 2 by name: zoo.yaml, and selectors `zoo:...` that pick from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from typing import Any

from mlspatial.core.errors import BadValue, UnknownName, UserError

SCHEME = "zoo:"


@dataclass(frozen=True)
class Network:
    """One network of Conwell et al. 2024, as zoo.yaml has it.

    name: the study's; selector: where it comes from ("" where no installed package builds it); trained: or random;
    architecture: CNN, Transformer, MLP-Mixer or Hybrid, as the study counts it; family: of architectures; arch: the
    same for trained and untrained networks of one structure; task: what it was trained to do, method: by which trainer
    or variant; supervision: labels, self, language, self+language, other or none; data: what it was trained with, as
    the study counts it; pretrained: before that, ""; contrast: its group within the study's contrast of tasks
    (Contrastive, SLIP, a cluster of Taskonomy ...), ""; parameters: all of them, or the study's own count where the
    network cannot be built (counted: False);
    source: where the weights are, ""; note: what is uncertain or strange, "".
    """

    name: str
    selector: str
    trained: bool
    architecture: str
    family: str
    arch: str
    task: str
    method: str
    supervision: str
    data: str
    parameters: int
    counted: bool = True
    pretrained: str = ""
    contrast: str = ""
    source: str = ""
    note: str = ""


@lru_cache(maxsize=1)
def networks() -> Mapping[str, Network]:
    """name -> network, in the order of zoo.yaml."""
    import yaml

    text = files("mlspatial.models").joinpath("zoo.yaml").read_text(encoding="utf-8")
    loaded: list[dict[str, Any]] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {entry["name"]: Network(**entry) for entry in loaded}


def find(text: str) -> list[Network]:
    """The networks that a selector picks, in the order of zoo.yaml.

    zoo:NAME with * and ? as wild cards (zoo:vit_*), several names with | between, or facts: zoo:FIELD=VALUE,... with
    any field of Network, alternatives with | and wild cards, as zoo:architecture=Transformer,trained=false. Raises
    UnknownName for a name, and UserError for facts, that fit no network, BadValue for an unknown field.
    """
    asked = text.removeprefix(SCHEME).strip()
    if not asked:
        raise BadValue("models", text, "must be zoo:NAME, zoo:* or zoo:FIELD=VALUE,FIELD=VALUE")
    everything = networks()
    if "=" not in asked:
        patterns = [part.strip() for part in re.split(r"[|,]", asked)]
        for pattern in patterns:
            if not any(fnmatchcase(name, pattern) for name in everything):
                raise UnknownName("network of the zoo", pattern, everything)
        return [one for one in everything.values() if any(fnmatchcase(one.name, pattern) for pattern in patterns)]
    known = [field.name for field in fields(Network)]
    found = list(everything.values())
    for clause in asked.split(","):
        field, equals, values = (part.strip() for part in clause.partition("="))
        if not equals or field not in known:
            raise BadValue("models", text, f"{clause.strip()!r} is not FIELD=VALUE with a field of {', '.join(known)}")
        wanted = [value.strip().lower() for value in values.split("|")]
        kept = [one for one in found if any(fnmatchcase(_said(one, field), value) for value in wanted)]
        if not kept:
            there = sorted({_said(one, field) for one in found})
            raise UserError(f"models={text}: no network has {clause.strip()}; there are {', '.join(there[:20])}")
        found = kept
    return found


def expand(text: str) -> list[str]:
    """The selectors, each of one network, that a selector stands for: itself unless it begins with zoo:.

    Networks that no installed package builds are left out; raises UserError when only such are named.
    """
    if not text.startswith(SCHEME):
        return [text]
    found = find(text)
    selectors = [one.selector for one in found if one.selector]
    if not selectors:
        first = found[0]
        raise UserError(f"models={text}: {first.name} cannot be built here ({first.note}); import its scores instead")
    return list(dict.fromkeys(selectors))


def only(text: str) -> str:
    """The selector of the one network that `text` picks; raises BadValue when it picks several."""
    selectors = expand(text)
    if len(selectors) != 1:
        raise BadValue("models", text, f"names {len(selectors)} networks, not one; give a whole name or more facts")
    return selectors[0]


def origin(filename: str) -> str:
    """Where the weights of that file name can be had, "" when zoo.yaml does not know."""
    for one in networks().values():
        if one.selector.startswith(f"file:{filename}?"):
            return one.source
    return ""


def _said(one: Network, field: str) -> str:
    """A fact as people type it, in lower case."""
    return str(getattr(one, field)).lower()


def facts(selector: str) -> dict[str, str]:
    """What the contrasts of study 2 ask of a network, by its selector; {} for one that zoo.yaml does not have.

    Keys are those of mlspatial.compare.fmri: network, family, architecture, trained, task, goal, supervision,
    training_data, parameters, imagenet_top1; the study's words for groups stand for ours where it has some.
    """
    one = next((one for one in networks().values() if one.selector == selector), None)
    if one is None:
        return {}
    task, goal, supervision = one.task, "", one.supervision
    if not one.trained:
        task = "random"
    elif one.method == "Taskonomy":
        task, goal = "taskonomy", one.task
    elif one.method == "IPCL":
        task = "ipcl"
    elif one.contrast in ("CLIP", "SimCLR", "SLIP"):
        task, goal = "slip", one.contrast
        supervision = {"CLIP": "language", "SimCLR": "contrastive", "SLIP": "language+contrastive"}[one.contrast]
    elif one.contrast in ("Contrastive", "Non-Contrastive"):
        task, goal, supervision = "selfsupervised", one.method, one.contrast.lower()
    elif one.task == "classification":
        supervision = "category"
    data = {"ImageNet-1k": "imagenet", "ImageNet-21k": "imagenet21k", "none": ""}.get(one.data, one.data.lower())
    known = {
        "network": one.name, "family": one.arch, "architecture": one.architecture, "trained": str(one.trained).lower(),
        "task": task, "goal": goal, "supervision": supervision, "training_data": data,
        "parameters": str(one.parameters), "imagenet_top1": _accuracy(selector) if one.trained else "",
    }  # fmt: skip
    return {name: value for name, value in known.items() if value}


def _accuracy(selector: str) -> str:
    """ImageNet top-1 in per cent as torchvision states it for its own weights; "" for other networks."""
    if not selector.startswith("torchvision:"):
        return ""
    from torchvision.models import get_model_weights

    name, _, weights = selector.removeprefix("torchvision:").partition(".")
    try:
        chosen = get_model_weights(name)[weights or "IMAGENET1K_V1"]
    except (KeyError, ValueError):
        return ""
    return str(chosen.meta["_metrics"].get("ImageNet-1K", {}).get("acc@1", ""))
