"""verify: every known published number that the data at hand allow, computed anew by the code that is installed."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from mlspatial.core.code import code_id
from mlspatial.core.errors import Refuted
from mlspatial.core.hashing import content_id, file_sha256
from mlspatial.core.names import CHECKS as TABLE
from mlspatial.core.parameters import FORCE, STUDY, Parameter, entry
from mlspatial.core.plugins import import_all
from mlspatial.core.progress import bar
from mlspatial.registry import runs
from mlspatial.registry.read import table_file

if TYPE_CHECKING:
    from mlspatial.verify.base import Check, Outcome

VERSION = 1
CSV, PAGE = "checks.csv", "checks.md"
PACKAGE = Path(__file__).resolve().parents[1]
LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn", "torch", "warp-lang")
SOURCES = (".py", ".csv", ".yaml")

PARAMETERS = (
    Parameter("only", str, "Comma list of fields or patterns, such as geirhos2019,*.pls_*.", "", "draw", shown="all"),
    STUDY,
    FORCE,
)


def verify(*, only: str = "", study: str = "", force: bool = False) -> str:
    """Compute the published numbers anew and say which hold; return the run's id.

    only: comma list of fields, names or patterns of checks. What lacks its data cannot run and is no failure. Raises
    UnknownName for a word that finds no check, Refuted, when the run has finished, where a check fails.
    """
    from mlspatial.verify.base import FAILS, chosen, counted

    load()
    checks = chosen(only)
    spec = runs.Spec("verify", VERSION, inputs(checks), {"only": only}, ENTRY.free)
    name = f"verify {only or 'all'}"
    with runs.open_run(spec, name=name, study=study, force=force, lacks=runs.missing(TABLE, CSV, PAGE)) as run:
        if not run.answered:
            _log(run, computed(checks))
    found = table_file(runs.local(run.id, TABLE))
    if wrong := found.name[found.verdict == FAILS].tolist():
        some = f"{', '.join(wrong[:3])}{f' and {len(wrong) - 3} more' if len(wrong) > 3 else ''}"
        total = sum(counted(found.verdict).values())
        raise Refuted(f"{len(wrong)} of {total} checks fail: {some}; the reasons are in {CSV} of the run", [run.id])
    return run.id


def load() -> None:
    """Have every field register its checks, a user's own too."""
    from mlspatial.core.plugins import load_own
    from mlspatial.verify import fields

    import_all(fields)
    load_own()


def computed(checks: list[Check]) -> list[Outcome]:
    """The outcomes, one after another; those of a field share the data that it reads."""
    from mlspatial.verify.base import outcome

    found = []
    with bar("verify", len(checks), "check") as progress:
        for one in checks:
            progress.set_postfix(refresh=False, now=one.name)
            found.append(outcome(one))
            progress.update(1)
    return found


def inputs(checks: list[Check]) -> dict[str, object]:
    """What decides the outcomes: the checks, the code of this package and of a user's own, libraries, files."""
    described = [
        [one.name, one.source, list(one.published), one.tolerance, one.relation, one.differs] for one in checks
    ]
    needs = {need: need.state() for one in checks for need in one.needs}
    files = sorted(PACKAGE.rglob("*"))
    code = [[str(f.relative_to(PACKAGE)), file_sha256(f)] for f in files if f.suffix in SOURCES and f.is_file()]
    return {
        "checks": content_id(described),
        "data": content_id([[repr(need), state] for need, state in needs.items()]),
        "code": content_id([code, sorted({code_id(one.compute.__module__) for one in checks})]),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _log(run: runs.Run, outcomes: list[Outcome]) -> None:
    from mlspatial.verify.base import counted
    from mlspatial.verify.page import markdown, table

    found = table(outcomes)
    counts = counted(found.verdict)
    run.log({verdict.replace(" ", "_"): number for verdict, number in counts.items()})
    for one in outcomes:
        ends = ("",) if len(one.computed) == 1 else (".low", ".high")
        run.log({f"computed.{one.check.name}{end}": v for end, v in zip(ends, one.computed, strict=bool(one.computed))})
    run.flush()
    run.log_table(found, TABLE)
    run.log_text(found.to_csv(index=False), CSV)
    run.log_text(markdown(outcomes), PAGE)
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts.items() if number)
    run.describe(f"{len(outcomes)} published numbers computed anew: {told}. The tables are in {PAGE} and {CSV}.")


ENTRY = entry(
    "verify",
    "Compute published numbers anew with the code and the data of this machine, and say which hold.\n\n"
    "Exits with 1 when one fails. What lacks its data is told with where they come from.",
    PARAMETERS,
    verify,
    ("--only mathematics,implementations", "--only geirhos2019", "--force true"),
)
