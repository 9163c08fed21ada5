"""What every registered renderer keeps: shapes, the same pictures again, order, bad input, what it says of itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspatial.core.errors import BadValue
from mlspatial.core.plugins import import_all
from mlspatial.render import engine
from mlspatial.render.engine import RENDERERS, SceneBatch
from tests.render.scenery import SIZE, random_scenes, several

import_all(__import__("mlspatial.render", fromlist=["render"]))


@pytest.fixture(params=list(RENDERERS))
def renderer(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    if request.param == "warp":
        yield several()
        return
    if request.param != "tdw":
        pytest.skip("a renderer of the user's own")
    pytest.importorskip("tdw", reason="ThreeDWorld's package is not installed (requirements-tdw.txt)")
    from tests.render import builds
    from tests.render.standin import World

    made, _ = builds.renderer(tmp_path, SIZE)
    with builds.served(World(), monkeypatch) as standin:
        yield made
        made.close()
        assert standin.errors == []


def test_contract(renderer: Any) -> None:
    batch = random_scenes(5, 2, 2)
    first, again = renderer.render(batch), renderer.render(batch)
    assert first.images.shape == (5, SIZE, SIZE, 3) and first.images.dtype == np.uint8
    assert first.visible.shape == (5,) and first.visible.dtype == np.float32
    assert ((first.visible >= 0) & (first.visible <= 1)).all()
    if first.hidden is not None:
        assert first.hidden.shape == (5,) and ((first.hidden >= 0) & (first.hidden <= 1)).all()
    np.testing.assert_array_equal(first.images, again.images)
    np.testing.assert_array_equal(first.visible, again.visible)
    turned = SceneBatch(
        **{name: values[::-1] if isinstance(values, np.ndarray) else values for name, values in vars(batch).items()}
    )
    np.testing.assert_array_equal(renderer.render(turned).images[::-1], first.images)
    assert renderer.render(random_scenes(0, 2, 2)).images.shape == (0, SIZE, SIZE, 3)


def test_bad_input(renderer: Any) -> None:
    batch = random_scenes(1, 1, 1)
    for wrong, said in (
        ({"mesh": np.array([99])}, "mesh=99"),
        ({"environment": np.array([-1])}, "environment=-1"),
        ({"position": np.array([[0.0, np.nan, 2.0]])}, "position"),
        ({"rotation": np.zeros((1, 2, 2))}, "rotation"),
        ({"camera": np.zeros((2, 3, 3))}, "camera"),
    ):
        with pytest.raises(BadValue, match=said):
            renderer.render(replace(batch, **wrong))


def test_what_it_says_of_itself(renderer: Any) -> None:
    kind = type(renderer)
    assert RENDERERS[kind.name] is kind and isinstance(kind.version, str) and kind.version
    assert len(inspect.getdoc(kind) or "") > 80 and inspect.getdoc(kind) != inspect.getdoc(engine.Renderer)
    with pytest.raises(BadValue, match="at least"):
        kind([], [], size=SIZE)
