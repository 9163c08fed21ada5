"""Asking the tracking store: by the quickest way that it allows, again when it is busy, in one line when it is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mlspatial.core.errors import UserError
from mlspatial.registry.query import Source
from mlspatial.registry.query_client import Client
from mlspatial.registry.query_sql import Database
from mlspatial.registry.store import client, tracking_uri

DATABASES = ("sqlite", "postgresql")
TRIES, WAIT = 4, 0.5  # of a database that is busy; seconds, doubled each time
Answer = TypeVar("Answer")


def ask(question: Callable[[Source], Answer], *, registry: bool = False) -> Answer:
    """Put a question to the store that MLFLOW_TRACKING_URI names; registry: to the registry of models.

    A server is asked again by MLflow itself (MLFLOW_HTTP_REQUEST_MAX_RETRIES), a busy database here. Raises UserError
    when it does not answer.
    """
    import mlflow
    from sqlalchemy.exc import OperationalError, SQLAlchemyError

    uri = tracking_uri()
    client()
    direct = uri.startswith(DATABASES) and not (registry and mlflow.get_registry_uri() != uri)
    with reachable():
        for tried in range(TRIES if direct else 0):
            try:
                return question(Database(uri))
            except OperationalError as error:
                if not (error.connection_invalidated or "locked" in str(error)):
                    break  # other tables than expected
                time.sleep(WAIT * 2**tried)
            except SQLAlchemyError:
                break
        return question(Client())


@contextmanager
def reachable() -> Iterator[None]:
    """Turns a store that is gone (MLflow has tried again and again by then) into one line."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, RequestException, OSError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"MLFLOW_TRACKING_URI={tracking_uri()}: does not answer ({line}); is it up?") from error
