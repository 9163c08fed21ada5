"""Where published datasets lie: among the artifacts of a render run, or below an address of one's own (fsspec).

Whoever may write to a registry may write any address into a tag. Read is only what says of itself what it is: stores
that speak HTTP, and folders that may be read without asking (`named`); what comes from them is held against hashes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Protocol, TypeVar
from urllib.parse import unquote, urlsplit

from mlspatial.core.errors import BadValue, DatasetError, Unreachable, UserError, in_one_line
from mlspatial.core.files import whole
from mlspatial.core.parameters import FALSE, TRUE
from mlspatial.core.secrets import shown
from mlspatial.registry import artifacts, named
from mlspatial.registry.patience import patiently
from mlspatial.registry.store import client

ARTIFACTS = "artifacts"  # the address of the run's own
FOLDER = "dataset"  # of artifacts
#: scheme -> whether it can be written to; what a tag of somebody else's may name
REMOTE = {"s3": True, "gs": True, "gcs": True, "az": True, "abfs": True, "abfss": True, "http": False, "https": False}
#: names of errors of the stores' libraries, none of them one of Python's, that say that nobody was there
AWAY = ("ConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "EndpointConnectionError", "ClientConnectorError",
        "ConnectionClosedError", "ClientConnectionError", "ServerDisconnectedError", "ServiceRequestError",
        "ServerTimeoutError", "FSTimeoutError", "ClientOSError", "ClientPayloadError")  # fmt: skip
T = TypeVar("T")


class Store(Protocol):
    """at: for people. Everything raises Unreachable where a store stays away, UserError for what it refuses."""

    at: str

    def get(self, name: str) -> bytes:
        """Raises FileNotFoundError for what is not there."""

    def put(self, name: str, data: bytes) -> None: ...

    def sizes(self) -> dict[str, int]:
        """name -> bytes of all that is there."""


class Artifacts:
    """Among the artifacts of a run."""

    def __init__(self, run_id: str) -> None:
        self.run_id, self.at = run_id, f"the artifacts of run {run_id}"

    @property
    def _root(self) -> str:
        return f"{artifacts.place_of(self.run_id)}/{FOLDER}"

    def get(self, name: str) -> bytes:
        with artifacts.files(self._root) as file:
            return file(name).read_bytes()

    def put(self, name: str, data: bytes) -> None:
        with tempfile.TemporaryDirectory(prefix="mlspatial-") as folder:
            path = Path(folder, PurePosixPath(name).name)
            path.write_bytes(data)
            above = str(PurePosixPath(FOLDER, name).parent)
            client().log_artifact(self.run_id, str(path), above)

    def sizes(self) -> dict[str, int]:
        return {name.removeprefix(f"{FOLDER}/"): size for name, size in self._listed(FOLDER)}

    def _listed(self, folder: str) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] = []
        for item in client().list_artifacts(self.run_id, folder):
            found += self._listed(item.path) if item.is_dir else [(item.path, int(item.file_size or 0))]
        return found


class Address:
    """Below an address that fsspec knows: a folder of that name there, one a dataset."""

    def __init__(self, address: str, dataset_id: str) -> None:
        self.at = f"{address.rstrip('/')}/{dataset_id}"
        self._local = local_folder(self.at)

    @property
    def _system(self) -> tuple[Any, str]:
        return _system(self.at)

    def get(self, name: str) -> bytes:
        system, root = self._system
        return self._ask(lambda: bytes(system.cat_file(f"{root}/{name}")))

    def put(self, name: str, data: bytes) -> None:
        if self._local is not None:
            path = self._local / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole(path) as partial:
                    partial.write_bytes(data)
            except OSError as error:
                raise DatasetError(f"{self.at}: cannot be written to ({error.strerror})") from error
            return
        system, root = self._system
        self._ask(lambda: system.pipe_file(f"{root}/{name}", data))

    def sizes(self) -> dict[str, int]:
        system, root = self._system

        def find() -> dict[str, int]:
            system.invalidate_cache()
            found = system.find(root, detail=True)
            return {name.partition(f"{root.strip('/')}/")[2]: int(facts["size"]) for name, facts in found.items()}

        try:
            return self._ask(find)
        except FileNotFoundError:
            return {}

    def _ask(self, ask: Callable[[], T]) -> T:
        try:
            return patiently(lambda: _told(ask))
        except FileNotFoundError:
            raise
        except Unreachable as error:
            reason = in_one_line(error.__cause__ or error)
            words = f"{shown(self.at)}: does not answer ({reason}); the same command goes on from here"
            raise Unreachable(words) from error
        except UserError:
            raise
        except Exception as error:  # of a library that may be any; a defect of ours stays one
            if type(error).__module__ == "builtins" and not isinstance(error, OSError | ValueError):
                raise
            raise DatasetError(f"{shown(self.at)}: {type(error).__name__}: {in_one_line(error)}") from error


def _told(ask: Callable[[], T]) -> T:
    """What is asked; errors that say that nobody is there as Python's own."""
    try:
        return ask()
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        if any(kind.__name__ in AWAY for kind in type(error).__mro__):
            raise ConnectionError(in_one_line(error)) from error
        raise


