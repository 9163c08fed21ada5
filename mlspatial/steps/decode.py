"""decode: networks and images in; for each network a run with what its layers tell linearly out, and one that compares.

Pixels are decoded once, as a run of their own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlspatial.analysis import decoding
from mlspatial.analysis.splits import Split, k_folds, random_splits
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.latents import Latent
from mlspatial.core.names import TAG
from mlspatial.core.progress import bar, say
from mlspatial.models.layers import PIXELS
from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.steps.gather import NONE, Gathered, gather
from mlspatial.steps.similarity import group_of
from mlspatial.steps.stimuli import Images, load_images

if TYPE_CHECKING:
    import pandas as pd

VERSION = 1
FREE = frozenset({"device", "models"})
FACTS = ("task", "arch", "dataset", "seed", "step")
AUTO = ("x", "y", "z", "rot_0", "rot_1", "rot_2", "category")  # Xie et al. 2025
SPLITS = {"random": "5 random splits of 80 / 20, as published", "kfold": "every image is tested once"}
SHOWN = {"linear": "pearson_r", "circular": "pearson_r", "category": "accuracy"}
TABLE = "decoding.json"


def decode(
    *,
    models: str,
    layers: str,
    latents: str,
    stimuli: str,
    dataset: str,
    folds: int,
    split: str,
    classifier: str,
    device: str,
    seed: int,
    activations: str = NONE,
    study: str = "",
    force: bool = False,
) -> list[str]:
    """Decode latents from every network of a selector; return the ids of the runs. Parameters as in the MLproject."""
    import pandas as pd

    from mlspatial.analysis.projection import johnson_lindenstrauss_dimension
    from mlspatial.models.sinks import Projections
    from mlspatial.train.loop import choose_device

    records = select(models)
    images = load_images(stimuli, dataset)
    chosen = _latents(latents, images)
    splits = _splits(split, len(images.stimuli), folds, seed)
    place = choose_device(device)
    dimension = johnson_lindenstrauss_dimension(len(images.stimuli))
    kept = Projections(dimension, seed).kinds
    with_pixels: list[bool] = []
    gathered = gather(
        records,
        images.stimuli,
        kept,
        _layers(layers, with_pixels),
        lambda _place, _kinds: Projections(dimension, seed),
        device=device,
        dataset_id=images.manifest.dataset_id,
        activations=activations,
        study=study,
        parents=images.runs,
    )
    cfg = {"layers": layers, "latents": ",".join(latent.name for latent in chosen), "stimuli": stimuli,
           "dataset": dataset, "folds": folds, "split": split, "classifier": classifier, "device": device,
           "seed": seed}  # fmt: skip
    job = _Job(images, chosen, splits, classifier, place, cfg, study, force)
    ids, tables = [], []
    if any(with_pixels):
        run_id, table = job.pixels(dimension, seed)
        ids.append(run_id)
        tables.append(table)
    for number, found in enumerate(gathered, 1):
        run_id, table = job.network(found, f"decode {number} of {len(gathered)}")
        ids.append(run_id)
        tables.append(table)
    if len(records) > 1:
        ids.append(job.summary(pd.concat(tables, ignore_index=True), ids, models))
    return ids


class _Job:
    """What all networks are decoded with."""

    def __init__(
        self,
        images: Images,
        latents: Sequence[Latent],
        splits: Sequence[Split],
        classifier: str,
        device: str,
        cfg: dict[str, Any],
        study: str,
        force: bool,
    ) -> None:
        self.images, self.latents, self.splits = images, latents, splits
        self.classifier, self.device, self.cfg, self.study, self.force = classifier, device, cfg, study, force

    def network(self, found: Gathered, title: str) -> tuple[str, pd.DataFrame]:
        record = found.record
        facts = {**{fact: getattr(record, fact) for fact in FACTS}, "group": group_of(record)}
        (kind,) = found.files
        arrays = {layer: np.array(found.array(kind, layer)) for layer in found.layers}
        layers = {layer: _task_units(layer, values, found.spec) for layer, values in arrays.items()}
        name = f"decode {record.name} seed {record.seed} step {record.step}"
        return self._run(record.model_id, record.uri, name, facts, layers, [*found.runs, *self.images.runs], title)

    def pixels(self, dimension: int, seed: int) -> tuple[str, pd.DataFrame]:
        from mlspatial.analysis.projection import projection

        flat = self.images.stimuli.images.reshape(len(self.images.stimuli), -1).astype(np.float32) / 255.0
        if flat.shape[1] > dimension:
            flat = projection(flat.shape[1], dimension, seed).project(flat).numpy()
        facts = {"task": PIXELS, "arch": "", "dataset": self.images.manifest.name, "seed": 0, "step": 0}
        facts["group"] = PIXELS
        return self._run(PIXELS, PIXELS, "decode pixels", facts, {PIXELS: flat}, self.images.runs, "decode pixels")

    def _run(
        self,
        model_id: str,
        uri: str,
        name: str,
        facts: dict[str, Any],
        layers: dict[str, np.ndarray],
        parents: list[str],
        title: str,
    ) -> tuple[str, pd.DataFrame]:
        import pandas as pd

        inputs = {
            "dataset_id": self.images.manifest.dataset_id,
            "model_id": model_id,
            "stimuli": self.images.stimuli.id,
            "layers": list(layers),
            "version": decoding.VERSION,
        }
        cfg = {"models": uri, **self.cfg}
        spec = runs.Spec("decode", VERSION, inputs, cfg, FREE)
        with runs.open_run(spec, name=name, study=self.study, parents=parents, force=self.force) as run:
            if not run.answered:
                run.log_dataset(self.images.manifest, self.images.folder, "evaluation")
                run.set_tags({TAG + fact: facts[fact] for fact in FACTS})
                table = self._decode(layers, title)
                table = table.assign(model_id=model_id, **facts)
                _log(run, table)
        table = pd.read_json(runs.local(run.id, TABLE), orient="table") if run.answered else table
        return run.id, table

    def _decode(self, layers: dict[str, np.ndarray], title: str) -> pd.DataFrame:
        import pandas as pd

        rows: list[dict[str, Any]] = []
        with bar(title, len(layers), "layer") as progress:
            for layer, features in layers.items():
                found = decoding.decode(
                    features,
                    self.images.latents,
                    self.latents,
                    self.splits,
                    classifier=self.classifier,
                    device=self.device,
                )
                rows += [{"layer": layer, **asdict(value)} for value in found]
                progress.update(1)
        return pd.DataFrame(rows)

    def summary(self, table: pd.DataFrame, parents: list[str], models: str) -> str:
        """A run with all networks' numbers, a picture by group, and tests between every two groups."""
        import pandas as pd

        inputs = {"dataset_id": self.images.manifest.dataset_id, "runs": sorted(parents)}
        spec = runs.Spec("decode", VERSION, inputs, {"models": models, **self.cfg}, FREE)
        name = f"decode {len(parents)} networks"
        with runs.open_run(spec, name=name, study=self.study, parents=parents, force=self.force) as run:
            if not run.answered:
                shown = table[table.measure.isin(set(SHOWN.values()))]
                run.log_text(table.to_json(orient="table", index=False), TABLE)
                tests = group_contrasts(shown)
                if tests:
                    run.log_table(pd.DataFrame(tests), "contrasts.json")
                _picture(run, shown, "group", "decoding_by_group")
        return run.id


