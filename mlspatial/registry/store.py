"""The connection to the tracking store: where it is, and that it is set up once and only once."""

from __future__ import annotations

import logging
import os
import re
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from functools import cache, wraps
from importlib.util import find_spec
from inspect import isfunction
from pathlib import Path
from typing import Any

from filelock import FileLock

from mlspatial.core.errors import Unreachable, UserError
from mlspatial.core.secrets import parted
from mlspatial.registry import places
from mlspatial.registry.patience import away, hurried, patience, patiently, place, shown, store_errors

DEFAULT_URI = "sqlite:///mlflow.db"
EXPERIMENT = "mlspatial"  # that runs go to when nobody names one
UNNAMED = "0"  # MLflow's Default: `mlflow run` hands it on where no experiment was named
ASIDE = {"extract": "activations"}  # entry -> end of the name of an experiment of its own
LOCAL_UI = "http://127.0.0.1:5000"
UI = "MLSPATIAL_UI"  # the address at which people see the MLflow UI
FIRST_SECONDS = 30.0  # of patience with an address that nobody has answered at yet: it may be wrong
SEEN = "MLSPATIAL_SEEN"  # variable: the address of the store that this process or its parent has reached
BUSY_SECONDS = 1  # for which SQLite itself waits for others, without hearing Ctrl-C; `patiently` goes on from there
_SQLITE = "sqlite:///"
MIGRATIONS = ("store", "db_migrations", "versions")  # where MLflow keeps them
REVISION = re.compile(r"^(revision|down_revision)\b[^=\n]*=\s*[\"'](\w+)[\"']", re.M)

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # of every run that ends, also a dead one's
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # `patiently` asks again, for a time that is documented


def tracking_uri() -> str:
    """Address of the tracking store. User and password in a server's are moved to where MLflow looks for them, so that
    no message, link or other machine gets them with the address."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    if not uri.startswith("http"):
        return uri
    address, user, password = parted(uri)
    if user:
        os.environ["MLFLOW_TRACKING_URI"] = address
        if password:
            os.environ |= {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}
        else:
            os.environ["MLFLOW_TRACKING_TOKEN"] = user
    return address


def database() -> Path | None:
    """The file of the tracking store; None for a server and for other databases."""
    uri = tracking_uri()
    return Path(uri.removeprefix(_SQLITE)) if uri.startswith(_SQLITE) else None


def whereabouts() -> str:
    """The tracking store as messages name it: its address, and which file that is for a person in this folder."""
    file = database()
    return shown(tracking_uri()) + (f", the file {file.resolve()}" if file else "")


def require() -> None:
    """Raise UserError where there is no tracking store yet: a question makes no empty one."""
    file = database()
    if file is not None and not _is_initialised(file):
        raise UserError(
            f"there is no registry at {whereabouts()}; run this in the project's folder, or set MLFLOW_TRACKING_URI to "
            "the one that is meant"
        )


def is_plain() -> bool:
    """Whether a database holds one workspace of MLflow's, so that all its runs are ours to see."""
    return os.environ.get("MLFLOW_ENABLE_WORKSPACES", "").lower() not in ("true", "1") and not os.environ.get(
        "MLFLOW_WORKSPACE"
    )


def is_elsewhere() -> bool:
    """Whether models are registered in another store than runs are."""
    return (os.environ.get("MLFLOW_REGISTRY_URI") or tracking_uri()) != tracking_uri()


def opened() -> None:
    """Have the store set up and its places named, as `client` does; of an SQLite database that MLflow has made and
    that needs no change without MLflow, which takes seconds to load."""
    if database() is None:
        client()
    else:
        _opened(tracking_uri())


@cache
def _opened(uri: str) -> None:
    path = Path(uri.removeprefix(_SQLITE))

    def settled() -> bool:
        if not _is_initialised(path) or _revision(path) != _newest_revision():
            return False
        with FileLock(f"{path}.lock"):
            _settle(path)
        return True

    if not _reached(uri, settled):
        _client(uri)  # which makes it, or says why it cannot be used


def client() -> Any:
    """An MlflowClient for MLFLOW_TRACKING_URI (default: mlflow.db in this folder), the store initialised.

    Its calls go through `patiently`. Several processes that open an empty database at once break it, so the first one
    sets it up under a file lock. Raises UserError when the store cannot be reached or is of a kind MLflow no longer
    takes, or when the artifacts of a database that was moved are nowhere.
    """
    return _client(tracking_uri())


