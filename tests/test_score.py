"""Scoring as a whole: several yardsticks from one pass, honest halves, recovery of the network that made the data."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlspatial.analysis.pls import cross_validated_pls, gram_matrix
from mlspatial.analysis.rsa import similarity_matrix
from mlspatial.benchmarks import find_benchmark
from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.models.extract import extract
from mlspatial.models.sinks import Features
from mlspatial.registry import runs
from mlspatial.registry.models import select
from mlspatial.steps.score import score
from mlspatial.steps.train import train

LAYERS = ("layer1.0.relu", "layer3.0.relu", "avgpool")
BENCHMARK = "simulated_it:stimuli=120,neuroids=12,trials=30,size=32,layer=layer3.0.relu"


@pytest.fixture
def networks(registry: Path, small_dataset: Path) -> list[str]:
    """Addresses of three untrained networks of seeds 0-2 that take images of 32 px."""
    options = {"arch": "resnet18", "order_seed": 0, "batches": 0, "batch_size": 16, "lr": 1e-3, "weight_decay": 0.0,
               "augment": "none", "input_size": 32, "checkpoints": "", "evaluations": "", "fraction": 1.0,
               "init": "random", "device": "cpu", "precision": "float32", "compile": False, "deterministic": False,
               "cache": "none", "workers": 1, "resume": True, "study": "s"}  # fmt: skip
    train(task="distance", dataset=str(small_dataset), seed=0, seeds="0-2", **options)
    return [record.uri for record in select("study=s")]


def table_of(run_id: str) -> pd.DataFrame:
    return pd.read_json(io.StringIO(runs.local(run_id, "scores.json").read_text()), orient="split")


def run_score(**changes: object) -> list[str]:
    options = {"models": "study=s,seed=0", "benchmarks": BENCHMARK, "layers": ",".join(LAYERS), "device": "cpu",
               "study": "s"} | changes  # fmt: skip
    return score(**options)  # type: ignore[arg-type]


def test_yardsticks_share_one_pass_and_agree_with_the_features_themselves(networks: list[str]) -> None:
    (run_id,) = run_score(metrics="own,ridge,rsa,cka,one_to_one")
    table = table_of(run_id)
    assert len(table) == 5 * len(LAYERS) and len(runs.find(entry="extract")) == 1
    assert set(table.metric) == {"pls25", "ridge", "rsa", "cka_debiased", "one_to_one"}
    assert table.groupby("metric").committed.sum().eq(1).all()
    assert set(table[table.primary].metric) == {"pls25"} and list(table[table.primary].depth) == [0, 1, 2]
    benchmark = find_benchmark(BENCHMARK)
    module, spec = select("study=s,seed=0")[0].load()
    sink = Features()
    extract(module, spec, benchmark.stimuli, LAYERS, sink)
    for layer in LAYERS:
        features = sink.pop(layer)["features"].astype(np.float64)
        r = cross_validated_pls(gram_matrix(features), benchmark.responses, benchmark.folds)
        row = table[(table.layer == layer) & table.primary].iloc[0]
        assert row.raw == pytest.approx(np.nanmedian(r, axis=1).mean(), abs=1e-4)  # kept as float32
        assert row.r2_over_c == pytest.approx(row.raw**2 / row.ceiling)
        assert row.r_over_c_squared == pytest.approx((row.raw / row.ceiling) ** 2)
    record = runs.get(run_id)
    best = table[table.primary & table.committed].iloc[0]
    assert record.metrics[f"{best.benchmark}/ceiled"] == pytest.approx(best.ceiled)
    assert record.tags[f"mlspatial.layer.{best.benchmark}"] == best.layer
    assert run_score(metrics="own,ridge,rsa,cka,one_to_one") == [run_id]  # answered


def test_every_unit_and_split_is_kept(networks: list[str]) -> None:
    """Its medians are the score; what features and splits give by hand; all layers on request."""
    from mlspatial import registry

    (run_id,) = run_score(metrics="own,rsa")
    table, units = registry.scores("s"), registry.scores("s", units=True)
    assert set(units.run_id) == set(table.run_id) == {run_id} and set(units.metric) == {"pls25"}
    committed = table[table.committed & (table.metric == "pls25")].iloc[0]
    assert set(units.layer) == {committed.layer} and len(units) == 10 * 12 and units.r.dtype == np.float32
    assert units.groupby("split").r.median().mean() == pytest.approx(committed.raw, abs=1e-6)
    assert units.groupby("unit").reliability.first().median() == pytest.approx(committed.ceiling, abs=0.02)
    benchmark = find_benchmark(BENCHMARK)
    sink = Features()
    extract(*select("study=s,seed=0")[0].load(), benchmark.stimuli, (committed.layer,), sink)
    features = sink.pop(committed.layer)["features"].astype(np.float64)
    by_hand = cross_validated_pls(gram_matrix(features), benchmark.responses, benchmark.folds)
    kept = units.pivot(index="split", columns="unit", values="r")[list(benchmark.neuroids)]
    assert kept.to_numpy() == pytest.approx(by_hand, abs=1e-5)
    assert run_score(metrics="own,rsa") == [run_id]
    (more,) = run_score(metrics="own,rsa", units="all")
    assert more != run_id and run_score(metrics="own,rsa", units="all") == run_score(metrics="own,rsa") == [more]
    whole = pd.read_parquet(runs.local(more, "units-all.parquet"))
    assert set(whole.layer) == set(LAYERS) and whole[whole.committed].r.tolist() == units.r.tolist()


def test_predictions_are_kept_and_ranked(networks: list[str]) -> None:
    """Each stimulus predicted once, by scikit-learn's PLS on the same folds; one line ranks the networks."""
    from sklearn.cross_decomposition import PLSRegression

    from mlspatial import compare, registry
    from mlspatial.core.predictions import read as read_predictions

    first, *_ = run_score(models="study=s,seed=0|1", metrics="own,ridge,rsa")
    kept = {one.metric: one for one in read_predictions(lambda name: runs.local(first, name))}
    assert set(kept) == {"pls25", "ridge"}
    table = registry.scores("s")
    mine = table[(table.run_id == first) & table.committed & (table.metric == "pls25")].iloc[0]
    one, benchmark = kept["pls25"], find_benchmark(BENCHMARK)
    assert (one.benchmark, one.region, one.layer) == (mine.benchmark, "IT", mine.layer)
    assert one.stimuli == tuple(benchmark.stimuli.ids) and one.units == benchmark.neuroids
    assert one.responses == pytest.approx(benchmark.responses, abs=1e-5)
    assert one.noise == pytest.approx(benchmark.trials.var(axis=2, ddof=1) / 30, abs=1e-5)
    sink = Features()
    extract(*select("study=s,seed=0")[0].load(), benchmark.stimuli, (one.layer,), sink)
    features = sink.pop(one.layer)["features"].astype(np.float64)
    assert np.bincount(one.folds).tolist() == [12] * 10
    for fold in (0, 7):
        train = one.folds != fold
        model = PLSRegression(25, scale=False).fit(features[train], benchmark.responses[train])
        assert one.predicted[~train] == pytest.approx(model.predict(features[~train]), abs=1e-2)
    assert mine.ceiling_error > 0 and mine.ceiled_error > 0
    slopes = 2 * mine.raw / mine.ceiling * mine.error, mine.r2_over_c / mine.ceiling * mine.ceiling_error
    assert mine.ceiled_error == pytest.approx(np.hypot(*slopes))

    run_score(models="study=s,seed=0", device="cpu")  # of seeds one condition is made, another takes another task
    ranked = compare.ranking("s")
    assert ranked.empty  # one condition: there is nothing to rank
    run_score(models="torchvision:resnet18@random", layers="layer1.0.relu,avgpool")
    ranked, pairs = compare.ranking("s", resamples=200), compare.ranking("s", pairs=True, resamples=200)
    assert len(ranked) == 2 and len(pairs) == 1 and sorted(ranked.networks) == [1, 2]
    assert set(ranked.benchmark) == {mine.benchmark} and (ranked.low < ranked.score).all()
    assert pairs.difference.iloc[0] == pytest.approx(ranked.score.iloc[0] - ranked.score.iloc[1])


