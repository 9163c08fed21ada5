"""The table of what was measured, and the command that measures anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speed import bench, table

LINE = {"case": "products", "ours": 1.0, "alternative": 4.0, "unit": "CPU-seconds", "alternative_name": "loops",
        "n": 10, "error": 2e-7, "peak_mib": 100, "machine": "A processor, 2 cores, Python 3.11.7"}  # fmt: skip


def test_the_page_is_that_of_the_lines_that_are_kept() -> None:
    assert table.PAGE.read_text() == table.page(table.kept()), "run `python -m speed.table`"


def test_runs_of_a_case_share_a_row_and_other_sizes_and_alternatives_do_not() -> None:
    other = LINE | {"ratio": 9.0, "machine": "B processor, 8 cores, Python 3.12.1"}
    lines = [LINE | {"ratio": 4.0}, LINE | {"ratio": 6.0, "error": 3e-7, "peak_mib": 120}, other]
    lines += [LINE | {"ratio": 40.0, "n": 100}, LINE | {"ratio": 2.0, "alternative_name": "a | b"}, LINE]  # no ratio
    first, larger, against = table.rows("cka", lines)
    assert first[:5] == ["cka: products (n = 10)", "loops", "6 (4 to 9, 3 runs)", "3e-07", "120"]
    assert larger[0] == "cka: products (n = 100)" and larger[2] == "40" and against[1] == "a | b"
    text = table.page({"cka": lines})
    assert "| 6 (4 to 9, 3 runs) | 3e-07 | 120 | 1, 2 |" in text and "| a \\| b |" in text
    assert text.endswith("1. A processor, 2 cores, Python 3.11.7\n2. B processor, 8 cores, Python 3.12.1\n")


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of scripts: one that measures, one that lacks a package, one that fails, one without a quick form."""
    folder = tmp_path / "timed"
    folder.mkdir()
    line = LINE | {"ratio": 4.0}
    texts = {
        "__init__": "",
        "good": 'import sys, json\nassert sys.argv[1:] == ["--quick"]\nprint("words")\nprint(json.dumps(' + f"{line}))",
        "lacking": '"--quick"\nimport no_such_package',
        "wrong": '"--quick"\nraise ValueError("no such thing")',
        "library": "x = 1",
    }
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    results = tmp_path / "results"
    results.mkdir()
    run = bench.run
    monkeypatch.setattr(bench, "scripts", lambda known=bench.scripts: known(folder))
    monkeypatch.setattr(bench, "HERE", folder)
    monkeypatch.setattr(bench, "run", lambda name: run(name, "timed"))
    monkeypatch.setattr(table, "RESULTS", results)
    monkeypatch.setattr(table, "PAGE", tmp_path / "speed.md")
    return tmp_path


def test_every_script_is_run_and_what_cannot_be_is_named(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.scripts() == ["good", "lacking", "wrong"]
    assert bench.main([]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out.splitlines()[0])["ratio"] == 4.0
    assert "good: products (n = 10)" in told.out and "failed: wrong: ValueError: no such thing" in told.out
    assert "cannot run here: lacking: ModuleNotFoundError: No module named 'no_such_package'" in told.out
    assert not list((few / "results").iterdir()) and not (few / "speed.md").exists()


def test_what_is_kept_is_in_the_page_and_beside_the_next_run(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--only", "good,lacking", "--keep"]) == 0
    assert (few / "speed.md").read_text() == table.page(table.kept()) and "good: products" in (
        few / "speed.md"
    ).read_text()
    capsys.readouterr()
    assert bench.main(["--only", "good"]) == 0
    words = ["good:", "products", "(n", "=", "10)"]
    assert capsys.readouterr().out.splitlines()[-1].split() == ["4", "4", "2e-07", "100", *words]
    with pytest.raises(SystemExit) as no:
        bench.main(["--only", "goood"])
    assert no.value.code == 2 and "no script goood; choose from good, lacking, wrong" in capsys.readouterr().err
