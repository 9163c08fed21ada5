"""How long a job will take and how much disk: from earlier finished runs, else from rough rates."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from mlspatial.core.widths import FULL_WIDTH, base_of, width_of
from mlspatial.registry import runs
from mlspatial.steps.render import images_of
from mlspatial.study.plan import Job

PUBLISHED_SIZE = 224  # pixels; the rates below are for such images
PUBLISHED_IMAGES = 2000
RECENT = 40  # finished runs of an entry that are looked at
OVERHEAD = 3.0  # seconds of a call that do not grow with its work
SMALLEST_SHARE = 0.2  # of a run's time that is work at least, however short the run
LONG_ENOUGH, LIKE_ENOUGH = (
    60.0,
    0.05,
)  # a run tells about longer ones from so many seconds on, or with this share of work

#: Forward and backward cost relative to ResNet-18: 4.1 and 1.8 GFLOP an image (He et al. 2016); the published speeds on
#: one GPU, 3,482 and 1,218 images/s (timm, RTX 3090), differ by 2.9.
COST = {"resnet18": 1.0, "resnet34": 2.0, "resnet50": 2.9}
#: Seconds for a unit of work of each entry (see `work`), on CPU cores and on a GPU.
RENDER = 1 / 100  # a core; 92-105 images a CPU-second at 224 px
TRAIN = {"cpu": 1 / 11, "gpu": 1 / 1500}  # a core: 23 images/s on two; GPU: half of the published, without 16 bits
PER_NETWORK = {
    "cpu": {"score": 600.0, "similarity": 90.0, "decode": 600.0, "tuning": 600.0, "compare": 60.0},
    "gpu": {"score": 120.0, "similarity": 10.0, "decode": 60.0, "tuning": 60.0, "compare": 60.0},
}

#: Disk: bytes a pixel of an encoded image (31.5 kB for a JPEG of 224 px at quality 95 4:4:4; a PNG about 1.7 a pixel),
#: of a network's parameters with the head of 674 units, and of a packed Gram matrix or projection of 2,000 images.
BYTES_PER_PIXEL = {"jpeg": 0.63, "png": 1.7}
NETWORK_BYTES = {"resnet18": 46e6, "resnet34": 86e6, "resnet50": 100e6}
GRAM_BYTES, PROJECTION_BYTES = 4 * 8e6, 6 * 2000 * 6515 * 4.0  # 4 and 6 layers


class Rates:
    """Seconds of jobs. known: entry -> (work, seconds) of finished calls, the newest first."""

    def __init__(self, threads: int, gpu: bool, all_cores: int) -> None:
        self.threads, self.gpu, self.all_cores = threads, gpu, all_cores
        self.known: dict[str, list[tuple[float, float]]] = {}

    def learn_from_registry(self, entries: Iterable[str]) -> None:
        """Read the times of recent runs."""
        for entry in entries:
            for run in runs.find(entry=entry, status="FINISHED", limit=RECENT):
                if runs.RESUMED in run.tags or not run.end:
                    continue  # its pauses count too
                self._note(entry, work(entry, _numbers(run.cfg), 0), (run.end - run.start) / 1000, newest=False)

    def learn(self, job: Job, seconds: float) -> None:
        self._note(job.entry, work(job.entry, job.parameters, job.size), seconds, newest=True)

    def _note(self, entry: str, done: float, seconds: float, *, newest: bool) -> None:
        if done <= 0:
            return  # an untrained network tells nothing about training
        pairs = self.known.setdefault(entry, [])
        pairs.insert(0 if newest else len(pairs), (done, seconds))
        del pairs[RECENT:]

    def seconds(self, job: Job) -> float:
        """Of all the calls of a job; of one with parts, those for its networks."""
        if job.divided:
            parts = [part for part in job.parts if not part.settled]
            left = max(job.networks - (len(job.parts) - len(parts)), len(parts))
            return left * self._seconds(job.entry, work(job.entry, job.parameters, job.size))
        amount = work(job.entry, job.parameters, job.size)
        return self._seconds(job.entry, amount * (job.networks if job.entry == "similarity" else 1))

    def _seconds(self, entry: str, amount: float) -> float:
        runs_before = self.known.get(entry, [])
        alike = [pair for pair in runs_before if pair[1] >= LONG_ENOUGH or pair[0] >= LIKE_ENOUGH * amount]
        if alike:
            done, seconds = min(alike, key=lambda pair: abs(math.log((pair[0] + 1e-9) / (amount + 1e-9))))
            return OVERHEAD + amount * max(seconds - OVERHEAD, SMALLEST_SHARE * seconds) / done
        place = "gpu" if self.gpu else "cpu"
        if entry == "render":
            return OVERHEAD + amount * RENDER / self.all_cores
        if entry in ("train", "tune"):
            return OVERHEAD + amount * TRAIN[place] / (1 if self.gpu else self.threads)
        return PER_NETWORK[place][entry] * amount


def work(entry: str, parameters: dict[str, Any], size: int) -> float:
    """Images that a call renders or trains on, as if of 224 px and by a ResNet-18; else networks, as if of 224 px."""
    if entry == "render":
        return images_of(parameters) * _scale(parameters["size"])
    if entry in ("train", "tune"):
        pixels = size or parameters.get("input_size", 0) or PUBLISHED_SIZE
        batch = parameters["batch_size"] if entry == "train" else 64
        repeats = parameters["trials"] if entry == "tune" else 1
        return repeats * parameters["batches"] * batch * _scale(pixels) * cost(parameters["arch"])
    return _scale(size or PUBLISHED_SIZE)


def cost(arch: str) -> float:
    """Arithmetic of an architecture relative to ResNet-18; of one with fewer channels it falls with their square."""
    return COST.get(base_of(arch), 1.0) * (width_of(arch) / FULL_WIDTH) ** 2


def disk(job: Job) -> float:
    """Bytes that a job's calls leave."""
    if job.entry == "render":
        return float(images_of(job.parameters) * job.size**2 * BYTES_PER_PIXEL.get(job.parameters["encoding"], 1.0))
    if job.entry == "train":
        kept = {part for part in job.parameters["checkpoints"].split(",") if part.strip()}
        arch = job.parameters["arch"]
        bytes_each = NETWORK_BYTES.get(base_of(arch), 100e6) * (width_of(arch) / FULL_WIDTH) ** 2
        return bytes_each * len(kept | {str(job.parameters["batches"])})
    images = str(job.parameters.get("stimuli", "")).partition(":")[2]
    share = int(images) / PUBLISHED_IMAGES if images.isdecimal() else 1.0
    each = {"similarity": GRAM_BYTES * share**2, "decode": PROJECTION_BYTES * share}
    return each.get(job.entry, 0.0) * job.networks


def _scale(pixels: float) -> float:
    return float(pixels / PUBLISHED_SIZE) ** 2


def _numbers(params: dict[str, str]) -> dict[str, Any]:
    """What `work` reads, of a run's parameters."""
    found: dict[str, Any] = {"arch": params.get("arch", "")}
    for name in ("n_train", "n_heldout", "size", "input_size", "batches", "batch_size", "trials"):
        try:
            found[name] = float(params.get(name, 0))
        except ValueError:
            found[name] = 0.0  # tune's batch_size is a list of choices
    return found
