"""The public Brain-Score benchmarks as brainscore_vision 2.4.2 has them: stimuli and recorded sites."""

from __future__ import annotations

import importlib.util
import os
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.verify.base import Check, register

if TYPE_CHECKING:
    from mlspatial.benchmarks.base import Benchmark

#: benchmark -> its paper, stimuli, sites
PUBLIC = {
    "FreemanZiemba2013public.V1-pls": ("Freeman et al. 2013", 135, 102),
    "FreemanZiemba2013public.V2-pls": ("Freeman et al. 2013", 135, 103),
    "MajajHong2015public.V4-pls": ("Majaj et al. 2015", 3200, 88),
    "MajajHong2015public.IT-pls": ("Majaj et al. 2015", 3200, 168),
}


class Stored:
    """The files of a benchmark in Brain-Score's store, of which only the package itself knows the names."""

    def __init__(self, benchmark: str) -> None:
        self.benchmark = benchmark

    def __repr__(self) -> str:
        return f"Stored({self.benchmark})"

    def folder(self) -> Path:
        """Where the package keeps what it has downloaded."""
        return Path(os.environ.get("BRAINIO_HOME", Path.home() / ".brainio"))

    def lacks(self) -> str:
        if importlib.util.find_spec("brainscore_vision") is None:
            return "the Python module brainscore_vision (pip install brainscore_vision)"
        origin = "Brain-Score's public data; copy ~/.brainio from where they have been scored, docs/troubleshooting.md"
        if not self.folder().is_dir() or not any(self.folder().iterdir()):
            return f"the files of {self.benchmark} in {self.folder().name} ({origin})"
        from mlspatial.benchmarks.brainscore.files import needs

        gone = [file.path.name for file in needs(self.benchmark) if not file.is_here]
        return f"{', '.join(gone)} ({origin})" if gone else ""

    def state(self) -> list[str]:
        """Names and sizes: the store names a file by its hash, and the package checks that when it reads it."""
        if not self.folder().is_dir():
            return []
        files = sorted(path for path in self.folder().rglob("*") if path.is_file())
        return [f"{path.relative_to(self.folder())} {path.stat().st_size}" for path in files]


@lru_cache(maxsize=1)
def load(benchmark: str) -> Benchmark:
    """The benchmark with its data, read by the package itself."""
    from mlspatial.benchmarks.base import Way
    from mlspatial.benchmarks.find import find

    return find(benchmark).load(224, Way())


def _size(benchmark: str, axis: int) -> float:
    from mlspatial.benchmarks.neurons import Neurons

    found = load(benchmark)
    assert isinstance(found, Neurons)
    return float(found.responses.shape[axis])


for _benchmark, (_paper, *_sizes) in PUBLIC.items():
    _data, _, _region = _benchmark.removesuffix("-pls").partition("public.")
    for _axis, _what in enumerate(("stimuli", "sites")):
        register(
            Check(f"brainscore.{_what}_{_data}_{_region}".lower(), f"{_what} of {_data}'s {_region}", _paper,
                  (_sizes[_axis],), 0, partial(_size, _benchmark, _axis), (Stored(_benchmark),))
        )  # fmt: skip
