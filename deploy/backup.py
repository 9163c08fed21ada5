"""A copy of everything a lab's server holds, and the way back: database, object store, users.

    python backup.py backup FOLDER [--previous FOLDER]  # --previous: an older copy; what is in it is linked
    python backup.py backup FOLDER --keep 14            # the newest whole copy beside FOLDER is --previous; of them and
                                                        # this one the newest 14 stay, the others are removed
    python backup.py verify FOLDER
    python backup.py restore FOLDER                     # into an empty database; --replace true drops what is there

The settings of settings.env and secrets.env are in the environment; pg_dump and pg_restore are of the server's version
or newer. The server may go on meanwhile: the database is copied first, and what it names is in the store by then. Stop
it before `restore`.

FOLDER holds database.dump (pg_dump's custom format), basic_auth.db (SQLite), objects/ (named by the hash of their key)
and manifest.json with the key, size and SHA-256 of each, which is written last: a folder without it is no backup.
"""

from __future__ import annotations

import argparse
import errno
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

MANIFEST, DATABASE, USERS = "manifest.json", "database.dump", "basic_auth.db"
NEEDED = ("POSTGRES_HOST", "POSTGRES_PORT", "POSTGRES_DB", "POSTGRES_USER", "PGPASSWORD", "S3_BUCKET",
          "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "LAB_DATA")  # fmt: skip


def postgres(program: str, *words: str) -> None:
    there = {"host": "POSTGRES_HOST", "port": "POSTGRES_PORT", "username": "POSTGRES_USER", "dbname": "POSTGRES_DB"}
    options = [f"--{option}={os.environ[name]}" for option, name in there.items()]
    made = subprocess.run([program, "--no-password", *options, *words], capture_output=True, text=True)
    if made.returncode:
        sys.exit(f"backup.py: {program}: {' '.join(made.stderr.split())[:500]}")


def store() -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=os.environ.get("MLFLOW_S3_ENDPOINT_URL") or None)


def objects(client: Any) -> Iterator[dict[str, Any]]:
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=os.environ["S3_BUCKET"]):
        yield from page.get("Contents", ())


def place(folder: Path, key: str) -> Path:
    name = hashlib.sha256(key.encode()).hexdigest()
    return folder / "objects" / name[:2] / name


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_users(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)


def users() -> Path:
    return Path(os.environ["LAB_DATA"], USERS)


def backup(folder: Path, previous: Path | None) -> None:
    if (folder / MANIFEST).exists():
        sys.exit(f"backup.py: {folder}: holds a backup already; name another folder")
    if not users().is_file():
        sys.exit(f"backup.py: {users()}: no users are there; is LAB_DATA the folder of the server?")
    old = read(previous)["objects"] if previous else {}
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # it holds hashes of passwords
    postgres("pg_dump", "--format=custom", f"--file={folder / DATABASE}")
    copy_users(users(), folder / USERS)
    client, kept = store(), {}
    for one in objects(client):
        key, facts = one["Key"], {"size": one["Size"], "etag": one["ETag"]}
        path = place(folder, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        before = old.get(key, {})
        if (
            previous
            and {name: before.get(name) for name in facts} == facts
            and sized(place(previous, key), one["Size"])
        ):
            link(place(previous, key), path)
            kept[key] = before
        else:
            client.download_file(os.environ["S3_BUCKET"], key, str(path))
            kept[key] = facts | {"sha256": digest(path)}
    files = {name: digest(folder / name) for name in (DATABASE, USERS)}
    partial = folder / f"{MANIFEST}.partial"
    with partial.open("w") as file:
        json.dump({"files": files, "objects": kept}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())  # a name without its contents would be taken for a backup after a power cut
    give(folder)
    partial.replace(folder / MANIFEST)
    print(f"{folder}: the database, the users and {len(kept)} objects")


def link(source: Path, target: Path) -> None:
    """The same file under a second name; a copy where that cannot be: on another disk."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EMLINK, errno.EPERM):
            raise
        shutil.copy2(source, target)


def give(folder: Path) -> None:
    """A copy that root makes to the server's user, whose nightly copies could neither count nor remove it."""
    if os.geteuid() == 0:
        owned = users().stat()
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owned.st_uid, owned.st_gid)


