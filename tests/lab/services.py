"""A lab's services on this machine: PostgreSQL, an object store, MLflow behind TLS with passwords, SLURM on one node.

They are the processes and settings of deploy/, on free ports of 127.0.0.1 and in a temporary folder. Whatever is
started here ends with the `with` statement, however that ends.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
GRPC = 10_000  # SeaweedFS listens there above each of its ports
START_SECONDS = 180
PROGRAMS = {"initdb": "postgresql", "nginx": "nginx-light", "slurmctld": "slurm-wlm", "munged": "munge"}
QUEUE_PROGRAMS = ("slurmctld", "munged")
READY = ("idle", "mix", "alloc")  # of SLURM's node, which may start again while it works
NOBODY = "nobody"  # who PostgreSQL runs as where this is root, whom it refuses


class Missing(Exception):
    """What this machine lacks for the test."""


def settings() -> dict[str, str]:
    """settings.env, with the names of secrets.env.example filled in anew."""
    found: dict[str, str] = {}
    for name in ("settings.env", "secrets.env.example"):
        for line in (DEPLOY / name).read_text().splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.partition("=")
                found[key] = value or secrets.token_hex(16)
    return found


def program(name: str) -> str:
    """Where a program is. Raises Missing."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") or (str(debian[0]) if debian else "")
    if not path:
        raise Missing(f"{name} is not here; Debian's package {PROGRAMS.get(name, name)} has it")
    return path


def server_python() -> Path:
    """Of the environment that requirements-lab.txt makes. Raises Missing."""
    folder = Path(os.environ.get("MLSPATIAL_LAB", ROOT / ".cache" / "lab"))
    if not (folder / "bin" / "weed").is_file():
        raise Missing(f"{folder} has no object store; `make test-lab` makes that environment")
    return folder / "bin" / "python"


_given: set[int] = set()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, nor the one GRPC above it."""
    while True:
        with socket.socket() as one, socket.socket() as above:
            one.bind(("127.0.0.1", 20_000 + secrets.randbelow(20_000)))
            number = int(one.getsockname()[1])
            with suppress(OSError):
                above.bind(("127.0.0.1", number + GRPC))
                if number not in _given:
                    _given.add(number)
                    return number


@dataclass
class Service:
    """A process that can be stopped and started again, and its log."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    answers: Callable[[], object]
    user: str = ""
    ends: int = signal.SIGTERM
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [program("runuser"), "-u", self.user, "--", *self.command] if self.user else self.command
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=dict(self.environment), stdout=log, stderr=log, cwd=self.log.parent, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            with suppress(OSError, subprocess.SubprocessError):
                if self.answers():
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} did not start:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.2)

    def stop(self, number: int | None = None) -> None:
        """End it and all that it started; what is deaf to the signal is killed after ten seconds."""
        if self.process is None:
            return
        for sent, seconds in ((number or self.ends, 10), (signal.SIGKILL, 20)):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, sent)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
                break
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process = None


