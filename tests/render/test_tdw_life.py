"""Builds from the first message to the last, in renderings and trainings; what of them names a dataset."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tdw", reason="ThreeDWorld's package is not installed (requirements-tdw.txt)")

from mlspatial.core.errors import BadValue
from mlspatial.core.manifest import Manifest, recipe_id
from mlspatial.render import live, write
from mlspatial.render.live import live_source
from mlspatial.render.studio import Studio
from mlspatial.render.tdw import build
from mlspatial.render.tdw.build import Build, Settings
from mlspatial.render.tdw.engine import TdwRenderer
from mlspatial.render.warp.engine import WarpRenderer
from mlspatial.render.write import render_dataset
from tests.render.builds import free_port, program, recipe, served
from tests.render.standin import StandIn, World


def name_of(folder: Path) -> str:
    return recipe_id(Studio(recipe(folder)).full_recipe())


def test_flags_of_the_build_are_part_of_what_names_a_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(build.FLAGS, raising=False)
    plain, names = TdwRenderer.version, [name_of(tmp_path)]
    for flags in ("-flip_images", "-flip_images -force-glcore42", " -flip_images  -force-glcore42 ", " "):
        monkeypatch.setenv(build.FLAGS, flags)
        names.append(name_of(tmp_path))
        assert TdwRenderer.version == " ".join([plain, *flags.split()])
    assert names[0] == names[4] and names[2] == names[3] and len(set(names)) == 3


def standin_at(port: int) -> tuple[StandIn, threading.Thread]:
    standin = StandIn(World(blank=True), port)
    thread = threading.Thread(target=standin.run, daemon=True)
    thread.start()
    return standin, thread


def test_a_build_that_was_started_by_hand_is_told_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it does not wait for ever, and the next one that is started at this port is heard."""
    port = free_port()
    for name, value in ((build.PORT, str(port)), (build.TIMEOUT, "20")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(build.BUILD, raising=False)
    for name in ("one", "two"):
        standin, thread = standin_at(port)
        render_dataset(recipe(tmp_path, n_train=4, n_heldout=2), tmp_path / name, name)
        thread.join(10)
        assert not thread.is_alive() and standin.told[-1] == "terminate" and standin.errors == []
    assert Manifest.load(tmp_path / "one").dataset_id == Manifest.load(tmp_path / "two").dataset_id


def test_a_build_that_is_forgotten_is_told_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not closed, as in a process that draws for another one when that has enough of it."""
    with served(World(blank=True), monkeypatch) as standin:
        one = Build(Settings.here())
        assert one._end.still_active()
        one._end()  # what multiprocessing calls at the end of a process
        assert standin.told[-1] == "terminate"
        one.close()


def test_who_waits_for_a_build_says_how_long_it_lives(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(build, "PATIENCE", 0.1)
    monkeypatch.setenv(build.PORT, str(free_port()))
    monkeypatch.setenv(build.TIMEOUT, "0.3")
    monkeypatch.delenv(build.BUILD, raising=False)
    with pytest.raises(build.Lost):
        Build(Settings.here())
    said = capsys.readouterr().err
    assert "serves one dataset" in said and "tdw_build" in said


def test_a_taken_port_names_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    with served(World(blank=True), monkeypatch):
        one = Build(Settings.here())
        with pytest.raises(BadValue, match=r"is taken by another program; .*workers=1"):
            Build(Settings.here())
        one.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Manifest]:
    folder = tmp_path_factory.mktemp("life")
    with pytest.MonkeyPatch.context() as patch, served(World(blank=True), patch):
        return folder, render_dataset(recipe(folder, n_train=4, n_heldout=2), folder / "set", "set")


def loader(made: tuple[Path, Manifest], **options: Any) -> live.LiveLoader:
    folder, manifest = made
    given = {"columns": ("x",), "batch_size": 32, "workers": 0, "objects": f"tdw:{folder}/models.json"}
    return live_source(manifest, **{**given, **options})


def test_a_training_on_a_gpu_draws_where_the_renderer_can(
    made: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_gpu_of", lambda device: "cuda:0")
    source = loader(made, device="cuda")
    assert source.recipe.device == "cpu" and source.device == "cuda" and not source._gpu
    assert hasattr(WarpRenderer, "render_torch")
    monkeypatch.setattr(TdwRenderer, "render_torch", None, raising=False)
    assert loader(made, device="cuda:0").recipe.device == "cuda" and loader(made).recipe.device == "cpu"


def test_as_many_processes_draw_as_there_are_builds(
    made: tuple[Path, Manifest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread of this one where the build was started by hand, though a training asks for two; else all of them."""
    monkeypatch.delenv(build.BUILD, raising=False)
    assert loader(made, workers=2).workers == 0 and loader(made).workers == 0
    program(tmp_path, World(blank=True), monkeypatch)
    assert loader(made, workers=4).workers == 4


def test_a_live_training_with_a_build_by_hand(made: tuple[Path, Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    """Two workers are asked for; the build is told to end when the training does, however soon."""
    with served(World(blank=True), monkeypatch) as standin:
        batches = loader(made, workers=2).endless()
        assert next(batches).images.shape == (32, 96, 96, 3)
        batches.close()
        assert standin.errors == [] and standin.told[-1] == "terminate"


def test_images_between_two_encodings_are_bounded_by_their_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, told = recipe(tmp_path, size=1024), recipe(tmp_path, size=1024, truth=("depth", "instances", "amodal"))
    for one, each in ((plain, 3), (told, 9)):
        n = write.batch_of(one)
        assert n * each * 1024**2 <= 2**30 < (n + 1) * each * 1024**2
    assert write.batch_of(recipe(tmp_path, size=256)) == 4096 and write.batch_of(recipe(tmp_path, size=2048)) == 85
    sizes: list[int] = []
    draw = Studio.draw
    monkeypatch.setattr(write, "MOST_BYTES", 3 * 3 * 96**2)
    monkeypatch.setattr(Studio, "draw", lambda self, samples: sizes.append(len(samples)) or draw(self, samples))
    with served(World(blank=True), monkeypatch):
        render_dataset(recipe(tmp_path, n_train=8, n_heldout=2), tmp_path / "set", "set")
    assert np.array_equal(sorted(sizes), [2, 2, 3, 3])
