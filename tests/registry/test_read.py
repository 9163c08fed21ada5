"""Runs to tables: the same as MLflow's own, by every way, from a cache that is never wrong."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.names import STUDY
from mlspatial.registry import read, runs
from mlspatial.registry.read import cache, rest, sql
from mlspatial.registry.read.rows import WORDS, Query, Stamp
from mlspatial.registry.store import client
from speed.compare import fill

Read = list[str]  # ids whose rows were read from the store


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLSPATIAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=["database", "client"])
def reads(request: pytest.FixtureRequest, registry: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """What the store is asked for, through SQL or through MLflow's client."""
    seen: Read = []
    if request.param == "client":
        monkeypatch.setattr(read, "DATABASES", ())
    for way in (sql.Database, rest.Client):

        def counted(self: Any, query: Query, known: Any, original: Callable[..., Any] = way.sync) -> Any:
            there, rows = original(self, query, known)
            seen.extend(rows["run_id"].unique().to_pylist())
            return there, rows

        monkeypatch.setattr(way, "sync", counted)
    return seen


def train_run(seed: int, study: str = "s", **metrics: float) -> str:
    cfg = {"task": "distance", "seed": seed, "batches": 4, "arch": "a", "dataset": "d"}
    with runs.open_run(runs.Spec("train", 1, {"dataset_id": "d"}, cfg), name=f"t{seed}", study=study) as run:
        run.log({"heldout/loss": 1.0 / (1 + seed), **metrics}, step=4)
    return run.id


def same(ours: pd.DataFrame, theirs: pd.DataFrame) -> None:
    ours, theirs = (table.sort_values("run_id", ignore_index=True) for table in (ours, theirs))
    pd.testing.assert_frame_equal(ours[sorted(ours)], theirs[sorted(theirs)], check_dtype=False, check_exact=True)


def test_the_table_is_that_of_mlflow(registry: Path, reads: Read) -> None:
    for seed in range(3):
        train_run(seed, "s" if seed else "other", **({"odd": math.nan, "large": math.inf} if seed == 1 else {}))
    with runs.open_run(runs.Spec("score", 1, {}, {"layers": "x" * 3000}), name="score") as run:
        run.log({"b/raw": 0.5})
    with pytest.raises(ZeroDivisionError), runs.open_run(runs.Spec("train", 1, {}, {"a": 1}), name="failed"):
        raise ZeroDivisionError
    client().create_run(mlflow.get_experiment_by_name("test").experiment_id)  # of somebody else
    for filter_string, options in {
        "tags.`mlspatial.entry` = 'train' and status = 'FINISHED'": {"entry": "train"},
        "tags.`mlspatial.entry` LIKE '%' and status = 'FINISHED'": {},
        "tags.`mlspatial.entry` LIKE '%'": {"status": ""},
        "tags.`mlspatial.study` = 's' and status = 'FINISHED'": {"study": "s"},
        "tags.`mlspatial.entry` = 'train' and status = 'FAILED'": {"entry": "train", "status": "FAILED"},
    }.items():
        theirs = mlflow.search_runs(search_all_experiments=True, filter_string=filter_string)
        assert len(theirs)
        for _ in range(2):  # from the store, then from the cache
            ours = read.runs(**options)
            same(ours, theirs)
        assert list(ours.start_time) == sorted(ours.start_time, reverse=True)
    assert read.runs(entry="decode").empty and read.runs(study="none").empty
    assert {name for name in read.runs(metrics=("heldout/",)) if name.startswith("metrics.")} == {
        "metrics.heldout/loss"
    }


def test_texts_with_the_mark_between_texts_and_without_any_letter_come_whole(registry: Path, reads: Read) -> None:
    cfg = {"plain": "a", "marked": "b\x1fc", "last": "\x1f", "empty": ""}
    for seed in range(3):
        with runs.open_run(runs.Spec("train", 1, {}, cfg if seed else {"empty": ""}), name=f"{seed}") as run:
            run.log({f"m/{seed}": 1 / 3, "m": math.pi * 1e-300, "n": -0.0, "nan": math.nan, "inf": -math.inf})
            run.add_tags({"note": "\x1f" * seed, "none": ""})
    theirs = mlflow.search_runs(search_all_experiments=True, filter_string="tags.`mlspatial.entry` = 'train'")
    assert len(theirs) == 2  # the second and the third are one spec
    same(read.runs(entry="train"), theirs)


