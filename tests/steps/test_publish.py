"""render --publish: a dataset without a shared disk, into the registry's store or an address, and the way back."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from entrypoints import decode as decode_entry
from entrypoints import render as render_entry
from entrypoints import similarity as similarity_entry
from entrypoints import train as train_entry
from entrypoints import tuning as tuning_entry
from mlspatial.console.clean import clean
from mlspatial.core.errors import BadValue, DatasetError, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.manifest import CHECK, MANIFEST, Manifest
from mlspatial.core.names import cache_folder
from mlspatial.data import arriving
from mlspatial.data.pieces import COPY, INDEX, Index
from mlspatial.data.shards import is_whole, read_columns, verify
from mlspatial.registry import dataset_stores, lives, runs
from mlspatial.registry.datasets import find_dataset, folders, is_there, whole_dataset
from mlspatial.registry.published import PUBLISHED, origin, publish_command, stated
from mlspatial.registry.store import client
from mlspatial.steps.publish import VARIABLE, asked
from tests.steps.test_datasets import OPTIONS, ask
from tests.test_entrypoints import call

TINY = {**OPTIONS, "n_train": 300, "n_heldout": 40, "size": 32}
TRAIN = ("--task", "distance", "--dataset", "tiny", "--arch", "resnet18w8", "--batches", "6", "--batch_size", "20",
         "--device", "cpu")  # fmt: skip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """The dataset, drawn once for all tests."""
    from mlspatial.render.studio import Recipe
    from mlspatial.render.write import render_dataset

    folder = tmp_path_factory.mktemp("drawn") / "tiny"
    render_dataset(Recipe(300, 40, 32, 0, ("apple",), environments="procedural:meadow"), folder, "tiny")
    return folder


@pytest.fixture
def made(registry: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., runs.RunRecord]:
    """render with these changes, in the folder tiny, with an artifact store that can be looked into."""
    monkeypatch.setenv("MLSPATIAL_CACHE", str(registry / "cache"))

    def make(**changes: Any) -> runs.RunRecord:
        if not (registry / "here").exists() and not changes.pop("gone", False):
            shutil.copytree(drawn, registry / "here")
        return runs.get(ask("here", **{**TINY, **changes}))

    return make


@pytest.fixture
def elsewhere(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Another machine from now on: the folder is not there, and the cache is another one."""

    def move() -> None:
        (registry / "here").rename(registry / "hidden")
        shutil.rmtree(registry / "other", ignore_errors=True)
        monkeypatch.setenv("MLSPATIAL_CACHE", str(registry / "other"))

    return move


def store_of(run: runs.RunRecord) -> Path:
    return runs.local(run.id, MANIFEST).parent / "dataset"


def numbers(run_id: str) -> dict[str, float]:
    """The metrics of a run that are no speed."""
    return {name: value for name, value in runs.get(run_id).metrics.items() if "/" in name}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def weights(run_id: str) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    (model,) = (m for m in client().search_logged_models([runs.get(run_id).experiment]) if m.source_run_id == run_id)
    return load_file(Path(model.artifact_location.removeprefix("file://"), "artifacts", "weights.safetensors"))


def test_a_training_elsewhere_gives_the_same_weights(made: Any, elsewhere: Any, registry: Path) -> None:
    run = made(publish="true")
    found = stated(run)
    assert found is not None and found.at == "artifacts" and str(registry) not in run.tags[PUBLISHED]
    code, out, _ = call(train_entry.main, *TRAIN)
    assert code == 0
    here = out.split()[-1]
    elsewhere()
    code, out, told = call(train_entry.main, *TRAIN, "--force", "true")
    assert code == 0 and "tiny: " in told and f"the artifacts of run {run.id}" in told
    there = out.split()[-1]
    assert there != here and numbers(there) == numbers(here) and len(numbers(here)) > 2
    one, other = weights(here), weights(there)
    assert one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
    folder = registry / "other" / "datasets" / str(run.dataset_id)
    assert verify(folder) == Manifest.load(registry / "hidden")
    assert origin(folder) == f"the artifacts of run {run.id}"  # what runs say of it: no place of this machine
    assert is_there(run) and ask(**TINY) == run.id and not (registry / "data").exists()  # it is not drawn again
    shutil.rmtree(store_of(run))  # what is here needs no store any more
    assert find_dataset("tiny")[0].resolve() == folder


