"""What a scene or others hide of a target: its `visible` at the picture's rim, too, and what is drawn again for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tdw", reason="ThreeDWorld's package is not installed (requirements-tdw.txt)")

from mlspatial.core.errors import UserError
from mlspatial.render.clutter import ClutterSample, Placed
from mlspatial.render.design_file import read_design
from mlspatial.render.engine import Rendered, SceneBatch
from mlspatial.render.sampling import SceneSample
from mlspatial.render.studio import Recipe, Studio
from tests.render.builds import ours, renderer, served
from tests.render.standin import World


def beside(target: float, other: float, name: tuple[str, str]) -> ClutterSample:
    """A chair at x = target, 1.6 m away, and another one at x = other, .9 m away."""
    here, there = np.array([target, 0.0, 1.6]), np.array([other, 0.0, 0.9])
    level = np.array([0.0, 1.5, 0.0])
    eye = np.eye(3)
    return ClutterSample(
        0, "chair", name[0], "x", "y", here, eye, eye, level, here + level, others=(Placed("c", name[1], there, eye),)
    )


def test_others_do_not_hide_a_target_that_leaves_the_picture_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our engine's `visible`, which counts the pixels of an unbounded picture, for targets that are cut by its rim."""
    engine, names = renderer(tmp_path, 384)
    cases = [(1.0, 0.9), (0.9, 0.3), (0.9, 0.55), (1.0, 0.5)]
    with served(World(), monkeypatch) as standin:
        for target, other in cases:
            warp, batch = ours(World(), [beside(target, other, (names[0], names[1]))], 384)
            expected = warp.render(batch).visible
            given = {name: getattr(batch, name) for name in ("mesh", "position", "rotation", "camera", "others")}
            level = np.array([[0.0, 1.5, 0.0]])
            found = engine.render(SceneBatch(**given, environment=np.array([0]), camera_position=level)).visible
            np.testing.assert_allclose(found, expected, atol=0.01, err_msg=f"{target}, {other}")
            assert 0.1 < expected[0] < 0.6
        assert standin.errors == []
    engine.close()


class Toy:
    """Draws nothing and says of scene k, drawn for the n-th time, what it is told to say."""

    def __init__(self, say: Callable[[int, int], tuple[float, float]], *, hides: bool = True) -> None:
        self.say, self.hides, self.calls = say, hides, 0

    def render(self, scenes: SceneBatch, truth: frozenset[str] = frozenset()) -> Rendered:
        told = np.array([self.say(k, self.calls) for k in range(len(scenes))], np.float32).reshape(-1, 2)
        self.calls += 1
        images = np.zeros((len(scenes), 32, 32, 3), np.uint8)
        return Rendered(images, told[:, 0].copy(), {}, told[:, 1].copy() if self.hides else None)


def toyed(toy: Toy, n: int = 4, **changes: Any) -> tuple[Studio, list[SceneSample]]:
    given = {"n_train": 40, "n_heldout": 8, "size": 32, "seed": 0, "categories": ("chair", "cup")}
    studio = Studio(Recipe(**{**given, "environments": "procedural:meadow", **changes}))
    studio.__dict__["renderer"] = toy
    return studio, [studio.sampler.draw(index) for index in range(n)]


def test_what_shows_less_than_was_asked_for_is_drawn_again() -> None:
    """Of images 1 and 2 too little is seen at first; image 2 is hidden at the second try, too."""
    tries = [[(0.9, 0.1), (0.7, 0.2), (0.2, 0.2), (0.76, 0.0)], [(0.95, 0.0), (0.6, 0.29)], [(0.8, 0.0)]]
    studio, samples = toyed(toy := Toy(lambda k, call: tries[call][k]), least_visible=0.8)
    first = list(samples)
    drawn = studio.draw(samples)
    np.testing.assert_allclose(drawn.visible, [0.9, 0.95, 0.8, 0.76], atol=1e-6)
    assert toy.calls == 3 and [samples[k] is first[k] for k in range(4)] == [True, False, False, True]
    np.testing.assert_array_equal(samples[2].position, studio.sampler.draw(2, 2).position)


def test_a_renderer_whose_scenes_hide_nothing_draws_once() -> None:
    studio, samples = toyed(toy := Toy(lambda *_: (0.1, 0.0), hides=False), least_visible=0.8)
    assert (studio.draw(samples).visible == np.float32(0.1)).all() and toy.calls == 1


def test_what_shows_too_little_wherever_it_is_put_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlspatial.render.studio.MOST_TRIES", 5)
    studio, samples = toyed(Toy(lambda *_: (0.5, 0.2)), least_visible=0.8)
    with pytest.raises(UserError) as caught:
        studio.draw(samples)
    assert "image 0" in str(caught.value) and "least_visible=0.8" in str(caught.value)


def a_design(folder: Path) -> str:
    """Eight images of two chairs and a cup."""
    file = folder / "design.yaml"
    file.write_text(
        "crossings:\n  x: {x: {from: -0.3, to: 0.3, levels: 4}}\nheld: {z: 2.4}\ncontexts: {identities: 2, scenes: 1}\n"
    )
    return read_design(file, {"chair": ("chair#0",), "cup": ("cup#0",)}, {"meadow": ("clear_noon",)}).text()


def test_clips_and_designs_that_a_scene_hides_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They keep their places; how many, and which, is said."""
    seen = [(1.0, 0.0), (1.0, 0.0), (1.0, 0.29), (0.0, 1.0), (0.7, 0.3), (0.9, 0.0), (0.9, 0.0), (0.9, 0.0)]
    for changes in ({"frames": 4}, {"design": a_design(tmp_path)}):
        studio, samples = toyed(toy := Toy(lambda k, _: seen[k]), n=8, **changes)
        drawn = studio.draw(samples)
        assert toy.calls == 1 and drawn.visible[3] == 0.0
        said = capsys.readouterr().err
        assert f"of the target is hidden in 2 of 8 images, the first image 3 ({samples[3].identity}" in said
    studio, samples = toyed(Toy(lambda *_: (1.0, 0.29)), n=8, frames=4)
    studio.draw(samples)
    assert capsys.readouterr().err == ""
