"""What goes wrong between ThreeDWorld's build and this project: recovered, or one clear line."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tdw", reason="ThreeDWorld's package is not installed (requirements-tdw.txt)")

from mlspatial.core.errors import BadValue, UserError
from mlspatial.render.tdw import build, package
from mlspatial.render.tdw import engine as engine_file
from mlspatial.render.tdw.build import Build, Lost, Settings
from tests.render.builds import ROOT, free_port, program, renderer, served
from tests.render.scenery import scenes, turn
from tests.render.standin import World

POSES = [(0.0, 0.0, 2.5), (0.1, 0.1, 2.0), (-0.2, 0.0, 3.0), (0.0, -0.2, 2.2)]


def batch(models: int = 2) -> Any:
    """Four scenes in which all of the object is in the picture."""
    turns = [turn(10, 20 * k, 5) for k in range(4)]
    return scenes(POSES, turns, meshes=[k % models for k in range(4)], environments=[0, 0, 1, 4])


def blank(**changes: Any) -> World:
    return World(blank=True, **changes)


@pytest.mark.parametrize("fault", ["half", "cut", "none", "frame", "ftre"])
@pytest.mark.parametrize("at", [0, 3])
def test_an_answer_that_is_not_whole_is_asked_for_again(
    fault: str, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = renderer(tmp_path)
    with served(blank(), monkeypatch):
        expected = engine.render(batch()).images
        engine.close()
    with served(blank(fault=fault, at=at), monkeypatch) as standin:
        found = engine.render(batch())
        engine.close()
        assert standin.errors == [] and standin.pictures == 4 * 2 + 1
    np.testing.assert_array_equal(found.images, expected)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("half", "picture cannot be read"),
        ("cut", "the build's message cannot be read"),
        ("none", "the build sent no _id picture"),
        ("frame", "answered with frame 1 after frame"),
        ("ftre", "did not get a message that was sent 20 times"),
        ("silence", "no build has answered at port"),
        ("die", "no build has answered at port"),
        ("missing", "the build has quit (FileNotFoundError: file:///"),
    ],
)
def test_what_stays_wrong_is_one_line(fault: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = renderer(tmp_path)
    with served(blank(fault=fault, at=1, always=True), monkeypatch, timeout=2.0) as standin:
        with pytest.raises(UserError) as caught:
            engine.render(batch())
        assert (standin.errors == []) == (fault != "missing")
    words = str(caught.value)
    assert said in words and "start the build (TDW.x86_64 -port=" in words and "\n" not in words
    with served(blank(), monkeypatch) as standin:  # as the line says: another build, and the same again
        assert engine.render(batch()).images.any() and standin.errors == []
    engine.close()


def test_no_build_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    engine, _ = renderer(tmp_path)
    monkeypatch.setattr(build, "PATIENCE", 0.1)
    port = free_port()
    monkeypatch.setenv(build.PORT, str(port))
    monkeypatch.setenv(build.TIMEOUT, "0.3")
    with pytest.raises(UserError, match=rf"no build has answered at port {port} for 0.3 seconds; start the build"):
        engine.render(batch())
    assert f"waiting for a build at port {port} (TDW.x86_64 -port={port})" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["1.12.27", "1.13.1", "2.13.0"])
def test_a_build_of_another_version_is_refused(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = renderer(tmp_path)
    with served(blank(version=version), monkeypatch), pytest.raises(UserError) as caught:
        engine.render(batch())
    assert f"is version {version}, the package tdw is {package.installed()}; take the build 1.13.0" in str(caught.value)


def test_a_taken_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = renderer(tmp_path)
    with socket.socket() as one:
        one.bind(("0.0.0.0", 0))
        one.listen()
        port = one.getsockname()[1]
        monkeypatch.setenv(build.PORT, str(port))
        for name in (build.PORTS, build.BUILD):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv(build.TIMEOUT, "20")
        with pytest.raises(BadValue, match=rf"tdw_port={port}: is taken by another program"):
            engine.render(batch())


def test_processes_take_a_port_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two builds, started by hand at two ports, for two workers; a third worker finds none."""
    # below the ports that the system gives to whoever asks for any, so that nobody takes the next one in between
    port = next(p for p in range(20_000 + os.getpid() % 10_000, 31_000) if _free(p) and _free(p + 1))
    for name, value in ((build.PORT, port), (build.PORTS, 2), (build.TIMEOUT, 0.2)):
        monkeypatch.setenv(name, str(value))
    taken = []
    for _ in range(2):
        one = Build.__new__(Build)
        one.settings = Settings.here()
        taken.append((one._bind(), one))
    assert [port for port, _ in taken] == [port, port + 1]
    with pytest.raises(BadValue, match=f"tdw_port={port} to {port + 1}: is taken"):
        Build(Settings.here())
    for _, one in taken:
        one.socket.close(linger=0)


