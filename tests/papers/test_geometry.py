"""The paper on geometry: what tables and figures say of a made-up registry of tuning runs, and its findings."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlspatial.compare.checks import CHECKS
from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import PIXELS, load
from mlspatial.compare.kept import FAILED
from mlspatial.compare.table import TABLES
from mlspatial.compare.tuned import OF_UNITS, POPULATION, TUNINGS, UNITS
from mlspatial.core.names import DATASET_ID, MODEL_ID, TAG
from mlspatial.papers import known_items
from mlspatial.papers.geometry import alignment
from mlspatial.registry import runs
from mlspatial.steps import tuning_files
from tests.compare.test_compare import score_run, train_run
from tests.papers.studies import row

known_items()
CHANNELS = 8
LEVELS = (0.1, 0.2, 0.3)  # selectivity of channels, in turn


# ---- a registry ---------------------------------------------------------------------------------------------------


def tuning_run(
    model: str, factorisation: float, *, layers: tuple[str, ...] = ("layer1", "layer2"), design: str = "sweeps",
    permutations: int = 20, study: str = "s", tuned: int = 4, again: int = 0, task: str = "translation",
) -> str:  # fmt: skip
    """A run as `tuning` leaves it. factorisation: of x at the last layer, half before; tuned: channels of p .04."""
    inputs = {"model_id": model, "dataset_id": f"id-{design}", "layers": list(layers), "again": again}
    cfg = {"models": model, "dataset": design, "permutations": permutations}
    rows, units = [], []
    for layer in layers:
        part = 1.0 if layer == layers[-1] else 0.5
        for measure in (
            "factorisation_pca",
            "factorisation_covariance",
            "invariance_published",
            "dimension",
            "turning",
        ):
            rows.append((layer, "x", measure, "x", "", factorisation * part, 0.01))
        split = {"x": 0.1, "context": 0.5, "x × context": 0.4, "residual": 0.4}
        rows += [(layer, "x", "variance_component", name, "", share, np.nan) for name, share in split.items()]
        rows += [(layer, "x", "d_prime", "x", "0 to 1", 3.0, 0.1), (layer, "x", "overlap", "x", "y", 0.5, 0.1)]
        for pool in ("space", "centre"):
            units.append(pd.DataFrame({
                "layer": layer, "pool": pool, "unit": range(CHANNELS), "crossing": "x", "factor": "x",
                "selectivity": np.resize(LEVELS, CHANNELS) + (pool == "centre"), "floor": 0.15, "reliability": 0.8,
                "reliability_floor": 0.4, "p": [0.04] * tuned + [0.5] * (CHANNELS - tuned),
            }))  # fmt: skip
    table = pd.DataFrame(rows, columns=["layer", "crossing", "measure", "factor", "other", "value", "error"])
    table = table.assign(low=np.nan, high=np.nan, model_id=model)
    with runs.open_run(runs.Spec("tuning", 1, inputs, cfg), name="tuning", study=study) as run:
        facts = {"task": task, "seed": 0, "step": 0, "arch": "resnet18", "dataset": "d"}
        run.set_tags({TAG + name: text for name, text in facts.items()})
        run.set_tags({MODEL_ID: model, DATASET_ID: f"id-{design}"})
        for name, frame in ((POPULATION, table), (UNITS, pd.concat(units))):
            frame.to_parquet(Path(name), index=False)
            run.log_file(Path(name))
    return run.id


@pytest.fixture
def own_cache(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(registry / "cache"))
    return registry


VALUES = {("translation", 0): 0.50, ("translation", 1): 0.60, ("category", 0): 0.80, ("category", 1): 0.70}


@pytest.fixture
def filled(own_cache: Path) -> dict[str, tuple[str, str]]:
    """model -> (train run, tuning run)."""
    found = {}
    for (task, seed), number in VALUES.items():
        model = f"{task}{seed}"
        trained = train_run(task, seed, 100, 0.7, "s", model=model)
        found[model] = trained, tuning_run(model, number)
    for seed in (0, 1):
        trained = train_run("translation", seed, 0, 0.0, "s", model=f"raw{seed}")
        found[f"raw{seed}"] = trained, tuning_run(f"raw{seed}", 0.2)
    found[PIXELS] = "", tuning_run(PIXELS, 0.9, layers=(PIXELS,))
    return found


def test_files_are_those_that_tuning_writes() -> None:
    assert (POPULATION, UNITS) == (tuning_files.POPULATION, tuning_files.UNITS)


def test_a_run_is_read_to_one_row_a_number(filled: dict[str, tuple[str, str]]) -> None:
    table = load("s").tunings
    assert list(table.columns) == list(TUNINGS) and set(table.model_id) == set(filled)
    own = table[(table.model_id == "category1") & (table.layer == "layer2")]
    assert set(own.run_id) == {filled["category1"][1]} and set(own.depth) == {1} and set(own.design) == {"sweeps"}
    values = own.set_index(["measure", "factor"]).value
    assert values["factorisation_pca", "x"] == 0.7 and values["variance_component", "x × context"] == 0.4
    selectivity = np.resize(LEVELS, CHANNELS)
    assert values["selectivity", "x"] == pytest.approx(np.median(selectivity)) and values["reliability", "x"] == 0.8
    assert values["selectivity_floor", "x"] == 0.15 and values["tuned", "x"] == 0.5
    assert set(OF_UNITS) < set(own.measure) and not {"d_prime", "overlap"} & set(own.measure)


def test_cells_are_means_over_seeds_and_name_their_runs(filled: dict[str, tuple[str, str]]) -> None:
    table = TABLES["table_geometry"](load("s"))
    cell = table.rows["Object category, factor x"]["factorisation (PCA)"]
    assert (cell.mean, cell.sd, cell.n) == (pytest.approx(0.75), pytest.approx(np.std([0.8, 0.7], ddof=1)), 2)
    assert set(cell.runs) == {*filled["category0"], *filled["category1"]}
    assert table.rows["Translation, factor x"]["invariance"].mean == pytest.approx(0.55)
    assert table.rows["Untrained, factor x"]["invariance"].mean == pytest.approx(0.2)
    pixels = table.rows["Raw pixels, factor x"]["factorisation (PCA)"]
    assert (pixels.mean, pixels.n, pixels.runs) == (0.9, 1, (filled[PIXELS][1],))
    assert table.rows["Rotation"]["invariance"].why == "no such network was trained"


def test_curves_are_means_over_seeds_and_pixels_a_control(filled: dict[str, tuple[str, str]]) -> None:
    drawing = FIGURES["figure_factorisation"](load("s"))
    facts = {"label": "x", "measure": "factorisation_pca"}
    one = row(drawing.data, task="translation", layer="layer1", **facts)
    assert (one["mean"], one.low, one.high, one.n) == (pytest.approx(0.275), pytest.approx(0.25), pytest.approx(0.3), 2)
    assert set(one.run_ids.split()) == {*filled["translation0"], *filled["translation1"]}
    assert row(drawing.data, task=PIXELS, layer=PIXELS, **facts)["mean"] == 0.9
    assert set(drawing.data.task) == {"translation", "category", "untrained", PIXELS}
    assert drawing.missing == ("Distance", "Rotation")


def test_a_network_tuned_twice_counts_once_and_the_newest_run_does(filled: dict[str, tuple[str, str]]) -> None:
    newest = tuning_run("category0", 0.9, again=1)
    cell = TABLES["table_geometry"](load("s")).rows["Object category, factor x"]["factorisation (PCA)"]
    assert cell.mean == pytest.approx(0.8) and cell.n == 2
    assert newest in cell.runs and filled["category0"][1] not in cell.runs
    part = tuning_run("category0", 0.1, layers=("layer1",), again=2)  # of a layer that was asked alone later
    table = load("s").tunings
    own = table[(table.model_id == "category0") & (table.measure == "factorisation_pca")].set_index("layer")
    assert own.run_id.to_dict() == {"layer1": part, "layer2": newest} and own.depth.to_dict() == {
        "layer1": 0,
        "layer2": 1,
    }


def test_few_permutations_tell_of_no_unit_whether_it_is_tuned(own_cache: Path) -> None:
    for model, permutations in (("a", 18), ("b", 19)):
        tuning_run(model, 0.5, permutations=permutations)
    shares_of = load().tunings.query("measure == 'tuned' and layer == 'layer2'").set_index("model_id").value
    assert np.isnan(shares_of["a"]) and shares_of["b"] == 0.5


def other_columns(file: Path) -> None:
    pd.read_parquet(file).drop(columns="p").to_parquet(file)


def no_rows(file: Path) -> None:
    pd.read_parquet(file).iloc[:0].to_parquet(file)


@pytest.mark.parametrize(
    ("name", "damage", "words"),
    [
        (UNITS, lambda file: file.write_bytes(b"no table"), ""),
        (UNITS, Path.unlink, ""),
        (UNITS, other_columns, "units.parquet lacks p"),
        (POPULATION, no_rows, "population.parquet has no rows"),
    ],
)
def test_a_damaged_run_is_left_out_by_name(
    filled: dict[str, tuple[str, str]], name: str, damage: Callable[[Path], object], words: str
) -> None:
    lost = filled["translation1"][1]
    damage(runs.local(lost, name))
    with pytest.warns(UserWarning, match=f"run {lost}: tunings-1 left out: .*{words}"):
        evidence = load("s")
    cell = TABLES["table_geometry"](evidence).rows["Translation, factor x"]["factorisation (PCA)"]
    assert (cell.mean, cell.n) == (0.5, 1) and np.isnan(cell.sd)
    found = CHECKS["category_invariant_to_position"](evidence)
    assert found.verdict == "not enough runs" and "Translation 1" in found.value and not found.runs


def test_answers_to_several_designs_are_not_averaged(filled: dict[str, tuple[str, str]]) -> None:
    tuning_run("category0", 0.0, design="other")
    evidence = load("s")
    table = TABLES["table_geometry"](evidence)
    assert table.rows["Object category, factor x"]["invariance"].mean == pytest.approx(0.75)
    assert any("left out is what was asked with other" in note for note in table.notes)


def test_alignment_is_at_the_layer_that_counts_where_all_were_asked(filled: dict[str, tuple[str, str]]) -> None:
    raw = {"translation0": 0.30, "translation1": 0.34, "category0": 0.40, "category1": 0.44, "raw0": 0.2, "raw1": 0.1}
    scored = {model: score_run(filled[model][0], model, 0, 100, score, "s") for model, score in raw.items()}
    evidence = load("s")
    found = alignment.points(evidence)
    assert found.where == {"V4": "the layer that counts for V4"} and len(found.of("V4", "x", "factorisation_pca")) == 6
    one = row(found.of("V4", "x", "factorisation_pca"), model_id="category1")
    assert (one.value, one.layer, one.score) == (0.7, "layer2", pytest.approx((0.44 / 0.8) ** 2))
    assert set(one.run_ids.split()) == {*filled["category1"], scored["category1"]}
    x = [*VALUES.values(), 0.2, 0.2]
    theirs = stats.pearsonr(x, [(score / 0.8) ** 2 for score in raw.values()]).statistic
    cell = TABLES["table_geometry_alignment"](evidence).rows["x, factorisation (PCA)"]["V4"]
    assert cell.mean == pytest.approx(theirs) and cell.n == 6 and set(scored.values()) < set(cell.runs)
    drawing = FIGURES["figure_alignment"](evidence)
    assert drawing.figure is not None and len(drawing.data) == 3 * 6


def test_alignment_falls_back_to_the_last_stage_and_says_so(filled: dict[str, tuple[str, str]]) -> None:
    for model in ("translation0", "category0"):
        score_run(filled[model][0], model, 0, 100, 0.4, "s")
    evidence = load("s")
    scores = evidence.scores
    moved = scores.assign(layer=scores.layer.where(scores.model_id != "category0", scores.layer + ".1"))
    found = alignment.points(replace(evidence, scores=moved))
    assert found.where == {"V4": "the last stage (layer2)"} and set(found.table.layer) == {"layer2"}
    cell = TABLES["table_geometry_alignment"](evidence).rows["x, invariance"]["V4"]
    assert np.isnan(cell.mean) and "fewer than 4 networks" in cell.why


def test_without_scores_the_figure_says_why(filled: dict[str, tuple[str, str]]) -> None:
    drawing = FIGURES["figure_alignment"](load("s"))
    assert drawing.figure is None
    assert drawing.caption == "No network that was asked with the design has a score: none is scored (6 asked)."


def test_a_tuning_run_that_failed_is_the_reason(filled: dict[str, tuple[str, str]]) -> None:
    model = "distance0"
    train_run("distance", 0, 100, 0.7, "s", model=model)
    evidence = load("s")
    why = TABLES["table_geometry"](evidence).rows["Distance"]["invariance"].why
    assert why == "not asked with a design"
    failed = pd.DataFrame([("f" * 32, "tuning", "FAILED", "", "", model, "", "disk full")], columns=list(FAILED))
    why = TABLES["table_geometry"](replace(evidence, failed=failed)).rows["Distance"]["invariance"].why
    assert why == "the tuning run ffffffff failed: disk full"


def test_compare_draws_the_paper_from_the_registry(filled: dict[str, tuple[str, str]]) -> None:
    from mlspatial.steps.compare import FILES, compare

    items = "table_geometry,figure_tuning,figure_variance,figure_factorisation,figure_alignment"
    made = compare(items=items, out="out", format="html,csv,png", study="s")
    written = json.loads(runs.local(made, FILES).read_text())
    assert {"table_geometry.csv", "figure_tuning.png", "figure_variance.png", "figure_factorisation.csv"} < set(written)
    assert "figure_alignment.png" not in written  # no scores
    page = Path("out/report.html").read_text()
    assert (
        "Lindsey and Issa" in page
        and "7 tuning" in page
        and "shown the design sweeps" in page
        and "none is scored (6 asked)" in page
    )
    assert {tuning for _, tuning in filled.values()} <= set(runs.get(made).tags["mlspatial.parents"].split(","))


def test_layers_of_separate_runs_have_no_order(own_cache: Path) -> None:
    first = tuning_run("a", 0.1, layers=("late",))
    most = tuning_run("a", 0.5, layers=("early", "middle"))
    last = tuning_run("a", 0.9, layers=("latest",), again=1)
    other = tuning_run("b", 0.3, layers=("early", "late"))
    with pytest.warns(UserWarning, match=rf"run {last} and 1 more: left out: .* network a .* run {most} with most"):
        table = load().tunings
    own = table[table.measure == "factorisation_pca"]
    assert set(own[own.model_id == "a"].run_id) == {most} and set(own[own.model_id == "b"].run_id) == {other}
    assert own[own.model_id == "a"].set_index("layer").depth.to_dict() == {"early": 0, "middle": 1}
    newer = tuning_run("a", 0.7, layers=("middle", "latest"), again=2)  # as many layers
    with pytest.warns(UserWarning, match=f"run {newer} with most"):
        assert set(load().tunings.query("model_id == 'a'").run_id) == {newer}
    whole = tuning_run("a", 0.6, layers=("early", "middle", "late", "latest"), again=3)
    newest = tuning_run("a", 0.8, layers=("late",), again=4)
    own = load().tunings.query("model_id == 'a' and measure == 'factorisation_pca'").set_index("layer")
    assert own.depth.to_dict() == {"early": 0, "middle": 1, "late": 2, "latest": 3}
    assert {*own.run_id} == {whole, newest} and first not in set(own.run_id)
