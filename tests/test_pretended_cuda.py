"""Everything that takes a device, on a CUDA device that is none: the CPU's numbers come out, no tensor stays behind on
the CPU, and the host waits only where it must."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlspatial.analysis import decoding, gsn, kernel_ridge, pls, ridge, svc, versa
from mlspatial.analysis.cka import cka_matrices
from mlspatial.analysis.device import sent
from mlspatial.analysis.dots import Dots
from mlspatial.analysis.fixed_split import InnerProducts
from mlspatial.analysis.gram import Gram, PatternGram
from mlspatial.analysis.matching import OneToOne
from mlspatial.analysis.projection import projection
from mlspatial.analysis.reverse_pls import ReversePLS
from mlspatial.analysis.splits import k_folds, random_splits
from mlspatial.analysis.yardsticks import METRICS, representation_of
from mlspatial.core.crossing import Crossing, Factor
from mlspatial.core.latents import Latent, spatial_schema
from mlspatial.models.build import build
from mlspatial.models.controlled import ControlledSink
from mlspatial.models.extract import extract, outputs, shapes
from mlspatial.models.sinks import Features, Products, Projections
from mlspatial.models.spec import ModelSpec, to_input
from mlspatial.tasks.base import TASKS
from mlspatial.train.augment import AUGMENTATIONS
from mlspatial.train.loop import Network, Settings, to_tensors
from mlspatial.train.ranks import ALONE
from tests import toys
from tests.pretended_cuda import pretended_cuda, pretended_mps

N, WIDTH, NEUROIDS = 60, 90, 12
Case = Callable[[str], Any]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([8, seed]).normal(size=shape)


def x(device: str, width: int = WIDTH) -> torch.Tensor:
    return torch.from_numpy(numbers(N, width).astype(np.float32)).to(device)


def responses() -> np.ndarray:
    return numbers(N, WIDTH)[:, :NEUROIDS] + 0.5 * numbers(N, NEUROIDS, seed=1)


def gram() -> np.ndarray:
    given = numbers(N, WIDTH)
    return given @ given.T


FOLDS = k_folds(N, seed=0, folds=3)
SPLITS = random_splits(N, seed=0, runs=2)


@case
def grams(device: str) -> Any:
    made = [Gram(N), PatternGram(N), Dots(N), InnerProducts(N)]
    for product in made:
        for part in x(device).split(40, dim=1):
            product.add(part.contiguous())
    return [made[0].packed(), made[1].matrix(), made[1].patterns(), made[2].condensed(), made[3].between(*SPLITS[0])]


@case
def linear_cka(device: str) -> Any:
    packed = []
    for seed in range(3):
        product = Gram(N)
        product.add(torch.from_numpy(numbers(N, 40, seed=seed).astype(np.float32)).to(device))
        packed.append(product.packed())
    return list(cka_matrices(np.stack(packed)))


@case
def partial_least_squares(device: str) -> Any:
    return [
        *pls.cross_validated_pls_many(gram(), [responses(), responses()[:, :3]], FOLDS, components=4, device=device)
    ]


@case
def ridge_regression(device: str) -> Any:
    train, test = FOLDS[0]
    given = numbers(N, WIDTH).astype(np.float32)
    fold = ridge.RidgeFold.from_features(given[train], given[test], device=device)
    fitted = fold.fit(responses()[train], (0.1, 1.0, 10.0))
    return [fold.predict(responses()[train], fitted.alpha), fitted.alpha, fold.loo_predictions(responses()[train], 1.0)]


@case
def kernel_ridge_regression(device: str) -> Any:
    return kernel_ridge.cross_validated_ridge(gram(), [responses()], FOLDS, device=device)


@case
def support_vectors(device: str) -> Any:
    labels = np.arange(N) % 4
    known, new = FOLDS[0]
    machine = svc.fit_svc(gram()[np.ix_(known, known)], labels[known], device=device)
    return [machine.predict(gram()[np.ix_(new, known)]), machine.decide(gram()[np.ix_(new, known)])]


@case
def read_outs(device: str) -> Any:
    values = {"z": numbers(N), "rot_0": np.linspace(-40, 40, N), "category": np.arange(N) % 3}
    latents = [Latent("z", "m", "linear"), Latent("rot_0", "deg", "circular"),
               Latent("category", "", "category", categories=("a", "b", "c"))]  # fmt: skip
    found = decoding.decode(numbers(N, WIDTH).astype(np.float32), values, latents, SPLITS, device=device)
    narrow = decoding.decode(numbers(N, 9).astype(np.float32), values, latents[:2], SPLITS, device=device)
    return [np.array([one.value for one in [*found, *narrow]])]


@case
def voxels(device: str) -> Any:
    train, test = versa.halves(N)
    found = versa.versa(numbers(N, WIDTH).astype(np.float32), responses(), train, test, device=device)
    return [found.train, found.test, found.voxels, found.predicted]


@case
def generative_ceiling(device: str) -> Any:
    trials = numbers(N, 5, 1) + 0.5 * numbers(N, 5, 3, seed=2)
    found = gsn.Gsn(trials, simulations=3, conditions=20, device=device).ceiling(np.random.default_rng(0))
    return list(vars(found).values())


@case
def matched_units(device: str) -> Any:
    one = OneToOne(responses(), FOLDS)
    reverse = ReversePLS(responses(), FOLDS, components=2)
    for part in x(device).split(30, dim=1):
        one.add(part.contiguous())
    for number in range(reverse.rounds):
        if number:
            reverse.rewind()
        for part in x(device).split(30, dim=1):
            reverse.add(part.contiguous())
    return [one.assigned(), one.correlations(), reverse.correlations()]


@case
def random_projection(device: str) -> Any:
    return [projection(WIDTH, 20, 0).project(x(device))]


def yardstick(name: str) -> Case:
    def measured(device: str) -> Any:
        shown = representation_of(numbers(N, WIDTH).astype(np.float32))
        return [value for value in vars(METRICS[name](shown, responses(), FOLDS, device=device)).values()
                if isinstance(value, float | np.ndarray)]  # fmt: skip

    return measured


CASES |= {f"metric_{name}": yardstick(name) for name in METRICS}

SPEC = ModelSpec("resnet18w8", 9, {"translation": (0, 2), "category": (2, 6)}, ("translation", "category"), 32)
LAYERS = ["layer1.0.relu", "layer4.1.relu", "avgpool", "fc"]


def network() -> Any:
    return build(SPEC, seed=0).eval()


@case
def a_network_s_layers(device: str) -> Any:
    kinds = ("gram", "pattern")
    module, shown = network().to(device), toys.images(40)
    with tempfile.TemporaryDirectory() as folder:
        sinks = [Products(kinds, 40, Path(folder), device), Features(), Projections(50, 0)]
        extract(module, SPEC, shown, LAYERS, *sinks, batch_size=16)
        return [values for layer in LAYERS for sink in sinks for values in sink.pop(layer).values()]


@case
def a_network_s_outputs(device: str) -> Any:
    return [outputs(network().to(device), SPEC, toys.images(40))]


@case
def a_network_that_sees_a_design(device: str) -> Any:
    levels = Factor("x", "linear", (0.0, 1.0, 2.0), "m"), Factor("z", "linear", (1.0, 2.0), "m")
    crossing = Crossing("both", levels, np.arange(24).reshape(4, 3, 2).transpose(1, 2, 0))
    module, layers = network().to(device), LAYERS[:2]
    with tempfile.TemporaryDirectory() as folder:
        sink = ControlledSink([crossing], 24, shapes(module, SPEC, layers), Path(folder), device)
        extract(module, SPEC, toys.images(24), layers, sink)
        found = [sink.pop(layer) for layer in layers]
    return [
        values for one in found for values in (*one.means, *one.spread, one.energy, *one.channels.values(), one.maps)
    ]


def host(found: Any) -> list[np.ndarray]:
    return [np.asarray(one.cpu() if isinstance(one, torch.Tensor) else one) for one in found]


@pytest.mark.parametrize("name", CASES)
def test_the_numbers_are_those_of_the_cpu(name: str) -> None:
    expected = host(CASES[name]("cpu"))
    with pretended_cuda() as waits:
        found = host(CASES[name]("cuda"))
    assert waits, "nothing was computed there"
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * max(1.0, np.abs(theirs).max(initial=0.0)))


@pytest.mark.parametrize("name", CASES)
def test_apple_s_device_without_float64_gives_the_numbers_of_the_cpu(name: str) -> None:
    """What needs float64 is computed on the CPU: no number is worse than there."""
    expected = host(CASES[name]("cpu"))
    with pretended_mps():
        found = host(CASES[name]("mps"))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6 * max(1.0, np.abs(theirs).max(initial=0.0)))


def test_apple_s_device_refuses_what_it_refuses() -> None:
    with pretended_mps():
        there = torch.ones(3, 3, device="mps")
        assert there.device.type == "mps" and not there.is_cuda
        for double in (lambda: there.double(), lambda: torch.zeros(3, dtype=torch.float64, device="mps"),
                       lambda: torch.from_numpy(np.eye(3)).to("mps")):  # fmt: skip
            with pytest.raises(TypeError, match="float64"):
                double()
        with pytest.raises(RuntimeError, match="is on the CPU"):
            there + torch.ones(3, 3)
    assert not torch.backends.mps.is_available()


def test_a_step_of_training_on_apple_s_device_gives_the_cpu_s_weights() -> None:
    """Images and weights lie channels first there: gradients of batch normalisation are wrong in the other order."""
    expected, on_cpu = trained("cpu", 3)
    for _ in range(3):
        on_cpu()
    with pretended_mps() as waits:
        network, step = trained("mps", 3)
        step()
        waits.clear()
        step(), step()
        assert {what for what, _ in waits} <= {"a copy to the device"}, waits  # Apple's memory is not pinned
        assert all(p.is_contiguous() for p in network.module.parameters())
        assert to_input(torch.zeros(2, 40, 40, 3, dtype=torch.uint8, device="mps"), SPEC).is_contiguous()
        assert network.loss() == pytest.approx(expected.loss(), rel=1e-4)
        for name, ours in network.module.state_dict().items():
            torch.testing.assert_close(ours.cpu(), expected.module.state_dict()[name], rtol=1e-3, atol=1e-4)


def test_what_a_gpu_refuses_is_refused() -> None:
    with pretended_cuda():
        there, here = torch.ones(3, 3, device="cuda"), torch.ones(3, 3)
        assert there.device == torch.device("cuda", 0) and there.is_cuda and not here.is_cuda
        for mixed in (lambda: there + here, lambda: there @ here, lambda: torch.cat([here, there])):
            with pytest.raises(RuntimeError, match="is on the CPU, others are on the GPU"):
                mixed()
        for host_only in (there.numpy, lambda: np.asarray(there)):
            with pytest.raises((RuntimeError, TypeError)):
                host_only()
        assert torch.equal((there + 2.0 * torch.tensor(1.0)).cpu(), 3.0 * here)  # one number may lie anywhere
    assert not torch.cuda.is_available()


def test_what_the_host_waits_for_is_counted() -> None:
    with pretended_cuda() as waits:
        values = torch.arange(6.0, device="cuda")
        moved = values.to(torch.float64) + sent(torch.arange(6.0), "cuda")
        assert not waits
        moved[[0, 1, 2, 3, 4, 5]], torch.ones(3).to("cuda"), torch.tensor([1.0], device="cuda")
        assert {what for what, _ in waits} == {"a copy to the device"} and sum(waits.values()) == 3
        waits.clear()
        found = float(moved.sum()), (values > 2).nonzero().ravel().cpu().tolist(), bool((values > 9).any())
        assert found == (30.0, [3, 4, 5], False)
    assert {what: count for (what, _), count in waits.items()} == {
        "a number": 2, "a size": 1, "a copy to the host": 1
    }  # fmt: skip


def test_extraction_waits_for_what_it_keeps_alone() -> None:
    """Once a batch whether its numbers are finite; of a batch's layer its numbers and their scales; of a network's
    layer little: not more for more stimuli or features."""
    batches, layers = 3, len(LAYERS)
    with pretended_cuda() as waits:
        CASES["a_network_s_layers"]("cuda")
    by_file: Counter[str] = Counter()
    for (_, place), count in waits.items():
        by_file[place.partition(":")[0]] += count if place else 0  # the test itself, which moves the network
    del by_file[""]
    assert by_file["models/extract.py"] == batches
    assert by_file["models/spool.py"] == batches * layers + layers
    assert by_file["models/sinks.py"] == 2 * batches * layers  # Features and Projections keep on the host
    assert by_file["analysis/gram.py"] <= 10 * layers
    assert set(by_file) == {"models/extract.py", "models/spool.py", "models/sinks.py", "analysis/gram.py"}


def test_a_further_chunk_of_features_is_waited_for_once_at_most() -> None:
    """Once where it is asked whether its numbers are finite; what is summed over chunks stays on the device."""
    neuroids = numbers(N, 5)
    makers = {"gram": (lambda: Gram(N), 1), "patterns": (lambda: PatternGram(N), 1), "dots": (lambda: Dots(N), 0),
              "inner": (lambda: InnerProducts(N), 1), "one_to_one": (lambda: OneToOne(neuroids, FOLDS), 1)}  # fmt: skip
    for name, (make, most) in makers.items():
        with pretended_cuda() as waits:
            chunks = [part.contiguous() for part in x("cuda").split(30, dim=1)]
            made = make()
            made.add(chunks[0])
            waits.clear()
            for chunk in chunks[1:]:
                made.add(chunk)
        assert sum(waits.values()) == most * (len(chunks) - 1), (name, waits)


def trained(device: str, steps: int) -> tuple[Network, Callable[[], None]]:
    """A network in training, and what makes its steps."""
    schema = spatial_schema(("a", "b", "c", "d"), ("e", "f"))
    task = TASKS["translation"](schema, {axis: {"mean": 2.0, "sd": 1.0} for axis in "xy"})
    spec = ModelSpec("resnet18w8", 2, {"translation": (0, 2)}, ("translation",), 32)
    module = build(spec, seed=0)
    network = Network(
        "n", module, spec, task, 0, lambda *_: None, lambda *_: None, Path("no such file"),
    )  # fmt: skip
    settings = Settings(batches=steps, lr=1e-3, schedule="one_cycle", augment="colour")
    shown = torch.from_numpy(toys.images(8).images)
    columns = {axis: torch.linspace(1.0, 3.0, 8) for axis in "xy"}
    network.start(settings, replace(ALONE, device=device))

    def step() -> None:
        images = AUGMENTATIONS["colour"](shown.to(device, non_blocking=True), 0, network.step)
        network.descend(to_input(images, spec), to_tensors(columns, device), settings.precision)

    return network, step


def test_a_step_of_training_gives_the_cpu_s_weights_and_waits_for_nothing() -> None:
    expected, on_cpu = trained("cpu", 4)
    for _ in range(4):
        on_cpu()
    with pretended_cuda() as waits:
        network, step = trained("cuda", 4)
        step()
        waits.clear()  # an optimiser's first step asks once
        for _ in range(3):
            step()
        assert not waits, waits
        assert network.loss() == pytest.approx(expected.loss(), rel=1e-4)
        assert waits
        for name, ours in network.module.state_dict().items():
            torch.testing.assert_close(ours.cpu(), expected.module.state_dict()[name], rtol=1e-3, atol=1e-4)
