"""Train vision networks on where and what, then ask how like the brain and how like each other they become."""

__version__ = "0.1.0"
