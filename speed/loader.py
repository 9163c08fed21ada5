"""The loader: images per CPU-second, next to torchvision's ImageFolder with torch's DataLoader and to webdataset.

    python -m speed.loader [--quick] [--device cuda]

All read the same JPEG files (photo-like; q95_444 is what `render` writes, q90_420 what most files are) in batches of
256, one shuffled epoch, files in the page cache; ours streams (cache=none) with one or two decoding threads, the others
use as many worker processes. CPU-seconds are those of all threads and worker processes, starting them included. The
others deliver normalised float batches (PIL, ToTensor, Normalize: their documented use). Ours delivers uint8 batches,
which the device normalises; the cases `..._normalised` add that on the CPU; `..._kept` is an epoch after the first with
cache=memory, which is what auto does for sets that fit. Streaming is bounded by the JPEG decoder, nine tenths of our
time. `error` is the largest difference between the two JPEG decoders, in levels of 255.
--device: images per second that arrive on a device, normalised there, with each cache in its second epoch.
webdataset is left out where it is not installed (`pip install webdataset`).
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import resource
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from mlspatial.core.latents import Latent, LatentSchema
from mlspatial.core.manifest import Manifest, recipe_id
from mlspatial.data.cache import decode_into
from mlspatial.data.loader import Loader
from mlspatial.data.order import shuffled
from mlspatial.data.shards import plan, write_shard
from mlspatial.models.spec import IMAGENET_MEAN, IMAGENET_SD, ModelSpec, to_input
from speed.common import peak_mib, report

FORMATS = ((224, 95, "444"), (224, 90, "420"), (64, 95, "444"))  # pixels, quality, colour resolution
BATCH = 256
CLASSES = tuple(f"class-{number}" for number in range(10))
TARS = 4  # webdataset gives whole files to its workers


def photos(count: int, size: int, quality: int, colour: str) -> Iterator[bytes]:
    """JPEGs of random crops from scenes of smooth noise with sharp-edged shapes; 32 or 17 kB each at 224 px."""
    rng = np.random.default_rng(0)
    side = 640
    scenes = []
    for _ in range(4):
        frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)) + 1 / side
        spectrum = np.fft.rfft2(rng.standard_normal((3, side, side))) / frequency**1.5
        grey = np.fft.irfft2(spectrum)
        scene = 0.7 * grey.mean(axis=0) + 0.3 * grey  # colours of a photo go together
        for _ in range(60):
            x, y, radius = rng.integers(0, side, 2)[0], rng.integers(0, side), rng.integers(10, 80)
            disc = (np.arange(side)[:, None] - y) ** 2 + (np.arange(side) - x) ** 2 < radius**2
            scene[:, disc] += rng.normal(0, scene.std(), (3, 1))
        scene = 128 + 50 * (scene - scene.mean()) / scene.std() + rng.normal(0, 1.5, scene.shape)
        scenes.append(np.clip(scene, 0, 255).astype(np.uint8).transpose(1, 2, 0))
    for _ in range(count):
        y, x = rng.integers(0, side - size, 2)
        crop = scenes[rng.integers(len(scenes))][y : y + size, x : x + size, :: rng.choice([-1, 1])]
        yield simplejpeg.encode_jpeg(np.ascontiguousarray(crop), quality=quality, colorsubsampling=colour)


def write(folder: Path, count: int, size: int, quality: int, colour: str) -> Manifest:
    """The same images as shards, as files in one folder per class, and as tar files."""
    images = list(photos(count, size, quality, colour))
    schema = LatentSchema(
        (Latent("x", "m", "linear", 0.0, 1.0), Latent("category", "", "category", None, None, CLASSES))
    )
    shards = []
    for file, first, rows in plan("train", count):
        numbers = range(first, first + rows)
        columns = {
            "image": images[first : first + rows],
            "x": [number / count for number in numbers],
            "category": [CLASSES[number % len(CLASSES)] for number in numbers],
        }
        shards.append(write_shard(folder / "shards" / file, columns, schema, recipe_id({"size": size}), file))
    for number, image in enumerate(images):
        path = folder / "files" / CLASSES[number % len(CLASSES)] / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(image)
    for part in range(TARS):
        with tarfile.open(folder / f"part-{part}.tar", "w") as tar:
            for number in range(part, count, TARS):
                for suffix, data in (("jpg", images[number]), ("cls", str(number % len(CLASSES)).encode())):
                    member = tarfile.TarInfo(f"{number:06d}.{suffix}")
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    return Manifest("speed", {"size": size}, schema, {"train": tuple(shards)})


def normalising(size: int) -> Callable[[Any, str], torch.Tensor]:
    spec = ModelSpec("resnet18", 1, {}, (), size)
    return lambda images, device: to_input(torch.as_tensor(images).to(device, non_blocking=True), spec)


class Bench:
    """One size of images, read in every way. Each method reads one shuffled epoch and returns its number of images."""

    def __init__(self, folder: Path, count: int, size: int, quality: int, colour: str) -> None:
        self.folder, self.count, self.size = folder, count, size
        self.manifest = write(folder, count, size, quality, colour)
        self.to_float = normalising(size)
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize(mean=IMAGENET_MEAN, std=IMAGENET_SD)]
        )

    def loader(self, threads: int, **options: Any) -> Loader:
        columns = ("x", "category")
        settings: dict[str, Any] = {"batch_size": BATCH, "threads": threads, "cache": "none", **options}
        return Loader(self.folder / "shards", self.manifest, "train", columns=columns, **settings)

    def ours(self, threads: int, normalised: bool = False, loader: Loader | None = None) -> int:
        seen, loader = 0, loader or self.loader(threads)
        order = shuffled(loader.groups, BATCH, 0, 0)  # endless() would also count the batches that it makes ahead
        for batch in loader._batches(islice(order, self.count // BATCH), 0):
            if normalised:
                self.to_float(batch.images, "cpu")
            seen += len(batch.images)
        return seen

    def image_folder(self, workers: int) -> int:
        files = ImageFolder(str(self.folder / "files"), self.transform)
        batches = DataLoader(files, BATCH, shuffle=True, num_workers=workers, drop_last=True)
        return sum(len(images) for images, _ in batches)

    def webdataset(self, workers: int) -> int:
        import webdataset

        tars = [str(path) for path in sorted(self.folder.glob("*.tar"))]
        samples = webdataset.WebDataset(tars, shardshuffle=len(tars), seed=0, empty_check=False).shuffle(1000)
        samples = samples.decode("pil").to_tuple("jpg", "cls").map_tuple(self.transform, int).batched(BATCH)
        return sum(len(images) for images, _ in webdataset.WebLoader(samples, batch_size=None, num_workers=workers))

    def difference(self, count: int = 64) -> int:
        """Largest difference between what we and PIL make of an image."""
        largest = 0
        for path in sorted((self.folder / "files").rglob("*.jpg"))[:count]:
            ours = np.empty((self.size, self.size, 3), np.uint8)
            decode_into(path.read_bytes(), ours)
            largest = max(largest, int(np.abs(ours.astype(int) - np.asarray(Image.open(path)).astype(int)).max()))
        return largest


def cpu_seconds() -> float:
    """Of this process, its threads and the workers that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def rate(work: Callable[[], int]) -> float:
    start = cpu_seconds()
    seen = work()
    return seen / (cpu_seconds() - start)


