"""A command in the middle of a training, for tests that kill it there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import importlib, signal, sys
from mlspatial.train.loop import Network

descend = Network.descend

def held(network, *arguments):
    if network.step == int(sys.argv[2]):
        print("held", flush=True)
        signal.pause()
    descend(network, *arguments)

Network.descend = held
importlib.import_module(f"entrypoints.{sys.argv[1]}").main(sys.argv[3:])
"""


def kill_in_training(folder: Path, entry: str, step: int, *arguments: str) -> None:
    """Start a command in a folder and kill -9 it when its network has seen `step` batches."""
    command = [sys.executable, "-c", HOLD, entry, str(step), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "held\n", "ended before it could be killed"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
