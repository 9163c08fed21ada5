"""Sizes that files declare are held against what is free."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlspatial.core import limits


def test_files_that_a_group_only_keeps_at_hand_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a limit of 8 GiB, 7 are used, 6 of them by files' pages: 7 GiB are free."""
    import psutil

    gib = 1 << 30
    (tmp_path / "memory.max").write_text(str(8 * gib))
    (tmp_path / "memory.current").write_text(str(7 * gib))
    (tmp_path / "memory.stat").write_text(f"anon {gib}\ninactive_file {4 * gib}\nactive_file {2 * gib}\n")
    monkeypatch.setattr(limits, "CGROUPS", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("", (), {"available": 100 * gib})())
    assert limits.free_memory() == 7 * gib
    (tmp_path / "memory.max").write_text("max")
    assert limits.free_memory() == 100 * gib
