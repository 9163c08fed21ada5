"""A made-up Evidence of a whole study, from a seeded generator: what the figures are tested on.

The numbers look like published ones (tasks start alike, spatial and category networks end near .4, CKA falls in
layer4), but nothing is measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from mlspatial.compare.evidence import DECODINGS, NETWORKS, PAIRS, SCORES, Evidence, empty_frames
from mlspatial.compare.kept import UNIT_COLUMNS
from mlspatial.core.predictions import Predictions

SEED = 20250101
TARGETS = {"distance": 1, "translation": 2, "rotation": 6, "category": 117, "identity": 548}
TASKS = (
    "distance", "translation", "distance+translation", "rotation", "distance+rotation", "translation+rotation",
    "distance+translation+rotation", "category", "identity", "all",
)  # fmt: skip
STEPS = (2_000, 10_000, 40_000, 200_000, 500_000)
FRACTIONS = (0.0001, 0.001, 0.01, 0.1, 1.0)
LAYERS = {
    "resnet18": ("relu", *(f"layer{i}.{j}.relu" for i in (1, 2, 3, 4) for j in (0, 1)), "avgpool", "fc"),
    "resnet50": (
        "relu", *(f"layer{i}.{j}.relu" for i, n in enumerate((3, 4, 6, 3), 1) for j in range(n)), "avgpool", "fc",
    ),
}  # fmt: skip
CKA_LAYERS = tuple(f"layer{i}.0.relu" for i in (1, 2, 3, 4))
PUBLIC = {
    "FreemanZiemba2013.V1.public-pls": "V1", "FreemanZiemba2013.V2.public-pls": "V2",
    "MajajHong2015.V4.public-pls": "V4", "MajajHong2015.IT.public-pls": "IT", "Rajalingham2018.public-i2n": "behavior",
}  # fmt: skip
OTHERS = {
    "FreemanZiemba2013.V1-pls": "V1", "Marques2020_Cavanaugh2002-surround": "V1", "FreemanZiemba2013.V2-pls": "V2",
    "SanghaviMurty2020.V4-pls": "V4", "cowley2023_v4": "V4", "SanghaviMurty2020.IT-pls": "IT",
    "SanghaviJozwik2020.IT-pls": "IT", "Bracci2019.anteriorVTC-rdm": "IT",
}  # fmt: skip
TOP = {"V1": 0.27, "V2": 0.27, "V4": 0.58, "IT": 0.48, "behavior": 0.40}  # near Xie et al. 2025, table C.1
FLOOR = {"V1": 0.21, "V2": 0.11, "V4": 0.38, "IT": 0.25, "behavior": 0.02}
BEST = {"V1": 0.2, "V2": 0.4, "V4": 0.5, "IT": 0.7, "behavior": 0.9}  # depth of the best layer, as a share
LATENTS = ("x", "y", "z", "rot_0", "rot_1", "rot_2", "category")
SETTINGS = "batch_size=64 input_size=224 lr=0.001"


def synthetic_evidence(
    *,
    archs: Sequence[str] = ("resnet18", "resnet50"),
    tasks: Sequence[str] = TASKS,
    seeds: int = 3,
    steps: Sequence[int] = STEPS,
    scaling: bool = True,
    variability: bool = True,
    controls: bool = True,
    benchmarks: dict[str, str] | None = None,
    seed: int = SEED,
) -> Evidence:
    """A whole study. steps: checkpoints; scaling: fractions of 100 M images; variability: TDW-N and reduced
    translation; controls: untrained and ImageNet networks; benchmarks: name -> region, default the public five and
    eight others. Pairs and decodings are of the first architecture.
    """
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for arch in archs:
        for task in tasks:
            for number in range(seeds):
                rows += [_network(arch, task, number, step, step == steps[-1], rng) for step in steps]
        if variability:
            for n in (1, 2, 4, 6, 8, 16):
                targets = ("distance", "translation", "rotation") if n == 1 else ("category",)
                for task, number in _grid(targets, seeds + 2 if n == 1 else seeds):
                    more = {"dataset": f"spatial{n}", "n_categories": float(n)}
                    rows.append(_network(arch, task, number, steps[-1], True, rng, **more))
            for task, number in _grid(("distance", "rotation", "category"), seeds + 2):
                more = {"dataset": "centred117", "translation": "none"}
                rows.append(_network(arch, task, number, steps[-1], True, rng, **more))
        if scaling:
            for fraction in FRACTIONS:
                for task, number in _grid(("distance", "translation", "rotation", "category", "all"), 2):
                    more = {"dataset": "spatial117_100m", "fraction": fraction, "n_train": fraction * 1e8}
                    rows.append(_network(arch, task, number, 3 * steps[-1], True, rng, **more))
        if controls:
            rows += [_network(arch, "untrained", number, 0, True, rng) for number in range(seeds)]
            more = {"dataset": "imagenet1k", "imported": True, "run_id": "", "n_train": 1.28e6, "n_categories": 1e3}
            more["settings"] = ""
            rows.append(_network(arch, "imagenet", -1, 0, True, rng, **more))  # no seed of ours
    networks = _frame(rows, NETWORKS)
    compared = _compared(networks, steps[-1])
    return Evidence(
        study="synthetic",
        networks=networks,
        scores=_scores(networks, {**PUBLIC, **OTHERS} if benchmarks is None else benchmarks, rng),
        pairs=_pairs(compared, rng),
        decodings=_decodings(compared, rng),
        links={run: f"http://mlflow.example/#/runs/{run}" for run in networks.run_id if run},
    )


def little_evidence(seed: int = SEED) -> Evidence:
    """What a first small study leaves: two tasks x two seeds and untrained networks, one simulated benchmark of V1."""
    rng = np.random.default_rng(seed)
    more: dict[str, Any] = {"dataset": "quick", "n_train": 4000.0, "n_categories": 8.0}
    grid = [("translation", 70), ("category", 70), ("untrained", 0)]
    rows = [_network("resnet18", task, n, step, True, rng, **more) for task, step in grid for n in (0, 1)]
    networks = _frame(rows, NETWORKS)
    return Evidence(
        study="quick",
        networks=networks,
        scores=_scores(networks, {"simulated_v1": "V1"}, rng, layers=CKA_LAYERS),
        pairs=_pairs(networks, rng),
        decodings=_decodings(networks, rng),
        links=dict.fromkeys(networks.run_id, ""),
    )


def predicted(
    evidence: Evidence, *, stimuli: int = 60, units: int = 24, strength: Mapping[str, float] | None = None
) -> Evidence:
    """The evidence with kept predictions of the layers that count: what a network sees of eight latents carries an
    error, the same for every seed of a task but for its draw. strength: task -> error variance, default by its name."""
    facts = evidence.networks.set_index("model_id")
    of_run = evidence.scores.groupby("run_id").model_id.first()
    names = tuple(f"stimulus{i}" for i in range(stimuli))

    def kept(run: str, keys: Collection[tuple[str, str]]) -> list[Predictions]:
        if run not in of_run.index:
            return []
        network, found = facts.loc[of_run[run]], []
        for benchmark, metric in sorted(keys):
            rng = np.random.default_rng([len(benchmark), 5])
            weights, latents = rng.standard_normal((units, 8)), rng.standard_normal((stimuli, 8))
            noise = np.full((stimuli, units), 2.0)
            responses = latents @ weights.T + np.sqrt(2.0) * rng.standard_normal((stimuli, units))
            error = (strength or {}).get(network.task, 0.3 + len(network.task) % 5)
            own = np.random.default_rng([int(network.seed) + 1, len(network.task), len(str(network.dataset))])
            seen = latents + np.sqrt(error) * own.standard_normal(latents.shape)
            rows = evidence.scores[(evidence.scores.run_id == run) & (evidence.scores.benchmark == benchmark)]
            found.append(
                Predictions(
                    benchmark, rows.region.iloc[0], metric, rows.layer.iloc[-1], names,
                    (np.arange(stimuli) % 10).astype(np.int16), tuple(map(str, range(units))),
                    (seen @ weights.T).astype(np.float32), responses.astype(np.float32), noise.astype(np.float32),
                    np.full(units, 0.8, np.float32),
                )
            )  # fmt: skip
        return found

    return replace(evidence, predictions=kept)


def with_units(evidence: Evidence, *, layers: bool) -> Evidence:
    """Units u0 to u4, two splits; r is a known function of network, layer, unit and split."""
    rows = []
    for place, score in enumerate(evidence.scores.itertuples()):
        if score.primary and (layers or score.committed):
            for unit in range(5):
                for split in range(2):
                    r = place / 1000 + unit / 10 + split / 50
                    facts = (score.model_id, score.benchmark, score.region, score.metric, score.layer, score.committed)
                    rows.append((score.run_id, *facts, f"u{unit}", split, np.float32(r), 0.9))
    table = pd.DataFrame(rows, columns=["run_id", *UNIT_COLUMNS])
    return replace(evidence, units=lambda runs: table[table.run_id.isin(runs)])


def no_evidence() -> Evidence:
    """Empty frames."""
    return Evidence(study="", links={}, **empty_frames())


# ---- networks ---------------------------------------------------------------------------------------------------


def _grid(tasks: Iterable[str], seeds: int) -> list[tuple[str, int]]:
    return [(task, number) for task in tasks for number in range(seeds)]


def _outputs(task: str, n_categories: float) -> float:
    if task in ("untrained", "imagenet"):
        return 0.0 if task == "untrained" else 1000.0
    counts = {**TARGETS, "category": n_categories}
    return float(sum(counts.values()) if task == "all" else sum(counts[part] for part in task.split("+")))


def _network(
    arch: str, task: str, seed: int, step: int, final: bool, rng: np.random.Generator, **more: Any
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "task": task, "arch": arch, "seed": seed, "step": step, "final": final, "dataset": "spatial117",
        "fraction": 1.0,
        "n_train": 1.3e6, "n_categories": 117.0, "translation": "full", "settings": SETTINGS, "imported": False,
        "init": "imagenet" if task == "imagenet" else "random", **more,
    }  # fmt: skip
    name = f"{arch}.{facts['dataset']}.{task.replace('+', '-')}"
    run = f"train-{name}-f{facts['fraction']:g}-s{seed}"
    learned = _learned(task, step, facts)
    loss = float(1.05 - learned + 0.07 * rng.normal())
    facts |= {
        "model_id": f"m-{run}-{step}", "uri": f"models:/m-{run}-{step}", "name": name,
        "dataset_id": f"id-{facts['dataset']}", "outputs": _outputs(task, facts["n_categories"]),
        "loss": np.nan if task == "imagenet" else loss,
    }  # fmt: skip
    facts.setdefault("run_id", run)
    quality = float(np.clip(learned - 0.02 * rng.random(), 0, 1))
    for part in TARGETS if task == "all" else task.split("+"):
        if part in TARGETS:
            facts[f"heldout/{part}/{'top1' if part in ('category', 'identity') else 'r2'}"] = quality
    return facts


def _learned(task: str, step: int, facts: dict[str, Any]) -> float:
    """How far a network has come, 0 untrained to about 1."""
    if task == "untrained":
        return 0.0
    if task == "imagenet":
        return 1.05
    time = 1 - np.exp(-step / (2e2 if step < 1000 else 3e4))
    data = np.clip((np.log10(facts["n_train"]) - 2.5) / 3.5, 0.2, 1)
    variety = 0.75 + 0.25 * np.log(facts["n_categories"]) / np.log(117)
    return float(time * data * variety * (0.95 if facts["translation"] == "none" else 1.0))


def _frame(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows)
    return frame[[*columns, *(name for name in frame.columns if name not in columns)]]


def _compared(networks: pd.DataFrame, step: int) -> pd.DataFrame:
    """The networks whose similarity and decodings are asked for: last checkpoints of the first architecture."""
    arch = networks.arch.iloc[0]
    kept = networks.final & (networks.arch == arch) & (networks.step <= step)
    return networks[kept & ~networks.n_categories.isin([2, 4, 6, 8, 16])]


# ---- measurements -----------------------------------------------------------------------------------------------


def _scores(
    networks: pd.DataFrame, benchmarks: dict[str, str], rng: np.random.Generator, layers: Sequence[str] = ()
) -> pd.DataFrame:
    parts: list[dict[str, Any]] = []
    for row in networks.itertuples():
        candidates = list(layers or LAYERS[row.arch])
        depth = np.arange(len(candidates))
        learned = _learned(row.task, row.step, row._asdict())
        for place, (benchmark, region) in enumerate(benchmarks.items()):
            public = benchmark in PUBLIC or len(benchmarks) == 1
            if not public and not (row.final and row.fraction == 1):
                continue
            gain = learned * (0.2 if region == "behavior" and row.task in ("distance", "translation") else 1.0)
            peak = FLOOR[region] + (TOP[region] - FLOOR[region]) * gain + 0.01 * rng.normal()
            peak *= 1.0 if public else 0.6 + 0.05 * place
            best = BEST[region] * (len(candidates) - 1) + 0.7 * rng.normal()
            values = peak * np.exp(-(((depth - best) / (0.45 * len(candidates))) ** 2))
            committed = depth == int(values.argmax())
            if region == "behavior":
                committed = np.array([layer == "avgpool" for layer in candidates])
            parts.append(
                {
                    "run_id": f"score-{row.model_id}-{benchmark}", "model_id": row.model_id, "benchmark": benchmark,
                    "region": region, "layer": candidates, "depth": depth, "committed": committed,
                    "metric": "i2n" if region == "behavior" else "pls25", "ceiled": values,
                }
            )  # fmt: skip
    counts = [len(part["depth"]) for part in parts]
    table = pd.DataFrame(
        {
            name: np.concatenate([np.broadcast_to(part[name], n) for part, n in zip(parts, counts, strict=True)])
            for name in parts[0]
        }
    )
    ceiling = 0.7
    return table.assign(
        primary=True, raw=table.ceiled * ceiling, ceiling=ceiling, error=0.01, ceiling_error=0.02,
        ceiled_error=0.015 + 0.01 * (table.depth % 2), n=10, formula="r2_over_c", version="1", engine="fast",
        selection="same images", r2_over_c=table.ceiled, r_over_c_squared=table.ceiled,
    ).reindex(columns=list(SCORES))  # fmt: skip


def _pairs(networks: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Networks of one task resemble each other most; all part in the last block; untrained ones keep to themselves."""
    count = len(networks)
    place = {task: rng.normal(size=6) for task in dict.fromkeys(networks.task)}
    own = np.array([place[task] for task in networks.task]) + 0.3 * rng.normal(size=(count, 6))
    rows = []
    first, second = (np.array(side) for side in zip(*combinations(range(count), 2), strict=True))
    apart = np.linalg.norm(own[first] - own[second], axis=1)
    raw = (networks.task == "untrained").to_numpy()
    apart += 3.0 * (raw[first] != raw[second])
    for depth, layer in enumerate(CKA_LAYERS):
        value = np.exp(-apart * (0.02, 0.04, 0.07, 0.25)[depth]) - 0.02
        for metric, shift in (("cka", 0.0), ("cka_debiased", -0.01)):
            rows.append(
                pd.DataFrame(
                    {
                        "run_id": "similarity-0", "metric": metric, "layer": layer, "depth": depth,
                        "model_a": networks.model_id.to_numpy()[first], "model_b": networks.model_id.to_numpy()[second],
                        "value": value + shift,
                    }
                )
            )  # fmt: skip
    return pd.concat(rows, ignore_index=True)[list(PAIRS)]


