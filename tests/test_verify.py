"""verify: checks that hold, fail, differ and cannot run; runs that answer; the page of all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from entrypoints import verify as entry
from mlspatial import verify
from mlspatial.cli import main
from mlspatial.core.names import CHECKS as TABLE
from mlspatial.registry import runs
from mlspatial.registry.read import table_file
from mlspatial.verify import base, page, write
from mlspatial.verify.base import DIFFERS, FAILS, HOLDS, LACKS, Check, Files, Resampled, chosen, outcome, register
from tests.conftest import RECORDINGS
from tests.test_entrypoints import call

verify.load()
SHIPPED = {one.name: one for one in chosen("")}
FIELDS = {
    "brainscore", "conwell2024", "cowley2023", "geirhos2019", "implementations", "kriegeskorte2008", "mathematics",
    "recovery", "rendering", "xie2025",
}  # fmt: skip
NO_DATA = "implementations,mathematics,recovery,rendering,xie2025"
ROW = re.compile(r"^\| `([^`]+)` \| (.*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", re.M)


@pytest.fixture
def mine() -> Iterator[None]:
    """Checks of the test's own are gone behind it."""
    before = dict(base.CHECKS._items)
    yield
    base.CHECKS._items.clear()
    base.CHECKS._items.update(before)


def made(name: str = "mine.one", value: base.Value = 0.5, **facts: object) -> Check:
    """Published as .5 ± .01, computed as value."""
    return replace(Check(name, "a number", "somebody", (0.5,), 0.01, lambda: value), **facts)


# What a check is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "facts", "holds"),
    [
        (0.51, {}, True), (0.49, {}, True), (0.5101, {}, False), (np.nan, {}, False), (np.inf, {}, False),
        ((0.5, 0.5), {}, False),
        (0.2, {"relation": "below"}, True), (0.511, {"relation": "below"}, False),
        (0.8, {"relation": "above"}, True), (0.489, {"relation": "above"}, False),
        (-np.inf, {"relation": "below"}, False),
        ((0.1, 0.9), {"published": (0.1, 0.9)}, True), ((0.1, 0.92), {"published": (0.1, 0.9)}, False),
        (Resampled((0.1, 0.9), ((0.1, 0.1), (0.85, 0.95))), {"published": (0.1, 0.94)}, True),
        (Resampled((0.1, 0.9), ((0.1, 0.1), (0.85, 0.95))), {"published": (0.1, 0.97)}, False),
    ],
)  # fmt: skip
def test_a_number_holds_within_its_tolerance(value: base.Value, facts: dict[str, object], holds: bool) -> None:
    one = made(value=value, **facts)
    assert one.holds(value) is holds and outcome(one).verdict == (HOLDS if holds else FAILS)


def test_a_known_difference_is_no_failure_and_an_error_is_one() -> None:
    assert outcome(made(value=0.7)).note.startswith("further from the published value")
    known = outcome(made(value=0.7, differs="a misprint"))
    assert (known.verdict, known.note, known.computed) == (DIFFERS, "a misprint", (0.7,))
    right = outcome(made(value=0.7, differs="a misprint", instead=(0.7,)))
    assert right.verdict == DIFFERS
    other = outcome(made(value=0.8, differs="a misprint", instead=(0.7,)))  # neither what is printed nor what is right
    assert other.verdict == FAILS and outcome(made(differs="a misprint", instead=(0.7,))).verdict == HOLDS
    assert outcome(made(value=0.5, differs="a misprint")).verdict == HOLDS

    def broken() -> float:
        raise ZeroDivisionError("by\nnothing")

    found = outcome(made(compute=broken, differs="a misprint"))
    assert (found.verdict, found.note, found.computed) == (FAILS, "ZeroDivisionError: by nothing", ())


def test_files_that_lack_are_named_with_their_origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need = Files("lab", ("a.csv", "b.csv"), "the lab's page")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLSPATIAL_DATA", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    one = made(needs=(need,))
    assert outcome(one).note == "lacks lab/a.csv, lab/b.csv (the lab's page)" and outcome(one).verdict == LACKS
    (tmp_path / "two" / "lab").mkdir(parents=True)
    (tmp_path / "two" / "lab" / "a.csv").write_text("1")
    assert outcome(one).note == "lacks lab/b.csv (the lab's page)" and need.state()[1] == ""
    (tmp_path / "two" / "lab" / "b.csv").write_text("2")
    assert outcome(one).verdict == HOLDS and need.find() == tmp_path / "two" / "lab"
    gone = outcome(made(needs=(base.Module("no_such_module", "pip install it"),)))
    assert gone.note == "lacks the Python module no_such_module (pip install it)"


