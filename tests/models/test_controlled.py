"""What is kept of layers that see a design, against the same from all of their activations at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mlspatial.analysis.anova import split_of, unit_variance_split, variance_split
from mlspatial.analysis.marginals import Marginals, marginals
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.models import controlled
from mlspatial.models.controlled import ControlledSink, Space, groups
from mlspatial.models.effects import _contrasts
from mlspatial.models.extract import extract, shapes
from mlspatial.models.spec import ModelSpec
from mlspatial.models.stimuli import Stimuli

X, Z = Factor("x", "linear", (0.0, 1.0, 2.0), "m"), Factor("z", "linear", (1.0, 2.0), "m")
SWEEPS = [Crossing("x", (X,), np.arange(12).reshape(4, 3).T), Crossing("z", (Z,), 12 + np.arange(8).reshape(4, 2).T)]
MANY = [
    Crossing(
        "many",
        (X, Z, Factor("y", "linear", (0.0, 1.0)), Factor("kind", "category", ("a", "b"))),
        np.random.default_rng(5).permutation(72).reshape(3, 2, 2, 2, 3),  # in no order
    )
]
FACTORIAL = [Crossing("both", (X, Z), np.arange(24).reshape(4, 3, 2).transpose(1, 2, 0))]


def pop(
    crossings: list[Crossing], responses: torch.Tensor, shape: tuple[int, ...], folder: Path
) -> controlled.Controlled:
    n = len(responses)
    sink = ControlledSink(crossings, n, {"layer": shape}, folder)
    for start in range(0, n, 7):
        sink.add("layer", responses[start : start + 7].reshape(len(responses[start : start + 7]), -1).clone())
    return sink.pop("layer")


@pytest.mark.parametrize("crossings", [SWEEPS, FACTORIAL, MANY], ids=["sweeps", "factorial", "four factors"])
@pytest.mark.parametrize("shape", [(5, 4, 3), (17, 6), (2600,)], ids=str)
def test_numbers_are_those_of_all_activations(
    crossings: list[Crossing], shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controlled, "NUMBERS", 37 * 12)  # several parts, and one that is narrower
    n = sum(crossing.rows.size for crossing in crossings)
    responses = torch.randn(n, *shape, generator=torch.Generator().manual_seed(0)) + 3.0
    found = pop(crossings, responses, shape, tmp_path)
    flat = responses.reshape(n, -1).double().numpy()
    flat = flat - flat.mean(0)
    gram = flat @ flat.T
    (group,) = groups(crossings)
    expected, ours = marginals(gram, group), Marginals.of(found.means[0], group)
    for name in ("deviations", "with_context", "of_context"):
        one, other = getattr(ours, name), getattr(expected, name)
        assert np.abs(one - other).max() < 1e-5 * np.abs(other).max(), name
    for number, crossing in enumerate(crossings):
        about = flat[crossing.rows.reshape(-1)]
        total = np.square(about - about.mean(0)).sum(0)
        space = Space.of(shape)
        by_place = np.bincount(space.places(0, flat.shape[1]), total, minlength=space.positions)
        assert found.maps[number, 0] == pytest.approx(by_place, rel=1e-4)
        ours = split_of(found.spread[number], found.energy[number], crossing)
        for one, other in zip(ours, variance_split(gram, crossing), strict=True):
            assert one.effect == other.effect
            for name in ("ss", "share", "component_share", "error"):
                assert getattr(one, name) == pytest.approx(getattr(other, name), rel=2e-4, abs=1e-4), (one.effect, name)
        units = unit_variance_split(flat, crossing)
        for axis in range(len(crossing.factors)):
            space = Space.of(shape)
            by_place = np.bincount(space.places(0, flat.shape[1]), units.ss[axis], minlength=space.positions)
            assert found.maps[number, 1 + axis] == pytest.approx(by_place, rel=1e-4)


def test_channels_are_means_over_space_and_over_its_middle(tmp_path: Path) -> None:
    responses = torch.randn(24, 5, 4, 3, generator=torch.Generator().manual_seed(1))
    found = pop(FACTORIAL, responses, (5, 4, 3), tmp_path)
    assert found.channels["space"] == pytest.approx(responses.mean((2, 3)).numpy(), abs=1e-6)
    assert found.channels["centre"] == pytest.approx(responses[:, :, 1:3, 1].mean(2).numpy(), abs=1e-6)
    tokens = torch.randn(24, 10, 6, generator=torch.Generator().manual_seed(2))  # a class token and 3 x 3
    found = pop(FACTORIAL, tokens, (10, 6), tmp_path)
    assert found.channels["space"] == pytest.approx(tokens.mean(1).numpy(), abs=1e-6)
    assert found.channels["centre"] == pytest.approx(tokens[:, 1:].mean(1).numpy(), abs=1e-6)
    found = pop(FACTORIAL, torch.randn(24, 9), (9,), tmp_path)
    assert list(found.channels) == ["space"]


@pytest.mark.parametrize(
    ("shape", "channels", "grid", "centre"),
    [
        ((64, 7, 7), 64, (7, 7), [24]),
        ((64, 8, 8), 64, (8, 8), [27, 28, 35, 36]),
        ((7, 7, 64), 64, (7, 7), [24]),
        ((9, 32), 32, (3, 3), [4]),
        ((10, 32), 32, (10,), list(range(1, 10))),
        ((512,), 512, (1,), [0]),
    ],
)
def test_where_the_features_of_a_layer_are(
    shape: tuple[int, ...], channels: int, grid: tuple[int, ...], centre: list[int]
) -> None:
    space = Space.of(shape)
    assert (space.channels, space.grid, space.centre().tolist()) == (channels, grid, centre)
    row = torch.arange(int(np.prod(shape)))
    seen = space.view(row[None])[0]  # (positions, channels)
    for position in range(space.positions):
        assert (space.places(0, len(row))[seen[position].numpy()] == position).all()


def test_a_network_is_seen_once_and_its_layers_keep_their_shapes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 30 * 30, 5))
    spec = ModelSpec("own", 5, {}, (), 32)
    layers = ["1", "3"]
    assert shapes(network, spec, layers) == {"1": (4, 30, 30), "3": (5,)}
    images = np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), dtype=np.uint8)
    stimuli = Stimuli(tuple(f"design-{k:08d}" for k in range(24)), images)
    sink = ControlledSink(FACTORIAL, 24, shapes(network, spec, layers), tmp_path)
    extract(network, spec, stimuli, layers, sink)
    conv, head = sink.pop("1"), sink.pop("3")
    assert conv.channels["space"].shape == (24, 4) and head.channels["space"].shape == (24, 5)
    assert conv.maps.shape == (1, 3, 900) and (conv.maps[0, 1] + conv.maps[0, 2] <= conv.maps[0, 0] * 1.0001).all()


def test_crossings_that_share_contexts_are_asked_together() -> None:
    other = Crossing("few", (Factor("y", "linear", (0.0, 1.0), "m"),), np.arange(24, 30).reshape(2, 3))
    again = Crossing("again", (X,), np.arange(30, 42).reshape(3, 4))
    names = [[crossing.name for crossing in group] for group in groups([*SWEEPS, other, again, *FACTORIAL])]
    assert names == [["x", "z"], ["few"], ["again"], ["both"]]


def test_contrasts_are_orthonormal_and_of_one_set_of_factors_each() -> None:
    turn, rows = _contrasts((3, 2, 4), 1)
    assert turn @ turn.T == pytest.approx(np.eye(24))
    assert {frozenset(some): (s.stop - s.start) for some, s in rows.items()} == {
        frozenset(): 1, frozenset({1}): 2, frozenset({2}): 1, frozenset({3}): 3, frozenset({1, 2}): 2,
        frozenset({1, 3}): 6, frozenset({2, 3}): 3, frozenset({1, 2, 3}): 6,
    }  # fmt: skip
    x = np.random.default_rng(0).normal(size=(3, 2, 4))
    main = (x.mean((1, 2)) - x.mean()) ** 2
    assert np.square(turn[rows[frozenset({1})]] @ x.ravel()).sum() == pytest.approx(8 * main.sum())


def test_what_a_factor_does_is_not_lost_beside_contexts(tmp_path: Path) -> None:
    """Contexts differ by 10,000 times as much as levels do: squares of float32 would lose it."""
    rng = torch.Generator().manual_seed(3)
    effect = torch.randn(3, 2, 1, 40, generator=rng)
    responses = torch.empty(24, 40)
    responses[FACTORIAL[0].rows] = 1e4 * torch.randn(1, 1, 4, 40, generator=rng) + effect
    found = pop(FACTORIAL, responses, (40,), tmp_path)
    x = (effect.double().mean((1, 2)) - effect.double().mean((0, 1, 2))).numpy()  # (levels, features)
    (share,) = [one for one in split_of(found.spread[0], found.energy[0], FACTORIAL[0]) if one.effect == "x"]
    assert share.ss == pytest.approx(8 * np.square(x).sum(), rel=2e-3)


@pytest.mark.parametrize("shape", [(1, 4), (4, 1), (3, 1, 2), (1,)], ids=str)
def test_a_factor_of_one_level_does_nothing(shape: tuple[int, ...], tmp_path: Path) -> None:
    factors = tuple(Factor(f"f{k}", "linear", tuple(map(float, range(levels)))) for k, levels in enumerate(shape))
    n = 3 * int(np.prod(shape))
    one = Crossing("one", factors, np.moveaxis(np.arange(n).reshape(3, *shape), 0, -1))
    responses = torch.randn(n, 30, generator=torch.Generator().manual_seed(4))
    found = pop([one], responses, (30,), tmp_path)
    flat = responses.double().numpy()
    flat = flat - flat.mean(0)
    expected, ours = marginals(flat @ flat.T, [one]), Marginals.of(found.means[0], [one])
    assert ours.deviations == pytest.approx(expected.deviations, abs=1e-4)
    split = split_of(found.spread[0], found.energy[0], one)
    for own, other in zip(split, variance_split(flat @ flat.T, one), strict=True):
        assert own.effect == other.effect and own.ss == pytest.approx(other.ss, rel=1e-4, abs=1e-4)
    still = [1 + axis for axis, levels in enumerate(shape) if levels == 1]
    assert (found.maps[0, still] == 0).all()
    units = unit_variance_split(flat, one)
    assert found.maps[0, 1:, 0] == pytest.approx(units.ss[: len(shape)].sum(1), rel=1e-4, abs=1e-5)
