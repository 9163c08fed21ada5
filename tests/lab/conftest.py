"""Collected where `make test-lab` asks for it: MLSPATIAL_LAB names the environment of the server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.services import Lab, Missing, lab

collect_ignore_glob = [] if os.environ.get("MLSPATIAL_LAB") else ["test_*.py"]


@pytest.fixture(scope="session")
def here(cache: Path) -> Iterator[Lab]:
    """The lab, with ann and bob, who may each change only what is theirs, and a guest who only reads.
    This process reads the registry as ann."""
    before = dict(os.environ)
    try:
        with lab() as made:
            made.user("ann")
            made.user("bob")
            made.user("guest", "--guest")
            os.environ.update({k: v for k, v in made.client("ann").items() if k.startswith(("MLFLOW_", "SLURM_"))})
            yield made
    except Missing as error:
        pytest.skip(str(error))
    finally:
        os.environ.clear()
        os.environ.update(before)
