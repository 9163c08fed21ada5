"""Everything that computes with tensors, on tensors without numbers: whatever mixes in one of the CPU, asks a tensor
for a number or hands it to NumPy fails there. Where that has to be, it stands in READS with its reason.

Numbers on a device, and what the host waits for, are in test_pretended_cuda.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._pytree import tree_leaves

from tests.meta.networks import NETWORKS_HERE
from tests.meta.register import CASES, READS

ROOT = Path(__file__).resolve().parents[1] / "mlspatial"


def shaped(found: Any) -> list[tuple[Any, ...]]:
    return [(type(leaf).__name__, tuple(np.shape(leaf)), str(leaf.dtype)) for leaf in tree_leaves(found)
            if isinstance(leaf, np.ndarray | torch.Tensor)]  # fmt: skip


@pytest.mark.parametrize("name", [name for name in CASES if name not in READS])
def test_nothing_reads_numbers(name: str) -> None:
    """and shapes and types are those of the CPU."""
    found = CASES[name]("meta")
    there = [leaf for leaf in tree_leaves(found) if isinstance(leaf, torch.Tensor) and leaf.dim()]
    assert all(leaf.is_meta for leaf in there)
    assert shaped(found) == shaped(CASES[name]("cpu")) != []


@pytest.mark.parametrize("name", READS)
def test_what_is_said_to_read_numbers_does(name: str) -> None:
    """Whatever computes without them may not stand in READS."""
    CASES[name]("cpu")
    with pytest.raises((NotImplementedError, RuntimeError), match=r"[Mm]eta"):
        CASES[name]("meta")


@pytest.mark.parametrize("name", NETWORKS_HERE)
def test_a_network_learns_without_reading_numbers(name: str) -> None:
    assert shaped(NETWORKS_HERE[name]("meta"))


def test_a_tensor_left_on_the_cpu_and_a_number_that_is_asked_for_are_found() -> None:
    there = torch.ones(3, device="meta")
    for mistake in (lambda: there + torch.ones(3), lambda: there.numpy(), there.sum().item, lambda: there.cpu(),
                    lambda: bool((there > 0).all()), lambda: there.nonzero().cpu(), there.tolist):  # fmt: skip
        with pytest.raises((NotImplementedError, RuntimeError, TypeError), match=r"[Mm]eta|device"):
            mistake()


ROOMS = ("analysis", "models", "tasks", "train")
#: functions of tensors that no case calls, and why
ELSEWHERE = {
    "models/weights.py": "files to tensors, on the CPU",
    "models/exports/": "networks to files, on the CPU",
    "models/compact.py": "a network",
    "models/networks.py": "a network",
    "analysis/apple.py": "asks a device whether it is right: tests/analysis/test_device.py",
    "analysis/bootstrap.py: _scaled": "of kept predictions, on the CPU",
    "analysis/rsa.py: correlation_rdm": "of NumPy arrays",
    "analysis/projection.py: _add_on_device": "sparse matrices of GPUs: tests/test_pretended_cuda.py",
    "analysis/projection.py: _on_device": "the same",
    "models/extract.py: add": "says what a sink takes",
    "tasks/base.py: read": "of a task that is not read",
}


def of_tensors() -> set[tuple[str, str]]:
    """(file, name) of every function that is given or gives tensors, by its annotations."""
    found = set()
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.FunctionDef):
                    inside = [a.annotation for a in [*node.args.args, *node.args.kwonlyargs] if a.annotation]
                    said = " ".join(ast.unparse(part) for part in [*inside, node.returns] if part is not None)
                    if "Tensor" in said or "Activations" in said or "Array" in said.split():
                        found.add((str(file.relative_to(ROOT)), node.name))
    return found


def test_every_function_of_tensors_has_a_case() -> None:
    called: set[tuple[str, str]] = set()

    def note(frame: Any, event: str, _argument: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(str(ROOT)):
            called.add((file[len(str(ROOT)) + 1 :], frame.f_code.co_name))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        for function in CASES.values():
            function("cpu")
    finally:
        sys.setprofile(before)
    uncalled = sorted(f"{file}: {name}" for file, name in of_tensors() - called)
    assert not (missing := [one for one in uncalled if not one.startswith(tuple(ELSEWHERE))]), "; ".join(missing)
    idle = [place for place in ELSEWHERE if not any(one.startswith(place) for one in uncalled)]
    assert not idle, f"these have a case: {idle}"
