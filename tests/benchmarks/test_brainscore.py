"""Brain-Score: our fast numbers are the package's, on made-up recordings of its layout, with sockets blocked.

MLSPATIAL_SLOW=1 runs the same tests at the real shapes (run this file alone then).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlspatial.analysis.i2n import probabilities
from mlspatial.analysis.pca import pca_gram
from mlspatial.analysis.pls import splits
from mlspatial.analysis.yardsticks import Representation
from mlspatial.benchmarks.behaviour import Behaviour
from mlspatial.benchmarks.brainscore import files as store_files
from mlspatial.benchmarks.brainscore import load as loading
from mlspatial.benchmarks.brainscore import reference as package_engine
from mlspatial.benchmarks.brainscore.files import needs
from mlspatial.benchmarks.brainscore.load import load, selection_stimuli
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.benchmarks.brainscore.reference import (
    PCA_SELECTION,
    RAW_SELECTION,
    best_layer,
    reference_score,
    select_layer,
    wrap,
)
from mlspatial.core.errors import BadValue, StimulusMismatch, UnknownName, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.score import Score
from tests.benchmarks import assemblies
from tests.benchmarks.assemblies import Bench
from tests.benchmarks.packages import SIZE, made_bench, seen

NEURAL = ("FreemanZiemba2013public.V1-pls", "FreemanZiemba2013public.V2-pls", "MajajHong2015public.V4-pls")
NEURAL += ("MajajHong2015public.IT-pls",)
I2N = "Rajalingham2018public-i2n"
PRIVATE = "MajajHong2015.IT-pls"
LAYERS = ("layer3.0.relu", "layer3.1.relu", "layer4.1.relu", "avgpool")  # 1024, 1024, 512, 512 features
CANDIDATES = (LAYERS[3:], LAYERS[2:3], LAYERS[3:], LAYERS[1:3])
SHAPE = assemblies.REAL if os.environ.get("MLSPATIAL_SLOW") else assemblies.SMALL


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with made_bench(tmp_path_factory.mktemp("brainscore"), LAYERS, SHAPE) as made:
        yield made


def gram(features: np.ndarray) -> np.ndarray:
    return features.astype(np.float64) @ features.T.astype(np.float64)


def represented(features: np.ndarray) -> Representation:
    return Representation(gram(features))


def placed(identifier: str, target: Any) -> list[str]:
    """The package's files of the images on a screen of 8 degrees, in the target's order."""
    from brainscore_vision.benchmark_helpers.screen import place_on_screen

    with store_files.quiet():
        benchmark = loading.build_benchmark(identifier)
        stimuli = place_on_screen(benchmark._assembly.stimulus_set, 8, benchmark._visual_degrees)
    names = {str(name): name for name in stimuli["stimulus_id"]}
    return [str(stimuli.get_stimulus(names[name])) for name in target.stimuli.ids]


@pytest.mark.parametrize(("identifier", "layers"), [*zip(NEURAL, CANDIDATES, strict=True)])
def test_the_fast_engine_gives_the_packages_number(bench: Bench, identifier: str, layers: tuple[str, ...]) -> None:
    target = load(identifier, input_size=SIZE)
    assert isinstance(target, Published)
    features = seen(bench, placed(identifier, target), layers)
    extracted = bench.features(target.stimuli)
    reference = bench.reference(identifier, layers, select=False)
    assert reference.selection == RAW_SELECTION and reference.region == target.region == identifier[-6:-4]
    scores = {}
    for layer, theirs in reference.scores.items():
        given = features.sel(layer=layer).values
        ours = scores[layer] = target.score(represented(given))
        for value in ("raw", "ceiling", "ceiled", "error", "r2_over_c", "r_over_c_squared"):
            assert getattr(ours, value) == pytest.approx(getattr(theirs, value), abs=1e-6), value
        assert (ours.n, ours.metric, target.version, ours.formula) == (10, "pls25", theirs.version, "r^2/c")
        assert (theirs.metric, theirs.n) == ("pls25", 10)
        assert 0.1 < ours.raw < 1 and ours.ceiled == pytest.approx(ours.raw**2 / ours.ceiling)
        assert ours.r_over_c_squared == pytest.approx((ours.raw / ours.ceiling) ** 2)
        assert extracted[layer] == pytest.approx(given, abs=1e-5 * np.abs(given).max())  # float32: other batches
        assert target.score(represented(extracted[layer])).ceiled == pytest.approx(theirs.ceiled, abs=1e-4)
    assert best_layer(scores) == reference.committed


@pytest.mark.parametrize("identifier", NEURAL)
def test_what_a_target_holds(bench: Bench, identifier: str) -> None:
    target, shape = load(identifier, input_size=SIZE), bench.store.shape
    assert isinstance(target, Published)
    n = shape.textures if "Freeman" in identifier else shape.objects * shape.images_an_object
    sites = {"V1": shape.v1, "V2": shape.v2, "V4": shape.v4, "IT": shape.it}[target.region]
    assert target.responses.shape == (n, sites) and target.responses.dtype == np.float64
    assert target.stimuli.images.shape == (n, SIZE, SIZE, 3) and target.stimuli.degrees == 8.0
    assert target.strata is not None and target.ceilings.shape == (10, sites)
    assert target.ceiling == pytest.approx(np.median(target.ceilings, axis=1).mean())
    for (train, test), (known_train, known_test) in zip(target.folds, splits(n, target.strata), strict=True):
        assert np.array_equal(train, known_train) and np.array_equal(test, known_test)


@pytest.mark.parametrize("identifier", NEURAL)
def test_reliability_is_of_the_neuroid_whose_responses_stand_there(bench: Bench, identifier: str) -> None:
    """The package sorts neuroids by their ids before it compares halves, Chabo_L_M_10 before Chabo_L_M_2."""
    target = load(identifier, input_size=SIZE)
    assert isinstance(target, Published)
    with store_files.quiet():
        benchmark = loading.build_benchmark(identifier)
        halves = benchmark.ceiling.raw.transpose("neuroid", "split")
    reliable = dict(zip(halves["neuroid_id"].values.tolist(), halves.values, strict=True))
    assembly = benchmark._assembly.transpose("neuroid", "presentation")
    names = assembly["neuroid_id"].values.tolist()
    assert target.region == "IT" or sorted(names) != names  # the numbers of IT's sites have two digits each
    assert np.array_equal(target.responses.T, assembly.values)
    assert target.ceilings.transpose() == pytest.approx(np.stack([reliable[name] for name in names]), abs=1e-12)
    assert target.reliability == pytest.approx([reliable[name].mean() for name in names], abs=1e-6)


def test_regions_that_saw_the_same_images_share_them(bench: Bench) -> None:
    v1, v2, v4, it = (load(identifier, input_size=SIZE).stimuli for identifier in NEURAL)
    assert v1.id == v2.id and v4.id == it.id and v1.id != v4.id


@pytest.mark.parametrize(("identifier", "size"), [(NEURAL[0], SIZE), (NEURAL[0], 50), (NEURAL[2], 50), (I2N, SIZE)])
def test_the_network_sees_the_packages_pixels(bench: Bench, identifier: str, size: int) -> None:
    import torch

    from mlspatial.models.spec import to_input

    spec = replace(bench.spec, input_size=size)
    target = load(identifier, input_size=size)
    theirs = wrap(bench.module, spec, "pixels", "cpu")._extractor.preprocess(placed(identifier, target)[:12])
    ours = to_input(torch.from_numpy(target.stimuli.images[:12]), spec)
    assert ours.numpy() == pytest.approx(np.asarray(theirs), abs=2e-6)
    if target.region == "V1":  # 4 degrees stand in the middle of a grey 8
        assert (target.stimuli.images[:, 0, 0] == 128).all() and target.stimuli.images[:, size // 2].std() > 10


@pytest.mark.parametrize("identifier", NEURAL if SHAPE is assemblies.REAL else NEURAL[:1])
def test_layers_are_chosen_as_the_package_chooses(
    bench: Bench, identifier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from brainscore_vision.model_helpers.brain_transformation.neural import LayerScores

    layers = LAYERS[1:3]
    target, images = load(identifier, input_size=SIZE), selection_stimuli(input_size=SIZE)
    assert isinstance(target, Published) and images is not None and len(images) == 1000
    ours = {}
    for layer in layers:
        both = np.concatenate([bench.features(images)[layer], bench.features(target.stimuli)[layer]])
        ours[layer] = target.score(Representation(pca_gram(gram(both), 1000, features=both.shape[1])))
    reference = bench.reference(identifier, layers)
    assert reference.selection == PCA_SELECTION
    assert best_layer(ours) == reference.committed
    monkeypatch.setenv("RESULTCACHING_CACHEDONLY", "1")  # what the choice has left behind
    scores = LayerScores(f"{bench.spec.model_id}-{content_id(list(layers))}", None, 8)
    theirs = scores(None, list(layers), benchmark_identifier=target.region)
    for layer in layers:  # the 1000th component of 1000 images is rounding, theirs keeps it
        assert ours[layer].ceiled == pytest.approx(theirs.sel(layer=layer).item(), abs=2e-3)
    assert ours[layers[1]].ceiled == pytest.approx(theirs.sel(layer=layers[1]).item(), abs=1e-6)  # 512 wide: no PCA


def test_the_packages_choice_is_asked_anew_for_other_candidates(bench: Bench) -> None:
    wrapper = wrap(bench.module, bench.spec, bench.spec.model_id, "cpu")
    benchmark = loading.build_benchmark(NEURAL[0])
    for layers in (LAYERS[1:2], LAYERS[2:3]):
        assert select_layer(wrapper, bench.spec.model_id, layers, "V1", benchmark) == layers[0]


def test_without_imagenet_layers_are_chosen_on_raw_features(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MT_IMAGENET_PATH", str(bench.store.imagenet) + ".none")
    assert selection_stimuli(input_size=SIZE) is None
    reference = bench.reference(NEURAL[0], LAYERS[3:])
    assert reference.selection == RAW_SELECTION and reference.committed == best_layer(reference.scores)


def test_pca_in_gram_form_is_the_packages_layer_pca(bench: Bench) -> None:
    """40 components of 40 images, of which 39 have variance; the rest of LayerPCA's Gram is its last component."""
    from brainscore_vision.model_helpers.activations.pca import LayerPCA

    wrapper = wrap(bench.module, bench.spec, bench.spec.model_id, "cpu")
    LayerPCA.hook(wrapper, n_components=40)
    wrapper.identifier += "-pca_40"
    paths = [str(path) for path in sorted(Path(f"{bench.store.imagenet}-files").iterdir())[-30:]]
    theirs = wrapper(paths, layers=["layer3.0.relu"], stimuli_identifier=False).values
    stimuli = selection_stimuli(input_size=SIZE)
    assert stimuli is not None and theirs.shape == (30, 40)
    rows = dict(zip(stimuli.ids, bench.features(stimuli)["layer3.0.relu"], strict=True))
    fitted = [rows[f"imagenet-{50 * i}"] for i in range(40)]
    both = np.stack(fitted + [rows[f"imagenet-{Path(path).stem}"] for path in paths])
    ours = pca_gram(gram(both), 40, components=40)
    assert ours == pytest.approx(gram(theirs[:, :39]), abs=1e-4 * np.abs(ours).max())


