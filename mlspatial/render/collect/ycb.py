"""The YCB object set as ycbbenchmarks.com hands it out: NNN_name/google_16k/textured.obj.

Where a folder holds several meshes of a thing, the first of KINDS is taken. YCB-Video's models, NNN_name/textured.obj,
are read, too. Metres, +z up; no front is defined, and -y is taken for it. Source: Calli et al. 2015, arXiv 1502.03143.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from mlspatial.core.errors import UserError
from mlspatial.render.collect.base import COLLECTIONS, Files, Model, identity_name

KINDS = ("google_16k", "google_64k", "google_512k", "poisson", "tsdf", "")
MESHES = ("textured.obj", "textured_simple.obj")
NUMBERED = re.compile(r"(\d{3})(-[a-z])?_(.+)")
LICENCES = re.compile(r"licen[sc]e|readme", re.IGNORECASE)
#: Things whose name does not end in what they are, and those that come in several.
THINGS = {
    "bleach cleanser": "bottle", "pitcher base": "pitcher", "pitcher lid": "lid", "skillet lid": "lid", "dice": "die",
    "cups": "cup", "marbles": "marble", "colored wood blocks": "block", "chips can": "can", "windex bottle": "bottle",
    "lego duplo": "toy", "toy airplane": "toy", "rubiks cube": "toy", "nine hole peg test": "peg test",
}  # fmt: skip


class Ycb:
    """A folder with one folder a thing, named by its number and its name."""

    usual: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()

    def models(self, folder: Path) -> Iterator[Model]:
        """Raises UserError where no thing is found."""
        places = [folder] if NUMBERED.fullmatch(folder.name) else []
        places += sorted(f for f in folder.glob("*") if f.is_dir() and NUMBERED.fullmatch(f.name))
        places += sorted(f for f in folder.glob("*/*") if f.is_dir() and NUMBERED.fullmatch(f.name))
        if not places:
            packed = sorted(file.name for file in folder.glob("*.t*gz"))
            more = f"; {packed[0]} and the like have to be unpacked first" if packed else ""
            raise UserError(f"{folder}: no folder such as 003_cracker_box in it{more}; name the folder that has one "
                            "for each thing of YCB")  # fmt: skip
        for place in places:
            yield _model(Files(place), place.name)


def _model(files: Files, name: str) -> Model:
    number = NUMBERED.fullmatch(name)
    assert number is not None
    title = number[3].replace("_", " ")
    kind, obj = next(
        ((k, f"{k}/{m}".lstrip("/")) for k in KINDS for m in MESHES if f"{k}/{m}".lstrip("/") in files), ("", "")
    )
    return Model(
        name=identity_name("ycb", name),
        title=title,
        kind=THINGS.get(title, title.rsplit(" ", 1)[-1]),
        files=files,
        folder=kind,
        obj=obj,
        axes="up=z,front=-y",
        licences=tuple(n for n in files.names() if "/" not in n and LICENCES.search(n)),
        licence="Creative Commons Attribution 4.0, as ycbbenchmarks.com says",
        credit="Yale-CMU-Berkeley Object and Model Set",
        without="" if obj else f"none of {', '.join(f'{k}/{MESHES[0]}' for k in KINDS if k)} is in it",
    )


COLLECTIONS.register("ycb")(Ycb())
