"""Which code of a user's own something is: a hash that changes when that code does."""

from __future__ import annotations

import ast
import hashlib
import io
import sysconfig
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = __name__.partition(".")[0]
INSTALLED = frozenset({"site-packages", "dist-packages"})
STANDARD = sysconfig.get_path("stdlib")


def code_id(named: str, used: Iterable[str] = ()) -> str:
    """Hash of a user's own files that stand behind a module and others, imports included; "" when there are none.

    named, used: names of modules. Installed packages and this one do not count, but for the file of `named`. Comments
    and blank lines do not count. A file is read once in a process, when it is first asked about.
    """
    texts: dict[str, str] = {}
    waiting = [named, *used]
    while waiting:
        name = waiting.pop()
        if name in texts or not (file := source_file(name)) or (name != named and _is_installed(file)):
            continue
        texts[name], imported = _read(name, file)
        waiting += imported
    if not texts:
        return ""
    return hashlib.sha256("\0".join(part for one in sorted(texts.items()) for part in one).encode()).hexdigest()


def source_file(name: str) -> Path | None:
    """Where the source of a module is, found without running it; None for this package's and what is not of Python."""
    top, _, rest = name.partition(".")
    try:
        spec = find_spec(top) if top and top != PACKAGE else None
    except (ImportError, ValueError):  # a script that is run as __main__
        spec = None
    if not spec:
        return None
    if not rest:
        return Path(spec.origin) if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        place = Path(folder, *rest.split("."))
        for file in (place.with_suffix(".py"), place / "__init__.py"):
            if file.is_file():
                return file
    return None


def _is_installed(file: Path) -> bool:
    return not INSTALLED.isdisjoint(file.parts) or file.is_relative_to(STANDARD)


@cache
def _read(name: str, file: Path) -> tuple[str, tuple[str, ...]]:
    """(text without comments and blank lines, the modules that it may import)."""
    with tokenize.open(file) as source:
        text = source.read()
    lines = text.split("\n")
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    kept = "\n".join(line.rstrip() for line in lines if line.strip())
    package = name if file.stem == "__init__" else name.rpartition(".")[0]
    return kept, tuple(dict.fromkeys(_imports(package, ast.parse(text))))


def _imports(package: str, tree: ast.AST) -> Iterator[str]:
    """Full names of what a module of a package may import: modules, and what may be one; and that package."""
    yield package
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join(filter(None, [*above, node.module or ""]))
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
