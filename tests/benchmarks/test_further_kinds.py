"""Brain-Score's further kinds: our fast numbers are those of its own classes, on made-up recordings of its layouts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mlspatial.analysis import rsa
from mlspatial.analysis.fixed_split import InnerProducts, split_ridge
from mlspatial.analysis.pls import pearson, splits
from mlspatial.analysis.reverse_pls import ReversePLS
from mlspatial.benchmarks.base import Way
from mlspatial.benchmarks.brainscore import files as store_files
from mlspatial.benchmarks.brainscore import load as loading
from mlspatial.benchmarks.brainscore import reference as package_engine
from mlspatial.benchmarks.brainscore.fixed_split import FixedSplit, demand_memory
from mlspatial.benchmarks.brainscore.geometry import PublishedGeometries, SelectedUnits
from mlspatial.benchmarks.brainscore.kinds import FAST, kind_of
from mlspatial.benchmarks.brainscore.load import load
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.benchmarks.brainscore.reference import best_layer
from mlspatial.benchmarks.brainscore.reverse import Reverse
from mlspatial.benchmarks.brainscore.temporal import Temporal
from mlspatial.benchmarks.find import find
from mlspatial.core import limits
from mlspatial.core.errors import BadValue, StimulusMismatch, UserError
from mlspatial.core.score import Score
from mlspatial.models import spool
from mlspatial.models.sinks import Products
from tests.benchmarks.assemblies import Bench
from tests.benchmarks.more_assemblies import BINS, install_more
from tests.benchmarks.packages import SIZE, activations, by_package, made_bench, same

LAYER = "avgpool"  # 512 features
LAYERS = ("layer4.1.relu", LAYER)
SPLIT = ("Allen2022_fmri_4subj.V4-ridge", "Papale2025.IT-ridge", "Papale2025.V1-ridgecv", "Gifford2022.IT-ridgecv")
GEOMETRY = ("Allen2022_fmri_4subj.IT-rdm", "Li2026.IT-rdm", "Bracci2019.anteriorVTC-rdm")
SELECTED = "tong.Coggan2024_fMRI.IT-rdm"
TEMPORAL = ("MajajHong2015public.V4-temporal-pls", "MajajHong2015public.IT-temporal-pls")
STATIC = "MajajHong2015public.V4-pls"
REVERSE = ("MajajHong2015public.V4-reverse_pls", "MajajHong2015public.IT-reverse_pls")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with made_bench(tmp_path_factory.mktemp("brainscore"), LAYERS, more=install_more) as made:
        yield made


@pytest.mark.parametrize("identifier", SPLIT)
def test_a_fixed_split_is_scored_as_the_package_scores_it(bench: Bench, identifier: str) -> None:
    """and every unit, penalty and subject. scikit-learn's Ridge computes float32 features in float32, RidgeCV and the
    package's own dual form in float64."""
    target = load(identifier, input_size=SIZE)
    assert isinstance(target, FixedSplit) and target.own == f"{identifier.rpartition('-')[2]}_split"
    assert len(target.alphas) == {"Gifford2022.IT-ridgecv": 23, "Papale2025.V1-ridgecv": 99}.get(identifier, 1)
    theirs, ours = (
        by_package(bench, identifier, LAYER),
        target.score_features(activations(bench, identifier, target, LAYER)),
    )
    same(ours, theirs)
    assert (ours.formula, ours.n, ours.r2_over_c) == ("mean r^2/c", len(target.names), ours.ceiled)
    table = target.per_unit(ours)
    for subject in target.names:
        score = theirs.attrs[subject]
        assert ours.more[f"ceiled {subject}"] == pytest.approx(float(score), abs=1e-6)
        assert ours.more[f"raw {subject}"] == pytest.approx(float(score.raw), abs=1e-6)
        assert ours.more[f"alpha {subject}"] == score.raw.raw.attrs.get("alpha", 1.0)
        units = np.ravel(score.raw.raw.values)
        assert sorted(table[table.subject == subject].r) == pytest.approx(sorted(units), abs=2e-6)


