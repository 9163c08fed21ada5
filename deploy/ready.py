"""Wait until the database and the object store answer, and make the bucket; what the MLflow server starts after.

    python ready.py [seconds]

The settings of settings.env and secrets.env are in the environment. Exits 1 with one line when one of them stays away,
and at once when waiting changes nothing: a variable that is missing, a wrong password, a database that is not there.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

SECONDS = 120.0
NEEDED = ("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "PGPASSWORD", "S3_BUCKET",
          "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")  # fmt: skip
#: Words of a PostgreSQL server, or of its library, after which asking again is of no use.
FINAL = re.compile(
    r"authentication failed|no password supplied|does not exist|no pg_hba\.conf entry|invalid|permission"
)


class Away(Exception):
    """What may answer when it is asked again."""


def database() -> None:
    import psycopg

    names = {"host": "POSTGRES_HOST", "port": "POSTGRES_PORT", "dbname": "POSTGRES_DB", "user": "POSTGRES_USER"}
    try:
        with psycopg.connect(**{name: os.environ[of] for name, of in names.items()}, connect_timeout=5) as connection:
            connection.execute("SELECT 1")
    except psycopg.OperationalError as error:
        raise error if FINAL.search(str(error)) else Away(str(error)) from error


def bucket() -> None:
    import boto3
    from botocore import exceptions

    try:
        client = boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None)
        make(client, os.environ["S3_BUCKET"])
    except (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError, exceptions.ConnectionClosedError,
            exceptions.ReadTimeoutError) as error:  # fmt: skip
        raise Away(str(error)) from error
    except exceptions.ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise Away(str(error)) from error
        raise


def make(client: Any, name: str) -> None:
    from botocore.exceptions import ClientError

    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
        try:
            client.create_bucket(Bucket=name)
        except ClientError as other:
            if other.response["Error"]["Code"] != "BucketAlreadyOwnedByYou":  # made by another server meanwhile
                raise


def wait(what: str, ask: Callable[[], None], until: float) -> None:
    while True:
        try:
            return ask()
        except Away as error:
            if time.monotonic() > until:
                sys.exit(f"ready.py: the {what} does not answer: {words(error)}")
        except ModuleNotFoundError as error:
            sys.exit(f"ready.py: {sys.executable} has no {error.name}; requirements-lab.txt has it")
        except Exception as error:  # drivers of two kinds, whose words are told
            sys.exit(f"ready.py: the {what} refuses, which waiting does not change: {words(error)}")
        time.sleep(0.3)


def words(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


if __name__ == "__main__":
    lacking = [name for name in NEEDED if not os.environ.get(name)]
    if lacking:
        sys.exit(f"ready.py: not in the environment: {', '.join(lacking)}; settings.env and secrets.env set them")
    deadline = time.monotonic() + (float(sys.argv[1]) if sys.argv[1:] else SECONDS)
    wait("database", database, deadline)
    wait("object store", bucket, deadline)
