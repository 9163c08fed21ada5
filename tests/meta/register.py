"""Cases of the suite on tensors without numbers, and what they are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

Case = Callable[[str], Any]
#: name -> what computes something on a device and gives tensors, or arrays of the host
CASES: dict[str, Case] = {}
#: case -> why it has to read numbers. What works without numbers may not stand here (a test)
READS: dict[str, str] = {}
HOST = "its result is a NumPy array or a Python number"
FINITE = "refuses values that are not finite, by name"


def case(reads: str = "") -> Callable[[Case], Case]:
    def register(function: Case) -> Case:
        CASES[function.__name__] = function
        if reads:
            READS[function.__name__] = reads
        return function

    return register


def tensor(device: str, *shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng([4, seed]).normal(size=shape)).to(device, dtype)


def double(device: str, *shape: int, seed: int = 0) -> torch.Tensor:
    return tensor(device, *shape, dtype=torch.float64, seed=seed)


def pixels(device: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 255, shape, np.uint8)).to(device)
