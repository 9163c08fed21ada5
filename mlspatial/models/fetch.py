"""Files of published weights: on this machine, or downloaded."""

from __future__ import annotations

import http.client
import re
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlparse

from mlspatial.core.errors import UserError, in_one_line

TIMEOUT = 20  # seconds without an answer before a download is given up


def checkpoints() -> Path:
    """Where downloaded weights are kept: torch.hub's folder."""
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints"


def from_hub(selector: str, repository: str, names: Sequence[str], kept: str) -> Path:
    """A file of the Hugging Face hub: in its own cache, or downloaded as kept. names: tried in order; the first counts.

    kept: without the suffix. repository: as owner/name or owner/name@revision.
    """
    from huggingface_hub import hf_hub_url, try_to_load_from_cache

    repo, _, revision = repository.partition("@")
    for there in names:
        found = try_to_load_from_cache(repo, there, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    return fetched(selector, hf_hub_url(repo, names[0], revision=revision or None), kept + Path(names[0]).suffix)


def fetched(selector: str, url: str, name: str = "", megabytes: float = 0) -> Path:
    """The file of a name (the address' last part) in torch.hub's folder, downloaded from url unless it is there.

    Raises UserError that says how to do that by hand.
    """
    import torch

    path = checkpoints() / (name or Path(urlparse(url).path).name)
    if path.is_file():
        return path
    before = socket.getdefaulttimeout()  # torch.hub takes no timeout, and would wait for ever
    promised = re.search(r"-([a-f0-9]{8,})\.", path.name)  # torch.hub: the file's SHA-256 begins like this
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        socket.setdefaulttimeout(TIMEOUT)
        shown = sys.stderr.isatty()
        torch.hub.download_url_to_file(url, str(path), promised[1] if promised else None, progress=shown)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        size = f" ({megabytes:.0f} MiB)" if megabytes else ""
        raise UserError(
            f"models={selector}: the weights {path.name}{size} are not on this machine and cannot be downloaded "
            f"({in_one_line(error)}); fetch {url} elsewhere and put it into {path.parent} as {path.name}"
        ) from error
    finally:
        socket.setdefaulttimeout(before)
    return path