@dataclass
class Lab:
    """What runs. address: of the server, with TLS; plain: without; settings: of deploy/ as they are used here."""

    folder: Path
    settings: dict[str, str]
    services: dict[str, Service] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"https://{self.settings['SERVER_NAME']}:{self.settings['HTTPS_PORT']}"

    @property
    def plain(self) -> str:
        return f"http://127.0.0.1:{self.settings['MLFLOW_PORT']}"

    @property
    def secrets(self) -> dict[str, str]:
        names = ("PGPASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD", "MLFLOW_FLASK_SERVER_SECRET_KEY", "AWS_SECRET_ACCESS_KEY")
        return {name: self.settings[name] for name in names} | self.passwords

    def environment(self) -> dict[str, str]:
        """Of the server's processes and commands."""
        python = server_python()
        base = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
        base["PATH"] = f"{python.parent}:{base['PATH']}"
        return base | self.settings | {"LAB_DATA": str(self.folder / "data")}

    def client(self, user: str, **more: str) -> dict[str, str]:
        """The environment of a person with a folder and a cache of their own."""
        home = self.folder / "people" / user
        home.mkdir(parents=True, exist_ok=True)
        base = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "MLSPATIAL_"))}
        return base | {
            "HOME": str(home),
            "USER": user,
            "LOGNAME": user,
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": user,
            "MLFLOW_TRACKING_PASSWORD": self.passwords[user],
            "MLFLOW_TRACKING_SERVER_CERT_PATH": self.settings["TLS_CERTIFICATE"],
            "MLFLOW_EXPERIMENT_NAME": user,
            "MLSPATIAL_CACHE": str(home / "cache"),
            "MLSPATIAL_DATA": str(self.folder / "shared"),
            "MLSPATIAL_PROGRESS": "0",
            "SLURM_CONF": str(self.folder / "slurm" / "slurm.conf"),
            **more,
        }

    def start(
        self,
        name: str,
        command: list[str],
        answers: Callable[[], object],
        *,
        environment: Mapping[str, str],
        user: str = "",
        ends: int = signal.SIGTERM,
    ) -> Service:
        made = Service(name, command, environment, self.folder / f"{name}.log", answers, user, ends)
        self.services[name] = made
        made.start()
        return made

    def stop(self) -> None:
        for service in reversed(self.services.values()):
            service.stop()

    def deploy(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A script of deploy/ with the server's Python, as the administrator; its output."""
        environment = self.environment() | {
            "MLFLOW_TRACKING_URI": self.plain,
            "MLFLOW_TRACKING_USERNAME": self.settings["MLFLOW_AUTH_ADMIN_USERNAME"],
            "MLFLOW_TRACKING_PASSWORD": self.settings["MLFLOW_AUTH_ADMIN_PASSWORD"],
        }
        command = [str(server_python()), str(DEPLOY / words[0]), *words[1:]]
        return subprocess.run(command, env=environment | more, text=True, capture_output=True, timeout=300)

    def user(self, name: str, *options: str) -> None:
        made = self.deploy("users.py", "add", name, *options)
        assert made.returncode == 0, made.stderr
        self.passwords[name] = made.stdout.split()[1]


def listens(port: str | int) -> Callable[[], bool]:
    def asked() -> bool:
        with socket.create_connection(("127.0.0.1", int(port)), timeout=2):
            return True

    return asked


def _postgres(lab: Lab) -> None:
    folder, given = lab.folder / "postgres", lab.settings
    folder.mkdir(mode=0o700)
    user = NOBODY if os.getuid() == 0 else ""
    if user:
        shutil.chown(folder, user)
    as_user = [program("runuser"), "-u", user, "--"] if user else []
    password = lab.folder / "password"
    password.write_text(given["PGPASSWORD"])
    environment = {"PATH": os.environ["PATH"], "HOME": str(lab.folder), "LANG": "C.UTF-8"}
    made = subprocess.run(
        [*as_user, program("initdb"), "-D", str(folder / "data"), "-U", given["POSTGRES_USER"],
         "--auth", "scram-sha-256", "--pwfile", str(password), "-E", "UTF8", "--no-sync"],
        env=environment, cwd="/", capture_output=True, text=True)  # fmt: skip
    password.unlink()
    assert made.returncode == 0, made.stderr
    port = given["POSTGRES_PORT"]
    options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    command = [program("postgres"), "-D", str(folder / "data"), *(f"--{key}={value}" for key, value in options.items())]
    ready = [program("pg_isready"), "-h", "127.0.0.1", "-p", port, "-q"]
    answers = lambda: not subprocess.call(ready)  # noqa: E731
    lab.start("postgres", command, answers, environment=environment, user=user, ends=signal.SIGINT)
    create = [program("createdb"), "-h", "127.0.0.1", "-p", port, "-U", given["POSTGRES_USER"], given["POSTGRES_DB"]]
    subprocess.run(create, env=environment | {"PGPASSWORD": given["PGPASSWORD"]}, check=True)


def _objects(lab: Lab) -> None:
    script = [str(DEPLOY / "object-store.sh")]
    lab.start("objects", script, listens(lab.settings["S3_PORT"]), environment=lab.environment())


def _mlflow(lab: Lab) -> None:
    def healthy() -> bool:
        return requests.get(f"{lab.plain}/health", timeout=5).ok

    lab.start("mlflow", [str(DEPLOY / "mlflow-server.sh")], healthy, environment=lab.environment())


def _proxy(lab: Lab) -> None:
    """nginx with deploy's server block and a certificate of its own."""
    given, folder = lab.settings, lab.folder / "nginx"
    folder.mkdir()
    names = f"subjectAltName=DNS:{given['SERVER_NAME']}"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=lab", "-addext", names,
         "-keyout", given["TLS_KEY"], "-out", given["TLS_CERTIFICATE"]],
        check=True, capture_output=True)  # fmt: skip
    text = re.sub(r"\$\{(\w+)\}", lambda name: given[name[1]], (DEPLOY / "nginx.conf.template").read_text())
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in
                          ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))  # fmt: skip
    configuration = folder / "nginx.conf"
    configuration.write_text(
        f"daemon off; pid {folder}/pid; error_log stderr;\n{'user root;' if os.getuid() == 0 else ''}\n"
        f"events {{}}\nhttp {{ access_log off;\n{temporary}\n{text} }}\n"
    )
    command = [program("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
    lab.start("nginx", command, listens(given["HTTPS_PORT"]), environment={"PATH": os.environ["PATH"]})


def _slurm(lab: Lab) -> None:
    """munge and one node with two processors, with sockets, keys and ports of their own."""
    folder, host = lab.folder / "slurm", socket.gethostname().partition(".")[0]
    for name in ("state", "spool", "munge"):
        (folder / name).mkdir(parents=True, mode=0o755)
    key, munge = folder / "munge" / "key", folder / "munge" / "socket"
    key.write_bytes(secrets.token_bytes(1024))
    key.chmod(0o600)
    files = {f"{name}-file": folder / "munge" / name for name in ("key", "pid", "seed", "log")} | {"socket": munge}
    environment = {"PATH": os.environ["PATH"], "HOME": str(lab.folder), "SLURM_CONF": str(folder / "slurm.conf")}
    command = [program("munged"), "--foreground", "--force", *(f"--{name}={path}" for name, path in files.items())]
    lab.start("munged", command, munge.exists, environment=environment)
    me = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    ports = free_port(), free_port()
    (folder / "slurm.conf").write_text(f"""
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={me}
SlurmdUser={me}
AuthType=auth/munge
AuthInfo=socket={munge}
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=2
MinJobAge=3600
KillWait=5
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000 State=UNKNOWN
PartitionName=lab Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=FORCE:2
""")
    lab.start("slurmctld", [program("slurmctld"), "-D"], listens(ports[0]), environment=environment)
    lab.start(
        "slurmd", [program("slurmd"), "-D", "-N", host], lambda: _sinfo(environment) in READY, environment=environment
    )


def _sinfo(environment: Mapping[str, str]) -> str:
    return subprocess.run(
        [program("sinfo"), "-h", "-o", "%t"], env=environment, capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def lab(*, queue: bool = True) -> Iterator[Lab]:
    """Everything, up; a folder of /tmp, since the database's user and SLURM must reach it. queue: with SLURM. Raises
    Missing."""
    for name in PROGRAMS:
        if queue or name not in QUEUE_PROGRAMS:
            program(name)
    server_python()
    given = settings()
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="mlspatial-lab-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o755)
        for name in ("data", "shared", "people"):
            (folder / name).mkdir()
        ports = ("HTTPS", "POSTGRES", "S3", "S3_MASTER", "S3_VOLUME", "S3_FILER", "MLFLOW")
        given |= {f"{name}_PORT": str(free_port()) for name in ports}
        given |= {
            "SERVER_NAME": "localhost",
            "LAB_DATA": str(folder / "data"),
            "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{given['S3_PORT']}",
            "MLFLOW_UPSTREAM": f"127.0.0.1:{given['MLFLOW_PORT']}",
            "TLS_CERTIFICATE": str(folder / "tls.crt"),
            "TLS_KEY": str(folder / "tls.key"),
        }
        made = Lab(folder, given)
        stack.callback(made.stop)
        if os.environ.get("MLSPATIAL_LAB_LOGS"):
            stack.callback(_keep_logs, folder, Path(os.environ["MLSPATIAL_LAB_LOGS"]))
        _postgres(made)
        _objects(made)
        _mlflow(made)
        _proxy(made)
        if queue:
            _slurm(made)
        yield made


def _keep_logs(folder: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for log in folder.glob("*.log"):
        shutil.copy(log, place)


if __name__ == "__main__":
    began = time.monotonic()
    with lab() as here:
        for person in ("ann", "bob"):
            here.user(person)
        print(f"{here.address} after {time.monotonic() - began:.0f} s, folder {here.folder}", flush=True)
        for person in ("ann", "bob"):
            wanted = here.client(person)
            lines = [
                f"export {name}='{wanted[name]}'" for name in sorted(wanted) if wanted[name] != os.environ.get(name)
            ]
            (here.folder / f"{person}.sh").write_text("\n".join(lines) + "\n")
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with suppress(KeyboardInterrupt):
            signal.pause()
