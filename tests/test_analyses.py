"""similarity and decode as a user runs them, on two tasks and two seeds trained together."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from entrypoints import decode, similarity, train
from mlspatial.analysis.gram import Gram
from mlspatial.compare.conditions import known
from mlspatial.core.names import MODEL_ID
from mlspatial.models.extract import extract
from mlspatial.models.sinks import Features, read_activations
from mlspatial.registry import runs
from mlspatial.registry.activations import KIND
from mlspatial.registry.models import select
from mlspatial.registry.store import client
from mlspatial.steps.decode import group_contrasts
from mlspatial.steps.stimuli import load_images
from tests.test_entrypoints import call

N = 60


@pytest.fixture
def trained(registry: Path, small_dataset: Path) -> str:
    """The dataset's folder; four networks of it are in the registry."""
    arguments = ["--task", "distance|category", "--seeds", "0-1", "--batches", "3", "--batch_size", "16"]
    code, out, err = call(train.main, *arguments, "--dataset", str(small_dataset), "--input_size", "32", "--study", "s")
    assert code == 0, err
    assert len([line for line in out.splitlines() if line.startswith("run ")]) == 4
    assert {(r.task, r.seed) for r in select("study=s")} == {(t, s) for t in ("distance", "category") for s in (0, 1)}
    return str(small_dataset)


def artifact(run_id: str, name: str) -> Path:
    return runs.local(run_id, name)


