"""How runs ended whose store was away just then: told by the next command."""

from __future__ import annotations

from mlspatial.core.errors import in_one_line
from mlspatial.core.progress import say
from mlspatial.registry import spool
from mlspatial.registry.lives import PROCESS
from mlspatial.registry.patience import mlflow_errors
from mlspatial.registry.run import Run
from mlspatial.registry.store import client


def deliver() -> None:
    """Write the last metrics and the end of every run that ended here while the store was away.

    One that others have taken up since, or removed, is theirs: what is kept of it is dropped. One that
    cannot be told is left, with a word, and ends nothing. Raises Unreachable.
    """
    for run_id, kept in spool.ended():
        try:
            _deliver(run_id, kept)
        except mlflow_errors(ValueError, TypeError) as error:  # Unreachable is neither, and ends the command
            why = in_one_line(error)
            say(f"{spool.file(run_id)}: run {run_id} cannot be told its end ({why}); remove the file")


def _deliver(run_id: str, kept: spool.Kept) -> None:
    from mlflow.exceptions import MlflowException

    try:
        run = client().get_run(run_id)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        spool.forget(run_id)
        return
    theirs = run.data.tags.get(PROCESS) != kept.process or run.info.status not in ("RUNNING", "KILLED")
    if theirs or run.info.lifecycle_stage != "active":
        spool.forget(run_id)
        return
    late = Run(run_id)
    late.take_up(kept)
    if kept.tags:
        late.set_tags(kept.tags)
    client().set_terminated(run_id, kept.status)
    spool.forget(run_id)
    say(f"run {run_id}: had ended as {kept.status} while the store was away; that is told now")
