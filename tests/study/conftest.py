"""A study of stand-ins."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspatial.core.latents import LatentSchema
from mlspatial.core.manifest import Manifest
from tests.study.examples import FAKE, write


@pytest.fixture
def fake(registry: Path) -> Path:
    """A study of stand-ins, on a dataset that is there, in name."""
    (registry / "images").mkdir()
    Manifest("images", {"size": 48}, LatentSchema(()), {}).save(registry / "images")
    return write(registry, FAKE)
