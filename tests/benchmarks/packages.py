"""What tests of Brain-Score's benchmarks share: the store without sockets, a small network, the package's own way."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspatial.benchmarks.brainscore import files as store_files
from mlspatial.benchmarks.brainscore import load as loading
from mlspatial.benchmarks.brainscore import reference as package_engine
from mlspatial.benchmarks.brainscore.reference import wrap
from mlspatial.core.score import Score
from tests.benchmarks import assemblies
from tests.benchmarks.assemblies import SMALL, Bench, Shape, Store

SIZE = 32


@contextmanager
def made_bench(
    folder: Path, layers: tuple[str, ...], shape: Shape = SMALL, more: Callable[[Store], None] | None = None
) -> Iterator[Bench]:
    """A bench while no connection may be made and each benchmark of the package is built once. more: installs further
    recordings."""
    from mlspatial.models.build import build
    from mlspatial.models.spec import ModelSpec

    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a connection to {address} was tried")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        built = functools.cache(loading.build_benchmark)
        patch.setattr(loading, "build_benchmark", built)
        patch.setattr(package_engine, "build_benchmark", built)
        store = assemblies.install(folder, shape)
        if more:
            more(store)
        spec = ModelSpec("resnet18", 10, {"category": (0, 10)}, ("category",), SIZE, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
        module = build(spec, seed=0).eval()
        yield Bench(store, module, spec.with_weights(module), layers, {})


def seen(bench: Bench, paths: Sequence[str], layers: Sequence[str]) -> Any:
    """The package's wrapper on files: its assembly of activations, (files, features of all layers)."""
    with store_files.quiet():
        wrapper = wrap(bench.module, bench.spec, bench.spec.model_id, "cpu")
        return wrapper(list(paths), layers=list(layers), stimuli_identifier=False)


def activations(bench: Bench, identifier: str, target: Any, layer: str) -> np.ndarray:
    """(n, features) as the package sees them, in the target's order."""
    facts = loading._build(identifier)
    assert facts["ids"].tolist() == list(target.stimuli.ids)
    return np.asarray(seen(bench, facts["paths"].tolist(), [layer]).values)


def by_package(bench: Bench, identifier: str, layer: str) -> Any:
    """The package's own class on the package's own wrapper: its Score."""
    from brainscore_vision.model_helpers.activations.pytorch import disable_activation_caching
    from brainscore_vision.model_helpers.brain_transformation import ModelCommitment

    with store_files.quiet():
        benchmark = loading.build_benchmark(identifier)
        region = str(getattr(benchmark, "region", "IT"))  # Bracci's records from IT
        wrapper = wrap(bench.module, bench.spec, bench.spec.model_id, "cpu")
        network = ModelCommitment(
            identifier=bench.spec.model_id, activations_model=disable_activation_caching(wrapper), layers=[layer],
            region_layer_map={region: layer}, visual_degrees=8,
        )  # fmt: skip
        return benchmark(network)


def same(ours: Score, theirs: Any, within: float = 1e-6) -> None:
    """raw, ceiling and ceiled value of a score and of the package's."""
    assert ours.ceiled == pytest.approx(float(theirs), abs=within)
    assert ours.raw == pytest.approx(float(theirs.attrs["raw"]), abs=within)
    assert ours.ceiling == pytest.approx(float(theirs.attrs["ceiling"]), abs=within)
