"""Passwords and keys are neither told nor stored. Every false one is put together here, so that no line of this file is
one: uncommitted changes that hold a key are refused."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from mlspatial.core.secrets import found_in, parted, shown

WORD = "hunter" + "2hunter2"
BLOCK = "PRIVATE " + "KEY-----"


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        (f"postgresql://me:{WORD}@host/db", "postgresql://me:***@host/db"),
        (f"postgresql+psycopg://me:{WORD}@host:5432/db?x=1", "postgresql+psycopg://me:***@host:5432/db?x=1"),
        (f"postgresql://me:a@{WORD}@host/db", "postgresql://me:***@host/db"),
        (f"postgresql://me:a/{WORD}@host/db", "postgresql://me:***@host/db"),
        (f"redis://:{WORD}@host:6379/0", "redis://:***@host:6379/0"),
        (f"https://{WORD}@host/path", "https://***@host/path"),
        (f"https://{'ghp_' + 36 * 'a'}:x-oauth-basic@host/a.git", "https://***:***@host/a.git"),
        (f"https://host/o?a=1&X-Amz-Signature={WORD}&b=2", "https://host/o?a=1&X-Amz-Signature=***&b=2"),
        (f"https://host/o?access_token={WORD}", "https://host/o?access_token=***"),
        (f"see ('http://me:{WORD}@host') and so on", "see ('http://me:***@host') and so on"),
        (f"one http://a:{WORD}@b, two http://c:{WORD}@d", "one http://a:***@b, two http://c:***@d"),
    ],
)
def test_addresses_are_told_without_passwords(address: str, masked: str) -> None:
    assert shown(address) == masked


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000",
        "http://host:5000/#/runs?mail=me@host",
        "sqlite:////folder/me@host/mlflow.db",
        "models:/resnet18.spatial117.distance@seed0",
        "torchvision:resnet50@random0,file:a.pt?arch=resnet18&seed=0&group=mine",
        "python:net:Net@random0?input_size=48",
        "s3://bucket/key",
        "tcp://head:8786",
    ],
)
def test_what_holds_no_password_is_told_as_it_is(text: str) -> None:
    assert shown(text) == text and parted(text)[0] == text and not list(found_in(text))


def test_an_address_is_parted_as_its_standard_says() -> None:
    for address in (f"http://me:{WORD}%40x@host:5000/a", "http://me@host", "http://host:1/a@b", "https://a@b@c:2/d"):
        url, (rest, user, password) = urlsplit(address), parted(address)
        assert (user, password) == (unquote(url.username or ""), unquote(url.password or ""))
        assert urlsplit(rest) == url._replace(netloc=url.netloc.rpartition("@")[2])


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"-----BEGIN {BLOCK}", "a private key"),
        (f"-----BEGIN OPENSSH {BLOCK}", "a private key"),
        ("key: " + "AKIA" + "IOSFODNN7EXAMPLE"[:16], "an AWS access key"),
        ("aws_secret_access_key = " + "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY", "an AWS secret key"),
        ("x = 1  # " + "ghp_" + "a1B2" * 9, "a GitHub token"),
        ("github_" + "pat_" + "a1B2_" * 6, "a GitHub token"),
        ("glp" + "at-" + "a1B2c" * 4, "a GitLab token"),
        ("xox" + "b-1234567890-abcdef", "a Slack token"),
        ("hf_" + "a1B2c" * 7, "a Hugging Face token"),
        ("sk-" + "a1B2c" * 8, "an API key"),
        ("sk-" + "proj-" + "a1B2c" * 8, "an API key"),
        (f"postgresql://me:pa/{WORD}@host/db", "a password in an address"),
        ("AIza" + "a1B2c" * 7, "a Google API key"),
        ("pypi-" + "AgEI" + "a1B2c" * 10, "a package index token"),
        ("dapi" + "0123456789abcdef" * 2, "a Databricks token"),
        ("eyJ" + "hbGciOiJIUzI1" + ".eyJ" + "zdWIiOiIxMjM0" + "." + "SflKxwRJSMeKKF2QT4", "a JSON web token"),
        (f"uri = 'postgresql://me:{WORD}@host/db'", "a password in an address"),
        (f"export MLFLOW_TRACKING_PASSWORD={WORD}", "a password or key"),
        (f"PASSWORD='{WORD}' python x.py", "a password or key"),
        (f'+    api_key = "{WORD}"', "a password or key"),
        (f'{{"client_secret": "{WORD}"}}', "a password or key"),
    ],
)
def test_known_kinds_of_keys_are_found_with_their_lines(line: str, what: str) -> None:
    assert list(found_in(f"one\ntwo\n{line}\nfour")) == [(3, what)]


@pytest.mark.parametrize(
    "line",
    [
        "export MLFLOW_TRACKING_PASSWORD=...",
        "export MLFLOW_TRACKING_PASSWORD=$PASSWORD OTHER_TOKEN=${TOKEN}",
        'password = os.environ["PASSWORD"]',
        "token = page.token",
        "token: str | None = None",
        "PASSWORD=getpass()",
        "if password == 'typed-in':",
        "uri = f'postgresql://me:{password}@host/db'",
        "postgresql://USER:PASSWORD@host/db",
        "postgresql://me:***@host/db",
        "sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "tokens: 12",
        "task-rotation-translation-identity-everything",
        ".sk-toggleable__label-arrow:before {content: 1}",
        'draws = "' + "0123456789abcdef01234567" + "89abcdef01234567" + '"',
        'aws_commit: "' + "0123456789abcdef01234567" + "89abcdef01234567" + '"',
        "PAD_TOKEN=50256",
        'token = "class_token"',
        'cls_token: "torch.Tensor"',
        '"password": "string"',
        "postgresql://user:password@host/db",
        "set `MLFLOW_TRACKING_PASSWORD=...`, and",
    ],
)
def test_what_only_speaks_of_keys_is_none(line: str) -> None:
    assert not list(found_in(line)) and not list(found_in(line, yaml=True))


def test_in_yaml_a_value_needs_no_quotes() -> None:
    assert list(found_in(f"a: 1\ncluster: {{kind: slurm}}\n  password: {WORD}", yaml=True)) == [
        (3, "a password or key")
    ]
    assert not list(found_in(f"password: {WORD}"))


def test_this_repository_holds_no_key() -> None:
    """Nobody's uncommitted change near one of its lines is refused for what stands there."""
    root = Path(__file__).resolve().parents[2]
    told = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in (name for name in told if name.endswith((".py", ".md", ".yaml", ".toml", ".ipynb", ".j2", ".js"))):
        if name != "tests/core/test_secrets.py":
            assert not list(found_in((root / name).read_text(errors="replace"))), name