@cache
def _system(address: str) -> tuple[Any, str]:
    """fsspec's file system of an address, and the place in it. Raises UserError where its package is missing."""
    from fsspec.core import url_to_fs

    try:
        system, root = url_to_fs(address)
    except ImportError as error:
        raise UserError(
            f"{shown(address)}: a package for such addresses is not installed ({in_one_line(error)}); "
            "`pip install 'mlspatial[cloud]'` brings those of s3, gs and az"
        ) from error
    return system, str(root).rstrip("/")


def _scheme(address: str) -> str:
    return address.partition("://")[0].lower() if "://" in address else "file"


def local_folder(address: str) -> Path | None:
    """The local folder that an address is; None for a remote one, and for a run's artifacts."""
    if _scheme(address) != "file" or address == ARTIFACTS:
        return None
    return Path(unquote(urlsplit(address).path)) if "://" in address else Path(address)


def asked(text: str, name: str = "publish") -> str:
    """Where to publish: '' for nowhere, ARTIFACTS, or an address. name: of the parameter or variable. Raises BadValue
    for a word that is neither true, false nor such an address, UserError where the package for it is missing."""
    text = text.strip()
    if not text or text.lower() in FALSE:
        return ""
    if text.lower() in TRUE:
        return ARTIFACTS
    scheme = _scheme(text)
    if "::" in text or (scheme not in REMOTE and scheme != "file") or not ("://" in text or text.startswith("/")):
        known = ", ".join(f"{one}://" for one, written in REMOTE.items() if written)
        raise BadValue(name, shown(text), f"must be true, false, a whole path, or an address that begins with {known}")
    if not REMOTE.get(scheme, True):
        raise BadValue(name, shown(text), "cannot be written to; name the store that is behind it")
    if shown(text) != text:
        raise BadValue(name, shown(text), "holds a password; keep it where the store's own library looks for it")
    folder = local_folder(text)
    if folder is not None:
        return folder.resolve().as_uri()
    _system(text)
    return text


def store_of(address: str, run_id: str, dataset_id: str) -> Store:
    """A store to write to."""
    return Artifacts(run_id) if address == ARTIFACTS else Address(address, dataset_id)


def trusted(address: str, what: str) -> None:
    """Raise DatasetError for an address of a tag that is not read. what: asks for it."""
    scheme = _scheme(address)
    if address == ARTIFACTS or (scheme in REMOTE and "::" not in address):
        return
    folder = local_folder(address)
    if folder is None or "::" in address:
        raise DatasetError(
            f"{what}: the registry says that it is published at {shown(address)}, and only "
            f"{', '.join(f'{one}://' for one in REMOTE)} and folders are read; render it again"
        )
    if not named.is_ours(folder):
        raise DatasetError(
            f"{what}: the registry says that it is published in {folder}, which is neither in this project nor in "
            "MLSPATIAL_DATA and was never named here; if that is right, add the one that it is in to MLSPATIAL_DATA"
        )
