"""From the models of a collection to a folder that `render --objects` takes: one folder a category, metres, one front.

    OUT/CATEGORY/NAME.obj         upright (+y), facing +z, in metres, standing on y = 0
    OUT/CATEGORY/NAME/            its materials, textures and licences, and origin.json: what it was made from
    OUT/objects.json              all objects, and what was left out of the last build with the reason
    OUT/sheet.png                 a picture of each

Every model is read as `render` will read it before it counts. A model that is there already, from the same files, is
not made again.
"""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from mlspatial.core.errors import UnknownName, UserError, in_one_line
from mlspatial.core.files import whole, write_json, write_text
from mlspatial.core.hashing import content_id, file_sha256
from mlspatial.core.names import file_name
from mlspatial.render.collect.base import COLLECTIONS, Collection, Model, category_of
from mlspatial.render.collect.origin import ORIGIN, demand_alike, is_whole, objects, read_origin
from mlspatial.render.collect.wavefront import place_obj
from mlspatial.render.files.folder import same_name, split_names, turn_of
from mlspatial.render.files.look import find as find_file
from mlspatial.render.library.files import load_mesh, references
from mlspatial.render.mesh import Mesh

VERSION = 2  # of what is written for a model; counts up whenever that could change
INDEX = "objects.json"
ALL = "all"
#: What the system says of names that cannot be written, as against a disk that is full.
UNWRITABLE = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.EINVAL)
PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tga", ".gif", ".tif", ".tiff")
Seen = Callable[[str, str, Callable[[], Mesh], bool], None]  # category, name, the mesh if it is wanted, is it new


@dataclass
class Outcome:
    """What a build did. made, kept: (category, name) of new objects and of those that were there already; left_out:
    (title, reason); remarks: (name, what was said of it while it was read)."""

    made: list[tuple[str, str]] = field(default_factory=list)
    kept: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)

    @property
    def categories(self) -> Counter[str]:
        """Objects of each category, those of earlier builds left out."""
        return Counter(category for category, _ in [*self.made, *self.kept])


def find(name: str, folder: str) -> tuple[Collection, Path]:
    """A collection and the folder that it is read from: the one that is named, else where it usually lies.

    Raises UnknownName, or UserError where there is no such folder.
    """
    collection = COLLECTIONS[name]
    if folder:
        if not Path(folder).exists():
            raise UserError(f"folder={folder}: there is no such folder")
        return collection, Path(folder)
    for place in collection.usual:
        if Path(place).is_dir():
            return collection, Path(place)
    usual = f"it is not in {' or '.join(collection.usual)}; " if collection.usual else ""
    raise UserError(f"from={name}: {usual}say which folder it is in: --from {name} FOLDER")


def chosen(collection: Collection, models: Sequence[Model], only: str, outcome: Outcome) -> dict[str, list[Model]]:
    """category -> the models that are asked for, in the order of their names; the others go to outcome.left_out.

    only: all, or names of categories, of a collection's groups, or of models. What cannot be read at all is told
    whatever is asked for. Raises UnknownName.
    """
    outcome.left_out += [(m.title, m.without) for m in models if m.without and not m.kind]
    models = [m for m in models if m.kind or not m.without]
    words = [] if only == ALL else [word for word, _ in split_names(only)]
    names = {category_of(m.kind) for m in models} | {
        c.split(",")[0] for c in map(category_of, {m.kind for m in models})
    }
    known = names | {group for m in models for group in m.groups} | {m.name for m in models}
    if whole_name := next((name for name in known if same_name(name, only)), None):
        words = [whole_name]
    for word in words if models else ():
        if not any(same_name(word, name) for name in known):
            raise UnknownName("category", word, names | {group for m in models for group in m.groups})
    found: dict[str, list[Model]] = {}
    first: dict[str, Model] = {}
    for model in models:
        if not model.without:
            first.setdefault(model.name, model)
        category = category_of(model.kind)
        mine = (category, category.split(",")[0], *model.groups, model.name)
        apart = next((group for group in model.groups if group in collection.apart), "")
        if words and not any(same_name(word, name) for word in words for name in mine):
            continue
        if model.without:
            outcome.left_out.append((model.title, model.without))
        elif apart and not words:
            outcome.left_out.append((model.title, f"{apart} are taken only where --only names them"))
        elif model is not first[model.name]:
            at = " and ".join(f"{m.files.path.name}: {m.obj}" for m in (first[model.name], model))
            outcome.left_out.append((model.title, f"another model is called {model.name}, too, and counts ({at})"))
        else:
            found.setdefault(category, []).append(model)
    return {category: sorted(found[category], key=lambda m: m.name) for category in sorted(found)}


