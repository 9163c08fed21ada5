"""Brain-Score's further kinds: our fast numbers are the package's own classes', on made-up recordings of its layouts."""

from __future__ import annotations

import functools
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspatial.benchmarks.brainscore import found
from mlspatial.benchmarks.brainscore import files as store_files
from mlspatial.benchmarks.brainscore import load as loading
from mlspatial.benchmarks.brainscore import reference as package_engine
from mlspatial.benchmarks.brainscore.fixed_split import FixedSplit
from mlspatial.benchmarks.brainscore.geometry import PublishedGeometries, SelectedUnits
from mlspatial.benchmarks.brainscore.kinds import FAST, kind_of
from mlspatial.benchmarks.brainscore.load import load
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.benchmarks.brainscore.reference import wrap
from mlspatial.benchmarks.brainscore.reverse import Reverse
from mlspatial.benchmarks.brainscore.temporal import Temporal
from tests.benchmarks import assemblies
from tests.benchmarks.assemblies import Bench
from tests.benchmarks.more_assemblies import BINS, install_more

SIZE = 32
LAYERS = ("layer3.0.relu", "avgpool")  # 1024, 512 features
SPLIT = ("Allen2022_fmri_4subj.V4-ridge", "Papale2025.IT-ridge", "Papale2025.V1-ridgecv", "Gifford2022.IT-ridgecv")
GEOMETRY = ("Allen2022_fmri_4subj.IT-rdm", "Li2026.IT-rdm", "Bracci2019.anteriorVTC-rdm")
SELECTED = "tong.Coggan2024_fMRI.IT-rdm"
TEMPORAL = ("MajajHong2015public.V4-temporal-pls", "MajajHong2015public.IT-temporal-pls")
REVERSE = ("MajajHong2015public.V4-reverse_pls", "MajajHong2015public.IT-reverse_pls")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    from mlspatial.models.build import build
    from mlspatial.models.spec import ModelSpec

    def refuse(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a connection to {address} was tried")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        built = functools.cache(loading.build_benchmark)
        patch.setattr(loading, "build_benchmark", built)
        patch.setattr(package_engine, "build_benchmark", built)
        store = assemblies.install(tmp_path_factory.mktemp("brainscore"))
        install_more(store)
        spec = ModelSpec("resnet18", 10, {"category": (0, 10)}, ("category",), SIZE, (0.5, 0.4, 0.3), (0.2, 0.3, 0.25))
        module = build(spec, seed=0).eval()
        yield Bench(store, module, spec.with_weights(module), LAYERS, {})


def activations(bench: Bench, identifier: str, target: Any, layer: str) -> np.ndarray:
    """(n, features) as the package sees them, in the target's order."""
    facts = loading._build(identifier)
    assert facts["ids"].tolist() == list(target.stimuli.ids)
    with store_files.quiet():
        wrapper = wrap(bench.module, bench.spec, bench.spec.model_id, "cpu")
        found = wrapper(facts["paths"].tolist(), layers=[layer], stimuli_identifier=False)
    return np.asarray(found.values)


def by_package(bench: Bench, identifier: str, layer: str) -> Any:
    """The package's own class on the package's own wrapper: its Score."""
    from brainscore_vision.model_helpers.activations.pytorch import disable_activation_caching
    from brainscore_vision.model_helpers.brain_transformation import ModelCommitment

    with store_files.quiet():
        benchmark = loading.build_benchmark(identifier)
        region = str(getattr(benchmark, "region", "IT"))
        region = getattr(benchmark, "_roi_map", {}).get(region, (0, region))[1] if identifier.startswith("Bracci") else region
        wrapper = wrap(bench.module, bench.spec, bench.spec.model_id, "cpu")
        network = ModelCommitment(
            identifier=bench.spec.model_id, activations_model=disable_activation_caching(wrapper), layers=[layer],
            region_layer_map={region: layer}, visual_degrees=8,
        )  # fmt: skip
        return benchmark(network)


@pytest.mark.parametrize("identifier", SPLIT)
def test_a_fixed_split_is_scored_as_the_package_scores_it(bench: Bench, identifier: str) -> None:
    target = load(identifier, input_size=SIZE)
    assert isinstance(target, FixedSplit) and target.own == f"{identifier.rpartition('-')[2]}_split"
    for layer in LAYERS:
        theirs, ours = by_package(bench, identifier, layer), target.score_features(
            activations(bench, identifier, target, layer)
        )
        print(identifier, float(theirs), ours.ceiled, float(theirs.raw), ours.raw, float(theirs.ceiling), ours.ceiling)


@pytest.mark.parametrize("identifier", GEOMETRY)
def test_geo(bench: Bench, identifier: str) -> None:
    from mlspatial.analysis import rsa
    target = load(identifier, input_size=SIZE)
    assert isinstance(target, PublishedGeometries)
    for layer in LAYERS:
        theirs = by_package(bench, identifier, layer)
        ours = target.score(rsa.condensed(rsa.correlation_rdm(activations(bench, identifier, target, layer).astype(float))))
        print(identifier, float(theirs), ours.ceiled, float(theirs.raw), ours.raw, float(theirs.ceiling), ours.ceiling)

def test_sel(bench: Bench) -> None:
    target = load(SELECTED, input_size=SIZE)
    for layer in LAYERS:
        theirs = by_package(bench, SELECTED, layer)
        ours = target.score_features(activations(bench, SELECTED, target, layer))
        print(float(theirs), ours.ceiled, float(theirs.raw), ours.raw, float(theirs.ceiling), ours.ceiling)

@pytest.mark.parametrize("identifier", TEMPORAL)
def test_temp(bench: Bench, identifier: str) -> None:
    target = load(identifier, input_size=SIZE)
    for layer in LAYERS:
        theirs = by_package(bench, identifier, layer)
        f = activations(bench, identifier, target, layer).astype(float)
        ours = target.score(f@f.T)
        print(theirs.values, {k: v for k, v in ours.more.items() if k.startswith('ceiled')}, ours)

@pytest.mark.parametrize("identifier", REVERSE)
def test_rev(bench: Bench, identifier: str) -> None:
    target = load(identifier, input_size=SIZE)
    for layer in LAYERS:
        theirs = by_package(bench, identifier, layer)
        ours = target.score_features(activations(bench, identifier, target, layer))
        print(float(theirs), ours.ceiled, float(theirs.raw), ours.raw, float(theirs.ceiling), ours.ceiling, theirs.attrs['error'], ours.error)
