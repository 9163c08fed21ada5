"""The alignment figures: numbers against computations by hand, what is missing, and the files."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from matplotlib.text import Text
from scipy.stats import mannwhitneyu, pearsonr

from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.scores import is_public
from mlspatial.compare.selection import choose
from mlspatial.compare.style import save_drawing
from mlspatial.papers import known_items
from tests.compare.synthetic import PUBLIC, little_evidence, synthetic_evidence

NAMES = [f"figure_{name}" for name in ("2", "3", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "e3")]
known_items()
NEURAL = [name for name, region in PUBLIC.items() if region != "behavior"]
DRAWN_WITH_LITTLE = (
    "figure_2",
    "figure_3",
    "figure_c1",
    "figure_c2",
    "figure_c3",
    "figure_c4",
    "figure_c5",
    "figure_c6",
)


@cache
def full() -> Evidence:
    return synthetic_evidence(archs=("resnet18",), steps=(2_000, 40_000, 500_000))


@cache
def drawn(name: str) -> Drawing:
    return FIGURES[name](full())


def by_hand(evidence: Evidence, model_id: str, benchmarks: list[str]) -> float:
    """Mean of the best layers' scores, in plain Python."""
    values = []
    for row in evidence.scores[evidence.scores.model_id == model_id].itertuples():
        if row.benchmark in benchmarks and row.committed and row.primary:
            values.append(row.ceiled)
    assert len(values) == len(benchmarks)
    return sum(values) / len(values)


def networks(evidence: Evidence, task: str, dataset: str = "spatial117", final: bool = True) -> list[str]:
    table = evidence.networks
    kept = (table.task == task) & (table.dataset == dataset) & (table.final if final else True)
    return list(table[kept].model_id)


# ---- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["distance", "translation+rotation", "all", "untrained"])
def test_figure_2_is_mean_and_sd_over_seeds(task: str) -> None:
    values = [by_hand(full(), model, NEURAL) for model in networks(full(), task)]
    row = drawn("figure_2").data.query("series == 'task'").set_index("task").loc[task]
    mean = sum(values) / 3
    assert (row.n, len(row.run_ids.split())) == (3, 3 + 3 * len(PUBLIC))  # the train run and a score run a benchmark
    assert row["mean"] == pytest.approx(mean)
    assert row.sd == pytest.approx(math.sqrt(sum((v - mean) ** 2 for v in values) / 2))


def test_figure_2_without_numbers_of_output_units() -> None:
    """As of networks that were trained elsewhere, of which nobody says it."""
    networks = full().networks.assign(outputs=np.nan)
    drawing = FIGURES["figure_2"](replace(full(), networks=networks))
    assert "Distance: not drawn, its number of output units is not known." in drawing.notes
    low, high = drawing.figure.axes[0].get_xlim()
    assert 0 < low < 1 and high >= 10


def test_figure_2_has_the_curve_over_categories_and_levels() -> None:
    drawing = drawn("figure_2")
    curve = drawing.data.query("series == 'categories'")
    assert list(curve.outputs) == [2, 4, 6, 8, 16] and set(curve.n) == {3}
    values = [by_hand(full(), model, NEURAL) for model in networks(full(), "category", "spatial8")]
    assert curve.set_index("outputs")["mean"][8] == pytest.approx(np.mean(values))
    outputs = drawing.data.set_index("label").outputs
    assert outputs["Distance"] == 1 and outputs["ImageNet-1K"] == 1000 and outputs["Untrained"] == 0
    assert drawing.missing == ()
    imagenet = drawing.data.query("task == 'imagenet'").iloc[0]
    assert imagenet.n == 1 and math.isnan(imagenet.sd) and "ImageNet-1K" in drawing.caption


def test_networks_of_other_settings_are_never_averaged_in() -> None:
    evidence = full()
    odd = evidence.networks[evidence.networks.task == "distance"]
    odd = (
        odd[odd.final & (odd.dataset == "spatial117")].iloc[[0]].assign(settings="lr=0.5", model_id="odd", run_id="odd")
    )
    scores = evidence.scores[evidence.scores.model_id == networks(evidence, "distance")[0]]
    scores = scores.assign(model_id="odd", run_id="odd-score", ceiled=9.0)
    more = replace(evidence, networks=pd.concat([evidence.networks, odd]), scores=pd.concat([evidence.scores, scores]))
    for name in ("figure_2", "figure_c2"):
        drawing = FIGURES[name](more)
        pd.testing.assert_frame_equal(drawing.data, drawn(name).data)
        assert "odd" not in drawing.runs and drawing.notes


