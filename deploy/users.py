"""Users of an MLflow server with basic-auth, and what they may do.

    python users.py add ann                      # an experiment of her own, named ann
    python users.py add ann --experiment vision  # writes to an experiment that several share
    python users.py add guest --guest            # reads everything, changes nothing that is there
    python users.py list
    python users.py password ann
    python users.py remove ann

Everybody reads everything (MLFLOW_DEFAULT_PERMISSION) and changes what is in their experiments; in one that several
share they delete nothing. Everybody may make experiments and networks under new names; MLflow cannot forbid that.

A password that is made up is printed, once; one that --password-file FILE takes from a file is not.
MLFLOW_TRACKING_URI is the server, MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD are an administrator's. Twice
does no harm.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path
from typing import Any

#: Networks are registered under ARCH.DATASET.TASK, whoever trains them: members may add versions to all of them. A role
#: with rights to every run would stand before those that people have in their own experiments.
MEMBERS, WORKSPACE = "mlspatial-members", "default"
BESIDE = "-activations"  # of an experiment: where mlspatial keeps activations


def clients() -> tuple[Any, Any]:
    import mlflow
    from mlflow.server import get_app_client

    uri = mlflow.get_tracking_uri()
    if not uri.startswith("http"):
        sys.exit(f"users.py: MLFLOW_TRACKING_URI={uri}: must be the address of a server")
    return get_app_client("basic-auth", tracking_uri=uri), mlflow.MlflowClient()


def experiment(registry: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = registry.get_experiment_by_name(name)
    if found is not None and found.lifecycle_stage != "active":
        sys.exit(
            f"users.py: experiment {name} is deleted; restore it: mlflow experiments restore -x {found.experiment_id}"
        )
    try:
        return found.experiment_id if found else registry.create_experiment(name)
    except MlflowException as error:
        sys.exit(f"users.py: experiment {name}: {error.message}")


def members(auth: Any) -> int:
    role = next((role for role in auth.list_roles(WORKSPACE) if role.name == MEMBERS), None)
    if role is None:
        role = auth.create_role(WORKSPACE, MEMBERS, "may add versions to every registered network")
        auth.add_role_permission(role.id, "registered_model", "*", "EDIT")
    return int(role.id)


def add(auth: Any, registry: Any, name: str, shared: list[str], guest: bool, password: str, shown: str) -> None:
    if auth_user(auth, name) is None:
        auth.create_user(name, password)
        print(shown)
    else:
        print(f"{name} is there already; what was missing is added", file=sys.stderr)
    if guest:
        return
    role = members(auth)
    if role not in {held.id for held in auth.list_user_roles(name)}:
        auth.assign_role(name, role)
    for one in shared or [name]:
        for title in (one, one + BESIDE):
            auth.grant_user_permission(name, "experiment", experiment(registry, title), "EDIT" if shared else "MANAGE")


def auth_user(auth: Any, name: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        return auth.get_user(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def listed(uri: str) -> None:
    import requests

    answer = requests.get(
        f"{uri}/api/2.0/mlflow/users/list",
        auth=(os.environ.get("MLFLOW_TRACKING_USERNAME", ""), os.environ.get("MLFLOW_TRACKING_PASSWORD", "")),
        verify=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or True,
        timeout=60,
    )
    answer.raise_for_status()
    for user in answer.json()["users"]:
        print(user["username"] + ("\tadministrator" if user["is_admin"] else ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("add", "list", "password", "remove"))
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--experiment", action="append", default=[])
    parser.add_argument("--guest", action="store_true")
    parser.add_argument("--password-file", type=Path)
    given = parser.parse_args()
    if (given.what == "list") != (given.name == ""):
        parser.error("a name is needed, and only `list` has none")
    if given.guest and given.experiment:
        parser.error("a guest writes to no experiment")
    password = given.password_file.read_text().strip() if given.password_file else secrets.token_urlsafe(18)
    shown = f"{given.name} {f'(the password of {given.password_file})' if given.password_file else password}"
    auth, registry = clients()
    if given.what == "add":
        add(auth, registry, given.name, given.experiment, given.guest, password, shown)
    elif given.what == "password":
        auth.update_user_password(given.name, password)
        print(shown)
    elif given.what == "remove":
        auth.delete_user(given.name)
    else:
        listed(os.environ["MLFLOW_TRACKING_URI"].rstrip("/"))


if __name__ == "__main__":
    main()
