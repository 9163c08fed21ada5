"""The notebook runs from its first cell to its last on a study's registry, and shows what is there."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from mlspatial.console.layout import number
from mlspatial.registry import runs
from mlspatial.registry.read import table_file
from mlspatial.steps.train import ENTRY, train
from tests import toys
from tests.steps.asking import SITES, run_score

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "first_look.ipynb"


def test_the_notebook_is_short_and_holds_no_output() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert len(cells) == 15 and not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)


@pytest.mark.slow
def test_the_notebook_runs(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = toys.dataset(registry / "quick", name="quick", n=80)
    given = ENTRY.defaults | {"dataset": str(data), "device": "cpu", "workers": 1, "batch_size": 8, "study": "quick"}
    train(**given | {"task": "translation|category", "batches": 1})
    train(**given | {"task": "translation", "batches": 0})
    run_score(models="study=quick", layers="layer1.0.relu,avgpool", study="quick")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(registry)}}
    )
    client.execute()
    told = "\n".join(
        str(output.get("text") or output.get("data", {}).get("text/plain", ""))
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    pictures = sum(
        "image/png" in output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])
    )
    assert pictures == 3 and "resnet18.quick.translation" in told and SITES in told
    for run in runs.find(entry="score"):
        scores = table_file(runs.local(run.id, "scores.json"))
        (row,) = scores[scores.committed].itertuples()
        assert number(row.raw).lstrip("-") in told
