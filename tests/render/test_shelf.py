import os
import subprocess
import sys

import numpy as np
import pytest

from mlspatial.render.shelf import Shelf


def rows(index):
    return {"a": np.full((index + 1, 2), index, np.float32), "b": np.array([index], np.int32)}


def test_a_shelf_on_disk_equals_one_in_memory(tmp_path):
    kept, held = Shelf(tmp_path / "kept", 4, rows).load(), Shelf(None, 4, rows).load()
    for name, array in held.arrays.items():
        np.testing.assert_array_equal(kept.arrays[name], array)
        assert kept.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(kept.first[name], held.first[name])
    assert list(held.counts("a")) == [1, 2, 3, 4]
    assert not list(tmp_path.glob("*.parts"))


def test_assets_are_made_once(tmp_path):
    made = []

    def make(index):
        made.append(index)
        return rows(index)

    Shelf(tmp_path / "s", 6, make).fill(1, 2)
    assert made == [1, 3, 5]
    Shelf(tmp_path / "s", 6, make).load()
    Shelf(tmp_path / "s", 6, make).load()
    assert sorted(made) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("damage", ["first.npz", "a.npy"])
def test_a_damaged_shelf_is_made_again(tmp_path, damage):
    Shelf(tmp_path / "s", 3, rows).load()
    (tmp_path / "s" / damage).write_bytes(b"")
    np.testing.assert_array_equal(Shelf(tmp_path / "s", 3, rows).load().arrays["b"], [0, 1, 2])


def test_a_damaged_part_is_made_again(tmp_path):
    shelf = Shelf(tmp_path / "s", 3, rows)
    shelf.fill()
    (tmp_path / "s.parts" / "1.npz").write_bytes(b"half")
    np.testing.assert_array_equal(shelf.load().arrays["b"], [0, 1, 2])


def test_processes_may_fill_a_shelf_at_once(tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.render.test_shelf import rows;"
        "from mlspatial.render.shelf import Shelf; print(Shelf(Path(sys.argv[1]), 40, rows).load().arrays['b'].sum())"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "s")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ, text=True) for _ in range(3)]
    assert [p.communicate()[0].strip() for p in processes] == ["780"] * 3


def test_a_full_disk_is_an_error_and_leaves_no_shelf(tmp_path, monkeypatch):
    shelf = Shelf(tmp_path / "s", 3, rows)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    with pytest.raises(OSError, match="No space"):
        shelf.load()
    assert not (tmp_path / "s").exists()
