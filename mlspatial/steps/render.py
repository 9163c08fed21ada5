"""render: a recipe in, a dataset folder and a run out."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.design import Design
from mlspatial.core.errors import BadValue, DatasetError, UserError
from mlspatial.core.manifest import MANIFEST, Manifest, recipe_id
from mlspatial.core.names import DATASET_ID, DEVICE, PRECISION
from mlspatial.core.parameters import FORCE, STUDY, Parameter, entry
from mlspatial.core.progress import say, stages
from mlspatial.data.shards import is_whole
from mlspatial.registry import notes, runs
from mlspatial.registry.datasets import COPIES, FOLDER, folders, is_known, ours
from mlspatial.registry.named import is_ours, remember
from mlspatial.registry.published import is_there
from mlspatial.steps import publish as publishing
from mlspatial.steps.render_pictures import FORMER_SHEET as FORMER_SHEET
from mlspatial.steps.render_pictures import LATENTS, SHEET, log_pictures, pictures_gone

if TYPE_CHECKING:
    from mlspatial.render.studio import Studio

VERSION = 1

PARAMETERS = (
    Parameter("dataset", str, "Name of the dataset.", "spatial117"),
    Parameter("n_train", int, "Training images.", 6000),
    Parameter("n_heldout", int, "Held-out images.", 1000),
    Parameter("size", int, "Width and height in pixels (the study: 256).", 64),
    Parameter("seed", int, "Of every random draw.", 0),
    Parameter("categories", str, "117, a number N of categories, or names with commas between.", "117"),
    Parameter("translation", str, "full, or none (the camera points at the object's centre).", "full"),
    Parameter("rotation", str, "clamped45 (45 degrees about each axis) or uniform.", "clamped45"),
    Parameter(
        "objects",
        str,
        "procedural, or a folder category/identity.{obj,glb} (FOLDER:up=z,front=-y turns it); with renderer=tdw: tdw.",
        "procedural",
    ),
    Parameter(
        "environments",
        str,
        "procedural, procedural:SCENE,SCENE, or a folder of panoramas; with renderer=tdw: tdw, tdw:SCENE,SCENE.",
        "procedural",
    ),
    Parameter("renderer", str, "auto, warp, tdw (ThreeDWorld) or one of your own.", "auto"),
    Parameter(
        "design",
        str,
        "Controlled images instead of drawn ones: sweeps, factorial, pairs, few, or a YAML file (n_train, n_heldout, "
        "translation, rotation then have no meaning).",
        "",
    ),
    Parameter("distractors", str, "Objects beside the target: 0 to 5, or least-most such as 0-5.", "0"),
    Parameter(
        "distractor_categories",
        str,
        "What they are of, as categories.",
        "",
        shown="with cue=category all that are no target's, else the targets'",
    ),
    Parameter(
        "cue",
        str,
        "What marks the target: category (it alone is of the dataset's categories), or a drawn outline or dot.",
        "category",
    ),
    Parameter("least_visible", float, "Share of the target in the picture and not hidden, at least.", 0.1),
    Parameter("floor_contact", bool, "Objects stand upright on the floor and are turned about the vertical.", False),
    Parameter("frames", int, "Images of a clip in which something moves; 1: single images.", 1),
    Parameter("motion", str, "In clips: object, or camera (which moves on a level).", "object"),
    Parameter("frame_rate", float, "Images a second, in clips.", 10.0),
    Parameter("truth", str, "Of depth, instances, amodal, with commas between: further columns of pictures.", ""),
    Parameter("encoding", str, "jpeg (quality 95, full colour resolution) or png.", "jpeg"),
    Parameter("device", str, "cpu, or cuda (the bytes, and so the dataset_id, may differ).", "cpu"),
    Parameter(
        "workers", int, "Processes, of a GPU threads that encode; 0: one a core, with renderer=tdw one.", 0, "nothing"
    ),
    Parameter("out", str, "Folder to write to [data/DATASET].", "", "nothing"),
    Parameter(
        "tdw_build", str, "Program of ThreeDWorld's build, started as needed; empty: you start it.", "", "nothing"
    ),
    Parameter(
        "tdw_port", int, "First port of ThreeDWorld's builds, one a process.", 0, "nothing", shown="1071", least=0
    ),
    Parameter(
        "publish",
        str,
        "true: put the shards into the registry's artifact store, too; or an address for them (s3://BUCKET/PATH).",
        "",
        "nothing",
        shown="MLSPATIAL_PUBLISH, else false",
    ),
    Parameter("dry_run", bool, "Say what would be drawn and which models are missing; draw nothing.", False, "nothing"),
    STUDY,
    FORCE,
)


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
    design: str = "",
    distractors: str = "0",
    distractor_categories: str = "",
    cue: str = "category",
    least_visible: float = 0.1,
    floor_contact: bool = False,
    frames: int = 1,
    motion: str = "object",
    frame_rate: float = 10.0,
    truth: str = "",
    tdw_build: str = "",
    tdw_port: int = 0,
    publish: str = "",
    dry_run: bool = False,
    study: str = "",
    force: bool = False,
) -> str | list[str]:
    """Make a dataset and return the id of its run, or nothing of a dry run. Parameters as in the MLproject file."""
    from mlspatial.render.objects import load_objects, resolve_categories
    from mlspatial.render.studio import DEFAULT_RENDERER, Recipe, Studio, renderer_class
    from mlspatial.render.truth import truth_names
    from mlspatial.render.write import render_dataset

    if not re.fullmatch(r"[A-Za-z0-9_-]+", dataset):
        raise BadValue("dataset", dataset, "must be made of letters, digits, _ and -")
    at = publishing.asked(publish)
    engine = renderer_class(renderer)
    workers = workers or getattr(engine, "workers", os.cpu_count()) or 1
    if hasattr(engine, "reach"):
        engine.reach(tdw_build, tdw_port, workers)
    elif moot := [f"{name}={value}" for name, value in (("tdw_build", tdw_build), ("tdw_port", tdw_port)) if value]:
        say(f"render: {', '.join(moot)} decide nothing with renderer={engine.name}")
    available = load_objects(objects).categories
    chosen = resolve_categories(categories, available)
    planned = asked_design(design, objects=objects, environments=environments, categories=chosen)
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
        design=planned.text() if planned else "",
        distractors=distractors.strip(),
        distractor_categories=_beside(distractors, distractor_categories, chosen, available, cue),
        cue=cue,
        least_visible=least_visible,
        floor_contact=floor_contact,
        frames=frames,
        motion=motion,
        frame_rate=frame_rate,
        truth=truth_names(truth),
    )
    recipe.check()
    studio = Studio(recipe)
    if dry_run:
        return _foretell(dataset, studio, planned.size() if planned else n_train + n_heldout)
    studio.check()
    full = studio.full_recipe()
    folder = Path(out or f"data/{dataset}")
    cfg: dict[str, Any] = {
        "dataset": dataset,
        **{key: value for key, value in full.items() if isinstance(value, str | int | None)},
        "n_categories": len(studio.identities),
        "categories": ",".join(studio.identities),
        "objects": objects,
        "environments": environments,
        "renderer": recipe.renderer,
        **{name: ",".join(full[name]) for name in ("distractor_categories", "truth") if name in full},
        **{name: full[name] for name in ("least_visible", "frame_rate") if name in full},
        "workers": workers,
        "out": str(folder),
        **({"design": design, "images": planned.size()} if planned else {}),
    }
    spec = runs.Spec("render", VERSION, {"recipe_id": recipe_id(full)}, cfg, ENTRY.free)
    given = {"n_train": n_train, "n_heldout": n_heldout, "translation": translation, "rotation": rotation}
    if planned and (moot := [f"{name}={value}" for name, value in given.items() if value != ENTRY.defaults[name]]):
        say(f"render: {', '.join(moot)} decide nothing here; the design says which images there are")
    given = {"motion": motion, "frame_rate": frame_rate}  # of clips
    if frames == 1 and (moot := [f"{name}={value}" for name, value in given.items() if value != ENTRY.defaults[name]]):
        say(f"render: {', '.join(moot)} decide nothing here; with frames=2 or more there are clips")
    images = planned.size() if planned else n_train + n_heldout
    identities, shown = len(studio.pairs()), n_train // frames
    if shown < identities and not planned:
        clips = f", {shown} clips," if frames > 1 else ""
        say(f"render: n_train={n_train}{clips} is below the number of identities ({identities}); not all are shown")
    known = [other for run in runs.find(spec=spec.id, status="FINISHED") for other in folders(run) if is_ours(other)]

    def lacks(run: runs.RunRecord) -> list[str]:
        here = any(is_whole(place, run.dataset_id) for place in ours(run))
        here |= not any(place.is_dir() for place in ours(run)) and is_there(run)  # what is damaged here is mended here
        return [*([] if here else [f"dataset {run.tags.get(FOLDER)}"]), *pictures_gone(run)]

    drawn = 0

    def make() -> Manifest:
        elsewhere = () if force else known
        with stages({"prepare": f"prepare {dataset}", "render": f"render {dataset}"}, {"render": "img"}) as update:

            def show(stage: str, done: int, total: int) -> None:
                nonlocal drawn
                if stage == "render" and not drawn:
                    drawn = total - done  # the first time says how many were there
                update(stage, done, total)

            return render_dataset(recipe, folder, dataset, workers=workers, progress=show, known=elsewhere)

    remember(folder)
    with runs.open_run(spec, name=f"render {dataset}", study=study, force=force, lacks=lacks) as run:
        if run.answered:
            if out and not is_whole(folder, (record := runs.get(run.id)).dataset_id):
                _fill(folder, record, make)
            return publishing.publish(run.id, at)
        started = time.monotonic()
        manifest = make()
        seconds = time.monotonic() - started
        run.set_tags({DATASET_ID: manifest.dataset_id, FOLDER: str(folder.resolve())})
        run.add_tags({DEVICE: device, PRECISION: "float32"})
        run.log({"images": images, "seconds": seconds, **({"images_per_s": drawn / seconds} if drawn else {})})
        run.log_dataset(manifest, folder, "output")
        run.log_file(folder / MANIFEST)
        log_pictures(run, folder, manifest)
        said: dict[str, object] = (
            {"design": design, "images": images}
            if planned
            else {"training images": n_train, "held-out images": n_heldout}
        )
        said |= {"pixels": size, "seed": seed}
        said |= {"categories": categories, "dataset": manifest.dataset_id, "folder": str(folder)}
        run.describe(notes.facts(said) + f"\n\nLook at the artifacts {SHEET} and {LATENTS}.")
    return publishing.publish(run.id, at, anew=force)


def _foretell(dataset: str, studio: Studio, images: int) -> list[str]:
    """Print what a recipe would draw, and raise UserError after a list of what is missing for it, or of what finds no
    place in it."""
    gone = studio.missing()
    engine = studio.full_recipe()["renderer"]
    print(
        f"render {dataset}: {images:,} images of {len(studio.pairs())} identities in {len(studio.identities)} "
        f"categories, {len(studio.environments.scenes)} scenes, by {engine['name']} {engine['version']}"
    )
    print("\n".join(gone or ["nothing is missing"]))
    if gone:
        raise UserError(f"render {dataset}: {len(gone)} of {len(studio.pairs())} models are missing")
    studio.check()
    return []


def missing(parameters: Mapping[str, Any]) -> list[str]:
    """What a call would ask for in vain, a line each. parameters: of this entry point, each resolved."""
    from mlspatial.render.environments import load_environments
    from mlspatial.render.objects import load_objects, resolve_categories

    try:
        spec = parameters["objects"]
        objects = load_objects(spec, resolve_categories(parameters["categories"], load_objects(spec).categories))
        environments = load_environments(parameters["environments"])
    except UserError as error:
        return [str(error)]
    return [gone for library in (objects, environments) for gone in getattr(library, "missing", list)()]


def asked_design(design: str, *, objects: str, environments: str, categories: Sequence[str]) -> Design | None:
    """The design that a name or file stands for, with these libraries; None for "". Raises UserError."""
    if not design:
        return None
    from mlspatial.render.design_file import design_file, read_design
    from mlspatial.render.environments import load_environments
    from mlspatial.render.objects import load_objects

    library = load_objects(objects, categories)
    skies = {
        scene.name: [name for name, _ in sorted(scene.skies, key=lambda sky: -sky[1])]
        for scene in load_environments(environments).scenes
    }
    return read_design(design_file(design), {name: library.identities(name) for name in categories}, skies)


def _beside(
    distractors: str, asked: str, targets: Sequence[str], available: Sequence[str], cue: str
) -> tuple[str, ...]:
    """The categories of the objects beside the target; none where there are none. Raises UserError."""
    from mlspatial.render.clutter import distractor_categories, distractor_numbers
    from mlspatial.render.objects import resolve_categories

    if not distractor_numbers(distractors)[1]:
        if asked:
            say(f"render: distractor_categories={asked} decides nothing with distractors=0")
        return ()
    try:
        named = resolve_categories(asked, available) if asked else ()
    except BadValue as error:
        raise BadValue("distractor_categories", error.value, error.expected) from error
    return distractor_categories(named, targets, available, cue)


def images_of(parameters: Mapping[str, Any]) -> int:
    """How many images a call makes. parameters: of this entry point, each resolved."""
    if not parameters.get("design"):
        return int(parameters["n_train"] + parameters["n_heldout"])
    from mlspatial.render.objects import load_objects, resolve_categories

    libraries = {name: parameters[name] for name in ("objects", "environments")}
    chosen = resolve_categories(parameters["categories"], load_objects(parameters["objects"]).categories)
    design = asked_design(parameters["design"], **libraries, categories=chosen)
    return design.size() if design else 0


def _fill(folder: Path, run: runs.RunRecord, make: Callable[[], Manifest]) -> None:
    """Have the dataset of a finished run in a further folder, too, which the registry knows from then on."""
    manifest = make()
    if manifest.dataset_id != run.dataset_id:
        raise DatasetError(
            f"{folder}: shards of {run.tags[FOLDER]} are damaged, and drawn again here they differ from those of run "
            f"{run.id}; restore them, or make a dataset of its own with force=true"
        )
    copies = [place for place in map(str, folders(run)) if place != run.tags[FOLDER]]
    runs.Run(run.id).set_tags({COPIES: "\n".join(dict.fromkeys([*copies, str(folder.resolve())]))})
    say(f"render: {folder} holds the dataset of run {run.id} now, too")


ENTRY = entry(
    "render",
    "Render a dataset and log its manifest, contact sheet and latent histograms.",
    PARAMETERS,
    render,
    (
        "--dataset mine --n_train 20000 --n_heldout 2000 --size 128 --categories chair,cup,hammer",
        "--dataset still --categories 8 --translation none --environments procedural:meadow,street",
        "--dataset sweeps --design sweeps --categories 8",
        "--dataset crowded --categories 8 --distractors 0-3 --least_visible 0.5 --truth depth,instances",
        "--dataset tdw117 --renderer tdw --objects tdw --environments tdw --tdw_build ~/tdw_build/TDW/TDW.x86_64",
    ),
)


def rendered_first(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """The work of an entry point, after rendering the default dataset with render's defaults where it is asked for and
    not there yet."""

    @wraps(work)
    def with_dataset(**parameters: Any) -> Any:
        defaults = ENTRY.defaults
        dataset = defaults["dataset"]
        if parameters["dataset"].removeprefix("live:") == dataset and not is_known(dataset):
            say(f"{name}: dataset {dataset} is not there yet; rendering it first, with render's defaults")
            with runs.project_run_reserved():
                render(**defaults)
        return work(**parameters)

    return with_dataset
