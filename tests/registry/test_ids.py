"""Ids that look like numbers, truths or gaps come back as the text they were, from tables, runs and the cache."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from mlspatial.benchmarks.base import Found, Truth
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.compare.evidence import SCORES, load
from mlspatial.core.context import Context
from mlspatial.core.names import MODEL_ID, TAG
from mlspatial.registry import read, runs
from mlspatial.registry.models import ModelRecord
from mlspatial.steps import score_files
from mlspatial.steps.imports import import_scores

#: Hashes of 16 digits: as numbers one loses its last digits, one is infinite, one a thousand, one loses its zeros.
IDS = ("1234567890123456", "12345e6789012345", "00000000000001e3", "0000000000000042", "9" * 16)
NAMES = ("0042", "42", "1e5", "NA", "nan", "None", "True", "2024-01-02", "Ünal", "図1")


def _split(table: pd.DataFrame) -> str:
    return str(table.to_json(orient="split", index=False))


def _schema(table: pd.DataFrame) -> str:
    return str(table.to_json(orient="table", index=False))


@pytest.mark.parametrize("write", [_split, _schema])
def test_a_table_gives_back_its_texts(tmp_path: Path, write: Callable[[pd.DataFrame], str]) -> None:
    names = [*NAMES, *IDS]
    columns = {"model_id": names, "0042": names[::-1], "timestamp": names, "date": ["20240102"] * len(names)}
    table = pd.DataFrame({**columns, "fold": range(len(names)), "value": [0.1234567891] * len(names)})
    (tmp_path / "t.json").write_text(write(table))
    pd.testing.assert_frame_equal(read.table_file(tmp_path / "t.json"), table)
    alone = table[["0042"]].rename(columns={"0042": "1"}).assign(**{"2": names})
    (tmp_path / "t.json").write_text(write(alone))
    pd.testing.assert_frame_equal(read.table_file(tmp_path / "t.json"), alone)


def rows(model_id: str) -> pd.DataFrame:
    facts = {"benchmark": "0042", "region": "NA", "metric": "pls25", "version": "12345e6789012345", "engine": "fast"}
    numbers = {"raw": 0.5, "ceiling": 0.8, "ceiled": 0.3125, "error": 0.0, "n": 10, "r2_over_c": 0.3}
    table = pd.DataFrame([{"layer": layer, "depth": i} for i, layer in enumerate(("0042", "42", "1e5", "nan"))])
    table = table.assign(**facts, **numbers, r_over_c_squared=0.3, formula="r^2/c", selection="", primary=True)
    return table.assign(committed=table.layer == "42", model_id=model_id)


def scored(model_id: str) -> str:
    spec = runs.Spec("score", 2, {"model_id": model_id}, {"models": "x"})
    with runs.open_run(spec, name="score") as run:
        run.set_tags({TAG + "task": "distance", TAG + "arch": "a", TAG + "dataset": "0042", TAG + "seed": 0})
        run.set_tags({TAG + "step": 1})
        run.log_table(rows(model_id), "scores.json")
    return run.id


def test_scores_keep_their_ids_also_from_the_cache(registry: Path) -> None:
    made = {scored(model_id): model_id for model_id in IDS}
    for _ in range(2):  # read, and read from what was kept
        table = read.scores(read.runs(entry="score"))
        assert dict(zip(table.run_id, table.model_id, strict=True)) == made
        assert table.layer.tolist() == ["0042", "42", "1e5", "nan"] * len(IDS)
        assert set(table.benchmark) == {"0042"} and set(table.region) == {"NA"}
        assert set(table.version) == {"12345e6789012345"}
        seen = load()
        assert set(seen.networks.model_id) == set(IDS) and set(seen.networks.dataset) == {"0042"}
        assert seen.scores.groupby("model_id").layer.nunique().to_dict() == dict.fromkeys(IDS, 4)


def test_a_missing_text_is_not_the_word_nan(registry: Path) -> None:
    spec = runs.Spec("score", 2, {}, {})
    with runs.open_run(spec, name="score") as run:
        run.log_table(rows(IDS[0]).assign(selection=["a", None, "nan", "None"]), "scores.json")
    assert read.scores(read.runs(entry="score")).selection.tolist() == ["a", None, "nan", "None"]


def test_recovery_finds_a_network_whose_id_looks_like_a_number(registry: Path) -> None:
    """It is found by its id in the tables of scores; as numbers two of these are infinite or not themselves."""
    ids = [scored(model_id) for model_id in IDS[:2]]
    for model_id, run in zip(IDS, ids, strict=False):
        runs.Run(run).log_table(rows(model_id).assign(ceiled=[0.1, 0.9, 0.2, 0.3]), "scores.json")
    record = ModelRecord("", "", "", IDS[0], "", "a", "d", "t", 0, 1)
    truth = Truth(IDS[1], "42", "p")
    known = Found("0042", "1", NeuralBenchmark, "pls", lambda *_: None, truth=truth, trials=10)  # type: ignore[arg-type,return-value]
    (made,) = score_files.recovery_runs([record, replace(record, model_id=IDS[1])], [known], ids, Context())
    found = read.table_file(runs.local(made, "recovery.json")).iloc[0]
    assert (found.networks, found.layer_rank, found.layers) == (2, 1, 4) and found.network_rank == 2  # equal
    assert runs.get(made).cfg["network"] == IDS[1]


def test_imported_networks_keep_their_names(registry: Path) -> None:
    lines = ["task,arch,dataset,seed,step,benchmark,region,layer,score", "distance,0042,1e5,0,1,007,IT,NA,.5"]
    lines += ["distance,42,NA,0,1,7,IT,nan,.5", "distance,042,True,0,1,7.0,IT,None,.5"]
    Path("s.csv").write_text("\n".join(lines))
    ids = import_scores(file="s.csv", kind="scores")
    assert [runs.get(run).tags[TAG + "arch"] for run in ids] == ["0042", "42", "042"]
    assert len({runs.get(run).tags[MODEL_ID] for run in ids}) == 3
    seen = load()
    facts = seen.networks.set_index("arch").dataset.to_dict()
    assert facts == {"0042": "1e5", "42": "NA", "042": "True"}
    assert seen.scores[list(SCORES)].set_index("benchmark").layer.to_dict() == {"007": "NA", "7": "nan", "7.0": "None"}


def test_subjects_of_imported_voxels_are_not_gaps(registry: Path) -> None:
    from mlspatial.core.errors import UserError
    from mlspatial.steps.imports_fmri import read

    Path("s.csv").write_text("network,subject,metric,score\n0042,anna,versa,.5\n42,01,versa,.4\n1e5,1x,versa,.3\n")
    networks = {network.facts["network"]: list(network.scores) for network in read("s.csv")[1]}
    assert networks == {"0042": [("versa", "anna")], "42": [("versa", "subj01")], "1e5": [("versa", "1x")]}
    Path("s.csv").write_text("network,subject,metric,score\na,NA,versa,.5\n")
    with pytest.raises(UserError, match=r"s\.csv, line 2: subject is NA, .* or leave it empty for the mean"):
        read("s.csv")
    Path("s.csv").write_text("network,subject,metric,score\nNA,1,versa,.5\n")
    with pytest.raises(UserError, match=r"s\.csv, line 2: no name of a network; fill network"):
        read("s.csv")
