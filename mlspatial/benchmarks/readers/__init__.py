"""Files of responses: a form is one file here, or in a folder of MLSPATIAL_PLUGINS, with one registration."""

import sys

from mlspatial.benchmarks.readers.base import READERS, Asked, Reader
from mlspatial.core.plugins import import_all

__all__ = ["READERS", "Asked", "Reader"]

import_all(sys.modules[__name__])
