"""Before a network sees its first image: what that will take of memory, disk and time, against what there is.

What does not fit is refused, saying what takes most and a cheaper way that was tried with the same sums and does fit;
layers whose activations do not fit together are gathered in several passes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlspatial.analysis.device import MPS
from mlspatial.core.errors import UserError
from mlspatial.core.hashing import content_id
from mlspatial.core.limits import free_memory
from mlspatial.core.names import ACTIVATIONS
from mlspatial.core.progress import duration, say
from mlspatial.models import costs
from mlspatial.models.costs import Held, Look
from mlspatial.steps.ways import Ways

GIB = 1 << 30
SHARE = 0.5  # of free memory that waiting layers may take: a pass more is dearer than a second array is wide
FEWEST = 10  # stimuli that an advice names
LISTED = 6  # layers that an advice names
_told: set[str] = set()  # what networks alike take was said once


@dataclass(frozen=True)
class Bill:
    """n: stimuli; looked: at the network; kinds: that are gathered, of all its layers; ways: of its user; networks: how
    many are to come, with this one."""

    n: int
    looked: Look
    kinds: tuple[str, ...]
    ways: Ways
    networks: int = 1
    device: str = "cpu"

    @property
    def layers(self) -> dict[str, Held]:
        return {layer: costs.held(self.kinds, self.n, width) for layer, width in self.looked.widths.items()}

    def passes(self, memory: float, disk: float) -> list[list[str]]:
        return costs.groups(self.layers, SHARE * memory, disk)

    def memory(self, passes: Sequence[Sequence[str]]) -> dict[str, float]:
        """In words, what takes how many bytes; the largest of gathering and of what comes afterwards."""
        layers = self.layers
        on_host = self.device in ("cpu", MPS)  # which have one memory; else batches and products are the other device's
        sizes = []
        for group in passes:
            waiting = {f"activations of {_some(group)}": sum(layers[name].waiting for name in group)}
            looked = costs.forward(self.looked) if on_host else 0.0
            made = max(layers[name].solved + layers[name].made * on_host for name in group)
            sizes += [waiting | {f"a batch of {self.looked.batch} images": looked}]
            sizes += [waiting | {f"arrays of a layer for {self.n:,} stimuli": made}]
        sizes += [self.ways.later(self.n, self.looked.widths)] if self.ways.later else []
        return max(sizes, key=lambda parts: sum(parts.values()))

    def disk(self) -> tuple[float, float]:
        """(bytes of kept arrays of one network, of the largest layer while it waits)."""
        layers = self.layers.values()
        return sum(of.kept for of in layers), max((of.spooled for of in layers), default=0.0)

    def only(self, names: Sequence[str]) -> Bill:
        widths = {name: self.looked.widths[name] for name in names}
        return replace(self, looked=replace(self.looked, widths=widths))


@dataclass(frozen=True)
class Room:
    """Bytes that are free. disks: folder -> (bytes that are free there, what of the arrays goes there: a share of one
    network's, of all networks', of the largest layer that waits)."""

    memory: float
    disks: Mapping[Path, tuple[float, tuple[float, float, float]]]

    @classmethod
    def now(cls, temporary: Path, spool: Path, store: Path | None) -> Room:
        """temporary: where arrays are written, spool: where layers wait, store: where they stay, if here."""
        uses: dict[int, tuple[Path, list[float]]] = {}
        for place, (one, every, waits) in ((temporary, (1.0, 0, 0)), (spool, (0, 0, 1.0)), (store, (0, 1.0, 0))):
            if place is not None:
                there = next(up for up in (place, *place.resolve().parents) if up.exists())
                _, sums = uses.setdefault(os.stat(there).st_dev, (there, [0.0, 0.0, 0.0]))
                sums[:] = [sums[0] + one, sums[1] + every, sums[2] + waits]
        return cls(
            free_memory(),
            {place: (float(shutil.disk_usage(place).free), (a, b, c)) for place, (a, b, c) in uses.values()},
        )


def settle(what: str, bill: Bill, room: Room, budget: float) -> list[list[str]]:
    """The layers of each pass. what: the network and its stimuli, for people; budget: of layers that wait on disk.

    Tells the estimate in a line, once of networks alike, that there are several passes, and that the disk has not room
    for all networks. Raises UserError for what does not fit.
    """
    passes = bill.passes(room.memory, budget)
    lack = _lack(bill, passes, room)
    if lack:
        raise UserError(f"{what}: {lack}; {_cheaper(bill, room, budget)}")
    key = content_id([bill.looked.widths, bill.n, list(bill.kinds)])
    if key not in _told:
        _told.add(key)
        _tell(what, bill, passes, room)
    return passes


def _tell(what: str, bill: Bill, passes: Sequence[Sequence[str]], room: Room) -> None:
    needed, kept = sum(bill.memory(passes).values()), bill.disk()[0]
    seconds = costs.seconds(bill.looked, bill.kinds, bill.n, len(passes))
    free = min((free for free, _ in room.disks.values()), default=0.0)
    networks = f", each of {bill.networks} networks" if bill.networks > 1 else ""
    say(
        f"{what}: {len(bill.layers)} layers will take about {_size(needed)} of memory ({_size(room.memory)} are free), "
        f"{_size(kept)} of disk ({_size(free)}) and {duration(seconds)} to gather{networks}"
    )
    for place, (there, (one, every, waits)) in room.disks.items():
        fit = (there - one * kept - waits * bill.disk()[1]) / kept if every and kept else bill.networks
        if fit < bill.networks:
            say(f"{place}: has room for the arrays of about {int(fit)} of {bill.networks} networks; make some")
    waiting = sum(of.waiting for of in bill.layers.values())
    at_once = max(sum(bill.layers[name].waiting for name in group) for group in passes)
    if waiting > at_once:
        say(
            f"{what}: in {len(passes)} passes, as activations of all layers take {_size(waiting)} of memory at once "
            f"(of one pass at most {_size(at_once)}); fewer --layers take one"
        )


def _lack(bill: Bill, passes: Sequence[Sequence[str]], room: Room) -> str:
    """What does not fit, in words with what takes most; "" where all does."""
    parts = bill.memory(passes)
    needed = sum(parts.values())
    if needed > room.memory:
        most = max(parts, key=lambda words: parts[words])
        return (
            f"would take about {_size(needed)} of memory, {_size(room.memory)} are free; most of it, "
            f"{_size(parts[most])}, is for {most}"
        )
    kept, waiting = bill.disk()
    for place, (free, (one, every, waits)) in room.disks.items():
        needed = (one + every) * kept + waits * waiting
        if needed > free:
            layer = max(bill.layers, key=lambda name: bill.layers[name].kept + bill.layers[name].spooled)
            size = bill.layers[layer].kept * (one + every) + bill.layers[layer].spooled * waits
            return (
                f"would take about {_size(needed)} of disk in {place}, {_size(free)} are free; most of it, "
                f"{_size(size)}, is for layer {layer}"
            )
    return ""


def _cheaper(bill: Bill, room: Room, budget: float) -> str:
    """An option that makes it fit, tried with the same sums; else what there must be."""

    def fits(other: Bill) -> bool:
        return not _lack(other, other.passes(room.memory, budget), room)

    names = list(bill.layers)
    kept = next((kind for kind in bill.kinds if kind.startswith(ACTIVATIONS)), "")
    if kept and fits(replace(bill, kinds=tuple(kind for kind in bill.kinds if kind != kept))):
        return "leave activations out (--activations none)"
    for count in range(min(len(names) - 1, LISTED), 0, -1):
        spread = [names[round(i * (len(names) - 1) / max(count - 1, 1))] for i in range(count)]
        if fits(bill.only(spread)):
            return f"name fewer layers, as --layers {','.join(spread)}"
    narrow = min(names, key=lambda name: bill.looked.widths[name])
    if len(names) > 1 and fits(bill.only([narrow])):
        return f"name fewer layers, as --layers {narrow}"
    if bill.ways.stimuli and (n := _most(lambda n: fits(replace(bill, n=n)), bill.n)):
        return f"take fewer images, as --stimuli {bill.ways.stimuli}:{n}"
    for words, (kinds, later) in bill.ways.others.items():
        if not kinds or fits(replace(bill, kinds=kinds, ways=replace(bill.ways, later=later))):
            return words
    return "take a machine with more, or make room (MLSPATIAL_CACHE names another disk for the cache)"


def _most(fits: Callable[[int], bool], n: int) -> int:
    """The largest number of stimuli below n that fits, in tens where that fits, too; 0 where not even ten do."""
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    if low < FEWEST:
        return 0
    tens = low - low % 10
    return tens if fits(tens) else low  # a few less can take more: small layers wait in float32


def _some(names: Sequence[str]) -> str:
    return f"layer {names[0]}" if len(names) == 1 else f"{len(names)} layers"


def _size(size: float) -> str:
    return f"{size / GIB:,.1f} GiB" if size >= 0.1 * GIB else f"{size / (1 << 20):,.1f} MiB"
