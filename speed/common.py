"""What the speed scripts share: facts about the machine, and one JSON line a case."""

from __future__ import annotations

import json
import os
import platform
import resource
from pathlib import Path

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the entry points do, for the alternatives too


def machine(device: str = "cpu") -> str:
    cpuinfo = Path("/proc/cpuinfo")
    names = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    name = names[0].split(":")[1].strip() if names else platform.processor()
    facts = f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"
    if device == "cpu":
        return facts
    import torch

    return f"{torch.cuda.get_device_name(device)}, {facts}"


def peak_mib() -> int:
    """Most memory this process has held so far."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def report(lines: list[dict], device: str = "cpu") -> None:
    for line in lines:
        print(json.dumps({**line, "machine": machine(device)}), flush=True)
