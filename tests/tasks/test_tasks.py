"""Losses and metrics against their definitions and known answers; one suite over every registered task."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.latents import MOTION, LatentSchema, spatial_schema
from mlspatial.tasks import TASKS, build_task, canonical_name, head_layout, task_names
from mlspatial.tasks.base import Part
from mlspatial.tasks.position import Position
from mlspatial.tasks.rotation import euler_matrix

SPATIAL = spatial_schema(tuple(f"c{i}" for i in range(117)), tuple(f"i{i}" for i in range(548)))
SCHEMA = LatentSchema((*SPATIAL.latents, *MOTION))
STATISTICS = {"x": {"mean": 0.1, "sd": 0.5}, "y": {"mean": -0.2, "sd": 0.4}, "z": {"mean": 2.5, "sd": 0.9}}
STATISTICS |= {name: {"mean": 0.1, "sd": 0.4} for name in ("v_x", "v_y", "v_z")}


@pytest.fixture
def columns() -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(0)
    n = 64
    values = {
        "x": rng.normal(0.1, 0.5, n),
        "y": rng.normal(-0.2, 0.4, n),
        "z": rng.normal(2.5, 0.9, n),
        "rot_0": rng.uniform(-89, 89, n),
        "rot_1": rng.uniform(-180, 180, n),
        "rot_2": rng.uniform(-180, 180, n),
        **{name: rng.normal(0.1, 0.4, n) for name in ("v_x", "v_y", "v_z")},
        "heading": rng.uniform(-180, 180, n),
    }
    made = {name: torch.tensor(v, dtype=torch.float32) for name, v in values.items()}
    return made | {"category": torch.arange(n) % 117, "identity": torch.arange(n) * 7 % 548}


def perfect_outputs(columns: dict[str, torch.Tensor], further: str = "") -> torch.Tensor:
    """The head's output that is right about everything, the units of a further task behind the published ones."""
    n = len(columns["x"])
    angles = torch.deg2rad(torch.stack([columns[f"rot_{i}"] for i in range(3)], 1))
    parts = [
        ((columns["z"] - 2.5) / 0.9)[:, None],
        ((columns["x"] - 0.1) / 0.5)[:, None],
        ((columns["y"] + 0.2) / 0.4)[:, None],
        torch.stack([angles.sin(), angles.cos()], 2).reshape(n, 6),
        50.0 * torch.nn.functional.one_hot(columns["category"], 117),
        50.0 * torch.nn.functional.one_hot(columns["identity"], 548),
    ]
    if further == "velocity":
        parts += [((columns[name] - 0.1) / 0.4)[:, None] for name in ("v_x", "v_y", "v_z")]
    if further == "heading":
        heading = torch.deg2rad(columns["heading"])
        parts.append(torch.stack([heading.sin(), heading.cos()], 1))
    return torch.cat(parts, 1)


def test_the_head_has_the_study_s_674_units() -> None:
    layout = head_layout(SCHEMA)
    assert list(layout) == ["distance", "translation", "rotation", "category", "identity"]
    assert [end - first for first, end in layout.values()] == [1, 2, 6, 117, 548]
    assert max(end for _, end in layout.values()) == 674


@pytest.mark.parametrize("name", [*TASKS, "distance+translation", "rotation+category", "all"])
def test_a_perfect_output_has_no_loss_and_the_best_metrics(name: str, columns: dict[str, torch.Tensor]) -> None:
    task = build_task(name, SCHEMA, STATISTICS)
    metrics = task.metrics(perfect_outputs(columns, name), columns)
    assert metrics["loss"] == pytest.approx(0.0, abs=1e-5)
    for key, value in metrics.items():
        if key.endswith("r2") or "top" in key:
            assert value == pytest.approx(1.0, abs=1e-5), key
        elif "mae" in key or "error" in key:
            assert value == pytest.approx(0.0, abs=0.05), key


@pytest.mark.parametrize("name", [*TASKS, "distance+translation", "all"])
def test_only_the_task_s_units_are_supervised(name: str, columns: dict[str, torch.Tensor]) -> None:
    task = build_task(name, SCHEMA, STATISTICS)
    units = max(674, *(part.stop for part in task.slices.values()))
    outputs = torch.randn(64, units, requires_grad=True)
    task.loss(outputs, columns).backward()
    touched = outputs.grad.abs().sum(0) > 0
    expected = torch.zeros(units, dtype=torch.bool)
    for part in task.slices.values():
        expected[part] = True
    assert torch.equal(touched, expected)
    assert task.units == int(expected.sum())


def test_a_combined_loss_is_the_arithmetic_mean(columns: dict[str, torch.Tensor]) -> None:
    outputs = torch.randn(64, 674)
    alone = [float(build_task(name, SCHEMA, STATISTICS).loss(outputs, columns)) for name in task_names("all")]
    assert float(build_task("all", SCHEMA, STATISTICS).loss(outputs, columns)) == pytest.approx(np.mean(alone))


