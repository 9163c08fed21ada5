"""Papers by name; a new one is one folder, whose __init__ registers it."""

import re
import sys
from collections.abc import Iterable
from typing import Any

from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.table import TABLES
from mlspatial.core.errors import UserError
from mlspatial.core.plugins import import_all, load_own
from mlspatial.papers.base import PAPERS, Paper, load_papers, register

__all__ = ["PAPERS", "Paper", "key_items", "known_items", "register", "sources"]

import_all(sys.modules[__name__])


def known_items() -> list[str]:
    """Ids of all tables, then of all figures, general ones and every paper's, as a reader would order them.

    Raises UserError where a table and a figure share an id: what is asked for by it, and files of its name, were one's.
    """
    load_papers()
    load_own()
    load_papers()  # those that a user's own files have brought
    if both := sorted(set(TABLES) & set(FIGURES)):
        raise UserError(f"{both[0]} is a table and a figure; give one of them another id")
    return [*sorted(TABLES, key=_natural), *sorted(FIGURES, key=_natural)]


def sources(ids: Iterable[str]) -> list[str]:
    """Where the papers were published that have one of these items."""
    wanted = set(ids)
    papers = [PAPERS[name] for name in PAPERS]
    return [f"{paper.citation}. {paper.title}." for paper in papers if wanted & set(paper.items)]


def key_items(ids: Iterable[str]) -> list[str]:
    """Those of the ids that carry a message, the ranking of networks first, then those of every paper in turn."""
    there = set(ids)
    keys = ["figure_ranking", *(name for paper in PAPERS for name in PAPERS[paper].key)]
    return [name for name in keys if name in there]


def _natural(name: str) -> list[Any]:
    """General tables first, then 2 before 10, figures of a paper's body before those of its appendix."""
    parts = re.findall(r"\d+|[a-z]+", name.split("_", 1)[-1])
    return [("_" in name), not (parts and parts[0].isdigit()), [(not p.isdigit(), p.zfill(4)) for p in parts]]