def test_i2n_is_the_packages(bench: Bench) -> None:
    target = load(I2N, input_size=SIZE)
    assert isinstance(target, Behaviour) and target.readout == "avgpool"
    features = bench.features(target.stimuli)["avgpool"]
    reference = bench.reference(I2N, ("avgpool",))
    ours, theirs = target.score(features), reference.scores["avgpool"]
    assert reference.committed == "avgpool" and reference.region == target.region == "behavior"
    assert ours.ceiled == pytest.approx(theirs.ceiled, abs=1e-4)  # newton-cg stops at a tolerance
    assert (ours.ceiling, ours.n) == (pytest.approx(theirs.ceiling, abs=1e-12), 2)
    for value in ("raw", "error"):
        assert getattr(ours, value) == pytest.approx(getattr(theirs, value), abs=1e-4), value
    assert (ours.metric, ours.formula, ours.version) == (theirs.metric, theirs.formula, theirs.version)
    assert ours.formula == "r/sqrt(c)" and ours.r2_over_c == ours.ceiled == ours.r_over_c_squared
    assert 0.1 < ours.ceiling < 1 and ours.ceiled != pytest.approx(0, abs=1e-3)


def test_i2n_metric_of_given_probabilities_is_exact(bench: Bench, rng: np.random.Generator) -> None:
    from brainscore_core.supported_data_standards.brainio.assemblies import BehavioralAssembly
    from brainscore_vision import load_metric

    target = load(I2N, input_size=SIZE)
    assert isinstance(target, Behaviour)
    chosen = rng.dirichlet(np.ones(len(target.choices)), size=len(target.stimuli))
    chosen[3] = np.eye(len(target.choices))[np.flatnonzero(target.choices == target.labels[3])[0]]  # certain: clipped
    coordinates = {
        "stimulus_id": ("presentation", list(target.stimuli.ids)),
        "image_label": ("presentation", target.labels),
        "choice": ("choice", target.choices),
    }
    source = BehavioralAssembly(chosen, coords=coordinates, dims=["presentation", "choice"])
    with store_files.quiet():
        benchmark = loading.build_benchmark(I2N)
        theirs = benchmark.ceil_score(load_metric("i2n")(source, benchmark._assembly), benchmark.ceiling)
    ours = target.from_probabilities(chosen)
    assert ours.ceiled == pytest.approx(float(theirs), abs=1e-12)
    assert ours.raw == pytest.approx(float(theirs.raw), abs=1e-12)
    assert ours.error == pytest.approx(float(theirs.attrs["error"]), abs=1e-12)