def test_a_tag_that_is_nothing_hides_no_other(registry: Path) -> None:
    run = train_run(0)
    with closing(sqlite3.connect(registry / "mlflow.db")) as database, database:
        database.execute("INSERT INTO tags (key, value, run_uuid) VALUES ('nothing', NULL, ?)", (run,))
    (row,) = read.runs(entry="train").to_dict("records")
    assert row["tags.nothing"] is None
    assert row["tags.mlflow.runName"] == "t0"


def test_a_finished_run_is_read_once_and_what_changes_is_seen(registry: Path, reads: Read) -> None:
    def there(study: str = "") -> set[str]:
        reads.clear()
        return set(read.runs(entry="train", study=study).run_id)

    first = [train_run(seed) for seed in range(3)]
    assert there() == set(first) and sorted(reads) == sorted(first)
    assert there() == set(first) and set(reads) <= {first[-1]}  # the last end is asked for again by a server
    time.sleep(0.01)
    new = train_run(7, "other")
    assert there() == {*first, new} and new in reads and not set(reads) & set(first[:2])
    assert there("other") == {new}
    runs.Run(first[0]).set_tags({STUDY: "s,other"})  # joined
    assert there("other") == {new, first[0]}
    assert there("s") == set(first)
    table = read.runs(entry="train").set_index("run_id")
    assert table.loc[first[0], f"tags.{STUDY}"] == "s,other"
    client().delete_run(first[1])
    assert there() == {first[0], first[2], new} and there("s") == {first[0], first[2]}
    client().delete_run(first[2])
    client().restore_run(first[1])
    assert there() == {first[0], first[1], new} and there("s") == {first[0], first[1]}
    runs.Run(first[0]).set_tags({STUDY: "oth"})
    assert there("other") == {new} and there("oth") == {first[0]} and there("s") == {first[1]}


def test_any_changes_are_found_through_the_client(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rest, "FEW", 3)
    monkeypatch.setitem(rest.PAGE, "database", 7)
    experiment = client().get_experiment_by_name("test").experiment_id
    ids = fill(30, experiment, registry)
    rng = np.random.default_rng(0)
    deleted: set[str] = set()
    query = Query("train")
    known: dict[str, Stamp] = dict.fromkeys(ids[:5], (0, "nowhere", "train"))
    for _ in range(5):
        for run in rng.choice(ids, 4, replace=False):
            if run in deleted:
                client().restore_run(run)
                deleted.remove(run)
            elif rng.random() < 0.6:
                client().delete_run(run)
                deleted.add(run)
            else:
                client().set_tag(run, STUDY, f"study{rng.integers(4)}")
        found, rows = rest.Client().sync(query, known)
        truth, all_rows = sql.Database(os.environ["MLFLOW_TRACKING_URI"]).sync(query, {})
        assert found == truth and set(found) == set(ids) - deleted
        known = {run: known[run] for run in found if run in known} | stamps(rows)
        assert known == stamps(all_rows)


def stamps(rows: Any) -> dict[str, Stamp]:
    table = rows.to_pandas()
    ends = table[table.key == "end_time"].set_index("run_id").number.astype(int)
    studies = table[table.key == STUDY].set_index("run_id").text
    return {run: (ends[run], studies[run], "train") for run in ends.index}