def test_unreliable_units_are_left_out_and_the_training_set_comes_first(bench: Bench) -> None:
    target = load(SPLIT[0], input_size=SIZE)
    assert isinstance(target, FixedSplit)
    assert (target.known.shape, target.measured.shape) == ((40, 18), (15, 18))  # 6 of 7 units of three subjects
    assert len(target.stimuli) == 55 and target.names == ("subj01", "subj02", "subj05")
    assert np.unique(target.subjects, return_counts=True)[1].tolist() == [6, 6, 6]


@pytest.mark.parametrize("identifier", GEOMETRY)
def test_geometries_are_compared_as_the_package_compares_them(bench: Bench, identifier: str) -> None:
    target = load(identifier, input_size=SIZE)
    assert isinstance(target, PublishedGeometries) and target.own == "rdm_spearman"
    features = activations(bench, identifier, target, LAYER).astype(np.float64)
    theirs, ours = by_package(bench, identifier, LAYER), target.score(rsa.condensed(rsa.correlation_rdm(features)))
    same(ours, theirs)
    assert ours.formula == "r/c"
    if subjects := theirs.attrs["raw"].attrs.get("subject_scores"):
        assert ours.values[0] == pytest.approx(subjects, abs=1e-6) and len(subjects) == len(target.subjects)
        assert ours.more["ceiling_lower"] == pytest.approx(theirs.attrs["ceiling"].attrs["lower_bound_loo"], abs=1e-6)


def test_similarities_over_selected_units_are_the_packages(bench: Bench) -> None:
    target = load(SELECTED, input_size=SIZE)
    assert isinstance(target, SelectedUnits) and len(target.stimuli) == 24 and len(target.subjects) == 6
    for layer in (LAYER, "layer3.0.relu"):
        theirs = by_package(bench, SELECTED, layer)
        ours = target.score_features(activations(bench, SELECTED, target, layer))
        same(ours, theirs)
        assert ours.values[0] == pytest.approx(theirs.attrs["raw"].attrs["raw"], abs=1e-6)
        assert ours.formula == "(r/c)^2" and ours.r_over_c_squared == ours.ceiled


def test_a_score_over_selected_units_ends_at_one(bench: Bench) -> None:
    """where subjects hardly agree with each other; the layer is chosen by what it is without that bound."""
    target = load(SELECTED, input_size=SIZE)
    assert isinstance(target, SelectedUnits)
    rng = np.random.default_rng(0)
    features = np.concatenate([rng.normal(size=(24, 30)) + 50, rng.normal(size=(24, 4000)) * 1e-3], axis=1)
    ours = replace(target, ceilings=np.full(6, 1e-3)).score_features(features)
    assert ours.ceiled == 1.0 < abs(ours.chosen_by)
    with pytest.raises(UserError, match=r"0 of 4000 units respond more than 3\.1 standard deviations"):
        target.score_features(rng.uniform(1, 2, size=(24, 4000)) + rng.uniform(-20, 20, size=4000))


@pytest.mark.parametrize("identifier", TEMPORAL)
def test_every_time_bin_has_the_packages_score(bench: Bench, identifier: str) -> None:
    target = load(identifier, input_size=SIZE)
    assert isinstance(target, Temporal) and len(target.bins) == BINS and target.bins[:2] == ("0-10", "10-20")
    theirs = by_package(bench, identifier, LAYER)
    features = activations(bench, identifier, target, LAYER).astype(np.float64)
    ours = target.score(features @ features.T)
    parts = {"ceiled": theirs, "raw": theirs.attrs["raw"], "ceiling": theirs.attrs["ceiling"]}
    for what, given in parts.items():
        found = [ours.more[f"{what} {name}"] for name in target.bins]
        assert found == pytest.approx(given.values, abs=1e-6), what
        assert getattr(ours, what) == pytest.approx(given.values.mean(), abs=1e-6), what
    units = theirs.attrs["raw"].raw.transpose("split", "neuroid", "time_bin").sortby("neuroid_id")
    order = np.argsort(target.neuroids, kind="stable")
    assert ours.values.reshape(10, -1, BINS)[:, order] == pytest.approx(units.values, abs=1e-5)
    table = target.per_unit(ours)
    assert len(table) == 10 * len(target.neuroids) * BINS and set(table.time_bin) == set(target.bins)
    halves = theirs.attrs["ceiling"].raw.transpose("neuroid", "time_bin", "split")
    reliable = dict(zip(halves["neuroid_id"].values.tolist(), halves.values.mean(axis=2), strict=True))
    if target.region == "V4":  # the package sorts Chabo_L_M_10 before Chabo_L_M_2
        assert list(reliable) != list(target.neuroids)
    told = table[table.split == 0].set_index("unit").reliability
    for name, values in reliable.items():
        assert told[name].to_numpy() == pytest.approx(values, abs=1e-6), name


