"""What a run keeps holds no password: patches of uncommitted changes, parameters, tags, reasons, inputs.

Every false key is put together here, so that no line of this file is one.
"""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mlspatial.core.errors import BadValue, UserError
from mlspatial.registry import runs, source
from mlspatial.registry.run import Data

PATCH = "source/uncommitted.patch"


def spec(seed: int, **cfg: object) -> runs.Spec:
    return runs.Spec("train", 1, {"dataset_id": "d1"}, {"seed": seed, **cfg})


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A git checkout of one committed file, which is taken for the project's."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "code.py").write_text("one = 1\ntwo = 2\nthree = 3\nfour = 4\n")
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
    monkeypatch.setattr(source, "ROOT", folder)
    monkeypatch.delenv("MLSPATIAL_STORE_PATCH", raising=False)
    source._git.cache_clear()
    yield folder
    source._git.cache_clear()


def patch_of(run_id: str) -> str:
    return runs.local(run_id, PATCH).read_text() if runs.there(run_id, [PATCH]) else ""


def test_uncommitted_changes_are_kept_unless_they_hold_a_key_or_are_not_wanted(
    registry: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = "hunter" + "2hunter2"
    (checkout / "code.py").write_text("one = 1\ntwo = 2\nthree = 33\nfour = 4\n")
    with runs.open_run(spec(1), name="a") as run:
        pass
    assert "+three = 33" in patch_of(run.id)

    source._git.cache_clear()
    (checkout / "code.py").write_text(f"one = 1\nadded = 0\ntwo = 2\npassword = '{word}'\nfour = 4\n")
    line = r"code.py, line 4: holds a password or key, .* take it out, or .* MLSPATIAL_STORE_PATCH=false"
    with pytest.raises(UserError, match=line) as problem, runs.open_run(spec(2), name="b"):
        pass
    assert word not in str(problem.value) and not runs.find(spec=spec(2).id)
    with runs.open_run(spec(1), name="a") as run:  # what is there answers
        assert run.answered

    monkeypatch.setenv("MLSPATIAL_STORE_PATCH", "false")  # the advice
    with runs.open_run(spec(2), name="b") as run:
        pass
    assert patch_of(run.id) == "" and runs.get(run.id).tags["mlspatial.dirty"] == "true"
    monkeypatch.setenv("MLSPATIAL_STORE_PATCH", "perhaps")
    with pytest.raises(BadValue, match="MLSPATIAL_STORE_PATCH=perhaps: must be true or false"):
        source.stores_patch()


def test_a_key_that_is_taken_out_is_in_the_patch_as_well(registry: Path, checkout: Path) -> None:
    word = "hunter" + "2hunter2"
    (checkout / "code.py").write_text(f"one = 1\nuri = 'postgresql://me:{word}@host/db'\n")
    who = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    subprocess.run(["git", "-C", str(checkout), *who, "commit", "-q", "-a", "-m", "second"], check=True)
    (checkout / "code.py").write_text("one = 1\n")
    with pytest.raises(
        UserError, match=r"code.py \(a line that was taken out\), line 2: holds a password in an address"
    ):
        runs.check_patch()


def test_what_is_logged_holds_no_password(registry: Path) -> None:
    word = "hunter" + "2hunter2"
    address = f"postgresql://me:{word}@host/db"
    with (
        pytest.raises(ZeroDivisionError),
        runs.open_run(spec(0, storage=address), name="a") as run,
    ):
        run.set_tags({"where": address})
        run.log_inputs((), [Data("x", "y", source={"uri": address})])
        raise ZeroDivisionError(address)
    with closing(sqlite3.connect(registry / "mlflow.db")) as database:
        assert word not in "\n".join(database.iterdump())
    assert runs.get(run.id).cfg["storage"] == address.replace(word, "***")
