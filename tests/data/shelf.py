"""A dataset of many small shards, and a store of its pieces that can be slow, wrong or gone; also for other processes.

python -m tests.data.shelf SOURCE STORE TARGET LOG STOP  fetches all of it as another process would: each name that it
asks for becomes a line of LOG, and with STOP 1 or more it says "held" before the piece of that number and waits.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mlspatial.core.errors import DatasetError
from mlspatial.core.latents import spatial_schema
from mlspatial.core.manifest import MANIFEST, Manifest, recipe_id
from mlspatial.data.arriving import COMING, Arrival, arrival
from mlspatial.data.pieces import index_of, read
from mlspatial.data.shards import plan, stimulus_id, write_shard
from mlspatial.render.write import encode

SIZE = 8


def dataset(folder: Path, n_train: int, n_heldout: int = 250, frames: int = 1) -> Path:
    """As render would leave it, of images that each differ in a few pixels."""
    schema = spatial_schema(("cup", "pear"), ("a",))
    recipe: dict[str, object] = {"size": SIZE, "n_train": n_train} | ({"frames": frames} if frames > 1 else {})
    rng = np.random.default_rng(3)
    shards = {}
    for split, n in (("train", n_train), ("heldout", n_heldout)):
        made = []
        for file, first, rows in plan(split, n):
            pixels = rng.integers(0, 256, (rows, SIZE, SIZE, 3), dtype=np.uint8)
            columns: dict[str, list[object]] = {
                "stimulus_id": [stimulus_id(split, first + row) for row in range(rows)],
                "image": [encode(image, "png") for image in pixels],
            }
            for latent in schema:
                named = [latent.categories[row % len(latent.categories)] for row in range(rows)] if (
                    latent.kind == "category") else list(rng.uniform(1.0, 4.0, rows))  # fmt: skip
                columns[latent.name] = named
            made.append(write_shard(folder / file, columns, schema, recipe_id(recipe), file))
        shards[split] = tuple(made)
    statistics = {latent.name: {"mean": 2.5, "sd": 1.0} for latent in schema if latent.kind == "linear"}
    Manifest("many", recipe, schema, shards, statistics).save(folder)
    return folder


class Shop:
    """A store of a dataset's pieces. asked: names, in their order; before(name): called in each request."""

    def __init__(self, source: Path, before: Callable[[str], None] = lambda name: None) -> None:
        self.source, self.manifest = source, Manifest.load(source)
        self.index, self.before = index_of(source, self.manifest), before
        self.asked: list[str] = []
        self.lock = threading.Lock()
        self.where = {
            piece.name: (file, piece) for file, cut in self.index.shards.items() for piece in cut.pieces if piece.size
        }

    def get(self, name: str) -> bytes:
        with self.lock:
            self.asked.append(name)
        self.before(name)
        if name not in self.where:
            raise DatasetError(f"the shop has no {name}")
        file, piece = self.where[name]
        return read(self.source / file, piece.ranges)

    def deliver(self, folder: Path, get: Callable[[str], bytes] | None = None) -> Arrival:
        """Fill a folder from here."""
        (folder / COMING).mkdir(parents=True, exist_ok=True)
        (folder / COMING / MANIFEST).write_bytes((self.source / MANIFEST).read_bytes())
        return arrival(folder, self.manifest, self.index, get or self.get, "the shop", "ask the shop")


def main(source: str, target: str, log: str, stop: str) -> None:
    count = 0

    def before(name: str) -> None:
        nonlocal count
        with shop.lock:
            count += 1
            with Path(log).open("a") as file:
                file.write(name + "\n")
            if count == int(stop):
                print("held", flush=True)
                signal.pause() if threading.current_thread() is threading.main_thread() else threading.Event().wait()

    shop = Shop(Path(source), before)
    coming = shop.deliver(Path(target))
    coming.whole(coming.index.shards)
    print("whole", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