def test_time_bins_do_not_take_the_ceiling_of_the_mean(bench: Bench) -> None:
    """The package calls both benchmarks by one name, by which it keeps ceilings."""
    for first, second in ((TEMPORAL[0], STATIC), (STATIC, TEMPORAL[0])):
        one, other = (loading.build_benchmark(name).ceiling for name in (first, second))
        assert {one.ndim, other.ndim} == {0, 1}


@pytest.mark.parametrize("identifier", REVERSE)
def test_units_are_predicted_from_neuroids_as_by_the_package(bench: Bench, identifier: str) -> None:
    target = load(identifier, input_size=SIZE)
    assert isinstance(target, Reverse)
    theirs = by_package(bench, identifier, LAYER)
    ours = target.score_features(activations(bench, identifier, target, LAYER))
    same(ours, theirs)
    assert ours.error == pytest.approx(float(theirs.attrs["error"]), abs=1e-6)
    assert ours.values.shape == theirs.attrs["raw"].raw.shape == (10, 512)
    theirs_raw = theirs.attrs["raw"].raw.transpose("split", "neuroid")
    of_units = theirs_raw.values[:, np.argsort(theirs_raw["neuroid_num"].values)]  # the package sorts ids as text
    assert ours.values == pytest.approx(of_units, abs=1e-7, nan_ok=True)  # both in float64
    assert ours.ceiled == pytest.approx(ours.raw**2 / ours.ceiling) and 0.02 < ours.raw < 1


def test_reliability_at_hand_is_a_ceiling_of_pls(bench: Bench) -> None:
    """Li2026: one reliability a unit, where others have ten halvings."""
    target = load("Li2026.IT-pls", input_size=SIZE)
    assert isinstance(target, Published)
    features = activations(bench, "Li2026.IT-pls", target, LAYER).astype(np.float64)
    same(target.score(features), by_package(bench, "Li2026.IT-pls", LAYER))


def ours_of(bench: Bench, identifier: str, layer: str) -> Score:
    """The fast engine's, on the package's activations."""
    target = load(identifier, input_size=SIZE)
    features = activations(bench, identifier, target, layer)
    if isinstance(target, PublishedGeometries):
        return target.score(rsa.condensed(rsa.correlation_rdm(features.astype(np.float64))))
    if isinstance(target, Temporal):
        return target.score(features.astype(np.float64) @ features.T.astype(np.float64))
    assert isinstance(target, FixedSplit | SelectedUnits | Reverse)
    return target.score_features(features)


@pytest.mark.parametrize("identifier", [SPLIT[2], GEOMETRY[0], GEOMETRY[2], SELECTED, TEMPORAL[0], REVERSE[0]])
def test_the_reference_engine_says_the_same_of_each_kind(bench: Bench, identifier: str) -> None:
    result = bench.reference(identifier, (LAYER,), select=False)
    reference, target, ours = result.scores[LAYER], load(identifier, input_size=SIZE), ours_of(bench, identifier, LAYER)
    theirs = by_package(bench, identifier, LAYER)
    assert reference.ceiled == pytest.approx(np.mean(theirs.values), abs=1e-9)
    assert (reference.metric, reference.version, reference.n) == (target.own, target.version, ours.n)
    assert reference.formula == ours.formula and result.committed == LAYER
    assert result.region == target.region and result.selection == package_engine.RAW_SELECTION
    for value in ("raw", "ceiling", "chosen_by", "error", "ceiled_error"):
        if value != "ceiled_error" or identifier not in GEOMETRY:  # fast: with the error of its ceiling
            expected = getattr(ours, value)
            assert getattr(reference, value) == pytest.approx(expected, abs=1e-5, nan_ok=True), value
    assert ours.n == 1 or np.isfinite(reference.error)