@pytest.mark.parametrize(
    ("value", "facts", "text"),
    [
        (0.4994, {}, ("0.50", "0.499")), (1234.0, {"published": (1234.0,), "tolerance": 0.0}, ("1,234", "1,234")),
        (3e-12, {"published": (0.0,), "tolerance": 1e-9}, ("0", "< 1e-09")),
        (3e-6, {"published": (0.0,), "tolerance": 1e-9}, ("0", "3.0e-06")),
        (0.0, {"published": (0.0,), "tolerance": 1e-9}, ("0", "0")),
        (-0.2, {"published": (0.0,), "tolerance": 0.0, "relation": "below"}, ("at most 0", "-0.2")),
        (2.6e-7, {"published": (0.001,), "tolerance": 0.0, "relation": "below"}, ("at most 0.001", "2.6e-07")),
        ((0.1, 0.9), {"published": (0.1, 0.9)}, ("[0.10, 0.90]", "[0.100, 0.900]")),
        (-0.0001, {}, ("0.50", "0.000")),
    ],
)  # fmt: skip
def test_numbers_are_told_to_the_digits_that_count(value: base.Value, facts: dict[str, object], text: object) -> None:
    one = made(value=value, **facts)
    assert page.cells(base.Outcome(one, FAILS, base.numbers(value)))[2:4] == text


# What is shipped ------------------------------------------------------------------------------------------------------


def test_what_is_shipped() -> None:
    assert {one.field for one in SHIPPED.values()} == FIELDS and len(SHIPPED) >= 250
    for one in SHIPPED.values():
        assert re.fullmatch(r"[a-z0-9]+\.[a-z0-9_]+", one.name) and one.what and one.source, one.name
        assert len(one.published) in (1, 2) and np.isfinite(one.published).all() and one.tolerance >= 0, one.name
    without = [one for one in SHIPPED.values() if not one.needs]
    assert len(without) >= 40 and {one.field for one in without} == set(NO_DATA.split(","))
    assert sum(bool(one.differs) for one in SHIPPED.values()) == 14


def test_published_values_are_those_of_the_papers() -> None:
    """Written out here again: a check must not have learned its number from what it computes."""
    known = {
        "geirhos2019.shape_bias_people": 0.959, "geirhos2019.shape_bias_alexnet": 0.429,
        "geirhos2019.shape_bias_googlenet": 0.312, "geirhos2019.shape_bias_vgg": 0.172,
        "kriegeskorte2008.monkey_human": 0.49, "kriegeskorte2008.ceiling_lower": 0.379,
        "kriegeskorte2008.ceiling_upper": 0.661, "cowley2023.networks_median": 0.676, "cowley2023.network_12": 0.847,
        "conwell2024.cnn_mean_versa": 0.67, "conwell2024.first_breakpoint_versa": 124,
        "conwell2024.voxels_subj01": 8088, "xie2025.mean_resnet50_category": 0.412, "xie2025.projection": 6515,
        "xie2025.mean_resnet18_distance": 0.381, "brainscore.sites_majajhong2015_it": 168, "xie2025.units_all": 674,
    }  # fmt: skip
    assert {name: SHIPPED[name].published[0] for name in known} == known


@pytest.mark.parametrize(("only", "number"), [("xie2025.units_*", 10), ("geirhos2019.people, xie2025.objects", 2)])
def test_checks_are_chosen_by_field_name_and_pattern(only: str, number: int) -> None:
    assert len(chosen(only)) == number and len(chosen("rendering")) == 13


def test_what_needs_no_data_holds() -> None:
    """Of each field without data; the renderer's kernels are compiled in other tests."""
    for name in ("implementations", "mathematics", "recovery", "xie2025", "rendering.sampled_*"):
        wrong = [(one.check.name, one.computed, one.note) for one in map(outcome, chosen(name)) if one.verdict != HOLDS]
        assert not wrong


def test_pictures_lie_where_their_latents_say() -> None:
    assert {outcome(one).verdict for one in chosen("rendering.sphere,rendering.corners,rendering.visible_*")} == {HOLDS}


# Recorded data --------------------------------------------------------------------------------------------------------

SLOW = ("cowley2023.network", "cowley2023.networks")  # 33 networks on 1,200 images


