"""The networks of study 2 by name: zoo.yaml, and selectors `zoo:...` that pick from it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.resources import files
from typing import Any

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.models.sources.base import SOURCES, Selector, Source, parse_selector

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

    text = files("mlspatial.models.sources").joinpath("zoo.yaml").read_text(encoding="utf-8")
    loaded: list[dict[str, Any]] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {entry["name"]: Network(**entry) for entry in loaded}


@SOURCES.register("zoo")
class Zoo(Source):
    """Names of the study; each stands for a selector of another source, which takes over the options given here."""

    kind = "a name of the zoo"
    takes_random = False

    def names(self) -> Iterable[str]:
        return networks()

    def expand(self, asked: Selector) -> list[str]:
        """Networks that no installed package builds are left out; raises UserError when only such are named."""
        found = find(asked.name)
        selectors = [one.selector for one in found if one.selector]
        if not selectors:
            first = found[0]
            advice = f"{first.name} cannot be built here ({first.note}); import its scores instead"
            raise UserError(f"models={asked.text}: {advice}")
        options = asked.text.removeprefix(SCHEME).removeprefix(asked.name).removeprefix("?")
        return [one + (f"{'&' if '?' in one else '?'}{options}" if options else "") for one in dict.fromkeys(selectors)]

    def origin(self, filename: str) -> str:
        return next((one.source for one in networks().values() if one.selector.startswith(f"file:{filename}?")), "")


def find(asked: str) -> list[Network]:
    """The networks that what stands behind zoo: picks, in the order of zoo.yaml.

    NAME with * and ? as wild cards (vit_*), several names with | between, or facts: FIELD=VALUE,... with any field of
    Network, alternatives with | and wild cards, as architecture=Transformer,trained=false. Raises UnknownName for a
    name, and UserError for facts, that fit no network, BadValue for an unknown field.
    """
    text, asked = SCHEME + asked, asked.strip()
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


def _said(one: Network, field: str) -> str:
    """A fact as people type it, in lower case."""
    return str(getattr(one, field)).lower()


def facts(selector: str) -> dict[str, str]:
    """What the contrasts of study 2 ask of a network, by its selector; {} for one that zoo.yaml does not have.

    Keys are those of mlspatial.compare.fmri: network, family, architecture, trained, task, goal, supervision,
    training_data, parameters, imagenet_top1; the study's words for groups stand for ours where it has some.
    """
    selector = re.sub(r"[?&](?:seed|group)=[^&]*", "", selector)  # the same network
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
        "parameters": str(one.parameters),
    }  # fmt: skip
    asked = parse_selector(selector)
    known |= SOURCES[asked.scheme]().about(asked)
    return {name: value for name, value in known.items() if value}
