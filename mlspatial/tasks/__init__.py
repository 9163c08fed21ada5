"""Tasks by name; a new one is one file and one registration."""

import sys

from mlspatial.core.plugins import import_all
from mlspatial.tasks.base import TASKS, Task, build_task, canonical_name, head_layout, task_names

__all__ = ["TASKS", "Task", "build_task", "canonical_name", "head_layout", "task_names"]

import_all(sys.modules[__name__])