@pytest.mark.parametrize("field", ["conwell2024", "cowley2023", "geirhos2019", "kriegeskorte2008"])
def test_published_numbers_come_out_of_published_data(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_DATA", str(RECORDINGS))
    checks = [one for one in chosen(field) if not one.name.startswith(SLOW) and not one.name.endswith("_network")]
    if not any(not one.lacks() for one in checks):
        pytest.skip(f"the data of {field} are not in {RECORDINGS}")
    found = [outcome(one) for one in checks]
    assert not [(one.check.name, one.computed, one.note) for one in found if one.verdict == FAILS]
    assert sum(one.verdict == HOLDS for one in found) >= {"conwell2024": 90, "cowley2023": 11}.get(field, 10)


@pytest.mark.slow
def test_networks_come_out_as_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_DATA", str(RECORDINGS))
    found = [outcome(one) for one in chosen("cowley2023.network*,geirhos2019.*_network")]
    assert {one.verdict for one in found} <= {HOLDS, LACKS}


def test_voxels_are_counted_in_a_copy_of_nsd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A made-up one, which is another brain than the published; what lacks of it is named."""
    from tests.benchmarks.test_nsd import Copy

    monkeypatch.setenv("NSD_DATA", str(tmp_path / "nsd"))
    one = SHIPPED["conwell2024.voxels_subj01"]
    assert re.search(r"lacks nsddata_betas/\S+/ncsnr.nii.gz and \d+ more of its masks .*NSD_DATA", outcome(one).note)
    copy = Copy()
    copy.write(tmp_path / "nsd")
    found = outcome(one)
    assert found.verdict == FAILS and found.computed == (copy.mask("OTC").sum(),)


# The command ----------------------------------------------------------------------------------------------------------


def test_a_run_keeps_everything_and_answers(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_PROGRESS", "1")
    code, out, err = call(entry.main, "--only", "mathematics.cka_*,mathematics.mixed_df", "--study", "proof")
    assert code == 0, err
    run_id = out.split()[-1]
    table = table_file(runs.local(run_id, TABLE))
    assert len(table) == 8 and set(table.verdict) == {HOLDS} and tuple(table.columns) == page.COLUMNS
    record = runs.get(run_id)
    assert record.metrics["holds"] == 8 and record.metrics["fails"] == 0 and record.studies == ("proof",)
    assert record.metrics["computed.mathematics.mixed_df"] == pytest.approx(6, abs=1e-4)
    saved = pd.read_csv(runs.local(run_id, "checks.csv"))
    assert saved.name.tolist() == table.name.tolist() and saved.computed.to_numpy() == pytest.approx(table.computed)
    assert runs.local(run_id, "checks.md").read_text().startswith("8 checks: 8 holds, 0 fails, 0 known to differ, ")
    told = err.splitlines()
    assert any("8 published numbers computed anew: 8 holds" in line for line in told)
    assert any(line.split() == ["mathematics.mixed_df", "6.0000", "6.00000", "holds"] for line in told)
    assert max(map(len, told)) <= 80
    again = call(main, "verify", "--only", "mathematics.mixed_df,mathematics.cka_*")  # in other words
    assert again[0] == 0 and len(runs.find(entry="verify")) == 2
    same = call(main, "verify", "--only", "mathematics.cka_*,mathematics.mixed_df")
    assert same[:2] == (0, out) and "was there" in same[2]


def test_a_failing_check_exits_1_and_its_run_is_finished(registry: Path, mine: None) -> None:
    register(made("mine.right"))
    register(made("mine.wrong", 0.6))
    register(made("mine.known", 0.6, differs="a misprint"))
    register(made("mine.lacking", needs=(Files("lab", ("a.csv",), "the lab"),)))
    for _ in range(2):  # a run that answers fails as well
        code, out, err = call(entry.main, "--only", "mine")
        assert code == 1 and "Traceback" not in err
        assert err.splitlines()[-1] == (
            "verify: 1 of 4 checks fail: mine.wrong; the reasons are in checks.csv of the run"
        )
        (record,) = runs.find(entry="verify")
        assert out == f"run {record.id}\n" and record.status == "FINISHED"
    assert {name: record.metrics[name] for name in ("holds", "fails", "known_to_differ", "cannot_run")} == {
        "holds": 1, "fails": 1, "known_to_differ": 1, "cannot_run": 1,
    }  # fmt: skip
    assert call(entry.main, "--only", "mine.right,mine.known,mine.lacking")[0] == 0


def test_fields_side_by_side_are_what_they_are_one_after_another() -> None:
    few = chosen("mathematics.cka_*,mathematics.mixed_df,xie2025.scenes,xie2025.objects")
    assert len({one.field for one in few}) > 1
    alone, together = verify.computed(few), verify.computed(few, 2)
    assert [one.check.name for one in together] == [one.name for one in few]
    assert [one.verdict for one in together] == [one.verdict for one in alone]
    for one, other in zip(together, alone, strict=True):
        assert one.computed == pytest.approx(other.computed, rel=1e-9)  # by another number of threads


def test_a_process_that_dies_fails_its_checks_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own checks, one of which ends its process."""
    (tmp_path / "own.py").write_text(
        "import os\nfrom mlspatial.verify.base import check\n"
        "@check('fatal.one', 'ends', 'here', 1.0, 0.1)\ndef _() -> float:\n    os._exit(9)\n"
        "@check('other.one', 'is one', 'here', 1.0, 0.1)\ndef _other() -> float:\n    return 1.0\n"
        "@check('third.one', 'waits', 'here', 1.0, 0.1)\ndef _third() -> float:\n    return 1.0\n"
    )
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(tmp_path))
    names = [made("fatal.one"), made("other.one"), made("third.one")]
    found = verify.computed(names, 2)
    assert [one.check.name for one in found] == ["fatal.one", "other.one", "third.one"]
    assert found[0].verdict == FAILS and "workers=1" in found[0].note
    assert [(one.verdict, one.computed) for one in found[1:]] == [(HOLDS, (1.0,))] * 2  # only what dies alone fails


