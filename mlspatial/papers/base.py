"""What a paper is: where it was published, what it printed, and the tables, figures and checks that follow it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.compare import published, tables
from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.table import TABLES
from mlspatial.core.errors import UnknownName
from mlspatial.core.plugins import Plugins, import_all

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Paper:
    """A package with `items/` (a file a table or figure), and where it has them `checks.py` and csv files of values.

    id: a short name; package: `__name__` of the package; published: names of its csv files, which begin with a comment
    that tells their source; key: ids of the figures that carry its message, the first ones first; groupings: words ->
    networks in, those of them that the paper sets against each other out, with a column `group`.
    """

    id: str
    package: str
    title: str
    citation: str
    published: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    groupings: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = field(default_factory=dict)

    def load(self) -> None:
        """Import its items and checks, so that they are registered."""
        package = sys.modules[self.package]
        if hasattr(package, "__path__"):
            import_all(package)
            if hasattr(package, "items"):
                import_all(package.items)

    @property
    def items(self) -> tuple[str, ...]:
        """The ids of its tables and figures."""
        mine = (self.package, f"{self.package}.")
        made = ((name, kind[name].__module__) for kind in (TABLES, FIGURES) for name in kind)
        return tuple(name for name, module in made if module == mine[0] or module.startswith(mine[1]))

    def path(self, name: str) -> Path:
        """Where a file of published values lies. Raises UnknownName."""
        if name not in self.published:
            raise UnknownName(f"file of {self.id}", name, self.published)
        return Path(str(sys.modules[self.package].__file__)).with_name(name)

    def rows(self, name: str) -> tuple[dict[str, str], ...]:
        """The rows of a file of published values, as text."""
        return published.rows(self.path(name))


#: id -> paper
PAPERS: Plugins[Paper] = Plugins("paper")


def register(paper: Paper) -> Paper:
    """The paper, from now on known to compare."""
    return PAPERS.register(paper.id)(paper)


def load_papers() -> None:
    """Import the general tables, and the items and checks of every paper that is registered."""
    import_all(tables)
    for name in PAPERS:
        PAPERS[name].load()
