"""The connection to the tracking store: where it is, and that it is set up once and only once."""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock

from mlspatial.core.errors import UserError

DEFAULT_URI = "sqlite:///mlflow.db"
LOCAL_UI = "http://127.0.0.1:5000"
_SQLITE = "sqlite:///"

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")  # about 30 s, then one clear line


def tracking_uri() -> str:
    return os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI


def client() -> Any:
    """An MlflowClient for MLFLOW_TRACKING_URI (default: mlflow.db in this folder), the store initialised.

    Several processes that open an empty database at once break it, so the first one sets it up under a file lock.
    Raises UserError when the store cannot be reached or is of a kind MLflow no longer takes.
    """
    return _client(tracking_uri())


@cache
def _client(uri: str) -> Any:
    import mlflow
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for name in ("mlflow.pyfunc", "mlflow.store.db.utils"):
        logging.getLogger(name).setLevel(logging.WARNING)  # not a line for every model
    os.environ["MLFLOW_TRACKING_URI"] = uri  # so that child processes and model loading agree
    mlflow.set_tracking_uri(uri)
    try:
        if uri.startswith(_SQLITE):
            path = Path(uri.removeprefix(_SQLITE))
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock"):
                fresh = not _is_initialised(path)
                made = mlflow.MlflowClient(tracking_uri=uri)
                if fresh:
                    made.search_experiments(max_results=1)
                    with closing(sqlite3.connect(path)) as database:
                        database.execute("PRAGMA journal_mode=WAL")
        else:
            made = mlflow.MlflowClient(tracking_uri=uri)
            made.search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError, OSError, sqlite3.Error) as error:
        raise UserError(
            f"MLFLOW_TRACKING_URI={uri}: cannot be used ({_first_line(error)}); is it right, and up?"
        ) from error
    return made


def _is_initialised(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
        return bool(tables) and bool(database.execute("SELECT version_num FROM alembic_version").fetchall())


def ui_address(experiment: str, run_id: str) -> str:
    """Where the MLflow UI shows a run; for a database without a server, where `make ui` will show it."""
    uri = tracking_uri()
    server = uri.rstrip("/") if uri.startswith("http") else LOCAL_UI
    return f"{server}/#/experiments/{experiment}/runs/{run_id}?workflowType=machine_learning"


def experiment_id() -> str:
    """The experiment that new runs go to: MLFLOW_EXPERIMENT_ID, MLFLOW_EXPERIMENT_NAME, or the default one."""
    if by_id := os.environ.get("MLFLOW_EXPERIMENT_ID"):
        return by_id
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
    found = client().get_experiment_by_name(name)
    if found is not None:
        return found.experiment_id
    return client().create_experiment(name)


def all_experiments() -> list[str]:
    """Ids of every active experiment: a result is found wherever it was made."""
    ids: list[str] = []
    token = None
    while True:
        page = client().search_experiments(max_results=1000, page_token=token)
        ids += [experiment.experiment_id for experiment in page]
        token = page.token
        if not token:
            return ids


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
