"""A figure for people: the picture, its caption, the data behind it and the runs behind those."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlspatial.core.plugins import Plugins

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.evidence import Evidence


@dataclass(frozen=True)
class Drawing:
    """id: of the item; figure: a matplotlib Figure, None when no runs fit; data: what is drawn, tidy, with run_ids.

    missing: conditions that the published figure shows and that have no runs here; notes: what a reader must know.
    """

    id: str
    title: str
    caption: str
    figure: Any
    data: pd.DataFrame
    runs: tuple[str, ...]
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


#: id -> function from the evidence to a drawing
FIGURES: Plugins[Callable[[Evidence], Drawing]] = Plugins("figure")