def test_losses_are_those_of_the_protocol(columns: dict[str, torch.Tensor]) -> None:
    outputs = torch.randn(64, 674)
    x, y = (columns["x"] - 0.1) / 0.5, (columns["y"] + 0.2) / 0.4
    translation = (((outputs[:, 1] - x) ** 2).mean() + ((outputs[:, 2] - y) ** 2).mean()) / 2
    assert float(build_task("translation", SCHEMA, STATISTICS).loss(outputs, columns)) == pytest.approx(
        float(translation), rel=1e-5
    )
    angles = []
    for i in range(3):
        a = torch.deg2rad(columns[f"rot_{i}"])
        sine, cosine = outputs[:, 3 + 2 * i], outputs[:, 4 + 2 * i]
        angles.append((((sine - a.sin()) ** 2).mean() + ((cosine - a.cos()) ** 2).mean()) / 2)
    assert float(build_task("rotation", SCHEMA, STATISTICS).loss(outputs, columns)) == pytest.approx(
        float(sum(angles) / 3), rel=1e-5
    )
    uniform = build_task("category", SCHEMA, STATISTICS).loss(torch.zeros(64, 674), columns)
    assert float(uniform) == pytest.approx(math.log(117), rel=1e-5)


def test_metrics_are_in_latent_units(columns: dict[str, torch.Tensor]) -> None:
    outputs = perfect_outputs(columns)
    outputs[:, 0] += 0.1 / 0.9  # ten centimetres too far
    metrics = build_task("distance", SCHEMA, STATISTICS).metrics(outputs, columns)
    assert metrics["distance/z_mae_m"] == pytest.approx(0.1, rel=1e-4)
    outputs[:, 0] = 0.0  # always the training mean
    truth = columns["z"].double()
    expected = 1 - ((truth - 2.5) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    metrics = build_task("distance", SCHEMA, STATISTICS).metrics(outputs, columns)
    assert metrics["distance/r2"] == pytest.approx(float(expected))


def test_angular_errors_go_the_short_way_round(columns: dict[str, torch.Tensor]) -> None:
    task = build_task("rotation", SCHEMA, STATISTICS)
    turned = {**columns, "rot_1": torch.full((64,), 175.0)}
    predicted = {**columns, "rot_1": torch.full((64,), -175.0)}
    metrics = task.metrics(perfect_outputs(predicted), turned)
    assert metrics["rotation/rot_1_mae_deg"] == pytest.approx(10.0, abs=0.01)
    assert metrics["rotation/rot_0_mae_deg"] == pytest.approx(0.0, abs=0.05)
    truth = Rotation.from_euler("YXZ", np.stack([turned["rot_1"], turned["rot_0"], turned["rot_2"]], 1), degrees=True)
    other = Rotation.from_euler(
        "YXZ", np.stack([predicted["rot_1"], predicted["rot_0"], predicted["rot_2"]], 1), degrees=True
    )
    expected = np.degrees((truth.inv() * other).magnitude()).mean()
    assert metrics["rotation/rotation_error_deg"] == pytest.approx(expected, abs=0.05)


def test_euler_matrix_agrees_with_scipy() -> None:
    angles = np.random.default_rng(1).uniform(-80, 80, size=(20, 3))
    expected = Rotation.from_euler("YXZ", angles[:, [1, 0, 2]], degrees=True).as_matrix()
    assert euler_matrix(torch.tensor(angles)).numpy() == pytest.approx(expected)


def test_names() -> None:
    assert canonical_name("category+distance") == "distance+category"
    assert canonical_name("distance+translation+rotation+category+identity") == "all"
    with pytest.raises(UnknownName, match="did you mean translation"):
        canonical_name("translatoin")
    with pytest.raises(UserError, match="twice"):
        canonical_name("distance+distance")


def test_a_dataset_without_the_target_is_refused() -> None:
    positions = LatentSchema(tuple(latent for latent in SCHEMA if latent.name in "xyz"))
    assert head_layout(positions) == {"distance": (0, 1), "translation": (1, 3)}
    with pytest.raises(UserError, match="has no category"):
        build_task("category", positions, STATISTICS)


def test_a_constant_target_is_refused() -> None:
    task = build_task("distance+translation", SCHEMA, STATISTICS)
    columns = {"z": np.linspace(1, 4, 9), "x": np.full(9, 1e-7), "y": np.zeros(9)}
    with pytest.raises(UserError, match="x and y is the same in every image of dataset centred; leave out translation"):
        task.check("centred", columns)


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_says_what_it_is(name: str) -> None:
    part = TASKS[name]
    assert inspect.getdoc(part) and part.columns and all(column in SCHEMA for column in part.columns)


def test_an_own_task_gets_units_behind_the_published_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    class Height(Position):
        """y alone."""

        columns = ("y",)

    monkeypatch.setitem(TASKS._items, "height", Height)
    assert task_names("height+distance") == ("distance", "height") and canonical_name("all") == "all"
    assert "height" not in head_layout(SCHEMA)  # networks of other tasks stay as they were
    task = build_task("height+distance", SCHEMA, STATISTICS)
    assert task.slices == {"distance": slice(0, 1), "height": slice(674, 675)} and task.columns == ("z", "y")


@pytest.mark.parametrize("name", [*TASKS, "distance+translation", "rotation+category", "all"])
def test_what_is_kept_of_every_image_has_the_metrics_as_its_means(name: str, columns: dict[str, torch.Tensor]) -> None:
    task = build_task(name, SCHEMA, STATISTICS)
    outputs = torch.randn(64, 677, generator=torch.Generator().manual_seed(1))
    metrics, kept = task.metrics(outputs, columns), task.predictions(outputs, columns)
    assert all(len(values) == 64 for values in kept.values())
    assert kept["loss"].mean() == pytest.approx(metrics["loss"], rel=1e-5)
    for part in task.parts:
        assert kept[f"{part}_loss"].mean() == pytest.approx(metrics[f"{part}/loss"], rel=1e-5)
    needs = {"distance": "z_error", "translation": "x_error", "rotation": "rotation_error",
             "category": "category_true", "identity": "identity_true"}  # fmt: skip
    assert {needs[part] for part in task.parts if part in needs} <= set(kept)
    for latent in ("x", "y", "z"):
        if f"{latent}_error" in kept:
            part = "distance" if latent == "z" else "translation"
            assert kept[f"{latent}_true"] == pytest.approx(columns[latent].numpy())
            assert np.abs(kept[f"{latent}_error"]).mean() == pytest.approx(metrics[f"{part}/{latent}_mae_m"], rel=1e-5)
    if "rotation_error" in kept:
        true, predicted = (np.stack([kept[f"rot_{i}_{which}"] for i in range(3)], 1) for which in ("true", "predicted"))
        orders = "YXZ", [1, 0, 2]  # Ry(rot_1) Rx(rot_0) Rz(rot_2)
        one, other = (Rotation.from_euler(orders[0], of[:, orders[1]], degrees=True) for of in (true, predicted))
        assert kept["rotation_error"] == pytest.approx(np.degrees((one.inv() * other).magnitude()), abs=0.05)
        assert np.abs(kept["rot_1_error"]).max() <= 180
        assert np.abs(kept["rot_1_error"]).mean() == pytest.approx(metrics["rotation/rot_1_mae_deg"], rel=1e-4)
    for kind in ("category", "identity"):
        if f"{kind}_true" in kept:
            assert np.mean(kept[f"{kind}_true"] == kept[f"{kind}_predicted"]) == metrics[f"{kind}/top1"]
            assert list(kept[f"{kind}_true"][:2]) == [kind[0] + str(int(columns[kind][i])) for i in (0, 1)]
            assert -np.log(kept[f"{kind}_probability"]).mean() == pytest.approx(metrics[f"{kind}/loss"], rel=1e-4)


def test_a_part_that_says_nothing_of_images_still_has_its_losses(columns: dict[str, torch.Tensor]) -> None:
    class Plain(Position):
        columns = ("x",)
        predictions = Part.predictions

    part = Plain(SCHEMA, STATISTICS)
    outputs = torch.randn(64, 1, generator=torch.Generator().manual_seed(1))
    kept = part.predictions(outputs, columns)
    assert set(kept) == {"loss"}
    assert kept["loss"] == pytest.approx(Position.predictions(part, outputs, columns)["loss"], rel=1e-5, abs=1e-8)


def test_velocity_and_heading_that_are_right_and_that_are_not() -> None:
    """An outputs' heading 30 degrees off over the cut at 180; a velocity half a standard deviation too high."""
    degrees = torch.tensor([170.0, -175.0, 0.0, 90.0])
    off = torch.deg2rad(degrees + 30.0)
    heading = TASKS["heading"](SCHEMA, STATISTICS)
    columns = {"heading": degrees}
    outputs = torch.stack([off.sin(), off.cos()], 1)
    assert heading.metrics(outputs, columns) == {"mae_deg": pytest.approx(30.0, abs=1e-4)}
    assert heading.predictions(outputs, columns)["heading_error"] == pytest.approx([30.0] * 4, abs=1e-4)
    exact = torch.deg2rad(degrees)
    right = torch.stack([exact.sin(), exact.cos()], 1)
    assert float(heading.loss(right, columns)) == pytest.approx(0.0, abs=1e-12)
    assert float(heading.loss(outputs, columns)) == pytest.approx(1 - math.cos(math.radians(30)), rel=1e-5)
    velocity = TASKS["velocity"](SCHEMA, STATISTICS)
    truth = {name: torch.tensor([-0.7, 0.1, 0.9]) for name in velocity.columns}
    outputs = torch.stack([(truth[name] - 0.1) / 0.4 + 0.5 for name in velocity.columns], 1)
    found = velocity.metrics(outputs, truth)
    assert found["v_x_mae_m_s"] == pytest.approx(0.2) and "v_x_mae_m" not in found
    assert found["r2"] == pytest.approx(1 - 3 * 0.04 / (0.64 + 0.64))
    assert float(velocity.loss(outputs, truth)) == pytest.approx(0.25)
