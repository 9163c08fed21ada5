"""render asked again: in the folder it made, in another one, and when some of it is gone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrypoints import render as render_entry
from mlspatial.core.errors import DatasetError, UserError
from mlspatial.core.manifest import Manifest
from mlspatial.data.shards import is_whole, verify
from mlspatial.registry import runs
from mlspatial.registry.datasets import FOLDER, find_dataset, folders
from mlspatial.steps.render import FORMER_SHEET, LATENTS, SHEET, render
from tests.test_entrypoints import call

OPTIONS: dict[str, Any] = {
    "dataset": "tiny", "n_train": 300, "n_heldout": 10, "size": 16, "seed": 0, "categories": "apple",
    "translation": "full", "rotation": "clamped45", "objects": "procedural", "environments": "procedural:meadow",
    "renderer": "auto", "encoding": "jpeg", "device": "cpu", "workers": 1,
}  # fmt: skip
SHARDS = ("train/part-00000.parquet", "train/part-00001.parquet", "heldout/part-00000.parquet")


def ask(out: str = "", **changes: Any) -> str:
    return render(**(OPTIONS | {"out": out} | changes))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The dataset, drawn once for all tests."""
    from mlspatial.render.studio import Recipe
    from mlspatial.render.write import render_dataset

    folder = tmp_path_factory.mktemp("rendered") / "tiny"
    recipe = Recipe(300, 10, 16, 0, ("apple",), environments="procedural:meadow")
    render_dataset(recipe, folder, "tiny")
    return folder


