"""Datasets read while they are fetched: the same bytes, in the order of reading, each once; wrong ones are refused."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from mlspatial.core.errors import DatasetError, Unreachable
from mlspatial.core.hashing import file_sha256
from mlspatial.core.manifest import MANIFEST, Manifest
from mlspatial.data import arriving, pieces
from mlspatial.data.arriving import settle
from mlspatial.data.clips import loader
from mlspatial.data.loader import Loader
from mlspatial.data.order import POOL_GROUPS, shuffled
from mlspatial.data.shards import names_of, read_columns, read_images, verify
from tests.data.shelf import Shop, dataset

ROOT = Path(__file__).resolve().parents[2]
GROUPS = 40


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """14 shards of training images, 40 row groups in all, and one of held-out images."""
    return dataset(tmp_path_factory.mktemp("many") / "source", GROUPS * 250 - 100)


def made(folder: Path, manifest: Manifest, split: str = "train", **options: object) -> Loader:
    settings = {"columns": ("x", "category"), "batch_size": 50, "seed": 5, **options}
    return loader(folder, manifest, split, **settings)


def take(batches: Loader, n: int, start: int = 0) -> list:
    found = batches.endless(start)
    try:
        return list(itertools.islice(found, n))
    finally:
        found.close()  # type: ignore[attr-defined]


def same(one: list, other: list) -> bool:
    return len(one) == len(other) and all(
        np.array_equal(a.images, b.images) and all(np.array_equal(a.columns[k], b.columns[k]) for k in a.columns)
        for a, b in zip(one, other, strict=True)
    )


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


def test_pieces_are_the_shard(source: Path, small_dataset: Path, tmp_path: Path) -> None:
    for folder in (source, small_dataset):
        index = pieces.index_of(folder, Manifest.load(folder))
        assert pieces.Index.decoded(index.encoded()) == index
        for file, cut in index.shards.items():
            whole = (folder / file).read_bytes()
            covered = sorted(one for piece in cut.pieces for one in piece.ranges)
            ends = [first + size for first, size in covered]
            assert [first for first, _ in covered] == [0, *ends[:-1]] and ends[-1] == len(whole) == cut.size
            target = tmp_path / "shard"
            for piece in reversed(cut.pieces):
                pieces.write(target, cut.size, piece, pieces.read(folder / file, piece.ranges))
            assert target.read_bytes() == whole
            target.unlink()
    cut = pieces.index_of(small_dataset, Manifest.load(small_dataset)).shards["train/part-00000.parquet"]
    assert len(cut.pieces) == 2 and cut.pieces[0].size < 0.2 * cut.size  # 48 px; of larger images it is less


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.update(format=2),
        lambda facts: facts["shards"]["a"]["pieces"][0].update(name="../x"),
        lambda facts: facts["shards"]["a"]["pieces"][0].update(name="/x"),
        lambda facts: facts["shards"]["a"]["pieces"][0].update(ranges=[[5, 10]]),
        lambda facts: facts["shards"]["a"]["pieces"][0].update(ranges=[[-1, 10]]),
        lambda facts: facts["shards"]["a"]["pieces"][0].update(ranges=[[0, 9]]),
        lambda facts: facts.pop("shards"),
    ],
)
def test_an_index_that_reaches_elsewhere_is_refused(change: Callable[[dict], object]) -> None:
    import json

    cut = pieces.Cut(10, (pieces.Piece("a/0", "x", ((0, 10),)),))
    data = json.loads(pieces.Index("d", "m", {"a": cut}).encoded())
    change(data)
    with pytest.raises(DatasetError, match="cannot be read"):
        pieces.Index.decoded(json.dumps(data).encode())


def test_the_first_batch_is_there_before_the_last_images_are_fetched(source: Path, tmp_path: Path) -> None:
    """The pool of 32 row groups that the first batch is drawn from comes; the other eight are held back."""
    manifest, let_go = Manifest.load(source), threading.Event()
    true = made(source, manifest)
    order = [f"{g.file.removesuffix('.parquet')}/{g.number + 1:05d}.bin" for g in true._in_turn(order_of(true)())]
    first, later = set(order[:POOL_GROUPS]), set(order[POOL_GROUPS:])
    assert len(order) == GROUPS and len(later) == GROUPS - POOL_GROUPS
    shop = Shop(source, lambda name: let_go.wait() if name in later else None)
    folder = tmp_path / "here"
    shop.deliver(folder)
    reader = made(folder, manifest)
    batches = reader.endless()
    images = POOL_GROUPS * 250 - 100
    early = list(itertools.islice(batches, images // 50 - arriving.THREADS - 4))
    assert not let_go.is_set() and not (folder / MANIFEST).exists()
    assert len(early) > 100 and first <= set(shop.asked)
    let_go.set()
    rest = list(itertools.islice(batches, 250))
    batches.close()  # type: ignore[attr-defined]
    assert same([*early, *rest], take(true, len(early) + 250))
    settle(folder)  # of the training images, which it has read
    assert not (folder / MANIFEST).exists() and all(
        (folder / shard.file).is_file() for shard in manifest.shards("train")
    )
    assert max(Counter(shop.asked).values()) == 1 and not any(name.startswith("heldout") for name in shop.asked)
    assert same(list(made(folder, manifest, "heldout").once()), list(made(source, manifest, "heldout").once()))
    settle(folder)
    assert verify(folder) == manifest and sorted(shop.asked) == sorted(shop.where)
    before = len(shop.asked)
    assert same(take(made(folder, manifest), 300), take(true, 300)) and len(shop.asked) == before  # later epochs too


def test_a_reader_that_is_closed_waits_for_nothing_more(source: Path, tmp_path: Path) -> None:
    manifest, let_go = Manifest.load(source), threading.Event()
    true = made(source, manifest)
    groups = [group for group, _ in zip(true._in_turn(order_of(true)()), range(POOL_GROUPS), strict=False)]
    first = {f"{group.file.removesuffix('.parquet')}/{group.number + 1:05d}.bin" for group in groups}
    shop = Shop(source, lambda name: None if name in first or name.endswith("/00000.bin") else let_go.wait())
    shop.deliver(tmp_path)
    batches = made(tmp_path, manifest).endless()
    list(itertools.islice(batches, sum(group.rows for group in groups) // 50))  # the next one cannot come
    batches.close()  # type: ignore[attr-defined]
    assert not let_go.is_set()
    let_go.set()
    settle(tmp_path)


@pytest.mark.parametrize("start", [0, 170, 1234])
def test_it_is_fetched_ahead_in_the_order_of_reading(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int
) -> None:
    monkeypatch.setattr(arriving, "THREADS", 1)
    manifest, shop = Manifest.load(source), Shop(source)
    shop.deliver(tmp_path)
    reader = made(tmp_path, manifest)
    heads = len(shop.asked)
    reader._expect(order_of(reader, start))  # as endless does; nobody reads yet
    until(lambda: len(shop.asked) == heads + GROUPS)
    seen: dict[str, None] = {}
    for batch in itertools.islice(pieces_of(made(source, manifest), start), 2 * 40 * 5):
        seen |= batch
    assert shop.asked[heads:] == list(seen)


def order_of(reader: Loader, start: int = 0) -> Callable[[], Iterator[np.ndarray]]:
    return partial(shuffled, reader.groups, 50, 5, start)


def pieces_of(true: Loader, start: int) -> Iterator[dict[str, None]]:
    """The pieces that each batch needs, found from its rows."""
    for rows in shuffled(true.groups, 50, 5, start):
        found: dict[str, None] = {}
        for row in rows:
            group = next(g for g in true.groups if g.first <= row < g.first + g.rows)
            found[f"{group.file.removesuffix('.parquet')}/{group.number + 1:05d}.bin"] = None
        yield found


def test_clips_come_the_same(tmp_path: Path) -> None:
    source = dataset(tmp_path / "source", 9000, frames=4)
    manifest = Manifest.load(source)
    shop = Shop(source)
    shop.deliver(tmp_path / "here")
    found = take(made(tmp_path / "here", manifest, batch_size=20), 150)
    assert found[0].images.shape == (20, 4, 8, 8, 3) and same(found, take(made(source, manifest, batch_size=20), 150))
    settle(tmp_path / "here")
    assert max(Counter(shop.asked).values()) == 1


def test_a_part_of_a_set_asks_for_its_part(source: Path, tmp_path: Path) -> None:
    manifest, shop = Manifest.load(source), Shop(source)
    shop.deliver(tmp_path)
    found = take(made(tmp_path, manifest, fraction=0.1), 40)
    assert same(found, take(made(source, manifest, fraction=0.1), 40))
    images = [name for name in shop.asked if not name.endswith("/00000.bin")]
    assert len(images) == 4  # of 40 row groups


def test_columns_and_pictures_wait_for_what_they_need(source: Path, tmp_path: Path) -> None:
    manifest, shop = Manifest.load(source), Shop(source)
    shop.deliver(tmp_path)
    assert names_of(tmp_path, manifest, "heldout") == names_of(source, manifest, "heldout")
    assert shop.asked == ["heldout/part-00000/00000.bin"]
    assert read_images(tmp_path, manifest, "train", [9, 3]) == read_images(source, manifest, "train", [9, 3])
    assert (tmp_path / manifest.shards("train")[0].file).is_file()  # whole and checked
    for name in ("x", "category", "image"):
        assert np.array_equal(*(read_columns(place, manifest, "train", [name])[name] for place in (tmp_path, source)))
    assert max(Counter(shop.asked).values()) == 1


def run(source: Path, target: Path, log: Path, stop: int = 0) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.data.shelf", str(source), str(target), str(log), str(stop)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_after_kill_9_it_goes_on(source: Path, tmp_path: Path) -> None:
    target, log = tmp_path / "here", tmp_path / "log"
    process = run(source, target, log, stop=20)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "held\n"
        until(lambda: list(target.rglob("*.here")))
    finally:
        process.kill()
        process.wait()
    assert not (target / MANIFEST).exists()
    there = len(list(target.rglob("*.here")))
    finals = {shard.removesuffix(".parquet") for shard in Shop(source).index.shards if (target / shard).is_file()}
    half = next(target.rglob("*.here"))  # of a piece whose bytes were written and whose mark was not
    half.unlink()
    shop = Shop(source)
    coming = shop.deliver(target)
    coming.whole(coming.index.shards)
    assert Manifest.load(target) == verify(target)
    kept = sum(name.rpartition("/")[0] in finals for name in shop.where) + there - 1
    assert len(shop.asked) == len(shop.where) - kept and kept >= 15
    assert not list((target / arriving.COMING).rglob("data"))
    for shard in coming.index.shards:
        assert file_sha256(target / shard) == file_sha256(source / shard)


def test_several_processes_fetch_each_piece_once(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "here"
    logs = [tmp_path / f"log{number}" for number in range(3)]
    processes = [run(source, target, log) for log in logs]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "whole\n"
        assert process.wait(60) == 0
    asked = [name for log in logs if log.exists() for name in log.read_text().splitlines()]
    assert sorted(asked) == sorted(Shop(source).where)
    assert verify(target)


def test_one_that_dies_leaves_its_piece_to_the_others(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "here"
    process = run(source, target, tmp_path / "log", stop=3)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    shop, done = Shop(source), []
    coming = shop.deliver(target)
    waiter = threading.Thread(target=lambda: done.append(coming.whole(coming.index.shards)))
    waiter.start()
    until(lambda: len(shop.asked) >= len(shop.where) - 10)
    assert not done
    process.kill()
    process.wait()
    waiter.join(60)
    assert done and verify(target)


def test_damage_on_the_way_is_fetched_again_once_and_then_refused(source: Path, tmp_path: Path) -> None:
    shop, bad = Shop(source), "train/part-00001/00002.bin"
    times = Counter()

    def broken(often: int) -> Callable[[str], bytes]:
        def get(name: str) -> bytes:
            times[name] += 1
            data = shop.get(name)
            return bytes([data[0] ^ 1]) + data[1:] if name == bad and times[name] <= often else data

        return get

    coming = shop.deliver(tmp_path / "once", broken(1))
    coming.whole(coming.index.shards)
    assert verify(tmp_path / "once") and times[bad] == 2
    times.clear()
    coming = shop.deliver(tmp_path / "ever", broken(99))
    with pytest.raises(DatasetError, match=f"{bad} in the shop has not the bytes .* twice.; ask the shop") as problem:
        coming.whole(coming.index.shards)
    assert "\n" not in str(problem.value) and times[bad] == 2
    assert not (tmp_path / "ever" / "train/part-00001.parquet").exists() and not (tmp_path / "ever" / MANIFEST).exists()
    with pytest.raises(DatasetError, match=bad):  # a reader that was in the middle
        take(made(tmp_path / "ever", shop.manifest), 300)


def test_pieces_that_agree_with_their_index_and_not_with_the_manifest_are_refused(source: Path, tmp_path: Path) -> None:
    """Somebody has replaced pixels, and written an index to it: a training must not end well."""
    other = Path(shutil.copytree(source, tmp_path / "other"))
    shop = Shop(source)
    file = shop.manifest.shards("train")[0].file
    piece = shop.index.shards[file].pieces[1]
    data = bytearray((other / file).read_bytes())
    first, _ = piece.ranges[0]
    data[first + 3000] ^= 1
    (other / file).write_bytes(data)
    shop.source = other
    forged = pieces.cut(other / file, file)
    shop.index = replace(shop.index, shards=shop.index.shards | {file: forged})
    shop.where |= {one.name: (file, one) for one in forged.pieces}
    shop.deliver(tmp_path / "here")
    with pytest.raises(DatasetError, match=r"part-00000\.parquet in the shop has not the hash that the manifest says"):
        read_columns(tmp_path / "here", shop.manifest, "train", ["x"], early=True)
        settle(tmp_path / "here")
    assert not (tmp_path / "here" / file).exists() and not (tmp_path / "here" / MANIFEST).exists()


def test_what_the_store_says_reaches_the_reader_and_is_asked_again(source: Path, tmp_path: Path) -> None:
    shop, away = Shop(source), threading.Event()
    away.set()

    def get(name: str) -> bytes:
        if away.is_set() and not name.endswith("/00000.bin"):
            raise Unreachable("nobody there")
        return shop.get(name)

    shop.deliver(tmp_path, get)
    reader = made(tmp_path, shop.manifest)
    with pytest.raises(Unreachable, match="nobody there"):
        take(reader, 3)
    away.clear()
    assert same(take(reader, 300), take(made(source, shop.manifest), 300))


def test_a_disk_without_room(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop(source)
    coming = shop.deliver(tmp_path)
    with monkeypatch.context() as small:
        small.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=100_000))
        with pytest.raises(DatasetError, match=r"needs \d+ MiB, 0 MiB are free; make room there .*MLSPATIAL_CACHE"):
            coming.whole(coming.index.shards)
    with monkeypatch.context() as small:
        small.setattr(arriving, "write", full)
        with pytest.raises(DatasetError, match=r"No space left on device.*; make room there"):
            coming.whole(coming.index.shards)
    coming.whole(coming.index.shards)
    assert verify(tmp_path)


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_damage_in_the_cache_is_told_with_the_way_out(source: Path, tmp_path: Path) -> None:
    shop = Shop(source)
    coming = shop.deliver(tmp_path)
    coming.whole(coming.index.shards)
    file = tmp_path / shop.manifest.shards("train")[2].file
    file.write_bytes(file.read_bytes()[:-9] + b"123456789")
    with pytest.raises(DatasetError, match="delete those files and what reads the dataset next fetches them anew"):
        verify(tmp_path)
    file.unlink()
    coming = shop.deliver(tmp_path)
    assert len(take(made(tmp_path, shop.manifest), 200)) == 200
    settle(tmp_path)
    assert verify(tmp_path)


def _read_in_child(folder: Path, manifest: Manifest, results: object) -> None:
    try:
        batches = take(made(folder, manifest), 20)
        results.put(float(sum(int(batch.images.sum()) for batch in batches)))  # type: ignore[attr-defined]
    except BaseException as error:
        results.put(f"{type(error).__name__}: {error}")  # type: ignore[attr-defined]


def test_worker_processes_of_a_reader_wait_too(source: Path, tmp_path: Path) -> None:
    """Forked ones go on fetching; those that begin anew are told what to do."""
    shop = Shop(source)
    shop.deliver(tmp_path)
    take(made(tmp_path, shop.manifest, "heldout"), 1)  # threads are at work, or were
    truth = float(sum(int(batch.images.sum()) for batch in take(made(source, shop.manifest), 20)))
    for kind in ("spawn", "fork"):
        context = multiprocessing.get_context(kind)
        results = context.Queue()
        worker = context.Process(target=_read_in_child, args=(tmp_path, shop.manifest, results))
        worker.start()
        found = results.get(timeout=60)
        worker.join(60)
        if kind == "fork":
            assert found == truth
        else:
            assert "part-00000.parquet: is not fetched yet; ask for the dataset by its name in this process" in found
