"""csv, tsv and Parquet: a row a trial of a neuroid, or a column a neuroid."""

from __future__ import annotations

from pathlib import Path

from mlspatial.benchmarks.readers.base import READERS, Asked, Reader
from mlspatial.benchmarks.response_tables import TABLES, from_table
from mlspatial.benchmarks.responses import Responses


def read_table(path: Path, asked: Asked) -> Responses:
    return from_table(path, asked.label, asked.neuroids, asked.region)


READERS.register("table")(Reader(TABLES, "csv, tsv and Parquet", read_table))
