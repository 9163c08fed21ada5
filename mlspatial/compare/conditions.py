"""What makes a condition: networks that differ in nothing but their seed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from mlspatial.core.names import CFG, TAG
from mlspatial.registry.read import PARAMS, TAGS

if TYPE_CHECKING:
    import pandas as pd


def settings_of(trained: pd.DataFrame, leave_out: Collection[str]) -> list[str]:
    """What else decides the result of each training run (lr, batch_size, ...), so that runs that differ in it are never
    averaged together. The version of the procedure belongs to it where a run has the tag. trained: rows of `read`."""
    labels = {name: name.removeprefix(PARAMS + CFG) for name in sorted(trained) if name.startswith(PARAMS + CFG)}
    labels = {name: label for name, label in labels.items() if label not in leave_out}
    if TAGS + TAG + "version" in trained:
        labels[TAGS + TAG + "version"] = "version"
    columns = [
        [f"{label} {value}" if isinstance(value, str) else "" for value in trained[name]]
        for name, label in labels.items()
    ]
    if not columns:
        return [""] * len(trained)
    return [", ".join(filter(None, parts)) for parts in zip(*columns, strict=True)]