def test_similarity_and_decode(trained: str) -> None:
    images = ["--models", "study=s", "--dataset", trained, "--stimuli", f"heldout:{N}", "--study", "s"]
    metrics = "cka,cka_debiased,rsa,procrustes"
    first = call(similarity.main, *images, "--layers", "layer?.0.relu", "--metric", metrics)
    assert first[0] == 0, first[2]
    extracted = runs.find(entry="extract")
    assert len(extracted) == 4  # Grams and patterns of a network in one pass
    again = call(similarity.main, *images, "--layers", "layer?.0.relu", "--metric", metrics)
    assert again[1] == first[1] and len(runs.find(entry="extract")) == 4
    run_id = first[1].split()[-1]

    table = pd.read_csv(artifact(run_id, "matrices/cka_layer1.0.relu.csv"), index_col=0)
    assert np.allclose(np.diag(table), 1.0, atol=1e-6) and np.allclose(table, table.T)
    records = select("study=s")
    stimuli = load_images(f"heldout:{N}", trained).stimuli
    grams = []
    for record in records[:2]:
        module, spec = record.load()
        store = Features()
        extract(module, spec, stimuli, ["layer1.0.relu"], store)
        gram = Gram(N)
        gram.add(store.pop("layer1.0.relu")["features"].astype(np.float64))
        grams.append(gram.matrix())
    direct = np.vdot(*grams) / np.linalg.norm(grams[0]) / np.linalg.norm(grams[1])
    assert table.iloc[0, 1] == pytest.approx(direct, abs=1e-6)
    groups = pd.DataFrame(**json.loads(artifact(run_id, "groups_cka.json").read_text()))
    assert set(zip(groups["first"], groups["second"], strict=True)) == {
        ("category", "category"), ("category", "distance"), ("distance", "distance")
    }  # fmt: skip
    pictures = {Path(item.path).name for item in client().list_artifacts(run_id, "pictures")}
    assert {f"{name}_{kind}" for name in metrics.split(",") for kind in ("matrices.svg", "mds.png")} <= pictures
    assert set(runs.get(run_id).parents) == {r.id for r in extracted}

    code, out, err = call(decode.main, *images, "--folds", "2", "--latents", "x,z,rot_1,category")
    assert code == 0, err
    ids = [line.split()[1] for line in out.splitlines() if line.startswith("run ")]
    assert len(ids) == 6  # pixels, four networks, their comparison
    assert len(runs.find(entry="extract")) == 8
    whole = pd.read_json(artifact(ids[-1], "decoding.json"), orient="table")
    assert set(whole.layer) == {"pixels", *(f"layer{n}.0.relu" for n in (1, 2, 3, 4)), "avgpool", "fc"}
    assert set(whole.latent) == {"x", "z", "rot_1", "category"} and set(whole.fold) == {0, 1}
    assert set(whole.measure) == {"pearson_r", "r2", "mae", "angular_error_deg", "accuracy"}
    assert whole.value.notna().any() and (whole.n_test == N // 5).all()
    tests = pd.DataFrame(**json.loads(artifact(ids[-1], "contrasts.json").read_text()))
    assert set(tests.unit) == {"fold", "seed"} and tests.p_holm.ge(tests.p - 1e-12).all()
    computed = [*runs.find(entry="extract"), runs.get(run_id), *map(runs.get, ids[:-1])]
    assert {(run.tags["mlspatial.device"], run.tags["mlspatial.precision"]) for run in computed} == {("cpu", "float32")}
    answered = call(decode.main, *images, "--folds", "2", "--latents", "x,z,rot_1,category")
    assert answered[1] == out


def test_activations_are_kept_on_request(trained: str) -> None:
    images = ["--models", "study=s,task=distance", "--dataset", trained, "--stimuli", f"heldout:{N}"]
    layers = ["--layers", "layer4.0.relu,fc"]
    assert call(similarity.main, *images, *layers)[0] == 0
    for _ in range(2):
        code, _out, err = call(similarity.main, *images, *layers, "--activations", "float32")
        assert code == 0, err
    more = [run for run in runs.find(entry="extract") if run.tags[KIND] == "activations-float32"]
    assert len(more) == 2  # a network each, and the Grams were there
    stimuli = load_images(f"heldout:{N}", trained).stimuli
    for record in select("study=s,task=distance"):
        (run,) = (run for run in more if run.tags[MODEL_ID] == record.model_id)
        module, spec = record.load()
        store = Features()
        extract(module, spec, stimuli, ["layer4.0.relu"], store)
        ids, values = read_activations(artifact(run.id, "layers/activations-float32/layer4.0.relu.arrow"))
        assert ids == stimuli.ids
        assert np.array_equal(values, store.pop("layer4.0.relu")["features"])
    some = ["--layers", "fc,layer4.0.relu", "--latents", "x", "--folds", "2"]
    code, out, err = call(decode.main, *images, *some, "--activations", "float32")
    assert code == 0, err
    (_, first, *_) = (line.split()[1] for line in out.splitlines() if line.startswith("run "))
    assert not {run.id for run in more} & set(runs.get(first).parents)  # they are kept, decoding is from projections
    code, _out, err = call(decode.main, *images, "--activations", "int8")
    assert code == 2 and "must be none, float16 or float32" in err


def test_mistakes(trained: str) -> None:
    base = ["--models", "study=s", "--dataset", trained, "--stimuli", f"heldout:{N}"]
    for command, extra, words in [
        (similarity.main, ["--layers", "layer1.0.rely"], "unknown layer 'layer1.0.rely'; did you mean layer1.0.relu"),
        (similarity.main, ["--metric", "ckaa"], "unknown metric 'ckaa'; did you mean cka"),
        (similarity.main, ["--models", "task=distance,seed=0"], "matches 1 network; similarity needs two or more"),
        (similarity.main, ["--stimuli", "heldout:5000"], "has 60 heldout images; take heldout:60"),
        (similarity.main, ["--stimuli", "test:20"], "has the splits"),
        (decode.main, ["--latents", "depth"], "depth"),
        (decode.main, ["--split", "loo"], "split=loo: must be random"),
        (decode.main, ["--folds", "61", "--split", "kfold"], "60"),
        (decode.main, ["--classifier", "knn"], "classifier=knn"),
    ]:  # fmt: skip
        code, _, err = call(command, *base, *extra)
        assert code == 2 and words in err, (extra, err)
    assert not runs.find(entry="similarity", status="FINISHED")


def test_contrasts_are_those_of_scipy() -> None:
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(0)
    rows = [
        {"group": group, "latent": "x", "layer": "l", "fold": fold, "seed": seed, "model_id": f"{group}{seed}",
         "value": rng.normal() + (group == "a")}
        for group in "ab" for seed in range(3) for fold in range(5)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    facts = table.drop_duplicates("model_id").rename(columns={"group": "task"})[["task", "seed", "model_id"]]
    networks = known(facts.reset_index(drop=True).assign(final=True)).assign(group=lambda known: known.task)
    table["network"] = table.model_id.map({model: i for i, model in networks.model_id.items()})
    found = {row["unit"]: row for row in group_contrasts(table, networks)}
    a, b = (table[table.group == group].value for group in "ab")
    assert found["fold"]["p"] == pytest.approx(mannwhitneyu(a, b).pvalue)
    means = table.groupby(["group", "seed"]).value.mean()
    assert found["seed"]["p"] == pytest.approx(mannwhitneyu(means["a"], means["b"]).pvalue)
    asked = table.assign(question=np.where(table.fold % 2, "z>3", "z<=3"), value=table.value + table.fold % 2)
    apart = group_contrasts(asked, networks)
    assert len(apart) == 4
    for row in apart:
        own = asked[asked.question == row["question"]]
        if row["unit"] == "seed":
            own = own.groupby(["group", "seed"]).value.mean().reset_index()
        a, b = (own[own.group == group].value for group in "ab")
        assert row["p"] == pytest.approx(mannwhitneyu(a, b).pvalue), row["question"]


def test_intervals_over_stimuli_reach_the_figures(trained: str) -> None:
    """A group's interval is the jackknife of its mean over networks, from Grams and folds computed here again."""
    from mlspatial.analysis.cka import linear_cka
    from mlspatial.analysis.jackknife import blocks, half_width, standard_error
    from mlspatial.compare.evidence import load
    from mlspatial.compare.grouping import choose, group_pairs, similarities
    from mlspatial.compare.latents import decoded, decoded_ids, fold_table

    images = ["--models", "study=s", "--dataset", trained, "--stimuli", f"heldout:{N}", "--study", "s"]
    assert call(similarity.main, *images, "--layers", "layer2.0.relu")[0] == 0
    assert call(decode.main, *images, "--layers", "layer2.0.relu", "--latents", "x,z", "--folds", "2")[0] == 0
    evidence = load("s")
    found = similarities(evidence)
    pairs = group_pairs(found.pairs, choose(evidence, found.ids).networks)
    records, stimuli = select("study=s"), load_images(f"heldout:{N}", trained).stimuli
    raw = {}
    for record in records:
        module, spec = record.load()
        store = Features()
        extract(module, spec, stimuli, ["layer2.0.relu"], store)
        raw[record.model_id] = store.pop("layer2.0.relu")["features"].astype(np.float64)
    sides = [[raw[r.model_id] for r in records if r.task == task] for task in ("distance", "category")]
    without = []
    for b in range(blocks(N).max() + 1):
        kept = blocks(N) != b
        values = [linear_cka(x[kept] @ x[kept].T, y[kept] @ y[kept].T) for x in sides[0] for y in sides[1]]
        without.append(np.mean(values))
    between = pairs[pairs["first"] != pairs["second"]].iloc[0]
    assert between.over_stimuli == pytest.approx(half_width(float(standard_error(np.array(without)))), rel=1e-3)
    rows = decoded(evidence, choose(evidence, decoded_ids(evidence, "x")).networks, "x")
    table = fold_table(rows)
    assert len(table) and np.isfinite(table.over_stimuli).all() and (table.over_stimuli > 0).all()
