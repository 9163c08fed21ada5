"""The script for the first minutes on a GPU: all of it runs without one, and it counts what study 1 asks for."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import torch

from speed import gpu

ROOT = Path(__file__).resolve().parents[1]


def test_every_case_runs_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "lines.jsonl"
    made = subprocess.run(
        [ROOT / "speed" / "gpu.sh", "--device", "cpu", "--tiny", "--out", str(out)],
        capture_output=True, text=True, timeout=540, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr[-3000:]
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines == [json.loads(line) for line in made.stdout.splitlines()] and "every case ran" in made.stderr
    of = {line["case"]: line for line in lines}
    for start in (
        "render_224px",
        "load_64px",
        "train_resnet18",
        "together_8",
        "stacked_4",
        "live_",
        "extract_grams_11",
    ):
        (case,) = [name for name in of if name.startswith(start)][:1]
        assert of[case]["ours"] > 0 and of[case]["ratio"] != 0, case
    for name in ("gram", "pls", "decode", "versa", "gsn"):
        assert of[name]["error"] == 0  # the CPU against itself
    assert of["projected_xie2025"]["total_hours"] is None  # its pictures are of 224 pixels


def test_a_device_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is there")
    script = [ROOT / "speed" / "gpu.sh", "--tiny"]
    made = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)
    assert made.returncode == 2 and made.stderr.splitlines()[-1].endswith(
        "--device cuda: torch sees no CUDA device; --device cpu --tiny shows that all runs"
    )


def test_the_projection_counts_the_published_trainings() -> None:
    """Xie et al. 2025 with batches of 64, see studies/xie2025.yaml: by hand."""
    small = 10 * 8 * 500_000 + 5 * 8 * 500_000 + (5 + 4 + 3) * 6 * 200_000
    large = 10 * 5 * 1_000_000 + 5 * 5 * 1_000_000 + 5 * 9 * 3 * 1_500_000
    speeds = {"train_resnet18_224px": 10_000.0, "train_resnet50_224px": 4_000.0}
    lines = [{"case": name, "ours": value, "unit": "images per second"} for name, value in speeds.items()]
    lines.append({"case": "together_6_resnet18_224px", "ratio": 2.0})
    found = gpu.projected(lines)
    assert found["images"] == {"resnet18": 64 * small, "resnet50": 64 * large}
    hours = 64 * small / 10_000 / 2 / 3600 + 64 * large / 4_000 / 2 / 3600
    assert found["total_hours"] == pytest.approx(hours, abs=0.1) and found["met"] is (hours <= 72)
