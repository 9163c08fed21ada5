"""The lines behind a command, the table of networks, the state of an installation: that they say what is there, fit a
terminal of 80 columns, and harm nothing."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from mlspatial import cli
from mlspatial.console import doctor, layout, show, summary
from mlspatial.console.cells import best_readouts, within_and_across
from mlspatial.console.layout import facts, number, table
from mlspatial.registry import runs
from mlspatial.registry.models import ModelRecord
from mlspatial.registry.read import table_file
from tests import toys
from tests.steps.asking import SITES, run_decode, run_score, run_similarity
from tests.test_entrypoints import call


def fits(text: str, columns: int = 80) -> bool:
    return all(len(line) < columns for line in text.splitlines())


def test_numbers_are_short() -> None:
    assert [number(v) for v in (0.8124, -0.04, 12.3456, 1.0, None, float("nan"))] == [
        ".812", "-.040", "12.346", "1.000", "-", "-",
    ]  # fmt: skip


def test_a_table_fits_and_says_what_it_left_out() -> None:
    rows = [{"network": "resnet18." + "x" * 60, "layer": f"layer{i}", "score": i / 10} for i in range(5)]
    wide = table(rows, 40, most=3)
    assert fits(wide, 41) and wide.splitlines()[-1] == "... and 2 more" and "layer2" in wide and ".200" in wide
    assert "resne" in wide and "..." in wide
    many = table([{f"number{i}": float(i) for i in range(20)}], 60)
    assert fits(many, 61) and "no room here for" in many and "number19" in many
    assert table([]) == "" and "-" in table([{"a": 1.0}, {"b": 2.0}])


def test_facts_break_between_words_only() -> None:
    path = "/a/very/long/path/" + "x" * 90
    said = facts({"look at": f"words before {path}", "next": "a " * 60})
    assert path in said and said.splitlines()[0].startswith("look at    words before")
    assert all(len(line) < 80 or path in line for line in said.splitlines())


def test_decode_ends_with_a_table_of_its_best_layers(networks: list[ModelRecord], images: str) -> None:
    began = time.time()
    ids = run_decode(images)
    said = summary.summary("decode", ids, began)
    assert fits(said) and "read-outs of 2 networks" in said and "next" in said
    for run_id in ids[:-1]:
        found = table_file(runs.local(run_id, "decoding.json"))
        for latent in ("x", "category"):
            measure = "accuracy" if latent == "category" else "pearson_r"
            part = found[(found.latent == latent) & (found.measure == measure)]
            means = {layer: float(rows.value.sum() / len(rows)) for layer, rows in part.groupby("layer")}
            assert f"{max(means.values()):.3f} {max(means, key=lambda layer: means[layer])}" in said
    again = summary.summary("decode", run_decode(images), time.time() + 1)
    assert again.strip().startswith("was there") and "--force true makes it anew" in again


def test_decode_across_conditions_ends_with_both_numbers(
    networks: list[ModelRecord], images: str, registry: Path
) -> None:
    scenes = str(toys.dataset(registry / "scenes", "scenes", scenes=("meadow", "hall")))
    began = time.time()
    ids = run_decode(scenes, split="leave_out:scene", latents="x")
    said = summary.summary("decode", ids, began)
    assert fits(said) and "leave_out:scene" in said and "pictures/generalisation_by_group.png" in said
    table = table_file(runs.local(ids[0], "generalisation.json"))
    means = table[table.measure == "pearson_r"].groupby("layer")[["within", "value"]].mean()
    best = means.loc[means.within.idxmax()]
    assert f"{best.within:.2f}/{best.value:.2f}".replace("0.", ".") in said
    ids = run_decode(images, split="leave_out:z>2", latents="x")
    table = table_file(runs.local(ids[0], "generalisation.json"))
    means = table[table.measure == "pearson_r"].groupby(["left_out_values", "layer"])[["within", "value"]].mean()
    said = summary.summary("decode", ids, began)
    for way in ("z>2", "z<=2"):  # two questions
        best = means.loc[way].loc[means.loc[way].within.idxmax()]
        assert f"x where {way}" in said and f"{best.within:.2f}/{best.value:.2f}".replace("0.", ".") in said
    nothing = table.assign(value=np.nan, within=np.nan).to_dict("records")
    assert best_readouts(nothing) == {"x": "n/a"} and within_and_across(nothing) == {}


def test_scores_and_similarities_are_summed_up(networks: list[ModelRecord], images: str) -> None:
    began = time.time()
    ids = run_score()
    said = summary.summary("score", ids, began)
    assert fits(said) and "scores of 2 networks" in said and "compare --study s" in said
    for run_id in ids[:2]:
        scores = table_file(runs.local(run_id, "scores.json"))
        (row,) = scores[scores.committed].itertuples()
        assert number(row.ceiled) in said and number(row.raw) in said and row.layer in said
    said = summary.summary("similarity", [run_similarity(images)], began)
    assert fits(said) and "similarity of 2 networks by cka,rsa" in said and "mean cka at each layer" in said


def test_training_and_a_study_are_summed_up(networks: list[ModelRecord]) -> None:
    (train,) = [run.id for run in runs.find(entry="train") if run.cfg["task"] == "category"]
    for one in runs.find(entry="train"):
        runs.Run(one.id).log_params({"cfg.dataset": "toys"})
    run = runs.Run(train)
    run.log({"heldout/loss": 1.5, "heldout/category/top1": 0.812, "heldout/category/loss": 1.5})
    run.flush()
    said = summary.summary("train", [train], time.time())
    assert fits(said) and "top1" in said and ".812" in said and "1.500" in said
    told = " ".join(said.split())  # long commands are broken into lines
    assert "show task=category,dataset=toys,arch=toy" in told
    assert "score --models task=category,dataset=toys,arch=toy,seed=1 --benchmarks simulated_v1" in told
    with runs.open_run(runs.Spec("study", 1, {}, {"name": "s"}), name="study s") as opened:
        pass
    said = summary.summary("study", [opened.id], time.time())
    assert fits(said) and "study s: 2 train runs" in said and "category" in said


def test_every_entry_point_has_a_summary() -> None:
    assert set(summary._SUMMARIES) == {entry.name for entry in cli.entries()}


def test_a_summary_that_fails_leaves_the_command_whole(
    networks: list[ModelRecord], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLSPATIAL_PROGRESS", "1")
    cli.finish("decode", lambda: "no-such-run")
    told = capsys.readouterr()
    assert told.out == "run no-such-run\n" and told.err.startswith("decode: no summary (")
    assert len(told.err.splitlines()) == 1
    monkeypatch.setenv("MLSPATIAL_PROGRESS", "0")
    cli.finish("decode", lambda: "no-such-run")
    assert capsys.readouterr() == ("run no-such-run\n", "")


def test_show_prints_facts_scores_and_lineage(networks: list[ModelRecord], capsys: pytest.CaptureFixture[str]) -> None:
    run_score()
    capsys.readouterr()
    show.show(selector="task=distance")
    told = capsys.readouterr().out
    first = networks[[network.task for network in networks].index("distance")]
    (scored,) = [run for run in runs.find(entry="score") if run.model_id == first.model_id]
    assert fits(told) and first.uri in told and first.model_id in told and first.run_id in told
    assert f"score run {scored.id}" in told and "input 32 px, 5 output units" in told and SITES in told
    other = next(network for network in networks if network.task == "category")
    (its,) = [run for run in runs.find(entry="score") if run.model_id == other.model_id]
    assert its.id not in told
    show.show(selector="study=s")
    several = capsys.readouterr().out
    assert fits(several) and "2 networks of study=s" in several and all(n.name in several for n in networks)
    show.show(selector="mlspatial:toy@random3?input_size=32")
    assert "from outside the registry" in capsys.readouterr().out


def test_show_is_a_command_whose_selector_needs_no_name(networks: list[ModelRecord]) -> None:
    code, out, err = call(cli.main, "show", "task=distance")
    assert (code, err) == (0, "") and "toy.toys.distance" in out and "toy.toys.category" not in out
    code, _, err = call(cli.main, "show", "task=distanse")
    assert code == 2 and len(err.splitlines()) == 1 and "did you mean distance" in err
    code, _, err = call(cli.main, "show")
    assert code == 2 and "SELECTOR" in err


def test_doctor_says_what_is_there(
    networks: list[ModelRecord], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], registry: Path
) -> None:
    monkeypatch.setenv("BRAINIO_HOME", str(registry / "brainio"))
    monkeypatch.setattr(doctor, "LEAST_FREE", 0)
    (registry / "data" / "session").mkdir(parents=True)
    assert doctor.doctor() == []
    told = capsys.readouterr().out
    import torch

    assert f"torch              {torch.__version__.partition('+')[0]}" in told
    assert "2 finished" in told and "studies" in told and "answers" in told and "all well" in told
    assert "data: session" in told and f"no files in {registry}/brainio" in " ".join(told.split())
    assert all(len(line) < 80 or str(registry) in line or "/tmp" in line for line in told.splitlines())


def test_doctor_makes_no_registry_and_names_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(doctor, "LEAST_FREE", 0)
    doctor.doctor()
    assert "there is none yet" in capsys.readouterr().out and not (tmp_path / "mlflow.db").exists()
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(doctor.Unwell, match=r"mlflow.db: file is not a database; restore a copy"):
        doctor.doctor()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setattr(doctor, "LEAST_FREE", 10**18)
    code, out, err = call(cli.main, "doctor")
    assert code == 1 and "does not answer" in out and len(err.splitlines()) == 1
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:9: cannot be used" in err and "free; `mlspatial clean`" in err


def test_sizes_count_every_file(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"x" * 1500)
    (tmp_path / "a" / "b" / "two").write_bytes(b"x" * 500)
    assert layout.size_of(tmp_path) == 2000 == layout.size_of(tmp_path / "a") and layout.amount(2000) == "2 kB"
