"""Asking the tracking store by the quickest way that it allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from mlspatial.core.errors import UserError
from mlspatial.registry.patience import patiently, place
from mlspatial.registry.query import Source
from mlspatial.registry.query_client import Client
from mlspatial.registry.query_sql import Database
from mlspatial.registry.store import client, tracking_uri

DATABASES = ("sqlite", "postgresql")
Answer = TypeVar("Answer")


def ask(question: Callable[[Source], Answer], *, registry: bool = False) -> Answer:
    """Put a question to the store that MLFLOW_TRACKING_URI names; registry: to the registry of models.

    Asked again while nobody answers (see `patience`). Raises UserError when it does not, or cannot, answer.
    """
    import mlflow
    from sqlalchemy.exc import SQLAlchemyError

    uri = tracking_uri()
    client()
    direct = uri.startswith(DATABASES) and not (registry and mlflow.get_registry_uri() != uri)
    with reachable():
        if direct:
            with suppress(SQLAlchemyError):  # other tables than expected
                return patiently(lambda: question(Database(uri)))
        return question(Client())


@contextmanager
def reachable() -> Iterator[None]:
    """Turns a store that cannot be read into one line."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, RequestException, OSError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{place()}: does not answer ({line}); is it up?") from error
