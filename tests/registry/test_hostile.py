"""What others wrote into a registry leads to no folder that nobody here has named, and is text in every page."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mlspatial.core.errors import DatasetError
from mlspatial.core.manifest import Manifest
from mlspatial.core.names import DATASET_ID, FOLDER
from mlspatial.registry import named, notes, runs
from mlspatial.registry.datasets import COPIES, find_dataset, is_there


@pytest.fixture
def elsewhere(
    registry: Path, small_dataset: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, runs.RunRecord]:
    """A dataset outside of the project, and a run that says it is there."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(registry / "settings"))
    monkeypatch.delenv("MLSPATIAL_DATA", raising=False)
    folder = tmp_path_factory.mktemp("elsewhere") / "small"
    shutil.copytree(small_dataset, folder)
    spec = runs.Spec("render", 1, {}, {"dataset": "small"})
    with runs.open_run(spec, name="render small") as run:
        run.set_tags({DATASET_ID: Manifest.load(folder).dataset_id, FOLDER: str(folder)})
    return folder, runs.get(run.id)


def test_a_folder_that_only_the_registry_names_is_asked_for(elsewhere: tuple[Path, runs.RunRecord]) -> None:
    folder, record = elsewhere
    for name in ("small", str(record.dataset_id)):
        with pytest.raises(DatasetError, match=r"neither in this project nor in MLSPATIAL_DATA") as problem:
            find_dataset(name)
        told = str(problem.value)
        assert f"name the folder once (dataset={folder} of train)" in told and "\n" not in told
    assert not is_there(record)  # for whoever only asks whether
    with pytest.raises(DatasetError, match="nobody here has named this folder"):
        find_dataset(str(folder), typed=False)  # what the registry says is no word of a person
    assert not is_there(record)
    assert find_dataset(str(folder))[0] == folder  # the advice
    assert find_dataset("small")[0] == folder and is_there(record)


def test_the_other_advice_works_too(elsewhere: tuple[Path, runs.RunRecord], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, record = elsewhere
    monkeypatch.setenv("MLSPATIAL_DATA", str(folder.parent))
    assert find_dataset("small")[0] == folder and is_there(record)


def test_a_way_out_of_the_project_is_no_way(elsewhere: tuple[Path, runs.RunRecord], registry: Path) -> None:
    folder, record = elsewhere
    (registry / "data").mkdir()
    for way in (Path(f"{registry}/data/../../{folder.parent.name}/small"), registry / "data" / "link"):
        if way.name == "link":
            way.symlink_to(folder)
        runs.Run(record.id).set_tags({FOLDER: str(way), COPIES: str(way)})
        with pytest.raises(DatasetError, match="neither in this project"):
            find_dataset("small")


def test_a_copy_in_the_project_is_used_and_the_other_not_looked_at(
    elsewhere: tuple[Path, runs.RunRecord], registry: Path
) -> None:
    folder, record = elsewhere
    shutil.copytree(folder, registry / "data" / "small")
    runs.Run(record.id).set_tags({COPIES: str(registry / "data" / "small")})
    assert find_dataset("small")[0] == registry / "data" / "small"
    named.remember(registry / "data" / "small")
    assert not (registry / "settings" / "mlspatial" / "datasets.txt").exists()  # what is in the project needs no list


EVIL = (
    "<img src=x onerror=alert(1)>",
    "</td><script>alert(1)</script>",
    "[x](javascript:alert(1))",
    "![x](https://evil.example/t.png)",
    "https://evil.example/",
    "a|b\n\n# heading",
    "`code` *bold* _it_ ~~s~~",
    "&lt;b&gt;",
)


@pytest.mark.parametrize("name", EVIL)
def test_names_stay_names_in_descriptions(registry: Path, name: str) -> None:
    import markdown

    with runs.open_run(runs.Spec("score", 1, {"dataset_id": name}, {}), name="s") as run:
        run.describe(notes.table(["network", name], [[name, 1.0]]))
        run.describe(notes.facts({name: name}))
    text = runs.get(run.id).tags[notes.NOTE].replace("**Inputs**", "")
    page = markdown.markdown(text, extensions=["tables"])
    assert not any(
        part in page for part in ("<img", "<script", 'javascript:alert(1)"', "<h1", "<strong", "<code", "<em")
    )
    assert 'href="http' not in page and "onerror=alert(1)>" not in page


def test_ordinary_names_are_as_they_were() -> None:
    for name in ("resnet18.spatial117.distance", "visual_task", "V4/IT", "train_loss 3", "ResNet-18 (seed 0)"):
        assert notes._text(name) == name