def _free(port: int) -> bool:
    with socket.socket() as one:
        try:
            one.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (build.BUILD, "/nowhere/TDW.x86_64", "tdw_build=/nowhere/TDW.x86_64: is not there"),
        (build.BUILD, __file__, "cannot be run; give the path of the build's program"),
        (build.PORT, "70000", "tdw_port=70000: must be a port"),
        (build.PORT, "one", "MLSPATIAL_TDW_PORT=one: must be a number"),
    ],
)
def test_settings_that_cannot_be(name: str, value: str, said: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadValue) as caught:
        renderer(tmp_path)
    assert said in str(caught.value)


def test_a_program_that_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    program(tmp_path, blank(), monkeypatch).write_text("#!/bin/sh\nexit 3\n")
    engine, names = renderer(tmp_path)
    with pytest.raises(UserError) as caught:
        engine.render(batch())
    words = str(caught.value)
    assert "the build has ended with code 3, 4 times at " in words and any(
        f"at {name} in ruin/" in words for name in names
    )
    assert capsys.readouterr().err.count("starting it again") == 3


def test_a_build_ends_with_the_process_that_started_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when that is killed."""
    path = program(tmp_path, blank(), monkeypatch)
    path.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/new\nmv {tmp_path}/new {tmp_path}/pid\nexec sleep 600\n")
    code = "from mlspatial.render.tdw.build import Build, Settings; Build(Settings.here())"
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    until = time.monotonic() + 60
    while not (tmp_path / "pid").exists() and time.monotonic() < until:
        time.sleep(0.05)
    child = int((tmp_path / "pid").read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_a_command_that_a_build_does_not_know_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that no test passes because the stand-in takes what a build would not."""
    with served(blank(), monkeypatch) as standin:
        one = Build(Settings.here())
        with pytest.raises(Lost, match=r"has quit .*do_fly"):
            one.ask([{"$type": "fly"}])
        one.close()
        assert "do_fly" in standin.errors[0]


def test_pictures_that_are_upside_down_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    engine, names = renderer(tmp_path)
    low = [(0.0, -0.6, 2.5)] * 4
    poses = scenes(low, [np.eye(3)] * 4, meshes=[0, 1, 2, 3], environments=[0] * 4)
    with served(World(), monkeypatch):
        engine.render(poses)
        engine.close()
    assert capsys.readouterr().err == ""
    engine, _ = renderer(tmp_path)
    with served(World(fault="flip"), monkeypatch):
        engine.render(poses)
        engine.close()
    assert f"{names[0]} is drawn beyond the box of its record" in capsys.readouterr().err
    monkeypatch.setattr(engine_file, "CHECKED", 3)
    engine, _ = renderer(tmp_path)
    with served(World(fault="flip"), monkeypatch), pytest.raises(UserError, match=r"3 of 3 models .* upside down"):
        engine.render(poses)
    engine.close()


def test_bounds_that_leave_the_builds_regions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = renderer(tmp_path)
    small = blank(regions=((0.0, 0.0, 0.0, 3.0, 3.0, 3.0),))
    with served(small, monkeypatch), pytest.raises(UserError, match=r"scene ruin reaches from .* to .* m, and"):
        engine.render(batch())
    engine.close()


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(package, "version", version)
    with pytest.raises(UserError, match="tdw is not installed; uv pip install --no-deps -r requirements-tdw"):
        package.installed()


def test_on_a_python_that_is_too_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package.sys, "version_info", (3, 12, 1, "final", 0))
    with pytest.raises(UserError, match=r"this is Python 3\.12, the package tdw runs on 3\.11; use python3.11"):
        package.installed()


def test_the_command_says_it_in_a_line(tmp_path: Path) -> None:
    asked = ["--dataset", "t", "--renderer", "tdw", "--objects", "tdw", "--environments", "tdw"]
    command = [sys.executable, "-m", "entrypoints.render", *asked, "--tdw_build", "/nowhere/TDW.x86_64"]
    address = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "set")], cwd=ROOT, env=os.environ | address, capture_output=True, text=True
    )
    assert done.returncode == 2 and "tdw_build=/nowhere/TDW.x86_64: is not there" in done.stderr
    assert not (tmp_path / "set").exists() and "Traceback" not in done.stderr
