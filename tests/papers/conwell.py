"""Evidence of networks scored on fMRI responses, made of networks that an import reads, without a registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from mlspatial.compare.evidence import NETWORKS, PAIRS, SCORES, Evidence, empty_frames
from mlspatial.steps.imports_fmri import Network, rows_of

SUBJECTS = {"subj01": 0.8, "subj02": 0.9}  # and their noise ceilings


def evidence_of(networks: Sequence[Network], pairs: pd.DataFrame | None = None) -> Evidence:
    """What `load` would give after an import of these networks."""
    known, scores = [], []
    for network in networks:
        name = network.facts["network"]
        unknown: dict[str, Any] = dict.fromkeys(NETWORKS, "")
        unknown |= dict.fromkeys(("fraction", "n_train", "outputs", "n_categories", "loss"), np.nan)
        facts = {"fact/" + key: value for key, value in network.facts.items()}
        known.append(unknown | {"model_id": name, "seed": 0, "step": -1, "final": True, "imported": True} | facts)
        scores += [{**row, "model_id": name, "run_id": f"run-{name}"} for row in rows_of(network)]
    frames = empty_frames()
    frames["networks"] = pd.DataFrame(known)
    frames["scores"] = pd.DataFrame(scores).reindex(columns=list(SCORES))
    if pairs is not None:
        frames["pairs"] = pairs
    return Evidence("conwell", **frames, links={})


def made_up(seed: int = 0) -> list[Network]:
    """Networks of every contrast with effects that are known: see the test."""
    rng = np.random.default_rng(seed)
    found: list[Network] = []

    def add(name: str, score: float, **facts: str) -> None:
        network = Network({"network": name, "label": name.upper(), "trained": "true", **facts})
        for metric, factor in (("crsa", 0.5), ("versa", 1.0)):
            for subject, shift in (("subj01", -0.02), ("subj02", 0.02)):
                value = factor * (score + shift) + 0.002 * rng.normal()
                network.scores[metric, subject] = (value, SUBJECTS[subject], "")
        found.append(network)

    imagenet = {"task": "classification", "training_data": "imagenet", "supervision": "category"}
    for i in range(8):
        kind = "CNN" if i < 5 else "Transformer"
        base = 0.60 - 0.05 * (kind == "Transformer") + 0.01 * (i % 3)
        more = {"architecture": kind, "family": f"design{i}", "parameters": str(10**6 * (i + 1))}
        add(f"net{i}", base, imagenet_top1=str(60 + i), effective_dimensionality=str(20 + i), **imagenet, **more)
        add(f"net{i}-random", 0.1 + 0.01 * (i % 2), **(more | {"task": "random", "trained": "false"}))
        if i < 3:
            add(f"net{i}-21k", base + 0.02 + 0.004 * i, **(imagenet | more | {"training_data": "imagenet21k"}))
    for i, kind in enumerate(["contrastive"] * 3 + ["non-contrastive"] * 3):
        facts = {"task": "selfsupervised", "supervision": kind, "goal": f"goal{i}", "family": "ResNet50"}
        add(f"ssl{i}", 0.5 + 0.08 * (kind == "contrastive") + 0.01 * (i % 3), **facts)
    for i, (goal, size) in enumerate((goal, size) for goal in ("CLIP", "SimCLR", "SLIP") for size in "SBL"):
        gain = {"CLIP": 0.0, "SimCLR": 0.03, "SLIP": 0.05}[goal]
        facts = {"task": "slip", "goal": goal, "size": size, "family": f"ViT-{size}"}
        add(f"slip{i}", 0.55 + gain + 0.01 * "SBL".index(size), **facts)
    for images, score in (("imagenet", 0.5), ("openimages", 0.46), ("places256", 0.44), ("vggface2", 0.2)):
        add(f"ipcl-{images}", score, task="ipcl", training_data=images, family="alexnet_gn")
    for i, goal in enumerate(("class_object", "autoencoding", "normal")):
        add(f"task-{goal}", 0.4 - 0.1 * i, task="taskonomy", goal=goal, family="resnet50", training_data="taskonomy")
    return found


def similar(networks: Sequence[Network], seed: int = 1) -> pd.DataFrame:
    """Pairs of the networks under both metrics; those under versa lie closer together."""
    rng = np.random.default_rng(seed)
    names = np.array([network.facts["network"] for network in networks])
    first, second = np.triu_indices(len(names), 1)
    parts = []
    for metric, spread in (("crsa", 1.0), ("versa", 0.2)):
        matrix = np.corrcoef(spread * rng.normal(size=(len(names), 60)) + rng.normal(size=60))
        facts = {"run_id": "similarity-0", "metric": metric, "layer": "committed", "depth": 0}
        ends = {"model_a": names[first], "model_b": names[second], "value": matrix[first, second]}
        parts.append(pd.DataFrame(facts | ends))
    return pd.concat(parts, ignore_index=True)[list(PAIRS)]
