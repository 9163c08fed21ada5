"""What a source of networks is, the grammar of selectors, and how a network is loaded by one.

SCHEME:NAME[@random[SEED]][?OPTION=VALUE&...] names a network from outside the registry; SCHEME is that of a source.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mlspatial.core.errors import BadValue, UnknownName, UserError
from mlspatial.core.plugins import Plugins
from mlspatial.models.build import build, code_of
from mlspatial.models.spec import ModelSpec, Triple
from mlspatial.models.weights import fill, named, read_state

if TYPE_CHECKING:
    from torch import nn

    from mlspatial.models.weights import State

QUERY = re.compile(r"\?(?=[A-Za-z_]\w*=)")  # a path and a wild card may hold other question marks
RANDOM = re.compile(r"random(\d{0,9})")
FORM = "must be SCHEME:NAME, perhaps with @random or @randomN and ?OPTION=VALUE&OPTION=VALUE"


@dataclass(frozen=True)
class Selector:
    """A selector, taken apart. name: of the network, or a path; drawn: the seed of random weights, None for others;
    input_size, mean, sd: instead of the source's own; seed, group: how it counts among others (see `record_facts`);
    options: those of its source alone."""

    text: str
    scheme: str
    name: str
    drawn: int | None = None
    input_size: int = 0
    mean: Triple | None = None
    sd: Triple | None = None
    seed: int = 0
    group: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The same for all seeds."""
        return self.group or f"{self.scheme}:{self.name}" + ("" if self.drawn is None else "@random")

    def applied(self, spec: ModelSpec) -> ModelSpec:
        """The spec with what the selector says of images."""
        size, mean, sd = self.input_size or spec.input_size, self.mean or spec.mean, self.sd or spec.sd
        return replace(spec, input_size=size, mean=mean, sd=sd)


@dataclass(frozen=True)
class Written:
    """A network as code that needs its library alone. build: an expression that makes it, untrained; above: what has to
    stand above that, imports first; packages: that it imports beside torch."""

    build: str
    above: str
    packages: tuple[str, ...] = ()


class Source:
    """Where networks come from: one file and one registration in SOURCES under the scheme of its selectors.

    kind: what its networks are called in messages; options: that its selectors take besides those that all take, None:
    anything; takes_random: whether @random means something; fixed: its networks have the units that they have.
    """

    kind: ClassVar[str]
    options: ClassVar[tuple[str, ...] | None] = ()
    takes_random: ClassVar[bool] = True
    fixed: ClassVar[bool] = False

    def names(self) -> Iterable[str]:
        """The networks that it knows."""
        return ()

    def check(self, name: str) -> str:
        """The name; raises UnknownName, with near ones, for one that it does not know."""
        known = self.names()
        if name not in known:
            raise UnknownName(self.kind, name, known)
        return name

    def spec(self, name: str) -> ModelSpec:
        """Of an untrained network: units and preprocessing as the source has them. Raises UnknownName."""
        raise BadValue("arch", name, f"is {self.kind} and no architecture")

    def settled(self, spec: ModelSpec) -> ModelSpec:
        """The spec with what only the network can tell."""
        return spec

    def build(self, spec: ModelSpec) -> nn.Module:
        """An untrained network with spec.units (0: no head) for images of spec.input_size pixels."""
        raise BadValue("arch", spec.arch, f"is {self.kind} and no architecture")

    def weights(self, asked: Selector) -> Path:
        """The file of the trained weights, downloaded if need be. Raises UserError when there is none."""
        raise UserError(f"models={asked.text}: there are no trained weights; {asked.text}@random is untrained")

    def convert(self, state: State, spec: ModelSpec, module: nn.Module) -> State:
        """A file's parameters under the network's own names as far as `named` finds them -> all of them."""
        return state

    def written(self, spec: ModelSpec) -> Written | None:
        """Code that builds such a network without this package; None where there is none so short."""
        return None

    def maker(self, name: str) -> Any:
        """The class or function of a user's own that makes a network, None for those of libraries."""
        return None

    def expand(self, asked: Selector) -> list[str]:
        """The selectors, each of one network, that a selector stands for."""
        return [asked.text]

    def arch(self, asked: Selector) -> str:
        """What `find` knows the architecture by; "" where only the weights' folder knows."""
        return f"{asked.scheme}:{asked.name}"

    def files(self, asked: Selector) -> list[Path]:
        """A user's own files that decide what the network is."""
        return []

    def located(self, asked: Selector) -> list[Path]:
        """The files that decide what the network is, wherever they come from."""
        return [] if asked.drawn is not None else [self.weights(asked)]

    def origin(self, filename: str) -> str:
        """Where a file of weights can be had, "" for those that it does not know."""
        return ""

    def about(self, asked: Selector) -> dict[str, str]:
        """Known facts of a network that others have published, by the names of compare's contrasts."""
        return {}

    def load(self, asked: Selector) -> tuple[nn.Module, ModelSpec]:
        """(network, its spec without hashes)."""
        spec = self.settled(asked.applied(self.spec(asked.name)))
        if asked.drawn is not None:
            return build(spec, seed=asked.drawn), spec
        return self.filled(spec, asked, self.weights(asked)), trained(spec)

    def filled(self, spec: ModelSpec, asked: Selector, weights: Path) -> nn.Module:
        """A network with the weights of a file. Raises UserError when they do not fit."""
        module = build(spec)
        state = self.convert(named(read_state(weights), module.state_dict()), spec, module)
        fill(module, state, spec.arch, str(weights))
        return module


