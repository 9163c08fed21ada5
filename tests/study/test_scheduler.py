"""A dask scheduler that runs already: one that dies, and one that speaks TLS."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from distributed.security import Security

from mlspatial.core.errors import UserError
from mlspatial.registry import runs
from mlspatial.study.cluster import Dask
from tests.study.examples import ENDED, FAKES, environment, wait_until

pytestmark = pytest.mark.slow

ONE = """
name: fake
train: {dataset: images, task: distance, batches: 1500}
"""


class Cluster:
    """A scheduler and one worker, as `dask scheduler` and `dask worker` start them."""

    def __init__(self, protocol: str, variables: Mapping[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"{protocol}://127.0.0.1:{port}"
        self.environment = {**environment(), **variables}
        place = ("--host", "127.0.0.1", "--no-dashboard", "--protocol", protocol)
        self.scheduler = self._start("scheduler", "--port", str(port), *place)
        self.worker = self._start("worker", self.address, "--nthreads", "1", *place)

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *words]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, env=self.environment, stdout=quiet, stderr=quiet, start_new_session=True)

    def end(self) -> None:
        for process in (self.worker, self.scheduler):
            process.terminate()
        for process in (self.worker, self.scheduler):
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def cluster(request: pytest.FixtureRequest, fake: Path) -> Iterator[Any]:
    made: list[Cluster] = []

    def start(protocol: str = "tcp", **variables: str) -> Cluster:
        made.append(Cluster(protocol, variables))
        return made[-1]

    yield start
    for one in made:
        one.end()


def begin(fake: Path, address: str, **variables: str) -> subprocess.Popen[str]:
    given = {"config": str(fake), "package": FAKES, "scheduler": address}
    code = f"from mlspatial.cli import finish; from mlspatial.study import study; finish('study', study, **{given!r})"
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, env={**environment(), **variables}, stderr=subprocess.PIPE, text=True)


def trained() -> set[str]:
    return {run.status for run in runs.find(entry="train")}


def test_a_scheduler_that_dies_ends_the_study_in_one_line_and_the_same_command_goes_on(
    fake: Path, cluster: Any
) -> None:
    fake.write_text(ONE)
    first = cluster()
    study = begin(fake, first.address)
    try:
        wait_until(lambda: any(run.metrics for run in runs.find(entry="train")) or study.poll() is not None)
        assert study.poll() is None, study.communicate()[1]
        first.scheduler.kill()
        _, said = study.communicate(timeout=60)
    finally:
        study.kill()
    assert study.returncode == 1
    line = rf"study: scheduler={first.address}: the dask scheduler is gone, .*; the same command goes on when one is .*"
    assert re.fullmatch(line, said.splitlines()[-1]) and "Traceback" not in said, said
    wait_until(lambda: trained() <= ENDED, 60)
    (stopped,) = runs.find(entry="train")

    again = begin(fake, cluster().address)
    try:
        _, said = again.communicate(timeout=300)
    finally:
        again.kill()
    assert again.returncode == 0, said
    (whole,) = runs.find(entry="train")
    assert (whole.id, whole.status, whole.tags[runs.RESUMED]) == (stopped.id, "FINISHED", "1")


def certificates(folder: Path) -> dict[str, str]:
    """The variables that name to dask a certificate, its key and whom to trust."""
    made = Security.temporary()
    variables = {}
    for name, text in (("ca-file", made.tls_ca_file), ("cert", made.tls_client_cert), ("key", made.tls_client_key)):
        path = folder / f"{name}.pem"
        path.write_text(text)
        path.chmod(0o600)
        whose = ("",) if name == "ca-file" else ("SCHEDULER__", "WORKER__", "CLIENT__")
        variables |= {f"DASK_DISTRIBUTED__COMM__TLS__{who}{name.upper().replace('-', '_')}": str(path) for who in whose}
    return variables


def test_a_scheduler_that_speaks_tls(fake: Path, cluster: Any, tmp_path: Path) -> None:
    """With certificates by dask's own variables; who has none is told so, and calls need no other setting."""
    fake.write_text(ONE.replace("1500", "5"))
    folder = tmp_path / "certificates"
    folder.mkdir()
    variables = certificates(folder)
    secured = cluster("tls", **variables)
    study = begin(fake, secured.address, **variables)
    try:
        _, said = study.communicate(timeout=300)
    finally:
        study.kill()
    assert study.returncode == 0, said
    assert trained() == {"FINISHED"}
    with pytest.raises(UserError, match=rf"scheduler={secured.address}: .*certificate"):
        Dask(1, scheduler=secured.address)
    with pytest.raises(UserError, match="no dask scheduler answers there"):
        Dask(1, scheduler=secured.address.replace("tls", "tcp"))