def group_contrasts(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Mann-Whitney U for every two groups, latent and layer: over runs times seeds as published, and over seeds.

    table: rows with group, latent, layer, fold, seed, value. unit "fold" pools splits and seeds (the published test;
    splits of one seed are not independent), "seed" takes one mean a seed. All tests of a unit are one family for Holm.
    """
    from mlspatial.analysis.contrasts import contrasts

    names = [name for name in table.group.unique() if name != PIXELS]
    rows: list[dict[str, Any]] = []
    for unit in ("fold", "seed"):
        keys: list[dict[str, Any]] = []
        pairs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for (latent, layer), part in table.groupby(["latent", "layer"], sort=False):
            by_group = {name: _values(part[part.group == name], unit) for name in names}
            for i, first in enumerate(names):
                for second in names[i + 1 :]:
                    if min(len(by_group[first]), len(by_group[second])) >= 2:
                        keys.append({"unit": unit, "latent": latent, "layer": layer, "first": first, "second": second})
                        pairs[str(len(pairs))] = by_group[first], by_group[second]
        found = contrasts(pairs) if pairs else []
        rows += [
            {**key, **{field: value for field, value in asdict(test).items() if field != "name"}}
            for key, test in zip(keys, found, strict=True)
        ]
    return rows


def _values(part: pd.DataFrame, unit: str) -> np.ndarray:
    part = part[np.isfinite(part.value)]
    return (part.value if unit == "fold" else part.groupby("model_id").value.mean()).to_numpy()


def _log(run: runs.Run, table: pd.DataFrame) -> None:
    """The table, a mean over folds for every layer, latent and measure, and a picture."""
    run.log_text(table.to_json(orient="table", index=False), TABLE)
    means = table.groupby(["layer", "latent", "measure"], sort=False).value.mean()
    run.log({f"{layer}/{latent}/{measure}": value for (layer, latent, measure), value in means.items()})
    _picture(run, table[table.measure.isin(set(SHOWN.values()))], "task", "decoding")


def _picture(run: runs.Run, table: pd.DataFrame, by: str, name: str) -> None:
    from mlspatial.compare.plots import layer_curves, save

    with tempfile.TemporaryDirectory() as folder:
        for file in save(layer_curves(table, by), Path(folder), name):
            run.log_file(file, "pictures")


def _layers(text: str, with_pixels: list[bool]) -> Any:
    """The layers of each network; whether pixels are asked for is added to with_pixels."""

    def choose(module: Any, spec: Any) -> Sequence[str]:
        from mlspatial.models.layers import decoding_layers, resolve_layers
        from mlspatial.models.zoo import candidate_layers

        default = decoding_layers(module, candidate_layers(spec, module))
        names = resolve_layers(text, module, default, extra=(PIXELS,))
        with_pixels.append(PIXELS in names)
        return [name for name in names if name != PIXELS]

    return choose


def _latents(text: str, images: Images) -> list[Latent]:
    schema = images.manifest.schema
    if text != "auto":
        return [schema[name.strip()] for name in text.split(",") if name.strip()]
    kept: list[Latent] = []
    constant: list[Latent] = []
    for name in (name for name in AUTO if name in schema):
        still = float(np.ptp(images.latents[name])) < 1e-4
        (constant if still else kept).append(schema[name])
    if constant:
        names = ", ".join(latent.name for latent in constant)
        say(f"decode: {names} does not vary in dataset {images.manifest.name}; left out")
    if not kept:
        raise UserError(f"latents=auto: nothing varies in dataset {images.manifest.name}; choose another dataset")
    return kept


def _splits(kind: str, n: int, folds: int, seed: int) -> list[Split]:
    if kind not in SPLITS:
        raise BadValue("split", kind, "must be " + " or ".join(f"{name} ({what})" for name, what in SPLITS.items()))
    return random_splits(n, seed=seed, runs=folds) if kind == "random" else k_folds(n, seed=seed, folds=folds)


def _task_units(layer: str, values: np.ndarray, spec: Any) -> np.ndarray:
    """Of the head's units only those that were supervised: the others are as they were drawn."""
    if layer != "fc" or values.shape[1] != spec.units or not spec.supervised:
        return values
    units: Iterable[int] = (u for part in spec.supervised for u in range(*spec.head[part]))
    return values[:, list(units)]
