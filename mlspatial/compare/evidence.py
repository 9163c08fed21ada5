"""Evidence: what tables and figures are drawn from, four tidy frames of a study."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.compare.conditions import settings_of
from mlspatial.compare.generalised import generalised, leaves_out, no_generalised
from mlspatial.compare.kept import FAILED, failed, left_out, no_rows, no_units, nothing_left_out, parameters, units
from mlspatial.compare.tuned import no_tunings, tunings
from mlspatial.core.names import CFG, DATASET_ID, HIDDEN, MODEL_ID, SPEC, TAG, file_name
from mlspatial.core.predictions import Predictions
from mlspatial.core.score import ROUNDED, UNKNOWN
from mlspatial.registry import read
from mlspatial.registry.store import ui_address

if TYPE_CHECKING:
    import pandas as pd

REGIONS = ("V1", "V2", "V4", "IT")  # the ventral stream in its order; their mean is the neural mean
BEHAVIOR = "behavior"
PUBLISHED = "r_over_c_squared"  # Brain-Score's formula until December 2025, so that of the published tables

NETWORKS = (
    "model_id", "uri", "run_id", "name", "task", "arch", "dataset", "dataset_id", "seed", "step", "final", "init",
    "fraction", "n_train", "outputs", "n_categories", "translation", "settings", "imported", "loss",
)  # fmt: skip
SCORES = (
    "run_id", "model_id", "benchmark", "region", "layer", "depth", "committed", "metric", "primary", "raw", "ceiling",
    "ceiled", "error", "n", "formula", "version", "engine", "selection", "r2_over_c", "r_over_c_squared",
    "ceiling_error", "ceiled_error",
)  # fmt: skip
PAIRS = ("run_id", "metric", "layer", "depth", "model_a", "model_b", "value")
DECODINGS = ("run_id", "model_id", "layer", "depth", "latent", "fold", "measure", "value", "chance", "n_train")

PIXELS = "pixels"  # model_id of what was decoded from the images themselves
UNITS = {"distance": 1, "translation": 2, "rotation": 6, "category": 117, "identity": 548}  # Xie et al. 2025: 674
CLASSES = 1000  # of ImageNet
CFGS, TAGS, METRICS = read.PARAMS + CFG, read.TAGS + TAG, read.METRICS
FACT = "fact."  # tags mlspatial.fact.NAME of runs are columns fact/NAME of networks


@dataclass(frozen=True)
class Evidence:
    """study: its name, "" for all runs; links: run id -> address in the MLflow UI, or "".

    networks: one row a registered checkpoint (columns NETWORKS, heldout/... and fact/...); scores: one row a network,
    benchmark, layer and metric (SCORES); pairs: one row an unordered pair of networks, layer and similarity metric
    (PAIRS); decodings: one row a network, layer, latent, measure and fold (DECODINGS; n_train: 0 of what a network's
    own head says, NaN where nobody knows); failed: one row a train, score or tuning run that came to no end (FAILED).
    Frames may be empty. networks may have a column `networks`: over how many an imported mean is, NaN where nobody
    says. asked: entry -> run id -> what its command was given, newest first.
    predictions, units, left_out: what runs have kept beside their tables, see compare.kept. tunings: one row a network,
    design, layer and number of a tuning run, see compare.tuned. generalised: read-outs under conditions that they were
    not trained in, which are none of `decodings`, see compare.generalised.
    """

    study: str
    networks: pd.DataFrame
    scores: pd.DataFrame
    pairs: pd.DataFrame
    decodings: pd.DataFrame
    links: Mapping[str, str]
    failed: pd.DataFrame = field(default_factory=lambda: no_rows(FAILED))
    asked: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    predictions: Callable[[str, Collection[tuple[str, str]]], Iterable[Predictions]] = lambda _run, _keys: ()
    units: Callable[[Collection[str]], pd.DataFrame] = lambda _runs: no_units()
    left_out: Callable[[str, Collection[str]], pd.DataFrame] = lambda entry, _runs: nothing_left_out(entry)
    tunings: pd.DataFrame = field(default_factory=no_tunings)
    generalised: pd.DataFrame = field(default_factory=no_generalised)


def empty_frames() -> dict[str, pd.DataFrame]:
    """The four frames without a row."""
    columns = {"networks": NETWORKS, "scores": SCORES, "pairs": PAIRS, "decodings": DECODINGS}
    return {name: no_rows(names) for name, names in columns.items()}


def load(study: str = "") -> Evidence:
    """The evidence of a study, of all finished runs without one. What was read before comes from the cache.

    Of several runs that measured the same, the newest counts. A run whose artifacts are missing or damaged is left
    out, with a warning that names it. Raises UserError when the registry does not answer.
    """
    import pandas as pd

    scored, imported, similar, decoded, tuned = (
        read.runs(entry=entry, study=study, metrics=("heldout/",) if entry == "import" else ())
        for entry in ("score", "import", "similarity", "decode", "tuning")
    )
    decoded = decoded[decoded.get(read.TAGS + MODEL_ID, pd.Series(dtype=object)).fillna("") != ""]  # no summaries
    decoded, tuned = _networks_alone(decoded), _networks_alone(tuned)
    across = leaves_out(decoded)
    carried, decoded = decoded[across], decoded[~across]  # of conditions left out: no ordinary read-outs
    scores, pairs, decodings = _scores(scored, imported), _pairs(similar), _decodings(decoded)
    geometry, apart = tunings(tuned), generalised(carried)
    frames = (scores, decodings, geometry, apart)
    named = {*pairs.model_a, *pairs.model_b, *(name for frame in frames for name in frame.model_id)} - {PIXELS}
    networks, trained = _networks(study, named, [scored, imported, decoded, tuned, carried])
    links = {
        row.run_id: ui_address(row.experiment_id, row.run_id)
        for table in (trained, scored, imported, similar, decoded, tuned, carried)
        for row in table[["run_id", "experiment_id"]].itertuples()
    }
    tables = {"render": read.runs(entry="render", metrics=()), "train": trained, "score": scored, "decode": decoded}
    asked = {entry: parameters(table) for entry, table in (tables | {"similarity": similar, "tuning": tuned}).items()}
    return Evidence(
        study,
        networks,
        scores,
        pairs,
        decodings,
        links,
        failed(study),
        asked,
        read.predictions(scored),
        partial(units, scored),
        partial(left_out, {"similarity": similar, "decode": decoded}),
        geometry,
        apart,
    )


def _networks_alone(asked: pd.DataFrame) -> pd.DataFrame:
    """Without runs of neurons, whose task is their address and which have no architecture. Pixels are a control of
    networks."""
    import pandas as pd

    def column(name: str) -> pd.Series:
        return asked.get(name, pd.Series("", asked.index, dtype=object)).fillna("")

    task = column(TAGS + "task")
    neurons = (task == column(CFGS + "models")) & (column(TAGS + "arch") == "") & ~task.isin(["", PIXELS])
    return asked[~neurons]


def _networks(study: str, named: Collection[str], others: list[pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """(networks, rows of their train runs). Those of a study are the checkpoints of its train runs and what its other
    runs name; others: rows of runs whose tags tell of networks that were not trained here."""
    import pandas as pd

    versions = read.versions()
    ours = MODEL_ID in versions  # others may register what they like
    versions = versions[versions[MODEL_ID].notna()] if ours else pd.DataFrame(columns=["run_id", MODEL_ID])
    trained = read.runs(entry="train", study=study, metrics=("heldout/",))
    hidden = versions.name.astype(str).str.startswith(HIDDEN) if len(versions) else pd.Series(dtype=bool)
    named = set(named) - set(versions[MODEL_ID][hidden])  # parts of brains: scored, and counted among no networks
    versions = versions[~hidden]
    wanted = versions.run_id.isin(trained.run_id) | versions[MODEL_ID].isin(named)
    checkpoints = versions[wanted]
    if strangers := set(checkpoints.run_id) - set(trained.run_id):
        elsewhere = read.runs(entry="train", metrics=("heldout/",), ids=strangers)
        trained = pd.concat([table for table in (trained, elsewhere) if len(table)], ignore_index=True)
    checkpoints = checkpoints[checkpoints.run_id.isin(trained.run_id)]  # of others the run is deleted, or not finished
    parts = [_registered(checkpoints, trained, named)]
    unknown = set(named) - set(checkpoints[MODEL_ID])
    if unknown and unknown - {model for table in others for model in table.get(read.TAGS + MODEL_ID, ())}:
        others = [*others, read.runs(entry="extract", metrics=())]  # similarity names networks by their extractions
    parts += [_from_tags(table, unknown) for table in others]
    parts = [part for part in parts if len(part)]
    if not parts:
        return empty_frames()["networks"], trained
    table = pd.concat(parts, ignore_index=True).drop_duplicates("model_id", ignore_index=True)
    heldout = sorted(name for name in table if name.startswith("heldout/"))
    table["loss"] = table["heldout/loss"] if "heldout/loss" in table else float("nan")
    means = [name for name in ("networks",) if name in table]
    return _with_facts(table[[*NETWORKS, *means, *heldout]], trained, others), trained


def _with_facts(networks: pd.DataFrame, trained: pd.DataFrame, others: list[pd.DataFrame]) -> pd.DataFrame:
    """The networks with a column fact/NAME for every tag mlspatial.fact.NAME of their train run or, where that says
    nothing, of the newest run about them; text, None where unknown."""
    import pandas as pd

    parts = []
    for table, key in [(trained, "run_id"), *((table, "model_id") for table in others)]:
        of = "run_id" if key == "run_id" else read.TAGS + MODEL_ID
        names = {name: name.replace(TAGS + FACT, "fact/", 1) for name in table if name.startswith(TAGS + FACT)}
        if names:
            facts = table[[of, *names]].rename(columns={of: "about", **names})
            parts.append(networks[["model_id", key]].set_axis(["model_id", "about"], axis=1).merge(facts, on="about"))
    if not parts:
        return networks
    facts = pd.concat(parts, ignore_index=True).drop(columns="about")
    return networks.merge(facts.groupby("model_id", as_index=False).first(), on="model_id", how="left")


def _registered(checkpoints: pd.DataFrame, trained: pd.DataFrame, named: Collection[str]) -> pd.DataFrame:
    """Rows of networks for registered checkpoints, newest first; one that was made again replaces the older one."""
    import pandas as pd

    if checkpoints.empty or trained.empty:
        return pd.DataFrame()
    cfg = {name.removeprefix(CFGS): trained[name] for name in trained if name.startswith(CFGS)}
    facts = pd.DataFrame(
        {
            "run_id": trained.run_id,
            "spec": trained[read.TAGS + SPEC],
            "batches": cfg["batches"].astype(int),
            "init": cfg.get("init", pd.Series("random", trained.index)).fillna("random"),
            "fraction": cfg.get("fraction", pd.Series(1.0, trained.index)).fillna(1.0).astype(float),
            "batch_size": cfg.get("batch_size", pd.Series(float("nan"), trained.index)).astype(float),
            "settings": settings_of(trained),
        }
    )
    table = checkpoints.rename(columns={MODEL_ID: "model_id", DATASET_ID: "dataset_id"})
    table = table.merge(facts, on="run_id").astype({"seed": int, "step": int})
    table = table.merge(_datasets(), on="dataset_id", how="left").merge(
        _heldout(table, trained), on=["run_id", "step"], how="left"
    )
    table["named"] = table.model_id.isin(named)  # older, but what the scores are of
    table = table.sort_values(["named", "created"], ascending=False, kind="stable").drop_duplicates(["spec", "step"])
    table = table.sort_values("created", ascending=False, kind="stable", ignore_index=True)
    table["task"] = table.task.where(table.batches > 0, "untrained")
    table["outputs"] = [
        _outputs(task, categories, identities)
        for task, categories, identities in zip(table.task, table.category_units, table.identity_units, strict=True)
    ]
    live = table.dataset.str.endswith("-live")
    table["n_train"] = (table.n_train * table.fraction).where(~live, table.step * table.batch_size)
    table["final"] = table.step == table.batches
    return table.assign(translation=table.translation.fillna(""), imported=False)


def _heldout(checkpoints: pd.DataFrame, trained: pd.DataFrame) -> pd.DataFrame:
    """run_id, step and the held-out metrics there: the last values for the last batch, from the history before it."""
    import pandas as pd

    names = {name: name.removeprefix(METRICS) for name in trained if name.startswith(METRICS)}
    last = checkpoints[checkpoints.step == checkpoints.batches][["run_id", "step"]]
    last = last.merge(trained[["run_id", *names]].rename(columns=names), on="run_id")
    before = checkpoints[checkpoints.step != checkpoints.batches]
    history = read.heldout_histories(trained[trained.run_id.isin(before.run_id)])
    history = history.merge(before[["run_id", "step"]], on=["run_id", "step"])
    parts = [last, history.pivot(index=["run_id", "step"], columns="metric", values="value").reset_index()]
    parts = [part for part in parts if len(part)]
    table = pd.concat(parts, ignore_index=True) if parts else last
    return table.drop_duplicates(["run_id", "step"])


def _datasets() -> pd.DataFrame:
    """One row a dataset_id: n_train, n_categories, translation, and how many units its classes have in the head."""
    import pandas as pd

    def parse(row: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        schema = {latent["name"]: latent for latent in json.loads(file("manifest.json").read_text())["schema"]}
        units = {
            f"{name}_units": len(schema[name]["categories"]) for name in ("category", "identity") if name in schema
        }
        return pd.DataFrame([units]).astype(float)

    made = read.runs(entry="render", metrics=())
    columns = ["dataset_id", "n_train", "n_categories", "translation", "category_units", "identity_units"]
    if made.empty:
        words = {"dataset_id": object, "translation": object}
        return pd.DataFrame({name: pd.Series(dtype=words.get(name, float)) for name in columns})
    made = made.drop_duplicates(read.TAGS + DATASET_ID)
    units = read.tables("units-1", made, parse)
    table = pd.DataFrame({"run_id": made.run_id, "dataset_id": made[read.TAGS + DATASET_ID]})
    for name in ("n_train", "n_categories"):
        table[name] = pd.to_numeric(made[CFGS + name]) if CFGS + name in made else float("nan")
    table["translation"] = made.get(CFGS + "translation", "")
    return table.merge(units, on="run_id", how="left").reindex(columns=columns)


def _outputs(task: str, categories: float = float("nan"), identities: float = float("nan")) -> float:
    """Number of supervised units. categories, identities: units of those parts; NaN: as many as published."""
    if task in ("untrained", "imagenet"):
        return {"untrained": 0.0, "imagenet": float(CLASSES)}[task]
    units = {**UNITS, "category": categories, "identity": identities}
    units = {part: UNITS[part] if number != number else number for part, number in units.items()}
    parts = tuple(units) if task == "all" else task.split("+")
    return float(sum(units.get(part, float("nan")) for part in parts))


def _from_tags(table: pd.DataFrame, wanted: Collection[str]) -> pd.DataFrame:
    """Rows of networks that are no registered models, from the tags of runs about them, newest first."""
    import pandas as pd

    rows = []
    for row in table.to_dict("records"):
        tags = {
            key.removeprefix(TAGS): value for key, value in row.items() if key.startswith(TAGS) and value is not None
        }
        if tags.get("model_id") not in wanted:
            continue
        uri = row.get(CFGS + "models") or ""
        said = f"{tags.get('arch', '')} {tags.get('task', '')}".strip()
        rows.append(
            {
                "model_id": tags["model_id"],
                "uri": uri,
                "run_id": "",
                "name": tags["task"] if "group=" in uri else re.sub(r"@random\d+$", "@random", uri) or said,
                **{name: tags.get(name, "") for name in ("task", "arch", "dataset", "translation", "settings")},
                "dataset_id": "",
                **{name: int(tags.get(name, -1)) for name in ("seed", "step")},
                "final": True,
                "init": "",
                **{name: float(tags.get(name, "nan")) for name in ("fraction", "n_train", "n_categories")},
                "outputs": float(tags.get("outputs", _outputs(tags.get("task", "")))),
                "imported": tags.get("imported") == "true",
                "networks": float(tags.get("networks", "nan")) if tags.get("seed") == "-1" else 1.0,
                **{key.removeprefix(METRICS): value for key, value in row.items() if key.startswith(METRICS)},
            }
        )
    return pd.DataFrame(rows)


def _scores(scored: pd.DataFrame, imported: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    chosen = pd.concat([part for part in (scored, imported) if len(part)] or [scored])
    table = read.scores(chosen)
    if table.empty:
        return empty_frames()["scores"]
    elsewhere = table.run_id.isin(imported.run_id)
    place = table.groupby(["run_id", "benchmark"]).layer.transform(lambda layers: pd.factorize(layers)[0])
    ratio = table.raw / table.ceiling.where(table.ceiling > 0)
    defaults: dict[str, Any] = {
        "depth": place.where(~elsewhere, -1),
        "primary": True,
        "engine": elsewhere.map({True: "imported", False: "fast"}),
        "formula": "",
        "selection": "",
        "r2_over_c": (ratio * table.raw).where(~elsewhere),  # their raw values may be of any kind
        "r_over_c_squared": (ratio**2).where(~elsewhere),
        "ceiling_error": float("nan"),  # runs before these were computed
        "ceiled_error": float("nan"),
    }
    for name, value in defaults.items():
        there = table[name] if name in table else pd.Series(None, table.index, dtype=object)
        table[name] = there.where(there.notna(), value)
    same = (table.ceiled - table.raw).abs() <= ROUNDED
    table["formula"] = table.formula.mask(
        elsewhere & table.formula.isin(["none", ""]) & table.ceiled.notna() & ~same, UNKNOWN
    )
    measured = ["model_id", "benchmark", "metric"]  # of what was scored again, by whatever version, the newest counts
    newest = table.groupby(measured, dropna=False).run_id.transform("first")
    table["committed"] = table.committed.astype(bool) & (table.run_id == newest)
    table = table.drop_duplicates([*measured, "layer"], ignore_index=True)
    types = {"depth": int, "primary": bool, "committed": bool, "r2_over_c": float, "r_over_c_squared": float}
    types |= {"ceiling_error": float, "ceiled_error": float}
    return table.astype(types)[list(SCORES)]


def _pairs(similar: pd.DataFrame) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    def parse(row: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        models = read.table_file(file("models.json")).set_index("model").model_id
        parts = []
        for metric in row[CFGS + "metric"].split(","):
            for depth, layer in enumerate(read.table_file(file(f"groups_{metric}.json")).layer.unique()):
                name = f"{metric}_{layer}.parquet"
                matrix = pd.read_parquet(file(f"matrices/{file_name(name)}", f"matrices/{name}")).set_index("model")
                ids = models[matrix.index].to_numpy()
                first, second = np.triu_indices(len(ids), 1)
                facts = {"metric": metric, "layer": layer, "depth": depth}
                values = matrix.to_numpy()[first, second]
                parts.append(pd.DataFrame({**facts, "model_a": ids[first], "model_b": ids[second], "value": values}))
        return pd.concat(parts, ignore_index=True)

    table = read.tables("pairs-1", similar, parse)
    if table.empty:
        return empty_frames()["pairs"]
    swapped = table.model_a > table.model_b
    low, high = table.model_a.where(~swapped, table.model_b), table.model_b.where(~swapped, table.model_a)
    again = table.assign(low=low, high=high).duplicated(["metric", "layer", "low", "high"])
    return table.loc[~again, list(PAIRS)].reset_index(drop=True)


def _decodings(decoded: pd.DataFrame) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    def parse(row: dict[str, Any], file: Callable[..., Path]) -> pd.DataFrame:
        table = read.table_file(file("decoding.json"))
        table["depth"] = pd.factorize(table.layer)[0]
        table["n_train"] = table.n_train if "n_train" in table else np.nan
        numbers = {"value": float, "chance": float, "n_train": float}
        return table[[name for name in DECODINGS if name != "run_id"]].astype(numbers)

    table = read.tables("decodings-2", decoded, parse)
    if table.empty:
        return empty_frames()["decodings"]
    images = table.run_id.map(decoded.set_index("run_id").get(read.TAGS + DATASET_ID, pd.Series(dtype=object)))
    shown = set(images[table.model_id != PIXELS]) or set(images)
    table = table[(table.model_id != PIXELS) | images.isin(shown)]  # of others' images no baseline
    newest = table.groupby(["model_id", "layer", "latent"]).run_id.transform("first")
    return table.loc[table.run_id == newest, list(DECODINGS)].reset_index(drop=True)
