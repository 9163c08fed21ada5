"""Brain-Score's own files: which a benchmark needs, where they lie, and that none is fetched unasked.

The package keeps recordings and images in BRAINIO_HOME (~/.brainio), a folder a file named by its SHA-1, and checks
them when it reads them; a copy of that folder works on a machine without a network. Its intermediate results lie in
RESULTCACHING_HOME and its enlarged stimuli in BRAINSCORE_HOME, both read when it is imported: here they are set to
MLSPATIAL_CACHE/brainscore unless they are set already. ImageNet images for the choice of layers: MT_IMAGENET_PATH.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import io
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.names import cache_folder

REGISTRATION = re.compile(r"""^\s*benchmark_registry\[\s*['"]([^'"]+)['"]\s*\]""", re.MULTILINE)  # no comments
LABORATORIES = ("dicarlo.", "movshon.", "tolias.", "aru.")  # of older identifiers, e.g. dicarlo.MajajHong2015public...
SUFFIX = re.compile(r"^(?P<data>[^.]+)\.(?P<region>[^.]+)\.public-(?P<metric>.+)$")  # as the benchmarks call themselves

#: identifier -> the recordings it reads, which name their stimuli themselves
PUBLIC = {
    "FreemanZiemba2013public.V1-pls": "FreemanZiemba2013.public",
    "FreemanZiemba2013public.V2-pls": "FreemanZiemba2013.public",
    "MajajHong2015public.V4-pls": "MajajHong2015.public",
    "MajajHong2015public.IT-pls": "MajajHong2015.public",
    "Rajalingham2018public-i2n": "Rajalingham2018.public",
}
#: identifiers -> the recordings that others read
RECORDINGS = {
    r"MajajHong2015public\.(V4|IT)-reverse_pls": ("MajajHong2015.public",),
    r"MajajHong2015public\.(V4|IT)-temporal-pls": ("MajajHong2015.temporal.public",),
    r"(?P<data>Allen2022_fmri(_surface)?(_4subj)?|Papale2025|Hebart2023_fmri|Gifford2022)\.\w+-(ridge|ridgecv|rdm)": (
        "{data}_train",
        "{data}_test",
    ),
    r"Li2026\.\w+-(pls|rdm)": ("Li2026",),
    r"tong\.Coggan2024_fMRI\.\w+-rdm": ("Coggan2024_fMRI",),
}


@dataclass(frozen=True)
class StoredFile:
    """A file of Brain-Score's store. url: where it comes from; path: where it belongs here; size: bytes, None while it
    is not here, since the package does not say."""

    url: str
    sha1: str
    path: Path

    @property
    def is_here(self) -> bool:
        return self.path.is_file()

    @property
    def size(self) -> int | None:
        return self.path.stat().st_size if self.is_here else None


def known() -> list[str]:
    """Identifiers of all benchmarks of the installed package, read from its text: it is not imported."""
    plugins = Path(_location()) / "benchmarks"
    texts = (file.read_text(encoding="utf-8") for file in sorted(plugins.glob("*/__init__.py")))
    return sorted({name for text in texts for name in REGISTRATION.findall(text)})


def resolve(identifier: str) -> str:
    """The installed package's identifier for what somebody typed: older names carry their laboratory's.

    Raises UnknownName.
    """
    names = known()
    name = identifier
    for laboratory in LABORATORIES:
        name = name.removeprefix(laboratory)
    if name not in names and (parts := SUFFIX.match(name)):
        name = "{data}public.{region}-{metric}".format(**parts.groupdict())
    if name not in names:
        raise UnknownName("Brain-Score benchmark", identifier, names)
    return name


def package_version() -> str:
    return importlib.metadata.version("brainscore_vision")


def prepare() -> ModuleType:
    """The package, imported (10 s the first time) so that it neither runs pip nor shares caches of other origin."""
    _location()
    os.environ["BS_INSTALL_DEPENDENCIES"] = "no"
    folder = cache_folder("brainscore", package_version()).resolve()
    os.environ.setdefault("RESULTCACHING_HOME", str(folder / "results"))
    os.environ.setdefault("BRAINSCORE_HOME", str(folder))
    with quiet():
        import brainscore_vision
    return brainscore_vision


def needs(identifier: str) -> list[StoredFile]:
    """The files that a benchmark reads, here or not. Nothing is downloaded.

    For benchmarks that RECORDINGS does not have the list may end with the first data set that is not here, because only
    the package's own code, while it runs, knows what it reads next.
    """
    name = resolve(identifier)
    brainscore_vision = prepare()
    if not (recordings := _recordings(name)):
        return _requests(brainscore_vision.load_benchmark, name, through=True)
    found = [_requests(brainscore_vision.load_dataset, one, through=False) for one in recordings]
    return list({file.path: file for files in found for file in files}.values())


def _recordings(name: str) -> tuple[str, ...]:
    """The data sets that a benchmark reads; none where only its own code knows."""
    if name in PUBLIC:
        return (PUBLIC[name],)
    for pattern, names in RECORDINGS.items():
        if found := re.fullmatch(pattern, name):
            return tuple(text.format(**found.groupdict()) for text in names)
    return ()


def data_folder() -> Path:
    """Where the package keeps what it has downloaded (BRAINIO_HOME, ~/.brainio)."""
    prepare()
    from brainscore_core.supported_data_standards.brainio import fetch

    return Path(fetch.get_local_data_path())


def demand(identifier: str, files: list[StoredFile]) -> None:
    """Raises UserError that names the files that are not here and says how to bring them."""
    if missing := [file for file in files if not file.is_here]:
        names = ", ".join(f"{file.path.parent.name[:8]}/{file.path.name}" for file in missing)
        raise UserError(
            f"benchmark {identifier}: {names} not in {data_folder()}; copy ~/.brainio from a machine that has scored "
            "this benchmark (BRAINIO_HOME names another folder), or allow downloads"
        )


def imagenet_file() -> Path:
    """The 50,000 ImageNet validation images that layers are chosen with; the package's own place for them."""
    home = os.path.expanduser(os.getenv("MT_HOME", "~/.model-tools"))
    return Path(os.getenv("MT_IMAGENET_PATH") or os.path.join(home, "imagenet2012.hdf5"))


