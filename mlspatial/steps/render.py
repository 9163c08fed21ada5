"""render: a recipe in, a dataset folder and a run out."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from mlspatial.core.errors import BadValue, DatasetError
from mlspatial.core.manifest import Manifest, recipe_id
from mlspatial.core.names import DATASET_ID
from mlspatial.core.progress import say, stages
from mlspatial.registry import runs
from mlspatial.registry.datasets import FOLDER

VERSION = 1
FREE = frozenset({"workers", "out"})


def render(
    *,
    dataset: str,
    n_train: int,
    n_heldout: int,
    size: int,
    seed: int,
    categories: str,
    translation: str,
    rotation: str,
    objects: str,
    environments: str,
    renderer: str,
    encoding: str,
    device: str,
    workers: int,
    out: str,
    study: str = "",
    force: bool = False,
) -> str:
    """Make a dataset and return the id of its run. Parameters as in the MLproject file."""
    from mlspatial.render.objects import load_objects, resolve_categories
    from mlspatial.render.write import DEFAULT_RENDERER, Recipe, Studio, render_dataset

    if not re.fullmatch(r"[A-Za-z0-9_-]+", dataset):
        raise BadValue("dataset", dataset, "must be made of letters, digits, _ and -")
    workers = workers or os.cpu_count() or 1
    chosen = resolve_categories(categories, load_objects(objects).categories)
    recipe = Recipe(
        n_train=n_train,
        n_heldout=n_heldout,
        size=size,
        seed=seed,
        categories=chosen,
        translation=translation,
        rotation=rotation,
        objects=objects,
        environments=environments,
        renderer=DEFAULT_RENDERER if renderer == "auto" else renderer,
        encoding=encoding,
        device=device,
    )
    recipe.check()
    studio = Studio(recipe)
    full = studio.full_recipe()
    folder = Path(out or f"data/{dataset}")
    cfg = {
        "dataset": dataset,
        **{key: value for key, value in full.items() if isinstance(value, str | int | None)},
        "n_categories": len(chosen),
        "categories": ",".join(chosen),
        "objects": objects,
        "environments": environments,
        "renderer": recipe.renderer,
        "workers": workers,
        "out": str(folder),
    }
    spec = runs.Spec("render", VERSION, {"recipe_id": recipe_id(full)}, cfg, FREE)
    earlier = runs.finished(spec)
    gone = earlier is not None and not _holds(Path(earlier.tags[FOLDER]), earlier.dataset_id)
    if gone:
        say(f"render: the files of run {earlier.id if earlier else ''} are gone; making them again")
    images = n_train + n_heldout
    identities = len(studio.pairs())
    if n_train < identities:
        say(f"render: n_train={n_train} is below the number of identities ({identities}); not all are shown")
    with runs.open_run(spec, name=f"render {dataset}", study=study, force=force or gone) as run:
        if run.answered:
            return run.id
        started = time.monotonic()
        with stages({"prepare": f"prepare {dataset}", "render": f"render {dataset}"}, {"render": "img"}) as update:
            manifest = render_dataset(recipe, folder, dataset, workers=workers, progress=update)
        seconds = time.monotonic() - started
        run.set_tags({DATASET_ID: manifest.dataset_id, FOLDER: str(folder.resolve())})
        run.log({"images": images, "seconds": seconds, "images_per_s": images / seconds})
        run.log_dataset(manifest, folder, "output")
        run.log_file(folder / "manifest.json")
        log_pictures(run, folder, manifest)
    return run.id


def log_pictures(run: runs.Run, folder: Path, manifest: Manifest) -> None:
    """Contact sheet of held-out images with their latents, and a histogram of every latent."""
    from mlspatial.render.pictures import contact_sheet, latent_histograms

    made = Path(tempfile.mkdtemp(prefix="mlspatial-"))
    try:
        contact_sheet(folder, manifest).save(made / "contact_sheet.png")
        latent_histograms(folder, manifest).savefig(made / "latents.png", dpi=110)
        for name in ("contact_sheet.png", "latents.png"):
            run.log_file(made / name, "pictures")
    finally:
        shutil.rmtree(made)


def _holds(folder: Path, dataset_id: Any) -> bool:
    try:
        return Manifest.load(folder).dataset_id == dataset_id
    except DatasetError:
        return False
