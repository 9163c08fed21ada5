"""Content hashes: the same facts give the same short id on every machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

ID_LENGTH = 16  # hexadecimal digits: 64 bits, no collisions at the scale of a laboratory


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces; raises TypeError for what JSON cannot say, ValueError for NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_id(value: Any) -> str:
    """A short SHA-256 of a JSON-like value."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:ID_LENGTH]


def seed_of(*numbers: int) -> int:
    """A seed of 32 bits from several numbers. torch's generators on a CPU forget what of a seed is beyond these."""
    return int(content_id(list(numbers))[:8], 16)


def file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
