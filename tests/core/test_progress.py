"""One line that fits, whatever is long in it; colours and bars only where somebody looks."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from mlspatial.core import progress
from mlspatial.core.progress import coloured, drawn, duration, line, shortened

ROOT = Path(__file__).resolve().parents[2]
LONG = "tune tune-0123456789abcdef0123456789abcdef of a search with a very long name indeed"
SCRIPT = """
import time
from mlspatial.core.progress import bar, coloured, say
with bar("train {what}", 5760, "img", initial=100) as shown:
    for _ in range(4):
        time.sleep(0.15)
        shown.set_postfix(refresh=False, loss="0.431")
        shown.update(64)
    say("a word in between")
    shown.update(64)
say(coloured("red", "red"))
"""


def on_a_terminal(script: str, columns: int = 80, **variables: str) -> str:
    """What a process writes that has a terminal of so many columns."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, columns))
    variables = {"COLUMNS": "", **variables}
    environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT), **variables}
    with subprocess.Popen([sys.executable, "-c", script], stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        parts = []
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # the other end is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(master)
    assert process.returncode == 0
    return b"".join(parts).decode()


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


@pytest.mark.parametrize("columns", [79, 100, 50])
@pytest.mark.parametrize("what", ["train", LONG])
@pytest.mark.parametrize("bar", [True, False])
def test_a_line_fits_and_keeps_its_numbers(what: str, columns: int, bar: bool) -> None:
    text = line(what, 1280, 5760, "img", 312.4, "loss=0.431", columns, bar)
    if columns >= 79:
        assert text.endswith("1,280 of 5,760 img, 312 img/s, 14 s left, loss=0.431")  # (5760 - 1280) / 312.4 = 14.3
    assert len(text) <= columns
    assert text.startswith(what[:7] if what == LONG else what) and text.endswith("loss=0.431")


def test_rates_below_one_a_second_are_told_as_times() -> None:
    assert "12 s each, 24 s left" in line("tune", 1, 3, "trial", 1 / 12, "", 79, False)
    assert "2.50 item/s" in line("compare", 1, 3, "item", 2.5, "", 79, False)
    assert line("extract", 448.0, 500, "img", None, "", 79, False) == "extract: 448 of 500 img"
    assert line("compare", 3, 3, "item", None, "", 79, False) == "compare: 3 of 3 item"


def test_small_words() -> None:
    assert [duration(s) for s in (40, 720, 12_000, 187_200)] == ["40 s", "12 min", "3 h 20 min", "2 d 4 h"]
    assert shortened("abcdefghijklmnop", 10) == "abcd...nop" and shortened("short", 10) == "short"
    assert drawn(0.5, 4) == progress.FULL * 2 + progress.EMPTY * 2 and len(drawn(7.0, 5)) == 5


@pytest.mark.parametrize("what", ["4 networks", LONG])
def test_a_terminal_of_80_columns_gets_one_line_that_is_written_over(what: str) -> None:
    told = on_a_terminal(SCRIPT.replace("{what}", what), MLSPATIAL_PROGRESS="1")
    shown = [plain(part).rstrip() for line in told.split("\n") for part in line.split("\r")]
    assert all(len(part) < 80 for part in shown)
    bars = [part for part in shown if " of 5,760 img" in part]
    assert len(bars) >= 3 and bars[-1].endswith("loss=0.431") and "left" in bars[-1] and "420 of" in bars[-1]
    assert "a word in between" in shown
    assert "\x1b[31mred\x1b[0m" in told


def test_no_color_is_respected_and_silence_keeps_what_is_said() -> None:
    told = on_a_terminal(SCRIPT.replace("{what}", "x"), MLSPATIAL_PROGRESS="1", NO_COLOR="1")
    assert "\x1b[3" not in told and (progress.FULL in told or progress.EMPTY in told)
    quiet = on_a_terminal(SCRIPT.replace("{what}", "x"), MLSPATIAL_PROGRESS="0", NO_COLOR="1")
    assert quiet.split() == ["a", "word", "in", "between", "red"]


def test_a_pipe_gets_whole_lines_without_colours_and_without_losing_the_loss() -> None:
    environment = {**os.environ, "MLSPATIAL_PROGRESS": "1", "PYTHONPATH": str(ROOT)}
    script = SCRIPT.replace("{what}", "translation+rotation+category seed 12 of a long name")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    word, last, red = done.stderr.splitlines()
    assert (word, red) == ("a word in between", "red")
    assert last.endswith("loss=0.431") and "420 of 5,760 img" in last and len(last) < 80


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert coloured("word", "green", io.StringIO()) == "word"
    assert coloured("word", "green", _Terminal()) == "\x1b[32mword\x1b[0m"
    monkeypatch.setenv("TERM", "dumb")
    assert coloured("word", "green", _Terminal()) == "word"
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured("word", "green", _Terminal()) == "word"
