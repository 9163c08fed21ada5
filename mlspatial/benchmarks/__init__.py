"""Benchmarks by name; a new one, also of a new kind, is one file and one registration, or one YAML."""

import sys

from mlspatial.benchmarks.base import BENCHMARKS, FMRI_BENCHMARKS, Benchmark
from mlspatial.benchmarks.find import benchmark_names, find_benchmark, known_benchmarks
from mlspatial.benchmarks.neurons import NeuralBenchmark
from mlspatial.benchmarks.voxels import FmriBenchmark
from mlspatial.core.plugins import import_all

__all__ = [
    "BENCHMARKS", "FMRI_BENCHMARKS", "Benchmark", "FmriBenchmark", "NeuralBenchmark", "benchmark_names",
    "find_benchmark", "known_benchmarks",
]  # fmt: skip

import_all(sys.modules[__name__])