def test_a_network_trained_twice_or_stopped_early_does_not_count_as_a_seed() -> None:
    evidence = full()
    table = evidence.networks
    again = table[table.model_id == networks(evidence, "distance")[0]]
    extra = pd.concat([again.assign(model_id="again"), again.assign(model_id="short", seed=77, step=100)])
    scores = evidence.scores[evidence.scores.model_id == again.model_id.iloc[0]].assign(ceiled=5.0)
    scores = pd.concat([scores.assign(model_id=name) for name in extra.model_id])
    more = replace(evidence, networks=pd.concat([table, extra]), scores=pd.concat([evidence.scores, scores]))
    pd.testing.assert_frame_equal(FIGURES["figure_2"](more).data, drawn("figure_2").data)


def test_a_published_mean_over_seeds_is_not_taken_for_a_seed() -> None:
    evidence = full()
    model = networks(evidence, "distance")[0]
    mean = evidence.networks[evidence.networks.model_id == model].assign(model_id="mean", seed=-1)
    scores = evidence.scores[evidence.scores.model_id == model].assign(model_id="mean", ceiled=7.0)
    more = replace(evidence, networks=pd.concat([evidence.networks, mean]), scores=pd.concat([evidence.scores, scores]))
    pd.testing.assert_frame_equal(FIGURES["figure_2"](more).data, drawn("figure_2").data)


def test_checkpoints_of_live_images_belong_together() -> None:
    evidence = full()
    table = evidence.networks.assign(n_train=evidence.networks.step * 64.0, dataset=evidence.networks.dataset + "-live")
    drawing = FIGURES["figure_3"](replace(evidence, networks=table))
    assert len(drawing.data.query("panel == 'Distance'")) == 9


@pytest.mark.parametrize(("name", "region"), [("figure_3", ""), ("figure_c7", "V4"), ("figure_c7", "behavior")])
def test_correlations_are_pearsons_over_checkpoints_and_seeds(name: str, region: str) -> None:
    models = networks(full(), "distance", final=False)
    wanted = [key for key, value in PUBLIC.items() if value == region] or NEURAL
    scores = [by_hand(full(), model, wanted) for model in models]
    loss = full().networks.set_index("model_id").loss[models]
    r, p = pearsonr(-loss.to_numpy(float), scores)
    label = {"": "Distance", "behavior": "Behaviour"}.get(region, region)
    panel = drawn(name).data.query("panel == @label")
    assert len(panel) == len(models) == panel.n.iloc[0] == 9
    assert panel.r.iloc[0] == pytest.approx(r) and panel.p.iloc[0] == pytest.approx(p)
    assert f"{label} r = {r:.2f}" in drawn(name).caption and "n = 9" in drawn(name).caption
    assert set(panel.step) == {2_000, 40_000, 500_000}


@pytest.mark.parametrize("panel", ["neural_mean", "V1", "behavior"])
def test_figure_c3_shows_single_seeds(panel: str) -> None:
    wanted = [key for key, value in PUBLIC.items() if value == panel] or NEURAL
    data = drawn("figure_c3").data.query("panel == @panel and task == 'rotation'")
    values = [by_hand(full(), model, wanted) for model in networks(full(), "rotation")]
    assert sorted(data.score) == pytest.approx(sorted(values))
    assert data.sd.iloc[0] == pytest.approx(np.std(values, ddof=1)) and data["mean"].nunique() == 1
    axes = [axis for axis in drawn("figure_c3").figure.axes if axis.axison]
    assert [axis.get_title() for axis in axes] == ["Neural mean", "V1", "V2", "V4", "IT", "Behaviour"]
    assert [axis.get_title("left") for axis in axes] == list("abcdef")


@pytest.mark.parametrize("name", ["figure_3", "figure_c1", "figure_c3", "figure_c5", "figure_c7"])
def test_errors_of_scores_are_thin_lines(name: str) -> None:
    """As long as the table beside the picture says; without known errors there are none, and no word of them."""
    drawing = drawn(name)
    assert drawing.data.error.notna().all() and "Thin lines: standard error" in drawing.caption
    axis = drawing.figure.axes[0]
    across = 0 if name == "figure_c5" else 1
    lines = [path for part in axis.collections for path in _segments(part) if len(path) == 2]
    lengths = {round(float(np.ptp(path[:, across])), 9) for path in lines}
    assert lengths >= {round(2 * error, 9) for error in _first_panel(drawing)}
    unknown = replace(full(), scores=full().scores.assign(ceiled_error=np.nan))
    bare = FIGURES[name](unknown)
    assert bare.data.error.isna().all() and "standard error" not in bare.caption


def _segments(collection: object) -> list[np.ndarray]:
    return collection.get_segments() if hasattr(collection, "get_segments") else []


def _first_panel(drawing: Drawing) -> pd.Series:
    column = "panel" if "panel" in drawing.data else "region"
    return drawing.data.error[drawing.data[column] == drawing.data[column].iloc[0]]


