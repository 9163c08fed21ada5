"""Artifacts of runs: where they lie, a local path of each whatever way the store keeps them, and which are gone."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from mlspatial.core import files as core_files
from mlspatial.core.names import cache_folder
from mlspatial.core.progress import say
from mlspatial.registry import bundle, direct, lookup
from mlspatial.registry.naming import artifact_path
from mlspatial.registry.patience import patiently
from mlspatial.registry.places import local_path
from mlspatial.registry.record import RunRecord
from mlspatial.registry.store import client

NOTHING = ".none"  # ends the name of an empty file in the cache: a finished run has no such artifact
Lacks = Callable[[RunRecord], Sequence[str]]  # what is gone of that which a finished run made


def fetch(uri: str, folder: Path | str | None = None) -> Path:
    """What an address of artifacts (runs:/..., models:/..., s3://..., a path) holds: where it lies, or a copy of it."""
    import mlflow

    target = None if folder is None else str(folder)
    return Path(patiently(lambda: mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=target)))


def logged_folder(address: str) -> Path:
    """Where the files of a logged network (models:/m-...) lie, or a copy of them."""
    model = address.removeprefix("models:/")
    folder = local_path(lookup.logged(model).artifact_location) if model.startswith("m-") else None
    return folder if folder is not None and folder.is_dir() else fetch(address)


def download(run_id: str, artifact: str) -> Path:
    """A copy of one artifact of a run in a temporary folder. By the address of the artifact itself: of a run's, MLflow
    tells of a store that is away what it tells of an artifact that was never there."""
    folder = tempfile.mkdtemp(prefix="mlspatial-")
    return fetch(f"{_root(run_id)}/{artifact_path(artifact)}", folder)


def local(run_id: str, *names: str) -> Path:
    """A path at which one artifact of a run stays: where it lies, or a copy in the cache when it is remote.

    names: of several that the artifact may have, the first that is there counts; of none, the path is no file.
    """
    root = _root(run_id)
    if (folder := local_path(root)) is not None:
        return _first(folder, names)
    kept = cache_folder("artifacts", run_id)
    return next((kept / name for name in names if _kept(root, name, kept / name)), kept / names[0])


def _kept(root: str, name: str, target: Path) -> bool:
    """Whether a remote artifact is there; its copy then too."""
    if target.is_file():
        return True
    with tempfile.TemporaryDirectory(prefix="mlspatial-") as folder:
        made = Path(folder, target.name)
        if not _copied(root, name, made):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        with core_files.whole(target) as partial:
            shutil.move(made, partial)
    return True


@contextmanager
def files(root: str, bundled: Any = None, *, keep: str = "") -> Iterator[Callable[..., Path]]:
    """A function from the name of an artifact under an address to its local path; a copy that lasts as long when it is
    elsewhere. Of several names the first that is there counts; elsewhere FileNotFoundError where none is, and only
    then: what cannot be fetched now is no file that was never there.

    bundled: what a finished run says of its archive (`bundle`), which is then read first. keep: its id, for files that
    stay in the cache, as does that there are none.
    """
    folder = local_path(root)
    with tempfile.TemporaryDirectory(prefix="mlspatial-") as copies:
        archive = bundle.opened(root, bundled, _transfer) if folder is None else None

        def there(name: str) -> Path | None:
            if archive and archive.has(name):
                return archive.put(name, Path(copies))
            if archive and archive.lacks(name):
                return None
            if keep:
                path = cache_folder("artifacts", keep) / name
                nothing = path.with_name(path.name + NOTHING)
                if nothing.is_file():
                    return None
                if _kept(root, name, path):
                    return path
                core_files.write_text(nothing, "")
                return None
            path = Path(copies, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            return path if path.is_file() or _copied(root, name, path) else None

        def file(*names: str) -> Path:
            if folder is not None:
                return _first(folder, names)
            for name in names:
                if (path := there(name)) is not None:
                    return path
            raise FileNotFoundError(f"{root} has no {' or '.join(names)}")

        yield file


def _copied(root: str, name: str, target: Path) -> bool:
    """Write a remote artifact to a path; whether it is there. What cannot be had although it is there raises."""
    from mlflow.exceptions import MlflowException

    problem: Exception = OSError(f"{root}/{name}: the server has it, and does not hand it out")
    try:
        if _transfer(root, name, target):
            return True
    except (MlflowException, OSError) as error:
        problem = error
    if _is_listed(root, name):
        raise problem
    return False


def _transfer(root: str, name: str, target: Path, limit: int = 0) -> bool:
    """Write a remote artifact to a path, with one request where that can be. False, or raises, where it cannot."""
    if direct.can(root):
        return direct.get(root, name, target, limit)
    with tempfile.TemporaryDirectory(prefix="mlspatial-") as folder:
        shutil.move(fetch(f"{root}/{name}", folder), target)
    return True


def _is_listed(root: str, name: str) -> bool:
    """Whether a remote store says that it has an artifact."""
    import mlflow

    above = f"{root}/{name}".rpartition("/")[0]
    found = patiently(lambda: mlflow.artifacts.list_artifacts(artifact_uri=above))
    return any(item.path.rpartition("/")[2] == name.rpartition("/")[2] for item in found)


def _first(folder: Path, names: tuple[str, ...]) -> Path:
    there = (folder / name for name in names if (folder / name).is_file())
    return next(there, folder / names[0])


def place_of(run_id: str) -> str:
    """The address of a run's artifacts."""
    return _root(run_id)


@lru_cache(maxsize=4096)
def _root(run_id: str) -> str:
    return lookup.run(run_id).artifacts


def whole(same: Sequence[RunRecord], name: str, lacks: Lacks | None) -> RunRecord | None:
    """The first of some finished runs that lacks nothing; says what the newest lacks when there is none."""
    gone: list[tuple[str, Sequence[str]]] = []
    for run in same:
        names = lacks(run) if lacks else ()
        if not names:
            return run
        gone.append((run.id, names))
    if gone:
        run_id, names = gone[0]
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        say(f"{name}: {names[0]}{more} of run {run_id} is not there; making it again")
    return None


def count(run: RunRecord) -> int | None:
    """How many artifacts a run has; None when they are not on this machine, where counting takes as long as asking."""
    root = local_path(run.artifacts) if run.artifacts else None
    return None if root is None else sum(path.is_file() for path in root.rglob("*"))


def missing(*artifacts: str) -> Lacks:
    """For open_run: which of these artifacts a run has no more."""

    def lacks(run: RunRecord) -> list[str]:
        found = there(run.id, artifacts)
        return [name for name in artifacts if name not in found]

    return lacks


def there(run_id: str, artifacts: Sequence[str]) -> set[str]:
    """Which of these artifacts a run has: by a look at each file, or at a server by one list a folder."""
    paths = {name: artifact_path(name) for name in artifacts}
    if (root := local_path(_root(run_id))) is not None:
        return {name for name, path in paths.items() if (root / path).is_file() or (root / name).is_file()}
    folders = {str(PurePosixPath(path).parent).removeprefix(".") for path in paths.values()}
    listed = {item.path for folder in folders for item in client().list_artifacts(run_id, folder or None)}
    return {name for name, path in paths.items() if path in listed or name in listed}