def build(
    name: str,
    folder: str,
    out: Path,
    *,
    only: str = ALL,
    most: int = 0,
    least: int = 1,
    axes: str = "",
    seen: Seen | None = None,
    tell: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Make, or go on making, the folder of objects `out` from a collection; returns what was done.

    name: of the collection; folder: where it is, "" for where it usually is; only: see chosen; most: objects of a
    category, 0 for all; least: categories with fewer objects are left out; axes: of the models, instead of the
    collection's own ("up=z,front=x"); seen: called for every object of this build; tell: called with models done and in
    all. Raises UserError where nothing is found or could be taken, for bad axes, and where `out` holds other files, or
    objects of this collection that were made with other axes or by earlier rules and would stay.
    """
    turn_of(axes, "axes")
    collection, place = find(name, folder)
    _claim(out)
    outcome = Outcome()
    categories = chosen(collection, list(collection.models(place)), only, outcome)
    demand_alike(out, name, VERSION, axes, {(file_name(c), m.name) for c, models in categories.items() for m in models})
    total, done = sum(map(len, categories.values())), 0
    for category, models in categories.items():
        taken: list[tuple[str, str]] = []
        for model in models:
            done += 1
            if tell is not None:
                tell(done, total)
            if len(models) < least or (most and len(taken) == most):
                few = f"{category} has {len(models)} of the {least} that --least wants"
                outcome.left_out.append((model.title, f"--most {most}" if len(models) >= least else few))
                said = read_origin(out / file_name(category) / model.name)
                if len(models) < least or (said and said["version"] != VERSION):
                    _remove(out, file_name(category), model.name)  # of an earlier build
                continue
            try:
                _take(name, model, category, axes, out, outcome, seen)
            except UserError as error:
                _remove(out, file_name(category), model.name)  # made from other files than there are now
                outcome.left_out.append((model.title, in_one_line(error, 300)))
                continue
            taken.append((file_name(category), model.name))
        if taken and len(taken) < least:
            for one in taken:
                _remove(out, *one)
                outcome.left_out.append((one[1], f"{category} has {len(taken)} of the {least} that --least wants"))
            outcome.made = [one for one in outcome.made if one not in taken]
            outcome.kept = [one for one in outcome.kept if one not in taken]
    write_json(out / INDEX, {"objects": list(objects(out)), "left_out": [list(one) for one in outcome.left_out]})
    if not outcome.categories:
        first = f" (first: {': '.join(outcome.left_out[0])})" if outcome.left_out else ""
        raise UserError(f"{place}: none of its models could be taken{first}")
    return outcome


def _claim(out: Path) -> None:
    """Make the folder, or make sure that it is one of ours. Raises UserError."""
    if out.exists() and not out.is_dir():
        raise UserError(f"out={out}: is a file; name a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / INDEX).is_file():
        raise UserError(f"out={out}: holds other files; name a new folder, or one that was built by this command")
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not (out / INDEX).is_file():
            write_json(out / INDEX, {"objects": [], "left_out": []})
    except OSError as error:
        raise UserError(f"out={out}: cannot be written to ({error.strerror}); name another folder") from error


def _take(
    collection: str, model: Model, category: str, axes: str, out: Path, outcome: Outcome, seen: Seen | None
) -> None:
    """Make one object, or find it made. Raises UserError where it cannot be read."""
    names = [*model.files.names(model.folder if model.folder != "." else ""), *model.beside, *model.licences, model.obj]
    contents = {name: model.files.read(name) for name in dict.fromkeys(names)}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    turned = [axes or model.axes, list(model.turn), list(model.size or ())]
    key = content_id([VERSION, collection, category, model.name, model.title, turned, digests])
    home = out / file_name(category)
    file, beside = home / f"{model.name}.obj", home / model.name
    one = (home.name, model.name)
    if (said := read_origin(beside)) and said["key"] == key and is_whole(file, beside, said):
        outcome.kept.append(one)
        outcome.remarks += [(model.name, remark) for remark in said["remarks"]]
        if seen is not None:
            seen(*one, lambda: _loaded(file)[0], False)
        return
    with tempfile.TemporaryDirectory() as scratch:
        given, made = Path(scratch).resolve() / "given", Path(scratch).resolve() / "made"
        try:
            staged = _staged(model, contents, given)
            size, not_taken = _written(model, staged, given, contents, axes, made)
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            raise UserError(f"{model.obj}: its files cannot be laid out ({error.strerror})") from error
        mesh, remarks = _loaded(made / file.name)
        remarks = [*not_taken, *remarks]
        origin = {
            "category": category,
            "name": model.name,
            "title": model.title,
            "collection": collection,
            "from": f"{model.files.path.name}: {model.obj}",
            "size_m": [round(float(side), 4) for side in size],
            "licence": model.licence,
            "credit": model.credit,
            "remarks": remarks,
            "axes": axes or model.axes,
            "own_axes": model.axes,
            "version": VERSION,
            "key": key,
            "sha256": file_sha256(made / file.name),
            "files": {f.name: file_sha256(f) for f in (made / model.name).iterdir() if f.name != ORIGIN},
        }
        write_json(made / model.name / ORIGIN, origin)
        home.mkdir(exist_ok=True)
        _remove(out, *one)
        with whole(beside) as partial:
            shutil.copytree(made / model.name, partial)
        write_text(file, (made / file.name).read_text(encoding="utf-8"))
    outcome.made.append(one)
    outcome.remarks += [(model.name, remark) for remark in remarks]
    if seen is not None:
        seen(*one, lambda: mesh, True)


def _remove(out: Path, category: str, name: str) -> None:
    """Take away an object that this command has made."""
    beside = out / category / name
    beside.with_name(f"{name}.obj").unlink(missing_ok=True)
    if beside.is_dir():
        shutil.rmtree(beside)


def _staged(model: Model, contents: dict[str, bytes], given: Path) -> Path:
    """The model's files as they lie in the collection, below `given`, a resolved path; returns the OBJ file. Raises
    UserError for a name that leads out of it."""
    staged = given / model.obj
    for name, data in contents.items():
        places = [given / name]
        if name in model.beside:
            places.append(staged.parent / PurePosixPath(name).name)
        for place in places:
            if not place.resolve().is_relative_to(given):
                raise UserError(f"{model.obj}: {name} would lie outside of the collection")
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
    return staged


def _written(
    model: Model, staged: Path, given: Path, contents: dict[str, bytes], axes: str, made: Path
) -> tuple[np.ndarray, list[str]]:
    """Write the object into `made`: NAME.obj, and what it draws on in NAME/, of the files below `given`. Returns its
    size in metres, (3,), and a remark for each file that lies elsewhere."""
    found = references(staged)
    used = [file for file in found if file.resolve().is_relative_to(given)]
    outside = dict.fromkeys(file.name for file in found if file not in used)
    not_taken = [f"{name} is not taken: it lies outside of the collection" for name in outside]
    libraries = [file for file in used if file.suffix.lower() not in PICTURES]
    said = "\n".join(file.read_bytes().decode("latin-1") for file in libraries).lower()
    used += [f for f in sorted(staged.parent.rglob("*")) if f.suffix.lower() in PICTURES and f.name.lower() in said]
    (made / model.name).mkdir(parents=True)
    for file in dict.fromkeys(f.resolve() for f in used):
        target = made / model.name / file.name
        data = file.read_bytes() if file.suffix.lower() in PICTURES else _without_outside(file, given)
        if target.exists() and target.read_bytes() != data:
            raise UserError(f"{model.obj} draws on two files that are both called {file.name}")
        target.write_bytes(data)
    for name in model.licences:
        target = made / model.name / PurePosixPath(name).name
        target = target.with_stem(f"library-{target.stem}") if target.exists() else target
        target.write_bytes(contents[name])
    turn = turn_of(axes or model.axes)
    matrix = np.eye(3) if turn is None else turn
    if model.turn:
        matrix = matrix @ np.reshape(model.turn, (3, 3))
    try:
        beside = [f"{model.name}/{file.name}" for file in dict.fromkeys(libraries)]
        text, size = place_obj(staged.read_bytes(), matrix, model.size, beside)
    except ValueError as error:
        raise UserError(f"{model.obj} cannot be read ({error})") from error
    write_text(made / f"{model.name}.obj", text)
    return size, not_taken


def _without_outside(library: Path, given: Path) -> bytes:
    """A material file without the lines that name a file outside of `given`."""
    kept = []
    for line in library.read_bytes().splitlines(keepends=True):
        words = line.decode("utf-8", "replace").split()
        named = words[:1] != ["newmtl"] and any(mark in line for mark in (b"/", b"\\", b"%"))  # no way out without
        ends = (" ".join(words[first:]) for first in range(1, len(words) if named else 0))
        there = next((file for end in ends if (file := find_file(library.parent, end)) is not None), None)
        if there is None or there.resolve().is_relative_to(given):
            kept.append(line)
    return b"".join(kept)


def _loaded(file: Path) -> tuple[Mesh, list[str]]:
    """The mesh as `render` reads it, and what is said meanwhile, without the folder. Raises UserError."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            mesh = load_mesh(file)
        except UserError as error:
            raise UserError(str(error).replace(f"{file.parent}/", "")) from error
    said = (str(one.message).replace(f"{file.parent}/", "") for one in caught if issubclass(one.category, UserWarning))
    return mesh, list(dict.fromkeys(said))
