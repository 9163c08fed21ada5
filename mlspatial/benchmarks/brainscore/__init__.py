"""Brain-Score's benchmarks by the names its users type; only this folder imports the package."""

from __future__ import annotations

from functools import partial

from mlspatial.benchmarks.base import Benchmark, Found, Way
from mlspatial.benchmarks.brainscore import files
from mlspatial.benchmarks.brainscore.kinds import kind_of, refusal
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.core.progress import say


def found(name: str, download: bool, fast: bool = True) -> Found:
    """A benchmark that the installed package knows. What lacks and may be downloaded is said.

    fast: whether it has to have a fast form here, which its name tells before any file is looked for.
    Raises UnknownName, and UserError for one without a fast form and for files that lack.
    """
    resolved = files.resolve(name)
    known = kind_of(resolved)
    if known is None and fast:
        raise refusal(resolved)
    wanted = files.needs(name)
    if not download:
        files.demand(name, wanted)
    for file in wanted:
        if not file.is_here:
            say(f"score: {name} will download {file.url} to {file.path}")
    kind, own = known or (Published, "pls25")  # engine=reference asks for no more than a kind
    version = f"{resolved}, brainscore_vision {files.package_version()}"
    return Found(name, version, kind, own, partial(_load, name, download), of_package=True)


def _load(name: str, download: bool, size: int, way: Way) -> Benchmark:
    from mlspatial.benchmarks.brainscore.load import load

    return load(name, input_size=size, download=download, by_imagenet=way.by_imagenet)
