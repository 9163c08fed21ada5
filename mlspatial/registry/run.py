"""What is written into a run while it is open."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from mlspatial.core.errors import TakenUp, Unreachable
from mlspatial.core.manifest import Manifest
from mlspatial.core.names import PARENTS, file_name
from mlspatial.core.progress import say
from mlspatial.core.secrets import shown
from mlspatial.registry import bundle, foreign, lives, patience, source, spool
from mlspatial.registry.artifacts import download
from mlspatial.registry.naming import Names, artifact_path
from mlspatial.registry.store import client

FLUSH_METRICS, FLUSH_SECONDS = 500, 10.0
MAX_PARAMS, MAX_METRICS, MAX_VALUE = 100, 1000, 6000  # MLflow's limits for one call and one value
MAX_INPUTS = 100  # models or datasets in one call
LOGGED = "models:/"  # before the id of a logged model
MAX_TAG = 5000  # characters; longer lists of parents become the artifact PARENTS_FILE
PARENTS_FILE = "parents.txt"
NAMES_FILE = "metric_names.json"  # artifact: name -> what was meant by it, of metrics whose names MLflow does not take


@dataclass(frozen=True)
class Data:
    """What a network was measured on, as MLflow shows it. kind, source: from where it is; facts: its sizes."""

    name: str
    digest: str
    kind: str = "benchmark"
    source: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


def logged_id(address: str) -> str:
    """MLflow's id of a registered network (m-...), by its address; "" of one from elsewhere."""
    return address.removeprefix(LOGGED) if address.startswith(f"{LOGGED}m-") else ""