@pytest.fixture
def first(registry: Path, rendered: Path) -> tuple[str, Path]:
    """(run, folder) of a render call, whose shards were there already."""
    shutil.copytree(rendered, registry / "first")
    return ask("first"), registry / "first"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The shards that are drawn from now on."""
    from mlspatial.render import write

    files: list[str] = []
    draw = write.render_shard

    def noted(recipe: Any, owner: str, folder: Path, split: str, file: str, *rest: int) -> Any:
        files.append(file)
        return draw(recipe, owner, folder, split, file, *rest)

    monkeypatch.setattr(write, "render_shard", noted)
    yield files


def test_asked_again_it_answers_whatever_the_workers(first: tuple[str, Path], drawn: list[str]) -> None:
    run_id, folder = first
    assert ask("first") == ask("first", workers=2) == ask() == run_id
    assert not drawn and not Path("data").exists()  # nobody asked for a folder
    assert folders(runs.get(run_id)) == [folder]


def test_another_folder_holds_it_too_without_drawing(first: tuple[str, Path], drawn: list[str]) -> None:
    run_id, folder = first
    assert ask("second") == run_id and ask("third/deep") == run_id and ask("second") == run_id
    assert not drawn
    for name in ("second", "third/deep"):
        assert verify(Path(name)) == Manifest.load(folder)
        assert all(os.path.samefile(folder / file, Path(name) / file) for file in SHARDS)  # no disk space
    record = runs.get(run_id)
    assert record.tags[FOLDER] == str(folder)
    assert folders(record) == [folder, Path("second").resolve(), Path("third/deep").resolve()]
    assert find_dataset("tiny")[0] == folder
    shutil.rmtree(folder)
    for name in ("tiny", str(record.dataset_id), "second"):
        where, manifest, made_by = find_dataset(name)
        assert where.resolve() == Path("second").resolve() and manifest.dataset_id == record.dataset_id
        assert made_by is not None and made_by.id == run_id
    assert ask() == run_id and ask("fourth") == run_id and not drawn


def test_another_disk_gets_copies(first: tuple[str, Path], drawn: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_links)
    assert ask("second") == first[0] and not drawn
    assert verify(Path("second")) and not os.path.samefile(first[1] / SHARDS[0], Path("second") / SHARDS[0])
    assert not [path.name for path in Path("second").rglob(".*") if path.is_file()]


def test_a_folder_that_is_half_filled_is_filled(
    first: tuple[str, Path], drawn: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlspatial.render import write

    fetch, fetched = write.fetch_shard, []

    def killed(*arguments: Any) -> bool:
        if fetched:
            raise KeyboardInterrupt
        fetched.append(arguments)
        return fetch(*arguments)

    monkeypatch.setattr(write, "fetch_shard", killed)
    with pytest.raises(KeyboardInterrupt):
        ask("second")
    dataset_id = runs.get(first[0]).dataset_id
    assert sum((Path("second") / file).is_file() for file in SHARDS) == 1 and not is_whole(Path("second"), dataset_id)
    assert folders(runs.get(first[0])) == [first[1]]
    monkeypatch.setattr(write, "fetch_shard", fetch)
    assert ask("second") == first[0] and verify(Path("second"))
    (Path("second") / SHARDS[1]).unlink()
    assert not is_whole(Path("second"), dataset_id)
    assert ask("second") == first[0] and verify(Path("second")) and not drawn
    shard = Path("second") / SHARDS[2]
    shard.unlink()
    shard.write_bytes((first[1] / SHARDS[2]).read_bytes()[:-100])  # half of a copy
    assert ask("second") == first[0] and verify(Path("second")) and not drawn


def test_what_is_damaged_where_it_was_is_drawn_and_not_copied(first: tuple[str, Path], drawn: list[str]) -> None:
    path = first[1] / SHARDS[2]
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)
    again = ask("second")  # a run of its own: what the first one made is whole nowhere
    assert again != first[0] and runs.get(again).dataset_id == runs.get(first[0]).dataset_id
    assert drawn == [SHARDS[2]] and verify(Path("second"))


def test_a_folder_with_another_dataset_is_left_alone(first: tuple[str, Path], registry: Path) -> None:
    other = ask("other", n_train=20)
    before = (registry / "other" / "manifest.json").read_bytes()
    with pytest.raises(DatasetError, match=r"other was made by another recipe \(n_train: there 20, asked 300\)"):
        ask("other")
    (registry / "letters").mkdir()
    (registry / "letters" / "a.txt").write_text("dear")
    arguments = [f"--{name}={value}" for name, value in OPTIONS.items()]
    code, _, err = call(render_entry.main, *arguments, "--out", "letters")
    assert code == 2 and "letters holds other files (a.txt, ...); choose an empty folder with out=" in err
    assert (registry / "other" / "manifest.json").read_bytes() == before
    assert runs.get(first[0]).status == runs.get(other).status == "FINISHED"


def test_what_is_gone_is_drawn_in_a_new_run(first: tuple[str, Path], drawn: list[str]) -> None:
    (first[1] / SHARDS[0]).unlink()
    (first[1] / "manifest.json").unlink()
    with pytest.raises(DatasetError, match=f"run {first[0]} made it in {first[1]}, where it no longer is"):
        find_dataset("tiny")
    again = ask("first")
    assert again != first[0] and drawn == [SHARDS[0]] and verify(first[1])  # the rest was there
    assert runs.get(again).dataset_id == runs.get(first[0]).dataset_id
    assert ask("first") == again


@pytest.mark.parametrize("artifact", [SHEET, LATENTS, "manifest.json"])
def test_artifacts_that_are_gone_are_made_again_without_drawing(
    first: tuple[str, Path], drawn: list[str], artifact: str
) -> None:
    runs.local(first[0], artifact).unlink()
    again = ask("first")
    assert again != first[0] and runs.local(again, artifact).is_file() and not drawn
    assert "images_per_s" not in runs.get(again).metrics  # nothing that rates could be learned from


def test_a_sheet_under_its_former_name_still_answers(first: tuple[str, Path], drawn: list[str]) -> None:
    sheet = runs.local(first[0], SHEET)
    former = sheet.parent / FORMER_SHEET
    sheet.rename(former)
    assert ask("first") == first[0] and not drawn
    former.unlink()
    assert ask("first") != first[0] and not drawn


def test_force_draws(first: tuple[str, Path], drawn: list[str]) -> None:
    again = ask("second", force=True)
    assert again != first[0] and sorted(drawn) == sorted(SHARDS)
    assert runs.get(again).metrics["images_per_s"] > 0


def test_a_dataset_is_never_taken_for_another_of_its_folder(first: tuple[str, Path]) -> None:
    run_id, folder = first
    old = runs.get(run_id)
    shutil.rmtree(folder)
    new = runs.get(ask("first", seed=1))
    assert new.dataset_id != old.dataset_id and find_dataset("tiny")[2] == new
    with pytest.raises(DatasetError, match=f"run {run_id} made it"):
        find_dataset(str(old.dataset_id))


def test_another_program_is_told_only_to_a_renderer_that_has_one(
    registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The engine of one's own has none; nothing of it stays in what later calls and their processes read."""
    before = dict(os.environ)
    ask("none", dry_run=True, tdw_build="TDW.x86_64", tdw_port=1200)
    assert dict(os.environ) == before
    line = "render: tdw_build=TDW.x86_64, tdw_port=1200 decide nothing with renderer=warp"
    assert line in "".join(capsys.readouterr())
    ask("none", dry_run=True)
    assert "decide nothing" not in "".join(capsys.readouterr())


def test_a_dry_run_refuses_what_the_call_refuses(registry: Path) -> None:
    """An object half a metre beside the axis and half a metre before the camera is out of the picture."""
    design = registry / "beside.yaml"
    design.write_text("crossings: {y: {y: [0, 0.1]}}\nheld: {x: 0.5, z: 0.5}\n")
    said = []
    for dry_run in (True, False):
        with pytest.raises(UserError, match="of the object is in the picture and above the floor") as refused:
            ask("none", design=str(design), dry_run=dry_run)
        said.append(str(refused.value))
    assert said[0] == said[1] and not (registry / "none").exists()
