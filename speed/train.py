"""Training a ResNet-18 on 64 px images: next to a plain loop, several networks at once, and what logging costs.

    python -m speed.train [--quick]

- plain: torchvision's way (ImageFolder, DataLoader with two workers, ToTensor, Normalize, Adam, nothing else) on the
  same images and the same number of threads; ours in float32 and, where the processor can, in bfloat16;
- together: six networks (two with --quick) in one process next to the same ones one after the other: ResNet-18s from a
  dataset (`shards`) and from the renderer (`live`; not with --quick), and live ones so light that rendering is nearly
  all of the work;
- stacked: four and eight narrow ResNet-18s at 48 and 32 px in one forward and backward pass (train.stacked) next to one
  network after the other on the same batch, in CPU-seconds; `error` is the largest relative difference of a loss in
  the third step;
- logging: the share of a run's time that goes into the tracking database, of 1,000 batches.
All in turns in one process; times are wall-clock, of `shards` CPU-seconds. `error` is the largest difference of the
weights of networks trained together and alone, which has to be 0.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mlspatial.analysis.device import finish
from mlspatial.core.manifest import Manifest
from mlspatial.data.loader import Loader
from mlspatial.models.build import build
from mlspatial.models.spec import IMAGENET_MEAN, IMAGENET_SD, ModelSpec, to_input
from mlspatial.render.live import live_source
from mlspatial.render.studio import Recipe
from mlspatial.render.write import render_dataset
from mlspatial.tasks import build_task, head_layout
from mlspatial.train.loop import Network, Settings, slow_precision, train
from mlspatial.train.ranks import ALONE
from mlspatial.train.stacked import Steps
from speed.common import peak_mib, report

SIZE, BATCH = 64, 64
LOGGED = 1000  # batches
WARM = 3  # steps that are not timed
TASKS = ("distance", "translation", "rotation", "category", "distance+translation", "all")
CATEGORIES = ("chair", "apple", "teakettle", "hammer")
LIGHT = "torchvision:shufflenet_v2_x0_5"


def dataset(folder: Path, images: int) -> Manifest:
    recipe = Recipe(images, 100, SIZE, 0, CATEGORIES, environments="procedural:meadow,street")
    return render_dataset(recipe, folder, "speed")


def network(
    manifest: Manifest, task: str, state: Path, log: Callable[..., None] | None = None, arch: str = "resnet18"
) -> Network:
    made = build_task(task, manifest.schema, manifest.statistics)
    layout = head_layout(manifest.schema)
    spec = ModelSpec(arch, max(end for _, end in layout.values()), layout, tuple(made.parts), SIZE)
    return Network(
        task, build(spec, seed=0), spec, made, 0, log or (lambda *_: None), lambda *_: None, state / f"{task}.pt"
    )


def run(
    networks: Sequence[Network], folder: Path, manifest: Manifest, batches: int, *, live: bool = False,
    precision: str = "float32", clock: Callable[[], float] = time.monotonic,
) -> float:  # fmt: skip
    """Seconds of a training without its first batch, the evaluation at its end and the processes' start."""
    columns = tuple(dict.fromkeys(column for n in networks for column in n.task.columns))
    shared: dict[str, Any] = {"columns": columns, "batch_size": BATCH}
    source = live_source(manifest, workers=2, **shared) if live else Loader(folder, manifest, "train", **shared)
    heldout = Loader(folder, manifest, "heldout", **shared, fraction=0.1)
    times: list[float] = []
    settings = Settings(batches, save_every=1e9, precision=precision)
    train(networks, source, heldout, settings, progress=lambda *_: times.append(clock()))
    return (times[-1] - times[0]) / (len(times) - 1) * batches