class Run:
    """An open run: logs in batches from any thread, beats while it lives. Made by `open_run`.

    Names of metrics, parameters and tags and paths of artifacts may be any text; see `naming`.
    """

    def __init__(self, run_id: str, *, answered: bool = False, resumed: bool = False, new: bool = False) -> None:
        """new: nothing has been logged to it yet."""
        self.id, self.answered, self.resumed = run_id, answered, resumed
        self.said: list[str] = []  # Markdown of its description, see `describe`
        self.networks: list[str] = []  # MLflow's ids of the networks that it is about
        self.parents: list[str] | None = None  # where they became known while it was open
        self._pending: list[Any] = []
        self._flushed = time.monotonic()
        self._lock = threading.RLock()
        self._names = {"params": Names(), "tags": Names()} | ({"metrics": Names()} if new else {})
        self._told: dict[str, str] = {}  # what NAMES_FILE holds
        self._kept = False  # whether what is queued is on disk, since the store is away
        self._seen = bundle.Seen() if new or resumed else None  # None: it has ended, or is somebody else's
        self.taken_up = False  # whether another process has gone on with it meanwhile
        self.withdrawn = False  # whether it is gone, since others make its result

    def log(self, metrics: Mapping[str, Any], step: int = 0, *, of: str = "", on: tuple[str, str] = ("", "")) -> None:
        """Queue metrics (numbers of any kind); they are written a few hundred at a time and at the end.

        What could not be written is written the next time, in its order; a store that is away is not waited for here,
        and what it is to be told is kept on disk. of: address of the network that they are of
        (models:/m-...), so that its page shows them and searches rank it by them; one from elsewhere has no page. on:
        name and digest of the data.
        """
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        with self._lock:
            values = {self._metric(name): float(value) for name, value in metrics.items()}
            whose = (logged_id(of), *(text or None for text in on), self.id) if logged_id(of) else ()
            self._pending += [Metric(name, value, now, int(step), *whose) for name, value in values.items()]
            many = len(self._pending) >= FLUSH_METRICS and not self._kept  # each time is a whole file, meanwhile
            due = many or time.monotonic() - self._flushed > FLUSH_SECONDS
        if due:
            self._flush_if_there()

    def _flush_if_there(self) -> None:
        """Write what is queued, or keep it on disk where the store is away: its heartbeat finds out when it is back."""
        if not patience.down():
            try:
                with patience.hurried():
                    self.flush()
                return
            except Unreachable:
                pass
        if not self._kept:
            where = spool.file(self.id)
            say(f"{patience.place()}: does not answer; run {self.id} goes on, and what it logs waits in {where}")
        self.keep()

    def keep(self, status: str = "", tags: Mapping[str, str] | None = None) -> None:
        """Keep on disk what could not be written, and how the run ended, if it has."""
        with self._lock:
            self._flushed, self._kept = time.monotonic(), True
            spool.keep(self.id, self._pending, status, tags, self._changed())

    def take_up(self, kept: spool.Kept) -> None:
        """Write what an earlier process could not; what it kept stays until the caller forgets it."""
        with self._lock:
            self._pending[:0] = spool.metrics(kept)
        if kept.names:
            self.log_text(json.dumps(kept.names, indent=1, sort_keys=True), NAMES_FILE)
            self._told = dict(kept.names)
        self.flush()

    def flush(self) -> None:
        """Write what is queued; a store that is away is waited for. Raises TakenUp where another process has gone on
        with the run while the store was away, which is then theirs."""
        with self._lock:
            if self._kept or self.taken_up:
                self._demand_mine()
            pending, self._pending, self._flushed = self._pending, [], time.monotonic()
            written = 0
            try:
                if pending and (changed := self._changed()) != self._told:
                    self.log_text(json.dumps(changed, indent=1, sort_keys=True), NAMES_FILE)
                    self._told = changed
                while written < len(pending):
                    part = pending[written : written + MAX_METRICS]
                    self._write(part)
                    written += len(part)
            finally:
                self._pending[:0] = pending[written:]
            if self._kept:
                self._kept = False
                spool.forget(self.id)
                say(f"run {self.id}: what it had logged meanwhile is written")

    def _demand_mine(self) -> None:
        owner = client().get_run(self.id).data.tags.get(lives.PROCESS, lives.process())
        if owner != lives.process():
            self.taken_up, self._pending, self._kept = True, [], False
            spool.forget(self.id)
            raise TakenUp(f"run {self.id}: {owner} has gone on with it while the store was away; this process ends")

    def _changed(self) -> dict[str, str]:
        return self._names["metrics"].changed if "metrics" in self._names else self._told

    def _write(self, metrics: list[Any]) -> None:
        """Write some metrics; those of a network that we may not change go to this run alone."""
        refused = foreign.refusal(lambda: client().log_batch(self.id, metrics=foreign.own(metrics)))
        if not refused:
            return
        written = set()
        for one in sorted({metric.model_id for metric in metrics if metric.model_id} - foreign.NETWORKS):
            of_one = [metric for metric in metrics if metric.model_id == one]
            if foreign.refusal(partial(client().log_batch, self.id, metrics=of_one)):
                foreign.leave(one)
            else:
                written.add(one)
        client().log_batch(self.id, metrics=foreign.own([one for one in metrics if one.model_id not in written]))

    def _metric(self, text: str) -> str:
        """The name of a metric; in a run that goes on, what it logged before counts as well."""
        if "metrics" not in self._names:
            known = {name: name for name in client().get_run(self.id).data.metrics}
            if any(item.path == NAMES_FILE for item in client().list_artifacts(self.id)):
                self._told = json.loads(download(self.id, NAMES_FILE).read_text())
            self._names["metrics"] = Names(known | self._told)
        return self._names["metrics"].of(text)

    def log_params(self, params: Mapping[str, Any], tags: Mapping[str, Any] | None = None) -> None:
        """Log parameters; tags go with the first of them, in one request."""
        from mlflow.entities import Param

        names = self._names["params"]
        entries = [Param(names.of(name), shown(str(value))[:MAX_VALUE]) for name, value in params.items()]
        for first in range(0, len(entries), MAX_PARAMS):
            client().log_batch(self.id, params=entries[first : first + MAX_PARAMS], tags=self._tags(tags or {}))
            tags = None

    def logged(self) -> list[str]:
        """Names of the metrics that were written, as the store has them."""
        return sorted(client().get_run(self.id).data.metrics)

    def last_step(self, metric: str) -> int:
        """The highest step at which a metric was written; -1 before the first."""
        with self._lock:
            name = self._metric(metric)
        return max((entry.step for entry in client().get_metric_history(self.id, name)), default=-1)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        client().log_batch(self.id, tags=self._tags(tags))

    def _tags(self, tags: Mapping[str, Any]) -> list[Any]:
        from mlflow.entities import RunTag

        names = self._names["tags"]
        return [RunTag(names.of(name), shown(str(value))) for name, value in tags.items()]

    def set_parents(self, parents: Iterable[str]) -> None:
        """Name the runs that this one's inputs come from; a long list becomes a file."""
        self.parents = listed = list(parents)
        text = ",".join(listed)
        if len(text) > MAX_TAG:
            self.log_text("\n".join(listed), PARENTS_FILE)
            text = ""
        self.set_tags({PARENTS: text})

    def add_tags(self, tags: Mapping[str, str]) -> None:
        """Set tags that say how a result is made; of a run that goes on, beside what made the first part of it."""
        before = client().get_run(self.id).data.tags if self.resumed else {}
        self.set_tags(source.joined(before, tags))

    def log_file(self, path: Path, folder: str | None = None) -> None:
        name, place = file_name(path.name), artifact_path(folder) if folder else None
        self._about_to_write()
        with tempfile.TemporaryDirectory(prefix="mlspatial-") as renamed:
            link = Path(renamed, name) if name != path.name else path
            if link is not path:
                link.symlink_to(path.resolve())
            client().log_artifact(self.id, str(link), place)
        if self._seen:
            self._seen.add(f"{place}/{name}" if place else name, path)

    def log_text(self, text: str, name: str) -> None:
        self._about_to_write()
        client().log_text(self.id, text, artifact_path(name))
        if self._seen:
            self._seen.add(artifact_path(name), text.encode())

    def _about_to_write(self) -> None:
        if self._seen is None:
            bundle.drop(self.id)

    def finish_files(self) -> None:
        """Leave the small tables that it has logged in one archive; before it is told finished."""
        if self._seen:
            bundle.write(self.id, self._seen, resumed=self.resumed)

    def log_table(self, table: Any, name: str) -> None:
        """table: a pandas DataFrame, shown as a table by the MLflow UI (name ends in .json)."""
        self.log_text(table.to_json(orient="split", index=False), name)

    def describe(self, text: str) -> None:
        """Add Markdown to the description that the MLflow UI shows of this run, written when it has finished."""
        self.said.append(text)

    def log_inputs(self, networks: Iterable[str], data: Iterable[Data] = ()) -> None:
        """Record networks (addresses) and data as inputs of this run, for their pages and its own."""
        from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput

        ids = [one for one in dict.fromkeys(map(logged_id, networks)) if one]
        self.networks = list(dict.fromkeys([*self.networks, *ids]))
        models = [LoggedModelInput(one) for one in ids]
        tag = [InputTag("mlflow.data.context", "evaluation")]
        sets = [
            DatasetInput(
                Dataset(one.name, one.digest, one.kind, shown(json.dumps(one.source)), profile=json.dumps(one.facts)),
                tag,
            )
            for one in data
        ]
        for first in range(0, max(len(models), len(sets)), MAX_INPUTS):
            part = slice(first, first + MAX_INPUTS)
            self._input(sets[part], models[part])

    def _input(self, datasets: list[Any], models: list[Any]) -> None:
        """Record inputs, without networks that we may not change: MLflow takes a link for a change of both ends."""
        left = [model for model in models if model.model_id not in foreign.NETWORKS]
        refused = foreign.refusal(lambda: client().log_inputs(self.id, datasets=datasets, models=left))
        for model in left if refused else ():
            if foreign.refusal(partial(client().log_inputs, self.id, models=[model])):
                foreign.leave(model.model_id)
        if refused:  # of the run itself: raised here
            client().log_inputs(self.id, datasets=datasets)

    def log_dataset(self, manifest: Manifest, folder: Path, context: str) -> None:
        """Record a dataset as an input of this run; context: training, evaluation, output, ..."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        from mlspatial.registry.published import origin

        dataset = Dataset(
            name=manifest.name,
            digest=manifest.dataset_id,
            source_type="local",
            source=json.dumps({"uri": origin(folder)}),
            schema=json.dumps({"mlflow_colspec": [_colspec(latent) for latent in manifest.schema]}),
            profile=json.dumps({name: manifest.rows(name) for name in manifest.splits}),
        )
        client().log_inputs(self.id, datasets=[DatasetInput(dataset, [InputTag("mlflow.data.context", context)])])


def _colspec(latent: Any) -> dict[str, Any]:
    return {"name": latent.name, "type": "string" if latent.kind == "category" else "float", "required": True}