def compare(count: int, size: int, quality: int, colour: str, repeats: int, quick: bool) -> list[dict]:
    """Every way in turns; a line for each of ours and each alternative, at one and at two threads or workers.

    quick: webdataset, the slowest, has one turn only.
    """
    lines = []
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), count, size, quality, colour)
        error = bench.difference()
        others = {"ImageFolder + DataLoader": bench.image_folder, "webdataset": bench.webdataset}
        missing = importlib.util.find_spec("webdataset") is None
        for workers in (1, 2):
            kept = bench.loader(workers, cache="memory")
            for _ in kept.once():
                pass
            ways: dict[str, Callable[[], int]] = {
                "": lambda n=workers: bench.ours(n),
                "_normalised": lambda n=workers: bench.ours(n, normalised=True),
                "_kept": lambda n=workers, loader=kept: bench.ours(n, loader=loader),
                **{
                    other: lambda read=read, n=workers: read(n)
                    for other, read in others.items()
                    if not (other == "webdataset" and missing)
                },
            }
            rates: dict[str, list[float]] = {way: [] for way in ways}
            for turn in range(repeats):
                for way, read in ways.items():
                    if not (quick and turn and way == "webdataset"):
                        rates[way].append(rate(read))
            found = {way: statistics.median(values) for way, values in rates.items()}
            for other in others:
                for way in ("", "_normalised", "_kept"):
                    line = blank(
                        f"load_{size}px_q{quality}_{colour}_{workers}{way}",
                        found[way],
                        "images per CPU-second",
                        count * repeats,
                    )
                    line |= {"alternative_name": other, "error": error}
                    if other in found:
                        line |= {"alternative": round(found[other], 1), "ratio": round(found[way] / found[other], 2)}
                    else:
                        line["skipped"] = "webdataset is not installed"
                    lines.append(line)
    return lines


