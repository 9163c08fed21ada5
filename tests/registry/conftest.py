"""A real tracking server for the files that ask for one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.registry.serving import Gate, Server, stand


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Server]:
    """One for all tests of a file, which run in their order."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_database, folder / "mlflow.db")
    made = Server(folder)
    try:
        made.start()
        yield made
    finally:
        made.kill()


@pytest.fixture
def gate(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Gate]:
    """The server's gate, which is also where the tracking store is; in a folder and with a cache of one's own."""
    made = Gate(server)
    stand(monkeypatch, tmp_path, made.address, "served")
    yield made
    made.shut()
