"""Shared fixtures: an empty registry for every test, and one small rendered dataset for all."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlspatial  # noqa: F401 - before NumPy, as every command does: see core.processor

import numpy as np  # isort: skip
import pytest  # isort: skip

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # of a suite in the background, whose tests are of Ctrl-C, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ["MLSPATIAL_PROGRESS"] = "0"
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLSPATIAL_STORE_PATCH", "false")  # whatever is being changed in this checkout

LARGE = 2 << 20  # bytes
RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Derived data of the tests; meshes, panoramas and kernels are shared by all of them."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MLSPATIAL_CACHE"] = str(folder)
    os.environ["XDG_CONFIG_HOME"] = str(folder / "settings")  # not those of whoever runs the tests
    return folder


@pytest.fixture(autouse=True)
def no_large_files(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test wrote of states and weights goes with it: the suite's folders would take 12 GB at its end."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    for file in folder.rglob("*") if folder else ():
        if file.is_file() and not file.is_symlink() and file.stat().st_size > LARGE:
            file.unlink()


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mlspatial.registry.store import _client

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    _client(f"sqlite:///{path}")
    return path


@pytest.fixture
def registry(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An initialised, empty registry in a folder of its own, which is also the working directory. Its connections are
    closed at the end: a process has so many files, and runs thousands of tests."""
    from mlspatial.registry.store import client

    shutil.copy(empty_database, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "test")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    client().create_experiment("test", artifact_location=f"file://{tmp_path}/artifacts")
    yield tmp_path
    close_databases(tmp_path)


def close_databases(folder: Path) -> None:
    """Of the databases below a folder, what MLflow keeps open; whoever asks again opens them anew."""
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Models
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Runs

    for store in (Runs, Models):
        for uri, engine in list(store._engine_map.items()):
            if str(folder) in str(uri):
                engine.dispose()


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """300 training and 60 held-out images of three categories at 48 px. Read only."""
    from mlspatial.render.studio import Recipe
    from mlspatial.render.write import render_dataset

    folder = tmp_path_factory.mktemp("data") / "small"
    recipe = Recipe(300, 60, 48, 0, ("chair", "apple", "bottle"), environments="procedural:meadow")
    render_dataset(recipe, folder, "small")
    return folder


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def recordings(name: str) -> Path:
    """A folder of recorded data; the test skips where it is missing."""
    folder = RECORDINGS / name
    if not folder.is_dir():
        pytest.skip(f"recordings {name} are not at {folder}")
    return folder


def case(name: str) -> Path:
    """A folder of small inputs that have failed; the test skips where it is missing."""
    folder = RECORDINGS.parent / "cases" / name
    if not folder.is_dir():
        pytest.skip(f"the inputs {name} are not at {folder}")
    return folder


@pytest.fixture
def networks(registry: Path) -> list[Any]:
    """Records of two toy networks, study s."""
    from mlspatial.registry.models import select
    from tests import toys

    toys.trained(seed=0)
    toys.trained(seed=1, task="category")
    return select("study=s")


@pytest.fixture
def images(registry: Path) -> str:
    """The folder of a toy dataset."""
    from tests import toys

    return str(toys.dataset(registry / "toys"))