def blank(case: str, ours: float, unit: str, n: int) -> dict:
    line = {"case": case, "ours": round(ours, 1), "alternative": None, "unit": unit, "alternative_name": None}
    return line | {"ratio": None, "error": None, "peak_mib": peak_mib(), "n": n}


def time_device(count: int, size: int, quality: int, colour: str, repeats: int, device: str) -> list[dict]:
    """Images per second of wall-clock time, normalised on the device; as many workers there as threads here."""
    lines, threads = [], min(8, os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), count, size, quality, colour)
        files = ImageFolder(str(bench.folder / "files"), bench.transform)
        loading = {"num_workers": threads, "drop_last": True, "pin_memory": True, "persistent_workers": True}
        batches = DataLoader(files, BATCH, shuffle=True, **loading)  # type: ignore[arg-type]

        def theirs() -> int:
            return sum(read(images.to(device, non_blocking=True)) for images, _ in batches)

        def read(images: torch.Tensor) -> int:
            images.mean()
            return len(images)

        alternative = per_second(theirs, repeats, device)
        for cache in ("none", "memory", "device"):
            epochs = bench.loader(threads, cache=cache, device=device).endless()

            def ours(epochs: Iterator[Any] = epochs) -> int:
                batches = islice(epochs, count // BATCH)
                return sum(read(bench.to_float(batch.images, device)) for batch in batches)

            found = per_second(ours, repeats, device)
            line = blank(
                f"load_{size}px_q{quality}_{colour}_{device}_{cache}", found, "images per second", count * repeats
            )
            line |= {"alternative": round(alternative, 1), "alternative_name": "ImageFolder + DataLoader, pinned"}
            lines.append(line | {"ratio": round(found / alternative, 2), "error": bench.difference()})
    return lines


def per_second(work: Callable[[], int], repeats: int, device: str) -> float:
    """Median after a first epoch that starts workers and fills caches."""
    rates = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        seen = work()
        if device.startswith("cuda"):
            torch.cuda.synchronize()
        rates.append(seen / (time.perf_counter() - start))
    return statistics.median(rates[1:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)  # idle threads of torch that wait for work would count as work
    count, repeats = (2 * BATCH, 2) if options.quick else (16 * BATCH, 3)
    for form in FORMATS:
        if options.device == "cpu":
            report(compare(count, *form, repeats, options.quick))
        else:
            report(time_device(4 * count, *form, repeats, options.device), options.device)


if __name__ == "__main__":
    main()
