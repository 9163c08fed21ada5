"""Networks and benchmarks that take no time: for tests of what is asked, made and answered."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

from mlspatial.benchmarks import BENCHMARKS, FMRI_BENCHMARKS, FmriBenchmark, NeuralBenchmark
from mlspatial.core.design import Design, Part, Varied
from mlspatial.core.latents import spatial_schema
from mlspatial.core.manifest import Manifest, recipe_id
from mlspatial.data.shards import write_shard
from mlspatial.models.build import ARCHITECTURES, build
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli
from mlspatial.registry import runs
from mlspatial.registry.models import log_model
from mlspatial.render.write import encode

N, SIZE = 60, 32
LEVELS = 5  # of z, in each context of a design


def _network(middle: str, units: int) -> torch.nn.Module:
    first = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 5, stride=4), torch.nn.ReLU())
    parts = {"first": first, middle: torch.nn.Sequential(torch.nn.Conv2d(4, 6, 3), torch.nn.ReLU())}
    end = {"pool": torch.nn.AdaptiveAvgPool2d(2), "flat": torch.nn.Flatten(), "fc": torch.nn.Linear(24, units)}
    return torch.nn.Sequential(OrderedDict(parts | end))


@ARCHITECTURES.register("toy")
def toy(units: int) -> torch.nn.Module:
    """Layers first.1, second.1 and fc."""
    return _network("second", units)


@ARCHITECTURES.register("other_toy")
def other_toy(units: int) -> torch.nn.Module:
    """Layers first.1, third.1 and fc."""
    return _network("third", units)


@ARCHITECTURES.register("headed_toy")
def headed_toy(units: int) -> torch.nn.Module:
    """Layers first.1, second.1 and one that is called head."""
    parts = OrderedDict(_network("second", units).named_children())
    return torch.nn.Sequential(OrderedDict(("head" if name == "fc" else name, part) for name, part in parts.items()))


def trained(
    arch: str = "toy",
    seed: int = 0,
    task: str = "distance",
    study: str = "s",
    sd: float | None = None,
    classes: tuple[str, ...] = (),
) -> str:
    """A finished train run with one network; its id. sd: of z in its own statistics, whose mean is 2; classes: of its
    category."""
    known = {"z": {"mean": 2.0, "sd": sd}} if sd else {}
    head, own = {"distance": (0, 1), "category": (1, 5)}, {"category": classes} if classes else {}
    spec = ModelSpec(arch, 5, head, (task,), SIZE, statistics=known, classes=own)
    cfg = {"task": task, "seed": seed, "arch": arch, "batches": 1}
    with runs.open_run(runs.Spec("train", 1, {"dataset_id": "d"}, cfg), name="t", study=study) as run:
        facts = {"dataset": "toys", "dataset_id": "d", "task": task, "seed": seed, "step": 1}
        log_model(run, build(spec, seed=seed).eval(), spec, metrics={}, **facts)  # type: ignore[arg-type]
    return run.id


def images(n: int = N) -> Stimuli:
    rng = np.random.default_rng(5)
    coarse = rng.integers(0, 256, (n, 8, 8, 3), dtype=np.uint8)
    return Stimuli(tuple(f"toy-{i:03d}" for i in range(n)), coarse.repeat(4, axis=1).repeat(4, axis=2))


def responses(stimuli: Stimuli, sites: int, trials: int) -> np.ndarray:
    """(n, sites, trials): a mixture of pixels for each site, with noise."""
    rng = np.random.default_rng(6)
    pixels = stimuli.images[:, ::4, ::4].reshape(len(stimuli), -1) / 255.0
    signal = (pixels - pixels.mean(axis=0)) @ rng.normal(size=(pixels.shape[1], sites))
    return (signal / signal.std(axis=0))[:, :, None] + rng.normal(size=(len(signal), sites, trials))


@BENCHMARKS.register("toy_sites")
def toy_sites(sites: int = 6, n: int = N, repeats: int = 4) -> NeuralBenchmark:
    """Recorded sites; with one repeat their ceiling cannot be known."""
    stimuli = images(n)
    trials = responses(stimuli, sites, repeats)
    return NeuralBenchmark(
        f"toy_sites{sites}_{n}_{repeats}", "IT", stimuli, trials.mean(axis=2), trials, metric="ridge"
    )


@FMRI_BENCHMARKS.register("toy_voxels")
def toy_voxels(metric: str = "versa") -> FmriBenchmark:
    """Voxels without a ceiling."""
    stimuli = images()
    measured = responses(stimuli, 14, 1).mean(axis=2).astype(np.float32)
    return FmriBenchmark(f"toy_voxels_{metric}", "s1", "OTC", stimuli, measured, metric=metric, noise_ceiling="none")


def design(n: int, scenes: tuple[str, ...]) -> Design:
    """A sweep of z, LEVELS levels, over so many objects in the scenes that there are n images."""
    objects = tuple(("cup", f"cup{i}") for i in range(n // LEVELS // max(1, len(scenes))))
    sweep = Part("z", (Varied("z", tuple(float(z) for z in range(1, 1 + LEVELS))),))
    return Design((sweep,), (), objects, scenes or ("meadow",), ("day",))


def dataset(
    folder: Path,
    name: str = "toys",
    n: int = 40,
    still: tuple[str, ...] = (),
    scenes: tuple[str, ...] = (),
    categories: tuple[str, ...] = ("cup", "pear"),
    splits: tuple[str, ...] = ("train", "heldout"),
) -> Path:
    """A dataset of n training and n held-out images, as render would leave it. still: latents that do not vary;
    scenes: of a column scene, in turns (and sky, half of them by day); categories, in turns."""
    schema = spatial_schema(categories, ("a", "b", "c"))
    recipe: dict[str, object] = {"size": SIZE, "n_train": n, "n_heldout": n}
    designed = "design" in splits
    recipe |= {"design": design(n, scenes).to_json()} if designed else {}
    shards = {}
    for number, split in enumerate(splits):
        rng = np.random.default_rng([7, number])
        columns: dict[str, list[object]] = {
            "stimulus_id": [f"{split}-{i:08d}" for i in range(n)],
            "image": [encode(image, "png") for image in images(n).images],
        }
        if scenes:
            columns["scene"] = [scenes[(i // LEVELS if designed else i) % len(scenes)] for i in range(n)]
            columns["sky"] = [("day", "night")[2 * i // n] for i in range(n)]
        for latent in schema:
            if latent.kind == "category":
                columns[latent.name] = [latent.categories[i % len(latent.categories)] for i in range(n)]
            else:
                values = rng.uniform(1.0, 4.0, n) if latent.kind == "linear" else rng.uniform(-45.0, 45.0, n)
                columns[latent.name] = list(np.full(n, 2.0) if latent.name in still else values)
        file = f"{split}/part-00000.parquet"
        shards[split] = (write_shard(folder / file, columns, schema, recipe_id(recipe), file),)
    statistics = {latent.name: {"mean": 2.5, "sd": 1.0} for latent in schema if latent.kind == "linear"}
    Manifest(name, recipe, schema, shards, statistics).save(folder)
    return folder