def _decodings(networks: pd.DataFrame, rng: np.random.Generator, folds: int = 5) -> pd.DataFrame:
    layers = (*CKA_LAYERS, "avgpool", "fc")
    parts = [_decoded("pixels", "pixels", -1, 0.1, folds, rng)]
    for row in networks.itertuples():
        learned = _learned(row.task, row.step, row._asdict())
        for depth, layer in enumerate(layers):
            rise = 0.25 + (0.55 * learned + 0.1) * (1 - ((depth - 3) / 4.5) ** 2)
            parts.append(_decoded(row.model_id, layer, depth, rise, folds, rng))
    return pd.concat(parts, ignore_index=True)[list(DECODINGS)]


def _decoded(model_id: str, layer: str, depth: int, rise: float, folds: int, rng: np.random.Generator) -> pd.DataFrame:
    latent = np.repeat(LATENTS, folds)
    is_class = latent == "category"
    return pd.DataFrame(
        {
            "run_id": f"decode-{model_id}", "model_id": model_id, "layer": layer, "depth": depth, "latent": latent,
            "fold": np.tile(np.arange(folds), len(LATENTS)), "measure": np.where(is_class, "accuracy", "pearson_r"),
            "value": np.clip(rise * np.where(is_class, 0.6, 1.0) + 0.02 * rng.normal(size=len(latent)), 0, 1),
            "chance": np.where(is_class, 1 / 117, 0.0), "n_train": 1600.0,
        }
    )  # fmt: skip
