"""Endless fresh images for training, straight from the renderer: no image is shown twice and none is stored.

Image i is the one that the rendered dataset would hold at place i, but for the JPEG step, so that the first n_train
images are the training split and any image can be made again from its index. On the CPU worker processes draw; with
CUDA they only place the objects, and a thread draws into tensors that stay on the device.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from functools import cached_property, partial
from itertools import count, pairwise
from typing import Any

import numpy as np

from mlspatial.core.errors import BadValue, DatasetError, UserError
from mlspatial.core.latents import LatentSchema
from mlspatial.core.manifest import Manifest
from mlspatial.data.loader import Batch
from mlspatial.render.cue import DRAWN
from mlspatial.render.engine import joined
from mlspatial.render.environments import FolderEnvironments
from mlspatial.render.objects import FolderLibrary
from mlspatial.render.processes import worker_processes
from mlspatial.render.sampling import HELDOUT_START, SceneSample
from mlspatial.render.studio import ADDED, Recipe, Studio, renderer_class, studio_of
from mlspatial.render.write import build_renderer, prepare_in, silent

PART = 16, 64  # least and most images of a batch that one worker draws at a time
READY = 2  # batches waited for besides those that the workers are busy with; on CUDA, batches drawn ahead
VERSIONED = "objects", "environments", "renderer"  # what a manifest's recipe stores with a version
APART = {*VERSIONED, "categories", "device", "design"}  # of the recipe, what is not taken over as it stands
IN_USE = 2  # batches kept on the GPU after their delivery, until the work on them is done

Drawn = tuple[Any, dict[str, list[Any]]]  # images or scenes, and columns as the sampler gives them


class LiveLoader:
    """Batches for training that are drawn when they are needed; the same images for any number of workers.

    schema: what the codes of the categories count; columns: latents to deliver, names of the schema; batch_size: images
    of a batch in all processes of a group, of which this one, number `rank` of `world`, gets an equal share; device:
    None for NumPy arrays, else where the torch tensors go; workers: processes, 0 draws in a thread, no more than the
    renderer's `most_workers`; start_index: the first image of batch 0.
    Raises UnknownName for a column, BadValue for a number that cannot be meant, DatasetError for a schema that lacks
    what the recipe draws, UserError when a worker process is killed.
    """

    def __init__(
        self,
        recipe: Recipe,
        schema: LatentSchema,
        *,
        columns: Sequence[str],
        batch_size: int,
        device: str | None = None,
        workers: int,
        rank: int = 0,
        world: int = 1,
        start_index: int = 0,
    ) -> None:
        if not 0 <= rank < world:
            raise BadValue("rank", rank, f"must be at least 0 and below world={world}")
        if batch_size < 1 or batch_size % world:
            raise BadValue("batch_size", batch_size, f"must be a multiple of the number of processes, {world}")
        if workers < 0:
            raise BadValue("workers", workers, "must be 0 (a thread) or more processes")
        if not 0 <= start_index < HELDOUT_START:
            raise BadValue("start_index", start_index, f"must be at least 0 and below {HELDOUT_START}")
        self.recipe, self.batch_size, self.device = recipe, batch_size, device
        self.workers = min(workers, getattr(renderer_class(recipe.renderer), "most_workers", workers))
        self.rank, self.world, self.start_index = rank, world, start_index
        self.columns = tuple(columns)
        self._studio = Studio(recipe)
        if self._gpu and recipe.cue in DRAWN:
            raise BadValue("device", device, f"cue={recipe.cue} is drawn on the CPU alone; train on stored images")
        self._codes = {name: _codes(name, self._studio.schema, schema) for name in self.columns}
        self._render_device = _gpu_of(device) if self._gpu else "cpu"
        self._drawing = threading.Lock()  # a renderer has one set of buffers

    def endless(self, start: int = 0) -> Generator[Batch, None, None]:
        """Batches for ever, from batch number `start`: batch k of all ranks together, in the order of the ranks, holds
        the images start_index + k * batch_size and following. Workers end when the iterator is closed."""
        try:
            yield from self._on_gpu(start) if self._gpu else self._on_cpu(start)
        except BrokenProcessPool as error:
            raise UserError(
                f"a process that draws images was killed or ran out of memory; run again, with fewer workers than "
                f"{self.workers} if memory is short"
            ) from error
        finally:
            with self._drawing:  # what a thread draws with is not taken from it
                self._studio.release()

    @property
    def _gpu(self) -> bool:
        return self.recipe.device == "cuda"

    def _on_cpu(self, start: int) -> Iterator[Batch]:
        with self._pool() as pool:
            draw = self._in_workers(_draw) if self.workers else self._draw_here
            for number, parts in _ahead(self._ahead, start, lambda k: self._submit(pool, draw, k)):
                drawn = [part.result() for part in parts]
                images = drawn[0][0] if len(drawn) == 1 else np.concatenate([images for images, _ in drawn])
                yield self._batch(number, images, drawn)

    def _on_gpu(self, start: int) -> Iterator[Batch]:
        import torch

        stream = torch.cuda.current_stream(self._render_device)
        used: deque[tuple[Any, Any]] = deque()
        with ExitStack() as stack:
            brush = stack.enter_context(_thread())
            pool = stack.enter_context(self._pool())  # ends first: the brush may be waiting for what is placed there
            place = self._in_workers(_place) if self.workers else partial(_place, self._studio, self.columns)
            placed = _ahead(self._ahead, start, lambda k: self._submit(pool, place, k))

            def draw(_: int) -> Future[tuple[int, Any, list[Drawn]]]:
                number, parts = next(placed)
                return brush.submit(self._draw_on_gpu, number, parts)

            try:
                for _, future in _ahead(READY, start, draw):
                    number, images, drawn = future.result()
                    batch = self._batch(number, images, drawn)
                    yield batch
                    # The renderer may write to the memory of an image that is let go before torch has read it:
                    # hold each until the work that was queued when the next one was asked for is done.
                    used.append((stream.record_event(), images))
                    if len(used) > IN_USE:
                        used.popleft()[0].synchronize()
            finally:
                stream.synchronize()

    def _draw_on_gpu(self, number: int, parts: list[Future[Drawn]]) -> tuple[int, Any, list[Drawn]]:
        placed = [part.result() for part in parts]
        scenes = [scenes for scenes, _ in placed]
        whole = joined(scenes)
        with self._drawing:
            return number, self._gpu_renderer.render_torch(whole)[0], placed

    @cached_property
    def _gpu_renderer(self) -> Any:
        engine = renderer_class(self.recipe.renderer)
        return engine(*self._studio.assets(), size=self.recipe.size, device=self._render_device)

    @property
    def _ahead(self) -> int:
        """Batches under way: all workers have a part to draw and one to go on with."""
        return READY + -(-max(1, self.workers) * 2 // len(self._parts(0)))

    def _parts(self, number: int) -> list[tuple[int, int]]:
        """(first index, images) of the parts that this rank's share of a batch is cut into."""
        share = self.batch_size // self.world
        first = self.start_index + number * self.batch_size + self.rank * share
        least, most = PART
        n = max(1, min(self.workers, share // least), -(-share // most))
        cuts = [share * i // n for i in range(n + 1)]
        return [(first + low, high - low) for low, high in pairwise(cuts)]

    def _submit(self, pool: Executor, task: Callable[..., Drawn], number: int) -> list[Future[Drawn]]:
        return [pool.submit(task, first, n) for first, n in self._parts(number)]

    def _in_workers(self, work: Callable[..., Drawn]) -> Callable[..., Drawn]:
        return partial(_in_worker, work, self.recipe, self.columns)

    def _draw_here(self, first: int, n: int) -> Drawn:
        with self._drawing:
            return _draw(self._studio, self.columns, first, n)

    @contextmanager
    def _pool(self) -> Iterator[Executor]:
        """The processes or the thread that work, with what they need to draw prepared on disk."""
        if not self.workers:
            with _thread() as thread:
                yield thread
            return
        with worker_processes(self.workers) as pool:
            prepare_in(pool, self.recipe, silent)
            if not self._gpu:
                pool.submit(build_renderer, self.recipe).result()  # the others find what one has put together
            yield pool

    def _batch(self, number: int, images: Any, drawn: list[Drawn]) -> Batch:
        """images: (b, size, size, 3) uint8; the columns become (b,) float32 latents and int64 codes."""
        columns: dict[str, Any] = {}
        for name, codes in self._codes.items():
            values = [value for _, part in drawn for value in part[name]]
            if codes is None:
                columns[name] = np.array(values, dtype=np.float32)
            else:
                columns[name] = np.array([codes[value] for value in values], dtype=np.int64)
        if self.device is None:
            return Batch(number, images.cpu().numpy() if self._gpu else images, columns)
        import torch

        tensor = images if self._gpu else torch.from_numpy(images)
        cuda = self.device.startswith("cuda")

        def sent(values: Any) -> Any:  # as analysis.device.sent, which this room may not see
            """From pinned memory, which torch keeps until it is copied: nothing waits for what the GPU does."""
            here = cuda and not values.is_cuda
            return values.pin_memory().to(self.device, non_blocking=True) if here else values.to(self.device)

        tensor = sent(tensor)
        return Batch(number, tensor, {name: sent(torch.from_numpy(v)) for name, v in columns.items()})


def live_source(
    manifest: Manifest,
    *,
    columns: Sequence[str],
    batch_size: int,
    device: str | None = None,
    workers: int,
    rank: int = 0,
    world: int = 1,
    start_index: int = 0,
    objects: str | None = None,
    environments: str | None = None,
) -> LiveLoader:
    """Fresh images of the kind that a rendered dataset holds; parameters as in LiveLoader and recipe_of.

    Drawn on the GPU when the batches go there and the renderer can, whatever drew the dataset; then a bit may differ
    here and there.
    Raises DatasetError when this machine would draw something else than what the dataset holds.
    """
    recipe = recipe_of(manifest, objects=objects, environments=environments)
    if device and device.startswith("cuda") and hasattr(renderer_class(recipe.renderer), "render_torch"):
        recipe = replace(recipe, device="cuda")
    check_versions(manifest, Studio(recipe).full_recipe())
    return LiveLoader(
        recipe,
        manifest.schema,
        columns=columns,
        batch_size=batch_size,
        device=device,
        workers=workers,
        rank=rank,
        world=world,
        start_index=start_index,
    )


def recipe_of(
    manifest: Manifest, device: str = "cpu", *, objects: str | None = None, environments: str | None = None
) -> Recipe:
    """The recipe that a dataset was rendered by, to be drawn on a device ("cpu" or "cuda").

    objects, environments: the folders of its models and panoramas, which a manifest does not hold. Raises DatasetError
    for a dataset that was not rendered, or by a folder that is not named.
    """
    stored = manifest.recipe
    if stored.get("design"):
        raise DatasetError(f"dataset {manifest.name} holds the images of a design, all there are; train on another one")
    if stored.get("frames", 1) > 1:
        raise DatasetError(
            f"dataset {manifest.name} holds clips; live images are single ones: train on its stored clips"
        )
    try:
        names = {key: stored[key]["name"] for key in VERSIONED}
        simple = {f.name: stored[f.name] for f in fields(Recipe) if f.name not in (*APART, *ADDED)}
        simple |= {name: stored[name] for name in ADDED if name in stored and name != "truth"}
        simple |= {name: tuple(value) for name, value in simple.items() if isinstance(value, list)}
        categories, scenes = tuple(stored["categories"]), stored["scenes"]
    except (KeyError, TypeError) as error:
        raise DatasetError(
            f"dataset {manifest.name} was not rendered by this project (its recipe lacks {error}); "
            "train on its stored images"
        ) from error
    if objects is None and names["objects"] == FolderLibrary.name:
        raise DatasetError(
            f"dataset {manifest.name} was rendered from a folder of models that its manifest does not name; "
            "say objects=FOLDER or train on its stored images"
        )
    if environments is None and names["environments"] == FolderEnvironments.name:
        raise DatasetError(
            f"dataset {manifest.name} was rendered from a folder of panoramas that its manifest does not name; "
            "say environments=FOLDER or train on its stored images"
        )
    if environments is None:
        environments = f"{names['environments']}:{','.join(scenes)}"
    named = {"objects": objects or names["objects"], "environments": environments, "renderer": names["renderer"]}
    return Recipe(**{**simple, **named, "categories": categories, "device": device})


def check_versions(manifest: Manifest, here: dict[str, Any]) -> None:
    """Raise DatasetError when a full recipe (Studio.full_recipe) has other versions than a dataset was made with."""
    there = manifest.recipe
    differing = [
        f"{key} version {there[key]['version']}, here it is {here[key]['version']}"
        for key in VERSIONED
        if there[key]["version"] != here[key]["version"]
    ]
    differing += [f"other {key} than here" for key in ("identities", "scenes") if there.get(key) != here[key]]
    if differing:
        raise DatasetError(
            f"dataset {manifest.name} was rendered with {'; '.join(differing)}: fresh images would not be of its kind; "
            "render the dataset again or train on its stored images"
        )


def _in_worker(work: Callable[..., Drawn], recipe: Recipe, columns: tuple[str, ...], first: int, n: int) -> Drawn:
    """Run _draw or _place in a worker process."""
    return work(studio_of(recipe), columns, first, n)


def _draw(studio: Studio, columns: tuple[str, ...], first: int, n: int) -> Drawn:
    """(n, size, size, 3) uint8 images from an index on, and their columns."""
    samples = [studio.sampler.draw(index) for index in range(first, first + n)]
    return studio.draw(samples).images, _values(samples, columns)


def _place(studio: Studio, columns: tuple[str, ...], first: int, n: int) -> Drawn:
    """The scenes from an index on, and their columns."""
    samples = [studio.sampler.draw(index) for index in range(first, first + n)]
    return studio.scenes(samples), _values(samples, columns)


def _values(samples: Sequence[SceneSample], columns: tuple[str, ...]) -> dict[str, list[Any]]:
    rows = [sample.columns() for sample in samples]
    return {name: [row[name] for row in rows] for name in columns}


def _ahead(n: int, start: int, submit: Callable[[int], Any]) -> Iterator[tuple[int, Any]]:
    """(number, submit(number)) from `start` on, for ever, with n more numbers submitted than are given out."""
    waiting: deque[tuple[int, Any]] = deque()
    for number in count(start):
        waiting.append((number, submit(number)))
        if len(waiting) > n:
            yield waiting.popleft()


@contextmanager
def _thread() -> Iterator[ThreadPoolExecutor]:
    """One thread; an exception in the body cancels what it has not begun."""
    with ThreadPoolExecutor(1, thread_name_prefix="live") as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _gpu_of(device: str | None) -> str:
    """The GPU to draw on, with its number: the one that batches go to. Asked here because threads begin with GPU 0."""
    import torch

    if not torch.cuda.is_available():
        raise BadValue("device", "cuda", "no CUDA device is found here; use cpu")
    if device and device.startswith("cuda:"):
        return device
    return f"cuda:{torch.cuda.current_device()}"


def _codes(name: str, drawn: LatentSchema, schema: LatentSchema) -> dict[str, int] | None:
    """Category -> code of a categorical latent, None for another; raises DatasetError when not all drawn are in it."""
    latent = schema[name]
    known = drawn[name].categories
    if latent.kind != "category":
        return None
    codes = {value: code for code, value in enumerate(latent.categories)}
    if missing := [value for value in known if value not in codes]:
        raise DatasetError(f"the recipe draws {name} {missing[0]!r}, which the schema does not list")
    return codes
