"""Runs that the registry has, by what they are."""

from __future__ import annotations

from mlspatial.core.names import ENTRY, SPEC
from mlspatial.registry import lookup
from mlspatial.registry.record import RunRecord, Spec

ANSWER = "answer"  # the entry of a run that only points to the run that holds the result


def find(
    *,
    spec: str | None = None,
    entry: str | None = None,
    where: str = "",
    status: str | None = None,
    limit: int | None = None,
) -> list[RunRecord]:
    """Runs of ours, newest first, without mere answers. where: further MLflow filter text; status: FINISHED, ...;
    limit: no more of them."""
    clauses = [f"tags.`{ENTRY}` != '{ANSWER}'" if entry is None else f"tags.`{ENTRY}` = '{entry}'"]
    clauses += [f"tags.`{SPEC}` = '{spec}'"] if spec else []
    clauses += [f"attributes.status = '{status}'"] if status else []
    clauses += [where] if where else []
    return lookup.find(" and ".join(clauses), limit)


def get(run_id: str) -> RunRecord:
    return lookup.run(run_id)


def finished(spec: Spec) -> RunRecord | None:
    """The finished run that answers a spec, if there is one."""
    return next(iter(find(spec=spec.id, status="FINISHED")), None)
