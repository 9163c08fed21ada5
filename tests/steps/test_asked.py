"""Mistakes and what is left out are named before a network is run; the rules by which scores are chosen."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlspatial.benchmarks.base import Benchmark, Found, Way
from mlspatial.benchmarks.behaviour import Behaviour
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.score import Score
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord
from mlspatial.steps.gather import layers_of
from mlspatial.steps.scoring_plan import Plan, check_options, matched
from tests import toys
from tests.steps.asking import SITES, VOXELS, run_decode, run_score, run_similarity, table_of


def test_layers_that_some_networks_lack_are_named_first(
    networks: list[ModelRecord], images: str, still: None, capsys: pytest.CaptureFixture[str]
) -> None:
    toys.trained("other_toy")
    words = r"1 of 3 networks have no layer second\.1 \(other_toy\.toys\.distance\); name layers that all"
    for ask in (run_score, lambda **c: run_similarity(images, **c), lambda **c: run_decode(images, **c)):
        with pytest.raises(UserError, match=words):
            ask(layers="second.1")
        with pytest.raises(UnknownName, match=r"unknown layer 'secnd\.1'; did you mean second\.1"):
            ask(layers="secnd.1")
    assert not runs.find(status="FINISHED", entry="extract")


def test_similarity_says_which_layers_it_leaves_out(
    networks: list[ModelRecord], images: str, capsys: pytest.CaptureFixture[str]
) -> None:
    toys.trained("other_toy")
    run_id = run_similarity(images, metric="cka", layers="*.1,fc")
    said = capsys.readouterr().err
    line = "similarity: left out third.1 of other_toy.toys.distance only; "
    assert line + "second.1 of toy.toys.category, toy.toys.distance only; compared at first.1, fc\n" in said
    table = pd.read_json(io.StringIO(runs.local(run_id, "groups_cka.json").read_text()), orient="split")
    assert set(table.layer) == {"first.1", "fc"}
    kept = {run.cfg["layers"] for run in runs.find(entry="extract")}
    assert kept == {"first.1,fc"}  # what is left out is not extracted either


def test_networks_without_a_common_layer_are_not_run(networks: list[ModelRecord], images: str, still: None) -> None:
    toys.trained("other_toy")
    with pytest.raises(
        UserError, match=r"the networks share no layer name \(third\.1 of other_toy.*; second\.1 of toy"
    ):
        run_similarity(images, layers="[st][eh]*.1")


def test_decode_says_which_layers_are_not_compared(
    networks: list[ModelRecord], images: str, capsys: pytest.CaptureFixture[str]
) -> None:
    toys.trained("other_toy")
    *_, summary = run_decode(images, layers="*.1,fc", latents="x")
    said = capsys.readouterr().err
    assert "decode: third.1 of other_toy.toys.distance only; second.1 of" in said
    assert "only; all networks are compared at first.1, fc\n" in said
    whole = pd.read_json(io.StringIO(runs.local(summary, "decoding.json").read_text()), orient="table")
    assert set(whole.layer) == {"first.1", "second.1", "third.1", "fc"}


def test_decode_of_pixels_alone(networks: list[ModelRecord], images: str, still: None) -> None:
    (run_id,) = run_decode(images, layers="pixels")
    assert runs.get(run_id).cfg["models"] == "pixels"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classifier": "knn"}, "classifier=knn"),
        ({"latents": "depth"}, "unknown latent 'depth'"),
        ({"latents": "y"}, "latents=y: does not vary"),
        ({"latents": "category", "stimuli": "heldout:40", "folds": 0}, "runs=0"),
        ({"activations": "int8"}, "must be none, float16 or float32"),
        ({"split": "loo"}, "split=loo"),
    ],
)
def test_decode_tells_mistakes_before_it_runs_a_network(
    networks: list[ModelRecord], registry: Path, still: None, changes: dict[str, Any], words: str
) -> None:
    images = str(toys.dataset(registry / "still", still=("y",)))
    with pytest.raises(UserError, match=words):
        run_decode(images, **changes)
    assert not runs.find(entry="decode") and not runs.find(entry="extract")


MISTAKES: list[tuple[dict[str, str], str]] = [
    ({"metrics": "crsa"}, r"metrics=crsa: no benchmark takes it \(toy_sites6_60_4: recordings take own, pls"),
    ({"benchmarks": VOXELS, "metrics": "ridge"}, r"metrics=ridge: .*toy_voxels_versa: fMRI takes own, crsa, versa"),
    ({"benchmarks": VOXELS, "metrics": "own,one_to_one"}, "metrics=one_to_one: no benchmark takes it"),
    ({"benchmarks": f"{SITES},{VOXELS}", "metrics": "i2n"}, "unknown metric 'i2n'"),
    ({"variant": "published_code"}, "variant=published_code: is of fMRI benchmarks"),
    ({"benchmarks": VOXELS, "selection": "half"}, "selection=half: touches none of the benchmarks"),
    ({"layers": "all"}, "layers=all: is of fMRI benchmarks; say auto or names for toy_sites6_60_4"),
    ({"engine": "reference"}, "engine=reference is Brain-Score's own code"),
    ({"benchmarks": f"{SITES}:n=28", "metrics": "own,pls"}, "pls: 25 training stimuli are too few for 25 components"),
    ({"selection": "half", "metrics": "own,pls10", "benchmarks": f"{SITES}:n=20"}, "9 training stimuli are too few"),
    ({"benchmarks": f"{SITES}:repeats=1", "metrics": "own,cka"}, "needs neuroids with at least two repeats"),
]


@pytest.mark.parametrize(("changes", "words"), MISTAKES)
def test_score_tells_mistakes_before_it_runs_a_network(
    networks: list[ModelRecord], still: None, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        run_score(**changes)
    assert not runs.find(entry="score", status="FINISHED") and not runs.find(entry="extract")


def test_benchmarks_without_a_metric_are_named_and_the_rest_is_scored(
    networks: list[ModelRecord], capsys: pytest.CaptureFixture[str]
) -> None:
    both = f"{SITES},{VOXELS}"
    first, *_ = run_score(benchmarks=both, metrics="own,cka,crsa")
    said = capsys.readouterr().err
    assert "score: toy_voxels_versa without cka: fMRI takes own, crsa, versa" in said
    assert "score: toy_sites6_60_4 without crsa: recordings take own, pls, ridge, rsa, cka, one_to_one" in said
    table = table_of(first)
    assert set(zip(table.benchmark, table.metric, strict=True)) == {
        ("toy_sites6_60_4", "ridge"), ("toy_sites6_60_4", "cka_debiased"),
        ("toy_voxels_versa", "versa"), ("toy_voxels_versa", "crsa"),
    }  # fmt: skip
    alone = run_score(benchmarks=both, metrics="ridge")
    assert alone == run_score(metrics="ridge") and set(table_of(alone[0]).benchmark) == {"toy_sites6_60_4"}


def known(name: str, kind: type[Benchmark], own: str) -> Found:
    return Found(name, "1", kind, own, lambda *_: None)  # type: ignore[arg-type,return-value]


NEURAL, CHOICES = known("brainscore", Published, "pls25"), known("choices", Behaviour, "i2n")


def test_brain_scores_benchmarks_take_what_their_choice_of_layers_allows(capsys: pytest.CaptureFixture[str]) -> None:
    everything = ("own", "pls", "ridge", "cka", "rsa", "one_to_one")
    (raw,) = matched([NEURAL], everything, Way())
    assert raw.metrics == everything
    for metric in ("rsa", "one_to_one"):
        with pytest.raises(UserError, match=f"metrics={metric}: no benchmark takes it .*selection=raw takes it"):
            matched([NEURAL], ("own", metric), Way(by_imagenet=True))
    ours = known("recordings", NeuralBenchmark, "ridge")
    chosen = matched([NEURAL, CHOICES, ours], everything, Way(by_imagenet=True))
    assert [one.metrics for one in chosen] == [everything[:4], ("own",), everything]
    said = capsys.readouterr().err
    assert "score: brainscore, choices without rsa: layers chosen by ImageNet images take own, pls, ridge, cka" in said
    assert "score: choices without ridge: behaviour takes own" in said and "recordings without" not in said


@pytest.mark.parametrize(
    ("kinds", "options", "words"),
    [
        ([NEURAL], {"engine": "reference", "selection": "half"}, "selection=half: engine=reference takes auto or raw"),
        ([CHOICES], {"selection": "half"}, "selection=half: touches none of the benchmarks"),
        ([NEURAL, CHOICES], {"layers": "all"}, "layers=all: .* say auto or names for brainscore, choices"),
        ([NEURAL], {"variant": "published_code"}, "variant=published_code: is of fMRI"),
    ],
)
def test_options_that_brain_scores_benchmarks_do_not_take(
    kinds: list[Found], options: dict[str, str], words: str
) -> None:
    with pytest.raises(UserError, match=words):
        check_options(
            kinds, **({"layers": "auto", "engine": "fast", "selection": "auto", "variant": "paper"} | options)
        )


def test_the_reference_engine_takes_whole_modules(networks: list[ModelRecord], still: None) -> None:
    asked = Plan((NEURAL,), ("own",), "first.1,second.1#1", "reference", Way())
    with pytest.raises(UserError, match=r"layers=second\.1#1: engine=reference knows whole modules only"):
        layers_of(networks, asked.choose)
    assert layers_of(networks, replace(asked, layers="fc").choose) == [("fc",)] * 2
    assert layers_of(networks, replace(asked, engine="fast").choose) == [("first.1", "second.1#1")] * 2


def test_how_layers_are_chosen_is_part_of_a_score_of_brain_scores() -> None:
    plans = [Plan((replace(NEURAL, metrics=("own",)),), ("own",), "auto", "fast", Way(by_imagenet=way))
             for way in (True, False)]  # fmt: skip
    first, second = (plan.inputs() for plan in plans)
    assert first != second and "pca" in first["versions"] and "pca" not in second["versions"]
    assert plans[0].inputs()["versions"].keys() >= {"pls", "ceiling", "splits", "extract", "gram", "layers"}
    reference = replace(plans[0], engine="reference").inputs()
    assert reference["versions"].keys() == {"layers", "brainscore_reference"} and reference["by_imagenet"] is True


def test_a_metric_may_be_meant_for_a_benchmark_without_data(capsys: pytest.CaptureFixture[str]) -> None:
    options = {"layers": "auto", "engine": "fast", "selection": "auto", "variant": "paper", "download": False}
    asked = Plan.of(f"{SITES},nowhere.yaml?", metrics="own,crsa", **options)  # type: ignore[arg-type]
    assert [(one.name, one.metrics) for one in asked.chosen] == [("toy_sites6_60_4", ("own",))]
    assert "toy_sites6_60_4 without crsa" in capsys.readouterr().err
    with pytest.raises(UserError, match="metrics=crsa: no benchmark takes it"):
        Plan.of(f"{SITES},nowhere.yaml?", metrics="crsa", **options)  # type: ignore[arg-type]


def test_layers_of_all_networks_are_known_before_the_first_is_run(networks: list[ModelRecord]) -> None:
    """Also where some answer already: the second call has one network to do."""
    first = run_score(models="study=s,seed=0", layers="second.1")
    toys.trained("other_toy")
    with pytest.raises(UserError, match=r"other_toy\.toys\.distance"):
        run_score(layers="second.1")
    assert len(runs.find(entry="extract")) == 1 and runs.find(entry="score", status="FINISHED")[0].id == first[0]


def test_scores_are_what_they_were(networks: list[ModelRecord]) -> None:
    """The primary metric, the committed layer (first of equals) and the halves, from their definitions."""
    (run_id, *_) = run_score(metrics="own,cka", layers="first.1,second.1,fc")
    table = table_of(run_id)
    assert table.groupby("metric").primary.first().to_dict() == {"cka_debiased": False, "ridge": True}
    for _, part in table.groupby("metric"):
        assert part.layer[part.committed].tolist() == [part.sort_values("depth").set_index("layer").ceiled.idxmax()]
    scores = [Score(0.1, 1.0, 0.0, 10, "m", "1", choice=choice) for choice in (0.2, 0.5, 0.5, np.nan)]
    assert toys.toy_sites().commit(scores, Way()) == 1
    assert toys.toy_sites().commit([replace(score, choice=np.nan) for score in scores], Way()) == 0


def test_halves_share_no_stimulus_and_keep_strata() -> None:
    strata = np.arange(60) % 3
    (first, _), (second, folds) = replace(toys.toy_sites(), strata=strata).halves
    assert sorted([*first, *second]) == list(range(60)) and len(first) == len(second) == 30
    assert [np.bincount(strata[side]).tolist() for side in (first, second)] == [[10] * 3] * 2
    assert all(max(map(max, fold)) < 30 for fold in folds)
    assert [np.bincount(strata[second][test]).tolist() for _, test in folds] == [[1] * 3] * 10


def test_regions_share_a_pass_only_with_the_same_stimuli_and_splits() -> None:
    one, two, other = (toys.toy_sites(*sizes) for sizes in ((6,), (7,), (6, 50)))
    elsewhere = replace(two, splits="kfold:5")
    assert one.together == two.together and one.stimuli.id == two.stimuli.id != other.stimuli.id
    assert elsewhere.together not in (one.together, other.together)


def test_benchmarks_that_share_stimuli_share_the_pass(networks: list[ModelRecord]) -> None:
    """Whatever their kinds and metrics; regions that share splits are scored in one call, each as it is alone."""
    sites, more = "toy_sites", "toy_sites:sites=7"
    options = {"models": "study=s,seed=0", "layers": "first.1,second.1"}
    (both,) = run_score(benchmarks=f"{sites},{more},{VOXELS}", metrics="own,rsa,one_to_one,crsa", **options)
    (made,) = runs.find(entry="extract")
    kinds = [kind.partition("-")[0] for kind in made.cfg["kinds"].split(",")]
    assert kinds == ["gram", "pattern", "one_to_one", "one_to_one", "projection"]
    (alone,) = run_score(benchmarks=more, metrics="own,rsa", **options)
    assert len(runs.find(entry="extract")) == 1
    tables = [table_of(run).set_index(["benchmark", "metric", "layer"]) for run in (both, alone)]
    assert tables[0].raw[tables[1].index].to_numpy() == pytest.approx(tables[1].raw.to_numpy(), abs=1e-12)


def test_options_that_cannot_change_a_result_are_free(networks: list[ModelRecord], images: str) -> None:
    scored, alike, decoded = run_score(), run_similarity(images), run_decode(images)
    uris = ",".join(record.uri for record in networks)
    assert run_score(models=uris, device="auto", download=False) == scored
    assert run_similarity(images, models=uris, device="auto") == alike
    assert run_decode(images, models=uris, device="auto") == decoded
    assert run_similarity(images, seed=1) != alike and run_score(selection="half") != scored
    assert not set(run_decode(images, seed=1)) & set(decoded)
    assert runs.get(scored[0]).parents == (networks[0].run_id,)
