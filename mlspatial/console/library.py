"""library: a folder of objects for `render --objects`, made on this machine from 3D models that are on its disk."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlspatial.console.layout import Cell, command, place, table
from mlspatial.core.errors import BadValue
from mlspatial.core.parameters import Entry, Parameter
from mlspatial.core.progress import bar, silent

if TYPE_CHECKING:
    from mlspatial.render.collect.build import Outcome

NAMED = 3  # models that a line names of those that were left out for one reason

PARAMETERS = (
    Parameter("do", str, "build.", decides="nothing", choices=("build",)),
    Parameter("from", str, "The collection: sweethome3d, gso, ycb, or one of your own.", decides="nothing"),
    Parameter("folder", str, "Where it lies; sweethome3d is looked for in /usr/share.", "", "nothing"),
    Parameter(
        "out", str, "Folder for the objects; objects/COLLECTION by default.", "", "nothing", "objects/COLLECTION"
    ),
    Parameter("only", str, "all, or names of categories, of the collection's groups, or of models.", "all", "nothing"),
    Parameter("most", int, "Objects of a category; 0 for all.", 0, "nothing", least=0),
    Parameter("least", int, "Leave out categories with fewer objects.", 1, "nothing", least=1),
    Parameter("axes", str, "Which way the models stand, if not as the collection's do: up=z,front=-y.", "", "nothing"),
    Parameter("sheet", bool, "Draw a contact sheet.", True, "nothing"),
)


def library(*, do: str, out: str, sheet: bool, folder: str, **given: Any) -> list[str]:
    """Build a folder of objects; makes no run and downloads nothing. Raises UserError."""
    from mlspatial.render.collect.build import build
    from mlspatial.render.collect.origin import objects
    from mlspatial.render.collect.sheet import Pictures

    if do != "build":
        raise BadValue("do", do, "must be build")
    collection = given["from"]
    where = Path(out or f"objects/{collection}")
    pictures = Pictures(where)
    outcome: list[Outcome] = []
    count = [0]
    line: list[Any] = []

    def tell(done: int, total: int) -> None:
        if not line and not silent():
            line.append(bar("models", total, "models"))
        if line:
            line[0].update(done - count[0])
        count[0] = done

    try:
        choice = {name: given[name] for name in ("only", "most", "least", "axes")}
        outcome.append(build(collection, folder, where, **choice, seen=pictures.see if sheet else None, tell=tell))
    finally:
        for one in line:
            one.close()
    everything = [(str(one["category"]), str(one["name"])) for one in objects(where)]
    if sheet:
        pictures.flush()
        pictures.write(everything, where / "sheet.png")
    _say(where, outcome[0], len(everything), sheet)
    return []


def _say(out: Path, outcome: Outcome, total: int, sheet: bool) -> None:
    taken = len(outcome.made) + len(outcome.kept)
    words = f"{len(outcome.made)} made, {len(outcome.kept)} there already" if outcome.kept else f"{taken} objects made"
    print(f"{words}, {len(outcome.categories)} categories, in {place(out)}; {len(outcome.left_out)} models left out")
    common = outcome.categories.most_common(8)
    print("  most: " + ", ".join(f"{name.split(',')[0]} {count}" for name, count in common))
    if total > taken:
        print(f"  {total - taken} more objects of earlier builds are in it")
    reasons = Counter(reason for _, reason in outcome.left_out)
    rows: list[dict[str, Cell]] = []
    for reason, count in reasons.most_common(8):
        titles = [title for title, why in outcome.left_out if why == reason]
        more = ", ..." if count > NAMED else ""
        rows.append({"left out": count, "because": reason, "such as": ", ".join(titles[:NAMED]) + more})
    if rows:
        print(table(rows, most=60))
    if outcome.remarks:
        models = len({name for name, _ in outcome.remarks})
        print(f"  {models} with remarks, all in their origin.json (first: {outcome.remarks[0][1]})")
    print(f"all of them, licences and reasons: {place(out / 'objects.json')}"
          + (f"; pictures: {place(out / 'sheet.png')}" if sheet else ""))  # fmt: skip
    print("then: " + command("render", dataset="mine", objects=place(out), categories="all"))


TOOL = Entry(
    "library",
    "Build a folder of objects for `render --objects` from 3D models on this machine.\n\n"
    "Each is turned to one front, put into metres and tried as render reads it; what cannot be read is left out by "
    "name. Licences lie beside the objects. Nothing is downloaded; the same command goes on where it was.",
    PARAMETERS,
    library,
    (
        "build --from sweethome3d",
        "build --from gso FOLDER --only Shoe --most 20",
        "build --from ycb FOLDER --out objects/ycb",
    ),
    first="do",
)
