"""compare: finished runs in; tables, figures, checks and the report out."""

from __future__ import annotations

import inspect
import io
import json
import os
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.errors import UnknownName, UserError
from mlspatial.core.files import whole, write_text
from mlspatial.core.hashing import content_id, file_sha256
from mlspatial.core.parameters import FORCE, STUDY, Parameter, changed, entry
from mlspatial.core.progress import bar, say
from mlspatial.registry import notes, read, runs
from mlspatial.registry.patience import shown
from mlspatial.registry.store import UI, require, tracking_uri, whereabouts

if TYPE_CHECKING:
    from mlspatial.compare.drawing import Drawing
    from mlspatial.compare.evidence import Evidence
    from mlspatial.compare.table import Table

VERSION = 2
REPORT, EXPLORE, ITEMS = "report.html", "explore.html", "items"
PAGES = (REPORT, EXPLORE)
FILES = "files.json"  # artifact: name -> SHA-256 of every file that was asked for
SOURCES = ("render", "train", "score", "similarity", "decode", "tuning", "import")  # entries whose runs are drawn from
SHEET_ROWS, SHEET_WIDTH = 1 / 2, 1200  # share of a sheet that the page shows; pixels
TABLE_FORMATS = ("csv", "md", "tex")
FORMATS = ("html", "csv", "md", "tex", "svg", "png")

PARAMETERS = (
    Parameter("items", str, "all, or ids such as table_c1,figure_4a (a wrong one lists them all).", "all"),
    Parameter("out", str, "Folder to write to [reports/STUDY].", "", "nothing"),
    Parameter("format", str, "all, or some of html,csv,md,tex,svg,png.", "all"),
    *changed([STUDY], study={"decides": "result"}),
    FORCE,
)


def compare(*, items: str, out: str, format: str = "all", study: str = "", force: bool = False) -> str:
    """Draw tables, figures and the report from the finished runs of a study (all of them without one).

    items: all, or ids of tables and figures; format: all, or some of FORMATS. Returns the run's id. Raises UserError
    when there is no finished run, UnknownName for an unknown item or format.
    """
    formats = sorted(_chosen("format", format, FORMATS), key=FORMATS.index)
    require()
    known = _known_items()
    names = _chosen("item", items, known)
    with read.together(study):
        return _compare(names, formats, out, study, force)


def _compare(names: Sequence[str], formats: Sequence[str], out: str, study: str, force: bool) -> str:
    used = [record for source in SOURCES for record in read.records(entry=source, study=study)]
    if not used:
        there = sorted({name for record in runs.find(status="FINISHED") for name in record.studies})
        hint = f"studies with runs: {', '.join(there)}" if there else f"{whereabouts()} holds no finished run yet"
        raise UserError(f"no finished runs{f' of study {study}' if study else ''}; {hint}")
    folder = Path(out or f"reports/{study or 'all'}")
    cfg = {"items": ",".join(names), "format": ",".join(formats), "study": study, "out": str(folder)}
    inputs = {"runs": content_id(sorted(record.id for record in used)), "code": _code(names)}
    inputs |= {"ui": os.environ[UI]} if os.environ.get(UI) else {}  # the pages link to it
    if failed := _failed(study):  # a report says what came to no end
        inputs["failed"] = content_id(failed)
    spec = runs.Spec("compare", VERSION, inputs, cfg, ENTRY.free)
    parents, lacks = [record.id for record in used], partial(_lacks, folder)
    with runs.open_run(
        spec, name=f"compare {study or 'all'}", study=study, parents=parents, force=force, lacks=lacks
    ) as run:
        if not run.answered:
            files = [] if force else _drawn_before(spec, folder)
            if not files:
                files, texts = _draw(names, formats, study, used, folder)
                say("\n\n".join(texts))
            for file in files:
                run.log_file(file, None if file.name in PAGES else ITEMS)
            listed = ", ".join(file.name for file in files if file.name not in PAGES)
            page = f"The report is the artifact {REPORT}. " if any(file.name == REPORT for file in files) else ""
            whose = f"study {notes.plain(study)}" if study else "all studies"
            run.describe(f"{page}{len(used)} finished runs of {whose}; {listed}.")
            run.log_text(json.dumps({file.name: file_sha256(file) for file in files}, indent=0), FILES)
    say(f"report: {(folder / REPORT).resolve()}" if "html" in formats else f"files: {folder.resolve()}")
    return run.id


