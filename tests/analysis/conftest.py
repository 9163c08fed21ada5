"""Where and in which numbers an analysis is tested: every test of a function that takes a device or a type loops over
them, as himalaya's do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch


@dataclass(frozen=True)
class Backend:
    """device: where; dtype: of what the analysis is given; tolerance: by which it may miss what float64 gives of the
    same numbers, where a test does not allow more."""

    device: str
    dtype: torch.dtype
    tolerance: float

    @property
    def is_there(self) -> bool:
        return {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}[self.device]

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """The numbers that the analysis gets, as float64: what another implementation is given."""
        return np.asarray(torch.from_numpy(np.asarray(values)).to(self.dtype).to(torch.float64))

    def on(self, values: np.ndarray) -> torch.Tensor:
        """They where the analysis gets them."""
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.dtype).to(self.device)

    def near(self, expected: Any, exact: float = 0.0) -> Any:
        """Equal but for `exact`, which is float64's, or this backend's tolerance."""
        return pytest.approx(expected, abs=max(exact, self.tolerance))


#: Analyses compute in float64 what divides by small numbers, whatever they are given: float32 costs no digits there.
BACKENDS = {
    "cpu64": Backend("cpu", torch.float64, 0.0),
    "cpu32": Backend("cpu", torch.float32, 1e-6),
    "cuda": Backend("cuda", torch.float32, 1e-6),
    "mps": Backend("mps", torch.float32, 1e-6),
}
THERE = {name: backend for name, backend in BACKENDS.items() if backend.is_there}


def params(of: dict[str, Backend]) -> list[Any]:
    marks = {"cuda": [pytest.mark.gpu]}
    return [pytest.param(one, id=name, marks=marks.get(one.device, [])) for name, one in of.items()]


@pytest.fixture(params=params(THERE))
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.param
    return found


@pytest.fixture(params=params({one.device: one for one in reversed(THERE.values())}))
def place(request: pytest.FixtureRequest) -> Backend:
    """Of what takes a device alone: once on each."""
    found: Backend = request.param
    return found