def test_figure_c2_is_over_parts_of_one_dataset() -> None:
    drawing = drawn("figure_c2")
    part = drawing.data.query("task == 'all'")
    assert list(part.n_train) == pytest.approx([1e4, 1e5, 1e6, 1e7, 1e8]) and set(part.n) == {2}
    table = full().networks
    models = table[(table.task == "all") & (table.n_train == 1e6)].model_id
    assert part["mean"].iloc[2] == pytest.approx(np.mean([by_hand(full(), model, NEURAL) for model in models]))
    assert set(drawing.data.dataset) == {"spatial117_100m"} and drawing.missing == ()


def test_figure_c4_counts_layers_and_averages_pairs() -> None:
    drawing, evidence = drawn("figure_c4"), full()
    dots = drawing.data.query("kind == 'best layer'")
    assert (dots.groupby(["task", "region"]).n.sum() == dots.groupby(["task", "region"]).of.first()).all()
    v4 = dots.query("task == 'distance' and region == 'V4'").set_index("layer").n
    scores = evidence.scores.query("benchmark == 'MajajHong2015.V4.public-pls' and committed")
    expected = scores[scores.model_id.isin(networks(evidence, "distance"))].layer.value_counts()
    assert v4.to_dict() == expected.to_dict()
    for task, count in (("distance", 9), ("category", 3)):
        first, second = networks(evidence, task), networks(evidence, "category")
        values = [
            row.value
            for row in evidence.pairs.itertuples()
            if row.metric == "cka" and row.layer == "layer3.0.relu"
            and ((row.model_a in first and row.model_b in second) or (row.model_b in first and row.model_a in second))
        ]  # fmt: skip
        curve = drawing.data.query("kind == 'similarity' and task == @task and layer == 'layer3.0.relu'").iloc[0]
        assert curve.n == len(values) == count
        assert (curve["mean"], curve.sd) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    assert {"similarity-0"} < set(drawing.runs)


def test_figure_c5_leaves_the_public_benchmarks_out() -> None:
    data = drawn("figure_c5").data
    assert not set(data.benchmark) & set(PUBLIC)
    model = networks(full(), "identity")[0]
    mine = data[data.model_id == model]
    names = ["SanghaviMurty2020.IT-pls", "SanghaviJozwik2020.IT-pls", "Bracci2019.anteriorVTC-rdm"]
    mean = mine.query("region == 'IT' and benchmark == 'mean'").score.item()
    assert mean == pytest.approx(by_hand(full(), model, names))
    regions = [mine[(mine.region == r)].score.iloc[0] for r in ("V1", "V2", "V4", "IT")]
    assert mine.query("region == 'neural_mean'").score.item() == pytest.approx(np.mean(regions))


def test_figure_c5_shows_the_public_benchmarks_when_there_are_no_others() -> None:
    evidence = full()
    drawing = FIGURES["figure_c5"](replace(evidence, scores=evidence.scores[evidence.scores.benchmark.isin(PUBLIC)]))
    assert set(PUBLIC) <= set(drawing.data.benchmark)
    assert "Other benchmarks of V1" in drawing.missing and any("Only the public" in note for note in drawing.notes)


def test_figure_c5_calls_a_benchmark_without_its_settings_where_these_tell_nothing_apart() -> None:
    evidence, long = full(), "simulated_v4:network-b18e11feb9acf822:stimuli-300:size-48"
    scores = evidence.scores.assign(benchmark=evidence.scores.benchmark.replace({"SanghaviMurty2020.V4-pls": long}))
    assert long in set(scores.benchmark)
    drawing = FIGURES["figure_c5"](replace(evidence, scores=scores))
    words = [tick.get_text() for axis in drawing.figure.axes for tick in axis.get_yticklabels()]
    assert "simulated_v4" in words and not any("network-" in word for word in [*words, drawing.caption])
    assert long in set(drawing.data.benchmark)  # the table behind it has the whole name


def test_figure_e3_tests_seeds_with_mann_whitney() -> None:
    drawing = drawn("figure_e3")
    for latent, dataset, target in (("category", "spatial1", "distance"), ("translation", "centred117", "rotation")):
        a = [by_hand(full(), model, NEURAL) for model in networks(full(), target)]
        b = [by_hand(full(), model, NEURAL) for model in networks(full(), target, dataset)]
        data = drawing.data[(drawing.data.latent == latent) & (drawing.data.target == target)]
        assert sorted(data.query("variability == 'reduced'").score) == pytest.approx(sorted(b))
        assert data.p.iloc[0] == pytest.approx(mannwhitneyu(a, b, alternative="two-sided").pvalue)
    tests = drawing.data.drop_duplicates(["latent", "target"])
    marks = [text for axis in drawing.figure.axes for text in axis.texts if text.get_text() == "*"]
    assert len(marks) == (tests.p < 0.05).sum() > 0
    assert {"category", "identity", "all"}.isdisjoint(tests[tests.latent == "category"].target)


