"""What holds for every table, figure, check and paper, whoever registered it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pandas as pd
import pytest

from mlspatial.compare import fmri
from mlspatial.compare.checks import CHECKS, Check
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence
from mlspatial.compare.table import FRAME, TABLES, Table
from mlspatial.core.errors import UserError
from mlspatial.papers import PAPERS, known_items
from tests.compare.synthetic import no_evidence, predicted, synthetic_evidence, with_units
from tests.papers import conwell, geometry

ITEMS = known_items()
KINDS: tuple[Any, ...] = (TABLES, FIGURES)
CITED = {
    "alignment",
    "performance",
    "recovery",
    "statistics",
    "ranking",
    "figure_brains",
    "figure_ranking",
    "figure_units",
    "table_yardsticks",
    "figure_yardsticks",
}  # of no paper


@cache
def studies() -> tuple[Evidence, ...]:
    """A study of networks trained here, and one of networks scored on fMRI responses."""
    voxels = conwell.made_up()
    own = synthetic_evidence(
        archs=("resnet18", "resnet50"), tasks=("distance", "translation", "category"), seeds=2,
        steps=(500, 2_000, 10_000), scaling=False, benchmarks={"simulated_v1": "V1"},
    )  # fmt: skip
    own = geometry.with_generalised(geometry.with_tunings(with_units(predicted(own), layers=True)))
    return own, conwell.evidence_of(voxels, conwell.similar(voxels))


def maker(name: str) -> Callable[[Evidence], Table | Drawing]:
    return TABLES[name] if name in TABLES else FIGURES[name]


@cache
def made(name: str) -> tuple[Evidence, Table | Drawing]:
    """The item of the first study that has runs for it."""
    return next((seen, item) for seen in studies() if (item := maker(name)(seen)).runs)


def known_runs(seen: Evidence) -> set[str]:
    return {
        run
        for frame in (seen.networks, seen.scores, seen.pairs, seen.decodings, seen.tunings, seen.generalised)
        for run in frame.run_id
    }


def written(item: Table | Drawing) -> tuple[object, ...]:
    if isinstance(item, Table):
        return item.to_csv(), item.to_markdown(), item.to_latex(), item.to_text()
    return item.data.to_csv(), item.title, item.caption, item.missing, item.notes, item.runs, item.svg


def test_an_id_is_one_item(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(ITEMS) == len(set(ITEMS)) == len(TABLES) + len(FIGURES)
    monkeypatch.setitem(FIGURES._items, "alignment", FIGURES["figure_2"])
    with pytest.raises(UserError, match="alignment is a table and a figure; give one of them another id"):
        known_items()


def test_every_item_is_general_or_of_one_paper() -> None:
    of = [name for paper in PAPERS for name in PAPERS[paper].items]
    assert len(of) == len(set(of)) and set(ITEMS) - set(of) == CITED


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_is_the_same_from_the_same_evidence(name: str) -> None:
    seen, item = made(name)
    assert item.id == name and maker(name).__doc__
    assert written(maker(name)(seen)) == written(item)


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_names_the_runs_behind_its_numbers(name: str) -> None:
    seen, item = made(name)
    if isinstance(item, Table):
        named = item.to_frame().run_ids
        assert item.to_csv().splitlines()[0].split(",") == list(FRAME) and "run_ids" in FRAME
    else:
        named = item.data.run_ids
        assert item.figure is not None and len(item.data) and item.caption.endswith(".")
    runs = {run for ids in named for run in ids.split()}
    assert runs and runs <= set(item.runs) <= known_runs(seen)
    assert len(set(item.runs)) == len(item.runs)


@pytest.mark.parametrize("name", ITEMS)
def test_without_runs_an_item_says_so(name: str) -> None:
    item = maker(name)(no_evidence())
    assert item.id == name and item.title and item.caption and not item.runs
    if isinstance(item, Table):
        assert item.notes and item.to_csv() and item.to_markdown() and item.to_latex() and item.to_text()
        numbers = [cell for cells in item.rows.values() for cell in cells.values() if cell.mean == cell.mean]
        assert all(cell.style == "count" for cell in numbers)  # of output units, as published
    else:
        assert item.figure is None and item.data.empty and (item.missing or item.caption.startswith("No "))
        assert list(item.data.columns) == list(made(name)[1].data.columns)


@pytest.mark.parametrize("name", list(CHECKS))
def test_a_check_has_numbers_and_runs_or_says_what_lacks(name: str) -> None:
    empty = CHECKS[name](no_evidence())
    assert CHECKS[name].__doc__ and empty.id == name and empty.holds is None and empty.value and not empty.runs
    found: Check = CHECKS[name](studies()[0])
    assert found == CHECKS[name](studies()[0]) and found.claim == empty.claim and found.value
    assert (found.holds is None) == (not found.runs) and set(found.runs) <= known_runs(studies()[0])


@pytest.mark.parametrize("name", list(PAPERS))
def test_a_paper_names_its_sources_and_groups_networks(name: str) -> None:
    paper = PAPERS[name]
    assert paper.id == name and paper.title and paper.citation and paper.items
    for file in paper.published:
        assert paper.path(file).read_text().startswith("# ") and paper.rows(file)
    networks = fmri.scored(studies()[1]).networks
    for choose in paper.groupings.values():
        rows: pd.DataFrame = choose(networks)
        assert choose.__doc__ and "group" in rows and set(rows.model_id) <= set(networks.model_id)
        assert choose(networks.iloc[:0]).empty
