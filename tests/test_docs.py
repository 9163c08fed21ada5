"""The commands that the documentation shows are run, or at least understood."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from mlspatial.registry import runs
from mlspatial.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ENTRY = re.compile(r"^(?:torchrun .*? -m|python -m) entrypoints\.(\w+)(.*)$|^mlflow run \. -e (\w+)(.*)$")


def commands(page: Path) -> list[tuple[str, list[str]]]:
    """(entry, words) of every command of an entry point in a page, whether in a block or in the text."""
    text = page.read_text()
    spans = re.findall(r"`((?:python -m entry|torchrun|mlflow run)[^`]*)`", re.sub(r"```.*?```", "", text, flags=re.S))
    lines = [line.strip() for line in text.splitlines() if re.match(r"\s*(python -m entry|torchrun|mlflow run)", line)]
    found = []
    for line in [*lines, *spans]:
        line = " ".join(line.split("`")[0].split("  #")[0].split())
        if match := ENTRY.match(line):
            entry, words = match[1] or match[3], shlex.split(match[2] or match[4] or "")
            if match[3]:  # -P name=value, and MLflow's own --env-manager
                pairs = [words[i + 1] for i, word in enumerate(words) if word == "-P"]
                words = [part for pair in pairs for part in (f"--{pair.split('=')[0]}", pair.split("=", 1)[1])]
            found.append((entry, words))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_understood(page: Path) -> None:
    for entry, words in commands(page):
        if entry.isupper() or "..." in words or any(word.isupper() for word in words):
            continue  # a pattern, not a command
        command = importlib.import_module(f"entrypoints.{entry}").main
        required = {f"--{option.name}" for option in command.params if option.required}
        if required <= set(words):
            command.make_context(entry, list(words))
        else:  # a shortened mention: its options must exist
            known = {f"--{option.name}" for option in command.params}
            assert {word for word in words if word.startswith("--")} <= known, (entry, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.timeout(3600)
@pytest.mark.slow
def test_the_tutorial_runs(registry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "studies", registry / "studies")
    text = (ROOT / "docs" / "tutorial.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, flags=re.S)
    lines = [line for block in blocks for line in block.strip().splitlines()]
    assert len(lines) >= 11
    for name, code in re.findall(r"`(mytasks/\w+\.py)`:\n\n```python\n(.*?)```", text, flags=re.S):
        (registry / name).parent.mkdir()
        (registry / name).write_text(code)
    before = set(TASKS._items)
    try:
        follow(lines, monkeypatch, capsys)
        (height,) = runs.find(entry="train", where="params.`cfg.task` = 'height'")
        assert height.status == "FINISHED" and "name: mine" in (registry / "studies" / "mine.yaml").read_text()
    finally:
        for name in set(TASKS._items) - before:
            del TASKS._items[name]
    assert (registry / "reports" / "mine" / "report.html").is_file()


def follow(lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Do what the lines of a shell say: every one of ours says how long it takes, and ends with the ids of its runs."""
    for line in lines:
        if line.startswith("sed "):
            subprocess.run(line, shell=True, check=True)
            continue
        first, *rest = shlex.split(line, comments=True)
        if first == "export":
            monkeypatch.setenv(*rest[0].split("=", 1))
            continue
        assert re.search(r"  # (about )?\d+ (s|min)", line), line
        _, module, *words = rest
        if module == "mlspatial":
            module = "mlspatial.cli"
        main = importlib.import_module(module).main
        assert isinstance(main, click.Command)
        main.main(words, standalone_mode=False)
        printed = capsys.readouterr().out.strip().splitlines()
        if module.startswith("entrypoints.") and "--dry_run" not in words:
            assert re.fullmatch(r"run [0-9a-f]{32}", printed[-1]), line
