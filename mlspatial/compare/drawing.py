"""A figure for people: the picture, its caption, the data behind it and the runs behind those."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlspatial.core.plugins import Plugins

if TYPE_CHECKING:
    import pandas as pd

    from mlspatial.compare.evidence import Evidence

DPI = 200
#: kind of file -> what Matplotlib would write into it and must not: the day and its version
METADATA: dict[str, dict[str, Any]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


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
    runs: Sequence[str]
    missing: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in ("runs", "missing", "notes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))

    @classmethod
    def empty(cls, id: str, title: str, caption: str, columns: Sequence[str], missing: Sequence[str] = ()) -> Drawing:
        """Of an item for which there are no runs. columns: of its data."""
        import pandas as pd

        return cls(id, title, caption, None, pd.DataFrame(columns=list(columns)), (), missing)

    @cached_property
    def svg(self) -> bytes:
        """The figure; equal figures give equal bytes. Drawing takes long, so files and report share it."""
        return picture(self.figure, "svg", self.id)

    @cached_property
    def png(self) -> bytes:
        """The same at 200 dpi."""
        return picture(self.figure, "png", self.id)


def picture(figure: Any, kind: str, salt: str, *, dpi: int = DPI) -> bytes:
    """A figure's file, svg or png (of dpi dots an inch). salt: the ids inside an svg follow from it, so that
    they are apart in one page."""
    import matplotlib

    _settled(figure)
    target = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": salt}):
        figure.savefig(target, format=kind, dpi=dpi, metadata=METADATA[kind])
    return target.getvalue()


def _settled(figure: Any) -> None:
    """Its panels have their places, once for all kinds of file: that takes as long as drawing it, and would come out
    otherwise for the second kind than for the first."""
    from matplotlib.layout_engine import PlaceHolderLayoutEngine

    engine = figure.get_layout_engine()
    if isinstance(engine, PlaceHolderLayoutEngine):
        return
    _plain_where_math_fails(figure)
    if engine is not None:
        figure.set_dpi(DPI)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def _plain_where_math_fails(figure: Any) -> None:
    """A name with $ in it is no formula: what Matplotlib cannot set as one is drawn as it stands."""
    from matplotlib.mathtext import MathTextParser
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if text.get_text().count("$") > 1:
            try:
                MathTextParser("path").parse(text.get_text())
            except ValueError:
                text.set_parse_math(False)


#: id -> function from the evidence to a drawing
FIGURES: Plugins[Callable[[Evidence], Drawing]] = Plugins("figure")
