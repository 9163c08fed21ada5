"""What `compare` reads of many runs through MLflow's server with passwords: requests, CPU-seconds and seconds.

    python -m speed.server [--quick] [--runs 1000] [--command]

The services are a lab's (tests/lab/services.py): PostgreSQL, an object store behind the server, TLS; where these are
not installed, the same server on SQLite and a folder. `services` says which. The server's Python is that of
requirements-lab.txt (MLSPATIAL_LAB); without it there is nothing to measure. Runs of every entry are made up
(made_up.py) and read in a process of its own each time, imports done before: `cold` with an empty cache, `warm` with
what the cold one left, once where the server remembers passwords for a minute (`remembered`, as deploy/ has it) and
once where it hashes them at every request (`hashed`). Read is everything: tables of evidence, histories, units, results
without blocks, predictions. The alternative reads file by file with MLflow's client, entry by entry, as compare did
before: a study of a tenth of the runs, counted up, where both ways must read the same (`error`), and where passwords
are remembered. `ours` and `alternative` are CPU-seconds of reader, server, database and store together, `ours_s` and
`alternative_s` seconds by the clock, `requests` those in the server's log, `load` how many processes wanted to run.
--command: also the command itself, with all tables and figures. --quick: 40 runs, and a study of 20.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from speed.common import peak_mib, report
from speed.made_up import STUDIED, fill
from tests.lab.services import Lab, Missing, Service, free_port, lab, server_python, settings

ROOT = Path(__file__).resolve().parents[1]
RUNS, QUICK = 1000, 40
SAMPLE, LEAST = "sample", 20  # study that the alternative reads; runs of it at least
PERSON = "ann"
REMEMBERED = {"remembered": "60", "hashed": "0"}  # MLFLOW_AUTH_CACHE_SECONDS
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Served:
    """A server with passwords. environment: of who reads; database: its address from here; write: path, content."""

    kind: str
    environment: dict[str, str]
    database: str
    server: Service
    others: list[Service]
    write: Callable[[str, bytes], None]
    remember: Callable[[str], None]
    waiting: list[Future[None]] = field(default_factory=list)

    def requests(self) -> int:
        return self.server.log.read_text(errors="replace").count("HTTP/1.1")

    def cpu_seconds(self) -> float:
        """Of the server, its database and its store, so far, with processes that have ended."""
        sessions = {one.process.pid for one in (self.server, *self.others) if one.process}
        total = 0
        for place in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = place.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) in sessions or _above(place.parent.name, sessions):
                total += sum(map(int, fields[11:15]))
        return total / TICKS


def _above(pid: str, wanted: set[int]) -> bool:
    """Whether a process comes from one of these."""
    while pid not in ("0", "1", ""):
        if int(pid) in wanted:
            return True
        try:
            pid = Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            return False
    return False


@contextmanager
def served() -> Iterator[Served]:
    """A lab's services, or as much of them as there is. Raises Missing."""
    server_python()
    try:
        with lab(queue=False) as here:
            here.user(PERSON)
            yield of_lab(here, PERSON)
    except Missing as lacking:
        print(f"without PostgreSQL and an object store: {lacking}", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            yield from _on_sqlite(Path(folder))


def of_lab(here: Lab, person: str) -> Served:
    given, local = here.settings, threading.local()
    login = f"{given['POSTGRES_USER']}:{given['PGPASSWORD']}@127.0.0.1:{given['POSTGRES_PORT']}"
    place = f"http://127.0.0.1:{given['S3_FILER_PORT']}/buckets/{given['S3_BUCKET']}/artifacts"

    def write(path: str, content: bytes) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        local.session.post(f"{place}/{path}", files={"file": content}, timeout=60).raise_for_status()

    def remember(seconds: str) -> None:
        server = here.services["mlflow"]
        server.stop()
        server.environment = {**server.environment, "MLFLOW_AUTH_CACHE_SECONDS": seconds}
        server.start()

    others = [here.services[name] for name in ("postgres", "objects", "nginx")]
    return Served(
        "PostgreSQL, S3, TLS",
        here.client(person),
        f"postgresql+psycopg2://{login}/{given['POSTGRES_DB']}",
        here.services["mlflow"],
        others,
        write,
        remember,
    )


def _on_sqlite(folder: Path) -> Iterator[Served]:
    given, port, python = settings(), free_port(), server_python()
    address, database = f"http://127.0.0.1:{port}", f"sqlite:///{folder}/mlflow.db"
    configuration = folder / "basic_auth.ini"
    base = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "MLSPATIAL_"))}
    environment = base | given | {"MLFLOW_AUTH_CONFIG_PATH": str(configuration)}
    command = [str(python), "-m", "mlflow", "server", "--backend-store-uri", database, "--workers", "2"]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--port", str(port), "--app-name", "basic-auth"]
    server = Service("mlflow", command, environment, folder / "mlflow.log", lambda: requests.get(address, timeout=5).ok)

    def remember(seconds: str) -> None:
        server.stop()
        configuration.write_text(
            f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{folder}/basic_auth.db\n"
            f"admin_username = {PERSON}\nauth_cache_ttl_seconds = {seconds}\n"
            "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
        )
        server.start()

    def write(path: str, content: bytes) -> None:
        target = folder / "artifacts" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    server.answers = lambda: requests.get(f"{address}/health", timeout=5).ok
    login = {"MLFLOW_TRACKING_USERNAME": PERSON, "MLFLOW_TRACKING_PASSWORD": given["MLFLOW_AUTH_ADMIN_PASSWORD"]}
    reader = base | login | {"MLFLOW_TRACKING_URI": address, "MLFLOW_EXPERIMENT_NAME": PERSON, "PYTHONPATH": str(ROOT)}
    try:
        remember(REMEMBERED["remembered"])
        yield Served("SQLite and a folder", reader, database, server, [], write, remember)
    finally:
        server.stop()


