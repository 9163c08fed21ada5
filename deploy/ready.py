"""Wait until the database and the object store answer, and make the bucket; what the MLflow server starts after.

    python ready.py [seconds]

The settings of settings.env and secrets.env are in the environment. Exits 1 with one line when one of them stays away.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

SECONDS = 120.0


def bucket_client() -> object:
    import boto3

    return boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None)


def database() -> None:
    import psycopg

    names = {"host": "POSTGRES_HOST", "port": "POSTGRES_PORT", "dbname": "POSTGRES_DB", "user": "POSTGRES_USER"}
    with psycopg.connect(**{name: os.environ[of] for name, of in names.items()}, connect_timeout=5) as connection:
        connection.execute("SELECT 1")


def bucket() -> None:
    from botocore.exceptions import ClientError

    client, name = bucket_client(), os.environ["S3_BUCKET"]
    try:
        client.head_bucket(Bucket=name)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
        client.create_bucket(Bucket=name)


def wait(what: str, ask: Callable[[], None], until: float) -> None:
    while True:
        try:
            return ask()
        except Exception as error:  # drivers of two kinds, whose words are told
            if time.monotonic() > until:
                sys.exit(f"ready.py: the {what} does not answer: {' '.join(str(error).split())[:300]}")
            time.sleep(0.3)


if __name__ == "__main__":
    deadline = time.monotonic() + (float(sys.argv[1]) if sys.argv[1:] else SECONDS)
    wait("database", database, deadline)
    wait("object store", bucket, deadline)
