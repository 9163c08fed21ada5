"""Figures of similarity: numbers against numpy and scikit-learn, choices, gaps and the pictures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.manifold import smacof

from mlspatial.analysis.groups import group_statistics
from mlspatial.analysis.mds import row_distances
from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import PAIRS, Evidence
from mlspatial.compare.grouping import FULL, REDUCED, choose, group_pairs, layer_order, similarities, square
from mlspatial.compare.selection import Conditions
from mlspatial.compare.style import SMALL
from tests.compare.synthetic import little_evidence, no_evidence
from tests.papers.studies import BLOCKS, IDS, between, drawn, full, members, network, row, small, study, value, within

# ---- which networks ---------------------------------------------------------------------------------------------


def test_networks_of_other_settings_are_left_out_and_named() -> None:
    own = [network(task, seed) for task in ("distance", "rotation") for seed in (0, 1)]
    others = [
        network("distance", 0, arch="resnet50"), network("distance", 2, settings="lr=0.1"),
        network("distance", 3, dataset="e"), network("distance", 4, fraction=0.1, n_train=100.0),
        network("distance", 5, init="imagenet"), network("distance", 6, final=False, step=50),
        network("distance", 7, translation="none"), network("distance", 8, n_categories=2.0, dataset="d2"),
    ]  # fmt: skip
    evidence = study(own + others)
    chosen = choose(evidence, evidence.networks.model_id)
    assert set(chosen.networks.model_id) == {one["model_id"] for one in own}
    assert len(chosen.notes) == 1
    for word in ("5 of other settings: ", "ResNet-50", "lr=0.1", "dataset e", "fraction 0.1"):
        assert word in chosen.notes[0]


def test_reduced_variability_is_told_from_the_columns() -> None:
    rows = [network("distance", 0), network("distance", 1, n_categories=1.0, dataset="one")]
    rows += [network("distance", 2, n_categories=4.0, dataset="four"), network("distance", 3, translation="none")]
    rows += [network("distance", 4, translation="none", n_categories=1.0, dataset="both")]
    rows += [network("distance+category", 5, n_categories=1.0, dataset="one")]  # aims at what is reduced: no control
    evidence = study(rows)
    for kind, seed in (("category", 1), ("translation", 3)):
        table = choose(evidence, evidence.networks.model_id, reduced=kind).networks
        assert list(zip(table.variability, table.seed, strict=True)) == [(FULL, 0), (REDUCED, seed)]


def test_more_categories_that_were_only_told_apart_are_not_full_variability() -> None:
    """As where the tasks are compared on eight categories, and category alone on sixteen as well."""
    rows = [network(task, 0, n_categories=8.0, dataset="eight") for task in ("distance", "translation", "category")]
    rows += [network("category", 1, n_categories=16.0, dataset="sixteen")]
    rows += [network("distance", 2, n_categories=1.0, dataset="one")]
    evidence = study(rows)
    table = choose(evidence, evidence.networks.model_id, reduced="category").networks
    assert list(zip(table.task, table.variability, table.seed, strict=True)) == [
        ("distance", FULL, 0), ("distance", REDUCED, 2), ("translation", FULL, 0), ("category", FULL, 0),
    ]  # fmt: skip
    pool = Conditions(evidence.networks)
    assert {str(pool.choose(task).networks.dataset.iloc[0]) for task in ("distance", "category")} == {"eight"}


def test_full_variability_is_taken_after_as_many_batches_as_its_control() -> None:
    run = [network("distance", 0, step=step, final=step == 500, settings="s") for step in (200, 500)]
    evidence = study([*run, network("distance", 0, step=200, n_categories=1.0, dataset="one", settings="s")])
    table = choose(evidence, evidence.networks.model_id, reduced="category").networks
    assert list(table.step) == [200, 200] and list(table.variability) == [FULL, REDUCED]
    assert list(choose(evidence, evidence.networks.model_id).networks.step) == [500]
    alone = replace(evidence, networks=evidence.networks.iloc[1:])  # the checkpoint was not kept
    chosen = choose(alone, alone.networks.model_id, reduced="category")
    assert list(chosen.networks.step) == [500, 200] and "after 500 batches" in chosen.notes[0]


def test_a_seed_made_again_counts_once_and_foreign_networks_are_seeds_of_their_own() -> None:
    again = network("distance", 0) | {"model_id": "again", "run_id": "train-again"}
    foreign = [network("imagenet", 0, run_id="", uri=name) for name in ("i", "j")]
    evidence = study([network("distance", 0), again, network("distance", 1), *foreign])
    chosen = choose(evidence, evidence.networks.model_id)
    assert list(chosen.networks.task) == ["distance", "distance", "imagenet", "imagenet"]
    assert "task and seed: 1." in chosen.notes[-1]


def test_images_made_while_training_do_not_part_a_control_from_its_full_networks() -> None:
    rows = [network("distance", 0, step=n, final=n == 500, n_train=64.0 * n, dataset="d-live") for n in (200, 500)]
    low = network("distance", 0, step=200, n_train=64.0 * 200, dataset="one-live", n_categories=1.0)
    evidence = study([*rows, low])
    table = choose(evidence, evidence.networks.model_id, reduced="category").networks
    assert list(table.step) == [200, 200] and list(table.variability) == [FULL, REDUCED]


# ---- similarity -------------------------------------------------------------------------------------------------


def test_groups_agree_with_group_statistics() -> None:
    """Also for groups whose seeds repeat: a network is never paired with its own seed within a group."""
    rng = np.random.default_rng(3)
    ids = [f"n{i}" for i in range(7)]
    matrix = rng.random((7, 7))
    matrix = (matrix + matrix.T) / 2
    np.fill_diagonal(matrix, 1.0)
    networks = pd.DataFrame({"model_id": ids, "run_id": ids, "group": list("bbbaaab"), "seed": [0, 1, 0, 0, 1, 2, 2]})
    rows = [("s", "cka", "l", 0, ids[i], ids[j], matrix[i, j]) for i, j in combinations(range(7), 2)]
    pairs = pd.DataFrame(rows, columns=list(PAIRS))
    found = group_pairs(pairs, networks)
    expected = group_statistics(matrix, list(networks.group), rng, seeds=list(networks.seed))
    assert len(found) == len(expected) == 3
    for pair in expected:
        one = row(found, first=pair.first, second=pair.second)
        assert (one["mean"], one.sd, one.pairs) == (pytest.approx(pair.mean), pytest.approx(pair.sd), pair.pairs)
    assert row(found, first="b", second="b").pairs == 5
    np.testing.assert_array_equal(square(pairs, ids, "l"), matrix)


@pytest.mark.parametrize("layer", [BLOCKS[0], BLOCKS[3]])
def test_4a_holds_means_and_sds_over_pairs(layer: str) -> None:
    data = drawn("4a").data
    for first, second in (("distance", "all"), ("rotation", "category")):
        values = between(layer, members(first), members(second))
        one = row(data, layer=layer, first=first, second=second)
        assert len(values) == one.pairs == 9
        assert (one["mean"], one.sd) == (pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)))
    values = within(layer, members("category"))
    one = row(data, layer=layer, first="category", second="category")
    assert (one["mean"], one.sd, one.pairs) == (pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)), 3)
    assert set(one.run_ids.split()) == {"similarity-0"} | {id[2:].rsplit("-", 1)[0] for id, _ in members("category")}


def test_4b_and_d1_hold_the_similarity_to_one_group() -> None:
    for name, reference in (("4b", "category"), ("d1", "imagenet")):
        data = drawn(name).data
        there = members("category") if name == "4b" else members("imagenet", step=0, n_categories=1000.0)
        for task, facts in (("rotation", {}), ("untrained", {"step": 0})):
            values = between(BLOCKS[2], members(task, **facts), there)
            one = row(data, layer=BLOCKS[2], group=task)
            assert (one["mean"], one.pairs, one.reference) == (pytest.approx(values.mean()), len(values), reference)
            assert one.sd == pytest.approx(values.std(ddof=1))
    assert row(drawn("4b").data, layer=BLOCKS[3], group="category")["mean"] == pytest.approx(
        within(BLOCKS[3], members("category")).mean()
    )
    assert drawn("d1").missing == ("ImageNet-1K within the group (needs two seeds)",)


def test_d2_pools_all_other_tasks() -> None:
    tasks = [task for task in dict.fromkeys(full().networks.task) if task not in ("untrained", "imagenet")]
    rest = [one for task in tasks if task != "rotation" for one in members(task)]
    values = between(BLOCKS[3], members("rotation"), rest)
    one = row(drawn("d2").data, layer=BLOCKS[3], group="rotation", against="all others")
    assert (one["mean"], one.sd, one.pairs) == (pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)), 81)
    one = row(drawn("d2").data, layer=BLOCKS[3], group="rotation", against="within")
    assert one["mean"] == pytest.approx(within(BLOCKS[3], members("rotation")).mean())


def test_d3_maps_the_rows_of_the_matrix_as_scikit_learn_does() -> None:
    data = drawn("d3").data
    part = data[data.layer == BLOCKS[3]]
    ids = list(part.model_id)
    matrix = np.array([[1.0 if a == b else value(BLOCKS[3], a, b) for b in ids] for a in ids])
    apart = row_distances(matrix)
    placed = part[["x", "y"]].to_numpy()
    _, stress = smacof(apart, n_components=2, init=placed, n_init=1, max_iter=300, eps=1e-9)
    mine = np.sqrt(np.square(apart - row_distances(placed)).sum() / np.square(apart).sum())
    assert part.stress.iloc[0] == pytest.approx(mine)
    assert mine <= np.sqrt(2 * stress / np.square(apart).sum()) * 1.001  # nothing is gained by going on from here


def test_d3_leaves_out_networks_that_were_not_compared_with_all() -> None:
    evidence = study([network(task, seed) for task in ("distance", "rotation") for seed in (0, 1, 2)])
    odd = evidence.networks.model_id[0]
    table = evidence.pairs
    kept = table[~((table.model_a == odd) & table.model_b.str.startswith("rotation"))]
    found = FIGURES["figure_d3"](replace(evidence, pairs=kept))
    assert odd not in set(found.data.model_id) and found.data.model_id.nunique() == 5
    assert any("not compared with all others: 1." in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "facts", "task"),
    [("d5", {"translation": "none"}, "rotation"), ("d6", {"n_categories": 1.0}, "translation")],
)
def test_d5_and_d6_compare_seeds_of_a_group(name: str, facts: dict[str, Any], task: str) -> None:
    for variability, mine in ((FULL, members(task)), (REDUCED, members(task, **facts))):
        values = within(BLOCKS[3], mine)
        one = row(drawn(name).data, layer=BLOCKS[3], task=task, variability=variability)
        assert (one["mean"], one.sd) == (pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)))
        assert one.pairs == len(values) == len(mine) * (len(mine) - 1) / 2


def test_d4_compares_with_networks_of_full_variability_trained_on_the_latent() -> None:
    data = drawn("d4").data
    for reference, task, facts in (
        ("translation", "category", {"translation": "none"}), ("category", "rotation", {"n_categories": 1.0}),
    ):  # fmt: skip
        for variability, mine in ((FULL, members(task)), (REDUCED, members(task, **facts))):
            values = between(BLOCKS[2], mine, members(reference))
            one = row(data, reference=reference, task=task, variability=variability, layer=BLOCKS[2])
            assert (one["mean"], one.sd, one.pairs) == (
                pytest.approx(values.mean()), pytest.approx(values.std(ddof=1)), len(values),
            )  # fmt: skip


def test_another_metric_is_used_and_named_when_there_is_no_cka() -> None:
    evidence = small()
    other = replace(evidence, pairs=evidence.pairs.assign(metric="rsa"))
    found = FIGURES["figure_4a"](other)
    assert found.figure is not None and "No linear CKA here" in found.notes[0] and "RSA" in found.caption


def test_of_two_runs_over_one_pair_the_larger_counts() -> None:
    evidence = small()
    again = evidence.pairs.head(1).assign(run_id="again", value=-5.0)
    again = again.assign(model_a=again.model_b, model_b=again.model_a)
    both = pd.concat([again, evidence.pairs], ignore_index=True)
    found = similarities(replace(evidence, pairs=both))
    assert len(found.pairs) == len(evidence.pairs) and (found.pairs.run_id == "sim").all()


def test_layers_stand_in_the_order_of_the_network() -> None:
    table = pd.DataFrame({"layer": ["fc", "b", "pixels", "a", "head"], "depth": [-1, 2, -1, 1, -1]})
    assert layer_order(table) == ("pixels", "a", "b", "fc", "head")


# ---- what is there and what is not ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", IDS)
def test_without_runs_there_is_no_figure_and_all_is_missing(name: str) -> None:
    found = FIGURES["figure_" + name](no_evidence())
    assert found.figure is None and not len(found.data) and found.runs == () and len(found.missing) >= 6
    assert "run_ids" in found.data.columns and found.caption and "nan" not in found.caption


@pytest.mark.parametrize("name", IDS)
def test_a_whole_study_misses_nothing_and_names_its_runs(name: str) -> None:
    found = drawn(name)
    assert found.id == "figure_" + name and found.figure is not None
    assert found.missing == () or name == "d1"
    assert set(found.runs) == {run for ids in found.data.run_ids for run in ids.split()}
    analysis = "decode-" if name[0] in "5e" else "similarity-"
    assert any(run.startswith(analysis) for run in found.runs) and any(run.startswith("train-") for run in found.runs)
    assert found.caption.count(".") > 3 and "nan" not in found.caption


@pytest.mark.parametrize("make", [small, little_evidence])
def test_a_small_study_shows_what_it_can(make: Callable[[], Evidence]) -> None:
    evidence = make()
    found = {name: FIGURES["figure_" + name](evidence) for name in IDS}
    assert [name for name in IDS if found[name].figure is None] == ["d1"]
    assert found["d1"].missing[-1] == "ImageNet-1K" and "Translation" not in found["d1"].missing
    assert "Distance" in found["4a"].missing and "Translation" not in found["4a"].missing
    control = "Translation, reduced category variability"
    assert (control in found["5b"].missing) == (control in found["d6"].missing) == (make is little_evidence)
    assert "Object category, reduced translation variability" in found["5c"].missing
    for one in found.values():
        assert "nan" not in one.caption


def test_one_seed_leaves_the_diagonal_empty() -> None:
    found = FIGURES["figure_4a"](study([network("distance", 0), network("rotation", 0)]))
    assert found.figure is not None and set(found.data["first"] + found.data["second"]) == {"distancerotation"}
    assert "Distance within the group (needs two seeds)" in found.missing
    assert np.isnan(found.data.sd).all() and (found.data.pairs == 1).all()


@pytest.mark.parametrize(("name", "make"), [("4a", full), ("d4", small), ("e1", small)])
def test_pictures_are_readable_and_inside_the_page(name: str, make: Callable[[], Evidence]) -> None:
    from matplotlib.text import Text

    figure = FIGURES["figure_" + name](make()).figure
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < width + 0.02 and box.y1 < height + 0.02
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= SMALL
