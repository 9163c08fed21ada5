"""Runs of a study to one pandas table, against `mlflow.search_runs`: 10,000 runs of 30 metrics and 20 parameters.

    python -m speed.compare [--quick]

The runs are written row by row into a fresh MLflow database on SQLite (MLflow reads them afterwards, or there would be
nothing to time). Ours is timed without a cache (`first`), with one (`again`), and after ten more runs
(`after_10_more_runs`); `mlflow.search_runs` has no cache, its time is the same each time. All in one process, all
imports done before. `error` is the largest difference of a metric between the two tables, which must also hold the same
parameters and tags. --quick: 1,500 runs.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from speed.common import peak_mib, report

RUNS, QUICK = 10_000, 1_500
METRICS, PARAMS = 30, 20
MORE = 10
START = 1_700_000_000_000  # milliseconds since 1970


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    runs = QUICK if parser.parse_args().quick else RUNS
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MLSPATIAL_CACHE"] = f"{folder}/cache"
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        report(measure(runs, Path(folder) / "artifacts"))


def measure(runs: int, artifacts: Path) -> list[dict]:
    import mlflow

    from mlspatial.registry import read
    from mlspatial.registry.store import all_experiments, client

    client()
    experiment = client().create_experiment("speed", artifact_location=artifacts.as_uri())
    fill(runs, experiment, artifacts)
    first, table = seconds(lambda: read.runs(entry="train"))
    again, table = seconds(lambda: read.runs(entry="train"))
    fill(MORE, experiment, artifacts, start=START + runs * 2000)
    more, table = seconds(lambda: read.runs(entry="train"))

    def alternative() -> Any:
        found = mlflow.search_runs(all_experiments(), "tags.`mlspatial.entry` = 'train'", max_results=50_000)
        assert len(found) == runs + MORE, "MLflow does not read what was written"
        return found

    theirs, reference = seconds(alternative)
    facts = {"unit": "seconds", "alternative_name": "mlflow.search_runs", "error": difference(table, reference)}
    cases = {"first": first, "again": again, f"after_{MORE}_more_runs": more}
    return [
        {
            "case": f"runs_to_table_{name}",
            "ours": round(ours, 3),
            "alternative": round(theirs, 2),
            "ratio": round(theirs / ours, 1),
            **facts,
            "peak_mib": peak_mib(),
            "n": runs,
        }
        for name, ours in cases.items()
    ]


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def difference(ours: Any, theirs: Any) -> float:
    """The largest difference of a metric; raises AssertionError where anything else differs."""
    assert set(ours.columns) == set(theirs.columns)
    ours, theirs = (table.set_index("run_id").sort_index() for table in (ours, theirs))
    metrics = [name for name in ours if name.startswith("metrics.")]
    others = [name for name in ours if name not in metrics]
    assert ours[others].astype(object).equals(theirs[others].astype(object))
    return float(np.abs(ours[metrics].to_numpy() - theirs[metrics].to_numpy()).max())


def fill(runs: int, experiment: str, artifacts: Path, start: int = START) -> list[str]:
    """Write finished train runs into the tables of the tracking store; return their ids."""
    from mlflow.store.tracking.dbmodels import models as tables
    from sqlalchemy import create_engine

    from mlspatial.registry.store import tracking_uri

    rng = np.random.default_rng([start, runs])
    ids = [uuid.UUID(bytes=rng.bytes(16)).hex for _ in range(runs)]
    values = rng.standard_normal((runs, METRICS))
    run_rows = [
        {
            "run_uuid": run,
            "name": f"train {i}",
            "user_id": "speed",
            "status": "FINISHED",
            "start_time": start + 2000 * i,
            "end_time": start + 2000 * i + 1500,
            "lifecycle_stage": "active",
            "artifact_uri": f"{artifacts.as_uri()}/{run}/artifacts",
            "experiment_id": int(experiment),
        }
        for i, run in enumerate(ids)
    ]
    rows: dict[Any, list[dict[str, Any]]] = {tables.SqlRun: run_rows}
    rows[tables.SqlParam] = [
        {"run_uuid": run, "key": f"cfg.parameter_{j}", "value": f"{i % (j + 2)}"}
        for i, run in enumerate(ids)
        for j in range(PARAMS)
    ]
    rows[tables.SqlTag] = [
        {"run_uuid": run, "key": key, "value": value}
        for i, run in enumerate(ids)
        for key, value in {
            "mlflow.runName": f"train {i}",
            "mlspatial.entry": "train",
            "mlspatial.study": f"study{i % 20}",
            "mlspatial.spec": f"{i:032x}",
            "mlspatial.dataset_id": "d",
        }.items()
    ]
    metrics = [
        {
            "run_uuid": run,
            "key": f"heldout/metric_{j}",
            "value": float(values[i, j]),
            "timestamp": start + 2000 * i + j,
            "step": 100,
            "is_nan": False,
        }
        for i, run in enumerate(ids)
        for j in range(METRICS)
    ]
    rows[tables.SqlMetric] = rows[tables.SqlLatestMetric] = metrics
    with create_engine(tracking_uri()).begin() as connection:
        for table, entries in rows.items():
            connection.execute(table.__table__.insert(), entries)
    return ids


if __name__ == "__main__":
    main()
