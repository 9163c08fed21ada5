"""One build of ThreeDWorld: its process, its socket, and questions with answers.

The controller (here) is a REP socket on a TCP port, the build a REQ socket: it asks first, gets a JSON list of
commands, draws a frame and sends what the commands asked for, with the frame's number as the last part. Whatever goes
wrong on the way is Lost: the engine then starts the build again, or says in a line what to do.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.progress import say
from mlspatial.render.tdw import package
from mlspatial.render.tdw.answers import Answer, Garbled, read

PORT, PORTS, BUILD, FLAGS, TIMEOUT = (
    f"MLSPATIAL_TDW_{name}" for name in ("PORT", "PORTS", "BUILD", "FLAGS", "TIMEOUT")
)
HOST = "127.0.0.1"  # nobody else is to be heard: whoever speaks first at the port is taken for the build
DEFAULT_PORT = 1071  # ThreeDWorld's
DEFAULT_TIMEOUT = 600.0  # seconds for an answer: a scene that is not on this machine yet is downloaded first
LAUNCHED_PORTS = 64  # of which a build that is started here takes the first free one
RESENDS = 20  # of a message that the build says it did not get
SLICE = 0.1  # seconds between looks at the process
PATIENCE = 2.0  # seconds that a build is waited for before it is said
FREED = 2.0  # seconds until a port that was given back can be taken again
FAREWELL = 2.0  # seconds for the last answer of a build that is told to end
TERMINATE = json.dumps([{"$type": "terminate"}]).encode()
PR_SET_PDEATHSIG = 1


class Lost(Exception):
    """The build has ended, is silent or answers what cannot be read: another one may do better."""


@dataclass(frozen=True)
class Settings:
    """How builds are reached. port: the first port; ports: how many from there on builds may be at that are started by
    hand; build: path of the program, "" for one that is started by hand; flags: more of its command line, such as
    -force-glcore42; timeout: seconds for an answer."""

    port: int = DEFAULT_PORT
    ports: int = 1
    build: str = ""
    flags: tuple[str, ...] = ()
    timeout: float = DEFAULT_TIMEOUT

    @classmethod
    def here(cls) -> Settings:
        """As the environment's variables say, which processes inherit. Raises BadValue."""
        found = cls(
            int(_number(PORT, DEFAULT_PORT)),
            int(_number(PORTS, 1)),
            os.environ.get(BUILD, ""),
            flags(),
            _number(TIMEOUT, DEFAULT_TIMEOUT),
        )
        if not 1 <= found.port <= 65535 - found.ports:
            raise BadValue("tdw_port", found.port, "must be a port, 1 to 65535")
        if found.build and not (os.path.isfile(found.build) and os.access(found.build, os.X_OK)):
            why = "cannot be run" if os.path.exists(found.build) else "is not there"
            raise BadValue("tdw_build", found.build, f"{why}; give the path of the build's program (TDW.x86_64)")
        return found

    def candidates(self) -> range:
        return range(self.port, min(self.port + (LAUNCHED_PORTS if self.build else self.ports), 65536))


def flags() -> tuple[str, ...]:
    """More of a build's command line, as the environment's variable says."""
    return tuple(os.environ.get(FLAGS, "").split())


def reach(build: str, port: int, workers: int) -> None:
    """Have this process and its workers reach builds so, where that is said; else as the environment has it."""
    os.environ[PORTS] = str(workers)
    if build:
        os.environ[BUILD] = str(Path(build).expanduser().absolute())
    if port:
        os.environ[PORT] = str(port)