SOURCES: Plugins[type[Source]] = Plugins("source of networks")
OWN = "mlspatial"  # the scheme of this package's own, whose architectures need none


def find(arch: str) -> tuple[Source, str]:
    """(source, name there) of a spec's arch, SCHEME:NAME or the name of an architecture. Raises UnknownName."""
    scheme, colon, name = arch.partition(":")
    return SOURCES[scheme if colon else OWN](), name if colon else arch


def default_spec(arch: str) -> ModelSpec:
    """The spec of an untrained network; what names its weights chooses preprocessing and is no part of the spec's arch.

    Raises UnknownName, and UserError for a network that does not take square RGB images.
    """
    source, name = find(arch)
    return source.settled(source.spec(name))


def trained(spec: ModelSpec) -> ModelSpec:
    return replace(spec, supervised=tuple(spec.head))


def square(arch: str, channels: int, height: Any, width: Any) -> int:
    """The pixels of a network's side; raises UserError for one that does not take square RGB images."""
    if channels != 3 or height != width or not isinstance(height, int):
        raise UserError(f"{arch} takes inputs of {channels} x {height} x {width}; only square RGB images are given")
    return height


def is_external(text: str) -> bool:
    scheme, colon, _ = text.partition(":")
    return bool(colon) and scheme in SOURCES


def split(text: str, others: Iterable[str] = ()) -> list[str]:
    """A comma list of addresses, taken apart. others: schemes of addresses that are no sources.

    Only a comma before a scheme separates: paths and options may hold others.
    """
    schemes = "|".join(map(re.escape, (*others, *SOURCES)))
    return [part.strip() for part in re.split(rf",\s*(?=(?:{schemes}):)", text)]


def expand(text: str) -> list[str]:
    """The addresses, each of one network, that an address stands for: itself, or several for zoo:*."""
    if not is_external(text):
        return [text]
    asked = _taken_apart(text)
    return SOURCES[asked.scheme]().expand(asked)


def parse_selector(text: str) -> Selector:
    """A selector of one network. Raises BadValue for what is none; does not look whether the network exists."""
    asked = _taken_apart(text)
    found = SOURCES[asked.scheme]().expand(asked)
    if len(found) != 1:
        raise BadValue("models", text, f"names {len(found)} networks, not one; give a whole name or more facts")
    return asked if found == [text] else parse_selector(found[0])


def load_external(text: str) -> tuple[nn.Module, ModelSpec]:
    """(network in evaluation mode, its spec) of a selector.

    Trained weights are looked for on this machine first and downloaded only when they are not there. Raises
    UnknownName for a network that does not exist (with near names), BadValue for a selector that makes no sense, and
    UserError for weights that cannot be had, read or fitted.
    """
    asked = parse_selector(text)
    module, spec = SOURCES[asked.scheme]().load(asked)
    return module.eval(), spec.with_weights(module)


