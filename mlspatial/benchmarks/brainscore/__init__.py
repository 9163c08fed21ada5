"""Brain-Score's benchmarks by the names its users type; only this folder imports the package."""

from __future__ import annotations

from functools import partial

from mlspatial.benchmarks.base import Benchmark, Found, Way
from mlspatial.benchmarks.behaviour import Behaviour
from mlspatial.benchmarks.brainscore import files
from mlspatial.benchmarks.brainscore.published import Published
from mlspatial.core.progress import say


def found(name: str, download: bool) -> Found:
    """A benchmark that the installed package knows. What lacks and may be downloaded is said.

    Raises UnknownName, and UserError for files that lack.
    """
    resolved = files.resolve(name)
    wanted = files.needs(name)
    if not download:
        files.demand(name, wanted)
    for file in wanted:
        if not file.is_here:
            say(f"score: {name} will download {file.url} to {file.path}")
    kind, own = (Behaviour, "i2n") if resolved.endswith("-i2n") else (Published, "pls25")  # load refuses other metrics
    version = f"{resolved}, brainscore_vision {files.package_version()}"
    return Found(name, version, kind, own, partial(_load, name, download), of_package=True)


def _load(name: str, download: bool, size: int, way: Way) -> Benchmark:
    from mlspatial.benchmarks.brainscore.load import load

    return load(name, input_size=size, download=download, by_imagenet=way.by_imagenet)
