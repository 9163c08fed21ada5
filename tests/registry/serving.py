"""A real tracking server, and a gate before it that can be shut and can lose an answer."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

START_SECONDS = 200


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def stand(monkeypatch: pytest.MonkeyPatch, folder: Path, address: str, experiment: str) -> None:
    """Be in a folder, with a cache of one's own there, and have the tracking store at an address."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLSPATIAL_CACHE", str(folder / "cache"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", experiment)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)


class Server:
    """`mlflow server` over a database in a folder, its artifacts in folder/served."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.address, self.database = f"http://127.0.0.1:{self.port}", f"sqlite:///{folder}/mlflow.db"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", self.database, "--workers", "1"]
        command += ["--port", str(self.port), "--artifacts-destination", str(self.folder / "served")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                requests.get(f"{self.address}/health", timeout=5)
                return
            except requests.RequestException:
                time.sleep(0.1)
        raise TimeoutError((self.folder / "server.log").read_text()[-2000:])

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(60)


class Gate:
    """Passes everything on to a server while it is open; nobody listens there while it is shut."""

    def __init__(self, server: Server) -> None:
        self._server, self.port = server, free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._to_lose: list[bytes] = []
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        self.open()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._changed:
            for connection in list(self._open):
                self._end(connection)

    def lose(self, request: str) -> None:
        """Cut the connection instead of passing on the next answer to a request for such an address."""
        self._to_lose.append(request.encode())

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                inner, _ = listener.accept()
            except OSError:
                return
            outer = socket.create_connection(("127.0.0.1", self._server.port))
            with self._changed:
                self._open |= {inner, outer}
            threading.Thread(target=self._pass, args=(inner, outer), daemon=True).start()

    def _pass(self, inner: socket.socket, outer: socket.socket) -> None:
        losing = False
        waiting = select.poll()  # select takes no descriptor above 1023, and a suite in one process has many
        sides = {side.fileno(): side for side in (inner, outer)}
        for number in sides:
            waiting.register(number, select.POLLIN)
        try:
            while True:
                for number, _ in waiting.poll():
                    source = sides[number]
                    data = source.recv(1 << 16)
                    if source is inner:
                        named = [request for request in self._to_lose if request in data.partition(b"\r\n")[0]]
                        if named:
                            self._to_lose.remove(named[0])
                            losing = True
                    elif losing:
                        return
                    if not data:
                        return
                    (outer if source is inner else inner).sendall(data)
        except (OSError, ValueError):
            return
        finally:
            with self._changed:
                self._end(inner)
                self._end(outer)

    def _end(self, connection: socket.socket) -> None:
        self._open.discard(connection)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
