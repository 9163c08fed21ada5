"""Stand-ins for ThreeDWorld's build, served from a thread or started as programs."""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspatial.render.engine import Others, SceneBatch
from mlspatial.render.sampling import SceneSample
from mlspatial.render.studio import Recipe
from mlspatial.render.tdw import build
from mlspatial.render.tdw.library import TdwModels, TdwScenes
from mlspatial.render.warp.engine import WarpRenderer
from tests.render.standin import StandIn, World, model_name, write_library

ROOT = Path(__file__).resolve().parents[2]
SIZE = 96
SCENES = "tdw:tdw_room,ruin"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def served(world: World, monkeypatch: pytest.MonkeyPatch, timeout: float = 60.0) -> Iterator[StandIn]:
    """A build that somebody has started, in a thread; whoever asks here is told of its port."""
    port = free_port()
    monkeypatch.setenv(build.PORT, str(port))
    monkeypatch.setenv(build.TIMEOUT, str(timeout))
    monkeypatch.delenv(build.BUILD, raising=False)
    monkeypatch.delenv(build.PORTS, raising=False)
    standin = StandIn(world, port)
    thread = threading.Thread(target=standin.run, daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        standin.stop.set()
        thread.join(30)


def program(folder: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a build that can be started, whose faults come once."""
    (folder / "world.json").write_text(json.dumps({**asdict(world), "played": str(folder / "played")}))
    path = folder / "TDW.x86_64"
    path.write_text(
        f'#!/bin/sh\ncd {ROOT}\nSTANDIN={folder}/world.json exec {sys.executable} -m tests.render.standin "$@" '
        f"2>>{folder}/build.log\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv(build.BUILD, str(path))
    monkeypatch.setenv(build.PORT, str(free_port()))
    monkeypatch.setenv(build.TIMEOUT, "120")
    return path


def recipe(folder: Path, **changes: Any) -> Recipe:
    """Of a few images of the stand-in's models, whose metadata are written there."""
    library = folder / "models.json"
    if not library.exists():
        write_library(folder)
    given = {"objects": f"tdw:{library}", "environments": SCENES, "renderer": "tdw", "encoding": "png"}
    given |= {"n_train": 24, "n_heldout": 8, "size": SIZE, "seed": 5, "categories": ("chair", "hammer", "teakettle")}
    return Recipe(**{**given, **changes})


def renderer(folder: Path, size: int = SIZE) -> tuple[Any, list[str]]:
    """A renderer of all of the stand-in's models in two views, with the models' names."""
    from mlspatial.render.tdw.engine import TdwRenderer

    models, scenes = TdwModels(str(write_library(folder))), TdwScenes("tdw_room,ruin")
    pairs = [(category, name) for category in models.categories for name in models.identities(category)]
    skies = [name for name, _ in scenes.scenes[0].skies[:3]]
    views = [scenes.environment(scene.name, sky, width=512) for scene in scenes.scenes for sky in skies]
    return TdwRenderer([models.mesh(*pair) for pair in pairs], views, size=size), [name for _, name in pairs]


def ours(world: World, samples: list[SceneSample], size: int = SIZE) -> tuple[WarpRenderer, SceneBatch]:
    """The renderer and scenes by which our engine draws what the stand-in is told to."""
    names = [model_name(identity) for _, identity in world.pairs]
    most = max((len(getattr(sample, "others", ())) for sample in samples), default=0)
    shape = len(samples), most
    others = Others(np.full(shape, -1), np.zeros((*shape, 3)), np.zeros((*shape, 3, 3)), np.ones(shape))
    for i, sample in enumerate(samples):
        for k, one in enumerate(getattr(sample, "others", ())):
            others.mesh[i, k], others.position[i, k] = names.index(one.identity), one.position
            others.rotation[i, k] = one.rotation
    batch = SceneBatch(
        mesh=np.array([names.index(sample.identity) for sample in samples]),
        environment=np.array([world.panorama_of(sample.sky) for sample in samples]),
        position=np.stack([sample.position for sample in samples]),
        rotation=np.stack([sample.rotation for sample in samples]),
        camera=np.stack([sample.camera for sample in samples]),
        ground=np.array([sample.camera_position[1] for sample in samples]),
        others=others if most else None,
    )
    return WarpRenderer(world.meshes, world.environments, size=size), batch
