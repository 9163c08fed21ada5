"""compare: finished runs in; tables, figures, checks and the report out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.progress import bar, say
from mlspatial.registry import runs
from mlspatial.registry.store import tracking_uri

if TYPE_CHECKING:
    from mlspatial.compare.drawing import Drawing
    from mlspatial.compare.evidence import Evidence
    from mlspatial.compare.report import Condition
    from mlspatial.compare.table import Table

VERSION = 2
FREE = frozenset({"out"})
SOURCES = ("render", "train", "score", "similarity", "decode", "import")  # entries whose runs are drawn from
TABLE_FORMATS = ("csv", "md", "tex")
FORMATS = ("html", "csv", "md", "tex", "svg", "png")


def compare(*, items: str, out: str, format: str = "all", study: str = "", force: bool = False) -> str:
    """Draw tables, figures and the report from the finished runs of a study (all of them without one).

    items: all, or ids of tables and figures; format: all, or some of FORMATS. Returns the run's id. Raises UserError
    when there is no finished run, UnknownName for an unknown item or format.
    """
    formats = _chosen("format", format, FORMATS)
    known = _known_items()
    names = _chosen("item", items, known)
    used = [record for entry in SOURCES for record in runs.find(entry=entry, status="FINISHED")]
    used = [record for record in used if not study or study in record.studies]
    if not used:
        there = sorted({name for record in runs.find(status="FINISHED") for name in record.studies})
        hint = f"studies with runs: {', '.join(there)}" if there else "the registry holds no finished run yet"
        raise UserError(f"no finished runs{f' of study {study}' if study else ''}; {hint}")
    folder = Path(out or f"reports/{study or 'all'}")
    cfg = {"items": ",".join(names), "format": ",".join(formats), "study": study, "out": str(folder)}
    spec = runs.Spec("compare", VERSION, {"runs": content_id(sorted(record.id for record in used))}, cfg, FREE)
    report = folder / "report.html"
    stale = not report.is_file()
    parents = [record.id for record in used]
    with runs.open_run(
        spec, name=f"compare {study or 'all'}", study=study, parents=parents, force=force or stale
    ) as run:
        if not run.answered:
            files, texts = _draw(names, formats, study, used, folder)
            for file in files:
                run.log_file(file, None if file.suffix == ".html" else "items")
            say("\n\n".join(texts))
    say(f"report: {report.resolve()}")
    return run.id


def _known_items() -> list[str]:
    """Ids of all tables, then of all figures, as a reader would order them."""
    from mlspatial.compare import figures, tables
    from mlspatial.compare.drawing import FIGURES
    from mlspatial.compare.table import TABLES
    from mlspatial.core.plugins import import_all

    import_all(tables)
    import_all(figures)
    return [*sorted(TABLES, key=_natural), *sorted(FIGURES, key=_natural)]


def _natural(name: str) -> list[Any]:
    """general tables first, then 2 before 10, figures of the paper's body before those of its appendix."""
    parts = re.findall(r"\d+|[a-z]+", name.split("_", 1)[-1])
    return [("_" in name), not (parts and parts[0].isdigit()), [(not p.isdigit(), p.zfill(4)) for p in parts]]


def _chosen(kind: str, text: str, known: Sequence[str]) -> list[str]:
    if text == "all":
        return list(known)
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in known:
            raise UnknownName(kind, name, known)
    return names