def test_the_reference_engine_does_not_choose_what_predicts_the_contrary(bench: Bench) -> None:
    """Subjects at -.6, or two of three there; time bins; and a layer that predicts a little."""
    from brainscore_core import Score as Theirs

    def score(value: Any, raw: Any, **attributes: Any) -> Any:
        found = Theirs(value)
        found.attrs |= {"raw": raw, "ceiling": Theirs(0.5)} | attributes
        return found

    def told(r: list[float], identifier: str) -> Score:
        values = np.array(r)
        if identifier == SELECTED:
            return package_engine._from_package(
                benchmarks[identifier], score(min(1.0, (values.mean() / 0.5) ** 2), of(values))
            )
        if identifier == SPLIT[0]:
            parts = {f"s{place}": score(one**2 / 0.5, Theirs(one)) for place, one in enumerate(r)}
            whole = score(float((values**2 / 0.5).mean()), Theirs(values.mean()), **parts)
            return package_engine._from_package(benchmarks[identifier], whole)
        bins = {"time_bin": ["0", "1", "2"]}
        raw = Theirs(values, dims=["time_bin"], coords=bins)
        raw.attrs["raw"] = Theirs(np.tile(values, (2, 4, 1)), dims=["split", "neuroid", "time_bin"])
        ceiling = Theirs(np.full(3, 0.5), dims=["time_bin"], coords=bins)
        whole = Theirs(values**2 / 0.5, dims=["time_bin"], coords=bins)
        whole.attrs |= {"raw": raw, "ceiling": ceiling}
        return package_engine._from_package(benchmarks[identifier], whole)

    def of(values: np.ndarray) -> Any:
        found = Theirs(values.mean())
        found.attrs["raw"] = values.tolist()
        return found

    subjects = {"subject": np.array(["s0", "s1", "s2"])}
    benchmarks = {
        name: SimpleNamespace(
            identifier=name,
            version=1,
            alpha_coord="subject",
            train_assembly={"subject": SimpleNamespace(values=subjects["subject"])},
        )
        for name in (SPLIT[0], SELECTED, TEMPORAL[0])
    }
    for identifier in benchmarks:
        layers = {"contrary": told([-0.6, -0.6, -0.6], identifier), "mixed": told([0.5, -0.6, -0.6], identifier)}
        layers["little"] = told([0.1, 0.1, 0.2], identifier)
        assert layers["contrary"].ceiled > layers["little"].ceiled > 0  # as the package has it
        assert best_layer(layers) == "little" and layers["contrary"].chosen_by < layers["mixed"].chosen_by < 0


