"""Two small networks, a dataset to look at them with, and the wish that nobody runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspatial.registry.models import ModelRecord, select
from tests import toys


@pytest.fixture
def networks(registry: Path) -> list[ModelRecord]:
    toys.trained(seed=0)
    toys.trained(seed=1, task="category")
    return select("study=s")


@pytest.fixture
def images(registry: Path) -> str:
    return str(toys.dataset(registry / "toys"))


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network may see an image."""

    def run(*_: object) -> None:
        raise AssertionError("a network was run")

    monkeypatch.setattr("mlspatial.steps.gather._extract", run)
    monkeypatch.setattr(ModelRecord, "load", run)
