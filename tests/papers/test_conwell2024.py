"""Networks on fMRI responses: known effects come out, published statistics come out of the published tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from mlspatial.compare import fmri
from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.fmri import NONE
from mlspatial.compare.table import TABLES
from mlspatial.papers import known_items
from mlspatial.papers.conwell2024 import PAPER, VALUES, groupings
from mlspatial.papers.conwell2024.statements import ITEMS, reproduces, statements, unit
from mlspatial.papers.conwell2024.statistics import CONTRASTS, breakpoints, contrasts, ranked, similarity_matrix
from mlspatial.steps import imports_fmri
from tests.compare.synthetic import little_evidence
from tests.conftest import RECORDINGS
from tests.papers.conwell import SUBJECTS, evidence_of, made_up, similar

known_items()
FOLDER = RECORDINGS / "conwell2024"
NAMES = (
    "results_summary", "Figure2", "Figure3", "Figure4A", "Figure4B", "dimensionality", "imagenet1k", "parameter_count",
    "noise_ceilings",
)  # fmt: skip


@pytest.fixture(scope="module")
def seen() -> Evidence:
    networks = made_up()
    return evidence_of(networks, similar(networks))


@pytest.fixture(scope="module")
def paper() -> Evidence:
    """The published tables as evidence."""
    files = [FOLDER / f"{name}.csv" for name in NAMES]
    if not all(file.is_file() for file in files):
        pytest.skip(f"the published tables of Conwell et al. 2024 are not in {FOLDER}")
    return evidence_of(imports_fmri.read(",".join(map(str, files)))[1])


# ---- what the networks are --------------------------------------------------------------------------------------


def test_one_row_a_network_with_means_over_subjects_and_facts(seen: Evidence) -> None:
    found = fmri.scored(seen)
    assert len(found.networks) == len(made_up()) and found.imported
    assert found.ceilings == SUBJECTS and found.ceiling == pytest.approx(0.85)
    row = found.networks.set_index("network").loc["net3"]
    raw = seen.scores[(seen.scores.model_id == "net3") & (seen.scores.metric == "versa")].raw
    assert row.versa == pytest.approx(raw.mean()) and row.runs == ("run-net3",)
    assert (row.label, row.family, row.architecture, row.parameters) == ("NET3", "design3", "CNN", 4e6)
    assert not found.networks.set_index("network").trained["net3-random"]
    alone = found.by_subject(found.of("versa"), "versa")
    assert len(alone) == 2 * len(found.networks) and set(alone.subject) == set(SUBJECTS)


def test_a_network_that_lacks_a_subject_has_no_mean_and_points_are_never_mixed(seen: Evidence) -> None:
    scores = seen.scores
    lost = (scores.model_id == "net0") & (scores.benchmark == "nsd:subj02")
    found = fmri.scored(replace(seen, scores=scores[~lost]))
    assert "net0" not in set(found.of("versa").network)
    given = pd.DataFrame([{**scores[lost].iloc[0].to_dict(), "benchmark": "nsd", "metric": "versa", "raw": 0.55}])
    found = fmri.scored(replace(seen, scores=pd.concat([scores[~lost], given])))
    rows = found.of("versa")
    assert rows.set_index("network").score["net0"] == 0.55
    assert set(found.by_subject(rows, "versa").subject) == {"mean"}


def test_networks_without_facts_have_those_of_their_training(seen: Evidence) -> None:
    plain = seen.networks.drop(columns=[name for name in seen.networks if name.startswith("fact/")])
    plain = plain.assign(arch="torchvision:resnet18", task="untrained", dataset="d", name="a network", imported=False)
    row = fmri.scored(replace(seen, networks=plain)).networks.iloc[0]
    assert (row.family, row.architecture, row.task, row.network) == ("resnet18", "CNN", "random", "a network")
    assert not row.trained and np.isnan(row.parameters)
    kinds = ("vit_base_patch16_224", "swin_t", "mixer_b16_224", "convit_tiny", "alexnet_gn", "unheard_of")
    assert [fmri.architecture_of(name) for name in kinds] == ["Transformer", "Transformer", "MLP-Mixer", "", "CNN", ""]


# ---- known effects ----------------------------------------------------------------------------------------------


def test_every_contrast_finds_the_effect_that_was_made(seen: Evidence) -> None:
    found = {(made.id, made.metric): made for made in contrasts(fmri.scored(seen))}
    wanted = {
        "transformer_less_cnn": -0.05, "contrastive_less_noncontrastive": 0.08, "clip_less_simclr": -0.03,
        "clip_less_slip": -0.05, "slip_less_simclr": 0.02, "in21k_less_in1k": 0.024, "trained_less_random": 0.485,
        "openimages_less_imagenet": -0.04, "places256_less_imagenet": -0.06, "vggface2_less_imagenet": -0.3,
    }  # fmt: skip
    assert set(wanted) | {"class_object_less_resnet50"} == set(CONTRASTS)
    for name, effect in wanted.items():
        for metric, factor in (("crsa", 0.5), ("versa", 1.0)):
            made = found[name, metric]
            assert made.published.estimate == pytest.approx(factor * effect, abs=0.01), name
            assert made.published.low < made.published.estimate < made.published.high
            if made.units:
                assert made.units.estimate == pytest.approx(made.published.estimate, abs=0.006), name
    assert "class_object_less_resnet50" not in {name for name, _ in found}  # ResNet-50 on ImageNet is not there


def test_pairs_are_paired_and_groups_are_not(seen: Evidence) -> None:
    scored = fmri.scored(seen)
    rows = scored.of("versa").set_index("network").score
    found = {made.id: made for made in contrasts(scored) if made.metric == "versa"}
    theirs = stats.ttest_rel(rows[[f"net{i}-21k" for i in range(3)]], rows[[f"net{i}" for i in range(3)]])
    units = found["in21k_less_in1k"].units
    assert units is not None and (units.t, units.p, units.n) == pytest.approx((theirs.statistic, theirs.pvalue, 3))
    sides = rows[[f"net{i}" for i in (5, 6, 7)]], rows[[f"net{i}" for i in range(5)]]
    theirs = stats.ttest_ind(*sides, equal_var=False)
    units = found["transformer_less_cnn"].units
    interval = theirs.confidence_interval()
    assert units is not None and (units.t, units.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (units.low, units.high) == pytest.approx((interval.low, interval.high))
    assert found["trained_less_random"].published.n == 8


def test_the_ranking_breaks_where_it_was_made_to() -> None:
    frame = pd.DataFrame({"network": [f"n{i:02d}" for i in range(60)]})
    place = np.arange(1.0, 61)
    frame["score"] = 0.7 - 0.001 * place - 0.02 * np.clip(place - 30.4, 0, 10.0)
    rows = ranked(frame.sample(frac=1, random_state=0))
    bends = breakpoints(rows)
    assert list(rows.network) == list(frame.network) and bends is not None
    assert bends.breaks == pytest.approx([30.4, 40.4], abs=0.01)
    assert breakpoints(rows.head(5)) is None


def test_a_network_that_was_not_compared_with_all_others_leaves_the_map() -> None:
    pairs = pd.DataFrame(
        {"model_a": ["a", "a", "b", "a"], "model_b": ["b", "c", "c", "d"], "value": [0.5, 0.2, 0.1, 1]}
    )
    ids, matrix = similarity_matrix(pairs)
    assert ids == ["a", "b", "c"] and matrix.tolist() == [[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]]


# ---- tables and figures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAPER.items)
def test_networks_that_saw_no_voxels_make_no_item(name: str) -> None:
    item = (TABLES[name] if name in TABLES else FIGURES[name])(little_evidence())
    assert not item.runs and NONE in (item.caption, *item.notes)


def test_every_metric_of_a_figure_has_the_groups_in_one_order(seen: Evidence) -> None:
    drawing = FIGURES["conwell_task"](seen)
    axes = drawing.figure.axes[:6:3]  # Taskonomy under both metrics
    labels = [label.get_text() for label in axes[1].get_xticklabels()]
    assert labels == ["TASK-CLASS_OBJECT", "TASK-AUTOENCODING", "TASK-NORMAL"]
    for axis, metric in zip(axes, ("crsa", "versa"), strict=True):
        means = groupings.taskonomy(fmri.scored(seen).of(metric)).set_index("label").score
        bars = [line.get_ydata()[0] for line in axis.get_lines() if line.get_linewidth() == 1.6]
        assert bars == pytest.approx([means[label] for label in labels])


def test_the_ranking_shows_every_network_below_the_ceiling(seen: Evidence) -> None:
    drawing = FIGURES["conwell_ranking_curve"](seen)
    for axis, (_, part) in zip(drawing.figure.axes, drawing.data.groupby("metric", sort=False), strict=True):
        low, high = axis.get_ylim()
        assert low <= part.score.min() and part.score.max() < high and max(SUBJECTS.values()) <= high


# ---- published --------------------------------------------------------------------------------------------------


def test_every_published_statistic_has_a_number_of_ours() -> None:
    rows = PAPER.rows(VALUES)
    for row in rows:
        assert row["item"] in {*ITEMS, *CONTRASTS} or row["item"].startswith("similarity_")
        assert row["metric"] in ("", "crsa", "versa") and row["source"]
        for name in ("value", "low", "high", "p"):
            assert row[name] == "" or float(row[name].lstrip("<")) is not None
    assert len({(row["item"], row["metric"]) for row in rows}) == len(rows)


def test_reproducing_means_rounding_to_what_was_printed() -> None:
    assert reproduces("0.67", 0.6749) and not reproduces("0.67", 0.676) and reproduces("0.680", 0.6804)
    assert not reproduces("0.680", 0.6806) and reproduces("-0.00", -0.0043) and reproduces("126", 126.0)
    assert reproduces("<.001", 0.0009) and not reproduces("<.001", 0.0011) and reproduces(".026e-7", 2.62e-9)
    assert reproduces("0.640", 0.633, (0.631, 0.6398)) and not reproduces("0.645", 0.633, (0.631, 0.6398))
    assert [unit(text) for text in ("0.67", "124", ".026e-7")] == pytest.approx([0.01, 1.0, 1e-10])


def test_published_statistics_come_out_of_the_published_tables(paper: Evidence) -> None:
    made = statements(paper)
    same = {(s.item, s.metric, s.part) for s in made if s.reproduced}
    exact = {(s.item, s.metric, s.part) for s in made if s.reproduced and not s.resampled}
    assert len(made) == 105 and len(same) == 86 and len(exact) == 74
    assert all(s.reason for s in made if s.reproduced is False)
    wrong = {(s.item, s.part) for s in made if s.reproduced is False}
    assert wrong == {
        ("in21k_pairs", "value"), ("openimages_less_imagenet", "p"), ("trained_less_random", "interval"),
        ("parameters_trained", "p"), ("explainable_best", "value"),
        *((f"dimensionality_{group}", "value") for group in ("all", "trained", "random")),
        *((f"dimensionality_{group}", part) for group in ("trained", "random") for part in ("interval", "p")),
    }  # fmt: skip
    assert {s.item.split("_")[0] for s in made if s.reproduced is None} == {"similarity"}  # the matrices are not there
    found = {(s.item, s.metric, s.part): s.ours for s in made}
    assert found["class_object_less_resnet50_t", "versa", "value"] == pytest.approx((-14.31,), abs=0.005)
    assert found["in21k_less_in1k", "versa", "p"] == pytest.approx((0.1472,), abs=1e-4)
    assert found["first_breakpoint", "versa", "interval"] == pytest.approx((123.57, 124.74), abs=0.01)


def test_the_table_counts_what_comes_out(paper: Evidence) -> None:
    table = TABLES["conwell_published"](paper)
    assert len(table.rows) == 105
    assert table.notes[0].startswith("Of 105 statements 86 are reproduced and 13 are not; 6 cannot be had")
    verdicts = [str(cells["reproduced"]) for cells in table.rows.values()]
    assert sum(verdict.startswith("yes") for verdict in verdicts) == 86
    assert "99 % of such resamplings" in table.caption
    voxels = replace(paper, scores=paper.scores.assign(benchmark="simulated_otc"))  # somebody else's
    other = TABLES["conwell_published"](voxels)
    assert not other.rows and "not those of the study" in other.notes[0]
    groups = fmri.scored(paper).of("versa")
    sizes = {name: len(choose(groups)) for name, choose in PAPER.groupings.items()}
    assert sizes == {
        "Architecture": 55, "Taskonomy": 25, "Self-supervision": 10, "Pictures and captions": 9, "Training": 128,
        "ImageNet": 24, "IPCL": 4,
    }  # fmt: skip
