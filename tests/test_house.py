"""The house rules: who may import whom, one contract in two places, pins, sizes, documentation."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import click
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mlspatial"
ENTRIES = sorted(path.stem for path in (ROOT / "entrypoints").glob("*.py") if path.stem not in ("__init__", "common"))

#: room -> rooms of ours that it may import; imports go down only
MAY_SEE = {
    "core": set(),
    "analysis": {"core"},
    "data": {"core"},
    "tasks": {"core"},
    "models": {"core", "analysis"},  # a sink gathers what an analysis works on
    "render": {"core", "data"},
    "train": {"core", "tasks", "models", "data"},
    "benchmarks": {"core", "models", "analysis"},
    "registry": {"core", "models"},
    "compare": {"core", "registry", "analysis"},
    "steps": {"core", "data", "tasks", "models", "render", "train", "benchmarks", "registry", "compare", "analysis"},
    "study": {"core", "registry", "steps"},
}

#: package -> the only files that may import it
ONLY = {
    "mlflow": "registry/*.py",
    "brainscore_vision": "benchmarks/brainscore*.py",
    "warp": "render/warp_*.py",
    "trimesh": "render/library/files.py",
}
NO_TORCH = ("core",)


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def room(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    names = imported(path)
    here = room(path)
    if here != "__init__":
        seen = {name.split(".")[1] for name in names if name.startswith("mlspatial.")} - {here}
        assert seen <= MAY_SEE[here], f"{here} must not import {sorted(seen - MAY_SEE[here])}"
    outside = {name.split(".")[0] for name in names}
    for package, pattern in ONLY.items():
        if package in outside:
            assert path.match(str(PACKAGE / pattern)), f"only {pattern} may import {package}"
    assert not (here in NO_TORCH and outside & {"torch", "torchvision"})


def options(command: click.Command) -> dict[str, click.Parameter]:
    return {str(option.name): option for option in command.params}


@pytest.mark.parametrize("entry", ENTRIES)
def test_mlproject_and_click_agree(entry: str) -> None:
    project = yaml.safe_load((ROOT / "MLproject").read_text())
    assert sorted(project["entry_points"]) == ENTRIES
    stated = project["entry_points"][entry]
    parameters, command = stated["parameters"], stated["command"]
    known = options(importlib.import_module(f"entrypoints.{entry}").main)
    assert list(parameters) == list(known)
    for name, option in known.items():
        assert f"--{name} {{{name}}}" in command
        if option.required:
            assert "default" not in parameters[name]
        else:
            default = parameters[name]["default"]
            assert option.type.convert(default, option, None) == option.type.convert(option.default, option, None)
    assert command.startswith(f"exec python -m entrypoints.{entry} ")


@pytest.mark.parametrize("entry", ENTRIES)
def test_entry_points_are_thin_and_documented(entry: str) -> None:
    path = ROOT / "entrypoints" / f"{entry}.py"
    assert len(path.read_text().splitlines()) <= 60
    command = importlib.import_module(f"entrypoints.{entry}").main
    assert command.help
    assert all(isinstance(option, click.Option) and option.help for option in command.params)


def test_the_environment_is_pinned_and_names_no_host() -> None:
    conda = yaml.safe_load((ROOT / "conda.yaml").read_text())
    assert conda["dependencies"][-1] == {"pip": ["-r requirements.txt"]}
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in filter(None, (ROOT / name).read_text().splitlines()):
            assert re.fullmatch(r"[a-z0-9._-]+(\[[a-z,]+\])?==[^ @]+( ; .*)?", line), line
    for path in [*ROOT.glob("*"), *(ROOT / ".ci").iterdir()]:
        if path.is_file() and path.suffix not in (".db", ".lock") and not path.name.startswith("mlflow.db"):
            assert not re.search(r"index[-_]url|find[-_]links|https?://[^\s/]*(pypi|mirror)", path.read_text(), re.I), (
                path
            )


def test_what_is_asked_for_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()}
    for line in (ROOT / "requirements.in").read_text().splitlines():
        if line and not line.startswith("#"):
            assert re.split(r"[=<>]", line)[0].lower() in pinned


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_files_are_of_a_size_to_read(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_public_things_are_documented(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert path.stat().st_size == 0 or ast.get_docstring(tree), "a module says what it owns"
    if "library" in path.parts or "skies" in path.parts or path.stem.startswith("warp_"):
        return
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_the_readme_begins_with_the_two_commands_and_names_every_entry_point() -> None:
    readme = (ROOT / "README.md").read_text()
    assert readme.index("make quickstart") < readme.index("make test") < 900
    for entry in ENTRIES:
        assert re.search(rf"\b{entry}\b", readme), entry
    for link in re.findall(r"\]\(([^)#:]+)\)", readme):
        assert (ROOT / link).exists(), link
