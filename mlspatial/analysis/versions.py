"""The versions of this room's procedures: part of the identity of a run that computes with them.

A change that moves a result counts up VERSION of the module that makes it; what was made before then answers no more.
"""

from __future__ import annotations

from importlib import import_module


def versions(*modules: str) -> dict[str, str]:
    """module -> its version, in alphabetical order."""
    return {name: str(import_module(f"mlspatial.analysis.{name}").VERSION) for name in sorted(set(modules))}