def _failed(study: str) -> list[str]:
    from mlspatial.compare.kept import ENTRIES_TOLD, UNFINISHED

    found = (run for end in UNFINISHED for run in read.records(study=study, status=end))
    return sorted(run.id for run in found if run.entry in ENTRIES_TOLD)


def _code(names: Sequence[str]) -> str:
    """Hash of what draws these items and the page around them."""
    from mlspatial.compare import explore
    from mlspatial.compare.checks import CHECKS
    from mlspatial.compare.drawing import FIGURES
    from mlspatial.compare.sources import sources_id
    from mlspatial.compare.table import TABLES

    items = [TABLES[name] if name in TABLES else FIGURES[name] for name in names]
    return sources_id([Path(__file__), Path(inspect.getfile(explore)), *items, *(CHECKS[name] for name in CHECKS)])


def _artifact(name: str) -> str:
    """Where a run keeps a file of the folder."""
    return name if name in PAGES else f"{ITEMS}/{name}"


def _written(run: runs.RunRecord) -> dict[str, str]:
    """name -> SHA-256 of the files that a run wrote; {} when it does not say so any more."""
    return dict(json.loads(runs.local(run.id, FILES).read_text())) if runs.there(run.id, [FILES]) else {}


def _lacks(folder: Path, run: runs.RunRecord) -> list[str]:
    """What a run wrote that it has no more, and what is not in the folder as it wrote it."""
    written = _written(run)
    gone = runs.missing(FILES, *map(_artifact, written))(run)
    return [*gone, *(str(folder / name) for name, digest in written.items() if not _is(folder / name, digest))]


def _is(file: Path, digest: str) -> bool:
    return file.is_file() and file_sha256(file) == digest


def _drawn_before(spec: runs.Spec, folder: Path) -> list[Path]:
    """The files of the same drawings for another folder, or before they were changed: put into this one."""
    for run in runs.find(spec=spec.id, status="FINISHED"):
        written = _written(run)
        if not written or runs.missing(*map(_artifact, written))(run):
            continue
        kept = {name: runs.local(run.id, _artifact(name)) for name in written}
        if all(_is(kept[name], digest) for name, digest in written.items()):
            folder.mkdir(parents=True, exist_ok=True)
            for name, file in kept.items():
                with whole(folder / name) as partial_copy:
                    shutil.copyfile(file, partial_copy)
            return [folder / name for name in written]
    return []


def _known_items() -> list[str]:
    """Ids of all tables, then of all figures, as a reader would order them."""
    from mlspatial.papers import known_items

    return known_items()


def _chosen(kind: str, text: str, known: Sequence[str]) -> list[str]:
    if text == "all":
        return list(known)
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
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
    from mlspatial.compare.explore import explore_page
    from mlspatial.compare.overview import overview
    from mlspatial.compare.painting import Painters
    from mlspatial.compare.report import Report, page
    from mlspatial.compare.style import save_drawing
    from mlspatial.compare.table import TABLES, Table
    from mlspatial.papers import key_items, sources

    evidence = load(study)
    folder.mkdir(parents=True, exist_ok=True)
    made: list[Table | Drawing] = []
    files: list[Path] = []
    texts: list[str] = []
    kinds = [kind for kind, page in (("svg", "html"), ("png", "")) if kind in formats or page in formats]
    figures = sum(name not in TABLES for name in names)
    with bar("compare", len(names), "item") as progress, Painters(figures if kinds else 0) as painters:
        for name in names:
            if name in TABLES:
                table = TABLES[name](evidence)
                made.append(table)
                files += _save_table(table, folder, formats)
                texts += [table.to_text()] if table.runs else []
            else:
                made = _with(drawing := FIGURES[name](evidence), made)
                painters.begin(drawing, kinds)
            progress.update(1)
        for item in made:
            if not isinstance(item, Table) and item.figure is not None:
                painters.finish(item)
                files += save_drawing(item, folder, formats)
    if "html" in formats:
        lacking = [label for item in made for label in getattr(item, "missing", ())]
        title, checks = f"Study {study}" if study else "All runs", all_checks(evidence)
        report = Report(
            title,
            _facts(used, study),
            checks,
            _conditions(evidence),
            made,
            evidence.links,
            commands(lacking, evidence),
            sources=sources(item.id for item in made if item.runs),
            beside={EXPLORE: "Explore"},
            overview=overview(evidence, checks),
            sheets=_sheets(used, evidence),
            key=key_items(item.id for item in made if item.runs),
        )
        files.append(write_text(folder / REPORT, page(report)))
        files.append(write_text(folder / EXPLORE, explore_page(title, evidence)))
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


