"""A user's own code: found in folders and packages, run once, told of, and told apart by what it says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlspatial.core import code
from mlspatial.core.code import code_id
from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.plugins import Plugins, load_own

TOOLS: Plugins[str] = Plugins("tool")
TOOLS.register("hammer")("built in")


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test imports from its folder is forgotten behind it, and what it registers."""
    items = dict(TOOLS._items)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name, module in list(sys.modules.items()):
        if str(tmp_path) in (getattr(module, "__file__", None) or ""):
            del sys.modules[name]
    TOOLS._items = items
    code._read.cache_clear()


def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **files: str) -> Path:
    """A folder of plugins with these modules, named by the environment."""
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(tmp_path))
    return tmp_path


REGISTERS = "from tests.core.test_plugins import TOOLS\nTOOLS.register('{}')('{}')\n"


def test_files_of_folders_register_once_and_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    for place in (first, second / "pliers_kit"):
        place.mkdir(parents=True)
    folder(first, monkeypatch, saw_tool="import saw_parts\n" + REGISTERS.format("saw", "mine"), saw_parts="TEETH = 3\n")
    (second / "pliers_kit" / "__init__.py").write_text(REGISTERS.format("pliers", "a package"))
    monkeypatch.setenv("MLSPATIAL_PLUGINS", os.pathsep.join([str(first), str(second)]))
    assert list(TOOLS) == ["hammer", "pliers", "saw"] and TOOLS["saw"] == "mine" and len(TOOLS) == 3
    assert "pliers" in TOOLS and TOOLS["pliers"] == "a package"
    told = capsys.readouterr().err.splitlines()
    assert told == [f"plugins: running {first}/saw_parts.py, {first}/saw_tool.py, {second}/pliers_kit"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("def x(:", "SyntaxError: invalid syntax"),
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        (REGISTERS.format("hammer", "again"), "ValueError: tool 'hammer' is registered twice"),
    ],
)
def test_a_broken_file_is_one_line_at_every_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    folder(tmp_path, monkeypatch, broken_tool=text)
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            TOOLS["hammer"]
        message = str(caught.value)
        assert f"plugin {tmp_path}/broken_tool.py: {words}" in message and "\n" not in message
    monkeypatch.setenv("MLSPATIAL_PLUGINS", "")
    assert TOOLS["hammer"] == "built in"


def test_folders_and_names_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"MLSPATIAL_PLUGINS=.*/nowhere: there is no such folder"):
        TOOLS["hammer"]
    folder(tmp_path, monkeypatch, random="X = 1\n")
    with pytest.raises(UserError, match=r"random\.py: another module has this name \(.*; rename the file"):
        TOOLS["hammer"]


def test_a_plugin_sees_what_is_there_while_it_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from tests.core.test_plugins import TOOLS\nTOOLS.register('both')(TOOLS['hammer'] + ' and mine')\n"
    folder(tmp_path, monkeypatch, both_tool=text)
    assert TOOLS["both"] == "built in and mine"
    with pytest.raises(UnknownName, match="unknown tool 'bot'; did you mean both"):
        TOOLS["bot"]


def test_installed_packages_by_their_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = tmp_path / "their_tools-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: their-tools\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[mlspatial.plugins]\ntheirs = their_tools\n")
    (tmp_path / "their_tools.py").write_text(REGISTERS.format("drill", "theirs"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("MLSPATIAL_PLUGINS", str(tmp_path / "empty"))
    load_own()
    assert TOOLS["drill"] == "theirs"


def test_another_process_runs_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this package having been told: the environment is what workers inherit."""
    text = "from mlspatial.core.plugins import Plugins\nPARTS = Plugins('part')\nPARTS.register('mine')(1)\n"
    folder(tmp_path, monkeypatch, parts_of_mine=text)
    script = (
        "from mlspatial.core.plugins import Plugins; len(Plugins('x')); import parts_of_mine as p; print(list(p.PARTS))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['mine']" and done.stderr.count("plugins: running") == 1


def test_code_has_an_id_that_changes_with_it_and_with_what_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "mypackage"
    package.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))

    def id_with(**texts: str) -> str:
        for name, text in texts.items():
            (package / f"{name}.py").write_text(text)
        code._read.cache_clear()
        return code_id("mypackage.nets")

    nets = "from . import blocks\nimport helper\nimport json, numpy\n\ndef net():\n    return blocks.WIDTH\n"
    (tmp_path / "helper.py").write_text("DEPTH = 2\n")
    first = id_with(nets=nets, blocks="WIDTH = 3\n")
    assert len(first) == 64 and "mypackage" not in sys.modules  # told without running it
    assert id_with(nets=nets.replace("\n\n", "\n\n\n# of mine\n"), blocks="WIDTH = 3  # pixels\n") == first
    assert id_with(nets=nets, blocks="WIDTH = 4\n") != first
    assert id_with(blocks="WIDTH = 3\n") == first
    (tmp_path / "helper.py").write_text("DEPTH = 3\n")
    assert id_with() != first
    assert code_id("json.decoder") != "" and code_id("json.decoder") == code_id("json.decoder", ["torch.nn", "os"])
    assert code_id("", ["torch.nn", "numpy"]) == code_id("mlspatial.core.code") == code_id("") == ""
    assert code_id("", ["mypackage.blocks"]) == code_id("mypackage.blocks") != ""