@contextmanager
def network(allowed: bool) -> Iterator[None]:
    """While it lasts, the package's downloads raise UserError, at once when not allowed, else when they fail."""
    from brainscore_core.supported_data_standards.brainio import fetch, s3
    from brainscore_vision.model_helpers.utils import s3 as weights

    def guarded(fetch_it: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        def download(*args: Any, **kwargs: Any) -> Any:
            what = name(*args)
            if not allowed:
                raise UserError(f"{what} is not here and downloads are not allowed; copy it, or allow downloads")
            try:
                return fetch_it(*args, **kwargs)
            except Exception as error:  # whatever boto makes of a missing network
                raise UserError(f"{what} cannot be downloaded ({str(error)[:120]}); copy it from elsewhere") from error

        return download

    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            return fetch_file(*args, **kwargs)
        except ValueError as error:
            raise UserError(f"{kwargs.get('location')}: the copy here is damaged ({error}); delete it") from error

    fetch_file = s3.fetch_file
    with ExitStack() as stack:
        guard = guarded(fetch.BotoFetcher.download_boto, lambda fetcher: fetcher.location)
        stack.enter_context(patch.object(fetch.BotoFetcher, "download_boto", guard))
        guard = guarded(weights.download_file, lambda key, *_: f"{key} of bucket {weights._DEFAULT_BUCKET}")
        stack.enter_context(patch.object(weights, "download_file", guard))
        stack.enter_context(patch.object(s3, "fetch_file", checked))
        yield


@contextmanager
def quiet() -> Iterator[None]:
    """The package's progress bars and warnings go nowhere."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Enough(Exception):
    """What is missing is known; there is nothing to load it from."""


def _requests(load: Callable[[str], object], name: str, *, through: bool) -> list[StoredFile]:
    """The files that `load(name)` asks the store for. through: read those that are here, to learn what comes next."""
    from brainscore_core.supported_data_standards.brainio import fetch, s3

    found: dict[Path, StoredFile] = {}

    def note(location_type: str, location: str, sha1: str | None = None, version_id: str | None = None) -> str:
        path = Path(fetch.get_local_data_path()) / (sha1 or "") / location.rpartition("/")[2]
        found[path] = StoredFile(location, sha1 or "", path)
        return str(path)

    def unzip(path: str) -> str:
        if not through or not os.path.isfile(path):
            raise _Enough
        return str(unpack(path))

    def stop(*args: object, **kwargs: object) -> object:
        raise _Enough

    unpack = s3.unzip
    replaced: dict[str, object] = {"fetch_file": note, "unzip": unzip}
    if not through:
        replaced |= dict.fromkeys(
            ("AssemblyLoader", "StimulusMergeAssemblyLoader", "StimulusReferenceAssemblyLoader"), stop
        )
    with ExitStack() as stack, network(False), quiet():
        for attribute, value in replaced.items():
            stack.enter_context(patch.object(s3, attribute, value))
        try:
            load(name)
        except _Enough:
            pass
        except Exception:  # whatever the package's own code makes of files that are not here, which is what is asked
            if all(file.is_here for file in found.values()):
                raise
    return list(found.values())


def _location() -> str:
    found = importlib.util.find_spec("brainscore_vision")
    if found is None or not found.submodule_search_locations:
        raise UserError("brainscore_vision is not installed; run make install, or leave its benchmarks out")
    return found.submodule_search_locations[0]
