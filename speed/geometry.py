"""Tables and figures of geometry from the kept products of 60 networks' tuning runs.

    python -m speed.geometry [--quick]

Made-up runs, as large as those of a ResNet-18 at six layers with six factors (1,728 numbers of layers, 24,024 of
channels), and their train and score runs are written into a fresh registry. `first` reads them all and draws what the
paper on geometry has, `again` does it from the cache. No alternative has such tables; the bound is two minutes.
--quick: 8 networks.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from speed.common import peak_mib, report

NETWORKS, QUICK = 60, 8
TASKS = ("distance", "translation", "category", "untrained")
LAYERS = {
    "layer1.0.relu": 64,
    "layer2.0.relu": 128,
    "layer3.0.relu": 256,
    "layer4.0.relu": 512,
    "avgpool": 512,
    "fc": 530,
}
FACTORS = {"x": "x", "distance": "z", "yaw": "rot_1", "light": "light", "y": "y", "pitch": "rot_0"}
MEASURES = ("factorisation_pca", "factorisation_covariance", "factorisation", "invariance_published", "invariance",
            "dimension", "dimension_plain", "turning", "turning_plain", "stability", "components")  # fmt: skip
EFFECTS = ("{}", "context", "{} × context", "residual")
STEPS = 30  # of d' and Fisher information a factor and layer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="8 networks")
    networks = QUICK if parser.parse_args().quick else NETWORKS
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLSPATIAL_CACHE"] = f"{folder}/cache"
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.chdir(folder)
        report(measure(networks))


def measure(networks: int) -> list[dict]:
    from mlspatial.compare.checks import CHECKS
    from mlspatial.compare.drawing import FIGURES
    from mlspatial.compare.evidence import load
    from mlspatial.compare.style import save_drawing
    from mlspatial.compare.table import TABLES
    from mlspatial.papers import PAPERS, known_items

    known_items()
    fill(networks)
    paper = PAPERS["geometry"]
    cases = {}
    for case in ("first", "again"):
        started = time.perf_counter()
        evidence = load("speed")
        read = time.perf_counter() - started
        assert evidence.tunings.model_id.nunique() == networks + 1, "not every network was read"
        for name in paper.items:
            if name in TABLES:
                TABLES[name](evidence).to_csv()
            else:
                save_drawing(FIGURES[name](evidence), Path("out"))
        for name in CHECKS:
            if CHECKS[name].__module__.startswith(paper.package):
                CHECKS[name](evidence)
        cases[case] = read, time.perf_counter() - started
    facts = {"unit": "seconds", "n": networks, "bound": 120}
    return [
        {"case": f"geometry_of_networks_{case}", "ours": round(whole, 1), "reading": round(read, 1), **facts,
         "peak_mib": peak_mib()}
        for case, (read, whole) in cases.items()
    ]  # fmt: skip


def fill(networks: int) -> None:
    """Train, tuning and score runs of so many networks, in turn of TASKS, and a tuning run of pixels."""
    import pandas as pd

    from mlspatial.core.score import Score
    from mlspatial.registry import runs
    from mlspatial.registry.models import ensure_registered
    from mlspatial.registry.store import client
    from mlspatial.steps.score_files import log_scores

    client()
    for place in range(networks):
        task, seed = TASKS[place % len(TASKS)], place // len(TASKS)
        said, batches = ("distance", 0) if task == "untrained" else (task, 100)
        model = f"m-{task}-{seed}"
        cfg = {"task": said, "seed": seed, "batches": batches, "arch": "resnet18", "dataset": "d", "lr": 0.001}
        with runs.open_run(runs.Spec("train", 1, {"dataset_id": "x"}, cfg), name="train", study="speed") as run:
            ensure_registered(f"resnet18.d.{said}")
            logged = client().create_logged_model(client().get_run(run.id).info.experiment_id, source_run_id=run.id)
            client().finalize_logged_model(logged.model_id, "READY")
            tags = {"seed": seed, "step": batches, "task": said, "arch": "resnet18", "dataset": "d",
                    "mlspatial.model_id": model, "mlspatial.dataset_id": "x"}  # fmt: skip
            texts = {key: str(value) for key, value in tags.items()}
            client().create_model_version(f"resnet18.d.{said}", f"models:/{logged.model_id}", run_id=run.id, tags=texts)
        tune(model, place, LAYERS)
        with runs.open_run(runs.Spec("score", 1, {"model_id": model}, {}), name="score", study="speed") as run:
            raw = 0.3 + 0.002 * place
            rows = [
                {"benchmark": "v4", "region": "V4", "layer": layer, "committed": layer == "layer3.0.relu",
                 "model_id": model, **Score(raw, 0.8, 0.01, 10, "pls25", "1").to_json()}
                for layer in ("layer2.0.relu", "layer3.0.relu")
            ]  # fmt: skip
            log_scores(run, pd.DataFrame(rows))
    tune("pixels", networks, {"pixels": 3})


def tune(model: str, seed: int, layers: dict[str, int]) -> None:
    """A run with files as `tuning` leaves them."""
    import pandas as pd

    from mlspatial.registry import runs

    rng = np.random.default_rng(seed)
    numbers, units = [], []
    for layer, channels in layers.items():
        for crossing, factor in FACTORS.items():
            where = {"layer": layer, "crossing": crossing}
            numbers += [
                {**where, "measure": name, "factor": factor, "other": "", "value": rng.random()} for name in MEASURES
            ]
            numbers += [{**where, "measure": "variance_component", "factor": effect.format(factor), "other": "",
                         "value": rng.random()} for effect in EFFECTS]  # fmt: skip
            numbers += [{**where, "measure": "d_prime", "factor": factor, "other": str(i), "value": rng.random()}
                        for i in range(STEPS)]  # fmt: skip
            for pool in ("space", "centre"):
                part = pd.DataFrame({**where, "factor": factor, "pool": pool, "unit": range(channels)})
                names = ("selectivity", "floor", "reliability", "reliability_floor", "p", "monotonicity", "width")
                units.append(part.assign(**{name: rng.random(channels).astype(np.float32) for name in names}))
    population = pd.DataFrame(numbers).assign(error=0.01, low=0.0, high=1.0, model_id=model)
    cfg = {"models": model, "dataset": "sweeps", "permutations": 20}
    with runs.open_run(runs.Spec("tuning", 1, {"model_id": model}, cfg), name="tuning", study="speed") as run:
        run.set_tags({"mlspatial.model_id": model, "mlspatial.dataset_id": "design"})
        for name, table in (("population", population), ("units", pd.concat(units))):
            table.to_parquet(f"{name}.parquet", index=False)
            run.log_file(Path(f"{name}.parquet"))


if __name__ == "__main__":
    main()
