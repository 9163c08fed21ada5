"""Files that are whole or not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from mlspatial.core.files import whole, write_json, write_text


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "numbers.npy"
    with whole(target) as partial:
        np.save(partial, np.arange(3))  # NumPy adds a suffix to names that lack it
        assert not target.exists()
    assert np.load(target).tolist() == [0, 1, 2] and os.listdir(target.parent) == ["numbers.npy"]


def test_what_fails_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    target = write_text(tmp_path / "report.html", "former")
    with pytest.raises(ValueError, match="half"), whole(target) as partial:
        partial.write_text("ha")
        raise ValueError("half")
    assert target.read_text() == "former" and os.listdir(tmp_path) == ["report.html"]


def test_names_as_long_as_a_file_system_takes(tmp_path: Path) -> None:
    for name in ("x" * 251 + ".svg", "y" * 251 + ".svg", "ä" * 125 + ".csv"):
        assert write_text(tmp_path / name, name).read_text() == name
    with pytest.raises(RuntimeError), whole(tmp_path / ("x" * 251 + ".svg")) as partial:
        assert "x" * 251 not in partial.name and partial.suffix == ".svg"
        raise RuntimeError
    assert len(list(tmp_path.iterdir())) == 3


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with whole(tmp_path / "pool") as partial:
        partial.mkdir()
        (partial / "a").write_text("1")
        assert os.listdir(tmp_path) == [partial.name] and partial.name.startswith(".")
    assert (tmp_path / "pool" / "a").read_text() == "1" and os.listdir(tmp_path) == ["pool"]


def test_what_a_killed_process_left_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from mlspatial.core.files import whole
with whole(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    target = tmp_path / "state.pt"
    done = subprocess.run([sys.executable, "-c", code, str(target)], cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL and len(os.listdir(tmp_path)) == 1 and not target.exists()
    with whole(tmp_path / "other.pt") as other:
        other.write_text("of another file")
        write_text(target, "whole")
        assert sorted(os.listdir(tmp_path)) == sorted([other.name, "state.pt"])  # a living process is at that one


def test_json_is_sorted_and_readable(tmp_path: Path) -> None:
    assert write_json(tmp_path / "m.json", {"b": 1, "a": "é"}).read_text() == '{\n "a": "\\u00e9",\n "b": 1\n}'


WRITER = """
import sys
import threading
from pathlib import Path
from mlspatial.core.files import whole
path, letter = Path(sys.argv[1]), sys.argv[2]
for _ in range(150):
    with whole(path) as partial, partial.open("w") as file:
        for _ in range(4):
            file.write(letter * 50_000)
            file.flush()
"""


def test_several_processes_and_threads_that_write_one_file(tmp_path: Path) -> None:
    """Whoever reads meanwhile finds one of the whole files."""
    path = tmp_path / "shared.txt"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter]) for letter in "ab"]

    def write(letter: str) -> None:
        for _ in range(50):
            with whole(path) as partial:
                partial.write_text(letter * 200_000)

    threads = [threading.Thread(target=write, args=(letter,)) for letter in "cd"]
    for thread in threads:
        thread.start()
    seen = set()
    while any(writer.poll() is None for writer in writers) or any(thread.is_alive() for thread in threads):
        if path.is_file():
            text = path.read_text()
            assert len(text) == 200_000 and len(set(text)) == 1
            seen.add(text[0])
    assert [writer.wait() for writer in writers] == [0, 0] and seen and seen <= set("abcd")
    assert list(tmp_path.iterdir()) == [path]