def plain(folder: Path, manifest: Manifest, batches: int) -> float:
    """The loop that everybody writes first, on the same JPEG bytes as files."""
    from torch.utils.data import DataLoader
    from torchvision.datasets import ImageFolder
    from torchvision.transforms import Compose, Normalize, ToTensor

    images = ImageFolder(str(folder), Compose([ToTensor(), Normalize(IMAGENET_MEAN, IMAGENET_SD)]))
    loader = DataLoader(images, BATCH, shuffle=True, num_workers=2, drop_last=True)
    model = network(manifest, "category", folder).module
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    model.train()
    done, start = 0, 0.0
    while True:
        for pixels, labels in loader:
            loss = torch.nn.functional.cross_entropy(model(pixels)[:, : len(CATEGORIES)], labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            done += 1
            if done == 1:
                start = time.monotonic()
            if done == batches:
                return (time.monotonic() - start) / (batches - 1) * batches


def as_files(folder: Path, manifest: Manifest, out: Path) -> Path:
    """The training images as out/CATEGORY/N.jpg."""
    import pyarrow.parquet as pq

    for shard in manifest.shards("train"):
        table = pq.read_table(folder / shard.file, columns=["stimulus_id", "image", "category"])
        for row in table.to_pylist():
            target = out / row["category"] / f"{row['stimulus_id']}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(row["image"])
    return out


def line(case: str, name: str, ours: float, theirs: float, images: int, error: float | None = None) -> dict:
    return {
        "case": case,
        "ours": round(images / ours, 1),
        "alternative": round(images / theirs, 1),
        "unit": "images per second",
        "alternative_name": name,
        "ratio": round(theirs / ours, 2),
        "error": error,
        "peak_mib": peak_mib(),
        "n": images,
    }


def compare_plain(folder: Path, manifest: Manifest, work: Path, batches: int) -> list[dict]:
    files = as_files(folder, manifest, work / "files")
    theirs = plain(files, manifest, batches)
    lines = []
    for precision in ("float32",) if slow_precision("bfloat16", "cpu") else ("float32", "bfloat16"):
        ours = run([network(manifest, "category", work)], folder, manifest, batches, precision=precision)
        (work / "category.pt").unlink()
        name = "ImageFolder + DataLoader, 2 workers, Adam, float32"
        lines.append(line(f"train_{SIZE}px_{precision}", name, ours, theirs, batches * BATCH))
    return lines


def compare_together(
    folder: Path, manifest: Manifest, work: Path, tasks: Sequence[str], batches: int, live: bool, arch: str
) -> dict:
    """Several networks at once and one after the other, on the same batches; then again in the opposite order."""
    clock = time.monotonic if live else time.process_time  # which knows nothing of the renderers' processes
    spent = {"alone": 0.0, "together": 0.0}
    error = 0.0
    for order in (("alone", "together"), ("together", "alone")):
        networks = {way: [network(manifest, task, work / way, arch=arch) for task in tasks] for way in order}
        for way in order:
            groups = [networks[way]] if way == "together" else [[n] for n in networks[way]]
            spent[way] += sum(run(group, folder, manifest, batches, live=live, clock=clock) for group in groups)
        for one, other in zip(networks["alone"], networks["together"], strict=True):
            for a, b in zip(one.module.parameters(), other.module.parameters(), strict=True):
                error = max(error, float((a - b).detach().abs().max()))
        for state in work.rglob("*.pt"):
            state.unlink()
    images = 2 * len(tasks) * batches * BATCH
    name = f"{len(tasks)} runs of one network"
    case = f"{len(tasks)}_networks_{'live' if live else 'shards'}_{arch.removeprefix('torchvision:')}"
    found = line(case, name, spent["together"], spent["alone"], images, error)
    return found if live else {**found, "unit": "images per CPU-second"}


def stacked(
    manifest: Manifest, arch: str, size: int, count: int, steps: int, *, device: str = "cpu",
    precision: str = "float32", clock: Callable[[], float] = time.process_time,
) -> dict:  # fmt: skip
    """Seconds of steps of networks of one architecture on a batch that lies on the device, stacked and one by one."""
    ways: dict[str, Steps] = {}
    groups: dict[str, list[Network]] = {}
    where = replace(ALONE, device=device)
    for way in ("true", "false"):
        settings = Settings(10**6, precision=precision, stacked=way)
        groups[way] = [network(manifest, TASKS[k % len(TASKS)], Path("no state"), arch=arch) for k in range(count)]
        for one in groups[way]:
            one.start(settings, where)
            one.module.train()
        ways[way] = Steps(settings, where)
    spec = groups["true"][0].spec
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 255, (BATCH, size, size, 3), np.uint8)).to(device)
    images = to_input(pixels, replace(spec, input_size=size))
    columns = {column: torch.zeros(BATCH, dtype=torch.int64 if column in ("category", "identity") else torch.float32,
                                   device=device) for one in groups["true"] for column in one.task.columns}  # fmt: skip

    def some(way: str, number: int) -> float:
        begin = clock()
        for _ in range(number):
            ways[way].descend(groups[way], images, columns)
        finish(torch.device(device))
        return clock() - begin

    for way in ways:
        some(way, WARM)
    losses = [[one.loss() for one in group] for group in groups.values()]
    spent = dict.fromkeys(ways, 0.0)
    for order in (("true", "false"), ("false", "true")):
        for way in order:
            spent[way] += some(way, steps)
    error = max(abs(a - b) / abs(b) for a, b in zip(*losses, strict=True))
    found = line(f"stacked_{count}_{arch}_{size}px", f"{count} networks one after the other", spent["true"],
                 spent["false"], 2 * steps * count * BATCH, error)  # fmt: skip
    return {**found, "unit": "images per CPU-second" if clock is time.process_time else "images per second"}


