"""The report: whole, self-contained, every number with its runs, findings and what lacks."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from markupsafe import escape

from mlspatial.compare.checks import CHECKS, all_checks
from mlspatial.compare.commands import commands
from mlspatial.compare.drawing import FIGURES, Drawing
from mlspatial.compare.evidence import Evidence, empty_frames
from mlspatial.compare.explore import points
from mlspatial.compare.overview import overview
from mlspatial.compare.report import Report, page
from mlspatial.compare.table import TABLES, Cell, Table
from mlspatial.papers import key_items, known_items
from tests.compare.synthetic import synthetic_evidence
from tests.papers.geometry import with_generalised, with_tunings

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
        overview(evidence, all_checks(evidence)), {"Images <of> a dataset.": b"jpeg"},
        key_items(item.id for item in items if item.runs), {"explore.html": "Explore"},
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
    whole = {check.id: check for check in all_checks(with_generalised(with_tunings(synthetic_evidence())))}
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


def test_what_nobody_measured_is_folded_away() -> None:
    """Rows and columns without a number are not in the table; their published values wait behind one line."""
    ours, theirs = Cell(0.5, 0.1, ("run1",), published=0.55), Cell.missing("nobody trained it", 0.25)
    rows = {"here": {"V1": ours, "V2": theirs}, "elsewhere": {"V1": theirs, "V2": theirs}, "names": {"V1": theirs}}
    text = page(Report("s", {}, [], {}, [Table("t", "A table", "Numbers.", ("V1", "V2"), rows)], {}, {}))
    table = text[text.index('<section id="t"') : text.index("<details>", text.index('<section id="t"'))]
    assert "here" in table and "elsewhere" not in table and "V2" not in table and "vs 0.550 published" in table
    reader = Checker()
    reader.feed(text)
    words = reader.text.replace("\n", "")
    assert "Cells without a run here: 4" in words and "elsewhereV10.250nobody trained it" in words


def test_what_holds_for_several_items_is_said_once(small: Evidence) -> None:
    cell = {"row": {"V1": Cell(0.5, 0.1, ("run1",))}}
    tables = [Table(name, f"Table {name}", "Numbers.", ("V1",), cell, ("Shared.", f"Of {name}.")) for name in "abc"]
    text = page(Report("s", {}, [], {}, tables, {}, {}))
    assert text.count("Shared.") == 1 and all(text.count(f"Of {name}.") == 1 for name in "abc")
    around = text[text.index("Shared.") : text.index("</li>", text.index("Shared."))]
    assert all(f'href="#{name}"' in around for name in "abc")
    whole = page(made(small))
    drawn = [item for item in made(small).items if item.runs]
    for note in {note for item in drawn for note in item.notes}:
        assert whole.split('<h2 id="left-out">', 1)[0].count(str(escape(note))) == 1, note


def test_three_figures_carry_the_message_and_can_stand_beside_themselves(small: Evidence) -> None:
    report = made(small)
    text = page(report)
    top = text[text.index('<div class="top">') : text.index('<h2 id="findings">')]
    assert top.count("<figure>") == 3 and top.count("data:image/svg+xml;base64,") == 3
    assert (
        text.index('class="lead"')
        < text.index('class="sheet"')
        < text.index('class="top"')
        < text.index('id="findings"')
    )
    assert "data:image/jpeg;base64,anBlZw==" in text and "Images &lt;of&gt; a dataset." in text
    assert '<a href="explore.html">Explore</a>' in text


def test_the_overview_says_what_the_frames_hold(small: Evidence) -> None:
    """Counted and averaged here by hand, from the frames themselves."""
    text = " ".join(overview(small, all_checks(small)))
    networks = small.networks[small.networks.final.astype(bool)]
    assert text.startswith(
        f"{len(networks)} networks (ResNet-18), trained on distance, translation, rotation and object"
    )
    best = small.scores[small.scores.committed & small.scores.primary].merge(networks, on="model_id")
    means = best[best.task != "imagenet"].groupby(["task", "dataset", "n_train", "translation"]).r_over_c_squared.mean()
    trained = means.drop("untrained")
    assert f"{trained.max():.3f}" in text and f"untrained {means['untrained'].iloc[0]:.3f}" in text
    holds = [check.holds for check in all_checks(small)]
    assert (
        f"Of {len(holds) - holds.count(None)} published findings that these runs can test, {holds.count(True)} hold"
        in text
    )
    assert overview(Evidence("", **empty_frames(), links={})) == ()


def test_verdicts_are_plain_truth_values(small: Evidence) -> None:
    """NumPy's own truth values are neither True nor False to whoever asks for those."""
    assert {type(check.holds) for check in all_checks(small)} <= {bool, type(None)}


def explored(evidence: Evidence, noun: str) -> pd.DataFrame:
    return next(one.columns for one in points(evidence) if one.noun == noun)


@pytest.mark.parametrize("name", ["head", "own_head"])
def test_what_a_network_s_own_head_says_is_no_best_layer(small: Evidence, name: str) -> None:
    table = small.decodings
    deepest = table[(table.layer == "fc") & (table.model_id != "pixels")]
    said = deepest.assign(layer=name, depth=deepest.depth + 1, value=0.99, n_train=0.0)
    with_heads = replace(small, decodings=pd.concat([table, said], ignore_index=True))

    def best(evidence: Evidence) -> tuple[str, str, pd.DataFrame]:
        numbers = explored(evidence, "networks")
        read = next(text for text in overview(evidence) if text.startswith("Read out of the best layer"))
        found = CHECKS["training_helps_decoding"](evidence).value
        return read, found, numbers[[column for column in numbers if column.endswith("best layer")]]

    without, beside = best(small), best(with_heads)
    assert without[:2] == beside[:2] and without[1].count(".") >= 2
    pd.testing.assert_frame_equal(without[2], beside[2])
    module = replace(small, decodings=with_heads.decodings.assign(n_train=160.0))  # a module of that name was read out
    assert "r = 0.99" in best(module)[0] and "0.99" in best(module)[1] and best(module)[2].max().max() == 0.99
    layers, before = (explored(one, "layers") for one in (with_heads, small))
    assert layers[layers.layer == name]["relative depth"].isna().all()
    kept = layers[layers.layer != name]["relative depth"].astype(float)
    assert sorted(kept) == sorted(before["relative depth"].astype(float)) and (layers.layer == name).any()


def test_category_on_more_categories_leaves_findings_to_the_tasks_of_one_training() -> None:
    """500 categories told apart, beside all tasks on 117: tasks are compared on the 117."""
    seen = synthetic_evidence(archs=("resnet18",), tasks=("distance", "category", "all"), seeds=2, steps=(500, 2_000),
                              scaling=False, variability=False)  # fmt: skip
    expected = CHECKS["distance_near_all"](seen)
    more = seen.networks[seen.networks.task == "category"].assign(n_categories=500.0, dataset="many", dataset_id="many")
    more = more.assign(model_id=more.model_id + "-many", run_id=more.run_id + "-many")
    scores = seen.scores[seen.scores.model_id.isin(seen.networks.model_id[seen.networks.task == "category"])]
    added = replace(
        seen,
        networks=pd.concat([seen.networks, more], ignore_index=True),
        scores=pd.concat([seen.scores, scores.assign(model_id=scores.model_id + "-many", raw=0.0)], ignore_index=True),
    )
    assert expected.holds is not None and CHECKS["distance_near_all"](added) == expected
    assert CHECKS["spatial_comparable_to_category"](added) == CHECKS["spatial_comparable_to_category"](seen)
