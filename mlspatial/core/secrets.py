"""Passwords and keys: addresses without them, and texts that must not be stored because they hold one.

Every address that is shown, logged or stored goes through `shown`. What is uploaded whole (a study's file, the patch of
uncommitted changes) is looked through by `found_in` and refused: a masked copy would not be what was run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

MASK = "***"
_END = r"\s'\"<>()\[\]"  # what no address holds
#: user:password@, where what stands behind the colon is no port; a password may hold / and @ although it should not
_PASSWORD = re.compile(rf"(://)([^:/@{_END}]*):(?!\d+(?:[/?#,]|$))[^{_END}]*@")
_USER = re.compile(rf"(://)[^:/@?#{_END}]+@")  # a token in the place of a user
_ARGUMENT = re.compile(
    rf"(?i)([?&;](?:password|passwd|pwd|(?:access_|auth_|id_|refresh_)?token|api_?key|secret|sig|signature|key"
    rf"|x-amz-(?:signature|credential|security-token)|awsaccesskeyid|x-goog-(?:signature|credential))=)[^&;#{_END}]+"
)

#: what a key is of -> how it looks; by those who give them out, as secret scanners know them
KEYS = {
    "a private key": r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "an AWS access key": r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
    "an AWS secret key": r"(?i)\baws.{0,30}['\"\s=:](?![0-9a-f]{40}\b)[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])",
    "a GitHub token": r"\bgh[pousr]_[A-Za-z0-9]{30,}|\bgithub_pat_\w{22,}",
    "a GitLab token": r"\bglpat-[\w-]{20,}",
    "a Slack token": r"\bxox[abeoprs]-[\w-]{10,}",
    "a Hugging Face token": r"\bhf_[A-Za-z0-9]{30,}",
    "an API key": r"\bsk-(?:(?:proj|ant|live|svcacct)-[\w-]{20,}|[A-Za-z0-9]{32,}\b)|\b[rs]k_live_[A-Za-z0-9]{20,}",
    "a Google API key": r"\bAIza[\w-]{35}",
    "a package index token": r"\bpypi-AgEI[\w-]{40,}",
    "a Databricks token": r"\bdapi[0-9a-f]{32}",
    "a JSON web token": r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}",
}
_KEYS = {what: re.compile(pattern) for what, pattern in KEYS.items()}
_NAME = r"(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key)"
#: NAME=value of a shell, "name": "value" of a program; in YAML a value needs no quotes
_SHELL = re.compile(r"\b(?:[A-Z][A-Z0-9_]*_)?(?:PASSWORD|PASSWD|SECRET|TOKEN|API_?KEY|ACCESS_KEY)=([^\s;&)\]]{4,})")
_PROGRAM = re.compile(rf"(?i)\b\w*{_NAME}['\"]?\s*(?::|=(?!=))\s*(['\"])([^'\"\s]{{6,}})\1")
_YAML = re.compile(rf"(?i)(?:^|[{{,#])[\s-]*['\"]?[\w-]*{_NAME}['\"]?\s*:\s+['\"]?([^\s'\"#,}}]{{4,}})")
_IN_ADDRESS = re.compile(rf"://[^:/@{_END}]*:(?!\d+(?:[/?#,]|$))([^{_END}]+)@")
#: variables, what is to be filled in, and code that asks for one
_PLACEHOLDER = re.compile(
    r"[$<{%(\[].*|[.*xX_-]+|[A-Z_]+|[A-Za-z_.]+[(\[].*|true|false|none|null|\d+"
    r"|(?:my_?|your_?|the_?)?(?:user|password|passwd|pwd|string|secret|token|key|api_?key)|[A-Za-z]+(?:[._][A-Za-z]+)+",
    re.DOTALL | re.IGNORECASE,
)  # a number of a vocabulary, the word itself, a name of a program


def shown(text: str) -> str:
    """A text, its addresses without passwords, tokens and signatures."""
    text = _PASSWORD.sub(_masked, text)
    return _ARGUMENT.sub(rf"\g<1>{MASK}", _USER.sub(rf"\g<1>{MASK}@", text))


def _masked(found: re.Match[str]) -> str:
    user = found[2]
    known = any(pattern.search(user) for pattern in _KEYS.values())
    return f"://{MASK if known else user}:{MASK}@"


def parted(address: str) -> tuple[str, str, str]:
    """(address without user information, user, password) of an address scheme://user:password@host."""
    scheme, between, rest = address.partition("://")
    authority, slash, path = rest.partition("/")
    if not between or "@" not in authority:
        return address, "", ""
    information, _, host = authority.rpartition("@")
    user, _, password = information.partition(":")
    return f"{scheme}://{host}{slash}{path}", unquote(user), unquote(password)


def found_in(text: str, *, yaml: bool = False) -> Iterator[tuple[int, str]]:
    """(line from 1, what it looks like) of every line that holds a password or key. $NAME, ..., <NAME> are none.

    yaml: whether `password: value` is one without quotes.
    """
    for number, line in enumerate(text.splitlines(), 1):
        if what := _kind(line, yaml):
            yield number, what


def _kind(line: str, yaml: bool) -> str:
    for what, pattern in _KEYS.items():
        if pattern.search(line):
            return what
    if any(_real(value) for value in _IN_ADDRESS.findall(line)):
        return "a password in an address"
    values = [*_SHELL.findall(line), *(value for _, value in _PROGRAM.findall(line))]
    values += _YAML.findall(line) if yaml else []
    return "a password or key" if any(map(_real, values)) else ""


def _real(value: str) -> bool:
    value = value.strip("'\"").rstrip("`.,;:!?")
    return bool(value) and not _PLACEHOLDER.fullmatch(value)