def test_what_changes_is_computed_again(
    registry: Path, mine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Data that come, a published number that is mended, and --force."""
    monkeypatch.setenv("MLSPATIAL_DATA", str(tmp_path / "data"))
    register(made("mine.one", needs=(Files("lab", ("a.csv",), "the lab"),)))
    first = verify.verify(only="mine")
    assert verify.verify(only="mine") == first and runs.get(first).metrics["cannot_run"] == 1
    (tmp_path / "data" / "lab").mkdir(parents=True)
    (tmp_path / "data" / "lab" / "a.csv").write_text("1")
    second = verify.verify(only="mine")
    assert second != first and runs.get(second).metrics["holds"] == 1
    base.CHECKS._items["mine.one"] = made("mine.one", tolerance=0.02)
    third = verify.verify(only="mine")
    assert len({first, second, third, verify.verify(only="mine", force=True)}) == 4


def test_mistakes(registry: Path) -> None:
    code, out, err = call(entry.main, "--workers", "-1")
    assert (code, out) == (2, "") and "workers" in err and len(err.splitlines()) == 1
    code, out, err = call(entry.main, "--only", "geirhos2018")
    assert (code, out) == (2, "") and "unknown check 'geirhos2018'; did you mean geirhos2019" in err
    assert len(err.splitlines()) == 1 and not runs.find(entry="verify")


def test_the_page_s_example_is_a_check_of_one_s_own(
    registry: Path, mine: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials of which the reliability of the mean is 5 / 6 = .833, for a published .81."""
    lines = write.HEAD.splitlines()
    first = lines.index("    import numpy as np")
    last = next(i for i, line in enumerate(lines) if i > first and line and not line.startswith("    "))
    (tmp_path / "plugins").mkdir()
    code = "\n".join(line.removeprefix("    ") for line in lines[first:last])
    (tmp_path / "plugins" / "my_checks.py").write_text(code)
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setenv("MLSPATIAL_DATA", str(tmp_path / "data"))
    code_, _, err = call(entry.main, "--only", "mylab")
    assert code_ == 0
    assert runs.find(entry="verify")[0].metrics["cannot_run"] == 1
    (tmp_path / "data" / "mylab").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for noise, verdict in ((1.0, 1), (np.sqrt(5 * (1 / 0.81 - 1)), 0)):
        trials = rng.normal(size=(4000, 30, 1)) + noise * rng.normal(size=(4000, 30, 5))
        np.save(tmp_path / "data" / "mylab" / "trials.npy", trials)
        code_, _, err = call(entry.main, "--only", "mylab.reliability")
        assert code_ == verdict, err


# The page -------------------------------------------------------------------------------------------------------------


def test_the_page_has_the_checks_that_are_shipped() -> None:
    """Every check with its source, published value and tolerance; what was computed holds by them."""
    text = write.FILE.read_text()
    assert text.startswith(write.HEAD), "run `make checks`"
    rows = {}
    for part in text.split("\n## ")[2:]:
        field, _, body = part.partition("\n")
        rows |= {f"{field}.{row[1]}": row.groups()[1:] for row in ROW.finditer(body)}
    assert list(rows) == list(SHIPPED), "run `make checks`"
    for name, one in SHIPPED.items():
        what, published, computed, tolerance, verdict = rows[name]
        static = page.cells(base.Outcome(one, LACKS))
        assert (what, published, tolerance) == (page._escaped(static[1]), static[2], static[4]), "run `make checks`"
        assert verdict in (HOLDS, DIFFERS, LACKS) and bool(computed) == (verdict != LACKS), name
    assert sum(row[-1] == HOLDS for row in rows.values()) >= 220


def test_the_page_is_that_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fields that take a moment: the same words and digits."""
    monkeypatch.setenv("MLSPATIAL_DATA", str(RECORDINGS))
    fields = ["xie2025"] + ["kriegeskorte2008"] * (RECORDINGS / "kriegeskorte2008").is_dir()
    text = write.FILE.read_text()
    for field in fields:
        (_, made_here) = page.markdown([outcome(one) for one in chosen(field)]).split(f"## {field}\n")
        assert made_here.strip() in text