def test_figure_e3_compares_after_as_many_batches() -> None:
    evidence = full()
    table = evidence.networks.copy()
    table.loc[table.dataset == "spatial1", "step"] = 40_000
    drawing = FIGURES["figure_e3"](replace(evidence, networks=table))
    category = drawing.data.query("latent == 'category'")
    assert set(category.step) == {40_000} and set(drawing.data.query("latent == 'translation'").step) == {500_000}
    assert not any("batches" in note for note in drawing.notes)


# ---- what is not there ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_little_evidence(name: str, tmp_path: Path) -> None:
    drawing = FIGURES[name](little_evidence())
    assert (drawing.figure is not None) == (name in DRAWN_WITH_LITTLE)
    assert any("istance" in condition for condition in drawing.missing)
    if drawing.figure is not None:
        check(drawing, little_evidence())
        svg, png, csv = save_drawing(drawing, tmp_path)
        assert ElementTree.parse(svg).getroot().tag.endswith("svg")
        assert imread(png).shape[1] == round(drawing.figure.get_figwidth() * 200)
        assert len(pd.read_csv(csv)) == len(drawing.data)


@pytest.mark.parametrize("name", NAMES)
def test_full_evidence(name: str) -> None:
    assert drawn(name).figure is not None and drawn(name).missing == ()
    check(drawn(name), full())


def check(drawing: Drawing, evidence: Evidence) -> None:
    """What holds for every drawing: runs that exist and stand in the data, legible text, an id and a caption."""
    known = set(evidence.networks.run_id) | set(evidence.scores.run_id) | set(evidence.pairs.run_id)
    named = {run for ids in drawing.data.run_ids for run in ids.split()}
    assert named and named <= set(drawing.runs) <= known
    assert len(drawing.runs) == len(set(drawing.runs))
    assert drawing.title and drawing.caption.endswith(".") and "nan" not in drawing.caption
    for text in drawing.figure.findobj(Text):
        assert not (text.get_visible() and text.get_text()) or text.get_fontsize() >= 7, text.get_text()


def test_another_architecture_is_drawn_and_named() -> None:
    drawing = drawn("figure_3")
    assert "ResNet-18" in drawing.caption and "ResNet-50" not in drawing.caption
    assert any("published figure is of ResNet-50" in note for note in drawing.notes)
    assert not any("published figure is of" in note for note in drawn("figure_c3").notes)


def test_missing_conditions_are_listed() -> None:
    evidence = full()
    table = evidence.networks
    gone = table[~table.task.isin(["rotation", "imagenet"]) & (table.dataset != "spatial16")]
    drawing = FIGURES["figure_2"](replace(evidence, networks=gone))
    assert set(drawing.missing) == {"Rotation", "ImageNet-1K", "Object category, 16 categories"}
    assert "Rotation" in FIGURES["figure_3"](replace(evidence, networks=gone)).missing
    assert "Rotation, reduced category variability" in FIGURES["figure_e3"](replace(evidence, networks=gone)).missing
    no_pairs = FIGURES["figure_c4"](replace(evidence, pairs=evidence.pairs.iloc[:0]))
    assert no_pairs.figure is not None and "Distance, similarity to category-trained networks" in no_pairs.missing


def test_a_network_without_one_region_has_no_neural_mean() -> None:
    evidence = full()
    model = networks(evidence, "distance")[0]
    scores = evidence.scores[~((evidence.scores.model_id == model) & (evidence.scores.region == "V2"))]
    drawing = FIGURES["figure_2"](replace(evidence, scores=scores))
    assert drawing.data.set_index("task").n["distance"] == 2
    assert any("lack a region" in note for note in drawing.notes)


@pytest.mark.parametrize(
    ("benchmark", "public"),
    [
        *((name, True) for name in (*PUBLIC, "FreemanZiemba2013public.V1-pls", "Rajalingham2018public-i2n", "V1")),
        *((name, False) for name in ("FreemanZiemba2013.V1-pls", "simulated_v1", "MajajHong2015.IT-pls")),
    ],
)
def test_public_benchmarks_by_any_spelling(benchmark: str, public: bool) -> None:
    assert is_public(benchmark) is public


def test_public_benchmarks_alone_make_up_the_score() -> None:
    chosen = choose(full(), "resnet18")
    assert all(len(names) == 1 for names in chosen.benchmarks.values())
    assert {names[0] for names in chosen.benchmarks.values()} == set(PUBLIC)
