"""A copy of the database, the objects and the users brings everything back."""

from __future__ import annotations

import os
import pwd
import re
import time
from pathlib import Path

import pytest

from mlspatial.registry import runs
from mlspatial.registry.store import client
from tests.lab.services import Lab

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]


def test_a_copy_brings_everything_back(here: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_PATIENCE", "300")
    spec = runs.Spec("copied", 1, {}, {"copied": 1})
    with runs.open_run(spec, name="x") as run:
        run.log({"loss": 0.5})
        run.log_text("kept", "text.txt")
    copy, again = here.folder / "copies" / "copy", here.folder / "copies" / "again"
    before = sorted((one.id, one.status, tuple(sorted(one.metrics))) for one in runs.find())
    users = here.deploy("users.py", "list").stdout
    assert {"ann", "bob", "guest"} < set(users.split()) and "admin\tadministrator" in users
    made = here.deploy("backup.py", "backup", str(copy))
    assert made.returncode == 0, made.stderr

    client().delete_run(run.id)
    assert not [one for one in runs.find() if one.id == run.id]
    assert here.deploy("users.py", "remove", "bob").returncode == 0
    assert "bob" not in here.deploy("users.py", "list").stdout
    refused = here.deploy("backup.py", "restore", str(copy))
    assert refused.returncode == 1 and "--replace true" in refused.stderr
    for name in ("mlflow", "objects"):
        here.services[name].stop()
    objects = here.folder / "data" / "objects"
    objects.rename(objects.with_name("lost"))  # the disk is gone
    here.services["objects"].start()
    assert here.deploy("ready.py").returncode == 0
    for wrong, words in (({"PGPASSWORD": "wrong"}, "the database refuses, .*authentication failed"),
                         ({"POSTGRES_DB": "other"}, "the database refuses, .*does not exist"),
                         ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the object store refuses, .*403")):  # fmt: skip
        began = time.monotonic()
        told = here.deploy("ready.py", **wrong)
        assert told.returncode == 1 and re.search(words, told.stderr) and len(told.stderr.splitlines()) == 1, (
            told.stderr
        )
        assert time.monotonic() - began < 60
    data = here.folder / "data"
    owner = data.stat().st_uid
    if os.getuid() == 0:  # a restore by root leaves the users to whom they belong
        owner = pwd.getpwnam("nobody").pw_uid
        os.chown(data / "basic_auth.db", owner, -1)
    made = here.deploy("backup.py", "restore", str(copy), "--replace", "true")
    assert made.returncode == 0, made.stderr
    assert (data / "basic_auth.db").stat().st_uid == owner
    here.services["mlflow"].start()

    assert sorted((one.id, one.status, tuple(sorted(one.metrics))) for one in runs.find()) == before
    assert runs.download(run.id, "text.txt").read_text() == "kept"
    assert here.deploy("users.py", "list").stdout == users
    with runs.open_run(spec, name="x") as answered:
        assert answered.answered and answered.id == run.id

    made = here.deploy("backup.py", "backup", str(again), "--keep", "2")
    assert made.returncode == 0 and copy.exists() and here.deploy("backup.py", "verify", str(again)).returncode == 0
    assert {path.stat().st_uid for path in (again, *again.rglob("*"))} == {owner}  # or the nightly copy cannot count it
    os.chown(data / "basic_auth.db", os.getuid(), -1)
    one = next(path for path in (again / "objects").rglob("*") if path.is_file() and path.stat().st_size)
    assert one.stat().st_nlink == 2
    one.write_bytes(b"damaged")
    damaged = here.deploy("backup.py", "restore", str(again), "--replace", "true")
    assert damaged.returncode == 1 and "1 of" in damaged.stderr and "missing or damaged" in damaged.stderr
    last = copy.with_name("last")
    made = here.deploy("backup.py", "backup", str(last), "--keep", "1")
    assert made.returncode == 0 and not copy.exists() and not again.exists(), made.stderr


def test_a_password_of_a_file_is_not_shown(here: Lab, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("of a file, long enough\n")
    for what in ("add", "password"):
        made = here.deploy("users.py", what, "dora", "--guest", "--password-file", str(file))
        assert made.returncode == 0 and "of a file, long" not in made.stdout + made.stderr and str(file) in made.stdout
    assert here.deploy("users.py", "remove", "dora").returncode == 0
