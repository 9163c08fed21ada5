"""One rule for which networks stand for a condition: tables, figures and checks count and average the same ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr

from mlspatial.compare import fmri
from mlspatial.compare.checks import CHECKS
from mlspatial.compare.conditions import known, last, names_of, once
from mlspatial.compare.drawing import FIGURES
from mlspatial.compare.evidence import DECODINGS
from mlspatial.compare.table import TABLES
from mlspatial.papers import known_items
from tests.compare.by_hand import evidence, network, score

known_items()


def test_a_condition_is_all_but_the_seed() -> None:
    rows = [network("first", "distance", 0), network("again", "distance", 0), network("other", "distance", 1)]
    odd = {"arch": "x", "dataset": "x", "dataset_id": "x", "fraction": 0.5, "settings": "lr 1", "step": 5,
           "init": "imagenet", "translation": "none", "n_categories": 1.0}  # fmt: skip
    rows += [network(f"odd {name}", "distance", 1, **{name: value}) for name, value in odd.items()]
    table = known(pd.DataFrame(rows))
    assert table.condition.nunique() == 1 + len(odd) and table.condition[:3].nunique() == 1
    assert list(once(table[:3]).model_id) == ["first", "other"]  # newest first
    assert len(set(names_of(table.condition))) == 1 + len(odd)


def test_last_checkpoints_are_those_after_as_many_batches_as_most() -> None:
    def made(task: str, seed: int, step: int) -> dict[str, object]:
        return network(f"{task} {seed} {step}", task, seed, step=step)

    rows = [made("distance", 0, 9), made("distance", 1, 9), made("distance", 2, 20), made("rotation", 0, 9)]
    half = network("half", "distance", 0, step=4, final=False)
    assert sorted(last(known(pd.DataFrame([*rows, half]))).model_id) == ["distance 0 9", "distance 1 9", "rotation 0 9"]
    assert list(last(known(pd.DataFrame([half]))).model_id) == ["half"]  # there is no other


def two_datasets() -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Two tasks, two seeds, two datasets that are as good as each other; a control of the first."""
    facts = {"arch": "resnet18", "outputs": 1.0}
    networks = [
        network(f"{task} {dataset} {seed}", task, seed, dataset=dataset, dataset_id=dataset, **facts)
        for dataset in ("a", "b") for task in ("distance", "category") for seed in (0, 1)
    ]  # fmt: skip
    networks += [
        network(
            f"untrained {seed}", "untrained", seed, dataset="a", dataset_id="a", arch="resnet18", step=0, outputs=0.0
        )
        for seed in (0, 1)
    ]
    scores = [
        score(str(row["model_id"]), "V1", 0.3 + 0.1 * (row["dataset"] == "b") + 0.01 * int(str(row["seed"])))
        for row in networks
    ]
    return networks, scores


def test_table_figure_and_finding_show_the_networks_of_one_training() -> None:
    seen = evidence(*two_datasets())
    figure = FIGURES["figure_c3"](seen).data
    mine = figure[(figure.task == "distance") & (figure.panel == figure.panel.iloc[0])]
    cell = TABLES["table_c2"](seen).rows["Distance"]["V1"]
    assert (cell.mean, cell.n) == (pytest.approx(0.405 / 0.87), 2) == (pytest.approx(mine["mean"].iloc[0]), 2)
    assert f"Distance {cell.mean:.3f}" in CHECKS["spatial_above_untrained"](seen).value


def test_imagenet_networks_of_a_library_fill_their_row_and_are_networks_each() -> None:
    networks, scores = two_datasets()
    facts = {
        "arch": "torchvision:resnet18",
        "run_id": "",
        "dataset": "imagenet1k",
        "dataset_id": "",
        "step": 0,
        "outputs": 1e3,
    }
    for name, value in (("V2", 0.5), ("V1", 0.7)):  # newest first
        uri = f"torchvision:resnet18.IMAGENET1K_{name}"
        networks.append(network(name, "imagenet", 0, uri=uri, name=uri, **facts))
        scores.append(score(name, "V1", value))
    seen = evidence(networks, scores)
    table = TABLES["table_c2"](seen)
    cell = table.rows["ImageNet-1K"]["V1"]
    assert (cell.mean, cell.n) == (pytest.approx(0.5 / 0.87), 1)
    assert any("ImageNet-1K: not averaged in" in note and "IMAGENET1K_V1" in note for note in table.notes)
    shown = FIGURES["figure_2"](seen).data.set_index("task")
    assert shown.n["imagenet"] == 1 and shown["mean"]["imagenet"] == pytest.approx(cell.mean)