def test_what_has_no_fast_form_is_named_before_its_files(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("files were looked for")

    monkeypatch.setattr(store_files, "needs", never)
    for identifier, said in (
        ("ImageNet-top1", r"its metric top1 has no fast form here; set engine=reference"),
        ("Cadena2017-mask", r"its metric mask has no fast form here; set engine=reference"),
        ("Cowley2026.V4-pls", r"mean of sessions of their own images; set engine=reference, or take cowley2023_v4"),
        ("Zerbe2026_fmri.V1-tau-ridgecv", r"the package laion_fmri, .*; install it and set engine=reference"),
    ):
        with pytest.raises(UserError, match=rf"benchmark {identifier}: .*{said}") as no:
            find(identifier)
        assert "\n" not in str(no.value)


def test_every_identifier_of_the_further_kinds_is_one_of_the_package(bench: Bench) -> None:
    """32 with a fixed split, 25 of geometry, 2 over time, 2 reversed."""
    kinds = [kind_of(name) for name in store_files.known()]
    counts = {kind: sum(found is not None and found[0] is kind for found in kinds) for kind, _ in FAST.values()}
    assert (counts[FixedSplit], counts[PublishedGeometries] + counts[SelectedUnits]) == (32, 25)
    assert (counts[Temporal], counts[Reverse]) == (2, 2) and "Bracci2019_RSA-V1" not in store_files.known()


def test_more_stimuli_than_memory_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """of the machine, and of the container or job that one is in."""
    import psutil

    def demanded(name: str, n: int) -> None:
        demand_memory(name, n, 1000, several=False)

    monkeypatch.setattr(limits, "CGROUPS", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 << 30))
    demanded("Hebart2023_fmri.V1-ridge", 7000)
    told = r"benchmark Papale2025.IT-ridge: products of 22,348 stimuli take 8\.0 GiB, and 1\.0 GiB of memory are free; "
    with pytest.raises(UserError, match=told + "close what else runs, or take a machine with more") as no:
        demanded("Papale2025.IT-ridge", 22_348)
    assert "\n" not in str(no.value) and "file" not in str(no.value)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1 << 40))
    demanded("Papale2025.IT-ridge", 22_348)
    for name, text in (("memory.max", 1 << 30), ("memory.current", 0), ("memory.stat", "inactive_file 0")):
        (tmp_path / name).write_text(str(text))
    with pytest.raises(UserError, match=told):
        demanded("Papale2025.IT-ridge", 22_348)