def test_every_reader_works_from_the_store(made: Any, elsewhere: Any, registry: Path) -> None:
    made(publish="true")
    assert call(train_entry.main, *TRAIN, "--study", "s", "--seeds", "0-1")[0] == 0
    readers = [
        (similarity_entry.main, ("--stimuli", "heldout:40", "--layers", "avgpool,layer4.0.relu", "--metric", "cka")),
        (decode_entry.main, ("--stimuli", "heldout:40", "--layers", "avgpool", "--latents", "x,y", "--folds", "2")),
    ]
    for command, words in readers:
        words = ("--models", "study=s", "--dataset", "tiny", *words)
        code, out, err = call(command, *words)
        assert code == 0, err
        before = [runs.get(word) for word in out.split()[1::2]]
        elsewhere()
        code, out, told = call(command, *words, "--force", "true")
        assert code == 0 and "is fetched into" in told
        after = [runs.get(word) for word in out.split()[1::2]]
        assert len(after) == len(before) and not {run.id for run in after} & {run.id for run in before}
        assert [run.metrics for run in after] == [run.metrics for run in before]
        assert after[0].spec == before[0].spec and any(run.metrics for run in after)
        (registry / "hidden").rename(registry / "here")


def test_designs_and_clips_are_published_too(registry: Path, elsewhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cases: list[dict[str, Any]] = [
        {"design": "few", "categories": "8", "environments": "procedural"},
        {"frames": 2},
        {"truth": "depth"},
    ]
    for number, changes in enumerate(cases):
        name = f"set{number}"
        run = runs.get(ask("here", **{**OPTIONS, "dataset": name, "n_train": 20, "publish": "true"} | changes))
        whole = Manifest.load(registry / "here")
        split = next(iter(whole.splits))
        truth = read_columns(registry / "here", whole, split, ["image", "z"])
        command = shlex.split(publish_command(run))
        assert command[:3] == ["python", "-m", "entrypoints.render"]
        assert call(render_entry.main, *command[3:])[1].split()[-1] == run.id  # the same recipe, by its own words
        elsewhere()
        folder, manifest, by = find_dataset(name)
        assert by == run and manifest == whole and folder.is_relative_to(registry / "other")
        got = read_columns(folder, manifest, split, ["image", "z"])
        assert all(np.array_equal(truth[column], got[column]) for column in truth)
        if "design" in changes:
            assert call(tuning_entry.main, "--models", "torchvision:resnet18@random0?input_size=32", "--dataset", name,
                        "--layers", "avgpool")[0] == 0  # fmt: skip
        shutil.rmtree(registry / "hidden")


def test_the_default_recipe_is_named_in_few_words(registry: Path) -> None:
    cfg = {"dataset": "d", "n_categories": 117, "categories": "a,b", "objects": "procedural", "n_train": 6}
    spec = runs.Spec("render", 1, {}, {**cfg, "jpeg_quality": 95, "workers": 3, "out": "data/d"})
    with runs.open_run(spec, name="x") as run:
        pass
    words = publish_command(runs.get(run.id))
    expected = {"dataset": "d", "objects": "procedural", "n_train": "6", "out": "data/d", "publish": "true"}
    given = shlex.split(words)[3:]
    assert dict(zip((w.removeprefix("--") for w in given[::2]), given[1::2], strict=True)) == expected


def test_what_is_not_published_says_where_it_is_and_how_to_publish_it(
    made: Any, elsewhere: Any, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = made()
    client().set_tag(run.id, lives.PROCESS, "ganymede 12 1700000000")
    elsewhere()
    code, out, err = call(train_entry.main, *TRAIN)
    assert code == 2 and not out and len(err.splitlines()) == 1
    assert f"run {run.id} made it in {registry}/here on ganymede, and it is not published; publish it there (" in err
    (advice,) = re.findall(r"\(python -m (entrypoints\.render .*?--publish true)\)", err)
    (registry / "hidden").rename(registry / "here")  # on ganymede
    images = runs.get(run.id).metrics
    code, out, _ = call(render_entry.main, *shlex.split(advice)[1:])
    assert code == 0 and out.split()[-1] == run.id and runs.get(run.id).metrics == images  # nothing was drawn
    elsewhere()
    assert call(train_entry.main, *TRAIN)[0] == 0


def test_an_interrupted_upload_is_completed(
    made: Any, elsewhere: Any, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put, count = dataset_stores.Artifacts.put, []

    def killed(self: Any, name: str, data: bytes) -> None:
        count.append(name)
        if len(count) >= 4:
            raise KeyboardInterrupt
        put(self, name, data)

    with monkeypatch.context() as short:
        short.setattr("mlspatial.steps.publish.THREADS", 1)
        short.setattr(dataset_stores.Artifacts, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            made(publish="true")
    (run,) = runs.find(entry="render")
    assert run.status == "FINISHED" and stated(run) is None  # drawn, and not published
    there = set(store_of(run).rglob("*.bin"))
    assert len(there) == 3
    cut = next(iter(there))
    cut.write_bytes(cut.read_bytes()[:-1])  # half of an upload
    stamps = {path: path.stat().st_mtime_ns for path in there - {cut}}
    assert made(publish="true").id == run.id
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps  # not put again
    elsewhere()
    folder, manifest = whole_dataset(str(run.dataset_id))
    assert verify(folder) == manifest


def test_what_is_missing_in_the_store_is_named_and_put_there_again(made: Any, elsewhere: Any, registry: Path) -> None:
    run = made(publish="true")
    lost = sorted(store_of(run).rglob("*.bin"))[-1]
    name = lost.relative_to(store_of(run))
    lost.unlink()
    elsewhere()
    code, _, err = call(train_entry.main, *TRAIN)
    assert code == 2
    assert f"the artifacts of run {run.id} has no {name}; publish it again: python -m" in err
    (advice,) = re.findall(r"publish it again: python -m (entrypoints\.render .*)", err)
    (registry / "hidden").rename(registry / "here")
    assert call(render_entry.main, *shlex.split(advice)[1:])[0] == 0 and lost.is_file()
    elsewhere()
    assert call(train_entry.main, *TRAIN)[0] == 0


def test_a_changed_shard_or_manifest_is_refused(made: Any, elsewhere: Any, registry: Path) -> None:
    run = made(publish="true")
    store = store_of(run)
    whole = {path: path.read_bytes() for path in store.rglob("*") if path.is_file()}
    piece = sorted(store.rglob("train/*/*.bin"))[1]
    piece.write_bytes(whole[piece][:-1] + bytes([whole[piece][-1] ^ 1]))
    elsewhere()
    code, _, err = call(train_entry.main, *TRAIN)
    assert (
        code == 2 and f"{piece.relative_to(store)} in the artifacts of run {run.id} has not the bytes that were" in err
    )
    assert "Traceback" not in err and not [r for r in runs.find(entry="train") if r.status == "FINISHED"]
    piece.write_bytes(whole[piece])
    shutil.rmtree(registry / "other")
    facts = json.loads(whole[store / COPY])
    facts.pop(CHECK)
    facts["statistics"]["z"]["mean"] += 0.5  # no part of the dataset_id
    forged = json.dumps({**facts, CHECK: content_id(facts)}).encode()
    (store / COPY).write_bytes(forged)
    with pytest.raises(
        DatasetError, match=rf"{COPY} in the artifacts of run {run.id} was changed since it was publ"
    ) as told:
        find_dataset("tiny")
    (advice,) = re.findall(r"publish it again: python -m entrypoints.render (.*)", str(told.value))
    (registry / "hidden").rename(registry / "here")
    assert call(render_entry.main, *shlex.split(advice))[0] == 0
    assert (store / COPY).read_bytes() == whole[store / COPY]
    elsewhere()
    (store / COPY).write_bytes(forged)
    index = json.loads(whole[store / INDEX])
    index["manifest"] = sha256(forged)
    (store / INDEX).write_bytes(json.dumps(index, sort_keys=True, separators=(",", ":")).encode())
    with pytest.raises(DatasetError, match=rf"{INDEX} in the artifacts of run {run.id} was changed"):
        find_dataset("tiny")
    for path, data in whole.items():
        path.write_bytes(data)
    other = facts | {"recipe": facts["recipe"] | {"seed": 1}}
    manifest = Manifest.load(registry / "hidden")
    changed = Manifest(manifest.name, other["recipe"], manifest.schema, manifest.splits, manifest.statistics)
    copy = changed.save(registry).read_bytes()
    index = Index.decoded(whole[store / INDEX])
    new = Index(changed.dataset_id, sha256(copy), index.shards).encoded()
    (store / COPY).write_bytes(copy)
    (store / INDEX).write_bytes(new)
    tag = {"at": "artifacts", "index": sha256(new)}
    client().set_tag(run.id, PUBLISHED, json.dumps(tag))  # whoever may write all of it
    (registry / MANIFEST).unlink()
    with pytest.raises(DatasetError, match=f"has published is dataset {changed.dataset_id}, not {run.dataset_id}"):
        find_dataset("tiny")
    assert not list((registry / "other").rglob(f"datasets/*/{MANIFEST}"))


def test_a_damaged_piece_is_mended_by_publishing_anew(made: Any, elsewhere: Any, registry: Path) -> None:
    run = made(publish="true")
    piece = sorted(store_of(run).rglob("train/*/*.bin"))[1]
    data = piece.read_bytes()
    piece.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    elsewhere()
    with pytest.raises(DatasetError) as told:
        whole_dataset("tiny")
    (advice,) = re.findall(r"publish it anew: python -m entrypoints.render (.*)", str(told.value))
    (registry / "hidden").rename(registry / "here")
    code, out, _ = call(render_entry.main, *shlex.split(advice))
    assert code == 0 and out.split()[-1] != run.id
    (registry / "here").rename(registry / "hidden")
    assert verify(whole_dataset("tiny")[0]).dataset_id == run.dataset_id  # what was fetched before is kept


@pytest.mark.parametrize("form", ["file://{}/store", "{}/store"])
def test_an_address_of_ones_own(made: Any, elsewhere: Any, tmp_path_factory: Any, registry: Path, form: str,
                                monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    outside = tmp_path_factory.mktemp("outside")
    run = made(publish=form.format(outside))
    found = stated(run)
    assert found is not None and found.at == f"file://{outside}/store"
    assert (outside / "store" / str(run.dataset_id) / INDEX).is_file()
    assert made(publish=form.format(outside)).id == run.id
    elsewhere()
    assert call(train_entry.main, *TRAIN)[0] == 0  # where it was published by hand, it is known

    shutil.rmtree(registry / "other")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(registry / "somebody"))
    with pytest.raises(DatasetError, match=rf"published in {outside}/store, which is neither in .* to MLSPATIAL_DATA"):
        find_dataset("tiny")
    assert not is_there(run)
    monkeypatch.setenv("MLSPATIAL_DATA", str(outside))
    assert find_dataset("tiny")[1].dataset_id == run.dataset_id and is_there(run)


@pytest.mark.parametrize("at", ["memory://x", "ssh://host/x", "zip://a::http://host/b", "simplecache::s3://b/x",
                                "s3://b/x::file:///etc", "github://a:b@c/"])  # fmt: skip
def test_other_addresses_in_a_tag_are_not_read(made: Any, elsewhere: Any, at: str) -> None:
    run = made()
    client().set_tag(run.id, PUBLISHED, json.dumps({"at": at, "index": "0"}))
    elsewhere()
    with pytest.raises(DatasetError, match=r"and only s3://.* and folders are read; render it again"):
        find_dataset("tiny")


@pytest.mark.parametrize("tag", ["", "x", "[]", "{}", '{"at": "artifacts"}', '"artifacts"', "null"])
def test_a_tag_that_says_nothing_counts_for_nothing(made: Any, elsewhere: Any, tag: str) -> None:
    run = made()
    client().set_tag(run.id, PUBLISHED, tag)
    elsewhere()
    with pytest.raises(DatasetError, match=f"run {run.id} made it in"):
        find_dataset("tiny")


@pytest.mark.parametrize("text", ["ture", "tiny", "./x", "memory://x", "http://host/x", "s3://b::file:///x",
                                  "sftp://a/b", "file://a/../b::x"])  # fmt: skip
def test_words_that_are_no_address_are_refused_before_anything_is_drawn(registry: Path, text: str) -> None:
    code, out, err = call(render_entry.main, "--dataset", "tiny", "--publish", text)
    assert code == 2 and not out and f"publish={text}: " in err and len(err.splitlines()) == 1
    assert not runs.find(entry="render")


def test_a_password_in_an_address_is_refused_and_not_shown(registry: Path) -> None:
    word = "hunter22"
    with pytest.raises(BadValue, match="holds a password") as problem:
        asked("s3://user:" + word + "@bucket/path")
    assert word not in str(problem.value)


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="the package is here")
def test_a_package_that_is_missing_is_named(registry: Path) -> None:
    with pytest.raises(UserError, match=r"s3://bucket/path: a package .* not installed \(.*s3fs.*\); `pip install "):
        asked("s3://bucket/path")


def test_a_variable_and_a_study_ask_for_it(made: Any, monkeypatch: pytest.MonkeyPatch, registry: Path) -> None:
    monkeypatch.setenv(VARIABLE, "nonsense")
    with pytest.raises(BadValue, match=f"{VARIABLE}=nonsense: must be true, false"):
        made()
    assert asked("false") == ""
    assert stated(made(publish="false")) is None
    monkeypatch.setenv(VARIABLE, "true")
    assert stated(made()) is not None
    monkeypatch.delenv(VARIABLE)
    from entrypoints import study

    config = registry / "study.yaml"
    recipe = {name: TINY[name] for name in ("dataset", "n_train", "n_heldout", "size", "categories", "environments")}
    section = ", ".join(f"{name}: {value!r}" for name, value in (recipe | {"seed": 7, "out": "seven"}).items())
    config.write_text(f"name: s\ndefaults: {{publish: true}}\nrender: {{{section}}}\n")
    assert call(study.main, "--config", str(config), "--jobs", "1")[0] == 0
    (run,) = (run for run in runs.find(entry="render") if run.cfg["seed"] == "7")
    assert stated(run) is not None


def test_damage_here_is_mended_here_although_it_is_published(made: Any, registry: Path) -> None:
    run = made(publish="true")
    shard = registry / "here" / "heldout" / "part-00000.parquet"
    shard.unlink()
    again = made()
    assert again.id != run.id and again.dataset_id == run.dataset_id and is_whole(registry / "here", run.dataset_id)


def test_a_changed_folder_is_not_published(made: Any, registry: Path) -> None:
    made()
    shard = registry / "here" / "heldout" / "part-00000.parquet"
    before, data = shard.stat(), shard.read_bytes()
    shard.write_bytes(data[:-100] + bytes([data[-100] ^ 1]) + data[-99:])
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(DatasetError, match="is missing or damaged, and is not published"):
        made(publish="true")


def test_the_cache_is_listed_and_cleaned(made: Any, elsewhere: Any, registry: Path, capsys: Any) -> None:
    from mlspatial.console.doctor import _caches

    run = made(publish="true")
    elsewhere()
    assert call(train_entry.main, *TRAIN)[0] == 0
    assert "copies of published datasets" in _caches()["  datasets"]
    clean(what="datasets", yes=True)
    assert "fetched again when they are read" in capsys.readouterr().out
    assert not (registry / "other" / "datasets").exists()
    assert call(train_entry.main, *TRAIN, "--force", "true")[0] == 0  # from the store, anew
    held = arriving.FileLock(cache_folder("datasets", str(run.dataset_id), arriving.COMING) / "00001.lock")
    with held, pytest.raises(UserError, match="something is being made with this cache"):
        clean(what="datasets", yes=True)


def test_a_folder_elsewhere_is_no_more_than_a_hint(made: Any, elsewhere: Any, registry: Path) -> None:
    """Another dataset lies where the tag says, on the other machine."""
    run = made(publish="true")
    elsewhere()
    ask("here", **{**OPTIONS, "dataset": "stranger", "n_train": 20})
    assert folders(run)[0] == registry / "here"
    folder, manifest, _ = find_dataset("tiny")
    assert folder.is_relative_to(registry / "other") and manifest.dataset_id == run.dataset_id


def test_a_run_whose_dataset_lies_at_an_address_is_replaced_by_none_that_has_none(
    made: Any, registry: Path, tmp_path_factory: Any
) -> None:
    from mlspatial.registry.removal import superseded

    at = str(tmp_path_factory.mktemp("outside"))
    first, second = made(publish=at), made(force=True)
    assert first.id != second.id and not superseded()
    made(publish=at)
    assert [one.run.id for one in superseded()] == [first.id]