def _conditions(evidence: Evidence) -> dict[str, dict[str, int]]:
    """What there is of every condition; the facts that all share are left out of the names."""
    from mlspatial.compare.conditions import known, names_of
    from mlspatial.compare.style import task_order, task_style

    networks = known(evidence.networks)
    if networks.empty:
        return {}
    measured = {
        "scored": set(evidence.scores.model_id),
        "compared": set(evidence.pairs.model_a) | set(evidence.pairs.model_b),
        "decoded": set(evidence.decodings.model_id),
    } | ({"tuned": set(evidence.tunings.model_id)} if len(evidence.tunings) else {})
    found = []
    for name, group in networks.assign(label=names_of(networks.condition)).groupby("label", sort=False):
        task, step = str(group.task.iloc[0]), int(group.step.iloc[0])
        counts = {"networks": group.replicate.nunique()}
        counts |= {what: group.replicate[group.model_id.isin(ids)].nunique() for what, ids in measured.items()}
        found.append((task_order(task), step, str(name).replace(task, task_style(task).label, 1), counts))
    return {name: counts for *_, name, counts in sorted(found, key=lambda item: item[:2])}


def _sheets(used: Sequence[runs.RunRecord], evidence: Evidence) -> dict[str, bytes]:
    """What a dataset's pictures are of -> its contact sheet as a JPEG: of the one that most networks were
    trained on, then that with most images, among those of the study and of its networks."""
    from mlspatial.steps.render import FORMER_SHEET, SHEET

    rendered = [run for run in used if run.entry == "render"]
    wanted = set(evidence.networks.dataset_id) - {run.dataset_id for run in rendered} - {""}
    if wanted:
        rendered += [run for run in runs.find(entry="render", status="FINISHED") if run.dataset_id in wanted]
    trained = evidence.networks.dataset_id.value_counts().to_dict()
    rendered.sort(key=lambda run: (-trained.get(run.dataset_id, 0), -int(run.cfg.get("n_train", 0))))
    for run in rendered:
        name = next((name for name in (SHEET, FORMER_SHEET) if not runs.missing(name)(run)), None)
        if name is None:
            continue
        more = f"; {len(rendered) - 1} more datasets are in their runs" if len(rendered) > 1 else ""
        words = f"Held-out images of dataset {run.cfg['dataset']}, the centre of the object marked{more}."
        return {words: _smaller(runs.local(run.id, name))}
    return {}


def _smaller(picture: Path) -> bytes:
    """The upper rows of a contact sheet as a JPEG that a page can carry."""
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB")
    small = small.crop((0, 0, small.width, round(small.height * SHEET_ROWS)))
    small.thumbnail((SHEET_WIDTH, SHEET_WIDTH), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82, optimize=True)
    return buffer.getvalue()


def _facts(used: list[runs.RunRecord], study: str) -> dict[str, str]:
    counts = {source: sum(record.entry == source for record in used) for source in SOURCES}
    commits = sorted({record.tags.get("mlspatial.commit", "unknown")[:12] for record in used})
    datasets = sorted({f"{r.cfg['dataset']} ({r.dataset_id})" for r in used if r.entry == "render"})
    return {
        "study": study or "every finished run",
        "runs": ", ".join(f"{number} {source}" for source, number in counts.items() if number),
        "datasets": ", ".join(datasets) or "none rendered here",
        "code": f"commit {', '.join(commits)}",
        "tracking store": shown(tracking_uri()),
    }


ENTRY = entry(
    "compare",
    "Draw every requested table and figure and report.html from the runs of a study, or from all finished runs.",
    PARAMETERS,
    compare,
    ("--study quick", "--items figure_2,table_c2 --format svg,tex --out paper"),
)