def populate(here: Served, n: int, study: str) -> None:
    """Make n runs up in the person's experiment."""
    experiment = str(_asked(here, "experiment", "", study)["experiment"])
    with ThreadPoolExecutor(8) as pool:
        waiting: list[Future[None]] = []

        def put(run: str, name: str, content: bytes) -> None:
            waiting.append(pool.submit(here.write, f"{experiment}/{run}/artifacts/{name}", content))

        fill(n, here.database, experiment, f"mlflow-artifacts:/{experiment}", put, study=study)
        for one in waiting:
            one.result()


def _asked(here: Served, what: str, cache: str, study: str) -> dict[str, Any]:
    """What a reader's process says."""
    command = [sys.executable, "-m", "speed.server", "--reader", what, "--study", study]
    environment = here.environment | {"MLSPATIAL_CACHE": cache, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, cwd=ROOT, text=True, capture_output=True)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def timed(here: Served, what: str, cache: str, study: str = STUDIED) -> dict[str, Any]:
    """What reading costs: CPU-seconds of all, seconds by the clock, requests; and a hash of what was read."""
    before, server = here.requests(), here.cpu_seconds()
    found = _asked(here, what, cache, study)
    found["cpu"] += here.cpu_seconds() - server
    return found | {"requests": here.requests() - before}


def measure(here: Served, n: int, command: bool) -> None:
    few = max(LEAST, n // 10)
    populate(here, n, STUDIED)
    populate(here, few, SAMPLE)
    kinds = ("cold", "warm")
    with tempfile.TemporaryDirectory() as cache, tempfile.TemporaryDirectory() as other:
        former = {kind: timed(here, "former", cache, SAMPLE) for kind in kinds}
        same = timed(here, "new", other, SAMPLE)
        assert {one["hash"] for one in former.values()} == {same["hash"]}, "the two ways read other numbers"
    for name, seconds in REMEMBERED.items():
        here.remember(seconds)
        with tempfile.TemporaryDirectory() as cache:
            found = {kind: timed(here, "new", cache) for kind in kinds}
            if command:
                found |= {f"command_{kind}": timed(here, "command", cache) for kind in kinds}
        for kind, ours in found.items():
            line = {"case": f"server_{kind}_{name}_{n}_runs", "unit": "CPU-seconds", "ours": round(ours["cpu"], 1)}
            if kind in former and name == "remembered":
                theirs, scale = former[kind], n / few
                line |= {
                    "alternative": round(scale * theirs["cpu"], 1),
                    "alternative_name": f"file by file with MLflow's client, {few} runs counted as {n}",
                    "ratio": round(scale * theirs["cpu"] / ours["cpu"], 1),
                    "error": 0.0,
                    "alternative_s": round(scale * theirs["seconds"], 1),
                    "alternative_requests": round(scale * theirs["requests"]),
                }
            line |= {"ours_s": round(ours["seconds"], 1), "requests": ours["requests"], "services": here.kind, "n": n}
            report([line | {"load": round(os.getloadavg()[0], 1), "peak_mib": ours["peak_mib"]}])


def reader(what: str, study: str) -> dict[str, Any]:
    """In a process of its own. experiment: the id of the person's; new, former: read everything; command: compare,
    with what is in the cache."""
    importlib.import_module("mlflow")  # what whoever asks a server imports is not timed
    import pandas as pd

    from mlspatial.compare.evidence import load
    from mlspatial.core.hashing import content_id
    from mlspatial.registry import direct, read
    from mlspatial.registry.store import client, experiment_id
    from mlspatial.steps.compare import compare

    client()
    if what == "experiment":
        return {"experiment": experiment_id()}
    begun, cpu = time.perf_counter(), time.process_time()

    def costs() -> dict[str, Any]:
        return {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu, "peak_mib": peak_mib()}

    if what == "command":
        with tempfile.TemporaryDirectory() as out, redirect_stdout(sys.stderr):
            compare(items="all", out=out, study=study, force=True)
        return costs()
    if what == "former":
        read.BUNDLED, direct.can = "", lambda root: False
    with read.together(study) if what == "new" else nullcontext():
        found = load(study)
        best = found.scores[found.scores.committed]
        frames = [found.networks, found.scores, found.pairs, found.decodings, found.units(tuple(best.run_id))]
        frames += [found.left_out("decode", tuple(found.decodings.run_id.unique()))]
        frames += [found.left_out("similarity", tuple(found.pairs.run_id.unique()))]
        kept = [
            one for row in best.itertuples() for one in found.predictions(row.run_id, {(row.benchmark, row.metric)})
        ]
    result = costs()
    texts = [pd.DataFrame(frame).to_csv(index=False) for frame in frames]
    return result | {"hash": content_id([texts, [float(one.predicted.sum()) for one in kept]])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} runs")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--command", action="store_true", help="also the whole command")
    parser.add_argument("--reader", default="", help=argparse.SUPPRESS)
    parser.add_argument("--study", default=STUDIED, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.reader:
        print(json.dumps(reader(asked.reader, asked.study)))
        return
    try:
        with served() as here:
            measure(here, QUICK if asked.quick else asked.runs, asked.command)
    except Missing as lacking:
        print(f"not measured: {lacking}", file=sys.stderr)


if __name__ == "__main__":
    main()