@cache
def _client(uri: str) -> Any:
    import mlflow

    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)  # not a line for every model
    logging.getLogger("mlflow.store.model_registry.abstract_store").setLevel(logging.WARNING)  # nor for every version
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # errors are raised, and told once
    mlflow.set_tracking_uri(uri)
    return _reached(uri, lambda: _open(uri))


def _reached(uri: str, work: Callable[[], Any]) -> Any:
    """What first opens a store: with less patience before it was ever reached. Raises UserError."""
    os.environ["MLFLOW_TRACKING_URI"] = uri  # so that child processes and model loading agree
    patience()
    seen = os.environ.get(SEEN) == uri
    try:
        with nullcontext() if seen else hurried(FIRST_SECONDS):
            made = patiently(work)
    except Unreachable as error:
        if seen:
            raise
        raise _unusable(error.__cause__ or error) from error
    except store_errors(*_alembic_errors(), ImportError) as error:
        raise _unusable(error) from error
    os.environ[SEEN] = uri
    return made


def _alembic_errors() -> tuple[type[Exception], ...]:
    if "alembic" not in sys.modules:
        return ()
    from alembic.util import CommandError

    return (CommandError,)


def _open(uri: str) -> Any:
    if not uri.startswith("http"):
        from mlflow.store.db import utils

        utils.MAX_RETRY_COUNT = 1  # of connecting; its own repeats take 100 s without a word
    if not uri.startswith(_SQLITE):
        made = _patient_client()(tracking_uri=uri)
        made.search_experiments(max_results=1)
        return made
    _wait_shortly()
    path = Path(uri.removeprefix(_SQLITE))
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        fresh = not _is_initialised(path)
        if not fresh:
            _settle(path)
        made = _patient_client()(tracking_uri=uri)
        if fresh:
            made.search_experiments(max_results=1)
            with closing(sqlite3.connect(path)) as database:
                database.execute("PRAGMA journal_mode=WAL")
            places.settle(path)
    return made


def _settle(path: Path) -> None:
    if places.settle(path):
        from mlspatial.registry.read.cache import folder  # which names places too

        shutil.rmtree(folder(), ignore_errors=True)


def _unusable(error: BaseException) -> UserError:
    return UserError(f"{place()}: cannot be used ({away(error) or shown(_first_line(error))}); is it right, and up?")


