"""A registry made by an earlier version of the code, in a folder that was moved since: read, asked and gone on with.

old/registry.tar.xz is a project folder in which an earlier version rendered, trained, scored, compared and decoded
(study `old`), without pictures and with the weights of four of its networks; old/expected.json is what that version
read of it.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from entrypoints import score, train
from mlspatial.compare.evidence import load as load_evidence
from mlspatial.registry import runs
from mlspatial.registry.models import load, select
from tests.test_entrypoints import call

OLD = Path(__file__).with_name("old")
KEYS = {
    "networks": ["model_id"],
    "scores": ["run_id", "benchmark", "metric", "layer"],
    "pairs": ["run_id", "metric", "layer", "model_a", "model_b"],
    "decodings": ["run_id", "layer", "latent", "fold", "measure"],
}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The project folder at another place than it was made in, and what was read of it there."""
    project = tmp_path / "moved here"
    with tarfile.open(OLD / "registry.tar.xz") as archive:
        archive.extractall(project, filter="data")
    monkeypatch.chdir(project)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return dict(json.loads((OLD / "expected.json").read_text()))


def test_evidence_of_an_old_registry_is_what_it_was(old: dict[str, Any]) -> None:
    found = load_evidence("old")
    for name, keys in KEYS.items():
        was, now = pd.DataFrame(old[name]), getattr(found, name)
        assert len(was) == len(now), name
        if name == "scores":  # nobody told how those were joined
            was["formula"] = was.formula.mask((was.engine == "imported") & (was.formula == "none"), "unknown")
        now = now[[column for column in was if column in now]]
        assert set(was) == set(now), f"{name}: columns are gone"
        now = pd.DataFrame(json.loads(now.to_json(orient="records", double_precision=10)))
        pd.testing.assert_frame_equal(
            was.sort_values(keys, ignore_index=True), now.sort_values(keys, ignore_index=True), check_dtype=False
        )


def test_selectors_find_the_networks_of_an_old_registry(old: dict[str, Any]) -> None:
    for selector, expected in old["select"].items():
        found = [[r.uri, r.name, r.version, r.model_id, r.run_id, r.task, r.seed, r.step] for r in select(selector)]
        assert found == expected, selector
    network, spec = load("task=translation,seed=0")
    assert spec.supervised == ("translation",) and next(network.parameters()).shape == (64, 3, 7, 7)


def test_an_old_run_answers_and_new_ones_join_it(old: dict[str, Any]) -> None:
    """The same training is answered; a new score of an old network lies beside the database, not where it once was."""
    arguments = ["--task", "translation", "--seed", "0", "--dataset", "tiny", "--batches", "2", "--batch_size", "8"]
    code, out, err = call(train.main, *arguments, "--checkpoints", "1", "--study", "old")
    assert code == 0, err
    known = {record[4] for record in old["select"]["study=old"]}
    assert out.split()[-1] in known and len(runs.find(entry="train")) == 5

    parts = ["--models", "task=translation,seed=0", "--benchmarks", "session/session.yaml"]
    code, out, err = call(score.main, *parts, "--layers", "layer1.0.relu", "--metrics", "cka")
    assert code == 0, err
    made = runs.local(out.split()[-1], "scores.json")
    assert made.is_file() and made.is_relative_to(Path.cwd())
