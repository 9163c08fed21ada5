"""Two small networks, a dataset to look at them with, and the wish that nobody runs them."""

from __future__ import annotations

import pytest

from mlspatial.registry.models import ModelRecord


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network may see an image."""

    def run(*_: object) -> None:
        raise AssertionError("a network was run")

    monkeypatch.setattr("mlspatial.steps.gather._extract", run)
    monkeypatch.setattr(ModelRecord, "load", run)