@cache
def _patient_client() -> Any:
    """MlflowClient, every call of which goes through `patiently`; what must not be done twice is looked for first."""
    import mlflow

    def patient(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            return patiently(lambda: method(self, *args, **kwargs))

        return call

    base = mlflow.MlflowClient

    class PatientClient(base):  # type: ignore[misc, valid-type]
        """An answer may get lost after the store has done what it was asked for."""

        def create_experiment(self, name: str, *args: Any, **kwargs: Any) -> Any:
            return patiently(
                lambda: base.create_experiment(self, name, *args, **kwargs),
                lambda: getattr(self.get_experiment_by_name(name), "experiment_id", None),
            )

        def create_run(
            self, experiment_id: str, start_time: int | None = None, tags: Any = None, run_name: str | None = None
        ) -> Any:
            start, given = start_time or int(time.time() * 1000), tags or {}

            def found() -> Any:
                same = self.search_runs([experiment_id], f"attributes.start_time = {start}") if given else ()
                return next((run for run in same if given.items() <= run.data.tags.items()), None)

            return patiently(lambda: base.create_run(self, experiment_id, start, tags, run_name), found)

        def create_model_version(self, name: str, source: str, *args: Any, **kwargs: Any) -> Any:
            def found() -> Any:
                there = self.search_model_versions(f"name = '{name}'")
                return next((version for version in there if version.source == source), None)

            return patiently(lambda: base.create_model_version(self, name, source, *args, **kwargs), found)

        def log_outputs(self, run_id: str, models: list[Any]) -> None:
            wanted = {model.model_id for model in models}

            def found() -> bool:
                outputs = self.get_run(run_id).outputs
                return wanted <= {model.model_id for model in (outputs.model_outputs if outputs else ())}

            patiently(lambda: base.log_outputs(self, run_id, models), found)

    for name, method in vars(base).items():
        if isfunction(method) and not name.startswith("_") and name not in vars(PatientClient):
            setattr(PatientClient, name, patient(method))
    return PatientClient


@cache
def _wait_shortly() -> None:
    """MLflow has SQLite wait 20 s for a database that others hold, deaf to signals; here it is BUSY_SECONDS."""
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    def shorter(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> tuple[str, Any]:
        if statement.startswith("PRAGMA busy_timeout"):
            statement = f"PRAGMA busy_timeout = {1000 * BUSY_SECONDS}"
        return statement, parameters

    event.listen(Engine, "before_cursor_execute", shorter, retval=True)


def _is_initialised(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return False
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE name = 'alembic_version'").fetchall()
        return bool(tables) and bool(database.execute("SELECT version_num FROM alembic_version").fetchall())


def _revision(path: Path) -> str:
    """Of the tables that a database has."""
    with closing(sqlite3.connect(path)) as database:
        (found,) = database.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found)


@cache
def _newest_revision() -> str:
    """Of the tables that the installed MLflow wants, from the files that change them: it would import all of MLflow to
    say so. "" where they do not say."""
    found = find_spec("mlflow")
    folders = found.submodule_search_locations if found else None
    made: set[str] = set()
    changed: set[str] = set()
    for file in Path((folders or [""])[0], *MIGRATIONS).glob("*.py"):
        stated = dict(REVISION.findall(file.read_text()))
        made.add(stated.get("revision", ""))
        changed.add(stated.get("down_revision", ""))
    newest = made - changed
    return newest.pop() if len(newest) == 1 else ""


def ui_address(experiment: str, run_id: str) -> str:
    """Where the MLflow UI shows a run; for a database without a server, where `make ui` will show it.

    MLSPATIAL_UI names another address, such as that of a proxy in front of it.
    """
    uri = tracking_uri()
    server = os.environ.get(UI) or (uri if uri.startswith("http") else LOCAL_UI)
    server = parted(server)[0].rstrip("/")
    return f"{server}/#/experiments/{experiment}/runs/{run_id}?workflowType=machine_learning"


def experiment_id(entry: str = "") -> str:
    """The experiment that new runs of an entry go to.

    It is that of MLFLOW_EXPERIMENT_ID or MLFLOW_EXPERIMENT_NAME, else EXPERIMENT; runs of entries in ASIDE, which would
    bury the others, have one beside it (EXPERIMENT-activations). Both are made where they are not there. What is in
    other experiments, such as MLflow's Default, is found all the same (`all_experiments`).
    """
    by_id = os.environ.get("MLFLOW_EXPERIMENT_ID", "")
    if by_id == UNNAMED or not by_id:
        main = _experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT, UNNAMED, "")
    else:
        main = by_id
    return _experiment("", main, f"-{ASIDE[entry]}") if entry in ASIDE else main


def _experiment(name: str, beside: str, suffix: str) -> str:
    """Id of an experiment by its name, or of the one whose name is that of `beside` with a suffix; made where it is not
    there, its artifacts then beside those of `beside` (a server says itself where)."""
    from mlflow.exceptions import MlflowException

    neighbour = None
    if not name:
        neighbour = client().get_experiment(beside)
        name = neighbour.name + suffix
    found = client().get_experiment_by_name(name)
    if found is None:
        place = None
        ours = name == EXPERIMENT or neighbour is not None
        if ours and not tracking_uri().startswith("http"):  # a server says itself where
            place = _place(neighbour or client().get_experiment(beside), suffix or name)
        try:
            return str(client().create_experiment(name, artifact_location=place))
        except MlflowException:  # another process was faster
            if (found := client().get_experiment_by_name(name)) is None:
                raise
    if found.lifecycle_stage != "active":
        raise UserError(
            f"experiment {name!r} is deleted; restore it (mlflow experiments restore -x {found.experiment_id}), or "
            "name another in MLFLOW_EXPERIMENT_NAME"
        )
    return str(found.experiment_id)


def _place(neighbour: Any, name: str) -> str:
    """A folder of artifacts beside another experiment's."""
    place = str(neighbour.artifact_location).rstrip("/")
    return place + name if name.startswith("-") else f"{place.rpartition('/')[0]}/{name}"


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
