"""Single runs, versions and logged networks: of an SQLite database by its tables, which takes no MLflow; of others by
MLflow's client.

What a table does not have, and what this module cannot ask of tables, is asked of the client: its words for what is
not there, and what it does not find, are the same in both ways.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from mlspatial.registry.filters import Condition, conditions
from mlspatial.registry.patience import patiently
from mlspatial.registry.record import RunRecord, record_of
from mlspatial.registry.store import all_experiments, client, database, is_elsewhere, is_plain, opened
from mlspatial.registry.tables import Tables

Found = TypeVar("Found")
PAGE, PAGE_OF_VERSIONS = 50_000, 10_000  # MLflow's largest
NEWEST = ("start_time DESC",)


def find(where: str, limit: int | None = None) -> list[RunRecord]:
    """Runs of all active experiments by a filter of MLflow's, newest first; limit: the first of them."""
    asked = conditions(where)
    if asked is not None and (found := _by_tables(lambda tables: tables.runs(asked, limit))) is not None:
        return found
    records: list[RunRecord] = []
    token = None
    while True:
        page = client().search_runs(
            all_experiments(), where, max_results=limit or PAGE, order_by=list(NEWEST), page_token=token
        )
        records += [record_of(run) for run in page]
        token = page.token
        if not token or limit:
            return records


def run(run_id: str) -> RunRecord:
    """A run by its id, also a deleted one."""
    asked = (Condition("attributes", "run_id", "=", (run_id,)),)
    found = _by_tables(lambda tables: tables.runs(asked, everywhere=True))
    return found[0] if found else record_of(client().get_run(run_id))


def versions(where: str) -> list[Any]:
    """READY versions of registered models by a filter of MLflow's, "" for all, as they were registered: name, version,
    source, run_id, tags."""
    asked = conditions(where)
    if asked is not None and (found := _by_tables(lambda tables: tables.versions(asked), registry=True)) is not None:
        return found
    entries: list[Any] = []
    token = None
    while True:
        page = client().search_model_versions(
            where or None, max_results=PAGE_OF_VERSIONS, order_by=["creation_timestamp ASC"], page_token=token
        )
        entries += [version for version in page if version.status == "READY"]
        token = page.token
        if not token:
            return entries


def version(name: str, number: str) -> Any:
    """A version by its number."""
    if number.isdecimal():
        asked = tuple(Condition("attributes", key, "=", (text,)) for key, text in (("name", name), ("version", number)))
        if found := _by_tables(lambda tables: tables.versions(asked), registry=True):
            return found[0]
    return client().get_model_version(name, number)


def by_alias(name: str, alias: str) -> Any:
    """The version that has an alias."""
    number = _by_tables(lambda tables: tables.alias(name, alias), registry=True)
    return version(name, number) if number else client().get_model_version_by_alias(name, alias)


def logged(model_id: str) -> Any:
    """A READY logged network: model_id, tags, status, source_run_id, artifact_location, creation_timestamp."""
    found = _by_tables(lambda tables: tables.logged("model_id", model_id))
    return found[0] if found else client().get_logged_model(model_id)


def logged_of(run: RunRecord) -> list[Any]:
    """The READY logged networks of a run, newest first."""
    found = _by_tables(lambda tables: tables.logged("source_run_id", run.id, run.experiment))
    if found is not None:
        return found
    made: list[Any] = []
    token: str | None = ""
    while token is not None:
        page = client().search_logged_models([run.experiment], f"source_run_id = '{run.id}'", page_token=token or None)
        made += [model for model in page if str(model.status) == "READY"]
        token = page.token or None
    return made


def _by_tables(question: Callable[[Tables], Found], *, registry: bool = False) -> Found | None:
    """What an SQLite database's own tables say; None where the store is another, or they are not as expected. registry:
    of models, which may be elsewhere."""
    file = database()
    if file is None or not is_plain():
        return None
    if registry and is_elsewhere():
        return None
    opened()
    try:
        return patiently(lambda: question(Tables(file)))
    except sqlite3.Error:
        return None