def test_a_cache_that_is_damaged_or_of_another_version_is_made_again(
    registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_run(0)
    train_run(1)
    expected = read.runs(entry="train")
    path = cache.folder() / "runs.parquet"
    sound = path.read_bytes()
    damages = {
        "cut": sound[: len(sound) // 2],
        "empty": b"",
        "a letter": b"Dear reader, " * 100,
        "flipped": sound[:200] + bytes([sound[200] ^ 0xFF]) + sound[201:],
    }
    for name, data in damages.items():
        path.write_bytes(data)
        same(read.runs(entry="train"), expected), name
        assert cache.Kept("runs").table is not None, name
    pd.DataFrame({"other": [1]}).to_parquet(path)
    same(read.runs(entry="train"), expected)
    monkeypatch.setattr(cache, "VERSION", 99)
    same(read.runs(entry="train"), expected)
    assert cache.folder() != path.parent


def test_several_that_read_at_once_lose_nothing(registry: Path) -> None:
    fill(60, client().get_experiment_by_name("test").experiment_id, registry)
    studies = [f"study{i}" for i in range(20)]
    with ThreadPoolExecutor(4) as pool:
        tables = list(pool.map(lambda study: read.runs(entry="train", study=study), studies))
    assert [len(table) for table in tables] == [3] * 20
    assert len(cache.Kept("runs", WORDS).stamps) == 60


def test_histories(registry: Path, reads: Read) -> None:
    ids = [train_run(seed) for seed in range(3)]
    for run in map(runs.Run, ids[:2]):
        for step in (3, 1, 2):
            run.log({"heldout/loss": step / 10, "other": 1.0}, step)
        run.log({"heldout/loss": math.nan}, 5)
        run.flush()
        time.sleep(0.01)
        run.log({"heldout/loss": 9.0}, 3)  # said again
        run.flush()
    found = read.histories([*ids, ids[0]], ["heldout/loss", "nothing"])
    assert list(found.columns) == ["run_id", "metric", "step", "value"] and set(found.metric) == {"heldout/loss"}
    assert list(found[found.run_id == ids[0]].step) == [1, 2, 3, 4, 5]
    for run_id in ids:
        theirs = {}
        for entry in sorted(client().get_metric_history(run_id, "heldout/loss"), key=lambda entry: entry.timestamp):
            theirs[entry.step] = entry.value
        ours = found[found.run_id == run_id].set_index("step").value.to_dict()
        assert ours.keys() == theirs.keys() and np.allclose(
            [ours[step] for step in theirs], list(theirs.values()), equal_nan=True
        )
    assert read.histories([], ["heldout/loss"]).empty


def test_files_of_runs_are_read_once_and_a_run_without_them_is_left_out(registry: Path) -> None:
    ids = [train_run(seed) for seed in range(3)]
    for number, run_id in enumerate(ids[:2]):
        runs.Run(run_id).log_table(pd.DataFrame({"value": [number, 10.5], "id": ["0123", "12e5"]}), "t.json")
    table = read.runs(entry="train")
    asked = []

    def parse(row: dict[str, Any], file: Callable[[str], Path]) -> pd.DataFrame:
        asked.append(row["run_id"])
        return read.table_file(file("t.json"))

    with pytest.warns(UserWarning, match=f"run {ids[2]}: t-1 left out: .*t.json"):
        found = read.tables("t-1", table, parse)
    assert sorted(asked) == sorted(ids)
    assert list(found.run_id) == [ids[1]] * 2 + [ids[0]] * 2 and list(found.value) == [1, 10.5, 0, 10.5]
    assert list(found.id) == ["0123", "12e5"] * 2
    runs.Run(ids[2]).log_table(pd.DataFrame({"value": [7.0], "more": [True]}), "t.json")
    for path in registry.rglob(f"{ids[0]}/artifacts/t.json"):
        path.unlink()
    found = read.tables("t-1", table, parse)
    assert asked[3:] == [ids[2]] and set(found.run_id) == set(ids)
    assert found[found.run_id == ids[0]].value.tolist() == [0, 10.5]
    assert set(read.tables("t-1", table[table.run_id == ids[1]], parse).run_id) == {ids[1]}


@pytest.mark.parametrize("name", ["entry", "study", "status"])
def test_names_that_would_break_the_question(name: str) -> None:
    with pytest.raises(BadValue, match=f"{name}=it's: must be without quotes"):
        Query(**{name: "it's"})


def test_a_store_that_goes_away(registry: Path) -> None:
    train_run(0)
    (registry / "mlflow.db").write_bytes(b"not a database any more" * 1000)
    for path in registry.glob("mlflow.db-*"):
        path.unlink()
    with pytest.raises(UserError, match="does not answer") as problem:
        read.runs(entry="train")
    assert "\n" not in str(problem.value)


def test_runs_of_all_entries_are_read_together(registry: Path, monkeypatch: pytest.MonkeyPatch, reads: Read) -> None:
    """The same tables as one by one, of one moment, for as many questions as one entry takes."""
    for seed in range(3):
        train_run(seed, "s" if seed else "s,other")
    for entry in ("score", "decode"):
        with runs.open_run(runs.Spec(entry, 1, {}, {"layers": "a"}), name=entry, study="s") as run:
            run.log({"b/raw": 0.5})
    with pytest.raises(ZeroDivisionError), runs.open_run(runs.Spec("score", 1, {}, {"a": 1}), name="x", study="s"):
        raise ZeroDivisionError
    train_run(9, "elsewhere")
    entries, statuses = ("train", "score", "decode", "tuning", ""), ("FINISHED", "FAILED", "KILLED")
    asked = [{"entry": entry, "study": "s", "status": status} for entry in entries for status in statuses]
    asked += [{"entry": "train", "study": study, "status": "FINISHED"} for study in ("other", "elsewhere", "")]
    alone = [read.runs(**one) for one in asked]
    counted: list[str] = []
    for way in (sql.Database, rest.Client):
        original = way.sync
        monkeypatch.setattr(
            way,
            "sync",
            lambda self, query, known, original=original: counted.append(query.entry) or original(self, query, known),
        )
    monkeypatch.setenv("MLSPATIAL_CACHE", str(registry / "another cache"))
    with read.together("s"):
        for one, table in zip(asked, alone, strict=True):
            pd.testing.assert_frame_equal(read.runs(**one), table, check_exact=True)
        assert counted == ["", "", "", "train", "train", "train"]  # a status each; other studies as ever
        late = train_run(4, "s")
        assert late not in set(read.runs(entry="train", study="s").run_id)
    assert late in set(read.runs(entry="train", study="s").run_id)


def test_records_are_those_of_a_search(registry: Path, reads: Read) -> None:
    for seed in range(2):
        train_run(seed, odd=math.nan)
    with runs.open_run(runs.Spec("score", 1, {"model_id": "m"}, {"layers": "a"}), name="s", parents=["p", "q"]) as run:
        run.log({"b/raw": 0.5})
    ours, theirs = read.records(metrics=("",)), runs.find(status="FINISHED")
    assert [one.id for one in ours] == [one.id for one in theirs]
    for one, same_run in zip(ours, theirs, strict=True):
        numbers = {name: value for name, value in same_run.metrics.items() if value == value}
        assert (one.metrics, one.tags, one.cfg) == (numbers, same_run.tags, same_run.cfg)
        assert (one.parents, one.studies, one.model_id) == (same_run.parents, same_run.studies, same_run.model_id)
        facts = ("entry", "spec", "status", "name", "start", "end", "experiment", "artifacts")
        assert [getattr(one, name) for name in facts] == [getattr(same_run, name) for name in facts]
    assert read.records(entry="train")[0].metrics == {}


def test_a_metric_that_ended_as_nan_keeps_its_history_and_only_what_was_logged_is_asked_for(
    registry: Path, reads: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = train_run(0), train_run(1)
    with runs.open_run(runs.Spec("train", 1, {}, {"seed": 5}), name="nan") as run:
        run.log({"heldout/r2": 0.25}, step=1)
        run.log({"heldout/r2": math.nan}, step=2)
    wanted: list[dict[str, list[str]]] = []
    for way in (sql.Database, rest.Client):
        original = way.histories
        monkeypatch.setattr(
            way, "histories", lambda self, asked, original=original: wanted.append(dict(asked)) or original(self, asked)
        )
    found = read.heldout_histories(read.runs(entry="train", metrics=("heldout/",)))
    assert {name: set(ids) for name, ids in wanted[0].items()} == {
        "heldout/loss": {first, second}, "heldout/r2": {run.id}
    }  # fmt: skip
    mine = found[found.run_id == run.id]
    assert list(mine.step) == [1, 2] and mine.value.iloc[0] == 0.25 and math.isnan(mine.value.iloc[1])
    assert len(wanted) == 1 and len(read.heldout_histories(read.runs(entry="train"))) == 4 and len(wanted) == 1