class Build:
    """A build that answers. Raises UserError for a port that is taken, or a build of another version."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.process: subprocess.Popen[bytes] | None = None
        self.socket: Any = None
        self._end: Any = None
        self._frame = -1
        try:
            self.port = self._bind()
            if settings.build:
                self._launch()
            elif not self._heard(PATIENCE):
                say(
                    f"ThreeDWorld: waiting for a build at port {self.port} (TDW.x86_64 -port={self.port}); one that is "
                    "started by hand serves one dataset: with tdw_build they are started here"
                )
            self._receive()  # it asks for commands
            if self._end is None:
                self._end = Finalize(self, _dismiss, args=(self.socket,), exitpriority=10)
            self._greet()
        except BaseException:
            self.close()
            raise

    def ask(self, commands: Sequence[dict[str, Any]]) -> Answer:
        """What the build answers to commands. Raises Lost, or Garbled for what cannot be what was asked for."""
        message = json.dumps(list(commands)).encode()
        for _ in range(RESENDS):
            self._send(message)
            answer = read(self._receive())
            if answer.unheard:
                continue
            if answer.quit:
                if self.process is None and self._end is not None:
                    self._end.cancel()  # it needs no word to end
                    self._end = None
                raise Lost(f"the build has quit{answer.complaint()}")
            if answer.frame <= self._frame:
                raise Garbled(f"the build answered with frame {answer.frame} after frame {self._frame}")
            self._frame = answer.frame
            return answer
        raise Lost(f"the build did not get a message that was sent {RESENDS} times")

    def close(self) -> None:
        """End the build and free the port. One that was started by hand is told to end, as by ThreeDWorld's own
        controllers: it would wait for its next commands for ever, and hear nobody who takes the port after this."""
        if self._end is not None:
            self._end()  # ends it, once
            self._end = None
        if self.socket is not None:
            self.socket.close(linger=0)
            self.socket = None

    def _bind(self) -> int:
        import zmq

        self.socket = zmq.Context.instance().socket(zmq.REP)
        candidates = self.settings.candidates()
        until = time.monotonic() + FREED
        while True:
            for port in candidates:
                with suppress(zmq.ZMQError):
                    self.socket.bind(f"tcp://{HOST}:{port}")
                    return port
            if time.monotonic() > until:
                break
            time.sleep(SLICE)
        taken = f"{candidates[0]} to {candidates[-1]}" if len(candidates) > 1 else str(candidates[0])
        why = "is taken by another program; end it or take another port"
        if not self.settings.build:
            why += "; if it is a process of the same call, take workers=1 (a build that is started by hand serves one)"
        raise BadValue("tdw_port", taken, why)

    def _launch(self) -> None:
        command = [self.settings.build, f"-port={self.port}", *self.settings.flags]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                preexec_fn=_end_with_parent,
                cwd=Path(self.settings.build).resolve().parent,
            )
        except OSError as error:
            raise BadValue("tdw_build", self.settings.build, f"cannot be started ({error.strerror})") from error
        self._end = Finalize(self, _end, args=(self.process,), exitpriority=10)

    def _greet(self) -> None:
        try:
            answer = self.ask(
                [{"$type": "set_error_handling"}, {"$type": "send_log_messages"}, {"$type": "send_version"}]
            )
        except Garbled as error:
            raise Lost(str(error)) from error
        if not answer.version:
            raise Lost("the build does not say its version")
        if answer.version.split(".")[:3] != package.release().split("."):
            raise UserError(
                f"ThreeDWorld: the build at port {self.port} is version {answer.version}, the package tdw is "
                f"{package.installed()}; take the build {package.release()}"
            )

    def _send(self, message: bytes) -> None:
        import zmq

        try:
            self.socket.send_multipart([message], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            raise Lost(f"the build at port {self.port} takes no message ({error})") from error

    def _heard(self, seconds: float) -> bool:
        return bool(self.socket.poll(1000 * seconds))

    def _receive(self) -> list[bytes]:
        until = time.monotonic() + self.settings.timeout
        while not self._heard(SLICE):
            if self.process is not None and (code := self.process.poll()) is not None:
                raise Lost(f"the build has ended with code {code}")
            if time.monotonic() > until:
                raise Lost(f"no build has answered at port {self.port} for {self.settings.timeout:g} seconds")
        parts: list[bytes] = self.socket.recv_multipart()
        return parts


def _end_with_parent() -> None:
    """In the build's process, before it begins: end when this one is killed."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _dismiss(socket: Any) -> None:
    import zmq

    with suppress(zmq.ZMQError):  # where it owes an answer it is silent or gone, and cannot be told
        socket.send(TERMINATE, zmq.NOBLOCK)
        socket.poll(1000 * FAREWELL)
    socket.close(linger=0)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(5.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _number(name: str, default: float) -> float:
    try:
        return float(os.environ.get(name) or default)
    except ValueError:
        raise BadValue(name, os.environ[name], "must be a number") from None