def _draw(
    names: Sequence[str], formats: Sequence[str], study: str, used: list[runs.RunRecord], folder: Path
) -> tuple[list[Path], list[str]]:
    """Write everything; (files, tables as text)."""
    from mlspatial.compare.checks import all_checks
    from mlspatial.compare.commands import commands
    from mlspatial.compare.drawing import FIGURES
    from mlspatial.compare.evidence import load
    from mlspatial.compare.report import Report, page
    from mlspatial.compare.style import save_drawing
    from mlspatial.compare.table import TABLES, Table

    evidence = load(study)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Table | Drawing] = []
    files: list[Path] = []
    texts: list[str] = []
    with bar("compare", len(names), "item") as progress:
        for name in names:
            if name in TABLES:
                table = TABLES[name](evidence)
                made.append(table)
                files += _save_table(table, folder, formats)
                texts += [table.to_text()] if table.runs else []
            else:
                made = _with(FIGURES[name](evidence), made)
            progress.update(1)
    for drawing in made:
        if not isinstance(drawing, Table) and drawing.figure is not None:
            files += [file for file in save_drawing(drawing, folder) if file.suffix[1:] in formats]
    if "html" in formats:
        lacking = [label for item in made for label in getattr(item, "missing", ())]
        title = f"Study {study}" if study else "All runs"
        report = Report(
            title,
            _facts(used, study),
            all_checks(evidence),
            _conditions(evidence),
            made,
            evidence.links,
            commands(lacking, evidence),
        )
        target = folder / "report.html"
        partial = folder / ".report.html"
        partial.write_text(page(report))
        partial.replace(target)
        files.append(target)
    return files, texts


def _with(drawing: Drawing, made: list[Table | Drawing]) -> list[Table | Drawing]:
    """The items and one more. Where runs are few, two published figures can come out the same: the later one stays."""
    from mlspatial.compare.table import Table

    def same(item: Table | Drawing) -> bool:
        if isinstance(item, Table) or item.figure is None:
            return False
        return bool(item.title == drawing.title and item.data.equals(drawing.data))

    return [*(item for item in made if not same(item)), drawing]


def _save_table(table: Table, folder: Path, formats: Sequence[str]) -> list[Path]:
    writers = {"csv": table.to_csv, "md": table.to_markdown, "tex": table.to_latex}
    files = []
    for kind in (kind for kind in TABLE_FORMATS if kind in formats and table.runs):
        files.append(folder / f"{table.id}.{kind}")
        files[-1].write_text(writers[kind]())
    return files


def _conditions(evidence: Evidence) -> list[Condition]:
    """What there is of every condition; the facts that all share are left out of the names."""
    from mlspatial.compare.report import Condition
    from mlspatial.compare.style import task_order, task_style
    from mlspatial.compare.table import label, varying
    from mlspatial.compare.tables.rows import CONDITION

    networks = evidence.networks.drop_duplicates("model_id")
    if networks.empty:
        return []
    names = [name for name in CONDITION if name in networks.columns]
    differing = varying(networks, tuple(names))
    scored, decoded = set(evidence.scores.model_id), set(evidence.decodings.model_id)
    paired = set(evidence.pairs.model_a) | set(evidence.pairs.model_b)
    found = []
    for _, group in networks.groupby(names, dropna=False, sort=False):
        first = group.iloc[0]
        counts = {
            "networks": len(group),
            "scored": int(group.model_id.isin(scored).sum()),
            "compared": int(group.model_id.isin(paired).sum()),
            "decoded": int(group.model_id.isin(decoded).sum()),
        }
        name = label(first, differing).replace(str(first.task), task_style(str(first.task)).label, 1)
        found.append((task_order(str(first.task)), int(first.step), Condition(name, counts)))
    return [condition for *_, condition in sorted(found, key=lambda item: item[:2])]


def _facts(used: list[runs.RunRecord], study: str) -> dict[str, str]:
    counts = {entry: sum(record.entry == entry for record in used) for entry in SOURCES}
    commits = sorted({record.tags.get("mlspatial.commit", "unknown")[:12] for record in used})
    datasets = sorted({f"{r.cfg['dataset']} ({r.dataset_id})" for r in used if r.entry == "render"})
    return {
        "study": study or "every finished run",
        "runs": ", ".join(f"{number} {entry}" for entry, number in counts.items() if number),
        "datasets": ", ".join(datasets) or "none rendered here",
        "code": f"commit {', '.join(commits)}",
        "tracking store": tracking_uri(),
    }
