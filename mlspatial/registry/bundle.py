"""The small tables of a finished run once more, in one archive: a reader asks a server once, not once a file.

BUNDLE is an artifact beside the files that it repeats, written last; the tag BUNDLED of the run holds its SHA-256 and
is set when it is there. A run without the tag, and one whose archive is gone or another one than the tag says, is read
file by file. Its INDEX names every table of the run, so that nobody asks for those that there are not. Where artifacts
lie in a folder that this machine sees, there is none. Whoever writes to a run that has ended takes its archive away
(`drop`).
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mlspatial.core import files as core_files
from mlspatial.core.names import TAG, cache_folder
from mlspatial.core.progress import say
from mlspatial.registry.places import local_path
from mlspatial.registry.store import client

BUNDLE, BUNDLED = "bundle.zip", TAG + "bundle"
INDEX = "index.json"  # member: {"version": VERSION, "files": {path: bytes, or null of one that is not in the archive}}
VERSION = 1
FOLDERS, SUFFIXES = (".", "matrices"), (".json", ".parquet")  # where tables lie, and what they are
FILE_BYTES, BUNDLE_BYTES = 1 << 20, 8 << 20  # of one file in it, and of all; what is larger is fetched alone
LIMIT = 2 * BUNDLE_BYTES  # of an archive that somebody else has made
DATE = (1980, 1, 1, 0, 0, 0)  # of every member: the same files are the same archive
_DIGEST = re.compile("[0-9a-f]{64}")

Get = Callable[[str, str, Path, int], bool]  # as `direct.get`: root, name, target, limit


def belongs(path: str) -> bool:
    """Whether an artifact with this path is of those that an archive tells of."""
    return str(PurePosixPath(path).parent) in FOLDERS and path not in (BUNDLE, INDEX)


class Seen:
    """What a run logs while it is open: the content of small tables, the names of the others."""

    def __init__(self) -> None:
        self.files: dict[str, bytes | None] = {}

    def add(self, path: str, content: bytes | Path) -> None:
        if not belongs(path):
            return
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        fits = PurePosixPath(path).suffix in SUFFIXES and size <= FILE_BYTES
        self.files[path] = (content.read_bytes() if isinstance(content, Path) else content) if fits else None


def archive(files: dict[str, bytes | None]) -> bytes:
    """An archive of some files, always the same one for the same files; those over BUNDLE_BYTES are only named."""
    held: dict[str, bytes] = {}
    room = BUNDLE_BYTES
    for path, content in sorted(files.items(), key=lambda item: (len(item[1] or b""), item[0])):
        if content is not None and len(content) <= room:
            held[path] = content
            room -= len(content)
    index = {"version": VERSION, "files": {path: len(held[path]) if path in held else None for path in sorted(files)}}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for path, content in [(INDEX, json.dumps(index, sort_keys=True).encode()), *sorted(held.items())]:
            made.writestr(zipfile.ZipInfo(path, DATE), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def write(run_id: str, seen: Seen, *, resumed: bool) -> None:
    """Leave the archive of a run that is about to be told finished. resumed: an earlier process has logged files, too.

    An archive that cannot be written costs no result: said, and the run goes without.
    """
    from mlflow.exceptions import MlflowException
    from requests import RequestException

    from mlspatial.core.errors import UserError, in_one_line

    try:
        if local_path(client().get_run(run_id).info.artifact_uri) is not None:
            return
        files = _with_earlier(run_id, seen.files) if resumed else dict(seen.files)
        made = archive(files) if any(content is not None for content in files.values()) else b""
        if made:
            _put(run_id, made)
        if made or resumed:
            client().set_tag(run_id, BUNDLED, hashlib.sha256(made).hexdigest() if made else "")
    except (MlflowException, RequestException, OSError, UserError) as error:
        say(f"run {run_id}: is not bundled, and is read file by file: {in_one_line(error)}")


def _with_earlier(run_id: str, seen: dict[str, bytes | None]) -> dict[str, bytes | None]:
    """What a run has that was killed and went on: what this process has logged, and what it finds there."""
    from mlspatial.registry.artifacts import download

    found = Seen()
    found.files = dict(seen)
    for folder in FOLDERS:
        for item in client().list_artifacts(run_id, None if folder == "." else folder):
            if item.is_dir or item.path in seen or not belongs(item.path):
                continue
            if PurePosixPath(item.path).suffix in SUFFIXES and (item.file_size or 0) <= FILE_BYTES:
                found.add(item.path, download(run_id, item.path))
            else:
                found.files[item.path] = None
    return found.files


def _put(run_id: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="mlspatial-") as folder:
        path = Path(folder, BUNDLE)
        path.write_bytes(content)
        client().log_artifact(run_id, str(path))


def drop(run_id: str) -> None:
    """Before something is written to a run that has ended: what its archive says is true no more. The file becomes
    an empty one, for who remembers the tag."""
    if client().get_run(run_id).data.tags.get(BUNDLED):
        _put(run_id, b"")
        client().set_tag(run_id, BUNDLED, "")


@dataclass(frozen=True)
class Bundle:
    """An archive that is what its run says. sizes: path -> bytes, None of what is not in it."""

    content: bytes
    sizes: dict[str, int | None]

    def has(self, path: str) -> bool:
        return self.sizes.get(path) is not None

    def lacks(self, path: str) -> bool:
        """Whether the run has no such file, neither in the archive nor beside it."""
        return belongs(path) and path not in self.sizes

    def put(self, path: str, folder: Path) -> Path:
        """Write a file of it into a folder."""
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(io.BytesIO(self.content)) as opened:
            target.write_bytes(opened.read(path))
        return target


def opened(root: str, digest: Any, get: Get) -> Bundle | None:
    """The archive of a finished run whose artifacts are under an address, from the cache or by one request.

    digest: what the run says of it, if anything. None where there is none that can be used.
    """
    from mlflow.exceptions import MlflowException

    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        return None
    kept = cache_folder("artifacts", "bundles", digest[:2]) / f"{digest}.zip"
    if (content := _sound(kept, digest)) is None:
        with tempfile.TemporaryDirectory(prefix="mlspatial-") as folder:
            fetched = Path(folder, BUNDLE)
            try:
                there = get(root, BUNDLE, fetched, LIMIT)
            except (MlflowException, OSError):  # nobody who is away, which raises Unreachable
                return None
            if not there or (content := _sound(fetched, digest)) is None:
                return None
        with core_files.whole(kept) as partial:
            partial.write_bytes(content)
    return _read(content)


def _sound(path: Path, digest: str) -> bytes | None:
    try:
        content = path.read_bytes()
    except OSError:
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None


def _read(content: bytes) -> Bundle | None:
    """None where it is of another form: of a later version, or made by somebody else."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as made:
            if made.getinfo(INDEX).file_size > FILE_BYTES:
                return None
            index = json.loads(made.read(INDEX))
            sizes = {str(path): size for path, size in index["files"].items()}
            held = {info.filename: info.file_size for info in made.infolist() if info.filename != INDEX}
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError):
        return None
    listed = {path: size for path, size in sizes.items() if size is not None}
    if index["version"] != VERSION or held != listed or sum(held.values()) > BUNDLE_BYTES:
        return None
    return Bundle(content, sizes)