def test_best_layers_are_counted_by_networks_not_by_benchmarks() -> None:
    networks, _ = two_datasets()
    scores = [
        score(str(row["model_id"]), "V1", 0.3, benchmark=f"own {place}", layer=f"layer{layer}.0.relu")
        for row in networks for place, layer in ((1, 1), (2, 2 if row["seed"] else 1))
    ]  # fmt: skip
    data = FIGURES["figure_c4"](evidence(networks, scores)).data
    mine = data[(data.task == "distance") & (data.kind == "best layer")].set_index("layer")
    assert mine.n.to_dict() == {"layer1.0.relu": 2, "layer2.0.relu": 1} and set(mine.of) == {2}


def test_a_score_is_the_same_in_table_and_figure_whatever_was_measured_beside_it() -> None:
    networks, _ = two_datasets()
    ids = [str(row["model_id"]) for row in networks]
    scores = [score(one, "V1", 0.3, benchmark="first", formula="none", metric="rsa") for one in ids]  # squares nothing
    scores += [score(one, "V1", 0.5, benchmark="second", formula="none", metric="rsa") for one in ids[:-1]]
    seen = evidence(networks, scores)
    cell = TABLES["table_c2"](seen).rows["Distance"]["V1"]
    figure = FIGURES["figure_2"](seen).data.set_index("task")
    assert (cell.mean, figure["mean"]["distance"]) == (pytest.approx(0.3), pytest.approx(0.3))
    more = evidence(networks, [*scores, score(ids[-1], "V1", 0.5, benchmark="second", formula="none", metric="rsa")])
    cell = TABLES["table_c2"](more).rows["Distance"]["V1"]
    assert cell.mean == pytest.approx(0.4) == FIGURES["figure_2"](more).data.set_index("task")["mean"]["distance"]


def test_a_finding_on_decoding_is_of_the_networks_that_the_figure_shows() -> None:
    networks, _ = two_datasets()
    networks += [
        network(f"low {seed}", "category", seed, dataset="c", dataset_id="c", arch="resnet18", translation="none")
        for seed in (0, 1)
    ]
    values = {"category a": 0.1, "category b": 0.5, "low": 0.3}
    rows = [
        ("d", row["model_id"], "layer2.0.relu", 1, latent, fold, "pearson_r", value, 0.0, 160.0)
        for row in networks for start, value in values.items() if str(row["model_id"]).startswith(start)
        for latent in ("x", "y") for fold in (0, 1)
    ]  # fmt: skip
    seen = replace(evidence(networks, []), decodings=pd.DataFrame(rows, columns=list(DECODINGS)))
    found = CHECKS["variability_helps_decoding"](seen)
    assert found.holds and "full 0.500, reduced 0.300" in found.value  # not the mean of two datasets


@pytest.mark.parametrize("dataset", ["d", "d-live"])
def test_performance_and_alignment_go_together_over_the_checkpoints_of_one_training(dataset: str) -> None:
    rng = np.random.default_rng(0)
    networks, scores = [], []
    for kind, slope in (("chosen", 1.0), ("other", -1.0)):
        for seed in (0, 1):
            for step in (10, 20, 40):
                one = f"{kind} {seed} {step}"
                loss = 1 / step + 0.01 * rng.random()
                facts = {"arch": "resnet18", "dataset": dataset, "n_train": 64.0 * step if "live" in dataset else 6e3}
                facts |= {"settings": "" if kind == "chosen" else "lr 1", "loss": loss, "step": step}
                networks.append(network(one, "distance", seed, final=step == 40, **facts))
                scores.append(score(one, "V1", 0.5 - slope * loss))
    networks.append(network("more", "category", 0, arch="resnet18", dataset=dataset, step=40, n_train=6e3))
    scores.append(score("more", "V1", 0.3))
    seen = evidence(networks, scores)
    chosen = [(row["loss"], one["r_over_c_squared"]) for row, one in zip(networks, scores, strict=True)][:6]
    r = pearsonr(*(np.array(chosen) * [-1, 1]).T).statistic
    cell = TABLES["table_c3"](seen).rows["Distance"]["V1"]
    assert (cell.mean, cell.n) == (pytest.approx(r), 6)
    assert f"r = {r:.2f}" in CHECKS["alignment_follows_performance"](seen).value


def test_voxels_are_predicted_by_networks_not_by_their_checkpoints() -> None:
    facts = {"benchmark": "nsd:subj01", "region": "OTC", "metric": "versa", "ceiling": 0.8}
    steps = [(seed, step) for seed in (0, 1) for step in (4, 9)]
    networks = [
        network(f"m{seed}-{step}", "category", seed, step=step, final=step == 9, run_id=f"t{seed}")
        for seed, step in steps
    ]
    seen = evidence(networks, [{**score(str(row["model_id"]), "OTC", 0.3), **facts} for row in networks])
    assert sorted(fmri.scored(seen).networks.model_id) == ["m0-9", "m1-9"]
