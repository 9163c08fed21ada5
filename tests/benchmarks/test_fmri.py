"""The fMRI benchmark: halves, versions, ceilings against the truth, voxels from a YAML, simulated brains."""

from __future__ import annotations

import json
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from mlspatial.analysis.gsn import ncsnr, rsa_ceiling
from mlspatial.analysis.rsa import condensed, similarity_matrix
from mlspatial.analysis.versa import PUBLISHED_CODE, VARIANTS, crsa, versa
from mlspatial.benchmarks import FMRI_BENCHMARKS, FmriBenchmark, find_benchmark, known_benchmarks, voxels
from mlspatial.benchmarks.base import Way
from mlspatial.benchmarks.pictures import shapes_on_noise
from mlspatial.benchmarks.simulated import random_network
from mlspatial.benchmarks.simulated_fmri import LAYER, SIZE, smooth_noise, voxel_signal, voxel_trials
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError
from mlspatial.models.extract import extract
from mlspatial.models.sinks import Features
from mlspatial.models.stimuli import Stimuli

N, VOXELS, REPEATS = 40, 15, 3
OTHER = "layer1.0.relu"


@pytest.fixture(scope="module")
def trials() -> np.ndarray:
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(N, 6)) @ rng.normal(size=(6, VOXELS))
    return (signal[..., None] + rng.normal(size=(N, VOXELS, REPEATS))).astype(np.float32)


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return shapes_on_noise(N, 16, seed=3)


@pytest.fixture
def benchmark(trials: np.ndarray, images: np.ndarray) -> FmriBenchmark:
    stimuli = Stimuli(tuple(f"im{i:02d}" for i in range(N)), images)
    return FmriBenchmark("mine", "anna", "OTC", stimuli, trials.mean(axis=2), trials)


@pytest.fixture(scope="module")
def brain() -> FmriBenchmark:
    found = find_benchmark("simulated_fmri:images=150,voxels=120,noise=0.5")
    assert isinstance(found, FmriBenchmark)
    return found


def alike(a: np.ndarray, b: np.ndarray) -> float:
    upper = np.triu_indices(len(a), 1)
    return float(np.corrcoef(np.corrcoef(a)[upper], np.corrcoef(b)[upper])[0, 1])


def test_scores_are_those_of_the_halves(benchmark: FmriBenchmark, rng: np.random.Generator) -> None:
    features = rng.normal(size=(N, 30)) + np.tile(benchmark.responses, 2)
    even, odd = np.arange(0, N, 2), np.arange(1, N, 2)
    assert np.array_equal(benchmark.train, even) and np.array_equal(benchmark.test, odd)
    patterns = similarity_matrix(features)
    found = benchmark.crsa(patterns)
    assert found.train == pytest.approx(alike(features[even], benchmark.responses[even]), abs=1e-6)
    assert found.test == pytest.approx(alike(features[odd], benchmark.responses[odd]), abs=1e-6)
    flat = benchmark.crsa(condensed(patterns).astype(np.float32))  # as it is kept of a layer
    assert flat.test == pytest.approx(found.test, abs=1e-6)
    assert found == crsa(patterns, benchmark.responses, even, odd)
    for variant in (*VARIANTS, PUBLISHED_CODE):
        known = VARIANTS[variant] if isinstance(variant, str) else variant
        expected = versa(features, benchmark.responses, even, odd, variant=known)
        assert benchmark.versa(features, variant).test == expected.test
    with pytest.raises(UnknownName, match="did you mean paper"):
        benchmark.versa(features, "papr")
    with pytest.raises(StimulusMismatch):
        benchmark.versa(features[1:])


def test_version_changes_with_whatever_decides_a_score(benchmark: FmriBenchmark, trials: np.ndarray) -> None:
    other = trials.copy()
    other[0, 0] += [1, -1, 0]  # the same mean
    blue = Stimuli(benchmark.stimuli.ids, benchmark.stimuli.images // 2)
    changed = [
        benchmark,
        replace(benchmark, trials=other),
        replace(benchmark, responses=benchmark.responses + 1),
        replace(benchmark, metric="crsa"),
        replace(benchmark, noise_ceiling=0.8),
        replace(benchmark, stimuli=blue),
    ]
    assert len({one.version for one in changed}) == len(changed)
    assert replace(benchmark, identifier="yours").version == benchmark.version


def test_the_ceiling_is_the_mean_of_five_runs_and_kept(
    benchmark: FmriBenchmark, trials: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path))
    runs = [rsa_ceiling(trials.astype(float), np.random.default_rng([voxels.SEED, i])).ceiling for i in range(5)]
    assert benchmark.ceiling_runs == pytest.approx(runs) and benchmark.ceiling == pytest.approx(np.mean(runs))
    monkeypatch.setattr("mlspatial.analysis.gsn.Gsn", None)
    assert replace(benchmark).ceiling == benchmark.ceiling == replace(benchmark, metric="crsa").ceiling
    assert replace(benchmark, noise_ceiling=0.7).ceiling == 0.7
    assert np.isnan(replace(benchmark, noise_ceiling="none").ceiling)
    assert np.isnan(replace(benchmark, trials=None, ncsnr=None).ceiling)
    np.testing.assert_allclose(benchmark.ncsnr, ncsnr(trials), rtol=1e-5)


