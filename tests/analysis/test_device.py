"""Switches of torch: set for a computation and put back, whatever happens inside; devices and what is said of them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import backends
from torch._subclasses.fake_tensor import FakeTensorMode

from mlspatial.analysis import apple, gram, projection
from mlspatial.analysis.device import choose_device, exact_device, has_tf32, numerics, operations, tags_of
from mlspatial.console import doctor
from mlspatial.core.errors import BadValue, UserError
from mlspatial.core.names import DEVICE
from mlspatial.train.ranks import group_of
from tests.pretended_cuda import pretended_mps

ROOT = Path(__file__).resolve().parents[2]
OLD = re.compile("allow_" + "tf32|set_float32_matmul_" + "precision")


def switches() -> dict[str, Any]:
    """Everything that a computation could leave behind in the process."""
    return {
        "all": backends.fp32_precision,
        "each": [operation.fp32_precision for operation in operations()],
        "benchmark": backends.cudnn.benchmark,
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warn_only": torch.is_deterministic_algorithms_warn_only_enabled(),
        "cublas": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
    }


def test_torch_itself_takes_tf32_in_convolutions() -> None:
    """Why a context is needed at all; when this fails torch has changed its mind."""
    assert backends.cudnn.conv.fp32_precision == "tf32"


@pytest.mark.parametrize("tf32", [False, True])
@pytest.mark.parametrize("deterministic", [None, False, True])
def test_switches_are_set_inside_and_put_back_after_an_error(tf32: bool, deterministic: bool | None) -> None:
    before = switches()
    with pytest.raises(ZeroDivisionError), numerics(tf32=tf32, deterministic=deterministic):
        inside = switches()
        raise ZeroDivisionError
    assert switches() == before
    assert set(inside["each"]) == {inside["all"]} == {"tf32" if tf32 else "ieee"}
    expected = before["deterministic"] if deterministic is None else deterministic
    assert inside["deterministic"] == expected
    assert inside["benchmark"] == (before["benchmark"] if deterministic is None else not deterministic)
    assert inside["cublas"] == (":4096:8" if deterministic else before["cublas"])


def test_what_somebody_has_set_by_itself_is_overruled_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    backends.cuda.matmul.fp32_precision, backends.mkldnn.conv.fp32_precision = "tf32", "bf16"
    try:
        before = switches()
        with numerics(tf32=True):
            with numerics(deterministic=True):
                inner = switches()
            assert set(switches()["each"]) == {"tf32"}
        assert set(inner["each"]) == {"ieee"} and inner["cublas"] == ":16:8" and not inner["warn_only"]
        assert switches() == before and before["warn_only"]
        backends.fp32_precision = "ieee"  # what was set by itself still rules
        assert backends.cuda.matmul.fp32_precision == "tf32" and backends.cudnn.rnn.fp32_precision == "ieee"
    finally:
        backends.fp32_precision = "none"
        backends.cuda.matmul.fp32_precision = backends.mkldnn.conv.fp32_precision = "none"
        torch.use_deterministic_algorithms(False)


def test_afterwards_torch_is_as_new() -> None:
    """An operation that was never set goes on obeying the switch above it."""
    with numerics(tf32=True):
        pass
    backends.fp32_precision = "ieee"
    try:
        assert backends.cuda.matmul.fp32_precision == "ieee"
    finally:
        backends.fp32_precision = "none"


def test_it_decorates() -> None:
    @numerics()
    def inside() -> str:
        return str(backends.cudnn.conv.fp32_precision)

    assert inside() == inside() == "ieee" and backends.cudnn.conv.fp32_precision == "tf32"


def test_grams_and_projections_take_no_tf32(monkeypatch: pytest.MonkeyPatch) -> None:
    """whatever the caller has asked for; what they would do on a GPU only notes the switch here."""
    seen: list[str] = []

    def note(*_: Any) -> torch.Tensor:
        seen.append(str(backends.cuda.matmul.fp32_precision))
        return torch.zeros(1)

    with numerics(tf32=True), FakeTensorMode(), monkeypatch.context() as patch:
        patch.setattr(gram, "_multiply", note)
        gram.upper_product(torch.ones(4, 8, device="cuda"))
    with numerics(tf32=True), monkeypatch.context() as patch:
        patch.setattr(gram.PatternGram, "_keep", note)
        gram.PatternGram(3).add(torch.eye(3))
        patch.setattr(projection, "_on_device", note)
        matrix = projection.SparseProjection(6, 4, 0)
        matrix._add_on_device(torch.zeros(1, 4), torch.zeros(1, 6), 0, [])
        note()
    assert seen == ["ieee", "ieee", "ieee", "tf32"]


def test_nobody_uses_the_switches_of_older_versions() -> None:
    """torch raises when both are used."""
    files = [*ROOT.glob("mlspatial/**/*.py"), *ROOT.glob("entrypoints/*.py"), *ROOT.glob("speed/*.py")]
    assert len(files) > 100
    assert not [str(file) for file in [*files, *ROOT.glob("tests/**/*.py")] if OLD.search(file.read_text())]


def test_switches_are_set_in_one_place() -> None:
    """and CUDA is asked for where devices are chosen, or where a GPU was asked for."""
    pattern = re.compile(r"fp32_precision|use_deterministic_algorithms|cudnn\.benchmark|cuda\.is_available")
    users = {file.name for file in ROOT.glob("mlspatial/**/*.py") if pattern.search(file.read_text())}
    # live: a renderer that was told to draw on a GPU; brainscore: text of a plugin, which runs without this package
    assert users == {"device.py", "live.py", "doctor.py", "brainscore.py"}


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_device("cpu") == "cpu" and tags_of("cpu") == {
        "mlspatial.device": "cpu",
        "mlspatial.precision": "float32",
    }
    with pytest.raises(BadValue, match="device=tpu"):
        choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == "cpu" and not has_tf32("cpu")
    with pytest.raises(UserError, match="no CUDA device"):
        choose_device("cuda")
    with pytest.raises(BadValue, match="device=mps:0: must be auto, cpu, cuda, cuda:N or mps"):
        choose_device("mps:0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"NVIDIA {device}")
    assert choose_device("auto") == "cuda" and choose_device("cuda:1") == "cuda:1"
    assert tags_of("cuda:1", "tf32") == {"mlspatial.device": "cuda NVIDIA cuda:1", "mlspatial.precision": "tf32"}
    for capability, there in (((7, 5), False), ((8, 0), True), ((9, 0), True)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device, found=capability: found)
        assert has_tf32("cuda") == there


def test_apple_s_device_is_taken_where_it_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """auto asks a small network's outputs and gradients first: some versions give wrong ones without a word."""
    apple.is_right.cache_clear()
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(UserError) as error:
        choose_device("mps")
    assert str(error.value) == "device=mps: torch sees no GPU of Apple's here; use device=cpu"
    assert exact_device("cuda:1") == "cuda:1" and exact_device("mps") == "cpu" and tags_of("mps")[DEVICE] == "mps"
    with pretended_mps():
        assert choose_device("auto") == choose_device("mps") == "mps"
        apple.is_right.cache_clear()
        there = apple._computed("mps")
        monkeypatch.setattr(
            apple, "_computed", lambda device: [*there[:-1], there[-1] * (1.01 if device == "mps" else 1)]
        )
        assert choose_device("auto") == "cpu" and choose_device("mps") == "mps"
        apple.is_right.cache_clear()

        def missing(device: str) -> list[torch.Tensor]:
            raise NotImplementedError(device)

        monkeypatch.setattr(apple, "_computed", missing)
        assert choose_device("auto") == "cpu"
    apple.is_right.cache_clear()
    before = torch.get_rng_state()
    monkeypatch.undo()
    assert all(torch.equal(a, b) for a, b in zip(there, apple._computed("cpu"), strict=True))
    assert torch.equal(before, torch.get_rng_state())


def test_several_processes_do_not_share_apple_s_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadValue, match="device=mps: there is one such GPU"), group_of("mps"):
        pass
    with pretended_mps():
        assert doctor._gpus() == "Apple's (mps)" or torch.cuda.is_available()
