"""The house rules: who may import whom, one contract in two places, pins, sizes, documentation."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml

from mlspatial import mlproject, reference
from mlspatial.cli import entries
from mlspatial.core.parameters import WAIT

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "mlspatial"
ENTRIES = sorted(path.stem for path in (ROOT / "entrypoints").glob("*.py") if path.stem != "__init__")

#: room -> rooms of ours that it may import; imports go down only
MAY_SEE = {
    "core": set(),
    "analysis": {"core"},
    "data": {"core"},
    "tasks": {"core"},
    "models": {"core", "analysis"},  # a sink gathers what an analysis works on
    "render": {"core", "data"},
    "train": {"core", "analysis", "tasks", "models", "data"},
    "benchmarks": {"core", "models", "analysis"},
    "registry": {"core", "models", "data"},  # datasets that it fetches
    "compare": {"core", "registry", "analysis", "train"},
    "papers": {"core", "analysis", "compare"},
    "steps": {"core", "data", "tasks", "models", "render", "train", "benchmarks", "registry", "analysis"}
    | {"compare", "papers"},
    "study": {"core", "registry", "steps"},
    "verify": {"core", "data", "tasks", "models", "render", "benchmarks", "registry", "analysis", "compare", "papers"}
    | {"steps"},
    "console": {"core", "registry", "benchmarks", "render", "steps"},
    "cli": {"core", "registry", "steps", "study", "verify", "console"},
    "__main__": {"cli"},
    "mlproject": {"core", "cli", "reference"},
    "reference": {"core"},
}

#: package -> the only files that may import it, patterns with spaces between
ONLY = {
    "mlflow": "registry/*.py registry/read/*.py",
    "brainscore_vision": "benchmarks/brainscore/*.py",
    "warp": "render/warp/*.py",
    "trimesh": "render/library/files.py",
    "tdw": "render/tdw/*.py",
    "zmq": "render/tdw/*.py",
    "timm": "models/sources/timm.py",
    "open_clip": "models/sources/openclip.py",
    "onnx": "models/exports/onnx_file.py",
    "onnxruntime": "models/exports/onnx_file.py",
    "visualpriors": "models/sources/taskonomy.py",
}
NO_TORCH = ("core",)
BY_NAME = ("import_module", "__import__", "import_all")
#: files that import what only a running program knows -> what it can be
DISCOVERS: dict[str, set[str]] = {
    "core/plugins.py": set(),  # what lies below a package that is handed over, and a user's own files
    "papers/base.py": set(),  # what lies below the package of a paper
    "models/sources/python.py": set(),  # a module of the user, by its name
    "study/workers.py": {"mlspatial.steps"},  # the function of an entry, by its name
}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Names of what a file imports, by statements, by import_module("a.b") and by import_all(a module)."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Call) and (by := ast.unparse(node.func).rpartition(".")[2]) in BY_NAME:
            names |= named(path, by, node.args[0])
    return names


def named(path: Path, by: str, what: ast.expr) -> set[str]:
    """The module that a call imports; fails where only a running program knows it."""
    if by == "import_all" and ast.unparse(what) == "sys.modules[__name__]":
        return set()  # what lies below the file's own package
    if by == "import_all" and isinstance(what, ast.Name) and what.id in modules_bound(path):
        return set()  # counted where it is imported
    if isinstance(what, ast.Constant):
        return {str(what.value)}
    start = what.values[0] if isinstance(what, ast.JoinedStr) and what.values else None
    if isinstance(start, ast.Constant) and "." in str(start.value):
        return {str(start.value).rpartition(".")[0]}
    known = DISCOVERS.get(str(path).removeprefix(f"{PACKAGE}/"))
    assert known is not None, f"{path}: {by}({ast.unparse(what)}) hides what it imports"
    return known


def modules_bound(path: Path) -> set[str]:
    """Names that import statements of a file bind to a package or module of ours."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            places = {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name for name, place in places.items() if (ROOT / place.replace(".", "/")).is_dir()}
    return found


def room(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    names = imported(path)
    here = room(path)
    if here != "__init__":
        seen = {name.split(".")[1] for name in names if name.startswith("mlspatial.")} - {here}
        assert "entrypoints" not in {name.split(".")[0] for name in names}
        assert seen <= MAY_SEE[here], f"{here} must not import {sorted(seen - MAY_SEE[here])}"
    outside = {name.split(".")[0] for name in names}
    for package, pattern in ONLY.items():
        if package in outside:
            assert any(path.match(str(PACKAGE / one)) for one in pattern.split()), (
                f"only {pattern} may import {package}"
            )
    assert not (here in NO_TORCH and outside & {"torch", "torchvision"})


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('importlib.import_module("mlspatial.steps.train")', {"mlspatial.steps.train"}),
        ('import_module(f"mlspatial.steps.{entry}")', {"mlspatial.steps"}),
        ('__import__("torch")', {"torch"}),
        ("import_all(sys.modules[__name__])", set()),
        ("from mlspatial.compare import tables\nimport_all(tables)", {"mlspatial.compare", "mlspatial.compare.tables"}),
        ("import_module(name)", None),
        ('import_module(f"{package}.{name}")', None),
        ("import_all(package)", None),
        ("from mlspatial.compare.table import TABLES\nimport_all(TABLES)", None),
    ],
)
def test_the_walk_follows_imports_by_name(tmp_path: Path, line: str, found: set[str] | None) -> None:
    file = tmp_path / "module.py"
    file.write_text(line)
    if found is None:
        with pytest.raises(AssertionError, match="hides what it imports"):
            imported(file)
    else:
        assert imported(file) == found


def test_mlproject_is_written_from_the_parameters() -> None:
    found = {entry.name: entry for entry in entries()}
    assert list(found) == ENTRIES
    written = (ROOT / "MLproject").read_text()
    assert written == mlproject.text(found.values()), "run `make mlproject`"
    assert (ROOT / "docs" / "parameters.md").read_text() == reference.text(found.values()), "run `make mlproject`"
    for name, stated in yaml.safe_load(written)["entry_points"].items():
        assert stated["command"].startswith(f"exec python -m entrypoints.{name} ")
        assert list(stated["parameters"]) == [parameter.name for parameter in found[name].parameters]
        for parameter in found[name].parameters:
            given = stated["parameters"][parameter.name]
            assert f"--{parameter.name} {{{parameter.name}}}" in stated["command"]
            assert given["type"] == ("float" if parameter.kind in (int, float) else "string")
            if parameter.required:
                assert "default" not in given
            else:  # as MLflow hands it over: as text
                assert parameter.convert(str(given["default"])) == parameter.default


@pytest.mark.parametrize("entry", ENTRIES)
def test_the_work_takes_every_parameter_of_its_entry_point(entry: str) -> None:
    found = next(one for one in entries() if one.name == entry)
    taken = inspect.signature(inspect.unwrap(found.run)).parameters
    told = {parameter.name for parameter in found.parameters if parameter is not WAIT}  # which is seen to above it
    assert any(one.kind is one.VAR_KEYWORD for one in taken.values()) or told <= set(taken)


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


def test_what_is_no_python_is_packaged() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["mlspatial"]
    others = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".md")]
    assert {path.suffix for path in others} >= {".yaml", ".csv", ".css", ".j2"}
    for path in others:
        assert any(path.match(pattern) for pattern in patterns), path


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
    if "library" in path.parts or "skies" in path.parts or "warp" in path.parts:
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
