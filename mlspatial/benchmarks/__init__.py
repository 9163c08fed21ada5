"""Benchmarks by name; a new one is one file and one registration, or one YAML."""

import sys

from mlspatial.benchmarks.fmri import FMRI_BENCHMARKS, FmriBenchmark
from mlspatial.benchmarks.local import benchmark_names, find_benchmark, known_benchmarks
from mlspatial.benchmarks.neural import BENCHMARKS, NeuralBenchmark
from mlspatial.core.plugins import import_all

__all__ = [
    "BENCHMARKS", "FMRI_BENCHMARKS", "FmriBenchmark", "NeuralBenchmark", "benchmark_names", "find_benchmark",
    "known_benchmarks",
]  # fmt: skip

import_all(sys.modules[__name__])
