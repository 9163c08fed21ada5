"""Names of metrics, parameters and tags that MLflow takes, made of any text: layers, benchmarks, latents, ..."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from mlspatial.core.names import file_name, text_hash

MAX_NAME = 250  # characters; MLflow's limit
NOT_IN_NAMES = re.compile(r"[^\w\-. :/]")  # MLflow takes letters, digits, _ - . space : /
NO_PART = re.compile(r"(?:^|(?<=/))\.{0,2}(?=/|$)|^\.\.")  # names are paths to MLflow, and none may lead elsewhere


@lru_cache(maxsize=4096)
def valid_name(text: str) -> str:
    """A text as a name that MLflow takes: itself where that is one."""
    name = NO_PART.sub(lambda part: "_" * max(1, len(part[0])), NOT_IN_NAMES.sub("_", text))
    return name if len(name) <= MAX_NAME else _hashed(name, text)


def artifact_path(text: str) -> str:
    """The path of an artifact, folder by folder, as file systems and addresses take it."""
    return "/".join(file_name(part) for part in text.split("/"))


def _hashed(name: str, text: str) -> str:
    end = f"_{text_hash(text)}"
    return name[: MAX_NAME - len(end)] + end


class Names:
    """The names of one kind in one run: of two texts that would have the same name, the later gets a short hash."""

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        """known: name -> text of earlier ones."""
        self.texts = dict(known or {})

    def of(self, text: str) -> str:
        name = valid_name(text)
        if self.texts.setdefault(name, text) == text:
            return name
        name = _hashed(name, text)
        self.texts[name] = text
        return name

    @property
    def changed(self) -> dict[str, str]:
        """name -> text of those that differ."""
        return {name: text for name, text in self.texts.items() if name != text}
