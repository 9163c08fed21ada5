"""Which networks a contrast is of: networks scored on fMRI responses in, those that are set against each other out."""

from __future__ import annotations

import pandas as pd


def imagenet(networks: pd.DataFrame) -> pd.DataFrame:
    """Trained to classify ImageNet-1k."""
    return networks[(networks.task == "classification") & (networks.training_data == "imagenet") & networks.trained]


def architectures(networks: pd.DataFrame) -> pd.DataFrame:
    """Convolutional networks and transformers, trained on the same images and task; group: CNN, Transformer."""
    rows = imagenet(networks)
    rows = rows[rows.architecture.isin(["CNN", "Transformer"])]
    return rows.assign(group=rows.architecture)


def taskonomy(networks: pd.DataFrame) -> pd.DataFrame:
    """One design trained on the same images for different tasks; group: the task."""
    rows = networks[networks.task == "taskonomy"]
    return rows.assign(group=rows.goal)


def object_tasks(networks: pd.DataFrame) -> pd.DataFrame:
    """Taskonomy's network of object classification, and ResNet-50 trained to classify ImageNet-1k."""
    tasks, reference = taskonomy(networks), imagenet(networks)
    reference = reference[reference.family == "resnet50"].assign(group="imagenet")
    return pd.concat([tasks[tasks.goal == "class_object"], reference])


def contrastive(networks: pd.DataFrame) -> pd.DataFrame:
    """Self-supervised networks of one design; group: contrastive, non-contrastive."""
    rows = networks[(networks.task == "selfsupervised") & networks.supervision.isin(["contrastive", "non-contrastive"])]
    return rows.assign(group=rows.supervision)


def language(networks: pd.DataFrame) -> pd.DataFrame:
    """Transformers trained with pictures, captions or both on the same data; group: CLIP, SimCLR, SLIP."""
    rows = networks[
        (networks.task == "slip") & networks.goal.isin(["CLIP", "SimCLR", "SLIP"]) & (networks["size"] != "")
    ]
    return rows.assign(group=rows.goal)


def ipcl(networks: pd.DataFrame) -> pd.DataFrame:
    """One design and objective, trained on different images; group: the images."""
    rows = networks[networks.task == "ipcl"]
    return rows.assign(group=rows.training_data)


def imagenet_sizes(networks: pd.DataFrame) -> pd.DataFrame:
    """Pairs of one design, trained on ImageNet-1k and on 21k; group: imagenet, imagenet21k; pair: the design."""
    rows = networks[(networks.task == "classification") & networks.trained]
    rows = rows[rows.training_data.isin(["imagenet", "imagenet21k"])]
    return _pairs(rows.assign(group=rows.training_data))


def training(networks: pd.DataFrame) -> pd.DataFrame:
    """Pairs of one design, trained on ImageNet-1k and not at all; group: trained, random; pair: the design."""
    random = networks[networks.task == "random"]
    rows = pd.concat([imagenet(networks).assign(group="trained"), random.assign(group="random")])
    return _pairs(rows)


def _pairs(rows: pd.DataFrame) -> pd.DataFrame:
    """Those of designs with one network in each of the two groups."""
    counts = rows.groupby("family").group.agg(["size", "nunique"])
    kept = counts.index[(counts["size"] == 2) & (counts["nunique"] == 2)]
    return rows[rows.family.isin(kept)].assign(pair=lambda table: table.family).reset_index(drop=True)


def independent(networks: pd.DataFrame) -> pd.DataFrame:
    """Trained networks without the contrasts of tasks, objectives and images that are each one design many times over,
    so that the number of parameters differs. This choice gives the published N of 120."""
    same = contrastive(networks).model_id
    return networks[networks.trained & ~networks.task.isin(["taskonomy", "ipcl"]) & ~networks.model_id.isin(same)]
