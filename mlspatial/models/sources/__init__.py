"""Sources of networks from outside the registry; a new one is one file and one registration."""

import sys

from mlspatial.core.plugins import import_all
from mlspatial.models.sources.base import (
    SOURCES,
    Selector,
    Source,
    Written,
    default_spec,
    expand,
    external_spec,
    find,
    identity,
    is_external,
    load_external,
    parse_selector,
    record_facts,
    split,
)

__all__ = [
    "SOURCES",
    "Selector",
    "Source",
    "Written",
    "default_spec",
    "expand",
    "external_spec",
    "find",
    "identity",
    "is_external",
    "load_external",
    "parse_selector",
    "record_facts",
    "split",
]

import_all(sys.modules[__name__])
