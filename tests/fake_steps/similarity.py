"""Stand-in for the entry of this name."""

from typing import Any

from tests.fake_steps import together


def similarity(*, models: str, study: str, **_: Any) -> str:
    return together("similarity", models, study)
