"""The report: whole, self-contained, every number with its runs, findings and what lacks."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from mlspatial.compare.checks import CHECKS, all_checks
from mlspatial.compare.commands import commands
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence, empty_frames
from mlspatial.compare.report import Report, page
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.papers import known_items
from tests.compare.synthetic import synthetic_evidence

known_items()
SMALL = {"archs": ("resnet18",), "tasks": ("translation", "category"), "seeds": 2, "steps": (70,), "scaling": False,
         "benchmarks": {"simulated_v1": "V1"}}  # fmt: skip
OPEN = {"meta", "br", "img", "link", "input", "hr"} | {"path", "use", "rect", "line", "circle", "image"}


class Checker(HTMLParser):
    """Counts ids, links and text, and holds that every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        if tag not in OPEN:
            self.stack.append(tag)
        if "id" in facts and "svg" not in self.stack:
            self.ids.append(str(facts["id"]))
        if tag == "a":
            self.links.append(str(facts["href"]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPEN:
            assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "svg"} & set(self.stack):
            self.text += data


@pytest.fixture(scope="module")
def small() -> Evidence:
    return synthetic_evidence(**SMALL)


def made(evidence: Evidence) -> Report:
    items: list[Table | Drawing] = [TABLES[name](evidence) for name in TABLES]
    items += [FIGURES[name](evidence) for name in FIGURES]
    lacking = [label for item in items for label in getattr(item, "missing", ())]
    return Report(
        "Study <s>", {"study": "s"}, all_checks(evidence), {"Distance": {"networks": 2, "scored": 0}}, items,
        evidence.links, commands(lacking, evidence), ("one run could not be read",), ("A paper & its journal",),
    )  # fmt: skip


def test_a_page_is_whole_and_needs_nothing_from_elsewhere(small: Evidence) -> None:
    report = made(small)
    text = page(report)
    reader = Checker()
    reader.feed(text)
    assert not reader.stack and "Study <s>" in reader.text
    assert len(reader.ids) == len(set(reader.ids))
    for item in report.items:
        drawn = item.runs if isinstance(item, Table) else item.figure is not None
        assert (item.id in reader.ids) == bool(drawn), item.id
        assert item.title in reader.text
    anchors = [link for link in reader.links if link.startswith("#")]
    assert anchors and all(link[1:] in reader.ids for link in anchors)
    assert not re.search(r"(src|href)=\"(https?:)?//(?!www\.w3\.org)", re.sub(r'<a href="[^"]*"', "", text))
    assert "one run could not be read" in reader.text and "A paper & its journal" in reader.text
    assert page(made(small)) == text  # equal evidence, equal bytes


def test_nothing_at_all_still_makes_a_page() -> None:
    report = made(Evidence("", **empty_frames(), links={}))
    reader = Checker()
    reader.feed(page(report))
    assert not reader.stack and reader.text.count("not enough runs") == len(CHECKS)


def test_every_check_has_a_verdict_and_names_its_runs() -> None:
    whole = {check.id: check for check in all_checks(synthetic_evidence())}
    assert all(check.holds is not None and check.runs and check.value for check in whole.values())
    few = {check.id: check for check in all_checks(synthetic_evidence(**SMALL))}
    assert few["distance_near_all"].holds is None and "distance" in few["distance_near_all"].value


def test_checks_follow_the_numbers(small: Evidence) -> None:
    assert CHECKS["spatial_above_untrained"](small).holds is True
    control = small.networks.model_id[small.networks.task == "untrained"]
    turned = small.scores.copy()
    turned["ceiled"] = np.where(turned.model_id.isin(control), 0.9, 0.1)
    raised = Evidence(small.study, small.networks, turned, small.pairs, small.decodings, small.links)
    assert CHECKS["spatial_above_untrained"](raised).holds is False
    flat = small.pairs.assign(value=0.5 + 0.1 * small.pairs.depth.astype(float))
    rising = Evidence(small.study, small.networks, small.scores, flat, small.decodings, small.links)
    assert CHECKS["cka_falls_late"](rising).holds is False and CHECKS["cka_falls_late"](small).holds is True


def test_commands_name_the_task_that_lacks(small: Evidence) -> None:
    asked = {"score": {"r": {"models": "x", "benchmarks": "simulated_v1", "layers": "auto"}}}
    small = replace(small, asked=asked)
    found = commands(["Rotation", "Dis. + Tra.", "ImageNet-1K", "something else", "Distance, V1"], small)
    assert "--task rotation" in found["Rotation"] and "--task distance+translation" in found["Dis. + Tra."]
    assert found["ImageNet-1K"] == (
        "python -m entrypoints.score --models torchvision:resnet18 --benchmarks simulated_v1 --layers auto "
        "--study synthetic"
    )
    assert "something else" not in found and "Distance, V1" not in found


def test_what_is_long_waits_behind_a_line() -> None:
    cell = Cell(0.5, 0.1, tuple(f"run{i}" for i in range(70)), published=0.55)
    rows = {f"row {i}": {"V1": cell} for i in range(41)}
    table = Table("t", "A table", "Numbers.", ("V1", "V2"), rows, tuple(f"Note {i}." for i in range(14)))
    text = page(Report("s", {}, [], {}, [table], {"run0": "http://server/run0"}, {}))
    reader = Checker()
    reader.feed(text)
    assert "2 more notes" in reader.text and "Note 13." in reader.text and '<div class="scroll long">' in text
    assert '<a href="http://server/run0" title="run0"><code>run0</code></a>' in text
    assert "run59" in reader.text and "run60" not in reader.text and "10 more, named in the csv" in reader.text
    assert "0.500 ± 0.100 (70)vs 0.550 published, within 1 SD" in reader.text and "The 70 runs behind" in reader.text
