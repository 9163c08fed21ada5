"""Scenes to a dataset folder: rendered in parallel, shard by shard, resumable, byte for byte the same again."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, as_completed
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mlspatial.core.columns import described
from mlspatial.core.design import SPLIT, Design
from mlspatial.core.errors import DatasetError
from mlspatial.core.files import sweep
from mlspatial.core.manifest import MANIFEST, Manifest, Shard, recipe_id
from mlspatial.core.threads import in_threads
from mlspatial.data.clips import frames_of, middle
from mlspatial.data.shards import existing_shard, fetch_shard, plan, read_columns, stimulus_id, write_shard
from mlspatial.render.card import write_card
from mlspatial.render.claim import check_space, claim, give_up
from mlspatial.render.processes import worker_processes
from mlspatial.render.sampling import HELDOUT_START
from mlspatial.render.studio import JPEG_QUALITY, Recipe, Studio, renderer_class, studio_of
from mlspatial.render.truth import encoded

BATCH = {"cpu": 50, "cuda": 256}  # images rendered between two encodings; bounds the memory of a process
MOST_BYTES = 2**30  # of a batch
TRUTH_BYTES = {"depth": 4, "instances": 1, "amodal": 1}  # a pixel
PREPARATIONS = 64  # shares that making the renderer's arrays is cut into, each a step of the progress bar

Progress = Callable[[str, int, int], None]


def render_dataset(
    recipe: Recipe,
    folder: Path,
    name: str,
    *,
    workers: int = 1,
    progress: Progress | None = None,
    known: Iterable[Path] = (),
) -> Manifest:
    """Make the dataset of a recipe in a folder and return its manifest.

    Finished shards of an interrupted run are kept; a folder that already holds this dataset is only checked. known:
    other folders that may hold it: what is sound there is linked or copied, and only the rest is drawn.
    progress: called with what is made ("prepare" or "render"), how much of it is done and how much there is (images,
    for "render"). Raises DatasetError when the folder holds another recipe, something else, or when the disk is too
    small.
    """
    check_device(recipe)
    studio = Studio(recipe)
    studio.check()
    full = studio.full_recipe()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        claimed = claim(folder, full)
    except OSError as error:
        raise DatasetError(
            f"{folder}: cannot be written to ({error.strerror}); choose another folder with out="
        ) from error
    try:
        return _fill(recipe, studio, folder, name, workers, progress or silent, known)
    except BaseException:
        if claimed:  # by this try alone: what is repaired may be another recipe
            give_up(folder)
        raise


def check_device(recipe: Recipe) -> None:
    """Raise BadValue for a device that the renderer does not find here, before anything is prepared for it."""
    engine = renderer_class(recipe.renderer)
    if hasattr(engine, "check_device"):
        engine.check_device(recipe.device)


def _fill(
    recipe: Recipe,
    studio: Studio,
    folder: Path,
    name: str,
    workers: int,
    tell: Progress,
    known: Iterable[Path],
) -> Manifest:
    """Draw what is missing in a folder that is claimed, and write its manifest."""
    full = studio.full_recipe()
    recorded = {shard.file: shard.sha256 for _, shard in _elsewhere([folder], recipe_id(full))}
    jobs = [(split, *part) for split, n in _sizes(recipe).items() for part in plan(split, n)]
    total, done = sum(_sizes(recipe).values()), 0
    shards: dict[str, Shard] = {}
    for split, file, first, rows in jobs:
        if (kept := existing_shard(folder, file, rows, recipe_id(full), stimulus_id(split, first))) is not None:
            if recorded.get(file, kept.sha256) != kept.sha256:
                continue  # it can be read, but it is not what was written
            shards[file] = kept
            done += rows
    for source, shard in _elsewhere(known, recipe_id(full)):
        if shard.file not in shards and fetch_shard(source, folder, shard):
            shards[shard.file] = shard
            done += shard.rows
    missing = [job for job in jobs if job[1] not in shards]
    check_space(folder, recipe.size, recipe.encoding, sum(rows for *_, rows in missing), recipe.truth)
    ready = partial(tell, "render", done, total)
    with closing(_in_parallel(recipe, recipe_id(full), folder, missing, workers, tell, ready)) as made:
        for shard in made:
            claim(folder, full, at_work=True)  # another try may have given it up before this shard was there
            shards[shard.file] = shard
            done += shard.rows
            tell("render", done, total)
    splits = {split: tuple(shards[file] for s, file, *_ in jobs if s == split) for split in _sizes(recipe)}
    manifest = Manifest(name, full, studio.schema, splits)
    manifest = Manifest(name, full, studio.schema, splits, _statistics(folder, manifest), described(full))
    claim(folder, full, at_work=True)
    there = Manifest.load(folder) if (folder / MANIFEST).is_file() else None
    if there and replace(there, columns=manifest.columns) == manifest:  # perhaps from before columns were described
        manifest = there
        with suppress(DatasetError):  # a whole dataset needs no card: it may lie where nobody can write
            write_card(folder, manifest)
    else:
        write_card(folder, manifest)
        manifest.save(folder)
    return manifest


def _elsewhere(folders: Iterable[Path], owner: str) -> Iterator[tuple[Path, Shard]]:
    """The shards of finished datasets of a recipe, each with its folder."""
    for folder in folders:
        try:
            manifest = Manifest.load(folder)
        except DatasetError:
            continue
        if manifest.recipe_id == owner:
            yield from ((folder, shard) for shards in manifest.splits.values() for shard in shards)


def render_shard(
    recipe: Recipe, owner: str, folder: Path, split: str, file: str, first: int, rows: int, threads: int = 1
) -> Shard:
    """Draw, encode and write one shard; owner: the recipe_id written into it; threads: that encode. Runs in a worker
    process."""
    studio = studio_of(recipe)
    offset = HELDOUT_START if split == "heldout" else 0
    columns: dict[str, list[Any]] = {}
    batch = batch_of(recipe)
    for begin in range(first, first + rows, batch):
        local = range(begin, min(begin + batch, first + rows))
        samples = [studio.sampler.draw(offset + index) for index in local]
        drawn = studio.draw(samples)
        images: list[bytes] = [b""] * len(samples)

        def encode_part(part: range, images: list[bytes] = images, drawn: Any = drawn.images) -> None:
            for number in part:
                images[number] = encode(drawn[number], recipe.encoding)

        in_threads(threads, len(samples), encode_part)
        for number, (index, sample) in enumerate(zip(local, samples, strict=True)):
            row = {
                "stimulus_id": stimulus_id(split, index),
                "image": images[number],
                **sample.columns(),
                "visible": drawn.visible[number],
                **dict(encoded(drawn.truth, number)),
            }
            for column, value in row.items():
                columns.setdefault(column, []).append(value)
    return write_shard(folder / file, columns, studio.schema, owner, file)


def batch_of(recipe: Recipe) -> int:
    """Images that are drawn between two encodings: as many as the renderer likes, of not more than a GiB."""
    batch: int = getattr(renderer_class(recipe.renderer), "batch", BATCH[recipe.device])
    each = recipe.size**2 * (3 + sum(TRUTH_BYTES[name] for name in recipe.truth))
    return max(1, min(batch, MOST_BYTES // each))


def encode(image: np.ndarray, encoding: str) -> bytes:
    """(h, w, 3) uint8 to JPEG (quality 95, full colour resolution) or PNG bytes."""
    if encoding == "jpeg":
        import simplejpeg

        return simplejpeg.encode_jpeg(
            np.ascontiguousarray(image), quality=JPEG_QUALITY, colorspace="RGB", colorsubsampling="444"
        )
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def _sizes(recipe: Recipe) -> dict[str, int]:
    if recipe.design:
        return {SPLIT: Design.from_json(json.loads(recipe.design)).size()}
    return {"train": recipe.n_train, "heldout": recipe.n_heldout}


def _in_parallel(
    recipe: Recipe,
    owner: str,
    folder: Path,
    jobs: list[tuple[str, str, int, int]],
    workers: int,
    tell: Progress,
    ready: Callable[[], None],
) -> Generator[Shard, None, None]:
    """The shards of the jobs as they are written; ready is called when the renderers are prepared."""
    if not jobs:
        return
    on_gpu = recipe.device != "cpu"  # which one process draws on: each more would have a context and assets there
    if workers <= 1 or len(jobs) <= 1 or on_gpu:
        if on_gpu and workers > 1:
            with worker_processes(min(workers, PREPARATIONS)) as pool:
                prepare_in(pool, recipe, tell)
        else:
            for done, part in enumerate(_shares(), start=1):
                _prepare(recipe, part)
                tell("prepare", done, PREPARATIONS)
        ready()
        try:
            for job in jobs:
                yield render_shard(recipe, owner, folder, *job, workers if on_gpu else 1)
        finally:
            studio_of(recipe).release()
        return
    pids: list[int] = []
    try:
        with worker_processes(min(workers, len(jobs))) as pool:
            prepare_in(pool, recipe, tell)
            pool.submit(build_renderer, recipe).result()  # one process puts the shares together, the others find them
            ready()
            shards = [pool.submit(render_shard, recipe, owner, folder, *job) for job in jobs]
            pids += pool._processes
            for written in as_completed(shards):
                yield written.result()
    finally:
        sweep(folder, pids)


def prepare_in(pool: Executor, recipe: Recipe, tell: Progress) -> None:
    """Have worker processes fill the disk cache with what the renderer needs, each with shares of it."""
    shares = [pool.submit(_prepare, recipe, part) for part in _shares()]
    for done, share in enumerate(as_completed(shares), start=1):
        share.result()
        tell("prepare", done, PREPARATIONS)


def _shares() -> list[int]:
    """Every share once, in another order in each process: of two that render from the same objects, each then finds
    half of them prepared by the other."""
    return [int(part) for part in np.random.default_rng(os.getpid()).permutation(PREPARATIONS)]


def silent(stage: str, done: int, total: int) -> None:
    """No progress is asked for."""


def build_renderer(recipe: Recipe) -> None:
    """Put the prepared shares together, in a worker process."""
    _ = studio_of(recipe).renderer


def _prepare(recipe: Recipe, part: int) -> None:
    """Fill the disk cache with one share of what the renderer needs."""
    studio_of(recipe).prepare(part, PREPARATIONS)


def _statistics(folder: Path, manifest: Manifest) -> dict[str, dict[str, float]]:
    """Mean and SD of the linear latents over the training split: what the regression targets are standardised by.
    Of a design, over its images; of clips, over their middle frames, whose latents they stand for."""
    names = [latent.name for latent in manifest.schema if latent.kind == "linear"]
    columns = read_columns(folder, manifest, next(iter(manifest.splits)), names)
    if (frames := frames_of(manifest)) > 1:
        columns = {name: values[middle(frames) :: frames] for name, values in columns.items()}
    return {
        name: {"mean": float(np.mean(values, dtype=np.float64)), "sd": float(np.std(values, dtype=np.float64))}
        for name, values in columns.items()
    }
