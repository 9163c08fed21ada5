"""Where the shared inputs of the tests lie: models and panoramas as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not ROOT.is_dir(), reason=f"{ROOT} is not there")
