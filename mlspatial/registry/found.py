"""Runs that the registry has, by what they are."""

from __future__ import annotations

from mlspatial.core.names import ENTRY, SPEC
from mlspatial.registry.record import RunRecord, Spec, record_of
from mlspatial.registry.store import all_experiments, client

ANSWER = "answer"  # the entry of a run that only points to the run that holds the result


def find(
    *, spec: str | None = None, entry: str | None = None, where: str = "", status: str | None = None
) -> list[RunRecord]:
    """Runs of ours, newest first, without mere answers. where: further MLflow filter text; status: FINISHED, ..."""
    clauses = [f"tags.`{ENTRY}` != '{ANSWER}'" if entry is None else f"tags.`{ENTRY}` = '{entry}'"]
    clauses += [f"tags.`{SPEC}` = '{spec}'"] if spec else []
    clauses += [f"attributes.status = '{status}'"] if status else []
    clauses += [where] if where else []
    records: list[RunRecord] = []
    token = None
    while True:
        page = client().search_runs(
            all_experiments(), " and ".join(clauses), max_results=50_000, order_by=["start_time DESC"], page_token=token
        )
        records += [record_of(run) for run in page]
        token = page.token
        if not token:
            return records


def get(run_id: str) -> RunRecord:
    return record_of(client().get_run(run_id))


def finished(spec: Spec) -> RunRecord | None:
    """The finished run that answers a spec, if there is one."""
    return next(iter(find(spec=spec.id, status="FINISHED")), None)