def test_the_ceiling_is_computed_on_the_device_that_is_given(
    benchmark: FmriBenchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine with a GPU on which the CPU was asked for, and the other way round."""
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path))
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    used: list[str] = []

    class Model:
        def __init__(self, trials: np.ndarray, device: str) -> None:
            used.append(device)

        def ceiling(self, rng: np.random.Generator) -> SimpleNamespace:
            return SimpleNamespace(ceiling=0.5)

    monkeypatch.setattr("mlspatial.analysis.gsn.Gsn", Model)
    assert benchmark.ceiling == 0.5 and used == ["cpu"]
    for file in (tmp_path / "fmri").iterdir():
        file.unlink()

    for device in ("cuda:1", "cpu"):  # the second finds what the first has kept
        replace(benchmark).check("versa", Way(device=device))
    assert used == ["cpu", "cuda:1"]


@pytest.mark.parametrize(
    "kept", ["", "{", "[1, 2]", '{"runs": [0.1, 0.2]}', '{"seed": 1, "runs": [0.1]}', '{"seed": SEED, "runs": [NaN]}',
             '{"seed": SEED, "runs": null}', '{"seed": SEED, "runs": ["x"]}']
)  # fmt: skip
def test_ceilings_that_are_kept_and_damaged_are_made_anew(
    benchmark: FmriBenchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path))
    made = iter((0.5, 0.6, 0.7, 0.8, 0.9))
    run = namedtuple("run", "ceiling")
    model = namedtuple("model", "ceiling")(lambda _rng: run(next(made)))
    monkeypatch.setattr("mlspatial.analysis.gsn.Gsn", lambda *_, **__: model)
    file = tmp_path / "fmri" / f"ceiling-{benchmark._voxels}-{voxels.CEILING_VERSION}.json"
    file.parent.mkdir()
    file.write_text(kept.replace("SEED", str(voxels.SEED)))
    assert benchmark.ceiling_runs == (0.5, 0.6, 0.7, 0.8, 0.9)
    assert replace(benchmark).ceiling_runs == benchmark.ceiling_runs  # read back
    facts = json.loads(file.read_text())
    file.write_text(json.dumps({**facts, "runs": [*facts["runs"], 0.0]}))
    assert replace(benchmark).ceiling_runs == benchmark.ceiling_runs  # five and no more
    made = iter((0.85, 0.95))
    file.write_text(json.dumps({**facts, "runs": facts["runs"][:3]}))  # interrupted: goes on
    assert replace(benchmark).ceiling_runs == (0.5, 0.6, 0.7, 0.85, 0.95)


def test_responses_that_cannot_be_scored(benchmark: FmriBenchmark, trials: np.ndarray) -> None:
    def fails(words: str, **changes: object) -> None:
        with pytest.raises(UserError, match=words):
            replace(benchmark, **changes)

    means = benchmark.responses
    fails("has 10 voxels, a region needs more than 10", responses=means[:, :10], trials=None, ncsnr=None)
    fails("for 40 stimuli", responses=means[1:])
    fails("trials of shape", trials=trials[:, 1:])
    fails("3 voxels respond the same", responses=np.where(np.arange(VOXELS) < 3, 1.0, means))
    fails(r"voxel 2 has no trial of stimulus im05 .nor have 1 more", responses=_holes(means))
    fails("metric=pls: must be one of crsa, versa", metric="pls")
    fails("ceiling=split_half: must be one of gsn, none", noise_ceiling="split_half")


def _holes(means: np.ndarray) -> np.ndarray:
    values = means.copy()
    values[5, 2] = values[9, 2] = np.nan
    return values


@pytest.mark.parametrize("missing", [False, True])
def test_voxels_from_a_yaml(trials: np.ndarray, images: np.ndarray, tmp_path: Path, missing: bool) -> None:
    values = trials.astype(np.float64)
    if missing:
        values[3, :, 1] = values[8, 2, 0] = np.nan
    (tmp_path / "pictures").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "pictures" / f"im{i:02d}.png")
    np.save(tmp_path / "betas.npy", values.transpose(1, 0, 2))
    lines = "region: OTC\nstimuli: pictures\nresponses: betas.npy\naxes: [neuroid, stimulus, repeat]\nsubject: anna\n"
    path = tmp_path / "scan.yaml"
    path.write_text(lines + "metric: crsa\n")
    found = find_benchmark(str(path))
    assert isinstance(found, FmriBenchmark)
    assert (found.identifier, found.subject, found.region, found.metric) == ("scan", "anna", "OTC", "crsa")
    assert found.trials is not None and np.array_equal(found.trials, values, equal_nan=True)
    np.testing.assert_allclose(found.responses, np.nanmean(values, axis=2), rtol=1e-5, atol=1e-6)
    whole = np.delete(values, [3, 8], axis=0) if missing else values
    np.testing.assert_allclose(found.ncsnr, ncsnr(whole), rtol=1e-5)
    assert not missing or 0 < found.ceiling <= 1
    path.write_text(lines + "metric: versa\nceiling: 0.6\n")
    assert find_benchmark(str(path)).ceiling == 0.6
    for extra, words in (
        ("metric: versa\nsplits: kfold:5", "splits is not a key of metric versa"),
        ("metric: ridge", "subject is not a key of metric ridge"),
        ("metric: wersa", "must be one of cka, .*crsa, versa"),
        ("metric: versa\nceiling: repeats", "ceiling=repeats: must be one of gsn, none"),
    ):
        path.write_text(f"{lines}{extra}\n")
        with pytest.raises(UserError, match=words):
            find_benchmark(str(path))


def test_a_simulated_brain_is_a_person_with_one_truth(brain: FmriBenchmark) -> None:
    assert {"simulated_fmri", "nsd"} <= set(known_benchmarks()) and "simulated_fmri" in FMRI_BENCHMARKS
    assert brain.identifier == "simulated_fmri:voxels-120:images-150:noise-0.5" and brain.subject == "simulated0"
    again = find_benchmark("simulated_fmri:voxels=120:images=150:noise=0.5")
    assert np.array_equal(again.trials, brain.trials) and again.version == brain.version
    other = find_benchmark("simulated_fmri:voxels=120,images=150,noise=0.5,seed=1")
    assert other.stimuli.id == brain.stimuli.id and other.version != brain.version
    assert alike(brain.responses, other.responses) > 0.08  # people differ, and yet are alike: chance is .01
    for name, words in (("voxels=5", "at least 11"), ("noise=-1", "0 or more"), ("network=vgg", "must be randomN")):
        with pytest.raises(BadValue, match=words):
            find_benchmark(f"simulated_fmri:{name}")
    with pytest.raises(UnknownName, match="parameter of simulated_fmri"):
        find_benchmark("simulated_fmri:neuroids=5")


def test_the_generating_layer_explains_most(brain: FmriBenchmark) -> None:
    store = Features()
    module, spec = random_network(0, SIZE)
    extract(module, spec, brain.stimuli, (OTHER, LAYER), store)
    first, true = (store.pop(layer)["features"] for layer in (OTHER, LAYER))
    explained = brain.versa(true).test
    assert brain.ceiling > explained > brain.versa(first).test + 0.05
    assert brain.crsa(similarity_matrix(true)).test > brain.crsa(similarity_matrix(first)).test


def test_the_true_ceiling_is_inside_the_interval(brain: FmriBenchmark) -> None:
    module, spec = random_network(0, SIZE)
    signal = voxel_signal(module, spec, LAYER, brain.stimuli, 120, seed=0)
    assert np.allclose(signal.std(axis=0), 1, atol=1e-3)
    for noise in (0.5, 1.0):
        measured = voxel_trials(signal, 3, noise=noise, seed=4)
        found = rsa_ceiling(measured, np.random.default_rng(1))
        true = alike(signal, measured.mean(axis=2))
        assert found.low <= true <= found.high, (noise, found.low, true, found.high)


def test_noise_is_shared_by_neighbours_and_drawn_anew() -> None:
    values = smooth_noise(4000, 400, np.random.default_rng(0)).reshape(4000, 20, 20)
    np.testing.assert_allclose(values.std(axis=0), 1, atol=0.06)
    near, far = (np.corrcoef(values[:, 3, 3], values[:, 3, 3 + d])[0, 1] for d in (2, 10))
    assert near == pytest.approx(np.exp(-(2**2) / (4 * 2.0**2)), abs=0.06) and abs(far) < 0.06
    trials = voxel_trials(np.zeros((500, 100)), 3, noise=1.0, seed=0)
    assert abs(np.corrcoef(trials[..., 0].ravel(), trials[..., 1].ravel())[0, 1]) < 0.03
    fewer = voxel_trials(np.zeros((500, 100)), 2, noise=1.0, seed=0)
    assert np.array_equal(fewer, trials[..., :2])
