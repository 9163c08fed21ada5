"""The first ten minutes on a GPU: what each hot path does there, next to a bound or to the CPU, with its memory.

    speed/gpu.sh [--device cuda] [--tiny] [--only CASES] [--out FILE]

- render: images per second at 64 and 224 px (aim: 5,000 at 224), images stay on the device;
- load: images per second that arrive normalised, with each cache;
- train_ARCH_SIZEpx: a training from shards next to the same steps on one batch that lies on the device (aim: .9 of it);
- together: eight narrow networks at 64 px, six ResNet-18s at 224 px, on the same batches, next to one after the other;
- stacked: narrow networks in one forward and backward pass next to one after the other (train.stacked), on one batch
  that lies on the device: what `stacked=auto` should do there;
- live: a training whose images are drawn on the same device, next to those steps;
- extract: forward pass alone, and with Gram matrices of eleven layers;
- gram, pls, decode, versa, gsn: seconds on the CPU and on the device, `error` the largest difference of the results.

A JSON line a case, flushed as it comes; a case that fails says so and the others go on. At the end a summary for
people, and what studies/xie2025.yaml would take by these rates (goal: 72 hours of one GPU). `aim` and `met` where there
is one. On a GPU peak_mib is its memory. --tiny: so small that it shows nothing but that all of it runs; also with
--device cpu.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from mlspatial.analysis import gsn, pls, versa
from mlspatial.analysis.decoding import decode
from mlspatial.analysis.gram import Gram
from mlspatial.analysis.splits import random_splits
from mlspatial.core.latents import Latent
from mlspatial.core.manifest import Manifest
from mlspatial.data.loader import Loader
from mlspatial.models.spec import to_input
from mlspatial.render.live import live_source
from mlspatial.render.studio import Recipe
from mlspatial.render.write import render_dataset
from mlspatial.train.loop import Network, Settings, slow_precision, to_tensors, train
from mlspatial.train.ranks import ALONE
from speed import extract as of_extract
from speed import loader as of_loader
from speed import render as of_render
from speed import train as of_train
from speed.common import machine, peak_mib
from speed.train import CATEGORIES, network

BATCH = 64  # Xie et al. 2025
IMAGES_A_SECOND, OF_BOUND, HOURS = 5000.0, 0.9, 72.0  # aims
TASKS = ("distance", "translation", "rotation", "category", "distance+translation", "all")
NARROW = 8
STUDY = Path(__file__).resolve().parents[1] / "studies" / "xie2025.yaml"
Line = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class Bench:
    """Where and how much. work: a folder; batches: of a training that is timed; n: stimuli of analyses."""

    device: str
    tiny: bool
    work: Path

    @property
    def batches(self) -> int:
        return 3 if self.tiny else 60

    @property
    def n(self) -> int:
        return 60 if self.tiny else 2000

    @property
    def precision(self) -> str:
        return "float32" if slow_precision("bfloat16", self.device) else "bfloat16"

    def dataset(self, size: int) -> tuple[Path, Manifest]:
        """A rendered folder, made once."""
        folder = self.work / f"data{size}"
        if not (folder / "manifest.json").exists():
            device = "cpu" if self.device == "cpu" else "cuda"
            count = 2 * BATCH if self.tiny else 4096
            recipe = Recipe(count, BATCH, size, 0, CATEGORIES, environments="procedural:meadow,street", device=device)
            workers = 1 if device == "cpu" else os.cpu_count() or 1  # that prepare and encode
            render_dataset(recipe, folder, f"speed{size}", workers=workers)
        return folder, Manifest.load(folder)

    def wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize(self.device)

    def timed(self, work: Callable[[], T]) -> tuple[float, T]:
        """(seconds until the device is done, what it gives)."""
        self.wait()
        start = time.perf_counter()
        made = work()
        self.wait()
        return time.perf_counter() - start, made

    @property
    def peak(self) -> int:
        """MiB: of the device since it was last asked for a case, on the CPU of the process."""
        if self.device == "cpu":
            return peak_mib()
        return round(torch.cuda.max_memory_allocated(self.device) / 2**20)


def rendering(bench: Bench) -> Iterator[Line]:
    for size in (64, 224):
        line = of_render.time_device(size, *((16, 1) if bench.tiny else (2048, 3)), bench.device)
        yield {**line, **aim(line["ours"], IMAGES_A_SECOND if size == 224 else None)}


def loading(bench: Bench) -> Iterator[Line]:
    size = 64 if bench.tiny else 224
    yield from of_loader.time_device(300 if bench.tiny else 6000, size, 95, "444", 1 if bench.tiny else 2, bench.device)


def steps(bench: Bench, networks: Sequence[Network], size: int) -> float:
    """Seconds a step of all networks on one batch that lies on the device: the bound of a training."""
    settings = Settings(10**6, precision=bench.precision)
    group = replace(ALONE, device=bench.device)
    for one in networks:
        one.start(settings, group)
        one.module.train()
    pixels = torch.randint(0, 255, (BATCH, size, size, 3), dtype=torch.uint8, device=bench.device)
    images = to_input(pixels, networks[0].spec)
    columns = to_tensors({c: np.zeros(BATCH, np.int64 if c in ("category", "identity") else np.float32)
                          for one in networks for c in one.task.columns}, bench.device)  # fmt: skip

    def some(count: int) -> None:
        for _ in range(count):
            for one in networks:
                one.descend(images, columns, bench.precision)

    some(max(2, bench.batches // 10))
    return bench.timed(lambda: some(bench.batches))[0] / bench.batches


def trained(bench: Bench, networks: Sequence[Network], size: int, *, live: bool = False, cache: str = "auto") -> float:
    """Seconds a batch of a training, without its first tenth and its last evaluation."""
    folder, manifest = bench.dataset(size)
    columns = tuple(dict.fromkeys(column for one in networks for column in one.task.columns))
    shared: dict[str, Any] = {"columns": columns, "batch_size": BATCH, "device": bench.device}
    if bench.device == "cpu":
        del shared["device"]
    source = live_source(manifest, workers=2, **shared) if live else Loader(
        folder, manifest, "train", **shared, threads=4, cache=cache
    )  # fmt: skip
    heldout = Loader(folder, manifest, "heldout", columns=columns, batch_size=BATCH)
    warm = max(1, bench.batches // 10)
    looks: list[tuple[int, float]] = []  # batch, time
    settings = Settings(warm + bench.batches, save_every=1e9, precision=bench.precision, log_every=warm)
    group = replace(ALONE, device=bench.device)
    train(networks, source, heldout, settings, group=group,
          progress=lambda step, _: looks.append((step, time.perf_counter())))  # fmt: skip
    (first, began), (last, ended) = looks[0], looks[-1]
    return (ended - began) / (last - first)


def fresh(bench: Bench, arch: str, size: int, tasks: Sequence[str]) -> list[Network]:
    _, manifest = bench.dataset(size)
    state = Path(tempfile.mkdtemp(dir=bench.work))
    return [replace(network(manifest, task, state, arch=arch), name=f"{task}{i}") for i, task in enumerate(tasks)]


def training(bench: Bench) -> Iterator[Line]:
    for arch, size in (("resnet18", 64), ("resnet18", 224), ("resnet50", 64), ("resnet50", 224)):
        if bench.tiny and (arch, size) != ("resnet18", 64):
            continue
        bound = steps(bench, fresh(bench, arch, size, TASKS[-1:]), size)
        ours = trained(bench, fresh(bench, arch, size, TASKS[-1:]), size, cache="none")
        yield rates(f"train_{arch}_{size}px", ours, bound, "the same steps on one batch", OF_BOUND)


def together(bench: Bench) -> Iterator[Line]:
    for arch, size, tasks in (("resnet18w16", 64, (*TASKS, *TASKS[:2])), ("resnet18", 224, TASKS)):
        if bench.tiny and size == 224:
            continue
        alone = sum(trained(bench, fresh(bench, arch, size, [task]), size, cache="none") for task in tasks)
        ours = trained(bench, fresh(bench, arch, size, tasks), size, cache="none")
        line = rates(f"together_{len(tasks)}_{arch}_{size}px", ours, alone, "one after the other", None)
        yield {**line, "networks": len(tasks)}


def stacked(bench: Bench) -> Iterator[Line]:
    for arch, size, count in (
        ("resnet18w16", 48, 4),
        ("resnet18w16", 48, 8),
        ("resnet18w16", 64, 8),
        ("resnet18w4", 32, 8),
    ):
        if not bench.tiny or (size, count) == (48, 4):
            _, manifest = bench.dataset(64)
            yield of_train.stacked(manifest, arch, size, count, bench.batches // 3, device=bench.device,
                                   precision=bench.precision, clock=time.perf_counter)  # fmt: skip


def live(bench: Bench) -> Iterator[Line]:
    size = 64 if bench.tiny else 224
    bound = steps(bench, fresh(bench, "resnet18", size, TASKS[-1:]), size)
    ours = trained(bench, fresh(bench, "resnet18", size, TASKS[-1:]), size, live=True)
    yield rates(f"live_resnet18_{size}px", ours, bound, "the same steps on one batch", None)


def extracting(bench: Bench) -> Iterator[Line]:
    yield from of_extract.measure(16 if bench.tiny else bench.n, bench.device)


def analyses(bench: Bench) -> Iterator[Line]:
    """The same computation on the CPU and on the device."""
    rng = np.random.default_rng(0)
    width, neuroids, voxels, classes = (200, 20, 60, 4) if bench.tiny else (6515, 168, 4000, 117)
    x = rng.standard_normal((bench.n, width)).astype(np.float32)
    y = x[:, :neuroids] + rng.standard_normal((bench.n, neuroids))
    gram = (x @ x.T).astype(np.float64)
    folds = pls.splits(bench.n)
    labels = np.argmax(x[:, :classes], 1)
    names, components = tuple(map(str, range(classes))), 5 if bench.tiny else pls.COMPONENTS
    latents = [
        Latent("z", "m", "linear"),
        Latent("category", "", "category", categories=names),
    ]
    responses = x[: bench.n // 2] @ rng.standard_normal((width, voxels)) / np.sqrt(width)
    trials = rng.standard_normal((60 if bench.tiny else 500, 40 if bench.tiny else 1000, 3))
    trials += rng.standard_normal(trials.shape[:2])[..., None]

    def products(device: str) -> np.ndarray:
        made = Gram(bench.n)
        made.add(torch.from_numpy(x).to(device))
        return made.packed()

    cases: dict[str, Callable[[str], Any]] = {
        "gram": products,
        "pls": lambda device: pls.cross_validated_pls(gram, y, folds, components=components, device=device),
        "decode": lambda device: np.array([one.value for one in decode(
            x, {"z": y[:, 0], "category": labels}, latents, random_splits(bench.n, seed=0, runs=2), device=device)]),
        "versa": lambda device: versa.versa(
            x[: bench.n // 2], responses, *versa.halves(bench.n // 2), device=device).predicted,
        "gsn": lambda device: gsn.Gsn(trials, device=device).ceiling(np.random.default_rng(0)).simulations,
    }  # fmt: skip
    for name, work in cases.items():
        work(bench.device)  # libraries start
        theirs, expected = bench.timed(partial(work, "cpu"))
        ours, found = bench.timed(partial(work, bench.device))
        error = float(np.nanmax(np.abs(np.asarray(found) - np.asarray(expected))))
        yield {"case": name, "ours": round(ours, 4), "alternative": round(theirs, 4), "unit": "seconds",
               "alternative_name": "the CPU", "ratio": round(theirs / ours, 2), "error": error}  # fmt: skip


def rates(case: str, ours: float, theirs: float, name: str, wanted: float | None) -> Line:
    """A line of images per second from seconds a batch."""
    ratio = theirs / ours
    line = {"case": case, "ours": round(BATCH / ours, 1), "alternative": round(BATCH / theirs, 1),
            "unit": "images per second", "alternative_name": name, "ratio": round(ratio, 3)}  # fmt: skip
    return {**line, **aim(ratio, wanted)}


def aim(value: float, wanted: float | None) -> Line:
    return {} if wanted is None else {"aim": wanted, "met": bool(value >= wanted)}


CASES: dict[str, Callable[[Bench], Iterator[Line]]] = {
    "render": rendering, "load": loading, "train": training, "together": together, "stacked": stacked, "live": live,
    "extract": extracting, "analyses": analyses,
}  # fmt: skip


def projected(lines: Sequence[Line]) -> Line:
    """Hours of one GPU that the trainings of study 1 take by the measured rates, six networks on the same batches."""
    from mlspatial.study.config import load
    from mlspatial.study.plan import make_plan

    speeds = {line["case"]: line["ours"] for line in lines if line.get("unit") == "images per second"}
    gain = next((line["ratio"] for line in lines if line["case"].startswith("together_6")), 1.0)
    images = dict.fromkeys(("resnet18", "resnet50"), 0.0)
    for job in make_plan(load(STUDY)).jobs:
        if job.entry == "train":
            seeds = len(str(job.parameters.get("seeds", "0")).split(","))
            networks = seeds * len(str(job.parameters["task"]).split("|"))
            images[str(job.parameters["arch"])] += float(job.parameters["batches"]) * BATCH * networks
    hours = {arch: count / speeds[f"train_{arch}_224px"] / max(gain, 1.0) / 3600
             for arch, count in images.items() if f"train_{arch}_224px" in speeds}  # fmt: skip
    total = sum(hours.values()) if len(hours) == len(images) else None
    return {
        "case": "projected_xie2025", "images": images, "hours": {arch: round(one, 1) for arch, one in hours.items()},
        "total_hours": total and round(total, 1), "aim": HOURS, "met": total and total <= HOURS,
    }  # fmt: skip


@contextmanager
def named(case: str, failed: list[str]) -> Iterator[None]:
    """A case that fails is told, and the next one begins."""
    try:
        yield
    except Exception as error:
        traceback.print_exc()
        failed.append(f"{case}: {type(error).__name__}: {error}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--only", default=",".join(CASES), help=f"comma list of {', '.join(CASES)}")
    parser.add_argument("--out", default="", help="a file that lines are added to")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - set(CASES):
        parser.error(f"--only {', '.join(sorted(unknown))}: must be of {', '.join(CASES)}")
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"--device {options.device}: torch sees no CUDA device; --device cpu --tiny shows that all runs")
    lines: list[Line] = []
    failed: list[str] = []

    def tell(line: Line) -> None:
        text = json.dumps({**line, "machine": machine(options.device)})
        print(text, flush=True)
        lines.append(line)
        if options.out:
            with open(options.out, "a", encoding="utf-8") as file:
                file.write(text + "\n")

    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options.device, options.tiny, Path(folder))
        for case in options.only.split(","):
            start = time.perf_counter()
            with named(case, failed):
                if bench.device != "cpu":
                    torch.cuda.reset_peak_memory_stats(bench.device)
                for line in CASES[case](bench):
                    tell({**line, "peak_mib": bench.peak, "tiny": bench.tiny})
            print(f"{case}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    with named("projection", failed):
        tell(projected(lines))
    for line in lines:
        met = {True: "met", False: "missed", None: ""}[line.get("met")]
        known = [str(line.get(name, "")) for name in ("ours", "unit", "ratio")]
        print(f"{line['case']:34} {known[0]:>10} {known[1]:20} ratio {known[2]:>7} {met}", file=sys.stderr)
    print("\n".join(failed) or "every case ran", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
