"""Reads runs through MLflow's client or its REST interface: of what is known already, only that it is still so."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from mlspatial.core.names import ENTRY, STUDY
from mlspatial.registry.patience import at_once, patiently
from mlspatial.registry.read.rows import (
    TIMES,
    Logged,
    Query,
    Row,
    Stamp,
    chunks,
    info_rows,
    rows_table,
    version_facts,
)
from mlspatial.registry.store import all_experiments, client, tracking_uri

if TYPE_CHECKING:
    import pyarrow

PAGE = {"database": 50_000, "server": 2_000}  # runs; MLflow allows 50,000, but a server must answer within 2 minutes
FEW = 50  # runs that are read again rather than searched through
HISTORY_RUNS, HISTORY_ROWS = 100, 25_000  # MLflow's limits for one request
THREADS = 4  # requests at a time; MLflow's server has as many workers
SEARCH, HISTORY = "/api/2.0/mlflow/runs/search", "/ajax-api/2.0/mlflow/metrics/get-history-bulk"
KINDS = ("tags", "params", "metrics")
Item = TypeVar("Item")
Result = TypeVar("Result")


class Found(NamedTuple):
    """A run as it came."""

    id: str
    stamp: Stamp
    rows: list[Row]


class Client:
    """A server, or any other store that MLflow's client can use."""

    def __init__(self) -> None:
        self._experiments = all_experiments()
        self._server = tracking_uri().startswith("http")
        self._page = PAGE["server" if self._server else "database"]
        self._threads = THREADS if self._server else 1

    def sync(self, query: Query, known: Mapping[str, Stamp]) -> tuple[dict[str, Stamp], pyarrow.Table]:
        """(stamps of the runs that fit now, rows of those whose stamp is not the known one).

        What is new is read (ended since the last known end); the known ids are asked for, a chunk a request, and
        only that the last one of each chunk is there comes back; at last, so is the number of all.

        Where ids are missing, or a tag of studies is another, the chunk is halved until few are read again. Where the
        number differs (a run was restored, joined the study, or comes from a machine whose clock is late), spans of
        the end time are halved likewise. So the answer is exact, and costs little where little has changed.
        """
        last = max((end for end, *_ in known.values()), default=0)
        read = {run.id: run for run in self._search(query, _ended(last, None))}
        there = {run: stamp for run, stamp in known.items() if run not in read}
        for again in self._at_once(lambda part: self._changed(query, *part), _by_study(there)):
            for run_id in again:
                del there[run_id]
            for few in chunks(again):
                read |= {run.id: run for run in self._search(query, _any_of(few))}
        stamps = there | {run.id: run.stamp for run in read.values()}
        if not self._exactly(query, "", len(stamps)):
            for run in self._missing(query, sorted(end for end, *_ in stamps.values()), 0, None):
                read[run.id] = run
            if not self._exactly(query, "", len(there.keys() | read.keys())):  # runs without an end, or one just came
                there, read = {}, {run.id: run for run in self._search(query)}
        stamps = there | {run.id: run.stamp for run in read.values()}
        fresh = [run for run in read.values() if known.get(run.id) != run.stamp]
        present = {run: stamp for run, stamp in stamps.items() if query.takes(stamp)}
        return present, rows_table(row for run in fresh for row in run.rows)

    def _changed(self, query: Query, study: str, ids: Sequence[str]) -> list[str]:
        """Of ids, those that do not fit any more or whose tag of studies is another, and up to FEW beside them."""
        plain = not re.search(r"['\"`\\]", study)
        if study and plain and self._exactly(query, f"{_any_of(ids)} and tags.`{STUDY}` = '{study}'", len(ids)):
            return []
        in_some = f"{_any_of(ids)} and tags.`{STUDY}` LIKE '_%'"
        if not study and self._exactly(query, in_some, 0) and self._exactly(query, _any_of(ids), len(ids)):
            return []
        if len(ids) <= FEW or not plain:
            return list(ids)
        middle = len(ids) // 2
        return [*self._changed(query, study, ids[:middle]), *self._changed(query, study, ids[middle:])]

    def _missing(self, query: Query, ends: Sequence[int], first: int, last: int | None) -> list[Found]:
        """Runs that ended in a span of time, from the parts of it in which there are not as many as known."""
        if self._exactly(query, _ended(first, last), len(ends)):
            return []
        middle = ends[len(ends) // 2] if ends else first
        if len(ends) <= FEW or middle in (first, last):
            return self._search(query, _ended(first, last))
        low, high = [end for end in ends if end <= middle], [end for end in ends if end > middle]
        return [*self._missing(query, low, first, middle), *self._missing(query, high, middle + 1, last)]

    def _exactly(self, query: Query, where: str, number: int) -> bool:
        """Whether so many runs fit: the last of them is asked for, and whether there is one more."""
        page, more = self._request(query, where, 1, max(0, number - 1))
        return (len(page) == 1 and not more) if number else not page

    def _search(self, query: Query, where: str = "") -> list[Found]:
        """All that fit: one page, and if there are more, as many as there are threads at a time."""
        page, more = self._request(query, where, self._page, 0)
        found, first = list(page), self._page
        while more:
            places = [first + i * self._page for i in range(self._threads)]
            pages = self._at_once(lambda place: self._request(query, where, self._page, place), places)
            found += [run for page, _ in pages for run in page]
            more, first = pages[-1][1], places[-1] + self._page
        return found

    def _at_once(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        return at_once(work, items, self._threads)

    def _request(self, query: Query, where: str, number: int, place: int) -> tuple[list[Found], bool]:
        """(runs from a place on, newest first; whether there are more)."""
        from mlflow.utils.search_utils import SearchUtils

        asked = {
            "max_results": number,
            "order_by": ["attributes.start_time DESC"],
            "page_token": SearchUtils.create_page_token(place).decode() if place else None,
        }
        text = " and ".join(filter(None, (query.filter, where)))
        if self._server:  # four times as quick as the client, which makes several objects of every metric
            answer = _http("POST", SEARCH, json={**asked, "filter": text, "experiment_ids": self._experiments})
            return [_from_json(run) for run in answer.get("runs", [])], bool(answer.get("next_page_token"))
        page = client().search_runs(self._experiments, text, **asked)
        return [_found(dict(run.info), run.data.tags, run.data.params, run.data.metrics) for run in page], bool(
            page.token
        )

    def histories(self, wanted: Mapping[str, Sequence[str]]) -> list[Logged]:
        """Everything that was logged of some metrics; wanted: metric -> ids of runs."""
        work = [(part, metric) for metric, ids in wanted.items() for part in chunks(ids, HISTORY_RUNS)]
        return [row for found in self._at_once(lambda job: self._history(*job), work) for row in found]

    def _history(self, ids: Sequence[str], metric: str) -> list[Logged]:
        if len(ids) == 1 or not self._server:
            found = [(run, entry) for run in ids for entry in client().get_metric_history(run, metric)]
            return [(run, metric, entry.step, entry.value, entry.timestamp) for run, entry in found]
        rows = _bulk_history(ids, metric)
        if len(rows) < HISTORY_ROWS:
            return rows
        middle = len(ids) // 2  # the answer is cut off
        return [*self._history(ids[:middle], metric), *self._history(ids[middle:], metric)]

    def versions(self) -> list[dict[str, Any]]:
        """Ready model versions: uri, name, version, run_id, created (ms) and their tags."""
        found: list[dict[str, Any]] = []
        token = None
        while True:
            page = client().search_model_versions(max_results=10_000, page_token=token)
            found += [
                {**v.tags, **version_facts(v.name, v.version, v.source, v.run_id, v.creation_timestamp)}
                for v in page
                if v.status == "READY"
            ]
            token = page.token
            if not token:
                return found


def _http(method: str, address: str, **sent: Any) -> dict[str, Any]:
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import http_request, verify_rest_response

    def ask() -> dict[str, Any]:
        answer = http_request(get_default_host_creds(tracking_uri()), address, method, **sent)
        found: dict[str, Any] = verify_rest_response(answer, address).json()
        return found

    return patiently(ask)


def _bulk_history(ids: Sequence[str], metric: str) -> list[Logged]:
    """One request for many runs, by the address that the server's own pages use."""
    answer = _http("GET", HISTORY, params={"run_id": list(ids), "metric_key": metric, "max_results": HISTORY_ROWS})
    return [
        (entry["run_id"], metric, int(entry["step"]), float(entry["value"]), int(entry["timestamp"]))
        for entry in answer["metrics"]
    ]


def _from_json(run: dict[str, Any]) -> Found:
    parts = ({entry["key"]: entry["value"] for entry in run["data"].get(kind, [])} for kind in KINDS)
    return _found(run["info"], *parts)


def _found(facts: Mapping[str, Any], tags: Any, params: Any, metrics: Any) -> Found:
    run, times = facts["run_id"], (facts.get(name) for name in TIMES)
    start, end = (None if time is None else int(time) for time in times)
    rows: list[Row] = [*info_rows(run, facts["experiment_id"], facts["status"], facts["artifact_uri"], start, end)]
    rows += [(run, "tags", key, text, None) for key, text in tags.items()]
    rows += [(run, "params", key, text, None) for key, text in params.items()]
    rows += [(run, "metrics", key, None, float(number)) for key, number in metrics.items()]
    return Found(run, (end or 0, tags.get(STUDY, ""), tags.get(ENTRY, "")), rows)


def _by_study(stamps: Mapping[str, Stamp]) -> list[tuple[str, list[str]]]:
    """(tag of studies, ids of runs that have it), a request each."""
    groups: dict[str, list[str]] = {}
    for run in sorted(stamps):
        groups.setdefault(stamps[run][1], []).append(run)
    return [(study, list(part)) for study, ids in groups.items() for part in chunks(ids)]


def _ended(first: int, last: int | None) -> str:
    since = [f"attributes.end_time >= {first}"] if first else []
    return " and ".join(since + ([f"attributes.end_time <= {last}"] if last is not None else []))


def _any_of(ids: Sequence[str]) -> str:
    return "attributes.run_id IN (" + ",".join(f"'{run}'" for run in ids) + ")"