def test_the_read_out_is_the_packages(bench: Bench) -> None:
    import xarray as xr
    from brainscore_vision.model_helpers.brain_transformation.behavior import ProbabilitiesMapping

    target = load(I2N, input_size=SIZE)
    assert isinstance(target, Behaviour)
    features = bench.features(target.stimuli)["avgpool"]
    rows = xr.DataArray(features, dims=["presentation", "neuroid"], coords={"s": ("presentation", target.labels)})
    with store_files.quiet():
        classifier = ProbabilitiesMapping.ProbabilitiesClassifier().fit(rows, rows["s"])
        theirs = classifier.predict_proba(rows)
    ours = probabilities(features, target.labels, theirs["choice"].values)
    assert ours == pytest.approx(theirs.values, abs=1e-6)
    with pytest.raises(StimulusMismatch, match="rows of features"):
        target.score(features[1:])


def test_what_depends_on_the_benchmark_is_computed_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then neither the package's loaders nor its store are needed."""
    before = [load(identifier, input_size=SIZE) for identifier in (NEURAL[0], I2N)]

    def never(name: str) -> None:
        raise AssertionError(f"{name} is built again")

    monkeypatch.setattr(loading, "build_benchmark", never)
    monkeypatch.setattr(store_files.StoredFile, "is_here", False)
    for old, new in zip(before, [load(identifier, input_size=SIZE) for identifier in (NEURAL[0], I2N)], strict=True):
        assert old.stimuli.id == new.stimuli.id and (old.version, old.region) == (new.version, new.region)
        assert np.array_equal(old.ceilings, new.ceilings) and old.ceiling == new.ceiling
        if isinstance(old, Published) and isinstance(new, Published):
            assert np.array_equal(old.responses, new.responses)
        if isinstance(old, Behaviour) and isinstance(new, Behaviour):
            assert np.array_equal(old.humans, new.humans, equal_nan=True)


