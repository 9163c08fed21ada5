"""One file of a server's artifacts with one request.

MLflow's own download of a file is three or four: what the server can do, whether the file is a folder, a signed address
of the object store, the file.
"""

from __future__ import annotations

from pathlib import Path

from mlspatial.registry.patience import patiently
from mlspatial.registry.store import tracking_uri

SCHEME = "mlflow-artifacts:"  # of artifacts that the tracking server hands out
REFUSED = (403, 404, 410)
CHUNK = 1 << 20  # bytes
#: What the server says with status 500 of an object that its store does not have.
NO_OBJECT = ("(404) when calling", "NoSuchKey", "Not Found")


def can(root: str) -> bool:
    """Whether files under an address are had from the tracking server itself."""
    return root.startswith(SCHEME) and tracking_uri().startswith("http")


def get(root: str, name: str, target: Path, limit: int = 0) -> bool:
    """Write one artifact to a path; False where the server says that it is not there or not for this user.

    limit: bytes after which it is taken for something else, 0 for any. Raises what MLflow raises, Unreachable when
    the server stays away, and OSError for what is too large.
    """
    from mlflow.store.artifact.mlflow_artifacts_repo import MlflowArtifactsRepository
    from mlflow.utils.credentials import get_default_host_creds
    from mlflow.utils.rest_utils import augmented_raise_for_status, http_request

    address = MlflowArtifactsRepository.resolve_uri(root, tracking_uri())

    def ask() -> bool:
        creds = get_default_host_creds(address)
        with http_request(creds, f"/{name}", "GET", max_retries=0, raise_on_status=False, stream=True) as answer:
            if answer.status_code in REFUSED:
                return False
            if answer.status_code == 500 and any(words in answer.text for words in NO_OBJECT):
                return False
            augmented_raise_for_status(answer)
            size = 0
            with target.open("wb") as file:
                for chunk in answer.iter_content(CHUNK):
                    size += file.write(chunk)
                    if limit and size > limit:
                        raise OSError(f"{address}/{name} has more than {limit} bytes")
        return True

    return patiently(ask)
