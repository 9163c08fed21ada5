"""What people read in a terminal beside progress: summaries of commands; the commands doctor, show, clean, library."""

from __future__ import annotations

from mlspatial.core.parameters import Entry

__all__ = ["tools"]


def tools() -> dict[str, Entry]:
    """Name -> a command that makes no run, and so is no entry point of the project."""
    from mlspatial.console import clean, doctor, library, show

    return {tool.name: tool for tool in (doctor.TOOL, show.TOOL, clean.TOOL, library.TOOL)}
