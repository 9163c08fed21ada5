"""compare: runs in, tables and a report out."""

from __future__ import annotations

from pathlib import Path

from mlspatial.compare import tables as table_modules
from mlspatial.compare.report import page
from mlspatial.compare.table import TABLES
from mlspatial.core.errors import UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.plugins import import_all
from mlspatial.registry import runs
from mlspatial.registry.store import tracking_uri, ui_address
from mlspatial.steps.progress import say

VERSION = 1
FREE = frozenset({"out"})


def compare(*, items: str, out: str, study: str = "", force: bool = False) -> str:
    """Draw tables and the report from the finished runs of a study (all of them without one); return the run's id."""
    import_all(table_modules)
    names = list(TABLES) if items == "all" else [part.strip() for part in items.split(",") if part.strip()]
    functions = {name: TABLES[name] for name in names}
    used = [r for entry in ("render", "train", "score") for r in runs.find(entry=entry, status="FINISHED")]
    used = [record for record in used if not study or study in record.studies]
    if not used:
        there = sorted({name for record in runs.find(status="FINISHED") for name in record.studies})
        hint = f"studies with runs: {', '.join(there)}" if there else "the registry holds no finished run yet"
        raise UserError(f"no finished runs{f' of study {study}' if study else ''}; {hint}")
    folder = Path(out or f"reports/{study or 'all'}")
    cfg = {"items": ",".join(names), "study": study, "out": str(folder)}
    spec = runs.Spec("compare", VERSION, {"runs": content_id(sorted(record.id for record in used))}, cfg, FREE)
    report = folder / "report.html"
    stale = not report.is_file()
    parents = [record.id for record in used]
    with runs.open_run(
        spec, name=f"compare {study or 'all'}", study=study, parents=parents, force=force or stale
    ) as run:
        if run.answered:
            say(f"report: {report.resolve()}")
            return run.id
        tables = [function(study) for function in functions.values()]
        folder.mkdir(parents=True, exist_ok=True)
        for table in tables:
            (folder / f"{table.id}.csv").write_text(table.to_csv())
        links = {record.id: ui_address(record.experiment, record.id) for record in used}
        report.write_text(page(f"Study {study}" if study else "All runs", _facts(used, study), tables, links))
        for path in (report, *(folder / f"{table.id}.csv" for table in tables)):
            run.log_file(path)
        say("\n\n".join(table.to_text() for table in tables))
    say(f"report: {report.resolve()}")
    return run.id


def _facts(used: list[runs.RunRecord], study: str) -> dict[str, str]:
    counts = {entry: sum(record.entry == entry for record in used) for entry in ("render", "train", "score")}
    commits = sorted({record.tags.get("mlspatial.commit", "unknown")[:12] for record in used})
    return {
        "study": study or "every finished run",
        "runs": ", ".join(f"{number} {entry}" for entry, number in counts.items()),
        "datasets": ", ".join(sorted({f"{r.cfg['dataset']} ({r.dataset_id})" for r in used if r.entry == "render"})),
        "code": f"commit {', '.join(commits)}",
        "tracking store": tracking_uri(),
    }
