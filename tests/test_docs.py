"""The commands that the documentation shows are run, or at least understood."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

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
def test_the_tutorial_runs(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "studies", registry / "studies")
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(), flags=re.S)
    lines = [line for block in blocks for line in block.strip().splitlines()]
    assert len(lines) >= 8
    for line in lines:
        _, _, module, *words = shlex.split(line)
        main = importlib.import_module(module).main
        assert isinstance(main, click.Command)
        main.main(words, standalone_mode=False)
        printed = capsys.readouterr().out.strip().splitlines()
        if module.startswith("entrypoints.") and "--dry_run" not in words:
            assert re.fullmatch(r"run [0-9a-f]{32}", printed[-1]), line
    assert (registry / "reports" / "mine" / "report.html").is_file()