def logging_share(folder: Path, manifest: Manifest, work: Path, batches: int) -> dict:
    """Time inside the tracking database over the time of a run of 1,000 batches.

    The time of a batch and what it logs come from `batches` of them; the same calls are then made for 1,000.
    """
    os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{work}/mlflow.db"
    os.environ["MLSPATIAL_CACHE"] = str(work / "cache")
    from mlspatial.registry import runs

    calls: list[tuple[Any, int]] = []
    whole = run([network(manifest, "distance", work, lambda *call: calls.append(call))], folder, manifest, batches)
    training = [call for call in calls if call[1] < batches] or calls
    whole *= LOGGED / batches
    spec = runs.Spec("train", 0, {}, {"task": "speed"})
    with runs.open_run(spec, name="speed") as open_run:
        start = time.monotonic()
        for i in range(round(len(training) * LOGGED / batches)):
            open_run.log(training[i % len(training)][0], i)
        open_run.flush()
        spent = time.monotonic() - start
    found = line("logging_1000_batches", "the same without logging", whole + spent, whole, LOGGED * BATCH)
    return {**found, "share_of_time": round(spent / (whole + spent), 5)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two minutes")
    options = parser.parse_args()
    batches = 5 if options.quick else 40
    tasks = TASKS[:2] if options.quick else TASKS
    with tempfile.TemporaryDirectory() as made:
        work = Path(made)
        folder = work / "data"
        manifest = dataset(folder, 640 if options.quick else 4000)
        report(compare_plain(folder, manifest, work, batches))
        for live, arch in ((True, LIGHT), (True, "resnet18"), (False, "resnet18")):
            if options.quick and live and arch != LIGHT:
                continue
            report([compare_together(folder, manifest, work, tasks, 2 if options.quick else 7, live, arch)])
        for arch, size, count in (("resnet18w16", 48, 4), ("resnet18w16", 48, 8), ("resnet18w8", 48, 8),
                                  ("resnet18w8", 32, 8), ("resnet18w4", 32, 4), ("resnet18w4", 32, 8)):  # fmt: skip
            if not options.quick or (count, size) == (4, 48):
                report([stacked(manifest, arch, size, count, 1 if options.quick else 4)])
        report([logging_share(folder, manifest, work, batches)])


if __name__ == "__main__":
    main()