@pytest.mark.parametrize("ending", [".npz", f"-{SIZE}.npy"])
@pytest.mark.parametrize("share", [0.0, 0.5, None])
def test_what_is_kept_and_damaged_is_made_anew(bench: Bench, ending: str, share: float | None) -> None:
    """Cut to a share of its length, or with one byte changed."""

    def facts() -> list[tuple[str, float, float]]:
        found = [load(identifier, input_size=SIZE) for identifier in (NEURAL[0], I2N)]
        return [(target.stimuli.id, target.ceiling, target.stimuli.degrees) for target in found]

    before = facts()
    for file in (path for path in loading.cache_folder("brainscore").iterdir() if path.name.endswith(ending)):
        if not (data := bytearray(file.read_bytes())):
            continue  # of another benchmark, from a case before
        if share is None:
            data[len(data) // 2] ^= 0xFF
        file.unlink()  # other tests hold maps of the old one
        file.write_bytes(data if share is None else data[: int(share * len(data))])
    assert facts() == before and {degrees for *_, degrees in before} == {8.0}


def test_placed_images_that_were_deleted_come_back(bench: Bench) -> None:
    load(NEURAL[0], input_size=SIZE)
    for folder in (Path(os.environ["BRAINSCORE_HOME"]) / "stimuli_on_screen").iterdir():
        shutil.rmtree(folder)
    assert load(NEURAL[0], input_size=24).stimuli.images.shape[1:] == (24, 24, 3)


def test_names_that_users_type(bench: Bench) -> None:
    known = store_files.known()
    assert set(store_files.PUBLIC) <= set(known) and len(known) > 200
    assert store_files.resolve("dicarlo.MajajHong2015public.IT-pls") == NEURAL[3]
    assert store_files.resolve("movshon.FreemanZiemba2013public.V1-pls") == NEURAL[0]
    assert store_files.resolve("MajajHong2015.V4.public-pls") == NEURAL[2]
    with pytest.raises(UnknownName, match=r"'MajajHong2015public\.IT'; did you mean MajajHong2015public\.IT-pls"):
        load("MajajHong2015public.IT")


def test_what_a_benchmark_needs(bench: Bench) -> None:
    for identifier, stimuli in ((NEURAL[0], "FreemanZiemba2013_aperture-public"), (I2N, "objectome_public")):
        files = needs(identifier)
        assert [file.path.suffix for file in files] == [".nc", ".csv", ".zip"]
        assert {file.path.stem for file in files[1:]} == {f"stimulus_{stimuli}"}
        for file in files:
            assert file.is_here and file.size == file.path.stat().st_size
            assert file.path.parent == bench.store.home / file.sha1
            assert file.url.startswith("https://brainscore-storage.s3.amazonaws.com/brainio-brainscore/")


def test_missing_files_are_named_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Private recordings are registered with the package's real addresses and are nowhere."""
    files = needs(PRIVATE)
    assert files and not any(file.is_here or file.size for file in files)
    assert {file.path.name for file in files} == {
        "assy_dicarlo_MajajHong2015_private.nc",
        "stimulus_hvm-private.csv",
        "stimulus_hvm-private.zip",
    }
    with pytest.raises(
        UserError, match=r"assy_dicarlo_MajajHong2015_private\.nc, .* not in .*; copy ~/\.brainio"
    ) as no:
        load(PRIVATE)
    assert "\n" not in str(no.value)
    with pytest.raises(UserError, match="or allow downloads"):
        bench.reference(PRIVATE)


def test_a_download_that_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from brainscore_core.supported_data_standards.brainio.fetch import BotoFetcher

    tried = []

    def offline(self: BotoFetcher, config: object) -> None:
        tried.append(self.location)
        raise ConnectionError("no route")

    monkeypatch.setattr(BotoFetcher, "download_boto_config", offline)
    with pytest.raises(UserError, match=r"https://brainscore-storage\S* cannot be downloaded \(.*no route"):
        load(PRIVATE, download=True)
    assert tried


def test_a_damaged_file_is_named(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from brainscore_core.supported_data_standards.brainio.s3 import load_stimulus_set_from_s3
    from brainscore_vision import stimulus_set_registry

    stimuli = needs(NEURAL[2])[1]
    sha1 = "f" * 40
    (bench.store.home / sha1).mkdir()
    shutil.copy(stimuli.path, bench.store.home / sha1 / stimuli.path.name)
    versions = {"csv_version_id": "null", "zip_version_id": "null"}
    monkeypatch.setitem(
        stimulus_set_registry,
        "hvm-public",
        lambda: load_stimulus_set_from_s3("hvm-public", assemblies.BUCKET, sha1, needs_zip, **versions),
    )
    needs_zip = needs(NEURAL[3])[-1].sha1
    with store_files.network(False), pytest.raises(UserError, match=r"stimulus_hvm-public\.csv: .* damaged"):
        stimulus_set_registry["hvm-public"]()


def test_other_benchmarks_run_in_the_reference_engine(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ridge benchmark stands in the place of the private one."""
    import brainscore_vision
    from brainscore_vision.benchmarks.majajhong2015 import benchmark as plugin

    def ridge() -> Any:
        metric = brainscore_vision.load_metric("ridge", crossvalidation_kwargs=plugin.crossvalidation_kwargs)
        ceiler = brainscore_vision.load_ceiling("internal_consistency")
        return plugin._DicarloMajajHong2015Region("IT", "public", "ridge", metric, ceiler)

    monkeypatch.setitem(brainscore_vision.benchmark_registry, PRIVATE, ridge)
    with pytest.raises(UserError, match=r"MajajHong2015\.IT-pls: Ridge.* has no fast form here; set engine=reference"):
        load(PRIVATE)
    score = bench.reference(PRIVATE, ("avgpool",), select=False).scores["avgpool"]
    assert score.metric == "ridge" and 0 < score.raw < 1 and score.ceiled == pytest.approx(score.raw**2 / score.ceiling)


def test_the_reference_engine_computes_in_full_float32(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """not with what torch's convolutions take by default on a GPU."""
    import torch

    seen: list[str] = []

    def note(*_: object) -> None:
        seen.append(str(torch.backends.cudnn.conv.fp32_precision))
        raise ZeroDivisionError

    monkeypatch.setattr(package_engine, "_score", note)
    with pytest.raises(ZeroDivisionError):
        reference_score(bench.module, bench.spec, bench.spec.model_id, NEURAL[0], LAYERS[3:], select=False)
    assert seen == ["ieee"] and torch.backends.cudnn.conv.fp32_precision == "tf32"


def test_mistakes(bench: Bench) -> None:
    with pytest.raises(UnknownName, match=r"unknown layer 'layer9'"):
        bench.reference(NEURAL[0], ("layer9",))
    with pytest.raises(BadValue, match="name at least one layer"):
        bench.reference(NEURAL[0], ())


def test_the_first_of_equal_layers_wins() -> None:
    def score(r: float) -> Score:
        return Score(r, 0.5, 0.0, 10, "pls25", "1")

    assert best_layer({"a": score(0.2), "b": score(0.4), "c": score(-0.4)}) == "b"  # r is squared: so is the package's
    assert best_layer({"a": score(np.nan), "b": score(0.1)}) == "b"
    with pytest.raises(UserError, match="no layer of a has a score"):
        best_layer({"a": score(np.nan)})


def test_score_gives_both_engines_numbers(bench: Bench, registry: Path) -> None:
    """The score entry's way: one pass for both regions and behaviour, and the package's own classes beside it."""
    import torch

    from mlspatial.registry import runs
    from mlspatial.registry.read import table_file
    from mlspatial.steps.score import score

    weights = registry / "network.pth"
    torch.save(bench.module.state_dict(), weights)
    options = {
        "models": f"file:{weights}?arch=resnet18&input_size=32",
        "layers": "layer4.1.relu,avgpool",
        "device": "cpu",
    }
    (fast,) = score(benchmarks=f"{NEURAL[2]},{NEURAL[3]},{I2N}", **options)
    (slow,) = score(benchmarks=NEURAL[2], engine="reference", **options)
    ours, theirs = (table_file(runs.local(run, "scores.json")) for run in (fast, slow))
    assert set(ours.region) == {"V4", "IT", "behavior"} and ours[ours.region == "behavior"].layer.tolist() == [
        "avgpool"
    ]
    both = ours[ours.benchmark == NEURAL[2]].set_index("layer").join(theirs.set_index("layer"), rsuffix="_reference")
    assert both.raw.to_numpy() == pytest.approx(both.raw_reference.to_numpy(), abs=1e-4)
    assert both.ceiling.to_numpy() == pytest.approx(both.ceiling_reference.to_numpy(), abs=1e-9)
    assert (both.committed == both.committed_reference).all()
    assert set(both.engine) == {"fast"} and set(both.engine_reference) == {"reference"}
