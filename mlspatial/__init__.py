"""Train vision networks on where and what, then ask how like the brain and how like each other they become."""

from mlspatial.core.processor import name_kernels

name_kernels()

__version__ = "0.1.0"