def test_a_metric_that_fails_loses_nothing_else(
    networks: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mlspatial.analysis import yardsticks

    def failing(*_: object, **__: object) -> None:
        raise np.linalg.LinAlgError("the matrix is singular")

    broken = replace(yardsticks.METRICS["ridge"], correlate=failing)  # type: ignore[call-arg]
    monkeypatch.setitem(yardsticks.METRICS._items, "ridge", broken)
    (run_id,) = run_score(metrics="own,ridge")
    told, table = capsys.readouterr().err, table_of(run_id)
    assert f"ridge of layer {LAYERS[0]} is not a number: the matrix is singular" in told
    lost = table[table.metric == "ridge"]
    assert lost.raw.isna().all() and lost.selection.eq("failed: the matrix is singular").all()
    assert table[table.metric == "pls25"].raw.notna().all()
    with pytest.raises(UserError, match="nothing could be scored"):
        run_score(metrics="ridge")


def test_the_layer_is_chosen_on_one_half_and_reported_on_the_other(networks: list[str]) -> None:
    (run_id,) = run_score(selection="half", benchmarks=BENCHMARK.replace("=120", "=160"))
    table = table_of(run_id)
    assert set(table.selection) == {"chosen on one half of the stimuli, reported on the other"}
    assert table.committed.sum() == 1
    whole = table_of(run_score(benchmarks=BENCHMARK.replace("=120", "=160"))[0])
    assert not np.allclose(whole.raw, table.raw)


def test_the_network_that_made_the_data_is_found(networks: list[str]) -> None:
    made_by = f"{BENCHMARK},network={networks[1]}"
    few = made_by.replace("trials=30", "trials=4")
    *ids, summary = run_score(models="study=s", benchmarks=f"{made_by},{few}", metrics="own,ridge")
    assert len(ids) == 3
    found = pd.read_json(io.StringIO(runs.local(summary, "recovery.json").read_text()), orient="split")
    assert set(found.trials) == {4, 30} and set(found.metric) == {"pls25", "ridge"}
    many = found[found.trials == 30]
    assert (many.network_rank == 1).all() and (many.layer_rank == 1).all() and (many.networks == 3).all()
    assert (many.margin > 0.1).all()
    assert set(runs.get(summary).parents) == set(ids)


def test_voxels_are_scored_on_halves_and_networks_compared(networks: list[str]) -> None:
    voxels = "simulated_fmri:images=120,voxels=60,size=32,noise=0.5"
    *ids, together = run_score(models="study=s,seed=0|1", benchmarks=voxels, metrics="own,crsa")
    assert len(ids) == 2 and runs.get(together).entry == "similarity"
    table = table_of(ids[0])
    assert len(table) == 2 * len(LAYERS) and set(table.metric) == {"crsa", "versa"}
    best = table[table.metric == "versa"].set_index("layer")
    assert best.train.idxmax() == best.index[best.committed.astype(bool)][0]  # chosen on the even stimuli
    assert best.ceiled.to_numpy() == pytest.approx((best.raw / best.ceiling) ** 2)
    assert (best.effective_dimensionality >= 1).all() and best.voxel_r.notna().all()
    benchmark = find_benchmark(voxels)
    module, spec = select("study=s,seed=0")[0].load()
    sink = Features()
    extract(module, spec, benchmark.stimuli, ["avgpool"], sink)
    features = sink.pop("avgpool")["features"]
    crsa = benchmark.crsa(similarity_matrix(features))
    assert table.set_index(["metric", "layer"]).raw["crsa", "avgpool"] == pytest.approx(crsa.test, abs=1e-4)
    matrix = pd.read_csv(runs.local(together, "matrices/versa_committed.csv"), index_col=0)
    assert matrix.shape == (2, 2) and -1 <= matrix.iloc[0, 1] < 1 and matrix.iloc[0, 0] == pytest.approx(1)


def test_mistakes_in_one_line(networks: list[str]) -> None:
    with pytest.raises(UnknownName, match="simulated_v1"):
        run_score(benchmarks="simulated_v2x")
    with pytest.raises(UserError, match="trails"):
        run_score(benchmarks="simulated_it:trails=4")
    with pytest.raises(BadValue, match="half"):
        run_score(selection="best")
    with pytest.raises(UnknownName, match="one_to_one"):
        run_score(metrics="own,rdm")
    with pytest.raises(UnknownName, match=r"layer1\.0\.relu"):
        run_score(layers="layer1.0.relo")
    with pytest.raises(UserError, match="engine=reference"):
        run_score(engine="reference")
    assert not runs.find(entry="score", status="FINISHED")