def test_a_layer_that_waits_in_float16_costs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As layers do whose float32 takes more than 128 MiB. A fixed split's units are off by some 1e-5, as of PLS; units
    of the layer that neuroids predict, each of which is rounded, by 1e-4 and some by 1e-3, their median by 1e-5."""
    rng = np.random.default_rng(0)
    n, rows, new = 120, np.arange(90), np.arange(90, 120)
    causes = rng.normal(size=(n, 30))
    features = np.maximum(causes @ rng.normal(size=(30, 4000)) + rng.normal(size=(n, 4000)), 0).astype(np.float32)
    targets = causes @ rng.normal(size=(30, 40)) + rng.normal(size=(n, 40))

    def correlated(products: InnerProducts) -> np.ndarray:
        return split_ridge(products, rows, new, targets[rows], targets[new], [np.arange(40)], [1.0]).r

    more = {"fixed_split-a": (InnerProducts, correlated),
            "reverse_pls-b": ((lambda _n: ReversePLS(targets, splits(n))), ReversePLS.correlations)}  # fmt: skip
    found = []
    for exact in (spool.EXACT, 0):
        monkeypatch.setattr(spool, "EXACT", exact)
        sink = Products(tuple(more), n, tmp_path, more=more)
        for first in range(0, n, 32):
            sink.add("layer", torch.from_numpy(features[first : first + 32].copy()))
        found.append(sink.pop("layer"))
    exactly, rounded = found
    for kind, most, usual in (("fixed_split-a", 1e-4, 2e-5), ("reverse_pls-b", 2e-3, 3e-5)):
        off = np.abs(exactly[kind] - rounded[kind])  # NaN: units that are 0 for all test stimuli of a split
        assert 0 < np.nanmax(off) < most, kind  # float16 was there, indeed
        medians = (np.nanmedian(part[kind], axis=-1).mean() for part in found)
        assert abs(np.subtract(*medians)) < usual


def test_the_speed_script_names_its_cases(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from speed import brainscore_kinds as speed

    made: list[str] = []
    known = list(speed.cases(quick=True))

    def note(name: str) -> dict:
        made.append(name)
        return {}

    monkeypatch.setattr(speed, "cases", lambda quick: {name: partial(note, name) for name in known})
    monkeypatch.setattr(speed.os, "environ", dict(speed.os.environ))
    for only, told in (("rdm, reverse", ["rdm", "reverse"]), ("", known)):
        monkeypatch.setattr(sys, "argv", ["speed", "--only", only])
        made.clear()
        speed.main()
        assert made == told
    monkeypatch.setattr(sys, "argv", ["speed", "--only", "rdm,spilt"])
    with pytest.raises(SystemExit) as no:
        speed.main()
    assert no.value.code == 2 and f"no case spilt; choose from {', '.join(known)}" in capsys.readouterr().err


def test_halves_are_refused(bench: Bench) -> None:
    for identifier in (SPLIT[0], GEOMETRY[0], SELECTED, TEMPORAL[0], REVERSE[0]):
        target = load(identifier, input_size=SIZE)
        target.check(target.own, Way(selection="raw"))
        with pytest.raises(BadValue, match="has splits of its own, no halves; take auto or raw"):
            target.check(target.own, Way(selection="half"))


def test_score_reaches_each_kind(bench: Bench, registry: Path) -> None:
    """The entry's way, from files and images to a row for each layer; V4 and IT of one data set in one pass."""
    from mlspatial.registry import runs
    from mlspatial.registry.read import table_file
    from mlspatial.steps.score import score

    weights = registry / "network.pth"
    torch.save(bench.module.state_dict(), weights)
    asked = (SPLIT[0], "Allen2022_fmri_4subj.IT-ridge", SPLIT[2], GEOMETRY[0], SELECTED, TEMPORAL[0], REVERSE[0])
    options = {"models": f"file:{weights}?arch=resnet18&input_size=32", "device": "cpu", "selection": "raw"}
    (run,) = score(benchmarks=",".join(asked), layers=f"layer4.1.relu,{LAYER}", **options)
    (slow,) = score(benchmarks=",".join(asked), layers=LAYER, engine="reference", **options)
    table, theirs = (table_file(runs.local(one, "scores.json")) for one in (run, slow))
    assert table.benchmark.unique().tolist() == sorted(asked, key=table.benchmark.unique().tolist().index)
    assert len(table) == 2 * len(asked) and table.groupby("benchmark").committed.sum().eq(1).all()
    for identifier in asked:
        row = table[(table.benchmark == identifier) & (table.layer == LAYER)].iloc[0]
        reference = theirs[theirs.benchmark == identifier].iloc[0]
        assert row.ceiled == pytest.approx(reference.ceiled, abs=2e-4), identifier  # float32: other batches
        assert (row.metric, row.formula) == (reference.metric, reference.formula)
    units = pd.read_parquet(runs.local(run, "units.parquet"))
    assert {SPLIT[0], GEOMETRY[0], SELECTED, TEMPORAL[0], REVERSE[0]} <= set(units.benchmark)


@pytest.mark.parametrize("exact", [True, False])
def test_reverse_pls_is_scikit_learns(exact: bool) -> None:
    """Units that never vary in training, first of all, and a unit that varies in the test set alone."""
    from sklearn.cross_decomposition import PLSRegression

    rng = np.random.default_rng(0)
    neuroids = rng.normal(size=(120, 30))
    units = np.maximum(neuroids @ rng.normal(size=(30, 300)) / 3 + rng.normal(size=(120, 300)), 0)
    units = units if exact else units.astype(np.float32)
    units[:, [0, 1, 7]] = 0
    folds = splits(120)
    units[folds[0][1], 9], units[folds[0][0], 9] = 1.0 + np.arange(12), 0
    product = ReversePLS(neuroids, folds)
    for _ in range(2):
        for first in range(0, 300, 128):
            product.add(units[:, first : first + 128])
        product.rewind() if not product._scores else None
    expected = []
    for train, test in folds:
        fitted = PLSRegression(25, scale=False).fit(neuroids[train], units[train])
        expected.append(pearson(fitted.predict(neuroids[test]), units[test]))
    assert product.correlations() == pytest.approx(np.stack(expected), abs=1e-6, nan_ok=True)
    assert np.isnan(product.correlations()[:, [0, 1, 7]]).all() and np.isnan(product.correlations()[0, 9])