def external_spec(text: str) -> ModelSpec:
    """The spec that `load_external` returns, hashes included; remembered while the files behind it are the same."""
    asked = parse_selector(text)
    return _remembered_spec(text, _stamp(SOURCES[asked.scheme]().located(asked)))


def identity(text: str) -> str:
    """A selector with what tells whether the user's files and code behind it have changed; nothing is downloaded."""
    try:
        asked = parse_selector(text)
        source = SOURCES[asked.scheme]()
        arch = source.arch(asked)
        return f"{text} {_stamp(source.files(asked))} {code_of(arch) if arch else ''}"
    except UserError:
        return text


def _stamp(files: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    there = [(file.resolve(), file.stat()) for file in files if file.is_file()]
    return tuple((str(file), facts.st_mtime_ns, facts.st_size) for file, facts in there)


@lru_cache(maxsize=256)
def _remembered_spec(text: str, stamp: Any) -> ModelSpec:
    return load_external(text)[1]


def record_facts(text: str) -> dict[str, Any]:
    """What a record of a network from outside says: name (the same for all seeds), model_id, arch, dataset, task, seed,
    group.

    task: `untrained`, or the group that the selector gives, or `imagenet`, what the spec says was trained, `pretrained`
    when nobody says. group: "" unless given.
    """
    asked, spec = parse_selector(text), external_spec(text)
    trained_for = "+".join(spec.supervised) or "pretrained"
    return {
        "name": asked.title,
        "model_id": spec.model_id,
        "arch": spec.arch,
        "dataset": "imagenet1k" if asked.drawn is None and trained_for == "imagenet" else "",
        "task": "untrained" if asked.drawn is not None else asked.group or trained_for,
        "seed": asked.seed if asked.drawn is None else asked.drawn,
        "group": asked.group,
    }


def _taken_apart(text: str) -> Selector:
    scheme, colon, rest = text.partition(":")
    if not colon or scheme not in SOURCES:
        raise BadValue("models", text, f"{FORM}; schemes: {', '.join(SOURCES)}")
    source = SOURCES[scheme]
    name, *query = QUERY.split(rest.removeprefix("//"), maxsplit=1)
    drawn = None
    if source.takes_random and "@" in name:
        name, _, weights = name.rpartition("@")
        random = RANDOM.fullmatch(weights)
        if not random:
            raise BadValue("models", text, FORM)
        drawn = int(random[1] or 0)
    values: dict[str, Any] = {}
    own: dict[str, str] = {}
    for clause in query[0].split("&") if query else ():
        option, _, value = clause.partition("=")
        if option in OPTIONS:
            try:
                values[option] = OPTIONS[option](value)
            except ValueError as error:
                raise BadValue("models", text, f"{option} must be {error}") from error
        elif source.options is None or option in source.options:
            own[option] = value
        else:
            known = ", ".join((*source.options, *OPTIONS))
            raise BadValue("models", text, f"has an unknown option {option!r}; known: {known}")
    if drawn is not None and "seed" in values:
        raise BadValue("models", text, f"is drawn with seed {drawn}, as @random says; leave out seed=")
    return Selector(text, scheme, name, drawn, **values, options=own)


def _pixels(text: str) -> int:
    if not text.isdecimal() or int(text) < 32:
        raise ValueError("a number of pixels, at least 32")
    return int(text)


def _triple(text: str, positive: bool = False) -> Triple:
    said = "one number, or three with commas between (red, green, blue), of pixels in 0..1" + ", above 0" * positive
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(said) from None
    numbers = numbers * 3 if len(numbers) == 1 else numbers
    if len(numbers) != 3 or not all(math.isfinite(n) and (n > 0 or not positive) for n in numbers):
        raise ValueError(said)
    return numbers[0], numbers[1], numbers[2]


def _number(text: str) -> int:
    if not text.isdecimal():
        raise ValueError("a whole number")
    return int(text)


def _label(text: str) -> str:
    if not re.fullmatch(r"[\w. +-]+", text):
        raise ValueError("letters, digits, space and . _ + -")
    return text


#: option that every selector takes -> how its value is read; what it must be otherwise is what ValueError says
OPTIONS: dict[str, Callable[[str], Any]] = {
    "input_size": _pixels,
    "mean": _triple,
    "sd": lambda text: _triple(text, positive=True),
    "seed": _number,
    "group": _label,
}
