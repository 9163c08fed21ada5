"""Runs whose process is gone: marked KILLED by whoever notices first and may change them."""

from __future__ import annotations

from collections.abc import Mapping

from mlspatial.core.names import TAG
from mlspatial.core.progress import say
from mlspatial.registry import late, lives, patience
from mlspatial.registry.found import find
from mlspatial.registry.record import RunRecord, record_of
from mlspatial.registry.run import Run
from mlspatial.registry.store import client

ENDED = TAG + "ended"
FOREIGN: set[str] = set()  # dead runs of other people that we may not change
LEFT: set[str] = set()  # runs that ended here while the store was away: they are RUNNING in it, and dead


def mark_dead_runs() -> list[str]:
    """Mark every RUNNING run of ours whose process is gone as KILLED. Returns their ids.

    Those of other people that we may not change are left as they are, and told once.
    """
    late.deliver()
    dead = []
    for run in find(status="RUNNING"):
        if run.id not in FOREIGN and _is_dead(run) and _still(run.id):
            LEFT.discard(run.id)
            said = {ENDED: f"process died; last heartbeat {run.tags.get(lives.HEARTBEAT, 'never')}"}
            if may_change(run, said):
                client().set_terminated(run.id, "KILLED")
                dead.append(run.id)
    return dead


def _still(run_id: str) -> bool:
    """Whether a run that was found dead is so still: others may have gone on with it by now, or have removed it."""
    now = client().get_run(run_id)
    return now.info.lifecycle_stage == "active" and _is_dead(record_of(now))


def _is_dead(run: RunRecord) -> bool:
    left = run.id in LEFT and run.tags.get(lives.PROCESS) == lives.process()
    return run.status == "RUNNING" and (left or not lives.lives(run.tags))


def may_change(run: RunRecord, tags: Mapping[str, str]) -> bool:
    """Set tags of a run; whether the store lets us."""
    from mlflow.exceptions import MlflowException

    try:
        Run(run.id).set_tags(tags)
    except MlflowException as error:
        if not patience.not_allowed(error):
            raise
        FOREIGN.add(run.id)
        whose = run.tags.get("mlflow.user", "somebody else")
        say(f"run {run.id} of {whose} ({run.name}) has died; it is left as it is, since you may not change it")
        return False
    return True