def test_reverse_pls_refuses_what_it_cannot_use() -> None:
    rng = np.random.default_rng(0)
    folds = splits(60)
    with pytest.raises(BadValue, match=r"components=25: must be between 1 and 24: PLS predicts from 24 neuroids"):
        ReversePLS(rng.normal(size=(60, 24)), folds)
    product = ReversePLS(rng.normal(size=(60, 30)), folds)
    with pytest.raises(UserError, match="without units"):
        product.rewind()
    with pytest.raises(StimulusMismatch, match=r"\(59, 4\), expected \(60 stimuli, units\)"):
        product.add(np.zeros((59, 4)))
    with pytest.raises(UserError, match="not finite"):
        product.add(np.full((60, 4), np.nan))
    product.add(np.zeros((60, 4)))
    with pytest.raises(UserError, match="no unit varies over the training stimuli of split 0"):
        product.rewind()


@pytest.mark.parametrize(("train", "features", "targets"), [(50, 300, 40), (50, 20, 40), (40, 100, 90)])
def test_ridge_over_a_split_is_scikit_learns(train: int, features: int, targets: int) -> None:
    """with one penalty and with one chosen for each group; fewer and more features and targets than stimuli."""
    from sklearn.linear_model import Ridge, RidgeCV

    rng = np.random.default_rng(1)
    x = rng.normal(size=(train + 20, features)) + 2
    y = x @ rng.normal(size=(features, targets)) / np.sqrt(features) + rng.normal(size=(len(x), targets))
    products = InnerProducts(len(x))
    for first in range(0, features, 64):
        products.add(x[:, first : first + 64])
    known, new = np.arange(train), np.arange(train, len(x))
    groups = [np.arange(0, targets, 2), np.arange(1, targets, 2)]
    for alphas in ([1.0], [0.01, 1.0, 10.0, 100.0, 1e4]):
        found = split_ridge(products, known, new, y[known], y[new], groups, alphas)
        for places, alpha in zip(groups, found.alphas, strict=True):
            model = Ridge(alpha=1.0) if len(alphas) == 1 else RidgeCV(alphas=alphas)
            model.fit(x[known], y[known][:, places])
            assert alpha == getattr(model, "alpha_", 1.0)
            assert found.r[places] == pytest.approx(pearson(model.predict(x[new]), y[new][:, places]), abs=1e-9)
    with pytest.raises(BadValue, match="must be positive"):
        split_ridge(products, known, new, y[known], y[new], groups, [0.0])
    with pytest.raises(UserError, match="exactly once"):
        split_ridge(products, known, new, y[known], y[new], groups[:1], [1.0])
    with pytest.raises(StimulusMismatch, match="do not fit"):
        split_ridge(products, known, new, y[new], y[new], groups, [1.0])


def test_what_has_one_maker_is_made_once_and_what_asks_for_it_sees_all_twice(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features, neuroids = rng.normal(size=(60, 9000)).astype(np.float32), rng.normal(size=(60, 30))
    made = []

    def maker(n: int) -> InnerProducts:
        made.append(n)
        return InnerProducts(n)

    rows, folds = np.arange(60), splits(60)
    more = {
        "fixed_split-a": (maker, lambda product: product.between(rows, rows)),
        "fixed_split-b": (maker, lambda product: product.between(rows[:2], rows)),
        "reverse_pls-c": (lambda _n: ReversePLS(neuroids, folds), ReversePLS.correlations),
    }
    sink = Products(tuple(more), 60, tmp_path, more=more)
    for first in range(0, 60, 20):
        sink.add("layer", torch.from_numpy(features[first : first + 20]))
    found = sink.pop("layer")
    assert made == [60]
    exact = features.astype(np.float64) @ features.T.astype(np.float64)
    assert found["fixed_split-a"] == pytest.approx(exact, rel=1e-12)
    assert np.array_equal(found["fixed_split-b"], found["fixed_split-a"][:2])
    product = ReversePLS(neuroids, folds)
    product.add(features)
    product.rewind()
    product.add(features)
    assert found["reverse_pls-c"] == pytest.approx(product.correlations(), abs=1e-6)