def sized(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def whole(folder: Path) -> list[Path]:
    """The copies in a folder that were made to their end, the newest first. Those that were not are told."""
    copies = [path.parent for path in folder.glob(f"*/{DATABASE}")]
    found = [path for path in copies if manifest(path) is not None]
    for path in copies:
        if path not in found:
            why = "is being made, or was not made to its end"
            print(f"backup.py: {path}: {why}; it is not used, and may be removed if nobody makes it", file=sys.stderr)
    return sorted(found, key=lambda path: (path / MANIFEST).stat().st_mtime_ns, reverse=True)


def remove_older(copies: list[Path], keep: int) -> None:
    """Remove all but the newest copies. The manifest goes first: what is left of a stop is no backup."""
    for path in copies[keep:]:
        (path / MANIFEST).unlink()
        shutil.rmtree(path)
        print(f"{path}: removed, {keep} newer ones are there")


def manifest(folder: Path) -> dict[str, Any] | None:
    """What a copy says that it holds; None of one that was not made to its end, or whose manifest is damaged."""
    try:
        found = json.loads((folder / MANIFEST).read_text())
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and all(isinstance(found.get(name), dict) for name in ("files", "objects"))
    return found if whole else None


def read(folder: Path) -> dict[str, Any]:
    found = manifest(folder)
    if found is None:
        sys.exit(f"backup.py: {folder}: has no whole {MANIFEST}: it is no backup, or one that was not made to its end")
    return found


def verify(folder: Path) -> dict[str, Any]:
    made = read(folder)
    files = {folder / name: sha for name, sha in made["files"].items()}
    files |= {place(folder, key): facts["sha256"] for key, facts in made["objects"].items()}
    bad = [path for path, sha in files.items() if not path.is_file() or digest(path) != sha]
    if bad:
        sys.exit(f"backup.py: {folder}: {len(bad)} of {len(files)} files are missing or damaged, the first: {bad[0]}")
    return made


def tables() -> int:
    import psycopg

    names = {"host": "POSTGRES_HOST", "port": "POSTGRES_PORT", "dbname": "POSTGRES_DB", "user": "POSTGRES_USER"}
    with psycopg.connect(**{name: os.environ[of] for name, of in names.items()}) as connection:
        found = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone()
    return int(found[0]) if found else 0


def restore(folder: Path, replace: bool) -> None:
    made = verify(folder)
    if not replace and (tables() or users().exists()):
        sys.exit(
            "backup.py: the database or the users are there already; --replace true drops them for those of the backup"
        )
    if not users().parent.is_dir():
        sys.exit(f"backup.py: {users().parent}: is not there; make the folder that LAB_DATA names first")
    client, bucket = store(), os.environ["S3_BUCKET"]
    there = {one["Key"]: one["ETag"] for one in objects(client)}
    for key, facts in made["objects"].items():
        if there.get(key) != facts["etag"]:
            client.upload_file(str(place(folder, key)), bucket, key)
    postgres("pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", str(folder / DATABASE))
    owned = (users() if users().exists() else users().parent).stat()
    partial = users().with_suffix(".partial")
    shutil.copy(folder / USERS, partial)
    if os.geteuid() == 0:
        os.chown(partial, owned.st_uid, owned.st_gid)  # the server's user, not root, writes it
    for ending in ("-journal", "-wal", "-shm"):  # of the database that goes
        users().with_name(USERS + ending).unlink(missing_ok=True)
    partial.replace(users())
    print(f"{folder}: restored the database, the users and {len(made['objects'])} objects")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("backup", "verify", "restore"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--previous", type=Path)
    parser.add_argument("--replace", choices=("true", "false"), default="false")
    parser.add_argument("--keep", type=int)
    given = parser.parse_args()
    if given.keep is not None and (given.what != "backup" or given.keep < 1):
        parser.error(f"--keep {given.keep}: must be 1 or more, with backup")
    lacking = [name for name in NEEDED if not os.environ.get(name)]
    if lacking and given.what != "verify":
        sys.exit(f"backup.py: not in the environment: {', '.join(lacking)}; settings.env and secrets.env set them")
    folder = given.folder.absolute()
    if given.what == "backup":
        beside = [path for path in whole(folder.parent) if path != folder] if given.keep else []
        backup(folder, given.previous or next(iter(beside), None))
        if given.keep:
            remove_older([folder, *beside], given.keep)
    elif given.what == "verify":
        verify(folder)
        print(f"{folder}: whole")
    else:
        restore(folder, given.replace == "true")


if __name__ == "__main__":
    main()
