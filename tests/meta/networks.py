"""Of networks, heads, losses and a step of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mlspatial.core.latents import Latent, LatentSchema, spatial_schema
from mlspatial.models import layers
from mlspatial.models.build import sketch
from mlspatial.models.compact import CompactNeurons
from mlspatial.models.networks import NETWORKS
from mlspatial.models.spec import ModelSpec, grey, to_input
from mlspatial.tasks import build_task, head_layout
from mlspatial.tasks.base import TASKS
from mlspatial.tasks.rotation import between_degrees
from mlspatial.train import loop
from mlspatial.train.augment import AUGMENTATIONS
from mlspatial.train.loop import Network, Settings, scheduler
from mlspatial.train.ranks import ALONE
from mlspatial.train.stacked import Stack
from tests.meta.layers import SPEC, valued
from tests.meta.register import CASES, HOST, READS, Case, case, double, pixels, tensor

SCHEMA = LatentSchema(tuple(spatial_schema(("a", "b", "c", "d"), ("e", "f"))) + tuple(
    Latent(name, "m/s", "linear") for name in ("v_x", "v_y", "v_z")) + (Latent("heading", "deg", "circular"),)
)  # fmt: skip
STATISTICS = {name: {"mean": 1.0, "sd": 2.0} for name in ("x", "y", "z", "v_x", "v_y", "v_z")}
#: of every family the smallest
FAMILIES = {
    **dict.fromkeys(("resnet18w8", "resnet34w4", "resnet50w4"), 32),
    **{f"torchvision:{name}": 64 for name in (
        "alexnet", "vgg11", "vgg11_bn", "squeezenet1_1", "densenet121", "shufflenet_v2_x0_5", "mobilenet_v2",
        "mobilenet_v3_small", "resnext50_32x4d", "wide_resnet50_2", "mnasnet0_5", "efficientnet_b0", "regnet_y_400mf",
        "swin_t", "swin_v2_t", "convnext_tiny", "googlenet")},
    "torchvision:vit_b_16": 224, "torchvision:inception_v3": 96, "torchvision:maxvit_t": 224,
    **{f"timm:{name}": 224 for name in (
        "vit_tiny_patch16_224", "mixer_s32_224", "tf_efficientnet_lite0", "regnetx_002", "convnext_atto",
        "resnet10t", "cait_xxs24_224", "poolformer_s12", "repvgg_a0")},
}  # fmt: skip


def step_through(module: nn.Module, size: int, device: str) -> Any:
    """Forward and backward of a batch in training; outputs and gradients."""
    module.to(device).train()
    images = to_input(pixels(device, 2, size, size, 3), replace(SPEC, input_size=size))
    found = list(layers.tensors(module(images)))
    sum(one.square().sum() for one in found if one.is_floating_point()).backward()
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    assert gradients and all(one.device.type == device for one in [*found, *gradients])
    return found


def family(arch: str, size: int) -> Case:
    return lambda device: step_through(sketch(ModelSpec(arch, 9, {}, (), size)), size, device)


NETWORKS_HERE: dict[str, Case] = {arch: family(arch, size) for arch, size in FAMILIES.items()}
NETWORKS_HERE |= {
    "compact": lambda device: step_through(CompactNeurons({"a": (4, 5, 6), "b": (3, 4, 5)}, 32), 32, device),
    **{f"mlspatial:{name}": partial(lambda name, device: step_through(_published(name), 224, device), name)
       for name in NETWORKS if "large" not in name and "base" not in name},
}  # fmt: skip


def _published(name: str) -> nn.Module:
    with torch.device("meta"):
        return NETWORKS[name].make(NETWORKS[name].units)


def columns(device: str, names: tuple[str, ...], count: int = 8) -> dict[str, torch.Tensor]:
    kinds = {"category": torch.int64, "identity": torch.int64}
    return {name: torch.ones(count, dtype=kinds.get(name, torch.float32), device=device) for name in names}


def loss_of(name: str) -> Case:
    def backward(device: str) -> Any:
        task = build_task(name, SCHEMA, STATISTICS)
        units = max(end for _, end in head_layout(SCHEMA, task.parts).values())
        said = tensor(device, 8, units).requires_grad_()
        loss = task.loss(said, columns(device, task.columns))
        loss.backward()
        return loss, said.grad

    return backward


def told_of(name: str) -> Case:
    def told(device: str) -> Any:
        task = build_task(name, SCHEMA, STATISTICS)
        units = max(end for _, end in head_layout(SCHEMA, task.parts).values())
        said, truth = tensor(device, 8, units), columns(device, task.columns)
        read = [part.read(said[:, task.slices[key]]) for key, part in task.parts.items()]
        kept = {**task.metrics(said, truth), **task.predictions(said, truth)}
        return [np.asarray(value) for one in [kept, *read] for value in one.values()]

    return told


CASES |= {f"loss_{name}": loss_of(name) for name in (*TASKS, "all")}
CASES |= {f"told_{name}": told_of(name) for name in (*TASKS, "all")}
READS |= dict.fromkeys([f"told_{name}" for name in (*TASKS, "all")], HOST)


@case()
def angles(device: str) -> Any:
    return between_degrees(double(device, 5, 3), double(device, 5, 3, seed=1))


@case()
def augmentations(device: str) -> Any:
    return [AUGMENTATIONS[name](pixels(device, 4, 8, 8, 3), 0, 1) for name in ("none", "colour", "grey")]


def training(device: str) -> Network:
    """In training with Adam, whose fused form, of which torch has none for tensors without numbers, is taken off."""
    task = build_task("all", SCHEMA, STATISTICS)
    layout = head_layout(SCHEMA)
    spec = ModelSpec("resnet18w8", max(end for _, end in layout.values()), layout, tuple(task.parts), 32)
    made = Network("n", sketch(spec).to_empty(device="cpu").apply(valued), spec, task, 0, lambda *_: None,
                   lambda *_: None, Path("no such file"))  # fmt: skip
    settings = Settings(batches=4, schedule="one_cycle")
    made.start(settings, replace(ALONE, device=device))
    made.optimizer = torch.optim.Adam(made.module.parameters(), lr=1e-3, fused=False)
    made.scheduler = scheduler(made.optimizer, settings)
    return made


@case()
def a_step_of_training(device: str) -> Any:
    made = training(device)
    for _ in range(2):
        images = AUGMENTATIONS["colour"](pixels(device, 8, 32, 32, 3), 0, made.step)
        made.descend(to_input(images, made.spec), columns(device, made.task.columns), "float32")
    state = made.optimizer.state_dict()["state"]
    return [*made.module.state_dict().values(), *(one for values in state.values() for one in values.values())]


@case()
def a_step_of_networks_together(device: str) -> Any:
    several = [training(device) for _ in range(2)]
    for made in several:
        made.module.train()
    stack = Stack(several)
    images = to_input(pixels(device, 8, 32, 32, 3), several[0].spec)
    stack.descend(images, columns(device, several[0].task.columns), "float32")
    stack.release()
    return [value for made in several for value in made.module.state_dict().values()]


@case("now and then the loss is looked at: a training that diverged ends")
def a_look_at_the_loss(device: str) -> Any:
    made = training(device)
    made.descend(grey(made.spec, device).expand(8, -1, -1, -1), columns(device, made.task.columns), "float32")
    return np.array(made.loss())


@case("metrics are of outputs on the host")
def an_evaluation(device: str) -> Any:
    made = training(device)

    class Held:
        def once(self) -> Iterator[Any]:
            yield _Batch(pixels("cpu", 4, 32, 32, 3).numpy())

    found, truth = loop.outputs_of([(made.module, made.spec)], Held(), device)  # type: ignore[arg-type]
    return [*found, *truth.values(), np.array(list(loop.metrics_of(made.task, found[0], truth).values()))]


class _Batch:
    def __init__(self, images: np.ndarray) -> None:
        self.images = images
        self.columns = {name: values.numpy() for name, values in columns("cpu", SCHEMA.names, len(images)).items()}
