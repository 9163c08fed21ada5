"""Objects by category and identity: the procedural library, or a folder of 3D models."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from mlspatial.core.errors import BadValue, UnknownName
from mlspatial.core.plugins import Plugins, import_all
from mlspatial.render import library
from mlspatial.render.files.folder import is_clutter, model_files, same_name, split_axes, split_names, turn_of
from mlspatial.render.library import catalogue
from mlspatial.render.mesh import Mesh

# The nested subsets of the study: N categories are the first N of this order, then the published order. It starts
# with the chair (Xie et al. 2025 name the category of their smallest set) and mixes round, long, flat, branching and
# boxy shapes, so that small subsets differ in shape as much as large ones.
STUDY_ORDER = (
    "chair",
    "teakettle",
    "hammer",
    "apple",
    "sofa",
    "bottle",
    "headphone",
    "television set",
    "banana",
    "table lamp",
    "cup",
    "backpack",
    "knife",
    "table",
    "toy",
    "bag, handbag, pocketbook, purse",
)


class ObjectLibrary(Protocol):
    """Meshes by name. version changes whenever a mesh could."""

    name: str
    categories: tuple[str, ...]

    @property
    def version(self) -> str: ...

    def identities(self, category: str) -> tuple[str, ...]:
        """Raises UnknownName."""

    def mesh(self, category: str, identity: str) -> Mesh:
        """Built or loaded at every call, the same arrays every time; keep what is needed again. Raises UnknownName."""


class ProceduralLibrary:
    """Household objects built by code; identity "chair#3" is the fourth chair. Its random draws are seeded by the
    SHA-256 of that name.

    categories: exact names; None takes all that have a builder. Each category lists as many identities as the
    published image sets had, unless `identities_each` is given; mesh() builds any further number as well.
    Raises UnknownName for a category without a builder.
    """

    name = "procedural"

    def __init__(self, categories: Sequence[str] | None = None, *, identities_each: int | None = None) -> None:
        available = available_procedural()
        for category in categories or ():
            if category not in available:
                raise UnknownName("category", category, available)
        if identities_each is not None and identities_each < 1:
            raise BadValue("identities_each", identities_each, "at least 1")
        self.categories = available if categories is None else tuple(categories)
        self.version = _source_version()
        self._each = identities_each

    def identities(self, category: str) -> tuple[str, ...]:
        self._check(category)
        n = self._each or catalogue.counts()[category]
        return tuple(f"{category}#{k}" for k in range(n))

    def mesh(self, category: str, identity: str) -> Mesh:
        self._check(category)
        prefix, _, number = identity.rpartition("#")
        if prefix != category or not number.isdecimal() or str(int(number)) != number:
            raise UnknownName(f"identity of {category}", identity, self.identities(category))
        return catalogue.build(category, int(number))

    def _check(self, category: str) -> None:
        if category not in self.categories:
            raise UnknownName("category", category, self.categories)


class FolderLibrary:
    """A folder of 3D models, category/identity.{obj,glb,gltf,ply,stl}, loaded with trimesh.

    path: the folder; "FOLDER:up=z,front=-y" turns models that do not face +z with +y up, as OBJ and glTF have it. Size
    and place do not matter. Textures, colours, roughness and metalness are kept; normals are computed anew. Where two
    categories share the name of a file, identities are named category/name. Models of more than MOST_TRIANGLES
    triangles are simplified, with a warning; files that file managers leave are no models. Raises UserError for a
    folder without models, two files of one name in a category, a broken or an empty model, BadValue for other axes.
    """

    name = "folder"

    def __init__(self, path: str | Path, categories: Sequence[str] | None = None) -> None:
        self._spec = str(path)
        self.path, self._axes = split_axes(self._spec)
        self._turn = turn_of(self._axes)
        files = model_files(self.path)
        for category in categories or ():
            if category not in files:
                raise UnknownName("category", category, files)
        self._files = files if categories is None else {c: files[c] for c in categories}
        self.categories = tuple(self._files)

    def only(self, categories: Sequence[str]) -> FolderLibrary:
        return FolderLibrary(self._spec, categories)

    @cached_property
    def version(self) -> str:
        """A hash of the models, of what lies beside them (material files, textures), and of how they are read."""
        from mlspatial.render.library.files import references, version_of

        turned = "" if self._turn is None else repr(self._turn.tolist())
        read = max(version_of(file) for category in self.categories for file in self._files[category].values())
        digest = hashlib.sha256(f"{_source_version()}{read}{turned}".encode())
        for category in self.categories:
            folder = self.path / category
            files = {f for f in folder.rglob("*") if f.is_file() and not is_clutter(f.relative_to(self.path))}
            inside = {f.resolve() for f in files}
            beyond = {r.resolve() for f in self._files[category].values() for r in references(f)} - inside
            for file in [*sorted(files), *sorted(beyond)]:
                place = file.relative_to(self.path).as_posix() if file in files else file.name
                digest.update(place.encode() + b"\0")
                digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()[:12]

    def identities(self, category: str) -> tuple[str, ...]:
        return tuple(self._of(category))

    def mesh(self, category: str, identity: str) -> Mesh:
        models = self._of(category)
        if identity not in models:
            raise UnknownName(f"identity of {category}", identity, models)
        from mlspatial.render.library.files import load_mesh

        return load_mesh(models[identity], self._turn)

    def _of(self, category: str) -> dict[str, Path]:
        if category not in self._files:
            raise UnknownName("category", category, self._files)
        return self._files[category]


#: Libraries that come with a renderer: name -> f(what follows "name:", categories).
OBJECTS: Plugins[Callable[[str, Sequence[str] | None], Any]] = Plugins("library of objects")


def load_objects(spec: str, categories: str | int | Sequence[str] | None = None) -> ObjectLibrary:
    """spec: "procedural", the path of a folder `category/identity.{obj,glb,gltf,ply,stl}` (see FolderLibrary), or a
    library that comes with a renderer, by its name and what it says may follow after a colon.

    categories: see resolve_categories; a sequence of names is resolved one by one. None takes all.
    Raises UnknownName for a category, UserError for a folder without models.
    """
    if spec == "procedural":
        available = available_procedural()
        make: Callable[[Sequence[str]], ObjectLibrary] = ProceduralLibrary
    elif (library := _of_a_renderer(spec)) is not None:
        available = library(None).categories
        make = library
    else:
        folder = FolderLibrary(spec)
        available = folder.categories
        make = folder.only
    if categories is None:
        names = available
    elif isinstance(categories, str | int):
        names = resolve_categories(categories, available)
    else:
        names = tuple(_one(name, available) for name in categories)
    return make(names)


def _of_a_renderer(spec: str) -> Callable[[Sequence[str] | None], Any] | None:
    """How the library is made that comes with a renderer under this name; None where none does."""
    name, _, rest = spec.partition(":")
    if Path(spec).is_dir():
        return None
    from mlspatial import render

    import_all(render)
    return partial(OBJECTS[name], rest) if name in OBJECTS else None


def available_procedural() -> tuple[str, ...]:
    """The categories that have a builder, in the published order."""
    import_all(library)
    return tuple(name for name in catalogue.counts() if name in catalogue.BUILDERS)


def resolve_categories(spec: str | int, available: Iterable[str]) -> tuple[str, ...]:
    """What the parameter `categories` means.

    A name of a category, exactly as it is, before anything else (a folder may be called 117). "all" or 117: everything
    that is available, in the published order. A number N: the first N of STUDY_ORDER, then of the published order.
    Otherwise names, separated by commas: whole names first (they may contain commas, and may stand in double quotes),
    then the first word of a name ("bag" for "bag, handbag, pocketbook, purse"). Upper and lower case are the same where
    no exact name is there. Raises UnknownName, or BadValue for a number that is too large or a word that fits two.
    """
    published = catalogue.counts()
    known = tuple(available)
    ordered = tuple(c for c in published if c in known) + tuple(c for c in known if c not in published)
    text = str(spec).strip()
    if str(spec) in known or text in known:
        return (str(spec) if str(spec) in known else text,)
    if text.lower() == "all" or text == str(len(published)):
        return ordered
    if text.lstrip("+-").isdecimal():
        nested = [c for c in STUDY_ORDER if c in known]
        nested += [c for c in ordered if c not in nested]
        if not 1 <= int(text) <= len(nested):
            raise BadValue("categories", text, f"there are {len(nested)}; take 1 to {len(nested)}, all, or names")
        return tuple(nested[: int(text)])
    words = split_names(text)
    names: list[str] = []
    while words:
        for n in range(len(words), 0, -1):  # the longest whole name first
            if n > 1 and any(quoted for _, quoted in words[:n]):
                continue
            whole = next((w for sep in (", ", ",") if (w := _whole(sep.join(w for w, _ in words[:n]), known))), None)
            if whole:
                names.append(whole)
                break
        else:
            n = 1
            names.append(_one(words[0][0], known))
        words = words[n:]
    return tuple(dict.fromkeys(names))


def _whole(name: str, known: Sequence[str]) -> str | None:
    """The category of exactly this name, else of the same in other letters; BadValue where that fits two."""
    if name in known:
        return name
    fits = [c for c in known if same_name(c, name)]
    if len(fits) > 1:
        raise BadValue("categories", name, f"fits {' and '.join(map(repr, fits))}; give the exact name")
    return fits[0] if fits else None


def _one(name: str, known: Sequence[str]) -> str:
    whole = _whole(name, known)
    if whole:
        return whole
    fits = [c for c in known if same_name(c.split(",")[0], name)]
    if len(fits) > 1:
        raise BadValue("categories", name, f"fits {' and '.join(map(repr, fits))}; give the whole name")
    if not fits:
        raise UnknownName("category", name, known)
    return fits[0]


#: Hashes of library code that makes the very meshes of an earlier version -> that version: datasets keep their id.
SAME_MESHES = {
    "bdd9bc88049d": "d2e719469f96",  # reading of files no longer counts
    "e5ec4a32c9d4": "d2e719469f96",  # finishes may have layers, which none of the library's has
}


@lru_cache(maxsize=1)
def _source_version() -> str:
    """A hash of the code that the procedural meshes come from."""
    folder = Path(library.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        if path.stem not in ("preview", "__init__", "files"):
            digest.update(path.name.encode() + b"\0" + path.read_bytes().replace(b"\r\n", b"\n"))
    found = digest.hexdigest()[:12]
    return SAME_MESHES.get(found, found)
